//! Why something was refused or ended, as a peer is told.

use engine_message::Symbol;

/// Why something was refused or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal: a condition of this node ([`engine_message::Condition`]), or whatever a peer says.
    pub condition: Symbol,
    /// For people.
    pub description: String,
}

impl Refusal {
    /// A refusal, boxed as events carry it.
    #[must_use]
    pub fn new(condition: impl Into<Symbol>, description: impl Into<String>) -> Box<Self> {
        Box::new(Self { condition: condition.into(), description: description.into() })
    }
}
