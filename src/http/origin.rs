//! May a page from there open the WebSocket? (RFC 6455 §10.2)

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

#[cfg(test)]
mod tests {
    use super::*;

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
