use super::*;
use crate::clock;
use crate::storage::shelf::{Page, page};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shelf-{name}-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn stem(text: &str) -> Stem {
    text.parse().unwrap()
}

#[test]
fn a_name_is_taken_once_in_the_whole_folder_and_nothing_is_overwritten() {
    let scratch = Scratch::new("names");
    let shelf = Folder::new(scratch.0.clone(), "jpg");
    let names: Vec<String> = ["camera0", "camera1", "camera0"]
        .iter()
        .map(|device| {
            shelf
                .put(device, &stem("party"), device.as_bytes())
                .unwrap()
                .stem
                .to_string()
        })
        .collect();
    assert_eq!(names, ["party", "party-2", "party-3"]);
    let second = shelf.find(&stem("party-2")).unwrap().unwrap();
    assert_eq!((second.device.as_str(), second.size), ("camera1", 7));
    assert_eq!(fs::read(&second.path).unwrap(), b"camera1");
    assert_eq!(shelf.delete(&stem("party-2"), Why::Asked).unwrap(), Some(7));
    assert_eq!(shelf.delete(&stem("party-2"), Why::Asked).unwrap(), None);
    assert_eq!(shelf.all().unwrap().len(), 2);
}

#[test]
fn strangers_links_and_half_written_files_are_no_recordings() {
    let scratch = Scratch::new("strangers");
    let shelf = Folder::new(scratch.0.clone(), "mp4");
    let camera = scratch.0.join("camera0");
    fs::create_dir_all(camera.join("folder.mp4")).unwrap();
    fs::create_dir_all(scratch.0.join(".recording/camera0")).unwrap();
    for stranger in [
        "camera0/a.txt",
        "camera0/ä.mp4",
        ".recording/camera0/b.mp4",
        "loose.mp4",
    ] {
        fs::write(scratch.0.join(stranger), "x").unwrap();
    }
    fs::write(camera.join(format!("{UNFINISHED}1")), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", camera.join("secret.mp4")).unwrap();
    assert_eq!(shelf.all().unwrap(), []);
    assert_eq!(shelf.find(&stem("secret")).unwrap(), None);
    shelf.sweep().unwrap();
    assert!(!camera.join(format!("{UNFINISHED}1")).exists());
    assert!(camera.join("a.txt").exists());
    assert_eq!(weight(&scratch.0).unwrap().bytes, 4);
}

#[test]
fn a_folder_that_is_not_there_yet_is_empty_and_one_that_cannot_be_read_is_an_error() {
    let scratch = Scratch::new("absent");
    let shelf = Folder::new(scratch.0.join("not/yet"), "mp4");
    assert_eq!(shelf.all().unwrap(), []);
    let file = scratch.0.join("file");
    fs::write(&file, "x").unwrap();
    let said = Folder::new(file.clone(), "mp4")
        .all()
        .unwrap_err()
        .to_string();
    assert!(said.contains(&file.display().to_string()), "{said}");
}

#[test]
fn a_file_that_is_still_written_can_be_adopted() {
    let scratch = Scratch::new("adopt");
    let shelf = Folder::new(scratch.0.clone(), "mp4");
    let raw = scratch.0.join("raw");
    let mut pen = File::create(&raw).unwrap();
    pen.write_all(b"one").unwrap();
    let entry = shelf.adopt("camera0", &stem("running"), &raw).unwrap();
    pen.write_all(b"two").unwrap();
    drop(pen);
    assert_eq!(shelf.find(&entry.stem).unwrap().unwrap().size, 6);
    assert!(!raw.exists());
}

#[test]
fn a_list_is_remembered_until_anything_happens_behind_our_back() {
    let scratch = Scratch::new("memory");
    let root = scratch.0.join("recordings");
    let shelf = Folder::new(root.clone(), "mp4");
    let names = |list: &[Entry]| -> Vec<(String, u64)> {
        let of = |e: &Entry| (e.stem.to_string(), e.size);
        list.iter().map(of).collect()
    };
    let camera = root.join("camera0");
    let file = camera.join("a.mp4");
    type Step<'a> = (&'a str, &'a dyn Fn(), &'a [(&'a str, u64)]);
    let steps: [Step<'_>; 8] = [
        ("nothing is there", &|| (), &[]),
        (
            "the folder is made",
            &|| fs::create_dir(&root).unwrap(),
            &[],
        ),
        ("a camera's, too", &|| fs::create_dir(&camera).unwrap(), &[]),
        (
            "a file comes",
            &|| fs::write(&file, "1").unwrap(),
            &[("a", 1)],
        ),
        (
            "it grows while somebody else has it open",
            &|| {
                let mut pen = OpenOptions::new().append(true).open(&file).unwrap();
                pen.write_all(b"23").unwrap();
            },
            &[("a", 3)],
        ),
        (
            "it gets another name",
            &|| fs::rename(&file, camera.join("b.mp4")).unwrap(),
            &[("b", 3)],
        ),
        (
            "it goes",
            &|| fs::remove_file(camera.join("b.mp4")).unwrap(),
            &[],
        ),
        (
            "another folder takes the place of ours",
            &|| {
                fs::rename(&root, scratch.0.join("old")).unwrap();
                fs::create_dir_all(&camera).unwrap();
                fs::write(camera.join("c.mp4"), "").unwrap();
            },
            &[("c", 0)],
        ),
    ];
    for (what, step, there) in steps {
        let before = shelf.sorted().unwrap();
        step();
        let there: Vec<(String, u64)> = there.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
        if let Some(list) = shelf.recall() {
            assert!(names(&before) == there && names(&list) == there, "{what}");
        }
        assert_eq!(names(&shelf.sorted().unwrap()), there, "{what}");
        // Nothing happens, and the disk need not be asked, but for a machine that stands still for a second.
        let again = (0..10).find_map(|_| {
            shelf.sorted().unwrap();
            shelf.recall()
        });
        assert_eq!(names(&again.expect("it is remembered")), there, "{what}");
    }
}

#[test]
fn what_files_take_agrees_with_du_where_there_are_holes_links_and_half_blocks() {
    let scratch = Scratch::new("du");
    let camera = scratch.0.join("camera0");
    fs::create_dir_all(scratch.0.join(".recording/camera0")).unwrap();
    fs::create_dir_all(&camera).unwrap();
    fs::write(camera.join("a.mp4"), vec![1; 12_345]).unwrap();
    fs::write(scratch.0.join(".recording/camera0/b.mp4"), "x").unwrap();
    fs::write(camera.join("empty.mp4"), "").unwrap();
    let sparse = File::create(camera.join("sparse.mp4")).unwrap();
    sparse.set_len(5_000_000_001).unwrap();
    drop(sparse);
    fs::hard_link(camera.join("a.mp4"), scratch.0.join("again.mp4")).unwrap();
    std::os::unix::fs::symlink(camera.join("a.mp4"), camera.join("link.mp4")).unwrap();
    let du = |of: &str| -> u64 {
        let files = format!("find '{}' -type f -print0", scratch.0.display());
        let sum = format!("{files} | du {of} -c --files0-from=- | tail -n1 | cut -f1");
        let said = std::process::Command::new("sh").args(["-c", &sum]).output();
        let said = String::from_utf8(said.unwrap().stdout).unwrap();
        said.trim().parse().unwrap()
    };
    let weight = weight(&scratch.0).unwrap();
    assert_eq!(weight.bytes, 5_000_000_001 + 12_345 + 1);
    assert_eq!((weight.bytes, weight.allocated), (du("-b"), du("-B1")));
    assert!(weight.allocated < 100_000, "{weight:?}");
}

#[test]
fn whoever_watches_hears_of_each_file_that_comes_and_why_one_goes() {
    let scratch = Scratch::new("watch");
    let shelf = Folder::new(scratch.0.clone(), "mp4");
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let ear = Arc::clone(&heard);
    shelf.watch(Box::new(move |happened| {
        let said = match happened {
            Happened::New(entry) => format!("new {}", entry.stem),
            Happened::Deleted(entry, why) => format!("{} gone: {why}", entry.stem),
        };
        ear.lock().unwrap().push(said);
    }));
    shelf.put("camera0", &stem("a"), b"1").unwrap();
    shelf.delete(&stem("a"), Why::MinFree).unwrap();
    shelf.delete(&stem("a"), Why::Asked).unwrap();
    assert_eq!(*heard.lock().unwrap(), ["new a", "a gone: min_free"]);
}

#[test]
fn a_mark_whose_recording_is_away_is_not_inherited() {
    let scratch = Scratch::new("inherit");
    let shelf = Folder::new(scratch.0.clone(), "mp4");
    let marks = scratch.0.join(marks::FOLDER);
    fs::create_dir_all(&marks).unwrap();
    fs::write(marks.join("party.mp4"), "").unwrap();
    let entry = shelf.put("camera0", &stem("party"), b"1").unwrap();
    assert_eq!(entry.stem.as_str(), "party-2");
}

#[test]
fn ten_thousand_files_are_listed_well_within_a_second() {
    let scratch = Scratch::new("many");
    let shelf = Folder::new(scratch.0.clone(), "mp4");
    for device in 0..4 {
        let folder = scratch.0.join(format!("camera{device}"));
        fs::create_dir_all(&folder).unwrap();
        for number in 0..2500 {
            File::create(folder.join(format!("camera{device}_{number:05}.mp4"))).unwrap();
        }
    }
    let begin = clock::mono();
    let part = page(
        shelf.all().unwrap(),
        Page {
            limit: 50,
            offset: 9_980,
        },
    );
    let took = clock::mono().since(begin);
    println!("10,000 files listed in {took:?}");
    assert_eq!((part.total, part.files.len()), (10_000, 20));
    assert!(took.as_millis() < 1000, "{took:?}");
}
