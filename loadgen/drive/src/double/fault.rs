//! Which messages a lossy double treats how: every n-th, so that a test knows how many.

use std::fmt;

/// How often which fault is made: to one message in so many of each producer; 0: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Accepted and never given to anybody.
    pub lose: u32,
    /// Given twice.
    pub duplicate: u32,
    /// Given after its producer's next message.
    pub reorder: u32,
    /// Given with its last octet changed.
    pub corrupt: u32,
}

/// What happens to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It is forgotten.
    Lose,
    /// It comes twice.
    Duplicate,
    /// It waits for the next one.
    Reorder,
    /// It comes changed.
    Corrupt,
}

impl Losses {
    /// What happens to a producer's message `number`, counted from 1. Where several are due the first of the list wins.
    pub(super) fn fault(self, number: u64) -> Fault {
        let due = |one_in: u32| one_in > 0 && number.is_multiple_of(u64::from(one_in));
        if due(self.lose) {
            Fault::Lose
        } else if due(self.duplicate) {
            Fault::Duplicate
        } else if due(self.reorder) {
            Fault::Reorder
        } else if due(self.corrupt) {
            Fault::Corrupt
        } else {
            Fault::None
        }
    }

    /// Reads `lose=1000,reorder=500`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut losses = Self::default();
        for field in text.split(',') {
            let (name, one_in) = field.split_once('=')?;
            let place = match name {
                "lose" => &mut losses.lose,
                "duplicate" => &mut losses.duplicate,
                "reorder" => &mut losses.reorder,
                "corrupt" => &mut losses.corrupt,
                _ => return None,
            };
            *place = one_in.parse().ok().filter(|&one_in| one_in > 0)?;
        }
        Some(losses)
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields =
            [("lose", self.lose), ("duplicate", self.duplicate), ("reorder", self.reorder), ("corrupt", self.corrupt)];
        let mut comma = "";
        for (name, one_in) in fields.into_iter().filter(|&(_, one_in)| one_in > 0) {
            write!(f, "{comma}{name}={one_in}")?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_comes_as_often_as_it_was_ordered() {
        let losses = Losses { lose: 100, duplicate: 30, reorder: 7, corrupt: 0 };
        let count = |fault| (1..=2100).filter(|&number| losses.fault(number) == fault).count();
        assert_eq!(count(Fault::Lose), 21);
        assert_eq!(count(Fault::Duplicate), 70 - 7, "every tenth is lost instead");
        assert_eq!(count(Fault::Reorder), 300 - 3 - 10 + 1, "some are lost or come twice instead");
        assert_eq!(count(Fault::Corrupt), 0);
    }
}
