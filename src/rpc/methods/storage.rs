//! `get_storage_info`, `set_retention_policy`, `cleanup_old_files`, `protect_recording`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::files;
use crate::access::Role;
use crate::recording::{Durability, EXTENSION};
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::table::{Call, Method, Outcome};
use crate::storage::Figures;
use crate::storage::policy::{MOST_DAYS, MOST_GB, Policy, Type};
use crate::storage::quota::Limits;
use crate::storage::trust::Doubt;
use crate::storage::wear::Partition;

/// `get_storage_info`.
pub const INFO: Method = Method {
    name: "get_storage_info",
    role: Some(Role::Admin),
    params: &[],
    result: "StorageInfo",
    errors: &[],
    doc: "Tells how full the medium of the recordings is, and which retention policy is set.",
    handler: |_, call| {
        let durability = call.desk.recordings.durability();
        let wear = call.desk.wear.wear();
        later(call.desk.storage.figures(), move |came| {
            came.map(|figures| info(&figures, durability, &wear))
                .map_err(|e| files::disk(&e))
        })
    },
};

/// `set_retention_policy`.
pub const SET_POLICY: Method = Method {
    name: "set_retention_policy",
    role: Some(Role::Admin),
    params: &[
        Param {
            name: "policy_type",
            rule: Rule::OneOf(Type::WORDS),
            required: true,
            doc: "age needs max_age_days, size needs max_size_gb, manual deletes nothing by itself",
        },
        Param {
            name: "enabled",
            rule: Rule::Bool,
            required: true,
            doc: "false: nothing is deleted, whatever the limits",
        },
        Param {
            name: "max_age_days",
            rule: Rule::Integer {
                min: 1,
                max: MOST_DAYS as i64,
            },
            required: false,
            doc: "files that were written last so many days ago are deleted",
        },
        Param {
            name: "max_size_gb",
            rule: Rule::Number {
                min: 0,
                max: MOST_GB,
            },
            required: false,
            doc: "recordings and snapshots together take at most so many gigabytes of 10^9 bytes; the oldest go first",
        },
    ],
    result: "RetentionPolicy",
    errors: &[],
    doc: "Says what is deleted by itself, every ten minutes; holds over restarts. Both limits may be given, and then both hold. A running or protected recording is never deleted, and nothing by its age while the clock is not synchronised. Disabled or manual, it switches the quotas of the configuration off, too.",
    handler: |_, call| set(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

/// `cleanup_old_files`.
pub const CLEAN: Method = Method {
    name: "cleanup_old_files",
    role: Some(Role::Admin),
    params: &[],
    result: "Cleanup",
    errors: &[],
    doc: "Deletes now what the retention policy and the quotas of the configuration say; the message tells what could not be done, and why.",
    handler: |_, call| {
        later(call.desk.storage.clean(), |came| {
            let done = came.map_err(|e| files::disk(&e))?;
            Ok(json!({
                "cleanup_executed": done.executed,
                "files_deleted": done.files,
                "space_freed": done.bytes,
                "message": done.message,
            }))
        })
    },
};

/// `protect_recording`; not in the contract.
pub const PROTECT: Method = Method {
    name: "protect_recording",
    role: Some(Role::Operator),
    params: &[
        Param {
            name: "filename",
            rule: Rule::File(EXTENSION),
            required: true,
            doc: "the recording's name, with or without extension",
        },
        Param {
            name: "protected",
            rule: Rule::Bool,
            required: false,
            doc: "false takes the protection off; true when it is absent",
        },
    ],
    result: "Protection",
    errors: &[Code::NotFound],
    doc: "Protects one recording from being deleted, by a policy, a quota or by hand, until the protection is taken off.",
    handler: |_, call| protect(&call),
};

fn protect(call: &Call) -> Outcome {
    let Some(stem) = files::stem(call, EXTENSION) else {
        return Outcome::Now(Err(Fault::not_found(
            "recording",
            call.text("filename"),
            "list_recordings names every recording",
        )));
    };
    let protected = call.params.get("protected") != Some(&Value::Bool(false));
    later(
        call.desk.storage.protect(stem.clone(), protected),
        move |came| match came.map_err(|e| files::disk(&e))? {
            true => Ok(json!({ "filename": stem.as_str(), "protected": protected })),
            false => Err(files::no_such("recording", &stem, "list_recordings")),
        },
    )
}

fn info(figures: &Figures, durability: Durability, wear: &[Partition]) -> Value {
    json!({
        "total_space": figures.space.total,
        "used_space": figures.space.used,
        "available_space": figures.space.available,
        "usage_percentage": figures.space.percent(),
        "recordings_size": figures.recordings.bytes,
        "snapshots_size": figures.snapshots.bytes,
        "low_space_warning": figures.is_low(),
        "extensions": {
            "recording_blocked": figures.is_blocked(),
            "warn_percent": figures.warn_percent,
            "block_percent": figures.block_percent,
            "retention": policy_json(&figures.policy),
            "durability": {
                "flushes": durability.flushes,
                "flush_failures": durability.failures,
                "longest_flush_ms": u64::try_from(durability.longest_flush.as_millis()).unwrap_or(u64::MAX),
                "repaired": durability.repaired,
                "quarantined": durability.quarantined,
            },
            "limits": limits_json(&figures.limits),
            "clock_trusted": figures.clock.is_ok(),
            "clock_doubt": figures.clock.err().map(Doubt::words),
            "protected_recordings": figures.protected,
            "recordings_allocated": figures.recordings.allocated,
            "snapshots_allocated": figures.snapshots.allocated,
            "fallback": figures.fallback.as_ref().map(|spare| json!({
                "path": spare.path,
                "in_use": spare.used,
                "recordings_size": spare.recordings.bytes,
            })),
            "wear": wear.iter().map(Partition::to_json).collect::<Vec<_>>(),
        },
    })
}

fn limits_json(limits: &Limits) -> Value {
    let seconds = |age: Option<Duration>| age.map(|age| age.as_secs());
    let own = limits.own.iter().map(|(device, share)| {
        let shown = json!({ "bytes": share.bytes, "age_s": seconds(share.age) });
        (device.clone(), shown)
    });
    json!({
        "bytes": limits.bytes,
        "age_s": seconds(limits.age),
        "min_free_bytes": limits.min_free,
        "camera_bytes": limits.each.bytes,
        "camera_age_s": seconds(limits.each.age),
        "cameras": own.collect::<Map<String, Value>>(),
    })
}

fn policy_json(policy: &Policy) -> Value {
    let mut shown = json!({
        "policy_type": policy.policy_type.as_str(),
        "enabled": policy.enabled,
    });
    if let Some(days) = policy.max_age_days {
        shown["max_age_days"] = days.into();
    }
    if let Some(gb) = policy.max_size_gb {
        shown["max_size_gb"] = gb.into();
    }
    shown
}

fn set(call: &Call) -> Result<Outcome, Fault> {
    let number = |name: &str| call.params.get(name).and_then(Value::as_f64);
    let days = call.params.get("max_age_days").and_then(whole);
    let policy = Policy {
        policy_type: Type::of(call.text("policy_type")).unwrap_or_default(),
        enabled: call.params.get("enabled") == Some(&Value::Bool(true)),
        max_age_days: days.and_then(|n| u32::try_from(n).ok()),
        max_size_gb: number("max_size_gb"),
    };
    if policy.max_size_gb == Some(0.0) {
        return Err(Fault::param(
            "max_size_gb",
            "minimum",
            "max_size_gb is not more than 0",
            "send more than 0; fractions are allowed",
        ));
    }
    policy
        .check()
        .map_err(|misfit| Fault::param(misfit.param, misfit.rule, misfit.what, misfit.action))?;
    Ok(later(call.desk.storage.set_policy(policy), move |came| {
        came.map_err(|error| {
            Fault::new(
                Code::InternalError,
                "storage_failed",
                error.to_string(),
                error
                    .next_action()
                    .unwrap_or("look at the medium with df and dmesg"),
            )
        })?;
        let mut shown = policy_json(&policy);
        shown["message"] = words(&policy).into();
        Ok(shown)
    }))
}

/// What the policy does, for people.
fn words(policy: &Policy) -> String {
    if !policy.is_in_force() {
        return "nothing is deleted by itself".to_owned();
    }
    let age = policy
        .max_age_days
        .map(|days| format!("files older than {days} days are deleted"));
    let size = policy.max_size_gb.map(|gb| {
        format!(
            "recordings and snapshots together take at most {gb} GB, the oldest are deleted first"
        )
    });
    let limits: Vec<String> = age.into_iter().chain(size).collect();
    format!("{}; looked at every ten minutes", limits.join(", and "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rpc::schema::tests::departure;
    use crate::storage::wear::{Disk, Health, Lately, Spare};

    #[test]
    fn what_is_told_of_wear_has_its_shape_whether_the_medium_tells_or_not() {
        let silent = Partition {
            holds: vec!["data"],
            disk: None,
            lately: Lately::default(),
            health: Health::Unknown("SD cards do not tell how worn they are"),
            days: None,
        };
        let telling = Partition {
            holds: vec!["recordings", "snapshots"],
            disk: Some(Disk {
                name: "mmcblk0p3".to_owned(),
                written: 9_000_000,
            }),
            lately: Lately {
                span: Duration::from_secs(3600),
                written: 2_100_000,
                payload: 2_000_000,
            },
            health: Health::Emmc {
                step: 2,
                spare: Spare::Normal,
            },
            days: Some(900),
        };
        let figures = Figures {
            space: crate::storage::space::Space::default(),
            recordings: crate::storage::shelf::Weight::default(),
            snapshots: crate::storage::shelf::Weight::default(),
            policy: Policy::default(),
            limits: Limits::default(),
            clock: Err(Doubt::Unknown),
            protected: 1,
            warn_percent: 80,
            block_percent: 90,
            fallback: None,
        };
        let told = info(&figures, Durability::default(), &[silent, telling]);
        assert_eq!(departure("StorageInfo", &told), None);
        let wear = &told["extensions"]["wear"];
        assert_eq!(wear[0]["life_used_percent_at_most"], Value::Null);
        assert_eq!(wear[1]["ratio"], 1.05);
        assert_eq!(wear[1]["life_used_percent_at_most"], 20);
    }
}
