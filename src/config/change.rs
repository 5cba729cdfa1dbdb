//! What a new reading of the configuration asks of the running service. Pure.
//!
//! Every key has one [`Effect`]. Keys whose value differs become [`Action`]s, each at most once and with the whole new
//! section inside, or names of keys that only a restart can carry out.

use super::keys::KEYS;
use super::{Camera, Config, Logging, Security, Server, TestCamera};
use crate::camera::CameraId;

/// What a changed key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The log says more or less from the next line on.
    LogLevel,
    /// The log file is another, larger or gone.
    LogFile,
    /// Connections that come from now on have other bounds; those that are open stay, unless all together have more
    /// waiting than they may now.
    Limits,
    /// Requests and failed logins are counted at another pace; what was spent stays spent.
    Rates,
    /// Pages of other sites may, or may no longer, open the WebSocket.
    Origins,
    /// Health asks for other cameras.
    ExpectedCameras,
    /// Every camera is asked for another picture, as `set_video` would.
    CameraWishes,
    /// The test camera comes, goes, or has another size or rate.
    TestCamera,
    /// Tokens minted from now on live for another time.
    JwtExpiry,
    /// MediaMTX offers viewers other addresses for WebRTC.
    MediaHosts,
    /// Only a restart of the service carries it out.
    Restart,
}

/// What a key asks for when its value is another; `None` for a key that nobody has thought about.
#[must_use]
pub fn effect(path: &str) -> Option<Effect> {
    Some(match path {
        "logging.level" => Effect::LogLevel,
        "logging.file" | "logging.max_file_size" | "logging.max_files" => Effect::LogFile,
        "server.max_connections"
        | "server.max_connections_per_address"
        | "server.max_unauthenticated_per_address"
        | "server.max_message_size"
        | "server.max_memory"
        | "server.authentication_timeout" => Effect::Limits,
        "security.rate_limit_requests"
        | "security.rate_limit_burst"
        | "security.rate_limit_failed_logins" => Effect::Rates,
        "security.cors_origins" => Effect::Origins,
        "security.jwt_expiry_hours" => Effect::JwtExpiry,
        "camera.expected" => Effect::ExpectedCameras,
        "camera.size" | "camera.fps" | "camera.bitrate" | "camera.keyframe_seconds" => {
            Effect::CameraWishes
        }
        "test_camera.enabled" | "test_camera.size" | "test_camera.fps" => Effect::TestCamera,
        "mediamtx.additional_hosts" => Effect::MediaHosts,
        // Listeners that clients know, and folders that hold open files.
        "server.host"
        | "server.port"
        | "server.websocket_path"
        | "http_health.host"
        | "http_health.port"
        | "mediamtx.binary"
        | "mediamtx.managed"
        | "mediamtx.rtsp_host"
        | "mediamtx.rtsp_port"
        | "mediamtx.api_port"
        | "mediamtx.hls_port"
        | "mediamtx.webrtc_port"
        | "mediamtx.webrtc_udp_port"
        | "storage.data_dir"
        | "storage.runtime_dir"
        | "storage.recordings_dir"
        | "storage.snapshots_dir"
        | "storage.fallback_path"
        // A bound listener stays; the certificate's files are taken anew by themselves when they change.
        | "server.tls"
        | "server.tls_port"
        | "server.tls_certificate"
        | "server.tls_key"
        | "server.plain"
        // Whose box it is was settled at the start.
        | "security.claim"
        | "api_key_management.max_keys_per_role"
        | "api_key_management.default_expiry"
        | "storage.warn_percent"
        | "storage.block_percent"
        | "storage.flush_interval_ms"
        | "storage.quota_min_free"
        | "storage.quota_bytes"
        | "storage.quota_days"
        | "storage.quota_camera_bytes"
        | "storage.quota_camera_days"
        | "storage.quota_cameras"
        // Rings are as large as they were when their camera's thread began.
        | "recording.pre_event_ms"
        | "recording.pre_event_bytes"
        // set_recording_mode changes what a running service records.
        | "recording.mode"
        | "recording.schedule"
        | "recording.time_zone"
        | "recording.roll_seconds"
        | "offsite.bucket"
        | "offsite.endpoint"
        | "offsite.region"
        | "offsite.prefix"
        | "offsite.key_file"
        | "offsite.ca_file"
        | "offsite.copy"
        | "offsite.names"
        | "offsite.snapshots"
        | "offsite.bytes_per_second"
        | "offsite.window"
        | "offsite.metered"
        | "offsite.metered_links"
        | "offsite.keep_until_copied"
        // set_discovery_interval changes the pace of a running service.
        | "external_discovery.enabled"
        | "external_discovery.scan_interval"
        | "external_discovery.scan_timeout"
        | "external_discovery.max_concurrent_scans"
        | "external_discovery.enable_startup_scan"
        | "external_discovery.skydio"
        | "external_discovery.generic_uav"
        // Another layout or encoder is another chain; the roster of encoders is made at start.
        | "camera.pixel_format"
        | "camera.encoder"
        // The sink of the log is chosen once for the process.
        | "logging.format" => Effect::Restart,
        _ => return None,
    })
}

/// One thing to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// [`Effect::LogLevel`].
    LogLevel(String),
    /// [`Effect::LogFile`].
    LogFile(Logging),
    /// [`Effect::Limits`].
    Limits(Server),
    /// [`Effect::Rates`].
    Rates(Security),
    /// [`Effect::Origins`].
    Origins(Vec<String>),
    /// [`Effect::ExpectedCameras`].
    ExpectedCameras(Vec<CameraId>),
    /// [`Effect::CameraWishes`].
    CameraWishes(Camera),
    /// [`Effect::TestCamera`].
    TestCamera(TestCamera),
    /// [`Effect::JwtExpiry`], in hours.
    JwtExpiry(u32),
    /// [`Effect::MediaHosts`].
    MediaHosts(Vec<String>),
}

impl Action {
    /// What an effect means under this configuration; `None` for what needs a restart.
    fn of(effect: Effect, new: &Config) -> Option<Self> {
        Some(match effect {
            Effect::LogLevel => Self::LogLevel(new.logging.level.clone()),
            Effect::LogFile => Self::LogFile(new.logging.clone()),
            Effect::Limits => Self::Limits(new.server.clone()),
            Effect::Rates => Self::Rates(new.security.clone()),
            Effect::Origins => Self::Origins(new.security.cors_origins.clone()),
            Effect::ExpectedCameras => Self::ExpectedCameras(new.camera.expected.clone()),
            Effect::CameraWishes => Self::CameraWishes(new.camera.clone()),
            Effect::TestCamera => Self::TestCamera(new.test_camera.clone()),
            Effect::JwtExpiry => Self::JwtExpiry(new.security.jwt_expiry_hours),
            Effect::MediaHosts => Self::MediaHosts(new.mediamtx.additional_hosts.clone()),
            Effect::Restart => return None,
        })
    }
}

/// The way from one configuration to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Keys that [`Change::actions`] carry out, in the order of the reference.
    pub live: Vec<&'static str>,
    /// What to do, each at most once.
    pub actions: Vec<Action>,
    /// Keys that only a restart carries out, in the order of the reference.
    pub restart: Vec<&'static str>,
}

/// Whether only a restart changes this key. What nobody has thought about does.
#[must_use]
pub fn needs_restart(path: &str) -> bool {
    effect(path).is_none_or(|effect| effect == Effect::Restart)
}

/// Compares two configurations key by key.
#[must_use]
pub fn change(old: &Config, new: &Config) -> Change {
    let mut change = Change::default();
    let mut effects = Vec::new();
    for key in KEYS.iter().filter(|key| (key.show)(old) != (key.show)(new)) {
        if needs_restart(key.path) {
            change.restart.push(key.path);
            continue;
        }
        change.live.push(key.path);
        effects.extend(effect(key.path));
    }
    effects.sort_unstable();
    effects.dedup();
    change.actions = effects
        .into_iter()
        .filter_map(|effect| Action::of(effect, new))
        .collect();
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load;
    use crate::units::BitRate;

    fn from(text: &str) -> Config {
        load(Config::default(), Some(("f", text)), []).unwrap()
    }

    #[test]
    fn somebody_has_thought_about_every_key() {
        for key in KEYS {
            assert!(
                effect(key.path).is_some(),
                "{} has no line in config::change::effect: say what it does while the service runs",
                key.path
            );
        }
    }

    #[test]
    fn the_same_configuration_asks_for_nothing() {
        assert_eq!(
            change(&Config::default(), &Config::default()),
            Change::default()
        );
    }

    #[test]
    fn several_keys_of_one_concern_are_one_action_with_the_whole_new_section() {
        let new = from(
            "camera:\n  bitrate: 900\n  fps: 15\nlogging:\n  level: debug\nserver:\n  port: 9000\n",
        );
        let change = change(&Config::default(), &new);
        assert_eq!(
            change.live,
            ["camera.fps", "camera.bitrate", "logging.level"]
        );
        assert_eq!(change.restart, ["server.port"]);
        let [Action::LogLevel(level), Action::CameraWishes(camera)] = &change.actions[..] else {
            panic!("{:?}", change.actions);
        };
        assert_eq!(level, "debug");
        assert_eq!((camera.bitrate, camera.fps), (BitRate::from_kbps(900), 15));
    }

    #[test]
    fn every_key_that_differs_is_either_acted_on_or_waits_for_a_restart() {
        let new = from(
            "server:\n  max_connections: 7\n  max_message_size: 2048\n  max_memory: 1048576\nsecurity:\n  rate_limit_requests: 7\n  rate_limit_burst: 3\n  cors_origins: ['https://a']\n  jwt_expiry_hours: 1\ntest_camera:\n  enabled: true\nmediamtx:\n  additional_hosts: [box]\n  managed: false\ncamera:\n  expected: [camera3]\n  encoder: software\nlogging:\n  max_files: 2\n  format: json\nstorage:\n  data_dir: /elsewhere\n",
        );
        let change = change(&Config::default(), &new);
        assert_eq!(change.actions.len(), 8, "{:?}", change.actions);
        assert_eq!(
            change.restart,
            [
                "mediamtx.managed",
                "camera.encoder",
                "storage.data_dir",
                "logging.format"
            ]
        );
    }
}
