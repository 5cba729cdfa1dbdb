//! Finds the recordings of a stretch, works out what goes out, and sends it straight from their files.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, UNIX_EPOCH};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Found, Input, Origin, Query, Ranges, Ready, Trouble, Weight, digest, subject, words};
use crate::access::Principal;
use crate::clock::{self, Wall};
use crate::error::{Error, Kind as ErrorKind, Later, Result};
use crate::http::files::io::{CHUNK, asked, bearer, step};
use crate::http::files::offer::io::{Begun, Offer, begin};
use crate::http::files::permit::Signer;
use crate::http::files::slots::Slot;
use crate::http::files::terms::Asked;
use crate::http::files::{Kind, name};
use crate::http::io::Visit;
use crate::http::reply::Reply;
use crate::http::reply::io::{Body, BodyError, ready as made};
use crate::recording::index::Item;
use crate::recording::range::{Joiner, Refusal, Slice, Stretch, Took};
use crate::recording::{Recordings, begun, fmp4};
use crate::storage::names::Stem;
use crate::storage::shelf::Page;
use crate::supervise::blocking;

/// Recordings that are asked for at once.
const PAGE: usize = 1000;
/// Recordings of one stretch.
const MOST: usize = 5000;
/// Stretches that are worked out at once: it is work for the disk and the processor.
const AT_ONCE: usize = 2;
/// Stretches that are kept for the next request, and bytes of them.
const KEPT: (usize, usize) = (8, 24 << 20);
/// Bytes of all that are kept or being sent.
const ROOM: usize = 96 << 20;
/// How far what lists tell of a beginning or an end may be wrong.
const BLUR: Duration = Duration::from_secs(5);

/// How long a recording's file lasts: a day, and what it takes to notice that it is over.
const LONGEST_FILE: Duration = Duration::from_secs(25 * 3600);

/// When a recording began, of which the file itself tells the second; answers from memory.
pub type Begins = Box<dyn Fn(&Stem, Wall) -> Wall + Send + Sync>;

/// Makes stretches of what lies in folders.
pub struct Assembler(Arc<Inner>);

struct Inner {
    recordings: Arc<dyn Recordings>,
    begins: Begins,
    roots: Vec<PathBuf>,
    signer: Signer,
    turn: Semaphore,
    /// The last used one at the end.
    kept: Mutex<Vec<Arc<Ready>>>,
    weight: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Assembler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembler").finish_non_exhaustive()
    }
}

/// The recordings that may lie in a stretch, oldest first, and what lies nearest beside it.
#[derive(Default)]
struct Near {
    items: Vec<Item>,
    before: Option<Wall>,
    after: Option<Wall>,
}

impl Assembler {
    /// Of the recordings in `roots`, which `recordings` lists, and which began when `begins` says; links are signed by
    /// `signer`.
    #[must_use]
    pub fn new(
        recordings: Arc<dyn Recordings>,
        begins: Begins,
        roots: Vec<PathBuf>,
        signer: Signer,
    ) -> Self {
        Self(Arc::new(Inner {
            recordings,
            begins,
            roots,
            signer,
            turn: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
            weight: Arc::default(),
        }))
    }
}

impl Ranges for Assembler {
    fn find(&self, device: &str, stretch: Stretch) -> Later<Found> {
        Box::pin(Arc::clone(&self.0).find(device.to_owned(), stretch))
    }

    fn link(&self, device: &str, stretch: Stretch, who: &Principal, until: Wall) -> String {
        let words = words(stretch);
        let subject = subject(device, &words);
        let permit = self.0.signer.query(Kind::Recording, &subject, who, until);
        format!("/files/range/{device}?{words}&{permit}")
    }
}

impl Inner {
    async fn find(self: Arc<Self>, device: String, stretch: Stretch) -> Result<Found> {
        let near = self.near(&device, stretch).await?;
        let input = |item: &Item| {
            let entry = &item.entry;
            (entry.stem.clone(), entry.size, entry.modified)
        };
        let inputs: Vec<Input> = near.items.iter().map(input).collect();
        if let Some(known) = self.known(&device, stretch, &inputs) {
            let (this, same) = (Arc::clone(&self), Arc::clone(&known));
            // The last one may have grown since, or have been replaced.
            let last = known.origins.len().saturating_sub(1);
            let there = blocking(move || Ok(reopen(&this, &same, last).is_ok()));
            if there.await? {
                return Ok(Ok(known));
            }
        }
        if near.items.len() > MOST {
            return Ok(Err(Trouble::TooMany));
        }
        let turn = self.turn.acquire().await.map_err(|e| {
            Error::new(
                ErrorKind::Internal,
                "stretches of time are not made any more",
            )
            .because(e)
        })?;
        let this = Arc::clone(&self);
        let (before, after) = (near.before, near.after);
        let found = blocking(move || this.read(device, stretch, &near.items, inputs)).await?;
        drop(turn);
        Ok(match found {
            Ok(ready) => {
                let ready = Arc::new(ready);
                self.keep(Arc::clone(&ready));
                Ok(ready)
            }
            Err(Refusal::Nothing) => Err(Trouble::Nothing { before, after }),
            Err(Refusal::TooMany) => Err(Trouble::TooMany),
            Err(Refusal::Changed { at, from, to }) => Err(Trouble::Changed {
                at,
                what: format!("from {from} to {to}"),
            }),
        })
    }

    /// Asks the list, the newest first, until what comes was written before the stretch.
    async fn near(&self, device: &str, stretch: Stretch) -> Result<Near> {
        let mut near = Near::default();
        let mut offset = 0;
        loop {
            let page = Page {
                limit: PAGE,
                offset,
            };
            let listed = self.recordings.list(page).await?;
            for item in listed.files.iter().filter(|i| i.entry.device == device) {
                let lasts = item.facts.as_ref().map(|facts| facts.duration);
                let entry = &item.entry;
                let begin = self.begin_of(item);
                let end = lasts.map_or(entry.modified, |lasts| begin + lasts);
                // Neither examined yet, nor is its time of making to be believed: any of it may lie there.
                let begin = match lasts.is_none() && begin == entry.modified {
                    true => less(begin, LONGEST_FILE),
                    false => begin,
                };
                if begin >= stretch.end {
                    near.after = Some(near.after.map_or(begin, |after| after.min(begin)));
                } else if end <= stretch.start {
                    near.before = near.before.max(Some(end));
                }
                if begin < stretch.end + BLUR && end + BLUR > stretch.start {
                    near.items.push(item.clone());
                }
            }
            offset += PAGE;
            let old = |item: &Item| item.entry.modified + BLUR < stretch.start;
            let enough = near.before.is_some() && listed.files.last().is_some_and(old);
            if enough || offset >= listed.total || listed.files.is_empty() {
                break;
            }
        }
        near.items.sort_by_key(|item| self.begin_of(item));
        Ok(near)
    }

    /// When a recording of the list began, as well as that is known.
    fn begin_of(&self, item: &Item) -> Wall {
        let Item { entry, facts } = item;
        let lasts = facts.as_ref().map(|facts| facts.duration);
        let own = facts.as_ref().and_then(|facts| facts.begun);
        let disk = || begun(entry.created, entry.modified, lasts.unwrap_or_default());
        (self.begins)(&entry.stem, own.unwrap_or_else(disk))
    }

    /// Opens a recording wherever it lies; names are told apart by where.
    fn open(&self, device: &str, filename: &str) -> io::Result<Option<File>> {
        let mut last = Ok(None);
        for root in &self.roots {
            match open_in(root, device, filename) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                // A medium that is away must not hide what lies elsewhere.
                Err(error) => last = Err(error),
            }
        }
        last
    }

    /// Reads the tables of the recordings.
    fn read(
        &self,
        device: String,
        stretch: Stretch,
        items: &[Item],
        inputs: Vec<Input>,
    ) -> Result<std::result::Result<Ready, Refusal>> {
        let mut joiner = Joiner::new(stretch);
        let mut origins = Vec::new();
        for Item { entry, facts } in items {
            let unreadable = |e: io::Error| {
                Error::new(
                    ErrorKind::Internal,
                    format!("cannot read the recording {}", entry.stem),
                )
                .because(e)
                .action("check that the disk is there and that the service's user may read it")
            };
            let filename = entry.stem.with(crate::recording::EXTENSION);
            // Deleted meanwhile.
            let Some(mut file) = self.open(&device, &filename).map_err(unreadable)? else {
                continue;
            };
            let meta = file.metadata().map_err(unreadable)?;
            let lasts = match facts {
                Some(facts) => facts.duration,
                // Its time of making tells when it began, if it is to be believed.
                None if entry.created.is_some_and(|at| at <= entry.modified) => Duration::ZERO,
                None => fmp4::read(&mut file).map_or(Duration::ZERO, |told| told.duration),
            };
            let own = facts.as_ref().and_then(|facts| facts.begun);
            let disk = || begun(entry.created, entry.modified, lasts);
            let begin = (self.begins)(&entry.stem, own.unwrap_or_else(disk));
            let took = joiner.take(&entry.stem, begin, &mut file);
            match took.map_err(unreadable)? {
                Took::Some => origins.push(Origin {
                    filename,
                    identity: identity(&meta),
                    length: meta.len(),
                }),
                Took::Nothing => {}
                Took::Refused => break,
            }
        }
        Ok(joiner.finish().map(|plan| {
            let own = plan.weight();
            self.weight.fetch_add(own, Ordering::Relaxed);
            Ready {
                device,
                stretch,
                digest: digest(&plan),
                plan,
                origins,
                inputs,
                weight: Weight {
                    all: Arc::clone(&self.weight),
                    own,
                },
            }
        }))
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Arc<Ready>>> {
        // Each entry is whole by itself.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, device: &str, stretch: Stretch, inputs: &[Input]) -> Option<Arc<Ready>> {
        let mut kept = self.kept();
        let place = kept
            .iter()
            .position(|r| r.device == device && r.stretch == stretch)?;
        let ready = kept.remove(place);
        if !ready.is_of(inputs) {
            return None;
        }
        kept.push(Arc::clone(&ready));
        Some(ready)
    }

    fn keep(&self, ready: Arc<Ready>) {
        let mut kept = self.kept();
        kept.retain(|r| (&r.device, r.stretch) != (&ready.device, ready.stretch));
        kept.push(ready);
        let heavy = |kept: &[Arc<Ready>]| kept.iter().map(|r| r.weight.own).sum::<usize>() > KEPT.1;
        while kept.len() > KEPT.0 || (heavy(&kept) && kept.len() > 1) {
            kept.remove(0);
        }
    }

    fn forget(&self, ready: &Arc<Ready>) {
        self.kept().retain(|r| !Arc::ptr_eq(r, ready));
    }
}

/// A recording's file; `None` where there is none of that name, or no regular file.
fn open_in(root: &Path, device: &str, filename: &str) -> io::Result<Option<File>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // The folder itself may be a link: the installer chose it.
    let base = open(root, flags, Mode::empty())?;
    let Some(folder) = step(&base, device, OFlag::O_DIRECTORY)? else {
        return Ok(None);
    };
    // Without O_NONBLOCK, opening a FIFO would wait for its other end.
    let Some(file) = step(&folder, filename, OFlag::O_NONBLOCK)? else {
        return Ok(None);
    };
    let file = File::from(file);
    Ok(file.metadata()?.is_file().then_some(file))
}

/// Answers a download. `raw` is the device as it stood in the path.
pub(in crate::http) async fn download(
    visit: &Visit,
    request: &Request<Incoming>,
    raw: &str,
) -> Response<Body> {
    let services = &visit.shared.services;
    let now = clock::wall();
    let head = request.method() == "HEAD";
    let error = |status, message: &str| Reply::error(status, message, now);
    let device = name::decode(raw).unwrap_or_default();
    let query = Query::read(request.uri().query().unwrap_or_default());
    let signed = subject(&device, &query.words);
    let user = match bearer(visit, request, Kind::Recording, &signed, now) {
        Ok(user) => user,
        Err(refused) => return made(refused, head),
    };
    let stretch = match query.stretch {
        Ok(stretch) => stretch,
        Err(message) => return made(error(400, &message), head),
    };
    if !name::is_device(&device) {
        let message = "there is no camera or stream of this name; get_camera_list and get_external_streams name every one";
        return made(error(404, message), head);
    }
    let inner = Arc::clone(&services.ranges.0);
    let ready = match Arc::clone(&inner).find(device.clone(), stretch).await {
        Ok(Ok(ready)) => ready,
        Ok(Err(trouble)) => {
            let reply = error(trouble.status(), &trouble.sentence(&device));
            let reply = match trouble {
                Trouble::Busy => reply.header("retry-after", "5"),
                _ => reply,
            };
            return made(reply, head);
        }
        Err(e) => {
            tracing::warn!(error = %e, device, "a stretch of time could not be put together");
            let message = "a recording cannot be read; check the disk and the folder's rights, the log has the cause";
            return made(error(500, message), head);
        }
    };
    let version = ready.version();
    let mut asked = asked(request, head);
    only_tags(&mut asked);
    let filename = ready.filename();
    let offer = Offer {
        version: &version,
        media_type: "video/mp4",
        filename: &filename,
        more: &[
            ("recording-start", ready.plan.begin().rfc3339()),
            ("recording-end", ready.plan.end().rfc3339()),
        ],
    };
    let Begun {
        mut response,
        first,
        length,
        slot,
    } = match begin(visit, &asked, &offer, (&user, now)) {
        Ok(begun) => begun,
        Err(answered) => return *answered,
    };
    if inner.weight.load(Ordering::Relaxed) > ROOM {
        let reply = error(503, &Trouble::Busy.sentence(&device));
        return made(reply.header("retry-after", "5"), head);
    }
    tracing::debug!(
        user,
        device,
        first,
        length,
        "a download of a stretch of time begins"
    );
    *response.body_mut() = Streaming {
        inner,
        ready,
        at: first,
        left: length,
        file: None,
        reading: None,
        _slot: slot,
    }
    .boxed_unsync();
    response
}

/// There is no `Last-Modified` here, so no date can be one of ours.
const fn only_tags(asked: &mut Asked<'_>) {
    asked.if_modified_since = None;
    asked.if_unmodified_since = None;
    if let Some(tag) = asked.if_range
        && !matches!(tag.as_bytes(), [.., b'"'])
    {
        // A tag that nothing has.
        asked.if_range = Some("\"\"");
    }
}

/// What was read, and the file it ended in.
type Read = (Vec<u8>, Option<(usize, File)>);

/// A stretch on its way, one chunk in memory. Nothing is read while the client takes nothing.
struct Streaming {
    inner: Arc<Inner>,
    ready: Arc<Ready>,
    at: u64,
    left: u64,
    /// The recording that is being read.
    file: Option<(usize, File)>,
    reading: Option<JoinHandle<io::Result<Read>>>,
    _slot: Slot,
}

impl hyper::body::Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let (at, wanted) = (this.at, this.left.min(CHUNK));
        let reading = this.reading.get_or_insert_with(|| {
            let (inner, ready) = (Arc::clone(&this.inner), Arc::clone(&this.ready));
            let file = this.file.take();
            spawn_blocking(move || read(&inner, &ready, at, wanted, file))
        });
        let read = ready!(Pin::new(reading).poll(context));
        this.reading = None;
        let (chunk, file) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(e)) => {
                // Whoever asks again is told what is there now.
                this.inner.forget(&this.ready);
                return Poll::Ready(Some(Err(e.into())));
            }
            Err(panic) => return Poll::Ready(Some(Err(panic.into()))),
        };
        this.file = file;
        let length = chunk.len() as u64;
        this.at += length;
        this.left -= length;
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads `wanted` bytes from `at` on, over as many recordings as they lie in. Its length has been promised, so what is
/// not there any more is an error, which cuts the connection.
fn read(
    inner: &Inner,
    ready: &Ready,
    at: u64,
    wanted: u64,
    mut file: Option<(usize, File)>,
) -> io::Result<Read> {
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let mut chunk = Vec::with_capacity(wanted);
    while chunk.len() < wanted {
        let room = wanted - chunk.len();
        let slice = ready.plan.slice(at + chunk.len() as u64);
        let slice = slice.ok_or_else(|| io::Error::other("it is shorter than was told"))?;
        let (part, from, length) = match slice {
            Slice::Made(bytes) => {
                chunk.extend(bytes.iter().take(room));
                continue;
            }
            Slice::Of { part, from, length } => (part, from, length),
        };
        let opened = match file.take() {
            Some((open, opened)) if open == part => opened,
            _ => reopen(inner, ready, part)?,
        };
        let begin = chunk.len();
        let take = room.min(usize::try_from(length).unwrap_or(room));
        chunk.resize(begin + take, 0);
        opened.read_exact_at(&mut chunk[begin..], from)?;
        file = Some((part, opened));
    }
    Ok((chunk, file))
}

fn less(at: Wall, by: Duration) -> Wall {
    let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
    Wall::from_nanos(at.as_nanos().saturating_sub(by))
}

fn identity(meta: &std::fs::Metadata) -> (u64, u64, Option<Wall>) {
    let made = meta.created().ok();
    let made = made.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let made = made.and_then(|since| u64::try_from(since.as_nanos()).ok());
    (meta.dev(), meta.ino(), made.map(Wall::from_nanos))
}

fn reopen(inner: &Inner, ready: &Ready, part: usize) -> io::Result<File> {
    let gone = || io::Error::other("a recording was deleted or replaced while it was sent");
    let origin = ready.origins.get(part).ok_or_else(gone)?;
    let file = inner
        .open(&ready.device, &origin.filename)?
        .ok_or_else(gone)?;
    let meta = file.metadata()?;
    match identity(&meta) == origin.identity && meta.len() >= origin.length {
        true => Ok(file),
        false => Err(gone()),
    }
}

#[cfg(test)]
mod tests;
