//! How pictures lie in memory, and how many bytes they have. Contiguous ones as V4L2 lays them out:
//! the chroma planes follow the luma at once; their stride is the luma's (NV12) or half of it (YU12).

use super::PixelFormat;
use crate::units::Size;

/// Memory planes a picture has at most: luma, Cb and Cr apart.
pub const MOST_PLANES: usize = 3;

/// A layout of raw pixels together with the way it is cut into memory planes. Hardware encoders want
/// the one or the other; a contiguous layout and its cut twin have the same pixels in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Raw {
    /// `V4L2_PIX_FMT_NV12`.
    Nv12,
    /// `V4L2_PIX_FMT_NV12M`: luma and chroma in memory of their own.
    Nm12,
    /// `V4L2_PIX_FMT_YUV420`.
    Yu12,
    /// `V4L2_PIX_FMT_YUV420M`: luma, Cb and Cr in memory of their own.
    Ym12,
    /// `V4L2_PIX_FMT_YUYV`.
    Yuyv,
    /// `V4L2_PIX_FMT_UYVY`.
    Uyvy,
}

impl Raw {
    /// Every one, cheapest for an encoder first.
    pub const ALL: [Self; 6] = [
        Self::Nv12,
        Self::Nm12,
        Self::Yu12,
        Self::Ym12,
        Self::Yuyv,
        Self::Uyvy,
    ];

    /// The four characters V4L2 uses.
    #[must_use]
    pub const fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Nv12 => b"NV12",
            Self::Nm12 => b"NM12",
            Self::Yu12 => b"YU12",
            Self::Ym12 => b"YM12",
            Self::Yuyv => b"YUYV",
            Self::Uyvy => b"UYVY",
        }
    }

    /// The layout of a fourcc.
    #[must_use]
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL.into_iter().find(|raw| raw.fourcc() == fourcc)
    }

    /// What the pixels look like.
    #[must_use]
    pub const fn pixel(self) -> PixelFormat {
        match self {
            Self::Nv12 | Self::Nm12 => PixelFormat::Nv12,
            Self::Yu12 | Self::Ym12 => PixelFormat::Yu12,
            Self::Yuyv => PixelFormat::Yuyv,
            Self::Uyvy => PixelFormat::Uyvy,
        }
    }

    /// Into how many memory planes it is cut.
    #[must_use]
    pub const fn memory_planes(self) -> usize {
        match self {
            Self::Nm12 => 2,
            Self::Ym12 => 3,
            Self::Nv12 | Self::Yu12 | Self::Yuyv | Self::Uyvy => 1,
        }
    }

    /// Bytes that each memory plane of a whole picture has at least; 0 for planes there are not.
    #[must_use]
    pub fn least_bytes(self, size: Size, strides: [u32; MOST_PLANES]) -> [u64; MOST_PLANES] {
        let lines = |count: u32, stride: u32, line: u32| {
            u64::from(stride) * u64::from(count.saturating_sub(1)) + u64::from(line)
        };
        let (width, height) = (size.width, size.height);
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let luma = lines(height, strides[0], width);
        match self {
            Self::Nm12 => [luma, lines(half_height, strides[1], half_width * 2), 0],
            Self::Ym12 => [
                luma,
                lines(half_height, strides[1], half_width),
                lines(half_height, strides[2], half_width),
            ],
            Self::Nv12 | Self::Yu12 | Self::Yuyv | Self::Uyvy => {
                [least_bytes(self.pixel(), size, strides[0]), 0, 0]
            }
        }
    }

    /// True where chroma lies behind all lines of luma in the same memory: then the number of lines
    /// that the other side believes in moves the chroma.
    #[must_use]
    pub const fn chroma_behind_luma(self) -> bool {
        matches!(self, Self::Nv12 | Self::Yu12)
    }
}

impl std::fmt::Display for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fourcc = self.fourcc();
        f.write_str(std::str::from_utf8(&fourcc).unwrap_or("????"))
    }
}

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
    fn every_raw_layout_is_found_by_its_fourcc_and_has_pixels_we_know() {
        for raw in Raw::ALL {
            assert_eq!(Raw::from_fourcc(raw.fourcc()), Some(raw));
            assert!(!raw.pixel().is_compressed());
            let contiguous = Raw::from_fourcc(raw.pixel().fourcc()).unwrap();
            assert_eq!(contiguous.memory_planes(), 1);
        }
        assert_eq!(Raw::from_fourcc(*b"MJPG"), None);
    }

    #[test]
    fn planes_apart_have_their_own_least_bytes() {
        let vga = Size::new(640, 480);
        let apart = Raw::Nm12.least_bytes(vga, [640, 640, 0]);
        assert_eq!(apart, [307_200, 153_600, 0]);
        let three = Raw::Ym12.least_bytes(vga, [640, 320, 320]);
        assert_eq!(three, [307_200, 76_800, 76_800]);
        assert_eq!(Raw::Nv12.least_bytes(vga, [640, 0, 0]), [460_800, 0, 0]);
    }

    #[test]
    fn a_stride_too_short_to_be_true_is_replaced() {
        assert_eq!(stride(PixelFormat::Yuyv, 640, 0), 1280);
        assert_eq!(stride(PixelFormat::Nv12, 640, 704), 704);
        assert_eq!(stride(PixelFormat::Mjpeg, 640, 640), 0);
    }
}
