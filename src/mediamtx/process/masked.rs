//! MediaMTX's words without secrets: what it says of an address or a header may hold one.

use std::borrow::Cow;

const MASK: &str = "***";

/// The same text; user and password of addresses, tokens, API keys and Basic credentials (RFC 7617) are masked.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let suspect = ["eyJ", "csk_", "asic ", "@"];
    if !suspect.iter().any(|mark| text.contains(mark)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let at_word = !out.ends_with(|c: char| c.is_ascii_alphanumeric());
        let (shown, taken) = match secret(rest, at_word) {
            Some((shown, taken)) => (shown, taken),
            None => ("", letter.len_utf8()),
        };
        if shown.is_empty() {
            out.push(letter);
        } else {
            out.push_str(shown);
            out.push_str(MASK);
        }
        rest = &rest[taken..];
    }
    Cow::Owned(out)
}

/// Where a secret begins here: what is shown before its mask, and how many bytes the two stand for.
fn secret(text: &str, at_word: bool) -> Option<(&'static str, usize)> {
    if let Some(inner) = text.strip_prefix("://") {
        let end = inner
            .find(|c: char| c.is_whitespace() || "/?#\"'\\".contains(c))
            .unwrap_or(inner.len());
        let at = inner[..end].rfind('@')?;
        return Some(("://", 3 + at));
    }
    if !at_word {
        return None;
    }
    for (mark, shown) in [
        ("eyJ", "eyJ"),
        ("csk_", "csk_"),
        ("Basic ", "Basic "),
        ("basic ", "basic "),
    ] {
        if let Some(inner) = text.strip_prefix(mark) {
            let secret = |c: char| c.is_ascii_alphanumeric() || "-_.+/=~%".contains(c);
            let length = inner.find(|c| !secret(c)).unwrap_or(inner.len());
            // Shorter ones are words of a sentence.
            return (length >= 8).then_some((shown, mark.len() + length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_headers_and_queries_lose_what_is_secret_and_nothing_else() {
        for (said, shown) in [
            (
                "[path cam1] [RTSP source] dial rtsp://ann:ge@heim@192.0.2.7:554/live: timeout",
                "[path cam1] [RTSP source] dial rtsp://***@192.0.2.7:554/live: timeout",
            ),
            (
                "DESCRIBE rtsp://box:8554/camera0?token=eyJ0eXAiOiJKV1Q.eyJleHAi-_9.xtMr2_1j HTTP",
                "DESCRIBE rtsp://box:8554/camera0?token=eyJ*** HTTP",
            ),
            (
                "Authorization: Bearer csk_AbCdEfGhIjKlMnOp",
                "Authorization: Bearer csk_***",
            ),
            (
                "Authorization: Basic YW5uOmdlaGVpbQ==",
                "Authorization: Basic ***",
            ),
            (
                "basic auth is on, ask ann@box",
                "basic auth is on, ask ann@box",
            ),
            (
                "is reading from path 'camera0'",
                "is reading from path 'camera0'",
            ),
        ] {
            assert_eq!(masked(said), shown);
        }
    }

    proptest! {
        #[test]
        fn no_secret_stays_wherever_it_stands(
            before in "[ -~äö]{0,20}[ =:/\"]", password in "[A-Z0-9]{12,30}", after in "([ \"&].{0,20})?",
        ) {
            for said in [
                format!("{before}rtsp://ann:{password}@host/{after}"),
                format!("{before}eyJ{password}.{password}{after}"),
                format!("{before}csk_{password}{after}"),
                format!("{before}Basic {password}={after}"),
            ] {
                prop_assert!(!masked(&said).contains(&password), "{said}");
            }
        }
    }
}
