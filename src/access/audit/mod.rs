//! Who did what: one line of JSON for every privileged call, every login, every claim.
//!
//! Pure: what a line says, when the file is turned over, which lines a page shows. `io.rs` keeps the file.
//! Secrets never come in: an [`Entry`] has no field for them, and [`Entry::target`] is filled from named
//! parameters only.

pub mod io;
pub mod rotation;

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::clock::Wall;
use crate::error::Later;

/// Characters of a word that came from outside; the rest is cut off.
const LONGEST_WORD: usize = 128;

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was done.
    Ok,
    /// It was refused or failed.
    Refused {
        /// The code of the wire, such as -32002; for HTTP the status.
        code: i32,
        /// The word for programs, such as `insufficient_role`.
        reason: String,
    },
    /// The connection ended before the answer was there: it may or may not have been done.
    Unknown,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was asked for.
    pub at: Wall,
    /// The user id; empty while nobody is known.
    pub who: String,
    /// The id of the token or key, where it has one. Never the token.
    pub credential: Option<String>,
    /// From where; `None`: on the box itself.
    pub from: Option<IpAddr>,
    /// The method, or `claim`.
    pub method: String,
    /// The camera, file or key it was about.
    pub target: Option<String>,
    /// How it went.
    pub verdict: Verdict,
}

impl Entry {
    /// The entry as one JSON object, the shape of the file's lines and of `get_audit_log`'s entries:
    /// `{time, who, credential, from, method, target, result, reason}`; `result` is `ok`, `unknown` or the code,
    /// what does not apply is null.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (result, reason) = match &self.verdict {
            Verdict::Ok => ("ok".to_owned(), None),
            Verdict::Unknown => ("unknown".to_owned(), None),
            Verdict::Refused { code, reason } => (code.to_string(), Some(reason)),
        };
        json!({
            "time": self.at.rfc3339(),
            "who": short(&self.who),
            "credential": self.credential.as_deref().map(short),
            "from": self.from.map(|ip| ip.to_canonical().to_string()),
            "method": short(&self.method),
            "target": self.target.as_deref().map(short),
            "result": result,
            "reason": reason.map(|reason| short(reason)),
        })
    }
}

/// The line that stands in the place of `count` others which were lost because the queue was full.
#[must_use]
pub fn lost(count: u64, at: Wall) -> Value {
    let entry = Entry {
        at,
        who: String::new(),
        credential: None,
        from: None,
        method: "audit".to_owned(),
        target: None,
        verdict: Verdict::Refused {
            code: 0,
            reason: format!("{count} entries were lost: more came than could be written"),
        },
    };
    let mut line = entry.to_json();
    line["result"] = "lost".into();
    line
}

/// The parameters whose text tells what a call was about. Others may carry secrets and are not looked at.
const TARGETS: &[&str] = &["device", "filename", "key_id", "name", "user"];

/// What a call was about, from its parameters.
#[must_use]
pub fn target(params: &Map<String, Value>) -> Option<String> {
    TARGETS
        .iter()
        .find_map(|name| params.get(*name)?.as_str())
        .map(short)
}

/// What came from outside, cut, and without what could make a terminal or a reader see other lines than there are:
/// control characters (JSON leaves those beyond ASCII as they are), line separators, and letters that turn the
/// direction of writing.
fn short(text: &str) -> String {
    let plain = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().take(LONGEST_WORD).map(plain).collect()
}

/// Part of the log, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Lines, as objects.
    pub entries: Vec<Value>,
    /// Lines there are in all.
    pub total: usize,
}

/// Picks a page out of files given newest first, each with its oldest line first. What is no JSON object (a
/// line the power cut tore) is passed over.
#[must_use]
pub fn page<'a>(files: impl IntoIterator<Item = &'a str>, limit: usize, offset: usize) -> Page {
    let mut page = Page::default();
    for line in files.into_iter().flat_map(|file| file.lines().rev()) {
        // Only what is shown is read; the rest is counted by its ends.
        if !(line.starts_with('{') && line.ends_with('}')) {
            continue;
        }
        if page.total >= offset && page.entries.len() < limit {
            match serde_json::from_str(line) {
                Ok(entry @ Value::Object(_)) => page.entries.push(entry),
                _ => continue,
            }
        }
        page.total += 1;
    }
    page
}

/// Where entries go. Called on the request's path: it must not block.
pub trait Audit: Send + Sync {
    /// Keeps an entry, or counts it as lost where too many wait.
    fn record(&self, entry: Entry);

    /// Reads `limit` entries, newest first, after leaving out `offset`. Whatever was recorded before is in.
    fn read(&self, limit: usize, offset: usize) -> Later<Page>;
}

/// Keeps nothing; for tests and for what runs without a data folder.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl Audit for Nowhere {
    fn record(&self, _: Entry) {}

    fn read(&self, _: usize, _: usize) -> Later<Page> {
        Box::pin(std::future::ready(Ok(Page::default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(verdict: Verdict) -> Entry {
        Entry {
            at: Wall::from_secs(1_790_000_000),
            who: "ann".to_owned(),
            credential: Some("k7".to_owned()),
            from: Some("::ffff:10.0.0.7".parse().unwrap()),
            method: "set_video".to_owned(),
            target: Some("camera0".to_owned()),
            verdict,
        }
    }

    #[test]
    fn a_line_says_who_did_what_from_where_and_how_it_went() {
        assert_eq!(
            entry(Verdict::Ok).to_json(),
            json!({
                "time": "2026-09-21T14:13:20.000Z", "who": "ann", "credential": "k7",
                "from": "10.0.0.7", "method": "set_video", "target": "camera0",
                "result": "ok", "reason": null,
            })
        );
        let refused = entry(Verdict::Refused {
            code: -32002,
            reason: "insufficient_role".to_owned(),
        });
        assert_eq!(refused.to_json()["result"], "-32002");
        assert_eq!(refused.to_json()["reason"], "insufficient_role");
    }

    #[test]
    fn no_name_makes_a_second_line_moves_a_terminal_or_turns_the_writing() {
        let mut odd = entry(Verdict::Refused {
            code: -32602,
            reason: "no\nsuch".to_owned(),
        });
        odd.who = "eve\n{\"who\":\"ann\"}\r\u{1b}[2J\u{9b}1A\u{7f}".to_owned();
        odd.target = Some("a\u{202e}gpj.exe\u{2028}b".to_owned());
        let line = odd.to_json().to_string();
        assert_eq!(line.lines().count(), 1);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{202e}', '\u{2028}']), "{line:?}");
        // Letters of every language stay.
        odd.who = "Ända 愛".to_owned();
        assert_eq!(odd.to_json()["who"], "Ända 愛");
    }

    #[test]
    fn a_target_is_taken_from_harmless_parameters_only_and_cut() {
        let of = |value: Value| target(value.as_object().unwrap());
        assert_eq!(of(json!({"device": "camera0"})).as_deref(), Some("camera0"));
        assert_eq!(
            of(json!({"auth_token": "s", "token": "s", "stream_url": "rtsp://u:p@h"})),
            None
        );
        assert_eq!(
            of(json!({"device": "x".repeat(9999)})).unwrap().len(),
            LONGEST_WORD
        );
        assert_eq!(of(json!({"device": 7})), None);
    }

    #[test]
    fn a_page_is_newest_first_across_files_and_passes_over_torn_lines() {
        let new = "{\"n\":3}\n{\"n\":4}\n{\"n\":";
        let old = "{\"n\":1}\n\0\0\0\n{\"n\":2}\n";
        let n = |limit, offset| -> Vec<u64> {
            let page = page([new, old], limit, offset);
            page.entries
                .iter()
                .map(|e| e["n"].as_u64().unwrap())
                .collect()
        };
        assert_eq!(n(10, 0), [4, 3, 2, 1]);
        assert_eq!(n(2, 1), [3, 2]);
        assert_eq!(n(2, 9), [0; 0]);
        assert_eq!(page([new, old], 1, 0).total, 4);
    }
}
