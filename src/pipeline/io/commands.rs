//! What clients ask of a running camera, carried out on its thread.

use tracing::warn;

use super::Hand;
use crate::camera::remote::{Coded, Command, Reply, Video, VideoChange, Wanted};
use crate::clock::Mono;
use crate::encode::Route;
use crate::error::{Error, Kind, Result};

impl Hand {
    pub(super) fn carry_out(&mut self, command: Command) -> Result<Reply> {
        let Some(chain) = &mut self.chain else {
            return Err(no_picture());
        };
        match command {
            Command::Controls => chain.controls().map(Reply::Controls),
            Command::SetControls(settings) => settings
                .iter()
                .map(|(name, to)| {
                    let set = chain.set_control(name, to)?;
                    self.kept.remember(&set, to);
                    Ok(set)
                })
                .collect::<Result<_>>()
                .map(Reply::Controls),
            Command::Video(change) => self.change_video(change).map(Reply::Video),
            Command::Coded(wanted) => self.coded(wanted).map(Reply::Coded),
        }
    }

    /// Copies what was sent last.
    fn coded(&self, wanted: Wanted) -> Result<Coded> {
        if self.slate.is_some() {
            return Err(no_picture());
        }
        let mut group = self.publisher.last_group().peekable();
        let take = match wanted {
            Wanted::KeyframeSince(at) => usize::from(
                group
                    .peek()
                    .is_some_and(|first| first.stamps.captured >= at),
            ),
            Wanted::Group => usize::MAX,
        };
        let mut coded = Coded {
            units: Vec::new(),
            captured: Mono::default(),
        };
        for held in group.take(take) {
            coded.captured = held.stamps.captured;
            coded.units.push(held.data.to_vec());
        }
        Ok(coded)
    }

    /// Changes the picture inside the running session: a new bit rate at once, a new size by a new chain whose first
    /// picture carries its own parameter sets.
    fn change_video(&mut self, change: VideoChange) -> Result<Video> {
        if change == VideoChange::default() {
            return self.video(true);
        }
        let own = self
            .chain
            .as_ref()
            .is_some_and(|c| c.way().route == Route::Passthrough);
        if own && (change.bitrate.is_some() || change.keyframe_seconds.is_some()) {
            return Err(Error::new(
                Kind::Refused,
                "this camera codes its pictures itself: bit rate and key frames are its own business",
            )
            .action("look for a control of that name in get_camera_controls"));
        }
        let before = self.plan.clone();
        self.plan.bitrate = change.bitrate.unwrap_or(before.bitrate);
        self.plan.keyframe_seconds = change.keyframe_seconds.unwrap_or(before.keyframe_seconds);
        self.plan.origin.wish(change.size, change.rate);
        let mut seamless = self.plan.origin == before.origin;
        if seamless && let Some(chain) = &mut self.chain {
            let settings = self.plan.settings(chain.format().rate);
            match chain.retune(settings) {
                Ok(()) => self.force_idr = true,
                Err(_) => seamless = false,
            }
        }
        if !seamless && let Err(failure) = self.try_open() {
            // As it was before, so that a wish the device cannot bear does not cost the picture, nor count as a fault.
            warn!(camera = %self.plan.id, %failure, "not with these settings");
            self.plan = before;
            self.open();
            if self.chain.is_none() {
                return Err(no_picture());
            }
            return Err(Error::new(
                Kind::Refused,
                "the camera does not start with these settings; it goes on with the former ones",
            )
            .action("get_camera_capabilities lists what it offers"));
        }
        self.video(seamless)
    }

    /// The picture as it is now.
    fn video(&self, seamless: bool) -> Result<Video> {
        let chain = self.chain.as_ref().ok_or_else(no_picture)?;
        let format = chain.format();
        Ok(Video {
            bitrate: self.plan.bitrate,
            keyframe_seconds: self.plan.keyframe_seconds,
            size: format.size,
            rate: format.rate,
            seamless,
        })
    }

    /// A device that was opened anew has its controls at their defaults: what clients had set is set again.
    pub(super) fn restore_controls(&mut self) {
        let Some(chain) = self.chain.as_mut().filter(|_| !self.kept.is_empty()) else {
            return;
        };
        let now = match chain.controls() {
            Ok(now) => now,
            Err(error) => {
                return warn!(camera = %self.plan.id, %error, "the controls cannot be set again");
            }
        };
        for (name, to) in self.kept.orders(&now) {
            if let Err(error) = chain.set_control(&name, &to) {
                warn!(camera = %self.plan.id, name, %error, "a control cannot be set again");
            }
        }
    }
}

fn no_picture() -> Error {
    Error::new(Kind::Gone, "the camera gives no picture now")
        .action("get_camera_status tells why; try again when it is CONNECTED")
}
