//! What was turned away at the doors, and why. Every reason is a word of a fixed set, so no client can make the
//! figures more; counting is one addition and never waits.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::calls::EDGES;

/// Words of the largest set.
const MOST: usize = 8;

/// A fixed set of words that something is counted by.
pub trait Word: Copy + 'static {
    /// All of them; the place of each is its number.
    const ALL: &'static [Self];

    /// The word in figures.
    fn as_str(self) -> &'static str;

    /// Its number.
    fn place(self) -> usize;
}

macro_rules! words {
    ($($(#[$doc:meta])* $set:ident { $($(#[$meta:meta])* $name:ident = $word:literal),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum $set { $($(#[$meta])* $name),+ }

            impl Word for $set {
                const ALL: &'static [Self] = &[$(Self::$name),+];

                fn as_str(self) -> &'static str {
                    match self { $(Self::$name => $word),+ }
                }

                fn place(self) -> usize {
                    self as usize
                }
            }

            const _: () = assert!(<$set as Word>::ALL.len() <= MOST);
        )+
    };
}

words! {
    /// Why a connection was refused.
    Refused {
        /// All are taken.
        Total = "total",
        /// Its address has its share.
        Address = "address",
        /// Its address has its share of those nobody logged in on.
        Unauthenticated = "unauthenticated",
        /// Too much is waiting for clients.
        Memory = "memory",
        /// A page of a site that may not connect.
        Origin = "origin",
        /// A plain connection while all of them were busy.
        Busy = "busy",
    }
    /// What came too often.
    Limited {
        /// Requests, on a WebSocket or for a download.
        Requests = "requests",
        /// Logins from an address where too many failed.
        Logins = "logins",
        /// Tries of the claim code.
        Claims = "claims",
    }
    /// What became of a token or key that somebody showed.
    Login {
        /// It is good.
        Good = "ok",
        /// It is not.
        Failed = "failed",
        /// It was not looked at: too many failed before it.
        LockedOut = "locked_out",
    }
    /// Why the service closed a WebSocket.
    Closed {
        /// A message was too long.
        TooLong = "message_too_long",
        /// It did not take a message of ours in time.
        Slow = "slow_reader",
        /// No sign of life came.
        Silent = "silent",
        /// Nobody logged in in time.
        NoLogin = "no_login",
        /// Far too many requests.
        Flood = "flood",
        /// It had to give way, because too much was waiting for clients.
        Memory = "memory",
        /// It broke the protocol, or sent what is not taken.
        Protocol = "protocol",
    }
    /// Why a download did not begin although its file is there.
    NoDownload {
        /// As many run as may.
        Total = "total",
        /// Its user has his share.
        User = "user",
        /// Its address has its share.
        Address = "address",
    }
    /// What MediaMTX was answered to "may this one?".
    Asked {
        /// Yes.
        Allowed = "allowed",
        /// Better credentials could help; the first request of every player that waits to be asked for them, too.
        Unauthorized = "unauthorized",
        /// No credentials can help, or the question could not be read.
        Denied = "denied",
    }
}

/// Counts by a set of words.
pub struct Counts<W> {
    counts: [AtomicU64; MOST],
    words: PhantomData<fn(W)>,
}

impl<W> Default for Counts<W> {
    fn default() -> Self {
        Self {
            counts: Default::default(),
            words: PhantomData,
        }
    }
}

impl<W: Word> Counts<W> {
    /// Counts one.
    pub fn count(&self, word: W) {
        self.counts[word.place()].fetch_add(1, Relaxed);
    }

    /// Every word with its count.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let of = |word: &W| (word.as_str(), self.counts[word.place()].load(Relaxed));
        W::ALL.iter().map(of)
    }
}

impl<W: Word> fmt::Debug for Counts<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all()).finish()
    }
}

/// How long something took, in the buckets of [`EDGES`].
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; EDGES.len()],
    count: AtomicU64,
    nanos: AtomicU64,
}

impl Durations {
    /// Counts one.
    pub fn count(&self, took: Duration) {
        if let Some(bucket) = EDGES.iter().position(|edge| took <= *edge) {
            self.buckets[bucket].fetch_add(1, Relaxed);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }

    /// How many were at most each edge; how many in all; their sum. As if read at one moment: the buckets first, so
    /// that none is more than all.
    #[must_use]
    pub fn read(&self) -> (Vec<(Duration, u64)>, u64, Duration) {
        let mut under = 0;
        let buckets = EDGES.iter().zip(&self.buckets).map(|(edge, count)| {
            under += count.load(Relaxed);
            (*edge, under)
        });
        let buckets: Vec<_> = buckets.collect();
        let count = self.count.load(Relaxed).max(under);
        (
            buckets,
            count,
            Duration::from_nanos(self.nanos.load(Relaxed)),
        )
    }
}

/// The counts of the doors.
#[derive(Debug, Default)]
pub struct Doors {
    /// Connections refused.
    pub refused: Counts<Refused>,
    /// What came too often.
    pub limited: Counts<Limited>,
    /// Tokens and keys that were shown.
    pub logins: Counts<Login>,
    /// WebSockets that the service closed.
    pub closed: Counts<Closed>,
    /// Pieces of news that clients were told they have lost.
    pub events_dropped: AtomicU64,
    /// Downloads that did not begin.
    pub no_download: Counts<NoDownload>,
    /// What MediaMTX was answered.
    pub asked: Counts<Asked>,
    /// How long the answer took.
    pub asked_took: Durations,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_count_of_its_own() {
        let doors = Doors::default();
        doors.closed.count(Closed::Slow);
        doors.closed.count(Closed::Slow);
        doors.closed.count(Closed::Protocol);
        let counted: Vec<_> = doors.closed.all().filter(|(_, n)| *n > 0).collect();
        assert_eq!(counted, [("slow_reader", 2), ("protocol", 1)]);
        assert_eq!(doors.refused.all().map(|(_, n)| n).sum::<u64>(), 0);
    }

    #[test]
    fn a_duration_counts_under_every_edge_above_it() {
        let took = Durations::default();
        took.count(Duration::from_millis(3));
        took.count(Duration::from_secs(9));
        let (buckets, count, sum) = took.read();
        let under = |edge| buckets.iter().find(|(e, _)| *e == edge).unwrap().1;
        assert_eq!(under(Duration::from_millis(1)), 0);
        assert_eq!(under(Duration::from_millis(5)), 1);
        assert_eq!(under(Duration::from_secs(5)), 1);
        assert_eq!((count, sum), (2, Duration::from_millis(9003)));
    }
}
