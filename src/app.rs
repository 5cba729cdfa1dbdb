//! The wiring diagram: builds every part, hands each what it needs, and stops them in order.

mod adapters;
pub mod signals;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tracing::{debug, error, info, warn};

use self::adapters::{LateMedia, Tokens};
pub use self::signals::io::Signals;
use crate::access::audit::{Entry, Verdict};
use crate::access::claim::Owner;
use crate::access::claim::io::{Claim, Standing};
use crate::access::limits::{Gate, Rules};
use crate::access::{self, Keyring, Role};
use crate::camera::{CameraId, Directory};
use crate::clock;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::events::bus::Bus;
use crate::events::{self, Announce, sources};
use crate::health::facts::Facts;
use crate::http::bind::io::bind;
use crate::http::{self, AuthCallback, Services};
use crate::mediamtx;
use crate::mediamtx::auth::{self, Decision, SERVICE_USER, Secret};
use crate::mediamtx::io::{MediaMtx, Ownership, pick_free_ports};
use crate::pipeline::fleet;
use crate::rpc::Desk;
use crate::rpc::guard::Guard;
use crate::rpc::media::MediaServer;
use crate::rpc::table::METHODS;
use crate::supervise::{Supervisor, Worker};
use crate::system::{self, About, Phase, System};
use crate::units::Rate;

/// After a viewer was let in, key frames are asked for at these moments: at once for RTSP, later
/// for WebRTC, whose connection stands some hundred milliseconds after the question.
const KEYFRAMES_AFTER_JOIN: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_millis(800),
];
/// Joins that may have key frames outstanding; more are served by the regular ones.
const JOINS: usize = 32;
/// A camera thread that has not looked around for so long hangs; the watchdog is no longer fed.
const HUNG: Duration = Duration::from_secs(10);

/// Where everything listens, as really bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// JSON-RPC, HLS, WHEP.
    pub api: SocketAddr,
    /// Health and the page.
    pub health: SocketAddr,
    /// RTSP.
    pub rtsp: SocketAddr,
}

/// The running service.
pub struct App {
    directory: Arc<Directory>,
    keyring: Arc<Keyring>,
    claim: Arc<Claim>,
    media: MediaMtx,
    fleet: Worker,
    supervisor: Supervisor,
    addresses: Addresses,
    websocket_path: String,
    bus: Arc<Bus>,
    system: Arc<System>,
}

impl App {
    /// Builds and starts every part.
    ///
    /// # Errors
    /// `Config` for what the installer must change (a taken port, a missing MediaMTX), with the action.
    pub async fn start(config: Config) -> Result<Self> {
        let started = clock::mono();
        let publish_ip = reachable_here(config.mediamtx.rtsp_host);
        // First what only this installation knows: the secret behind every token.
        let data_dir = &config.storage.data_dir;
        let standing = access::claim::io::look(data_dir, config.security.claim)?;
        let keyring = Arc::new(access::io::load_or_create(data_dir)?);
        let life = Duration::from_secs(u64::from(config.security.jwt_expiry_hours) * 3600);
        let claim = Claim::new(standing, data_dir, Arc::clone(&keyring), life);
        let claim = Arc::new(claim);
        let (audit, audit_writer) = access::audit::io::open(data_dir)?;
        let secret = Secret::new(access::io::random_hex::<32>()?).also_from(publish_ip);
        let directory = Arc::new(Directory::default());
        let mut supervisor = Supervisor::default();

        // The doors, before anything can want to use them.
        let api = bind(SocketAddr::new(config.server.host, config.server.port)).await?;
        let health = bind(SocketAddr::new(
            config.http_health.host,
            config.http_health.port,
        ))
        .await?;
        let internal = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;

        // The media server's addresses, each free now.
        let settings = media_settings(&config, local(&internal)?).await?;
        let addresses = Addresses {
            api: local(&api)?,
            health: local(&health)?,
            rtsp: settings.rtsp,
        };

        // Control. MediaMTX must exist before the doors can show its state, and the doors must be
        // open before MediaMTX asks them: so its state starts as a place that is filled later.
        let bus = Arc::new(Bus::default());
        let system = Arc::new(System::new(About {
            started,
            kernel: system::io::kernel(),
            most_connections: limits(&config).sockets,
            expected: config.camera.expected.clone(),
        }));
        let counted = Arc::clone(&system);
        bus.listen(Box::new(move |event| counted.events.count(event.topic)));
        let media_state = Arc::new(LateMedia::default());
        let services = Services {
            desk: Arc::new(Desk {
                directory: Arc::clone(&directory),
                verifier: Arc::new(Tokens(Arc::clone(&keyring))),
                media: Arc::clone(&media_state) as Arc<dyn MediaServer>,
                events: Arc::clone(&bus) as Arc<dyn Announce>,
                system: Arc::clone(&system),
                registry: Arc::default(),
                rtsp_port: settings.rtsp.port(),
                guard: Guard {
                    limits: Arc::new(Gate::new(rules(&config))),
                    audit: Arc::new(audit),
                    owner: Arc::clone(&claim) as Arc<dyn Owner>,
                },
            }),
            bus: Arc::clone(&bus),
            methods: METHODS,
            auth: auth_callback(secret.clone(), Arc::clone(&keyring), Arc::clone(&directory)),
            limits: limits(&config),
            origins: config.security.cors_origins.clone(),
            ws_path: config.server.websocket_path.clone(),
            webrtc: settings.webrtc,
            hls: settings.hls,
            expected_cameras: config.camera.expected.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started,
        };
        let desk = Arc::clone(&services.desk);
        events::io::watch_cameras(&directory, Arc::clone(&desk.events));
        let stopping = supervisor.stopping();
        supervisor.spawn("the audit log", audit_writer.run(stopping));
        let stopping = supervisor.stopping();
        supervisor.spawn("the HTTP listeners", async move {
            let listeners = http::io::Listeners {
                api,
                page: health,
                internal: Some(internal),
            };
            http::io::serve(listeners, services, stopping).await;
            Ok(())
        });

        // The media server, then the cameras that publish to it.
        let ownership = if config.mediamtx.managed {
            let binary = &config.mediamtx.binary;
            Ownership::Child {
                binary: (!binary.as_os_str().is_empty()).then(|| binary.clone()),
            }
        } else {
            Ownership::External
        };
        let file = config.storage.runtime_dir.join("mediamtx.yml");
        let media = MediaMtx::start(settings, ownership, &file, &secret).await?;
        media_state.fill(media.shared());
        let fleet = fleet::io::start(
            fleet::Settings {
                rtsp: SocketAddr::new(publish_ip, addresses.rtsp.port()),
                publish_user: SERVICE_USER.to_owned(),
                publish_password: secret.password().to_owned(),
                camera: config.camera.clone(),
                test: config
                    .test_camera
                    .enabled
                    .then(|| (config.test_camera.size, Rate::fps(config.test_camera.fps))),
            },
            Arc::clone(&directory),
        )?;
        let watched = Arc::clone(&directory);
        let stopping = supervisor.stopping();
        supervisor.spawn("the watchdog", feed_watchdog(watched, stopping));
        watch(&mut supervisor, &desk);
        system::io::watch_storage(&system, config.storage.recordings())?;
        system.enter(Phase::Running);
        bus.announce(sources::startup(env!("CARGO_PKG_VERSION"), clock::wall()));
        info!(api = %addresses.api, health = %addresses.health, rtsp = %addresses.rtsp, "ready");
        Ok(Self {
            directory,
            keyring,
            claim,
            media,
            fleet,
            supervisor,
            addresses,
            websocket_path: config.server.websocket_path,
            bus,
            system,
        })
    }

    /// The cameras.
    #[must_use]
    pub const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Where everything listens.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Where the WebSocket is.
    #[must_use]
    pub fn websocket_path(&self) -> &str {
        &self.websocket_path
    }

    /// A token of this installation; whoever can make one owns the box.
    #[must_use]
    pub fn mint(&self, user: &str, role: Role, ttl_secs: u64) -> String {
        self.claim.own("a token made by the service itself");
        self.keyring
            .mint(user, role, Duration::from_secs(ttl_secs), clock::wall())
    }

    /// Asks MediaMTX whether viewers can read this camera now.
    pub async fn is_readable(&self, camera: CameraId) -> bool {
        self.media.refresh().await.is_ready(&camera.to_string())
    }

    /// Tells whoever listens that a part failed.
    pub fn report(&self, error: &Error) {
        let event = sources::failure("service", &error.to_string(), clock::wall());
        self.bus.announce(event);
    }

    /// Waits until a part fails that the service cannot do without.
    pub async fn failed(&mut self) -> Error {
        let mut round = tokio::time::interval(HUNG / 10);
        loop {
            tokio::select! {
                failed = self.supervisor.failed() => return failed,
                _ = round.tick() => {
                    if self.fleet.is_dead() {
                        return Error::new(Kind::Internal, "the hot-plug thread ended by itself");
                    }
                }
            }
        }
    }

    /// Stops in the order in which a viewer notices least: cameras, MediaMTX, the doors.
    pub async fn stop(self) {
        self.system.enter(Phase::Stopping);
        let why = "the service stops";
        self.bus.announce(sources::shutdown(why, clock::wall()));
        // Joining the camera threads blocks, a few milliseconds each.
        if tokio::task::spawn_blocking(move || drop(self.fleet))
            .await
            .is_err()
        {
            error!("the cameras did not stop cleanly");
        }
        self.media.stop().await;
        self.supervisor.stop().await;
        info!("stopped");
    }
}

/// The runtime of the control plane. Two workers: the pictures have their own threads.
///
/// # Errors
/// `Internal` when the kernel gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|e| Error::new(Kind::Internal, "cannot start the runtime").because(e))
}

/// `camera-service run`.
///
/// # Errors
/// Whatever stopped it that was not a signal.
pub fn run_until_signal(config: Config) -> Result<()> {
    runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        let mut app = App::start(config).await?;
        notify(&[sd_notify::NotifyState::Ready]);
        let ended = tokio::select! {
            () = signals.recv() => Ok(()),
            error = app.failed() => Err(error),
        };
        if let Err(error) = &ended {
            app.report(error);
        }
        notify(&[sd_notify::NotifyState::Stopping]);
        signals.bound(app.stop()).await;
        ended
    })
}

/// `camera-service token`: the secret is made if this is the installation's first start.
///
/// # Errors
/// `Config` when the data folder cannot be used.
pub fn mint_token(config: &Config, user: &str, role: Role, ttl_secs: u64) -> Result<String> {
    let keyring = access::io::load_or_create(&config.storage.data_dir)?;
    access::claim::io::own(&config.storage.data_dir, "camera-service token")?;
    let minted = Entry {
        at: clock::wall(),
        who: "command line".to_owned(),
        credential: None,
        from: None,
        method: "token".to_owned(),
        target: Some(format!("{user} ({})", role.as_str())),
        verdict: Verdict::Ok,
    };
    access::audit::io::note(&config.storage.data_dir, &minted);
    Ok(keyring.mint(user, role, Duration::from_secs(ttl_secs), clock::wall()))
}

/// `camera-service claim-code`: the code that makes a fresh box somebody's; `None`: it is somebody's.
///
/// # Errors
/// `Config` when the data folder cannot be used.
pub fn claim_code(config: &Config) -> Result<Option<String>> {
    let standing = access::claim::io::look(&config.storage.data_dir, config.security.claim)?;
    Ok(match standing {
        Standing::Owned => None,
        Standing::Unclaimed(code) => Some(code.to_string()),
    })
}

/// `camera-service version`.
#[must_use]
pub fn version_text() -> String {
    format!(
        "camera-service {} ({} {}, MediaMTX {} expected)",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        mediamtx::locate::PINNED
    )
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    if let Err(e) = sd_notify::notify(states) {
        debug!(error = %e, "systemd was not told");
    }
}

/// Feeds systemd's watchdog as long as the runtime turns and no camera thread hangs.
async fn feed_watchdog(
    directory: Arc<Directory>,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    let every = sd_notify::watchdog_enabled().map(|timeout| timeout / 3);
    loop {
        tokio::select! {
            _ = stopping.changed() => return Ok(()),
            () = tokio::time::sleep(every.unwrap_or(HUNG)) => {}
        }
        let now = clock::mono();
        let hung = directory.list().into_iter().find(|camera| {
            let tick = camera.counters.tick_nanos.load(Ordering::Relaxed);
            tick != 0 && camera.is_running() && now.since(clock::Mono::from_nanos(tick)) > HUNG
        });
        match hung {
            Some(camera) => {
                error!(camera = %camera.id, "its thread hangs; the watchdog is not fed")
            }
            None if every.is_some() => notify(&[sd_notify::NotifyState::Watchdog]),
            None => {}
        }
    }
}

/// The tasks that look at what tells nothing by itself.
fn watch(supervisor: &mut Supervisor, desk: &Arc<Desk>) {
    let stopping = supervisor.stopping();
    let machine = system::io::watch_machine(Arc::clone(&desk.system), stopping);
    supervisor.spawn("the look at the machine", machine);
    let (seen, stopping) = (Arc::clone(desk), supervisor.stopping());
    let facts = move || {
        Facts::gather(
            &seen.directory,
            seen.media.state(),
            &seen.system,
            clock::now,
        )
    };
    let (events, system) = (Arc::clone(&desk.events), Arc::clone(&desk.system));
    let watching = events::io::watch_box(facts, events, system, stopping);
    supervisor.spawn("the look at health", watching);
}

fn local(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|e| Error::new(Kind::Internal, "a listener has no address").because(e))
}

/// Where we ourselves reach a listener on `host`: "every address" is none.
fn reachable_here(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

async fn media_settings(config: &Config, internal: SocketAddr) -> Result<mediamtx::Settings> {
    let wanted = &config.mediamtx;
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let mut settings = mediamtx::Settings {
        rtsp: SocketAddr::new(wanted.rtsp_host, wanted.rtsp_port),
        hls: loopback(wanted.hls_port),
        webrtc: loopback(wanted.webrtc_port),
        api: loopback(wanted.api_port),
        webrtc_udp: SocketAddr::new(wanted.rtsp_host, wanted.webrtc_udp_port),
        webrtc_tcp: None,
        auth_url: format!("http://{internal}/auth"),
        additional_hosts: wanted.additional_hosts.clone(),
        log: mediamtx::settings::LogLevel::Info,
    };
    if wanted.managed {
        // Asked now, because MediaMTX itself could not say who holds a port.
        let udp = settings.webrtc_udp;
        if udp.port() != 0
            && let Err(e) = UdpSocket::bind(udp)
        {
            return Err(Error::new(
                Kind::Config,
                format!("cannot receive WebRTC media on UDP {udp}"),
            )
            .because(e)
            .action("stop whoever holds that port, or set mediamtx.webrtc_udp_port"));
        }
        for address in [settings.rtsp, settings.hls, settings.webrtc, settings.api] {
            if address.port() != 0 {
                drop(bind(address).await?);
            }
        }
    }
    pick_free_ports(&mut settings)?;
    Ok(settings)
}

fn limits(config: &Config) -> http::Limits {
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    http::Limits {
        sockets: count(config.server.max_connections),
        sockets_per_address: count(config.server.max_connections_per_address),
        strangers_per_address: count(config.server.max_unauthenticated_per_address),
        message_bytes: count(config.server.max_message_size),
        memory: count(config.server.max_memory),
        login_within: Duration::from_secs(config.server.authentication_timeout.into()),
        ..http::Limits::default()
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        requests_per_minute: config.security.rate_limit_requests,
        burst: config.security.rate_limit_burst,
        failed_logins_per_minute: config.security.rate_limit_failed_logins,
    }
}

/// MediaMTX asks: may this one? Answered from memory; a viewer's join also asks for key frames.
fn auth_callback(secret: Secret, keyring: Arc<Keyring>, directory: Arc<Directory>) -> AuthCallback {
    let runtime = tokio::runtime::Handle::current();
    let joins = Arc::new(Semaphore::new(JOINS));
    Arc::new(move |body: &[u8]| {
        let decision = auth::answer(body, &secret, |token| keyring.verify(token, clock::wall()));
        match &decision {
            Decision::Allow {
                wants_keyframe: Some(camera),
                ..
            } => {
                if let (Some(camera), Ok(permit)) = (
                    directory.get(*camera),
                    Arc::clone(&joins).try_acquire_owned(),
                ) {
                    runtime.spawn(async move {
                        let _permit = permit;
                        let joined = tokio::time::Instant::now();
                        for after in KEYFRAMES_AFTER_JOIN {
                            tokio::time::sleep_until(joined + after).await;
                            camera
                                .counters
                                .keyframe_wanted
                                .store(true, Ordering::Relaxed);
                        }
                    });
                }
            }
            Decision::Allow { .. } => {}
            // A player's first request comes without credentials and is no news.
            Decision::Deny {
                status: 401,
                reason,
            } => debug!(reason, "not let in"),
            Decision::Deny { reason, .. } => warn!(reason, "not let in"),
        }
        decision.status()
    })
}
