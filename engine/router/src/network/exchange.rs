//! One of the two things that routers tell each other of themselves (neighbours, addresses), by its sequence number: what is known, what
//! is to be asked for, what is owed.
//!
//! Guarantees: a question is asked again until it is answered, no more often than `RETRY_NS`; a router that asks is answered no more
//! often than the host says.

use super::config::SECOND_NS;

/// How long an answer is waited for. While a network settles, questions and answers are lost where paths do not lead there yet.
const RETRY_NS: u64 = SECOND_NS;

/// What a number that was advertised says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing new, or something to ask for.
    Further,
    /// It went back to nothing: what was known counts no more.
    Nothing,
}

/// The state of the exchange with one router.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// The number of what is known; `None` if it is doubtful.
    known: Option<u64>,
    is_wanted: bool,
    asked_ns: Option<u64>,
    is_owed: bool,
    answered_ns: Option<u64>,
}

impl Default for Exchange {
    /// Nothing is known, which is what everybody begins with, and is asked for.
    fn default() -> Self {
        Self { known: Some(0), is_wanted: true, asked_ns: None, is_owed: false, answered_ns: None }
    }
}

impl Exchange {
    /// Its router advertises a number.
    pub fn hear(&mut self, advertised: u64) -> Heard {
        match self.known {
            Some(known) if known == advertised => self.is_wanted = false,
            Some(known) if known < advertised => self.is_wanted = true,
            _ if advertised == 0 => {
                (self.known, self.is_wanted) = (Some(0), false);
                return Heard::Nothing;
            }
            // It counts from the start again, within the second that tells its lives apart; or an older word came late.
            _ => (self.known, self.is_wanted) = (None, true),
        }
        Heard::Further
    }

    /// The whole of a number comes; gives whether it is to be taken.
    pub fn take_whole(&mut self, sequence: u64) -> bool {
        let is_new = self.known.is_none_or(|known| known < sequence);
        if is_new || self.known == Some(sequence) {
            (self.known, self.is_wanted, self.asked_ns) = (Some(sequence), false, None);
        }
        is_new
    }

    /// What leads from the number before to this one comes; gives whether it is to be taken. If it leads from elsewhere, all is asked for.
    pub fn take_step(&mut self, sequence: u64) -> bool {
        let is_next = self.known.and_then(|known| known.checked_add(1)) == Some(sequence);
        if is_next {
            self.known = Some(sequence);
        } else if self.known.is_none_or(|known| known < sequence) {
            self.is_wanted = true;
        }
        is_next
    }

    /// All of it is asked for, whatever is known: the way to the router is new.
    pub fn want(&mut self) {
        (self.is_wanted, self.asked_ns) = (true, None);
    }

    /// What came last was not taken: all of it is asked for, no sooner than it would be anyway.
    pub fn miss(&mut self) {
        (self.known, self.is_wanted) = (None, true);
    }

    /// If its router is to be asked now: the number that is known.
    pub fn poll_question(&mut self, now_ns: u64) -> Option<u64> {
        let is_due = self.asked_ns.is_none_or(|asked| now_ns >= asked + RETRY_NS);
        (self.is_wanted && is_due).then(|| {
            self.asked_ns = Some(now_ns);
            self.known.unwrap_or_default()
        })
    }

    /// Its router asked.
    pub fn owe(&mut self) {
        self.is_owed = true;
    }

    /// Whether its router is to be answered now.
    pub fn poll_answer(&mut self, now_ns: u64, at_most_every_ns: u64) -> bool {
        let is_due = self.answered_ns.is_none_or(|answered| now_ns >= answered + at_most_every_ns);
        let is_answered = self.is_owed && is_due;
        if is_answered {
            (self.is_owed, self.answered_ns) = (false, Some(now_ns));
        }
        is_answered
    }
}
