//! What can be wrong with a control message.

use std::fmt;

use engine_message::DecodeError;

use super::message::VERSION;
use crate::router_id::RouterId;

/// Why a message is no control message that can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// It is no well-formed message, or a value has the wrong type.
    Malformed(DecodeError),
    /// It says nothing that routers say.
    Opcode,
    /// A field is not there.
    Missing(&'static str),
    /// A field has a value that it cannot have.
    Wrong(&'static str),
    /// A list is longer than what is taken.
    TooMany(&'static str),
    /// It is of another area than the only one, `0`.
    Area,
    /// It is of a later version of the protocol.
    Version {
        /// Who speaks it.
        id: RouterId,
        /// Which.
        version: u64,
    },
}

impl From<DecodeError> for ControlError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "a control message cannot be read: {error}"),
            Self::Opcode => write!(f, "a control message has none of the opcodes of routers"),
            Self::Missing(field) => write!(f, "a control message has no {field}"),
            Self::Wrong(field) => write!(f, "a control message has a {field} that it cannot have"),
            Self::TooMany(field) => write!(f, "a control message has more {field} than are taken"),
            Self::Area => write!(f, "a control message is of an area other than 0"),
            Self::Version { id, version } => {
                write!(f, "router {id} speaks version {version} of the protocol, and {VERSION} is spoken here")
            }
        }
    }
}

impl std::error::Error for ControlError {}
