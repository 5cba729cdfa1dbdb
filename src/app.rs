//! The wiring diagram: builds every part, hands each what it needs, and stops them in order.

mod adapters;
mod admission;
mod configure;
pub mod records;
pub mod signals;
mod sockets;
mod verbs;
mod watchdog;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use self::adapters::{LateMedia, Tokens};
use self::admission::io::auth_callback;
use self::configure::io::{Configurator, Hands, test_camera};
use self::records::Records;
pub use self::signals::io::{Signals, Told};
use self::sockets::io::{local, media_settings, open, reachable_here};
use self::verbs::io::certificate_files;
pub use self::verbs::io::{certificate_text, claim_code, mint_token, version_text};
use self::watchdog::io::{feed_watchdog, notify};
use crate::access::claim::Owner;
use crate::access::claim::io::Claim;
use crate::access::limits::{Gate, Meter, Rules};
use crate::access::live::io::{KeyRules, Live};
use crate::access::{self, Office, Role};
use crate::camera::{CameraId, Directory};
use crate::clock;
use crate::config::live::Configuration as _;
use crate::config::{self, Config, Source, Tls};
use crate::error::{Error, Kind, Result};
use crate::events::bus::Bus;
use crate::events::{self, Announce, sources};
use crate::external::Streams;
use crate::external::io::External;
use crate::health::facts::Facts;
use crate::http::bind::io::bind;
use crate::http::files::Downloads;
use crate::http::files::io::Library;
use crate::http::files::permit::Signer;
use crate::http::files::range::Ranges;
use crate::http::tls::io::Certificate;
use crate::http::{self, Services};
use crate::kept::io::Store;
use crate::log;
use crate::mediamtx::auth::{SERVICE_USER, Secret};
use crate::mediamtx::io::{MediaMtx, Ownership};
use crate::mediamtx::kick;
use crate::mediamtx::paths::io::PathKeeper;
use crate::pipeline::fleet;
use crate::pipeline::fleet::io::Fleet;
use crate::recording::io::Recorder;
use crate::rpc::Desk;
use crate::rpc::guard::Guard;
use crate::rpc::media::MediaServer;
use crate::rpc::table::METHODS;
use crate::snapshot::pulled::io::Hls;
use crate::supervise::{Supervisor, Worker};
use crate::sys;
use crate::system::{self, About, Phase, System};
use crate::viewing::{self, Viewing};

/// What the key of download links is derived by.
const DOWNLOAD_KEY: &str = "camera-service download links 1";

/// Where everything listens, as really bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// JSON-RPC, HLS, WHEP; `None` where only TLS is spoken.
    pub api: Option<SocketAddr>,
    /// Health and the page, likewise.
    pub health: Option<SocketAddr>,
    /// All of that over TLS, where it is spoken.
    pub secure: Option<SocketAddr>,
    /// RTSP.
    pub rtsp: SocketAddr,
}

/// The running service.
pub struct App {
    directory: Arc<Directory>,
    access: Live,
    claim: Arc<Claim>,
    /// Before MediaMTX, so that it ends before it.
    path_keeper: PathKeeper,
    media: MediaMtx,
    fleet: Fleet,
    kept: Store,
    /// Ends after MediaMTX, which closes its files when it ends.
    flushing: Option<Worker>,
    recorder: Recorder,
    configuration: Configurator,
    supervisor: Supervisor,
    addresses: Addresses,
    websocket_path: String,
    bus: Arc<Bus>,
    system: Arc<System>,
}

impl App {
    /// Builds and starts every part; `source` is where `config` came from and is read again when it changes.
    ///
    /// # Errors
    /// `Config` for what the installer must change (a taken port, a missing MediaMTX), with the action.
    pub async fn start(config: Config, source: Source) -> Result<Self> {
        let configuration = Configurator::new(source, config.clone());
        let started = clock::mono();
        open_descriptors(&config.server);
        let publish_ip = reachable_here(config.mediamtx.rtsp_host);
        // First what only this installation knows: whose box it is (asked before there is a secret, which an owned box
        // has), the secret behind every token, and its API keys.
        let data_dir = &config.storage.data_dir;
        let standing = access::claim::io::look(data_dir, config.security.claim)?;
        let access = open_access(&config).await?;
        let admissions = kick::io::Book::default();
        let life = Duration::from_secs(u64::from(config.security.jwt_expiry_hours) * 3600);
        let claim = Arc::new(Claim::new(
            standing,
            data_dir,
            Arc::new(access.judge().keyring.clone()),
            life,
        ));
        let (audit, audit_writer) = access::audit::io::open(data_dir)?;
        let secret = Secret::new(access::io::random_hex::<32>()?).also_from(publish_ip);
        let directory = Arc::new(Directory::default());
        let mut supervisor = Supervisor::default();

        // The doors, before anything can want to use them.
        let (server, page) = (&config.server, &config.http_health);
        let api = open(server.plain, server.host, server.port).await?;
        let health = open(server.plain, page.host, page.port).await?;
        let certificate = certificate(&config)?;
        let secure = open(certificate.is_some(), server.host, server.tls_port).await?;
        let internal = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;

        // The media server's addresses, each free now.
        let settings = media_settings(&config, local(&internal)?).await?;
        let addresses = Addresses {
            api: api.as_ref().map(local).transpose()?,
            health: health.as_ref().map(local).transpose()?,
            secure: secure.as_ref().map(local).transpose()?,
            rtsp: settings.rtsp,
        };

        // Control. MediaMTX must exist before the doors can show its state, and the doors must be
        // open before MediaMTX asks them: so its state starts as a place that is filled later.
        let signer = Signer::new(access.judge().keyring.derive(DOWNLOAD_KEY).as_bytes());
        let library = Library::new(
            config.storage.recordings(),
            config.storage.snapshots(),
            signer.clone(),
        );
        let spare = config.storage.fallback_recordings();
        let library = Arc::new(library.and(spare.zip(config.storage.fallback_snapshots())));
        let bus = Arc::new(Bus::default());
        let system = Arc::new(System::new(About {
            started,
            kernel: system::io::kernel(),
            most_connections: limits(&config.server).sockets,
            expected: config.camera.expected.clone(),
        }));
        let counted = Arc::clone(&system);
        bus.listen(Box::new(move |event| counted.events.count(event.topic)));
        let media_state = Arc::new(LateMedia::default());
        let mut path_keeper = PathKeeper::default();
        let events = Arc::clone(&bus) as Arc<dyn Announce>;
        let records = Records::new(
            &config,
            path_keeper.paths(),
            Arc::new(Hls::new(settings.hls, &secret)),
            &directory,
            &events,
        );
        // Before MediaMTX, which writes what is to be flushed.
        let flushing = records.flush.start(Arc::clone(&events))?;
        records.show(&system, &bus);
        let copier = records.copier(&config, &events, &system);
        let external = External::load(
            &config.storage.data_dir,
            path_keeper.paths(),
            config.external_discovery.settings(),
        )?;
        let viewing = Arc::new(Viewing::default());
        let gate = Arc::new(Gate::new(rules(&config.security)));
        let ranges = Arc::new(records.ranges(&config.storage, signer));
        let services = Services {
            desk: Arc::new(Desk {
                directory: Arc::clone(&directory),
                verifier: Arc::new(Tokens(access.clone())),
                office: Arc::new(access.clone()) as Arc<dyn Office>,
                media: Arc::clone(&media_state) as Arc<dyn MediaServer>,
                downloads: Arc::clone(&library) as Arc<dyn Downloads>,
                ranges: Arc::clone(&ranges) as Arc<dyn Ranges>,
                configuration: Arc::new(configuration.clone()),
                events: Arc::clone(&bus) as Arc<dyn Announce>,
                recordings: Arc::new(records.recorder.clone()),
                modes: Arc::new(records.modes.clone()),
                snapshots: Arc::clone(&records.taker) as _,
                storage: Arc::new(records.warden.clone()),
                wear: Arc::new(records.observer.clone()),
                offsite: adapters::copies(copier.as_ref()),
                external: Arc::new(external.clone()) as Arc<dyn Streams>,
                viewing: Arc::clone(&viewing),
                system: Arc::clone(&system),
                registry: Arc::default(),
                rtsp_port: settings.rtsp.port(),
                guard: Guard {
                    limits: Arc::clone(&gate) as Arc<dyn Meter>,
                    audit: Arc::new(audit),
                    owner: Arc::clone(&claim) as Arc<dyn Owner>,
                },
            }),
            bus: Arc::clone(&bus),
            methods: METHODS,
            auth: auth_callback(
                secret.clone(),
                access.clone(),
                admissions.clone(),
                Arc::clone(&directory),
            ),
            limits: limits(&config.server),
            library,
            ranges,
            origins: config.security.cors_origins.clone(),
            ws_path: config.server.websocket_path.clone(),
            webrtc: settings.webrtc,
            hls: settings.hls,
            expected_cameras: config.camera.expected.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started,
            live: http::Live::default(),
        };
        supervisor.spawn("the credentials", access.clone().run(supervisor.stopping()));
        let desk = Arc::clone(&services.desk);
        events::io::watch_cameras(&directory, Arc::clone(&desk.events));
        let stopping = supervisor.stopping();
        supervisor.spawn("the audit log", audit_writer.run(stopping));
        let tls = certificate.as_ref().map(Certificate::server).transpose()?;
        let keeper = access.clone();
        system.alarms.ask(move |_| keeper.alarms());
        let flush = records.flush.clone();
        system.alarms.ask(move |_| flush.alarms(clock::mono()));
        if let Some(certificate) = certificate {
            let outlook = certificate.outlook();
            system.alarms.ask(move |now| outlook.alarms(now));
            info!(file = %certificate.file().display(), sha256 = certificate.fingerprint(), "TLS is spoken with this certificate");
            let stopping = supervisor.stopping();
            supervisor.spawn("the certificate", async move {
                certificate.keep(stopping).await;
                Ok(())
            });
        }
        let doors = services.live.clone();
        doors.set((*services.tuning()).clone());
        let stopping = supervisor.stopping();
        supervisor.spawn("the HTTP listeners", async move {
            let listeners = http::io::Listeners {
                api,
                page: health,
                secure: secure.zip(tls),
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
        let judge = Arc::new(Tokens(access.clone()));
        let (api, rights) = (media.api().clone(), access.rights());
        let kicks = admissions.run(api, judge, rights, supervisor.stopping());
        supervisor.spawn("the kicks", kicks);
        let kept = Store::open(&config.storage.data_dir)?;
        path_keeper.serve(&media);
        let recorder = records.recorder.clone();
        records.run(&mut supervisor, copier, &system);
        let counters = adapters::counters(media_state, Arc::clone(&directory), external.clone());
        let stopping = supervisor.stopping();
        supervisor.spawn(
            "the viewing marks",
            viewing::io::observe(viewing, counters, stopping),
        );
        let stopping = supervisor.stopping();
        supervisor.spawn("the search for streams", external.look(stopping));
        let fleet = fleet::io::start(
            fleet::Settings {
                rtsp: SocketAddr::new(publish_ip, addresses.rtsp.port()),
                publish_user: SERVICE_USER.to_owned(),
                publish_password: secret.password().to_owned(),
                camera: config.camera.clone(),
                test: test_camera(&config.test_camera),
                kept: kept.shelf(),
                held: config.held(),
            },
            Arc::clone(&directory),
        )?;
        configuration
            .connect(Hands {
                doors,
                gate,
                system: Arc::clone(&system),
                fleet: fleet.line(),
                media: media.editor(),
            })
            .await;
        let follower = configuration.clone();
        let stopping = supervisor.stopping();
        supervisor.spawn("the configuration's watch", follower.follow(stopping));
        let watched = Arc::clone(&directory);
        let stopping = supervisor.stopping();
        supervisor.spawn("the watchdog", feed_watchdog(watched, stopping));
        let bells = events::io::Bells::of(&directory, media.changes());
        watch(&mut supervisor, &desk, bells);
        system::io::watch_storage(&system, config.storage.recordings())?;
        system.enter(Phase::Running);
        bus.announce(sources::startup(env!("CARGO_PKG_VERSION"), clock::wall()));
        let shown = |address: Option<SocketAddr>| address.map(tracing::field::display);
        info!(
            api = shown(addresses.api),
            health = shown(addresses.health),
            secure = shown(addresses.secure),
            rtsp = %addresses.rtsp,
            "ready"
        );
        Ok(Self {
            directory,
            access,
            claim,
            path_keeper,
            media,
            fleet,
            kept,
            flushing,
            recorder,
            configuration,
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
        let judge = self.access.judge();
        judge
            .keyring
            .mint(user, role, Duration::from_secs(ttl_secs), clock::wall())
    }

    /// Asks MediaMTX whether viewers can read this camera now.
    pub async fn is_readable(&self, camera: CameraId) -> bool {
        self.media.refresh().await.is_ready(&camera.to_string())
    }

    /// Reads the configuration anew, as `reload_configuration` does, and opens the log file anew.
    pub async fn reload(&self) {
        log::io::reopen();
        // What became of it is in the log.
        let _ = self.configuration.reload().await;
    }

    /// Tells whoever listens that a part failed.
    pub fn report(&self, error: &Error) {
        let event = sources::failure("service", &error.to_string(), clock::wall());
        self.bus.announce(event);
    }

    /// Waits until a part fails that the service cannot do without.
    pub async fn failed(&mut self) -> Error {
        tokio::select! {
            failed = self.supervisor.failed() => failed,
            () = self.fleet.ended() => {
                Error::new(Kind::Internal, "the hot-plug thread ended by itself")
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
        drop(self.path_keeper);
        self.media.stop().await;
        // Writes what was set last; no camera can set anything any more. And what was recorded last.
        let (kept, flushing, recorder) = (self.kept, self.flushing, self.recorder);
        let last = move || {
            drop((kept, flushing));
            recorder.ended();
        };
        let written = tokio::task::spawn_blocking(last).await;
        if written.is_err() {
            error!("the settings of cameras were not written");
        }
        self.supervisor.stop().await;
        info!("stopped");
    }
}

/// How far the control plane steps back behind the pictures, in steps of nice(7): it gets a quarter of a processor
/// that both want.
const BEHIND_PICTURES: i32 = 5;
/// Descriptors beside those of WebSockets: plain HTTP connections (1,024), files, cameras, MediaMTX.
const OTHER_DESCRIPTORS: u64 = 1536;

/// Takes the descriptors that so many connections need.
fn open_descriptors(server: &config::Server) {
    let wanted = u64::from(server.max_connections) + OTHER_DESCRIPTORS;
    match sys::descriptors::take_all() {
        Some(most) if most < wanted => warn!(
            most,
            wanted,
            "fewer files may be open than server.max_connections may need: raise LimitNOFILE of the unit, or ulimit -Hn"
        ),
        _ => {}
    }
}

/// The runtime of the control plane. Two workers: the pictures have their own threads.
///
/// # Errors
/// `Internal` when the kernel gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    // Not from thread to thread: workers start further ones, which would step back once more.
    let behind = sys::nice::own() + BEHIND_PICTURES;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        // A picture that is due goes before an answer: a thousand clients who ask at once would otherwise have as much of
        // a processor as the camera. Cameras and MediaMTX are started by threads of their own and do not step back.
        .on_thread_start(move || sys::nice::give_way(behind))
        // Everybody in turn: of a thousand who ask at once, whoever is left over in the shared queue would wait for all
        // those whom the next looks at the sockets bring. So a look brings no more than a worker's own queue takes in, and
        // the shared one is looked into often.
        .max_io_events_per_tick(48)
        .global_queue_interval(8)
        .enable_all()
        .build()
        .map_err(|e| Error::new(Kind::Internal, "cannot start the runtime").because(e))
}

/// `camera-service run`. SIGHUP reads the configuration anew.
///
/// # Errors
/// Whatever stopped it that was not a signal.
pub fn run_until_signal(config: Config, source: Source) -> Result<()> {
    runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        let mut app = App::start(config, source).await?;
        notify(&[sd_notify::NotifyState::Ready]);
        let ended = loop {
            tokio::select! {
                told = signals.recv() => match told {
                    Told::End => break Ok(()),
                    Told::HangUp => {
                        // systemd (Type=notify-reload) waits for the word that it is done.
                        if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
                            notify(&[sd_notify::NotifyState::Reloading, now]);
                        }
                        app.reload().await;
                        notify(&[sd_notify::NotifyState::Ready]);
                    }
                },
                error = app.failed() => break Err(error),
            }
        };
        if let Err(error) = &ended {
            app.report(error);
        }
        notify(&[sd_notify::NotifyState::Stopping]);
        signals.bound(app.stop()).await;
        ended
    })
}

/// Reads the secret, the API keys and the trusted keys.
async fn open_access(config: &Config) -> Result<Live> {
    let data_dir = config.storage.data_dir.clone();
    let rules = key_rules(config);
    tokio::task::spawn_blocking(move || Live::open(&data_dir, rules))
        .await
        .unwrap_or_else(|e| {
            Err(Error::new(Kind::Internal, "reading the credentials failed").because(e))
        })
}

fn key_rules(config: &Config) -> KeyRules {
    let keys = &config.api_key_management;
    KeyRules {
        most_per_role: usize::try_from(keys.max_keys_per_role).unwrap_or(usize::MAX),
        default_expiry: keys.default_expiry,
    }
}

/// The secure door's certificate where there is such a door; made if this is the first start.
fn certificate(config: &Config) -> Result<Option<Certificate>> {
    (config.server.tls == Tls::On)
        .then(|| Certificate::open(certificate_files(config)))
        .transpose()
}

/// The tasks that look at what tells nothing by itself.
fn watch(supervisor: &mut Supervisor, desk: &Arc<Desk>, bells: events::io::Bells) {
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
    let watching = events::io::watch_box(facts, events, system, bells, stopping);
    supervisor.spawn("the look at health", watching);
}

fn limits(server: &config::Server) -> http::Limits {
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    http::Limits {
        sockets: count(server.max_connections),
        sockets_per_address: count(server.max_connections_per_address),
        strangers_per_address: count(server.max_unauthenticated_per_address),
        message_bytes: count(server.max_message_size),
        memory: count(server.max_memory),
        login_within: Duration::from_secs(server.authentication_timeout.into()),
        ..http::Limits::default()
    }
}

const fn rules(security: &config::Security) -> Rules {
    Rules {
        requests_per_minute: security.rate_limit_requests,
        burst: security.rate_limit_burst,
        failed_logins_per_minute: security.rate_limit_failed_logins,
    }
}
