//! What is deleted, and when: the policy that an administrator sets, and its form on the disk.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of `max_size_gb`: a gigabyte as media are sold by.
pub const GIGABYTE: f64 = 1e9;
/// The longest age: a hundred years.
pub const MOST_DAYS: u32 = 36_500;
/// The largest size in gigabytes: a petabyte.
pub const MOST_GB: u32 = 1_000_000;

const DAY: u64 = 86_400;

/// What a policy goes by first. Both limits may be given with `age` and with `size`, and then both hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Needs `max_age_days`.
    Age,
    /// Needs `max_size_gb`.
    Size,
    /// Nothing is deleted but by hand.
    #[default]
    Manual,
}

impl Type {
    /// The words on the wire.
    pub const WORDS: &'static [&'static str] = &["age", "size", "manual"];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
            Self::Manual => "manual",
        }
    }

    /// By its word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Age, Self::Size, Self::Manual]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// What is deleted, and when.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What it goes by.
    pub policy_type: Type,
    /// False: nothing is deleted, whatever the limits.
    pub enabled: bool,
    /// Files older than so many days go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
    /// Recordings and snapshots together take at most so many gigabytes (10⁹ bytes); the oldest go first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size_gb: Option<f64>,
}

/// A limit that is missing or out of place: which, the rule it breaks, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit {
    /// The parameter.
    pub param: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// What to do.
    pub action: &'static str,
}

impl Policy {
    /// Whether it deletes anything.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.enabled && self.policy_type != Type::Manual
    }

    /// What does not fit together, if anything.
    ///
    /// # Errors
    /// The first misfit.
    pub fn check(&self) -> Result<(), Misfit> {
        let misfit = |param, rule, what, action| {
            Err(Misfit {
                param,
                rule,
                what,
                action,
            })
        };
        match self {
            Self {
                policy_type: Type::Manual,
                max_age_days: Some(_),
                ..
            } => misfit(
                "max_age_days",
                "forbidden",
                "a manual policy has no limits",
                "leave it out, or send policy_type age",
            ),
            Self {
                policy_type: Type::Manual,
                max_size_gb: Some(_),
                ..
            } => misfit(
                "max_size_gb",
                "forbidden",
                "a manual policy has no limits",
                "leave it out, or send policy_type size",
            ),
            Self {
                policy_type: Type::Age,
                max_age_days: None,
                ..
            } => misfit(
                "max_age_days",
                "required",
                "a policy by age needs max_age_days",
                "add max_age_days, 1 or more",
            ),
            Self {
                policy_type: Type::Size,
                max_size_gb: None,
                ..
            } => misfit(
                "max_size_gb",
                "required",
                "a policy by size needs max_size_gb",
                "add max_size_gb, more than 0",
            ),
            _ => Ok(()),
        }
    }

    /// Its form on the disk.
    #[must_use]
    pub fn to_text(&self) -> String {
        // A finite number and words always have a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// From its form on the disk.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let policy: Self = serde_json::from_value(value).map_err(|e| e.to_string())?;
        policy.check().map_err(|misfit| misfit.what.to_owned())?;
        let age = policy
            .max_age_days
            .is_none_or(|d| (1..=MOST_DAYS).contains(&d));
        let size = policy
            .max_size_gb
            .is_none_or(|g| g > 0.0 && g <= f64::from(MOST_GB));
        (age && size)
            .then_some(policy)
            .ok_or_else(|| "a limit is out of range".to_owned())
    }

    /// The limit on the sum of sizes, in bytes.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: from 0 to 10^15"
    )]
    pub(super) fn most_bytes(&self) -> Option<u64> {
        self.max_size_gb.map(|gb| (gb * GIGABYTE) as u64)
    }

    /// The limit on age.
    pub(super) fn longest(&self) -> Option<Duration> {
        let days = |days| Duration::from_secs(u64::from(days) * DAY);
        self.max_age_days.map(days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(policy_type: Type, max_age_days: Option<u32>, max_size_gb: Option<f64>) -> Policy {
        Policy {
            policy_type,
            enabled: true,
            max_age_days,
            max_size_gb,
        }
    }

    #[test]
    fn each_type_needs_its_limit_and_manual_refuses_both() {
        let broken = |p: Policy| p.check().err().map(|m| (m.param, m.rule));
        assert_eq!(
            broken(policy(Type::Age, None, Some(1.0))),
            Some(("max_age_days", "required"))
        );
        assert_eq!(
            broken(policy(Type::Size, Some(1), None)),
            Some(("max_size_gb", "required"))
        );
        assert_eq!(
            broken(policy(Type::Manual, Some(1), None)),
            Some(("max_age_days", "forbidden"))
        );
        assert_eq!(
            broken(policy(Type::Manual, None, Some(1.0))),
            Some(("max_size_gb", "forbidden"))
        );
        assert_eq!(broken(policy(Type::Age, Some(1), Some(1.0))), None);
    }

    #[test]
    fn a_policy_survives_the_disk_and_a_damaged_one_is_refused() {
        let kept = policy(Type::Size, Some(30), Some(12.5));
        assert_eq!(Policy::from_text(&kept.to_text()), Ok(kept));
        for bad in [
            "",
            "{}",
            r#"{"policy_type":"age","enabled":true}"#,
            r#"{"policy_type":"size","enabled":true,"max_size_gb":-1}"#,
        ] {
            assert!(Policy::from_text(bad).is_err(), "{bad}");
        }
    }
}
