//! May a page from there open the WebSocket (RFC 6455 §10.2), and read what the other paths answer
//! (Fetch Standard §3.2, CORS)? One rule for both.

use crate::rpc::links::split_host;

/// True without an `Origin` (no browser), for a page of this very host on any of its ports, and for
/// the configured origins, compared as text.
#[must_use]
pub fn allowed(origin: Option<&str>, host_header: Option<&str>, configured: &[String]) -> bool {
    let Some(origin) = origin else { return true };
    if configured.iter().any(|c| c == origin) {
        return true;
    }
    let from = origin
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
        .and_then(|(_, rest)| split_host(rest));
    match (from, host_header.and_then(split_host)) {
        (Some((page, _)), Some((ours, _))) => page == ours,
        _ => false,
    }
}

/// What a page elsewhere may send (`Access-Control-Allow-Headers`).
const TAKEN: &str = "authorization, content-type, if-match, if-modified-since, if-none-match, if-range, range, x-api-key";
/// What it may read of an answer (`Access-Control-Expose-Headers`).
const SHOWN: &str =
    "accept-ranges, content-disposition, content-length, content-range, etag, link, location";

/// The CORS headers of an answer. `Vary` is there always: a cache must not hand one page's answer to another.
#[must_use]
pub fn shared(
    origin: Option<&str>,
    host_header: Option<&str>,
    configured: &[String],
) -> Vec<(&'static str, String)> {
    let mut headers = vec![("vary", "origin".to_owned())];
    if let Some(page) = origin
        && allowed(origin, host_header, configured)
    {
        headers.push(("access-control-allow-origin", page.to_owned()));
        headers.push(("access-control-expose-headers", SHOWN.to_owned()));
    }
    headers
}

/// What an allowed page is told before its real request, beside [`shared`]; `verbs` are the path's own.
#[must_use]
pub fn preflight(verbs: &str) -> [(&'static str, String); 3] {
    [
        ("access-control-allow-methods", verbs.to_owned()),
        ("access-control-allow-headers", TAKEN.to_owned()),
        ("access-control-max-age", "600".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_its_own_origin_and_never_a_star() {
        let list = ["https://panel.example".to_owned()];
        let told = |origin| {
            let headers = shared(origin, Some("box:8002"), &list);
            assert_eq!(headers[0], ("vary", "origin".to_owned()));
            headers
                .into_iter()
                .find(|(name, _)| *name == "access-control-allow-origin")
                .map(|(_, value)| value)
        };
        for page in ["https://panel.example", "http://box:8003"] {
            assert_eq!(told(Some(page)).as_deref(), Some(page));
        }
        for page in [None, Some("https://evil.example"), Some("null"), Some("*")] {
            assert_eq!(told(page), None, "{page:?}");
        }
    }

    #[test]
    fn a_page_of_the_same_host_may_whatever_the_port() {
        assert!(allowed(None, Some("box:8002"), &[]));
        assert!(allowed(Some("http://box:8003"), Some("BOX:8002"), &[]));
        assert!(allowed(Some("https://box"), Some("box:8002"), &[]));
        assert!(allowed(Some("http://[::1]:8003"), Some("[::1]:8002"), &[]));
    }

    #[test]
    fn a_foreign_page_may_only_when_configured() {
        let list = ["https://panel.example".to_owned()];
        assert!(allowed(Some("https://panel.example"), Some("box"), &list));
        for origin in [
            "http://evil.example",
            "https://panel.example.evil",
            "null",
            "",
            "box",
            "file://box",
            "http://box@evil",
            "http://box/path",
        ] {
            assert!(!allowed(Some(origin), Some("box:8002"), &list), "{origin}");
        }
        assert!(!allowed(Some("http://box"), None, &[]));
    }
}
