//! What happened, as clients may hear of it: the topics, one event, and who wants which.
//!
//! Every concern announces through [`Announce`]; who listens is none of its business.

pub mod bus;
pub mod io;
pub mod sources;
pub mod subject;
pub mod subscriptions;

use serde_json::{Map, Value};

use crate::clock::Wall;

macro_rules! topics {
    ($($(#[$meta:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// Everything that can be subscribed to; the words are the contract's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Topic {
            $($(#[$meta])* $name),+
        }

        impl Topic {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word),+
                }
            }
        }
    };
}

topics! {
    /// A camera delivers.
    CameraConnected = "camera.connected",
    /// A camera is gone.
    CameraDisconnected = "camera.disconnected",
    /// A camera's status is another.
    CameraStatusChange = "camera.status_change",
    /// A recording has begun.
    RecordingStart = "recording.start",
    /// A recording is finished.
    RecordingStop = "recording.stop",
    /// A recording failed, or has a hole.
    RecordingError = "recording.error",
    /// A snapshot lies on the disk.
    SnapshotTaken = "snapshot.taken",
    /// The verdict on the whole box is another.
    SystemHealth = "system.health",
    /// The service is ready.
    SystemStartup = "system.startup",
    /// The service stops.
    SystemShutdown = "system.shutdown",
    /// A camera told what it can.
    CameraCapabilityDetected = "camera.capability_detected",
    /// A camera could not be asked what it can.
    CameraCapabilityError = "camera.capability_error",
    /// A recording goes on; every ten seconds.
    RecordingProgress = "recording.progress",
    /// A snapshot failed.
    SnapshotError = "snapshot.error",
    /// A part of the service failed.
    SystemError = "system.error",
    /// A path of MediaMTX changed.
    MediamtxStream = "mediamtx.stream",
    /// A path of MediaMTX came or went.
    MediamtxPath = "mediamtx.path",
    /// MediaMTX failed.
    MediamtxError = "mediamtx.error",
    /// MediaMTX records a path.
    MediamtxRecordingStarted = "mediamtx.recording_started",
    /// MediaMTX records a path no longer.
    MediamtxRecordingStopped = "mediamtx.recording_stopped",
    /// MediaMTX could not record a path.
    MediamtxRecordingFailed = "mediamtx.recording_failed",
    /// A path of MediaMTX can be read.
    MediamtxStreamStarted = "mediamtx.stream_started",
    /// A path of MediaMTX can be read no longer.
    MediamtxStreamStopped = "mediamtx.stream_stopped",
}

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub topic: Topic,
    /// To which camera or stream, where it concerns one.
    pub device: Option<String>,
    /// When.
    pub at: Wall,
    /// Further fields beside `device` and `timestamp`.
    pub data: Map<String, Value>,
}

impl Event {
    /// An event without further fields.
    #[must_use]
    pub fn new(topic: Topic, at: Wall) -> Self {
        Self {
            topic,
            device: None,
            at,
            data: Map::new(),
        }
    }

    /// The same, of a camera or stream.
    #[must_use]
    pub fn of(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// The same with a further field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }

    /// The status it carries. One of a recording has a status even where the announcer named none.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        let named = self.data.get("status").and_then(Value::as_str);
        named.or(match self.topic {
            Topic::RecordingStart => Some("STARTED"),
            Topic::RecordingStop => Some("STOPPED"),
            Topic::RecordingError => Some("ERROR"),
            _ => None,
        })
    }
}

/// Takes events from whoever has them. Called from any thread: it must not block.
pub trait Announce: Send + Sync {
    /// Passes one on.
    fn announce(&self, event: Event);
}
