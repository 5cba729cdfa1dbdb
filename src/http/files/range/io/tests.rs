use std::fs;

use super::*;
use crate::recording::examine::{Facts, examine};
use crate::recording::index::Inventory;
use crate::recording::range::tests::Made;
use crate::recording::{Deletion, Durability, Info, Order, Start, Stop};
use crate::storage::names::Stem;
use crate::storage::shelf::Entry;

/// Recordings that lie in a folder, dated as the test says.
struct Shelf(PathBuf, Vec<Made>, bool);

impl Recordings for Shelf {
    fn longest_lead(&self) -> Duration {
        Duration::ZERO
    }

    fn start(&self, _: Order) -> Later<Start> {
        unreachable!("nobody asks")
    }
    fn state(&self, _: &str) -> Option<&'static str> {
        unreachable!("nobody asks")
    }
    fn stop(&self, _: &str) -> Later<Stop> {
        unreachable!("nobody asks")
    }
    fn list(&self, _: Page) -> Later<Arc<Inventory>> {
        let item = |made: &Made| {
            let path = self.0.join("camera0").join(format!("{}.mp4", made.name));
            let mut file = File::open(&path).ok()?;
            let facts: Facts = examine(&mut file).ok()?;
            let entry = Entry {
                stem: made.name.parse().ok()?,
                device: "camera0".to_owned(),
                size: file.metadata().ok()?.len(),
                modified: made.begun() + facts.duration,
                // A plain MP4 was made after its last picture.
                created: Some(made.begun() + Duration::from_secs(if self.2 { 0 } else { 60 })),
                path,
            };
            let facts = Some(facts).filter(|_| self.2);
            Some(Item { entry, facts })
        };
        let files: Vec<Item> = self.1.iter().rev().filter_map(item).collect();
        let total = files.len();
        Box::pin(async move { Ok(Arc::new(Inventory { files, total })) })
    }
    fn info(&self, _: Stem) -> Later<Option<Info>> {
        unreachable!("nobody asks")
    }
    fn delete(&self, _: Stem, _: &str) -> Later<Deletion> {
        unreachable!("nobody asks")
    }
    fn is_running(&self, _: &Stem) -> bool {
        unreachable!("nobody asks")
    }
    fn durability(&self) -> Durability {
        unreachable!("nobody asks")
    }
    fn is_finalising(&self, _: &Stem) -> bool {
        unreachable!("nobody asks")
    }
}

/// A folder with two recordings, gone at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> (Self, Assembler, Stretch) {
        Self::with(true)
    }

    fn with(examined: bool) -> (Self, Assembler, Stretch) {
        let name = format!("camera-service-range-{}", uuid::Uuid::new_v4().simple());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(root.join("camera0")).unwrap();
        let made = [
            Made::new("one", 1_800_000_000, 30),
            Made::new("two", 1_800_000_010, 30),
        ];
        for made in &made {
            let path = root.join("camera0").join(format!("{}.mp4", made.name));
            fs::write(path, made.bytes()).unwrap();
        }
        let shelf = Arc::new(Shelf(root.clone(), made.to_vec(), examined));
        let signer = Signer::new(b"the key of this test");
        let at = |secs: u64| Wall::from_secs(1_800_000_000 + secs);
        let stretch = Stretch::new(at(0), at(60)).unwrap();
        (
            Self(root.clone()),
            Assembler::new(shelf, Box::new(|_, own| own), vec![root], signer),
            stretch,
        )
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("camera0").join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn what_is_deleted_while_it_is_sent_ends_the_sending_and_is_not_sent_wrongly() {
    let (place, assembler, stretch) = Place::new();
    let ready = assembler.find("camera0", stretch).await.unwrap().unwrap();
    let size = ready.plan.size();
    let inner = &assembler.0;
    let (whole, _) = read(inner, &ready, 0, size, None).unwrap();
    assert_eq!(whole.len() as u64, size);
    let (half, open) = read(inner, &ready, 0, size / 2, None).unwrap();
    assert_eq!(half, whole[..half.len()]);

    // What has been opened is read to its end, as any file; the other one is missed.
    fs::remove_file(place.file("two.mp4")).unwrap();
    assert!(read(inner, &ready, size / 2, size - size / 2, open).is_err());
    // Another file of its name is not taken for it.
    fs::copy(place.file("one.mp4"), place.file("two.mp4")).unwrap();
    assert!(read(inner, &ready, size - 10, 10, None).is_err());
    // Cut short under our hands.
    let file = File::options().write(true).open(place.file("one.mp4"));
    file.unwrap().set_len(900).unwrap();
    assert!(read(inner, &ready, 0, size / 2, None).is_err());
}

#[tokio::test]
async fn a_player_that_asks_again_is_answered_from_memory_until_something_changes() {
    let (place, assembler, stretch) = Place::new();
    let find = || async { assembler.find("camera0", stretch).await.unwrap() };
    let first = find().await.unwrap();
    assert!(Arc::ptr_eq(&first, &find().await.unwrap()));
    let tag = |ready: &Ready| ready.version().etag(Wall::from_secs(1_900_000_000));
    assert!(tag(&first).starts_with('"'));

    fs::remove_file(place.file("two.mp4")).unwrap();
    let second = find().await.unwrap();
    assert_ne!(tag(&first), tag(&second));
    assert_eq!(second.plan.parts.len(), 1);
    assert!(inner_weight(&assembler) > 0);
    drop((first, second));
    assembler.0.kept().clear();
    assert_eq!(inner_weight(&assembler), 0, "memory is given back");

    fs::remove_file(place.file("one.mp4")).unwrap();
    let nothing = find().await.unwrap_err();
    assert_eq!(
        nothing,
        Trouble::Nothing {
            before: None,
            after: None
        }
    );
}

fn inner_weight(assembler: &Assembler) -> usize {
    assembler.0.weight.load(Ordering::Relaxed)
}

#[tokio::test]
async fn what_is_nearest_is_told_where_nothing_was_recorded() {
    let (_place, assembler, _) = Place::new();
    let at = |secs: u64| Wall::from_secs(1_800_000_000 + secs);
    let stretch = Stretch::new(at(5), at(8)).unwrap();
    let nothing = assembler.find("camera0", stretch).await.unwrap();
    assert_eq!(
        nothing.unwrap_err(),
        Trouble::Nothing {
            before: Some(at(3)),
            after: Some(at(10))
        }
    );
}

#[tokio::test]
async fn a_recording_that_has_not_been_examined_is_found_by_what_it_says_itself() {
    let (_place, assembler, _) = Place::with(false);
    let at = |secs: u64| Wall::from_secs(1_800_000_000 + secs);
    let stretch = Stretch::new(at(0), at(2)).unwrap();
    let ready = assembler.find("camera0", stretch).await.unwrap().unwrap();
    assert_eq!(ready.plan.parts.len(), 1);
    assert_eq!(ready.plan.begin(), at(0));
}
