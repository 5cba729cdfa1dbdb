//! `get_storage_info`, `set_retention_policy`, `cleanup_old_files`.

use serde_json::{Value, json};

use super::files;
use crate::access::Role;
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::table::{Call, Method, Outcome};
use crate::storage::Figures;
use crate::storage::policy::{MOST_DAYS, MOST_GB, Policy, Type};
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
        let wear = call.desk.wear.wear();
        later(call.desk.storage.figures(), move |came| {
            came.map(|figures| info(&figures, &wear))
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
    doc: "Says what is deleted by itself, every ten minutes; holds over restarts. Both limits may be given, and then both hold. A running recording is never deleted.",
    handler: |_, call| set(&call).unwrap_or_else(|fault| Outcome::Now(Err(fault))),
};

/// `cleanup_old_files`.
pub const CLEAN: Method = Method {
    name: "cleanup_old_files",
    role: Some(Role::Admin),
    params: &[],
    result: "Cleanup",
    errors: &[],
    doc: "Deletes now what the retention policy says.",
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

fn info(figures: &Figures, wear: &[Partition]) -> Value {
    json!({
        "total_space": figures.space.total,
        "used_space": figures.space.used,
        "available_space": figures.space.available,
        "usage_percentage": figures.space.percent(),
        "recordings_size": figures.recordings,
        "snapshots_size": figures.snapshots,
        "low_space_warning": figures.is_low(),
        "extensions": {
            "recording_blocked": figures.is_blocked(),
            "warn_percent": figures.warn_percent,
            "block_percent": figures.block_percent,
            "retention": policy_json(&figures.policy),
            "wear": wear.iter().map(Partition::to_json).collect::<Vec<_>>(),
        },
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
            recordings: 0,
            snapshots: 0,
            policy: Policy::default(),
            warn_percent: 80,
            block_percent: 90,
        };
        let told = info(&figures, &[silent, telling]);
        assert_eq!(departure("StorageInfo", &told), None);
        let wear = &told["extensions"]["wear"];
        assert_eq!(wear[0]["life_used_percent_at_most"], Value::Null);
        assert_eq!(wear[1]["ratio"], 1.05);
        assert_eq!(wear[1]["life_used_percent_at_most"], 20);
    }
}
