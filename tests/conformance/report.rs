//! Counts expectations and says which did not hold.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::contract::{CODES, Method};
use crate::shape::{brief, exactly, instant};
use crate::wire::{Answer, Reply};

/// What a call must give.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// A result is good.
    pub(crate) success: bool,
    /// So is one of these refusals.
    pub(crate) codes: Vec<i64>,
    /// Of a -32602: the parameter that must be named.
    pub(crate) param: Option<String>,
    /// Of a -32602: the rule that must be named.
    pub(crate) rule: Option<&'static str>,
    /// What a refusal's `suggestion` must name.
    pub(crate) suggests: Option<String>,
}

impl Wanted {
    pub(crate) fn success() -> Self {
        Self {
            success: true,
            ..Self::default()
        }
    }

    pub(crate) fn code(code: i64) -> Self {
        Self {
            codes: vec![code],
            ..Self::default()
        }
    }

    pub(crate) fn param(name: &str) -> Self {
        Self {
            codes: vec![-32602],
            param: Some(name.to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn or(mut self, code: i64) -> Self {
        self.codes.push(code);
        self
    }

    fn words(&self) -> String {
        let mut words: Vec<String> = self.codes.iter().map(ToString::to_string).collect();
        if self.success {
            words.insert(0, "a result".to_owned());
        }
        words.join(" or ")
    }
}

/// What one scenario found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) held: usize,
    pub(crate) failures: Vec<String>,
    /// Failures that are known and stand in the list of those.
    pub(crate) known: Vec<String>,
    /// Cases that could not be tried, because a method is missing.
    pub(crate) not_offered: usize,
    /// Cases that were not tried, and why.
    pub(crate) left_out: Vec<String>,
    /// The error codes met.
    pub(crate) codes: BTreeSet<i64>,
}

impl Report {
    /// One expectation.
    pub(crate) fn expect(&mut self, holds: bool, says: impl FnOnce() -> String) -> bool {
        if holds {
            self.held += 1;
        } else {
            self.failures.push(says());
        }
        holds
    }

    /// What a call gave against what it must give; the label names method, role and case.
    pub(crate) fn judge(
        &mut self,
        label: &str,
        method: Option<&Method>,
        wanted: &Wanted,
        reply: &Reply,
    ) {
        let answer = match reply {
            Ok(answer) => answer,
            Err(why) => {
                self.failures.push(format!(
                    "{label}: {why}; the contract says {}",
                    wanted.words()
                ));
                return;
            }
        };
        self.envelope(label, answer);
        if answer.is_success() {
            let good = self.expect(wanted.success, || {
                format!(
                    "{label}: came the result {}; the contract says {}",
                    brief(&answer.result().to_string()),
                    wanted.words()
                )
            });
            if let Some(method) = method.filter(|_| good) {
                let departures = method.result.departures(answer.result());
                self.expect(departures.is_empty(), || {
                    format!("{label}: {}", departures.join("; "))
                });
            }
        } else {
            self.refusal(label, wanted, answer);
        }
    }

    fn refusal(&mut self, label: &str, wanted: &Wanted, answer: &Answer) {
        let code = answer.code().unwrap_or_default();
        let right = self.expect(wanted.codes.contains(&code), || {
            format!(
                "{label}: came {code} ({}); the contract says {}",
                brief(answer.data()["details"].as_str().unwrap_or(&answer.raw)),
                wanted.words()
            )
        });
        if !right || code != -32602 {
            return;
        }
        let data = answer.data();
        if let Some(param) = &wanted.param {
            // The parameter itself (§3), not a place inside it: a form marks the field it has.
            self.expect(data["param"] == param.as_str(), || {
                format!("{label}: data.param is {}, not {param:?}", data["param"])
            });
        }
        if let Some(rule) = wanted.rule {
            self.expect(data["rule"] == rule, || {
                format!("{label}: data.rule is {}, not {rule:?}", data["rule"])
            });
        }
        if let Some(name) = &wanted.suggests {
            self.expect(
                data["suggestion"]
                    .as_str()
                    .is_some_and(|s| s.contains(name)),
                || {
                    format!(
                        "{label}: data.suggestion is {}, and does not name {name}",
                        data["suggestion"]
                    )
                },
            );
        }
    }

    /// The members of an answer, of its `metadata` and of its error (§3, §7, §20.5, §20.9).
    pub(crate) fn envelope(&mut self, label: &str, answer: &Answer) {
        let outcome = if answer.is_success() {
            "result"
        } else {
            "error"
        };
        let members = answer.json.as_object();
        self.expect(
            members.is_some_and(|m| exactly(m, &["jsonrpc", "id", outcome, "metadata"]))
                && answer.json["jsonrpc"] == "2.0",
            || {
                format!(
                    "{label}: the answer is not exactly jsonrpc 2.0, id, {outcome}, metadata: {}",
                    brief(&answer.raw)
                )
            },
        );
        let metadata = &answer.json["metadata"];
        let id = answer.id_text().unwrap_or_default();
        self.expect(
            metadata.as_object().is_some_and(|m| {
                exactly(m, &["processing_time_ms", "server_timestamp", "request_id"])
            }) && metadata["processing_time_ms"].as_f64().is_some_and(|ms| ms >= 0.0)
                && metadata["server_timestamp"].as_str().is_some_and(|t| instant(t).is_some())
                && metadata["request_id"].as_str().is_some_and(|r| r == id),
            || format!("{label}: metadata is not processing_time_ms, server_timestamp and request_id as the id's JSON text: {}", brief(&metadata.to_string())),
        );
        if outcome == "error" {
            let odd = odd_error(&answer.json["error"]);
            self.expect(odd.is_none(), || {
                format!("{label}: {}", odd.unwrap_or_default())
            });
            self.codes.extend(answer.code());
        }
    }

    /// The summary and a line for each failure.
    pub(crate) fn text(&self, name: &str) -> String {
        let mut text = String::new();
        for failure in &self.failures {
            text += &format!("FAIL {failure}\n");
        }
        for failure in &self.known {
            text += &format!("known to fail: {failure}\n");
        }
        for why in &self.left_out {
            text += &format!("left out: {why}\n");
        }
        text + &format!(
            "{name}: {} expectations, {} failed, {} known to fail, {} cases not offered, {} left out",
            self.held + self.failures.len() + self.known.len(),
            self.failures.len(),
            self.known.len(),
            self.not_offered,
            self.left_out.len()
        )
    }
}

/// What is odd about an error object.
pub(crate) fn odd_error(error: &Value) -> Option<String> {
    let members = error.as_object()?;
    if !exactly(members, &["code", "message", "data"]) {
        return Some(format!(
            "the error is not exactly code, message, data: {}",
            brief(&error.to_string())
        ));
    }
    let code = error["code"].as_i64();
    let Some((_, message, own)) = CODES.iter().find(|(c, ..)| Some(*c) == code) else {
        return Some(format!(
            "the code {} is not in the contract (§7)",
            error["code"]
        ));
    };
    if error["message"] != *message {
        return Some(format!(
            "the message of {} is {}, not {message:?}",
            error["code"], error["message"]
        ));
    }
    let data = &error["data"];
    let common = ["reason", "details", "suggestion", "hint"];
    let names: Vec<&str> = common.iter().chain(*own).copied().collect();
    if !data.as_object().is_some_and(|d| exactly(d, &names)) {
        return Some(format!(
            "data of {} does not hold exactly {}: {}",
            error["code"],
            names.join(", "),
            brief(&data.to_string())
        ));
    }
    if let Some(empty) = common
        .iter()
        .find(|n| data[**n].as_str().is_none_or(str::is_empty))
    {
        return Some(format!("data.{empty} of {} says nothing", error["code"]));
    }
    if data["hint"] != data["suggestion"] {
        return Some("data.hint is not the same as data.suggestion".to_owned());
    }
    let fits = |name: &str| match name {
        "retry_after_ms" => data[name].is_u64(),
        "allowed_states" => data[name].is_array(),
        _ => data[name].as_str().is_some_and(|t| !t.is_empty()),
    };
    own.iter()
        .find(|n| !fits(n))
        .map(|n| format!("data.{n} of {} is {}", error["code"], data[*n]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(code: i64, message: &str, own: Value) -> Value {
        let mut data = json!({ "reason": "r", "details": "d", "suggestion": "s", "hint": "s" });
        for (name, value) in own.as_object().unwrap() {
            data[name] = value.clone();
        }
        json!({ "code": code, "message": message, "data": data })
    }

    #[test]
    fn an_error_is_held_against_its_row() {
        let good = error(
            -32602,
            "Invalid parameters",
            json!({ "param": "p", "rule": "type" }),
        );
        assert_eq!(odd_error(&good), None);
        for (bad, words) in [
            (error(-32604, "Other", json!({})), "not in the contract"),
            (error(-32601, "No method", json!({})), "message"),
            (
                error(-32602, "Invalid parameters", json!({ "param": "p" })),
                "exactly",
            ),
            (
                error(-32601, "Method not found", json!({ "extra": 1 })),
                "exactly",
            ),
            (
                error(-32601, "Method not found", json!({ "hint": "t" })),
                "not the same",
            ),
            (
                error(-32601, "Method not found", json!({ "reason": "" })),
                "says nothing",
            ),
            (
                error(-32040, "Rate limited", json!({ "retry_after_ms": "5" })),
                "retry_after_ms",
            ),
        ] {
            let odd = odd_error(&bad).unwrap();
            assert!(odd.contains(words), "{odd}");
        }
    }

    #[test]
    fn a_wrong_code_and_an_undocumented_field_are_failures_with_their_label() {
        let answer = |body: Value| {
            let mut json = json!({
                "jsonrpc": "2.0", "id": 1,
                "metadata": { "processing_time_ms": 0.1, "server_timestamp": "2026-01-01T00:00:00Z", "request_id": "1" },
            });
            for (name, value) in body.as_object().unwrap() {
                json[name] = value.clone();
            }
            Ok(Answer {
                raw: json.to_string(),
                json,
                took: Default::default(),
            })
        };
        let mut report = Report::default();
        let ping = crate::contract::method("ping");
        report.judge(
            "a",
            Some(ping),
            &Wanted::success(),
            &answer(json!({ "result": "pong" })),
        );
        assert!(report.failures.is_empty(), "{report:?}");
        report.judge(
            "b",
            Some(ping),
            &Wanted::success(),
            &answer(json!({ "result": "PONG" })),
        );
        report.judge(
            "c",
            Some(ping),
            &Wanted::code(-32601),
            &answer(json!({ "result": "pong" })),
        );
        let refused = answer(json!({ "error": error(-32601, "Method not found", json!({})) }));
        report.judge("d", Some(ping), &Wanted::success(), &refused);
        let labels: Vec<&str> = report.failures.iter().map(|f| &f[..1]).collect();
        assert_eq!(labels, ["b", "c", "d"], "{report:?}");
    }
}
