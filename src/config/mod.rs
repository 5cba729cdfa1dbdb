//! The one typed configuration: a YAML file, then `CAMERA_SERVICE_…` overrides, then nothing else.
//!
//! It may be read again while the service runs: [`change`] says what a new reading asks for, [`live`] remembers what
//! holds now and what waits for a restart.
//!
//! Every key stands once, in [`keys::KEYS`], with its default and its meaning; unknown keys are
//! refused with the nearest known one. What was asked is in these types; what *is* (a port the
//! kernel picked, a size the driver chose) is never written back here.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::access::store::Expiry;
use crate::camera::CameraId;
use crate::capture::PixelFormat;
use crate::encode::Choice;
use crate::recording::modes::Mode;
use crate::recording::schedule::{Schedule, Zone};
use crate::units::{BitRate, Size};

pub mod change;
pub mod external;
pub mod io;
pub mod keys;
pub mod live;
pub mod load;
pub mod offsite;
pub mod quota;
pub mod setting;
pub mod watch;

/// Where the configuration comes from, so that it can be read again.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// What holds where neither file nor environment say anything.
    pub base: Config,
    /// The file.
    pub file: Option<PathBuf>,
}

/// Everything that can be asked of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The JSON-RPC listener.
    pub server: Server,
    /// The health and web page listener.
    pub http_health: HttpHealth,
    /// The media server beside us.
    pub mediamtx: MediaMtx,
    /// What is asked of every camera.
    pub camera: Camera,
    /// The built-in test camera.
    pub test_camera: TestCamera,
    /// Tokens and origins.
    pub security: Security,
    /// API keys.
    pub api_key_management: ApiKeyManagement,
    /// Where things are kept.
    pub storage: Storage,
    /// When is recorded.
    pub recording: Recording,
    /// What is written to the log.
    pub logging: Logging,
    /// Where streams of somebody else are looked for.
    pub external_discovery: external::ExternalDiscovery,
    /// The store that finished files are copied to.
    pub offsite: offsite::Offsite,
}

/// The JSON-RPC listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Address to listen on.
    pub host: IpAddr,
    /// TCP port; 0 lets the kernel pick one.
    pub port: u16,
    /// Whether TLS is spoken, on a port of its own.
    pub tls: Tls,
    /// TCP port with TLS; 0 lets the kernel pick one.
    pub tls_port: u16,
    /// PEM file of the certificate; empty = one of our own making.
    pub tls_certificate: PathBuf,
    /// PEM file of its key.
    pub tls_key: PathBuf,
    /// Whether the ports without TLS stay open beside it.
    pub plain: bool,
    /// Where the WebSocket is upgraded.
    pub websocket_path: String,
    /// Connections in all; 0 = no limit.
    pub max_connections: u32,
    /// Connections of one address; 0 = no limit.
    pub max_connections_per_address: u32,
    /// Connections of one address that have not logged in; 0 = no limit.
    pub max_unauthenticated_per_address: u32,
    /// Bytes of one message.
    pub max_message_size: u32,
    /// Bytes that all clients together may have waiting; 0 = no limit.
    pub max_memory: u32,
    /// Seconds in which a connection must log in; 0 = no limit.
    pub authentication_timeout: u32,
}

/// Whether TLS is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// No: plain HTTP, for networks that can be trusted.
    Off,
    /// Yes, on a port of its own.
    On,
}

/// The health and web page listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpHealth {
    /// Address to listen on.
    pub host: IpAddr,
    /// TCP port; 0 lets the kernel pick one.
    pub port: u16,
}

/// The media server beside us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaMtx {
    /// The binary; empty = beside our own, else on PATH.
    pub binary: PathBuf,
    /// True: our child. False: systemd runs it with the file we write.
    pub managed: bool,
    /// Where RTSP listens.
    pub rtsp_host: IpAddr,
    /// RTSP port.
    pub rtsp_port: u16,
    /// Control API port, always on loopback.
    pub api_port: u16,
    /// HLS port, always on loopback: viewers reach it through us.
    pub hls_port: u16,
    /// WHEP port, always on loopback: viewers reach it through us.
    pub webrtc_port: u16,
    /// UDP port that carries WebRTC media.
    pub webrtc_udp_port: u16,
    /// Further names or addresses under which viewers reach the box (NAT, containers).
    pub additional_hosts: Vec<String>,
}

/// What is asked of every camera; the driver may give something near it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// Picture size wished for.
    pub size: Size,
    /// Frames per second wished for.
    pub fps: u32,
    /// Layout wished for; `None` leaves the choice to us.
    pub pixel_format: Option<PixelFormat>,
    /// Target of our encoder.
    pub bitrate: BitRate,
    /// Seconds from one key frame to the next, at most.
    pub keyframe_seconds: u32,
    /// Which encoder to use.
    pub encoder: Choice,
    /// Cameras that must deliver for the box to be ready.
    pub expected: Vec<CameraId>,
}

/// The built-in test camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCamera {
    /// Whether it is there.
    pub enabled: bool,
    /// Its picture size.
    pub size: Size,
    /// Its frames per second.
    pub fps: u32,
}

/// Tokens and origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// Life of a token minted without `--ttl`, in hours.
    pub jwt_expiry_hours: u32,
    /// Requests of one viewer or address in a minute; 0 = no limit.
    pub rate_limit_requests: u32,
    /// How many of them at once.
    pub rate_limit_burst: u32,
    /// Failed logins of one address in a minute; 0 = no limit.
    pub rate_limit_failed_logins: u32,
    /// Whether a fresh box must be claimed with its code.
    pub claim: bool,
    /// Web origins beside our own that may open the WebSocket.
    pub cors_origins: Vec<String>,
}

/// API keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyManagement {
    /// Active keys of one role.
    pub max_keys_per_role: u32,
    /// How long a key lasts when nobody says.
    pub default_expiry: Expiry,
}

/// Where things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Survives a reboot: keys, secrets, state.
    pub data_dir: PathBuf,
    /// Does not: MediaMTX's generated configuration.
    pub runtime_dir: PathBuf,
    /// Recordings, one folder per camera or stream; empty = `recordings` beneath `data_dir`.
    pub recordings_dir: PathBuf,
    /// Snapshots, likewise; empty = `snapshots` beneath `data_dir`.
    pub snapshots_dir: PathBuf,
    /// Where both go while the medium cannot take them; empty = nowhere.
    pub fallback_path: PathBuf,
    /// From so full on `get_storage_info` warns.
    pub warn_percent: u32,
    /// From so full on no recording begins.
    pub block_percent: u32,
    /// From one flush of a growing recording to the next; 0 = none.
    pub flush_interval_ms: u32,
    /// Bytes of the medium that stay free; 0 = not for that.
    pub quota_min_free: quota::Bytes,
    /// Bytes that recordings and snapshots take at most; 0 = no limit.
    pub quota_bytes: quota::Bytes,
    /// Days after which files are deleted; 0 = never for that.
    pub quota_days: u32,
    /// Bytes that each camera's files take at most; 0 = no limit.
    pub quota_camera_bytes: quota::Bytes,
    /// Days after which each camera's files are deleted; 0 = never for that.
    pub quota_camera_days: u32,
    /// Cameras and streams with limits of their own.
    pub quota_cameras: Vec<quota::Own>,
}

impl Storage {
    /// Where recordings are kept.
    #[must_use]
    pub fn recordings(&self) -> PathBuf {
        self.or_beneath(&self.recordings_dir, "recordings")
    }

    /// Where snapshots are kept.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.or_beneath(&self.snapshots_dir, "snapshots")
    }

    /// Where recordings are kept while the medium cannot take them, if anywhere.
    #[must_use]
    pub fn fallback_recordings(&self) -> Option<PathBuf> {
        self.fallback("recordings")
    }

    /// Where snapshots are, likewise.
    #[must_use]
    pub fn fallback_snapshots(&self) -> Option<PathBuf> {
        self.fallback("snapshots")
    }

    fn fallback(&self, name: &str) -> Option<PathBuf> {
        let some = !self.fallback_path.as_os_str().is_empty();
        some.then(|| self.fallback_path.join(name))
    }

    fn or_beneath(&self, dir: &Path, name: &str) -> PathBuf {
        if dir.as_os_str().is_empty() {
            self.data_dir.join(name)
        } else {
            dir.to_owned()
        }
    }
}

impl Config {
    /// How much of a camera's last pictures a recording that goes on after an error brings along: what no flush had brought
    /// to the medium, and what passes until its failure is known.
    fn bridge(&self) -> Duration {
        let flushes = match self.storage.flush_interval_ms {
            // The kernel keeps them back for half a minute.
            0 => LONGEST_BRIDGE,
            interval => Duration::from_millis(interval.into()),
        };
        (flushes + UNTIL_KNOWN).min(LONGEST_BRIDGE)
    }

    /// What is held in memory of a camera's last pictures, and when.
    #[must_use]
    pub fn held(&self) -> Held {
        let pre_event = self.recording.pre_event();
        let always = !pre_event.is_zero();
        let bytes = self.recording.pre_event_bytes;
        let bytes = if always {
            bytes
        } else {
            bytes.min(BRIDGE_BYTES)
        };
        Held {
            span: pre_event.max(self.bridge()),
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            always,
        }
    }
}

/// What is held in memory of a camera's last pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// So long.
    pub span: Duration,
    /// Bytes at most.
    pub bytes: usize,
    /// Also while it is not recorded.
    pub always: bool,
}

/// Two parts of a recording, the flush that fails, a look at the medium, and the first part elsewhere.
const UNTIL_KNOWN: Duration = Duration::from_secs(2);
/// Who flushes seldom has agreed to lose more than memory should hold.
const LONGEST_BRIDGE: Duration = Duration::from_secs(10);
/// Memory for each recorded camera where no pictures are held otherwise: 4 s at 16 Mbit/s.
const BRIDGE_BYTES: u32 = 8 << 20;

/// From one flush of a growing recording to the next, in milliseconds; 0 is allowed, too.
pub const FLUSHES: RangeInclusive<u32> = 100..=60_000;

/// When is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Milliseconds that each camera's last pictures are held, so that recordings can begin before their trigger; 0 = not.
    /// In [`PRE_EVENT`].
    pub pre_event_ms: u32,
    /// Bytes of memory that takes for each camera at most; in [`PRE_EVENT_BYTES`].
    pub pre_event_bytes: u32,
    /// When cameras are recorded that have no mode of their own.
    pub mode: Mode,
    /// In which windows, where that is what counts.
    pub schedule: Schedule,
    /// Where those windows are local time.
    pub time_zone: Zone,
    /// Seconds of one recording that a mode makes; in [`ROLLS`].
    pub roll_seconds: u32,
}

impl Recording {
    /// How long pictures are held.
    #[must_use]
    pub fn pre_event(&self) -> Duration {
        Duration::from_millis(u64::from(self.pre_event_ms))
    }
}

/// Milliseconds that pictures may be held.
pub const PRE_EVENT: RangeInclusive<u32> = 0..=60_000;
/// Seconds that one recording of a mode may have.
pub const ROLLS: RangeInclusive<u32> = 5..=86_400;
/// Bytes that they may take.
pub const PRE_EVENT_BYTES: RangeInclusive<u32> = (1 << 20)..=(1 << 30);

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// journald when systemd started us, else text.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Bytes that a log file may have. A line is cut at a fourth of the least, so that a file always holds several.
pub const FILE_SIZES: RangeInclusive<u32> = (1 << 16)..=(1 << 30);
/// Log files that may be kept.
pub const FILE_COUNTS: RangeInclusive<u32> = 1..=100;

/// What is written to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// error, warn, info, debug, trace.
    pub level: String,
    /// Form.
    pub format: LogFormat,
    /// A file that is written beside; empty = none.
    pub file: PathBuf,
    /// Bytes of that file before a new one is begun; in [`FILE_SIZES`].
    pub max_file_size: u32,
    /// Files in all, the present one among them; in [`FILE_COUNTS`].
    pub max_files: u32,
}

impl Default for Config {
    fn default() -> Self {
        let any = IpAddr::from([0, 0, 0, 0]);
        Self {
            server: Server {
                host: any,
                port: 8002,
                tls: Tls::Off,
                tls_port: 8443,
                tls_certificate: PathBuf::new(),
                tls_key: PathBuf::new(),
                plain: true,
                websocket_path: "/ws".into(),
                max_connections: 1000,
                max_connections_per_address: 50,
                max_unauthenticated_per_address: 20,
                max_message_size: 1 << 20,
                // An eighth of a board's 512 MiB.
                max_memory: 64 << 20,
                // Long enough to paste a token by hand; clients and the page log in at once.
                authentication_timeout: 60,
            },
            http_health: HttpHealth {
                host: any,
                port: 8003,
            },
            mediamtx: MediaMtx {
                binary: PathBuf::new(),
                managed: true,
                rtsp_host: any,
                rtsp_port: 8554,
                api_port: 9997,
                hls_port: 8888,
                webrtc_port: 8889,
                webrtc_udp_port: 8189,
                additional_hosts: Vec::new(),
            },
            camera: Camera {
                size: Size::new(1280, 720),
                fps: 30,
                pixel_format: None,
                bitrate: BitRate::from_kbps(2500),
                keyframe_seconds: 1,
                encoder: Choice::Auto,
                expected: Vec::new(),
            },
            test_camera: TestCamera {
                enabled: false,
                size: Size::new(1280, 720),
                fps: 30,
            },
            security: Security {
                jwt_expiry_hours: 24,
                rate_limit_requests: 300,
                rate_limit_burst: 60,
                rate_limit_failed_logins: 60,
                claim: true,
                cors_origins: ["http://localhost:3000", "https://localhost:3000"]
                    .map(str::to_owned)
                    .to_vec(),
            },
            api_key_management: ApiKeyManagement {
                max_keys_per_role: 10,
                default_expiry: Expiry::DEFAULT,
            },
            storage: Storage {
                data_dir: "/var/lib/camera-service".into(),
                runtime_dir: "/run/camera-service".into(),
                recordings_dir: PathBuf::new(),
                snapshots_dir: PathBuf::new(),
                fallback_path: PathBuf::new(),
                warn_percent: 80,
                block_percent: 90,
                flush_interval_ms: 600,
                quota_min_free: quota::Bytes::default(),
                quota_bytes: quota::Bytes::default(),
                quota_days: 0,
                quota_camera_bytes: quota::Bytes::default(),
                quota_camera_days: 0,
                quota_cameras: Vec::new(),
            },
            recording: Recording {
                pre_event_ms: 0,
                // 14 s at 18 Mbit/s; only what is held takes any.
                pre_event_bytes: 32 << 20,
                mode: Mode::default(),
                schedule: Schedule::default(),
                time_zone: Zone::default(),
                roll_seconds: 600,
            },
            logging: Logging {
                level: "info".into(),
                format: LogFormat::Auto,
                file: PathBuf::new(),
                max_file_size: 5 << 20,
                max_files: 5,
            },
            external_discovery: external::ExternalDiscovery::default(),
            offsite: offsite::Offsite::default(),
        }
    }
}
