//! Decides what MediaMTX's words mean: the level of a line, whether it is one too many, why it died.
//!
//! MediaMTX can repeat one sentence thousands of times a second and fill a card with it, so a repeated sentence is
//! counted instead of written. Sentences are compared with their numbers masked: "reader 17" is "reader 18".

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tracing::Level;

use crate::clock::Mono;
use crate::mediamtx::process::masked;
use crate::mediamtx::settings::Settings;

/// Bytes of one line that are kept.
pub const LONGEST_LINE: usize = 2048;
/// Times that one sentence is written within [`WINDOW`].
const REPEATS: u32 = 5;
/// After so long a repeated sentence may be written again.
const WINDOW: Duration = Duration::from_secs(10);
/// Sentences remembered; further ones share one count, so memory is bounded and so is the flood.
const SENTENCES: usize = 64;

/// One line of MediaMTX's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its level, in our terms.
    pub level: Level,
    /// Its text.
    pub text: String,
}

/// Reads one line: a JSON object as our configuration asks for, or plain text, as before it has read that.
#[must_use]
pub fn read(line: &str) -> Line {
    #[derive(Deserialize)]
    struct Structured<'a> {
        level: &'a str,
        message: String,
    }
    if let Ok(found) = serde_json::from_str::<Structured<'_>>(line) {
        return Line {
            level: level(found.level),
            text: masked::masked(&found.message).into_owned(),
        };
    }
    let text = line.trim_end();
    let (level, text) = ["ERR", "WAR", "INF", "DEB"]
        .into_iter()
        .find_map(|word| {
            Some((
                level(word),
                text.split_once(word)?.1.trim_start_matches([':', ' ']),
            ))
        })
        .unwrap_or((Level::WARN, text));
    Line {
        level,
        text: masked::masked(text).into_owned(),
    }
}

fn level(word: &str) -> Level {
    match word {
        "ERR" => Level::ERROR,
        "INF" => Level::INFO,
        "DEB" => Level::DEBUG,
        // WAR, and whatever comes: better seen than lost.
        _ => Level::WARN,
    }
}

/// What to do with one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Write it.
    Write,
    /// Write it, and that so many like it were not written before.
    WriteAfter(u32),
    /// Do not write it.
    Drop,
}

/// Counts repeated sentences.
#[derive(Debug, Default)]
pub struct Flood {
    seen: BTreeMap<String, Count>,
}

#[derive(Debug)]
struct Count {
    since: Mono,
    written: u32,
    dropped: u32,
}

impl Flood {
    /// Whether `text`, said at `now`, is written.
    pub fn judge(&mut self, text: &str, now: Mono) -> Verdict {
        let mut key = masked(text);
        if !self.seen.contains_key(&key) && self.seen.len() >= SENTENCES {
            // Old silent ones make room first.
            self.seen
                .retain(|_, c| now.since(c.since) < WINDOW || c.dropped > 0);
            if self.seen.len() >= SENTENCES {
                key = String::new();
            }
        }
        let count = self.seen.entry(key).or_insert(Count {
            since: now,
            written: 0,
            dropped: 0,
        });
        if now.since(count.since) >= WINDOW {
            let dropped = std::mem::take(&mut count.dropped);
            (count.since, count.written) = (now, 1);
            return if dropped == 0 {
                Verdict::Write
            } else {
                Verdict::WriteAfter(dropped)
            };
        }
        if count.written < REPEATS {
            count.written += 1;
            return Verdict::Write;
        }
        count.dropped = count.dropped.saturating_add(1);
        Verdict::Drop
    }
}

/// The sentence with every run of hexadecimal digits that holds a decimal one masked: numbers, addresses, ids.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let mask = word.bytes().any(|b| b.is_ascii_digit());
        out.push_str(if mask { "#" } else { word });
    }
    out
}

/// Why it died, from how it ended and its last errors: a sentence with what to do, where that is known.
#[must_use]
pub fn why(ended: &str, errors: &[String], settings: &Settings) -> String {
    if let Some(taken) = errors.iter().rev().find_map(|e| taken_port(e, settings)) {
        return taken;
    }
    match errors.last() {
        Some(last) if last.starts_with("json: unknown field") => format!(
            "MediaMTX refuses its configuration: {last} (it is of another version than ours: see mediamtx.binary)"
        ),
        Some(last) => format!("MediaMTX ended ({ended}) after saying: {last}"),
        None => format!("MediaMTX ended ({ended}) without a word"),
    }
}

/// `listen tcp 127.0.0.1:8554: bind: address already in use`, in words that help.
fn taken_port(error: &str, settings: &Settings) -> Option<String> {
    let listen = error.split_once("listen ")?.1;
    let (listen, _) = listen.split_once(": bind: address already in use")?;
    let (protocol, address) = listen.split_once(' ')?;
    let port: u16 = address.rsplit_once(':')?.1.parse().ok()?;
    let listener = settings.listener_on(port).unwrap_or("a listener");
    let table = if protocol.starts_with("udp") {
        "u"
    } else {
        "t"
    };
    Some(format!(
        "port {port} ({protocol}), wanted for {listener}, is taken by another program \
         (find it with `ss -l{table}np sport = :{port}`, or give MediaMTX another port)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mediamtx::settings::LogLevel;

    fn settings() -> Settings {
        let at = |s: &str| s.parse().unwrap();
        Settings {
            rtsp: at("0.0.0.0:8554"),
            hls: at("127.0.0.1:8888"),
            webrtc: at("127.0.0.1:8889"),
            api: at("127.0.0.1:9997"),
            webrtc_udp: at("0.0.0.0:8189"),
            webrtc_tcp: None,
            auth_url: "http://127.0.0.1:9080/auth".to_owned(),
            additional_hosts: Vec::new(),
            log: LogLevel::Info,
        }
    }

    #[test]
    fn structured_and_plain_lines_keep_their_level_and_text() {
        let structured =
            r#"{"timestamp":"2026-11-21T04:51:12.7Z","level":"WAR","message":"say \"hi\""}"#;
        assert_eq!(
            read(structured),
            Line {
                level: Level::WARN,
                text: "say \"hi\"".to_owned()
            }
        );
        assert_eq!(
            read("ERR: json: unknown field \"moq\"\n"),
            Line {
                level: Level::ERROR,
                text: "json: unknown field \"moq\"".to_owned()
            }
        );
        assert_eq!(read("2026/11/21 04:51:12 INF hello").text, "hello");
        assert_eq!(read("panic: oh no").level, Level::WARN);
    }

    #[test]
    fn a_repeated_sentence_is_written_five_times_then_counted_until_the_window_is_over() {
        let mut flood = Flood::default();
        let at = |ms: u64| Mono::from_nanos(ms * 1_000_000);
        let said =
            |n: u64| format!("[path camera{n}] sample of track 1 received too late by {n}ms");
        let verdicts: Vec<_> = (0..1000).map(|n| flood.judge(&said(n), at(n))).collect();
        assert!(verdicts[..5].iter().all(|v| *v == Verdict::Write));
        assert!(verdicts[5..].iter().all(|v| *v == Verdict::Drop));
        assert_eq!(flood.judge("something else", at(1000)), Verdict::Write);
        assert_eq!(flood.judge(&said(1), at(10_000)), Verdict::WriteAfter(995));
    }

    #[test]
    fn a_flood_of_ever_new_sentences_is_bounded_in_memory_and_in_lines() {
        let mut flood = Flood::default();
        let letters =
            |n: usize| -> String { n.to_string().bytes().map(|b| char::from(b + 49)).collect() };
        let written = (0..10_000)
            .filter(|n| flood.judge(&letters(*n), Mono::from_nanos(1)) != Verdict::Drop)
            .count();
        assert!(written <= SENTENCES + 5, "{written}");
        assert!(flood.seen.len() <= SENTENCES + 1);
    }

    #[test]
    fn a_taken_port_is_named_with_its_number_its_purpose_and_a_command() {
        let errors = ["listen tcp :8554: bind: address already in use".to_owned()];
        let said = why("exit status 1", &errors, &settings());
        for part in ["port 8554", "RTSP", "ss -ltnp sport = :8554"] {
            assert!(said.contains(part), "{said}");
        }
        let errors = [
            "listen udp [::]:8189: bind: address already in use".to_owned(),
            "x".to_owned(),
        ];
        let said = why("exit status 1", &errors, &settings());
        assert!(
            said.contains("port 8189 (udp)") && said.contains("ss -lunp"),
            "{said}"
        );
    }

    #[test]
    fn an_unexplained_death_says_how_it_ended_and_the_last_words() {
        assert!(why("signal 9", &[], &settings()).contains("signal 9"));
        let said = why("exit status 2", &["out of memory".to_owned()], &settings());
        assert!(
            said.contains("exit status 2") && said.contains("out of memory"),
            "{said}"
        );
    }
}
