//! Which video nodes are H.264 encoders. Pure; decided by what a node can do, never by its name or
//! number: the same driver is one node on one board and five on another, and numbers move.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::capture::layout::Raw;
use crate::units::Size;

/// `V4L2_CAP_…` bits of `linux/videodev2.h`, as far as they tell an encoder from the rest.
pub mod caps {
    /// `V4L2_CAP_VIDEO_CAPTURE`.
    pub const CAPTURE: u32 = 0x1;
    /// `V4L2_CAP_VIDEO_OUTPUT`.
    pub const OUTPUT: u32 = 0x2;
    /// `V4L2_CAP_VIDEO_CAPTURE_MPLANE`.
    pub const CAPTURE_MPLANE: u32 = 0x1000;
    /// `V4L2_CAP_VIDEO_OUTPUT_MPLANE`.
    pub const OUTPUT_MPLANE: u32 = 0x2000;
    /// `V4L2_CAP_VIDEO_M2M_MPLANE`.
    pub const M2M_MPLANE: u32 = 0x4000;
    /// `V4L2_CAP_VIDEO_M2M`.
    pub const M2M: u32 = 0x8000;
    /// `V4L2_CAP_STREAMING`.
    pub const STREAMING: u32 = 0x0400_0000;
}

/// Whether a node with these device capabilities reads frames and gives others. Old drivers have both queues and no
/// bit for it.
#[must_use]
pub const fn is_memory_to_memory(flags: u32) -> bool {
    const BOTH: u32 = caps::CAPTURE_MPLANE | caps::OUTPUT_MPLANE;
    flags & (caps::M2M | caps::M2M_MPLANE) != 0 || flags & BOTH == BOTH
}

/// Which of the kernel's two buffer interfaces a node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// One memory plane a buffer.
    Single,
    /// One or more memory planes a buffer.
    Multi,
}

/// The picture sizes a driver says it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Smallest.
    pub least: Size,
    /// Largest.
    pub most: Size,
}

impl Sizes {
    /// Where a driver does not say.
    pub const ANY: Self = Self {
        least: Size::new(1, 1),
        most: Size::new(u32::MAX, u32::MAX),
    };

    /// True when pictures of `size` are taken. Some drivers give the largest size lying only, and
    /// take it standing as well; they answer for themselves when asked.
    #[must_use]
    pub const fn contain(&self, size: Size) -> bool {
        size.width >= self.least.width
            && size.height >= self.least.height
            && size.width <= self.most.width
            && size.height <= self.most.height
    }
}

/// What one video node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `/dev/videoN`.
    pub node: PathBuf,
    /// Product name.
    pub card: String,
    /// `device_caps` of `VIDIOC_QUERYCAP`.
    pub caps: u32,
    /// Formats of the output queue: what it takes.
    pub takes: Vec<[u8; 4]>,
    /// Formats of the capture queue: what it gives.
    pub gives: Vec<[u8; 4]>,
    /// Sizes of what it gives.
    pub sizes: Sizes,
}

impl Facts {
    /// The buffer interface of a node that takes pictures on one queue and gives them back, changed,
    /// on another. Old drivers say so by having both queues instead of the bit for it.
    #[must_use]
    pub const fn memory_to_memory(&self) -> Option<Interface> {
        const SINGLE: u32 = caps::CAPTURE | caps::OUTPUT;
        const MULTI: u32 = caps::CAPTURE_MPLANE | caps::OUTPUT_MPLANE;
        if self.caps & caps::STREAMING == 0 {
            None
        } else if self.caps & caps::M2M_MPLANE != 0 || self.caps & MULTI == MULTI {
            Some(Interface::Multi)
        } else if self.caps & caps::M2M != 0 || self.caps & SINGLE == SINGLE {
            Some(Interface::Single)
        } else {
            None
        }
    }
}

/// A node that codes H.264.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `/dev/videoN`.
    pub node: PathBuf,
    /// Product name.
    pub card: String,
    /// How to speak to it.
    pub interface: Interface,
    /// What it takes that we can give, the best first.
    pub takes: Vec<Raw>,
    /// Sizes it codes.
    pub sizes: Sizes,
}

/// Why a node is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// A camera, a display, metadata, …: not worth a word.
    OtherDevice,
    /// It takes coded pictures.
    Decoder,
    /// It gives raw pictures: a converter, scaler or ISP.
    Converter,
    /// It codes, but not H.264.
    OtherCodec(String),
    /// It codes H.264 from layouts that we cannot give.
    OtherLayouts(String),
    /// It failed a short while ago.
    Avoided,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherDevice => f.write_str("is no codec"),
            Self::Decoder => f.write_str("decodes"),
            Self::Converter => f.write_str("converts"),
            Self::OtherCodec(what) => write!(f, "gives {what}"),
            Self::OtherLayouts(what) => write!(f, "takes only {what}"),
            Self::Avoided => f.write_str("failed and is left alone"),
        }
    }
}

/// Coded formats by their fourcc: whoever takes one of these is a decoder.
const CODED: [&[u8; 4]; 20] = [
    b"H264", b"AVC1", b"S264", b"HEVC", b"S265", b"MPG1", b"MPG2", b"MG2S", b"MPG4", b"XVID",
    b"H263", b"VP80", b"VP8F", b"VP90", b"VP9F", b"AV1F", b"MJPG", b"JPEG", b"VC1G", b"VC1L",
];
const FWHT: [&[u8; 4]; 2] = [b"FWHT", b"SFWH"];

/// Whether this node codes H.264 from pictures that we can give it.
///
/// # Errors
/// Why not.
pub fn judge(facts: &Facts) -> Result<Found, Unfit> {
    let Some(interface) = facts.memory_to_memory() else {
        return Err(Unfit::OtherDevice);
    };
    let coded = |fourcc: &[u8; 4]| CODED.contains(&fourcc) || FWHT.contains(&fourcc);
    if !facts.takes.is_empty() && facts.takes.iter().all(coded) {
        return Err(Unfit::Decoder);
    }
    if !facts.gives.contains(b"H264") {
        let codecs: Vec<_> = facts.gives.iter().copied().filter(coded).collect();
        return Err(if codecs.is_empty() {
            Unfit::Converter
        } else {
            Unfit::OtherCodec(names(&codecs))
        });
    }
    let mut takes: Vec<Raw> = Raw::ALL.to_vec();
    takes.retain(|raw| facts.takes.contains(&raw.fourcc()));
    // More than one memory plane needs the interface that has them.
    takes.retain(|raw| raw.memory_planes() == 1 || interface == Interface::Multi);
    if takes.is_empty() {
        return Err(Unfit::OtherLayouts(names(&facts.takes)));
    }
    Ok(Found {
        node: facts.node.clone(),
        card: facts.card.clone(),
        interface,
        takes,
        sizes: facts.sizes,
    })
}

/// The encoders of a machine, those first that take contiguous pictures (which cameras give).
///
/// # Errors
/// One sentence that says why there is none.
pub fn pick(nodes: &[Facts], avoid: &[PathBuf]) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut unfit = Vec::new();
    for facts in nodes {
        match judge(facts) {
            Ok(_) if avoid.contains(&facts.node) => unfit.push((&*facts.node, Unfit::Avoided)),
            Ok(encoder) => found.push(encoder),
            Err(Unfit::OtherDevice) => {}
            Err(why) => unfit.push((&*facts.node, why)),
        }
    }
    if found.is_empty() {
        return Err(none(&unfit));
    }
    let apart = |encoder: &Found| encoder.takes.iter().all(|raw| raw.memory_planes() > 1);
    found.sort_by_key(apart); // stable: else in the order of the nodes
    Ok(found)
}

/// Nodes named in a sentence at most.
const NAMED: usize = 4;

fn none(unfit: &[(&Path, Unfit)]) -> String {
    if unfit.is_empty() {
        return "this machine has no hardware encoder that V4L2 knows of".to_owned();
    }
    let said = unfit.iter().take(NAMED);
    let said: Vec<_> = said
        .map(|(node, why)| format!("{} {why}", node.display()))
        .collect();
    let more = if unfit.len() > NAMED { ", …" } else { "" };
    format!(
        "this machine has no hardware encoder for H.264 that fits: {}{more}",
        said.join(", ")
    )
}

fn names(fourccs: &[[u8; 4]]) -> String {
    let named: Vec<_> = fourccs
        .iter()
        .take(6)
        .map(|fourcc| String::from_utf8_lossy(fourcc))
        .collect();
    named.join(" ")
}

#[cfg(test)]
mod tests;
