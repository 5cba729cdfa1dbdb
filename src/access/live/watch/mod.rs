//! Where the kernel can be trusted to tell that a file of credentials changed.

use std::time::Duration;

pub(super) mod io;

/// File systems whose every change comes through this kernel, which then tells of it (statfs(2)). Of those that others
/// may change too, as over a network or beneath an overlay, it tells its own changes only.
const TOLD: [i64; 9] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0xF2F5_2010, // F2FS
    0x0102_1994, // tmpfs
    0x2405_1905, // UBIFS
    0x72B6,      // JFFS2
    0x4D44,      // FAT
    0x2011_BAB0, // exFAT
];

/// From one look to the next where the kernel tells of changes, for what it cannot tell: another medium was mounted over
/// the folder, a folder above was renamed.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// The same where it may not.
const UNTOLD_EVERY: Duration = Duration::from_millis(250);

/// Whether changes are told on a file system of this kind.
const fn is_told(kind: i64) -> bool {
    let mut at = 0;
    while at < TOLD.len() {
        if TOLD[at] == kind {
            return true;
        }
        at += 1;
    }
    false
}

/// From one look to the next.
const fn every(told: bool) -> Duration {
    if told { TOLD_EVERY } else { UNTOLD_EVERY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_change_behind_the_kernels_back_is_looked_at_four_times_a_second() {
        const NFS: i64 = 0x6969;
        const OVERLAY: i64 = 0x794C_7630;
        const EXT4: i64 = 0xEF53;
        assert_eq!(every(is_told(NFS)), UNTOLD_EVERY);
        assert_eq!(every(is_told(OVERLAY)), UNTOLD_EVERY);
        assert_eq!(every(is_told(EXT4)), TOLD_EVERY);
    }
}
