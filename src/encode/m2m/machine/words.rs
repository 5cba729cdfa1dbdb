//! What the machine is told and what it orders. Plain types.

#[cfg(doc)]
use super::{LIES, REFUSALS, STRANGERS};
use crate::clock::Mono;

/// A raw buffer: the camera's, lent to the encoder (or the encoder's own, when frames are copied).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawIndex(pub u32);

/// A coded buffer: the encoder's, mapped by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodedIndex(pub u32);

/// The time stamp that goes through the encoder: microseconds, as V4L2 carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub u64);

/// How frames come to the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// The raw buffers are the camera's; the encoder reads them where they lie.
    Import,
    /// The raw buffers are the encoder's; the caller fills a vacant one.
    Copy,
}

/// A frame as the camera gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When it was taken: goes out with the access unit, exact.
    pub captured: Mono,
    /// When the driver handed it out.
    pub dequeued: Mono,
}

/// What lies in a coded buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Empty,
    /// Parameter sets, but no picture.
    Headers,
    /// Bytes that make no sense, or marked as damaged, or more than the buffer has.
    Damaged,
    /// A picture that needs others.
    Delta,
    /// A picture that decoding can start with.
    Key,
}

/// Which device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The camera.
    Camera,
    /// The encoder.
    Encoder,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The camera handed out a frame in this buffer. With [`Feed::Copy`]: a vacant buffer was filled.
    Captured(RawIndex, Frame),
    /// The camera handed out a buffer with nothing of use in it.
    Spoilt(RawIndex),
    /// [`Feed::Copy`]: a frame came and there was no vacant buffer for it.
    Overrun,
    /// The encoder handed back a raw buffer.
    Returned(RawIndex),
    /// The encoder handed out a coded buffer.
    Coded(CodedIndex, Stamp, Content),
    /// The caller is done with an emitted buffer.
    Released(CodedIndex),
    /// Somebody needs a key frame.
    KeyWanted,
    /// The encoder marked the end of its stream, or says that it is over.
    Ended,
    /// The size of the pictures changed.
    SizeChanged(Side),
    /// Both devices were stopped and started: they hold no buffer.
    Restarted,
    /// How an order went.
    Done(Order, Outcome),
}

/// How an order went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Obeyed.
    Taken,
    /// `EINVAL`: not now; nothing has changed.
    Refused,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Hand out this access unit: it is of this frame. The buffer comes back by [`Event::Released`].
    Emit(CodedIndex, Frame, Decodable),
    /// Give the encoder this coded buffer to fill.
    Recycle(CodedIndex),
    /// Ask the encoder to make the next frame a key frame.
    ForceKey,
    /// Give the encoder this raw buffer to code, with this stamp.
    Encode(RawIndex, Stamp),
    /// Give the camera this raw buffer to fill.
    Refill(RawIndex),
    /// This stream is of no use any more, because.
    GiveUp(Reason),
}

/// Whether decoding can start with an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decodable {
    /// It can.
    Alone,
    /// It needs those before it, all of which went out.
    WithOthers,
}

/// Why a stream is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The encoder refused [`REFUSALS`] frames in a row, each of them twice.
    EncoderRefuses,
    /// The encoder refuses to take its own coded buffers back.
    EncoderStuck,
    /// The camera refuses to take its own buffers back.
    CameraRefuses,
    /// [`LIES`] answers in a row named buffers that the device did not hold.
    Nonsense(Side),
    /// [`STRANGERS`] access units in a row carried no frame's time stamp.
    NoStamps,
    /// The encoder ended the stream by itself.
    Ended,
    /// The size of the pictures changed.
    SizeChanged(Side),
}

/// What became of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames taken from the camera, spoilt ones not counted.
    pub taken: u64,
    /// Access units handed out.
    pub emitted: u64,
    /// Dropped before the encoder, because it had enough.
    pub late: u64,
    /// Dropped because the encoder refused them twice.
    pub refused: u64,
    /// Taken by the encoder, which gave nothing for them.
    pub swallowed: u64,
    /// Coded, but damaged.
    pub damaged: u64,
    /// Coded, but of no use without others that did not go out.
    pub undecodable: u64,
    /// In flight when the devices were started anew.
    pub lost: u64,
    /// Buffers that the encoder refused once and took the second time.
    pub requeued: u64,
    /// Access units that belonged to no frame.
    pub strangers: u64,
    /// Answers that named a buffer the device did not hold.
    pub lies: u64,
}
