//! Wishes for paths, against the real MediaMTX. Needs its binary: `make mediamtx`, or `MEDIAMTX=/path/to/it`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod media;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use camera_service::clock;
use camera_service::error::Kind;
use camera_service::mediamtx::Snapshot;
use camera_service::mediamtx::api::SessionKind;
use camera_service::mediamtx::io::MediaMtx;
use camera_service::mediamtx::paths::io::PathKeeper;
use camera_service::mediamtx::paths::{Record, RecordFormat};
use media::{Dir, PATIENCE, publish, until, url, watch};

fn record(dir: &Path) -> Record {
    Record {
        path: format!("{}/%path/%path_%Y-%m-%d_%H-%M-%S-%f", dir.display()),
        format: RecordFormat::Fmp4,
        part: Duration::from_millis(500),
        segment: Duration::from_secs(3600),
        max_part_bytes: 50 << 20,
    }
}

fn files(dir: &Path) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .map(|e| e.unwrap().metadata().unwrap().len())
        .collect()
}

async fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let waiting = async {
        while !wanted() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
        "{what}"
    );
}

/// Who is connected by RTSP, publisher and readers, and what the readers have got.
async fn connected(media: &MediaMtx) -> (BTreeSet<String>, u64) {
    let sessions = media.api().sessions(SessionKind::Rtsp).await.unwrap();
    let got = sessions.iter().map(|s| s.bytes_sent).sum();
    (sessions.iter().map(|s| s.id.to_string()).collect(), got)
}

#[tokio::test]
async fn a_viewer_stays_connected_while_recording_is_switched_on_and_off() {
    let dir = Dir::new("switched");
    let media = media::start(&dir).await;
    let mut keeper = PathKeeper::default();
    let paths = keeper.paths();
    keeper.serve(&media);
    let address = url(media.settings().rtsp, "camera0");
    let _publisher = publish(&address);
    until(&media, "nobody publishes", |s| s.is_ready("camera0")).await;
    let mut viewer = watch(&address);
    until(&media, "nobody watches", |s| {
        s.paths["camera0"].readers.len() == 1
    })
    .await;
    let (before, _) = connected(&media).await;
    assert_eq!(before.len(), 2);

    let recordings = dir.0.join("recordings");
    for round in 1..=2 {
        let begun = clock::mono();
        paths.wish("camera0", |w| w.record = Some(record(&recordings)));
        paths.settled("camera0", PATIENCE).await.unwrap();
        let settled = clock::mono().since(begun);
        eventually("no recording appears", || {
            files(&recordings.join("camera0"))
                .iter()
                .filter(|bytes| **bytes > 1000)
                .count()
                == round
        })
        .await;
        println!(
            "recording: taken after {settled:?}, on the disk after {:?}",
            clock::mono().since(begun)
        );
        paths.wish("camera0", |w| w.record = None);
        paths.settled("camera0", PATIENCE).await.unwrap();
        let readers_of_a_recording = |s: &Snapshot| s.paths["camera0"].readers.len();
        until(&media, "the viewer is gone", |s| {
            readers_of_a_recording(s) == 1
        })
        .await;
    }
    let (after, got) = connected(&media).await;
    assert_eq!(before, after, "somebody had to connect anew");
    let mut more = got;
    while more <= got {
        tokio::time::sleep(Duration::from_millis(50)).await;
        more = connected(&media).await.1;
    }
    assert!(viewer.try_wait().unwrap().is_none(), "the viewer ended");
    media.stop().await;
}

#[tokio::test]
async fn wishes_made_before_mediamtx_runs_and_after_it_died_come_true() {
    let dir = Dir::new("died");
    let mut keeper = PathKeeper::default();
    let paths = keeper.paths();
    paths.wish("drone", |w| {
        w.source = Some("rtsp://ann:geheim@127.0.0.1:1/live".to_owned());
    });
    let early = paths
        .settled("drone", Duration::from_millis(20))
        .await
        .unwrap_err();
    assert_eq!(early.kind(), Kind::Gone, "{early}");
    let media = media::start(&dir).await;
    keeper.serve(&media);
    paths.settled("drone", PATIENCE).await.unwrap();
    let has = async |name: &str| {
        let entries = media.api().path_configs().await.unwrap();
        entries.iter().any(|e| e.name == name)
    };
    assert!(has("drone").await);

    let before = media.snapshot().process.pid();
    media.restart();
    until(&media, "MediaMTX does not come back", |s| {
        s.is_up() && s.process.pid() != before
    })
    .await;
    let begun = clock::mono();
    while !has("drone").await {
        assert!(clock::mono().since(begun) < PATIENCE, "it was forgotten");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!(
        "told again {:?} after MediaMTX answered",
        clock::mono().since(begun)
    );

    paths.forget("drone");
    paths.settled("drone", PATIENCE).await.unwrap();
    assert!(!has("drone").await);
    media.stop().await;
}

#[tokio::test]
async fn what_mediamtx_refuses_is_said_in_its_words_and_without_the_password() {
    let dir = Dir::new("refused");
    let media = media::start(&dir).await;
    let mut keeper = PathKeeper::default();
    let paths = keeper.paths();
    keeper.serve(&media);
    paths.wish("drone", |w| {
        w.source = Some("rtsq://ann:geheim@127.0.0.1:1/live".to_owned());
    });
    let said = paths.settled("drone", PATIENCE).await.unwrap_err();
    assert_eq!(said.kind(), Kind::Refused);
    let text = said.to_string();
    println!("{text}");
    assert!(
        text.contains("invalid source") && !text.contains("geheim"),
        "{text}"
    );
    // A better wish is tried at once.
    paths.wish("drone", |w| {
        w.source = Some("rtsp://127.0.0.1:1/live".to_owned());
    });
    paths.settled("drone", PATIENCE).await.unwrap();
    media.stop().await;
}
