//! A consumer's credit between its peer and the owner of its queue: how much of it the owner has.
//!
//! Guarantees: the owner never has more than the peer gave, but for what the peer took back and the owner has not answered for; what the
//! peer takes back is asked of the owner once.

use crate::limits::{GIVEN_BYTES, GRANT_MAX, GRANT_MIN};

/// Size that a consumer's messages are thought to have before the first one, octets.
const SIZE_USUAL: u32 = 1024;
/// Weight of a message's size in the average, as a shift.
const SIZE_WEIGHT: u32 = 3;

/// Whether a peer wants its credit to be used up: what no message uses then, it takes back (AMQP part 2.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// It does.
    Yes,
    /// It keeps its credit until there are messages for it.
    No,
}

/// A consumer's credit, between its peer and the owner of its queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taking {
    /// Credit that the peer gave and that no message has used.
    pub wanted: u32,
    /// What the owner has of it, or of what the peer gave before it took some back.
    pub granted: u32,
    /// The part of `granted` that the owner was asked to give back and has not answered for.
    revoking: u32,
    /// Whether the peer wants all of its credit used up now.
    pub drain: Drain,
    /// Size of the last messages on the wire, octets, on average.
    size: u32,
    /// The owner gets more when it has no more than this.
    low: u32,
    /// Whether the link is among its connection's `hungry`.
    pub hungry: bool,
}

impl Taking {
    /// No credit yet.
    pub fn new() -> Self {
        Self { wanted: 0, granted: 0, revoking: 0, drain: Drain::No, size: SIZE_USUAL, low: 0, hungry: false }
    }

    /// Gives the owner its share of the credit: messages of about `GIVEN_BYTES`. What the peer does not take yet stays in the
    /// queue, where others find it and memory is counted. Gives how much the owner did not have, or 0 while that is not worth
    /// a command.
    pub fn grant(&mut self) -> u32 {
        let messages = GIVEN_BYTES / self.size.max(1);
        let share = messages.clamp(GRANT_MIN, GRANT_MAX).min(self.wanted);
        self.low = share / 2;
        let credit = share.saturating_sub(self.granted);
        if credit < share / 2 && self.drain == Drain::No {
            return 0;
        }
        self.granted += credit;
        credit
    }

    /// Credit that the owner has and the peer no longer gives: the owner is to be asked for it.
    pub fn revoke(&mut self) -> u32 {
        let credit = self.granted.saturating_sub(self.revoking).saturating_sub(self.wanted);
        self.revoking += credit;
        credit
    }

    /// The owner gave `taken` of `asked` back.
    pub fn handle_revoked(&mut self, asked: u32, taken: u32) {
        self.revoking = self.revoking.saturating_sub(asked);
        self.granted = self.granted.saturating_sub(taken);
    }

    /// A message of `bytes` octets came from the owner.
    #[inline]
    pub fn handle_given(&mut self, bytes: usize) -> Standing {
        self.granted = self.granted.saturating_sub(1);
        if self.wanted == 0 {
            return Standing::Beyond;
        }
        let bytes = u32::try_from(bytes).unwrap_or(GIVEN_BYTES).min(GIVEN_BYTES);
        self.size = self.size - (self.size >> SIZE_WEIGHT) + (bytes >> SIZE_WEIGHT);
        self.wanted -= 1;
        // What drains gets the next share when the owner has given all of this one.
        let low = self.granted < self.wanted && self.drain == Drain::No && self.granted <= self.low;
        if low { Standing::Last } else { Standing::Within }
    }
}

/// How a message stands to its consumer's credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The peer wants it.
    Within,
    /// And the owner has too little credit now.
    Last,
    /// The peer took its credit back while the message was on its way.
    Beyond,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_gets_credit_for_what_a_connection_writes_at_once() {
        let mut taking = Taking::new();
        taking.wanted = 100_000;
        let share = |taking: &mut Taking, bytes: usize| {
            for _ in 0..100 {
                taking.granted += 1;
                taking.handle_given(bytes);
            }
            taking.granted = 0;
            taking.grant()
        };
        assert_eq!(share(&mut taking, 1024), GIVEN_BYTES / 1024);
        assert_eq!(share(&mut taking, 20), GRANT_MAX);
        assert_eq!(share(&mut taking, 1 << 30), GRANT_MIN);
        taking.wanted = 3;
        assert_eq!(share(&mut taking, 1024), 0, "all of it was used");
    }

    #[test]
    fn more_is_granted_when_half_is_used_and_not_while_draining() {
        let mut taking = Taking::new();
        taking.wanted = 1000;
        let share = taking.grant();
        assert_eq!((share, taking.grant()), (GIVEN_BYTES / SIZE_USUAL, 0));
        let used = (1..).find(|_| taking.handle_given(SIZE_USUAL as usize) == Standing::Last).unwrap_or(0);
        assert_eq!((used, taking.grant()), (share / 2, share / 2));
        taking.drain = Drain::Yes;
        assert!((0..share).all(|_| taking.handle_given(SIZE_USUAL as usize) == Standing::Within));
    }

    #[test]
    fn what_a_peer_takes_back_is_asked_of_the_owner_once() {
        let mut taking = Taking::new();
        taking.wanted = 100;
        assert_eq!(taking.grant(), 100);
        taking.wanted = 30;
        assert_eq!((taking.revoke(), taking.revoke()), (70, 0));
        taking.wanted = 0;
        assert_eq!(taking.revoke(), 30);
        // Three were on their way.
        assert!((0..3).all(|_| taking.handle_given(10) == Standing::Beyond));
        taking.handle_revoked(70, 70);
        taking.wanted = 50;
        assert_eq!(taking.grant(), 0, "what the owner still has is not known");
        taking.handle_revoked(30, 27);
        assert_eq!((taking.granted, taking.grant()), (0, 50));
    }
}
