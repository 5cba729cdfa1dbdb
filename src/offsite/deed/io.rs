//! Copies one file: asks what the store has, sends what is missing, verifies, writes down.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{info, warn};

use crate::clock;
use crate::error::Result;
use crate::offsite::Id;
use crate::offsite::cause::{Cause, Patience, Seen, understand};
use crate::offsite::copied::Stamp;
use crate::offsite::files::io as files;
use crate::offsite::io::{Agent, Inner, disk, held, unreadable};
use crate::offsite::state::Current;
use crate::offsite::store::io::Store;
use crate::offsite::upload::{Begun, is_single};
use crate::offsite::wire::io::Wire;
use crate::storage::quota::Kind;
use crate::supervise::blocking;

impl Inner {
    /// Copies one file, verifies it, and writes that down.
    pub(in crate::offsite) async fn copy(
        self: &Arc<Self>,
        agent: &mut Agent,
        id: &Id,
    ) -> Result<(), Cause> {
        let shelf = match id.0 {
            Kind::Recording => &self.parts.recordings,
            Kind::Snapshot => &self.parts.snapshots,
        };
        let (shelf, stem) = (Arc::clone(shelf), id.1.clone());
        let entry = blocking(move || shelf.find(&stem)).await;
        let Some(entry) = entry.map_err(|e| unreadable(&e))? else {
            held(&self.queue).done(id);
            return Ok(());
        };
        let store = match agent.store.take() {
            Some(store) => store,
            None => self.open().await?,
        };
        let store = agent.store.insert(store);
        let path = entry.path.clone();
        let stamp = disk(move || files::stamp(&path)).await?;
        let begun = held(&self.begun).clone();
        let begun = match begun {
            Some(begun) if begun.is_of(&self.store, id, stamp) => Some(begun),
            Some(other) => {
                self.forget(store, &other).await;
                None
            }
            None => None,
        };
        let sha256 = match &begun {
            Some(begun) => begun.sha256.clone(),
            None => self.digest(&entry.path, stamp).await?,
        };
        let object = self
            .choose(store, id, &entry.device, stamp, &sha256)
            .await?;
        held(&self.queue).served();
        held(&self.figures).well();
        if let Some(object) = object {
            held(&self.figures).current = Some(Current {
                object: object.clone(),
                size: stamp.size,
                stored: begun.as_ref().map_or(0, Begun::sent),
            });
            let sent = self.send(store, id, &entry.path, &object, stamp, &sha256, begun);
            sent.await?;
            let found = store.look(&object).await?;
            if !found.as_ref().is_some_and(|f| f.is(stamp.size, &sha256)) {
                let sizes = match found {
                    Some(found) => {
                        format!("{} of {} bytes, or another digest", found.size, stamp.size)
                    }
                    None => format!("there is no object {object}"),
                };
                return Err(understand(&Seen::Differs(sizes)));
            }
        } else if let Some(begun) = begun {
            // The answer that its parts were put together was lost; or the store has it from elsewhere.
            let _ = store.abort(&begun).await;
            self.forget_note().await;
        }
        let path = entry.path.clone();
        if disk(move || files::stamp(&path)).await? != stamp {
            return Err(understand(&Seen::Changed));
        }
        self.keep_in_mind(id, stamp).await;
        Ok(())
    }

    /// The object's name under which the file is to be sent; `None` where the store has it. Nothing there is overwritten:
    /// where another content has the name, a part of the digest tells them apart.
    async fn choose(
        &self,
        store: &Store,
        id: &Id,
        device: &str,
        stamp: Stamp,
        sha256: &str,
    ) -> Result<Option<String>, Cause> {
        let marks = [None, sha256.get(..16)];
        let mut object = String::new();
        for mark in marks {
            object = self.settings.object(id, device, mark);
            match store.look(&object).await? {
                None => return Ok(Some(object)),
                Some(found) if found.is(stamp.size, sha256) => return Ok(None),
                Some(_) => {}
            }
        }
        // Of that digest's name, and not of that digest: what is there is no copy of anything.
        Ok(Some(object))
    }

    #[expect(clippy::too_many_arguments, reason = "all of one file, once")]
    async fn send(
        self: &Arc<Self>,
        store: &Store,
        id: &Id,
        path: &Path,
        object: &str,
        stamp: Stamp,
        sha256: &str,
        begun: Option<Begun>,
    ) -> Result<(), Cause> {
        if is_single(stamp.size) {
            let pieces = self.read(path, 0..stamp.size, stamp).await?;
            return store.put(object, pieces, sha256).await;
        }
        let begun = begun.filter(|begun| begun.object == object);
        let mut resumed = begun.is_some();
        let mut begun = match begun {
            Some(begun) => begun,
            None => {
                let upload = store.begin(object, sha256).await?;
                let begun = Begun::new(&self.store, id, object, upload, stamp, sha256);
                self.note(&begun).await?;
                begun
            }
        };
        while let Some((number, range)) = begun.next() {
            let pieces = match self.read(path, range, stamp).await {
                Ok(pieces) => pieces,
                Err(cause) => {
                    self.forget(store, &begun).await;
                    return Err(cause);
                }
            };
            let etag = match store.part(&begun, number, pieces).await {
                Ok(etag) => etag,
                Err(cause) => return Err(self.lost(cause, resumed).await),
            };
            resumed = false;
            begun.took(etag);
            self.note(&begun).await?;
            held(&self.queue).served();
            if let Some(current) = &mut held(&self.figures).current {
                current.stored = begun.sent();
            }
        }
        match store.complete(&begun).await {
            Ok(()) => {
                self.forget_note().await;
                Ok(())
            }
            Err(cause) => Err(self.lost(cause, resumed).await),
        }
    }

    /// An upload that the store does not know any more begins anew the next time, and soon. Stores say that in several
    /// ways: where the first request of one that is resumed is refused, although the store has just answered another,
    /// that is taken for it. A key that may not upload is refused again when it begins anew.
    async fn lost(self: &Arc<Self>, cause: Cause, resumed: bool) -> Cause {
        let refused = resumed && cause.patience == Patience::Long;
        if !cause.is_forgotten() && !refused {
            return cause;
        }
        self.forget_note().await;
        Cause {
            patience: Patience::Soon,
            ..cause
        }
    }

    async fn note(self: &Arc<Self>, begun: &Begun) -> Result<(), Cause> {
        *held(&self.begun) = Some(begun.clone());
        let (inner, text) = (Arc::clone(self), begun.text());
        disk(move || inner.notes.write_begun(&text)).await
    }

    async fn forget_note(self: &Arc<Self>) {
        *held(&self.begun) = None;
        let inner = Arc::clone(self);
        let removed = disk(move || {
            inner.notes.remove_begun();
            Ok(())
        });
        // One that stays is of an upload that the store knows no more: it begins anew then.
        let _ = removed.await;
    }

    /// What was sent of a file that is no more, or is another now, is of no use.
    async fn forget(self: &Arc<Self>, store: &Store, begun: &Begun) {
        if let Err(cause) = store.abort(begun).await {
            warn!(
                object = begun.object,
                "parts of an upload that is of no use stay in the store: {}", cause.what
            );
        }
        self.forget_note().await;
    }

    async fn digest(&self, path: &Path, stamp: Stamp) -> Result<String, Cause> {
        let halt = Halt::default();
        let (path, flag) = (path.to_owned(), Arc::clone(&halt.0));
        let digested = disk(move || files::digest(&path, &flag)).await?;
        match digested {
            Some((sha256, seen)) if seen == stamp => Ok(sha256),
            _ => Err(understand(&Seen::Changed)),
        }
    }

    /// Reads a part of the file as it was when it was digested.
    async fn read(
        &self,
        path: &Path,
        range: std::ops::Range<u64>,
        stamp: Stamp,
    ) -> Result<Vec<hyper::body::Bytes>, Cause> {
        let path = path.to_owned();
        let read = disk(move || {
            let pieces = files::read(&path, range)?;
            Ok((pieces, files::stamp(&path)?))
        });
        let (pieces, seen) = read.await?;
        if seen == stamp {
            Ok(pieces)
        } else {
            Err(understand(&Seen::Changed))
        }
    }

    /// The way to the store, with the access key as it is now.
    async fn open(self: &Arc<Self>) -> Result<Store, Cause> {
        let inner = Arc::clone(self);
        let opened = blocking(move || {
            let settings = &inner.settings;
            let open = || {
                let access = files::access(&settings.credentials).map_err(Seen::Access)?;
                let sent = Arc::clone(&inner.sent);
                let address = settings.address();
                let wire = Wire::new(&address, &settings.authorities, settings.rate, sent)?;
                Ok((access, Arc::new(wire)))
            };
            Ok(open().map_err(|seen| understand(&seen)))
        });
        let (access, wire) = opened.await.map_err(|e| unreadable(&e))??;
        Store::new(&self.settings, access, wire)
    }

    /// The store has it.
    async fn keep_in_mind(self: &Arc<Self>, id: &Id, stamp: Stamp) {
        held(&self.queue).done(id);
        let whole = {
            let mut copied = held(&self.copied);
            let line = copied.add(id, stamp);
            match copied.is_stale() {
                true => Err(copied.text()),
                false => Ok(line),
            }
        };
        held(&self.figures).succeeded(clock::wall());
        info!(name = %id.1, bytes = stamp.size, "copied off-site");
        let inner = Arc::clone(self);
        let written = disk(move || {
            match whole {
                Ok(line) => match inner.notes.append(&line) {
                    Ok(()) => return Ok(()),
                    // It was deleted: a whole one takes its place.
                    Err(_) => {
                        let text = held(&inner.copied).text();
                        inner.notes.write_record(&text)?;
                    }
                },
                Err(text) => inner.notes.write_record(&text)?,
            }
            held(&inner.copied).written();
            Ok(())
        });
        if let Err(cause) = written.await {
            warn!(
                "the record of off-site copies cannot be written; the store is asked after a restart: {}",
                cause.what
            );
        }
    }
}

/// Ends work on another thread when nobody waits for it any more.
#[derive(Default)]
struct Halt(Arc<AtomicBool>);

impl Drop for Halt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
