//! Deliveries that failed: how often a message says so, how long it waits then, and how often it may.
//!
//! What a lost connection held counts as well, whether its client had seen it or not: so a count may be higher than what consumers said, by
//! one for each connection that ended, but never lower while nothing was lost.

use super::{Came, DeadLetters, Message, Model, Place};

/// What becomes of messages whose delivery failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redelivery {
    /// Failures after which one goes elsewhere; 0: any number.
    pub attempts: u32,
    /// How long it waits, milliseconds.
    pub delay_ms: u64,
}

/// Failed deliveries of a copy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failing {
    /// Failures that consumers told of.
    told: u32,
    /// Failures that it said when it came last.
    said: u32,
    /// Failures that it has to say at least when it comes again.
    least: u32,
    /// When it may come again, milliseconds since 1970.
    not_before_ms: u64,
}

impl Failing {
    /// What consumers said may not have come, or is forgotten.
    pub fn doubt(&mut self) {
        (self.least, self.not_before_ms) = (0, 0);
    }

    /// It may have failed.
    pub fn note(&mut self) {
        self.told += 1;
    }
}

impl Model {
    /// A consumer gave a copy back because its delivery failed.
    pub fn failed(&mut self, message: Message, place: Place, wall_ms: u64) {
        self.returned(message, place);
        let delay_ms = self.redelivery.delay_ms;
        let failing = &mut self.copy(message, place).failing;
        failing.told += 1;
        (failing.least, failing.not_before_ms) = (failing.said + 1, wall_ms + delay_ms);
    }

    /// How often its delivery failed is what it says, and that is not too often; it has waited for its time.
    pub(super) fn check_failures(&mut self, came: &Came, wall_ms: u64) {
        let &Came { message, place, failures, .. } = came;
        let (losses, attempts) = (self.losses, self.redelivery.attempts);
        let is_bounded = attempts > 0 && self.dead_letters == DeadLetters::Kept;
        let failing = &mut self.copy(message, place).failing;
        let (least, most, until) = (failing.least, failing.told + losses, failing.not_before_ms);
        assert!(
            (least..=most).contains(&failures),
            "message {message} at {place:?} failed {least} to {most} times, and says {failures}"
        );
        assert!(until <= wall_ms, "message {message} at {place:?} was to wait until {until} and came at {wall_ms}");
        assert!(!is_bounded || failures < attempts, "message {message} came after {failures} failures of {attempts}");
        (failing.said, failing.not_before_ms) = (failures, 0);
    }
}
