//! Begins a recording when its file is there, ends it when its file is whole.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use crate::camera::{CameraId, Counters};
use crate::clock::{self, Mono, Now, Wall};
use crate::error::{Error, Kind, Result};
use crate::events::Topic;
use crate::recording::adopt::io::unreadable;
use crate::recording::disk::io as disk;
use crate::recording::io::Recorder;
use crate::recording::ledger::{Session, State};
use crate::recording::{Order, Origin, Start, Started, Stop, Stopped, spool, track};
use crate::storage::names::Stem;
use crate::storage::quota::Kind as Of;
use crate::supervise::blocking;

/// MediaMTX takes a wish within milliseconds while it runs.
const SETTLE: Duration = Duration::from_secs(4);
/// From the wish to the first file: a key frame, one part, and a slow card.
const APPEAR: Duration = Duration::from_secs(8);
/// From the wish to the last byte.
const CLOSE: Duration = Duration::from_secs(4);
/// How often a file that must come, or be finished, is looked for.
const GLANCE: Duration = Duration::from_millis(20);
/// How often a key frame is asked for until the file is there: each one a little later, because MediaMTX may begin to
/// look for one only after the last was made.
const KEYFRAMES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(150),
    Duration::from_millis(1000),
    Duration::from_millis(3000),
];

impl Recorder {
    /// How long MediaMTX lets a file of this track become.
    pub(in crate::recording) fn segment(&self, track: &str) -> Duration {
        match self.ledger().is_by_mode(track) {
            true => self.0.parts.roll,
            false => spool::SEGMENT,
        }
    }

    /// Waits until MediaMTX has taken what is wished of a track.
    pub(in crate::recording) async fn settled(&self, track: &str) -> Result<()> {
        self.0.parts.paths.settled(track, SETTLE).await
    }

    pub(in crate::recording) fn wish(&self, device: &str) -> Result<()> {
        let root = self.0.parts.shelf.root();
        let segment = self.segment(device);
        let record = spool::record(&root, segment).ok_or_else(|| {
            Error::new(
                Kind::Config,
                format!("MediaMTX cannot write beneath {}", root.display()),
            )
            .action("choose a storage.recordings_dir in UTF-8 without a % in its path")
        })?;
        self.hold_time(device, true);
        self.0.parts.paths.wish(device, |w| w.record = Some(record));
        Ok(())
    }

    pub(in crate::recording) async fn begin(
        &self,
        device: &str,
        order: &Order,
        asked: Now,
    ) -> Result<Started> {
        self.adopt_orphans(device, true).await;
        self.wish(device)?;
        let lead = u64::try_from(order.lead.as_nanos()).unwrap_or(u64::MAX);
        let from = Mono::from_nanos(asked.mono.as_nanos().saturating_sub(lead));
        let file = match self.recorded(device, from).await {
            Ok(file) => file,
            Err(error) => {
                let reason = error.to_string();
                self.tell_recorder(Topic::MediamtxRecordingFailed, device, Some(&reason));
                return Err(error);
            }
        };
        self.tell_recorder(Topic::MediamtxRecordingStarted, device, None);
        let now = self.now();
        let start = self.start_of(device, &file);
        let wish = order
            .name
            .clone()
            .unwrap_or_else(|| Stem::of(&order.device, start));
        let stem = self.adopt(device, wish, file).await?;
        let asked = self.0.parts.storage.wall_of(asked.mono);
        let lead = asked.as_nanos().saturating_sub(start.as_nanos());
        // What was before the trigger does not shorten what comes after it.
        let lead = match order.lead.is_zero() {
            true => Duration::ZERO,
            false => Duration::from_nanos(lead),
        };
        let until = self.ledger().started(
            device,
            stem.clone(),
            start,
            (order.duration.map(|d| d + lead), order.format),
            now,
        );
        self.keep().await;
        self.0.changed.notify_one();
        Ok(Started {
            stem,
            start,
            until,
            lead,
        })
    }

    /// Both clocks, the one on the wall set right as far as that can be done now.
    fn now(&self) -> Now {
        let mono = clock::mono();
        Now {
            mono,
            wall: self.0.parts.storage.wall_of(mono),
        }
    }

    /// When a file's first picture was taken, as it is known by now.
    pub(in crate::recording) fn known_start(&self, stem: &Stem, own: Wall) -> Wall {
        let moment = self.0.parts.storage.moment(Of::Recording, stem, Some(own));
        moment.at.unwrap_or(own)
    }

    /// Waits until MediaMTX records, which its first file shows.
    async fn recorded(&self, device: &str, from: Mono) -> Result<PathBuf> {
        self.settled(device).await?;
        if let Some(counters) = self.second(device) {
            let from = from.as_nanos().max(1);
            counters.second_from_nanos.store(from, Ordering::Relaxed);
        }
        self.first_file(device).await
    }

    /// Waits for the file of a recording that has just been asked for.
    pub(in crate::recording) async fn first_file(&self, device: &str) -> Result<PathBuf> {
        let asked = clock::mono();
        let mut keyframes = KEYFRAMES.into_iter().peekable();
        loop {
            let waited = clock::mono().since(asked);
            if keyframes.next_if(|after| *after <= waited).is_some() {
                self.ask_keyframe(device);
            }
            let folder = self.spool(device);
            let found = blocking(move || disk::fresh(&folder).map_err(unreadable)).await?;
            if let Some(first) = found.into_iter().next() {
                return Ok(first);
            }
            if waited > APPEAR {
                return Err(Error::new(
                    Kind::Gone,
                    format!("MediaMTX wrote no file of {device} within {} s", APPEAR.as_secs()),
                )
                .action("see get_camera_status whether its picture reaches MediaMTX, and the log for what the recorder says"));
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    pub(in crate::recording) fn ask_keyframe(&self, device: &str) {
        if let Some(counters) = self.counters(device) {
            counters.keyframe_wanted.store(true, Ordering::Relaxed);
        }
    }

    pub(in crate::recording) fn counters(&self, device: &str) -> Option<Arc<Counters>> {
        let camera = track::device(device).parse::<CameraId>().ok()?;
        self.0.parts.directory.get(camera).map(|c| c.counters)
    }

    /// The counters of the camera whose second track this is.
    fn second(&self, device: &str) -> Option<Arc<Counters>> {
        track::is_second(device)
            .then(|| self.counters(device))
            .flatten()
    }

    /// A second track is fed while it is recorded: a camera's thread that was started again, or a service, does not know.
    pub(in crate::recording) fn feed(&self, device: &str) {
        if let Some(counters) = self.second(device) {
            let now = clock::mono().as_nanos();
            let wanted = &counters.second_from_nanos;
            // Where it is fed already, it stays as it is.
            let _ = wanted.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A second track that is recorded no more is not fed any more.
    fn starve(&self, device: &str) {
        if let Some(counters) = self.second(device) {
            counters.second_from_nanos.store(0, Ordering::Relaxed);
        }
    }

    /// Ends what a camera's mode has begun, in the background.
    pub(in crate::recording) fn end_by_mode(&self, track: &str) {
        let ended = {
            let mut ledger = self.ledger();
            ledger.is_by_mode(track).then(|| ledger.end(track))
        };
        if let Some(Ok(session)) = ended {
            tokio::spawn(self.clone().finish(track.to_owned(), session));
        }
    }

    /// Undoes what a start has done that came to nothing.
    pub(in crate::recording) async fn give_up(&self, device: &str) {
        self.0.parts.paths.wish(device, |w| w.record = None);
        if let Err(error) = self.settled(device).await {
            warn!(device, %error, "MediaMTX has not been told to stop recording; it is told as soon as it answers");
        }
        self.starve(device);
        let folder = self.spool(device);
        let cleared = blocking(move || {
            disk::clear(&folder);
            Ok(())
        });
        if let Err(error) = cleared.await {
            warn!(device, %error, "files may be left");
        }
        self.ledger().remove(device);
        self.hold_time(device, false);
    }

    /// Takes a track for a start.
    fn take(&self, order: &Order) -> std::result::Result<String, State> {
        let mut ledger = self.ledger();
        let track = track::choose(&ledger, &order.device, order.lead, order.origin)?;
        let first = ledger.state(&order.device);
        // What lies over a hole ends with its recording, and so does not begin after it.
        if order.origin == Origin::Bridge && first != Some(State::Recording) {
            return Err(first.unwrap_or(State::Stopping));
        }
        ledger.begin(&track)?;
        if order.origin != Origin::Call {
            ledger.set_by_mode(&track);
        }
        Ok(track)
    }

    /// Ends what lies over a hole where it keeps a client's recording from beginning; false: that is not what does.
    fn makes_room(&self, order: &Order) -> bool {
        let asked_for = track::asked_for(&self.ledger(), &order.device).is_some();
        let second = track::beside(&order.device).filter(|second| self.is_bridge(second));
        match second {
            Some(second) if order.origin == Origin::Call && !asked_for => {
                self.end_by_mode(&second);
                true
            }
            _ => false,
        }
    }

    pub(in crate::recording) async fn start_now(self, order: Order) -> Result<Start> {
        if let Some(why) = self.0.parts.storage.refusal().await? {
            return Ok(Start::Full(why));
        }
        let asked = clock::now();
        let track = loop {
            match self.take(&order) {
                Ok(track) => break track,
                // Who asks goes before what lies over a hole; its pictures are in the new recording, too.
                Err(_) if self.makes_room(&order) && clock::mono().since(asked.mono) < APPEAR => {
                    tokio::time::sleep(GLANCE).await;
                }
                Err(state) => {
                    return Ok(Start::Busy {
                        state: state.as_str(),
                    });
                }
            }
        };
        match self.begin(&track, &order, asked).await {
            Ok(started) => {
                info!(device = order.device, name = %started.stem, "recording");
                let said = [
                    ("filename", started.stem.as_str().into()),
                    ("duration", 0.into()),
                ];
                // Who follows the camera's recording by its events hears of one that goes on all the time.
                if order.origin != Origin::Bridge {
                    self.tell(Topic::RecordingStart, &order.device, "STARTED", said);
                }
                Ok(Start::Started(started))
            }
            Err(error) => {
                warn!(device = order.device, %error, "cannot record");
                self.give_up(&track).await;
                if order.origin == Origin::Bridge {
                    return Err(error);
                }
                let name = order.name.as_ref().map_or("", Stem::as_str);
                let said = [
                    ("filename", name.into()),
                    ("reason", error.to_string().into()),
                ];
                self.tell(Topic::RecordingError, &order.device, "FAILED", said);
                Err(error)
            }
        }
    }

    /// Ends a recording that `Ledger::end` has been asked for.
    pub(in crate::recording) async fn finish(
        self,
        device: String,
        session: Session,
    ) -> Result<Stop> {
        // What lies over its last hole, if anything, ends with it.
        if let Some(bridge) = track::beside(&device) {
            self.end_by_mode(&bridge);
        }
        self.keep().await;
        self.0.parts.paths.wish(&device, |w| w.record = None);
        if let Err(error) = self.settled(&device).await {
            warn!(device, %error, "MediaMTX has not been told to stop recording; it is told as soon as it answers");
        }
        let session = self.closed(&device, session).await;
        if let Some(last) = session.files.last() {
            self.mend_closed(last.clone()).await;
        }
        self.hold_time(&device, false);
        self.starve(&device);
        let delivered = self.deliver(&device, &session).await;
        let mut files = Vec::new();
        for stem in &session.files {
            match self.clone().look(stem.clone(), true).await {
                Ok(info) => files.extend(info),
                Err(error) => warn!(device, name = %stem, %error, "not counted"),
            }
        }
        let duration: Duration = files.iter().map(|f| f.duration).sum();
        let played = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let start = self.known_start(&session.stem, session.start);
        let end = match files.as_slice() {
            [_, .., last] => self.known_start(&last.entry.stem, last.created()) + last.duration,
            _ => Wall::from_nanos(start.as_nanos().saturating_add(played)),
        };
        let stopped = Stopped {
            stem: session.stem,
            start,
            end,
            duration,
            size: files.iter().map(|f| f.entry.size).sum(),
            files,
            format: delivered.format,
            finalising: delivered.finalising,
        };
        let bridge = self.is_bridge(&device);
        self.ledger().remove(&device);
        // Both may have ended at the same time, each as long as the other was known.
        self.hold_time(&device, false);
        self.keep().await;
        info!(device, name = %stopped.stem, bytes = stopped.size, duration_ms = duration.as_millis(), "recorded");
        let said = [
            ("filename", stopped.stem.as_str().into()),
            ("duration", duration.as_secs_f64().into()),
            ("file_size", stopped.size.into()),
        ];
        if !bridge {
            self.tell(Topic::RecordingStop, &device, "STOPPED", said);
        }
        Ok(Stop::Stopped(stopped))
    }

    /// Waits until MediaMTX has closed the last file, which it says in the file's head, but not for ever; then the
    /// file is on the medium.
    pub(in crate::recording) async fn closed(&self, device: &str, mut session: Session) -> Session {
        let asked = clock::mono();
        loop {
            self.adopt_further(device).await;
            if let Some(now) = self.ledger().get(device) {
                session = now.clone();
            }
            let inner = Arc::clone(&self.0);
            let last = session.files.last().cloned();
            let done = blocking(move || {
                let found = last.map(|l| inner.parts.shelf.find(&l));
                let Some(entry) = found.transpose()?.flatten() else {
                    return Ok(true);
                };
                let closed = inner.measure(&entry).closed;
                if closed {
                    disk::flush(&entry.path);
                }
                Ok(closed)
            });
            if done.await.unwrap_or(true) {
                self.tell_recorder(Topic::MediamtxRecordingStopped, device, None);
                return session;
            }
            if clock::mono().since(asked) > CLOSE {
                let reason = format!("its file was not closed within {} s", CLOSE.as_secs());
                self.tell_recorder(Topic::MediamtxRecordingFailed, device, Some(&reason));
                return session;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}
