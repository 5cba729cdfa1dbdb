//! The nearest known name to a mistyped one: for configuration keys, methods and parameters.

/// The candidate closest to `word`, if one is close enough to be what was meant: at most a third of
/// its letters differ.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long nonsense cannot be meant; comparing it would be quadratic work for a stranger.
    if word.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|name| (distance(word, name), name))
        .filter(|(d, name)| *d <= name.chars().count().max(3) / 3)
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// Levenshtein's distance, ignoring ASCII case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = usize::from(!ca.eq_ignore_ascii_case(cb));
            let best = (diagonal + cost).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let names = ["device", "auth_token", "token"];
        assert_eq!(nearest("devise", names), Some("device"));
        assert_eq!(nearest("Auth_Tokn", names), Some("auth_token"));
        assert_eq!(nearest("tok", names), None);
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest(&"x".repeat(1000), names), None);
        assert_eq!(nearest("", names), None);
    }
}
