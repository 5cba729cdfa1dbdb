//! One event is one entry: text that came from outside cannot begin a line of its own.

use std::borrow::Cow;
use std::io;

/// What stands before each further line of an entry. An entry begins with its time, so nothing behind this passes
/// for one.
const INDENT: &[u8] = b"    | ";

/// An entry with its further lines indented and its control characters written out. The colours of a terminal
/// stay: `tracing_subscriber` has written out those that came with a value.
#[must_use]
pub fn whole(entry: &[u8]) -> Cow<'_, [u8]> {
    let (body, end) = match entry.split_last() {
        Some((b'\n', body)) => (body, &b"\n"[..]),
        _ => (entry, &b""[..]),
    };
    let odd = |b: &u8| b.is_ascii_control() && !matches!(b, b'\t' | 0x1b);
    if !body.iter().any(odd) {
        return Cow::Borrowed(entry);
    }
    let mut out = Vec::with_capacity(entry.len() + 32);
    for byte in body {
        match byte {
            b'\n' => {
                out.push(b'\n');
                out.extend_from_slice(INDENT);
            }
            odd_one if odd(odd_one) => out.extend(odd_one.escape_ascii()),
            plain => out.push(*plain),
        }
    }
    out.extend_from_slice(end);
    Cow::Owned(out)
}

/// A writer whose every call is one entry, as `tracing_subscriber` makes them.
#[derive(Debug)]
pub struct Whole<W>(pub W);

impl<W: io::Write> io::Write for Whole<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        self.0.write_all(&whole(entry))?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
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
        let paper = Paper::default();
        let to = paper.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Whole(to.clone()))
            .finish();
        let name = "ann\n2026-01-01T00:00:00Z  INFO this box was claimed\r\x07\x1b[2J";
        tracing::subscriber::with_default(log, || {
            tracing::warn!(user = %name, "not let in: {name}");
        });
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert!(text.lines().count() > 1, "{text}");
        for line in text.lines().skip(1) {
            assert!(line.starts_with("    | "), "{text}");
        }
        assert!(!text.contains(['\r', '\x07', '\x1b']), "{text:?}");
    }

    proptest! {
        #[test]
        fn every_further_line_is_indented_whatever_comes(entry in ".{0,60}(\n.{0,20}){0,4}\n?") {
            let written = whole(entry.as_bytes());
            let text = String::from_utf8_lossy(&written).into_owned();
            for line in text.split('\n').skip(1).filter(|line| !line.is_empty()) {
                prop_assert!(line.starts_with("    | "));
            }
        }
    }
}
