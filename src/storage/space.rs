//! How full a file system is.

/// A file system's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// Taken.
    pub used: u64,
    /// What we may still write: less than the rest where some of it is kept for root.
    pub available: u64,
}

impl Space {
    /// From the numbers of statvfs(3): blocks of `block` bytes in all, free, and free for us.
    #[must_use]
    pub const fn of(block: u64, blocks: u64, free: u64, ours: u64) -> Self {
        Self {
            total: blocks.saturating_mul(block),
            used: blocks.saturating_sub(free).saturating_mul(block),
            available: ours.saturating_mul(block),
        }
    }

    /// How full it is for us, 0–100, as df(1) counts: what root alone may use is no room.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a percentage: 2^53 bytes are 9 petabytes"
    )]
    pub fn percent(&self) -> f64 {
        let ours = self.used.saturating_add(self.available);
        if ours == 0 {
            return 0.0;
        }
        self.used as f64 * 100.0 / ours as f64
    }

    /// Whether it is at least so full.
    #[must_use]
    pub fn is_beyond(&self, percent: u32) -> bool {
        self.percent() >= f64::from(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_keeps_for_itself_is_no_room_for_us() {
        let space = Space::of(4096, 1000, 150, 100);
        assert_eq!(
            (space.total, space.used, space.available),
            (4_096_000, 3_481_600, 409_600)
        );
        assert!(
            (space.percent() - 89.473).abs() < 0.001,
            "{}",
            space.percent()
        );
        assert!(space.is_beyond(89) && !space.is_beyond(90));
    }

    #[test]
    fn a_file_system_without_blocks_is_not_full() {
        assert!(!Space::default().is_beyond(1));
    }
}
