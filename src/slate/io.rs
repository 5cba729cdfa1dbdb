//! A running slate: the picture, the encoder, the beat. A shell, because it runs a foreign library.

use super::picture::Picture;
use super::{Cadence, Text, coded, settings};
use crate::capture::{Format, Frame};
use crate::clock::{Mono, Now};
use crate::encode::convert::Planar;
use crate::encode::software::Software;
use crate::encode::{AccessUnit, Encoder, Settings};
use crate::error::{Error, Kind, Result};

/// The slate of one camera.
pub struct Slate {
    picture: Picture,
    encoder: Software,
    cadence: Cadence,
    beat: u32,
}

impl Slate {
    /// Prepares a slate in place of a camera of `format` and `camera` settings; the first frame is due
    /// at once and is an IDR. Holds two pictures and an encoder until it is dropped.
    ///
    /// # Errors
    /// As [`Software::open`]; a size is never the reason, see [`coded`].
    pub fn open(
        last: Option<Planar>,
        format: Format,
        camera: Settings,
        text: Text,
        now: Now,
    ) -> Result<Self> {
        let coded = coded(format);
        Ok(Self {
            encoder: Software::open(coded, settings(camera, format.rate))?,
            picture: Picture::new(last.as_ref(), coded, text, now),
            cadence: Cadence::new(now.mono),
            beat: 0,
        })
    }

    /// When the next frame is due.
    #[must_use]
    pub const fn due(&self) -> Mono {
        self.cadence.due()
    }

    /// Makes the next frame, now. Better when it is due than before, also for a viewer who wants an
    /// IDR: the wait is short, and frames at an even distance are kinder to players.
    ///
    /// # Errors
    /// `Reopen` when the encoder broke.
    pub fn next(&mut self, force_idr: bool, now: Now) -> Result<AccessUnit<'_>> {
        let frame = Frame {
            data: self.picture.draw(self.beat, now),
            sequence: self.beat,
            captured: self.cadence.frame(now.mono),
        };
        self.beat = self.beat.wrapping_add(1);
        self.encoder
            .encode(&frame, force_idr)?
            .ok_or_else(|| Error::new(Kind::Reopen, "openh264 skipped a frame of the slate"))
    }

    /// Other words from the next frame on.
    pub fn retitle(&mut self, text: Text, now: Now) {
        self.picture.retitle(text, now);
    }
}
