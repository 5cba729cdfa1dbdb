//! Does what `camera-service keys`, `revoke` and `token --key` say.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Args, Format, Verb, as_json, counted, listed, made};
use crate::access::audit::io::note_command;
use crate::access::io::{become_owner, load_or_create};
use crate::access::store::io::{Files, fresh};
use crate::access::store::keys::no_such_key;
use crate::access::store::{Index, KeyRecord, Store, Target, Wanted};
use crate::access::token::claims_of;
use crate::access::trusted::SigningKey;
use crate::access::{self, Grant, Judge, Role};
use crate::cli::revoke;
use crate::clock::{self, Wall};
use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};

/// Bytes of a token or private key that is read.
const LONGEST: u64 = 64 << 10;

/// `camera-service keys`.
pub(in crate::cli) fn run(args: &Args) -> Result<()> {
    let config = config::io::read(Config::default(), args.config.as_deref())?;
    let data_dir = &config.storage.data_dir;
    let files = Files::beneath(data_dir);
    let (format, now) = (args.format, clock::wall());
    // Opened as whoever asked; all that follows is done as the owner of the folder.
    let output = match &args.verb {
        Verb::Export {
            output: Some(path), ..
        } => Some((path.as_path(), opened(path)?)),
        _ => None,
    };
    become_owner(data_dir)?;
    files.not_lost()?;
    match &args.verb {
        Verb::Generate {
            role,
            expiry,
            description,
            force,
        } => {
            let wanted = Wanted {
                role: *role,
                expiry: expiry.unwrap_or(config.api_key_management.default_expiry),
                description: description.clone(),
            };
            let most = match force {
                true => usize::MAX,
                false => usize::try_from(config.api_key_management.max_keys_per_role)
                    .unwrap_or(usize::MAX),
            };
            let fresh = fresh()?;
            let (_, (key, text)) = files
                .change(|store| store.create(&wanted, most, fresh, now))
                .map_err(|e| match e.kind() {
                    Kind::Refused => e.action(
                        "revoke a key, raise api_key_management.max_keys_per_role, or add --force",
                    ),
                    _ => e,
                })?;
            access::claim::io::own(data_dir, "camera-service keys")?;
            note_command(data_dir, "keys generate", Some(key.id.clone()));
            show(&made(&key, &text, format, now))
        }
        Verb::List { role, status } => {
            let store = files.read()?;
            let keys: Vec<&KeyRecord> = store
                .keys
                .iter()
                .rev()
                .filter(|key| role.is_none_or(|role| key.role == role))
                .filter(|key| status.is_none_or(|status| key.status(now) == status))
                .collect();
            show(&listed(&keys, format, now))
        }
        Verb::Revoke { key_id } => {
            let (_, key) = files.change(|store| store.revoke_key(key_id, now))?;
            note_command(data_dir, "keys revoke", Some(key.id.clone()));
            show(&listed(&[&key], format, now))
        }
        Verb::Rotate {
            key_id,
            role,
            force,
        } => {
            rotate(&files, key_id.as_deref(), *role, *force, format, now)?;
            let which = key_id.clone().or(role.map(|r| r.as_str().to_owned()));
            note_command(data_dir, "keys rotate", which);
            Ok(())
        }
        Verb::Export { key_id, .. } => {
            let store = files.read()?;
            let key = store.key(key_id).ok_or_else(|| no_such_key(key_id))?;
            export(key, output, now)
        }
        Verb::Cleanup { dry_run } => {
            let dead = match dry_run {
                true => files.read()?.sweep(now),
                false => files.change(|store| Ok(store.sweep(now)))?.1,
            };
            let dead: Vec<&KeyRecord> = dead.iter().collect();
            if format == Format::Table {
                let word = if *dry_run {
                    "would be dropped"
                } else {
                    "dropped"
                };
                eprintln!("{} {word}", dead.len());
            }
            show(&listed(&dead, format, now))
        }
        Verb::Stats => show(&counted(&files.read()?, format, now)),
    }
}

fn rotate(
    files: &Files,
    key_id: Option<&str>,
    role: Option<Role>,
    force: bool,
    format: Format,
    now: Wall,
) -> Result<()> {
    let change = |store: &mut Store| {
        let ids: Vec<String> = match (key_id, role) {
            (Some(id), _) => vec![id.to_owned()],
            (None, Some(role)) => store.active(role, now).map(|key| key.id.clone()).collect(),
            (None, None) => Vec::new(),
        };
        if ids.is_empty() {
            return Err(Error::new(Kind::Gone, "no active key has that role")
                .action("make one with camera-service keys generate"));
        }
        if ids.len() > 1 && !force {
            return Err(Error::new(
                Kind::Refused,
                format!(
                    "{} keys would end at once, and whoever holds them needs a new one",
                    ids.len()
                ),
            )
            .action("name one with --key-id, or add --force"));
        }
        ids.iter()
            .map(|id| store.rotate(id, fresh()?, now))
            .collect::<Result<Vec<_>>>()
    };
    let (_, new) = files.change(change)?;
    if format == Format::Json {
        let shown: Vec<serde_json::Value> = new
            .iter()
            .map(|(key, text)| {
                let mut shown = as_json(key, now);
                shown["key"] = text.as_str().into();
                shown
            })
            .collect();
        return show(&format!("{:#}\n", serde_json::Value::from(shown)));
    }
    let shown: Vec<String> = new
        .iter()
        .map(|(key, text)| made(key, text, format, now))
        .collect();
    show(&shown.join("\n"))
}

fn opened(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|e| unwritten(path, e))
}

fn unwritten(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Config, format!("cannot write {}", path.display())).because(error)
}

fn export(key: &KeyRecord, output: Option<(&Path, File)>, now: Wall) -> Result<()> {
    let text = format!("{:#}\n", as_json(key, now));
    eprintln!("The key itself is not in it: only a hash of it is kept. rotate gives a new one.");
    let Some((path, mut file)) = output else {
        return show(&text);
    };
    let regular = file.metadata().is_ok_and(|meta| meta.is_file());
    // A pipe or a terminal has no length.
    let emptied = if regular { file.set_len(0) } else { Ok(()) };
    emptied
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all())
        .map_err(|e| unwritten(path, e))
}

/// Waits until a service that runs has seen the change, so that a script can use a new key in its next line, and an old
/// one opens nothing any more.
pub(in crate::cli) fn settle() {
    std::thread::sleep(access::live::io::SEEN_WITHIN);
}

/// `camera-service revoke`.
pub(in crate::cli) fn revoke(args: &revoke::Args) -> Result<()> {
    let config = config::io::read(Config::default(), args.config.as_deref())?;
    let data_dir = &config.storage.data_dir;
    become_owner(data_dir)?;
    let (files, now) = (Files::beneath(data_dir), clock::wall());
    files.not_lost()?;
    let what = &args.what;
    let (target, known) = if let Some(text) = &what.token {
        let text = match text.as_str() {
            "-" => from_stdin()?,
            text => text.to_owned(),
        };
        let judge = Judge {
            keyring: load_or_create(data_dir)?,
            trusted: files.read_trusted().0,
            index: Index::new(files.read()?),
        };
        let no = |why: String| {
            Error::new(
                Kind::Refused,
                format!("this token cannot be revoked: {why}"),
            )
        };
        let who = match judge.open(text.trim(), now) {
            Ok(Grant::Login(who)) => who,
            Ok(Grant::Stream(ticket)) => ticket.bearer,
            Err(why) => return Err(no(why.to_string())),
        };
        let target = who.credential.target().ok_or_else(|| {
            no("it is an API key".to_owned())
                .action("camera-service keys revoke --key-id takes its rights")
        })?;
        (target, Some(who))
    } else if let Some(user) = &what.user {
        (Target::User(user.clone()), None)
    } else {
        (
            Target::Token(what.token_id.clone().unwrap_or_default()),
            None,
        )
    };
    files.change(|store| store.revoke(target.clone(), known.as_ref(), now))?;
    let whose = match &target {
        Target::Token(id) => id.clone(),
        Target::User(user) => user.clone(),
    };
    note_command(data_dir, "revoke", Some(whose));
    match target {
        Target::Token(id) => println!("revoked the token {id}"),
        Target::User(user) => {
            println!("revoked every token of {user} made until {}", now.rfc3339())
        }
    }
    Ok(())
}

/// `camera-service token --key`: a token signed by a private key.
pub(in crate::cli) fn sign(
    path: &Path,
    kid: Option<&str>,
    user: &str,
    role: Role,
    ttl_secs: u64,
) -> Result<String> {
    let refuse = |what: String| Error::new(Kind::Config, format!("{} {what}", path.display()));
    let mut pem = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut pem))
        .map_err(|e| refuse(format!("cannot be read: {e}")))?;
    let key = SigningKey::from_pem(&pem).map_err(|what| {
        refuse(what).action("make one with: openssl genpkey -algorithm ed25519 -out FILE.pem")
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let claims = claims_of(user, role, Duration::from_secs(ttl_secs), clock::wall());
    key.sign(kid.unwrap_or(&stem), &claims)
        .map_err(|what| refuse(format!("does not sign: {what}")))
}

fn from_stdin() -> Result<String> {
    let mut text = String::new();
    io::stdin()
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|e| {
            Error::new(Kind::Refused, "cannot read the token from standard input").because(e)
        })?;
    Ok(text)
}

/// Writes to standard output; a reader that has gone is no panic.
fn show(text: &str) -> Result<()> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Error::new(Kind::Gone, "cannot write to standard output").because(e))
}
