//! What a driver's four colour fields mean. Numbers and default rules are those of
//! `linux/videodev2.h` (`V4L2_MAP_YCBCR_ENC_DEFAULT`, `V4L2_MAP_QUANTIZATION_DEFAULT`).

use super::{Colour, Matrix, PixelFormat, Range};

/// `enum v4l2_colorspace`.
mod space {
    pub(super) const DEFAULT: u32 = 0;
    pub(super) const REC709: u32 = 3;
    pub(super) const JPEG: u32 = 7;
    pub(super) const SRGB: u32 = 8;
    pub(super) const BT2020: u32 = 10;
    pub(super) const DCI_P3: u32 = 12;
    pub(super) const SMPTE240M: u32 = 2;
}

/// `enum v4l2_ycbcr_encoding`.
mod encoding {
    pub(super) const DEFAULT: u32 = 0;
    pub(super) const E709: u32 = 2;
    pub(super) const XV709: u32 = 4;
    pub(super) const BT2020: u32 = 6;
    pub(super) const BT2020_CONST_LUM: u32 = 7;
    pub(super) const SMPTE240M: u32 = 8;
}

/// `enum v4l2_quantization`.
mod quantization {
    pub(super) const FULL: u32 = 1;
    pub(super) const LIMITED: u32 = 2;
}

/// `enum v4l2_xfer_func`.
mod transfer {
    pub(super) const DEFAULT: u32 = 0;
    pub(super) const SRGB: u32 = 2;
}

/// The colour fields of a format as the driver filled them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reported {
    /// `enum v4l2_colorspace`.
    pub colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`.
    pub ycbcr_enc: u32,
    /// `enum v4l2_quantization`.
    pub quantization: u32,
    /// `enum v4l2_xfer_func`.
    pub xfer_func: u32,
}

/// What the numbers in the picture mean. Encodings that H.264 players rarely honour (BT.2020,
/// SMPTE 240M) become the nearest of our two matrices, which is BT.709.
#[must_use]
pub const fn colour(pixel: PixelFormat, reported: Reported) -> Colour {
    // A camera that leaves everything at "default" is a web camera: sRGB.
    let colorspace = match reported.colorspace {
        space::DEFAULT => space::SRGB,
        given => given,
    };
    let bt709 = match reported.ycbcr_enc {
        encoding::DEFAULT => matches!(
            colorspace,
            space::REC709 | space::DCI_P3 | space::BT2020 | space::SMPTE240M
        ),
        encoding::E709
        | encoding::XV709
        | encoding::BT2020
        | encoding::BT2020_CONST_LUM
        | encoding::SMPTE240M => true,
        _ => false,
    };
    let full = match reported.quantization {
        quantization::FULL => true,
        quantization::LIMITED => false,
        // JFIF is full range whatever colour space a driver names beside it.
        _ => colorspace == space::JPEG || matches!(pixel, PixelFormat::Mjpeg),
    };
    let srgb = match reported.xfer_func {
        transfer::DEFAULT => matches!(colorspace, space::SRGB | space::JPEG),
        given => given == transfer::SRGB,
    };
    Colour {
        matrix: if bt709 { Matrix::Bt709 } else { Matrix::Bt601 },
        range: if full { Range::Full } else { Range::Limited },
        srgb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pixel: PixelFormat, colorspace: u32, ycbcr_enc: u32, quantization: u32) -> Colour {
        colour(
            pixel,
            Reported {
                colorspace,
                ycbcr_enc,
                quantization,
                xfer_func: 0,
            },
        )
    }

    const WEBCAM: Colour = Colour {
        matrix: Matrix::Bt601,
        range: Range::Limited,
        srgb: true,
    };

    #[test]
    fn a_web_camera_that_says_srgb_or_nothing_is_limited_bt601() {
        assert_eq!(of(PixelFormat::Yuyv, space::SRGB, 0, 0), WEBCAM);
        assert_eq!(of(PixelFormat::Nv12, space::DEFAULT, 0, 0), WEBCAM);
    }

    #[test]
    fn rec709_brings_its_own_matrix_and_transfer() {
        let hdmi = of(PixelFormat::Nv12, space::REC709, 0, 0);
        assert_eq!(
            (hdmi.matrix, hdmi.range, hdmi.srgb),
            (Matrix::Bt709, Range::Limited, false)
        );
    }

    #[test]
    fn jpeg_is_full_range_unless_the_driver_insists() {
        let full = Colour {
            range: Range::Full,
            ..WEBCAM
        };
        assert_eq!(of(PixelFormat::Mjpeg, space::SRGB, 0, 0), full);
        assert_eq!(of(PixelFormat::Yuyv, space::JPEG, 0, 0), full);
        assert_eq!(
            of(PixelFormat::Mjpeg, space::SRGB, 0, quantization::LIMITED),
            WEBCAM
        );
    }

    #[test]
    fn explicit_fields_win_over_the_colour_space() {
        let odd = colour(
            PixelFormat::Yu12,
            Reported {
                colorspace: space::SRGB,
                ycbcr_enc: encoding::E709,
                quantization: quantization::FULL,
                xfer_func: 1,
            },
        );
        assert_eq!(
            (odd.matrix, odd.range, odd.srgb),
            (Matrix::Bt709, Range::Full, false)
        );
        let sdtv = of(PixelFormat::Uyvy, 1, 0, 0);
        assert_eq!((sdtv.matrix, sdtv.srgb), (Matrix::Bt601, false));
    }
}
