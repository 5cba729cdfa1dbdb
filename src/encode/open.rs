//! Picks the route from what the camera delivers. Pure.

use super::passthrough::Passthrough;
use super::software::Software;
use super::{Encoder, Settings};
use crate::capture::{Format, PixelFormat};
use crate::error::Result;

/// Opens the best encoder for frames of `format`: passthrough where the camera codes by itself,
/// else openh264.
///
/// # Errors
/// `Refused` for a size that cannot be coded, `Internal` when the encoder does not start.
pub fn open(format: Format, settings: Settings) -> Result<Box<dyn Encoder>> {
    if format.pixel == PixelFormat::H264 {
        return Ok(Box::new(Passthrough::open(format)?));
    }
    // Encoder chips keep several frames in flight, so they are a chain of their own and not an
    // `Encoder`: see pipeline/hardware.
    Ok(Box::new(Software::open(format, settings)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::testcard;
    use crate::encode::Route;
    use crate::error::Kind;
    use crate::units::{BitRate, Rate, Size};

    #[test]
    fn h264_is_passed_through_and_pixels_are_coded() {
        let settings = Settings {
            bitrate: BitRate::from_kbps(500),
            gop: 30,
        };
        let mut format = testcard::format(Size::new(640, 480), Rate::fps(30)).unwrap();
        let software = open(format, settings).unwrap();
        assert_eq!(software.route(), Route::Software);
        assert!(software.forces_idr());
        format.pixel = PixelFormat::H264;
        let passthrough = open(format, settings).unwrap();
        assert_eq!(passthrough.route(), Route::Passthrough);
        assert!(!passthrough.forces_idr());
        format.pixel = PixelFormat::Nv12;
        format.size = Size::new(8, 8);
        let error = open(format, settings).err().unwrap();
        assert_eq!(error.kind(), Kind::Refused);
    }
}
