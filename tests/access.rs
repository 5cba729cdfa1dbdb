//! Secrets and keys on disk: made once, kept private, never guessed at, never lost halfway.
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
use camera_service::access::store::io::{Files, fresh};
use camera_service::access::store::{Expiry, Wanted};
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

fn wanted(description: &str) -> Wanted {
    Wanted {
        role: Role::Viewer,
        expiry: Expiry::DEFAULT,
        description: description.to_owned(),
    }
}

#[test]
fn the_keys_are_private_and_leave_no_torn_file_behind() {
    let dir = Dir::new("keys");
    let files = Files::beneath(&dir.0);
    assert!(files.read().unwrap().keys.is_empty());
    let make = |store: &mut camera_service::access::store::Store| {
        store.create(&wanted("the gate"), 10, fresh()?, NOW)
    };
    let (_, (record, text)) = files.change(make).unwrap();
    let mode = |p: &std::path::Path| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&files.document()), 0o600);
    assert_eq!(mode(files.document().parent().unwrap()), 0o700);
    // A rest of a write that a power cut ended is no obstacle, and is never read.
    let torn = files.document().with_file_name(".keys.json.new");
    fs::write(&torn, "{ torn").unwrap();
    files.change(make).unwrap();
    assert!(!torn.exists());
    let store = files.read().unwrap();
    assert_eq!(store.keys[0], record);
    assert!(
        !fs::read_to_string(files.document())
            .unwrap()
            .contains(&text[4..])
    );
    // A change that fails leaves the file as it is.
    let before = fs::read(files.document()).unwrap();
    let said = files.change(|store| {
        store.keys.clear();
        store.revoke_key("key_0", NOW)
    });
    assert!(said.is_err());
    assert_eq!(fs::read(files.document()).unwrap(), before);
}

#[test]
fn eight_command_lines_at_once_lose_no_key() {
    let dir = Dir::new("keys-race");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let files = Files::beneath(&dir.0);
            scope.spawn(move || {
                for m in 0..5 {
                    let name = format!("{n}.{m}");
                    files
                        .change(|store| store.create(&wanted(&name), 1000, fresh()?, NOW))
                        .unwrap();
                }
            });
        }
    });
    let store = Files::beneath(&dir.0).read().unwrap();
    let mut names: Vec<_> = store.keys.iter().map(|k| k.description.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 40);
}

#[test]
fn keys_that_are_damaged_or_open_to_others_are_refused_with_the_file_and_the_way_out() {
    for (name, content, mode) in [
        ("torn", &b"{\"version\":1,\"keys\":["[..], 0o600),
        ("empty", b"", 0o600),
        (
            "newer",
            b"{\"version\":9,\"keys\":[],\"revoked\":[]}",
            0o600,
        ),
        ("open", b"{\"version\":1,\"keys\":[],\"revoked\":[]}", 0o644),
    ] {
        let dir = Dir::new(&format!("keys-{name}"));
        let files = Files::beneath(&dir.0);
        fs::create_dir_all(files.document().parent().unwrap()).unwrap();
        fs::write(files.document(), content).unwrap();
        fs::set_permissions(files.document(), fs::Permissions::from_mode(mode)).unwrap();
        let said = files.read().unwrap_err();
        assert_eq!(said.kind(), Kind::Config, "{name}");
        assert!(said.to_string().contains("access/keys.json"), "{said}");
        assert!(said.next_action().is_some(), "{said}");
        // Nobody writes over what cannot be read.
        let change = files.change(|store| store.create(&wanted(name), 9, fresh()?, NOW));
        assert!(change.is_err(), "{name}");
        assert_eq!(fs::read(files.document()).unwrap(), content, "{name}");
    }
}

#[test]
fn a_file_among_the_trusted_keys_that_is_none_is_told_and_the_others_count() {
    let dir = Dir::new("trusted");
    let files = Files::beneath(&dir.0);
    fs::create_dir_all(files.trusted()).unwrap();
    // The public key of RFC 8410 §10.1.
    let good = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    fs::write(files.trusted().join("fleet.pem"), good).unwrap();
    fs::write(files.trusted().join("odd.pem"), "hello").unwrap();
    fs::write(files.trusted().join("note.txt"), "hello").unwrap();
    let (keys, odd) = files.read_trusted();
    assert!(keys.named("fleet").is_some() && keys.all().len() == 1);
    assert!(odd.len() == 1 && odd[0].contains("odd.pem"), "{odd:?}");
}
