//! Percentiles of times.

use serde_json::{Value, json};

/// The value that `share` of all do not exceed (nearest rank), in milliseconds. `sorted` is in microseconds; 0 for none.
#[must_use]
pub fn percentile(sorted: &[u32], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    let at = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted
        .get(at)
        .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
}

/// The usual percentiles of times in microseconds.
#[must_use]
pub fn times(mut micros: Vec<u32>) -> Value {
    micros.sort_unstable();
    json!({
        "p50_ms": percentile(&micros, 0.5), "p99_ms": percentile(&micros, 0.99),
        "max_ms": percentile(&micros, 1.0), "samples": micros.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::{percentile, times};

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let hundred: Vec<u32> = (1..=100).map(|n| n * 1000).collect();
        let found = [0.0, 0.5, 0.99, 1.0].map(|share| percentile(&hundred, share));
        assert_eq!(found, [1.0, 50.0, 99.0, 100.0]);
        assert_eq!(percentile(&[7000], 0.99), 7.0);
        assert_eq!(percentile(&[], 0.99), 0.0);
    }

    #[test]
    fn one_slow_answer_in_a_thousand_is_the_longest_and_no_percentile() {
        let mut all = vec![1000; 999];
        all.push(50_000);
        let found = times(all);
        assert_eq!(found["p99_ms"], 1.0);
        assert_eq!(found["max_ms"], 50.0);
        assert_eq!(found["samples"], 1000);
    }
}
