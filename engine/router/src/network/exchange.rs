//! One of the two things that routers tell each other of themselves (neighbours, addresses), by its sequence number: what is known, what
//! is to be asked for, what is owed.
//!
//! Guarantees: a question is asked again until it is answered, no more often than `RETRY_NS` unless there is a new link to the router; a router
//! that asks is answered no more often than the host says, and each time that it is told the same after twice the time.

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
    answered: Option<Answered>,
}

/// What a router was told last.
#[derive(Clone, Copy, Debug)]
struct Answered {
    at_ns: u64,
    /// The number of what it was told.
    sequence: u64,
    /// How long it waits for the same.
    wait_ns: u64,
}

/// How often a router that asks is answered, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From one answer to the next, at least.
    pub at_least_ns: u64,
    /// The same of one that was told the same again and again.
    pub at_most_ns: u64,
}

impl Default for Exchange {
    /// Nothing is known, which is what everybody begins with, and is asked for.
    fn default() -> Self {
        Self { known: Some(0), is_wanted: true, asked_ns: None, is_owed: false, answered: None }
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
        // What it was told before may be lost, and it is told sooner if it asks.
        self.answered.iter_mut().for_each(|answered| answered.wait_ns = 0);
    }

    /// What it was asked may be lost, with the link that it went over: if it is wanted still, it is asked for now.
    pub fn ask_again(&mut self) {
        self.asked_ns = None;
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

    /// Whether its router is to be answered now, with what has this number.
    pub fn poll_answer(&mut self, sequence: u64, now_ns: u64, pace: Pace) -> bool {
        let same = self.answered.filter(|answered| answered.sequence == sequence);
        let wait_ns = same.map_or(0, |answered| answered.wait_ns).max(pace.at_least_ns);
        let is_due = self.answered.is_none_or(|answered| now_ns >= answered.at_ns + wait_ns);
        let is_answered = self.is_owed && is_due;
        if is_answered {
            let wait_ns = same.map_or(pace.at_least_ns, |_| (2 * wait_ns).min(pace.at_most_ns));
            (self.is_owed, self.answered) = (false, Some(Answered { at_ns: now_ns, sequence, wait_ns }));
        }
        is_answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When somebody who asks ten times a second is answered until then, with what has this number; tenths of a second.
    fn answers(exchange: &mut Exchange, sequence: u64, tenths: std::ops::Range<u64>) -> Vec<u64> {
        let pace = Pace { at_least_ns: SECOND_NS, at_most_ns: 30 * SECOND_NS };
        let asks = |tenth: &u64| {
            exchange.owe();
            exchange.poll_answer(sequence, tenth * SECOND_NS / 10, pace)
        };
        tenths.filter(asks).collect()
    }

    #[test]
    fn who_asks_for_the_same_without_end_is_answered_after_twice_the_time() {
        let mut exchange = Exchange::default();
        let told = answers(&mut exchange, 1, 0..1300);
        assert_eq!(told, [0, 10, 30, 70, 150, 310, 610, 910, 1210], "and each thirty seconds in the end");
        assert_eq!(answers(&mut exchange, 2, 1300..1320), [1300, 1310], "what is new is told at once");
        assert_eq!(answers(&mut exchange, 2, 1320..1400), [1330, 1370]);
        exchange.want();
        assert_eq!(answers(&mut exchange, 2, 1400..1425), [1400, 1420], "and what may have been lost");
    }

    #[test]
    fn an_answer_that_is_owed_is_given_when_its_time_comes() {
        let pace = Pace { at_least_ns: SECOND_NS, at_most_ns: SECOND_NS };
        let mut exchange = Exchange::default();
        exchange.owe();
        assert!(exchange.poll_answer(1, 5, pace));
        exchange.owe();
        assert!(!exchange.poll_answer(1, 6, pace));
        assert!(exchange.poll_answer(1, 5 + SECOND_NS, pace), "it need not ask again");
        assert!(!exchange.poll_answer(1, 5 + 2 * SECOND_NS, pace), "it is told once");
    }
}
