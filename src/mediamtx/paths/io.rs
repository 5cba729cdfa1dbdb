//! Makes wishes for paths true: after every change, after every start of MediaMTX, and now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Keeper, Operation, PathWish, Paths, decide, is_name, scrubbed};
use crate::error::{Error, Kind, Later, Result};
use crate::mediamtx::Shared;
use crate::mediamtx::api::io::Api;
use crate::mediamtx::io::MediaMtx;

/// MediaMTX forgets without a word when somebody touches its file; so it is looked at this often.
const LOOK: Duration = Duration::from_secs(10);
/// From a failed question to the next try, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Rounds of looking and telling after one change; the second finds everything in order.
const ROUNDS: usize = 4;

/// All wishes, and how far MediaMTX has taken them.
#[derive(Default)]
struct Board {
    book: Mutex<Book>,
    /// A wish changed.
    changed: Notify,
    /// The keeper looked at MediaMTX.
    looked: watch::Sender<()>,
}

#[derive(Default)]
struct Book {
    wishes: BTreeMap<String, PathWish>,
    /// Names that were wished for and may still have an entry.
    owned: BTreeSet<String>,
    /// Counts changes of wishes.
    count: u64,
    /// When each name was changed last, in that count.
    changed: BTreeMap<String, u64>,
    /// Up to which change MediaMTX was seen to have each name as wished.
    taken: BTreeMap<String, u64>,
    /// What MediaMTX said against a wish, and against which change.
    refused: BTreeMap<String, (u64, String)>,
    /// Why MediaMTX could not be told, while it cannot.
    away: Option<String>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board")
            .field("wishes", &self.book().wishes)
            .finish_non_exhaustive()
    }
}

impl Board {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Whoever panicked while holding it changed single entries only.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn touched(&mut self, name: &str) {
        self.count += 1;
        self.changed.insert(name.to_owned(), self.count);
        self.refused.remove(name);
    }

    /// What there is to say about `name`, if anything, since its change number `wanted`.
    fn verdict(&self, name: &str, wanted: u64) -> Option<Result<()>> {
        if self.taken.get(name).is_some_and(|at| *at >= wanted) {
            return Some(Ok(()));
        }
        let (at, said) = self.refused.get(name)?;
        (*at >= wanted).then(|| {
            Err(Error::new(
                Kind::Refused,
                format!("MediaMTX does not take the path {name}: {said}"),
            ))
        })
    }
}

/// The wishes as [`Paths`] uses them.
#[derive(Debug, Clone)]
struct Handle(Arc<Board>);

impl Keeper for Handle {
    fn change(&self, name: &str, change: Box<dyn FnOnce(&mut PathWish) + '_>) {
        {
            let mut book = self.0.book();
            let before = book.wishes.get(name).cloned();
            let mut wish = before.clone().unwrap_or_default();
            change(&mut wish);
            if before.as_ref() == Some(&wish) {
                return;
            }
            book.wishes.insert(name.to_owned(), wish);
            book.owned.insert(name.to_owned());
            book.touched(name);
        }
        self.0.changed.notify_one();
    }

    fn forget(&self, name: &str) {
        {
            let mut book = self.0.book();
            if book.wishes.remove(name).is_none() {
                return;
            }
            book.touched(name);
        }
        self.0.changed.notify_one();
    }

    fn wished(&self, name: &str) -> Option<PathWish> {
        self.0.book().wishes.get(name).cloned()
    }

    fn settled(&self, name: &str, patience: Duration) -> Later<()> {
        let (board, name) = (Arc::clone(&self.0), name.to_owned());
        // Which change is meant is decided now, and not when the future is first looked at.
        let wanted = board.book().changed.get(&name).copied();
        let mut looked = board.looked.subscribe();
        Box::pin(async move {
            let Some(wanted) = wanted else {
                return Ok(());
            };
            if !is_name(&name) {
                return Err(Error::new(
                    Kind::Refused,
                    format!("{name:?} cannot be the name of a path"),
                )
                .action("use small letters, digits, _ and -"));
            }
            let waiting = async {
                loop {
                    if let Some(verdict) = board.book().verdict(&name, wanted) {
                        return verdict;
                    }
                    // The sender lives as long as the board.
                    let _ = looked.changed().await;
                }
            };
            match timeout(patience, waiting).await {
                Ok(verdict) => verdict,
                Err(_) => {
                    let away = board.book().away.clone();
                    let why = away.unwrap_or_else(|| "it did not answer in time".to_owned());
                    Err(Error::new(
                        Kind::Gone,
                        format!(
                            "MediaMTX has not taken the path {name} within {:.1} s: {why}",
                            patience.as_secs_f64()
                        ),
                    )
                    .action("wait: it is told again as soon as it answers"))
                }
            }
        })
    }
}

/// Keeps the wishes; ends when it is dropped, and the wishes stay what they are.
#[derive(Debug)]
pub struct PathKeeper {
    board: Arc<Board>,
    task: Option<JoinHandle<()>>,
}

impl Default for PathKeeper {
    fn default() -> Self {
        Self {
            board: Arc::new(Board::default()),
            task: None,
        }
    }
}

impl PathKeeper {
    /// The handle. Wishes may be made before MediaMTX is there.
    #[must_use]
    pub fn paths(&self) -> Paths {
        Paths::new(Arc::new(Handle(Arc::clone(&self.board))))
    }

    /// Begins to tell MediaMTX.
    pub fn serve(&mut self, media: &MediaMtx) {
        if let Some(before) = self.task.take() {
            before.abort();
        }
        let worker = Worker {
            board: Arc::clone(&self.board),
            api: media.api().clone(),
            shared: media.shared(),
            changes: media.changes(),
        };
        self.task = Some(tokio::spawn(worker.run()));
    }
}

impl Drop for PathKeeper {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Worker {
    board: Arc<Board>,
    api: Api,
    shared: Shared,
    changes: watch::Receiver<()>,
}

impl Worker {
    async fn run(mut self) {
        let mut incarnation = None;
        let mut retry = RETRY.0;
        loop {
            let now = self.shared.get();
            if !now.is_up() {
                self.forgotten("it is not running");
                incarnation = None;
                // Its keeper holds the sender and ends after us.
                if self.changes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let pid = now.process.pid();
            if incarnation != Some(pid) {
                self.forgotten("it has just started");
                incarnation = Some(pid);
            }
            let pause = match self.make_true().await {
                Ok(()) => {
                    retry = RETRY.0;
                    LOOK
                }
                Err(e) => {
                    let pause = retry;
                    retry = (retry * 2).min(RETRY.1);
                    self.board.book().away = Some(e.to_string());
                    self.board.looked.send_replace(());
                    pause
                }
            };
            self.wait(pause, incarnation).await;
        }
    }

    /// Waits for a change of a wish, a death or a new start of MediaMTX, or for the pause to end.
    async fn wait(&mut self, pause: Duration, incarnation: Option<Option<u32>>) {
        let board = Arc::clone(&self.board);
        let shared = self.shared.clone();
        let other_process = async {
            loop {
                if self.changes.changed().await.is_err() {
                    return std::future::pending().await;
                }
                let now = shared.get();
                if !now.is_up() || incarnation != Some(now.process.pid()) {
                    return;
                }
            }
        };
        tokio::select! {
            () = board.changed.notified() => {}
            () = other_process => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// MediaMTX has nothing of what it was told.
    fn forgotten(&self, why: &str) {
        {
            let mut book = self.board.book();
            book.taken.clear();
            book.refused.clear();
            book.away = Some(why.to_owned());
        }
        self.board.looked.send_replace(());
    }

    /// Looks and tells until there is nothing left to tell.
    async fn make_true(&self) -> Result<()> {
        for _ in 0..ROUNDS {
            let (wishes, owned, upto) = {
                let book = self.board.book();
                (book.wishes.clone(), book.owned.clone(), book.count)
            };
            let listed = self.api.path_configs().await?;
            let operations = decide(&wishes, &owned, &listed);
            self.note(&wishes, &owned, &operations, upto);
            let mut told = 0;
            for operation in &operations {
                told += usize::from(self.tell(&wishes, operation, upto).await?);
            }
            self.board.looked.send_replace(());
            if told == 0 {
                return Ok(());
            }
        }
        Err(Error::new(
            Kind::Internal,
            "MediaMTX takes what it is told about its paths and shows something else",
        )
        .action("use the MediaMTX version that this camera-service was tested with"))
    }

    /// Notes what was found in order.
    fn note(
        &self,
        wishes: &BTreeMap<String, PathWish>,
        owned: &BTreeSet<String>,
        operations: &[Operation],
        upto: u64,
    ) {
        let open: BTreeSet<&str> = operations.iter().map(Operation::name).collect();
        let mut book = self.board.book();
        book.away = None;
        for name in owned.iter().filter(|name| !open.contains(name.as_str())) {
            book.taken.insert(name.clone(), upto);
            if !wishes.contains_key(name) && !book.wishes.contains_key(name) {
                // Forgotten by us and by MediaMTX; what is still waited for is in `taken` for a while.
                book.owned.remove(name);
            }
        }
        let Book {
            owned,
            taken,
            changed,
            refused,
            count,
            ..
        } = &mut *book;
        // Nobody waits for changes this old; so the tables stay as small as the wishes.
        let old = count.saturating_sub(1000);
        taken.retain(|name, at| owned.contains(name) || *at > old);
        changed.retain(|name, at| owned.contains(name) || *at > old);
        refused.retain(|name, _| owned.contains(name));
    }

    /// Tells one thing; false when it was refused before and nothing has changed since.
    async fn tell(
        &self,
        wishes: &BTreeMap<String, PathWish>,
        operation: &Operation,
        upto: u64,
    ) -> Result<bool> {
        let name = operation.name();
        if self.board.book().refused.contains_key(name) {
            return Ok(false);
        }
        let answer = match operation {
            Operation::Put { body, .. } => self.api.put_path_config(name, body).await,
            Operation::Delete { .. } => self.api.delete_path_config(name).await,
        };
        match answer {
            Ok(()) => {
                tracing::debug!(path = name, ?operation, "MediaMTX was told");
                Ok(true)
            }
            Err(e) if e.kind() == Kind::Refused => {
                let source = wishes.get(name).and_then(|w| w.source.as_deref());
                let said = scrubbed(&e.to_string(), source.unwrap_or_default());
                tracing::warn!(path = name, "{said}");
                let mut book = self.board.book();
                // A wish changed meanwhile is another one; it is told in the next round.
                if book.changed.get(name).is_none_or(|at| *at <= upto) {
                    book.refused.insert(name.to_owned(), (upto, said));
                }
                Ok(true)
            }
            Err(e) => Err(e),
        }
    }
}
