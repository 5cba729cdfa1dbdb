//! Between our plain answers and hyper's.

use std::borrow::Cow;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};

use super::Reply;

/// Any failure of a body on its way.
pub(in crate::http) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every answer, ready-made or streamed.
pub(in crate::http) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A request's header as text.
pub(in crate::http) fn text<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Turns an answer of ours into hyper's; `head` leaves the body out and keeps its length.
pub(in crate::http) fn ready(reply: Reply, head: bool) -> Response<Body> {
    let length = reply.body.len();
    let bytes = match reply.body {
        _ if head => Bytes::new(),
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let body = Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    if head {
        response
            .headers_mut()
            .insert("content-length", length.into());
    }
    response
}
