//! One frame in, one access unit out, on the camera's thread.

use std::os::fd::BorrowedFd;

use tracing::warn;

#[cfg(feature = "v4l2")]
use crate::camera::controls::{Control, Setting, io as sensor};
#[cfg(feature = "v4l2")]
use crate::capture::no_control;
use crate::capture::{Capture, Format, Source};
use crate::clock;
use crate::encode::{Encoder, Route, Settings};
use crate::error::{Kind, Result};
use crate::pipeline::chain::{Chain, Failure, Interest, Part, Progress, Timing, Way};
use crate::pipeline::tally::{Seen, Tally};
use crate::recover::Coder;

/// A source and its encoder.
pub struct Direct {
    source: Box<dyn Source>,
    encoder: Box<dyn Encoder>,
    why: String,
}

impl Direct {
    /// Joins both; `why` tells people why this is the best way there is.
    #[must_use]
    pub fn new(source: Box<dyn Source>, encoder: Box<dyn Encoder>, why: String) -> Self {
        Self {
            source,
            encoder,
            why,
        }
    }
}

impl Chain for Direct {
    fn format(&self) -> Format {
        self.source.format()
    }

    fn way(&self) -> Way {
        let route = self.encoder.route();
        Way {
            route,
            coder: if route == Route::Passthrough {
                Coder::Camera
            } else {
                Coder::Software
            },
            why: self.why.clone(),
        }
    }

    fn watch(&self, add: &mut dyn FnMut(BorrowedFd<'_>, Interest)) {
        add(self.source.fd(), Interest::Readable);
    }

    fn next(&mut self, force_idr: bool, tally: &mut Tally) -> Result<Progress<'_>, Failure> {
        for _ in 0..self.source.requeued() {
            tally.requeued(Part::Capture);
        }
        let frame = match self.source.next().map_err(Failure::capture)? {
            Capture::Frame(frame) => frame,
            Capture::Damaged => {
                tally.damaged();
                return Ok(Progress::Moved);
            }
            Capture::Pending => return Ok(Progress::Pending),
        };
        let dequeued = clock::mono();
        if tally.taken(frame.sequence, frame.captured, dequeued) == Seen::Repeat {
            return Ok(Progress::Moved);
        }
        match self.encoder.encode(&frame, force_idr) {
            Ok(Some(unit)) => {
                let encoded = clock::mono();
                tally.coded(encoded);
                Ok(Progress::Unit(unit, Timing { dequeued, encoded }))
            }
            Ok(None) => {
                tally.swallowed();
                Ok(Progress::Moved)
            }
            Err(error) if error.kind() == Kind::Transient => {
                if tally.damaged() == 0 {
                    warn!(%error, "frame skipped; further ones are only counted");
                }
                Ok(Progress::Moved)
            }
            Err(error) => Err(Failure::encoder(error)),
        }
    }

    fn restream(&mut self) -> Result<(), Failure> {
        self.source.restream().map_err(Failure::capture)
    }

    fn retune(&mut self, settings: Settings) -> Result<()> {
        self.encoder.retune(settings)
    }

    #[cfg(feature = "v4l2")]
    fn controls(&self) -> Result<Vec<Control>> {
        self.source
            .device()
            .map_or_else(|| Ok(Vec::new()), sensor::list)
    }

    #[cfg(feature = "v4l2")]
    fn set_control(&mut self, name: &str, to: &Setting) -> Result<Control> {
        let fd = self.source.device().ok_or_else(|| no_control(name))?;
        sensor::set(fd, name, to)
    }
}
