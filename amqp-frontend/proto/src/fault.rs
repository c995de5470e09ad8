//! An error and how far it reaches: a link, a session, or the connection.

use amqp_codec::AmqpError;
use engine_message::Condition;

/// An error and how far it reaches.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The link of this local handle ends.
    Link(u32, Box<AmqpError>),
    /// The session ends.
    Session(Box<AmqpError>),
    /// The connection ends.
    Connection(Box<AmqpError>),
}

impl From<engine_message::DecodeError> for Fault {
    fn from(error: engine_message::DecodeError) -> Self {
        Self::Connection(Box::new(AmqpError::new(condition_of(error), error.to_string())))
    }
}

/// Part 2.4.1: only channel 0 takes an open.
pub(crate) fn misplaced_open(channel: u16) -> AmqpError {
    AmqpError::new(Condition::FramingError, format!("an open came on channel {channel}: it belongs on channel 0"))
}

/// The condition of bytes that cannot be understood.
pub(crate) fn condition_of(error: engine_message::DecodeError) -> Condition {
    match error.kind {
        engine_message::ErrorKind::InvalidField(_) | engine_message::ErrorKind::MissingField(_) => {
            Condition::InvalidField
        }
        _ => Condition::DecodeError,
    }
}
