//! Passes a request on to MediaMTX and streams the answer back. No body is ever held whole.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::rewrite::{self, Side};
use crate::clock;
use crate::http::io::Visit;
use crate::http::reply::Reply;
use crate::http::reply::io::{Body, ready};

/// Loopback answers at once or not at all.
const CONNECT: Duration = Duration::from_secs(2);
/// Low-latency HLS holds a playlist request back until the next part is there; WHEP waits for tracks.
const HEAD: Duration = Duration::from_secs(30);

/// Passes a WHEP request on; `path` is the path at MediaMTX.
pub(in crate::http) async fn whep(
    visit: &Visit,
    request: Request<Incoming>,
    path: &str,
) -> Response<Body> {
    let upstream = visit.shared.services.webrtc;
    pass(visit, request, Side::Whep, upstream, path).await
}

/// Passes a WHIP request on; `path` is the path at MediaMTX, which asks us who may publish there.
pub(in crate::http) async fn whip(
    visit: &Visit,
    request: Request<Incoming>,
    path: &str,
) -> Response<Body> {
    let upstream = visit.shared.services.webrtc;
    pass(visit, request, Side::Whip, upstream, path).await
}

/// Passes an HLS request on; `path` is the path at MediaMTX.
pub(in crate::http) async fn hls(
    visit: &Visit,
    request: Request<Incoming>,
    path: &str,
) -> Response<Body> {
    let upstream = visit.shared.services.hls;
    pass(visit, request, Side::Hls, upstream, path).await
}

async fn pass(
    visit: &Visit,
    request: Request<Incoming>,
    side: Side,
    upstream: SocketAddr,
    path: &str,
) -> Response<Body> {
    let answered = match outgoing(visit, request, upstream, path) {
        Ok(request) => timeout(HEAD, ask(request, upstream)).await,
        Err(error) => Ok(Err(error)),
    };
    match answered {
        Ok(Ok(answer)) => incoming(answer, side, &upstream.to_string()),
        Ok(Err(error)) => {
            tracing::debug!(%error, %upstream, "MediaMTX did not answer a passed-on request");
            failed(
                502,
                "MediaMTX does not answer; wait some seconds and try again, GET /health/mediamtx on the health port tells how it is",
            )
        }
        Err(_) => failed(
            504,
            "MediaMTX did not answer in time; check that the camera delivers, GET /health/cameras on the health port tells",
        ),
    }
}

fn failed(status: u16, message: &str) -> Response<Body> {
    let reply = Reply::error(status, message, clock::wall()).header("retry-after", "2");
    ready(reply, false)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn outgoing(
    visit: &Visit,
    request: Request<Incoming>,
    upstream: SocketAddr,
    path: &str,
) -> Result<Request<Incoming>, Failure> {
    let uri: Uri = match request.uri().query() {
        Some(query) => format!("{path}?{query}").parse()?,
        None => path.parse()?,
    };
    let connection = named(request.headers());
    let (head, body) = request.into_parts();
    let mut passed = Request::new(body);
    *passed.method_mut() = head.method;
    *passed.uri_mut() = uri;
    let headers = passed.headers_mut();
    copy(&head.headers, headers, |name| {
        rewrite::request_header_passes(name, &connection)
    });
    headers.insert("host", HeaderValue::from_str(&upstream.to_string())?);
    let client = visit.peer.ip().to_canonical().to_string();
    headers.insert("x-forwarded-for", HeaderValue::from_str(&client)?);
    Ok(passed)
}

async fn ask(
    request: Request<Incoming>,
    upstream: SocketAddr,
) -> Result<Response<Incoming>, Failure> {
    let stream = timeout(CONNECT, TcpStream::connect(upstream)).await??;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer's body, or when that is dropped because the client has gone.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender.send_request(request).await?)
}

fn incoming(answer: Response<Incoming>, side: Side, upstream: &str) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    let connection = named(&head.headers);
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    copy(&head.headers, &mut headers, |name| {
        rewrite::response_header_passes(name, &connection)
    });
    rewritten(&mut headers, "location", |v| {
        rewrite::location(side, v, upstream)
    });
    rewritten(&mut headers, "set-cookie", |v| rewrite::set_cookie(side, v));
    head.headers = headers;
    Response::from_parts(head, body.map_err(Into::into).boxed_unsync())
}

/// The headers that `Connection` names, which end at the next hop.
fn named(headers: &HeaderMap) -> String {
    let values = headers.get_all("connection").iter();
    let texts: Vec<&str> = values.filter_map(|v| v.to_str().ok()).collect();
    texts.join(",")
}

fn copy(from: &HeaderMap, to: &mut HeaderMap, passes: impl Fn(&str) -> bool) {
    for (name, value) in from {
        if passes(name.as_str()) {
            to.append(name.clone(), value.clone());
        }
    }
}

/// Rewrites every value of a header.
fn rewritten(headers: &mut HeaderMap, name: &'static str, change: impl Fn(&str) -> String) {
    let values: Vec<HeaderValue> = headers
        .get_all(name)
        .iter()
        .filter_map(|v| HeaderValue::from_str(&change(v.to_str().ok()?)).ok())
        .collect();
    headers.remove(name);
    for value in values {
        headers.append(name, value);
    }
}
