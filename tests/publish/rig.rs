//! A MediaMTX, a camera and a reader for the scenarios.
//!
//! MediaMTX is taken from `MEDIAMTX` or `target/mediamtx/mediamtx`.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use camera_service::camera::Counters;
use camera_service::clock::{self, Mono};
use camera_service::encode::AccessUnit;
use camera_service::encode::h264::{NalKind, nals};
use camera_service::pipeline::chain::Timing;
use camera_service::stream::{Limits, Publisher, State, Target};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const FIXTURE: &str = "tests/fixtures/rtsp_testsrc_320x180_25fps.h264";
const FRAMES: usize = 50;
const INTERVAL: Duration = Duration::from_millis(40);

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Asks until it is so; a wait without luck in it.
pub(crate) fn eventually<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = clock::mono();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(clock::mono().since(start) < limit, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A MediaMTX of our own in a directory of its own, killed by pid when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) dir: PathBuf,
    pub(crate) rtsp: SocketAddr,
}

impl Server {
    pub(crate) fn start(global: &str, path: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).unwrap();
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let (rtsp, api) = (free(), free());
        let records = dir.join("rec").display().to_string();
        let config = format!(
            "logLevel: info\nrtspAddress: {rtsp}\nrtspTransports: [tcp]\napi: yes\napiAddress: {api}\n\
             rtmp: no\nhls: no\nwebrtc: no\nsrt: no\nmoq: no\n{global}\n\
             authInternalUsers:\n\
             - {{user: box, pass: s3cret, permissions: [{{action: publish}}]}}\n\
             - {{user: any, permissions: [{{action: read}}, {{action: api}}]}}\n\
             paths:\n  camera0:\n    source: publisher\n\
             \x20   recordPath: {records}/%path/%Y-%m-%d_%H-%M-%S-%f\n    recordPartDuration: 200ms\n{path}"
        );
        fs::write(dir.join("mediamtx.yml"), config).unwrap();
        let child = Self::launch(&dir, rtsp);
        Self { child, dir, rtsp }
    }

    pub(crate) fn launch(dir: &Path, rtsp: SocketAddr) -> Child {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = std::env::var_os("MEDIAMTX")
            .map_or_else(|| root.join("target/mediamtx/mediamtx"), PathBuf::from);
        assert!(program.exists(), "no MediaMTX at {program:?}: set MEDIAMTX");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(dir.join("log"))
            .unwrap();
        let child = Command::new(program)
            .arg("mediamtx.yml")
            .current_dir(dir)
            .env("TZ", "UTC")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        eventually("MediaMTX listens", secs(20), || {
            TcpStream::connect(rtsp).ok()
        });
        child
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// The recording with this number, once `frames` frames less one are in it: MediaMTX never
    /// writes the last, because its duration would be told by the next.
    pub(crate) fn whole_recording(&self, number: usize, frames: usize) -> PathBuf {
        let mut seen = 0;
        let ask = || {
            let file = self.recordings().get(number)?.clone();
            seen = frames_in(&file).len();
            (seen + 1 == frames).then_some(file)
        };
        let file = eventually("the recording is whole", secs(10), ask);
        assert_eq!(self.recordings().len(), number + 1);
        file
    }

    /// Starts a reader of so many frames; it writes what [`md5s`] reads.
    pub(crate) fn reader(&self, frames: usize) -> Child {
        let url = format!("rtsp://{}/camera0", self.rtsp);
        let input = ["-rtsp_transport", "tcp", "-i", &url];
        let mut reader = ffmpeg(&input, &["-frames:v", &frames.to_string()]);
        reader.spawn().unwrap()
    }

    /// Recorded files, oldest first.
    pub(crate) fn recordings(&self) -> Vec<PathBuf> {
        let folder = self.dir.join("rec/camera0");
        let mut found: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        found.sort();
        found
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn ffmpeg(input: &[&str], output: &[&str]) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "error"])
        .args(input)
        .args(["-fps_mode", "passthrough"]);
    command.args(output).args(["-f", "framemd5", "-"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn md5s(framemd5: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(framemd5);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect()
}

/// The frames of a file by their number in the fixture.
pub(crate) fn frames_in(file: &Path) -> Vec<usize> {
    let of = |file: &Path| {
        md5s(
            &ffmpeg(&["-i", file.to_str().unwrap()], &[])
                .output()
                .unwrap()
                .stdout,
        )
    };
    numbered(&of(file))
}

pub(crate) fn numbered(md5s: &[String]) -> Vec<usize> {
    let fixture = ffmpeg(&["-i", FIXTURE], &[]).output().unwrap().stdout;
    let reference = self::md5s(&fixture);
    assert_eq!(reference.len(), FRAMES);
    let number = |md5: &String| reference.iter().position(|r| r == md5);
    md5s.iter()
        .map(|md5| number(md5).expect("a damaged frame"))
        .collect()
}

#[track_caller]
pub(crate) fn assert_consecutive(frames: &[usize]) {
    let gap = frames.windows(2).position(|w| w[1] != (w[0] + 1) % FRAMES);
    assert_eq!(gap, None, "a frame is missing or damaged: {frames:?}");
}

/// A camera that plays the fixture round and round in real time, and its publisher.
pub(crate) struct Camera {
    pub(crate) publisher: Publisher,
    pub(crate) counters: Arc<Counters>,
    units: Vec<(Vec<u8>, bool)>,
    /// Appended to every access unit: filler data (H.264 §7.3.2.7) for a high bit rate.
    pub(crate) filler: usize,
    pub(crate) interval: Duration,
    pub(crate) pushed: u64,
    started: Mono,
}

impl Camera {
    pub(crate) fn new(server: &Server, password: &str, limits: Limits) -> Self {
        let target = Target {
            addr: server.rtsp,
            path: "camera0".into(),
            user: "box".into(),
            password: password.into(),
        };
        let counters = Arc::new(Counters::default());
        let data = fs::read(FIXTURE).unwrap();
        let mut units = vec![];
        let mut unit = vec![];
        for nal in nals(&data) {
            unit.extend([0, 0, 0, 1]);
            unit.extend(nal);
            if NalKind::of(nal).is_picture() {
                units.push((std::mem::take(&mut unit), NalKind::of(nal) == NalKind::Idr));
            }
        }
        assert_eq!(units.len(), FRAMES);
        Self {
            publisher: Publisher::new(target, Arc::clone(&counters), limits),
            counters,
            units,
            filler: 0,
            interval: INTERVAL,
            pushed: 0,
            started: clock::mono(),
        }
    }

    /// What the camera's thread does, once: wait for the socket or a deadline, then act.
    pub(crate) fn turn(&mut self, film: bool) {
        let now = clock::now();
        let due = self.started + self.interval;
        let next = self.publisher.poll_timeout().map_or(due, |at| at.min(due));
        let wait = next.since(now.mono).min(self.interval);
        let wait = PollTimeout::try_from(wait + Duration::from_micros(900)).unwrap();
        let interest = self.publisher.interest();
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, interest.read);
        flags.set(PollFlags::POLLOUT, interest.write);
        let fds = |fd: BorrowedFd<'_>| poll(&mut [PollFd::new(fd, flags)], wait).unwrap() > 0;
        let ready = match self.publisher.fd() {
            Some(fd) => fds(fd),
            None => poll(&mut [], wait).unwrap() > 0,
        };
        if ready {
            self.publisher.on_ready(clock::now());
        }
        let now = clock::now();
        if self
            .publisher
            .poll_timeout()
            .is_some_and(|at| at <= now.mono)
        {
            self.publisher.on_timeout(now);
        }
        if now.mono >= due {
            self.started = due;
            if film {
                self.push();
            }
        }
    }

    pub(crate) fn push(&mut self) {
        let (data, keyframe) = &self.units[usize::try_from(self.pushed).unwrap() % FRAMES];
        let mut data = data.clone();
        if self.filler > 0 {
            data.extend([0, 0, 0, 1, 12]);
            data.extend(std::iter::repeat_n(0xFF, self.filler));
            data.push(0x80);
        }
        let unit = AccessUnit {
            data: &data,
            keyframe: *keyframe,
            captured: self.started,
        };
        let now = clock::now();
        let timing = Timing {
            dequeued: now.mono,
            encoded: now.mono,
        };
        self.publisher.push(&unit, Some(timing), now);
        self.pushed += 1;
    }

    /// Films until `done`.
    #[track_caller]
    pub(crate) fn film(
        &mut self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        let start = clock::mono();
        while !done(self) {
            let waited = clock::mono().since(start);
            assert!(
                waited < limit,
                "filmed in vain for {what}: {:?}",
                self.publisher.state()
            );
            self.turn(true);
        }
    }

    pub(crate) fn film_for(&mut self, span: Duration) {
        let start = clock::mono();
        self.film("time", span * 2, |_| clock::mono().since(start) >= span);
    }

    /// Keeps the session but films nothing.
    pub(crate) fn rest(&mut self, span: Duration) {
        let start = clock::mono();
        while clock::mono().since(start) < span {
            self.turn(false);
        }
    }

    pub(crate) fn film_until_recording(&mut self) {
        self.film("recording", secs(20), |c| c.recording());
    }

    pub(crate) fn recording(&self) -> bool {
        matches!(self.publisher.state(), State::Recording { .. })
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        match self.publisher.state() {
            State::Backoff { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

pub(crate) fn load(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

/// The time in a recording's name, which MediaMTX writes in the machine's time zone; here UTC.
pub(crate) fn started(file: &Path) -> clock::Wall {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let format = time::macros::format_description!(
        "[year]-[month]-[day]_[hour]-[minute]-[second]-[subsecond digits:6]"
    );
    let at = time::PrimitiveDateTime::parse(name, format).unwrap();
    clock::Wall::from_nanos(u64::try_from(at.assume_utc().unix_timestamp_nanos()).unwrap())
}
