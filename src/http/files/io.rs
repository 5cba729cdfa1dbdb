//! Finds, opens and streams a file. Everything that touches the disk runs beside the runtime.
//!
//! A path is never put together from a client's text: each step is `openat` in a folder held open,
//! without following symbolic links, so that no name and no link on the disk leads elsewhere.

use std::fs::{File, read_dir};
use std::future::Future as _;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use tokio::task::{JoinHandle, spawn_blocking};

use super::offer::io::{Begun, Offer, begin};
use super::permit::{Refusal, Signer};
use super::slots::Slot;
use super::terms::{Asked, Version};
use super::{Downloads, Kind, Located, name};
use crate::access::limits::{Wait, Who};
use crate::access::{Principal, Role};
use crate::clock::{self, Wall};
use crate::error::{Error, Kind as ErrorKind, Later};
use crate::http::io::Visit;
use crate::http::reply::Reply;
use crate::http::reply::io::{Body, BodyError, ready as made, text};
use crate::system::doors::{Limited, Login};

/// Who may download.
const LEAST: Role = Role::Viewer;
/// Read and handed over at once; with one in the socket's queue, what a download costs in memory.
pub(super) const CHUNK: u64 = 128 << 10;
/// Folders looked through: one per camera or stream that ever was.
const FOLDERS: usize = 1024;

/// Where recordings and snapshots lie, and the key of their links.
#[derive(Debug)]
pub struct Library {
    recordings: PathBuf,
    snapshots: PathBuf,
    /// The same in the fallback, where there is one.
    fallback: Option<(PathBuf, PathBuf)>,
    signer: Signer,
}

/// An opened file.
struct Found {
    file: File,
    filename: String,
    version: Version,
}

impl Library {
    /// Files lie in `<folder>/<camera or stream>/<name>`. The folders need not exist yet.
    #[must_use]
    pub const fn new(recordings: PathBuf, snapshots: PathBuf, signer: Signer) -> Self {
        Self {
            recordings,
            snapshots,
            fallback: None,
            signer,
        }
    }

    /// What is not found there is looked for in these, too.
    #[must_use]
    pub fn and(mut self, fallback: Option<(PathBuf, PathBuf)>) -> Self {
        self.fallback = fallback;
        self
    }

    fn root(&self, kind: Kind) -> &Path {
        match kind {
            Kind::Recording => &self.recordings,
            Kind::Snapshot => &self.snapshots,
        }
    }

    async fn find(&self, kind: Kind, name: &str) -> io::Result<Option<Found>> {
        let names = name::candidates(kind, name);
        if names.is_empty() {
            return Ok(None);
        }
        let root = self.root(kind).to_owned();
        let spare = self
            .fallback
            .as_ref()
            .map(|(recordings, snapshots)| match kind {
                Kind::Recording => recordings.clone(),
                Kind::Snapshot => snapshots.clone(),
            });
        let look = move || match (search(&root, &names), spare) {
            (Ok(Some(found)), _) => Ok(Some(found)),
            (none, None) => none,
            // A medium in trouble tells nothing; what lies in the fallback can be had all the same.
            (none, Some(spare)) => match search(&spare, &names)? {
                Some(found) => Ok(Some(found)),
                None => none,
            },
        };
        match spawn_blocking(look).await {
            Ok(found) => found,
            Err(panic) => Err(io::Error::other(panic)),
        }
    }
}

impl Downloads for Library {
    fn locate(&self, kind: Kind, name: &str) -> Later<Option<Located>> {
        let same = Self::new(
            self.recordings.clone(),
            self.snapshots.clone(),
            self.signer.clone(),
        )
        .and(self.fallback.clone());
        let name = name.to_owned();
        Box::pin(async move {
            let found = same.find(kind, &name).await.map_err(|e| {
                Error::new(
                    ErrorKind::Internal,
                    format!("cannot look into the folder of {}", kind.folder()),
                )
                .because(e)
                .action("check that the disk is there and that the service's user may read it")
            })?;
            Ok(found.map(|found| Located {
                filename: found.filename,
                size: found.version.size,
            }))
        })
    }

    fn link(&self, kind: Kind, filename: &str, who: &Principal, until: Wall) -> String {
        format!(
            "/files/{}/{filename}?{}",
            kind.folder(),
            self.signer.query(kind, filename, who, until)
        )
    }
}

fn search(root: &Path, names: &[String]) -> io::Result<Option<Found>> {
    // The folder itself may be a link: the installer chose it.
    let base = match open(
        root,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    ) {
        Ok(base) => base,
        Err(Errno::ENOENT) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let mut folders: Vec<String> = read_dir(root)?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|folder| name::is_device(folder))
        .take(FOLDERS)
        .collect();
    folders.sort_unstable();
    for folder in folders {
        let Some(folder) = step(&base, &folder, OFlag::O_DIRECTORY)? else {
            continue;
        };
        for name in names {
            // Without O_NONBLOCK, opening a FIFO would wait for its other end.
            let Some(file) = step(&folder, name, OFlag::O_NONBLOCK)? else {
                continue;
            };
            let file = File::from(file);
            let meta = file.metadata()?;
            if meta.is_file() {
                return Ok(Some(Found {
                    version: version(&meta),
                    filename: name.clone(),
                    file,
                }));
            }
        }
    }
    Ok(None)
}

/// One step down; `None` where there is nothing of that name, or a symbolic link, or not what was wanted.
pub(super) fn step(folder: &OwnedFd, name: &str, what: OFlag) -> io::Result<Option<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | what;
    match openat(folder, name, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR | Errno::ENXIO) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn version(meta: &std::fs::Metadata) -> Version {
    let wall = |secs: i64, nanos: i64| {
        let secs = u64::try_from(secs).unwrap_or(0);
        let nanos = u64::try_from(nanos).unwrap_or(0);
        Wall::from_nanos(secs.saturating_mul(1_000_000_000).saturating_add(nanos))
    };
    Version {
        size: meta.size(),
        modified: wall(meta.mtime(), meta.mtime_nsec()),
        changed: wall(meta.ctime(), meta.ctime_nsec()),
        inode: meta.ino(),
    }
}

/// Answers a download. `raw` is the name as it stood in the path.
pub(in crate::http) async fn download(
    visit: &Visit,
    request: &Request<Incoming>,
    kind: Kind,
    raw: &str,
) -> Response<Body> {
    let services = &visit.shared.services;
    let now = clock::wall();
    let head = request.method() == "HEAD";
    let error = |status, message: &str| Reply::error(status, message, now);
    let name = name::decode(raw).unwrap_or_default();
    let user = match bearer(visit, request, kind, &name, now) {
        Ok(user) => user,
        Err(refused) => return made(refused, head),
    };
    let found = match services.library.find(kind, &name).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            let message = format!(
                "there is no {} of this name; the list of {} names every one",
                kind.as_str(),
                kind.folder()
            );
            return made(error(404, &message), head);
        }
        Err(e) => {
            tracing::warn!(error = %e, kind = kind.as_str(), "a file could not be opened for download");
            let message = "the file cannot be read; check the disk and the folder's rights, the log has the cause";
            return made(error(500, message), head);
        }
    };
    let (file, filename, version) = (found.file, found.filename, found.version);
    let offer = Offer {
        version: &version,
        media_type: name::media_type(&filename),
        filename: &filename,
        more: &[("last-modified", version.last_modified())],
    };
    let Begun {
        mut response,
        first,
        length,
        slot,
    } = match begin(visit, &asked(request, head), &offer, (&user, now)) {
        Ok(begun) => begun,
        Err(answered) => return *answered,
    };
    tracing::debug!(user, filename, first, length, "a download begins");
    *response.body_mut() = Streaming {
        file: Arc::new(file),
        at: first,
        left: length,
        reading: None,
        _slot: slot,
    }
    .boxed_unsync();
    response
}

pub(super) fn asked(request: &Request<Incoming>, head: bool) -> Asked<'_> {
    Asked {
        if_match: text(request, "if-match"),
        if_unmodified_since: text(request, "if-unmodified-since"),
        if_none_match: text(request, "if-none-match"),
        if_modified_since: text(request, "if-modified-since"),
        range: text(request, "range"),
        if_range: text(request, "if-range"),
        head,
    }
}

/// Who asks, by header or by the link's own signature; else the refusal (RFC 9110 §15.5.2, RFC 6750 §3).
pub(super) fn bearer(
    visit: &Visit,
    request: &Request<Incoming>,
    kind: Kind,
    name: &str,
    now: Wall,
) -> Result<String, Reply> {
    let services = &visit.shared.services;
    let refuse = |message: &str, challenge: &str| {
        let challenge = format!("Bearer realm=\"camera-service\"{challenge}");
        Reply::error(401, message, now).header("www-authenticate", challenge)
    };
    let invalid = ", error=\"invalid_token\"";
    let token = text(request, "authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .or_else(|| text(request, "x-api-key").map(str::trim));
    let (guard, from, mono) = (&services.desk.guard, visit.peer.ip(), clock::mono());
    let doors = visit.shared.doors();
    let too_many = |what: Limited, wait: Wait| {
        doors.limited.count(what);
        let seconds = wait.millis().div_ceil(1000).to_string();
        Reply::error(
            429,
            "too many requests; wait as long as Retry-After says",
            now,
        )
        .header("retry-after", seconds)
    };
    let count = |user: &str, role| {
        guard
            .limits
            .request(Who::User(user, role), mono)
            .map_err(|wait| too_many(Limited::Requests, wait))
    };
    if guard.owner.is_unclaimed() {
        return Err(refuse(
            "this box is nobody's yet; open its page and type in the code that its console shows",
            "",
        ));
    }
    if let Some(token) = token {
        // Counted before it is judged, as on the WebSocket, so that nobody tries keys here instead.
        guard.limits.attempt(from, mono).map_err(|wait| {
            doors.logins.count(Login::LockedOut);
            too_many(Limited::Logins, wait)
        })?;
        let login = services.desk.verifier.verify(token, now).map_err(|r| {
            doors.logins.count(Login::Failed);
            refuse(
                &format!("{}; send a valid token or API key", r.details),
                invalid,
            )
        })?;
        guard.limits.attempt_was_good(from);
        doors.logins.count(Login::Good);
        if login.expires_at <= now {
            return Err(refuse("the token has expired; send a new one", invalid));
        }
        if login.role < LEAST {
            let message = format!("this needs the role {} or a higher one", LEAST.as_str());
            return Err(Reply::error(403, &message, now));
        }
        count(&login.user_id, login.role)?;
        return Ok(login.user_id);
    }
    let query = request.uri().query().unwrap_or_default();
    match services.library.signer.check(kind, name, query, now) {
        Some(Ok(who)) => {
            // A link opens for as long as the login does that asked for it.
            let verifier = &services.desk.verifier;
            let who = verifier.again(&who, now).map_err(|r| {
                let message = format!("{}, and the link with it; ask for a new one", r.details);
                refuse(&message, invalid)
            })?;
            count(&who.user_id, LEAST)?;
            Ok(who.user_id)
        }
        Some(Err(Refusal::Expired)) => Err(refuse(
            "the link has expired; ask for a new one with get_download_url",
            invalid,
        )),
        Some(Err(Refusal::Invalid)) => Err(refuse(
            "the link's signature does not fit it; ask for a new one with get_download_url",
            invalid,
        )),
        None => Err(refuse(
            "send Authorization: Bearer with a token, X-API-Key with a key, or use a link from get_download_url",
            "",
        )),
    }
}

/// A file on its way, one chunk in memory. Nothing is read while the client takes nothing.
struct Streaming {
    file: Arc<File>,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
    _slot: Slot,
}

impl hyper::body::Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let (at, wanted) = (self.at, self.left.min(CHUNK));
        let file = Arc::clone(&self.file);
        let reading = self
            .reading
            .get_or_insert_with(|| spawn_blocking(move || read(&file, at, wanted)));
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let chunk = match read {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(e)) => return Poll::Ready(Some(Err(e.into()))),
            Err(panic) => return Poll::Ready(Some(Err(panic.into()))),
        };
        let length = chunk.len() as u64;
        self.at += length;
        self.left -= length;
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn read(file: &File, at: u64, wanted: u64) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; usize::try_from(wanted).unwrap_or(0)];
    let got = loop {
        match file.read_at(&mut chunk, at) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if got == 0 {
        // Its length has been promised; only cutting the connection tells that it is not kept.
        return Err(io::Error::other(
            "the file became shorter while it was sent",
        ));
    }
    chunk.truncate(got);
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    /// A tree in which everything but one file is a way out or no file at all.
    struct Tree(PathBuf);

    impl Tree {
        fn new() -> Self {
            let name = format!("camera-service-files-{}", uuid::Uuid::new_v4().simple());
            let tree = Self(std::env::temp_dir().join(name));
            let (root, away) = (tree.0.join("recordings"), tree.0.join("away"));
            for folder in [
                root.join("a"),
                root.join("b.c"),
                root.join(".d"),
                away.join("a"),
            ] {
                fs::create_dir_all(folder).unwrap();
            }
            fs::write(root.join("a/a.mp4"), "good").unwrap();
            fs::write(root.join("top.mp4"), "SECRET").unwrap();
            fs::write(root.join(".d/b.mp4"), "SECRET").unwrap();
            fs::write(root.join("b.c/b.mp4"), "SECRET").unwrap();
            fs::write(root.join("a/.b.mp4"), "SECRET").unwrap();
            fs::create_dir(root.join("a/c.mp4")).unwrap();
            fs::write(away.join("b.mp4"), "SECRET").unwrap();
            std::os::unix::fs::symlink(away.join("b.mp4"), root.join("a/b.mp4")).unwrap();
            std::os::unix::fs::symlink(&away, root.join("b")).unwrap();
            tree
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn found(tree: &Tree, text: &str) -> Option<String> {
        let names = name::candidates(Kind::Recording, &name::decode(text)?);
        let found = search(&tree.0.join("recordings"), &names).unwrap()?;
        let bytes = read(&found.file, 0, found.version.size).unwrap();
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_one_good_file_is_found_and_a_missing_folder_is_an_empty_one() {
        let tree = Tree::new();
        for name in ["a", "a.mp4", "%61%2emp4"] {
            assert_eq!(found(&tree, name).as_deref(), Some("good"), "{name}");
        }
        let nowhere = tree.0.join("nowhere");
        assert!(search(&nowhere, &["a.mp4".to_owned()]).unwrap().is_none());
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error_and_no_endless_wait() {
        let tree = Tree::new();
        let file = File::open(tree.0.join("recordings/a/a.mp4")).unwrap();
        assert_eq!(read(&file, 2, 100).unwrap(), b"od");
        assert!(read(&file, 4, 1).is_err());
    }

    #[test]
    fn whatever_is_asked_only_the_good_file_ever_comes() {
        let tree = Tree::new();
        let part = "(a|b|c|top|away|b\\.c|\\.d|\\.mp4|/|\\.\\.|\\.|%2e|%2f|%5c|%00|%|\\PC)";
        let mut runner = proptest::test_runner::TestRunner::default();
        let texts = proptest::string::string_regex(&format!("{part}{{0,7}}")).unwrap();
        runner
            .run(&texts, |text| {
                prop_assert!(matches!(
                    found(&tree, &text).as_deref(),
                    None | Some("good")
                ));
                Ok(())
            })
            .unwrap();
    }
}
