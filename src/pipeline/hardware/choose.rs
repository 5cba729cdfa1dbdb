//! Which of a camera's modes to try with which encoder, and by which way. Pure.

use crate::camera::Mode;
use crate::capture::PixelFormat;
use crate::capture::layout::Raw;
use crate::capture::negotiate::{Candidate, Wish, rank, reaches};
use crate::encode::m2m::paint::How;
use crate::encode::m2m::probe::Found;

use super::Memory;

/// One thing to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// What to ask the camera for.
    pub candidate: Candidate,
    /// Place of the encoder in the list given.
    pub encoder: usize,
    /// What the encoder is asked to take.
    pub raw: Raw,
    /// Whether its buffers are to be shared; if not, or if they cannot be, each frame is copied.
    pub share: bool,
}

/// Everything to try, best first.
///
/// # Errors
/// One sentence that says why there is nothing.
pub fn attempts(
    modes: &[Mode],
    wish: &Wish,
    encoders: &[Found],
    memory: Memory,
    multi_planar: bool,
) -> Result<Vec<Attempt>, String> {
    let all = rank(modes, wish);
    let Some(best) = all.first().copied() else {
        return Err("the camera offers no picture format we can take".to_owned());
    };
    if best.pixel == PixelFormat::H264 {
        return Err("the camera codes H.264 itself".to_owned());
    }
    let mut found: Vec<(Attempt, usize)> = Vec::new();
    for (place, candidate) in all.iter().enumerate() {
        for (encoder, found_encoder) in encoders.iter().enumerate() {
            if found_encoder.sizes.contain(candidate.size) {
                let ways = ways(candidate, encoder, found_encoder, memory, multi_planar);
                found.extend(ways.into_iter().map(|attempt| (attempt, place)));
            }
        }
    }
    if found.is_empty() {
        return Err(nothing(best, encoders));
    }
    // A layout that can be shared goes before one that must be converted, if it costs neither size nor
    // rate and the user did not choose.
    found.sort_by_key(|(attempt, place)| {
        let as_good = attempt.share
            && wish.pixel.is_none()
            && attempt.candidate.size == best.size
            && (reaches(attempt.candidate.rate, best.rate)
                || reaches(attempt.candidate.rate, wish.rate));
        (!as_good, *place)
    });
    Ok(found.into_iter().map(|(attempt, _)| attempt).collect())
}

/// How this encoder could code this candidate, best first.
fn ways(
    candidate: &Candidate,
    encoder: usize,
    found: &Found,
    memory: Memory,
    multi_planar: bool,
) -> Vec<Attempt> {
    let attempt = |raw, share| Attempt {
        candidate: *candidate,
        encoder,
        raw,
        share,
    };
    let same = |raw: &&Raw| raw.pixel() == candidate.pixel;
    let can = |raw: &&Raw| raw.memory_planes() == 1 || multi_planar;
    let mut ways: Vec<Attempt> = Vec::new();
    if memory == Memory::Auto {
        let shared = found.takes.iter().filter(same).filter(can);
        ways.extend(shared.map(|raw| attempt(*raw, true)));
    }
    // One way of copying is enough: the one with the least work.
    let copied = found
        .takes
        .iter()
        .filter(|raw| How::between(candidate.pixel, **raw).is_some());
    let best = copied.min_by_key(|raw| raw.pixel() != candidate.pixel);
    ways.extend(best.map(|raw| attempt(*raw, false)));
    ways
}

/// Why no encoder takes any mode.
fn nothing(best: Candidate, encoders: &[Found]) -> String {
    let Some(encoder) = encoders.first() else {
        return "there is no hardware encoder".to_owned();
    };
    let node = encoder.node.display();
    if !encoder.sizes.contain(best.size) {
        let most = encoder.sizes.most;
        return format!(
            "{node} codes {most} at most, and the camera gives nothing smaller that suits"
        );
    }
    let takes: Vec<_> = encoder.takes.iter().map(Raw::to_string).collect();
    format!(
        "{node} takes {}, and the camera gives {}",
        takes.join(" "),
        best.pixel
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::m2m::probe::{Interface, Sizes};
    use crate::units::{Rate, Size};

    fn mode(pixel: PixelFormat, width: u32, height: u32, fps: u32) -> Mode {
        Mode {
            pixel,
            size: Size::new(width, height),
            rates: vec![Rate::fps(fps)],
        }
    }

    fn encoder(takes: &[Raw], most: Size) -> Found {
        Found {
            node: "/dev/video11".into(),
            card: String::new(),
            interface: Interface::Multi,
            takes: takes.to_vec(),
            sizes: Sizes {
                least: Size::new(32, 32),
                most,
            },
        }
    }

    const HD: Size = Size::new(1920, 1920);
    const WISH: Wish = Wish {
        size: Size::new(1280, 720),
        rate: Rate::fps(30),
        pixel: None,
    };

    #[test]
    fn what_can_be_shared_goes_before_what_must_be_converted() {
        let modes = [
            mode(PixelFormat::Yuyv, 1280, 720, 30),
            mode(PixelFormat::Uyvy, 1280, 720, 30),
        ];
        let only_uyvy = [encoder(&[Raw::Uyvy, Raw::Yu12], HD)];
        let all = attempts(&modes, &WISH, &only_uyvy, Memory::Auto, false).unwrap();
        assert_eq!(all[0].candidate.pixel, PixelFormat::Uyvy);
        assert!(all[0].share);
        // The user wants YUYV: then it is converted.
        let wish = Wish {
            pixel: Some(PixelFormat::Yuyv),
            ..WISH
        };
        let all = attempts(&modes, &wish, &only_uyvy, Memory::Auto, false).unwrap();
        assert_eq!(
            (all[0].candidate.pixel, all[0].share),
            (PixelFormat::Yuyv, false)
        );
        assert_eq!(all[0].raw, Raw::Yu12);
    }

    #[test]
    fn a_fast_jpeg_camera_is_decoded_rather_than_slowed_down() {
        let modes = [
            mode(PixelFormat::Yuyv, 1280, 720, 10),
            mode(PixelFormat::Mjpeg, 1280, 720, 30),
        ];
        let encoders = [encoder(&[Raw::Nv12, Raw::Yuyv], HD)];
        let all = attempts(&modes, &WISH, &encoders, Memory::Auto, false).unwrap();
        assert_eq!(all[0].candidate.pixel, PixelFormat::Mjpeg);
        assert_eq!((all[0].raw, all[0].share), (Raw::Nv12, false));
    }

    #[test]
    fn planes_apart_are_shared_only_with_a_camera_that_has_them() {
        let modes = [mode(PixelFormat::Nv12, 1280, 720, 30)];
        let encoders = [encoder(&[Raw::Nm12, Raw::Ym12], HD)];
        let with = attempts(&modes, &WISH, &encoders, Memory::Auto, true).unwrap();
        assert_eq!((with[0].raw, with[0].share), (Raw::Nm12, true));
        assert_eq!((with[1].raw, with[1].share), (Raw::Nm12, false));
        let without = attempts(&modes, &WISH, &encoders, Memory::Auto, false).unwrap();
        assert_eq!(without.len(), 1);
        assert_eq!((without[0].raw, without[0].share), (Raw::Nm12, false));
    }

    #[test]
    fn copying_can_be_insisted_on() {
        let modes = [mode(PixelFormat::Nv12, 1280, 720, 30)];
        let encoders = [encoder(&[Raw::Nv12], HD)];
        let all = attempts(&modes, &WISH, &encoders, Memory::Copy, true).unwrap();
        assert!(all.iter().all(|attempt| !attempt.share));
    }

    #[test]
    fn the_reason_for_nothing_names_the_encoder_and_what_it_lacks() {
        let modes = [mode(PixelFormat::Nv12, 3840, 2160, 30)];
        let encoders = [encoder(&[Raw::Nv12], HD)];
        let why = attempts(&modes, &WISH, &encoders, Memory::Auto, true).unwrap_err();
        assert!(
            why.starts_with("/dev/video11 codes 1920x1920 at most"),
            "{why}"
        );
        let own = [mode(PixelFormat::H264, 1280, 720, 30)];
        let why = attempts(&own, &WISH, &encoders, Memory::Auto, true).unwrap_err();
        assert_eq!(why, "the camera codes H.264 itself");
        assert!(attempts(&[], &WISH, &encoders, Memory::Auto, true).is_err());
    }
}
