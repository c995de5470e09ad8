//! What a peer is told that may not do what it asked for. The texts are those of qdrouterd: clients and their tests know them.

use std::fmt;

use engine_message::Condition;

/// Why something is denied: what the peer is told, and for whoever runs the node what the reason is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The condition.
    pub condition: Condition,
    /// The description. It does not say why: a peer that is not let in learns nothing of the policy.
    pub text: &'static str,
    /// The reason, for the log.
    pub why: String,
}

impl Denial {
    pub(crate) fn connection(why: String) -> Self {
        Self { condition: Condition::ResourceLimitExceeded, text: "connection disallowed by local policy", why }
    }

    /// There are as many links as there may be.
    pub(crate) fn further_link(why: String) -> Self {
        Self { condition: Condition::ResourceLimitExceeded, text: "link disallowed by local policy", why }
    }

    pub(crate) fn link(why: String) -> Self {
        Self { condition: Condition::UnauthorizedAccess, text: "link disallowed by local policy", why }
    }

    pub(crate) fn message(why: String) -> Self {
        Self { condition: Condition::UnauthorizedAccess, text: "policy violation on target", why }
    }

    pub(crate) fn user_id(why: String) -> Self {
        Self { condition: Condition::UnauthorizedAccess, text: "user_id proxy violation", why }
    }

    /// A connection that cannot be judged now: the gate has too many before it.
    #[must_use]
    pub fn unjudged() -> Self {
        Self::connection("too many connections wait for the policy's answer".to_owned())
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} ({})", self.condition.as_str(), self.text, self.why)
    }
}

impl std::error::Error for Denial {}
