//! What a driver's time stamps are worth. Pure.
//!
//! The law: the times handed on always advance and lie near now, whatever the driver says. A stamp that is missing,
//! far off (read from another clock) or stands still is replaced by now; one that goes back is moved up. Only a frame
//! that has neither a new number nor a new stamp, from a driver that stamps, keeps its time: it is the same frame.

use std::time::Duration;

use crate::clock::Mono;

/// A stamp older than this is no capture time: frames wait in the queue much less.
const BEHIND: Duration = Duration::from_secs(5);
/// A stamp further ahead of now is none either. Drivers that stamp the end of an exposure they have only begun are
/// ahead by less than a frame (vivid: up to 29 ms at 30/s).
const AHEAD: Duration = Duration::from_secs(1);
/// The least step: one tick of RTP's 90 kHz, rounded up.
const STEP: Duration = Duration::from_micros(12);

/// What was said of the last frame.
#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: u32,
    said: Option<Mono>,
    /// The time handed on.
    given: Mono,
}

/// The stamps of one stream.
#[derive(Debug, Default)]
pub struct Stamps {
    last: Option<Last>,
    /// The driver stamps: it once gave a believable stamp after another one.
    works: bool,
}

impl Stamps {
    /// When the frame was taken: the driver's stamp, where it can be one.
    pub fn mend(&mut self, sequence: u32, said: Option<Mono>, now: Mono) -> Mono {
        let near = |s: &Mono| now.since(*s) < BEHIND && s.since(now) < AHEAD;
        let stands = self
            .last
            .is_some_and(|last| said.is_some() && said == last.said);
        let given = match self.last {
            None => said.filter(near).unwrap_or(now),
            Some(last) if stands && self.works && sequence == last.sequence => return last.given,
            Some(last) => {
                let believed = said.filter(|s| !stands && near(s));
                self.works |= believed.is_some();
                believed.unwrap_or(now).max(last.given + STEP)
            }
        };
        self.last = Some(Last {
            sequence,
            said,
            given,
        });
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(ms * 1_000_000)
    }

    fn mended(stamps: &[(Option<u64>, u64)]) -> Vec<u64> {
        let mut all = Stamps::default();
        stamps
            .iter()
            .enumerate()
            .map(|(n, (said, now))| {
                let sequence = u32::try_from(n).unwrap();
                all.mend(sequence, said.map(at), at(*now)).as_nanos() / 1_000_000
            })
            .collect()
    }

    #[test]
    fn a_good_stamp_is_believed_even_a_little_ahead_of_now() {
        assert_eq!(
            mended(&[
                (Some(99_970), 100_000),
                (Some(100_029), 100_000),
                (Some(100_062), 100_040)
            ]),
            [99_970, 100_029, 100_062]
        );
    }

    #[test]
    fn a_stamp_of_another_clock_is_replaced_by_now() {
        assert_eq!(
            mended(&[
                (Some(5), 100_000),
                (Some(900_000), 100_040),
                (None, 100_080)
            ]),
            [100_000, 100_040, 100_080]
        );
    }

    #[test]
    fn a_stamp_that_stands_still_is_replaced_by_now() {
        assert_eq!(
            mended(&[
                (Some(100_000), 100_000),
                (Some(100_000), 100_040),
                (Some(100_000), 100_080)
            ]),
            [100_000, 100_040, 100_080]
        );
        assert_eq!(
            mended(&[(Some(0), 100_000), (Some(0), 100_040)]),
            [100_000, 100_040]
        );
    }

    #[test]
    fn a_stamp_that_goes_back_never_takes_time_back() {
        let mut all = Stamps::default();
        let first = all.mend(1, Some(at(100_000)), at(100_010));
        let second = all.mend(2, Some(at(99_000)), at(100_050));
        assert!(second > first && second.since(first) < Duration::from_millis(1));
        assert_eq!(all.mend(3, Some(at(100_090)), at(100_100)), at(100_090));
    }

    #[test]
    fn a_burst_keeps_the_times_at_which_its_frames_were_taken() {
        assert_eq!(
            mended(&[
                (Some(100_000), 100_500),
                (Some(100_040), 100_500),
                (Some(100_080), 100_500)
            ]),
            [100_000, 100_040, 100_080]
        );
    }

    #[test]
    fn a_frame_with_neither_a_new_number_nor_a_new_stamp_keeps_its_time() {
        let mut all = Stamps::default();
        all.mend(0, Some(at(100_000)), at(100_000));
        let frozen = all.mend(0, Some(at(100_040)), at(100_040));
        for n in 1..500 {
            let now = at(100_040 + n * 40);
            assert_eq!(all.mend(0, Some(at(100_040)), now), frozen);
        }
    }

    #[test]
    fn a_driver_that_neither_numbers_nor_stamps_is_believed_to_live() {
        let mut all = Stamps::default();
        for n in 0..500 {
            let now = at(100_000 + n * 40);
            assert_eq!(all.mend(0, Some(at(0)), now), now);
            assert_eq!(Stamps::default().mend(0, None, now), now);
        }
    }

    proptest! {
        #[test]
        fn time_advances_and_stays_near_now_whatever_the_driver_says(
            frames in prop::collection::vec((prop::option::of(prop_oneof![any::<u64>(), 900_000_000_000..1_200_000_000_000_u64]), 1_u64..2000), 1..100),
        ) {
            let mut all = Stamps::default();
            let (mut now, mut last) = (at(1_000_000), Mono::default());
            for (n, (said, pause)) in frames.into_iter().enumerate() {
                now = now + Duration::from_millis(pause);
                let sequence = u32::try_from(n).unwrap();
                let stamp = all.mend(sequence, said.map(Mono::from_nanos), now);
                prop_assert!(stamp > last);
                prop_assert!(stamp.since(now) <= AHEAD + STEP * 100 && now.since(stamp) <= BEHIND);
                last = stamp;
            }
        }
    }
}
