//! Begins a recording when its file is there, ends it when its file is whole.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use crate::camera::CameraId;
use crate::clock::{self, Now, Wall};
use crate::error::{Error, Kind, Result};
use crate::events::Topic;
use crate::recording::adopt::io::unreadable;
use crate::recording::disk::io as disk;
use crate::recording::io::Recorder;
use crate::recording::ledger::Session;
use crate::recording::{Order, Start, Started, Stop, Stopped, spool};
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
    pub(in crate::recording) fn wish(&self, device: &str) -> Result<()> {
        let root = self.0.parts.shelf.root();
        let record = spool::record(&root).ok_or_else(|| {
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

    pub(in crate::recording) async fn begin(&self, order: &Order) -> Result<Started> {
        let device = &order.device;
        self.adopt_orphans(device, true).await;
        self.wish(device)?;
        let file = match self.recorded(device).await {
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
            .unwrap_or_else(|| Stem::of(device, start));
        let stem = self.adopt(device, wish, file).await?;
        let until = self.ledger().started(
            device,
            stem.clone(),
            start,
            (order.duration, order.format),
            now,
        );
        self.keep().await;
        self.0.changed.notify_one();
        Ok(Started { stem, start, until })
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
    fn known_start(&self, stem: &Stem, own: Wall) -> Wall {
        let moment = self.0.parts.storage.moment(Of::Recording, stem, Some(own));
        moment.at.unwrap_or(own)
    }

    /// Waits until MediaMTX records, which its first file shows.
    async fn recorded(&self, device: &str) -> Result<PathBuf> {
        self.0.parts.paths.settled(device, SETTLE).await?;
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
        let camera = device.parse::<CameraId>().ok();
        if let Some(camera) = camera.and_then(|id| self.0.parts.directory.get(id)) {
            camera
                .counters
                .keyframe_wanted
                .store(true, Ordering::Relaxed);
        }
    }

    /// Undoes what a start has done that came to nothing.
    pub(in crate::recording) async fn give_up(&self, device: &str) {
        self.0.parts.paths.wish(device, |w| w.record = None);
        if let Err(error) = self.0.parts.paths.settled(device, SETTLE).await {
            warn!(device, %error, "MediaMTX has not been told to stop recording; it is told as soon as it answers");
        }
        let folder = self.spool(device);
        let cleared = blocking(move || {
            disk::clear(&folder);
            Ok(())
        });
        if let Err(error) = cleared.await {
            warn!(device, %error, "files may be left");
        }
        self.hold_time(device, false);
        self.ledger().remove(device);
    }

    pub(in crate::recording) async fn start_now(self, order: Order) -> Result<Start> {
        if let Some(why) = self.0.parts.storage.refusal().await? {
            return Ok(Start::Full(why));
        }
        if let Err(state) = self.ledger().begin(&order.device) {
            return Ok(Start::Busy {
                state: state.as_str(),
            });
        }
        match self.begin(&order).await {
            Ok(started) => {
                info!(device = order.device, name = %started.stem, "recording");
                let said = [
                    ("filename", started.stem.as_str().into()),
                    ("duration", 0.into()),
                ];
                self.tell(Topic::RecordingStart, &order.device, "STARTED", said);
                Ok(Start::Started(started))
            }
            Err(error) => {
                warn!(device = order.device, %error, "cannot record");
                self.give_up(&order.device).await;
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
        self.keep().await;
        self.0.parts.paths.wish(&device, |w| w.record = None);
        if let Err(error) = self.0.parts.paths.settled(&device, SETTLE).await {
            warn!(device, %error, "MediaMTX has not been told to stop recording; it is told as soon as it answers");
        }
        let session = self.closed(&device, session).await;
        self.hold_time(&device, false);
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
        self.ledger().remove(&device);
        self.keep().await;
        info!(device, name = %stopped.stem, bytes = stopped.size, duration_ms = duration.as_millis(), "recorded");
        let said = [
            ("filename", stopped.stem.as_str().into()),
            ("duration", duration.as_secs_f64().into()),
            ("file_size", stopped.size.into()),
        ];
        self.tell(Topic::RecordingStop, &device, "STOPPED", said);
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
