//! The nine performatives of part 2.7.
//!
//! `transfer`, `flow` and `disposition` borrow from the frame and cost no allocation in either direction; the others own
//! what they hold. A field whose default the specification gives has that default here; fields beyond those that the
//! specification knows are skipped.

mod attach;
mod bundle;
mod connection;
mod disposition;
mod flow;
mod plain;
mod session;
mod terminus;
mod transfer;

pub use attach::{Attach, Detach};
pub use bundle::{Bundle, BundleHead, bundle_overhead, bundled, encode_bundle};
pub use connection::{AmqpError, Close, FRAME_BYTES_MIN_MAX, Open};
pub use disposition::{DeliveryState, Disposition, encode_disposition};
pub use flow::{Flow, encode_flow};
pub use plain::{PlainTransfer, decode_plain, encode_plain, encode_plain_marked};
pub use session::{Begin, End};
pub use terminus::{Coordinator, DistributionMode, Durability, ExpiryPolicy, LifetimePolicy, Source, Target, Terminus};
pub use transfer::{TAG_BYTES_MAX, Transfer, encode_transfer};

use crate::frame;
use engine_message::reader::Reader;
use engine_message::value::descriptor_code;
use engine_message::{DecodeError, ErrorKind, Fields};

/// Descriptors of the performatives.
mod code {
    pub const OPEN: u64 = 0x10;
    pub const BEGIN: u64 = 0x11;
    pub const ATTACH: u64 = 0x12;
    pub const FLOW: u64 = 0x13;
    pub const TRANSFER: u64 = 0x14;
    pub const DISPOSITION: u64 = 0x15;
    pub const DETACH: u64 = 0x16;
    pub const END: u64 = 0x17;
    pub const CLOSE: u64 = 0x18;
}

const NAMES: [(u64, &str); 9] = [
    (code::OPEN, "amqp:open:list"),
    (code::BEGIN, "amqp:begin:list"),
    (code::ATTACH, "amqp:attach:list"),
    (code::FLOW, "amqp:flow:list"),
    (code::TRANSFER, "amqp:transfer:list"),
    (code::DISPOSITION, "amqp:disposition:list"),
    (code::DETACH, "amqp:detach:list"),
    (code::END, "amqp:end:list"),
    (code::CLOSE, "amqp:close:list"),
];

/// Which end of a link (part 2.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that sends transfers.
    Sender,
    /// The end that receives them.
    Receiver,
}

impl Role {
    /// That of the link's other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    /// Reads the field of that name, which is mandatory everywhere.
    fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let receiver = fields.required("role", Reader::boolean)?;
        Ok(if receiver { Self::Receiver } else { Self::Sender })
    }
}

/// When the sender settles (part 2.8.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderSettleMode {
    /// It sends everything unsettled.
    Unsettled,
    /// It sends everything settled.
    Settled,
    /// As each transfer says.
    #[default]
    Mixed,
}

impl SenderSettleMode {
    fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        match fields.next(Reader::ubyte)? {
            None | Some(2) => Ok(Self::Mixed),
            Some(0) => Ok(Self::Unsettled),
            Some(1) => Ok(Self::Settled),
            Some(_) => Err(fields.error(ErrorKind::InvalidField("snd-settle-mode"))),
        }
    }
}

/// When the receiver settles (part 2.8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiverSettleMode {
    /// At once.
    #[default]
    First,
    /// After the sender has.
    Second,
}

impl ReceiverSettleMode {
    /// Reads the field of that name, if there is one.
    #[inline]
    fn read(fields: &mut Fields<'_>) -> Result<Option<Self>, DecodeError> {
        match fields.next(Reader::ubyte)? {
            None => Ok(None),
            Some(0) => Ok(Some(Self::First)),
            Some(1) => Ok(Some(Self::Second)),
            Some(_) => Err(fields.error(ErrorKind::InvalidField("rcv-settle-mode"))),
        }
    }
}

/// Any performative.
#[derive(Clone, Debug, PartialEq)]
pub enum Performative<'a> {
    /// Part 2.7.1
    Open(Box<Open>),
    /// Part 2.7.2
    Begin(Box<Begin>),
    /// Part 2.7.3
    Attach(Box<Attach>),
    /// Part 2.7.4
    Flow(Flow<'a>),
    /// Part 2.7.5
    Transfer(Transfer<'a>),
    /// Part 2.7.6
    Disposition(Disposition<'a>),
    /// Part 2.7.7
    Detach(Detach),
    /// Part 2.7.8
    End(End),
    /// Part 2.7.9
    Close(Close),
}

/// Decodes the body of an AMQP frame: a performative and the payload behind it.
///
/// # Errors
/// When the performative is not well-formed, unknown, lacks a mandatory field or has one out of bounds. The payload is
/// not looked at.
#[inline]
pub fn decode(body: &[u8]) -> Result<(Performative<'_>, &[u8]), DecodeError> {
    let mut reader = Reader::new(body);
    let descriptor = reader.descriptor()?;
    let code = descriptor_code(descriptor, &NAMES).ok_or_else(|| reader.error(ErrorKind::UnknownDescriptor(None)))?;
    let hot = matches!(code, code::TRANSFER | code::FLOW | code::DISPOSITION);
    if !hot {
        // What is owned and nested passes the walk first, so that nothing below can be made to recurse or reserve.
        engine_message::check::check_value(reader.rest())
            .map_err(|error| DecodeError { kind: error.kind, offset: reader.position() + error.offset })?;
    }
    let mut fields = Fields::new(reader.list()?);
    // The payload begins where the list says that it ends, whatever the fields did.
    let payload_at = fields.end();
    let performative = match code {
        code::TRANSFER => Performative::Transfer(Transfer::decode(&mut fields)?),
        code::DISPOSITION => Performative::Disposition(Disposition::decode(&mut fields)?),
        code::FLOW => Performative::Flow(Flow::decode(&mut fields)?),
        code::OPEN => Performative::Open(Box::new(Open::decode(&mut fields)?)),
        code::BEGIN => Performative::Begin(Box::new(Begin::decode(&mut fields)?)),
        code::ATTACH => Performative::Attach(Box::new(Attach::decode(&mut fields)?)),
        code::DETACH => Performative::Detach(Detach::decode(&mut fields)?),
        code::END => Performative::End(End::decode(&mut fields)?),
        code::CLOSE => Performative::Close(Close::decode(&mut fields)?),
        other => return Err(reader.error(ErrorKind::UnknownDescriptor(Some(other)))),
    };
    Ok((performative, body.get(payload_at..).unwrap_or_default()))
}

/// Appends an AMQP frame with `performative` and no payload.
pub fn encode_frame(out: &mut Vec<u8>, channel: u16, performative: &Performative<'_>) {
    match performative {
        Performative::Flow(flow) => encode_flow(out, channel, flow),
        Performative::Disposition(disposition) => encode_disposition(out, channel, disposition),
        Performative::Transfer(transfer) => encode_transfer(out, channel, transfer, 0),
        Performative::Open(open) => frame::amqp(out, channel, |out| open.encode(out)),
        Performative::Begin(begin) => frame::amqp(out, channel, |out| begin.encode(out)),
        Performative::Attach(attach) => frame::amqp(out, channel, |out| attach.encode(out)),
        Performative::Detach(detach) => frame::amqp(out, channel, |out| detach.encode(out)),
        Performative::End(end) => frame::amqp(out, channel, |out| end.encode(out)),
        Performative::Close(close) => frame::amqp(out, channel, |out| close.encode(out)),
    }
}
