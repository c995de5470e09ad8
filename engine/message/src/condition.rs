//! Why something is refused or ended: the error conditions of the AMQP 1.0 specification (parts 2.8.15 to 2.8.18 and 4.5.8).
//!
//! Owners of queues answer with them whatever protocol a peer speaks; a binding says them in its own words.

use std::fmt;

/// An error condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// An internal error; the peer can do nothing about it.
    InternalError,
    /// The peer named something that does not exist.
    NotFound,
    /// The peer may not do what it asked for.
    UnauthorizedAccess,
    /// Bytes that are no valid AMQP.
    DecodeError,
    /// A limit of this node is reached.
    ResourceLimitExceeded,
    /// The peer is not allowed to do this here.
    NotAllowed,
    /// A field has a value that it must not have.
    InvalidField,
    /// Something the specification has and this node has not.
    NotImplemented,
    /// Somebody else holds the resource exclusively.
    ResourceLocked,
    /// A precondition of the request does not hold.
    PreconditionFailed,
    /// The node was deleted while the link was attached to it.
    ResourceDeleted,
    /// The request does not fit the state that the endpoint is in.
    IllegalState,
    /// A frame does not fit into the negotiated size.
    FrameSizeTooSmall,
    /// An operator or this node's shutdown closed the connection.
    ConnectionForced,
    /// The bytes are no frame.
    FramingError,
    /// The container is to be found elsewhere.
    ConnectionRedirect,
    /// More transfers than the session window allows.
    WindowViolation,
    /// Input for a link that was detached with an error.
    ErrantLink,
    /// An attach named a handle that is attached already.
    HandleInUse,
    /// A frame named a handle that is not attached.
    UnattachedHandle,
    /// An operator detached the link.
    DetachForced,
    /// A transfer without link credit.
    TransferLimitExceeded,
    /// A message larger than the link's maximum.
    MessageSizeExceeded,
    /// The address is to be found elsewhere.
    LinkRedirect,
    /// The same link was attached on another connection.
    LinkStolen,
    /// The named transaction does not exist.
    TransactionUnknownId,
    /// The transaction was rolled back.
    TransactionRollback,
    /// The transaction took too long.
    TransactionTimeout,
}

impl Condition {
    /// The symbol that goes on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InternalError => "amqp:internal-error",
            Self::NotFound => "amqp:not-found",
            Self::UnauthorizedAccess => "amqp:unauthorized-access",
            Self::DecodeError => "amqp:decode-error",
            Self::ResourceLimitExceeded => "amqp:resource-limit-exceeded",
            Self::NotAllowed => "amqp:not-allowed",
            Self::InvalidField => "amqp:invalid-field",
            Self::NotImplemented => "amqp:not-implemented",
            Self::ResourceLocked => "amqp:resource-locked",
            Self::PreconditionFailed => "amqp:precondition-failed",
            Self::ResourceDeleted => "amqp:resource-deleted",
            Self::IllegalState => "amqp:illegal-state",
            Self::FrameSizeTooSmall => "amqp:frame-size-too-small",
            Self::ConnectionForced => "amqp:connection:forced",
            Self::FramingError => "amqp:connection:framing-error",
            Self::ConnectionRedirect => "amqp:connection:redirect",
            Self::WindowViolation => "amqp:session:window-violation",
            Self::ErrantLink => "amqp:session:errant-link",
            Self::HandleInUse => "amqp:session:handle-in-use",
            Self::UnattachedHandle => "amqp:session:unattached-handle",
            Self::DetachForced => "amqp:link:detach-forced",
            Self::TransferLimitExceeded => "amqp:link:transfer-limit-exceeded",
            Self::MessageSizeExceeded => "amqp:link:message-size-exceeded",
            Self::LinkRedirect => "amqp:link:redirect",
            Self::LinkStolen => "amqp:link:stolen",
            Self::TransactionUnknownId => "amqp:transaction:unknown-id",
            Self::TransactionRollback => "amqp:transaction:rollback",
            Self::TransactionTimeout => "amqp:transaction:timeout",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Condition> for crate::Symbol {
    fn from(condition: Condition) -> Self {
        condition.as_str().into()
    }
}

impl PartialEq<Condition> for crate::Symbol {
    fn eq(&self, other: &Condition) -> bool {
        self.as_str() == other.as_str()
    }
}
