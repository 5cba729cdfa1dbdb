//! Which running recordings stand still: decides it from how their files grow.

pub mod io;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Mono;
use crate::storage::names::Stem;

/// A file that has not grown for so long stands still: a part of 0.3 s is written at a time, the slate included.
const PATIENCE: Duration = Duration::from_secs(4);

/// What is news of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing has been written for so long; told once.
    Stands(Duration),
    /// It grows again, after so long.
    GoesOn(Duration),
}

#[derive(Debug)]
struct Watched {
    file: Stem,
    size: u64,
    grew: Mono,
    told: bool,
}

/// How the files of running recordings grow, by device.
#[derive(Debug, Default)]
pub struct Stalls(BTreeMap<String, Watched>);

impl Stalls {
    /// Takes the size of a device's present file; `None`: it is not to be found.
    pub fn look(
        &mut self,
        device: &str,
        file: &Stem,
        size: Option<u64>,
        now: Mono,
    ) -> Option<News> {
        let size = size.unwrap_or_default();
        let Some(watched) = self.0.get_mut(device) else {
            let watched = Watched {
                file: file.clone(),
                size,
                grew: now,
                told: false,
            };
            self.0.insert(device.to_owned(), watched);
            return None;
        };
        let still = now.since(watched.grew);
        if watched.file != *file || size > watched.size {
            let told = watched.told;
            *watched = Watched {
                file: file.clone(),
                size,
                grew: now,
                told: false,
            };
            return told.then_some(News::GoesOn(still));
        }
        if watched.told || still < PATIENCE {
            return None;
        }
        watched.told = true;
        Some(News::Stands(still))
    }

    /// Forgets all but the recordings of these devices.
    pub fn keep(&mut self, devices: &[String]) {
        self.0.retain(|device, _| devices.contains(device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_stands_still_is_told_once_and_that_it_goes_on_too() {
        let mut stalls = Stalls::default();
        let stem = |name: &str| -> Stem { name.parse().unwrap() };
        let mut look = |file: &str, size, second: u64| {
            let now = Mono::from_nanos(second * 1_000_000_000);
            stalls.look("camera0", &stem(file), size, now)
        };
        let told: Vec<Option<News>> = [
            ("a", Some(1), 0),
            ("a", Some(2), 1),
            ("a", Some(2), 4),
            ("a", Some(2), 5),
            ("a", Some(2), 9),
            ("a-2", Some(1), 10),
            ("a-2", Some(2), 13),
            ("a-2", None, 17),
            ("a-2", Some(3), 20),
        ]
        .into_iter()
        .map(|(file, size, second)| look(file, size, second))
        .collect();
        let secs = Duration::from_secs;
        assert_eq!(
            told,
            [
                None,
                None,
                None,
                Some(News::Stands(secs(4))),
                None,
                Some(News::GoesOn(secs(9))),
                None,
                Some(News::Stands(secs(4))),
                Some(News::GoesOn(secs(7))),
            ]
        );
    }
}
