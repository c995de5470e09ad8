//! What the configuration says of addresses: their distribution and phases, by pattern.

use crate::address::Phase;
use crate::matching::{Pattern, Tree};
use crate::treatment::Treatment;

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
