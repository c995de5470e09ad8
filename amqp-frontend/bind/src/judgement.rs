//! How far a connection is with the policy that judges it, if one does.

use amqp_codec::performative::Open;

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
