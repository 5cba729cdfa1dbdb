//! What counts as a camera, what it offers, and whether it came or went. Pure; `io.rs` looks.

use super::{CameraId, Mode};
use crate::capture::PixelFormat;
use crate::units::{Rate, Size};

/// `V4L2_CAP_…` bits of `linux/videodev2.h`.
mod cap {
    pub(super) const VIDEO_CAPTURE: u32 = 0x0000_0001;
    pub(super) const VIDEO_CAPTURE_MPLANE: u32 = 0x0000_1000;
    pub(super) const VIDEO_M2M_MPLANE: u32 = 0x0000_4000;
    pub(super) const VIDEO_M2M: u32 = 0x0000_8000;
    pub(super) const META_CAPTURE: u32 = 0x0080_0000;
    pub(super) const STREAMING: u32 = 0x0400_0000;
    pub(super) const TOUCH: u32 = 0x1000_0000;
    pub(super) const IO_MC: u32 = 0x2000_0000;
}

/// Whether a node is a camera, from the capabilities of the node itself and from whether it has
/// an input to take pictures from (converters such as the Raspberry Pi's ISP look like capture
/// nodes but have none).
///
/// A node whose input and output belong to the media controller cannot stream by itself: it needs
/// libcamera in front, and is not a camera here.
#[must_use]
pub const fn is_camera(flags: u32, has_input: bool) -> bool {
    const CAPTURE: u32 = cap::VIDEO_CAPTURE | cap::VIDEO_CAPTURE_MPLANE;
    const NEVER: u32 =
        cap::VIDEO_M2M | cap::VIDEO_M2M_MPLANE | cap::META_CAPTURE | cap::TOUCH | cap::IO_MC;
    has_input && flags & CAPTURE != 0 && flags & cap::STREAMING != 0 && flags & NEVER == 0
}

/// The camera of a node's name: `video7` is `camera7`; `vbi0` is none.
#[must_use]
pub fn node_number(name: &str) -> Option<CameraId> {
    format!("camera{}", name.strip_prefix("video")?)
        .parse()
        .ok()
}

/// What became of a node since it was last looked at. The numbers stand for one life of a device:
/// a device that is plugged in again has the same name but another life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing happened.
    Same,
    /// It is new.
    Came,
    /// It is gone.
    Went,
    /// It went, and another took its name.
    Replaced,
}

/// Compares the life known so far with the life seen now.
#[must_use]
pub const fn fate(known: Option<u64>, seen: Option<u64>) -> Fate {
    match (known, seen) {
        (None, None) => Fate::Same,
        (None, Some(_)) => Fate::Came,
        (Some(_), None) => Fate::Went,
        (Some(known), Some(seen)) if known == seen => Fate::Same,
        (Some(_), Some(_)) => Fate::Replaced,
    }
}

/// One answer of `VIDIOC_ENUM_FRAMESIZES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// This size.
    One(Size),
    /// Every size between two, in steps (of 1 where the driver says "continuous").
    Range {
        /// Smallest.
        least: Size,
        /// Largest.
        most: Size,
        /// Step, pixels and lines.
        step: Size,
    },
}

/// One answer of `VIDIOC_ENUM_FRAMEINTERVALS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rates {
    /// This rate.
    One(Rate),
    /// Every rate between two.
    Range {
        /// Fastest.
        most: Rate,
        /// Slowest.
        least: Rate,
    },
}

/// The sizes people ask for: what a driver that takes anything is said to offer.
pub const COMMON_SIZES: [Size; 14] = [
    Size::new(160, 120),
    Size::new(320, 180),
    Size::new(320, 240),
    Size::new(640, 360),
    Size::new(640, 480),
    Size::new(800, 600),
    Size::new(960, 540),
    Size::new(1024, 768),
    Size::new(1280, 720),
    Size::new(1280, 960),
    Size::new(1600, 1200),
    Size::new(1920, 1080),
    Size::new(2560, 1440),
    Size::new(3840, 2160),
];

/// The rates people ask for.
const COMMON_RATES: [u32; 10] = [120, 90, 60, 50, 30, 25, 20, 15, 10, 5];

/// Single sizes from a driver's answers, smallest first: ranges become the common sizes inside
/// and both ends.
#[must_use]
pub fn list_sizes(offers: &[Sizes]) -> Vec<Size> {
    let mut sizes = Vec::new();
    for offer in offers {
        match *offer {
            Sizes::One(size) => sizes.push(size),
            Sizes::Range { least, most, step } => {
                let on_step = |at: u32, least: u32, most: u32, step: u32| {
                    (least..=most).contains(&at) && (at - least).is_multiple_of(step.max(1))
                };
                sizes.extend([least, most]);
                sizes.extend(COMMON_SIZES.into_iter().filter(|size| {
                    on_step(size.width, least.width, most.width, step.width)
                        && on_step(size.height, least.height, most.height, step.height)
                }));
            }
        }
    }
    sizes.retain(|size| size.pixels() > 0);
    sizes.sort_by_key(|size| (size.pixels(), *size));
    sizes.dedup();
    sizes
}

/// Single rates from a driver's answers, fastest first: ranges become the common rates inside and
/// both ends. Steps are left to the driver, which rounds anyway.
#[must_use]
pub fn list_rates(offers: &[Rates]) -> Vec<Rate> {
    let mut rates = Vec::new();
    for offer in offers {
        match *offer {
            Rates::One(rate) => rates.push(rate),
            Rates::Range { most, least } => {
                rates.extend([most, least]);
                rates.extend(
                    COMMON_RATES
                        .map(Rate::fps)
                        .into_iter()
                        .filter(|r| r.as_f64() < most.as_f64() && r.as_f64() > least.as_f64()),
                );
            }
        }
    }
    rates.sort_by(|a, b| b.as_f64().total_cmp(&a.as_f64()));
    rates.dedup_by(|a, b| a.as_f64().total_cmp(&b.as_f64()).is_eq());
    rates
}

/// The modes of one layout.
pub fn list_modes(
    pixel: PixelFormat,
    sizes: &[Sizes],
    mut rates: impl FnMut(Size) -> Vec<Rates>,
) -> Vec<Mode> {
    list_sizes(sizes)
        .into_iter()
        .map(|size| Mode {
            pixel,
            size,
            rates: list_rates(&rates(size)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_streaming_capture_nodes_with_an_input_are_cameras() {
        let table = include_str!("../../tests/fixtures/v4l2/capabilities.txt");
        let mut rows = 0;
        for line in table.lines().filter(|l| !l.starts_with('#')) {
            let mut words = line.split_whitespace();
            let flags = words.next().unwrap().trim_start_matches("0x");
            let flags = u32::from_str_radix(flags, 16).unwrap();
            let has_input = words.next().unwrap() == "input";
            let camera = words.next().unwrap() == "camera";
            assert_eq!(is_camera(flags, has_input), camera, "{line}");
            rows += 1;
        }
        assert!(rows >= 8, "the table was read");
    }

    #[test]
    fn node_names_become_camera_ids() {
        assert_eq!(node_number("video12").unwrap().to_string(), "camera12");
        for other in [
            "video",
            "video01",
            "vbi0",
            "v4l-subdev3",
            "video-1",
            "radio0",
        ] {
            assert_eq!(node_number(other), None, "{other}");
        }
    }

    #[test]
    fn a_device_plugged_in_again_is_another_one_of_the_same_name() {
        assert_eq!(fate(None, Some(7)), Fate::Came);
        assert_eq!(fate(Some(7), Some(7)), Fate::Same);
        assert_eq!(fate(Some(7), Some(9)), Fate::Replaced);
        assert_eq!(fate(Some(9), None), Fate::Went);
        assert_eq!(fate(None, None), Fate::Same);
    }

    #[test]
    fn a_range_of_sizes_becomes_the_common_ones_on_its_steps() {
        let range = Sizes::Range {
            least: Size::new(64, 64),
            most: Size::new(1296, 976),
            step: Size::new(16, 16),
        };
        let sizes = list_sizes(&[range]);
        assert_eq!(sizes.first(), Some(&Size::new(64, 64)));
        assert_eq!(sizes.last(), Some(&Size::new(1296, 976)));
        assert!(sizes.contains(&Size::new(1280, 720)));
        assert!(!sizes.contains(&Size::new(640, 360)), "360 is off the step");
    }

    #[test]
    fn a_range_of_rates_becomes_the_common_ones_between_its_ends() {
        let range = Rates::Range {
            most: Rate::fps(30),
            least: Rate::fps(12),
        };
        let rates: Vec<_> = list_rates(&[range]).iter().map(|r| r.rounded()).collect();
        assert_eq!(rates, [30, 25, 20, 15, 12]);
    }

    #[test]
    fn single_rates_are_put_in_order_fastest_first() {
        let rates = list_rates(&[
            Rates::One(Rate::fps(5)),
            Rates::One(Rate::new(30_000, 1001).unwrap()),
            Rates::One(Rate::new(10, 2).unwrap()),
        ]);
        assert_eq!(rates.len(), 2);
        assert_eq!(rates.first().unwrap().rounded(), 30);
    }

    proptest! {
        #[test]
        fn listed_sizes_are_inside_the_range_and_sorted(
            least in (1_u32..4000, 1_u32..4000),
            more in (0_u32..4000, 0_u32..4000),
            step in (0_u32..64, 0_u32..64),
        ) {
            let least = Size::new(least.0, least.1);
            let most = Size::new(least.width + more.0, least.height + more.1);
            let range = Sizes::Range { least, most, step: Size::new(step.0, step.1) };
            let sizes = list_sizes(&[range]);
            prop_assert!(sizes.contains(&most) && sizes.contains(&least));
            prop_assert!(sizes.iter().all(|s| (least.width..=most.width).contains(&s.width)
                && (least.height..=most.height).contains(&s.height)));
            prop_assert!(sizes.is_sorted_by_key(|s| s.pixels()));
        }
    }
}
