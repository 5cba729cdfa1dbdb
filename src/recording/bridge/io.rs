//! Lays a recording over the hole that a failed medium leaves.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{info, warn};

use crate::recording::io::Recorder;
use crate::recording::{Format, Order, Origin, Start, track};

/// So long it goes on after the trouble was known: until the recording itself surely goes on.
const BEYOND: Duration = Duration::from_secs(4);
/// A moment before all pictures.
const FIRST: u64 = 1;
/// Nobody knows how long a medium took until it failed: as far back as pictures are held.
const ALL: Duration = Duration::from_secs(3600);

impl Recorder {
    /// Brings what the medium has lost of a recording that has just been told to go on elsewhere. Does not wait.
    pub(in crate::recording) fn bridge(&self, track: &str) {
        // Of other streams nothing is held.
        if self.counters(track).is_none() {
            return;
        }
        let (this, track) = (self.clone(), track.to_owned());
        tokio::spawn(async move {
            if track::is_second(&track) {
                this.again(&track).await;
            } else {
                this.beside(&track).await;
            }
        });
    }

    /// The second track is sent again from the past, and its recording goes on from there.
    async fn again(&self, track: &str) {
        // What is sent before MediaMTX records elsewhere is lost like the rest.
        if let Err(error) = self.settled(track).await {
            warn!(track, %error, "what the medium has lost is not brought along");
            return;
        }
        let Some(counters) = self.counters(track) else {
            return;
        };
        let fed = &counters.second_from_nanos;
        let was = fed.load(Ordering::Relaxed);
        // Another number each time, and long ago. It may have ended meanwhile.
        let again = if was == FIRST { FIRST + 1 } else { FIRST };
        if was != 0
            && fed
                .compare_exchange(was, again, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            info!(track, "it is sent again from the past");
        }
    }

    /// A short recording is made from the second track.
    async fn beside(&self, track: &str) {
        let Some(first) = self.ledger().get(track).map(|s| s.stem.clone()) else {
            return;
        };
        let order = Order {
            device: track.to_owned(),
            name: Some(first.bridge()),
            duration: Some(BEYOND),
            format: Format::Fmp4,
            lead: ALL,
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
