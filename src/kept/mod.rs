//! What clients have set on cameras, so that it is there again after a restart of the service and after a re-plug.
//!
//! One entry a camera, found by what a camera is recognised by ([`Identity`]), not by its number: a camera plugged in
//! elsewhere is another one, as it is for the roster. Two cameras that cannot be told apart share an entry.
//!
//! A picture that a client asked for holds until the configuration asks for another one than it did when the client
//! asked: of file and client, the last to speak is heard, also when the file was changed while the service was off.
//! So each entry keeps what the configuration said, beside what the client said over it.

pub mod io;
pub mod wishes;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::wishes::Wishes;
use crate::camera::change::Identity;
use crate::camera::remote::{KEYFRAME_SECONDS, VideoChange};
use crate::units::{BitRate, Rate, Size};

/// Cameras remembered; of more, the one that was set longest ago is forgotten.
pub const MOST_CAMERAS: usize = 64;
/// Controls of one camera remembered, as many as one call may set.
pub const MOST_CONTROLS: usize = 256;
/// The shape of the file.
const VERSION: u32 = 1;

/// What clients have set on one camera.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Controls of the sensor by name, as the driver took them.
    pub controls: BTreeMap<String, i64>,
    /// What the picture was asked to be; `None` where no client asked.
    pub video: VideoChange,
    /// What the configuration asked for at that time.
    pub over: Option<Wishes>,
}

impl Remembered {
    /// True when there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.controls.is_empty() && self.video == VideoChange::default()
    }
}

/// Where settings are kept. Called from cameras' threads: neither call may wait for a disk.
pub trait Shelf: fmt::Debug + Send + Sync {
    /// What was set on this camera.
    fn find(&self, camera: &Identity) -> Remembered;

    /// Keeps it from now on; something empty is forgotten.
    fn put(&self, camera: &Identity, what: Remembered);
}

/// The place of one camera.
#[derive(Debug, Clone)]
pub struct Drawer {
    shelf: Arc<dyn Shelf>,
    camera: Identity,
}

impl Drawer {
    /// The place of `camera`.
    #[must_use]
    pub const fn new(shelf: Arc<dyn Shelf>, camera: Identity) -> Self {
        Self { shelf, camera }
    }

    /// What is in it.
    #[must_use]
    pub fn look(&self) -> Remembered {
        self.shelf.find(&self.camera)
    }

    /// Puts something into it, in place of what was there.
    pub fn put(&self, what: Remembered) {
        self.shelf.put(&self.camera, what);
    }
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl Shelf for Nowhere {
    fn find(&self, _: &Identity) -> Remembered {
        Remembered::default()
    }

    fn put(&self, _: &Identity, _: Remembered) {}
}

/// All entries, the one that was set last at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    entries: Vec<(Identity, Remembered)>,
}

impl Book {
    /// What was set on this camera.
    #[must_use]
    pub fn find(&self, camera: &Identity) -> Option<&Remembered> {
        let found = self.entries.iter().find(|(known, _)| known == camera);
        found.map(|(_, what)| what)
    }

    /// Keeps it; true when that is news.
    pub fn put(&mut self, camera: &Identity, mut what: Remembered) -> bool {
        while what.controls.len() > MOST_CONTROLS {
            what.controls.pop_last();
        }
        let before = self.find(camera);
        if before == Some(&what) || (before.is_none() && what.is_empty()) {
            return false;
        }
        self.entries.retain(|(known, _)| known != camera);
        if !what.is_empty() {
            self.entries.push((camera.clone(), what));
        }
        if self.entries.len() > MOST_CAMERAS {
            self.entries.remove(0);
        }
        true
    }

    /// Cameras in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let file = File {
            version: VERSION,
            cameras: self.entries.iter().map(Entry::of).collect(),
        };
        // Strings and numbers always have a JSON form.
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// A sentence that says why this is no such file. A single value that cannot be is left out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if file.version != VERSION {
            return Err(format!(
                "it is of version {}, and only {VERSION} is known",
                file.version
            ));
        }
        let mut book = Self::default();
        for entry in file.cameras {
            let (camera, what) = entry.into_parts();
            book.put(&camera, what);
        }
        Ok(book)
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    cameras: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    driver: String,
    bus: String,
    card: String,
    index: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    controls: BTreeMap<String, i64>,
    #[serde(default, skip_serializing_if = "Asked::is_nothing")]
    video: Asked,
    #[serde(default, skip_serializing_if = "Asked::is_nothing")]
    over: Asked,
}

/// The words of `set_video`.
#[derive(Default, Serialize, Deserialize)]
struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    bitrate_kbps: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyframe_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fps: Option<u32>,
}

impl Asked {
    const fn is_nothing(&self) -> bool {
        matches!(
            self,
            Self {
                bitrate_kbps: None,
                keyframe_seconds: None,
                resolution: None,
                fps: None
            }
        )
    }

    fn of(video: VideoChange) -> Self {
        Self {
            bitrate_kbps: video.bitrate.map(BitRate::as_kbps),
            keyframe_seconds: video.keyframe_seconds,
            resolution: video.size.map(|size| size.to_string()),
            fps: video.rate.map(Rate::rounded),
        }
    }

    /// What can be asked for; the file may have been edited, and bounds may have changed since.
    fn checked(&self) -> VideoChange {
        let size = self
            .resolution
            .as_ref()
            .and_then(|s| s.parse::<Size>().ok());
        let within = |n: &u32, range: &std::ops::RangeInclusive<u32>| range.contains(n);
        VideoChange {
            bitrate: self
                .bitrate_kbps
                .filter(|n| within(n, &BitRate::KBPS))
                .map(BitRate::from_kbps),
            keyframe_seconds: self
                .keyframe_seconds
                .filter(|n| within(n, &KEYFRAME_SECONDS)),
            size: size.filter(|size| size.is_possible()),
            rate: self.fps.filter(|n| within(n, &Rate::ASKED)).map(Rate::fps),
        }
    }
}

impl Entry {
    fn of((camera, what): &(Identity, Remembered)) -> Self {
        Self {
            driver: camera.driver.clone(),
            bus: camera.bus.clone(),
            card: camera.card.clone(),
            index: camera.index,
            controls: what.controls.clone(),
            video: Asked::of(what.video),
            over: what
                .over
                .map_or_else(Asked::default, |over| Asked::of(over.as_change())),
        }
    }

    fn into_parts(self) -> (Identity, Remembered) {
        let what = Remembered {
            video: self.video.checked(),
            over: Wishes::of_change(self.over.checked()),
            controls: self.controls,
        };
        let camera = Identity {
            driver: self.driver,
            bus: self.bus,
            card: self.card,
            index: self.index,
        };
        (camera, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn camera(bus: &str) -> Identity {
        Identity {
            driver: "uvcvideo".to_owned(),
            bus: bus.to_owned(),
            card: "Desk \"camera\"".to_owned(),
            index: 0,
        }
    }

    fn bright(value: i64) -> Remembered {
        Remembered {
            controls: [("brightness".to_owned(), value)].into(),
            ..Remembered::default()
        }
    }

    #[test]
    fn two_cameras_of_one_kind_at_two_places_do_not_share_their_settings() {
        let mut book = Book::default();
        assert!(book.put(&camera("usb-1"), bright(7)));
        assert_eq!(book.find(&camera("usb-1")), Some(&bright(7)));
        assert_eq!(book.find(&camera("usb-2")), None);
        assert!(!book.put(&camera("usb-1"), bright(7)), "that is no news");
        assert!(book.put(&camera("usb-1"), Remembered::default()));
        assert!(book.is_empty(), "defaults are forgotten");
    }

    #[test]
    fn of_too_many_cameras_the_one_set_longest_ago_is_forgotten() {
        let mut book = Book::default();
        for n in 0..MOST_CAMERAS {
            book.put(&camera(&n.to_string()), bright(1));
        }
        book.put(&camera("0"), bright(2));
        book.put(&camera("new"), bright(3));
        assert_eq!(book.len(), MOST_CAMERAS);
        assert_eq!(book.find(&camera("1")), None);
        assert_eq!(book.find(&camera("0")), Some(&bright(2)));
    }

    #[test]
    fn damaged_files_are_told_and_impossible_values_left_out() {
        for text in ["", "{", "[]", "{\"version\":2,\"cameras\":[]}", "\0\0\0"] {
            assert!(Book::parse(text).is_err(), "{text:?}");
        }
        let text = r#"{"version":1,"cameras":[{"driver":"d","bus":"b","card":"c","index":0,
            "video":{"bitrate_kbps":1,"resolution":"99999x1","fps":15,"keyframe_seconds":9}}]}"#;
        let book = Book::parse(text).unwrap();
        let (_, what) = &book.entries[0];
        let only_rate = VideoChange {
            rate: Some(Rate::fps(15)),
            ..VideoChange::default()
        };
        assert_eq!((what.video, what.over), (only_rate, None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            places in proptest::collection::vec((".{0,12}", 0_u32..3), 0..80),
            controls in proptest::collection::btree_map("[a-z_]{1,8}", any::<i64>(), 0..8),
            kbps in proptest::option::of(50_u32..=100_000),
            fps in proptest::option::of(1_u32..=240),
        ) {
            let mut book = Book::default();
            for (bus, index) in places {
                let over = Wishes {
                    bitrate: BitRate::from_kbps(2500),
                    keyframe_seconds: 1,
                    size: Size::new(1280, 720),
                    rate: Rate::fps(30),
                };
                let what = Remembered {
                    controls: controls.clone(),
                    video: VideoChange {
                        bitrate: kbps.map(BitRate::from_kbps),
                        rate: fps.map(Rate::fps),
                        ..VideoChange::default()
                    },
                    over: Some(over),
                };
                book.put(&Identity { index, ..camera(&bus) }, what);
            }
            prop_assert_eq!(Book::parse(&book.render()).unwrap(), book);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}") {
            let _ = Book::parse(&text);
        }
    }
}
