//! The secret on disk: made once, kept private, never guessed at.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use camera_service::access::Role;
use camera_service::access::io::{load_or_create, secret_file};
use camera_service::clock::Wall;
use camera_service::error::Kind;

const NOW: Wall = Wall::from_secs(1_800_000_000);

/// A directory that is gone when the test is over.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("access-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with_secret(name: &str, content: &[u8], mode: u32) -> Self {
        let dir = Self::new(name);
        let file = secret_file(&dir.0);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        dir
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_secret_is_made_once_private_and_found_again() {
    let dir = Dir::new("made");
    let token =
        load_or_create(&dir.0)
            .unwrap()
            .mint("ann", Role::Viewer, Duration::from_secs(60), NOW);
    let file = secret_file(&dir.0);
    let mode = |p: &std::path::Path| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert!(load_or_create(&dir.0).unwrap().verify(&token, NOW).is_ok());
    let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "a temporary file stayed behind: {left:?}");
}

#[test]
fn eight_starts_at_once_agree_on_one_secret() {
    let dir = Dir::new("race");
    let rings: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| load_or_create(&dir.0).unwrap()))
            .collect();
        starts.into_iter().map(|s| s.join().unwrap()).collect()
    });
    let token = rings[0].mint("ann", Role::Viewer, Duration::from_secs(60), NOW);
    for ring in &rings {
        assert!(ring.verify(&token, NOW).is_ok());
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused_with_the_command_that_helps() {
    let dir = Dir::with_secret("open", &[b'x'; 64], 0o644);
    let said = load_or_create(&dir.0).unwrap_err();
    assert_eq!(said.kind(), Kind::Config);
    assert!(said.next_action().unwrap().contains("chmod 600"), "{said}");
}

#[test]
fn a_short_empty_or_zero_filled_secret_is_refused_and_left_as_it_is() {
    for (name, content) in [
        ("short", &b"only a few bytes\n"[..]),
        ("empty", b""),
        ("zeros", &[0; 65]),
        ("huge", &[b'x'; 5000]),
    ] {
        let dir = Dir::with_secret(name, content, 0o600);
        let said = load_or_create(&dir.0).unwrap_err();
        assert_eq!(said.kind(), Kind::Config, "{name}");
        assert!(said.next_action().is_some(), "{name}");
        assert_eq!(fs::read(secret_file(&dir.0)).unwrap(), content, "{name}");
    }
}
