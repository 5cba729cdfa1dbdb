//! Lays a recording over the hole that a failed medium leaves.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use crate::clock::{self, Mono};
use crate::recording::io::Recorder;
use crate::recording::{Format, Order, Origin, Start, track};

/// So long it goes on after the trouble was known: until the recording itself surely goes on.
const BEYOND: Duration = Duration::from_secs(4);

impl Recorder {
    /// Brings what the medium has lost of a recording that has just been told to go on elsewhere. Does not wait.
    pub(in crate::recording) fn bridge(&self, track: &str) {
        let lead = self.0.parts.bridge;
        // Of other streams nothing is held.
        if lead.is_zero() || self.counters(track).is_none() {
            return;
        }
        let (this, track) = (self.clone(), track.to_owned());
        tokio::spawn(async move {
            if track::is_second(&track) {
                this.again(&track, lead).await;
            } else {
                this.beside(&track, lead).await;
            }
        });
    }

    /// The second track is sent again from the past, and its recording goes on from there.
    async fn again(&self, track: &str, lead: Duration) {
        let known = clock::mono();
        // What is sent before MediaMTX records elsewhere is lost like the rest.
        if let Err(error) = self.settled(track).await {
            warn!(track, %error, "what the medium has lost is not brought along");
            return;
        }
        let Some(counters) = self.counters(track) else {
            return;
        };
        let from = known.as_nanos().saturating_sub(nanos(lead)).max(1);
        let fed = &counters.second_from_nanos;
        // It may have ended meanwhile.
        let was = fed.load(Ordering::Relaxed);
        if was != 0 {
            let _ = fed.compare_exchange(was, from, Ordering::Relaxed, Ordering::Relaxed);
            info!(track, from = ?Mono::from_nanos(from), "sent again from the past");
        }
    }

    /// A short recording is made from the second track.
    async fn beside(&self, track: &str, lead: Duration) {
        let Some(first) = self.ledger().get(track).map(|s| s.stem.clone()) else {
            return;
        };
        let order = Order {
            device: track.to_owned(),
            name: Some(first.bridge()),
            duration: Some(BEYOND),
            format: Format::Fmp4,
            lead,
            origin: Origin::Bridge,
        };
        match self.clone().start_now(order).await {
            Ok(Start::Started(_)) => {}
            other => {
                warn!(track, name = %first, ?other, "what the medium has lost is not recorded once more")
            }
        }
    }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
