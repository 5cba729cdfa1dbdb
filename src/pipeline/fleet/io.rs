//! The hot-plug thread: kernel event → roster → pipelines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::oneshot;
use tracing::{debug, error, info};

use super::{News, Settings, newcomer, test_identity};
use crate::camera::change::{Change, Found, Identity};
use crate::camera::io::Watcher;
use crate::camera::{CameraId, Device, Directory, Mode, Status};
use crate::capture::negotiate::Wish;
use crate::capture::testcard;
use crate::clock;
use crate::error::Result;
use crate::kept::Drawer;
use crate::mediamtx::paths::second;
use crate::pipeline::io::Pipeline;
use crate::pipeline::roster::{Order, Roster};
use crate::pipeline::{self, Beside, Origin, Plan};
use crate::stream::io::Publisher;
use crate::stream::{Limits, Target};
use crate::supervise::{Inbox, Post, Stop, Worker};
use crate::units::Rate;

/// How often dead threads are looked for.
const ROUND_MS: u16 = 1000;

/// Finds the devices, starts their pipelines and watches for changes, until the worker is dropped.
///
/// # Errors
/// `Internal` when the kernel gives no event socket or thread.
pub fn start(settings: Settings, directory: Arc<Directory>) -> Result<Fleet> {
    // The socket is open before the scan, so that no device falls between the two.
    let mut watcher = Watcher::open()?;
    let found: BTreeMap<CameraId, Found> = watcher
        .scan()
        .into_iter()
        .filter_map(|change| match change {
            Change::Added(found) => Some((found.id, found)),
            Change::Removed(_) | Change::Codec | Change::Unreadable { .. } => None,
        })
        .collect();
    let seen: Vec<_> = found.values().map(|f| (f.id, f.identity())).collect();
    let (roster, orders) = Roster::start(settings.test.is_some(), &seen);
    let (post, inbox) = Inbox::new()?;
    let mut hands = Hands {
        post,
        settings,
        directory,
        roster,
        found,
        pipelines: BTreeMap::new(),
    };
    hands.obey(orders);
    let line = Line(hands.post.clone());
    let (ending, ended) = oneshot::channel();
    let worker = Worker::spawn("hot-plug", move |stop| {
        let _ending: oneshot::Sender<()> = ending;
        hands.run(watcher, &inbox, &stop);
    })?;
    Ok(Fleet {
        _worker: worker,
        ended: Some(ended),
        line,
    })
}

/// All cameras. Dropping it stops them.
#[derive(Debug)]
pub struct Fleet {
    _worker: Worker,
    /// Told by the thread's end.
    ended: Option<oneshot::Receiver<()>>,
    line: Line,
}

impl Fleet {
    /// Waits until the hot-plug thread has ended by itself.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: its end drops the other side. A receiver must not be asked again then.
        if let Some(ended) = &mut self.ended {
            let _ = ended.await;
            self.ended = None;
        }
    }

    /// How it is told what the configuration asks.
    #[must_use]
    pub fn line(&self) -> Line {
        self.line.clone()
    }
}

/// The line to the hot-plug thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Line(Post<Message>);

impl Line {
    /// Hands news over; they are carried out soon.
    ///
    /// # Errors
    /// When the hot-plug thread has ended.
    pub fn tell(&self, news: News) -> Result<()> {
        self.0.urge(Message::News(news))
    }
}

/// What others tell the hot-plug thread.
#[derive(Debug)]
enum Message {
    /// A camera cannot find its device: all nodes are looked at.
    LookAgain,
    /// The configuration asks for something else.
    News(News),
}

/// What the hot-plug thread owns.
struct Hands {
    post: Post<Message>,
    settings: Settings,
    directory: Arc<Directory>,
    roster: Roster,
    found: BTreeMap<CameraId, Found>,
    pipelines: BTreeMap<CameraId, Pipeline>,
}

impl Hands {
    fn run(mut self, mut watcher: Watcher, inbox: &Inbox<Message>, stop: &Stop) {
        while !stop.is_given() {
            let mut fds = [
                PollFd::new(stop.fd(), PollFlags::POLLIN),
                PollFd::new(watcher.fd(), PollFlags::POLLIN),
                PollFd::new(inbox.fd(), PollFlags::POLLIN),
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
            let mut asked = false;
            while let Some(message) = inbox.next() {
                match message {
                    Message::LookAgain => asked = true,
                    Message::News(news) => self.hear(news),
                }
            }
            if asked {
                // What this watcher reports is what changed since its last look, and that is all there is to do.
                for change in watcher.scan() {
                    self.changed(change);
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
                self.compare(watcher);
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

    /// Takes all nodes from a watcher that knows none yet and makes up for plugs that went unheard.
    fn compare(&mut self, watcher: &mut Watcher) {
        let mut here = BTreeSet::new();
        for change in watcher.scan() {
            if let Change::Added(found) = change {
                here.insert(found.id);
                // Another device may have taken the node meanwhile.
                let known = self.found.get(&found.id);
                let same = known.is_some_and(|was| was.identity() == found.identity());
                if !same || !self.roster.nodes().contains(&found.id) {
                    self.changed(Change::Added(found));
                }
            }
        }
        let gone: Vec<CameraId> = self.roster.nodes().difference(&here).copied().collect();
        for node in gone {
            self.changed(Change::Removed(node));
        }
    }

    fn changed(&mut self, change: Change) {
        match change {
            Change::Added(found) => {
                info!(camera = %found.id, name = found.name, "plugged in");
                let node = found.id;
                let identity = found.identity();
                self.found.insert(node, found);
                let orders = self.roster.added(node, &identity);
                self.obey(orders);
            }
            Change::Unreadable { node, why } => self.directory.unreadable(node, &why),
            Change::Codec => {
                for (id, pipeline) in &self.pipelines {
                    if let Err(error) = pipeline.encoders() {
                        debug!(camera = %id, %error, "not told of the encoder");
                    }
                }
            }
            Change::Removed(id) => {
                info!(camera = %id, "unplugged");
                let orders = self.roster.removed(id);
                self.obey(orders);
            }
        }
    }

    /// The configuration asks for something else.
    fn hear(&mut self, news: News) {
        match news {
            News::Wishes(camera) => {
                // What only a restart changes stays as it was started.
                self.settings.camera.size = camera.size;
                self.settings.camera.fps = camera.fps;
                self.settings.camera.bitrate = camera.bitrate;
                self.settings.camera.keyframe_seconds = camera.keyframe_seconds;
            }
            News::Test(test) => {
                let switched = test.is_some() != self.settings.test.is_some();
                self.settings.test = test;
                if switched {
                    info!(on = test.is_some(), "the test camera is switched");
                    let orders = self.roster.test(test.is_some());
                    self.obey(orders);
                }
            }
        }
        for (id, pipeline) in &self.pipelines {
            let Some(camera) = self.directory.get(*id) else {
                continue;
            };
            if let Err(error) = pipeline.configured(self.settings.wishes(&camera.device)) {
                debug!(camera = %id, %error, "not told of the configuration");
            }
        }
    }

    fn obey(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::StartTest(id) => self.start_test(id),
                Order::StartDevice { id, node } => self.start_device(id, node),
                Order::Back { id, node } => self.back(id, node),
                Order::Gone(id) => self.gone(id),
                Order::Forget(id) => {
                    self.pipelines.remove(&id);
                    self.directory.remove(id);
                }
            }
        }
    }

    /// The pipeline lives on and shows its viewers the slate.
    fn gone(&mut self, id: CameraId) {
        if let Some(Err(error)) = self.pipelines.get(&id).map(Pipeline::gone) {
            error!(camera = %id, %error, "the unplug cannot be told; the thread is ended");
            self.pipelines.remove(&id);
        }
        if !self.pipelines.contains_key(&id) {
            self.directory.update(id, |camera| {
                camera.status = Status::Disconnected {
                    reason: "the device was unplugged".to_owned(),
                };
                camera.since = clock::mono();
            });
        }
    }

    /// A device that went is there again, perhaps under another node.
    fn back(&mut self, id: CameraId, node: CameraId) {
        let Some((device, modes, origin)) = self.device_at(node) else {
            return;
        };
        let Some(pipeline) = self.pipelines.get(&id) else {
            return self.start_device(id, node);
        };
        self.directory.update(id, |camera| {
            camera.device = device;
            camera.modes = modes;
        });
        if let Err(error) = pipeline.back(origin) {
            error!(camera = %id, %error, "the plug cannot be told; the thread is started again");
            self.pipelines.remove(&id);
            self.start_device(id, node);
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
        self.launch(id, Origin::Test { size, rate }, test_identity());
    }

    fn start_device(&mut self, id: CameraId, node: CameraId) {
        let Some((device, modes, origin)) = self.device_at(node) else {
            return;
        };
        let Some(identity) = self.found.get(&node).map(Found::identity) else {
            return;
        };
        let name = identity.card.clone();
        self.directory
            .put(newcomer(id, name, device, modes, clock::mono()));
        self.launch(id, origin, identity);
    }

    /// What is known of the device at a node, and how to open it.
    fn device_at(&self, node: CameraId) -> Option<(Device, Arc<[Mode]>, Origin)> {
        let found = self.found.get(&node)?;
        let modes: Arc<[Mode]> = found.modes.clone().into();
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
        Some((device, modes, origin))
    }

    fn launch(&mut self, id: CameraId, origin: Origin, identity: Identity) {
        let Some(camera) = self.directory.get(id) else {
            return;
        };
        let target = Target {
            addr: self.settings.rtsp,
            path: id.to_string(),
            user: self.settings.publish_user.clone(),
            password: self.settings.publish_password.clone(),
        };
        let beside = Beside {
            target: Target {
                path: second(id),
                ..target.clone()
            },
            limits: self.settings.second_limits(),
            always: self.settings.held.always,
        };
        let plan = Plan {
            beside: Some(beside),
            id,
            origin,
            bitrate: self.settings.bitrate(),
            keyframe_seconds: self.settings.camera.keyframe_seconds,
            encoder: self.settings.camera.encoder,
            kept: Drawer::new(Arc::clone(&self.settings.kept), identity),
        };
        let publisher = Publisher::new(target, camera.counters, Limits::default());
        let post = self.post.clone();
        let rescan = Box::new(move || {
            // A full inbox holds the same wish already.
            let _ = post.send(Message::LookAgain);
        });
        match pipeline::io::start(plan, publisher, Arc::clone(&self.directory), rescan) {
            Ok(pipeline) => {
                self.pipelines.insert(id, pipeline);
            }
            Err(error) => {
                error!(camera = %id, %error, "cannot start; it is tried again");
                self.directory.update(id, |camera| {
                    camera.status = Status::Error {
                        reason: error.to_string(),
                        action: "the machine is short of threads or descriptors; it is tried again every second"
                            .to_owned(),
                    };
                });
            }
        }
    }

    /// A camera thread that ended by itself, or could not be started, is started again: at most once in a round.
    fn revive(&mut self) {
        for camera in self.directory.list() {
            let id = camera.id;
            match self.pipelines.get(&id).map(Pipeline::is_dead) {
                Some(false) => continue,
                Some(true) => {
                    error!(camera = %id, "the camera's thread died and is started again");
                    self.pipelines.remove(&id);
                }
                None => {}
            }
            match camera.device {
                Device::Test => self.start_test(id),
                Device::V4l2 { .. } => {
                    // One that is away waits for its device.
                    if let Some(node) = self.roster.node_of(id) {
                        self.start_device(id, node);
                    }
                }
            }
        }
    }
}
