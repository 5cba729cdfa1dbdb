//! The book's form on the medium: a line for each thing that became known.

use super::{Epoch, Ground, How, Moments, Noted, Of};
use crate::clock::Boottime;
use crate::storage::order::{Key, read_kind, word};

/// `@ BOOT NUMBER NANOSECONDS guess|held|right`: how far the clocks are apart.
pub(super) fn epoch((boot, number): &Of, epoch: Epoch) -> String {
    let ground = match epoch.ground {
        Ground::Guess => "guess",
        Ground::Held => "held",
        Ground::Right => "right",
    };
    format!("@ {boot} {number} {} {ground}\n", epoch.apart)
}

/// `+ recording BOOT NUMBER NANOSECONDS exact|later|about NAME`.
pub(super) fn file(key: &Key, noted: &Noted) -> String {
    let how = match noted.how {
        How::Exact => "exact",
        How::Later => "later",
        How::About => "about",
    };
    let (boot, number) = &noted.of;
    let first = noted.first.as_nanos();
    format!(
        "+ {} {boot} {number} {first} {how} {}\n",
        word(key.0),
        key.1
    )
}

/// `- recording NAME`.
pub(super) fn struck(key: &Key) -> String {
    format!("- {} {}\n", word(key.0), key.1)
}

enum Line {
    Epoch(Of, Epoch),
    File(Key, Noted),
    Struck(Key),
}

impl Moments {
    /// The whole book.
    #[must_use]
    pub fn to_text(&self) -> String {
        let epochs = self.epochs.iter().map(|(of, e)| epoch(of, *e));
        let files = self.files.iter().map(|(key, noted)| file(key, noted));
        epochs.chain(files).collect()
    }

    /// Takes in what lies on the medium, at a moment of this boot; what has become known since this run began stands. What is
    /// not a whole line says nothing: a power cut tore it.
    pub fn learn(&mut self, text: &str, now: Boottime) {
        let mut book = Self::default();
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n').and_then(read) {
                Some(Line::Epoch(of, epoch)) => {
                    book.epochs.insert(of, epoch);
                }
                Some(Line::File(key, noted)) => {
                    book.files.insert(key, noted);
                }
                Some(Line::Struck(key)) => {
                    book.files.remove(&key);
                }
                None => {}
            }
        }
        // A machine that was saved and restored has the same boot again, and its clock stands where it stood then.
        let ahead = |n: &Noted| n.of.0 == self.boot && n.first > now;
        if self.files.is_empty() && book.files.values().any(ahead) {
            self.boot = format!("{:.32}x{:x}", self.boot, now.as_nanos());
        }
        for (of, epoch) in book.epochs {
            self.epochs.entry(of).or_insert(epoch);
        }
        for (key, noted) in book.files {
            self.files.entry(key).or_insert(noted);
        }
    }
}

fn read(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let sign = words.next()?;
    let read = match sign {
        "@" => {
            let of = (boot(words.next()?)?, words.next()?.parse().ok()?);
            let apart = words.next()?.parse().ok()?;
            let ground = match words.next()? {
                "guess" => Ground::Guess,
                "held" => Ground::Held,
                "right" => Ground::Right,
                _ => return None,
            };
            Line::Epoch(of, Epoch { apart, ground })
        }
        "+" => {
            let kind = read_kind(words.next()?)?;
            let of = (boot(words.next()?)?, words.next()?.parse().ok()?);
            let first = Boottime::from_nanos(words.next()?.parse().ok()?);
            let how = match words.next()? {
                "exact" => How::Exact,
                "later" => How::Later,
                "about" => How::About,
                _ => return None,
            };
            let key = (kind, words.next()?.parse().ok()?);
            Line::File(key, Noted { of, first, how })
        }
        "-" => {
            let kind = read_kind(words.next()?)?;
            Line::Struck((kind, words.next()?.parse().ok()?))
        }
        _ => return None,
    };
    words.next().is_none().then_some(read)
}

fn boot(word: &str) -> Option<String> {
    let is = (1..=64).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric());
    is.then(|| word.to_owned())
}
