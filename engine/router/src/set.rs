//! Routers by small numbers, and sets of them in one integer.
//!
//! Guarantee: an index is below `ROUTERS_MAX`; 0 is this router.

use crate::limits::ROUTERS_MAX;

/// The number of a router in the tables of this one; what another router calls it is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterIndex(u8);

/// A set of routers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouterSet(u128);

const _: () = assert!(ROUTERS_MAX == u128::BITS as usize, "a bit for each router");

impl RouterIndex {
    /// This router.
    pub const SELF: Self = Self(0);

    /// The router of a number; `None` above the limit.
    #[must_use]
    pub fn new(number: usize) -> Option<Self> {
        u8::try_from(number).ok().filter(|_| number < ROUTERS_MAX).map(Self)
    }

    /// All there can be, this router first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ROUTERS_MAX).filter_map(Self::new)
    }

    /// Its number, to look it up.
    #[must_use]
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

impl RouterSet {
    /// No router.
    pub const EMPTY: Self = Self(0);

    /// Adds a router; gives whether it is new.
    pub fn insert(&mut self, router: RouterIndex) -> bool {
        let before = self.0;
        self.0 |= 1 << router.0;
        self.0 != before
    }

    /// Takes a router out; gives whether it was there.
    pub fn remove(&mut self, router: RouterIndex) -> bool {
        let before = self.0;
        self.0 &= !(1 << router.0);
        self.0 != before
    }

    /// Whether a router is in it.
    #[must_use]
    pub fn contains(self, router: RouterIndex) -> bool {
        self.0 >> router.0 & 1 == 1
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Those that are not in another set.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its routers, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = RouterIndex> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let next = u8::try_from(left.trailing_zeros()).ok().filter(|_| left != 0)?;
            left &= left - 1;
            Some(RouterIndex(next))
        })
    }
}

impl FromIterator<RouterIndex> for RouterSet {
    fn from_iter<I: IntoIterator<Item = RouterIndex>>(routers: I) -> Self {
        let mut set = Self::EMPTY;
        for router in routers {
            set.insert(router);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn numbers() -> impl Strategy<Value = BTreeSet<usize>> {
        proptest::collection::btree_set(0..ROUTERS_MAX, 0..20)
    }

    proptest! {
        #[test]
        fn it_is_a_set(one in numbers(), other in numbers()) {
            let set = |numbers: &BTreeSet<usize>| numbers.iter().filter_map(|number| RouterIndex::new(*number)).collect::<RouterSet>();
            let numbers = |set: RouterSet| set.iter().map(RouterIndex::number).collect::<BTreeSet<_>>();
            let mut changed = set(&one);
            prop_assert_eq!(numbers(changed), one.clone());
            prop_assert_eq!(numbers(set(&one).without(set(&other))), &one - &other);
            prop_assert_eq!(numbers(set(&one).both(set(&other))), &one & &other);
            prop_assert_eq!((changed.count() as usize, changed.is_empty()), (one.len(), one.is_empty()));
            for number in &other {
                let router = RouterIndex::new(*number).expect("it is below the limit");
                prop_assert_eq!(changed.contains(router), one.contains(number));
                prop_assert_eq!((changed.remove(router), changed.insert(router)), (one.contains(number), true));
            }
        }
    }

    #[test]
    fn there_is_no_index_above_the_limit() {
        assert_eq!((RouterIndex::new(ROUTERS_MAX), RouterIndex::new(256)), (None, None));
        assert_eq!(RouterIndex::all().count(), ROUTERS_MAX);
    }
}
