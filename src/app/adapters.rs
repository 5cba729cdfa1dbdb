//! Where one concern asks for a trait and another has the thing: the plugs between them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use crate::access::live::io::Live;
use crate::access::{Grant, Refusal};
use crate::camera::Directory;
use crate::clock::{self, Wall};
use crate::external::Streams;
use crate::external::io::External;
use crate::mediamtx::kick::Judges;
use crate::mediamtx::paths::camera_of_second;
use crate::mediamtx::{ApiState, ProcessState, Shared};
use crate::offsite::io::Copier;
use crate::offsite::{Offsite, Unset};
use crate::rpc::media::{MediaServer, MediaState, PathState};
use crate::rpc::session::{Login, Refused, Verify};
use crate::viewing::Sample;

/// Credentials, as the control plane asks about them.
pub(super) struct Tokens(pub(super) Live);

impl Verify for Tokens {
    fn verify(&self, token: &str, now: Wall) -> Result<Login, Refused> {
        match self.0.open_with(token, now) {
            Ok(Grant::Login(who)) => Ok(who),
            Ok(Grant::Stream(_)) => Err(refused(&Refusal::StreamOnly)),
            Err(refusal) => Err(refused(&refusal)),
        }
    }

    fn generation(&self) -> u64 {
        self.0.generation()
    }

    fn again(&self, login: &Login, now: Wall) -> Result<Login, Refused> {
        self.0.judge().again(login, now).map_err(|r| refused(&r))
    }
}

impl Judges for Tokens {
    fn generation(&self) -> u64 {
        self.0.generation()
    }

    fn again(&self, who: &Login, now: Wall) -> Result<Login, Refusal> {
        self.0.judge().again(who, now)
    }
}

fn refused(refusal: &Refusal) -> Refused {
    Refused {
        reason: refusal.code().to_owned(),
        details: refusal.to_string(),
    }
}

/// Off-site copies, where they are made.
pub(super) fn copies(copier: Option<&Copier>) -> Arc<dyn Offsite> {
    copier.map_or_else(
        || Arc::new(Unset) as _,
        |copier| Arc::new(copier.clone()) as _,
    )
}

/// MediaMTX, as the control plane asks about it.
#[derive(Default)]
pub(super) struct LateMedia(OnceLock<Shared>);

impl LateMedia {
    /// Fills the place.
    pub(super) fn fill(&self, shared: Shared) {
        // Filled once, by the one who made it.
        let _ = self.0.set(shared);
    }
}

impl MediaServer for LateMedia {
    fn state(&self) -> MediaState {
        let Some(snapshot) = self.0.get().map(Shared::get) else {
            return MediaState {
                process_running: Some(false),
                last_reason: Some("it has not been started yet".to_owned()),
                ..MediaState::default()
            };
        };
        let (reachable, since, mut reason) = match &snapshot.api {
            ApiState::Reachable { since } => (true, *since, None),
            ApiState::Unreachable { reason, since } => (false, *since, Some(reason.clone())),
        };
        if let ProcessState::Backoff { why, .. } = &snapshot.process {
            reason = Some(why.clone());
        }
        MediaState {
            process_running: match &snapshot.process {
                ProcessState::External => None,
                state => Some(state.pid().is_some()),
            },
            reachable,
            version: snapshot.version.clone(),
            since,
            last_reason: reason,
            checked: snapshot.checked,
            paths: snapshot
                .paths
                .iter()
                // The same pictures once more, for a recording.
                .filter(|(name, _)| camera_of_second(name).is_none())
                .map(|(name, path)| {
                    let state = PathState {
                        ready: path.ready,
                        readers: u32::try_from(path.readers.len()).unwrap_or(u32::MAX),
                        bytes_received: path.bytes_received,
                        bytes_sent: path.bytes_sent,
                        source: path.source.as_ref().map(|s| s.kind.clone()),
                    };
                    (name.clone(), state)
                })
                .collect(),
        }
    }
}

/// Reads the counters of every stream there is, and tells the list of external ones which of them come in.
pub(super) fn counters(
    media: Arc<LateMedia>,
    directory: Arc<Directory>,
    external: External,
) -> impl Fn() -> Vec<Sample> + Send {
    move || {
        let (media, now) = (media.state(), clock::now());
        external.saw(
            |name| media.paths.get(name).is_some_and(|p| p.ready),
            now.wall,
        );
        let readers = |name: &str| media.paths.get(name).map_or(0, |p| p.readers);
        let cameras = directory.list().into_iter().map(|camera| {
            let name = camera.id.to_string();
            Sample {
                readers: readers(&name),
                name,
                bytes: camera.counters.bytes_sent.load(Ordering::Relaxed),
                frames: Some(camera.counters.sent.load(Ordering::Relaxed)),
                at: now.mono,
            }
        });
        let others = external.list().into_iter().map(|stream| Sample {
            readers: readers(&stream.name),
            bytes: media
                .paths
                .get(&stream.name)
                .map_or(0, |p| p.bytes_received),
            name: stream.name,
            frames: None,
            // MediaMTX was asked then.
            at: media.checked,
        });
        cameras.chain(others).collect()
    }
}
