//! The figures of the control plane and of the machine.

use super::exposition::{Kind, Page};
use crate::clock::Mono;
use crate::events::Topic;
use crate::system::System;
use crate::system::calls::{EDGES, Ending};

/// Connections, calls and events. Methods are those of the table, and one for all that do not exist.
pub(super) fn control(system: &System, page: &mut Page) {
    page.family(
        "camera_service_connections",
        Kind::Gauge,
        "WebSockets that are open.",
    )
    .add(&[], system.connections());
    let methods = system.calls.by_method();
    let mut family = page.family(
        "camera_service_rpc_calls_total",
        Kind::Counter,
        "Calls by method and how they ended; failed is the service's doing, refused the caller's.",
    );
    for (method, figures) in &methods {
        for ending in Ending::ALL {
            let labels = [("method", *method), ("outcome", ending.as_str())];
            family.add(&labels, figures.endings[ending as usize]);
        }
    }
    let mut family = page.family(
        "camera_service_rpc_duration_seconds",
        Kind::Histogram,
        "How long calls took from the message to its answer.",
    );
    for (method, figures) in &methods {
        let mut under = 0;
        let buckets = EDGES.iter().zip(figures.buckets).map(|(edge, count)| {
            under += count;
            (edge.as_secs_f64(), under)
        });
        let (calls, took) = (figures.calls(), figures.took.as_secs_f64());
        family.histogram(&[("method", method)], buckets, calls, took);
    }
    let mut family = page.family(
        "camera_service_events_total",
        Kind::Counter,
        "Events by topic, whether anybody subscribed or not.",
    );
    for topic in Topic::ALL {
        family.add(&[("topic", topic.as_str())], system.events.of(*topic));
    }
}

/// What other parts keep; samples of one family follow on each other.
pub(super) fn samples(system: &System, page: &mut Page) {
    let samples = system.samples.now();
    for family in samples.chunk_by(|a, b| a.name == b.name) {
        let [first, ..] = family else {
            continue;
        };
        let kind = match first.counter {
            true => Kind::Counter,
            false => Kind::Gauge,
        };
        let mut lines = page.family(first.name, kind, first.help);
        for sample in family {
            let labels = sample.labels.iter();
            let labels: Vec<_> = labels
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            lines.add(&labels, sample.value);
        }
    }
}

/// The machine and the storage, as they were when they were last looked at.
pub(super) fn machine(system: &System, now: Mono, page: &mut Page) {
    let machine = system.machine();
    let storage = system.storage();
    let mut gauge = |name, help, value: Option<f64>| {
        let mut family = page.family(name, Kind::Gauge, help);
        if let Some(value) = value {
            family.add(&[], value);
        }
    };
    gauge(
        "camera_service_machine_cpu_ratio",
        "Part of all processors' time that is in use, 0 to 1.",
        machine.and_then(|m| m.cpu_percent).map(|p| p / 100.0),
    );
    gauge(
        "camera_service_machine_memory_ratio",
        "Part of the machine's memory that is in use, 0 to 1.",
        machine.and_then(|m| m.memory_percent).map(|p| p / 100.0),
    );
    gauge(
        "camera_service_storage_free_ratio",
        "Part of the storage of recordings that may still be written, 0 to 1.",
        storage.map(|s| s.free_percent() / 100.0),
    );
    gauge(
        "camera_service_storage_age_seconds",
        "How old the figures of the storage are; they grow old when the disk hangs.",
        storage.map(|s| now.since(s.at).as_secs_f64()),
    );
}
