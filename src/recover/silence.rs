//! Which half is silent, and for how long. The law: silence is measured from the last *new* frame and the last
//! access unit; what was damaged or repeated does not count.

use std::time::Duration;

use super::FaultClass;
use crate::clock::Mono;
use crate::pipeline::chain::Part;

/// A picture that stands still for this long is reported. Below the promised 2 s, so that the report itself is
/// out by then.
const FROZEN: Duration = Duration::from_millis(1800);
/// Cameras slower than this many frames per [`FROZEN`] get longer: slow is not frozen.
const FROZEN_FRAMES: u32 = 4;
/// The first frame after an opening may take this long: some sensors set their exposure first.
const FIRST_FRAME: Duration = Duration::from_secs(5);
/// The first frame after a restart of the stream.
const FIRST_AGAIN: Duration = Duration::from_secs(3);
/// So many refused buffers without a single picture are no accident any more.
const REFUSALS: u32 = 16;

/// What the streams did.
#[derive(Debug)]
pub(super) struct Silence {
    patience: Duration,
    /// How long the first frame may take.
    start: Duration,
    /// The opening or the restart.
    since: Mono,
    /// The last new frame since then.
    frame: Option<Mono>,
    /// The first frame that the encoder got after its last access unit.
    fed: Option<Mono>,
    /// The last access unit, over all openings.
    picture: Option<Mono>,
    /// Since the last access unit: frames, and how many of them could not be used.
    frames: u32,
    damaged: u32,
    /// Since the last access unit: buffers that were refused once.
    refused: [u32; 2],
}

impl Silence {
    pub(super) const fn new(now: Mono) -> Self {
        Self {
            patience: FROZEN,
            start: FIRST_FRAME,
            since: now,
            frame: None,
            fed: None,
            picture: None,
            frames: 0,
            damaged: 0,
            refused: [0; 2],
        }
    }

    /// The devices were opened.
    pub(super) fn opened(&mut self, interval: Duration, now: Mono) {
        self.patience = FROZEN.max(interval.saturating_mul(FROZEN_FRAMES));
        self.restart(FIRST_FRAME, now);
    }

    /// The streams were started again.
    pub(super) fn restreamed(&mut self, now: Mono) {
        self.restart(FIRST_AGAIN, now);
    }

    fn restart(&mut self, start: Duration, now: Mono) {
        self.start = self.patience.max(start);
        self.since = now;
        self.frame = None;
        self.fed = None;
        self.frames = 0;
        self.damaged = 0;
        self.refused = [0; 2];
    }

    pub(super) fn frame(&mut self, now: Mono) {
        self.frame = Some(now);
        self.fed = self.fed.or(Some(now));
        self.frames = self.frames.saturating_add(1);
    }

    /// An access unit; true when the picture lives: the camera is not silent either.
    pub(super) fn unit(&mut self, now: Mono) -> bool {
        self.fed = None;
        self.frames = 0;
        self.damaged = 0;
        self.refused = [0; 2];
        let lives = self
            .frame
            .is_some_and(|frame| now.since(frame) < self.patience);
        if lives {
            self.picture = Some(now);
        }
        lives
    }

    pub(super) const fn damaged(&mut self, more: u32) {
        self.damaged = self.damaged.saturating_add(more);
    }

    /// A buffer was refused once; true when that has become a storm. A driver that refuses every buffer once and
    /// whose picture flows all the same is left alone.
    pub(super) fn refused(&mut self, part: Part) -> bool {
        let Some(count) = self.refused.get_mut(part as usize) else {
            return false;
        };
        *count = count.saturating_add(1);
        *count == REFUSALS
    }

    /// Whether `part` refused buffers since the last picture.
    pub(super) fn has_refused(&self, part: Part) -> bool {
        self.refused.get(part as usize).is_some_and(|n| *n > 0)
    }

    pub(super) const fn damaged_frames(&self) -> u32 {
        self.damaged
    }

    /// Whether the picture stands still. Asked in every phase.
    pub(super) fn is_frozen(&self, now: Mono) -> bool {
        now >= self.frozen_at()
    }

    /// When it stands still if nothing comes.
    pub(super) fn frozen_at(&self) -> Mono {
        self.picture.unwrap_or(self.since) + self.patience
    }

    /// When the silence began.
    pub(super) fn began(&self) -> Mono {
        self.picture.unwrap_or(self.since)
    }

    /// The half to blame for the picture that stands still: the one that is silent for longer.
    pub(super) fn blame(&self, now: Mono) -> FaultClass {
        let encoder = self.fed.map_or(Duration::ZERO, |fed| now.since(fed));
        let camera = now.since(self.began()).saturating_sub(encoder);
        if encoder > camera {
            self.mute_encoder()
        } else {
            self.mute_camera()
        }
    }

    /// The fault that asks for a cure now, if one does.
    pub(super) fn mute(&self, now: Mono) -> Option<FaultClass> {
        if now >= self.camera_deadline() {
            return Some(self.mute_camera());
        }
        (now >= self.encoder_deadline()?).then(|| self.mute_encoder())
    }

    /// When [`Silence::mute`] may have something to say.
    pub(super) fn deadline(&self) -> Mono {
        let camera = self.camera_deadline();
        self.encoder_deadline().map_or(camera, |at| at.min(camera))
    }

    fn camera_deadline(&self) -> Mono {
        match self.frame {
            Some(frame) => frame + self.patience,
            None => self.since + self.start,
        }
    }

    fn encoder_deadline(&self) -> Option<Mono> {
        self.fed.map(|fed| fed + self.patience)
    }

    const fn mute_camera(&self) -> FaultClass {
        if self.damaged > 0 {
            FaultClass::CameraFramesDamaged
        } else {
            FaultClass::CameraStalled
        }
    }

    fn mute_encoder(&self) -> FaultClass {
        // A frame that cannot be decoded has left the driver as a good one.
        if self.damaged > 0 && self.damaged >= self.frames / 2 {
            FaultClass::CameraFramesDamaged
        } else if self.has_refused(Part::Encoder) {
            FaultClass::EncoderRefusesBuffers
        } else {
            FaultClass::EncoderStalled
        }
    }
}
