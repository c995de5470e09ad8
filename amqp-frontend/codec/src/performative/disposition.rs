//! `disposition` (part 2.7.6) and the delivery states of parts 3.4 and 4.5.

use crate::frame;
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::value::descriptor_code;
use engine_message::{DecodeError, ErrorKind, Fields, checked_raw};

use super::{Role, code};

const RECEIVED: u64 = 0x23;
const ACCEPTED: u64 = 0x24;
const REJECTED: u64 = 0x25;
const RELEASED: u64 = 0x26;
const MODIFIED: u64 = 0x27;
const DECLARED: u64 = 0x33;
const TRANSACTIONAL: u64 = 0x34;

const NAMES: [(u64, &str); 7] = [
    (RECEIVED, "amqp:received:list"),
    (ACCEPTED, "amqp:accepted:list"),
    (REJECTED, "amqp:rejected:list"),
    (RELEASED, "amqp:released:list"),
    (MODIFIED, "amqp:modified:list"),
    (DECLARED, "amqp:declared:list"),
    (TRANSACTIONAL, "amqp:transactional-state:list"),
];

/// The state of a delivery at one end.
#[derive(Clone, Debug, PartialEq)]
pub enum DeliveryState<'a> {
    /// Processed.
    Accepted,
    /// Invalid; the encoded error, if the peer gave one.
    Rejected {
        /// A described list as of part 2.8.14.
        error: Option<&'a [u8]>,
    },
    /// Not processed.
    Released,
    /// Not processed, and changed.
    Modified {
        /// Count the attempt.
        delivery_failed: bool,
        /// Do not send it here again.
        undeliverable_here: bool,
        /// Message annotations to merge, an encoded map.
        annotations: Option<&'a [u8]>,
    },
    /// How far the transfer of the delivery came.
    Received {
        /// The section that is not there whole, counted from 0 (part 3.4.1).
        section_number: u32,
        /// Octets of its encoding.
        section_offset: u64,
    },
    /// A transaction was declared.
    Declared {
        /// Its identifier.
        txn_id: &'a [u8],
    },
    /// The delivery is part of a transaction.
    Transactional {
        /// The transaction's identifier.
        txn_id: &'a [u8],
        /// The encoded outcome.
        outcome: Option<&'a [u8]>,
    },
    /// A state that the specification does not have (it leaves the type open), as encoded.
    Unknown(&'a [u8]),
}

/// Reads a described delivery state.
#[inline]
pub fn read_state<'a>(reader: &mut Reader<'a>) -> Result<DeliveryState<'a>, DecodeError> {
    let start = *reader;
    let code = reader.descriptor().ok().and_then(|descriptor| descriptor_code(descriptor, &NAMES));
    if !matches!(code, Some(RECEIVED..=MODIFIED | DECLARED | TRANSACTIONAL)) {
        *reader = start;
        return checked_raw(reader).map(DeliveryState::Unknown);
    }
    let list = reader.list()?;
    let mut fields = Fields::new(list);
    Ok(match code {
        Some(ACCEPTED) => DeliveryState::Accepted,
        Some(RELEASED) => DeliveryState::Released,
        Some(REJECTED) => DeliveryState::Rejected { error: fields.raw()? },
        Some(MODIFIED) => DeliveryState::Modified {
            delivery_failed: fields.flag()?,
            undeliverable_here: fields.flag()?,
            annotations: fields.raw()?,
        },
        Some(RECEIVED) => DeliveryState::Received {
            section_number: fields.required("section-number", Reader::uint)?,
            section_offset: fields.required("section-offset", Reader::ulong)?,
        },
        Some(DECLARED) => DeliveryState::Declared { txn_id: fields.required("txn-id", Reader::binary)? },
        Some(TRANSACTIONAL) => {
            DeliveryState::Transactional { txn_id: fields.required("txn-id", Reader::binary)?, outcome: fields.raw()? }
        }
        other => return Err(start.error(ErrorKind::UnknownDescriptor(other))),
    })
}

impl<'a> DeliveryState<'a> {
    /// Reads an encoded state, such as the outcome within that of a transaction.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(encoded: &'a [u8]) -> Result<Self, DecodeError> {
        read_state(&mut Reader::new(encoded))
    }
}

impl DeliveryState<'_> {
    /// Appends the encoding.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let low = |code: u64| code.to_be_bytes()[7];
        match self {
            Self::Accepted => Compound::described(out, low(ACCEPTED)).finish_empty(),
            Self::Released => Compound::described(out, low(RELEASED)).finish_empty(),
            Self::Rejected { error } => {
                let mut list = Compound::described(out, low(REJECTED));
                list.put_some(*error, |out, error| out.extend_from_slice(error));
                list.finish();
            }
            Self::Modified { delivery_failed, undeliverable_here, annotations } => {
                let mut list = Compound::described(out, low(MODIFIED));
                list.put_flag(*delivery_failed)
                    .put_flag(*undeliverable_here)
                    .put_some(*annotations, |out, map| out.extend_from_slice(map));
                list.finish();
            }
            Self::Received { section_number, section_offset } => {
                let mut list = Compound::described(out, low(RECEIVED));
                list.put(|out| encode::uint(out, *section_number)).put(|out| encode::ulong(out, *section_offset));
                list.finish();
            }
            Self::Declared { txn_id } => {
                let mut list = Compound::described(out, low(DECLARED));
                list.put(|out| encode::binary(out, txn_id));
                list.finish();
            }
            Self::Transactional { txn_id, outcome } => {
                let mut list = Compound::described(out, low(TRANSACTIONAL));
                list.put(|out| encode::binary(out, txn_id))
                    .put_some(*outcome, |out, outcome| out.extend_from_slice(outcome));
                list.finish();
            }
            Self::Unknown(raw) => out.extend_from_slice(raw),
        }
    }
}

/// New states of a range of deliveries.
#[derive(Clone, Debug, PartialEq)]
pub struct Disposition<'a> {
    /// The role of the disposition's sender: that of the deliveries' other end is meant.
    pub role: Role,
    /// First delivery of the range.
    pub first: u32,
    /// Last delivery, if it is not the first.
    pub last: Option<u32>,
    /// Whether the sender of the disposition has settled.
    pub settled: bool,
    /// What it says of them; none with `settled`: they are done with, undecided.
    pub state: Option<DeliveryState<'a>>,
    /// Whether the answer may wait.
    pub batchable: bool,
}

impl<'a> Disposition<'a> {
    #[inline]
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            role: Role::read(fields)?,
            first: fields.required("first", Reader::uint)?,
            last: fields.next(Reader::uint)?,
            settled: fields.flag()?,
            state: fields.next(read_state)?,
            batchable: fields.flag()?,
        })
    }
}

/// Appends a frame with `disposition`.
pub fn encode_disposition(out: &mut Vec<u8>, channel: u16, disposition: &Disposition<'_>) {
    frame::amqp(out, channel, |out| {
        let mut list = Compound::described(out, code::DISPOSITION.to_be_bytes()[7]);
        list.put(|out| encode::boolean(out, disposition.role == Role::Receiver))
            .put(|out| encode::uint(out, disposition.first))
            .put_some(disposition.last, encode::uint)
            .put_flag(disposition.settled)
            .put_some(disposition.state.as_ref(), |out, state| state.encode(out))
            .put_flag(disposition.batchable);
        list.finish();
    });
}
