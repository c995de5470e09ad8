//! What an end of a link says of deliveries (parts 3.4 and 4.5): outcomes, and what is no outcome yet.
//!
//! Guarantees: what a peer said passes on whole: a rejection with its error, a modification with its annotations, a transaction
//! with its name and the outcome within. What cannot be understood inside an outcome does not undo the outcome.
//! Not here: what a state does to a link (`dispatch`), and which frame carries it (`session`).

use amqp_codec::AmqpError;
use amqp_codec::performative::DeliveryState;
use bytes::Bytes;
use engine_message::Condition;
use engine_message::reader::Reader;

use crate::fault::Fault;
use crate::limits::TRANSACTION_ID_BYTES_MAX;

/// The end of a delivery, as its receiver decides (part 3.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum DeliveryOutcome {
    /// Processed.
    #[default]
    Accepted,
    /// Invalid, and why if the receiver says so.
    Rejected(Option<Box<AmqpError>>),
    /// Not processed.
    Released,
    /// Not processed, and changed.
    Modified(Box<Modified>),
    /// A coordinator's answer to `declare`: the transaction's identifier (part 4.5.7).
    Declared(Bytes),
}

/// How a delivery was changed (part 3.4.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modified {
    /// Count the attempt.
    pub delivery_failed: bool,
    /// Do not send it to this link again.
    pub undeliverable_here: bool,
    /// Message annotations to merge, an encoded map.
    pub annotations: Option<Bytes>,
}

/// The state of a delivery at one end of its link.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It is decided on.
    Outcome(DeliveryOutcome),
    /// How far its transfer came (part 3.4.1).
    Received {
        /// The section.
        section_number: u32,
        /// Octets of the section's encoding.
        section_offset: u64,
    },
    /// It belongs to a transaction (part 4.5.8).
    Transactional {
        /// The transaction's identifier, at most `TRANSACTION_ID_BYTES_MAX` octets.
        transaction: Bytes,
        /// What becomes of the delivery if the transaction is committed.
        outcome: Option<DeliveryOutcome>,
    },
    /// One that the specification does not have, as encoded.
    Other(Bytes),
}

impl From<DeliveryOutcome> for State {
    fn from(outcome: DeliveryOutcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl State {
    /// Keeps a state that came.
    ///
    /// # Errors
    /// When a transaction's identifier is too long, or what is within the transaction is no state: the session is at fault.
    pub(crate) fn read(state: &DeliveryState<'_>) -> Result<Self, Fault> {
        Ok(match state {
            DeliveryState::Received { section_number, section_offset } => {
                Self::Received { section_number: *section_number, section_offset: *section_offset }
            }
            DeliveryState::Transactional { txn_id, outcome } => {
                let within = outcome.map(DeliveryState::read).transpose()?;
                let outcome = within.as_ref().map(DeliveryOutcome::read).transpose()?.flatten();
                Self::Transactional { transaction: transaction(txn_id)?, outcome }
            }
            DeliveryState::Unknown(raw) => Self::Other(Bytes::copy_from_slice(raw)),
            DeliveryState::Accepted
            | DeliveryState::Released
            | DeliveryState::Rejected { .. }
            | DeliveryState::Modified { .. }
            | DeliveryState::Declared { .. } => Self::Outcome(DeliveryOutcome::read(state)?.unwrap_or_default()),
        })
    }

    /// The state that is encoded so; `None` if it cannot be understood.
    #[must_use]
    pub fn of(state: &[u8]) -> Option<Self> {
        Self::read(&DeliveryState::read(state).ok()?).ok()
    }

    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Outcome(outcome) => outcome.encode(out),
            Self::Received { section_number, section_offset } => {
                let (section_number, section_offset) = (*section_number, *section_offset);
                DeliveryState::Received { section_number, section_offset }.encode(out);
            }
            Self::Transactional { transaction, outcome } => {
                let within = outcome.as_ref().map(|outcome| {
                    let mut encoded = Vec::new();
                    outcome.encode(&mut encoded);
                    encoded
                });
                DeliveryState::Transactional { txn_id: transaction, outcome: within.as_deref() }.encode(out);
            }
            Self::Other(raw) => out.extend_from_slice(raw),
        }
    }
}

impl DeliveryOutcome {
    /// The outcome that a state is, `None` for one that decides nothing.
    ///
    /// # Errors
    /// When a transaction's identifier is too long: the session is at fault.
    pub(crate) fn read(state: &DeliveryState<'_>) -> Result<Option<Self>, Fault> {
        Ok(match state {
            DeliveryState::Accepted => Some(Self::Accepted),
            DeliveryState::Released => Some(Self::Released),
            DeliveryState::Rejected { error } => Some(Self::Rejected(error.map(read_error))),
            DeliveryState::Modified { delivery_failed, undeliverable_here, annotations } => {
                Some(Self::Modified(Box::new(Modified {
                    delivery_failed: *delivery_failed,
                    undeliverable_here: *undeliverable_here,
                    annotations: annotations.map(Bytes::copy_from_slice),
                })))
            }
            DeliveryState::Declared { txn_id } => Some(Self::Declared(transaction(txn_id)?)),
            DeliveryState::Received { .. } | DeliveryState::Transactional { .. } | DeliveryState::Unknown(_) => None,
        })
    }

    /// The outcome that an encoded state is; `None` for one that decides nothing, or that cannot be understood.
    #[must_use]
    pub fn of(state: &[u8]) -> Option<Self> {
        Self::read(&DeliveryState::read(state).ok()?).ok().flatten()
    }

    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut within = Vec::new();
        self.as_state(&mut within).encode(out);
    }

    /// The state that the outcome is on the wire; `within` holds what of it has to be encoded first.
    pub(crate) fn as_state<'a>(&'a self, within: &'a mut Vec<u8>) -> DeliveryState<'a> {
        match self {
            Self::Accepted => DeliveryState::Accepted,
            Self::Released => DeliveryState::Released,
            Self::Declared(transaction) => DeliveryState::Declared { txn_id: transaction },
            Self::Rejected(None) => DeliveryState::Rejected { error: None },
            Self::Rejected(Some(error)) => {
                error.encode(within);
                DeliveryState::Rejected { error: Some(within) }
            }
            Self::Modified(modified) => DeliveryState::Modified {
                delivery_failed: modified.delivery_failed,
                undeliverable_here: modified.undeliverable_here,
                annotations: modified.annotations.as_deref(),
            },
        }
    }
}

/// A rejection's error; one that cannot be understood is told of in its place, so that the rejection stays what it is.
fn read_error(encoded: &[u8]) -> Box<AmqpError> {
    let unreadable = |error| {
        let text = format!("the receiver rejected it with an error that cannot be understood: {error}");
        AmqpError::new(Condition::DecodeError, text)
    };
    Box::new(AmqpError::read(&mut Reader::new(encoded)).unwrap_or_else(unreadable))
}

fn transaction(identifier: &[u8]) -> Result<Bytes, Fault> {
    if identifier.len() > TRANSACTION_ID_BYTES_MAX {
        let text = format!("a transaction's identifier is longer than {TRANSACTION_ID_BYTES_MAX} octets");
        return Err(Fault::Session(Box::new(AmqpError::new(Condition::ResourceLimitExceeded, text))));
    }
    Ok(Bytes::copy_from_slice(identifier))
}
