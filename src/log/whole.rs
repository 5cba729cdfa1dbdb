//! One event is one entry: text that came from outside cannot begin a line of its own.

use std::borrow::Cow;
use std::io;

/// What stands before each further line of an entry. An entry begins with its time, so nothing behind this passes
/// for one.
const INDENT: &[u8] = b"    | ";

/// An entry with its further lines indented and its control characters written out. `colours`: where it goes to a
/// terminal, the sequences that colour it stay, and only those.
#[must_use]
pub fn whole(entry: &[u8], colours: bool) -> Cow<'_, [u8]> {
    let (body, end) = match entry.split_last() {
        Some((b'\n', body)) => (body, &b"\n"[..]),
        _ => (entry, &b""[..]),
    };
    // 0xC2 begins the control characters beyond ASCII, which some terminals obey, too.
    let odd = |b: &u8| (b.is_ascii_control() && *b != b'\t') || *b == 0xc2;
    if !body.iter().any(odd) {
        return Cow::Borrowed(entry);
    }
    let mut out = Vec::with_capacity(entry.len() + 32);
    let mut rest = body;
    while let Some((&byte, after)) = rest.split_first() {
        let mut taken = 1;
        match (byte, after.first()) {
            (b'\n', _) => {
                out.push(b'\n');
                out.extend_from_slice(INDENT);
            }
            (0x1b, _) if colours && colour(rest).is_some() => {
                taken = colour(rest).unwrap_or(1);
                out.extend_from_slice(&rest[..taken]);
            }
            (0xc2, Some(second @ 0x80..=0x9f)) => {
                taken = 2;
                out.extend_from_slice(format!("\\u{{{second:x}}}").as_bytes());
            }
            (b'\t' | 0x80.., _) => out.push(byte),
            _ if byte.is_ascii_control() => out.extend(byte.escape_ascii()),
            _ => out.push(byte),
        }
        rest = &rest[taken..];
    }
    out.extend_from_slice(end);
    Cow::Owned(out)
}

/// The length of a sequence that sets colours (ECMA-48 §8.3.117), where one begins here.
fn colour(text: &[u8]) -> Option<usize> {
    let inner = text.strip_prefix(b"\x1b[")?;
    let length = inner
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b';')
        .count();
    (inner.get(length) == Some(&b'm')).then_some(length + 3)
}

/// A writer whose every call is one entry, as `tracing_subscriber` makes them.
#[derive(Debug)]
pub struct Whole<W> {
    /// Where entries go.
    pub to: W,
    /// Whether it shows colours.
    pub colours: bool,
}

impl<W: io::Write> io::Write for Whole<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        self.to.write_all(&whole(entry, self.colours))?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_name_with_a_line_break_forges_no_entry() {
        let name = "ann\n2026-01-01T00:00:00Z  INFO this box was claimed\r\x07\x1b[2J\u{9b}1A";
        for colours in [false, true] {
            let paper = Paper::default();
            let to = paper.clone();
            let log = tracing_subscriber::fmt()
                .with_ansi(colours)
                .with_writer(move || Whole {
                    to: to.clone(),
                    colours,
                })
                .finish();
            tracing::subscriber::with_default(log, || {
                tracing::warn!(user = %name, "not let in: {name}");
            });
            let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
            assert!(text.lines().count() > 1, "{text}");
            for line in text.lines().skip(1) {
                assert!(line.starts_with("    | "), "{text}");
            }
            assert!(!text.contains(['\r', '\x07', '\u{9b}']), "{text:?}");
            assert!(!text.contains("\x1b[2J"), "{text:?}");
            assert_eq!(text.contains('\x1b'), colours, "{text:?}");
        }
    }

    #[test]
    fn letters_of_every_language_and_a_plain_entry_stay_as_they_are() {
        for entry in ["12:00 INFO ready\n", "Ände ©½ 愛\tx\n", "ends\u{85}"] {
            let kept = whole(entry.as_bytes(), false);
            let wanted = entry.replace('\u{85}', "\\u{85}");
            assert_eq!(String::from_utf8_lossy(&kept), wanted);
        }
    }

    proptest! {
        #[test]
        fn every_further_line_is_indented_whatever_comes(entry in ".{0,60}(\n.{0,20}){0,4}\n?") {
            let written = whole(entry.as_bytes(), false);
            let text = String::from_utf8_lossy(&written).into_owned();
            for line in text.split('\n').skip(1).filter(|line| !line.is_empty()) {
                prop_assert!(line.starts_with("    | "));
            }
        }
    }
}
