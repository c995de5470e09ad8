//! `flow` (part 2.7.4): windows of a session, credit of a link.

use crate::frame;
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::{DecodeError, Fields};

use super::code;

/// The flow state of a session, and of one of its links if `handle` is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow<'a> {
    /// The transfer expected next; absent until the peer's begin was seen.
    pub next_incoming_id: Option<u32>,
    /// How many transfers may still come, frames.
    pub incoming_window: u32,
    /// The transfer sent next.
    pub next_outgoing_id: u32,
    /// How many transfers could still go out, frames.
    pub outgoing_window: u32,
    /// The link, by the handle of the flow's sender.
    pub handle: Option<u32>,
    /// Deliveries that the link's sender has started, a serial number.
    pub delivery_count: Option<u32>,
    /// How many more the receiver takes.
    pub link_credit: Option<u32>,
    /// How many more the sender has.
    pub available: Option<u32>,
    /// Whether the sender should use its credit up.
    pub drain: bool,
    /// Whether a flow should come back.
    pub echo: bool,
    /// Properties of the link's state, an encoded map.
    pub properties: Option<&'a [u8]>,
}

impl<'a> Flow<'a> {
    #[inline]
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            next_incoming_id: fields.next(Reader::uint)?,
            incoming_window: fields.required("incoming-window", Reader::uint)?,
            next_outgoing_id: fields.required("next-outgoing-id", Reader::uint)?,
            outgoing_window: fields.required("outgoing-window", Reader::uint)?,
            handle: fields.next(Reader::uint)?,
            delivery_count: fields.next(Reader::uint)?,
            link_credit: fields.next(Reader::uint)?,
            available: fields.next(Reader::uint)?,
            drain: fields.flag()?,
            echo: fields.flag()?,
            properties: fields.raw()?,
        })
    }
}

/// Appends a frame with `flow`.
pub fn encode_flow(out: &mut Vec<u8>, channel: u16, flow: &Flow<'_>) {
    frame::amqp(out, channel, |out| {
        let mut list = Compound::described(out, code::FLOW.to_be_bytes()[7]);
        list.put_some(flow.next_incoming_id, encode::uint)
            .put(|out| encode::uint(out, flow.incoming_window))
            .put(|out| encode::uint(out, flow.next_outgoing_id))
            .put(|out| encode::uint(out, flow.outgoing_window))
            .put_some(flow.handle, encode::uint)
            .put_some(flow.delivery_count, encode::uint)
            .put_some(flow.link_credit, encode::uint)
            .put_some(flow.available, encode::uint)
            .put_flag(flow.drain)
            .put_flag(flow.echo)
            .put_some(flow.properties, |out, map| out.extend_from_slice(map));
        list.finish();
    });
}
