//! How often keys were used since it was last written down.

use std::collections::HashMap;

use super::{KeyRecord, Store};
use crate::access::Credential;
use crate::clock::Wall;

/// Uses that are not in the document yet, by key id; as many entries as there are keys at most.
#[derive(Debug, Default)]
pub struct Usage(HashMap<String, (u64, u64)>);

impl Usage {
    /// Counts one use of a credential; tokens are not counted.
    pub fn count(&mut self, credential: &Credential, now: Wall) {
        let Credential::ApiKey(id) = credential else {
            return;
        };
        let (times, last) = match self.0.get_mut(&**id) {
            Some(entry) => (&mut entry.0, &mut entry.1),
            None => {
                let entry = self.0.entry(id.to_string()).or_default();
                (&mut entry.0, &mut entry.1)
            }
        };
        *times = times.saturating_add(1);
        *last = (*last).max(now.as_secs());
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what came later.
    pub fn merge(&mut self, later: Self) {
        for (id, (times, last)) in later.0 {
            let entry = self.0.entry(id).or_default();
            entry.0 = entry.0.saturating_add(times);
            entry.1 = entry.1.max(last);
        }
    }

    /// Writes it into the document; keys that are gone are passed over.
    pub fn write(&self, store: &mut Store) {
        for key in &mut store.keys {
            self.show(key);
        }
    }

    /// Adds it to a record that is about to be shown.
    pub fn show(&self, key: &mut KeyRecord) {
        if let Some((times, last)) = self.0.get(&key.id) {
            key.usage_count = key.usage_count.saturating_add(*times);
            key.last_used = key.last_used.max(Some(*last));
        }
    }
}
