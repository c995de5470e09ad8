//! What a router keeps of the messages in parts of one link, and whether its sender is held up for that.

use crate::limits::THROUGH_OCTETS;

/// Whether a link's sender may send on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Nothing changes.
    Same,
    /// It is held up.
    Hold,
    /// It is no more.
    Release,
}

/// Which message in parts comes to a router.
#[derive(Debug)]
pub(crate) struct Through {
    /// The one that is not whole.
    pub delivery: Option<u32>,
    /// Whether its sender wants no outcome.
    pub is_settled: bool,
}

/// Octets that a link brought and that have not left: its sender is held up from `THROUGH_OCTETS` on, until half of that is gone.
#[derive(Debug, Default)]
pub struct Ahead {
    octets: u64,
    is_held: bool,
}

impl Ahead {
    /// How many there are.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// So many octets come.
    pub fn add(&mut self, octets: u64) -> Flow {
        self.octets += octets;
        if self.octets <= THROUGH_OCTETS || std::mem::replace(&mut self.is_held, true) {
            Flow::Same
        } else {
            Flow::Hold
        }
    }

    /// So many octets are gone.
    pub fn take(&mut self, octets: u64) -> Flow {
        self.octets = self.octets.checked_sub(octets).unwrap_or_else(|| unreachable!("no more than came"));
        if self.octets > THROUGH_OCTETS / 2 || !std::mem::take(&mut self.is_held) { Flow::Same } else { Flow::Release }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_held_up_once_and_goes_on_when_half_is_gone() {
        let mut ahead = Ahead::default();
        assert_eq!((ahead.add(THROUGH_OCTETS), ahead.add(1), ahead.add(5)), (Flow::Same, Flow::Hold, Flow::Same));
        assert_eq!(ahead.take(THROUGH_OCTETS / 2), Flow::Same);
        assert_eq!((ahead.take(6), ahead.take(1)), (Flow::Release, Flow::Same));
        assert_eq!(ahead.add(THROUGH_OCTETS), Flow::Hold);
    }
}
