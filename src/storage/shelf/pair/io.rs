//! Asks both folders. What the medium cannot tell is not there for now; the fallback is always asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::debug;

use crate::error::{Error, Kind, Result};
use crate::storage::medium::roots::{Place, Roots};
use crate::storage::names::Stem;
use crate::storage::quota::Why;
use crate::storage::shelf::{Entry, Shelf, Watcher, sort};

/// Two folders as one [`Shelf`]: new files go where [`Roots`] says. Files of one name cannot lie in both.
pub struct Pair {
    roots: Arc<Roots>,
    medium: Arc<dyn Shelf>,
    fallback: Arc<dyn Shelf>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pair").field(&self.roots).finish()
    }
}

impl Pair {
    /// The shelves of both folders of `roots`.
    #[must_use]
    pub fn new(roots: Arc<Roots>, medium: Arc<dyn Shelf>, fallback: Arc<dyn Shelf>) -> Self {
        Self {
            roots,
            medium,
            fallback,
        }
    }

    /// What the medium says, or nothing while it is in trouble.
    fn excused<T: Default>(&self, said: Result<T>) -> Result<T> {
        match said {
            Err(error) if self.roots.place() != Place::Medium => {
                debug!(%error, "the medium does not tell");
                Ok(T::default())
            }
            said => said,
        }
    }

    fn nowhere(&self) -> Error {
        Error::new(
            Kind::Gone,
            format!(
                "the medium of {} is away, and nothing is written beneath its place",
                self.roots.medium().display()
            ),
        )
        .action("plug it in again and mount it")
    }

    /// The shelf of a file's path, and what it calls it.
    fn shelf_of(&self, fallback: bool, wish: &Stem) -> Result<(&dyn Shelf, Stem)> {
        if fallback {
            return Ok((&*self.fallback, wish.in_fallback()));
        }
        if self.roots.is_away() {
            return Err(self.nowhere());
        }
        Ok((&*self.medium, wish.on_medium()))
    }
}

impl Shelf for Pair {
    fn extension(&self) -> &'static str {
        self.medium.extension()
    }

    fn root(&self) -> PathBuf {
        self.roots.active().to_owned()
    }

    fn all(&self) -> Result<Vec<Entry>> {
        let mut all = self.excused(self.medium.all())?;
        all.extend(self.fallback.all()?);
        Ok(all)
    }

    fn sorted(&self) -> Result<Arc<[Entry]>> {
        let (medium, fallback) = (self.medium.sorted(), self.fallback.sorted()?);
        let medium = match medium {
            Ok(list) => list,
            Err(error) => self.excused::<Vec<Entry>>(Err(error))?.into(),
        };
        if fallback.is_empty() {
            return Ok(medium);
        }
        let mut all = [&*medium, &*fallback].concat();
        sort(&mut all);
        Ok(all.into())
    }

    fn recall(&self) -> Option<Arc<[Entry]>> {
        let fallback = self.fallback.recall()?;
        fallback.is_empty().then(|| self.medium.recall())?
    }

    fn find(&self, stem: &Stem) -> Result<Option<Entry>> {
        match self.excused(self.medium.find(stem))? {
            Some(entry) => Ok(Some(entry)),
            None => self.fallback.find(stem),
        }
    }

    fn delete(&self, stem: &Stem, why: Why) -> Result<Option<u64>> {
        match self.excused(self.medium.find(stem))? {
            Some(_) => self.medium.delete(stem, why),
            None => self.fallback.delete(stem, why),
        }
    }

    fn delete_for(&self, stem: &Stem, why: Why, who: &str) -> Result<Option<u64>> {
        match self.excused(self.medium.find(stem))? {
            Some(_) => self.medium.delete_for(stem, why, who),
            None => self.fallback.delete_for(stem, why, who),
        }
    }

    fn watch(&self, watcher: Watcher) {
        let watcher = Arc::new(watcher);
        for shelf in [&self.medium, &self.fallback] {
            let watcher = Arc::clone(&watcher);
            shelf.watch(Box::new(move |happened| watcher(happened)));
        }
    }

    fn adopt(&self, device: &str, wish: &Stem, finished: &Path) -> Result<Entry> {
        let (shelf, wish) = self.shelf_of(self.roots.is_in_fallback(finished), wish)?;
        shelf.adopt(device, &wish, finished)
    }

    fn put(&self, device: &str, wish: &Stem, bytes: &[u8]) -> Result<Entry> {
        let (shelf, wish) = self.shelf_of(self.roots.place() == Place::Fallback, wish)?;
        shelf.put(device, &wish, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::shelf::io::Folder;
    use std::fs;

    #[test]
    fn files_go_where_they_can_are_listed_together_and_nothing_is_made_beneath_a_medium_that_is_away()
     {
        let dir = std::env::temp_dir().join(format!("pair-{}", uuid::Uuid::new_v4()));
        let roots = Arc::new(Roots::new(dir.join("usb"), Some(dir.join("spare"))));
        let medium = Folder::new(dir.join("usb"), "jpg").of(Arc::clone(&roots));
        let fallback = Folder::new(dir.join("spare"), "jpg");
        let shelf = Pair::new(Arc::clone(&roots), Arc::new(medium), Arc::new(fallback));
        let stem = |name: &str| -> Stem { name.parse().unwrap() };
        let put = |name: &str| {
            shelf
                .put("camera0", &stem(name), b"x")
                .map(|e| e.stem.to_string())
        };
        let names = || {
            let mut names: Vec<String> = shelf
                .sorted()
                .unwrap()
                .iter()
                .map(|e| e.stem.to_string())
                .collect();
            names.sort();
            names
        };
        assert_eq!(put("a").unwrap(), "a");
        roots.set(Place::Fallback, true);
        fs::rename(dir.join("usb"), dir.join("pulled")).unwrap();
        assert_eq!(put("a").unwrap(), "a-fallback");
        assert_eq!(put("a-fallback").unwrap(), "a-fallback-2");
        assert_eq!(names(), ["a-fallback", "a-fallback-2"]);
        assert!(shelf.find(&stem("a")).unwrap().is_none());
        roots.set(Place::Nowhere, true);
        assert!(put("b").unwrap_err().to_string().contains("is away"));
        assert!(
            !dir.join("usb").exists(),
            "something was made beneath its place"
        );
        fs::rename(dir.join("pulled"), dir.join("usb")).unwrap();
        roots.set(Place::Medium, false);
        assert_eq!(put("a-fallback").unwrap(), "a-2");
        assert_eq!(names(), ["a", "a-2", "a-fallback", "a-fallback-2"]);
        assert_eq!(
            shelf.delete(&stem("a-fallback"), Why::Asked).unwrap(),
            Some(1)
        );
        assert_eq!(names(), ["a", "a-2", "a-fallback-2"]);
        fs::remove_dir_all(dir).unwrap();
    }
}
