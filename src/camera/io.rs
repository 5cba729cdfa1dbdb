//! Hot-plug: cameras are announced when the kernel says they came, and called off when they went.
//!
//! The law: nothing is polled. The kernel's events are only a reason to look at `/sys` again, so
//! lost, doubled or late events do no harm: what is there now decides.
//!
//! A node may be there before we may open it (udev sets its group a moment later). Such a node
//! waits until its directory entry changes; `inotify` tells.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt,
    socket, sockopt,
};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture as _;

use super::change::{Change, Found};
use super::discovery::{
    COMMON_SIZES, Fate, Rates, Sizes, fate, is_camera, list_modes, node_number,
};
use super::uevent::parse;
use super::{CameraId, Mode};
use crate::capture::PixelFormat;
use crate::encode::m2m::probe::is_memory_to_memory;
use crate::error::{Error, Kind, Result};
use crate::sys::v4l2::enum_fmt::enum_fmt;
use crate::sys::v4l2::enuminput::enuminput;
use crate::sys::v4l2::g_fmt::g_fmt;
use crate::sys::v4l2::handle::handle;
use crate::sys::v4l2::pix::Pix;
use crate::sys::v4l2::querycap::querycap;
use crate::sys::v4l2::try_fmt::try_fmt;
use crate::sys::v4l2::{Fault, Queue};
use crate::units::{Rate, Size};

/// The kernel's own multicast group; group 2 belongs to udev.
const KERNEL_GROUP: u32 = 1;

/// Room for a storm of events: an event is below 1 KiB, so 2 MiB hold a boot's worth. When it
/// overflows all the same, we look at everything again.
const SOCKET_BYTES: usize = 2 * 1024 * 1024;

/// The kernel's events are at most 2 KiB of text and a path.
const DATAGRAM_BYTES: usize = 8192;

/// After this long a node that cannot be opened is worth a word in the log.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest pause between two looks at a node that cannot be opened.
const LAST_PATIENCE: Duration = Duration::from_secs(30);

/// No driver lists more formats; guards against one that never ends its list.
const MOST_FORMATS: u32 = 128;

/// What is known of a node in `/sys/class/video4linux`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// The inode of its directory in sysfs: another one for every life of a device.
    life: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Announced. Left when it goes.
    Camera,
    /// Metadata, codec, radio, …. Left when it goes.
    Other,
    /// Could not be opened yet. Left when its entry in `/dev` changes and it can.
    Waiting,
}

/// Watches for cameras. Belongs to one thread, which waits for [`Watcher::fd`].
#[derive(Debug)]
pub struct Watcher {
    wake: Epoll,
    socket: OwnedFd,
    entries: Inotify,
    timer: TimerFd,
    /// How long until nodes that could not be opened are looked at again.
    patience: Duration,
    class: PathBuf,
    dev: PathBuf,
    known: BTreeMap<CameraId, Known>,
}

impl Watcher {
    /// Starts listening. Cameras that are there already are found by [`Watcher::scan`].
    ///
    /// # Errors
    /// `Internal` when the kernel refuses the socket or a watch (say in a sandbox without
    /// `AF_NETLINK`).
    pub fn open() -> Result<Self> {
        Self::open_at(Path::new("/"))
    }

    /// Like [`Watcher::open`], with `/sys` and `/dev` below `root`.
    ///
    /// # Errors
    /// As [`Watcher::open`].
    pub fn open_at(root: &Path) -> Result<Self> {
        let dev = root.join("dev");
        let start = || -> nix::Result<_> {
            let socket = listen()?;
            let entries = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            let changes =
                AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ATTRIB;
            entries.add_watch(&dev, changes)?;
            let timer = TimerFd::new(
                ClockId::CLOCK_MONOTONIC,
                TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
            )?;
            let wake = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
            for fd in [socket.as_fd(), entries.as_fd(), timer.as_fd()] {
                wake.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
            }
            Ok((wake, socket, entries, timer))
        };
        let (wake, socket, entries, timer) = start().map_err(|errno| {
            Error::new(Kind::Internal, "listening for cameras to come and go").because(errno)
        })?;
        Ok(Self {
            wake,
            socket,
            entries,
            timer,
            patience: PATIENCE,
            class: root.join("sys/class/video4linux"),
            dev,
            known: BTreeMap::new(),
        })
    }

    /// Readable when [`Watcher::read`] has something to look at.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.0.as_fd()
    }

    /// Looks at every node and returns what changed since the last look: at first, all cameras.
    pub fn scan(&mut self) -> Vec<Change> {
        // The class is missing until the first driver is loaded: no cameras then.
        let entries = fs::read_dir(&self.class).into_iter().flatten().flatten();
        let seen = entries.filter_map(|entry| node_number(entry.file_name().to_str()?));
        let mut ids: Vec<CameraId> = seen.chain(self.known.keys().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut changes = Vec::new();
        for id in ids {
            self.look(id, &mut changes);
        }
        changes
    }

    /// Takes all that is waiting, without blocking, and returns what changed.
    ///
    /// # Errors
    /// `Reopen` when the socket itself fails: open a new watcher and scan.
    pub fn read(&mut self) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        let mut datagram = [0; DATAGRAM_BYTES];
        loop {
            match recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut datagram) {
                // Any process may send to our socket; the kernel's messages come from number 0.
                Ok((length, Some(from))) if from.pid() == 0 => {
                    if let Some(event) = datagram.get(..length).and_then(parse) {
                        self.look(event.id, &mut changes);
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(Errno::ENOBUFS) => {
                    tracing::warn!("device events were lost, looking at all video nodes again");
                    changes.append(&mut self.scan());
                }
                Err(errno) => {
                    let what = "reading the kernel's device events";
                    return Err(Error::new(Kind::Reopen, what).because(errno));
                }
            }
        }
        self.read_entries(&mut changes);
        if self.timer.wait().is_ok() {
            self.complain(&mut changes);
        }
        Ok(changes)
    }

    /// Looks again at nodes that could not be opened and whose entry in `/dev` changed.
    fn read_entries(&mut self, changes: &mut Vec<Change>) {
        // An overflow of this queue loses nothing for good: the next event of the node is enough.
        while let Ok(events) = self.entries.read_events() {
            let names = events.into_iter().filter_map(|event| event.name);
            for id in names.filter_map(|name| node_number(name.to_str()?)) {
                if let Some(known) = self.known.get(&id).copied()
                    && known.stage == Stage::Waiting
                {
                    // Still closed: more than one change may come, group first, then mode.
                    let _ = self.examine(id, known.life, changes);
                }
            }
        }
    }

    /// Compares a node with what is known of it.
    fn look(&mut self, id: CameraId, changes: &mut Vec<Change>) {
        let entry = self.class.join(format!("video{}", id.number()));
        let life = fs::metadata(entry).ok().map(|entry| entry.ino());
        let fate = fate(self.known.get(&id).map(|known| known.life), life);
        if matches!(fate, Fate::Went | Fate::Replaced)
            && let Some(known) = self.known.remove(&id)
            && known.stage == Stage::Camera
        {
            changes.push(Change::Removed(id));
        }
        if let (Fate::Came | Fate::Replaced, Some(life)) = (fate, life)
            && let Err(error) = self.examine(id, life, changes)
        {
            tracing::debug!(%id, %error, "a video node cannot be opened yet");
            self.patience = PATIENCE;
            self.wait();
        }
    }

    /// Looks again at those that wait, after a while.
    fn wait(&mut self) {
        let once = Expiration::OneShot(self.patience.into());
        if let Err(errno) = self.timer.set(once, TimerSetTimeFlags::empty()) {
            tracing::debug!(%errno, "no timer to look again later");
        }
    }

    /// Asks a node what it is, and notes it. The error is that of a node that has to wait.
    fn examine(&mut self, id: CameraId, life: u64, changes: &mut Vec<Change>) -> Result<()> {
        let node = self.dev.join(format!("video{}", id.number()));
        let result = probe(&node);
        let stage = match &result {
            Ok(Some(_)) => Stage::Camera,
            Ok(None) => Stage::Other,
            Err(_) => Stage::Waiting,
        };
        self.known.insert(id, Known { life, stage });
        if stage == Stage::Other && is_codec(&node) {
            changes.push(Change::Codec);
        }
        if let Some(probed) = result? {
            changes.push(Change::Added(Found {
                id,
                node,
                name: probed.name,
                driver: probed.driver,
                bus: probed.bus,
                index: self.index(id),
                modes: probed.modes,
            }));
        }
        Ok(())
    }

    /// Which of its device's nodes it is; 0 where sysfs does not say.
    fn index(&self, id: CameraId) -> u32 {
        let path = self.class.join(format!("video{}/index", id.number()));
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Looks again at nodes that could not be opened: a camera may need seconds after its plug, or another program
    /// holds it. Says which, the first time.
    fn complain(&mut self, changes: &mut Vec<Change>) {
        let waiting = |(id, known): (&CameraId, &Known)| {
            (known.stage == Stage::Waiting).then_some((*id, known.life))
        };
        let waiting: Vec<_> = self.known.iter().filter_map(waiting).collect();
        let mut still = false;
        for (id, life) in waiting {
            if let Err(error) = self.examine(id, life, changes) {
                still = true;
                if self.patience == PATIENCE {
                    tracing::warn!(%id, %error, "a video node cannot be opened; it is looked at again");
                    changes.push(Change::Unreadable {
                        node: id,
                        why: error.to_string(),
                    });
                }
            }
        }
        if still {
            self.patience = (self.patience * 2).min(LAST_PATIENCE);
            self.wait();
        }
    }
}

fn listen() -> nix::Result<OwnedFd> {
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkKObjectUEvent,
    )?;
    // Beyond the system's limit with CAP_NET_ADMIN, up to it without.
    setsockopt(&fd, sockopt::RcvBufForce, &SOCKET_BYTES)
        .or_else(|_| setsockopt(&fd, sockopt::RcvBuf, &SOCKET_BYTES))?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
    Ok(fd)
}

/// What a node says of itself, if it is a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Product name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Where it is plugged in.
    pub bus: String,
    /// Everything it offers that we can take; never empty.
    pub modes: Vec<Mode>,
}

/// Asks a node whether it is a camera and what it offers. `None` when it is none of ours.
///
/// # Errors
/// `Gone` when the node is not there, `Config` when it may not be opened, `Reopen` when it cannot
/// be now.
pub fn probe(node: &Path) -> Result<Option<Probed>> {
    let device = v4l::Device::with_path(node).map_err(|error| {
        let kind = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => Kind::Gone,
            Some(Errno::EACCES | Errno::EPERM) => Kind::Config,
            _ => Kind::Reopen,
        };
        let failed = Error::new(kind, format!("opening {}", node.display())).because(error);
        if kind == Kind::Config {
            return failed
                .action("add the service's user to the group that owns the node, usually video");
        }
        failed
    })?;
    let fd = handle(&device);
    // The crate opens without it; a child process must not keep an unplugged camera busy.
    if let Err(errno) = fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
        tracing::debug!(%errno, node = %node.display(), "descriptor stays open in children");
    }
    let caps = match querycap(fd) {
        Ok(caps) => caps,
        Err(Fault::Unsupported) => return Ok(None),
        Err(fault) => return Err(failed(node, "asking for capabilities", fault)),
    };
    let Some(queue) = caps.queue() else {
        return Ok(None);
    };
    let has_input = enuminput(fd, 0).map_err(|f| failed(node, "asking for inputs", f))?;
    if !is_camera(caps.flags, has_input) {
        return Ok(None);
    }
    let modes = modes(&device, queue).map_err(|f| failed(node, "asking for formats", f))?;
    Ok((!modes.is_empty()).then_some(Probed {
        name: caps.card,
        driver: caps.driver,
        bus: caps.bus,
        modes,
    }))
}

/// Whether a node reads frames and gives others: an encoder, perhaps.
fn is_codec(node: &Path) -> bool {
    v4l::Device::with_path(node)
        .ok()
        .and_then(|device| querycap(handle(&device)).ok())
        .is_some_and(|caps| is_memory_to_memory(caps.flags))
}

fn failed(node: &Path, doing: &str, fault: Fault) -> Error {
    let kind = match fault {
        Fault::Gone => Kind::Gone,
        _ => Kind::Reopen,
    };
    Error::new(kind, format!("{}: {doing}", node.display())).because(fault)
}

fn modes(device: &v4l::Device, queue: Queue) -> Result<Vec<Mode>, Fault> {
    let mut modes: Vec<Mode> = Vec::new();
    for index in 0..MOST_FORMATS {
        let Some(fourcc) = enum_fmt(handle(device), queue, index)? else {
            break;
        };
        let Some(pixel) = PixelFormat::from_fourcc(fourcc) else {
            continue;
        };
        if modes.iter().all(|mode| mode.pixel != pixel) {
            let sizes = sizes(device, queue, fourcc);
            modes.extend(list_modes(pixel, &sizes, |size| {
                rates(device, fourcc, size)
            }));
        }
    }
    Ok(modes)
}

fn sizes(device: &v4l::Device, queue: Queue, fourcc: [u8; 4]) -> Vec<Sizes> {
    let listed = device.enum_framesizes(v4l::FourCC::new(&fourcc));
    let listed = listed.unwrap_or_default();
    if listed.is_empty() {
        return tried_sizes(handle(device), queue, fourcc);
    }
    let convert = |offer: FrameSizeEnum| match offer {
        FrameSizeEnum::Discrete(size) => Sizes::One(Size::new(size.width, size.height)),
        FrameSizeEnum::Stepwise(range) => Sizes::Range {
            least: Size::new(range.min_width, range.min_height),
            most: Size::new(range.max_width, range.max_height),
            step: Size::new(range.step_width, range.step_height),
        },
    };
    listed
        .into_iter()
        .map(|offer| convert(offer.size))
        .collect()
}

/// For drivers that do not list their sizes: what they make of the common ones.
fn tried_sizes(fd: BorrowedFd<'_>, queue: Queue, fourcc: [u8; 4]) -> Vec<Sizes> {
    let same = |answer: &Pix| answer.fourcc == fourcc;
    let mut found: Vec<Sizes> = COMMON_SIZES
        .into_iter()
        .filter_map(|size| try_fmt(fd, queue, Pix::wish(fourcc, size.width, size.height)).ok())
        .filter(same)
        .map(|answer| Sizes::One(Size::new(answer.width, answer.height)))
        .collect();
    if found.is_empty() {
        let current = g_fmt(fd, queue).ok().filter(same);
        found.extend(current.map(|pix| Sizes::One(Size::new(pix.width, pix.height))));
    }
    found
}

fn rates(device: &v4l::Device, fourcc: [u8; 4], size: Size) -> Vec<Rates> {
    let fourcc = v4l::FourCC::new(&fourcc);
    // Drivers with one fixed rate do not know the question.
    let listed = device.enum_frameintervals(fourcc, size.width, size.height);
    let rate = |f: v4l::Fraction| Rate::from_interval(f.numerator, f.denominator);
    let convert = |offer: FrameIntervalEnum| match offer {
        FrameIntervalEnum::Discrete(interval) => rate(interval).map(Rates::One),
        FrameIntervalEnum::Stepwise(range) => Some(Rates::Range {
            most: rate(range.min)?,
            least: rate(range.max)?,
        }),
    };
    let listed = listed.unwrap_or_default().into_iter();
    listed.filter_map(|offer| convert(offer.interval)).collect()
}
