//! The control plane without its outside: one camera, one stream of somebody else, nobody's disk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use camera_service::access::Office;
use camera_service::access::store::{Expiry, KeyRecord, Target, Wanted};
use camera_service::access::stream::{Direction, StreamToken};
use camera_service::app::records::Records;
use camera_service::camera::{Camera, CameraId, Counters, Device, Directory, Mode, Status};
use camera_service::capture::PixelFormat;
use camera_service::clock::{Mono, Wall};
use camera_service::config::Config;
use camera_service::config::live::{self, Configuration, Reloaded};
use camera_service::encode::Route;
use camera_service::error::{Error, Kind, Later};
use camera_service::events::Announce;
use camera_service::events::bus::Bus;
use camera_service::external::{self, Fixed};
use camera_service::http::files::io::Library;
use camera_service::http::files::permit::Signer;
use camera_service::http::files::range::io::Assembler;
use camera_service::mediamtx::auth::Secret;
use camera_service::mediamtx::paths::io::PathKeeper;
use camera_service::rpc::Desk;
use camera_service::rpc::guard::Guard;
use camera_service::rpc::media::{MediaServer, MediaState, PathState};
use camera_service::rpc::session::{Login, Refused, Verify};
use camera_service::snapshot::pulled::io::Hls;
use camera_service::units::{Rate, Size};

/// Stands in the credentials of the stream of somebody else; no answer may hold it.
pub(crate) const SECRET: &str = "geheim";
/// Nothing can be made beneath it.
const NOWHERE: &str = "/dev/null/camera-service";

/// Every token is its role.
struct Words;

impl Verify for Words {
    fn verify(&self, token: &str, now: Wall) -> Result<Login, Refused> {
        let role = token.parse().map_err(|_| Refused {
            reason: "token_invalid".to_owned(),
            details: "the signature does not match".to_owned(),
        })?;
        let until = Wall::from_secs(now.as_secs() + 3600);
        Ok(Login::plain("ada", role, until))
    }
}

/// Nobody logs in.
struct Stranger;

impl Verify for Stranger {
    fn verify(&self, _: &str, _: Wall) -> Result<Login, Refused> {
        Err(Refused {
            reason: "token_invalid".to_owned(),
            details: "the signature does not match".to_owned(),
        })
    }
}

/// Gives nothing out.
struct Closed;

fn closed<T: Send + 'static>() -> Later<T> {
    let no = Error::new(Kind::Refused, "nothing is given out here");
    Box::pin(std::future::ready(Err(no)))
}

impl Office for Closed {
    fn renew(&self, who: &Login, _: Wall) -> (String, Wall) {
        ("a new token".to_owned(), who.expires_at)
    }
    fn stream_token(
        &self,
        who: &Login,
        _: &str,
        _: Direction,
        life: Duration,
        now: Wall,
    ) -> StreamToken {
        StreamToken {
            token: "a stream token".to_owned(),
            expires_at: (now + life).min(who.expires_at),
        }
    }
    fn revoke(&self, _: Target, _: Option<&Login>, _: Wall) -> Later<()> {
        closed()
    }
    fn keys(&self) -> Vec<KeyRecord> {
        Vec::new()
    }
    fn default_expiry(&self) -> Expiry {
        Expiry::DEFAULT
    }
    fn create_key(&self, _: Wanted, _: Wall) -> Later<(KeyRecord, String)> {
        closed()
    }
    fn revoke_key(&self, _: &str, _: Wall) -> Later<KeyRecord> {
        closed()
    }
}

struct Settled;

impl Configuration for Settled {
    fn file(&self) -> Option<String> {
        None
    }
    fn live(&self) -> live::Live {
        live::Live::new(Config::default(), Wall::from_secs(1))
    }
    fn reload(&self) -> Later<Reloaded> {
        closed()
    }
}

struct Media;

impl MediaServer for Media {
    fn state(&self) -> MediaState {
        let path = PathState {
            ready: true,
            readers: 3,
            ..PathState::default()
        };
        MediaState {
            reachable: true,
            paths: [("camera0".to_owned(), path)].into(),
            ..MediaState::default()
        }
    }
}

fn camera() -> Camera {
    let size = Size::new(1280, 720);
    Camera {
        id: CameraId::TEST,
        name: "Desk camera".to_owned(),
        device: Device::V4l2 {
            node: "/dev/video0".into(),
            driver: "uvcvideo".to_owned(),
            bus: "usb-1".to_owned(),
        },
        status: Status::Connected,
        format: None,
        route: Some(Route::Software),
        route_why: None,
        slate_since: None,
        fault: None,
        avoided: None,
        history: Default::default(),
        remote: None,
        publish_trouble: None,
        modes: Arc::from([Mode {
            pixel: PixelFormat::Yuyv,
            size,
            rates: vec![Rate::fps(30)],
        }]),
        since: Mono::from_nanos(1),
        counters: Arc::new(Counters::default()),
    }
}

fn external() -> Fixed {
    let mut book = external::book::Book::default();
    let url = format!("rtsp://ann:{SECRET}@192.0.2.7/live")
        .parse()
        .unwrap();
    let added = book.add("drone", url, external::Kind::Generic, Wall::from_secs(1));
    added.unwrap();
    Fixed(book.into())
}

/// A fresh desk, and the shelves of its downloads. Where nobody may log in, every token is refused.
pub(crate) fn desk(logins: bool, bus: &Arc<Bus>) -> (Desk, Arc<Library>, Arc<Assembler>) {
    let directory = Arc::new(Directory::default());
    directory.put(camera());
    let events = Arc::clone(bus) as Arc<dyn Announce>;
    let mut config = Config::default();
    config.storage.data_dir = NOWHERE.into();
    let records = Records::new(
        &config,
        PathKeeper::default().paths(),
        Arc::new(Hls::new(nowhere(), &Secret::new(String::new()))),
        &directory,
        &events,
    );
    let library = Arc::new(Library::new(
        format!("{NOWHERE}/recordings").into(),
        format!("{NOWHERE}/snapshots").into(),
        Signer::new(b"the key of this target's links!!"),
    ));
    let ranges = Arc::new(Assembler::new(
        Arc::new(records.recorder.clone()),
        Box::new(|_, own| own),
        vec![format!("{NOWHERE}/recordings").into()],
        Signer::new(b"the key of this target's links!!"),
    ));
    let verifier: Arc<dyn Verify> = if logins {
        Arc::new(Words)
    } else {
        Arc::new(Stranger)
    };
    let desk = Desk {
        modes: Arc::new(records.modes.clone()),
        offsite: Arc::new(camera_service::offsite::Unset),
        directory,
        verifier,
        office: Arc::new(Closed),
        media: Arc::new(Media),
        downloads: Arc::clone(&library) as _,
        ranges: Arc::clone(&ranges) as _,
        configuration: Arc::new(Settled),
        events,
        recordings: Arc::new(records.recorder),
        snapshots: Arc::clone(&records.taker) as _,
        storage: Arc::new(records.warden),
        external: Arc::new(external()),
        wear: Arc::new(camera_service::storage::wear::Unseen),
        viewing: Arc::default(),
        system: Arc::default(),
        registry: Arc::default(),
        rtsp_port: 8554,
        guard: Guard::default(),
    };
    (desk, library, ranges)
}

/// Nobody listens there.
pub(crate) fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}
