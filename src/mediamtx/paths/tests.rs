//! What MediaMTX is told, against a stand-in that keeps entries as the real one does.

use super::*;
use proptest::prelude::*;

fn record() -> Record {
    Record {
        path: "/rec/%path/%path_%Y-%m-%d_%H-%M-%S".to_owned(),
        format: RecordFormat::Fmp4,
        part: Duration::from_millis(500),
        segment: Duration::from_secs(3600),
        max_part_bytes: 50 << 20,
    }
}

fn wishes(all: &[(&str, PathWish)]) -> BTreeMap<String, PathWish> {
    all.iter()
        .map(|(name, wish)| ((*name).to_owned(), wish.clone()))
        .collect()
}

fn recorded() -> PathWish {
    PathWish {
        record: Some(record()),
        ..PathWish::default()
    }
}

fn pulled() -> PathWish {
    PathWish {
        source: Some("rtsp://ann:geheim@192.0.2.7:554/live".to_owned()),
        record: None,
    }
}

/// What MediaMTX 1.20.1 lists for an entry that was put with `body`.
fn listed(name: &str, body: &Value) -> PathConf {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let go = |key: &str, default: &str| match text(key) {
        None => default.to_owned(),
        Some("0s") => String::new(),
        Some(millis) => {
            let millis: u64 = millis.strip_suffix("ms").unwrap().parse().unwrap();
            let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
            let days = if days > 0 {
                format!("{days}d")
            } else {
                String::new()
            };
            match (rest / 60_000, rest % 60_000) {
                _ if rest == 0 => days,
                (0, ms) if ms < 1000 => format!("{days}{ms}ms"),
                (minutes, ms) => format!(
                    "{days}{}h{}m{}s",
                    minutes / 60,
                    minutes % 60,
                    Duration::from_millis(ms).as_secs_f64()
                ),
            }
        }
    };
    let bytes = text("recordMaxPartSize").map_or(50 << 20, |s| {
        s.strip_suffix('B').unwrap().parse::<u64>().unwrap()
    });
    serde_json::from_value(json!({
        "name": name,
        "source": text("source").unwrap(),
        "rtspTransport": text("rtspTransport").unwrap_or("automatic"),
        "record": body["record"],
        "recordPath": text("recordPath").unwrap_or("./recordings/%path/%Y-%m-%d_%H-%M-%S-%f"),
        "recordFormat": text("recordFormat").unwrap_or("fmp4"),
        "recordPartDuration": go("recordPartDuration", "1s"),
        "recordMaxPartSize": shown_size(bytes),
        "recordSegmentDuration": go("recordSegmentDuration", "1h0m0s"),
        "recordDeleteAfter": go("recordDeleteAfter", "1d"),
        "somethingNew": 7,
    }))
    .unwrap()
}

fn apply(mut entries: Vec<PathConf>, operations: &[Operation]) -> Vec<PathConf> {
    for operation in operations {
        entries.retain(|e| e.name != operation.name());
        if let Operation::Put { name, body } = operation {
            entries.push(listed(name, body));
        }
    }
    entries
}

fn pattern() -> PathConf {
    listed(
        "~^camera(0|[1-9][0-9]{0,3})$",
        &json!({"source": "publisher", "record": false}),
    )
}

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

#[test]
fn a_recorded_camera_gets_an_entry_that_differs_from_the_pattern_in_recording_only() {
    let wished = wishes(&[("camera0", recorded())]);
    let told = decide(&wished, &none(), &[pattern()]);
    let [Operation::Put { name, body }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(name, "camera0");
    // Anything else would end publisher and viewers.
    for key in body.as_object().unwrap().keys() {
        assert!(key == "source" || key.starts_with("record"), "{key}");
    }
    assert_eq!(body["source"], "publisher");
    assert_eq!(body["recordDeleteAfter"], "0s");
    let after = apply(vec![pattern()], &told);
    assert_eq!(decide(&wished, &none(), &after), []);
    let off = wishes(&[("camera0", PathWish::default())]);
    let told = decide(&off, &none(), &after);
    assert!(
        matches!(told.as_slice(), [Operation::Delete { name }] if name == "camera0"),
        "{told:?}"
    );
}

#[test]
fn an_external_stream_is_pulled_over_tcp_and_goes_when_it_is_forgotten() {
    let wished = wishes(&[("drone", pulled())]);
    let told = decide(&wished, &none(), &[pattern()]);
    let [Operation::Put { body, .. }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(body["rtspTransport"], "tcp");
    assert_eq!(body["useAbsoluteTimestamp"], false);
    let after = apply(vec![pattern()], &told);
    assert_eq!(decide(&wished, &none(), &after), []);
    let owned = BTreeSet::from(["drone".to_owned()]);
    assert!(matches!(
        decide(&BTreeMap::new(), &owned, &after).as_slice(),
        [Operation::Delete { name }] if name == "drone"
    ));
}

#[test]
fn entries_of_somebody_else_stay() {
    let theirs = listed(
        "their-camera",
        &json!({"source": "rtsp://x/", "record": true}),
    );
    let stale = listed("camera7", &json!({"source": "publisher", "record": true}));
    let told = decide(&BTreeMap::new(), &none(), &[pattern(), theirs, stale]);
    // A camera's entry can only be ours, from before this service was started anew.
    assert!(
        matches!(told.as_slice(), [Operation::Delete { name }] if name == "camera7"),
        "{told:?}"
    );
}

#[test]
fn recording_a_name_that_nobody_feeds_makes_no_path_that_anybody_could_publish_to() {
    assert_eq!(
        decide(&wishes(&[("drone", recorded())]), &none(), &[pattern()]),
        []
    );
    assert_eq!(
        decide(&wishes(&[("../x", pulled())]), &none(), &[pattern()]),
        []
    );
}

#[test]
fn a_cameras_second_path_is_there_while_it_is_recorded_and_no_longer() {
    let camera: CameraId = "camera0".parse().unwrap();
    let name = second(camera);
    assert_eq!(camera_of_second(&name), Some(camera));
    assert_eq!(camera_of_second("event-drone"), None);
    let wished = wishes(&[(&name, recorded())]);
    let told = decide(&wished, &none(), &[pattern()]);
    let [Operation::Put { body, .. }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (&body["source"], &body["record"]),
        (&json!("publisher"), &json!(true))
    );
    let after = apply(vec![pattern()], &told);
    assert_eq!(decide(&wished, &none(), &after), []);
    let off = wishes(&[(&name, PathWish::default())]);
    // Also one that a killed service has left behind.
    for wished in [off, BTreeMap::new()] {
        let told = decide(&wished, &none(), &after);
        assert_eq!(told, [Operation::Delete { name: name.clone() }]);
    }
}

#[test]
fn a_password_is_in_no_text_for_people() {
    let url = "rtsp://ann:geheim@192.0.2.7:554/live";
    assert_eq!(without_credentials(url), "rtsp://***@192.0.2.7:554/live");
    assert_eq!(without_credentials("rtsp://h/a@b"), "rtsp://h/a@b");
    let said =
        format!("invalid source: '{url}': parse \"ann:geheim@192.0.2.7\", password geheim is bad");
    let clean = scrubbed(&said, url);
    assert!(!clean.contains("geheim"), "{clean}");
    assert_eq!(scrubbed("path not found", ""), "path not found");
    let wish = pulled();
    let told = decide(&wishes(&[("drone", wish.clone())]), &none(), &[]);
    let entry = listed("drone", &json!({"source": url, "record": false}));
    for shown in [
        format!("{wish:?}"),
        format!("{told:?}"),
        format!("{entry:?}"),
    ] {
        assert!(!shown.contains("geheim"), "{shown}");
    }
}

#[test]
fn times_and_sizes_are_read_as_mediamtx_writes_them() {
    for (text, millis) in [
        ("", 0),
        ("1s", 1000),
        ("1d", 86_400_000),
        ("1h0m0s", 3_600_000),
        ("1m0.5s", 60_500),
        ("100ms", 100),
        ("2d3h0m0s", 183_600_000),
    ] {
        assert_eq!(
            duration(text),
            Some(Duration::from_millis(millis)),
            "{text}"
        );
    }
    for bad in ["1", "s", "1x", "-1s", "one"] {
        assert_eq!(duration(bad), None, "{bad}");
    }
    for (bytes, text) in [
        (50 << 20, "50M"),
        (1536, "1.5K"),
        (7, "7B"),
        (0, "0B"),
        (1 << 30, "1G"),
    ] {
        assert_eq!(shown_size(bytes), text);
    }
}

fn any_wish() -> impl Strategy<Value = PathWish> {
    let record =
        (1_u64..90_000_000, 1_u64..90_000_000, 1_u64..1 << 34).prop_map(|(p, s, b)| Record {
            part: Duration::from_millis(p),
            segment: Duration::from_millis(s),
            max_part_bytes: b,
            ..record()
        });
    (
        proptest::option::of("rtsp://[a-z]{1,8}/[a-z]{1,8}"),
        proptest::option::of(record),
    )
        .prop_map(|(source, record)| PathWish { source, record })
}

proptest! {
    #[test]
    fn once_told_there_is_nothing_more_to_tell(
        wished in proptest::collection::btree_map("(camera[0-9]|[a-z_-]{1,6})", any_wish(), 0..6),
        before in proptest::collection::btree_map("(camera[0-9]|[a-z_-]{1,6})", any_wish(), 0..6),
    ) {
        let owned = before.keys().cloned().collect();
        let entries = apply(vec![pattern()], &decide(&before, &none(), &[pattern()]));
        let after = apply(entries.clone(), &decide(&wished, &owned, &entries));
        prop_assert_eq!(decide(&wished, &owned, &after), vec![]);
        for (name, wish) in &wished {
            prop_assert_eq!(after.iter().any(|e| &e.name == name), needs_entry(name, wish));
        }
        prop_assert!(after.iter().any(|e| e.name.starts_with('~')));
    }
}
