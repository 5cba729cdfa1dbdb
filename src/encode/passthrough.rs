//! The passthrough route: the camera codes H.264 itself, we only keep the promise that every IDR
//! carries its parameter sets. Pure.

use super::h264::{Contents, NalKind, nals, push_nal};
use super::{AccessUnit, Encoder, Route, Settings};
use crate::capture::{Format, Frame, PixelFormat};
use crate::error::{Error, Kind, Result};

/// Passes the camera's access units on.
///
/// Nothing comes out before the first IDR whose parameter sets are known: no viewer could show it.
/// `force_idr` cannot be kept here: only the camera can make a key frame, and it is not asked. The wish is
/// ignored; see [`Encoder::forces_idr`].
#[derive(Debug)]
pub struct Passthrough {
    format: Format,
    sps: Vec<u8>,
    pps: Vec<u8>,
    /// An IDR has gone out.
    started: bool,
    out: Vec<u8>,
}

impl Passthrough {
    /// For a camera that delivers H.264.
    ///
    /// # Errors
    /// `Refused` when the camera delivers something else.
    pub fn open(format: Format) -> Result<Self> {
        if format.pixel != PixelFormat::H264 {
            return Err(Error::new(
                Kind::Refused,
                format!("{} cannot be passed through: it is not H.264", format.pixel),
            ));
        }
        Ok(Self {
            format,
            sps: Vec::with_capacity(64),
            pps: Vec::with_capacity(64),
            started: false,
            out: Vec::new(),
        })
    }

    /// Keeps the parameter sets of this access unit. Several of one kind are kept together.
    fn remember(&mut self, access_unit: &[u8], contents: Contents) {
        for (kind, kept, present) in [
            (NalKind::Sps, &mut self.sps, contents.sps),
            (NalKind::Pps, &mut self.pps, contents.pps),
        ] {
            if present {
                kept.clear();
                for nal in nals(access_unit).filter(|nal| NalKind::of(nal) == kind) {
                    push_nal(kept, nal);
                }
            }
        }
    }

    /// The access unit with the remembered parameter sets in front; a delimiter stays first.
    fn complete(&mut self, access_unit: &[u8]) -> &[u8] {
        let own = |nal: &&[u8]| NalKind::of(nal) == NalKind::Delimiter;
        self.out.clear();
        for delimiter in nals(access_unit).filter(own) {
            push_nal(&mut self.out, delimiter);
        }
        self.out.extend_from_slice(&self.sps);
        self.out.extend_from_slice(&self.pps);
        for nal in nals(access_unit) {
            if !matches!(
                NalKind::of(nal),
                NalKind::Delimiter | NalKind::Sps | NalKind::Pps
            ) {
                push_nal(&mut self.out, nal);
            }
        }
        &self.out
    }
}

impl Encoder for Passthrough {
    fn route(&self) -> Route {
        Route::Passthrough
    }

    fn format(&self) -> Format {
        self.format
    }

    fn forces_idr(&self) -> bool {
        false
    }

    fn retune(&mut self, _settings: Settings) -> Result<()> {
        Err(Error::new(
            Kind::Refused,
            "this camera codes its pictures itself: bit rate and key frames are its own business",
        )
        .action("look for a control of that name in get_camera_controls"))
    }

    fn encode<'a>(
        &'a mut self,
        frame: &Frame<'a>,
        _force_idr: bool,
    ) -> Result<Option<AccessUnit<'a>>> {
        let contents = Contents::of(frame.data);
        self.remember(frame.data, contents);
        if !contents.picture {
            return if nals(frame.data).next().is_some() {
                Ok(None) // parameter sets of their own buffer: they go out with the next IDR
            } else {
                Err(Error::new(
                    Kind::Transient,
                    format!(
                        "the camera's buffer of {} bytes holds no H.264",
                        frame.data.len()
                    ),
                ))
            };
        }
        let known = !self.sps.is_empty() && !self.pps.is_empty();
        let starts = contents.idr && known;
        if !(self.started || starts) {
            return Ok(None);
        }
        self.started = true;
        let data = if starts && !contents.is_keyframe() {
            self.complete(frame.data)
        } else {
            frame.data
        };
        Ok(Some(AccessUnit {
            data,
            keyframe: starts,
            captured: frame.captured,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Colour, Matrix, Range};
    use crate::clock::Mono;
    use crate::units::{Rate, Size};

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 66, 0xC0, 30, 0xDA];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 0xCE, 0x38, 0x80];
    const IDR: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 0x80];
    const SLICE: &[u8] = &[0, 0, 1, 0x41, 0x9A, 0x02];
    const DELIMITER: &[u8] = &[0, 0, 0, 1, 0x09, 0xF0];

    fn format(pixel: PixelFormat) -> Format {
        Format {
            pixel,
            size: Size::new(640, 480),
            stride: 0,
            rate: Rate::fps(30),
            colour: Colour {
                matrix: Matrix::Bt601,
                range: Range::Limited,
                srgb: true,
            },
        }
    }

    fn passed(encoder: &mut Passthrough, parts: &[&[u8]]) -> Option<(Vec<u8>, bool)> {
        let data = parts.concat();
        let frame = Frame {
            data: &data,
            sequence: 0,
            captured: Mono::from_nanos(7),
        };
        encoder
            .encode(&frame, false)
            .unwrap()
            .map(|unit| (unit.data.to_vec(), unit.keyframe))
    }

    #[test]
    fn nothing_comes_out_before_a_key_frame_with_its_parameter_sets() {
        let mut encoder = Passthrough::open(format(PixelFormat::H264)).unwrap();
        assert_eq!(passed(&mut encoder, &[SLICE]), None);
        assert_eq!(passed(&mut encoder, &[IDR]), None, "no SPS seen yet");
        assert_eq!(passed(&mut encoder, &[SPS, PPS]), None, "no picture");
        let expected = [SPS, PPS, IDR].concat();
        assert_eq!(passed(&mut encoder, &[IDR]), Some((expected, true)));
        assert_eq!(
            passed(&mut encoder, &[SLICE]),
            Some((SLICE.to_vec(), false))
        );
    }

    #[test]
    fn every_later_key_frame_gets_the_newest_parameter_sets_behind_the_delimiter() {
        let newer: &[u8] = &[0, 0, 0, 1, 0x68, 0xEE, 0x3C, 0x80];
        let mut encoder = Passthrough::open(format(PixelFormat::H264)).unwrap();
        passed(&mut encoder, &[SPS, PPS, IDR]);
        passed(&mut encoder, &[newer, SLICE]);
        let expected = [DELIMITER, SPS, newer, IDR].concat();
        assert_eq!(
            passed(&mut encoder, &[DELIMITER, IDR]),
            Some((expected, true))
        );
    }

    #[test]
    fn a_complete_key_frame_is_passed_on_without_a_copy() {
        let mut encoder = Passthrough::open(format(PixelFormat::H264)).unwrap();
        let data = [SPS, PPS, IDR].concat();
        let frame = Frame {
            data: &data,
            sequence: 0,
            captured: Mono::default(),
        };
        let unit = encoder.encode(&frame, true).unwrap().unwrap();
        assert!(std::ptr::eq(unit.data, data.as_slice()));
    }

    #[test]
    fn a_buffer_without_any_nal_is_counted_and_skipped_by_the_caller() {
        let mut encoder = Passthrough::open(format(PixelFormat::H264)).unwrap();
        let frame = Frame {
            data: &[1, 2, 3],
            sequence: 0,
            captured: Mono::default(),
        };
        let error = encoder.encode(&frame, false).unwrap_err();
        assert_eq!(error.kind(), Kind::Transient);
        assert!(Passthrough::open(format(PixelFormat::Nv12)).is_err());
    }
}
