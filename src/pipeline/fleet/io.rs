//! The hot-plug thread: kernel event → roster → pipelines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::{error, info};

use super::{Settings, newcomer};
use crate::camera::change::{Change, Found};
use crate::camera::io::Watcher;
use crate::camera::{CameraId, Device, Directory, Status};
use crate::capture::negotiate::Wish;
use crate::capture::testcard;
use crate::clock;
use crate::error::Result;
use crate::pipeline::roster::{Order, Roster};
use crate::pipeline::{self, Origin, Plan};
use crate::stream::io::Publisher;
use crate::stream::{Limits, Target};
use crate::supervise::{Stop, Worker};
use crate::units::Rate;

/// How often dead threads are looked for.
const ROUND_MS: u16 = 1000;

/// Finds the devices, starts their pipelines and watches for changes, until the worker is dropped.
///
/// # Errors
/// `Internal` when the kernel gives no event socket or thread.
pub fn start(settings: Settings, directory: Arc<Directory>) -> Result<Worker> {
    // The socket is open before the scan, so that no device falls between the two.
    let mut watcher = Watcher::open()?;
    let found: BTreeMap<CameraId, Found> = watcher
        .scan()
        .into_iter()
        .filter_map(|change| match change {
            Change::Added(found) => Some((found.id, found)),
            Change::Removed(_) => None,
        })
        .collect();
    let ids: Vec<CameraId> = found.keys().copied().collect();
    let (roster, orders) = Roster::start(settings.test.is_some(), &ids);
    let mut hands = Hands {
        settings,
        directory,
        roster,
        found,
        pipelines: BTreeMap::new(),
    };
    hands.obey(orders);
    Worker::spawn("hot-plug", move |stop| hands.run(watcher, &stop))
}

/// What the hot-plug thread owns.
struct Hands {
    settings: Settings,
    directory: Arc<Directory>,
    roster: Roster,
    found: BTreeMap<CameraId, Found>,
    pipelines: BTreeMap<CameraId, Worker>,
}

impl Hands {
    fn run(mut self, mut watcher: Watcher, stop: &Stop) {
        while !stop.is_given() {
            let mut fds = [
                PollFd::new(stop.fd(), PollFlags::POLLIN),
                PollFd::new(watcher.fd(), PollFlags::POLLIN),
            ];
            if poll(&mut fds, PollTimeout::from(ROUND_MS)).is_err() {
                continue;
            }
            if fds[1].any() == Some(true) {
                match watcher.read() {
                    Ok(changes) => {
                        for change in changes {
                            self.changed(change);
                        }
                    }
                    Err(error) => {
                        error!(%error, "kernel events cannot be read; listening afresh");
                        self.listen_afresh(&mut watcher, stop);
                    }
                }
            }
            self.revive();
        }
        // All are told before any is waited for.
        for pipeline in self.pipelines.values() {
            pipeline.stop().give();
        }
    }

    /// A new socket, and a look at what the old one may have missed.
    fn listen_afresh(&mut self, watcher: &mut Watcher, stop: &Stop) {
        match Watcher::open() {
            Ok(fresh) => {
                *watcher = fresh;
                let mut here = BTreeSet::new();
                for change in watcher.scan() {
                    if let Change::Added(found) = change {
                        here.insert(found.id);
                        if !self.roster.devices().contains(&found.id) {
                            self.changed(Change::Added(found));
                        }
                    }
                }
                let gone: Vec<CameraId> =
                    self.roster.devices().difference(&here).copied().collect();
                for id in gone {
                    self.changed(Change::Removed(id));
                }
            }
            // The next round tries again; until then no plug is noticed.
            Err(error) => {
                error!(%error, "no event socket");
                let mut fds = [PollFd::new(stop.fd(), PollFlags::POLLIN)];
                // Either way the next round begins.
                let _ = poll(&mut fds, PollTimeout::from(ROUND_MS));
            }
        }
    }

    fn changed(&mut self, change: Change) {
        match change {
            Change::Added(found) => {
                info!(camera = %found.id, name = found.name, "plugged in");
                let id = found.id;
                self.found.insert(id, found);
                let orders = self.roster.added(id);
                self.obey(orders);
            }
            Change::Removed(id) => {
                info!(camera = %id, "unplugged");
                let orders = self.roster.removed(id);
                self.obey(orders);
            }
        }
    }

    fn obey(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::StartTest(id) => self.start_test(id),
                Order::StartDevice(id) => self.start_device(id),
                Order::Stop(id) => {
                    self.pipelines.remove(&id);
                    self.directory.update(id, |camera| {
                        camera.status = Status::Disconnected {
                            reason: "the device was unplugged".to_owned(),
                        };
                        camera.since = clock::mono();
                    });
                }
                Order::Forget(id) => {
                    self.pipelines.remove(&id);
                    self.directory.remove(id);
                }
            }
        }
    }

    fn start_test(&mut self, id: CameraId) {
        let Some((size, rate)) = self.settings.test else {
            return;
        };
        let modes = testcard::modes().into();
        self.directory.put(newcomer(
            id,
            "Test camera".to_owned(),
            Device::Test,
            modes,
            clock::mono(),
        ));
        self.launch(id, Origin::Test { size, rate });
    }

    fn start_device(&mut self, id: CameraId) {
        let Some(found) = self.found.get(&id) else {
            return;
        };
        let modes: Arc<[_]> = found.modes.clone().into();
        let device = Device::V4l2 {
            node: found.node.clone(),
            driver: found.driver.clone(),
            bus: found.bus.clone(),
        };
        let origin = Origin::V4l2 {
            node: found.node.clone(),
            modes: Arc::clone(&modes),
            wish: Wish {
                size: self.settings.camera.size,
                rate: Rate::fps(self.settings.camera.fps),
                pixel: self.settings.camera.pixel_format,
            },
        };
        self.directory.put(newcomer(
            id,
            found.name.clone(),
            device,
            modes,
            clock::mono(),
        ));
        self.launch(id, origin);
    }

    fn launch(&mut self, id: CameraId, origin: Origin) {
        let Some(camera) = self.directory.get(id) else {
            return;
        };
        let target = Target {
            addr: self.settings.rtsp,
            path: id.to_string(),
            user: self.settings.publish_user.clone(),
            password: self.settings.publish_password.clone(),
        };
        let plan = Plan {
            id,
            origin,
            bitrate: self.settings.bitrate(),
            keyframe_seconds: self.settings.camera.keyframe_seconds,
            encoder: self.settings.camera.encoder,
        };
        let publisher = Publisher::new(target, camera.counters, Limits::default());
        match pipeline::io::start(plan, publisher, Arc::clone(&self.directory)) {
            Ok(pipeline) => {
                self.pipelines.insert(id, pipeline);
            }
            Err(error) => error!(camera = %id, %error, "cannot start"),
        }
    }

    /// A camera thread that panicked is started again; the round bounds how often.
    fn revive(&mut self) {
        let dead: Vec<CameraId> = self
            .pipelines
            .iter()
            .filter(|(_, p)| p.is_dead())
            .map(|(id, _)| *id)
            .collect();
        for id in dead {
            error!(camera = %id, "the camera's thread died and is started again");
            self.pipelines.remove(&id);
            match self.directory.get(id).map(|c| c.device) {
                Some(Device::Test) => self.start_test(id),
                Some(Device::V4l2 { .. }) => self.start_device(id),
                None => {}
            }
        }
    }
}
