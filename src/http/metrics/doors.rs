//! The figures of the doors: who was turned away, and why.

use std::sync::atomic::Ordering::Relaxed;

use super::Facts;
use super::exposition::{Kind, Page};
use crate::system::doors::{Counts, Word};

/// Refusals, logins, what waits for clients, downloads, and MediaMTX's questions.
pub(super) fn doors(facts: &Facts<'_>, page: &mut Page) {
    let doors = &facts.system.doors;
    by_word(
        page,
        "camera_service_connections_refused_total",
        "Connections refused, by reason.",
        "reason",
        &doors.refused,
    );
    by_word(
        page,
        "camera_service_connections_closed_total",
        "WebSockets that the service closed or cut, by reason.",
        "reason",
        &doors.closed,
    );
    by_word(
        page,
        "camera_service_rate_limited_total",
        "What was refused because it came too often: -32040 on a WebSocket, 429 over HTTP.",
        "what",
        &doors.limited,
    );
    by_word(
        page,
        "camera_service_logins_total",
        "Tokens and keys that were shown, on WebSockets and for downloads, by what became of them.",
        "outcome",
        &doors.logins,
    );
    page.family(
        "camera_service_events_dropped_total",
        Kind::Counter,
        "Pieces of news that clients lost because they read too slowly.",
    )
    .add(&[], doors.events_dropped.load(Relaxed));
    let (waiting, limit) = facts.waiting;
    page.family(
        "camera_service_clients_waiting_bytes",
        Kind::Gauge,
        "Memory that WebSockets have waiting here.",
    )
    .add(&[], waiting);
    page.family(
        "camera_service_clients_waiting_limit_bytes",
        Kind::Gauge,
        "What they may have waiting together; 0 = no limit.",
    )
    .add(&[], limit);
    page.family(
        "camera_service_downloads",
        Kind::Gauge,
        "Downloads that run.",
    )
    .add(&[], facts.downloads);
    by_word(
        page,
        "camera_service_downloads_refused_total",
        "Downloads refused because too many ran, by whose share was taken.",
        "reason",
        &doors.no_download,
    );
    by_word(
        page,
        "camera_service_auth_callbacks_total",
        "MediaMTX's questions whether somebody may read or publish, by the answer.",
        "outcome",
        &doors.asked,
    );
    let (buckets, count, sum) = doors.asked_took.read();
    let buckets = buckets
        .into_iter()
        .map(|(edge, under)| (edge.as_secs_f64(), under));
    page.family(
        "camera_service_auth_callback_duration_seconds",
        Kind::Histogram,
        "How long the answers took.",
    )
    .histogram(&[], buckets, count, sum.as_secs_f64());
}

fn by_word<W: Word>(
    page: &mut Page,
    name: &'static str,
    help: &str,
    label: &'static str,
    counts: &Counts<W>,
) {
    let mut family = page.family(name, Kind::Counter, help);
    for (word, count) in counts.all() {
        family.add(&[(label, word)], count);
    }
}
