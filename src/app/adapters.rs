//! Where one concern asks for a trait and another has the thing: the plugs between them.

use std::sync::{Arc, OnceLock};

use crate::access::Keyring;
use crate::clock::Wall;
use crate::mediamtx::{ApiState, ProcessState, Shared};
use crate::rpc::media::{MediaServer, MediaState, PathState};
use crate::rpc::session::{Login, Refused, Verify};

/// Tokens, as the control plane asks about them.
pub(super) struct Tokens(pub(super) Arc<Keyring>);

impl Verify for Tokens {
    fn verify(&self, token: &str, now: Wall) -> Result<Login, Refused> {
        match self.0.verify(token, now) {
            Ok(principal) => Ok(Login {
                user_id: principal.user_id,
                role: principal.role,
                expires_at: principal.expires_at,
                credential: None,
            }),
            Err(refusal) => Err(Refused {
                reason: refusal.code().to_owned(),
                details: refusal.to_string(),
            }),
        }
    }
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
            paths: snapshot
                .paths
                .iter()
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
