//! How many downloads run at once, and whose: one who fetches much must not keep the others from fetching anything.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::limits::one_address;
use crate::http::Limits;
use crate::system::doors::NoDownload;

/// The places. As many users and addresses are remembered as downloads run.
#[derive(Debug)]
pub struct Slots {
    all: usize,
    per_user: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    users: HashMap<String, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    user: String,
    address: IpAddr,
}

impl Slots {
    /// Nobody downloads.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            all: limits.downloads,
            per_user: limits.downloads_per_user,
            per_address: limits.downloads_per_address,
            taken: Mutex::default(),
        }
    }

    /// Takes a place for `user` at `from`; an IPv6 /64 counts as one address.
    ///
    /// # Errors
    /// Whose share is taken, his own first.
    pub fn take(self: &Arc<Self>, user: &str, from: IpAddr) -> Result<Slot, NoDownload> {
        let address = one_address(from);
        let mut taken = self.taken();
        let of = |count: Option<&usize>| count.copied().unwrap_or_default();
        if full(of(taken.users.get(user)), self.per_user) {
            return Err(NoDownload::User);
        }
        if full(of(taken.addresses.get(&address)), self.per_address) {
            return Err(NoDownload::Address);
        }
        if full(taken.all, self.all) {
            return Err(NoDownload::Total);
        }
        taken.all += 1;
        *taken.users.entry(user.to_owned()).or_default() += 1;
        *taken.addresses.entry(address).or_default() += 1;
        drop(taken);
        Ok(Slot {
            slots: Arc::clone(self),
            user: user.to_owned(),
            address,
        })
    }

    /// How many run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.taken().all
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn full(count: usize, limit: usize) -> bool {
    limit != 0 && count >= limit
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, whose: K) {
    if let Entry::Occupied(mut count) = counts.entry(whose) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.all -= 1;
        give_back(&mut taken.users, std::mem::take(&mut self.user));
        give_back(&mut taken.addresses, self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots() -> Arc<Slots> {
        Arc::new(Slots::new(&Limits {
            downloads: 5,
            downloads_per_user: 2,
            downloads_per_address: 3,
            ..Limits::default()
        }))
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_user_an_address_and_the_whole_each_have_their_bound() {
        let slots = slots();
        let take = |user, last| slots.take(user, ip(last));
        let held = [take("ann", 1).unwrap(), take("ann", 2).unwrap()];
        assert_eq!(take("ann", 3).unwrap_err(), NoDownload::User);
        let _more = [take("bob", 1).unwrap(), take("eve", 1).unwrap()];
        assert_eq!(take("tim", 1).unwrap_err(), NoDownload::Address);
        let _last = take("tim", 4).unwrap();
        assert_eq!(take("tom", 5).unwrap_err(), NoDownload::Total);
        drop(held);
        assert_eq!(slots.running(), 3);
        take("ann", 1).unwrap();
    }

    #[test]
    fn nought_means_no_bound() {
        let slots = Arc::new(Slots::new(&Limits {
            downloads: 0,
            downloads_per_user: 0,
            downloads_per_address: 0,
            ..Limits::default()
        }));
        let all: Vec<Slot> = (0..500).map(|_| slots.take("a", ip(1)).unwrap()).collect();
        assert_eq!(slots.running(), all.len());
    }

    proptest! {
        #[test]
        fn nobody_is_remembered_who_downloads_nothing_and_no_bound_is_passed(
            steps in prop::collection::vec((0u8..6, 0u8..4, any::<bool>()), 1..100)
        ) {
            let slots = slots();
            let mut held: Vec<Slot> = Vec::new();
            for (user, last, takes) in steps {
                if takes {
                    held.extend(slots.take(&user.to_string(), ip(last)));
                } else if !held.is_empty() {
                    held.remove(usize::from(user) % held.len());
                }
                let taken = slots.taken();
                prop_assert_eq!(taken.all, held.len());
                prop_assert!(taken.all <= 5);
                prop_assert_eq!(taken.users.values().sum::<usize>(), taken.all);
                prop_assert_eq!(taken.addresses.values().sum::<usize>(), taken.all);
                prop_assert!(taken.users.values().all(|n| (1..=2).contains(n)));
                prop_assert!(taken.addresses.values().all(|n| (1..=3).contains(n)));
            }
        }
    }
}
