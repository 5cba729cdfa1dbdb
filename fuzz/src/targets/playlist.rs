//! HLS playlists: which file holds the newest key frame.

use std::time::Duration;

use camera_service::snapshot::pulled::{Newest, Variant, resolve};

use crate::input::text;

pub(crate) fn run(data: &[u8]) {
    let text = text(data);
    let mut addresses = Vec::new();
    if let Some(newest) = Newest::of(&text) {
        assert!(text.starts_with("#EXTM3U") || text.trim_start().starts_with("#EXTM3U"));
        assert!(text.contains(newest.init) && text.contains(newest.media));
        assert!(newest.age <= Duration::MAX);
        addresses.extend([newest.init, newest.media]);
    }
    if let Some(variant) = Variant::first(&text) {
        assert!(!variant.uri.starts_with('#') && !variant.uri.is_empty());
        if let Some(codecs) = variant.foreign_codec() {
            assert_eq!(variant.codecs, Some(codecs));
        }
        addresses.push(variant.uri);
    }
    addresses.push(text.lines().next_back().unwrap_or_default());
    for uri in addresses {
        // Only ever a path on the same server.
        if let Some(path) = resolve("/drone/index.m3u8?session=/x", uri) {
            assert!(path.starts_with('/') && !path.starts_with("//"), "{path}");
            assert!(path.ends_with(uri));
        }
    }
}
