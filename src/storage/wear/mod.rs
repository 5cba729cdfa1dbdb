//! Wear: how much is written to the medium for what was recorded, and how long the medium will last.
//!
//! Flash memory dies of being written. The kernel counts what really goes to each partition; beside it stands what was
//! to be kept, the bytes of recordings and snapshots ([`payload`]). eMMC tells how worn it is (JESD84-B51, 7.4.40 to
//! 7.4.42); SD cards do not. [`life`] makes a forecast of it, and only of what was seen.

pub mod io;
pub mod life;
pub mod payload;

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Mono;
use crate::system::samples::Sample;

/// Bytes of a sector in the kernel's counters, whatever the medium's are.
const SECTOR: u64 = 512;
/// What "per hour" looks back on.
pub const HOUR: Duration = Duration::from_secs(3600);

/// What the kernel says of one partition or disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its name, such as `mmcblk0p2`.
    pub name: String,
    /// Bytes written since the kernel knows it.
    pub written: u64,
}

/// Finds a partition by its number in the text of `/proc/diskstats` (Documentation/admin-guide/iostats.rst).
#[must_use]
pub fn disk(diskstats: &str, major: u64, minor: u64) -> Option<Disk> {
    diskstats.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [first, second, name, ..] = fields.as_slice() else {
            return None;
        };
        if (first.parse(), second.parse()) != (Ok(major), Ok(minor)) {
            return None;
        }
        // Field 7 of the counters: sectors written.
        let sectors: u64 = fields.get(9)?.parse().ok()?;
        Some(Disk {
            name: (*name).to_owned(),
            written: sectors.checked_mul(SECTOR)?,
        })
    })
}

/// Finds a disk or partition by its name.
#[must_use]
pub fn disk_named(diskstats: &str, name: &str) -> Option<Disk> {
    let line = diskstats
        .lines()
        .find(|line| line.split_ascii_whitespace().nth(2) == Some(name))?;
    let mut fields = line.split_ascii_whitespace();
    let (major, minor) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    disk(line, major, minor)
}

/// The device that a file system without a number of its own lies on (btrfs, overlays of one), by the text of
/// `/proc/self/mountinfo` (proc(5)); `None` where that is none.
#[must_use]
pub fn source(mountinfo: &str, major: u64, minor: u64) -> Option<&str> {
    let number = format!("{major}:{minor}");
    mountinfo.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let of = mount.split_ascii_whitespace().nth(2)?;
        let from = system.split_ascii_whitespace().nth(1)?;
        (of == number && from.starts_with("/dev/")).then_some(from)
    })
}

/// How worn the medium says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It says nothing, and why.
    Unknown(&'static str),
    /// eMMC: the more worn of its two areas, in steps of a tenth of its life, 1 to 11; 11 = its life is over.
    Emmc {
        /// The step.
        step: u8,
        /// Its spare blocks.
        spare: Spare,
    },
}

/// What is left of the spare blocks (`PRE_EOL_INFO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spare {
    /// It does not say.
    Unknown,
    /// Enough.
    Normal,
    /// Four fifths are used up.
    Warning,
    /// Nine tenths are used up.
    Urgent,
}

impl Spare {
    /// Out of the text of `pre_eol_info`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match number(text.trim()) {
            Some(1) => Self::Normal,
            Some(2) => Self::Warning,
            Some(3) => Self::Urgent,
            _ => Self::Unknown,
        }
    }

    /// The word in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Normal => "normal",
            Self::Warning => "warning",
            Self::Urgent => "urgent",
        }
    }
}

impl Health {
    /// Out of the texts of `device/type`, `device/life_time` and `device/pre_eol_info` in sysfs, as far as they are there.
    #[must_use]
    pub fn read(kind: Option<&str>, life_time: Option<&str>, pre_eol: Option<&str>) -> Self {
        match kind.map(str::trim) {
            Some("SD") => {
                return Self::Unknown("SD cards do not tell how worn they are");
            }
            Some("MMC") => {}
            _ => return Self::Unknown("this kind of medium does not tell how worn it is"),
        }
        let steps = life_time.into_iter().flat_map(str::split_ascii_whitespace);
        let step = steps
            .filter_map(number)
            .filter(|n| (1..=11).contains(n))
            .max();
        match step.and_then(|step| u8::try_from(step).ok()) {
            Some(step) => Self::Emmc {
                step,
                spare: pre_eol.map_or(Spare::Unknown, Spare::read),
            },
            None => Self::Unknown("this eMMC does not tell how worn it is"),
        }
    }
}

/// `0x0a`, as sysfs writes it; some vendors leave `0x` away.
fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// What was written in the last hour.
#[derive(Debug, Default)]
pub struct Window(VecDeque<(Mono, u64, u64)>);

/// A window's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lately {
    /// The time looked back on: an hour, or less after a start.
    pub span: Duration,
    /// Bytes that went to the medium.
    pub written: u64,
    /// Bytes of recordings and snapshots among them.
    pub payload: u64,
}

impl Window {
    /// Takes what both counters say now, and looks back.
    pub fn take(&mut self, now: Mono, written: u64, payload: u64) -> Lately {
        // A medium that was put in anew counts from zero.
        if self
            .0
            .back()
            .is_some_and(|(_, before, _)| *before > written)
        {
            self.0.clear();
        }
        self.0.push_back((now, written, payload));
        while self.0.get(1).is_some_and(|(at, ..)| now.since(*at) >= HOUR) {
            self.0.pop_front();
        }
        let Some((at, first, kept)) = self.0.front().copied() else {
            return Lately::default();
        };
        Lately {
            span: now.since(at),
            written: written - first,
            payload: payload.saturating_sub(kept),
        }
    }
}

/// One partition, as it was when it was last looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// What lies on it: `recordings`, `snapshots`, `data`.
    pub holds: Vec<&'static str>,
    /// Its name; `None` where the file system has no disk of its own.
    pub disk: Option<Disk>,
    /// Lately.
    pub lately: Lately,
    /// How worn the disk is.
    pub health: Health,
    /// Days until its life is over, as far as that was seen.
    pub days: Option<u64>,
}

impl Partition {
    /// Written for each byte that was to be kept; `None` where nothing was, or nothing of it lies here.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn ratio(&self) -> Option<f64> {
        let payload = self.lately.payload;
        (payload > 0)
            .then(|| (self.lately.written as f64 / payload as f64 * 1000.0).round() / 1000.0)
    }

    /// One sentence on its life.
    #[must_use]
    pub fn words(&self) -> String {
        match (self.health, self.days) {
            (Health::Unknown(why), _) => format!("how long it will last is unknown: {why}"),
            (Health::Emmc { step: 11, .. }, _) => {
                "it has lived longer than its maker meant it to: replace it".to_owned()
            }
            (Health::Emmc { step, .. }, Some(days)) => format!(
                "at most {} % of its life is used; at the rate of the last hour it lasts some {days} days more",
                u32::from(step) * 10
            ),
            (Health::Emmc { step, .. }, None) => format!(
                "at most {} % of its life is used; how long it will last is known once a whole further tenth was seen",
                u32::from(step) * 10
            ),
        }
    }

    /// For `get_storage_info`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (used, spare) = match self.health {
            Health::Unknown(_) => (None, Spare::Unknown),
            Health::Emmc { step, spare } => (Some(u32::from(step) * 10), spare),
        };
        json!({
            "holds": self.holds,
            "device": self.disk.as_ref().map(|d| d.name.as_str()),
            "written_since_boot": self.disk.as_ref().map(|d| d.written),
            "seconds": self.lately.span.as_secs(),
            "written": self.lately.written,
            "payload": self.lately.payload,
            "ratio": self.ratio(),
            "life_used_percent_at_most": used,
            "spare_blocks": spare.as_str(),
            "days_left": self.days,
            "message": self.words(),
        })
    }

    /// For `/metrics`, without the figures' families being together yet.
    fn samples(&self) -> Vec<Sample> {
        let Some(disk) = &self.disk else {
            return Vec::new();
        };
        let labels = vec![
            ("device", disk.name.clone()),
            ("holds", self.holds.join(" ")),
        ];
        let (written, payload) = (disk.written, self.lately.payload);
        let mut all = vec![
            Sample::whole(
                "camera_service_disk_written_bytes_total",
                true,
                "Bytes written to the partition since the machine was started, by whomever.",
                written,
            ),
            Sample::whole(
                "camera_service_disk_written_lately_bytes",
                false,
                "Bytes written to it in the last hour, or since the service started.",
                self.lately.written,
            ),
            Sample::whole(
                "camera_service_disk_payload_lately_bytes",
                false,
                "Bytes of recordings and snapshots that were to be kept on it in that time.",
                payload,
            ),
        ];
        if let Health::Emmc { step, .. } = self.health {
            all.push(Sample {
                value: f64::from(step) / 10.0,
                ..Sample::whole(
                    "camera_service_disk_life_used_ratio",
                    false,
                    "How much of its life the eMMC says is used at most; 1.1 = more than it was made for.",
                    0,
                )
            });
        }
        if let Some(days) = self.days {
            let help = "Days until its life is over at the rate of the last hour.";
            all.push(Sample::whole(
                "camera_service_disk_days_left",
                false,
                help,
                days,
            ));
        }
        for sample in &mut all {
            sample.labels.clone_from(&labels);
        }
        all
    }
}

/// All figures for `/metrics`, each family in one place.
#[must_use]
pub fn samples(partitions: &[Partition]) -> Vec<Sample> {
    let mut all: Vec<Sample> = partitions.iter().flat_map(Partition::samples).collect();
    all.sort_by_key(|sample| sample.name);
    all
}

/// Who looks at the disks.
pub trait Wearing: Send + Sync {
    /// The partitions as they were when they were last looked at; empty before the first look. Does not wait.
    fn wear(&self) -> Vec<Partition>;
}

/// Nobody looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unseen;

impl Wearing for Unseen {
    fn wear(&self) -> Vec<Partition> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
