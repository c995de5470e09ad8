//! Every error condition that this crate answers with, as the AMQP 1.0 specification spells it (part 2.8.15 to 2.8.18).

/// The node does not exist and may not be created.
pub const NOT_FOUND: &str = "amqp:not-found";
/// The operation is not permitted on this node.
pub const NOT_ALLOWED: &str = "amqp:not-allowed";
/// A field of the request is not acceptable.
pub const INVALID_FIELD: &str = "amqp:invalid-field";
/// The request does not fit the state in which the node is.
pub const ILLEGAL_STATE: &str = "amqp:illegal-state";
/// A condition of the request, such as the kind of an existing subscription, does not hold.
pub const PRECONDITION_FAILED: &str = "amqp:precondition-failed";
/// A limit of `limits.rs` is reached.
pub const RESOURCE_LIMIT_EXCEEDED: &str = "amqp:resource-limit-exceeded";
/// The node was deleted while a link was attached to it.
pub const RESOURCE_DELETED: &str = "amqp:resource-deleted";
/// Another link holds the node exclusively.
pub const RESOURCE_LOCKED: &str = "amqp:resource-locked";
/// Somebody attached a link of the same name.
pub const LINK_STOLEN: &str = "amqp:link:stolen";
/// The message is larger than what the node takes.
pub const MESSAGE_SIZE_EXCEEDED: &str = "amqp:link:message-size-exceeded";
