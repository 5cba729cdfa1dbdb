//! The one door for comparing secrets.
//!
//! Signatures are compared by the libraries that make them (`jsonwebtoken`, `ring`), in constant time; API keys are
//! looked up by a hash that nobody can steer. Everything else comes through here. Types that hold a secret do not
//! derive `PartialEq`, so that no `==` can be written by accident; `tests/security.rs` looks.

use subtle::ConstantTimeEq as _;

/// Whether the two are the same, in a time that depends on their lengths only.
#[must_use]
pub fn same(ours: &[u8], theirs: &[u8]) -> bool {
    ours.ct_eq(theirs).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_says_what_a_plain_comparison_would(a: Vec<u8>, b: Vec<u8>, at: usize, with: u8) {
            prop_assert!(same(&a, &a));
            prop_assert_eq!(same(&a, &b), a == b);
            let mut changed = a.clone();
            if let Some(n) = at.checked_rem(a.len()) {
                changed[n] = with;
            }
            prop_assert_eq!(same(&a, &changed), a == changed);
            prop_assert_eq!(same(&a, &a[..a.len() / 2]), a.len() < 2 && a.is_empty());
        }
    }
}
