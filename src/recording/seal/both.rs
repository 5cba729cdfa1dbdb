//! Two chains as one witness: what becomes of a file is written beside it, into the chain of the medium it lies on.

use std::sync::Arc;

use super::{Deed, Witness};
use crate::error::Result;
use crate::storage::medium::roots::Roots;
use crate::storage::names::Stem;
use crate::storage::shelf::Entry;

/// The medium's chain and the fallback's.
pub struct Both {
    roots: Arc<Roots>,
    medium: Arc<dyn Witness>,
    fallback: Arc<dyn Witness>,
}

impl std::fmt::Debug for Both {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Both").field(&self.roots).finish()
    }
}

impl Both {
    /// Of the two folders of `roots`.
    #[must_use]
    pub fn new(roots: Arc<Roots>, medium: Arc<dyn Witness>, fallback: Arc<dyn Witness>) -> Self {
        Self {
            roots,
            medium,
            fallback,
        }
    }

    fn of(&self, entry: &Entry) -> &dyn Witness {
        match self.roots.is_in_fallback(&entry.path) {
            true => &*self.fallback,
            false => &*self.medium,
        }
    }
}

impl Witness for Both {
    fn changed(&self, began: &[Stem], ended: &[Stem]) {
        // The name tells where a file lies: a look at the disk might wait. One of that name that was recorded on the medium
        // before there was a fallback is found at the next start.
        let split = |stems: &[Stem]| -> (Vec<Stem>, Vec<Stem>) {
            stems.iter().cloned().partition(Stem::is_in_fallback)
        };
        let ((began_there, began), (ended_there, ended)) = (split(began), split(ended));
        self.medium.changed(&began, &ended);
        self.fallback.changed(&began_there, &ended_there);
    }

    fn rewriting(&self, entry: &Entry, why: &str) {
        self.of(entry).rewriting(entry, why);
    }

    fn deleting(&self, entry: &Entry, by: &str, why: &str, deed: Deed<'_>) -> Result<Option<u64>> {
        self.of(entry).deleting(entry, by, why, deed)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;

    use super::*;
    use crate::clock::Wall;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn hear(&self, what: String) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Witness for Heard {
        fn changed(&self, began: &[Stem], ended: &[Stem]) {
            for (stems, word) in [(began, "began"), (ended, "ended")] {
                stems.iter().for_each(|s| self.hear(format!("{s} {word}")));
            }
        }

        fn rewriting(&self, entry: &Entry, _: &str) {
            self.hear(format!("{} changes", entry.stem));
        }

        fn deleting(&self, entry: &Entry, _: &str, _: &str, _: Deed<'_>) -> Result<Option<u64>> {
            self.hear(format!("{} goes", entry.stem));
            Ok(None)
        }
    }

    #[test]
    fn what_becomes_of_a_file_is_written_into_the_chain_beside_it_and_no_other() {
        let roots = Roots::new("/media/card".into(), Some("/spare/recordings".into()));
        let (medium, fallback) = (Arc::<Heard>::default(), Arc::<Heard>::default());
        let both = Both::new(Arc::new(roots), medium.clone(), fallback.clone());
        let stem = |text: &str| -> Stem { text.parse().unwrap() };
        let entry = |path: &str| Entry {
            stem: stem("x"),
            device: "camera0".to_owned(),
            size: 1,
            modified: Wall::from_secs(1),
            created: None,
            path: PathBuf::from(path),
        };
        both.changed(&[stem("a-fallback")], &[stem("a")]);
        both.rewriting(&entry("/media/card/camera0/x.mp4"), "why");
        let there = entry("/spare/recordings/camera0/x.mp4");
        both.deleting(&there, "ada", "asked", &mut || Ok(None))
            .unwrap();
        assert_eq!(*medium.0.lock().unwrap(), ["a ended", "x changes"]);
        assert_eq!(*fallback.0.lock().unwrap(), ["a-fallback began", "x goes"]);
    }
}
