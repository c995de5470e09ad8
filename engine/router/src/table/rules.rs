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
    /// What becomes of messages of clients of this router.
    pub keeping: Keeping,
}

/// What becomes of messages of clients that are at a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// They pass through.
    Routed,
    /// Queues of its node keep them. Other routers' messages pass through even so, by the distribution.
    Stored,
}

impl Rule {
    /// A distribution, and nothing else.
    #[must_use]
    pub fn of(treatment: Treatment) -> Self {
        let (ingress, egress, keeping) = (Phase::FIRST, Phase::FIRST, Keeping::Routed);
        Self { treatment, ingress, egress, priority: None, has_fallback: false, keeping }
    }
}

impl From<Treatment> for Rule {
    fn from(treatment: Treatment) -> Self {
        Self::of(treatment)
    }
}

/// What holds for addresses.
#[derive(Clone, Debug)]
pub struct Rules {
    tree: Tree<Rule>,
    /// What holds for all others; they have no phases.
    default: Rule,
    keep_some: bool,
}

impl Rules {
    /// Rules by pattern, and what holds for all other addresses: a distribution, and whether they are kept.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = (Pattern, Rule)>, default: impl Into<Rule>) -> Self {
        let (tree, default): (Tree<Rule>, Rule) = (rules.into_iter().collect(), default.into());
        let keep_some = tree.values().chain([&default]).any(|rule| rule.keeping == Keeping::Stored);
        Self { tree, default, keep_some }
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
        self.rule(name).map(|rule| rule.treatment).or(hint).unwrap_or(self.default.treatment)
    }

    /// What becomes of messages of clients of the router `here` for an address. Only what has phases is kept: not what names something of routers
    /// themselves.
    #[must_use]
    pub fn keeping(&self, address: &str, here: Here<'_>) -> Keeping {
        if !self.keep_some {
            return Keeping::Routed;
        }
        match resolve(address, Phase::FIRST, here) {
            Some(key) if key.phase().is_none() => Keeping::Routed,
            Some(key) => self.rule(key.name()).unwrap_or(&self.default).keeping,
            // It is refused, by whoever has what is not named otherwise.
            None => self.default.keeping,
        }
    }

    /// Whether all addresses are kept that no rule is for.
    #[must_use]
    pub fn keep_others(&self) -> bool {
        self.default.keeping == Keeping::Stored
    }

    /// Whether some addresses are kept.
    #[must_use]
    pub fn keep_some(&self) -> bool {
        self.keep_some
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
    fn what_is_kept_is_what_clients_name_and_a_rule_says() {
        let stored = Rule { keeping: Keeping::Stored, ..Rule::of(Treatment::Balanced) };
        let prefix = |text, rule| (Pattern::of_prefix(text).expect("a pattern"), rule);
        let some = [prefix("queue", stored), prefix("queue.near", Rule::of(Treatment::Closest))];
        let others = [prefix("near", Rule::of(Treatment::Closest))];
        let (some, others) = (Rules::new(some, Treatment::Balanced), Rules::new(others, stored));
        let none = Rules::new([prefix("near", Rule::of(Treatment::Closest))], Treatment::Balanced);
        assert_eq!((some.keep_some(), some.keep_others()), (true, false));
        assert_eq!((others.keep_some(), others.keep_others()), (true, true));
        assert_eq!((none.keep_some(), none.keep_others()), (false, false));
        let me = RouterId::new("A").expect("an id");
        let is_kept =
            |rules: &Rules, address| rules.keeping(address, Here { id: &me, mode: Mode::Interior }) == Keeping::Stored;
        for (address, by_some, by_others) in [
            ("queue", true, true),
            ("queue.a", true, true),
            ("amqp://host/queue.a", true, true),
            ("queue.near.a", false, true),
            ("near.a", false, false),
            ("other", false, true),
            ("_local/queue", false, false),
            ("amqp:/_topo/0/B/queue", false, false),
            ("", false, true),
        ] {
            assert_eq!((is_kept(&some, address), is_kept(&others, address)), (by_some, by_others), "{address}");
            assert!(!is_kept(&none, address), "{address}");
        }
    }

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
