//! What clients ask of a running camera, carried out on its thread.

use tracing::{info, warn};

use super::Hand;
use crate::camera::controls::{Control, Setting};
use crate::camera::remote::{Coded, Command, Reply, Video, VideoChange, Wanted};
use crate::clock::Mono;
use crate::encode::Route;
use crate::error::{Error, Kind, Result};
use crate::kept::Remembered;
use crate::kept::wishes::{Wishes, after, still};
use crate::pipeline::chain::Chain;
use crate::units::Rate;

/// `V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME`, a button: the kernel's name of it, as programs call it.
const FORCE_KEYFRAME: &str = "force_key_frame";

impl Hand {
    pub(super) fn carry_out(&mut self, command: Command) -> Result<Reply> {
        if self.chain.is_none() {
            return Err(no_picture());
        }
        match command {
            Command::Controls => self.chain()?.controls().map(Reply::Controls),
            Command::SetControls(settings) => self.set_controls(&settings).map(Reply::Controls),
            Command::Video(change) => self.change_video(change).map(Reply::Video),
            Command::Keyframe => self.give_keyframe().map(|()| Reply::Keyframe),
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

    fn chain(&mut self) -> Result<&mut Box<dyn Chain>> {
        self.chain.as_mut().ok_or_else(no_picture)
    }

    /// Sets one after the other; what was set before a refusal stays, and is remembered.
    fn set_controls(&mut self, settings: &[(String, Setting)]) -> Result<Vec<Control>> {
        let before = self.kept.clone();
        let mut set = Vec::new();
        let mut refused = None;
        for (name, to) in settings {
            match self.chain()?.set_control(name, to) {
                Ok(control) => {
                    self.kept.remember(&control, to);
                    set.push(control);
                }
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        if self.kept != before {
            self.keep();
        }
        refused.map_or(Ok(set), Err)
    }

    /// Whoever codes the picture is told, where anybody listens.
    fn give_keyframe(&mut self) -> Result<()> {
        if !self.codes_itself() {
            self.force_idr = true;
            return Ok(());
        }
        let press = Setting::Switch(true);
        self.chain()?.set_control(FORCE_KEYFRAME, &press).map(drop)
    }

    /// Whether the camera codes its picture by itself, so that nobody obeys the plan's bit rate and key frames.
    fn codes_itself(&self) -> bool {
        self.chain
            .as_ref()
            .is_some_and(|c| c.way().route == Route::Passthrough)
    }

    /// Changes the picture for a client, and remembers what it asked for.
    fn change_video(&mut self, change: VideoChange) -> Result<Video> {
        if change == VideoChange::default() {
            return self.video(true);
        }
        if self.codes_itself() && (change.bitrate.is_some() || change.keyframe_seconds.is_some()) {
            return Err(Error::new(
                Kind::Refused,
                "this camera codes its pictures itself: bit rate and key frames are its own business",
            )
            .action("look for a control of that name in get_camera_controls"));
        }
        let seamless = self.alter(change)?;
        self.asked = after(self.asked, change);
        self.keep();
        self.video(seamless)
    }

    /// The configuration asks for another picture. What clients asked for stays where the configuration says what it
    /// said before.
    pub(super) fn configure(&mut self, wishes: Wishes) {
        let asked = still(self.asked, &self.configured, &wishes);
        self.configured = wishes;
        if asked != self.asked {
            self.asked = asked;
            self.keep();
        }
        let wanted = wishes.with(asked);
        let change = wanted.since(&self.plan.wishes());
        if change == VideoChange::default() {
            return;
        }
        if self.chain.is_none() {
            // The next opening asks for it.
            return self.plan.ask(wanted);
        }
        match self.alter(change) {
            Ok(seamless) => {
                info!(camera = %self.plan.id, seamless, "the picture is as the configuration asks now");
            }
            Err(error) => {
                warn!(camera = %self.plan.id, %error, "the picture stays as it was");
            }
        }
    }

    /// Changes the picture inside the running session: a new bit rate at once, a new size by a new chain whose first
    /// picture carries its own parameter sets. True when the chain went on.
    fn alter(&mut self, change: VideoChange) -> Result<bool> {
        let format = self.chain()?.format();
        let before = self.plan.clone();
        let wished = before.wishes();
        self.plan.ask(wished.with(change));
        // What the camera was asked for already, or gives anyhow, is no reason to open it anew.
        let other_size = |size| size != wished.size && size != format.size;
        let other_rate =
            |rate: Rate| rate != wished.rate && rate.rounded() != format.rate.rounded();
        let mut seamless =
            !change.size.is_some_and(other_size) && !change.rate.is_some_and(other_rate);
        let tuned = before.bitrate != self.plan.bitrate
            || before.keyframe_seconds != self.plan.keyframe_seconds;
        if seamless && tuned && !self.codes_itself() {
            let settings = self.plan.settings(format.rate);
            match self.chain()?.retune(settings) {
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
        Ok(seamless)
    }

    /// The picture as it is now.
    fn video(&self, seamless: bool) -> Result<Video> {
        let chain = self.chain.as_ref().ok_or_else(no_picture)?;
        let format = chain.format();
        let ours = !self.codes_itself();
        Ok(Video {
            bitrate: ours.then_some(self.plan.bitrate),
            keyframe_seconds: ours.then_some(self.plan.keyframe_seconds),
            size: format.size,
            rate: format.rate,
            seamless,
        })
    }

    /// Puts what clients have set where the next start finds it.
    fn keep(&self) {
        self.plan.kept.put(Remembered {
            controls: self.kept.values().clone(),
            video: self.asked,
            over: Some(self.configured),
        });
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
