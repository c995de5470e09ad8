//! Log lines that come again: the first is told at once, the others are counted and told once a second at most.
//!
//! For lines that a peer or a lasting state of the system can cause as often as it likes: a log that grows with them fills a disk, and
//! hides what else it says. One `Repeats` for each kind of line.

/// How often a line is told at most, nanoseconds.
const PERIOD_NS: u64 = 1_000_000_000;

/// One kind of line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeats {
    /// When the next one may be told.
    due_ns: u64,
    /// How many were not told since the last one.
    held: u64,
}

impl Repeats {
    /// There is a line. Gives how many of its kind were not told since the last one, if it is to be told now.
    pub fn handle(&mut self, now_ns: u64) -> Option<u64> {
        if now_ns < self.due_ns {
            self.held += 1;
            return None;
        }
        self.due_ns = now_ns + PERIOD_NS;
        Some(std::mem::take(&mut self.held))
    }

    /// How many were not told, when that is due though no other line comes: call it now and then.
    pub fn poll(&mut self, now_ns: u64) -> Option<u64> {
        if self.held == 0 || now_ns < self.due_ns {
            return None;
        }
        self.due_ns = now_ns + PERIOD_NS;
        Some(std::mem::take(&mut self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_a_second_and_to_its_end() {
        let mut repeats = Repeats::default();
        let told: Vec<u64> = (0..2500).filter_map(|ms| repeats.handle(ms * 1_000_000)).collect();
        assert_eq!(told, [0, 999, 999]);
        assert_eq!(repeats.poll(2_600_000_000), None, "not yet");
        assert_eq!(repeats.poll(3_000_000_000), Some(499));
        assert_eq!(repeats.poll(9_000_000_000), None, "all were told");
        assert_eq!(repeats.handle(9_000_000_000), Some(0));
    }
}
