//! Many buckets in bounded memory: one for each who asks, the idlest forgotten first.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use super::bucket::{Bucket, Pace};
use crate::clock::Mono;

/// Buckets by the hash of who they belong to: whoever picks his own name cannot make an entry large, and the
/// hash is keyed, so nobody can aim at another's.
#[derive(Debug)]
pub struct Table {
    buckets: HashMap<u64, Bucket>,
    keyed: RandomState,
    most: usize,
}

impl Table {
    /// An empty table of at most `most` buckets (16 bytes each).
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            buckets: HashMap::new(),
            keyed: RandomState::new(),
            most: most.max(1),
        }
    }

    /// Takes a token from the bucket of `who`.
    ///
    /// # Errors
    /// The time until one will be there.
    pub fn take(&mut self, who: &impl Hash, pace: Pace, now: Mono) -> Result<(), Duration> {
        let key = self.keyed.hash_one(who);
        if !self.buckets.contains_key(&key) && self.buckets.len() >= self.most {
            self.shed(now);
        }
        self.buckets.entry(key).or_default().take(pace, now)
    }

    /// Puts a token back.
    pub fn put_back(&mut self, who: &impl Hash, pace: Pace) {
        if let Some(bucket) = self.buckets.get_mut(&self.keyed.hash_one(who)) {
            bucket.put_back(pace);
        }
    }

    /// All go on at another pace; where there was none or will be none, everybody begins anew.
    pub fn change(&mut self, from: Option<Pace>, to: Option<Pace>, now: Mono) {
        match (from, to) {
            (Some(from), Some(to)) if from != to => {
                for bucket in self.buckets.values_mut() {
                    bucket.change(from, to, now);
                }
            }
            (Some(_), Some(_)) => {}
            _ => self.buckets = HashMap::new(),
        }
    }

    /// How many buckets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Forgets the full ones, with whom nothing is lost; and where that is less than an eighth, the fullest,
    /// so that the work is done once for many newcomers.
    fn shed(&mut self, now: Mono) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
        let keep = self.most - self.most.div_ceil(8);
        if self.buckets.len() > keep {
            let mut all: Vec<(Bucket, u64)> = self.buckets.iter().map(|(k, b)| (*b, *k)).collect();
            let surplus = all.len() - keep;
            all.select_nth_unstable(surplus - 1);
            for (_, key) in all.iter().take(surplus) {
                self.buckets.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_nanos(secs * 1_000_000_000)
    }

    #[test]
    fn each_has_a_bucket_of_his_own() {
        let pace = Pace::new(60, Duration::from_secs(60), 2).unwrap();
        let mut table = Table::new(8);
        for who in ["ann", "bob"] {
            table.take(&who, pace, at(1)).unwrap();
            table.take(&who, pace, at(1)).unwrap();
            table.take(&who, pace, at(1)).unwrap_err();
        }
        table.put_back(&"ann", pace);
        table.take(&"ann", pace, at(1)).unwrap();
        table.take(&"bob", pace, at(1)).unwrap_err();
    }

    #[test]
    fn a_crowd_of_newcomers_does_not_grow_it_nor_wash_away_who_asks_too_much() {
        let pace = Pace::new(60, Duration::from_secs(60), 10).unwrap();
        let mut table = Table::new(64);
        while table.take(&"greedy", pace, at(1)).is_ok() {}
        for stranger in 0..10_000 {
            table.take(&stranger, pace, at(1)).unwrap();
            assert!(table.len() <= 64);
        }
        table.take(&"greedy", pace, at(1)).unwrap_err();
    }

    #[test]
    fn those_who_have_been_away_are_forgotten_first() {
        let pace = Pace::new(60, Duration::from_secs(60), 10).unwrap();
        let mut table = Table::new(64);
        for old in 0..64 {
            table.take(&old, pace, at(1)).unwrap();
        }
        table.take(&"new", pace, at(100)).unwrap();
        assert_eq!(table.len(), 1);
    }
}
