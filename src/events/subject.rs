//! What can be subscribed to: every topic, and the two notifications that everybody gets anyway.

use super::Topic;
use crate::nearest::nearest;

/// The notifications that go to every client that is logged in, whether it subscribed or not.
/// A subscription to one is accepted and counted, and adds nothing.
pub const EVERYONES: [&str; 2] = ["camera_status_update", "recording_status_update"];

/// How many subjects there are.
pub const COUNT: usize = Topic::ALL.len() + EVERYONES.len();

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(usize);

impl Subject {
    /// All of them: topics first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..COUNT).map(Self)
    }

    /// The subject of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::all().find(|subject| subject.as_str() == word)
    }

    /// The word that is nearest to a mistyped one.
    #[must_use]
    pub fn nearest(word: &str) -> Option<&'static str> {
        nearest(word, Self::all().map(Self::as_str))
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match Topic::ALL.get(self.0) {
            Some(topic) => topic.as_str(),
            None => EVERYONES[self.0 - Topic::ALL.len()],
        }
    }

    /// Its place among [`COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

impl From<Topic> for Subject {
    fn from(topic: Topic) -> Self {
        // ALL is in the order of the declaration.
        Self(topic as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_and_both_notifications_are_subjects_and_nothing_else_is() {
        assert_eq!(COUNT, 25);
        for topic in Topic::ALL {
            let subject = Subject::from(*topic);
            assert_eq!(subject.as_str(), topic.as_str());
            assert_eq!(Subject::from_word(topic.as_str()), Some(subject));
        }
        assert!(EVERYONES.iter().all(|w| Subject::from_word(w).is_some()));
        assert_eq!(Subject::from_word("camera.conected"), None);
        assert_eq!(
            Subject::nearest("camera.conected"),
            Some("camera.connected")
        );
    }
}
