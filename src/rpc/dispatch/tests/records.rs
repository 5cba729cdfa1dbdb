//! Recordings, snapshots and storage as clients meet them, against stand-ins that answer at once.

use std::sync::Mutex;

use super::*;
use crate::clock::{Mono, Wall};
use crate::error::{Error, Kind, Later};
use crate::recording::examine::{Facts, Gap};
use crate::recording::index::{Inventory, Item};
use crate::recording::modes::{Mode, Moding, Reason, Standing, Wish};
use crate::recording::{
    Deletion, Durability, Format, Info, Order, Recordings, Start, Started, Stop, Stopped,
};
use crate::rpc::schema::tests::departure;
use crate::snapshot::{Of, Snapshot, Snapshots};
use crate::storage::moments::{Moment, Standing as Known};
use crate::storage::names::Stem;
use crate::storage::policy::Policy;
use crate::storage::quota::Kind as FileKind;
use crate::storage::shelf::Weight;
use crate::storage::shelf::{Entry, Listing, Page};
use crate::storage::space::Space;
use crate::storage::{Cleaned, Erased, Figures, Storage};
use crate::units::Size;

/// Every method here.
pub(super) const METHODS: &[&str] = &[
    "start_recording",
    "stop_recording",
    "list_recordings",
    "get_recording_info",
    "delete_recording",
    "take_snapshot",
    "list_snapshots",
    "get_snapshot_info",
    "delete_snapshot",
    "get_storage_info",
    "set_retention_policy",
    "cleanup_old_files",
    "protect_recording",
    "get_recording_mode",
    "set_recording_mode",
];

/// Answers as it was told, and notes what it was asked.
#[derive(Default)]
struct StandIn {
    start: Mutex<Option<Start>>,
    orders: Mutex<Vec<Order>>,
    runs: Mutex<Option<&'static str>>,
    pages: Mutex<Vec<Page>>,
    policies: Mutex<Vec<Policy>>,
    modes: Mutex<Vec<Option<Wish>>>,
}

fn soon<T: Send + 'static>(value: T) -> Later<T> {
    Box::pin(std::future::ready(Ok(value)))
}

fn entry(stem: &Stem) -> Entry {
    Entry {
        stem: stem.clone(),
        device: "camera0".to_owned(),
        size: 4321,
        modified: NOW.wall,
        created: None,
        path: format!("/r/camera0/{stem}").into(),
    }
}

fn info(stem: &Stem) -> Info {
    Info {
        entry: entry(stem),
        duration: Duration::from_millis(3_500),
        facts: facts(),
        running: stem.as_str() == "running",
    }
}

fn facts() -> Facts {
    Facts {
        duration: Duration::from_millis(3_500),
        codec: Some("avc1.64001f".to_owned()),
        size: Some(Size::new(1280, 720)),
        gaps: vec![Gap {
            at: Duration::from_millis(1_000),
            length: Duration::from_millis(1_500),
        }],
        closed: true,
        torn: false,
        unplayable: false,
        whole: 4_300,
        begun: Some(Wall::from_secs(1_790_000_000)),
    }
}

fn known(stem: &Stem) -> bool {
    stem.as_str() != "absent"
}

impl Recordings for StandIn {
    fn longest_lead(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn start(&self, order: Order) -> Later<Start> {
        let stem = order
            .name
            .clone()
            .unwrap_or_else(|| Stem::of(&order.device, NOW.wall));
        self.orders.lock().unwrap().push(order);
        match self.start.lock().unwrap().take() {
            Some(other) => soon(other),
            None => soon(Start::Started(Started {
                stem,
                start: NOW.wall,
                until: None,
                lead: Duration::ZERO,
            })),
        }
    }

    fn state(&self, _: &str) -> Option<&'static str> {
        *self.runs.lock().unwrap()
    }

    fn stop(&self, device: &str) -> Later<Stop> {
        let stem = Stem::of(device, NOW.wall);
        soon(Stop::Stopped(Stopped {
            start: NOW.wall,
            end: NOW.wall,
            duration: Duration::from_millis(3_500),
            size: 4321,
            files: vec![info(&stem)],
            stem,
            format: Format::Fmp4,
            finalising: false,
        }))
    }

    fn list(&self, page: Page) -> Later<Arc<Inventory>> {
        self.pages.lock().unwrap().push(page);
        let item = |stem: &str, facts| Item {
            entry: entry(&stem.parse().unwrap()),
            facts,
        };
        soon(Arc::new(Inventory {
            files: vec![
                item("running", None),
                item("party", Some(facts())),
                item("fresh", None),
            ],
            total: 7,
        }))
    }

    fn info(&self, stem: Stem) -> Later<Option<Info>> {
        soon(known(&stem).then(|| info(&stem)))
    }

    fn delete(&self, stem: Stem, _: &str) -> Later<Deletion> {
        soon(match stem.as_str() {
            "running" => Deletion::Running,
            "locked" => Deletion::Protected,
            "absent" => Deletion::Unknown,
            _ => Deletion::Done,
        })
    }

    fn durability(&self) -> Durability {
        Durability::default()
    }

    fn is_running(&self, stem: &Stem) -> bool {
        stem.as_str() == "running"
    }

    fn is_finalising(&self, _: &Stem) -> bool {
        false
    }
}

impl Moding for StandIn {
    fn standing(&self, _: CameraId) -> Standing {
        let set = self.modes.lock().unwrap().last().cloned().flatten();
        Standing {
            own: set.is_some(),
            wish: set.unwrap_or_default(),
            reason: Reason::Closed,
            zone: "Europe/Berlin".to_owned(),
            records: false,
        }
    }

    fn set(&self, camera: CameraId, wish: Option<Wish>) -> Later<Standing> {
        self.modes.lock().unwrap().push(wish);
        soon(self.standing(camera))
    }
}

impl Snapshots for StandIn {
    fn take(&self, of: Of, name: Option<Stem>) -> Later<Snapshot> {
        if name.as_ref().is_some_and(|n| n.as_str() == "hevc") {
            let error = Error::new(Kind::Refused, "it is coded as hvc1, not as H.264");
            return Box::pin(std::future::ready(Err(error)));
        }
        if name.as_ref().is_some_and(|n| n.as_str() == "away") {
            let error = Error::new(Kind::Gone, "nothing comes in");
            return Box::pin(std::future::ready(Err(error)));
        }
        if name.as_ref().is_some_and(|n| n.as_str() == "broken") {
            let error =
                Error::new(Kind::Transient, "the picture cannot be decoded").action("try again");
            return Box::pin(std::future::ready(Err(error)));
        }
        let stem = name.unwrap_or_else(|| Stem::of(&of.to_string(), NOW.wall));
        soon(Snapshot {
            at: NOW.wall,
            size: 5,
            path: format!("/s/camera0/{stem}.jpg").into(),
            stem,
        })
    }

    fn list(&self, page: Page) -> Later<Listing> {
        self.pages.lock().unwrap().push(page);
        soon(Listing {
            files: vec![entry(&"shot".parse().unwrap())],
            total: 7,
        })
    }

    fn info(&self, stem: Stem) -> Later<Option<Entry>> {
        soon(known(&stem).then(|| entry(&stem)))
    }

    fn delete(&self, stem: Stem) -> Later<bool> {
        soon(known(&stem))
    }
}

impl Storage for StandIn {
    fn figures(&self) -> Later<Figures> {
        soon(Figures {
            space: Space::of(4096, 1000, 150, 150),
            recordings: Weight {
                bytes: 10,
                allocated: 4096,
            },
            snapshots: Weight {
                bytes: 20,
                allocated: 4096,
            },
            policy: Policy::default(),
            limits: Default::default(),
            clock: Err(crate::storage::trust::Doubt::Unsynchronised),
            protected: 1,
            warn_percent: 80,
            block_percent: 90,
            fallback: None,
        })
    }

    fn refusal(&self) -> Later<Option<String>> {
        soon(None)
    }

    fn set_policy(&self, policy: Policy) -> Later<()> {
        self.policies.lock().unwrap().push(policy);
        soon(())
    }

    fn clean(&self) -> Later<Cleaned> {
        soon(Cleaned::default())
    }

    fn delete_recording(&self, _: Stem, _: String) -> Later<Erased> {
        soon(Erased::Unknown)
    }

    fn protect(&self, stem: Stem, _: bool) -> Later<bool> {
        soon(known(&stem))
    }

    fn is_protected(&self, stem: &Stem) -> bool {
        stem.as_str() == "locked"
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn wall_of(&self, moment: Mono) -> Wall {
        NOW.wall_of(moment)
    }

    fn began(&self, _: FileKind, _: &Stem, first: Option<Mono>, _: Option<Wall>) -> Wall {
        first.map_or(NOW.wall, |first| NOW.wall_of(first))
    }

    fn moment(&self, _: FileKind, _: &Stem, own: Option<Wall>) -> Moment {
        Moment {
            at: own,
            standing: Known::Exact,
        }
    }

    fn is_away(&self) -> bool {
        false
    }
}

struct Asker {
    client: Client,
    stand_in: Arc<StandIn>,
}

impl Asker {
    fn new(role: &str) -> Self {
        Self::with(role, media())
    }

    fn with(role: &str, media: MediaState) -> Self {
        let stand_in = Arc::new(StandIn::default());
        let mut client = Client::new();
        client.room = room(media);
        let desk = Arc::get_mut(&mut client.room.desk).unwrap();
        desk.recordings = Arc::clone(&stand_in) as _;
        desk.modes = Arc::clone(&stand_in) as _;
        desk.snapshots = Arc::clone(&stand_in) as _;
        desk.storage = Arc::clone(&stand_in) as _;
        client.call(
            "authenticate",
            &json!({ "auth_token": format!("{role}:60") }),
        );
        Self { client, stand_in }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let turn = accept(
            &self.client.room,
            &mut self.client.session,
            &request.to_string(),
            NOW,
        );
        let answer = match turn.outcome {
            Outcome::Now(answer) => answer,
            Outcome::Later(work) => work.await,
        };
        serde_json::from_str(&turn.reply.render(&answer, NOW).unwrap()).unwrap()
    }

    /// The code, and the state, rule, feature or dependency.
    async fn refused(&mut self, method: &str, params: Value) -> (i64, String) {
        let answer = self.call(method, params).await;
        let data = &answer["error"]["data"];
        let told = ["rule", "state", "feature", "dependency", "resource"]
            .iter()
            .find_map(|key| data[*key].as_str());
        (
            answer["error"]["code"].as_i64().unwrap_or(0),
            told.unwrap_or("").to_owned(),
        )
    }
}

#[tokio::test]
async fn every_answer_has_the_documented_shape_and_no_field_more() {
    let mut admin = Asker::new("admin");
    for name in METHODS {
        let row = crate::rpc::table::METHODS
            .iter()
            .find(|m| m.name == *name)
            .unwrap();
        let params = match *name {
            "set_retention_policy" => {
                json!({ "policy_type": "age", "enabled": true, "max_age_days": 3, "max_size_gb": 0.5 })
            }
            "set_recording_mode" => json!({ "device": "camera0", "mode": "continuous" }),
            _ if row.params.iter().any(|p| p.name == "device") => json!({ "device": "camera0" }),
            _ if row.params.iter().any(|p| p.name == "filename") => json!({ "filename": "a" }),
            _ => json!({}),
        };
        let answer = admin.call(name, params).await;
        assert_eq!(
            departure(row.result, &answer["result"]),
            None,
            "{name}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_recording_is_told_by_its_stem_and_downloaded_by_its_true_name() {
    let mut operator = Asker::new("operator");
    let started = operator
        .call(
            "start_recording",
            json!({ "device": "camera0", "duration": 1.5, "filename": "party.mp4" }),
        )
        .await;
    assert_eq!(started["result"]["filename"], "party");
    assert_eq!(
        (&started["result"]["status"], &started["result"]["format"]),
        (&json!("RECORDING"), &json!("fmp4"))
    );
    let order = operator.stand_in.orders.lock().unwrap().remove(0);
    assert_eq!(order.duration, Some(Duration::from_millis(1500)));
    let stopped = operator
        .call("stop_recording", json!({ "device": "camera0" }))
        .await;
    assert_eq!(
        (
            &stopped["result"]["duration"],
            &stopped["result"]["file_size"]
        ),
        (&json!(4), &json!(4321))
    );
    assert_eq!(stopped["result"]["extensions"]["duration_ms"], 3500);
    let plain = json!({ "device": "camera0", "format": "mp4" });
    let started = operator.call("start_recording", plain).await;
    assert_eq!(started["result"]["format"], "mp4");
    let order = operator.stand_in.orders.lock().unwrap().remove(0);
    assert_eq!(order.format, Format::Mp4);
    let told = operator
        .call("get_recording_info", json!({ "filename": "party.mp4" }))
        .await;
    assert_eq!(told["result"]["filename"], "party");
    assert_eq!(
        told["result"]["download_url"],
        "/files/recordings/party.mp4"
    );
    let shot = operator
        .call(
            "take_snapshot",
            json!({ "device": "camera0", "filename": "a.jpg" }),
        )
        .await;
    assert_eq!(
        (&shot["result"]["filename"], &shot["result"]["status"]),
        (&json!("a"), &json!("SUCCESS"))
    );
}

#[tokio::test]
async fn each_refusal_has_its_code_and_says_what_stands_against_it() {
    let mut operator = Asker::new("operator");
    let start = "start_recording";
    for (method, params, code, told) in [
        (start, json!({ "device": "camera9" }), -32010, "camera"),
        (
            start,
            json!({ "device": "camera2" }),
            -32020,
            "DISCONNECTED",
        ),
        (
            start,
            json!({ "device": "camera0", "format": "mkv" }),
            -32030,
            "format:mkv",
        ),
        (
            start,
            json!({ "device": "camera0", "pre_event_ms": 10_001 }),
            -32030,
            "pre_event",
        ),
        (
            start,
            json!({ "device": "camera0", "pre_event_ms": -1 }),
            -32602,
            "minimum",
        ),
        (
            start,
            json!({ "device": "camera0", "format": "avi" }),
            -32602,
            "enum",
        ),
        (
            start,
            json!({ "device": "camera0", "duration": 0.5 }),
            -32602,
            "minimum",
        ),
        (
            start,
            json!({ "device": "camera0", "duration": 86_401 }),
            -32602,
            "maximum",
        ),
        (
            start,
            json!({ "device": "camera0", "filename": "../x" }),
            -32602,
            "filename",
        ),
        ("list_recordings", json!({ "limit": 0 }), -32602, "minimum"),
        (
            "list_recordings",
            json!({ "limit": 1001 }),
            -32602,
            "maximum",
        ),
        ("list_snapshots", json!({ "offset": -1 }), -32602, "minimum"),
        (
            "get_recording_info",
            json!({ "filename": "a/b" }),
            -32602,
            "filename",
        ),
        (
            "get_recording_info",
            json!({ "filename": "absent" }),
            -32010,
            "recording",
        ),
        (
            "delete_recording",
            json!({ "filename": "locked" }),
            -32020,
            "PROTECTED",
        ),
        (
            "protect_recording",
            json!({ "filename": "absent" }),
            -32010,
            "recording",
        ),
        (
            "protect_recording",
            json!({ "filename": "a", "protected": "yes" }),
            -32602,
            "type",
        ),
        (
            "get_snapshot_info",
            json!({ "filename": "absent" }),
            -32010,
            "snapshot",
        ),
        (
            "delete_recording",
            json!({ "filename": "running" }),
            -32020,
            "RECORDING",
        ),
        (
            "delete_recording",
            json!({ "filename": "absent" }),
            -32010,
            "recording",
        ),
        (
            "delete_snapshot",
            json!({ "filename": "absent" }),
            -32010,
            "snapshot",
        ),
        (
            "take_snapshot",
            json!({ "device": "camera2" }),
            -32020,
            "DISCONNECTED",
        ),
        (
            "take_snapshot",
            json!({ "device": "camera0", "filename": "broken" }),
            -32050,
            "camera",
        ),
        ("get_storage_info", json!({}), -32002, ""),
    ] {
        let refused = operator.refused(method, params.clone()).await;
        assert_eq!(refused, (code, told.to_owned()), "{method} {params}");
    }
    *operator.stand_in.start.lock().unwrap() = Some(Start::Busy { state: "RECORDING" });
    let busy = operator
        .refused(start, json!({ "device": "camera0" }))
        .await;
    assert_eq!(busy, (-32020, "RECORDING".to_owned()));
    *operator.stand_in.start.lock().unwrap() = Some(Start::Full("it is full".to_owned()));
    let full = operator
        .refused(start, json!({ "device": "camera0" }))
        .await;
    assert_eq!(full, (-32050, "storage".to_owned()));
    let mut alone = Asker::with("operator", MediaState::default());
    let refused = alone.refused(start, json!({ "device": "camera0" })).await;
    assert_eq!(refused, (-32050, "mediamtx".to_owned()));
    // What is known of the camera comes before what is wrong beneath it.
    *alone.stand_in.runs.lock().unwrap() = Some("RECORDING");
    let refused = alone.refused(start, json!({ "device": "camera0" })).await;
    assert_eq!(refused, (-32020, "RECORDING".to_owned()));
    assert!(alone.stand_in.orders.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_list_tells_what_each_recording_holds_and_what_is_not_known_yet_is_null() {
    let mut viewer = Asker::new("viewer");
    let list = viewer.call("list_recordings", json!({})).await;
    let told = |number: usize| list["result"]["files"][number]["extensions"].clone();
    let nothing = json!({
        "device": "camera0", "recording": true, "protected": false, "offsite": "none", "flags": [], "gaps": null,
        "duration_ms": null, "codec": null, "width": null, "height": null,
        "start_time": null, "time": "exact",
    });
    assert_eq!(told(0), nothing);
    let all = json!({
        "device": "camera0", "recording": false, "protected": false, "offsite": "none", "flags": ["closed"],
        "gaps": [{ "at_ms": 1000, "length_ms": 1500 }],
        "duration_ms": 3500, "codec": "avc1.64001f", "width": 1280, "height": 720,
        "start_time": "2026-09-21T14:13:20.000Z", "time": "exact",
    });
    assert_eq!(told(1), all);
    assert_eq!(
        (&told(2)["recording"], &told(2)["flags"]),
        (&json!(false), &json!(["pending"]))
    );
    let info = viewer
        .call("get_recording_info", json!({ "filename": "party" }))
        .await;
    let mut more = all;
    more["whole_bytes"] = 4300.into();
    assert_eq!(info["result"]["extensions"], more);
}

#[tokio::test]
async fn a_list_is_asked_for_fifty_at_a_time_unless_told_otherwise() {
    let mut viewer = Asker::new("viewer");
    let first = viewer.call("list_recordings", json!({})).await;
    assert_eq!(
        (
            &first["result"]["limit"],
            &first["result"]["offset"],
            &first["result"]["total"]
        ),
        (&json!(50), &json!(0), &json!(7))
    );
    assert_eq!(first["result"]["files"][0]["extensions"]["recording"], true);
    viewer
        .call("list_recordings", json!({ "limit": 1000, "offset": 3.0 }))
        .await;
    let asked = viewer.stand_in.pages.lock().unwrap().clone();
    assert_eq!(
        asked,
        [
            Page {
                limit: 50,
                offset: 0
            },
            Page {
                limit: 1000,
                offset: 3
            }
        ]
    );
}

#[tokio::test]
async fn a_policy_is_taken_with_its_limits_or_refused_by_the_limit_that_is_wrong() {
    let mut admin = Asker::new("admin");
    let method = "set_retention_policy";
    for (params, rule) in [
        (json!({ "policy_type": "age", "enabled": true }), "required"),
        (
            json!({ "policy_type": "size", "enabled": true, "max_age_days": 1 }),
            "required",
        ),
        (
            json!({ "policy_type": "size", "enabled": true, "max_size_gb": 0 }),
            "minimum",
        ),
        (
            json!({ "policy_type": "size", "enabled": true, "max_size_gb": -1 }),
            "minimum",
        ),
        (
            json!({ "policy_type": "age", "enabled": true, "max_age_days": 0 }),
            "minimum",
        ),
        (
            json!({ "policy_type": "age", "enabled": true, "max_age_days": 1.5 }),
            "type",
        ),
        (
            json!({ "policy_type": "manual", "enabled": true, "max_age_days": 1 }),
            "forbidden",
        ),
        (
            json!({ "policy_type": "age", "enabled": 1, "max_age_days": 1 }),
            "type",
        ),
        (json!({ "policy_type": "never", "enabled": true }), "enum"),
        (json!({ "policy_type": "age" }), "required"),
    ] {
        assert_eq!(
            admin.refused(method, params.clone()).await,
            (-32602, rule.to_owned()),
            "{params}"
        );
    }
    assert!(admin.stand_in.policies.lock().unwrap().is_empty());
    let set = admin
        .call(
            method,
            json!({ "policy_type": "size", "enabled": true, "max_size_gb": 0.25 }),
        )
        .await;
    assert_eq!(set["result"]["max_size_gb"], 0.25);
    assert!(set["result"].get("max_age_days").is_none(), "{set}");
    assert_eq!(
        admin.stand_in.policies.lock().unwrap()[0].max_size_gb,
        Some(0.25)
    );
}

#[tokio::test]
async fn a_snapshot_of_an_external_stream_says_what_keeps_it_away() {
    let of = |name: &str| json!({ "device": "drone", "filename": name });
    let mut operator = Asker::new("operator");
    let taken = operator.call("take_snapshot", of("a")).await;
    assert_eq!(taken["result"]["device"], "drone", "{taken}");
    // What came of it, once it was asked for.
    for (name, refusal) in [
        ("hevc", (-32050, "external_stream".to_owned())),
        ("away", (-32020, "NOT_READY".to_owned())),
    ] {
        assert_eq!(operator.refused("take_snapshot", of(name)).await, refusal);
    }
    // Away for long: nobody waits for it.
    let mut book = crate::external::book::Book::default();
    let (url, kind) = ("rtsp://192.0.2.7/live", crate::external::Kind::Generic);
    let before = Wall::from_nanos(NOW.wall.as_nanos() - 5_000_000_000);
    book.add("drone", url.parse().unwrap(), kind, before)
        .unwrap();
    let desk = Arc::get_mut(&mut operator.client.room.desk).unwrap();
    desk.external = Arc::new(crate::external::Fixed(book.into()));
    let refused = operator.refused("take_snapshot", of("a")).await;
    assert_eq!(refused, (-32020, "NOT_READY".to_owned()));
    // Nobody can tell without MediaMTX.
    let mut operator = Asker::with("operator", MediaState::default());
    let refused = operator.refused("take_snapshot", of("a")).await;
    assert_eq!(refused, (-32050, "mediamtx".to_owned()));
}

#[tokio::test]
async fn a_recording_of_a_camera_begins_as_early_as_pictures_are_held_unless_told_otherwise() {
    let mut operator = Asker::new("operator");
    for (params, lead) in [
        (json!({ "device": "camera0" }), 10_000),
        (json!({ "device": "camera0", "pre_event_ms": 0 }), 0),
        (
            json!({ "device": "camera0", "pre_event_ms": 10_000 }),
            10_000,
        ),
    ] {
        operator.call("start_recording", params.clone()).await;
        let order = operator.stand_in.orders.lock().unwrap().remove(0);
        assert_eq!(order.lead, Duration::from_millis(lead), "{params}");
    }
}

#[tokio::test]
async fn a_mode_is_taken_with_its_windows_or_refused_by_what_is_wrong() {
    let mut admin = Asker::new("admin");
    let set = "set_recording_mode";
    let of = |mode: &str, schedule: Value| {
        let mut params = json!({ "device": "camera0", "mode": mode });
        if !schedule.is_null() {
            params["schedule"] = schedule;
        }
        params
    };
    for (params, rule) in [
        (of("often", Value::Null), "enum"),
        (of("scheduled", Value::Null), "required"),
        (of("scheduled", json!(";")), "pattern"),
        (of("scheduled", json!("mon 8-9")), "pattern"),
        (of("scheduled", json!(["mon 08:00-09:00"])), "type"),
        (of("continuous", json!("mon 08:00-09:00")), "unexpected"),
        (of("default", json!("mon 08:00-09:00")), "unexpected"),
    ] {
        let refused = admin.refused(set, params.clone()).await;
        assert_eq!(refused, (-32602, rule.to_owned()), "{params}");
    }
    assert!(admin.stand_in.modes.lock().unwrap().is_empty());
    let windows = json!("fri-sat 22:00-06:00; sun 00:00-24:00");
    let told = admin.call(set, of("scheduled", windows)).await;
    let told = &told["result"];
    assert_eq!(told["schedule"], "fri,sat 22:00-06:00; sun 00:00-24:00");
    assert_eq!(
        (&told["from_configuration"], &told["reason"]),
        (&json!(false), &json!("window_closed"))
    );
    let told = admin.call(set, of("default", Value::Null)).await;
    assert_eq!(told["result"]["from_configuration"], true);
    assert_eq!(told["result"]["schedule"], Value::Null);
    let set: Vec<Option<Mode>> = admin
        .stand_in
        .modes
        .lock()
        .unwrap()
        .iter()
        .map(|wish| wish.as_ref().map(|wish| wish.mode))
        .collect();
    assert_eq!(set, [Some(Mode::Scheduled), None]);
}
