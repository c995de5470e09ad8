//! How far two clocks are apart, by asking: each round is three readings, here, there, here.
//!
//! The other clock was read at some moment between the two readings here. If the way there took as long as the way back, that was in
//! the middle; at worst it was at either end. So the offset is known to within half the round, and the shortest round is the best one.
//! (The same estimate as NTP's clock filter, RFC 5905, section 10, without its smoothing: runs are minutes, not days.)

/// One question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// When it was asked, by the clock here, nanoseconds.
    pub asked_ns: u64,
    /// What the clock there said.
    pub there_ns: u64,
    /// When the answer was here.
    pub heard_ns: u64,
}

/// What rounds say of two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The clock there less the clock here, nanoseconds.
    pub offset_ns: i64,
    /// How far that may be wrong.
    pub bound_ns: u64,
}

impl Reading {
    /// The best of several rounds; none of no rounds.
    pub fn of(rounds: &[Round]) -> Option<Self> {
        let best = rounds.iter().min_by_key(|round| round.heard_ns.saturating_sub(round.asked_ns))?;
        let length_ns = best.heard_ns.saturating_sub(best.asked_ns);
        // Monotonic clocks count from a machine's start: they stay far below 2^63.
        let here_ns = (best.asked_ns + length_ns / 2) as i64;
        Some(Self { offset_ns: best.there_ns as i64 - here_ns, bound_ns: length_ns.div_ceil(2) })
    }

    /// How far the offset at the beginning of a run may be wrong at any time in it, if this was measured before and `after` behind it. The
    /// clocks drift apart by what the two readings differ, give or take the bound of either.
    pub fn bound_until(self, after: Self) -> u64 {
        self.bound_ns.max(after.bound_ns) + self.offset_ns.abs_diff(after.offset_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_round_bounds_the_offset() {
        let rounds = [
            Round { asked_ns: 1000, there_ns: 9000, heard_ns: 5000 },
            // The clock there is 5,000 ahead; this way there took 150 and the way back 50.
            Round { asked_ns: 6000, there_ns: 11_150, heard_ns: 6200 },
        ];
        let reading = Reading::of(&rounds).expect("there are rounds");
        assert_eq!(reading, Reading { offset_ns: 5050, bound_ns: 100 });
        assert!(reading.offset_ns.abs_diff(5000) <= reading.bound_ns, "the truth is within the bound");
        assert_eq!(Reading::of(&[]), None);
    }

    #[test]
    fn a_clock_that_is_behind_has_a_negative_offset() {
        let round = Round { asked_ns: 10_000, there_ns: 4010, heard_ns: 10_020 };
        assert_eq!(Reading::of(&[round]), Some(Reading { offset_ns: -6000, bound_ns: 10 }));
    }

    #[test]
    fn drift_widens_the_bound() {
        let (before, after) = (Reading { offset_ns: -50, bound_ns: 10 }, Reading { offset_ns: 250, bound_ns: 30 });
        assert_eq!(before.bound_until(after), 330);
        assert_eq!(before.bound_until(before), 10);
    }
}
