//! The doors themselves: accepts connections, routes requests, hands sockets over.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::files::slots::Slots;
use super::reply::Reply;
use super::reply::io::{Body, ready, text};
use super::route::{Door, Route, route};
use super::seats::Full;
use super::seats::io::{Busy, Hall, Seat, Told};
use super::ws::feed::io::Feed;
use super::ws::wire::io::Wire;
use super::{Services, assets, claim, files, metrics, origin, proxy, ws};
use crate::clock;
use crate::health;
use crate::health::facts::Facts;
use crate::rpc::links::Reached;
use crate::system::doors::{Asked, Doors, Refused};

/// MediaMTX's question is a few hundred bytes.
const QUESTION_BYTES: usize = 64 << 10;

/// The bound listeners; see [`super::bind::io::bind`].
#[derive(Debug)]
pub struct Listeners {
    /// The API port (8002); `None` where only TLS is spoken.
    pub api: Option<TcpListener>,
    /// The port of health and the page (8003), likewise.
    pub page: Option<TcpListener>,
    /// The port with TLS (8443), and how it is spoken; see [`super::tls::io::Certificate::server`].
    pub secure: Option<(TcpListener, Arc<ServerConfig>)>,
    /// Loopback: MediaMTX's authorisation callback.
    pub internal: Option<TcpListener>,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) services: Services,
    pub(super) feed: Arc<Feed>,
    pub(super) downloads: Arc<Slots>,
    pub(super) hall: Arc<Hall>,
    /// No door of this host is without TLS.
    only_tls: bool,
}

impl Shared {
    pub(super) fn new(services: Services, feed: Arc<Feed>, only_tls: bool) -> Self {
        Self {
            downloads: Arc::new(Slots::new(&services.limits)),
            only_tls,
            hall: Arc::new(Hall::new(services.limits)),
            services,
            feed,
        }
    }

    /// Where it is counted who is turned away.
    pub(super) fn doors(&self) -> &Doors {
        &self.services.desk.system.doors
    }
}

/// Serves all doors until `shutdown` turns true; then stops accepting, closes WebSockets with 1001,
/// lets requests finish, and returns when all have left or [`super::Limits::drain_within`] is over.
pub async fn serve(listeners: Listeners, services: Services, shutdown: watch::Receiver<bool>) {
    let (feed, intake) = ws::feed::io::open(&services);
    let passing_on = Arc::clone(&feed);
    let only_tls = listeners.api.is_none() && listeners.page.is_none();
    let shared = Arc::new(Shared::new(services, feed, only_tls));
    let hall = Arc::downgrade(&shared.hall);
    shared.services.live.listen(move |tuning| {
        if let Some(hall) = hall.upgrade() {
            hall.bound(tuning.limits);
        }
    });
    // It may have changed before anybody listened.
    shared.hall.bound(shared.services.limits());
    let door = async |listener: Option<TcpListener>, door, tls: Option<Arc<ServerConfig>>| {
        if let Some(listener) = listener {
            let tls = tls.map(TlsAcceptor::from);
            accept(listener, door, tls, Arc::clone(&shared), shutdown.clone()).await;
        }
    };
    let (secure, tls) = listeners.secure.unzip();
    let doors = async {
        tokio::join!(
            door(listeners.api, Door::Api, None),
            door(listeners.page, Door::Page, None),
            door(secure, Door::Secure, tls),
            door(listeners.internal, Door::Internal, None),
        )
    };
    tokio::select! {
        _ = doors => {}
        () = passing_on.run(intake) => {}
    }
}

async fn accept(
    listener: TcpListener,
    door: Door,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut shutdown: watch::Receiver<bool>,
) {
    // MediaMTX must be heard however crowded the other doors are.
    let hall = match door {
        Door::Internal => Arc::new(Hall::new(shared.services.limits())),
        _ => Arc::clone(&shared.hall),
    };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = asked(&mut shutdown) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                tune(&stream, shared.services.limits().write_within);
                // Without a seat the connection is dropped here: everyone inside is busy.
                let seat = Seat::enter(&hall, peer.ip());
                if seat.is_none() {
                    shared.doors().refused.count(Refused::Busy);
                }
                if let Ok(local) = stream.local_addr()
                    && let Some(seat) = seat
                {
                    let caller = Box::new(Caller { peer, local, door });
                    let shared = Arc::clone(&shared);
                    // Two kinds of task: a plain connection does not carry room for a handshake.
                    match tls.clone() {
                        None => connections.spawn(connection(stream, caller, shared, seat)),
                        Some(tls) => connections.spawn(enter(stream, tls, caller, shared, seat)),
                    };
                }
            }
            Err(error) => {
                // Descriptors have run out, or the client is gone already; pause lest it spins.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    hall.close();
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.services.limits().drain_within, drained)
        .await
        .is_err()
    {
        tracing::warn!(
            left = connections.len(),
            "connections did not end in time and are cut"
        );
    }
}

/// Small messages leave at once, and a peer that takes nothing for `patience` is cut by the kernel.
fn tune(stream: &TcpStream, patience: Duration) {
    let _ = stream.set_nodelay(true);
    if let Ok(millis) = u32::try_from(patience.as_millis())
        && millis > 0
    {
        let option = nix::sys::socket::sockopt::TcpUserTimeout;
        let _ = nix::sys::socket::setsockopt(stream, option, &millis);
    }
}

/// Resolves once shutdown is asked for, or nobody is left who could.
pub(super) async fn asked(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|asked| *asked).await;
}

/// Who came in, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) peer: SocketAddr,
    /// The address they reached.
    pub(super) local: SocketAddr,
    pub(super) door: Door,
}

/// Shakes hands, then serves the connection.
async fn enter(
    stream: TcpStream,
    tls: TlsAcceptor,
    caller: Box<Caller>,
    shared: Arc<Shared>,
    seat: Arc<Seat>,
) {
    let patience = shared.services.limits().head_within;
    // Boxed and dropped before the connection begins: some KiB that only the handshake needs.
    let shaken = Box::pin(async move {
        let shaking = tls.accept(stream);
        let shaken = if patience.is_zero() {
            shaking.await
        } else {
            tokio::time::timeout(patience, shaking).await.ok()?
        };
        Some(shaken.map(Box::new))
    });
    let shaken = tokio::select! {
        shaken = shaken => shaken,
        _ = seat.told() => return,
    };
    match shaken {
        Some(Ok(stream)) => {
            Box::pin(connection(stream, caller, shared, seat)).await;
        }
        Some(Err(error)) => {
            tracing::debug!(%error, peer = %caller.peer, "a TLS handshake failed");
        }
        None => tracing::debug!(peer = %caller.peer, "a TLS handshake took too long"),
    }
}

/// Serves a connection to its end.
#[expect(clippy::manual_async_fn, reason = "it would keep each argument twice")]
pub(super) fn connection<S: Wire>(
    stream: S,
    caller: Box<Caller>,
    shared: Arc<Shared>,
    seat: Arc<Seat>,
) -> impl Future<Output = ()> + Send {
    async move {
        let upgraded: Arc<Mutex<Option<ws::upgrade::io::Upgrade>>> = Arc::default();
        // Boxed and dropped before the WebSocket begins, which then costs its own memory only.
        let http = Box::pin(requests(
            stream,
            caller,
            Arc::clone(&shared),
            Arc::clone(&seat),
            Arc::clone(&upgraded),
        ));
        http.await;
        let upgrade = upgraded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // What is held here is held for as long as the socket lives.
        drop(upgraded);
        if let Some(upgrade) = upgrade {
            let begun = Box::pin(ws::io::begin::<S>(upgrade, shared, seat)).await;
            if let Some((talk, ws, news)) = begun {
                Box::pin(talk.converse(ws, news)).await;
            }
        }
    }
}

/// Answers requests until the connection ends or becomes a WebSocket.
async fn requests<S: Wire>(
    stream: S,
    caller: Box<Caller>,
    shared: Arc<Shared>,
    seat: Arc<Seat>,
    upgraded: Arc<Mutex<Option<ws::upgrade::io::Upgrade>>>,
) {
    let Caller { peer, local, door } = *caller;
    let service = service_fn(|request| {
        let visit = Visit {
            shared: Arc::clone(&shared),
            seat: Arc::clone(&seat),
            upgraded: Arc::clone(&upgraded),
            door,
            peer,
            local,
        };
        async move {
            let (answer, busy) = match Busy::new(&visit.seat) {
                Some(busy) => (handle(&visit, request).await, Some(busy)),
                None => (crowd(), None),
            };
            Ok::<_, Infallible>(answer.map(|body| Busy::until_sent(busy, body)))
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    let head = shared.services.limits().head_within;
    builder
        .timer(TokioTimer::new())
        .header_read_timeout((!head.is_zero()).then_some(head))
        .max_buf_size(16 << 10);
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        told = seat.told() => match told {
            Told::Stop => connection.as_mut().graceful_shutdown(),
            Told::DropEvents | Told::Leave => return,
        },
    }
    // What fails here is the client's own doing: it left, or spoke no HTTP.
    let _ = connection.await;
}

/// The answer to one more request of an address that has too many under way.
fn crowd() -> Response<Body> {
    let message = "this address has too many requests under way; wait until some have ended";
    let reply = Reply::error(503, message, clock::wall());
    let reply = reply
        .header("retry-after", "5")
        .header("connection", "close");
    ready(reply, false)
}

/// One request's surroundings.
pub(super) struct Visit {
    pub(super) shared: Arc<Shared>,
    seat: Arc<Seat>,
    upgraded: Arc<Mutex<Option<ws::upgrade::io::Upgrade>>>,
    door: Door,
    pub(super) peer: SocketAddr,
    local: SocketAddr,
}

impl Visit {
    fn reached<B>(&self, request: &Request<B>) -> Reached {
        Reached::new(text(request, "host"), self.local).over_tls(self.door == Door::Secure)
    }
}

async fn handle(visit: &Visit, request: Request<Incoming>) -> Response<Body> {
    let services = &visit.shared.services;
    let verb = request.method().as_str();
    let wanted = route(visit.door, verb, request.uri().path(), &services.ws_path);
    let told = wanted.shared_verbs().map(|verbs| {
        let origin = text(&request, "origin");
        let mut told = origin::shared(origin, text(&request, "host"), &services.tuning().origins);
        let asks = request
            .headers()
            .contains_key("access-control-request-method");
        let asks = verb == "OPTIONS" && asks;
        if asks && told.len() > 1 {
            told.extend(origin::preflight(verbs));
        }
        (told, asks, verbs)
    });
    let mut answer = match &told {
        Some((_, true, verbs)) => ready(Reply::empty(204).header("allow", *verbs), false),
        _ => answer(visit, request, wanted).await,
    };
    let headers = answer.headers_mut();
    for (name, value) in told.into_iter().flat_map(|(told, ..)| told) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(name, value);
        }
    }
    headers
        .entry("x-content-type-options")
        .or_insert(HeaderValue::from_static("nosniff"));
    // Addresses carry tokens; no page may hand them on to what it links to.
    headers
        .entry("referrer-policy")
        .or_insert(HeaderValue::from_static("no-referrer"));
    // It holds for the host and all its ports (RFC 6797 §8.3), so it would lock out the plain ones.
    if visit.door == Door::Secure && visit.shared.only_tls {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert("strict-transport-security", year);
    }
    answer
}

async fn answer(visit: &Visit, request: Request<Incoming>, wanted: Route) -> Response<Body> {
    let services = &visit.shared.services;
    let head = request.method() == "HEAD";
    let error = |status, message: &str| ready(Reply::error(status, message, clock::wall()), head);
    match wanted {
        Route::Socket => socket(visit, request),
        Route::Whep { upstream } => proxy::io::whep(visit, request, &upstream).await,
        Route::Whip { upstream } => proxy::io::whip(visit, request, &upstream).await,
        // Only browsers ask so, before a request of another site's page; [`handle`] answers them.
        Route::File { .. } | Route::Range { .. } if request.method() == "OPTIONS" => {
            let message = "OPTIONS is for the preflights of browsers; use GET or HEAD";
            let verbs = wanted.shared_verbs().unwrap_or_default();
            ready(
                Reply::error(405, message, clock::wall()).header("allow", verbs),
                head,
            )
        }
        Route::File { kind, name } => files::io::download(visit, &request, kind, &name).await,
        Route::Range { device } => files::range::io::download(visit, &request, &device).await,
        Route::Hls { upstream } => proxy::io::hls(visit, request, &upstream).await,
        Route::Playlist { location } => {
            let location = match request.uri().query() {
                Some(query) => format!("{location}?{query}"),
                None => location,
            };
            ready(
                Reply::empty(302)
                    .header("location", location)
                    .header("cache-control", "no-cache"),
                head,
            )
        }
        Route::Health(probe) => {
            let (status, body) = health::answers::answer(probe, &facts(services));
            let reply = Reply::json(status, &body).header("access-control-allow-origin", "*");
            ready(reply, head)
        }
        Route::Metrics => ready(figures(&visit.shared), head),
        Route::Asset(path) => {
            let tags = text(&request, "if-none-match");
            let reached = visit.reached(&request);
            ready(assets::answer(&path, tags, &reached, clock::wall()), head)
        }
        Route::Claim => claim::io::claim(visit, request.into_body()).await,
        Route::Auth => {
            let body = Limited::new(request.into_body(), QUESTION_BYTES);
            match tokio::time::timeout(services.limits().head_within, body.collect()).await {
                Ok(Ok(body)) => ready(Reply::empty(ask(services, &body.to_bytes())), head),
                _ => error(
                    400,
                    "the question did not arrive whole; send one JSON object",
                ),
            }
        }
        Route::NotFound => error(
            404,
            "nothing is here; the API is at the WebSocket path, health and the page are on the health port",
        ),
        Route::WrongVerb { allow } => {
            let message = format!("this path takes {allow}");
            ready(
                Reply::error(405, &message, clock::wall()).header("allow", allow),
                head,
            )
        }
    }
}

/// Upgrades to a WebSocket, or says why not.
fn socket(visit: &Visit, mut request: Request<Incoming>) -> Response<Body> {
    let services = &visit.shared.services;
    let refuse = |status, message: &str| Reply::error(status, message, clock::wall());
    let accepted = ws::upgrade::io::accept_key(&request);
    let key = match accepted {
        Ok(key) => key,
        Err((status, message)) => {
            let reply = refuse(status, message)
                .header("upgrade", "websocket")
                .header("connection", "upgrade")
                .header("sec-websocket-version", "13");
            return ready(reply, false);
        }
    };
    let host = text(&request, "host");
    if !origin::allowed(text(&request, "origin"), host, &services.tuning().origins) {
        visit.shared.doors().refused.count(Refused::Origin);
        return ready(
            refuse(
                403,
                "pages of this origin may not connect; add it to the allowed origins",
            ),
            false,
        );
    }
    if let Err(full) = visit.seat.upgrade() {
        visit.shared.doors().refused.count(match full {
            Full::All => Refused::Total,
            Full::Address => Refused::Address,
            Full::Strangers => Refused::Unauthenticated,
            Full::Memory => Refused::Memory,
        });
        return ready(
            refuse(503, full.message()).header("retry-after", "5"),
            false,
        );
    }
    let reached = Arc::new(visit.reached(&request));
    let upgrade = ws::upgrade::io::Upgrade {
        stream: hyper::upgrade::on(&mut request),
        reached,
        from: visit.peer.ip(),
    };
    *visit
        .upgraded
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
    let reply = Reply::empty(101)
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-accept", key);
    ready(reply, false)
}

/// MediaMTX's question, counted.
fn ask(services: &Services, question: &[u8]) -> u16 {
    let began = clock::mono();
    let status = (services.auth)(question);
    let doors = &services.desk.system.doors;
    doors.asked_took.count(clock::mono().since(began));
    doors.asked.count(match status {
        200..=299 => Asked::Allowed,
        401 => Asked::Unauthorized,
        _ => Asked::Denied,
    });
    status
}

fn figures(shared: &Shared) -> Reply {
    let services = &shared.services;
    let ready = health::assess::assess(&facts(services)).ready;
    let page = metrics::page(&metrics::Facts {
        cameras: &services.desk.directory.list(),
        media: &services.desk.media.state(),
        ready,
        process: metrics::io::look(),
        waiting: shared.hall.memory(),
        downloads: shared.downloads.running(),
        system: &services.desk.system,
        started: services.started,
        now: clock::now(),
        version: services.version,
    });
    let mut reply = Reply::empty(200)
        .header("content-type", metrics::exposition::CONTENT_TYPE)
        .header("cache-control", "no-cache, no-store, must-revalidate")
        .header("x-content-type-options", "nosniff");
    reply.body = page.into_bytes().into();
    reply
}

fn facts(services: &Services) -> Facts {
    let desk = &services.desk;
    let media = desk.media.state();
    Facts {
        expected: services.tuning().expected_cameras.clone(),
        started: services.started,
        version: services.version,
        notes: services.desk.configuration.live().notes(),
        ..Facts::gather(&desk.directory, media, &desk.system, clock::now)
    }
}
