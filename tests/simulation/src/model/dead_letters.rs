//! What was rejected, expired or failed too often: where it goes, and how often it comes there.

use super::{Copy, Fate, Message, Model, Place};

/// What becomes of messages that are rejected, expire or fail too often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadLetters {
    /// They are dropped, or delivered again for ever.
    #[default]
    Dropped,
    /// They go to an address of their own.
    Kept,
}

/// Why a message is where dead letters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A consumer rejected it.
    Rejected,
    /// Its time was over.
    Expired,
    /// Its delivery failed too often.
    Exhausted,
}

/// How often a copy was to go where dead letters go, and came there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Burials {
    rejected: u32,
    buried: u32,
    /// How often it came there because its time was over, or it had failed too often.
    gone: u32,
    /// It was rejected, and has to come: there, or again to its queue if nobody heard of that.
    pub is_due: bool,
}

impl Model {
    /// A consumer rejected a copy.
    pub fn rejected(&mut self, message: Message, place: Place) {
        self.told(message, place);
        let is_kept = self.dead_letters == DeadLetters::Kept;
        let burials = &mut self.copy(message, place).burials;
        burials.rejected += 1;
        burials.is_due = is_kept;
    }

    /// A message came to where dead letters go.
    pub fn buried(&mut self, message: Message, place: Place, reason: Reason, wall_ms: u64) {
        assert!(message < self.messages.len() as u64, "message {message} was never sent");
        self.appear(message);
        self.counts.buried += 1;
        let (expires, crashes) = (self.message(message).expires_ms, self.counts.crashes);
        let attempts = self.redelivery.attempts;
        let copy = self.copy(message, place);
        copy.burials.is_due = false;
        match reason {
            Reason::Rejected => {
                copy.burials.buried += 1;
                let Burials { rejected, buried, .. } = copy.burials;
                assert!(
                    buried <= rejected,
                    "message {message} was rejected {rejected} times at {place:?}, and came {buried}"
                );
                return;
            }
            Reason::Expired => {
                assert!(expires.is_some_and(|at| at <= wall_ms), "message {message} expires at {expires:?}")
            }
            Reason::Exhausted => assert!(attempts > 0, "message {message} may fail for ever"),
        }
        copy.burials.gone += 1;
        let Copy { burials: Burials { gone, .. }, fate, .. } = *copy;
        assert!(u64::from(gone) <= 1 + crashes, "message {message} went {gone} times");
        assert!(!matches!(fate, Fate::Told | Fate::Done), "message {message} is {fate:?}, and came for {reason:?}");
        // Behind a crash it may come a second time.
        if copy.fate == Fate::Owed {
            copy.fate = Fate::Perhaps;
        }
    }
}
