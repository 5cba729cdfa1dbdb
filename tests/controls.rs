//! Camera controls and live video settings as clients meet them. Cameras are stand-ins: they answer
//! by rule, and the test looks at what they were asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use camera_service::camera::controls::judge;
use camera_service::camera::controls::{Control, Range, Setting};
use camera_service::camera::remote::{Answer, Command, Remote, Reply, Video};
use camera_service::camera::{CameraId, Status};
use camera_service::encode::Route;
use camera_service::error::{Error, Kind, Result};
use camera_service::units::{BitRate, Rate, Size};
use serde_json::{Value, json};
use support::{Client, Rig, camera, within};

/// How the stand-in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As a camera would.
    Well,
    /// From another thread, after the test has let it.
    Late,
    /// It forgets the question.
    Drops,
    /// Its queue is full.
    Full,
    /// It was unplugged this moment.
    Gone,
    /// It cannot change its encoder.
    Stubborn,
    /// It codes its picture itself, and has a control that forces a key frame.
    CodesItself,
    /// It codes its picture itself and listens to nobody.
    Deaf,
}

/// Stands in for a camera's thread: a webcam with four controls.
#[derive(Debug)]
struct StandIn {
    manner: Manner,
    controls: Mutex<Vec<Control>>,
    video: Mutex<Video>,
    asked: Mutex<Vec<Command>>,
    gate: (Mutex<bool>, Condvar),
}

fn control(name: &str, range: Range, value: i64) -> Control {
    Control {
        name: name.to_owned(),
        label: name.to_owned(),
        range,
        value,
        default: value,
        inactive: false,
        read_only: false,
    }
}

fn webcam() -> Vec<Control> {
    let integer = |min, max, step| Range::Integer { min, max, step };
    let modes = vec![(1, "Manual Mode".to_owned()), (3, "Auto".to_owned())];
    let mut exposure = control("exposure_absolute", integer(3, 2047, 1), 250);
    exposure.inactive = true;
    vec![
        control("brightness", integer(-64, 64, 2), 0),
        control("horizontal_flip", Range::Boolean, 0),
        control("exposure_auto", Range::Menu(modes), 3),
        exposure,
        control("reset", Range::Button, 0),
    ]
}

impl StandIn {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner,
            controls: Mutex::new(webcam()),
            video: Mutex::new(Video {
                bitrate: Some(BitRate::from_kbps(2500)),
                keyframe_seconds: Some(1),
                size: Size::new(1280, 720),
                rate: Rate::new(30000, 1001).unwrap(),
                seamless: true,
            }),
            asked: Mutex::default(),
            gate: (Mutex::new(manner != Manner::Late), Condvar::new()),
        })
    }

    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    fn wait(&self) {
        let gate = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(gate, |open| !*open));
    }

    fn set(&self, name: &str, to: &Setting) -> Result<Control> {
        let mut controls = self.controls.lock().unwrap();
        let all = controls.clone();
        let Some(found) = controls.iter_mut().find(|c| c.name == name) else {
            return Err(judge::unknown(name, all.iter().map(|c| c.name.as_str())).into());
        };
        found.value = judge::value(found, to, &all)?;
        let now = found.clone();
        controls[3].inactive = controls[2].value != 1;
        Ok(now)
    }

    fn reply(&self, command: Command) -> Result<Reply> {
        match (self.manner, command) {
            (Manner::Gone, _) => Err(Error::new(Kind::Gone, "the camera is gone")),
            (Manner::Stubborn, Command::Video(_)) => Err(Error::new(
                Kind::Refused,
                "this encoder keeps its bit rate while it runs",
            )
            .action("set camera.bitrate_kbps in the configuration")),
            (Manner::Deaf, Command::Keyframe) => Err(judge::unknown("force_key_frame", []).into()),
            (_, Command::Keyframe) => Ok(Reply::Keyframe),
            (_, Command::Controls) => Ok(Reply::Controls(self.controls.lock().unwrap().clone())),
            (_, Command::SetControls(wanted)) => {
                let set = wanted.iter().map(|(name, to)| self.set(name, to));
                Ok(Reply::Controls(set.collect::<Result<_>>()?))
            }
            (_, Command::Video(change)) => {
                let mut video = self.video.lock().unwrap();
                video.seamless = change.size.is_none() && change.rate.is_none();
                video.bitrate = change.bitrate.or(video.bitrate);
                video.keyframe_seconds = change.keyframe_seconds.or(video.keyframe_seconds);
                video.size = change.size.unwrap_or(video.size);
                video.rate = change.rate.unwrap_or(video.rate);
                if matches!(self.manner, Manner::CodesItself | Manner::Deaf) {
                    video.bitrate = None;
                    video.keyframe_seconds = None;
                }
                Ok(Reply::Video(*video))
            }
            (_, Command::Coded(_)) => Err(Error::new(Kind::Gone, "there is no picture")),
        }
    }
}

/// The line to a stand-in.
#[derive(Debug)]
struct Line(Arc<StandIn>);

impl Remote for Line {
    fn ask(&self, command: Command, answer: Answer) -> Result<()> {
        let camera = Arc::clone(&self.0);
        camera.asked.lock().unwrap().push(command.clone());
        match camera.manner {
            Manner::Full => {
                return Err(
                    Error::new(Kind::Transient, "8 questions wait for camera0 already")
                        .action("wait for their answers"),
                );
            }
            Manner::Drops => drop(answer),
            _ => drop(thread::spawn(move || {
                camera.wait();
                answer(camera.reply(command));
            })),
        }
        Ok(())
    }
}

async fn rig(manner: Manner) -> (Rig, Arc<StandIn>) {
    let rig = Rig::start().await;
    let stand_in = StandIn::new(manner);
    let remote: Arc<dyn Remote> = Arc::new(Line(Arc::clone(&stand_in)));
    let id = CameraId::TEST;
    rig.directory.update(id, |c| c.remote = Some(remote));
    (rig, stand_in)
}

/// Calls for camera0 and gives the result, after a look whether it has the documented fields.
async fn result(client: &mut Client, method: &str, mut params: Value) -> Value {
    params["device"] = "camera0".into();
    let answer = client.call(method, params).await;
    assert!(answer.get("error").is_none(), "{answer}");
    documented(method, &answer["result"]);
    answer["result"].clone()
}

async fn error(client: &mut Client, method: &str, mut params: Value) -> Value {
    params["device"] = "camera0".into();
    let mut answer = client.call(method, params).await;
    let error = answer["error"].take();
    assert!(error.is_object(), "{answer}");
    for sentence in ["details", "suggestion"] {
        assert_ne!(
            error["data"][sentence].as_str().unwrap_or(""),
            "",
            "{error}"
        );
    }
    error
}

/// The result's fields are those of its schema in the golden document, the required ones all there.
fn documented(method: &str, result: &Value) {
    let golden = include_str!("golden/openrpc.json");
    let document: Value = serde_json::from_str(golden).unwrap();
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let row = document["methods"].as_array().unwrap().iter();
    let row = row.clone().find(|m| m["name"] == method).unwrap();
    let fits = |shape: &Value, value: &Value| {
        let value = value.as_object().unwrap();
        for name in shape["required"].as_array().unwrap() {
            assert!(value.contains_key(name.as_str().unwrap()), "{name}");
        }
        for name in value.keys() {
            assert!(shape["properties"].get(name).is_some(), "{name}");
        }
    };
    fits(&schema(row["result"]["name"].as_str().unwrap()), result);
    for control in result["controls"].as_array().into_iter().flatten() {
        fits(&schema("CameraControl"), control);
    }
}

#[tokio::test]
async fn a_viewer_sees_every_control_with_its_range_and_may_set_none() {
    let (rig, stand_in) = rig(Manner::Well).await;
    let mut viewer = rig.client("viewer").await;
    let list = result(&mut viewer, "get_camera_controls", json!({})).await;
    assert_eq!(list["device"], "camera0");
    let controls = list["controls"].as_array().unwrap();
    assert_eq!(
        controls[0],
        json!({
            "name": "brightness", "label": "brightness", "type": "integer",
            "min": -64, "max": 64, "step": 2, "value": 0, "default": 0,
            "inactive": false, "read_only": false,
        })
    );
    assert_eq!(controls[1]["value"], false);
    assert_eq!(
        controls[2]["menu"][1],
        json!({ "value": 3, "name": "Auto" })
    );
    assert_eq!(controls[3]["inactive"], true);
    assert_eq!(controls[4]["value"], Value::Null);

    let wish = json!({ "controls": { "brightness": 2 }, "fps": 1 });
    for method in ["set_camera_controls", "set_video", "request_keyframe"] {
        assert_eq!(
            error(&mut viewer, method, wish.clone()).await["code"],
            -32002
        );
    }
    assert_eq!(*stand_in.asked.lock().unwrap(), [Command::Controls]);
    drop(viewer);
    rig.stop().await;
}

#[tokio::test]
async fn an_operator_sets_several_at_once_and_the_automatic_mode_goes_first() {
    let (rig, stand_in) = rig(Manner::Well).await;
    let mut operator = rig.client("operator").await;
    // By name, "exposure_auto" comes behind the time it rules, and must be set before it.
    let wish = json!({ "controls": {
        "exposure_absolute": 40, "brightness": 10.0, "horizontal_flip": true,
        "exposure_auto": "manual mode",
    }});
    let set = result(&mut operator, "set_camera_controls", wish).await;
    let values: Vec<(&str, &Value)> = set["controls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), &c["value"]))
        .collect();
    assert_eq!(values[0], ("exposure_auto", &json!(1)));
    assert!(values.contains(&("exposure_absolute", &json!(40))));
    assert!(values.contains(&("brightness", &json!(10))));
    assert!(values.contains(&("horizontal_flip", &json!(true))));

    let back = json!({ "controls": { "brightness": null, "reset": true } });
    let set = result(&mut operator, "set_camera_controls", back).await;
    assert_eq!(set["controls"][0]["value"], 0);
    let last = stand_in.asked.lock().unwrap().pop().unwrap();
    let pressed = ("reset".to_owned(), Setting::Switch(true));
    let reset = ("brightness".to_owned(), Setting::Default);
    assert_eq!(last, Command::SetControls(vec![reset, pressed]));
    drop(operator);
    rig.stop().await;
}

#[tokio::test]
async fn a_refusal_names_the_control_the_rule_and_the_way_out() {
    let (rig, _) = rig(Manner::Well).await;
    let mut operator = rig.client("operator").await;
    for (controls, param, rule, says, next) in [
        (
            json!({ "brightness": 65 }),
            "brightness",
            "range",
            "-64 to 64",
            "is 64",
        ),
        (
            json!({ "brightness": 5 }),
            "brightness",
            "step",
            "steps of 2",
            "4 and 6",
        ),
        (
            json!({ "brigthness": 5 }),
            "brigthness",
            "unknown",
            "no control",
            "brightness?",
        ),
        (
            json!({ "brightness": 0.5 }),
            "brightness",
            "type",
            "whole number",
            "whole number",
        ),
        (
            json!({ "brightness": [] }),
            "brightness",
            "type",
            "a list",
            "menu item",
        ),
        (
            json!({ "horizontal_flip": "on" }),
            "horizontal_flip",
            "type",
            "switch",
            "true or false",
        ),
        (
            json!({ "exposure_auto": "Manul Mode" }),
            "exposure_auto",
            "menu",
            "no such item",
            "\"Manual Mode\"",
        ),
        (
            json!({ "exposure_absolute": 9 }),
            "exposure_absolute",
            "inactive",
            "exposure_auto rules it",
            "Manual Mode",
        ),
    ] {
        let shown = controls.to_string();
        let error = error(
            &mut operator,
            "set_camera_controls",
            json!({ "controls": controls }),
        )
        .await;
        let data = &error["data"];
        assert_eq!(error["code"], -32602, "{shown}");
        assert_eq!(data["param"], format!("controls.{param}"), "{shown}");
        assert_eq!(data["rule"], rule, "{shown}");
        assert!(data["details"].as_str().unwrap().contains(says), "{data}");
        assert!(
            data["suggestion"].as_str().unwrap().contains(next),
            "{data}"
        );
    }
    for (controls, rule) in [
        (json!({}), "min_properties"),
        (json!(7), "type"),
        (json!(null), "type"),
    ] {
        let error = error(
            &mut operator,
            "set_camera_controls",
            json!({ "controls": controls }),
        )
        .await;
        assert_eq!(error["data"]["rule"], rule);
    }
    drop(operator);
    rig.stop().await;
}

#[tokio::test]
async fn a_refusal_in_the_middle_tells_what_was_set_before_it() {
    let (rig, stand_in) = rig(Manner::Well).await;
    let mut operator = rig.client("operator").await;
    let wish =
        json!({ "controls": { "exposure_auto": 1, "brightness": 1000, "horizontal_flip": true } });
    let error = error(&mut operator, "set_camera_controls", wish).await;
    let details = error["data"]["details"].as_str().unwrap();
    assert!(
        details.ends_with("set before it: exposure_auto"),
        "{details}"
    );
    assert_eq!(stand_in.controls.lock().unwrap()[1].value, 0);
    drop(operator);
    rig.stop().await;
}

#[tokio::test]
async fn bit_rate_changes_while_viewers_watch_and_the_answer_tells_how_it_is_now() {
    let (rig, _) = rig(Manner::Well).await;
    let mut operator = rig.client("operator").await;
    let before = result(&mut operator, "get_video", json!({})).await;
    assert_eq!(
        before,
        json!({
            "device": "camera0", "bitrate_kbps": 2500, "keyframe_seconds": 1,
            "resolution": "1280x720", "fps": 30, "seamless": true,
        })
    );
    let now = result(&mut operator, "set_video", json!({ "bitrate_kbps": 800 })).await;
    assert_eq!(
        (&now["bitrate_kbps"], &now["resolution"]),
        (&json!(800), &json!("1280x720"))
    );
    let wish = json!({ "resolution": "640x480", "fps": 15, "keyframe_seconds": 2 });
    let now = result(&mut operator, "set_video", wish).await;
    assert_eq!(now["resolution"], "640x480");
    assert_eq!((&now["fps"], &now["seamless"]), (&json!(15), &json!(false)));
    assert_eq!(
        (&now["bitrate_kbps"], &now["keyframe_seconds"]),
        (&json!(800), &json!(2))
    );
    drop(operator);
    rig.stop().await;
}

#[tokio::test]
async fn impossible_video_settings_are_refused_before_the_camera_is_asked() {
    let (rig, stand_in) = rig(Manner::Well).await;
    let mut operator = rig.client("operator").await;
    for (wish, param, rule) in [
        (json!({}), "params", "at_least_one"),
        (json!({ "bitrate_kbps": 49 }), "bitrate_kbps", "minimum"),
        (
            json!({ "bitrate_kbps": 100_001 }),
            "bitrate_kbps",
            "maximum",
        ),
        (json!({ "bitrate_kbps": "800" }), "bitrate_kbps", "type"),
        (
            json!({ "keyframe_seconds": 3 }),
            "keyframe_seconds",
            "maximum",
        ),
        (json!({ "resolution": "big" }), "resolution", "pattern"),
        (json!({ "resolution": "640x0" }), "resolution", "pattern"),
        (json!({ "fps": 0 }), "fps", "minimum"),
        (json!({ "bitrate": 800 }), "bitrate", "unknown"),
    ] {
        let error = error(&mut operator, "set_video", wish.clone()).await;
        assert_eq!(error["code"], -32602, "{wish}");
        assert_eq!(
            (&error["data"]["param"], &error["data"]["rule"]),
            (&json!(param), &json!(rule))
        );
    }
    assert!(stand_in.asked.lock().unwrap().is_empty());
    drop(operator);
    rig.stop().await;
}

#[tokio::test]
async fn an_encoder_that_cannot_change_says_which_parameter_and_what_else_helps() {
    let (rig, _) = rig(Manner::Stubborn).await;
    let mut operator = rig.client("operator").await;
    let refused = error(&mut operator, "set_video", json!({ "bitrate_kbps": 800 })).await;
    assert_eq!(refused["code"], -32602);
    let data = &refused["data"];
    assert_eq!(
        (&data["param"], &data["rule"]),
        (&json!("bitrate_kbps"), &json!("refused"))
    );
    assert_eq!(
        data["details"],
        "this encoder keeps its bit rate while it runs"
    );
    assert_eq!(
        data["suggestion"],
        "set camera.bitrate_kbps in the configuration"
    );
    let both = json!({ "bitrate_kbps": 800, "fps": 5 });
    let refused = error(&mut operator, "set_video", both).await;
    assert_eq!(refused["data"]["param"], "params");
    drop(operator);
    rig.stop().await;
}

#[tokio::test]
async fn a_key_frame_is_asked_for_with_one_call() {
    let (rig, _) = rig(Manner::Well).await;
    let mut operator = rig.client("operator").await;
    let answer = result(&mut operator, "request_keyframe", json!({})).await;
    assert_eq!(answer, json!({ "device": "camera0", "requested": true }));
    let camera = rig.directory.get(CameraId::TEST).unwrap();
    assert!(camera.counters.keyframe_wanted.load(Relaxed));
    drop(operator);
    rig.stop().await;
}

#[tokio::test]
async fn a_camera_that_codes_itself_is_not_said_to_obey() {
    for manner in [Manner::CodesItself, Manner::Deaf] {
        let (rig, stand_in) = rig(manner).await;
        rig.directory.update(CameraId::TEST, |camera| {
            camera.route = Some(Route::Passthrough);
        });
        let mut operator = rig.client("operator").await;
        let video = result(&mut operator, "get_video", json!({})).await;
        assert_eq!(video["bitrate_kbps"], Value::Null, "nobody knows it");
        assert_eq!(video["keyframe_seconds"], Value::Null);
        assert_eq!(video["fps"], 30);
        if manner == Manner::CodesItself {
            let answer = result(&mut operator, "request_keyframe", json!({})).await;
            assert_eq!(answer["requested"], true);
            let last = stand_in.asked.lock().unwrap().pop();
            assert_eq!(last, Some(Command::Keyframe), "the camera itself was asked");
        } else {
            let error = error(&mut operator, "request_keyframe", json!({})).await;
            assert_eq!(error["code"], -32030);
            assert_eq!(error["data"]["feature"], "request_keyframe");
        }
        drop(operator);
        rig.stop().await;
    }
}

const ASKING: [(&str, &str); 5] = [
    ("get_camera_controls", "{}"),
    ("set_camera_controls", r#"{"controls":{"brightness":2}}"#),
    ("get_video", "{}"),
    ("set_video", r#"{"bitrate_kbps":800}"#),
    ("request_keyframe", "{}"),
];

#[tokio::test]
async fn an_unknown_an_unplugged_and_an_unstarted_camera_are_told_apart() {
    let rig = Rig::start().await;
    let unplugged = Status::Disconnected {
        reason: "unplugged".to_owned(),
    };
    rig.directory.put(camera(2, unplugged));
    let mut operator = rig.client("operator").await;
    for (method, params) in ASKING {
        for (device, code, state) in [
            ("camera7", -32010, Value::Null),
            ("camera2", -32020, json!("DISCONNECTED")),
            ("camera0", -32020, json!("CONNECTED")), // listed, but its thread is not there yet
        ] {
            let mut params: Value = serde_json::from_str(params).unwrap();
            params["device"] = device.into();
            let answer = operator.call(method, params).await;
            assert_eq!(answer["error"]["code"], code, "{method} {device}");
            assert_eq!(answer["error"]["data"]["state"], state, "{method} {device}");
        }
    }
    drop(operator);
    rig.stop().await;
}

#[tokio::test]
async fn a_camera_that_drops_the_question_is_overfull_or_just_unplugged_says_so_at_once() {
    for (manner, code, says) in [
        (Manner::Drops, -32050, "stopped before it answered"),
        (Manner::Full, -32050, "8 questions wait"),
        (Manner::Gone, -32020, "is gone"),
    ] {
        let (rig, _) = rig(manner).await;
        let mut operator = rig.client("operator").await;
        for (method, params) in &ASKING[..4] {
            let error = error(&mut operator, method, serde_json::from_str(params).unwrap()).await;
            assert_eq!(error["code"], code, "{manner:?} {method}");
            let details = error["data"]["details"].as_str().unwrap();
            assert!(details.contains(says), "{details}");
            if code == -32020 {
                // It is plugged in, and has no picture.
                assert_eq!(error["data"]["state"], "ERROR", "{method}");
            }
        }
        drop(operator);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_slow_camera_delays_no_ping_and_its_late_answer_finds_nobody_and_hurts_nobody() {
    let (rig, stand_in) = rig(Manner::Late).await;
    let mut leaving = rig.client("operator").await;
    let mut staying = rig.client("operator").await;
    let device = json!({ "device": "camera0" });
    leaving.send("get_camera_controls", device.clone()).await;
    let asked = staying.send("get_video", device).await;
    for client in [&mut leaving, &mut staying] {
        assert_eq!(client.call("ping", json!({})).await["result"], "pong");
    }
    drop(leaving);
    stand_in.open();
    let answer = within(staying.receive()).await;
    assert_eq!(
        (&answer["id"], &answer["result"]["fps"]),
        (&json!(asked), &json!(30))
    );
    drop(staying);
    rig.stop().await;
}

/// Takes the whole patience of the service: 5 s.
#[tokio::test]
async fn a_camera_that_never_answers_costs_five_seconds_and_no_more() {
    let (rig, _) = rig(Manner::Late).await;
    let mut operator = rig.client("operator").await;
    let error = error(&mut operator, "set_video", json!({ "fps": 15 })).await;
    assert_eq!(error["code"], -32050);
    assert_eq!(error["data"]["dependency"], "camera");
    assert!(
        error["data"]["details"]
            .as_str()
            .unwrap()
            .contains("within 5 s")
    );
    assert!(
        error["data"]["suggestion"]
            .as_str()
            .unwrap()
            .contains("may still")
    );
    drop(operator);
    rig.stop().await;
}
