//! Logins that were refused, counted by mechanism and reason. What a peer calls its mechanism does not become a label: those that are not
//! known are one, so that nobody makes more of them.

use amqp_proto::{Connection, RefusedLogin};

/// Mechanisms that are told apart: those that exist here, and one for all others.
const MECHANISMS: [&str; 3] = ["ANONYMOUS", "PLAIN", "other"];
/// Reasons, in the order of [`index`].
const REASONS: [&str; 3] = ["credentials", "exchange", "busy"];

/// How many logins were refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct RefusedLogins([[u64; REASONS.len()]; MECHANISMS.len()]);

fn index(reason: RefusedLogin) -> usize {
    match reason {
        RefusedLogin::Credentials => 0,
        RefusedLogin::Exchange => 1,
        RefusedLogin::Busy => 2,
    }
}

impl RefusedLogins {
    /// Counts a connection that ends, if its peer was not let in.
    pub(crate) fn note(&mut self, machine: &Connection) {
        if let Some(reason) = machine.refused_login() {
            self.count(machine.mechanism(), reason);
        }
    }

    fn count(&mut self, mechanism: &str, reason: RefusedLogin) {
        let row = MECHANISMS.iter().position(|known| *known == mechanism).unwrap_or(MECHANISMS.len() - 1);
        self.0[row][index(reason)] += 1;
    }

    /// Adds those of another shard.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().flatten().zip(other.0.iter().flatten()).for_each(|(sum, count)| *sum += count);
    }

    /// Mechanism, reason, and how many, of every pair.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        MECHANISMS
            .iter()
            .zip(self.0)
            .flat_map(|(mechanism, row)| REASONS.iter().zip(row).map(|(reason, count)| (*mechanism, *reason, count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_make_no_labels() {
        let mut logins = RefusedLogins::default();
        logins.count("PLAIN", RefusedLogin::Credentials);
        (0..1000).for_each(|n| logins.count(&format!("SCRAM-{n}"), RefusedLogin::Exchange));
        let mut sum = logins;
        sum.add(&logins);
        assert_eq!(sum.iter().count(), MECHANISMS.len() * REASONS.len());
        let some: Vec<_> = sum.iter().filter(|(.., count)| *count > 0).collect();
        assert_eq!(some, [("PLAIN", "credentials", 2), ("other", "exchange", 2000)]);
    }
}
