//! The doors themselves: accepts connections, routes requests, hands sockets over.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::reply::Reply;
use super::reply::io::{Body, ready, text};
use super::route::{Door, Route, route};
use super::seats::io::{Busy, Hall, Seat};
use super::ws::feed::io::Feed;
use super::{Services, assets, claim, metrics, proxy, ws};
use crate::clock;
use crate::health;
use crate::health::facts::Facts;
use crate::rpc::links::Reached;

/// MediaMTX's question is a few hundred bytes.
const QUESTION_BYTES: usize = 64 << 10;

/// The bound listeners; see [`super::bind::io::bind`].
#[derive(Debug)]
pub struct Listeners {
    /// The API port (8002).
    pub api: TcpListener,
    /// The port of health and the page (8003).
    pub page: TcpListener,
    /// Loopback: MediaMTX's authorisation callback.
    pub internal: Option<TcpListener>,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) services: Services,
    pub(super) feed: Arc<Feed>,
    hall: Arc<Hall>,
}

/// Serves all doors until `shutdown` turns true; then stops accepting, closes WebSockets with 1001,
/// lets requests finish, and returns when all have left or [`super::Limits::drain_within`] is over.
pub async fn serve(listeners: Listeners, services: Services, shutdown: watch::Receiver<bool>) {
    let (feed, intake) = ws::feed::io::open(&services);
    let passing_on = Arc::clone(&feed);
    let shared = Arc::new(Shared {
        hall: Arc::new(Hall::new(services.limits)),
        services,
        feed,
    });
    let door = |listener, door| accept(listener, door, Arc::clone(&shared), shutdown.clone());
    let internal = async {
        if let Some(listener) = listeners.internal {
            door(listener, Door::Internal).await;
        }
    };
    let doors = async {
        tokio::join!(
            door(listeners.api, Door::Api),
            door(listeners.page, Door::Page),
            internal
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
    shared: Arc<Shared>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = asked(&mut shutdown) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                tune(&stream, shared.services.limits.write_within);
                // Without a seat the connection is dropped here: everyone inside is busy.
                if let Some(seat) = Seat::enter(&shared.hall, peer.ip()) {
                    let shared = Arc::clone(&shared);
                    let one = connection(stream, peer, door, shared, seat, shutdown.clone());
                    connections.spawn(one);
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
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.services.limits.drain_within, drained)
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

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    door: Door,
    shared: Arc<Shared>,
    seat: Arc<Seat>,
    mut shutdown: watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let until = shutdown.clone();
    let upgraded: Arc<Mutex<Option<ws::io::Upgrade>>> = Arc::default();
    // Boxed and dropped before the WebSocket begins, which then costs its own memory only.
    let http = Box::pin({
        let (shared, seat, upgraded) = (
            Arc::clone(&shared),
            Arc::clone(&seat),
            Arc::clone(&upgraded),
        );
        async move {
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
                    let busy = Busy::new(&visit.seat);
                    let answer = handle(&visit, request).await;
                    Ok::<_, Infallible>(answer.map(|body| busy.until_sent(body)))
                }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            let head = shared.services.limits.head_within;
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
                _ = seat.told() => return,
                () = asked(&mut shutdown) => connection.as_mut().graceful_shutdown(),
            }
            // What fails here is the client's own doing: it left, or spoke no HTTP.
            let _ = connection.await;
        }
    });
    http.await;
    let upgrade = upgraded
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(upgrade) = upgrade {
        Box::pin(ws::io::run::<TcpStream>(upgrade, shared, seat, until)).await;
    }
}

/// One request's surroundings.
pub(super) struct Visit {
    pub(super) shared: Arc<Shared>,
    seat: Arc<Seat>,
    upgraded: Arc<Mutex<Option<ws::io::Upgrade>>>,
    door: Door,
    pub(super) peer: SocketAddr,
    local: SocketAddr,
}

async fn handle(visit: &Visit, request: Request<Incoming>) -> Response<Body> {
    let services = &visit.shared.services;
    let verb = request.method().as_str();
    let head = verb == "HEAD";
    let wanted = route(visit.door, verb, request.uri().path(), &services.ws_path);
    let error = |status, message: &str| ready(Reply::error(status, message, clock::wall()), head);
    match wanted {
        Route::Socket => socket(visit, request),
        Route::Whep { upstream } => proxy::io::whep(visit, request, &upstream).await,
        Route::Hls { upstream } => proxy::io::hls(visit, request, &upstream).await,
        Route::Playlist { location } => {
            let location = match request.uri().query() {
                Some(query) => format!("{location}?{query}"),
                None => location,
            };
            ready(
                Reply::empty(302)
                    .header("location", location)
                    .header("cache-control", "no-cache")
                    .header("access-control-allow-origin", "*"),
                head,
            )
        }
        Route::Health(probe) => {
            let (status, body) = health::answers::answer(probe, &facts(services));
            let reply = Reply::json(status, &body).header("access-control-allow-origin", "*");
            ready(reply, head)
        }
        Route::Metrics => ready(figures(services), head),
        Route::Asset(path) => {
            let tags = text(&request, "if-none-match");
            ready(assets::answer(&path, tags, clock::wall()), head)
        }
        Route::Claim => claim::io::claim(visit, request.into_body()).await,
        Route::Auth => {
            let body = Limited::new(request.into_body(), QUESTION_BYTES);
            match tokio::time::timeout(services.limits.head_within, body.collect()).await {
                Ok(Ok(body)) => ready(Reply::empty((services.auth)(&body.to_bytes())), head),
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
    let accepted = ws::io::accept_key(&request);
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
    if !super::origin::allowed(text(&request, "origin"), host, &services.origins) {
        return ready(
            refuse(
                403,
                "pages of this origin may not connect; add it to the allowed origins",
            ),
            false,
        );
    }
    if let Err(full) = visit.seat.upgrade() {
        return ready(
            refuse(503, full.message()).header("retry-after", "5"),
            false,
        );
    }
    let reached = Arc::new(Reached::new(host, visit.local));
    let upgrade = ws::io::Upgrade {
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

fn figures(services: &Services) -> Reply {
    let ready = health::assess::assess(&facts(services)).ready;
    let page = metrics::page(&metrics::Facts {
        cameras: &services.desk.directory.list(),
        media: &services.desk.media.state(),
        ready,
        process: metrics::io::look(),
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
        expected: services.expected_cameras.clone(),
        started: services.started,
        version: services.version,
        ..Facts::gather(&desk.directory, media, &desk.system, clock::now)
    }
}
