//! `get_audit_log`: who did what on this box.

use serde_json::json;

use crate::access::Role;
use crate::rpc::error::{Code, Fault};
use crate::rpc::io::later;
use crate::rpc::params::{Param, Rule, whole};
use crate::rpc::table::{Call, Method};

/// Entries that are given without `limit`.
const USUALLY: i64 = 100;

/// `get_audit_log`.
pub const LOG: Method = Method {
    name: "get_audit_log",
    role: Some(Role::Admin),
    params: &[
        Param {
            name: "limit",
            rule: Rule::Integer { min: 1, max: 1000 },
            required: false,
            doc: "how many entries, 100 when absent",
        },
        Param {
            name: "offset",
            rule: Rule::Integer {
                min: 0,
                max: 1_000_000,
            },
            required: false,
            doc: "how many of the newest to leave out, 0 when absent",
        },
    ],
    result: "AuditLog",
    errors: &[Code::DependencyFailed],
    doc: "Who logged in, claimed or changed what, newest first; the oldest are dropped beyond 4 MiB.",
    handler: |_, call| {
        let (limit, offset) = (number(&call, "limit", USUALLY), number(&call, "offset", 0));
        let count = |n: i64| usize::try_from(n).unwrap_or(0);
        let page = call.desk.guard.audit.read(count(limit), count(offset));
        later(page, move |page| {
            let page = page.map_err(|error| {
                let next = error
                    .next_action()
                    .unwrap_or("see the service's log")
                    .to_owned();
                Fault::dependency("audit_log", error.to_string(), next)
            })?;
            Ok(json!({
                "entries": page.entries,
                "total": page.total,
                "limit": limit,
                "offset": offset,
            }))
        })
    },
};

fn number(call: &Call, name: &str, absent: i64) -> i64 {
    call.params.get(name).and_then(whole).unwrap_or(absent)
}
