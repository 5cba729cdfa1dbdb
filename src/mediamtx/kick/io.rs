//! Ends the sessions of those whose rights have ended.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::{Admissions, Judges, ends_soon};
use crate::access::Principal;
use crate::clock;
use crate::error::Result;
use crate::mediamtx::api::SessionKind;
use crate::mediamtx::api::io::Api;
use crate::mediamtx::auth::Question;

/// From one look at who is really there to the next.
const LIST_EVERY: Duration = Duration::from_secs(10);

/// The admissions, shared by the callback that lets in and the task that ends. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Book(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    admissions: Mutex<Admissions>,
    /// Somebody came whom the next look would see too late.
    came: Notify,
    /// The generation of rights that the last look saw.
    judged: AtomicU64,
}

impl Book {
    /// Remembers a yes; false when it must be a no.
    #[must_use]
    pub fn admit(&self, asked: &Question, who: &Principal, generation: u64) -> bool {
        let now = clock::now();
        let mut admissions = self.lock();
        let first = admissions.is_empty();
        let admitted = admissions.admit(asked, who, generation, now.mono);
        // Who was judged just before the rights changed was not there when that was looked at.
        if first || ends_soon(who, now.wall) || generation < self.0.judged.load(SeqCst) {
            self.0.came.notify_one();
        }
        admitted
    }

    fn lock(&self) -> MutexGuard<'_, Admissions> {
        let admissions = &self.0.admissions;
        admissions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends sessions until told to stop. `rights` changes with the generation of `judge`.
    ///
    /// # Errors
    /// None: what fails is tried again.
    pub async fn run(
        self,
        api: Api,
        judge: Arc<dyn Judges>,
        mut rights: watch::Receiver<u64>,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<()> {
        let mut listed = clock::mono();
        let mut failing = false;
        loop {
            let round = self.lock().round(clock::now());
            let round = async {
                match round {
                    Some(round) => clock::round(round).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
                Ok(()) = rights.changed() => {}
                () = self.0.came.notified() => {}
                () = round => {}
            }
            if self.lock().is_empty() {
                continue;
            }
            self.0.judged.store(judge.generation(), SeqCst);
            let due = self.lock().due(&*judge, clock::now());
            for kick in due {
                match api.kick(kick.kind, kick.id).await {
                    Ok(()) => {
                        info!(session = %kick.id, user = kick.who.user_id, credential = kick.who.credential.id(), why = %kick.why, "session ended");
                        self.lock().kicked(kick.id, clock::mono());
                        failing = false;
                    }
                    // They come again; a MediaMTX that does not answer is not asked for each of them.
                    Err(e) => {
                        if !failing {
                            warn!(session = %kick.id, "a session that must end is not ended yet: {e}");
                        }
                        failing = true;
                        break;
                    }
                }
            }
            if clock::mono().since(listed) >= LIST_EVERY {
                listed = clock::mono();
                if let Some(sessions) = all(&api).await {
                    self.lock().listed(&sessions, clock::mono());
                }
            }
        }
    }
}

/// The ids of all sessions; `None` unless every list came.
async fn all(api: &Api) -> Option<HashSet<uuid::Uuid>> {
    let mut ids = HashSet::new();
    for kind in SessionKind::ALL {
        // MediaMTX is watched elsewhere; a list that does not come only keeps entries a while longer.
        let sessions = api.sessions(kind).await.ok()?;
        ids.extend(sessions.into_iter().map(|session| session.id));
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::access::{Refusal, Role};
    use crate::clock::Wall;
    use crate::mediamtx::auth::Secret;
    use crate::mediamtx::kick::SELDOM;

    /// Everybody's rights hold until the generation moves.
    struct Word(watch::Receiver<u64>);

    impl Judges for Word {
        fn generation(&self) -> u64 {
            *self.0.borrow()
        }
        fn again(&self, who: &Principal, _: Wall) -> Result<Principal, Refusal> {
            match self.generation() {
                0 => Ok(who.clone()),
                _ => Err(Refusal::Revoked),
            }
        }
    }

    /// A MediaMTX that takes every order, and when each came.
    async fn orders() -> (
        SocketAddr,
        tokio::sync::mpsc::UnboundedReceiver<clock::Mono>,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, orders) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = told.send(clock::mono());
            }
        });
        (address, orders)
    }

    fn asked() -> Question {
        let text = serde_json::json!({
            "action": "read", "path": "camera0", "protocol": "rtsp", "id": uuid::Uuid::new_v4().to_string()
        });
        serde_json::from_value(text).unwrap()
    }

    fn ann(life: Duration) -> Principal {
        Principal::plain("ann", Role::Viewer, clock::wall() + life)
    }

    /// What happens just after one of the seldom looks must not wait for the next.
    const AT_ONCE: Duration = Duration::from_millis(700);

    /// A moment when one of the seldom looks is over and the next is far.
    async fn between_looks() {
        clock::round(SELDOM).await;
        tokio::time::sleep(SELDOM / 20).await;
    }

    #[tokio::test]
    async fn a_session_ends_as_soon_as_rights_are_taken_or_run_out_and_not_at_the_next_seldom_look()
    {
        let (address, mut orders) = orders().await;
        let api = Api::new(address, &Secret::new("x".to_owned()));
        let (rights, told) = watch::channel(0);
        let (stop, stopping) = watch::channel(false);
        let book = Book::default();
        let judge = Arc::new(Word(told.clone()));
        let run = tokio::spawn(book.clone().run(api, judge, told, stopping));
        let mut kicked = async |since: clock::Mono, what: &str| {
            let order = async {
                loop {
                    let at = orders.recv().await.unwrap();
                    // One from before is told again until its session is gone.
                    if at > since {
                        return at.since(since);
                    }
                }
            };
            let took = tokio::time::timeout(Duration::from_secs(20), order)
                .await
                .unwrap();
            assert!(took < AT_ONCE, "{what}: {took:?}");
        };
        // Nobody is there, and somebody comes whose rights are about to end.
        between_looks().await;
        let begin = clock::mono();
        let life = Duration::from_millis(100);
        assert!(book.admit(&asked(), &ann(life), 0));
        kicked(begin, "the first comer's rights ran out").await;
        // Another one, beside somebody whose rights hold; and then they are taken.
        *book.lock() = Admissions::default();
        assert!(book.admit(&asked(), &ann(Duration::from_secs(60)), 0));
        between_looks().await;
        let begin = clock::mono();
        assert!(book.admit(&asked(), &ann(life), 0));
        kicked(begin, "the second comer's rights ran out").await;
        *book.lock() = Admissions::default();
        assert!(book.admit(&asked(), &ann(Duration::from_secs(60)), 0));
        between_looks().await;
        let begin = clock::mono();
        rights.send(1).unwrap();
        kicked(begin, "rights were taken").await;
        stop.send(true).unwrap();
        run.await.unwrap().unwrap();
    }
}
