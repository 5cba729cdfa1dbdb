//! What was to be kept: the bytes of recordings and snapshots, as events tell them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::events::{Event, Topic};

/// Counts since the service started.
#[derive(Debug, Default)]
pub struct Payload(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    recordings: u64,
    snapshots: u64,
    /// How large the running recording of each device was.
    running: BTreeMap<String, u64>,
}

impl Payload {
    /// Takes an event; those of other things are passed over.
    pub fn hear(&self, event: &Event) {
        let size = event
            .data
            .get("file_size")
            .and_then(serde_json::Value::as_u64);
        let device = event.device.as_deref().unwrap_or_default();
        // Each change below is whole.
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (event.topic, size) {
            (Topic::RecordingStart, _) => {
                counted.running.insert(device.to_owned(), 0);
            }
            (Topic::RecordingProgress, Some(size)) => counted.grow(device, size),
            (Topic::RecordingStop, Some(size)) => {
                counted.grow(device, size);
                counted.running.remove(device);
            }
            (Topic::SnapshotTaken, Some(size)) => {
                counted.snapshots = counted.snapshots.saturating_add(size);
            }
            _ => {}
        }
    }

    /// Bytes of recordings, and of snapshots.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (counted.recordings, counted.snapshots)
    }
}

impl Counted {
    fn grow(&mut self, device: &str, size: u64) {
        // One that ran before the service did is counted from where it is first seen.
        let before = self.running.insert(device.to_owned(), size);
        let more = before.map_or(0, |before| size.saturating_sub(before));
        self.recordings = self.recordings.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;

    fn event(topic: Topic, device: &str, size: u64) -> Event {
        let event = Event::new(topic, Wall::from_secs(1)).of(device);
        event.with("file_size", size)
    }

    #[test]
    fn each_byte_of_a_recording_is_counted_once_while_it_grows() {
        let payload = Payload::default();
        payload.hear(&event(Topic::RecordingStart, "camera0", 0));
        payload.hear(&event(Topic::RecordingProgress, "camera0", 100));
        payload.hear(&event(Topic::RecordingProgress, "camera0", 250));
        payload.hear(&event(Topic::RecordingStop, "camera0", 300));
        payload.hear(&event(Topic::SnapshotTaken, "camera0", 7));
        payload.hear(&event(Topic::CameraConnected, "camera0", 9));
        assert_eq!(payload.bytes(), (300, 7));
    }

    #[test]
    fn a_recording_from_before_the_restart_counts_from_where_it_is_seen() {
        let payload = Payload::default();
        payload.hear(&event(Topic::RecordingProgress, "camera0", 1_000_000));
        payload.hear(&event(Topic::RecordingStop, "camera0", 1_000_500));
        assert_eq!(payload.bytes(), (500, 0));
    }
}
