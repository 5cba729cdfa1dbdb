//! Which of the offered modes comes nearest to the wish. Pure; the driver has the last word.
//!
//! In this order: do not exceed the wished pixels if anything fits; honour a preferred layout; the
//! nearest size; the wished rate; then the layout that costs least to encode. MJPEG comes last
//! because it must be decoded first, but it wins where the raw layouts are too slow at that size,
//! which is the rule on USB 2.

use std::cmp::{Ordering, Reverse};
use std::fmt;

use super::{Format, PixelFormat};
use crate::camera::Mode;
use crate::units::{Rate, Size};

/// What is asked of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Picture size.
    pub size: Size,
    /// Frames per second.
    pub rate: Rate,
    /// Layout to prefer; `None` leaves it to the order of cost.
    pub pixel: Option<PixelFormat>,
}

/// One thing to ask the driver for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Layout.
    pub pixel: PixelFormat,
    /// Picture size.
    pub size: Size,
    /// Rate: one that the driver offers, or the wished one where the driver does not say.
    pub rate: Rate,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {} fps", self.pixel, self.size, self.rate)
    }
}

/// What was asked and what the driver gave, side by side, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The wish.
    pub asked: Wish,
    /// The driver's answer.
    pub given: Format,
}

impl Outcome {
    /// True when size, rate (within 1 %) and a preferred layout are as wished.
    #[must_use]
    pub fn as_wished(&self) -> bool {
        self.given.size == self.asked.size
            && reaches(self.given.rate, self.asked.rate)
            && reaches(self.asked.rate, self.given.rate)
            && self.asked.pixel.is_none_or(|p| p == self.given.pixel)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, given } = self;
        write!(f, "{} {} at {} fps", given.pixel, given.size, given.rate)?;
        if !self.as_wished() {
            write!(f, ", asked for ")?;
            if let Some(pixel) = asked.pixel {
                write!(f, "{pixel} ")?;
            }
            write!(f, "{} at {} fps", asked.size, asked.rate)?;
        }
        Ok(())
    }
}

/// Everything offered, best first. Empty when nothing is offered.
#[must_use]
pub fn rank(modes: &[Mode], wish: &Wish) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = modes
        .iter()
        .filter(|mode| mode.size.pixels() > 0)
        .map(|mode| Candidate {
            pixel: mode.pixel,
            size: mode.size,
            rate: nearest_rate(&mode.rates, wish.rate),
        })
        .collect();
    candidates.sort_by(|a, b| order(a, b, wish));
    candidates.dedup();
    candidates
}

/// The best of [`rank`].
#[must_use]
pub fn choose(modes: &[Mode], wish: &Wish) -> Option<Candidate> {
    rank(modes, wish).into_iter().next()
}

/// True when `rate` is at least `wanted`, within 1 %: 29.97 is as good as 30.
#[must_use]
pub fn reaches(rate: Rate, wanted: Rate) -> bool {
    // At most 2^64 · 100, so 128 bits never overflow.
    let per_second = u128::from(rate.frames()) * u128::from(wanted.seconds());
    let needed = u128::from(wanted.frames()) * u128::from(rate.seconds());
    per_second * 100 >= needed * 99
}

/// The offered rate nearest to the wish among those that reach it, else the fastest.
fn nearest_rate(offered: &[Rate], wanted: Rate) -> Rate {
    let away = |rate: &Rate| (rate.as_f64() - wanted.as_f64()).abs();
    let enough = offered.iter().filter(|rate| reaches(**rate, wanted));
    enough
        .min_by(|a, b| away(a).total_cmp(&away(b)))
        .or_else(|| offered.iter().max_by(|a, b| speed(**a, **b)))
        .copied()
        .unwrap_or(wanted)
}

fn order(a: &Candidate, b: &Candidate, wish: &Wish) -> Ordering {
    let key = |c: &Candidate| {
        (
            c.size.pixels() > wish.size.pixels(),
            wish.pixel.is_some_and(|p| p != c.pixel),
            distance(c.size, wish.size),
            Reverse(c.size), // equally near: the larger
            !reaches(c.rate, wish.rate),
        )
    };
    key(a).cmp(&key(b)).then_with(|| {
        let too_slow = !reaches(a.rate, wish.rate) && !reaches(b.rate, wish.rate);
        let faster = if too_slow {
            speed(b.rate, a.rate)
        } else {
            Ordering::Equal
        };
        faster
            .then(cost(a.pixel).cmp(&cost(b.pixel)))
            .then(speed(a.rate, b.rate))
    })
}

fn speed(a: Rate, b: Rate) -> Ordering {
    let left = u64::from(a.frames()) * u64::from(b.seconds());
    left.cmp(&(u64::from(b.frames()) * u64::from(a.seconds())))
}

const fn distance(a: Size, b: Size) -> u64 {
    a.width.abs_diff(b.width) as u64 + a.height.abs_diff(b.height) as u64
}

/// Place in the order of cost, cheapest first.
fn cost(pixel: PixelFormat) -> usize {
    PixelFormat::ALL
        .iter()
        .position(|p| *p == pixel)
        .unwrap_or(PixelFormat::ALL.len())
}

#[cfg(test)]
mod tests {
    use super::super::{Colour, Matrix, Range};
    use super::*;
    use proptest::prelude::*;

    fn mode(pixel: PixelFormat, width: u32, height: u32, rates: &[u32]) -> Mode {
        Mode {
            pixel,
            size: Size::new(width, height),
            rates: rates.iter().map(|r| Rate::fps(*r)).collect(),
        }
    }

    fn wish(width: u32, height: u32, fps: u32) -> Wish {
        Wish {
            size: Size::new(width, height),
            rate: Rate::fps(fps),
            pixel: None,
        }
    }

    /// What a common USB 2 camera offers: raw only slowly above VGA.
    fn usb2() -> Vec<Mode> {
        vec![
            mode(PixelFormat::Yuyv, 640, 480, &[30, 15]),
            mode(PixelFormat::Yuyv, 1280, 720, &[10, 5]),
            mode(PixelFormat::Yuyv, 1920, 1080, &[5]),
            mode(PixelFormat::Mjpeg, 640, 480, &[30]),
            mode(PixelFormat::Mjpeg, 1280, 720, &[30]),
            mode(PixelFormat::Mjpeg, 1920, 1080, &[30]),
        ]
    }

    #[test]
    fn raw_is_taken_where_it_is_fast_enough_and_jpeg_where_it_is_not() {
        let vga = choose(&usb2(), &wish(640, 480, 30)).unwrap();
        assert_eq!(vga.pixel, PixelFormat::Yuyv);
        let hd = choose(&usb2(), &wish(1280, 720, 30)).unwrap();
        assert_eq!((hd.pixel, hd.rate), (PixelFormat::Mjpeg, Rate::fps(30)));
        let slow = choose(&usb2(), &wish(1280, 720, 10)).unwrap();
        assert_eq!(slow.pixel, PixelFormat::Yuyv);
    }

    #[test]
    fn at_the_same_size_and_rate_the_cheapest_layout_wins() {
        let mut offered: Vec<Mode> = PixelFormat::ALL
            .iter()
            .map(|p| mode(*p, 640, 480, &[30]))
            .collect();
        offered.reverse();
        let order: Vec<_> = rank(&offered, &wish(640, 480, 30))
            .iter()
            .map(|c| c.pixel)
            .collect();
        assert_eq!(order, PixelFormat::ALL);
    }

    #[test]
    fn a_preferred_layout_wins_even_if_dear_or_slow() {
        let jpeg = Wish {
            pixel: Some(PixelFormat::Yuyv),
            ..wish(1280, 720, 30)
        };
        let chosen = choose(&usb2(), &jpeg).unwrap();
        assert_eq!(
            (chosen.pixel, chosen.size, chosen.rate),
            (PixelFormat::Yuyv, Size::new(1280, 720), Rate::fps(10))
        );
    }

    #[test]
    fn the_nearest_smaller_size_is_taken_and_a_larger_one_only_in_need() {
        let near = choose(&usb2(), &wish(1600, 900, 30)).unwrap();
        assert_eq!(near.size, Size::new(1280, 720));
        let only_larger = choose(&usb2(), &wish(320, 240, 30)).unwrap();
        assert_eq!(only_larger.size, Size::new(640, 480));
    }

    #[test]
    fn ntsc_rates_count_as_the_round_ones_and_excess_is_avoided() {
        let ntsc = Rate::new(30_000, 1001).unwrap();
        assert_eq!(
            nearest_rate(&[Rate::fps(60), ntsc, Rate::fps(15)], Rate::fps(30)),
            ntsc
        );
        assert_eq!(
            nearest_rate(&[Rate::fps(5), Rate::fps(10)], Rate::fps(30)),
            Rate::fps(10)
        );
        assert_eq!(nearest_rate(&[], Rate::fps(30)), Rate::fps(30));
    }

    #[test]
    fn nothing_offered_is_nothing_chosen() {
        assert_eq!(choose(&[], &wish(640, 480, 30)), None);
    }

    #[test]
    fn the_outcome_says_what_was_asked_only_when_it_differs() {
        let given = Format {
            pixel: PixelFormat::Yuyv,
            size: Size::new(640, 480),
            stride: 1280,
            rate: Rate::new(30_000, 1001).unwrap(),
            colour: Colour {
                matrix: Matrix::Bt601,
                range: Range::Limited,
                srgb: true,
            },
        };
        let outcome = |asked| Outcome { asked, given }.to_string();
        assert_eq!(outcome(wish(640, 480, 30)), "YUYV 640x480 at 29.97 fps");
        assert_eq!(
            outcome(wish(1280, 720, 30)),
            "YUYV 640x480 at 29.97 fps, asked for 1280x720 at 30 fps"
        );
    }

    fn any_mode() -> impl Strategy<Value = Mode> {
        (
            prop::sample::select(&PixelFormat::ALL[..]),
            prop::sample::select(&[160_u32, 320, 640, 1280, 1920][..]),
            prop::sample::select(&[120_u32, 240, 480, 720, 1080][..]),
            prop::collection::vec((1_u32..=120_000, 1_u32..=1001), 0..5),
        )
            .prop_map(|(pixel, width, height, rates)| Mode {
                pixel,
                size: Size::new(width, height),
                rates: rates
                    .into_iter()
                    .filter_map(|(f, s)| Rate::new(f, s))
                    .collect(),
            })
    }

    fn any_wish() -> impl Strategy<Value = Wish> {
        let pixel = prop::option::of(prop::sample::select(&PixelFormat::ALL[..]));
        (1_u32..4000, 1_u32..3000, 1_u32..=120, pixel).prop_map(|(w, h, fps, pixel)| Wish {
            pixel,
            ..wish(w, h, fps)
        })
    }

    proptest! {
        #[test]
        fn the_choice_is_always_one_of_the_offers(
            modes in prop::collection::vec(any_mode(), 1..20),
            wish in any_wish(),
        ) {
            let best = choose(&modes, &wish).unwrap();
            prop_assert!(modes.iter().any(|m| m.pixel == best.pixel
                && m.size == best.size
                && (m.rates.is_empty() || m.rates.contains(&best.rate))));
        }

        #[test]
        fn the_choice_never_exceeds_the_wished_pixels_if_something_fits(
            modes in prop::collection::vec(any_mode(), 1..20),
            wish in any_wish(),
        ) {
            let best = choose(&modes, &wish).unwrap();
            let fits = modes.iter().any(|m| m.size.pixels() <= wish.size.pixels());
            prop_assert!(!fits || best.size.pixels() <= wish.size.pixels());
        }

        #[test]
        fn jpeg_is_chosen_only_if_nothing_else_at_that_size_is_fast_enough(
            modes in prop::collection::vec(any_mode(), 1..20),
            wish in any_wish().prop_map(|w| Wish { pixel: None, ..w }),
        ) {
            let best = choose(&modes, &wish).unwrap();
            if best.pixel == PixelFormat::Mjpeg {
                let other = rank(&modes, &wish).into_iter().find(|c| {
                    c.size == best.size
                        && c.pixel != PixelFormat::Mjpeg
                        && reaches(c.rate, wish.rate)
                });
                prop_assert_eq!(other, None);
            }
        }

        #[test]
        fn the_order_of_the_offers_does_not_matter(
            modes in prop::collection::vec(any_mode(), 0..12),
            wish in any_wish(),
        ) {
            let mut turned = modes.clone();
            turned.reverse();
            prop_assert_eq!(choose(&modes, &wish), choose(&turned, &wish));
        }
    }
}
