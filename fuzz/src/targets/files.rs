//! Downloads and the paths that lead to them: names, links, conditions, ranges. The input is written as a request:
//! its first line `GET /files/recordings/a.mp4?query`, then headers, and beside those `size`, `modified` and
//! `changed` of the file.

use camera_service::access::{Principal, Role};
use camera_service::clock::Wall;
use camera_service::http::files::Kind;
use camera_service::http::files::name::{
    candidates, decode, encode, is_device, is_good, media_type,
};
use camera_service::http::files::permit::Signer;
use camera_service::http::files::terms::{Answer, Asked, Version, decide};
use camera_service::http::origin;
use camera_service::http::route::{Door, Route, route};
use camera_service::rpc::links::{Reached, split_host};

use crate::input::text;

const NOW: Wall = Wall::from_secs(1_800_000_000);

pub(crate) fn run(data: &[u8]) {
    let request = text(data);
    let mut lines = request.lines();
    let first = lines.next().unwrap_or_default();
    let (verb, target) = first.split_once(' ').unwrap_or(("GET", first));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    };
    places(verb, path);
    names(path.rsplit('/').next().unwrap_or_default());
    links(path.rsplit('/').next().unwrap_or_default(), query);
    terms(verb, &header);
    hosts(header("origin"), header("host"));
}

fn places(verb: &str, path: &str) {
    for door in [Door::Api, Door::Page, Door::Secure, Door::Internal] {
        match route(door, verb, path, "/ws") {
            Route::Whep { upstream } | Route::Whip { upstream } | Route::Hls { upstream } => {
                assert_ne!(door, Door::Internal);
                assert!(upstream.starts_with('/') && !upstream.starts_with("//"));
                assert!(upstream.len() <= path.len() + 8);
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
                assert!(upstream.bytes().all(plain), "{upstream}");
                assert!(
                    upstream
                        .split('/')
                        .skip(1)
                        .all(|s| !s.is_empty() && !s.starts_with('.'))
                );
            }
            Route::File { name, .. } => assert!(!name.contains('/') && !name.is_empty()),
            Route::Playlist { location } => {
                assert!(location.starts_with("/hls/") && location.ends_with("/index.m3u8"));
            }
            Route::Auth => assert_eq!((door, path), (Door::Internal, "/auth")),
            Route::WrongVerb { allow } => assert!(!allow.split(", ").any(|a| a == verb)),
            _ => {}
        }
    }
}

fn names(raw: &str) {
    assert_eq!(decode(&encode(raw)).as_deref(), Some(raw));
    let Some(name) = decode(raw) else { return };
    assert!(name.len() <= raw.len());
    for kind in Kind::ALL {
        let found = candidates(kind, &name);
        assert_eq!(found.is_empty(), !is_good(&name));
        for file in found {
            assert!(is_good(&file) || file.len() > 240, "{file}");
            assert!(file.len() < 255 && !file.contains('/') && !file.starts_with('.'));
            assert!(
                kind.extensions()
                    .iter()
                    .any(|e| file.ends_with(&format!(".{e}")))
            );
            assert_ne!(media_type(&file), "application/octet-stream");
        }
    }
    assert!(!is_device(&name) || !name.contains(['.', '/']));
}

fn links(raw: &str, query: &str) {
    let signer = Signer::new(b"the key of this target's links!!");
    let name = decode(raw).unwrap_or_default();
    for kind in Kind::ALL {
        // Nobody guesses a signature of 32 bytes.
        assert!(!matches!(
            signer.check(kind, &name, query, NOW),
            Some(Ok(_))
        ));
        let until = Wall::from_secs(NOW.as_secs() + 1);
        // The query is also somebody's name.
        let who = Principal::plain(query, Role::Viewer, until);
        let ours = signer.query(kind, &name, &who, until);
        assert_eq!(signer.check(kind, &name, &ours, NOW), Some(Ok(who.clone())));
        assert!(matches!(
            signer.check(kind, &name, &ours, until),
            Some(Err(_))
        ));
        let other = format!("{name}x");
        assert!(matches!(
            signer.check(kind, &other, &ours, NOW),
            Some(Err(_))
        ));
        assert!(ours.bytes().all(|b| b.is_ascii_graphic() && b != b'#'));
    }
}

fn terms<'a>(verb: &str, header: &impl Fn(&str) -> Option<&'a str>) {
    let number = |name, otherwise| {
        let given = header(name).and_then(|text| text.trim().parse().ok());
        given.unwrap_or(otherwise)
    };
    let version = Version {
        size: number("size", 1000),
        modified: Wall::from_nanos(number("modified", 1_700_000_000_123_456_789)),
        changed: Wall::from_nanos(number("changed", 1_700_000_001_000_000_000)),
        inode: 7,
    };
    let asked = Asked {
        if_match: header("if-match"),
        if_unmodified_since: header("if-unmodified-since"),
        if_none_match: header("if-none-match"),
        if_modified_since: header("if-modified-since"),
        range: header("range"),
        if_range: header("if-range"),
        head: verb == "HEAD",
    };
    let answer = decide(&asked, &version, NOW);
    match answer {
        Answer::Part { first, length } => {
            assert!(length > 0 && first < version.size && length <= version.size - first);
            assert!(asked.range.is_some() && !asked.head);
        }
        Answer::Beyond => assert!(asked.range.is_some()),
        Answer::NotModified => {
            assert!(asked.if_none_match.is_some() || asked.if_modified_since.is_some());
        }
        Answer::Failed => {
            assert!(asked.if_match.is_some() || asked.if_unmodified_since.is_some());
        }
        Answer::Whole => {}
    }
    // What we ourselves told the client about the file is understood when it comes back.
    let etag = version.etag(NOW);
    let again = Asked {
        if_none_match: Some(&etag),
        ..Asked::default()
    };
    assert_eq!(decide(&again, &version, NOW), Answer::NotModified);
    let date = version.last_modified();
    let again = Asked {
        if_modified_since: Some(&date),
        ..Asked::default()
    };
    if version.modified.as_secs() <= 253_402_300_799 {
        assert_eq!(decide(&again, &version, NOW), Answer::NotModified);
    }
    let resumed = Asked {
        range: asked.range,
        if_range: Some(&etag),
        ..Asked::default()
    };
    let plain = Asked {
        range: asked.range,
        ..Asked::default()
    };
    let resumed = decide(&resumed, &version, NOW);
    if version.is_growing(NOW) {
        assert_eq!(resumed, Answer::Whole, "a weak tag never joins parts");
    } else {
        assert_eq!(resumed, decide(&plain, &version, NOW));
    }
}

fn hosts(from: Option<&str>, host: Option<&str>) {
    let local = "192.0.2.1:8002".parse().unwrap();
    let reached = Reached::new(host, local);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b);
    assert!(reached.host().bytes().all(plain));
    if let Some((name, port)) = host.and_then(split_host) {
        assert_ne!(port, Some(0));
        assert_eq!(split_host(&name), Some((name.clone(), None)));
    }
    let list = ["https://panel.example".to_owned()];
    let told = origin::shared(from, host, &list);
    assert_eq!(
        told.len() > 1,
        from.is_some() && origin::allowed(from, host, &list)
    );
    assert!(told.iter().all(|(_, value)| value != "*"));
}
