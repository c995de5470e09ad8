//! Messages that come: the short way of a plain transfer, the long way of all others.
//!
//! Guarantees: the short way takes a frame only if the long way would give the same event and nothing else; it changes
//! nothing otherwise.

use amqp_codec::AmqpError;
use amqp_codec::frame::{self, FrameKind, Split};
use amqp_codec::performative::{ReceiverSettleMode, Role, Transfer, decode_plain};
use bytes::BytesMut;
use engine_message::Condition;

use crate::connection::{Connection, Fault, Phase};
use crate::dispatch::unattached;
use crate::event::{Event, LinkId, Payload, Stage};
use crate::input::Input;
use crate::link::{Link, Partial, State};
use crate::session;

/// A whole message that came in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// The link.
    pub link: LinkId,
    /// The delivery's number, to settle it by.
    pub delivery: u32,
    /// Version and format.
    pub format: u32,
    /// Whether the sender settled it.
    pub settled: bool,
    /// The message.
    pub payload: &'a [u8],
}

impl Connection {
    /// Takes the next frame if it is a plain transfer: what `handle_input` would return as `Event::Delivery`, sooner. When
    /// this gives `None` it has taken nothing, and `handle_input` is next.
    #[inline]
    pub fn next_delivery<'a>(&mut self, now_ns: u64, input: &mut Input<'a>) -> Option<Delivery<'a>> {
        let Ok(Split::Frame { frame, bytes }) = frame::split(input.rest(), self.config.max_frame_size) else {
            return None;
        };
        if self.phase != Phase::Open || frame.kind != FrameKind::Amqp {
            return None;
        }
        let transfer = decode_plain(frame.body)?;
        let local = self.by_remote.get(usize::from(frame.channel))?.checked_sub(1)?;
        let session = self.sessions.get_mut(usize::from(local))?.as_deref_mut()?;
        let handle = session.local(transfer.handle)?;
        if session.phase != session::Phase::Mapped || session.incoming_left == 0 {
            return None;
        }
        let link = session.links.get_mut(handle as usize)?.as_deref_mut()?;
        let ready = link.state != State::Detaching && link.role == Role::Receiver && link.partial.is_none();
        if !ready || link.credit == 0 || transfer.payload.len() as u64 > link.max_message_size {
            return None;
        }
        link.credit -= 1;
        link.delivery_count = link.delivery_count.wrapping_add(1);
        let link = LinkId { session: local, generation: link.generation, handle };
        session.take_incoming();
        input.consume(bytes);
        self.last_input_ns = now_ns;
        let (delivery, format) = (transfer.delivery_id, transfer.message_format);
        Some(Delivery { link, delivery, format, settled: transfer.settled, payload: transfer.payload })
    }

    pub(crate) fn handle_transfer<'a>(
        &mut self,
        local: u16,
        transfer: &Transfer<'_>,
        payload: &'a [u8],
    ) -> Result<Option<Event<'a>>, Fault> {
        let (stream_above, handle_max) = (self.config.stream_above, self.config.handle_max);
        let Some(session) = self.session(local) else { return Ok(None) };
        let handle = session.local(transfer.handle).ok_or_else(|| unattached(transfer.handle, handle_max))?;
        if session.link(handle).is_some_and(|link| link.state == State::Asked) {
            // Without credit it ends the link.
            return Ok(self.wait());
        }
        let Some(session) = self.session(local) else { return Ok(None) };
        session.count_incoming().map_err(Fault::Session)?;
        let Some(link) = session.link(handle) else { return Ok(None) };
        match (link.state, link.role) {
            (State::Detaching, _) => return Ok(None),
            (_, Role::Sender) => {
                let text = "a transfer came on a link whose sender we are";
                return Err(Fault::Session(Box::new(AmqpError::new(Condition::ErrantLink, text))));
            }
            _ => {}
        }
        receive(link, transfer, payload, stream_above)
            .map(|received| {
                let Received { delivery, settled, format, stage, payload } = received?;
                let link = LinkId { session: local, generation: link.generation, handle };
                Some(match stage {
                    None => Event::Delivery { link, delivery, settled, format, payload },
                    Some(stage) => Event::Part { link, delivery, settled, format, stage, payload },
                })
            })
            .map_err(|error| Fault::Link(handle, error))
    }
}

/// A message, or a part of one.
struct Received<'a> {
    delivery: u32,
    settled: bool,
    format: u32,
    /// `None`: it is whole.
    stage: Option<Stage>,
    payload: Payload<'a>,
}

/// Takes one transfer of a link; gives the message when it is whole.
fn receive<'a>(
    link: &mut Link,
    transfer: &Transfer<'_>,
    payload: &'a [u8],
    stream_above: u64,
) -> Result<Option<Received<'a>>, Box<AmqpError>> {
    if link.partial.is_some() {
        return continue_delivery(link, transfer, payload, stream_above);
    }
    let Some(delivery) = transfer.delivery_id else {
        return Err(Box::new(AmqpError::new(
            Condition::InvalidField,
            "the first transfer of a delivery has no delivery-id",
        )));
    };
    if transfer.delivery_tag.is_none() {
        return Err(Box::new(AmqpError::new(
            Condition::InvalidField,
            "the first transfer of a delivery has no delivery-tag",
        )));
    }
    if link.credit == 0 {
        let text = "a transfer came without link credit";
        return Err(Box::new(AmqpError::new(Condition::TransferLimitExceeded, text)));
    }
    if transfer.rcv_settle_mode == Some(ReceiverSettleMode::Second) && link.rcv_settle_mode == ReceiverSettleMode::First
    {
        let text = "a transfer asks for receiver settle mode second on a link of mode first";
        return Err(Box::new(AmqpError::new(Condition::InvalidField, text)));
    }
    link.credit -= 1;
    link.delivery_count = link.delivery_count.wrapping_add(1);
    if payload.len() as u64 > link.max_message_size {
        return Err(too_large(link.max_message_size));
    }
    let settled = transfer.settled.unwrap_or(false);
    let format = transfer.message_format.unwrap_or(0);
    // A resumed delivery is one that we do not know, since nothing survives a detach here: it is ignored (2.6.13).
    if transfer.aborted || (transfer.resume && !transfer.more) {
        return Ok(None);
    }
    if transfer.more {
        let bytes = BytesMut::from(payload);
        link.partial = Some(Box::new(Partial { delivery, format, settled, bytes, given: 0 }));
        return Ok(None);
    }
    Ok(Some(Received { delivery, settled, format, stage: None, payload: Payload::Borrowed(payload) }))
}

#[cold]
fn continue_delivery<'a>(
    link: &mut Link,
    transfer: &Transfer<'_>,
    payload: &'a [u8],
    stream_above: u64,
) -> Result<Option<Received<'a>>, Box<AmqpError>> {
    let Some(partial) = &mut link.partial else { return Ok(None) };
    if transfer.delivery_id.is_some_and(|id| id != partial.delivery) {
        let text = "a delivery began before the one under way on this link ended";
        return Err(Box::new(AmqpError::new(Condition::InvalidField, text)));
    }
    if transfer.message_format.is_some_and(|format| format != partial.format) {
        return Err(Box::new(AmqpError::new(Condition::InvalidField, "the message-format changed within a delivery")));
    }
    partial.settled |= transfer.settled.unwrap_or(false);
    let Partial { delivery, format, settled, given, .. } = **partial;
    let part = |stage, payload| Ok(Some(Received { delivery, settled, format, stage, payload }));
    if transfer.aborted {
        link.partial = None;
        return if given > 0 { part(Some(Stage::Aborted), Payload::Borrowed(&[])) } else { Ok(None) };
    }
    let bytes = given + partial.bytes.len() as u64 + payload.len() as u64;
    if bytes > link.max_message_size {
        return Err(too_large(link.max_message_size));
    }
    if given > 0 {
        partial.given = bytes;
        if !transfer.more {
            link.partial = None;
        }
        return part(Some(if transfer.more { Stage::Next } else { Stage::Last }), Payload::Borrowed(payload));
    }
    partial.bytes.extend_from_slice(payload);
    if transfer.more && bytes > stream_above {
        partial.given = bytes;
        return part(Some(Stage::First), Payload::Owned(std::mem::take(&mut partial.bytes).freeze()));
    }
    if transfer.more {
        return Ok(None);
    }
    let whole = std::mem::take(&mut partial.bytes).freeze();
    link.partial = None;
    part(None, Payload::Owned(whole))
}

fn too_large(max: u64) -> Box<AmqpError> {
    Box::new(AmqpError::new(Condition::MessageSizeExceeded, format!("a message is larger than {max} bytes")))
}
