//! The web page, embedded when the program was built.

use super::reply::Reply;
use crate::clock::Wall;
use crate::rpc::links::Reached;

/// One file of the page.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its path, without a leading slash.
    pub path: &'static str,
    /// A hash of its bytes, in quotes.
    pub etag: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What the page may load (CSP 3): its own files, pictures and sound it was handed, nothing from
/// elsewhere, and no script or style that stands in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What of the browser's abilities the page may use: the whole screen, sound, the clipboard to copy a link.
const ABILITIES: &str = "accelerometer=(), autoplay=(self), camera=(), clipboard-read=(), clipboard-write=(self), display-capture=(), fullscreen=(self), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(self), usb=()";

/// The whole policy. The WebSocket is named because Safari before 15.4 does not count it to `'self'`.
fn policy(reached: &Reached) -> String {
    let socket = reached.origin().replacen("http", "ws", 1);
    format!("{POLICY}; connect-src 'self' {socket}")
}

/// Answers for a file of the page, or 304 where the browser has it already.
#[must_use]
pub fn answer(path: &str, if_none_match: Option<&str>, reached: &Reached, now: Wall) -> Reply {
    find(ASSETS, path, if_none_match, reached, now)
}

fn find(
    assets: &[Asset],
    path: &str,
    if_none_match: Option<&str>,
    reached: &Reached,
    now: Wall,
) -> Reply {
    if assets.is_empty() {
        return Reply::error(
            404,
            "this build carries no web page; build it with `npm --prefix web run build`, then build the service again",
            now,
        );
    }
    let Some(asset) = assets.iter().find(|a| a.path == path) else {
        return Reply::error(404, "there is no such page; the page's start is /", now);
    };
    let cache = if is_hashed(path) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let fresh = if_none_match.is_some_and(|tags| {
        tags.split(',').any(|t| {
            matches!(t.trim().trim_start_matches("W/"), "*")
                || t.trim().trim_start_matches("W/") == asset.etag
        })
    });
    let mut reply = Reply::empty(if fresh { 304 } else { 200 })
        .header("etag", asset.etag)
        .header("cache-control", cache)
        .header("content-security-policy", policy(reached))
        .header("permissions-policy", ABILITIES)
        .header("cross-origin-opener-policy", "same-origin")
        .header("cross-origin-resource-policy", "same-origin")
        .header("x-content-type-options", "nosniff")
        .header("x-frame-options", "DENY")
        .header("referrer-policy", "no-referrer");
    if !fresh {
        reply = reply.header("content-type", content_type(path));
        reply.body = asset.bytes.into();
    }
    reply
}

/// True for names like `app-3fA9_x2b.js`: at least eight characters after the last dash that look
/// like a hash, so the bytes behind the name never change.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').next().unwrap_or(name);
    path.starts_with("assets/")
        && stem.len() > 9
        && stem
            .len()
            .checked_sub(9)
            .and_then(|at| stem.get(at..))
            .is_some_and(|tail| {
                tail.starts_with('-')
                    && tail[1..]
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &[Asset] = &[
        Asset {
            path: "index.html",
            etag: "\"aa\"",
            bytes: b"<!doctype html>",
        },
        Asset {
            path: "assets/app-3fA9_x2b.js",
            etag: "\"bb\"",
            bytes: b"1",
        },
    ];

    fn here() -> Reached {
        Reached::new(Some("box:8443"), "10.0.0.1:8443".parse().unwrap()).over_tls(true)
    }

    fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        let found = reply.headers.iter().find(|(n, _)| *n == name)?;
        Some(&found.1)
    }

    #[test]
    fn the_start_page_is_asked_for_anew_and_hashed_files_are_kept_for_ever() {
        let page = find(SOME, "index.html", None, &here(), Wall::default());
        assert_eq!(page.status, 200);
        assert_eq!(header(&page, "cache-control"), Some("no-cache"));
        let rules = header(&page, "content-security-policy").unwrap();
        assert!(rules.ends_with("connect-src 'self' wss://box:8443"));
        assert!(!rules.contains("unsafe") && !rules.contains('*'), "{rules}");
        assert_eq!(
            header(&page, "content-type"),
            Some("text/html; charset=utf-8")
        );
        let script = find(
            SOME,
            "assets/app-3fA9_x2b.js",
            None,
            &here(),
            Wall::default(),
        );
        assert!(
            header(&script, "cache-control")
                .unwrap()
                .contains("immutable")
        );
        assert!(!is_hashed("assets/logo.png"));
        assert!(!is_hashed("app-3fA9_x2b.js"));
    }

    #[test]
    fn a_browser_that_has_the_file_gets_304_without_a_body() {
        for tags in ["\"aa\"", "W/\"aa\"", "\"x\", \"aa\"", "*"] {
            let reply = find(SOME, "index.html", Some(tags), &here(), Wall::default());
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{tags}");
        }
        assert_eq!(
            find(SOME, "index.html", Some("\"b\""), &here(), Wall::default()).status,
            200
        );
    }

    #[test]
    fn a_build_without_a_page_says_how_to_build_one() {
        let reply = find(&[], "index.html", None, &here(), Wall::default());
        assert_eq!(reply.status, 404);
        assert!(String::from_utf8_lossy(&reply.body).contains("npm"));
        assert_eq!(
            find(SOME, "nothing", None, &here(), Wall::default()).status,
            404
        );
    }
}
