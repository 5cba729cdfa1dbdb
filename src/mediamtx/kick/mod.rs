//! Decides whose session must end: MediaMTX asks once, at the door; rights may end later.
//!
//! Every yes to a bearer is remembered under the id that MediaMTX asked with, which for SETUP,
//! ANNOUNCE, WHEP, WHIP and HLS is the id that its control API ends a session by. (DESCRIBE comes
//! under a connection's id; such an entry is dropped when no session of that id turns up.) Once the
//! credential behind an entry expires, is revoked or loses its role, the session is to be kicked.

pub mod io;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;

use super::api::SessionKind;
use super::auth::{Action, Question};
use crate::access::stream::Direction;
use crate::access::{Principal, Refusal};
use crate::clock::{Mono, Now, Wall};

/// Sessions that are remembered; more than MediaMTX can serve on any box.
pub const MOST: usize = 4096;

/// An entry may be so old before a list of sessions without it means that it is gone: the yes comes
/// before the session is listed.
const SETTLING: Duration = Duration::from_secs(10);

/// From one try to end a session to the next.
const AGAIN: Duration = Duration::from_millis(500);

/// From one look to the next while somebody's rights have ended or are about to.
const SOON: Duration = Duration::from_millis(250);
/// The same while nobody's have. Rights that are taken are told; this bounds how late it is seen that the clock was set.
const SELDOM: Duration = Duration::from_secs(1);

/// Whoever judges credentials; must not block.
pub trait Judges: Send + Sync {
    /// Moves whenever somebody's rights may have changed.
    fn generation(&self) -> u64;

    /// Whether a credential that was good still is, and what it allows now.
    ///
    /// # Errors
    /// Why not.
    fn again(&self, who: &Principal, now: Wall) -> Result<Principal, Refusal>;
}

#[derive(Debug)]
struct Admitted {
    kind: SessionKind,
    direction: Direction,
    who: Principal,
    since: Mono,
    /// The generation of rights it was last judged by.
    generation: u64,
    /// MediaMTX has listed it as a session.
    listed: bool,
    fallen: Option<Refusal>,
    tried: Option<Mono>,
}

/// One session to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kick {
    /// In which list it is.
    pub kind: SessionKind,
    /// Its id there.
    pub id: Uuid,
    /// Whose it is.
    pub who: Principal,
    /// Why.
    pub why: Refusal,
}

/// Who was let in and may still be there.
#[derive(Debug, Default)]
pub struct Admissions(HashMap<Uuid, Admitted>);

impl Admissions {
    /// Remembers a yes. False when nothing more can be remembered: then the yes must become a no,
    /// because what is not remembered cannot be ended.
    ///
    /// `generation` is the judge's from before it judged, so that nothing that came meanwhile is missed.
    pub fn admit(&mut self, asked: &Question, who: &Principal, generation: u64, now: Mono) -> bool {
        let kind = match asked.protocol.as_str() {
            "rtsp" => SessionKind::Rtsp,
            "webrtc" => SessionKind::WebRtc,
            "hls" => SessionKind::Hls,
            // Nothing else is switched on.
            _ => return true,
        };
        // Questions without an id come before a session and are asked again with it.
        let Some(id) = asked.id.as_deref().and_then(|id| id.parse().ok()) else {
            return true;
        };
        if self.0.len() >= MOST && !self.0.contains_key(&id) && !self.make_room(now) {
            return false;
        }
        let listed = self.0.get(&id).is_some_and(|old| old.listed);
        let admitted = Admitted {
            kind,
            direction: match asked.action {
                Action::Publish => Direction::Publish,
                _ => Direction::Read,
            },
            who: who.clone(),
            since: now,
            generation,
            listed,
            fallen: None,
            tried: None,
        };
        self.0.insert(id, admitted);
        true
    }

    /// Forgets the oldest entry that never became a session. One that is young may be a session that is not listed
    /// yet, and whoever asks often enough must not make it forgotten: what is forgotten cannot be ended.
    fn make_room(&mut self, now: Mono) -> bool {
        let settled = |entry: &Admitted| now.since(entry.since) >= SETTLING;
        let unlisted = self
            .0
            .iter()
            .filter(|(_, entry)| !entry.listed && settled(entry));
        let oldest = unlisted.min_by_key(|(_, entry)| entry.since);
        let Some(id) = oldest.map(|(id, _)| *id) else {
            return false;
        };
        self.0.remove(&id).is_some()
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// On which rounds it must be looked whose rights have ended while nobody tells of any; `None` while nobody is there.
    #[must_use]
    pub fn round(&self, now: Now) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        let soon = |entry: &Admitted| entry.fallen.is_some() || ends_soon(&entry.who, now.wall);
        Some(match self.0.values().any(soon) {
            true => SOON,
            false => SELDOM,
        })
    }

    /// Whom to kick now. Each comes again until [`Admissions::kicked`] says that it is gone.
    pub fn due(&mut self, judge: &dyn Judges, now: Now) -> Vec<Kick> {
        let generation = judge.generation();
        let mut due = Vec::new();
        for (id, entry) in &mut self.0 {
            entry.judge(judge, generation, now.wall);
            let waits = entry
                .tried
                .is_some_and(|tried| now.mono.since(tried) < AGAIN);
            if let (Some(why), false) = (&entry.fallen, waits) {
                entry.tried = Some(now.mono);
                due.push(Kick {
                    kind: entry.kind,
                    id: *id,
                    who: entry.who.clone(),
                    why: why.clone(),
                });
            }
        }
        due
    }

    /// MediaMTX says that there is no such session any more. Of one that was let in just now that may
    /// only mean not yet.
    pub fn kicked(&mut self, id: Uuid, now: Mono) {
        let settled = |entry: &Admitted| now.since(entry.since) >= SETTLING;
        if self.0.get(&id).is_some_and(settled) {
            self.0.remove(&id);
        }
    }

    /// MediaMTX has listed all its sessions; what is not among them is gone.
    pub fn listed(&mut self, sessions: &HashSet<Uuid>, now: Mono) {
        self.0.retain(|id, entry| {
            entry.listed = sessions.contains(id);
            entry.listed || now.since(entry.since) < SETTLING
        });
    }
}

/// Whether the rights end before the next of the seldom looks.
fn ends_soon(who: &Principal, now: Wall) -> bool {
    who.expires_at <= now + SELDOM
}

impl Admitted {
    fn judge(&mut self, judge: &dyn Judges, generation: u64, now: Wall) {
        if self.fallen.is_some() {
            return;
        }
        if self.who.expires_at <= now {
            self.fallen = Some(Refusal::Expired {
                at: self.who.expires_at,
            });
        } else if self.generation != generation {
            self.generation = generation;
            match judge.again(&self.who, now) {
                Ok(who) if who.role < self.direction.role() => {
                    self.fallen = Some(Refusal::RoleTooLow);
                }
                Ok(who) => self.who = who,
                Err(why) => self.fallen = Some(why),
            }
        }
    }
}

#[cfg(test)]
mod tests;
