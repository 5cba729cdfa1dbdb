//! Keeps what is known about credentials in memory and in step with the disk.
//!
//! Judging takes a snapshot and never waits for a file. Changes by the command line are seen within
//! half a second: the kernel tells of them (`watch`), and where it may not, the files' looks are compared four times
//! a second. How often keys were used is written once a minute and at the end.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::watch::io::Eyes;
use crate::access::io::load_or_create;
use crate::access::store::io::{Files, Look, fresh};
use crate::access::store::usage::Usage;
use crate::access::store::{Expiry, Index, KeyRecord, Store, Target, Wanted};
use crate::access::stream::{Direction, StreamToken};
use crate::access::{Grant, Judge, Office, Principal, Refusal};
use crate::clock::{self, Wall};
use crate::error::{Error, Kind, Later, Result};
use crate::supervise::Stop;
use crate::system::alarms::{About, Alarm};

/// How long a fault of the thread that looks at the files is left alone.
const AGAIN: Duration = Duration::from_millis(250);
/// A change of the files is known so soon: the longest wait for a look, and the reading. Only what the kernel cannot tell
/// takes longer, as another medium mounted over their folder.
pub const SEEN_WITHIN: Duration = Duration::from_millis(500);
/// From one writing of the usage to the next.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// What the configuration says about keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyRules {
    /// Active keys of one role.
    pub most_per_role: usize,
    /// How long a key lasts when nobody says.
    pub default_expiry: Expiry,
}

/// The keeper. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Files,
    rules: KeyRules,
    judge: RwLock<Arc<Judge>>,
    generation: watch::Sender<u64>,
    usage: Mutex<Usage>,
    /// How the files looked when they were last read. Held while they are read, so that an older
    /// state never replaces a newer one.
    look: Mutex<Look>,
    /// What is wrong with the files as they lie there.
    alarms: RwLock<Vec<Alarm>>,
}

impl Live {
    /// Reads everything; makes the secret if this is the first start. Blocks.
    ///
    /// # Errors
    /// `Config` when the secret or the document cannot be used.
    pub fn open(data_dir: &Path, rules: KeyRules) -> Result<Self> {
        let files = Files::beneath(data_dir);
        let keyring = load_or_create(data_dir)?;
        files.not_lost()?;
        let look = files.look();
        let index = Index::new(files.read()?);
        let (trusted, odd) = files.read_trusted();
        told(&odd);
        let judge = Judge {
            keyring,
            trusted,
            index,
        };
        Ok(Self(Arc::new(Inner {
            files,
            rules,
            judge: RwLock::new(Arc::new(judge)),
            generation: watch::Sender::new(1),
            usage: Mutex::default(),
            look: Mutex::new(look),
            alarms: RwLock::new(odd.iter().map(|what| passed_over(what)).collect()),
        })))
    }

    /// What is known now.
    #[must_use]
    pub fn judge(&self) -> Arc<Judge> {
        self.0.judge()
    }

    /// What is wrong with the files as they lie there, from memory; what was read from them last counts meanwhile.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.0.alarms().clone()
    }

    /// Moves whenever somebody's rights may have changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.0.generation.borrow()
    }

    /// Told whenever [`Live::generation`] moves.
    #[must_use]
    pub fn rights(&self) -> watch::Receiver<u64> {
        self.0.generation.subscribe()
    }

    /// What a credential opens now; the use of a key is counted.
    pub fn open_with(&self, text: &str, now: Wall) -> Result<Grant, Refusal> {
        let grant = self.judge().open(text, now)?;
        if let Grant::Login(who) = &grant {
            self.0.lock_usage().count(&who.credential, now);
        }
        Ok(grant)
    }

    /// Stays in step with the disk until told to stop; then writes down what is not written yet.
    ///
    /// # Errors
    /// None: what fails is told in the log and tried again.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        loop {
            let stop = Stop::new()?;
            let given = stop.clone();
            let (ending, mut ended) = oneshot::channel::<()>();
            let inner = Arc::clone(&self.0);
            // A thread of its own sleeps and looks and wakes nobody else. Handing each look to the runtime's threads and
            // back woke three of them, four times a second.
            thread::Builder::new()
                .name("credentials".to_owned())
                .spawn(move || {
                    let _ending = ending;
                    inner.keep_in_step(&given);
                })
                .map_err(|e| {
                    Error::new(Kind::Internal, "no thread for the credentials").because(e)
                })?;
            tokio::select! {
                _ = stopping.changed() => {
                    stop.give();
                    let _ = ended.await;
                    return Ok(());
                }
                _ = &mut ended => {
                    error!("reading the API keys failed by a fault of its own; the last ones count");
                    clock::round(AGAIN).await;
                }
            }
        }
    }

    /// Runs a change of the document beside the runtime.
    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Later<T> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            spawn_blocking(move || inner.change(change))
                .await
                .unwrap_or_else(|e| {
                    Err(Error::new(Kind::Internal, "the change of the API keys failed").because(e))
                })
        })
    }
}

impl Inner {
    fn judge(&self) -> Arc<Judge> {
        // Only whole states are put there.
        Arc::clone(&self.judge.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_usage(&self) -> std::sync::MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alarms(&self) -> std::sync::RwLockReadGuard<'_, Vec<Alarm>> {
        self.alarms.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, judge: Judge) {
        let differs = judge.differs(&self.judge());
        *self.judge.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(judge);
        if differs {
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// Looks at the files until the stop is given; then writes down what is not written yet.
    fn keep_in_step(&self, stop: &Stop) {
        let mut written = clock::mono();
        let mut eyes = Eyes::default();
        loop {
            // Before the look, so that no change falls between the two.
            eyes.open(&self.files);
            self.refresh();
            let stops = stop.is_given();
            if stops || clock::mono().since(written) >= WRITE_EVERY {
                written = clock::mono();
                self.write_usage();
            }
            if stops {
                return;
            }
            eyes.wait(stop);
        }
    }

    /// Reads again what looks different.
    fn refresh(&self) {
        let mut known = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let look = self.files.look();
        if look == *known {
            return;
        }
        // Remembered also when it is damaged, so that one damage is one line of the log.
        *known = look;
        let mut judge = Judge::clone(&self.judge());
        let (trusted, odd) = self.files.read_trusted();
        told(&odd);
        judge.trusted = trusted;
        let mut alarms: Vec<Alarm> = odd.iter().map(|what| passed_over(what)).collect();
        let gone = !self.files.document().exists();
        match self.files.read() {
            Ok(_) if gone && *judge.index.store() != Store::default() => {
                let what = format!(
                    "{} has vanished; the last known keys and revocations count",
                    self.files.document().display()
                );
                let action = "restore it from a backup before the service ends, for nobody else knows what was revoked; the next key or revocation writes it again, too";
                warn!("{what}; {action}");
                alarms.push(alarm(what, action));
            }
            Ok(store) => judge.index = Index::new(store),
            Err(e) => {
                error!("{e}; the last good keys and revocations count");
                let action = e.next_action().unwrap_or_default().to_owned();
                let what = format!("{}; the last good keys and revocations count", e.what());
                alarms.push(alarm(what, action));
            }
        }
        *self.alarms.write().unwrap_or_else(PoisonError::into_inner) = alarms;
        self.take(judge);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Store) -> Result<T>) -> Result<T> {
        // The look stays as it is: somebody else may write the moment the lock is given back, so the
        // next round reads once more.
        let _one_at_a_time = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let mut judge = Judge::clone(&self.judge());
        let vanished = !self.files.document().exists();
        let last = judge.index.store().clone();
        let (store, said) = self.files.change(|store| {
            // Never let a lost file bring revoked rights back.
            if vanished {
                *store = last;
            }
            change(store)
        })?;
        judge.index = Index::new(store);
        self.take(judge);
        Ok(said)
    }

    fn write_usage(&self) {
        let usage = std::mem::take(&mut *self.lock_usage());
        if usage.is_empty() {
            return;
        }
        let written = self.change(|store| {
            usage.write(store);
            Ok(())
        });
        if let Err(e) = written {
            warn!("the use of the API keys is not written down yet: {e}");
            self.lock_usage().merge(usage);
        }
    }
}

impl Office for Live {
    fn renew(&self, who: &Principal, now: Wall) -> (String, Wall) {
        let life = crate::access::token::life(who);
        let token = self.judge().keyring.renew(who, now);
        (token, Wall::from_secs(now.as_secs()) + life)
    }

    fn stream_token(
        &self,
        who: &Principal,
        path: &str,
        direction: Direction,
        life: Duration,
        now: Wall,
    ) -> StreamToken {
        let judge = self.judge();
        judge.keyring.mint_stream(who, path, direction, life, now)
    }

    fn revoke(&self, target: Target, known: Option<&Principal>, now: Wall) -> Later<()> {
        let known = known.cloned();
        self.change(move |store| {
            store.revoke(target.clone(), known.as_ref(), now)?;
            info!(?target, "revoked");
            Ok(())
        })
    }

    fn keys(&self) -> Vec<KeyRecord> {
        let mut keys = self.judge().index.store().keys.clone();
        let usage = self.0.lock_usage();
        for key in &mut keys {
            usage.show(key);
        }
        keys
    }

    fn default_expiry(&self) -> Expiry {
        self.0.rules.default_expiry
    }

    fn create_key(&self, wanted: Wanted, now: Wall) -> Later<(KeyRecord, String)> {
        let most = self.0.rules.most_per_role;
        self.change(move |store| {
            let made = store.create(&wanted, most, fresh()?, now)?;
            info!(key = made.0.id, role = made.0.role.as_str(), "API key made");
            Ok(made)
        })
    }

    fn revoke_key(&self, id: &str, now: Wall) -> Later<KeyRecord> {
        let id = id.to_owned();
        self.change(move |store| {
            let key = store.revoke_key(&id, now)?;
            info!(key = key.id, "API key revoked");
            Ok(key)
        })
    }
}

fn alarm(what: String, action: impl Into<String>) -> Alarm {
    Alarm {
        about: About::Credentials,
        what,
        action: action.into(),
    }
}

/// A file among the trusted keys that is none.
fn passed_over(what: &str) -> Alarm {
    alarm(
        format!("{what}; it is passed over"),
        "put the public key there in PEM form, or move the file away",
    )
}

fn told(odd: &[String]) {
    for what in odd {
        warn!("{what}; it is passed over");
    }
}
