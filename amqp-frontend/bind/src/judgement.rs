//! How far a connection is with being let in.

use amqp_codec::performative::Open;
use engine_core::command::SolePolicy;

/// What a connection's open has to do with.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Whether a policy has to let it in.
    pub judgement: Judgement,
    /// What its peer wants to become of other connections of its container.
    pub sole: Option<SolePolicy>,
}

/// Whether a policy judges a connection.
#[derive(Debug, Default)]
pub(crate) enum Judgement {
    /// None does, or it has.
    #[default]
    Done,
    /// One does when its open comes.
    Due,
    /// It is asked about this open.
    Asked(Box<Open>),
}
