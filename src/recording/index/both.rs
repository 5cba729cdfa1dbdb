//! A page of what lies in two folders: of the one only what may be on the page is asked for, the other is short and known.

use std::cmp::Reverse;

use super::{Inventory, Item};
use crate::storage::shelf::Page;

/// Asks only how many there are.
pub const NONE: Page = Page {
    limit: 0,
    offset: 0,
};

/// Asks for everything.
pub const ALL: Page = Page {
    limit: usize::MAX >> 1,
    offset: 0,
};

/// What of the long list can be on a page, where the short one has `others`.
#[must_use]
pub const fn window(page: Page, others: usize) -> Page {
    let offset = page.offset.saturating_sub(others);
    Page {
        limit: page.limit.saturating_add(page.offset - offset),
        offset,
    }
}

/// The last of the long list, for a page that begins behind all of it.
#[must_use]
pub const fn last(total: usize) -> Page {
    Page {
        limit: 1,
        offset: total.saturating_sub(1),
    }
}

/// The page, from `window` of the long list and all of the short one.
#[must_use]
pub fn merge(page: Page, window: Page, long: &Inventory, short: &Inventory) -> Inventory {
    let order = |item: &Item| (item.entry.modified, item.entry.stem.clone());
    // How many are before the first of the window: of the long list by its place, of the short one by their time.
    let newer = match (window.offset, long.files.first()) {
        (0, _) | (_, None) => 0,
        (_, Some(first)) => {
            let first = order(first);
            let newer = short.files.iter().take_while(|item| order(item) > first);
            newer.count()
        }
    };
    let mut files: Vec<Item> = long
        .files
        .iter()
        .chain(&short.files[newer..])
        .cloned()
        .collect();
    files.sort_by_key(|item| Reverse(order(item)));
    let before = page.offset.saturating_sub(window.offset + newer);
    Inventory {
        files: files.into_iter().skip(before).take(page.limit).collect(),
        total: long.total + short.total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::storage::shelf::Entry;
    use proptest::prelude::*;

    fn items(times: &[u64], word: &str) -> Vec<Item> {
        let item = |(number, time): (usize, &u64)| Item {
            entry: Entry {
                stem: format!("{word}{number:03}").parse().unwrap(),
                device: "camera0".to_owned(),
                size: 1,
                modified: Wall::from_secs(*time),
                created: None,
                path: "".into(),
            },
            facts: None,
        };
        let mut items: Vec<Item> = times.iter().enumerate().map(item).collect();
        items.sort_by_key(|i| Reverse((i.entry.modified, i.entry.stem.clone())));
        items
    }

    fn part(all: &[Item], page: Page) -> Inventory {
        Inventory {
            files: all
                .iter()
                .skip(page.offset)
                .take(page.limit)
                .cloned()
                .collect(),
            total: all.len(),
        }
    }

    proptest! {
        #[test]
        fn every_page_is_what_one_list_of_all_would_give(
            long in proptest::collection::vec(0_u64..20, 0..30),
            short in proptest::collection::vec(0_u64..20, 0..6),
            limit in 0_usize..10,
            offset in 0_usize..45,
        ) {
            let (long, short) = (items(&long, "a"), items(&short, "b"));
            let mut all = [long.clone(), short.clone()].concat();
            all.sort_by_key(|i| Reverse((i.entry.modified, i.entry.stem.clone())));
            let page = Page { limit, offset };
            let mut wanted = window(page, short.len());
            if wanted.offset > 0 && wanted.offset >= long.len() && !long.is_empty() {
                wanted = last(long.len());
            }
            let given = merge(page, wanted, &part(&long, wanted), &part(&short, ALL));
            prop_assert_eq!(given, part(&all, page));
        }
    }
}
