//! Connections that are down and made again: told while they are tried, and given up where nobody ever answered.
//!
//! Guarantee: a worker that reached no server in `FIRST_NS` ends, and says what the last attempt met. One whose server goes away later tries
//! until the run is over, which has an end of its own.

use load_model::worker::Tries;

use super::conn::{Conn, Stage};

/// How long a server may take until it is reached for the first time, nanoseconds: one that is being started.
const FIRST_NS: u64 = 30_000_000_000;
/// How often it is told what is tried, nanoseconds.
const TELL_NS: u64 = 1_000_000_000;

/// What is tried.
pub(super) struct Reach {
    made_ns: u64,
    told_ns: u64,
    /// Whether connections were told to be down.
    is_down: bool,
    /// Whether any was ever there.
    is_reached: bool,
}

/// What is to be done about it.
pub(super) enum Next {
    /// Nobody is to hear of it yet.
    Nothing,
    /// Whoever watches hears of it.
    Tell(Tries),
    /// The run ends; why, for people.
    GiveUp(String),
}

impl Reach {
    pub fn new(now_ns: u64) -> Self {
        Self { made_ns: now_ns, told_ns: now_ns, is_down: false, is_reached: false }
    }

    /// Looks at the connections, now and then.
    pub fn turn(&mut self, conns: &[Conn], now_ns: u64) -> Next {
        self.is_reached |= conns.iter().any(|conn| conn.stage() == Stage::Up);
        let down = || conns.iter().filter(|conn| !conn.why_down.is_empty());
        let Some(worst) = down().max_by_key(|conn| conn.attempts()) else {
            return if std::mem::take(&mut self.is_down) { Next::Tell(Tries::default()) } else { Next::Nothing };
        };
        let until_ns = self.made_ns + FIRST_NS;
        if !self.is_reached && now_ns >= until_ns {
            let (seconds, why) = (FIRST_NS / 1_000_000_000, &worst.why_down);
            return Next::GiveUp(format!("no connection in {seconds} s and {} attempts: {why}", worst.attempts()));
        }
        if now_ns < self.told_ns + TELL_NS {
            return Next::Nothing;
        }
        (self.told_ns, self.is_down) = (now_ns, true);
        Next::Tell(Tries {
            down: u32::try_from(down().count()).unwrap_or(u32::MAX),
            attempts: worst.attempts(),
            why: worst.why_down.clone(),
            left_ns: (!self.is_reached).then(|| until_ns - now_ns),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Planned, Side};
    use super::*;

    #[test]
    fn what_is_tried_is_told_once_a_second_and_given_up_when_nobody_ever_answered() {
        let planned = Planned { group: 0, side: Side::Producers, numbers: vec![0], server: 0 };
        let mut conns = vec![Conn::new(0, planned, 1, Vec::new(), Vec::new())];
        let second_ns = 1_000_000_000;
        let mut reach = Reach::new(second_ns);
        assert!(matches!(reach.turn(&conns, 3 * second_ns), Next::Nothing), "nothing failed yet");
        conns[0].why_down = "refused".to_owned();
        let Next::Tell(tries) = reach.turn(&conns, 3 * second_ns) else { panic!("it is told") };
        assert_eq!((tries.down, tries.why.as_str(), tries.left_ns), (1, "refused", Some(28 * second_ns)));
        assert!(matches!(reach.turn(&conns, 3 * second_ns + 5), Next::Nothing), "that was told just now");
        let Next::GiveUp(why) = reach.turn(&conns, 31 * second_ns) else { panic!("it is given up") };
        assert!(why.starts_with("no connection in 30 s and 0 attempts: refused"), "{why}");
        // One that was there once is tried until the run is over.
        conns[0].why_down.clear();
        conns[0].enter(Stage::Up, 0);
        assert!(matches!(reach.turn(&conns, 32 * second_ns), Next::Tell(tries) if tries == Tries::default()));
        conns[0].enter(Stage::Down, 0);
        conns[0].why_down = "reset".to_owned();
        let Next::Tell(tries) = reach.turn(&conns, 99 * second_ns) else { panic!("it is told") };
        assert_eq!((tries.down, tries.left_ns), (1, None));
    }
}
