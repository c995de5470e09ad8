//! Messages that come: the short way of a plain transfer, the long way of all others.
//!
//! Guarantees: the short way takes a frame only if the long way would give the same event and nothing else; it changes
//! nothing otherwise.

use amqp_codec::AmqpError;
use amqp_codec::frame::{self, FrameKind, Split};
use amqp_codec::performative::{ReceiverSettleMode, Role, Transfer, decode_plain};
use bytes::BytesMut;
use engine_message::Condition;

use crate::connection::{Connection, Phase};
use crate::dispatch::unattached;
use crate::endpoint::{self, Endpoint, Partial, Resumes};
use crate::event::{Deliveries, Event, Head, LinkId, Payload, Stage, read_head};
use crate::fault::Fault;
use crate::flag::Settled;
use crate::input::Input;
use crate::session;

/// A whole message that came in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// The link.
    pub link: LinkId,
    /// The delivery's number, to settle it by.
    pub delivery: u32,
    /// Its tag.
    pub tag: &'a [u8],
    /// Version and format.
    pub format: u32,
    /// Whether the sender settled it.
    pub settled: Settled,
    /// Its first transfer, the encoded performative (`Head`).
    pub head: &'a [u8],
    /// The message.
    pub payload: &'a [u8],
}

impl<'a> Delivery<'a> {
    /// What its first transfer says: the delivery's tag and state, and whether it is resumed or its outcome may wait.
    pub fn transfer(&self) -> Transfer<'a> {
        read_head(self.head)
    }
}

impl Connection {
    /// Takes the next frame if it is a plain transfer: what `handle_input` would return as `Event::Delivery`, sooner. When
    /// this gives `None` it has taken nothing, and `handle_input` is next.
    #[inline]
    pub fn next_delivery<'a>(&mut self, now_ns: u64, input: &mut Input<'a>) -> Option<Delivery<'a>> {
        let Ok(Split::Frame { frame, bytes }) = frame::split(input.rest(), self.local.max_frame) else {
            return None;
        };
        if self.phase != Phase::Open || frame.kind != FrameKind::Amqp {
            return None;
        }
        let transfer = decode_plain(frame.body)?;
        let local = self.by_remote.get(usize::from(frame.channel))?.checked_sub(1)?;
        let session = self.sessions.get_mut(usize::from(local))?.as_deref_mut()?;
        let handle = session.handles.local(transfer.handle)?;
        if session.phase != session::Phase::Mapped || session.incoming.left == 0 {
            return None;
        }
        let link = session.handles.get_mut(handle)?;
        let ready = link.phase == endpoint::Phase::Attached && link.role == Role::Receiver && link.partial.is_none();
        if !ready || link.credit == 0 || transfer.payload.len() as u64 > link.max_message_size {
            return None;
        }
        link.credit -= 1;
        link.delivery_count = link.delivery_count.wrapping_add(1);
        let link = LinkId { session: local, generation: link.generation, handle };
        session.take_incoming(transfer.payload.len());
        input.consume(bytes);
        self.times.last_input_ns = now_ns;
        let (delivery, tag, format) = (transfer.delivery_id, transfer.tag, transfer.message_format);
        let head = frame.body.get(..frame.body.len() - transfer.payload.len()).unwrap_or_default();
        Some(Delivery {
            link,
            delivery,
            tag,
            format,
            settled: Settled::of(transfer.settled),
            head,
            payload: transfer.payload,
        })
    }

    pub(crate) fn handle_transfer<'a>(
        &mut self,
        local: u16,
        transfer: &Transfer<'_>,
        body: &'a [u8],
        payload: &'a [u8],
    ) -> Result<Option<Event<'a>>, Fault> {
        let (stream_above, handle_max) = (self.config.stream_above, self.config.handle_max);
        let Some(session) = self.session(local) else { return Ok(None) };
        let handle = session.handles.local(transfer.handle).ok_or_else(|| unattached(transfer.handle, handle_max))?;
        if session.link(handle).is_some_and(|link| link.phase == endpoint::Phase::Asked) {
            // Without credit it ends the link.
            return Ok(self.wait());
        }
        let Some(session) = self.session(local) else { return Ok(None) };
        session.incoming.expect().map_err(Fault::Session)?;
        session.take_incoming(payload.len());
        let Some(link) = session.link(handle) else { return Ok(None) };
        match (link.phase, link.role) {
            (endpoint::Phase::Detaching, _) => return Ok(None),
            (_, Role::Sender) => {
                let text = "a transfer came on a link whose sender we are";
                return Err(Fault::Session(Box::new(AmqpError::new(Condition::ErrantLink, text))));
            }
            _ => {}
        }
        let head = body.get(..body.len() - payload.len()).unwrap_or_default();
        let decided = if transfer.more || transfer.aborted { None } else { link.take_decided(transfer.settled) };
        let received = receive(link, transfer, &Frame { head, payload, stream_above });
        let link = LinkId { session: local, generation: link.generation, handle };
        if let (Some((delivery, outcome)), Ok(_)) = (decided, &received) {
            session.settle(Role::Receiver, Deliveries::one(delivery), Settled::Yes, outcome);
        }
        received.map(|received| Some(received?.event(link))).map_err(|error| Fault::Link(handle, error))
    }
}

/// A frame of a delivery.
struct Frame<'a> {
    /// Its performative.
    head: &'a [u8],
    payload: &'a [u8],
    /// Messages in several frames are told of in parts from here on, octets.
    stream_above: u64,
}

/// What a transfer came to.
struct Received<'a> {
    delivery: u32,
    settled: Settled,
    format: u32,
    what: What<'a>,
}

enum What<'a> {
    Whole(Head<'a>, Payload<'a>),
    First(Head<'a>, Payload<'a>),
    Part(Stage, Payload<'a>),
    Ignored,
}

impl<'a> Received<'a> {
    fn event(self, link: LinkId) -> Event<'a> {
        let Self { delivery, settled, format, what } = self;
        match what {
            What::Whole(head, payload) => Event::Delivery { link, delivery, settled, format, head, payload },
            What::First(head, payload) => {
                let (stage, head) = (Stage::First, Some(head));
                Event::Part { link, delivery, settled, format, stage, head, payload }
            }
            What::Part(stage, payload) => Event::Part { link, delivery, settled, format, stage, head: None, payload },
            What::Ignored => Event::Ignored { link, delivery },
        }
    }
}

/// Takes one transfer of a link; gives what it comes to, if it comes to something by itself.
fn receive<'a>(
    link: &mut Endpoint,
    transfer: &Transfer<'_>,
    frame: &Frame<'a>,
) -> Result<Option<Received<'a>>, Box<AmqpError>> {
    if link.partial.is_some() {
        return continue_delivery(link, transfer, frame);
    }
    let payload = frame.payload;
    let invalid = |text: &str| Err(Box::new(AmqpError::new(Condition::InvalidField, text)));
    let Some(delivery) = transfer.delivery_id else {
        return invalid("the first transfer of a delivery has no delivery-id");
    };
    if transfer.delivery_tag.is_none() {
        return invalid("the first transfer of a delivery has no delivery-tag");
    }
    let second = transfer.rcv_settle_mode == Some(ReceiverSettleMode::Second);
    if second && link.modes.receiver == ReceiverSettleMode::First {
        return invalid("a transfer asks for receiver settle mode second on a link of mode first");
    }
    if link.phase == endpoint::Phase::Incomplete && !transfer.resume {
        let text = "a new delivery came on a link that is attached to resume those from before: attach it again";
        return Err(Box::new(AmqpError::new(Condition::NotAllowed, text)));
    }
    if !link.use_credit() {
        let text = "a transfer came without link credit";
        return Err(Box::new(AmqpError::new(Condition::TransferLimitExceeded, text)));
    }
    if payload.len() as u64 > link.max_message_size {
        return Err(too_large(link.max_message_size));
    }
    let settled = Settled::of(transfer.settled.unwrap_or(false));
    let format = transfer.message_format.unwrap_or(0);
    let received = |what| Ok(Some(Received { delivery, settled, format, what }));
    if transfer.aborted {
        return received(What::Ignored);
    }
    // A resumed delivery that our attach does not name is none of ours (part 2.6.13).
    let ignored = transfer.resume && link.resumes == Resumes::Nothing;
    if transfer.more {
        // Whoever passes the link on counts its deliveries as the two ends do: from their first frames.
        let is_told = link.by_host.in_frames && !ignored;
        let keeps = !is_told && !ignored;
        let (head, bytes) = if keeps { (frame.head, BytesMut::from(payload)) } else { (&[][..], BytesMut::new()) };
        let given = is_told.then_some(payload.len() as u64);
        let partial = Partial { delivery, format, settled, ignored, head: head.into(), bytes, given, decided: None };
        link.partial = Some(Box::new(partial));
        return match (ignored, is_told) {
            (true, _) => received(What::Ignored),
            (_, true) => received(What::First(Head::Borrowed(frame.head), Payload::Borrowed(payload))),
            (_, false) => Ok(None),
        };
    }
    if ignored {
        return received(What::Ignored);
    }
    received(What::Whole(Head::Borrowed(frame.head), Payload::Borrowed(payload)))
}

#[cold]
fn continue_delivery<'a>(
    link: &mut Endpoint,
    transfer: &Transfer<'_>,
    frame: &Frame<'a>,
) -> Result<Option<Received<'a>>, Box<AmqpError>> {
    let Some(partial) = &mut link.partial else { return Ok(None) };
    let payload = frame.payload;
    if transfer.delivery_id.is_some_and(|id| id != partial.delivery) {
        let text = "a delivery began before the one under way on this link ended";
        return Err(Box::new(AmqpError::new(Condition::InvalidField, text)));
    }
    if transfer.message_format.is_some_and(|format| format != partial.format) {
        return Err(Box::new(AmqpError::new(Condition::InvalidField, "the message-format changed within a delivery")));
    }
    if transfer.settled == Some(true) {
        partial.settled = Settled::Yes;
    }
    let Partial { delivery, format, settled, ignored, given, .. } = **partial;
    let received = |what| Ok(Some(Received { delivery, settled, format, what }));
    if ignored {
        if transfer.aborted || !transfer.more {
            link.partial = None;
        }
        return Ok(None);
    }
    if transfer.aborted {
        link.partial = None;
        let told = What::Part(Stage::Aborted, Payload::Borrowed(&[]));
        return received(if given.is_some() { told } else { What::Ignored });
    }
    let bytes = given.unwrap_or(0) + partial.bytes.len() as u64 + payload.len() as u64;
    if bytes > link.max_message_size {
        return Err(too_large(link.max_message_size));
    }
    if given.is_some() {
        partial.given = Some(bytes);
        if !transfer.more {
            link.partial = None;
        }
        let stage = if transfer.more { Stage::Next } else { Stage::Last };
        return received(What::Part(stage, Payload::Borrowed(payload)));
    }
    partial.bytes.extend_from_slice(payload);
    let head = |partial: &mut Partial| Head::Owned(std::mem::take(&mut partial.head));
    let all = |partial: &mut Partial| Payload::Owned(std::mem::take(&mut partial.bytes).freeze());
    if transfer.more && bytes > frame.stream_above {
        partial.given = Some(bytes);
        return received(What::First(head(partial), all(partial)));
    }
    if transfer.more {
        return Ok(None);
    }
    let whole = What::Whole(head(partial), all(partial));
    link.partial = None;
    received(whole)
}

fn too_large(max: u64) -> Box<AmqpError> {
    Box::new(AmqpError::new(Condition::MessageSizeExceeded, format!("a message is larger than {max} bytes")))
}
