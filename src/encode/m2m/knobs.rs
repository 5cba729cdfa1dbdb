//! What a hardware encoder is told before and while it runs. Pure.
//!
//! Every control is optional: no driver has them all, and a stream comes out without any. Numbers
//! are those of `linux/v4l2-controls.h`.

use crate::encode::Settings;
use crate::units::{BitRate, Rate, Size};

/// One control and the values to try in turn until the driver takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knob {
    /// `V4L2_CID_MPEG_VIDEO_…`.
    pub id: u32,
    /// For people.
    pub name: &'static str,
    /// Values, the best first.
    pub values: [Option<i64>; 3],
}

impl Knob {
    const fn new(id: u32, name: &'static str, value: i64) -> Self {
        Self {
            id,
            name,
            values: [Some(value), None, None],
        }
    }
}

/// `V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME`: a button.
pub const FORCE_KEY_FRAME: u32 = 0x0099_09E5;
/// `V4L2_CID_MIN_BUFFERS_FOR_OUTPUT`: frames the encoder wants before it begins.
pub const LEAST_RAW: u32 = 0x0098_0928;
const B_FRAMES: u32 = 0x0099_09CA;
const GOP_SIZE: u32 = 0x0099_09CB;
const BITRATE_MODE: u32 = 0x0099_09CE;
const BITRATE: u32 = 0x0099_09CF;
const FRAME_RC_ENABLE: u32 = 0x0099_09D7;
const HEADER_MODE: u32 = 0x0099_09D8;
const REPEAT_SEQ_HEADER: u32 = 0x0099_09E2;
const H264_I_PERIOD: u32 = 0x0099_0A66;
const H264_LEVEL: u32 = 0x0099_0A67;
const H264_PROFILE: u32 = 0x0099_0A6B;
const PREPEND_SPSPPS_TO_IDR: u32 = 0x0099_0B84;

/// Before the first frame, in this order.
#[must_use]
pub fn at_start(settings: Settings, size: Size, rate: Rate) -> [Knob; 12] {
    let [bitrate, gop, period] = live(settings);
    let profile = Knob {
        id: H264_PROFILE,
        name: "profile",
        // Constrained baseline, baseline, main: what every viewer decodes first.
        values: [Some(1), Some(0), Some(2)],
    };
    let mode = Knob {
        id: BITRATE_MODE,
        name: "bit rate mode",
        // Variable, constant. A constant rate makes small encoders skip frames.
        values: [Some(0), Some(1), None],
    };
    [
        Knob::new(FRAME_RC_ENABLE, "rate control", 1),
        mode,
        bitrate,
        Knob::new(B_FRAMES, "B-frames", 0),
        gop,
        period,
        Knob::new(HEADER_MODE, "header mode", 1), // joined with the first frame
        Knob::new(REPEAT_SEQ_HEADER, "repeat sequence header", 1),
        Knob::new(PREPEND_SPSPPS_TO_IDR, "parameter sets before each IDR", 1),
        profile,
        Knob::new(H264_LEVEL, "level", level(size, rate, settings.bitrate)),
        // Once more: a few drivers compute the rate control's window from GOP and mode.
        bitrate,
    ]
}

/// While frames flow.
#[must_use]
pub fn live(settings: Settings) -> [Knob; 3] {
    let gop = i64::from(settings.gop.max(1));
    let bitrate = i64::from(settings.bitrate.as_bps());
    [
        Knob::new(BITRATE, "bit rate", bitrate),
        Knob::new(GOP_SIZE, "GOP size", gop),
        // On the Raspberry Pi this one sets the GOP, too.
        Knob::new(H264_I_PERIOD, "I period", gop),
    ]
}

/// The least level from 3.0 up that permits such pictures (H.264 Table A-1), as the kernel's menu
/// numbers it.
fn level(size: Size, rate: Rate, bitrate: BitRate) -> i64 {
    // Menu item, macroblocks a second, macroblocks a picture, bits a second.
    const LEVELS: [(i64, u64, u64, u32); 7] = [
        (8, 40_500, 1_620, 10_000_000),     // 3.0
        (9, 108_000, 3_600, 14_000_000),    // 3.1
        (10, 216_000, 5_120, 20_000_000),   // 3.2
        (11, 245_760, 8_192, 20_000_000),   // 4.0
        (12, 245_760, 8_192, 50_000_000),   // 4.1
        (13, 522_240, 8_704, 50_000_000),   // 4.2
        (14, 589_824, 22_080, 135_000_000), // 5.0
    ];
    const HIGHEST: i64 = 15; // 5.1
    let blocks = u64::from(size.width.div_ceil(16)) * u64::from(size.height.div_ceil(16));
    let per_second = blocks * u64::from(rate.frames()) / u64::from(rate.seconds());
    let enough = LEVELS.iter().find(|(_, speed, picture, bits)| {
        per_second <= *speed && blocks <= *picture && bitrate.as_bps() <= *bits
    });
    enough.map_or(HIGHEST, |(item, ..)| *item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_grows_with_the_picture_the_rate_and_the_bits() {
        let at = |w, h, fps, kbps| level(Size::new(w, h), Rate::fps(fps), BitRate::from_kbps(kbps));
        assert_eq!(at(640, 480, 30, 2000), 8);
        assert_eq!(at(1280, 720, 30, 4000), 9);
        assert_eq!(at(1920, 1080, 30, 8000), 11);
        assert_eq!(at(1920, 1080, 30, 30_000), 12);
        assert_eq!(at(1920, 1080, 60, 8000), 13);
        assert_eq!(at(3840, 2160, 60, 8000), 15);
    }

    #[test]
    fn both_names_of_the_key_frame_distance_are_told_the_same() {
        let settings = Settings {
            bitrate: BitRate::from_kbps(2000),
            gop: 60,
        };
        let all = at_start(settings, Size::new(640, 480), Rate::fps(30));
        let value = |id| all.iter().find(|k| k.id == id).unwrap().values[0];
        assert_eq!(value(GOP_SIZE), Some(60));
        assert_eq!(value(H264_I_PERIOD), Some(60));
        assert_eq!(value(BITRATE), Some(2_000_000));
        assert_eq!(value(B_FRAMES), Some(0));
    }

    #[cfg(feature = "v4l2")]
    #[test]
    fn the_numbers_are_the_kernels() {
        use v4l::v4l_sys as k;
        for (ours, kernels) in [
            (FORCE_KEY_FRAME, k::V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME),
            (LEAST_RAW, k::V4L2_CID_MIN_BUFFERS_FOR_OUTPUT),
            (B_FRAMES, k::V4L2_CID_MPEG_VIDEO_B_FRAMES),
            (GOP_SIZE, k::V4L2_CID_MPEG_VIDEO_GOP_SIZE),
            (BITRATE_MODE, k::V4L2_CID_MPEG_VIDEO_BITRATE_MODE),
            (BITRATE, k::V4L2_CID_MPEG_VIDEO_BITRATE),
            (FRAME_RC_ENABLE, k::V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE),
            (HEADER_MODE, k::V4L2_CID_MPEG_VIDEO_HEADER_MODE),
            (REPEAT_SEQ_HEADER, k::V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER),
            (H264_I_PERIOD, k::V4L2_CID_MPEG_VIDEO_H264_I_PERIOD),
            (H264_LEVEL, k::V4L2_CID_MPEG_VIDEO_H264_LEVEL),
            (H264_PROFILE, k::V4L2_CID_MPEG_VIDEO_H264_PROFILE),
            (
                PREPEND_SPSPPS_TO_IDR,
                k::V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR,
            ),
        ] {
            assert_eq!(ours, kernels);
        }
    }
}
