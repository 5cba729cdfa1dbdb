//! Method and path in, destination out.

use super::files::Kind;
use crate::health::Probe;

/// Which listener a request came in on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The API port (8002): WebSocket, HLS, WHEP.
    Api,
    /// The health port (8003): the same, and health, metrics and the page.
    Page,
    /// The port with TLS (8443): the same as the health port.
    Secure,
    /// Loopback only: MediaMTX's callback.
    Internal,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The WebSocket.
    Socket,
    /// MediaMTX's WebRTC listener, for somebody who watches, with the path there.
    Whep {
        /// `/camera0/whep[/session]`.
        upstream: String,
    },
    /// The same for somebody who publishes.
    Whip {
        /// `/live-1/whip[/session]`.
        upstream: String,
    },
    /// A recording or a snapshot.
    File {
        /// Which of the two.
        kind: Kind,
        /// Its name as it stood in the path, not yet decoded or checked.
        name: String,
    },
    /// A stretch of time of one camera or stream.
    Range {
        /// Its name as it stood in the path, not yet decoded or checked.
        device: String,
    },
    /// The documented HLS link; leads on to the playlist's own folder, which its relative links need.
    Playlist {
        /// `/hls/camera0/index.m3u8`.
        location: String,
    },
    /// MediaMTX's HLS listener, with the path there.
    Hls {
        /// `/camera0/index.m3u8`.
        upstream: String,
    },
    /// The claim of a fresh box.
    Claim,
    /// A health question.
    Health(Probe),
    /// The figures for Prometheus.
    Metrics,
    /// A file of the page, without its leading slash.
    Asset(String),
    /// MediaMTX's authorisation callback.
    Auth,
    /// Nothing is there.
    NotFound,
    /// Something is there, but not for this verb.
    WrongVerb {
        /// The `Allow` header.
        allow: &'static str,
    },
}

/// What can be fetched.
const FETCHING: &str = "GET, HEAD, OPTIONS";
/// WHEP and WHIP: an offer, its amendments, its end, and what a browser asks before.
const SIGNALLING: &str = "POST, PATCH, DELETE, OPTIONS";

impl Route {
    /// The verbs of what pages of other sites may use too, where they are allowed (CORS); `None` for all else.
    #[must_use]
    pub const fn shared_verbs(&self) -> Option<&'static str> {
        match self {
            Self::Whep { .. } | Self::Whip { .. } => Some(SIGNALLING),
            Self::Playlist { .. } | Self::Hls { .. } | Self::File { .. } | Self::Range { .. } => {
                Some(FETCHING)
            }
            _ => None,
        }
    }
}

/// Decides. `path` is the request's path without its query.
#[must_use]
pub fn route(door: Door, verb: &str, path: &str, ws_path: &str) -> Route {
    if door == Door::Internal {
        return match path {
            "/auth" => only(verb, "POST", Route::Auth),
            _ => Route::NotFound,
        };
    }
    if path == ws_path {
        return only(verb, "GET", Route::Socket);
    }
    if let Some(rest) = path.strip_prefix("/whep/") {
        return session(rest, "whep").map_or(Route::NotFound, |upstream| {
            only(verb, SIGNALLING, Route::Whep { upstream })
        });
    }
    if let Some(rest) = path.strip_prefix("/whip/") {
        return session(rest, "whip").map_or(Route::NotFound, |upstream| {
            only(verb, SIGNALLING, Route::Whip { upstream })
        });
    }
    if let Some(rest) = path.strip_prefix("/files/") {
        return file(rest).map_or(Route::NotFound, |r| only(verb, FETCHING, r));
    }
    if let Some(rest) = path.strip_prefix("/hls/") {
        return hls(rest).map_or(Route::NotFound, |r| only(verb, FETCHING, r));
    }
    if path == "/claim" {
        return only(verb, "POST", Route::Claim);
    }
    if door == Door::Api {
        return Route::NotFound;
    }
    if path == "/health" || path.starts_with("/health/") {
        return Probe::from_path(path).map_or(Route::NotFound, |p| {
            only(verb, "GET, HEAD", Route::Health(p))
        });
    }
    if path == "/metrics" {
        return only(verb, "GET, HEAD", Route::Metrics);
    }
    let file = match path {
        "/" => "index.html",
        other => other.trim_start_matches('/'),
    };
    only(verb, "GET, HEAD", Route::Asset(file.to_owned()))
}

fn only(verb: &str, allow: &'static str, route: Route) -> Route {
    if allow.split(", ").any(|a| a == verb) {
        route
    } else {
        Route::WrongVerb { allow }
    }
}

/// `camera0[/session]` here is `/camera0/whep[/session]` there.
fn session(rest: &str, what: &str) -> Option<String> {
    let (name, session) = match rest.split_once('/') {
        None => (rest, None),
        Some((name, session)) => (name, Some(session)),
    };
    if !is_stream(name) || !session.is_none_or(is_segment) {
        return None;
    }
    Some(match session {
        None => format!("/{name}/{what}"),
        Some(session) => format!("/{name}/{what}/{session}"),
    })
}

fn file(rest: &str) -> Option<Route> {
    let (folder, name) = rest.split_once('/')?;
    if folder == "range" {
        return (!name.is_empty() && !name.contains('/')).then(|| Route::Range {
            device: name.to_owned(),
        });
    }
    let kind = Kind::ALL.into_iter().find(|k| k.folder() == folder)?;
    (!name.is_empty() && !name.contains('/')).then(|| Route::File {
        kind,
        name: name.to_owned(),
    })
}

fn hls(rest: &str) -> Option<Route> {
    if !rest.split('/').all(is_segment) {
        return None;
    }
    let stream = rest.split('/').next().unwrap_or(rest);
    match (rest.contains('/'), rest.strip_suffix(".m3u8")) {
        (false, Some(name)) if is_stream(name) => Some(Route::Playlist {
            location: format!("/hls/{name}/index.m3u8"),
        }),
        // A bare folder has nothing but MediaMTX's own player page.
        (false, _) => None,
        (true, _) if !is_stream(stream) => None,
        (true, _) => Some(Route::Hls {
            upstream: format!("/{rest}"),
        }),
    }
}

/// What a stream may be called: a camera, an external stream, a live one.
fn is_stream(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// Letters that need no escaping (RFC 3986 §2.3), and no step upwards.
fn is_segment(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(verb: &str, path: &str) -> Route {
        route(Door::Page, verb, path, "/ws")
    }

    #[test]
    fn both_public_doors_lead_to_the_socket_and_the_streams() {
        for door in [Door::Api, Door::Page, Door::Secure] {
            let go = |verb, path| route(door, verb, path, "/ws");
            assert_eq!(go("GET", "/ws"), Route::Socket);
            assert_eq!(
                go("POST", "/whep/camera0"),
                Route::Whep {
                    upstream: "/camera0/whep".into()
                }
            );
            assert_eq!(
                go("PATCH", "/whep/camera0/1f-9"),
                Route::Whep {
                    upstream: "/camera0/whep/1f-9".into()
                }
            );
            assert_eq!(
                go("POST", "/whip/live-7_a"),
                Route::Whip {
                    upstream: "/live-7_a/whip".into()
                }
            );
            assert_eq!(
                go("DELETE", "/whip/live-7_a/1F.9"),
                Route::Whip {
                    upstream: "/live-7_a/whip/1F.9".into()
                }
            );
            assert_eq!(
                go("HEAD", "/files/recordings/camera0_1.mp4"),
                Route::File {
                    kind: Kind::Recording,
                    name: "camera0_1.mp4".into()
                }
            );
            assert_eq!(
                go("GET", "/files/range/camera0"),
                Route::Range {
                    device: "camera0".into()
                }
            );
            assert_eq!(
                go("GET", "/hls/camera0.m3u8"),
                Route::Playlist {
                    location: "/hls/camera0/index.m3u8".into()
                }
            );
            assert_eq!(
                go("GET", "/hls/camera0/seg7.mp4"),
                Route::Hls {
                    upstream: "/camera0/seg7.mp4".into()
                }
            );
            assert_eq!(go("POST", "/claim"), Route::Claim);
            assert_eq!(go("GET", "/claim"), Route::WrongVerb { allow: "POST" });
            assert_eq!(
                go("POST", "/auth"),
                match door {
                    Door::Api => Route::NotFound,
                    _ => Route::WrongVerb { allow: "GET, HEAD" },
                }
            );
        }
    }

    #[test]
    fn health_and_the_page_are_on_their_own_door_only() {
        assert_eq!(page("HEAD", "/health"), Route::Health(Probe::Summary));
        assert_eq!(page("GET", "/health/nonsense"), Route::NotFound);
        assert_eq!(
            route(Door::Secure, "GET", "/health", "/ws"),
            Route::Health(Probe::Summary)
        );
        assert_eq!(page("GET", "/metrics"), Route::Metrics);
        assert_eq!(route(Door::Api, "GET", "/metrics", "/ws"), Route::NotFound);
        assert_eq!(page("GET", "/"), Route::Asset("index.html".into()));
        assert_eq!(
            page("GET", "/assets/app-1.js"),
            Route::Asset("assets/app-1.js".into())
        );
        assert_eq!(route(Door::Api, "GET", "/health", "/ws"), Route::NotFound);
        assert_eq!(route(Door::Api, "GET", "/", "/ws"), Route::NotFound);
    }

    #[test]
    fn the_internal_door_knows_the_callback_only() {
        let go = |verb, path| route(Door::Internal, verb, path, "/ws");
        assert_eq!(go("POST", "/auth"), Route::Auth);
        assert_eq!(go("GET", "/auth"), Route::WrongVerb { allow: "POST" });
        assert_eq!(go("GET", "/ws"), Route::NotFound);
    }

    #[test]
    fn a_wrong_verb_is_told_the_right_ones() {
        assert_eq!(page("POST", "/ws"), Route::WrongVerb { allow: "GET" });
        assert_eq!(
            page("POST", "/health/live"),
            Route::WrongVerb { allow: "GET, HEAD" }
        );
        assert_eq!(
            page("DELETE", "/files/snapshots/a"),
            Route::WrongVerb {
                allow: "GET, HEAD, OPTIONS"
            }
        );
        assert_eq!(
            page("GET", "/whip/live-1"),
            Route::WrongVerb {
                allow: "POST, PATCH, DELETE, OPTIONS"
            }
        );
        assert_eq!(
            page("GET", "/whep/camera0"),
            Route::WrongVerb {
                allow: "POST, PATCH, DELETE, OPTIONS"
            }
        );
    }

    #[test]
    fn no_path_steps_out_of_its_folder() {
        for path in [
            "/hls/../camera0/index.m3u8",
            "/hls/camera0/../../v3/paths",
            "/hls/%2e%2e/x",
            "/hls//x",
            "/hls/",
            "/hls/camera0",
            "/whep/",
            "/whep/a/b/c",
            "/whep/..",
            "/whep/a%2fb",
            "/whip/",
            "/whip/Live",
            "/whip/a.b",
            "/hls/Camera0/index.m3u8",
            "/files/recordings",
            "/files/recordings/",
            "/files/recordings/a/b",
            "/files/secrets/jwt",
        ] {
            assert_eq!(page("GET", path), Route::NotFound, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_leads_somewhere_and_never_upwards(path in "/(hls|whep|whip|files|health|ws|)/?.{0,60}", verb in "[A-Z]{0,8}") {
            for door in [Door::Api, Door::Page, Door::Secure, Door::Internal] {
                if let Route::Hls { upstream } | Route::Whep { upstream } | Route::Whip { upstream } = route(door, &verb, &path, "/ws") {
                    prop_assert!(upstream.starts_with('/'));
                    prop_assert!(!upstream.contains("..") || !upstream.split('/').any(|s| s == ".."));
                }
            }
        }
    }
}
