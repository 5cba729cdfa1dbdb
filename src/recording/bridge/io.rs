//! Lays a recording over the hole that an interruption leaves.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use crate::clock;
use crate::recording::io::Recorder;
use crate::recording::ledger::State;
use crate::recording::{Format, Order, Origin, Start, track};
use crate::storage::names::Stem;

/// Nobody knows how long a medium took until it failed: as far back as that, where pictures are held for so long.
const BACK: Duration = Duration::from_secs(10);
/// So long it lasts at most, where the recording itself does not go on.
const LONGEST: Duration = Duration::from_secs(15);
/// So long both are recorded, so that one film can change from one to the other.
const SHARED: Duration = Duration::from_secs(3);
/// How often the recording is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(200);

impl Recorder {
    /// Brings what was lost of a recording that has just been told to go on. Does not wait.
    pub(in crate::recording) fn bridge(&self, track: &str) {
        // Of other streams nothing is held.
        if self.counters(track).is_none() {
            return;
        }
        let last = self.last_file(track);
        let (this, track) = (self.clone(), track.to_owned());
        tokio::spawn(async move {
            if track::is_second(&track) {
                this.again(&track).await;
            } else if let Some(last) = last {
                this.beside(&track, &last).await;
            }
        });
    }

    /// Whether this is what lies over a hole of another recording.
    pub(in crate::recording) fn is_bridge(&self, track: &str) -> bool {
        track::is_second(track) && self.ledger().is_by_mode(track)
    }

    /// The last file of a recording that grows.
    fn last_file(&self, track: &str) -> Option<Stem> {
        let ledger = self.ledger();
        let session = ledger.get(track).filter(|s| s.state == State::Recording)?;
        session.files.last().cloned()
    }

    /// The second track is sent again from the past, and its recording goes on from there.
    async fn again(&self, track: &str) {
        // What is sent before MediaMTX records elsewhere is lost like the rest.
        if let Err(error) = self.settled(track).await {
            warn!(track, %error, "what was lost is not brought along");
            return;
        }
        let Some(counters) = self.counters(track) else {
            return;
        };
        let from = clock::mono().as_nanos().saturating_sub(nanos(BACK)).max(1);
        let fed = &counters.second_from_nanos;
        // It may have ended meanwhile.
        let was = fed.load(Ordering::Relaxed);
        if was != 0
            && fed
                .compare_exchange(was, from, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            info!(track, "it is sent again from the past");
        }
    }

    /// A short recording is made from the second track, until the one from the first has gone on behind `last`.
    async fn beside(&self, first: &str, last: &Stem) {
        let order = Order {
            device: first.to_owned(),
            name: Some(last.bridge()),
            duration: Some(LONGEST),
            format: Format::Fmp4,
            lead: BACK,
            origin: Origin::Bridge,
        };
        match self.clone().start_now(order).await {
            Ok(Start::Started(_)) => {}
            // The recording has ended, or another one of the camera has the pictures.
            Ok(Start::Busy { state }) => {
                info!(first, state, "nothing is laid over the hole");
                return;
            }
            other => {
                warn!(first, ?other, "what was lost is not recorded once more");
                return;
            }
        }
        let began = clock::mono();
        while clock::mono().since(began) < LONGEST {
            match self.last_file(first) {
                Some(file) if file == *last => tokio::time::sleep(LOOK).await,
                Some(_) => {
                    tokio::time::sleep(SHARED).await;
                    break;
                }
                None => break,
            }
        }
        if let Some(second) = track::beside(first) {
            self.end_by_mode(&second);
        }
    }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
