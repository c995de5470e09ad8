//! `transfer` (part 2.7.5): the performative of every message.

use crate::frame::HEADER_BYTES;
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::{DecodeError, ErrorKind, Fields, constructor};

use super::disposition::{self, DeliveryState};
use super::{ReceiverSettleMode, code};

/// Longest delivery tag, octets (part 2.8.7).
pub const TAG_BYTES_MAX: usize = 32;

/// Part of a message, or all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transfer<'a> {
    /// The link, by the sender's handle.
    pub handle: u32,
    /// The delivery; mandatory on its first transfer.
    pub delivery_id: Option<u32>,
    /// The delivery's tag; mandatory on its first transfer, at most 32 octets.
    pub delivery_tag: Option<&'a [u8]>,
    /// Version and format of the message.
    pub message_format: Option<u32>,
    /// Whether the sender has settled.
    pub settled: Option<bool>,
    /// Whether more transfers of this delivery follow.
    pub more: bool,
    /// Settle mode for this delivery.
    pub rcv_settle_mode: Option<ReceiverSettleMode>,
    /// State at the sender.
    pub state: Option<DeliveryState<'a>>,
    /// Whether this goes on with a delivery from before the link was attached anew.
    pub resume: bool,
    /// Whether the delivery is given up.
    pub aborted: bool,
    /// Whether the disposition may wait to be sent with others.
    pub batchable: bool,
}

impl<'a> Transfer<'a> {
    #[inline]
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        let transfer = Self {
            handle: fields.required("handle", Reader::uint)?,
            delivery_id: fields.next(Reader::uint)?,
            delivery_tag: fields.next(Reader::binary)?,
            message_format: fields.next(Reader::uint)?,
            settled: fields.next(Reader::boolean)?,
            more: fields.flag()?,
            rcv_settle_mode: ReceiverSettleMode::read(fields)?,
            state: fields.next(disposition::read_state)?,
            resume: fields.flag()?,
            aborted: fields.flag()?,
            batchable: fields.flag()?,
        };
        if transfer.delivery_tag.is_some_and(|tag| tag.len() > TAG_BYTES_MAX) {
            return Err(fields.error(ErrorKind::InvalidField("delivery-tag")));
        }
        Ok(transfer)
    }
}

/// Appends the frame header and the performative of a frame whose payload of `payload_bytes` follows elsewhere.
#[inline]
pub fn encode_transfer(out: &mut Vec<u8>, channel: u16, transfer: &Transfer<'_>, payload_bytes: usize) {
    let start = out.len();
    let plain = transfer.state.is_none()
        && transfer.rcv_settle_mode.is_none()
        && !transfer.resume
        && !transfer.aborted
        && !transfer.batchable;
    let [channel_high, channel_low] = channel.to_be_bytes();
    let described = code::TRANSFER.to_be_bytes()[7];
    out.extend_from_slice(&[0, 0, 0, 0, 2, 0, channel_high, channel_low, 0, constructor::ULONG_SMALL, described]);
    debug_assert_eq!(out.len() - start, HEADER_BYTES + 3);
    let mut list = Compound::list(out);
    list.put(|out| encode::uint(out, transfer.handle))
        .put_some(transfer.delivery_id, encode::uint)
        .put_some(transfer.delivery_tag, encode::binary)
        .put_some(transfer.message_format, encode::uint)
        .put_some(transfer.settled, encode::boolean)
        .put_flag(transfer.more);
    if !plain {
        list.put_some(transfer.rcv_settle_mode, |out, mode| {
            encode::ubyte(out, u8::from(mode == ReceiverSettleMode::Second));
        })
        .put_some(transfer.state.as_ref(), |out, state| state.encode(out))
        .put_flag(transfer.resume)
        .put_flag(transfer.aborted)
        .put_flag(transfer.batchable);
    }
    list.finish();
    let size = out.len() - start + payload_bytes;
    encode::patch_u32(out, start, u32::try_from(size).expect("a frame is smaller than 4 GiB"));
}
