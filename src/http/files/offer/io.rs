//! Answers whatever needs no body, and gives a place to what does.

use hyper::Response;

use crate::clock::Wall;
use crate::http::files::slots::Slot;
use crate::http::files::terms::{Answer, Asked, Version, decide};
use crate::http::io::Visit;
use crate::http::reply::Reply;
use crate::http::reply::io::{Body, ready as made};
use crate::system::doors::NoDownload;

/// What may be downloaded.
pub(in crate::http::files) struct Offer<'a> {
    /// What is sent, as far as conditions and ranges go.
    pub(in crate::http::files) version: &'a Version,
    /// Its `Content-Type`.
    pub(in crate::http::files) media_type: &'static str,
    /// What it is called where it is saved: a good name, which needs no escape.
    pub(in crate::http::files) filename: &'a str,
    /// Further headers that describe it.
    pub(in crate::http::files) more: &'a [(&'static str, String)],
}

/// A download that begins: the answer without its body, which bytes that is, and the place it takes.
pub(in crate::http::files) struct Begun {
    pub(in crate::http::files) response: Response<Body>,
    pub(in crate::http::files) first: u64,
    pub(in crate::http::files) length: u64,
    pub(in crate::http::files) slot: Slot,
}

/// Begins a download for a user, or answers why there is no body (RFC 9110, 13 and 14).
///
/// # Errors
/// The whole answer: to HEAD, 304, 412, 416, or that there is no place.
pub(in crate::http::files) fn begin(
    visit: &Visit,
    asked: &Asked<'_>,
    offer: &Offer<'_>,
    (user, now): (&str, Wall),
) -> Result<Begun, Box<Response<Body>>> {
    let (head, version) = (asked.head, offer.version);
    let error = |status, message: &str| Reply::error(status, message, now);
    let done = |reply: Reply| Err(Box::new(made(reply, head)));
    let described = |reply: Reply| {
        let reply = reply
            .header("etag", version.etag(now))
            .header("cache-control", "private, no-cache")
            .header("accept-ranges", "bytes");
        let more = offer.more.iter();
        more.fold(reply, |reply, (name, value)| {
            reply.header(name, value.clone())
        })
    };
    let answer = decide(asked, version, now);
    let (first, length) = match answer {
        Answer::Whole => (0, version.size),
        Answer::Part { first, length } => (first, length),
        Answer::NotModified => return done(described(Reply::empty(304))),
        Answer::Failed => {
            let message = "this is not the version you asked for; ask again without conditions";
            return done(described(error(412, message)));
        }
        Answer::Beyond => {
            let size = version.size;
            let message = format!("the range lies beyond the end; there are {size} bytes");
            let reply = described(error(416, &message));
            return done(reply.header("content-range", format!("bytes */{size}")));
        }
    };
    let part = matches!(answer, Answer::Part { .. });
    let mut reply = described(Reply::empty(if part { 206 } else { 200 }))
        .header("content-type", offer.media_type)
        .header(
            "content-disposition",
            format!("attachment; filename=\"{}\"", offer.filename),
        )
        // Should a browser show it after all, it runs nothing.
        .header("content-security-policy", "sandbox");
    if part {
        let (last, size) = (first + length - 1, version.size);
        reply = reply.header("content-range", format!("bytes {first}-{last}/{size}"));
    }
    let mut response = made(reply, head);
    response
        .headers_mut()
        .insert("content-length", length.into());
    if head {
        return Err(Box::new(response));
    }
    match visit.shared.downloads.take(user, visit.peer.ip()) {
        Ok(slot) => Ok(Begun {
            response,
            first,
            length,
            slot,
        }),
        Err(whose) => {
            visit.shared.doors().no_download.count(whose);
            let (status, message) = beyond(whose);
            done(error(status, message).header("retry-after", "5"))
        }
    }
}

/// How a download without a place is answered.
const fn beyond(whose: NoDownload) -> (u16, &'static str) {
    match whose {
        NoDownload::User => (
            429,
            "as many downloads of this user as are allowed at once are running; try again when one has ended",
        ),
        NoDownload::Address => (
            429,
            "as many downloads of this address as are allowed at once are running; try again when one has ended",
        ),
        NoDownload::Total => (
            503,
            "as many downloads as are allowed at once are running; try again when one has ended",
        ),
    }
}
