//! Limits on what is kept: how bytes and the limits of single cameras are written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use super::Storage;
use super::setting::Setting;
use crate::mediamtx::paths;
use crate::storage::policy::MOST_DAYS;
use crate::storage::quota::{Limits, Share};

/// A number of bytes: `2GB`, `500MB`, `1TiB`, `1048576`; 0 = no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bytes(pub u64);

/// What a number of bytes may end in. Those of 1000 come first: media are sold by them.
const UNITS: &[(&str, u64)] = &[
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

impl Bytes {
    /// The limit; `None` for 0.
    #[must_use]
    pub fn limit(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("expected bytes such as 2GB, 500MB or 0, found {text:?}");
        let text = text.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let unit = unit.trim();
        let factor = match UNITS
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(unit))
        {
            Some((_, factor)) => *factor,
            None if unit.is_empty() || unit == "B" => 1,
            None => return Err(bad()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, factor): &&(&str, u64)| self.0 > 0 && self.0.is_multiple_of(*factor);
        match UNITS.iter().find(whole) {
            Some((word, factor)) => write!(f, "{}{word}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Setting for Bytes {
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Number(n) => n.as_u64().map(Self),
            Value::String(text) => return text.parse(),
            _ => None,
        }
        .ok_or_else(|| format!("expected bytes such as 2GB, 500MB or 0, found {value}"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// The limits of one camera or stream: `camera0=20GB`, `door=5GB/7d`, `yard=90d`. What is not said has no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The camera or stream.
    pub device: String,
    /// Bytes that its files take at most; 0 = no limit.
    pub bytes: Bytes,
    /// Days after which they are deleted; 0 = never.
    pub days: u32,
}

impl FromStr for Own {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("expected a camera's limits such as camera0=20GB/30d, found {text:?}");
        let (device, limits) = text.split_once('=').ok_or_else(bad)?;
        let device = device.trim();
        if !paths::is_name(device) {
            return Err(bad());
        }
        let mut own = Self {
            device: device.to_owned(),
            bytes: Bytes::default(),
            days: 0,
        };
        for limit in limits.split('/').map(str::trim) {
            match limit.strip_suffix('d') {
                Some(days) => own.days = days.parse().map_err(|_| bad())?,
                None => own.bytes = limit.parse().map_err(|_| bad())?,
            }
        }
        Ok(own)
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.device, self.bytes)?;
        if self.days > 0 {
            write!(f, "/{}d", self.days)?;
        }
        Ok(())
    }
}

impl Setting for Vec<Own> {
    fn parse(value: &Value) -> Result<Self, String> {
        let texts = Vec::<String>::parse(value)?;
        texts.iter().map(|text| text.parse()).collect()
    }

    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().map(|own| format!("\"{own}\"")).collect();
        format!("[{}]", shown.join(", "))
    }
}

impl Storage {
    /// The limits on what is kept.
    #[must_use]
    pub fn quota(&self) -> Limits {
        let days = |days: u32| (days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400));
        let own = self.quota_cameras.iter().map(|own| {
            let share = Share {
                bytes: own.bytes.limit(),
                age: days(own.days),
            };
            (own.device.clone(), share)
        });
        Limits {
            bytes: self.quota_bytes.limit(),
            age: days(self.quota_days),
            min_free: self.quota_min_free.limit(),
            each: Share {
                bytes: self.quota_camera_bytes.limit(),
                age: days(self.quota_camera_days),
            },
            own: own.collect(),
        }
    }

    /// What is wrong with them: key and sentence.
    pub(super) fn quota_mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let many = |days: u32| days > MOST_DAYS;
        let most = format!("must be {MOST_DAYS} at most");
        if many(self.quota_days) {
            found.push(("storage.quota_days", most.clone()));
        }
        if many(self.quota_camera_days) {
            found.push(("storage.quota_camera_days", most.clone()));
        }
        for (at, own) in self.quota_cameras.iter().enumerate() {
            let again = self.quota_cameras.iter().take(at);
            if again.clone().any(|other| other.device == own.device) {
                let what = format!("{} is named twice", own.device);
                found.push(("storage.quota_cameras", what));
            }
            if many(own.days) {
                let what = format!("the days of {} {most}", own.device);
                found.push(("storage.quota_cameras", what));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use serde_json::json;

    #[test]
    fn bytes_are_written_as_people_write_them_and_shown_so_that_they_are_read_again() {
        for (value, bytes) in [
            (json!(0), 0),
            (json!("0"), 0),
            (json!(1_048_577), 1_048_577),
            (json!("2GB"), 2_000_000_000),
            (json!("2 gb"), 2_000_000_000),
            (json!("1TiB"), 1 << 40),
            (json!("500MB"), 500_000_000),
            (json!("12B"), 12),
        ] {
            let read = Bytes::parse(&value).unwrap();
            assert_eq!(read, Bytes(bytes), "{value}");
            assert_eq!(Bytes::parse(&json!(read.show())).unwrap(), read);
        }
        for bad in [
            json!("GB"),
            json!("-1"),
            json!("1.5GB"),
            json!("99999999TB"),
            json!(-1),
            json!("2 bananas"),
        ] {
            assert!(Bytes::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_camera_may_have_limits_of_its_own() {
        let read = Vec::<Own>::parse(&json!("camera0=20GB, door=5GB/7d,yard=90d")).unwrap();
        assert_eq!(
            read.show(),
            r#"["camera0=20GB", "door=5GB/7d", "yard=0/90d"]"#
        );
        let mut storage = Config::default().storage;
        assert!(
            !storage.quota().is_any(),
            "nothing is deleted unless somebody says so"
        );
        storage.quota_cameras = read;
        let limits = storage.quota();
        assert_eq!(limits.share("camera0").bytes, Some(20_000_000_000));
        assert_eq!(limits.share("camera0").age, None);
        assert_eq!(
            limits.share("yard").age,
            Some(Duration::from_secs(90 * 86_400))
        );
        assert_eq!(limits.share("camera7"), Share::default());
        assert!(storage.quota_mistakes().is_empty());
        storage.quota_cameras.push("door=1d".parse().unwrap());
        storage.quota_days = MOST_DAYS + 1;
        assert_eq!(storage.quota_mistakes().len(), 2);
        for bad in ["camera0", "=5GB", "camera0=", "camera0=5GB/x", "../x=1GB"] {
            assert!(bad.parse::<Own>().is_err(), "{bad}");
        }
    }
}
