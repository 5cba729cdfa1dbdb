//! Takes a claim from the door to the one who grants it, and writes down how it went.

use http_body_util::{BodyExt, Limited};
use hyper::Response;
use hyper::body::Incoming;

use super::{answer, read};
use crate::access::audit::{Entry, Verdict};
use crate::access::claim::{Denied, Owner};
use crate::clock;
use crate::http::io::Visit;
use crate::http::reply::Reply;
use crate::http::reply::io::{Body, ready};
use crate::system::doors;

/// A claim is below a hundred bytes.
const CLAIM_BYTES: usize = 4 << 10;

/// Answers `POST /claim`.
pub(in crate::http) async fn claim(visit: &Visit, body: Incoming) -> Response<Body> {
    let services = &visit.shared.services;
    let refuse = |message: &str| ready(Reply::error(400, message, clock::wall()), false);
    let body = Limited::new(body, CLAIM_BYTES).collect();
    let body = match tokio::time::timeout(services.limits().head_within, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => return refuse("the claim did not arrive whole; send one small JSON object"),
    };
    let request = match read(&body) {
        Ok(request) => request,
        Err(message) => return refuse(&message),
    };
    let guard = &services.desk.guard;
    let (from, at) = (visit.peer.ip(), clock::wall());
    let user = request.user.clone();
    let claimed = Owner::claim(&*guard.owner, request.code, request.user, from).await;
    let claimed = claimed.unwrap_or_else(|error| Err(Denied::Failed(error)));
    let reply = answer(&claimed, clock::wall());
    if matches!(claimed, Err(Denied::TooOften(_))) {
        visit.shared.doors().limited.count(doors::Limited::Claims);
    }
    // Beyond the bound of tries nothing is written, lest guessing drives the log out.
    if !matches!(claimed, Err(Denied::TooOften(_))) {
        let refused = |reason: &str| Verdict::Refused {
            code: i32::from(reply.status),
            reason: reason.to_owned(),
        };
        guard.audit.record(Entry {
            at,
            who: user,
            credential: None,
            from: Some(from),
            method: "claim".to_owned(),
            target: None,
            verdict: match &claimed {
                Ok(_) => Verdict::Ok,
                Err(Denied::Owned) => refused("owned"),
                Err(Denied::WrongCode) => refused("wrong_code"),
                Err(Denied::TooOften(_)) => refused("rate_limited"),
                Err(Denied::Failed(_)) => refused("internal_error"),
            },
        });
    }
    ready(reply, false)
}
