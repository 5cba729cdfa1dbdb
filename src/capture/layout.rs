//! How many bytes a picture has. Contiguous planes only, as V4L2 lays them out: the chroma planes
//! follow the luma at once; their stride is the luma's (NV12) or half of it (YU12).

use super::PixelFormat;
use crate::units::Size;

/// Bytes that one line of the first plane needs at least; 0 for compressed formats.
#[must_use]
pub const fn line_bytes(pixel: PixelFormat, width: u32) -> u32 {
    match pixel {
        PixelFormat::Yuyv | PixelFormat::Uyvy => width.div_ceil(2).saturating_mul(4),
        PixelFormat::Nv12 | PixelFormat::Yu12 => width,
        PixelFormat::Mjpeg | PixelFormat::H264 => 0,
    }
}

/// The stride to use: the driver's word unless it is too short to be true (some leave it 0).
#[must_use]
pub const fn stride(pixel: PixelFormat, width: u32, reported: u32) -> u32 {
    let least = line_bytes(pixel, width);
    if least == 0 {
        0
    } else if reported < least {
        least
    } else {
        reported
    }
}

/// Bytes from the first to the last pixel: fewer than that is half a picture. The padding behind
/// the very last line may be missing. 1 for compressed formats.
#[must_use]
pub fn least_bytes(pixel: PixelFormat, size: Size, stride: u32) -> u64 {
    let (height, stride) = (u64::from(size.height), u64::from(stride));
    let line = u64::from(line_bytes(pixel, size.width));
    let chroma_lines = height.div_ceil(2);
    let chroma_line = u64::from(size.width.div_ceil(2));
    match pixel {
        PixelFormat::Yuyv | PixelFormat::Uyvy => stride * height.saturating_sub(1) + line,
        PixelFormat::Nv12 => {
            stride * height + stride * chroma_lines.saturating_sub(1) + 2 * chroma_line
        }
        PixelFormat::Yu12 => {
            let chroma_stride = stride / 2;
            stride * height + chroma_stride * (2 * chroma_lines).saturating_sub(1) + chroma_line
        }
        PixelFormat::Mjpeg | PixelFormat::H264 => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_padding_the_least_is_the_whole_picture() {
        let vga = Size::new(640, 480);
        assert_eq!(least_bytes(PixelFormat::Yuyv, vga, 1280), 614_400);
        assert_eq!(least_bytes(PixelFormat::Nv12, vga, 640), 460_800);
        assert_eq!(least_bytes(PixelFormat::Yu12, vga, 640), 460_800);
        assert_eq!(least_bytes(PixelFormat::H264, vga, 0), 1);
    }

    #[test]
    fn padding_counts_between_lines_but_not_behind_the_last() {
        let tiny = Size::new(2, 2);
        assert_eq!(least_bytes(PixelFormat::Yuyv, tiny, 64), 64 + 4);
        assert_eq!(least_bytes(PixelFormat::Nv12, tiny, 64), 128 + 2);
        assert_eq!(least_bytes(PixelFormat::Yu12, tiny, 64), 128 + 32 + 1);
    }

    #[test]
    fn a_stride_too_short_to_be_true_is_replaced() {
        assert_eq!(stride(PixelFormat::Yuyv, 640, 0), 1280);
        assert_eq!(stride(PixelFormat::Nv12, 640, 704), 704);
        assert_eq!(stride(PixelFormat::Mjpeg, 640, 640), 0);
    }
}
