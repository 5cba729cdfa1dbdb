//! How fast a socket is read whose client asks beyond its limits.
//!
//! To refuse costs the box nearly as much as to answer, so who is refused as fast as he asks takes the processors
//! from everybody. The first refusals follow at once: whoever asked a little too much in one breath is told so
//! without delay. From then on the socket is *held*: nothing is read before the next refusal may be sent, and TCP
//! makes the client wait. What it asks within its limits is not counted here, but waits in the same line; and since
//! its allowance goes on filling meanwhile, more of what waits is answered well than if it had been read at once.
//!
//! No hold is long, and after each a message is read: so a client that is held is not taken for dead, its pong is
//! found in the end, and one that has gone is noticed by the answers it does not take. Nevertheless it does not go
//! on for ever. Whoever asks so fast does not look at the answers, they come later and later, and a goodbye that lies
//! behind all that was sent would be read too late: after some time without a pause the client is told, and closed.

use std::time::Duration;

use crate::access::limits::bucket;
use crate::clock::Mono;
use crate::http::Limits;

/// Refusals of one socket that may follow each other at once …
const AT_ONCE: u32 = 20;
/// … and how many a second from then on.
const PER_SECOND: u32 = 5;
/// Whoever was not held for so long has paused.
const PAUSE: Duration = Duration::from_secs(2);

/// How to go on after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Further {
    /// Read what comes, unless the socket is held.
    Read,
    /// It never ends: say goodbye.
    Close,
}

/// Holds that follow each other without a pause.
#[derive(Debug, Clone, Copy)]
struct Holds {
    since: Mono,
    /// The end of the last one so far.
    until: Mono,
}

/// How one socket is read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    refusals: bucket::Bucket,
    holds: Option<Holds>,
    held: bool,
    most: Duration,
}

impl Pace {
    /// A socket that opened just now.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            refusals: bucket::Bucket::default(),
            holds: None,
            held: false,
            most: limits.held_within,
        }
    }

    /// A message was refused because it was beyond its sender's limits.
    pub fn refused(&mut self, now: Mono) -> Further {
        let Some(pace) = bucket::Pace::new(PER_SECOND, Duration::from_secs(1), AT_ONCE) else {
            return Further::Read;
        };
        let Err(wait) = self.refusals.take(pace, now) else {
            return Further::Read;
        };
        let before = self.holds.filter(|holds| now.since(holds.until) < PAUSE);
        let since = before.map_or(now, |holds| holds.since);
        if !self.most.is_zero() && now.since(since) >= self.most {
            return Further::Close;
        }
        // It is paid for when it should have been sent.
        let until = now + wait;
        let _ = self.refusals.take(pace, until);
        self.holds = Some(Holds { since, until });
        self.held = true;
        Further::Read
    }

    /// Whether nothing is to be read now.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.held
    }

    /// Lets go of the socket when it is time.
    pub fn due(&mut self, now: Mono) {
        self.held = self.poll_timeout().is_some_and(|until| now < until);
    }

    /// When to call [`Self::due`], if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.holds.filter(|_| self.held).map(|holds| holds.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLI: Duration = Duration::from_millis(1);
    const START: Mono = Mono::from_nanos(7_000_000_000);

    fn held_within(most: Duration) -> Pace {
        Pace::new(&Limits {
            held_within: most,
            ..Limits::default()
        })
    }

    /// A client that has more to say than is read, `late` being how late the socket is looked at after each hold:
    /// how many were refused before `end`, and whether it was closed.
    fn flood(pace: &mut Pace, from: Mono, end: Mono, late: Duration) -> (u32, Further) {
        let (mut now, mut refused) = (from, 0);
        while now < end {
            refused += 1;
            if pace.refused(now) == Further::Close {
                return (refused, Further::Close);
            }
            if let Some(until) = pace.poll_timeout() {
                now = until + late;
                pace.due(now);
                assert!(!pace.is_held(), "nobody is held for longer than was said");
            }
        }
        (refused, Further::Read)
    }

    #[test]
    fn twenty_are_refused_at_once_and_then_one_every_fifth_of_a_second() {
        let mut pace = held_within(Duration::ZERO);
        for _ in 0..20 {
            assert_eq!(pace.refused(START), Further::Read);
            assert!(!pace.is_held());
        }
        pace.refused(START);
        assert_eq!(pace.poll_timeout(), Some(START + 200 * MILLI));
        pace.due(START + 199 * MILLI);
        assert!(pace.is_held());
        pace.due(START + 200 * MILLI);
        assert!(!pace.is_held() && pace.poll_timeout().is_none());
        pace.refused(START + 200 * MILLI);
        assert_eq!(pace.poll_timeout(), Some(START + 400 * MILLI));
    }

    #[test]
    fn a_client_that_asks_five_times_a_second_too_often_is_never_held() {
        let mut pace = held_within(MILLI);
        for n in 0..10_000 {
            assert_eq!(pace.refused(START + n * 200 * MILLI), Further::Read);
            assert!(!pace.is_held());
        }
    }

    #[test]
    fn one_who_never_pauses_is_closed_after_a_minute_and_one_who_does_is_not() {
        let mut flooding = Pace::new(&Limits::default());
        let minute = Duration::from_secs(60);
        let hour = START + 60 * minute;
        let (refused, end) = flood(&mut flooding, START, hour, Duration::ZERO);
        assert_eq!((refused, end), (20 + 1 + 60 * 5, Further::Close));
        // Though it is looked at so late that a token has come meanwhile.
        let mut late = Pace::new(&Limits::default());
        assert_eq!(flood(&mut late, START, hour, 300 * MILLI).1, Further::Close);
        let mut pausing = Pace::new(&Limits::default());
        let mut now = START;
        for _ in 0..100 {
            let pause = now + 59_999 * MILLI;
            assert_eq!(
                flood(&mut pausing, now, pause, Duration::ZERO).1,
                Further::Read
            );
            now = pause + PAUSE + 200 * MILLI;
        }
        let mut forever = held_within(Duration::ZERO);
        assert_eq!(
            flood(&mut forever, START, hour, Duration::ZERO).1,
            Further::Read
        );
    }

    proptest! {
        #[test]
        fn no_pattern_of_asking_is_refused_more_often_or_waits_for_longer(
            gaps in prop::collection::vec(0u32..500, 1..400), late in 0u32..50,
        ) {
            let mut pace = held_within(Duration::ZERO);
            let (mut now, mut refused) = (START, 0u128);
            for gap in gaps {
                now = now + gap * MILLI;
                // What comes while the socket is held is read afterwards.
                if let Some(until) = pace.poll_timeout() {
                    prop_assert!(until.since(now) <= 200 * MILLI);
                    now = now.max(until + late * MILLI);
                    pace.due(now);
                    prop_assert!(!pace.is_held());
                }
                pace.refused(now);
                refused += 1;
                let fair = u128::from(AT_ONCE)
                    + now.since(START).as_millis() * u128::from(PER_SECOND) / 1000 + 1;
                prop_assert!(refused <= fair, "{} > {}", refused, fair);
            }
        }
    }
}
