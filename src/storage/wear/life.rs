//! When the medium's life is over, from what was seen of it: so many bytes took a tenth of it.

use serde::{Deserialize, Serialize};

/// What has been seen of one disk; survives restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// The disk: what it says of itself that no other does.
    pub id: String,
    /// The boot in which it was last looked at.
    pub boot: String,
    /// Its counter then.
    pub counter: u64,
    /// The tenth it is in, 1 to 11.
    pub step: u8,
    /// Bytes written since that was first seen.
    pub since: u64,
    /// That was seen to begin.
    pub whole: bool,
    /// Bytes that the last tenth seen as a whole took.
    pub tenth: Option<u64>,
}

impl Life {
    /// A disk that is seen for the first time.
    #[must_use]
    pub fn new(id: &str, boot: &str, counter: u64, step: u8) -> Self {
        Self {
            id: id.to_owned(),
            boot: boot.to_owned(),
            counter,
            step,
            since: 0,
            whole: false,
            tenth: None,
        }
    }

    /// Takes a look. `counter` counts bytes since `boot`.
    pub fn see(&mut self, boot: &str, counter: u64, step: u8) {
        let same = self.boot == boot && counter >= self.counter;
        let more = if same {
            counter - self.counter
        } else {
            counter
        };
        (self.counter, self.since) = (counter, self.since.saturating_add(more));
        if self.boot != boot {
            boot.clone_into(&mut self.boot);
        }
        if step > self.step {
            if self.whole {
                self.tenth = Some(self.since / u64::from(step - self.step));
            }
            (self.step, self.since, self.whole) = (step, 0, true);
        }
    }

    /// Days until it is over if `written` bytes go to it in `secs` seconds; `None` while that cannot be told.
    #[must_use]
    pub fn days(&self, written: u64, secs: u64) -> Option<u64> {
        if self.step >= 11 {
            return Some(0);
        }
        let tenth = self.tenth.filter(|tenth| *tenth > 0)?;
        // Less than ten minutes are no rate.
        if written == 0 || secs < 600 {
            return None;
        }
        let left = u128::from(tenth) * u128::from(11 - self.step);
        let left = left.saturating_sub(u128::from(self.since.min(tenth)));
        let days = left.saturating_mul(u128::from(secs)) / u128::from(written) / 86_400;
        u64::try_from(days).ok()
    }
}

/// What is kept of all disks; none where the text is damaged.
#[must_use]
pub fn read(text: &str) -> Vec<Life> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The text of what is kept.
#[must_use]
pub fn write(lives: &[Life]) -> String {
    // Texts and whole numbers always have a JSON form.
    serde_json::to_string(lives).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn a_forecast_is_made_of_a_tenth_that_was_seen_from_end_to_end() {
        let mut life = Life::new("emmc", "boot1", 5 * GB, 3);
        life.see("boot1", 6 * GB, 4);
        assert_eq!(life.days(GB, 3600), None, "the tenth had begun before");
        life.see("boot1", 1006 * GB, 5);
        assert_eq!(life.tenth, Some(1000 * GB));
        // Six tenths of 1,000 GB are left, and 1 GB an hour goes.
        assert_eq!(life.days(GB, 3600), Some(6000 / 24));
        assert_eq!(life.days(GB, 60), None);
        life.see("boot1", 1506 * GB, 5);
        assert_eq!(life.days(GB, 3600), Some(5500 / 24));
    }

    #[test]
    fn what_was_written_while_nobody_looked_counts_and_so_does_another_boot() {
        let life = Life::new("emmc", "boot1", 5 * GB, 3);
        let mut again = read(&write(&[life])).remove(0);
        again.see("boot1", 7 * GB, 3);
        assert_eq!(again.since, 2 * GB);
        again.see("boot2", GB, 3);
        assert_eq!(again.since, 3 * GB);
        assert_eq!(read("{"), []);
    }

    proptest! {
        #[test]
        fn no_numbers_bring_a_forecast_down_and_more_writing_never_means_longer_life(
            looks in proptest::collection::vec((any::<bool>(), any::<u64>(), 0_u8..14), 0..20),
            written in 1..u64::MAX / 2,
            secs in any::<u64>(),
        ) {
            let mut life = Life::new("x", "a", 0, 1);
            for (boot, counter, step) in looks {
                life.see(if boot { "a" } else { "b" }, counter, step);
            }
            let (slow, fast) = (life.days(written, secs), life.days(written * 2, secs));
            if let (Some(slow), Some(fast)) = (slow, fast) {
                prop_assert!(fast <= slow);
            }
        }
    }
}
