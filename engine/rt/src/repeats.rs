//! Something that may happen often and is told seldom: a log line at most once in a period, with how often it was meant.
//!
//! It is a machine: time comes in, and it keeps three numbers whatever happens.

/// How often one thing is told.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    period_ns: u64,
    /// Not told again before this time.
    next_ns: u64,
    /// How often it happened since it was told.
    untold: u64,
}

impl Repeats {
    /// It is told once in `period_ns` at most.
    pub const fn new(period_ns: u64) -> Self {
        Self { period_ns, next_ns: 0, untold: 0 }
    }

    /// It happened. When it is to be told now: how often it happened since it was told last, this time included.
    pub fn note(&mut self, now_ns: u64) -> Option<u64> {
        self.untold += 1;
        self.poll(now_ns)
    }

    /// Whether some were only counted, so that `poll` is to be called later.
    pub const fn are_untold(&self) -> bool {
        self.untold > 0
    }

    /// The same for whoever looks later: what happened within the period is told behind it.
    pub fn poll(&mut self, now_ns: u64) -> Option<u64> {
        if self.untold == 0 || now_ns < self.next_ns {
            return None;
        }
        self.next_ns = now_ns + self.period_ns;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_one_line_a_period_and_none_is_forgotten() {
        let mut repeats = Repeats::new(1000);
        assert_eq!(repeats.note(5), Some(1), "the first one is told at once");
        assert!((6..900).all(|now| repeats.note(now).is_none()));
        assert_eq!((repeats.poll(1004), repeats.are_untold()), (None, true));
        assert_eq!(repeats.poll(1005), Some(894), "what happened meanwhile is counted");
        assert!(!repeats.are_untold());
        assert_eq!(repeats.poll(9000), None, "nothing happened since");
        assert_eq!(repeats.note(9001), Some(1));
    }
}
