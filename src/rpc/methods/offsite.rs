//! `get_offsite_status`; not in the contract.

use serde_json::{Value, json};

use crate::access::Role;
use crate::offsite::Report;
use crate::rpc::table::{Method, Outcome};

/// `get_offsite_status`.
pub const STATUS: Method = Method {
    name: "get_offsite_status",
    role: Some(Role::Operator),
    params: &[],
    result: "OffsiteStatus",
    errors: &[],
    doc: "Tells how the off-site copy is: what waits, what was copied, how fast, and what failed last with the next action.",
    handler: |_, call| Outcome::Now(Ok(status(call.desk.offsite.report()))),
};

fn status(report: Option<Report>) -> Value {
    let Some(report) = report else {
        return json!({ "configured": false, "state": "OFF" });
    };
    let current = report.current.map(|current| {
        json!({
            "object": current.object,
            "bytes": current.size,
            "stored_bytes": current.stored,
        })
    });
    let trouble = report.trouble.map(|trouble| {
        json!({
            "time": trouble.at.rfc3339(),
            "code": trouble.cause.word,
            "cause": trouble.cause.what,
            "action": trouble.cause.action,
            "lasts": trouble.lasts,
        })
    });
    json!({
        "configured": true,
        "state": report.state.as_str(),
        "store": report.store,
        "waiting_files": report.waiting,
        "waiting_bytes": report.waiting_bytes,
        "copied_files": report.copied,
        "sent_bytes": report.sent_bytes,
        "bytes_per_second": report.rate,
        "current": current,
        "last_success": report.last_success.map(|at| at.rfc3339()),
        "last_error": trouble,
        "failures_in_a_row": report.failures,
        "next_try": report.next_try.map(|at| at.rfc3339()),
        "keep_until_copied": report.keeps,
        "deleted_without_copy": report.shed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::offsite::cause::{Seen, understand};
    use crate::offsite::state::Current;
    use crate::offsite::{State, Trouble};
    use crate::rpc::schema::tests::departure;

    #[test]
    fn what_is_told_has_its_shape_whether_a_store_is_configured_or_not() {
        let off = status(None);
        assert_eq!(departure("OffsiteStatus", &off), None);
        assert_eq!(off["state"], "OFF");
        let at = Wall::from_secs(1_790_000_000);
        let mut report = Report {
            store: "cameras at https://store.example".to_owned(),
            state: State::Retrying,
            waiting: 3,
            waiting_bytes: 900,
            copied: 7,
            sent_bytes: 12,
            rate: 4,
            current: Some(Current {
                object: "recordings/camera0/a.mp4".to_owned(),
                size: 9,
                stored: 5,
            }),
            last_success: Some(at),
            trouble: Some(Trouble {
                at,
                cause: understand(&Seen::Silent),
                lasts: true,
            }),
            failures: 2,
            next_try: Some(at),
            keeps: true,
            shed: 0,
        };
        let told = status(Some(report.clone()));
        assert_eq!(departure("OffsiteStatus", &told), None);
        assert_eq!(told["last_error"]["code"], "unreachable");
        (report.current, report.last_success) = (None, None);
        (report.trouble, report.next_try) = (None, None);
        assert_eq!(departure("OffsiteStatus", &status(Some(report))), None);
    }
}
