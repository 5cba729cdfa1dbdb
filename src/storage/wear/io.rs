//! Looks at the disks once a minute.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::stat::{major, minor};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::life::{self, Life};
use super::payload::Payload;
use super::{Disk, Health, Partition, Wearing, Window, disk, disk_named, source};
use crate::clock::{self, Mono};
use crate::error::Result;
use crate::storage::note::Note;
use crate::supervise::blocking;

/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(60);
/// What was seen is kept so often: it must not wear the disk itself.
const KEEP: Duration = Duration::from_secs(3600);

/// Where the kernel tells of disks.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `/proc`.
    pub proc: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
        }
    }
}

/// The folders that are looked after.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Recordings.
    pub recordings: PathBuf,
    /// Snapshots.
    pub snapshots: PathBuf,
    /// State.
    pub data: PathBuf,
}

/// Looks. Cheap to clone.
#[derive(Clone)]
pub struct Observer(Arc<Inner>);

struct Inner {
    kernel: Kernel,
    folders: Folders,
    payload: Arc<Payload>,
    note: Box<dyn Note>,
    kept: Mutex<Kept>,
    seen: Mutex<Vec<Partition>>,
}

#[derive(Default)]
struct Kept {
    windows: Vec<(String, Window)>,
    lives: Option<Vec<Life>>,
    written: Option<Mono>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Observer {
    /// One that has not looked yet.
    #[must_use]
    pub fn new(
        kernel: Kernel,
        folders: Folders,
        payload: Arc<Payload>,
        note: Box<dyn Note>,
    ) -> Self {
        Self(Arc::new(Inner {
            kernel,
            folders,
            payload,
            note,
            kept: Mutex::default(),
            seen: Mutex::default(),
        }))
    }

    /// Looks until the service stops.
    ///
    /// # Errors
    /// Never: a disk that cannot be looked at is unknown.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        loop {
            let inner = Arc::clone(&self.0);
            let look = blocking(move || {
                inner.look(clock::mono());
                Ok(())
            });
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
                looked = look => if let Err(error) = looked {
                    warn!(%error, "the disks cannot be looked at");
                }
            }
            tokio::select! {
                _ = stopping.changed() => return Ok(()),
                () = clock::round(PAUSE) => {}
            }
        }
    }
}

impl Wearing for Observer {
    fn wear(&self) -> Vec<Partition> {
        self.0
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Inner {
    fn look(&self, now: Mono) {
        let stats = self.read("diskstats").unwrap_or_default();
        let mounts = self.read("self/mountinfo").unwrap_or_default();
        let boot = self.read("sys/kernel/random/boot_id").unwrap_or_default();
        let (recordings, snapshots) = self.payload.bytes();
        let folders = [
            ("recordings", &self.folders.recordings, recordings),
            ("snapshots", &self.folders.snapshots, snapshots),
            ("data", &self.folders.data, 0),
        ];
        // What lies on one partition is one line.
        let mut found: Vec<(Option<Disk>, Vec<&'static str>, u64)> = Vec::new();
        for (what, folder, payload) in folders {
            let disk = disk_of(folder, &stats, &mounts);
            match found.iter_mut().find(|(other, ..)| *other == disk) {
                Some((_, holds, sum)) => {
                    holds.push(what);
                    *sum += payload;
                }
                None => found.push((disk, vec![what], payload)),
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        let seen = found
            .into_iter()
            .map(|(disk, holds, payload)| {
                let Some(disk) = disk else {
                    return Partition {
                        holds,
                        disk: None,
                        lately: super::Lately::default(),
                        health: Health::Unknown("its file system lies on no disk of its own"),
                        days: None,
                    };
                };
                let lately = kept.window(&disk.name).take(now, disk.written, payload);
                let (whole, health, id) = self.health(&disk.name);
                let days = match health {
                    Health::Emmc { step, .. } => {
                        let all = disk_named(&stats, &whole).map_or(disk.written, |d| d.written);
                        let life = self.life(kept, &id, boot.trim(), all, step);
                        life.see(boot.trim(), all, step);
                        life.days(lately.written, lately.span.as_secs())
                    }
                    Health::Unknown(_) => None,
                };
                Partition {
                    holds,
                    disk: Some(disk),
                    lately,
                    health,
                    days,
                }
            })
            .collect();
        self.keep(kept, now);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.kernel.proc.join(name)).ok()
    }

    /// The disk a partition is part of, how worn it is, and what tells it from others.
    fn health(&self, partition: &str) -> (String, Health, String) {
        let block = self.kernel.sys.join("class/block").join(partition);
        let block = fs::canonicalize(&block).unwrap_or(block);
        let whole = match block.parent() {
            Some(above) if block.join("partition").exists() => above.to_owned(),
            _ => block,
        };
        let name = whole.file_name().unwrap_or_default();
        let of = |file: &str| fs::read_to_string(whole.join("device").join(file)).ok();
        let (kind, life, spare) = (of("type"), of("life_time"), of("pre_eol_info"));
        let health = Health::read(kind.as_deref(), life.as_deref(), spare.as_deref());
        let name = name.to_string_lossy().into_owned();
        let id = of("cid").map_or_else(|| name.clone(), |cid| cid.trim().to_owned());
        (name, health, id)
    }

    fn life<'a>(
        &self,
        kept: &'a mut Kept,
        id: &str,
        boot: &str,
        counter: u64,
        step: u8,
    ) -> &'a mut Life {
        let lives = kept.lives.get_or_insert_with(|| {
            let text = self.note.read().ok().flatten();
            text.as_deref().map(life::read).unwrap_or_default()
        });
        let at = lives.iter().position(|life| life.id == id);
        let at = at.unwrap_or_else(|| {
            // Disks that were put in one after the other: the oldest is forgotten.
            if lives.len() >= 8 {
                lives.remove(0);
            }
            lives.push(Life::new(id, boot, counter, step));
            lives.len() - 1
        });
        &mut lives[at]
    }

    fn keep(&self, kept: &mut Kept, now: Mono) {
        let due = kept.written.is_none_or(|at| now.since(at) >= KEEP);
        let Some(lives) = kept.lives.as_ref().filter(|_| due) else {
            return;
        };
        kept.written = Some(now);
        if let Err(error) = self.note.write(&life::write(lives)) {
            debug!(%error, "what was seen of the disk's life is not kept");
        }
    }
}

impl Kept {
    fn window(&mut self, name: &str) -> &mut Window {
        let at = self.windows.iter().position(|(of, _)| of == name);
        let at = at.unwrap_or_else(|| {
            self.windows.push((name.to_owned(), Window::default()));
            self.windows.len() - 1
        });
        &mut self.windows[at].1
    }
}

/// The partition that a folder, or the nearest one above it that is there, lies on.
fn disk_of(folder: &Path, stats: &str, mounts: &str) -> Option<Disk> {
    let meta = folder
        .ancestors()
        .find_map(|path| fs::metadata(path).ok())?;
    let number = meta.dev();
    let (high, low) = (major(number), minor(number));
    disk(stats, high, low).or_else(|| {
        let device = fs::metadata(source(mounts, high, low)?).ok()?.rdev();
        disk(stats, major(device), minor(device))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::events::{Event, Topic};
    use crate::storage::note::io::Paper;

    /// A kernel that tells of the disk beneath `dir` what the test wants.
    fn kernel(dir: &Path, sectors: u64, life: &str) -> Kernel {
        let kernel = Kernel {
            proc: dir.join("proc"),
            sys: dir.join("sys"),
        };
        let number = fs::metadata(dir).unwrap().dev();
        let (high, low) = (major(number), minor(number));
        fs::create_dir_all(kernel.proc.join("sys/kernel/random")).unwrap();
        fs::write(kernel.proc.join("sys/kernel/random/boot_id"), "one\n").unwrap();
        let line = |high, low, name| format!("{high} {low} {name} 1 1 1 1 1 1 {sectors} 1 0 1 1\n");
        let stats = line(high, low, "mmcblk0p2") + &line(179, 0, "mmcblk0");
        fs::write(kernel.proc.join("diskstats"), stats).unwrap();
        let disk = kernel.sys.join("devices/mmcblk0");
        fs::create_dir_all(disk.join("mmcblk0p2")).unwrap();
        fs::create_dir_all(disk.join("device")).unwrap();
        fs::write(disk.join("mmcblk0p2/partition"), "2\n").unwrap();
        fs::write(disk.join("device/type"), "MMC\n").unwrap();
        fs::write(disk.join("device/cid"), "150100424a544434\n").unwrap();
        fs::write(disk.join("device/life_time"), life).unwrap();
        fs::write(disk.join("device/pre_eol_info"), "0x01\n").unwrap();
        let class = kernel.sys.join("class/block");
        fs::create_dir_all(&class).unwrap();
        let link = class.join("mmcblk0p2");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(disk.join("mmcblk0p2"), link).unwrap();
        kernel
    }

    #[test]
    fn what_went_to_the_disk_stands_beside_what_was_recorded_and_how_long_it_lasts() {
        let dir = std::env::temp_dir().join(format!("wear-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&dir).unwrap();
        let payload = Arc::new(Payload::default());
        let folders = Folders {
            recordings: dir.join("data/recordings"),
            snapshots: dir.join("data/snapshots"),
            data: dir.join("data"),
        };
        let note = Box::new(Paper::new(dir.join("wear.json")));
        let kernel_now = kernel(&dir, 1000, "0x02 0x01\n");
        let observer = Observer::new(kernel_now, folders.clone(), Arc::clone(&payload), note);
        let at = |secs: u64| Mono::from_nanos(secs * 1_000_000_000);
        observer.0.look(at(0));
        let event = |topic, size: u64| {
            let event = Event::new(topic, Wall::from_secs(1)).of("camera0");
            event.with("file_size", size)
        };
        payload.hear(&event(Topic::RecordingStart, 0));
        payload.hear(&event(Topic::RecordingStop, 500_000));
        for (secs, sectors, life) in [(600, 2000, "0x03 0x01"), (1800, 3000, "0x04 0x01")] {
            kernel(&dir, sectors, life);
            observer.0.look(at(secs));
        }
        let seen = observer.wear();
        let [one] = seen.as_slice() else {
            panic!("{seen:?}");
        };
        assert_eq!(one.holds, ["recordings", "snapshots", "data"]);
        assert_eq!(one.disk.as_ref().unwrap().name, "mmcblk0p2");
        assert_eq!(
            (one.lately.written, one.lately.payload),
            (1_024_000, 500_000)
        );
        assert_eq!(one.ratio(), Some(2.048));
        // A tenth took 512,000 bytes; seven are left, and 1,024,000 bytes go in half an hour.
        assert_eq!(one.days, Some(0));
        assert!(
            one.words().starts_with("at most 40 % of its life is used"),
            "{}",
            one.words()
        );
        assert!(
            fs::read_to_string(dir.join("wear.json"))
                .unwrap()
                .contains("150100424a544434")
        );
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_disk_under_this_test_is_found_or_said_to_be_none() {
        let here = std::env::temp_dir();
        let folders = Folders {
            recordings: here.join("is/not/there"),
            snapshots: here.clone(),
            data: "/proc".into(),
        };
        let note = Box::new(Paper::new(here.join("wear-is-not-written.json")));
        let observer = Observer::new(Kernel::default(), folders, Arc::default(), note);
        assert_eq!(observer.wear(), []);
        observer.0.look(clock::mono());
        let seen = observer.wear();
        assert_eq!(seen[0].holds[..2], ["recordings", "snapshots"]);
        let data = seen.last().unwrap();
        assert_eq!((data.holds.as_slice(), &data.disk), (&["data"][..], &None));
        assert!(data.words().contains("unknown"), "{}", data.words());
    }
}
