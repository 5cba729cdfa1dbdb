//! Where pictures come from: V4L2 devices and the built-in test camera.

pub mod colorimetry;
#[cfg(feature = "v4l2")]
pub mod device;
#[cfg(feature = "v4l2")]
pub mod io;
pub mod layout;
pub mod negotiate;
pub mod queue;
pub mod stamp;
pub mod testcard;

use std::fmt;
use std::os::fd::BorrowedFd;

use crate::clock::Mono;
use crate::error::{Error, Kind, Result};
use crate::units::{Rate, Size};

/// How a source lays out its pixels, named as V4L2 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PixelFormat {
    /// `V4L2_PIX_FMT_YUYV`: packed 4:2:2, Y0 Cb Y1 Cr.
    Yuyv,
    /// `V4L2_PIX_FMT_UYVY`: packed 4:2:2, Cb Y0 Cr Y1.
    Uyvy,
    /// `V4L2_PIX_FMT_NV12`: 4:2:0, a luma plane, then interleaved Cb Cr.
    Nv12,
    /// `V4L2_PIX_FMT_YUV420` (`YU12`): 4:2:0, planes Y, Cb, Cr.
    Yu12,
    /// `V4L2_PIX_FMT_MJPEG` and `V4L2_PIX_FMT_JPEG`: one JPEG per frame.
    Mjpeg,
    /// `V4L2_PIX_FMT_H264`: Annex B, one access unit per buffer.
    H264,
}

impl PixelFormat {
    /// Every format we can take.
    pub const ALL: [Self; 6] = [
        Self::H264,
        Self::Nv12,
        Self::Yu12,
        Self::Yuyv,
        Self::Uyvy,
        Self::Mjpeg,
    ];

    /// The four characters V4L2 uses.
    #[must_use]
    pub const fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Yuyv => b"YUYV",
            Self::Uyvy => b"UYVY",
            Self::Nv12 => b"NV12",
            Self::Yu12 => b"YU12",
            Self::Mjpeg => b"MJPG",
            Self::H264 => b"H264",
        }
    }

    /// The format of a fourcc; `JPEG` counts as `MJPG`.
    #[must_use]
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        if &fourcc == b"JPEG" {
            return Some(Self::Mjpeg);
        }
        Self::ALL.into_iter().find(|f| f.fourcc() == fourcc)
    }

    /// True where the driver hands out bytes that are already coded.
    #[must_use]
    pub const fn is_compressed(self) -> bool {
        matches!(self, Self::Mjpeg | Self::H264)
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fourcc = self.fourcc();
        f.write_str(std::str::from_utf8(&fourcc).unwrap_or("????"))
    }
}

/// The matrix from RGB to Y'CbCr (H.264 Table E-5 `matrix_coefficients`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
}

/// Which sample values mean black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range {
    /// 16…235 luma, 16…240 chroma.
    Limited,
    /// 0…255.
    Full,
}

/// What the numbers in a picture mean as light; ends up in the SPS (H.264 Annex E VUI).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour {
    /// RGB to Y'CbCr.
    pub matrix: Matrix,
    /// Black and white.
    pub range: Range,
    /// True for sRGB primaries and transfer (web cameras), which share BT.709's primaries.
    pub srgb: bool,
}

/// What a source really delivers, as its driver answered (never as it was asked).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// Layout.
    pub pixel: PixelFormat,
    /// Picture size.
    pub size: Size,
    /// Bytes from one line to the next in the first plane; 0 for compressed formats.
    pub stride: u32,
    /// Frames per second the driver promised.
    pub rate: Rate,
    /// Meaning of the numbers.
    pub colour: Colour,
}

/// One frame, borrowed from the driver's buffer until it is dropped or released.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The bytes of all planes, contiguous, `bytesused` long.
    pub data: &'a [u8],
    /// The driver's frame counter; gaps are frames that the driver dropped.
    pub sequence: u32,
    /// When the driver says the frame was taken.
    pub captured: Mono,
}

/// What one look at a source brought.
#[derive(Debug)]
pub enum Capture<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// A frame the driver itself marked as damaged (`V4L2_BUF_FLAG_ERROR`), or an empty one: count and go on.
    Damaged,
    /// Nothing now; wait for the descriptor.
    Pending,
}

/// A running source of pictures. Lives on its camera's thread.
pub trait Source {
    /// What it delivers.
    fn format(&self) -> Format;

    /// Readable when [`Source::next`] has something.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Takes at most one frame; the frame's buffer goes back to the driver at the next call.
    ///
    /// # Errors
    /// The kind says what helps: `Reopen` for a stream that broke, `Gone` for an unplugged device.
    fn next(&mut self) -> Result<Capture<'_>>;

    /// Stops and starts the stream on the open descriptor, the mildest cure of a broken one.
    ///
    /// # Errors
    /// When the source cannot; it must be opened anew then.
    fn restream(&mut self) -> Result<()> {
        Err(Error::new(
            Kind::Reopen,
            "this source can only be opened anew",
        ))
    }

    /// How many buffers the driver refused at first, since it was asked last.
    fn requeued(&mut self) -> u32 {
        0
    }

    /// The V4L2 device, if it is one: what its controls are asked of.
    fn device(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The refusal of a camera without controls.
#[must_use]
pub fn no_control(name: &str) -> Error {
    Error::new(
        Kind::Refused,
        format!("this camera has no control {name:?}"),
    )
    .action("get_camera_controls lists those it has")
}
