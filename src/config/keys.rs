//! The table of keys: path, meaning, and the way in and out of [`Config`].

use serde_json::Value;

use super::Config;
use super::setting::Setting;

/// One key.
pub struct Key {
    /// Dotted path: `server.port`.
    pub path: &'static str,
    /// What it means, one sentence.
    pub doc: &'static str,
    /// Reads a value into the configuration.
    pub set: fn(&mut Config, &Value) -> Result<(), String>,
    /// Shows the value as YAML.
    pub show: fn(&Config) -> String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.path)
    }
}

impl Key {
    /// `server.port` → `CAMERA_SERVICE_SERVER_PORT`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!(
            "CAMERA_SERVICE_{}",
            self.path.replace('.', "_").to_uppercase()
        )
    }
}

macro_rules! keys {
    ($($section:ident . $name:ident : $doc:literal),+ $(,)?) => {
        /// Every key there is, in the order of the reference page.
        pub const KEYS: &[Key] = &[$(Key {
            path: concat!(stringify!($section), ".", stringify!($name)),
            doc: $doc,
            set: |config, value| {
                config.$section.$name = Setting::parse(value)?;
                Ok(())
            },
            show: |config| config.$section.$name.show(),
        }),+];
    };
}

keys! {
    server.host: "Address of the JSON-RPC listener.",
    server.port: "TCP port of the JSON-RPC listener; 0 lets the kernel pick one.",
    server.tls: "on: one more port, server.tls_port, carries everything over TLS. off: plain HTTP only, for networks you trust.",
    server.tls_port: "TCP port with TLS; 0 lets the kernel pick one.",
    server.tls_certificate: "PEM file of the certificate and those between it and its authority; empty: one that the service makes for itself at its first start.",
    server.tls_key: "PEM file of the certificate's private key. Both files are taken anew when they change, without a restart.",
    server.plain: "Whether server.port and http_health.port stay open beside TLS.",
    server.websocket_path: "Where the WebSocket is upgraded.",
    server.max_connections: "Connections in all; more are refused with 503. 0 = no limit.",
    server.max_connections_per_address: "Connections of one address. 0 = no limit.",
    server.max_unauthenticated_per_address: "Connections of one address that have not logged in. 0 = no limit.",
    server.max_message_size: "Bytes of one message; a longer one closes the connection with 1009.",
    server.max_memory: "Bytes that all clients together may have waiting here: messages half received, requests under way, answers and events not yet taken. Beyond it events go first, then connections without a login, then those that hold most. 0 = no limit.",
    server.authentication_timeout: "Seconds in which a connection must log in, or it is closed with 1008. 0 = no limit.",
    http_health.host: "Address of the listener for health and the web page.",
    http_health.port: "TCP port for health and the web page; 0 lets the kernel pick one.",
    mediamtx.binary: "The MediaMTX binary; empty looks beside our own, then on PATH.",
    mediamtx.managed: "true: MediaMTX is our child process. false: something else (systemd) runs it with the configuration we write to storage.runtime_dir.",
    mediamtx.rtsp_host: "Address where RTSP listens.",
    mediamtx.rtsp_port: "TCP port of RTSP; 0 picks a free one.",
    mediamtx.api_port: "TCP port of MediaMTX's control API, on loopback only; 0 picks a free one.",
    mediamtx.hls_port: "TCP port of MediaMTX's HLS server, on loopback only (viewers use /hls on our ports); 0 picks a free one.",
    mediamtx.webrtc_port: "TCP port of MediaMTX's WHEP server, on loopback only (viewers use /whep on our ports); 0 picks a free one.",
    mediamtx.webrtc_udp_port: "UDP port that carries WebRTC media; must be reachable by viewers; 0 picks a free one.",
    mediamtx.additional_hosts: "Further names or addresses under which viewers reach the box, for WebRTC behind NAT.",
    camera.size: "Picture size wished for; the nearest one the device offers is taken and reported.",
    camera.fps: "Frames per second wished for.",
    camera.pixel_format: "Pixel layout wished for: auto, H264, NV12, YU12, YUYV, UYVY or MJPG.",
    camera.bitrate: "Target of our encoder, kbit/s. Cameras that deliver H.264 keep their own.",
    camera.keyframe_seconds: "Seconds from one key frame to the next, at most (1 or 2).",
    camera.encoder: "Which encoder: auto takes an encoder chip where there is one; copy gives it copies of the frames (for drivers that cannot share buffers); software uses openh264.",
    camera.expected: "Cameras that must deliver for /health/ready, such as [camera0, camera2]; empty: any one.",
    test_camera.enabled: "Adds the built-in test camera: camera0, or camera1000 where a real /dev/video0 exists.",
    test_camera.size: "Picture size of the test camera.",
    test_camera.fps: "Frames per second of the test camera.",
    security.jwt_expiry_hours: "Life of a token minted without --ttl.",
    security.rate_limit_requests: "Requests of one viewer, or of one address without a login, in a minute; operators and admins have four times as many. 0 = no limit.",
    security.rate_limit_burst: "How many of them may come at once.",
    security.rate_limit_failed_logins: "Logins of one address that fail, in a minute; more attempts are refused unread. 0 = no limit.",
    security.claim: "true: a fresh box belongs to whoever types in the code that its console shows. false: to whoever mints a token on it.",
    security.cors_origins: "Web origins beside the service's own whose pages may open the WebSocket and read streams and files.",
    api_key_management.max_keys_per_role: "Active API keys that each role may have.",
    api_key_management.default_expiry: "How long an API key lasts when nobody says: 12h, 30d, 90d, 1y or never.",
    storage.data_dir: "What survives a reboot: secrets, keys, state. Created with mode 0700.",
    storage.runtime_dir: "What does not: MediaMTX's generated configuration.",
    storage.recordings_dir: "Recordings, one folder per camera or stream; empty: the folder recordings beneath data_dir.",
    storage.snapshots_dir: "Snapshots, likewise; empty: the folder snapshots beneath data_dir.",
    storage.fallback_path: "A folder on another medium, such as /var/lib/camera-service/fallback, for recordings and snapshots while theirs is pulled, read-only or broken; empty: recordings rest meanwhile.",
    storage.warn_percent: "From so full on, in percent, get_storage_info warns.",
    storage.block_percent: "From so full on, in percent, no recording begins.",
    storage.flush_interval_ms: "Milliseconds from one flush of a growing recording to the next, at least: a power cut costs so much, and the part of 0.3 s that is being written. 300 flushes each part; larger values spare the card; 0 leaves it to the kernel, which takes some 30 s.",
    storage.quota_min_free: "Bytes of the medium that stay free, such as 2GB: the oldest files are deleted ahead of need. 0: not for that.",
    storage.quota_bytes: "Bytes that recordings and snapshots together take at most, such as 100GB; the oldest are deleted. 0: no limit.",
    storage.quota_days: "Days after which files are deleted, while the clock is synchronised. 0: no limit.",
    storage.quota_camera_bytes: "Bytes that the files of each camera or stream take at most. 0: no limit.",
    storage.quota_camera_days: "Days after which files of each camera or stream are deleted. 0: no limit.",
    storage.quota_cameras: "Cameras and streams with limits of their own in the place of the two above, such as [camera0=20GB, door=5GB/7d, yard=90d].",
    recording.pre_event_ms: "Milliseconds of each camera's last pictures that are held in memory, so that a recording begins so long before start_recording (up to 60000). Memory: so long, and two groups of pictures and 2 s more, at the camera's bit rate. 0: only while it is recorded, for a medium that fails.",
    recording.pre_event_bytes: "Bytes of memory that takes for each camera at most; at a higher bit rate less time is held.",
    recording.mode: "When cameras are recorded that have no mode of their own (set_recording_mode): manual (when somebody asks), continuous or scheduled.",
    recording.schedule: "For scheduled: weekly windows, such as mon-fri 22:00-06:00; sat,sun 00:00-24:00. One over midnight belongs to the day on which it begins.",
    recording.time_zone: "Where the windows are local time: a name of the IANA database such as Europe/Berlin, UTC, or an offset such as +02:00.",
    recording.roll_seconds: "Seconds of one recording that continuous and scheduled make; then the next begins, without a picture missing, at a key frame.",
    logging.level: "error, warn, info, debug or trace; or a tracing filter such as info,camera_service::stream=debug.",
    logging.format: "auto (journald under systemd, else text), text or json.",
    logging.file: "A log file beside that, as text or, where the format says so, as json; empty: none.",
    logging.max_file_size: "Bytes of the log file before the next one is begun.",
    logging.max_files: "Log files kept, the present one among them; older ones are removed.",
    external_discovery.enabled: "Whether networks may be searched for streams of drones and other cameras. Streams can be added without.",
    external_discovery.scan_interval: "Seconds from the end of one search to the next; 0 searches on demand only.",
    external_discovery.scan_timeout: "Seconds a whole search takes at most (1 to 60); who asks waits no longer.",
    external_discovery.max_concurrent_scans: "Addresses and ports asked at the same time (1 to 256).",
    external_discovery.enable_startup_scan: "Searches when the service starts.",
    external_discovery.skydio: "Where Skydio drones are looked for: ranges of at most 1,024 addresses, and addresses asked first.",
    external_discovery.generic_uav: "Where other streams are looked for, likewise; each port is asked for each path.",
    offsite.bucket: "The bucket of an S3 store that finished recordings are copied to; empty: no copies are made.",
    offsite.endpoint: "The store's address, such as https://s3.example.org:9000; empty: AWS's own for the region.",
    offsite.region: "The region that requests are signed for; stores that have none take us-east-1.",
    offsite.prefix: "What the names of objects begin with, such as barn; boxes that share a bucket need one each.",
    offsite.key_file: "The file with the access key (lines aws_access_key_id = and aws_secret_access_key =), mode 0600; read anew when it changes. Empty: systemd's credential named offsite, else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment.",
    offsite.ca_file: "PEM file of the authorities that the store's certificate may be from.",
    offsite.copy: "all: every finished file. marked: protected recordings, and files whose name fits offsite.names.",
    offsite.names: "Names of files that are marked, with * for anything, such as [alarm-*].",
    offsite.snapshots: "Whether snapshots are copied, too.",
    offsite.bytes_per_second: "Bytes that are sent in a second at most, such as 500kB. 0: no limit.",
    offsite.window: "The hours of the day, in UTC, in which copies are made, such as 22:00-05:30; empty: always.",
    offsite.metered: "pause: no copies while the default route's interface is one of offsite.metered_links. allow: copies all the same.",
    offsite.metered_links: "Interfaces that cost by the byte, with * for anything.",
    offsite.keep_until_copied: "Whether quotas and policies wait for a file's copy. What waits goes last, and only to keep the medium from being full.",
}
