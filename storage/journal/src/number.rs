//! The two kinds of numbers that records use up.
//!
//! Shared numbers are the same for all that keep a log: what a leader decides, and its followers repeat, uses them, in order. Local
//! numbers are one node's own affair: what it wrote again, and what it put aside for want of memory. So nothing that a node does with
//! its disk moves a number that others share. Both kinds begin with 1 and are never used again.

/// The bit of local numbers.
pub const LOCAL: u64 = 1 << 63;

/// How far both kinds go: the first number behind, of each.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Reach {
    /// The first shared number behind.
    pub shared: u64,
    /// The first local number behind; has the bit [`LOCAL`].
    pub local: u64,
}

impl Reach {
    /// That of a new journal.
    pub const START: Self = Self { shared: 1, local: LOCAL | 1 };

    /// That of a kind which a number belongs to.
    #[inline]
    pub fn of(&self, number: u64) -> u64 {
        if number & LOCAL == 0 { self.shared } else { self.local }
    }

    /// Whether a number lies before it.
    #[inline]
    pub fn covers(&self, number: u64) -> bool {
        number < self.of(number)
    }

    /// Whether everything before `other` lies before it.
    pub fn reaches(&self, other: Self) -> bool {
        self.shared >= other.shared && self.local >= other.local
    }

    /// Takes a number in, and all of its kind before it.
    #[inline]
    pub fn include(&mut self, number: u64) {
        let end = if number & LOCAL == 0 { &mut self.shared } else { &mut self.local };
        *end = (*end).max(number + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_meet() {
        let mut reach = Reach::START;
        assert!(!reach.covers(1) && !reach.covers(LOCAL | 1) && reach.covers(0));
        reach.include(7);
        reach.include(LOCAL | 3);
        reach.include(4);
        assert_eq!(reach, Reach { shared: 8, local: LOCAL | 4 });
        assert!(reach.covers(7) && !reach.covers(8) && reach.covers(LOCAL | 3) && !reach.covers(LOCAL | 4));
        assert!(reach.reaches(reach) && !reach.reaches(Reach { local: LOCAL | 5, ..reach }));
    }
}
