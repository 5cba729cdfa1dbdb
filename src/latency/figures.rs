//! What the counts say.

use std::time::Duration;

use histogram::{Bucket, Histogram32};

/// The recent past of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Half of the pictures took no longer.
    pub p50: Duration,
    /// 95 of a hundred took no longer.
    pub p95: Duration,
    /// 99 of a hundred took no longer.
    pub p99: Duration,
    /// The longest; exact.
    pub max: Duration,
    /// Pictures counted.
    pub frames: u64,
}

impl Figures {
    pub(super) fn of(counts: &Histogram32, max: Duration) -> Option<Self> {
        let mut found = [const { None }; 3];
        // Fails for quantiles outside of 0 to 1 only.
        let _ = counts.quantile_buckets_into(&[0.5, 0.95, 0.99], &mut found);
        let [Some(p50), Some(p95), Some(p99)] = found.map(|bucket| bucket.map(|b| middle(&b)))
        else {
            return None;
        };
        Some(Self {
            p50: p50.min(max),
            p95: p95.min(max),
            p99: p99.min(max),
            max,
            frames: counts.iter().map(|bucket| bucket.count()).sum(),
        })
    }
}

/// Everything of one stage since the start.
#[derive(Debug, Clone)]
pub struct Totals {
    counts: Histogram32,
    /// All times added up.
    pub sum: Duration,
}

impl Totals {
    pub(super) const fn new(counts: Histogram32, sum: Duration) -> Self {
        Self { counts, sum }
    }

    /// How many pictures took no longer than each of `edges` (ascending), and how many there are in all.
    /// A picture within a bucket's width (3 %) of an edge may be on either side of it.
    #[must_use]
    pub fn up_to<const N: usize>(&self, edges: [Duration; N]) -> ([u64; N], u64) {
        let mut under = [0; N];
        let mut all = 0;
        for bucket in self.counts.iter().filter(|bucket| bucket.count() > 0) {
            all += bucket.count();
            let middle = middle(&bucket);
            for (under, edge) in under.iter_mut().zip(edges) {
                if middle <= edge {
                    *under += bucket.count();
                }
            }
        }
        (under, all)
    }
}

/// The time that stands for all in a bucket.
fn middle(bucket: &Bucket) -> Duration {
    Duration::from_nanos(bucket.start() / 2 + bucket.end() / 2)
}
