//! The figures for Prometheus: a page that a strict reader takes, true at the moment it is asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use camera_service::access::limits::{Gate, Rules};
use camera_service::camera::{Camera, Status};
use camera_service::clock::{self, Mono};
use camera_service::latency::{Recorder, Stamps};
use camera_service::offsite::{self, Report, State};
use camera_service::recording::seal::chain::Places;
use camera_service::recording::seal::io::Sealer;
use camera_service::recording::{EXTENSION, Running};
use camera_service::rpc::media::PathState;
use camera_service::storage::shelf::io::Folder;
use camera_service::storage::wear::{self, Disk, Health, Lately, Partition, Spare};
use camera_service::system::Storage;
use serde_json::json;
use support::{Rig, camera, http};

type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<(String, Labels, f64)>,
}

fn is_name(text: &str) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(start) && text.chars().all(|c| start(c) || c.is_ascii_digit())
}

/// `name{label="value",…} number`, nothing else.
fn sample(line: &str) -> (String, Labels, f64) {
    let (name, rest) = line.split_at(line.find(['{', ' ']).expect(line));
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    let mut rest = rest;
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, tail) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let (mut value, mut chars) = (String::new(), tail.char_indices());
            let end = loop {
                match chars.next().expect(line) {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next().expect(line).1 {
                        'n' => '\n',
                        c @ ('"' | '\\') => c,
                        other => panic!("\\{other} in {line}"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &tail[end + 1..];
            if let Some(more) = rest.strip_prefix(',') {
                assert!(!more.starts_with('}'), "{line}");
                rest = more;
            } else {
                assert!(rest.starts_with('}'), "{line}");
            }
        }
        rest = &rest[1..];
    }
    let number = rest.strip_prefix(' ').expect(line);
    (name.to_owned(), labels, number.parse().expect(line))
}

/// Reads a page as strictly as `promtool check metrics` does, and more so.
fn parse(page: &str) -> BTreeMap<String, Family> {
    assert!(page.ends_with('\n'));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut lines = page.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, meaning) = help
            .strip_prefix("# HELP ")
            .expect(help)
            .split_once(' ')
            .unwrap();
        assert!(is_name(name) && meaning.ends_with('.'), "{help}");
        let kind = lines.next().unwrap();
        let (same, kind) = kind
            .strip_prefix("# TYPE ")
            .expect(kind)
            .split_once(' ')
            .unwrap();
        assert_eq!(name, same);
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        let mut family = Family {
            kind: kind.to_owned(),
            ..Family::default()
        };
        let mut seen = BTreeSet::new();
        while let Some(line) = lines.next_if(|l| !l.starts_with('#')) {
            let (found, labels, value) = sample(line);
            let suffix = found.strip_prefix(name).expect(line);
            let allowed: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(allowed.contains(&suffix), "{line}");
            assert_eq!(suffix == "_bucket", labels.contains_key("le"), "{line}");
            assert!(kind == "gauge" || value >= 0.0, "{line}");
            assert!(
                seen.insert((suffix.to_owned(), labels.clone())),
                "twice: {line}"
            );
            family.samples.push((suffix.to_owned(), labels, value));
        }
        if kind == "histogram" {
            check_histogram(&family);
        }
        assert!(
            families.insert(name.to_owned(), family).is_none(),
            "{name} twice"
        );
    }
    families
}

fn check_histogram(family: &Family) {
    let mut by_series: BTreeMap<Labels, Vec<(String, Option<f64>, f64)>> = BTreeMap::new();
    for (suffix, labels, value) in &family.samples {
        let mut labels = labels.clone();
        let edge = labels.remove("le").map(|le| match le.as_str() {
            "+Inf" => f64::INFINITY,
            number => number.parse().unwrap(),
        });
        by_series
            .entry(labels)
            .or_default()
            .push((suffix.clone(), edge, *value));
    }
    for (labels, rows) in by_series {
        let buckets: Vec<_> = rows
            .iter()
            .filter_map(|(_, le, n)| Some(((*le)?, *n)))
            .collect();
        let rising = |w: &[(f64, f64)]| w[0].0 < w[1].0 && w[0].1 <= w[1].1;
        assert!(buckets.windows(2).all(rising), "{labels:?}: {buckets:?}");
        let of = |wanted: &str| rows.iter().find(|(s, ..)| s == wanted).unwrap().2;
        assert_eq!(*buckets.last().unwrap(), (f64::INFINITY, of("_count")));
        assert!(of("_sum") >= 0.0);
    }
}

fn value(families: &BTreeMap<String, Family>, name: &str, wanted: &[(&str, &str)]) -> Option<f64> {
    let has = |labels: &Labels| {
        wanted
            .iter()
            .all(|(k, v)| labels.get(*k).is_some_and(|l| l == v))
    };
    let samples = &families
        .get(name)
        .unwrap_or_else(|| panic!("no {name}"))
        .samples;
    samples
        .iter()
        .find(|(suffix, labels, _)| suffix.is_empty() && has(labels))
        .map(|s| s.2)
}

#[tokio::test]
async fn a_scraper_gets_every_figure_of_every_camera_as_it_is_now() {
    let rig = Rig::start().await;
    let counters = rig.directory.list()[0].counters.clone();
    counters.captured.store(300, Relaxed);
    counters.unsent.store(2, Relaxed);
    let now = clock::mono();
    let stamps = Stamps {
        captured: now,
        dequeued: Mono::from_nanos(now.as_nanos() + 3_000_000),
        encoded: Mono::from_nanos(now.as_nanos() + 12_000_000),
    };
    let sent = Mono::from_nanos(now.as_nanos() + 12_100_000);
    Recorder::default().sent(&counters.latency, &stamps, sent);
    let hostile = Camera {
        name: "a \"good\" \\ camera\nwith lines".to_owned(),
        ..camera(
            2,
            Status::Disconnected {
                reason: "unplugged".to_owned(),
            },
        )
    };
    rig.directory.put(hostile);
    let path = PathState {
        ready: true,
        readers: 3,
        bytes_sent: 99,
        ..PathState::default()
    };
    rig.media
        .0
        .lock()
        .unwrap()
        .paths
        .insert("camera0".to_owned(), path);

    let mut client = rig.stranger().await;
    client.call("ping", json!({})).await;
    client.call("ping", json!({})).await;
    client.call("no_such_method", json!({})).await;
    rig.system.put_storage(Storage {
        total: 100,
        used: 75,
        available: 25,
        at: now,
    });
    let folder = Folder::new(rig.data_dir.join("recordings"), EXTENSION);
    let sealer = Sealer::new(
        Arc::new(folder),
        Arc::new(Running::default()),
        Places::new(&rig.data_dir.join("recordings"), &rig.data_dir),
    );
    rig.system.samples.ask(move || sealer.figures().samples());
    let partition = |name: &str| Partition {
        holds: vec!["recordings", "data"],
        disk: Some(Disk {
            name: name.to_owned(),
            written: 4096,
        }),
        lately: Lately::default(),
        health: Health::Emmc {
            step: 3,
            spare: Spare::Normal,
        },
        days: Some(700),
    };
    let partitions = [partition("mmcblk0p2"), partition("mmcblk1p1")];
    rig.system.samples.ask(move || wear::samples(&partitions));
    let report = Report {
        store: "cameras at https://store.example".to_owned(),
        state: State::Refused,
        waiting: 3,
        waiting_bytes: 900,
        copied: 7,
        sent_bytes: 12,
        rate: 0,
        current: None,
        last_success: None,
        trouble: None,
        failures: 2,
        next_try: None,
        keeps: true,
        shed: 0,
    };
    rig.system
        .samples
        .ask(move || offsite::state::samples(&report));

    let answer = http(rig.page, "GET", "/metrics", "", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let page = parse(&answer.body);
    let of = |name: &str, labels: &[(&str, &str)]| value(&page, name, labels);
    let camera0 = [("camera", "camera0")];
    assert_eq!(
        of("camera_service_build_info", &[("version", "1.2.3")]),
        Some(1.0)
    );
    assert_eq!(
        of("camera_service_frames_captured_total", &camera0),
        Some(300.0)
    );
    assert_eq!(
        of("camera_service_frames_unsent_total", &camera0),
        Some(2.0)
    );
    let status = |camera, status| {
        of(
            "camera_service_camera_status",
            &[("camera", camera), ("status", status)],
        )
    };
    assert_eq!(status("camera0", "CONNECTED"), Some(1.0));
    assert_eq!(status("camera2", "CONNECTED"), Some(0.0));
    assert_eq!(status("camera2", "DISCONNECTED"), Some(1.0));
    assert_eq!(
        of(
            "camera_service_camera_info",
            &[("name", "a \"good\" \\ camera\nwith lines")]
        ),
        Some(1.0)
    );
    assert_eq!(
        of("camera_service_path_readers", &[("path", "camera0")]),
        Some(3.0)
    );
    assert_eq!(of("camera_service_mediamtx_up", &[]), Some(1.0));
    assert!(of("process_resident_memory_bytes", &[]).unwrap() > 1e6);
    assert!(of("process_open_fds", &[]).unwrap() > 3.0);
    let latency = &page["camera_service_frame_latency_seconds"];
    assert_eq!(latency.kind, "histogram");
    let under = |stage: &str, le: &str| {
        let bucket = |labels: &Labels| {
            labels["camera"] == "camera0" && labels["stage"] == stage && labels["le"] == le
        };
        let found = latency
            .samples
            .iter()
            .find(|(s, labels, _)| s == "_bucket" && bucket(labels));
        found.unwrap_or_else(|| panic!("no bucket {le}")).2
    };
    assert_eq!(
        (
            under("captured_to_sent", "0.01"),
            under("captured_to_sent", "0.015")
        ),
        (0.0, 1.0)
    );
    assert_eq!(
        (
            under("encoded_to_sent", "0.0001"),
            under("encoded_to_sent", "0.00025")
        ),
        (1.0, 1.0)
    );

    assert_eq!(of("camera_service_connections", &[]), Some(1.0));
    let calls = |method, outcome| {
        let labels = [("method", method), ("outcome", outcome)];
        of("camera_service_rpc_calls_total", &labels)
    };
    assert_eq!(calls("ping", "ok"), Some(2.0));
    assert_eq!(calls("unknown", "refused"), Some(1.0));
    assert_eq!(
        page["camera_service_rpc_duration_seconds"].kind,
        "histogram"
    );
    assert_eq!(of("camera_service_storage_free_ratio", &[]), Some(0.25));
    assert_eq!(of("camera_service_evidence_broken", &[]), Some(0.0));
    assert_eq!(of("camera_service_offsite_failing", &[]), Some(1.0));
    let worn = [("device", "mmcblk1p1"), ("holds", "recordings data")];
    assert_eq!(of("camera_service_disk_life_used_ratio", &worn), Some(0.3));

    // Every name is documented, and nothing else is.
    let documented: BTreeSet<&str> = include_str!("../docs/reference/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let mut served: BTreeSet<&str> = page.keys().map(String::as_str).collect();
    // Known only once MediaMTX told its version.
    served.insert("camera_service_mediamtx_info");
    assert_eq!(documented, served);
    rig.stop().await;
}

#[tokio::test]
async fn who_was_refused_and_why_is_counted_by_a_fixed_set_of_words() {
    let rig = Rig::with(|services| {
        services.limits.strangers_per_address = 2;
        services.limits.message_bytes = 2048;
        let desk = Arc::get_mut(&mut services.desk).unwrap();
        desk.guard.limits = Arc::new(Gate::new(Rules {
            requests_per_minute: 60,
            burst: 3,
            failed_logins_per_minute: 2,
        }));
    })
    .await;
    let figures = async || parse(&http(rig.page, "GET", "/metrics", "", "").await.body);
    let before = figures().await;
    let series = |page: &BTreeMap<String, Family>| {
        let family = |(name, f): (&String, &Family)| {
            let counted = name.contains("_refused_")
                || name.contains("_closed_")
                || name.contains("_logins_")
                || name.contains("_limited_")
                || name.contains("_auth_callback");
            if counted { f.samples.len() } else { 0 }
        };
        page.iter().map(family).sum::<usize>()
    };

    let mut one = rig.stranger().await;
    let mut two = rig.stranger().await;
    assert_eq!(support::upgrade(rig.api, "").await.1, 503);
    let evil = "origin: https://evil.example\r\n";
    assert_eq!(support::upgrade(rig.api, evil).await.1, 403);
    for token in ["viewer", "no token", "another", "viewer", "whatever"] {
        one.call("authenticate", json!({ "auth_token": token }))
            .await;
    }
    // Three requests at once, a fourth is one too many.
    for _ in 0..4 {
        one.call("get_camera_list", json!({})).await;
    }
    two.send("x".repeat(3000).as_str(), json!({})).await;
    assert_eq!(two.closed().await, Some(1009));
    for question in ["{\"ok\":1}", "{}", "{}"] {
        http(rig.internal, "POST", "/auth", "", question).await;
    }

    let page = figures().await;
    let of = |name: &str, label: &str, word: &str| {
        value(&page, &format!("camera_service_{name}"), &[(label, word)])
    };
    for (name, label, word, count) in [
        (
            "connections_refused_total",
            "reason",
            "unauthenticated",
            1.0,
        ),
        ("connections_refused_total", "reason", "origin", 1.0),
        ("connections_refused_total", "reason", "total", 0.0),
        ("logins_total", "outcome", "ok", 1.0),
        ("logins_total", "outcome", "failed", 2.0),
        ("logins_total", "outcome", "locked_out", 2.0),
        ("rate_limited_total", "what", "logins", 2.0),
        ("rate_limited_total", "what", "requests", 1.0),
        (
            "connections_closed_total",
            "reason",
            "message_too_long",
            1.0,
        ),
        ("connections_closed_total", "reason", "slow_reader", 0.0),
        ("auth_callbacks_total", "outcome", "allowed", 1.0),
        ("auth_callbacks_total", "outcome", "unauthorized", 2.0),
    ] {
        assert_eq!(of(name, label, word), Some(count), "{name} {word}");
    }
    let asked = &page["camera_service_auth_callback_duration_seconds"].samples;
    let count = asked
        .iter()
        .find(|(suffix, ..)| suffix == "_count")
        .unwrap();
    assert!((count.2 - 3.0).abs() < f64::EPSILON);
    assert_eq!(
        value(&page, "camera_service_clients_waiting_limit_bytes", &[]),
        Some(f64::from(64 << 20))
    );
    // Nothing that clients send makes another series.
    assert_eq!(series(&before), series(&page));
    rig.stop().await;
}

#[tokio::test]
async fn figures_are_on_the_health_port_only_and_may_be_asked_for_but_not_sent() {
    let rig = Rig::start().await;
    assert_eq!(http(rig.api, "GET", "/metrics", "", "").await.status, 404);
    let head = http(rig.page, "HEAD", "/metrics", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(http(rig.page, "POST", "/metrics", "", "").await.status, 405);
    rig.stop().await;
}

/// Names of metrics in an expression: what is no function, no label and no keyword.
fn names(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut braces = 0;
    let mut word = String::new();
    for c in expression.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if braces == 0 && (word.starts_with("camera_service_") || word.starts_with("process_")) {
            names.insert(std::mem::take(&mut word));
        }
        word.clear();
        match c {
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => {}
        }
    }
    names
}

#[tokio::test]
async fn every_metric_an_alert_asks_about_is_really_there() {
    let rig = Rig::start().await;
    let page = http(rig.page, "GET", "/metrics", "", "").await.body;
    let page = parse(&page);
    let rules = include_str!("../docs/alerts.rules.yml");
    // Not a reader of YAML: each rule has its expression in a block of its own.
    let mut expressions = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "expr: |" {
            let mut text = String::new();
            while let Some(inside) = lines.next_if(|l| l.starts_with("          ")) {
                text += inside.trim();
                text.push('\n');
            }
            expressions.push(text);
        }
    }
    let alerts = rules.matches("- alert: ").count();
    assert!(alerts >= 9);
    assert_eq!(expressions.len(), alerts);
    for expression in &expressions {
        let asked = names(expression);
        assert!(!asked.is_empty(), "{expression}");
        for name in asked {
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .filter(|family| page.contains_key(*family))
                .unwrap_or(&name);
            assert!(page.contains_key(family), "{name} of {expression}");
            let histogram = page[family].kind == "histogram";
            assert_eq!(histogram, family != name, "{name} of {expression}");
        }
    }
    for part in ["summary: ", "description: ", "severity: "] {
        assert_eq!(rules.matches(part).count(), alerts, "{part}");
    }
    rig.stop().await;
}
