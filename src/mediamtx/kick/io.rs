//! Ends the sessions of those whose rights have ended.

use std::collections::HashSet;
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
}

impl Book {
    /// Remembers a yes; false when it must be a no.
    #[must_use]
    pub fn admit(&self, asked: &Question, who: &Principal, generation: u64) -> bool {
        let now = clock::now();
        let mut admissions = self.lock();
        let first = admissions.is_empty();
        let admitted = admissions.admit(asked, who, generation, now.mono);
        if first || ends_soon(who, now.wall) {
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
