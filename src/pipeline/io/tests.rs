//! The thread's parts, with a scripted camera.

use super::*;
use crate::camera::controls::Setting;
use crate::camera::remote::{Command, Reply, Video};
use crate::camera::{CameraId, Device};
use crate::capture::{Capture, Source};
use crate::capture::{Colour, Format, Frame, Matrix, PixelFormat, Range};
use crate::encode;
use crate::encode::Settings;
use crate::kept::{Drawer, Nowhere, Remembered, Shelf};
use crate::pipeline::Origin;
use crate::pipeline::chain::{Interest, MOST_DESCRIPTORS, Ready};
use crate::pipeline::direct::io::Direct;
use crate::pipeline::fleet::{newcomer, test_identity};
use crate::recover::Coder;
use crate::stream::{Limits, Target};
use crate::units::{BitRate, Rate, Size};

const GOOD: &[u8] = include_bytes!("../../encode/testdata/bars_422p.jpg");

/// A stand-in for a camera that sends truncated JPEGs: no virtual V4L2 device delivers MJPEG.
struct Script {
    format: Format,
    frames: std::vec::IntoIter<&'static [u8]>,
    sequence: u32,
    never: Stop,
}

impl Source for Script {
    fn format(&self) -> Format {
        self.format
    }

    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.never.fd()
    }

    fn next(&mut self) -> Result<Capture<'_>> {
        let Some(data) = self.frames.next() else {
            return Ok(Capture::Pending);
        };
        self.sequence += 1;
        Ok(Capture::Frame(Frame {
            data,
            sequence: self.sequence,
            captured: clock::mono(),
        }))
    }
}

/// A camera's thread that was not started: the test moves its hand. The picture is asked to be 320x240 at 30 frames a
/// second and 500 kbit/s.
fn hand(kept: Arc<dyn Shelf>) -> (Hand, Arc<Directory>) {
    let id = CameraId::TEST;
    let directory = Arc::new(Directory::default());
    let modes = Vec::new().into();
    directory.put(newcomer(
        id,
        "script".into(),
        Device::Test,
        modes,
        clock::mono(),
    ));
    let counters = directory.get(id).unwrap().counters;
    let plan = Plan {
        id,
        origin: Origin::Test {
            size: Size::new(320, 240),
            rate: Rate::fps(30),
        },
        bitrate: BitRate::from_kbps(500),
        keyframe_seconds: 1,
        encoder: Choice::Auto,
        kept: Drawer::new(kept, test_identity()),
        beside: None,
    };
    let target = Target {
        addr: std::net::SocketAddr::from(([127, 0, 0, 1], 9)),
        path: id.to_string(),
        user: String::new(),
        password: String::new(),
    };
    let publisher = Publisher::new(target, Arc::clone(&counters), Limits::default());
    let (_post, inbox) = Inbox::new().unwrap();
    let line = Hand::new(
        plan,
        publisher,
        Arc::clone(&directory),
        counters,
        inbox,
        Box::new(|| {}),
        Stop::new().unwrap(),
    );
    (line, directory)
}

#[test]
fn truncated_jpegs_are_counted_and_skipped_and_the_picture_goes_on() {
    let (mut line, directory) = hand(Arc::new(Nowhere));
    let (id, counters) = (CameraId::TEST, Arc::clone(&line.counters));
    let never = Stop::new().unwrap();
    let format = Format {
        pixel: PixelFormat::Mjpeg,
        size: jpeg_size(GOOD),
        stride: 0,
        rate: Rate::fps(30),
        colour: Colour {
            matrix: Matrix::Bt601,
            range: Range::Full,
            srgb: true,
        },
    };
    let settings = Settings {
        bitrate: BitRate::from_kbps(500),
        gop: 30,
    };
    let cut = &GOOD[..GOOD.len() / 2];
    let frames = vec![GOOD, cut, GOOD, &GOOD[..20], GOOD];
    assert_eq!(line.ladder.poll(clock::mono()), Some(Order::Open));
    line.ladder
        .opened(format.rate, Coder::Software, clock::mono());
    let script = Script {
        format,
        frames: frames.into_iter(),
        sequence: 0,
        never: never.clone(),
    };
    let encoder = encode::open(format, settings).unwrap();
    line.chain = Some(Box::new(Direct::new(
        Box::new(script),
        encoder,
        String::new(),
    )));
    line.take_frames(None);
    line.take_frames(None);
    line.tell(clock::mono());
    assert_eq!(counters.captured.load(Ordering::Relaxed), 5);
    assert_eq!(counters.damaged.load(Ordering::Relaxed), 2);
    assert_eq!(counters.encoded.load(Ordering::Relaxed), 3);
    assert_eq!(directory.get(id).unwrap().status, Status::Connected);
}

/// Width and height as the frame header (SOF0) says them: ITU-T T.81 B.2.2.
fn jpeg_size(jpeg: &[u8]) -> Size {
    let at = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let side = |i: usize| u32::from(u16::from_be_bytes([jpeg[at + i], jpeg[at + i + 1]]));
    Size::new(side(7), side(5))
}

/// Stands in for a camera that codes its picture itself and gives 29.97 pictures where 30 were asked for.
struct Own;

impl Chain for Own {
    fn format(&self) -> Format {
        Format {
            pixel: PixelFormat::H264,
            size: Size::new(320, 180),
            stride: 0,
            rate: Rate::new(30_000, 1001).unwrap(),
            colour: Colour {
                matrix: Matrix::Bt709,
                range: Range::Limited,
                srgb: false,
            },
        }
    }

    fn way(&self) -> Way {
        Way {
            route: encode::Route::Passthrough,
            coder: Coder::Camera,
            why: String::new(),
        }
    }

    fn watch(&self, _: &mut dyn FnMut(std::os::fd::BorrowedFd<'_>, Interest)) {}

    fn woken(&mut self, _: [Ready; MOST_DESCRIPTORS]) {}

    fn next(&mut self, _: bool, _: &mut Tally) -> Result<Progress<'_>, Failure> {
        Ok(Progress::Pending)
    }

    fn restream(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn retune(&mut self, _: Settings) -> Result<()> {
        Err(Error::new(Kind::Refused, "nobody obeys"))
    }
}

fn asked(line: &mut Hand, change: VideoChange) -> Result<Video> {
    match line.carry_out(Command::Video(change))? {
        Reply::Video(video) => Ok(video),
        other => panic!("{other:?}"),
    }
}

const NOTHING: VideoChange = VideoChange {
    bitrate: None,
    keyframe_seconds: None,
    size: None,
    rate: None,
};

#[test]
fn a_camera_that_codes_itself_is_not_reopened_for_what_it_gives_and_not_said_to_obey() {
    let (mut line, _) = hand(Arc::new(Nowhere));
    line.chain = Some(Box::new(Own));
    let now = asked(&mut line, NOTHING).unwrap();
    assert_eq!((now.bitrate, now.keyframe_seconds), (None, None));
    // What was wished at first, and what get_video told, as the page sends it.
    for change in [
        VideoChange {
            rate: Some(Rate::fps(30)),
            ..NOTHING
        },
        VideoChange {
            size: Some(Size::new(320, 240)),
            rate: Some(Rate::fps(30)),
            ..NOTHING
        },
        VideoChange {
            size: Some(Size::new(320, 180)),
            ..NOTHING
        },
    ] {
        let video = asked(&mut line, change).unwrap();
        assert!(video.seamless, "{change:?}");
        assert_eq!(line.opening, 0, "{change:?} opened it anew");
    }
    let tune = VideoChange {
        bitrate: Some(BitRate::from_kbps(900)),
        ..NOTHING
    };
    let refused = asked(&mut line, tune).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    let refused = line.carry_out(Command::Keyframe).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused, "it has no such control");
    // Its own business, however the configuration changes.
    line.configure(line.configured.with(tune));
    assert_eq!(line.opening, 0);
    assert!(line.chain.is_some());
    // What it does not give yet is worth an opening.
    let other = VideoChange {
        rate: Some(Rate::fps(10)),
        ..NOTHING
    };
    assert!(!asked(&mut line, other).unwrap().seamless);
    assert_eq!(line.opening, 1);
}

/// One drawer, for one camera.
#[derive(Debug, Default)]
struct One(std::sync::Mutex<Remembered>);

impl Shelf for One {
    fn find(&self, _: &crate::camera::change::Identity) -> Remembered {
        self.0.lock().unwrap().clone()
    }

    fn put(&self, _: &crate::camera::change::Identity, what: Remembered) {
        *self.0.lock().unwrap() = what;
    }
}

#[test]
fn the_next_thread_of_a_camera_begins_as_clients_left_it() {
    let shelf = Arc::new(One::default());
    let (mut line, _) = hand(Arc::<One>::clone(&shelf));
    line.open();
    let wish = VideoChange {
        bitrate: Some(BitRate::from_kbps(900)),
        rate: Some(Rate::fps(15)),
        ..NOTHING
    };
    asked(&mut line, wish).unwrap();
    let refused = vec![("no_such".to_owned(), Setting::Number(1))];
    assert!(line.carry_out(Command::SetControls(refused)).is_err());
    drop(line);

    let (mut line, _) = hand(Arc::<One>::clone(&shelf));
    line.open();
    let now = asked(&mut line, NOTHING).unwrap();
    assert_eq!(
        (now.bitrate, now.rate),
        (Some(BitRate::from_kbps(900)), Rate::fps(15))
    );
    // The configuration speaks last of the bit rate, and never spoke of the rate.
    let file = line.configured.with(VideoChange {
        bitrate: Some(BitRate::from_kbps(1200)),
        ..NOTHING
    });
    line.configure(file);
    let now = asked(&mut line, NOTHING).unwrap();
    assert_eq!(
        (now.bitrate, now.rate),
        (Some(BitRate::from_kbps(1200)), Rate::fps(15))
    );
    assert_eq!(shelf.0.lock().unwrap().video.bitrate, None);
}

#[test]
fn a_configuration_read_while_a_camera_has_no_picture_is_what_it_opens_with() {
    let (mut line, _) = hand(Arc::new(Nowhere));
    let size = Some(Size::new(640, 360));
    line.configure(line.configured.with(VideoChange { size, ..NOTHING }));
    assert!(line.chain.is_none());
    line.open();
    assert_eq!(asked(&mut line, NOTHING).unwrap().size, Size::new(640, 360));
}
