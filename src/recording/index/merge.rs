//! Where files that grow stand in a list whose other files are in the database.
//!
//! A recording that runs is written to twice a second, and each time it is the newest. To write that down whenever
//! somebody asks for the list would wear the card; so the few that grow are kept in memory, and put into their places
//! when the list is cut.

use std::ops::Range;

use crate::storage::shelf::Page;

/// What makes up a part of the whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The part of the files that do not grow.
    pub rest: Page,
    /// Which of those that grow.
    pub growing: Range<usize>,
}

/// Cuts. `ahead` tells of each file that grows, newest first, how many of the others are before it.
#[must_use]
pub fn cut(page: Page, ahead: &[usize]) -> Cut {
    let before = |place: usize| {
        let places = ahead
            .iter()
            .enumerate()
            .map(|(number, ahead)| ahead + number);
        places.take_while(|at| *at < place).count()
    };
    let (first, end) = (
        before(page.offset),
        before(page.offset.saturating_add(page.limit)),
    );
    Cut {
        rest: Page {
            limit: page.limit - (end - first),
            offset: page.offset - first,
        },
        growing: first..end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn both_parts_together_are_the_part_of_the_whole(
            all in prop::collection::btree_set(0_u16..200, 0..60),
            grows in prop::collection::btree_set(0_u16..200, 0..6),
            limit in 1_usize..70,
            offset in 0_usize..70,
        ) {
            let newest_first = |of: BTreeSet<u16>| of.into_iter().rev().collect::<Vec<u16>>();
            let rest = newest_first(all.difference(&grows).copied().collect());
            let whole = newest_first(all.union(&grows).copied().collect());
            let growing = newest_first(grows);
            let ahead: Vec<usize> = growing
                .iter()
                .map(|g| rest.iter().filter(|r| *r > g).count())
                .collect();
            let cut = cut(Page { limit, offset }, &ahead);
            let part = |of: &[u16], page: Page| -> Vec<u16> {
                of.iter().skip(page.offset).take(page.limit).copied().collect()
            };
            let got: BTreeSet<u16> = part(&rest, cut.rest)
                .into_iter()
                .chain(growing[cut.growing].iter().copied())
                .collect();
            prop_assert_eq!(newest_first(got), part(&whole, Page { limit, offset }));
        }
    }
}
