//! The thread's parts, with a scripted camera.

use super::*;
use crate::camera::{CameraId, Device};
use crate::capture::{Capture, Source};
use crate::capture::{Colour, Format, Frame, Matrix, PixelFormat, Range};
use crate::encode;
use crate::encode::Settings;
use crate::kept::{Drawer, Nowhere};
use crate::pipeline::Origin;
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

#[test]
fn truncated_jpegs_are_counted_and_skipped_and_the_picture_goes_on() {
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
            size: Size::new(64, 64),
            rate: Rate::fps(30),
        },
        bitrate: BitRate::from_kbps(500),
        keyframe_seconds: 1,
        encoder: Choice::Auto,
        kept: Drawer::new(Arc::new(Nowhere), test_identity()),
    };
    let target = Target {
        addr: std::net::SocketAddr::from(([127, 0, 0, 1], 9)),
        path: id.to_string(),
        user: String::new(),
        password: String::new(),
    };
    let publisher = Publisher::new(target, Arc::clone(&counters), Limits::default());
    let never = Stop::new().unwrap();
    let (_post, inbox) = Inbox::new().unwrap();
    let mut line = Hand::new(
        plan,
        publisher,
        Arc::clone(&directory),
        Arc::clone(&counters),
        inbox,
        Box::new(|| {}),
        never.clone(),
    );
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
