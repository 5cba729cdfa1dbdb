//! Decides what MediaMTX is told: its whole configuration file, from a handful of settings.
//!
//! The law: only what we use is on, and what only we talk to listens on loopback. No secret is in the
//! file: every right is asked of us, by HTTP, when it is needed. Golden file: `golden.yml`.

use std::fmt::Write;
use std::net::SocketAddr;

/// What the installation decides about MediaMTX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where RTSP listens, for viewers and for our own publishers.
    pub rtsp: SocketAddr,
    /// Where the HLS server listens; loopback, viewers come through our proxy.
    pub hls: SocketAddr,
    /// Where the WHEP/WHIP server listens; loopback, viewers come through our proxy.
    pub webrtc: SocketAddr,
    /// Where the control API listens; loopback.
    pub api: SocketAddr,
    /// The one UDP port of all WebRTC media; viewers reach it directly.
    pub webrtc_udp: SocketAddr,
    /// A TCP port for WebRTC media where UDP is blocked.
    pub webrtc_tcp: Option<SocketAddr>,
    /// Our authorisation callback, on loopback, such as `http://127.0.0.1:9080/auth`.
    pub auth_url: String,
    /// Names and addresses of the box beside those of its interfaces, for WebRTC behind NAT.
    pub additional_hosts: Vec<String>,
    /// How much MediaMTX says.
    pub log: LogLevel,
}

/// How much MediaMTX says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And warnings.
    Warn,
    /// And who comes and goes.
    #[default]
    Info,
    /// Everything. Shows RTSP headers; our log masks the tokens in them, one that MediaMTX writes by itself does not.
    Debug,
}

impl LogLevel {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// Units (RTP packets) that MediaMTX queues for each reader, its recorder among them.
///
/// Its default of 512 is about 1 s at 5 Mbit/s, and a memory card may stall longer. A power of two.
const WRITE_QUEUE: u32 = 4096;

/// Which paths exist: exactly the camera ids of the contract.
const CAMERA_PATHS: &str = "~^camera(0|[1-9][0-9]{0,3})$";

/// And those that bearers of stream tokens may publish; `access::stream::may_be_published` says the same.
///
/// Phones and browsers do not always say which wall time their packets are of, and MediaMTX drops
/// packets until they do where it is told to rely on that: so here it is not.
const LIVE_PATHS: &str = "~^live-[a-z0-9-]{1,48}$";

/// The configuration file of MediaMTX, the same bytes for the same settings.
#[must_use]
pub fn render(settings: &Settings) -> String {
    let Settings {
        rtsp,
        hls,
        webrtc,
        api,
        webrtc_udp,
        ..
    } = settings;
    let log = settings.log.as_str();
    let auth_url = quoted(&settings.auth_url);
    let webrtc_tcp = settings
        .webrtc_tcp
        .map_or_else(|| quoted(""), |a| quoted(&a.to_string()));
    let hosts: Vec<String> = settings
        .additional_hosts
        .iter()
        .map(|h| quoted(h))
        .collect();
    let hosts = hosts.join(", ");
    let mut out = String::with_capacity(2048);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        r#"# Written by camera-service at every start. Changes made here are lost: change its configuration instead.
logLevel: {log}
logDestinations: [stdout]
logStructured: true
writeQueueSize: {WRITE_QUEUE}

# Every right is asked of camera-service, those to this API included: nothing is excluded.
authMethod: http
authHTTPAddress: {auth_url}
authHTTPExclude: []

api: true
apiAddress: "{api}"
apiAllowOrigins: []
metrics: false
pprof: false
playback: false

rtsp: true
rtspAddress: "{rtsp}"
rtspTransports: [tcp]
rtspEncryption: "no"
rtspAuthMethods: [basic]

hls: true
hlsAddress: "{hls}"
hlsVariant: lowLatency
hlsAllowOrigins: []
hlsTrustedProxies: ["127.0.0.1", "::1"]

webrtc: true
webrtcAddress: "{webrtc}"
webrtcAllowOrigins: []
webrtcTrustedProxies: ["127.0.0.1", "::1"]
webrtcLocalUDPAddress: "{webrtc_udp}"
webrtcLocalTCPAddress: {webrtc_tcp}
webrtcIPsFromInterfaces: true
webrtcAdditionalHosts: [{hosts}]

rtmp: false
srt: false
moq: false

pathDefaults:
  source: publisher
  overridePublisher: true
  useAbsoluteTimestamp: true

paths:
  "{CAMERA_PATHS}": {{}}
  "{LIVE_PATHS}": {{ useAbsoluteTimestamp: false }}
"#
    );
    out
}

impl Settings {
    /// Which of our settings put a listener on `port`, as a person would say it.
    #[must_use]
    pub fn listener_on(&self, port: u16) -> Option<&'static str> {
        [
            (Some(self.rtsp), "RTSP"),
            (Some(self.hls), "HLS"),
            (Some(self.webrtc), "WebRTC signalling"),
            (Some(self.api), "the control API"),
            (Some(self.webrtc_udp), "WebRTC media (UDP)"),
            (self.webrtc_tcp, "WebRTC media (TCP)"),
        ]
        .into_iter()
        .find(|(address, _)| address.is_some_and(|a| a.port() == port))
        .map(|(_, name)| name)
    }

    /// What is wrong with these settings, if anything: the law above, checked.
    pub fn check(&self) -> Result<(), String> {
        for (name, address) in [
            ("HLS", self.hls),
            ("WebRTC signalling", self.webrtc),
            ("the control API", self.api),
        ] {
            if !address.ip().is_loopback() {
                return Err(format!(
                    "{name} of MediaMTX would listen on {address}: only loopback is allowed, viewers come through camera-service"
                ));
            }
        }
        if !self.auth_url.starts_with("http://127.0.0.1:")
            && !self.auth_url.starts_with("http://[::1]:")
        {
            return Err(format!(
                "the authorisation callback {:?} is not on loopback",
                self.auth_url
            ));
        }
        Ok(())
    }
}

/// A double-quoted YAML scalar. JSON strings are YAML 1.2 strings (YAML 1.2.2 §1.2), escapes included.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let at = |s: &str| s.parse().unwrap();
        Settings {
            rtsp: at("0.0.0.0:8554"),
            hls: at("127.0.0.1:8888"),
            webrtc: at("[::1]:8889"),
            api: at("127.0.0.1:9997"),
            webrtc_udp: at("0.0.0.0:8189"),
            webrtc_tcp: None,
            auth_url: "http://127.0.0.1:9080/auth".to_owned(),
            additional_hosts: vec!["box.example".to_owned(), "192.0.2.7".to_owned()],
            log: LogLevel::Info,
        }
    }

    #[test]
    fn the_file_is_the_golden_file() {
        // To accept a change: CAMERA_SERVICE_BLESS=1 cargo test --lib golden, then read the diff.
        let made = render(&settings());
        if std::env::var_os("CAMERA_SERVICE_BLESS").is_some() {
            std::fs::write("src/mediamtx/golden.yml", &made).unwrap();
        }
        assert_eq!(
            made,
            std::fs::read_to_string("src/mediamtx/golden.yml").unwrap()
        );
    }

    #[test]
    fn a_hostile_host_name_stays_one_string_of_the_file() {
        let mut hostile = settings();
        hostile.additional_hosts = vec!["a\"]\nrunOnConnect: \"evil".to_owned()];
        let yaml = render(&hostile);
        assert!(
            !yaml.lines().any(|l| l.starts_with("runOnConnect")),
            "{yaml}"
        );
    }

    #[test]
    fn a_control_api_or_callback_beyond_loopback_is_refused() {
        assert_eq!(settings().check(), Ok(()));
        let mut open = settings();
        open.api = "0.0.0.0:9997".parse().unwrap();
        assert!(open.check().unwrap_err().contains("0.0.0.0:9997"));
        let mut far = settings();
        far.auth_url = "http://192.0.2.1:80/auth".to_owned();
        assert!(far.check().is_err());
    }

    #[test]
    fn a_port_is_told_by_the_name_of_its_listener() {
        assert_eq!(settings().listener_on(8189), Some("WebRTC media (UDP)"));
        assert_eq!(settings().listener_on(1), None);
    }
}
