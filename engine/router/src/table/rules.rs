//! What the configuration says of addresses: their distribution and phases, by pattern.

use crate::address::{Here, Key, Phase, resolve};
use crate::matching::{Pattern, Tree};
use crate::treatment::Treatment;

/// Which end of a link a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It sends.
    Sender,
    /// It receives.
    Receiver,
}

/// A stage of an address that a link claims for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This phase.
    Phase(Phase),
    /// It is the waypoint of this number, 1 to 9: it takes from the phase before and gives to this one.
    Waypoint(u8),
    /// It takes what nobody else takes, or gives that to those who do.
    Fallback,
}

/// What holds for addresses of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How messages are spread.
    pub treatment: Treatment,
    /// The phase that senders send to.
    pub ingress: Phase,
    /// The phase that receivers take from.
    pub egress: Phase,
    /// The priority of all messages; that of each if it is not set.
    pub priority: Option<u8>,
    /// Whether what nobody takes goes to fallback consumers.
    pub has_fallback: bool,
}

impl Rule {
    /// A distribution, and nothing else.
    #[must_use]
    pub fn of(treatment: Treatment) -> Self {
        Self { treatment, ingress: Phase::FIRST, egress: Phase::FIRST, priority: None, has_fallback: false }
    }
}

/// What holds for addresses.
#[derive(Clone, Debug)]
pub struct Rules {
    tree: Tree<Rule>,
    default: Treatment,
}

impl Rules {
    /// Rules by pattern, and the distribution of all other addresses.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = (Pattern, Rule)>, default: Treatment) -> Self {
        Self { tree: rules.into_iter().collect(), default }
    }

    /// The rule of an address by its name, if there is one.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.tree.best(name).map(|(_, rule)| rule)
    }

    /// The key of the address that a client attaches to, on the router `here`: with the phase that it claims, or that its rule has for
    /// its end.
    #[must_use]
    pub fn key(&self, address: &str, end: End, claim: Option<Claim>, here: Here<'_>) -> Option<Key> {
        let key = resolve(address, Phase::FIRST, here)?;
        if key.phase().is_none() {
            return Some(key);
        }
        let configured = |rule: &Rule| match end {
            End::Sender => rule.ingress,
            End::Receiver => rule.egress,
        };
        let phase = match (claim, end) {
            (Some(Claim::Phase(phase)), _) => phase,
            (Some(Claim::Waypoint(number)), End::Sender) => Phase::number(number)?,
            (Some(Claim::Waypoint(number)), End::Receiver) => Phase::number(number.checked_sub(1)?)?,
            (Some(Claim::Fallback), End::Receiver) => Phase::FALLBACK,
            (Some(Claim::Fallback), End::Sender) => Phase::FIRST,
            (None, _) => self.rule(key.name()).map_or(Phase::FIRST, configured),
        };
        Key::mobile(phase, key.name())
    }

    /// The distribution of an address: by its rule, else as another router has it, else the default. Where that is none, what comes from
    /// other routers is balanced.
    #[must_use]
    pub fn treatment(&self, name: &str, hint: Option<Treatment>) -> Treatment {
        self.rule(name).map(|rule| rule.treatment).or(hint).unwrap_or(self.default)
    }
}

impl Default for Rules {
    /// All addresses are balanced.
    fn default() -> Self {
        Self::new([], Treatment::Balanced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Mode;
    use crate::router_id::RouterId;

    #[test]
    fn clients_attach_to_the_phase_of_their_end_or_of_their_claim() {
        let second = Phase::number(1).expect("a phase");
        let waypoint = Rule { egress: second, ..Rule::of(Treatment::Balanced) };
        let rules = Rules::new([(Pattern::of_prefix("queue").expect("a pattern"), waypoint)], Treatment::Balanced);
        let me = RouterId::new("A").expect("an id");
        let key = |address, end, claim| {
            let key = rules.key(address, end, claim, Here { id: &me, mode: Mode::Interior });
            key.map_or_else(String::new, |key| key.as_str().to_owned())
        };
        let waypoint = |number| Some(Claim::Waypoint(number));
        for (address, claim, sender, receiver) in [
            ("queue.a", None, "M0queue.a", "M1queue.a"),
            ("/queue.a", None, "M0queue.a", "M1queue.a"),
            ("other", None, "M0other", "M0other"),
            ("queue", waypoint(1), "M1queue", "M0queue"),
            ("queue", waypoint(9), "M9queue", "M8queue"),
            ("queue", Some(Claim::Fallback), "M0queue", "MFqueue"),
            ("queue", Some(Claim::Phase(second)), "M1queue", "M1queue"),
            ("queue", Some(Claim::Phase(Phase::FALLBACK)), "MFqueue", "MFqueue"),
            ("_local/x", waypoint(1), "Lx", "Lx"),
            ("", None, "", ""),
        ] {
            assert_eq!(key(address, End::Sender, claim), sender, "{address} {claim:?}");
            assert_eq!(key(address, End::Receiver, claim), receiver, "{address} {claim:?}");
        }
    }
}
