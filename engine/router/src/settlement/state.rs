//! Delivery states as they pass through: told apart as far as a router has to, and otherwise as they are encoded.

use bytes::Bytes;

/// `modified` with `delivery-failed`: what a router says of a delivery that was sent to somebody who is lost.
const FAILED: &[u8] = &[0x00, 0x53, 0x27, 0xc0, 2, 1, 0x41];
/// `rejected` without an error.
const REJECTED: &[u8] = &[0x00, 0x53, 0x25, 0x45];

/// A state. What has fields keeps its whole encoding, which passes verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// How far a receiver has come.
    Received(Bytes),
    /// The receiver has it.
    Accepted,
    /// The receiver cannot take it, with its error.
    Rejected(Bytes),
    /// The receiver did not look at it.
    Released,
    /// The receiver gave it back, with what it changed.
    Modified(Bytes),
    /// What belongs to a transaction. It passes where a delivery has one receiver.
    Transactional(Bytes),
}

/// Whether a word about a delivery is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// More is to come.
    Unsettled,
    /// It is forgotten.
    Settled,
}

impl State {
    /// That of a delivery whose receiver is lost.
    #[must_use]
    pub fn failed() -> Self {
        Self::Modified(Bytes::from_static(FAILED))
    }

    /// Whether it decides what becomes of a delivery.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Self::Received(_) | Self::Transactional(_))
    }

    /// The same as one of several copies, of which one cannot be in a transaction: it is rejected.
    pub(super) fn of_several(self) -> Self {
        if let Self::Transactional(_) = self { Self::Rejected(Bytes::from_static(REJECTED)) } else { self }
    }

    /// How much it counts among the states of several receivers: the worst that its sender has to know of, then that somebody has it.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Rejected(_) => 4,
            Self::Accepted => 3,
            Self::Modified(_) => 2,
            Self::Released => 1,
            Self::Received(_) | Self::Transactional(_) => 0,
        }
    }
}
