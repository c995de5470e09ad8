//! The names of a queue's messages in one area of the journal.
//!
//! Guarantees: names are in order. While they follow each other without a gap they cost nothing; else four octets each.

/// Names in order, at least one unless everything was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// All from the first on.
    Dense { from: u64, count: u32 },
    /// Some, counted from a base.
    Listed { base: u64, offsets: Box<Vec<u32>> },
}

impl Names {
    pub fn one(name: u64) -> Self {
        Self::Dense { from: name, count: 1 }
    }

    /// Names from what a checkpoint has of them: a base, a count, and offsets unless they are dense.
    pub fn restore(base: u64, count: u32, offsets: Vec<u32>) -> Self {
        if offsets.is_empty() {
            Self::Dense { from: base, count }
        } else {
            Self::Listed { base, offsets: offsets.into() }
        }
    }

    /// The other way.
    pub fn parts(&self) -> (u64, u32, Vec<u32>) {
        match self {
            Self::Dense { from, count } => (*from, *count, Vec::new()),
            Self::Listed { base, offsets } => (*base, offsets.len() as u32, offsets.to_vec()),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Dense { count, .. } => *count as usize,
            Self::Listed { offsets, .. } => offsets.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn first(&self) -> u64 {
        match self {
            Self::Dense { from, .. } => *from,
            Self::Listed { base, offsets } => base + u64::from(offsets.first().copied().unwrap_or(0)),
        }
    }

    #[inline]
    pub fn last(&self) -> u64 {
        match self {
            Self::Dense { from, count } => from + u64::from(count.saturating_sub(1)),
            Self::Listed { base, offsets } => base + u64::from(offsets.last().copied().unwrap_or(0)),
        }
    }

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
            let offsets = Box::new((0..*count).collect());
            *self = Self::Listed { base: *from, offsets };
        }
        if let Self::Listed { base, offsets } = self {
            offsets.push(u32::try_from(name - *base).expect("`takes` was asked"));
        }
    }

    /// Takes names out; gives each to `take`, and how many there were.
    pub fn remove(&mut self, first: u64, last: u64, mut take: impl FnMut(u64)) -> u64 {
        if let Self::Dense { from, count } = self {
            let end = *from + u64::from(*count);
            let (low, high) = (first.clamp(*from, end), last.saturating_add(1).clamp(*from, end));
            if low >= high {
                return 0;
            }
            (low..high).for_each(&mut take);
            if low == *from || high == end {
                *count -= (high - low) as u32;
                if low == *from {
                    *from = high;
                }
                return high - low;
            }
            let from = *from;
            let offsets = Box::new((from..low).chain(high..end).map(|name| (name - from) as u32).collect());
            *self = Self::Listed { base: from, offsets };
            return high - low;
        }
        let Self::Listed { base, offsets } = self else { return 0 };
        let low = offsets.partition_point(|&offset| *base + u64::from(offset) < first);
        let high = offsets.partition_point(|&offset| *base + u64::from(offset) <= last).max(low);
        offsets.drain(low..high).for_each(|offset| take(*base + u64::from(offset)));
        (high - low) as u64
    }

    /// Keeps the names before `name`, and gives the others.
    pub fn split_off(&mut self, name: u64) -> Self {
        match self {
            Self::Dense { from, count } => {
                let kept = (name.clamp(*from, *from + u64::from(*count)) - *from) as u32;
                let rest = Self::Dense { from: *from + u64::from(kept), count: *count - kept };
                *count = kept;
                rest
            }
            Self::Listed { base, offsets } => {
                let at = offsets.partition_point(|&offset| *base + u64::from(offset) < name);
                Self::Listed { base: *base, offsets: Box::new(offsets.split_off(at)) }
            }
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
                    let rest = names.split_off(first);
                    let other = model.split_off(&first);
                    prop_assert_eq!(rest.iter().collect::<BTreeSet<_>>(), other);
                } else {
                    let mut taken = Vec::new();
                    let count = names.remove(first, first + length, |name| taken.push(name));
                    prop_assert_eq!(count as usize, taken.len());
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
