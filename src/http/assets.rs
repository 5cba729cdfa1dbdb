//! The web page, embedded when the program was built.

use super::reply::Reply;
use crate::clock::Wall;

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

/// What the page may load and do: everything from here, nothing from elsewhere.
pub const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Answers for a file of the page, or 304 where the browser has it already.
#[must_use]
pub fn answer(path: &str, if_none_match: Option<&str>, now: Wall) -> Reply {
    find(ASSETS, path, if_none_match, now)
}

fn find(assets: &[Asset], path: &str, if_none_match: Option<&str>, now: Wall) -> Reply {
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
        .header("content-security-policy", POLICY)
        .header("x-content-type-options", "nosniff")
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

    fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        let found = reply.headers.iter().find(|(n, _)| *n == name)?;
        Some(&found.1)
    }

    #[test]
    fn the_start_page_is_asked_for_anew_and_hashed_files_are_kept_for_ever() {
        let page = find(SOME, "index.html", None, Wall::default());
        assert_eq!(page.status, 200);
        assert_eq!(header(&page, "cache-control"), Some("no-cache"));
        assert_eq!(header(&page, "content-security-policy"), Some(POLICY));
        assert_eq!(
            header(&page, "content-type"),
            Some("text/html; charset=utf-8")
        );
        let script = find(SOME, "assets/app-3fA9_x2b.js", None, Wall::default());
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
            let reply = find(SOME, "index.html", Some(tags), Wall::default());
            assert_eq!((reply.status, reply.body.len()), (304, 0), "{tags}");
        }
        assert_eq!(
            find(SOME, "index.html", Some("\"b\""), Wall::default()).status,
            200
        );
    }

    #[test]
    fn a_build_without_a_page_says_how_to_build_one() {
        let reply = find(&[], "index.html", None, Wall::default());
        assert_eq!(reply.status, 404);
        assert!(String::from_utf8_lossy(&reply.body).contains("npm"));
        assert_eq!(find(SOME, "nothing", None, Wall::default()).status, 404);
    }
}
