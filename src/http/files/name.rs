//! What a file may be called, and which files a name can mean.

use super::Kind;

/// File systems take 255 bytes; some are left for an extension.
const LONGEST: usize = 240;

/// Undoes percent-encoding (RFC 3986 §2.1) once. `None` where it is broken or gives no UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (pair, after) = rest.split_at_checked(2)?;
        let digit = |b: u8| {
            char::from(b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes everything that is not unreserved (RFC 3986 §2.3).
#[must_use]
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut coded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            coded.push(char::from(byte));
        } else {
            let _ = write!(coded, "%{byte:02X}");
        }
    }
    coded
}

/// Whether a file may be called so: Latin letters, digits, `-`, `_` and dots, the first no dot. Nothing
/// here can name a folder, leave one, or need an escape in a header.
#[must_use]
pub fn is_good(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The folder of a camera or stream.
#[must_use]
pub fn is_device(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// The file names that `name` can mean, the likeliest first: itself alone where it carries the kind's
/// usual extension, itself where it carries another one, and a stem with each of them. None where the
/// name is not [`is_good`].
#[must_use]
pub fn candidates(kind: Kind, name: &str) -> Vec<String> {
    if !is_good(name) {
        return Vec::new();
    }
    let known = kind.extensions();
    let own = name.rsplit_once('.').map(|(_, extension)| extension);
    let place = known.iter().position(|extension| Some(*extension) == own);
    if place == Some(0) {
        return vec![name.to_owned()];
    }
    // A stem may have dots, and so may look as if it had an extension.
    let whole = place.map(|_| name.to_owned());
    let stems = known.iter().map(|extension| format!("{name}.{extension}"));
    whole.into_iter().chain(stems).collect()
}

/// The media type of a file (RFC 9110 §8.3), by its extension.
#[must_use]
pub fn media_type(filename: &str) -> &'static str {
    match filename.rsplit('.').next().unwrap_or_default() {
        "mp4" => "video/mp4",
        "mkv" => "video/x-matroska",
        "ts" => "video/mp2t",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stem_and_a_whole_name_mean_the_same_file() {
        let stem = "camera0_2026-01-02_03-04-05";
        assert_eq!(
            candidates(Kind::Recording, stem),
            [
                format!("{stem}.mp4"),
                format!("{stem}.mkv"),
                format!("{stem}.ts")
            ]
        );
        let whole = format!("{stem}.mp4");
        assert_eq!(candidates(Kind::Recording, &whole), [whole]);
        // A dot alone makes no extension, and a recording's is none of a snapshot's.
        assert_eq!(candidates(Kind::Snapshot, "v1.2")[0], "v1.2.jpg");
        assert_eq!(candidates(Kind::Snapshot, "a.mp4")[0], "a.mp4.jpg");
        assert_eq!(
            candidates(Kind::Recording, "a.ts")[..2],
            ["a.ts", "a.ts.mp4"]
        );
    }

    #[test]
    fn nothing_that_leads_elsewhere_is_a_name() {
        for hostile in [
            "",
            ".",
            "..",
            ".hidden",
            "../jwt",
            "a/b",
            "a\\b",
            "/etc/passwd",
            "a\0b",
            "a b",
            "a\r\nb",
            "a\"b",
            "%2e%2e",
            "ä",
            &"x".repeat(241),
        ] {
            assert!(candidates(Kind::Recording, hostile).is_empty(), "{hostile}");
        }
    }

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(decode("a%2db").as_deref(), Some("a-b"));
        assert_eq!(decode("%252e").as_deref(), Some("%2e"));
        for broken in ["%", "%2", "%zz", "%ff", "a%+1"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_no_candidate_steps_out_of_its_folder(text in "(%2e|%2f|%00|\\.\\.|/|[a-z%.\\\\]|.){0,12}") {
            for kind in Kind::ALL {
                for file in decode(&text).iter().flat_map(|name| candidates(kind, name)) {
                    prop_assert!(!file.starts_with('.'));
                    prop_assert!(!file.contains(['/', '\\', '\0', '"', '%']));
                    prop_assert!(file.len() <= 255);
                }
            }
        }

        #[test]
        fn what_is_encoded_is_decoded_again(text in ".{0,40}") {
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }
    }
}
