//! Names of a queue's messages that lie close together.
//!
//! Guarantees: names are in order. While they follow each other without a gap they cost nothing; else four octets each.

use std::ops::Range;

/// Names in order, at least one unless everything was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All from the first on.
    Dense {
        /// The first.
        from: u64,
        /// How many.
        count: u32,
    },
    /// Some, counted from a base.
    Listed {
        /// What they are counted from.
        base: u64,
        /// What each is more than that.
        offsets: Vec<u32>,
    },
}

impl Names {
    /// Just one.
    pub fn one(name: u64) -> Self {
        Self::Dense { from: name, count: 1 }
    }

    /// Names from what a checkpoint has of them: a base, a count, and offsets unless they are dense.
    pub fn restore(base: u64, count: u32, offsets: Vec<u32>) -> Self {
        if offsets.is_empty() { Self::Dense { from: base, count } } else { Self::Listed { base, offsets } }
    }

    /// The other way.
    pub fn parts(&self) -> (u64, u32, Vec<u32>) {
        match self {
            Self::Dense { from, count } => (*from, *count, Vec::new()),
            Self::Listed { base, offsets } => (*base, offsets.len() as u32, offsets.to_vec()),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Dense { count, .. } => *count as usize,
            Self::Listed { offsets, .. } => offsets.len(),
        }
    }

    /// Whether all were taken out.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first.
    #[inline]
    pub fn first(&self) -> u64 {
        match self {
            Self::Dense { from, .. } => *from,
            Self::Listed { base, offsets } => base + u64::from(offsets.first().copied().unwrap_or(0)),
        }
    }

    /// The last.
    #[inline]
    pub fn last(&self) -> u64 {
        match self {
            Self::Dense { from, count } => from + u64::from(count.saturating_sub(1)),
            Self::Listed { base, offsets } => base + u64::from(offsets.last().copied().unwrap_or(0)),
        }
    }

    /// Whether a name is among them.
    #[inline]
    pub fn contains(&self, name: u64) -> bool {
        match self {
            Self::Dense { from, count } => name >= *from && name - from < u64::from(*count),
            Self::Listed { base, offsets } => {
                let offset = name.checked_sub(*base).and_then(|offset| u32::try_from(offset).ok());
                offset.is_some_and(|offset| offsets.binary_search(&offset).is_ok())
            }
        }
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let (dense, listed) = match self {
            Self::Dense { from, count } => (Some(*from..*from + u64::from(*count)), None),
            Self::Listed { base, offsets } => (None, Some(offsets.iter().map(move |&offset| base + u64::from(offset)))),
        };
        dense.into_iter().flatten().chain(listed.into_iter().flatten())
    }

    /// Whether a name behind all others finds room.
    pub fn takes(&self, name: u64) -> bool {
        let base = match self {
            Self::Dense { from, .. } => *from,
            Self::Listed { base, .. } => *base,
        };
        name > self.last() && u32::try_from(name - base).is_ok()
    }

    /// Adds a name behind all others.
    #[inline]
    pub fn push(&mut self, name: u64) {
        if let Self::Dense { from, count } = self {
            if name == *from + u64::from(*count) {
                *count += 1;
                return;
            }
            let offsets = (0..*count).collect();
            *self = Self::Listed { base: *from, offsets };
        }
        if let Self::Listed { base, offsets } = self {
            offsets.push(u32::try_from(name - *base).expect("`takes` was asked"));
        }
    }

    /// The name at a place.
    pub fn get(&self, place: usize) -> u64 {
        match self {
            Self::Dense { from, .. } => from + place as u64,
            Self::Listed { base, offsets } => base + u64::from(offsets[place]),
        }
    }

    /// The places of the names from `first` to `last`.
    pub fn range(&self, first: u64, last: u64) -> Range<usize> {
        let before = |name: u64| match self {
            Self::Dense { from, count } => (name.max(*from) - from).min(u64::from(*count)) as usize,
            Self::Listed { base, offsets } => offsets.partition_point(|&offset| base + u64::from(offset) < name),
        };
        let start = before(first);
        start..before(last.saturating_add(1)).max(start)
    }

    /// Takes out the names at some places.
    pub fn remove(&mut self, places: Range<usize>) {
        match self {
            Self::Dense { from, count } if places.start == 0 => {
                *from += places.end as u64;
                *count -= places.end as u32;
            }
            Self::Dense { count, .. } if places.end == *count as usize => *count = places.start as u32,
            Self::Dense { from, count } => {
                let offsets = (0..places.start as u32).chain(places.end as u32..*count).collect();
                *self = Self::Listed { base: *from, offsets };
            }
            Self::Listed { offsets, .. } => drop(offsets.drain(places)),
        }
    }

    /// Keeps the names before a place, and gives the others.
    pub fn split_off(&mut self, place: usize) -> Self {
        match self {
            Self::Dense { from, count } => {
                let rest = Self::Dense { from: *from + place as u64, count: *count - place as u32 };
                *count = place as u32;
                rest
            }
            Self::Listed { base, offsets } => Self::Listed { base: *base, offsets: offsets.split_off(place) },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_set(
            start in 0_u64..100,
            gaps in proptest::collection::vec(1_u64..3, 0..40),
            steps in proptest::collection::vec((0_u64..120, 0_u64..8, any::<bool>()), 0..12),
        ) {
            let mut names = Names::one(start);
            let mut model = BTreeSet::from([start]);
            let mut next = start;
            for gap in gaps {
                next += gap;
                prop_assert!(names.takes(next));
                names.push(next);
                model.insert(next);
            }
            for (first, length, split) in steps {
                if split {
                    let rest = names.split_off(names.range(first, first).start);
                    let other = model.split_off(&first);
                    prop_assert_eq!(rest.iter().collect::<BTreeSet<_>>(), other);
                } else {
                    let places = names.range(first, first + length);
                    let taken: Vec<u64> = places.clone().map(|place| names.get(place)).collect();
                    names.remove(places);
                    let expected: Vec<u64> = model.range(first..=first + length).copied().collect();
                    prop_assert_eq!(&taken, &expected);
                    taken.iter().for_each(|name| assert!(model.remove(name)));
                }
                prop_assert_eq!(names.iter().collect::<BTreeSet<_>>(), model.clone());
                prop_assert!((0..200).all(|name| names.contains(name) == model.contains(&name)));
                if let (Some(&first), Some(&last)) = (model.first(), model.last()) {
                    prop_assert_eq!((names.first(), names.last(), names.len()), (first, last, model.len()));
                    let (base, count, offsets) = names.parts();
                    prop_assert_eq!(Names::restore(base, count, offsets), names.clone());
                } else {
                    return Ok(());
                }
            }
        }
    }
}
