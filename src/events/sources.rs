//! Makes events of what changed in the cameras, in MediaMTX and in the verdict of health.
//!
//! Each watch remembers what it saw last and tells each real change once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde_json::Value;

use super::{Event, Topic};
use crate::camera::{Camera, CameraId, Mode, Status};
use crate::clock::{Mono, Wall};
use crate::health::assess::{Report, Verdict};
use crate::rpc::media::{MediaState, PathState};

/// What was last told of a camera.
#[derive(Debug, Clone)]
struct Seen {
    status: &'static str,
    modes: Arc<[Mode]>,
}

/// Watches the cameras. Remembers a few words for each number a camera can have.
#[derive(Debug, Default)]
pub struct Cameras(BTreeMap<CameraId, Seen>);

impl Cameras {
    /// What a changed camera means. A camera never seen before that is still being opened has not
    /// gone: nothing is said of its status until it delivers or fails.
    pub fn changed(&mut self, camera: &Camera, at: Wall) -> Vec<Event> {
        let status = camera.status.as_str();
        let waits = matches!(camera.status, Status::Disconnected { .. });
        let (was, had) = match self.0.entry(camera.id) {
            Entry::Vacant(new) => {
                new.insert(Seen {
                    status,
                    modes: Arc::clone(&camera.modes),
                });
                (waits.then_some(status), None)
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let was = std::mem::replace(&mut known.status, status);
                let had = std::mem::replace(&mut known.modes, Arc::clone(&camera.modes));
                (Some(was), Some(had))
            }
        };
        let mut events = Vec::new();
        let of = |topic| {
            Event::new(topic, at)
                .of(camera.id.to_string())
                .with("name", camera.name.as_str())
        };
        if !camera.modes.is_empty() && had.is_none_or(|had| had != camera.modes) {
            let (formats, resolutions) = capabilities(&camera.modes);
            events.push(
                of(Topic::CameraCapabilityDetected)
                    .with("formats", formats)
                    .with("resolutions", resolutions),
            );
        }
        if was != Some(status) {
            let told = |topic| {
                let event = of(topic).with("status", status);
                match &camera.status {
                    Status::Connected => event.with("reason", "pictures flow"),
                    Status::Disconnected { reason } => event.with("reason", reason.as_str()),
                    Status::Error { reason, action } => event
                        .with("reason", reason.as_str())
                        .with("action", action.as_str()),
                }
            };
            match camera.status {
                Status::Connected => events.push(told(Topic::CameraConnected)),
                Status::Disconnected { .. } => events.push(told(Topic::CameraDisconnected)),
                Status::Error { .. } => {}
            }
            let change = told(Topic::CameraStatusChange);
            events.push(match was {
                Some(was) => change.with("previous", was),
                None => change,
            });
        }
        events
    }
}

/// A video node could not be asked what it can. It has no camera yet; it is named as its camera would be.
#[must_use]
pub fn unreadable(node: CameraId, why: &str, at: Wall) -> Event {
    Event::new(Topic::CameraCapabilityError, at)
        .of(node.to_string())
        .with("reason", why)
        .with(
            "action",
            "another program may hold it, or it needs some seconds after its plug; it is asked again",
        )
}

fn capabilities(modes: &[Mode]) -> (Vec<String>, Vec<String>) {
    let mut formats: Vec<String> = Vec::new();
    let mut resolutions: Vec<String> = Vec::new();
    for mode in modes {
        for (list, word) in [
            (&mut formats, mode.pixel.to_string()),
            (&mut resolutions, mode.size.to_string()),
        ] {
            if !list.contains(&word) {
                list.push(word);
            }
        }
    }
    (formats, resolutions)
}

/// Watches MediaMTX. While it does not answer, its paths are taken to be as they were; when its
/// process is known to be gone, they are gone, too.
#[derive(Debug)]
pub struct Media {
    running: bool,
    /// Since when it has been answering, while it does.
    answers_since: Option<Mono>,
    paths: BTreeMap<String, bool>,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            running: true,
            answers_since: None,
            paths: BTreeMap::new(),
        }
    }
}

impl Media {
    /// What changed since the last look.
    pub fn look(&mut self, media: &MediaState, at: Wall) -> Vec<Event> {
        let mut events = Vec::new();
        let running = media.process_running != Some(false);
        let since = media.reachable.then_some(media.since);
        // It may have gone and come back between two looks.
        let lost = self.answers_since.is_some() && self.answers_since != since;
        if (self.running && !running) || lost {
            let reason = match (&media.last_reason, media.reachable) {
                (Some(reason), _) => reason.as_str(),
                (None, true) => "MediaMTX was away for a moment; it answers again",
                (None, false) => "the control API of MediaMTX does not answer",
            };
            events.push(
                Event::new(Topic::MediamtxError, at)
                    .with("reason", reason)
                    .with("process_running", media.process_running),
            );
        }
        (self.running, self.answers_since) = (running, since);
        if media.reachable {
            self.compare(&media.paths, at, &mut events);
        } else if !running {
            self.compare(&BTreeMap::new(), at, &mut events);
        }
        events
    }

    fn compare(&mut self, now: &BTreeMap<String, PathState>, at: Wall, events: &mut Vec<Event>) {
        let of = |topic, path: &str, status: &str| {
            Event::new(topic, at)
                .of(path)
                .with("name", path)
                .with("status", status)
        };
        let stream = |path: &str, ready: bool| {
            let (word, topic) = if ready {
                ("READY", Topic::MediamtxStreamStarted)
            } else {
                ("NOT_READY", Topic::MediamtxStreamStopped)
            };
            [of(topic, path, word), of(Topic::MediamtxStream, path, word)]
        };
        self.paths.retain(|path, ready| {
            let stays = now.contains_key(path);
            if !stays {
                if *ready {
                    events.extend(stream(path, false));
                }
                events.push(of(Topic::MediamtxPath, path, "REMOVED"));
            }
            stays
        });
        for (path, state) in now {
            let was = self.paths.insert(path.clone(), state.ready);
            if was.is_none() {
                events.push(of(Topic::MediamtxPath, path, "ADDED"));
            }
            if was.unwrap_or_default() != state.ready {
                events.extend(stream(path, state.ready));
            }
        }
    }
}

/// Watches the verdict on the whole box.
#[derive(Debug, Default)]
pub struct Health(Option<Verdict>);

impl Health {
    /// The event of a verdict that differs from the last one. The first one differs from nothing.
    pub fn look(&mut self, report: &Report, at: Wall) -> Option<Event> {
        let before = self.0.replace(report.status);
        let changed = before.filter(|before| *before != report.status)?;
        let worst = report.findings().max_by_key(|(_, found)| found.verdict);
        let event = Event::new(Topic::SystemHealth, at)
            .with("status", report.status.as_upper())
            .with("previous", changed.as_upper())
            .with("ready", report.ready);
        Some(match worst {
            None if report.ready => event.with("reason", "every part does its work"),
            None => event.with("reason", "nothing is wrong; a picture is on its way"),
            Some((component, found)) => {
                let event = event
                    .with("reason", found.cause.as_str())
                    .with("action", found.action.as_str())
                    .with("code", found.fault.code())
                    .with("component", component.name);
                match found.camera {
                    Some(camera) => event.of(camera.to_string()),
                    None => event,
                }
            }
        })
    }
}

/// The service is ready.
#[must_use]
pub fn startup(version: &str, at: Wall) -> Event {
    Event::new(Topic::SystemStartup, at)
        .with("version", version)
        .with("reason", "the service is ready")
}

/// The service stops, because it was asked to or because a part of it failed.
#[must_use]
pub fn shutdown(reason: &str, at: Wall) -> Event {
    Event::new(Topic::SystemShutdown, at).with("reason", reason)
}

/// A part of the service failed.
#[must_use]
pub fn failure(part: &str, reason: &str, at: Wall) -> Event {
    Event::new(Topic::SystemError, at)
        .with("component", part)
        .with("reason", Value::from(reason))
}

#[cfg(test)]
mod tests;
