//! Looks at the machine and the storage, again and again, so that nobody who asks has to.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use nix::sys::utsname::uname;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{Machine, Storage, System, percent};
use crate::clock;
use crate::error::{Error, Kind, Result};

/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(3);
/// Bytes of procfs that are read at once.
const LONGEST: usize = 16 << 10;

/// The kernel's release, such as `6.12.48`.
#[must_use]
pub fn kernel() -> String {
    uname().map_or_else(
        |_| String::new(),
        |names| names.release().to_string_lossy().into_owned(),
    )
}

/// Looks at the machine until `stopping` turns true. procfs answers from memory: no look can hang.
///
/// # Errors
/// None: it ends only when it is asked to.
pub async fn watch_machine(system: Arc<System>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut before: Option<(u64, u64)> = None;
    loop {
        let times = processor_times();
        system.put_machine(Machine {
            // The first look has the mean since the machine started.
            cpu_percent: times.and_then(|now| busy(before.unwrap_or_default(), now)),
            memory_percent: memory(),
            threads: threads(),
            tasks: Handle::current().metrics().num_alive_tasks(),
            at: clock::mono(),
        });
        before = times;
        tokio::select! {
            _ = stopping.wait_for(|stops| *stops) => return Ok(()),
            () = clock::round(PAUSE) => {}
        }
    }
}

/// Looks at the file system of `folder` from a thread of its own, for as long as `system` lives.
///
/// Nobody waits for that thread, at the end of the service neither: on a disk that hangs it hangs.
///
/// # Errors
/// `Internal` when the kernel gives no thread.
pub fn watch_storage(system: &Arc<System>, folder: PathBuf) -> Result<()> {
    let complain_of = folder.display().to_string();
    watch_storage_by(system, complain_of, move || Ok(storage(&folder)?))
}

/// The same by another look than the kernel's; it may take as long as it likes. `name` is what the log calls it.
///
/// # Errors
/// `Internal` when the kernel gives no thread.
pub fn watch_storage_by(
    system: &Arc<System>,
    name: String,
    look: impl FnMut() -> std::io::Result<Storage> + Send + 'static,
) -> Result<()> {
    let system = Arc::downgrade(system);
    std::thread::Builder::new()
        .name("storage look".to_owned())
        .spawn(move || look_at_storage(&system, &name, look))
        .map(drop)
        .map_err(|e| Error::new(Kind::Internal, "cannot look at the storage").because(e))
}

fn look_at_storage(
    system: &Weak<System>,
    name: &str,
    mut look: impl FnMut() -> std::io::Result<Storage>,
) {
    let mut complained = false;
    loop {
        match look() {
            Ok(seen) => {
                complained = false;
                match system.upgrade() {
                    Some(system) => system.put_storage(seen),
                    None => return,
                }
            }
            Err(error) => {
                if !complained {
                    complained = true;
                    tracing::warn!(folder = name, %error, "how full the storage is cannot be seen");
                }
            }
        }
        std::thread::sleep(PAUSE);
        if system.strong_count() == 0 {
            return;
        }
    }
}

/// The file system of a folder, or of the nearest one above it that is there.
fn storage(folder: &Path) -> nix::Result<Storage> {
    let mut at = folder;
    let stat = loop {
        match statvfs(at) {
            Err(nix::errno::Errno::ENOENT) => match at.parent() {
                Some(above) if !above.as_os_str().is_empty() => at = above,
                _ => return Err(nix::errno::Errno::ENOENT),
            },
            other => break other?,
        }
    };
    // The width of these differs between machines.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size() as u64);
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    let (all, free, ours) = (
        stat.blocks() as u64,
        stat.blocks_free() as u64,
        stat.blocks_available() as u64,
    );
    Ok(Storage {
        total: bytes(all),
        available: bytes(ours),
        used: bytes(all.saturating_sub(free)),
        at: clock::mono(),
    })
}

/// A file of procfs. It does not say how long it is; with room for it from the start, nothing is read to find that out.
fn text(path: &str) -> Option<String> {
    let mut text = String::with_capacity(LONGEST);
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Time of all processors together: in all, and idle. proc_stat(5).
fn processor_times() -> Option<(u64, u64)> {
    let text = text("/proc/stat")?;
    let first = text.lines().next()?.strip_prefix("cpu ")?;
    // Guests are counted among user and nice already.
    let times: Vec<u64> = first
        .split_whitespace()
        .take(8)
        .filter_map(|word| word.parse().ok())
        .collect();
    let idle = times.get(3)? + times.get(4)?;
    Some((times.iter().sum(), idle))
}

fn busy(before: (u64, u64), now: (u64, u64)) -> Option<f64> {
    let all = now.0.checked_sub(before.0).filter(|all| *all > 0)?;
    // The kernel's own counts of idle time may step back a little.
    let idle = now.1.saturating_sub(before.1).min(all);
    Some(percent(all - idle, all))
}

/// Percentage of the machine's memory in use. proc_meminfo(5).
fn memory() -> Option<f64> {
    let text = text("/proc/meminfo")?;
    let of = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let (all, left) = (of("MemTotal:")?, of("MemAvailable:")?);
    Some(percent(all.saturating_sub(left), all))
}

/// Threads of this process: the links of their folder beside its own two (proc(5)).
fn threads() -> usize {
    let links = fs::metadata("/proc/self/task").map_or(0, |folder| folder.nlink());
    usize::try_from(links.saturating_sub(2)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_machine_is_looked_at_without_being_asked() {
        let system = Arc::new(System::default());
        let (stop, stopping) = watch::channel(false);
        let watching = tokio::spawn(watch_machine(Arc::clone(&system), stopping));
        while system.machine().is_none() {
            tokio::task::yield_now().await;
        }
        let seen = system.machine().unwrap();
        assert!((0.0..=100.0).contains(&seen.memory_percent.unwrap()));
        assert!(seen.tasks >= 1);
        assert!((0.0..=100.0).contains(&seen.cpu_percent.unwrap()));
        stop.send(true).unwrap();
        watching.await.unwrap().unwrap();
    }

    #[test]
    fn every_thread_is_counted() {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let named = |threads: usize| {
            let listed = || fs::read_dir("/proc/self/task").unwrap().count();
            // Other tests begin and end threads at any time.
            (0..1000).any(|_| {
                let before = listed();
                before >= threads && super::threads() == before && listed() == before
            })
        };
        assert!(named(1));
        let more = std::thread::spawn(move || wait.recv());
        assert!(named(2));
        drop(go);
        more.join().unwrap().unwrap_err();
    }

    #[test]
    fn processors_are_as_busy_as_they_were_between_two_looks() {
        assert_eq!(busy((1000, 400), (1100, 475)), Some(25.0));
        assert_eq!(busy((1000, 400), (1000, 400)), None);
        let (all, idle) = processor_times().unwrap();
        assert!(all > 0 && idle <= all);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above() {
        let here = std::env::temp_dir();
        let deep = here.join("not/there/yet");
        let (one, other) = (storage(&here).unwrap(), storage(&deep).unwrap());
        assert!(one.total > 0);
        assert_eq!(one.total, other.total);
    }
}
