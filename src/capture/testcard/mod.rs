//! The built-in test camera: a moving picture that also says, machine-readably, which frame it is
//! and when it was taken. One more [`Source`](super::Source); no hardware, no V4L2.
//!
//! * [`picture`]: what it looks like. * [`timecode`]: the strip at its foot. * [`io`]: the clock
//!   that drives it.

mod background;
pub mod io;
pub mod picture;
pub mod timecode;

use super::{Colour, Format, Matrix, PixelFormat, Range};
use crate::camera::Mode;
use crate::error::{Error, Kind, Result};
use crate::units::{Rate, Size};

/// The size and rate it runs at unless told otherwise.
pub const DEFAULT: (Size, Rate) = (Size::new(1280, 720), Rate::fps(30));

const SIZES: [Size; 6] = [
    Size::new(1920, 1080),
    Size::new(1280, 720),
    Size::new(854, 480),
    Size::new(640, 480),
    Size::new(640, 360),
    Size::new(320, 180),
];
const RATES: [u32; 7] = [60, 50, 30, 25, 15, 10, 5];

/// What it offers, largest first. It also takes any other even size from 160x90 to 3840x2160 and
/// any rate up to 120.
#[must_use]
pub fn modes() -> Vec<Mode> {
    SIZES
        .into_iter()
        .map(|size| Mode {
            pixel: PixelFormat::Yu12,
            size,
            rates: RATES.into_iter().map(Rate::fps).collect(),
        })
        .collect()
}

/// The format the test camera delivers at `size` and `rate`: BT.709 from 720 lines up, BT.601
/// below, limited range.
///
/// # Errors
/// `Refused` for a size or rate it cannot draw.
pub fn format(size: Size, rate: Rate) -> Result<Format> {
    let (w, h) = (size.width, size.height);
    let fits = (160..=3840).contains(&w) && (90..=2160).contains(&h) && h <= 4 * w && w <= 4 * h;
    if !fits || w % 2 == 1 || h % 2 == 1 {
        return Err(
            Error::new(Kind::Refused, format!("the test camera cannot draw {size}"))
                .action("choose an even size between 160x90 and 3840x2160"),
        );
    }
    if rate.as_f64() > 120.0 {
        return Err(Error::new(
            Kind::Refused,
            format!("the test camera cannot run at {rate} frames per second"),
        )
        .action("choose a rate up to 120"));
    }
    let matrix = if h >= 720 {
        Matrix::Bt709
    } else {
        Matrix::Bt601
    };
    Ok(Format {
        pixel: PixelFormat::Yu12,
        size,
        stride: w,
        rate,
        colour: Colour {
            matrix,
            range: Range::Limited,
            srgb: false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offered_mode_is_one_it_can_deliver() {
        for mode in modes() {
            for rate in mode.rates {
                assert_eq!(format(mode.size, rate).unwrap().size, mode.size);
            }
        }
    }

    #[test]
    fn odd_and_absurd_sizes_are_refused_with_advice() {
        for (w, h) in [(641, 480), (0, 0), (8000, 8000), (3840, 90)] {
            let error = format(Size::new(w, h), Rate::fps(30)).unwrap_err();
            assert_eq!(error.kind(), Kind::Refused);
            assert!(error.next_action().is_some());
        }
    }
}
