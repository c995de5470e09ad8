//! The error conditions of the AMQP 1.0 specification (parts 2.8.15 to 2.8.18 and 4.5.8) as the symbols that go on the wire.

/// An internal error; the peer can do nothing about it.
pub const INTERNAL_ERROR: &str = "amqp:internal-error";
/// The peer named something that does not exist.
pub const NOT_FOUND: &str = "amqp:not-found";
/// The peer may not do what it asked for.
pub const UNAUTHORIZED_ACCESS: &str = "amqp:unauthorized-access";
/// Bytes that are no valid AMQP.
pub const DECODE_ERROR: &str = "amqp:decode-error";
/// A limit of this node is reached.
pub const RESOURCE_LIMIT_EXCEEDED: &str = "amqp:resource-limit-exceeded";
/// The peer is not allowed to do this here.
pub const NOT_ALLOWED: &str = "amqp:not-allowed";
/// A field has a value that it must not have.
pub const INVALID_FIELD: &str = "amqp:invalid-field";
/// Something the specification has and this node has not.
pub const NOT_IMPLEMENTED: &str = "amqp:not-implemented";
/// Somebody else holds the resource exclusively.
pub const RESOURCE_LOCKED: &str = "amqp:resource-locked";
/// A precondition of the request does not hold.
pub const PRECONDITION_FAILED: &str = "amqp:precondition-failed";
/// The node was deleted while the link was attached to it.
pub const RESOURCE_DELETED: &str = "amqp:resource-deleted";
/// The request does not fit the state that the endpoint is in.
pub const ILLEGAL_STATE: &str = "amqp:illegal-state";
/// A frame does not fit into the negotiated size.
pub const FRAME_SIZE_TOO_SMALL: &str = "amqp:frame-size-too-small";
/// An operator or this node's shutdown closed the connection.
pub const CONNECTION_FORCED: &str = "amqp:connection:forced";
/// The bytes are no frame.
pub const FRAMING_ERROR: &str = "amqp:connection:framing-error";
/// The container is to be found elsewhere.
pub const CONNECTION_REDIRECT: &str = "amqp:connection:redirect";
/// More transfers than the session window allows.
pub const WINDOW_VIOLATION: &str = "amqp:session:window-violation";
/// Input for a link that was detached with an error.
pub const ERRANT_LINK: &str = "amqp:session:errant-link";
/// An attach named a handle that is attached already.
pub const HANDLE_IN_USE: &str = "amqp:session:handle-in-use";
/// A frame named a handle that is not attached.
pub const UNATTACHED_HANDLE: &str = "amqp:session:unattached-handle";
/// An operator detached the link.
pub const DETACH_FORCED: &str = "amqp:link:detach-forced";
/// A transfer without link credit.
pub const TRANSFER_LIMIT_EXCEEDED: &str = "amqp:link:transfer-limit-exceeded";
/// A message larger than the link's maximum.
pub const MESSAGE_SIZE_EXCEEDED: &str = "amqp:link:message-size-exceeded";
/// The address is to be found elsewhere.
pub const LINK_REDIRECT: &str = "amqp:link:redirect";
/// The same link was attached on another connection.
pub const STOLEN: &str = "amqp:link:stolen";
/// The named transaction does not exist.
pub const TRANSACTION_UNKNOWN_ID: &str = "amqp:transaction:unknown-id";
/// The transaction was rolled back.
pub const TRANSACTION_ROLLBACK: &str = "amqp:transaction:rollback";
/// The transaction took too long.
pub const TRANSACTION_TIMEOUT: &str = "amqp:transaction:timeout";
