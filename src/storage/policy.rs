//! What is deleted, and when: the policy, its form on the disk, and who falls victim to it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::names::Stem;
use super::shelf::Entry;
use crate::clock::Wall;

/// Bytes of `max_size_gb`: a gigabyte as media are sold by.
pub const GIGABYTE: f64 = 1e9;
/// The longest age: a hundred years.
pub const MOST_DAYS: u32 = 36_500;
/// The largest size in gigabytes: a petabyte.
pub const MOST_GB: u32 = 1_000_000;
/// A clock before this is wrong: the service was not yet written (2026-01-01).
pub const EARLIEST: Wall = Wall::from_secs(1_767_225_600);

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
    fn most_bytes(&self) -> Option<u64> {
        self.max_size_gb.map(|gb| (gb * GIGABYTE) as u64)
    }
}

/// Which files fall victim to a policy, oldest first, and whether their age could be judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The files.
    pub victims: Vec<Entry>,
    /// The clock is obviously wrong: nothing was judged by its age.
    pub clock_is_wrong: bool,
}

/// Judges: `files` are recordings and snapshots together.
#[must_use]
pub fn judge(
    policy: &Policy,
    mut files: Vec<Entry>,
    is_protected: impl Fn(&Stem) -> bool,
    now: Wall,
) -> Verdict {
    let mut verdict = Verdict::default();
    if !policy.is_in_force() {
        return verdict;
    }
    files.sort_by(|a, b| (a.modified, &a.stem).cmp(&(b.modified, &b.stem)));
    let mut sum: u64 = files.iter().map(|f| f.size).sum();
    let trusted = now >= EARLIEST;
    verdict.clock_is_wrong = !trusted && policy.max_age_days.is_some();
    let oldest = policy
        .max_age_days
        .filter(|_| trusted)
        .map(|days| now.as_secs().saturating_sub(u64::from(days) * DAY));
    for file in files {
        let too_old = oldest.is_some_and(|oldest| file.modified.as_secs() < oldest);
        let too_much = policy.most_bytes().is_some_and(|most| sum > most);
        if (too_old || too_much) && !is_protected(&file.stem) {
            sum = sum.saturating_sub(file.size);
            verdict.victims.push(file);
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Wall = Wall::from_secs(1_790_000_000);

    fn file(stem: &str, days_old: u64, size: u64) -> Entry {
        Entry {
            stem: stem.parse().unwrap(),
            device: "camera0".to_owned(),
            size,
            modified: Wall::from_secs(NOW.as_secs() - days_old * DAY - 1),
            created: None,
            path: std::path::PathBuf::new(),
        }
    }

    fn policy(policy_type: Type, max_age_days: Option<u32>, max_size_gb: Option<f64>) -> Policy {
        Policy {
            policy_type,
            enabled: true,
            max_age_days,
            max_size_gb,
        }
    }

    fn victims(policy: &Policy, now: Wall) -> Vec<String> {
        let files = vec![
            file("new", 0, 400_000_000),
            file("old", 9, 300_000_000),
            file("mid", 5, 500_000_000),
        ];
        let verdict = judge(policy, files, |s| s.as_str() == "protected", now);
        verdict.victims.iter().map(|f| f.stem.to_string()).collect()
    }

    #[test]
    fn the_oldest_go_first_and_no_more_than_needed() {
        assert_eq!(victims(&policy(Type::Age, Some(7), None), NOW), ["old"]);
        assert_eq!(victims(&policy(Type::Size, None, Some(1.0)), NOW), ["old"]);
        assert_eq!(
            victims(&policy(Type::Size, None, Some(0.5)), NOW),
            ["old", "mid"]
        );
        let none: [&str; 0] = [];
        assert_eq!(victims(&policy(Type::Size, None, Some(1.2)), NOW), none);
        // Both limits hold, whichever is named first.
        assert_eq!(
            victims(&policy(Type::Size, Some(4), Some(1.2)), NOW),
            ["old", "mid"]
        );
    }

    #[test]
    fn a_policy_that_is_switched_off_or_manual_deletes_nothing() {
        let none: [&str; 0] = [];
        let mut off = policy(Type::Age, Some(1), None);
        off.enabled = false;
        assert_eq!(victims(&off, NOW), none);
        assert_eq!(victims(&policy(Type::Manual, None, None), NOW), none);
        assert_eq!(victims(&Policy::default(), NOW), none);
    }

    #[test]
    fn a_wrong_clock_deletes_nothing_by_age_and_says_so() {
        let by_age = policy(Type::Age, Some(1), None);
        let files = || vec![file("old", 9, 10)];
        let verdict = judge(&by_age, files(), |_| false, Wall::from_secs(100_000_000));
        assert!(verdict.clock_is_wrong && verdict.victims.is_empty());
        assert!(!judge(&by_age, files(), |_| false, NOW).clock_is_wrong);
        let by_size = policy(Type::Size, None, Some(1e-9));
        assert_eq!(
            judge(&by_size, files(), |_| false, Wall::default())
                .victims
                .len(),
            1
        );
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

    proptest! {
        #[test]
        fn a_protected_file_never_falls_victim(ages in proptest::collection::vec((0_u64..400, 0_u64..1000), 0..30), days in 1_u32..300, bytes in 1_u32..5000) {
            let files: Vec<Entry> = ages.iter().enumerate().map(|(n, (age, size))| file(&format!("f{n}"), *age, *size)).collect();
            let rule = policy(Type::Age, Some(days), Some(f64::from(bytes) / GIGABYTE));
            let odd = |s: &Stem| s.as_str().ends_with(['1', '3', '5', '7', '9']);
            let verdict = judge(&rule, files.clone(), odd, NOW);
            prop_assert!(verdict.victims.iter().all(|f| !odd(&f.stem)));
            let rest: u64 = files.iter().filter(|f| !verdict.victims.contains(f) && !odd(&f.stem)).map(|f| f.size).sum();
            prop_assert!(rest <= u64::from(bytes) || verdict.victims.is_empty());
        }
    }
}
