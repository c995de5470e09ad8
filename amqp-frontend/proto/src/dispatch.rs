//! Frames of an open connection: what each performative does to sessions and links, and what the host does to them. How links are
//! attached and detached is in `attaching`, what both ends say of deliveries in `settling`.

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    self, Begin, End, Flow, Performative, ReceiverSettleMode, Role, SenderSettleMode, encode_frame,
};
use bytes::Bytes;
use engine_message::Condition;

use crate::connection::{Connection, Phase};
use crate::endpoint::{self, Hears};
use crate::event::{Event, LinkId, SessionId};
use crate::fault::{Fault, misplaced_open};
use crate::fitting::put_end;
use crate::flag::{Closing, Drain, Settled};
use crate::out::Out;
use crate::sending::{Kept, Part, Particulars, Send, SendNow, SendTogether, Waiting};
use crate::session::{self, Session};
use crate::transfers::{fits_frame, fits_particulars, settled_by};
use crate::windows::IncomingWindow;

type Handled<'a> = Result<Option<Event<'a>>, (Option<u16>, Fault)>;

impl Connection {
    #[inline]
    pub(crate) fn handle_frame<'a>(&mut self, channel: u16, body: &'a [u8], out: &mut Out) -> Handled<'a> {
        if channel > self.local.channel_max {
            let text = format!("channel {channel} exceeds the channel-max of {}", self.local.channel_max);
            return Err((None, framing_error(text)));
        }
        let (performative, payload) = performative::decode(body).map_err(|error| (None, error.into()))?;
        match performative {
            Performative::Open(_) if channel > 0 => Err((None, Fault::Connection(Box::new(misplaced_open(channel))))),
            Performative::Open(_) => Err((None, not_allowed("a second open"))),
            Performative::Close(_) if self.sessions.iter().flatten().any(|session| session.has_asked()) => {
                Ok(self.wait())
            }
            Performative::Close(close) => Ok(Some(self.closed_by_peer(close, out))),
            Performative::Begin(begin) => self.handle_begin(channel, &begin, out).map_err(|fault| (None, fault)),
            other => {
                let Some(local) = self.by_remote.get(usize::from(channel)).and_then(|local| local.checked_sub(1))
                else {
                    return Err((None, not_allowed("a frame came on a channel without a session")));
                };
                let ending = self.session(local).is_some_and(|session| session.phase == session::Phase::Ending);
                if let Performative::End(end) = other {
                    return Ok(self.handle_end(local, channel, end, out));
                }
                if ending {
                    return Ok(None);
                }
                let handled = match other {
                    Performative::Transfer(transfer) => self.handle_transfer(local, &transfer, body, payload),
                    Performative::Disposition(disposition) => self.handle_disposition(local, &disposition),
                    Performative::Flow(flow) => self.handle_flow(local, &flow),
                    Performative::Attach(attach) => self.handle_attach(local, attach, out),
                    Performative::Detach(detach) => self.handle_detach(local, detach, out),
                    _ => Ok(None),
                };
                handled.map_err(|fault| (Some(local), fault))
            }
        }
    }

    /// Leaves the frame that is being handled until the host has answered an attach, or a detach.
    #[cold]
    pub(crate) fn wait<'a>(&mut self) -> Option<Event<'a>> {
        self.awaits = true;
        None
    }

    /// Ends what a fault reaches, and tells the host.
    pub(crate) fn handle_fault<'a>(
        &mut self,
        session: Option<u16>,
        fault: Fault,
        now_ns: u64,
        out: &mut Out,
    ) -> Option<Event<'a>> {
        match (session, fault) {
            (Some(session), Fault::Link(handle, error)) => {
                let link = self.session(session)?.link(handle)?;
                let link = LinkId { session, generation: link.generation, handle };
                self.detach(link, Closing::Closed, Some((*error).clone()), out);
                Some(Event::Detached { link, closing: Closing::Closed, error: Some(error) })
            }
            (Some(id), Fault::Session(error)) => {
                let max_frame = self.remote.max_frame;
                let session = self.session(id)?;
                session.phase = session::Phase::Ending;
                self.remove_links(id);
                let end = |error| Performative::End(End { error });
                put_end(out, max_frame, id, Some((*error).clone()), end);
                Some(Event::Ended(SessionId(id), Some(error)))
            }
            (_, Fault::Connection(error) | Fault::Session(error) | Fault::Link(_, error)) => {
                Some(self.fail(*error, now_ns, out))
            }
        }
    }

    #[inline]
    pub(crate) fn session(&mut self, local: u16) -> Option<&mut Session> {
        self.sessions.get_mut(usize::from(local))?.as_deref_mut()
    }

    fn handle_begin<'a>(&mut self, channel: u16, begin: &Begin, out: &mut Out) -> Result<Option<Event<'a>>, Fault> {
        if self.by_remote.get(usize::from(channel)).is_some_and(|&local| local > 0) {
            return Err(not_allowed(format!("channel {channel} has a session already")));
        }
        if begin.remote_channel.is_some() {
            let begun = self.handle_begun(channel, begin);
            return begun
                .map(|id| Some(Event::Begun(id)))
                .ok_or_else(|| not_allowed("a begin answers one that was not sent"));
        }
        let place = self.sessions.iter().position(Option::is_none).unwrap_or(self.sessions.len());
        let local = u16::try_from(place).ok().filter(|&local| local <= self.remote.channel_max);
        let Some(local) = local else {
            return Err(not_allowed("the peer's channel-max leaves no channel to answer on"));
        };
        let mut session = Session::new(SessionId(local), session::Phase::Mapped, IncomingWindow::of(&self.config));
        session.take_begin(channel, begin);
        let answer = Begin {
            remote_channel: Some(channel),
            next_outgoing_id: session.outgoing.next_id,
            incoming_window: session.incoming.size,
            outgoing_window: u32::MAX >> 1,
            handle_max: self.config.handle_max,
            ..Begin::default()
        };
        encode_frame(out.buffer(), local, &Performative::Begin(Box::new(answer)));
        self.put_session(place, session);
        self.bind_channel(channel, local);
        Ok(Some(Event::Begun(SessionId(local))))
    }

    pub(crate) fn put_session(&mut self, place: usize, session: Session) {
        if place == self.sessions.len() {
            self.sessions.push(None);
        }
        if let Some(slot) = self.sessions.get_mut(place) {
            *slot = Some(Box::new(session));
        }
    }

    /// Notes the session of a remote channel.
    pub(crate) fn bind_channel(&mut self, channel: u16, local: u16) {
        if self.by_remote.len() <= usize::from(channel) {
            self.by_remote.resize(usize::from(channel) + 1, 0);
        }
        if let Some(slot) = self.by_remote.get_mut(usize::from(channel)) {
            *slot = local + 1;
        }
    }

    fn handle_end<'a>(&mut self, local: u16, channel: u16, end: End, out: &mut Out) -> Option<Event<'a>> {
        if self.session(local).is_some_and(|session| session.has_asked()) {
            return self.wait();
        }
        self.remove_links(local);
        let session = self.sessions.get_mut(usize::from(local)).and_then(Option::take)?;
        if let Some(slot) = self.by_remote.get_mut(usize::from(channel)) {
            *slot = 0;
        }
        if session.phase == session::Phase::Ending {
            return None;
        }
        encode_frame(out.buffer(), local, &Performative::End(End::default()));
        Some(Event::Ended(SessionId(local), end.error.map(Box::new)))
    }

    fn handle_flow<'a>(&mut self, local: u16, flow: &Flow<'_>) -> Result<Option<Event<'a>>, Fault> {
        let handle_max = self.config.handle_max;
        let Some(session) = self.session(local) else { return Ok(None) };
        session.take_window(flow);
        let Some(remote) = flow.handle else {
            session.echo_due |= flow.echo;
            return Ok(None);
        };
        let handle = session.handles.local(remote).ok_or_else(|| unattached(remote, handle_max))?;
        if flow.echo {
            session.flow(handle);
        }
        let Some(link) = session.link(handle) else { return Ok(None) };
        let id = LinkId { session: local, generation: link.generation, handle };
        if link.phase == endpoint::Phase::Detaching {
            return Ok(None);
        }
        if link.role == Role::Receiver {
            let counted = link.take_count(flow.delivery_count);
            if counted == endpoint::Counted::Ahead {
                session.flow(handle);
            }
            return Ok((counted == endpoint::Counted::Drained).then_some(Event::Drained(id)));
        }
        let Some(credit) = flow.link_credit else { return Ok(None) };
        link.take_credit(flow.delivery_count, credit);
        // An earlier drain is answered by the answer to this one, or no longer asked for.
        (link.drain, link.sending.drained) = (Drain::of(flow.drain), false);
        Ok(Some(Event::Credit { link: id, credit: link.credit_free(), drain: link.drain }))
    }

    /// Sends a message on a link of ours, in turn. Within the credit of `Event::Credit`.
    #[inline]
    pub fn send(&mut self, id: LinkId, send: Send<'_>, out: &mut Out) {
        let max_frame = self.remote.max_frame;
        if let Some(session) = self.session(id.session) {
            session.send(id, send, max_frame, out);
        }
    }

    /// Sends a message whose delivery says more than others, in turn; gives whether it can be sent at all: a state that leaves no
    /// room in the peer's frames cannot.
    #[must_use]
    pub fn send_as(&mut self, id: LinkId, send: Send<'_>, particulars: &Particulars<'_>, out: &mut Out) -> bool {
        self.send_kept(id, send, Some(Box::new(Kept::new(particulars))), out)
    }

    /// Gives up the message whose parts were sent last on a link of ours: the peer drops what came of it. Whoever has its key hears
    /// nothing more of it.
    pub fn abort(&mut self, id: LinkId, out: &mut Out) {
        let body = Bytes::new();
        let aborted = Part::Aborted;
        let send = Send { key: 0, settled: Settled::Yes, format: 0, prefix: &[], body: &body, part: aborted };
        self.send_kept(id, send, None, out);
    }

    fn send_kept(&mut self, id: LinkId, mut send: Send<'_>, kept: Option<Box<Kept>>, out: &mut Out) -> bool {
        let max_frame = self.remote.max_frame;
        let Some(session) = self.session(id.session) else { return true };
        let Some(link) = session.link_by_id(id).filter(|link| link.phase == endpoint::Phase::Attached) else {
            return true;
        };
        if kept.as_deref().is_some_and(|kept| !fits_particulars(kept, max_frame)) {
            return false;
        }
        send.settled = settled_by(link.modes.sender, send.settled);
        let waiting = Waiting::new(&send, kept);
        match send.part {
            Part::Aborted => session.abort(id.handle, waiting, max_frame, out),
            _ => session.send_later(id.handle, waiting, max_frame, out),
        }
        true
    }

    /// Sends a message on a link of ours if nothing is in its way and it is one frame; gives whether it was sent. Nothing is kept.
    #[inline]
    pub fn send_now(&mut self, id: LinkId, mut send: SendNow<'_>, out: &mut Out) -> bool {
        let max_frame = self.remote.max_frame;
        let Some(session) = self.sessions.get_mut(usize::from(id.session)).and_then(Option::as_deref_mut) else {
            return false;
        };
        let Some(link) = session.link_by_id(id).filter(|link| link.phase == endpoint::Phase::Attached) else {
            return false;
        };
        send.settled = settled_by(link.modes.sender, send.settled);
        session.send_now(id.handle, &send, max_frame, out)
    }

    /// Sends several messages on a link of ours if nothing is in their way and they are one frame; gives whether they were sent. Nothing is kept.
    ///
    /// # Panics
    /// When their bodies are not as long as they are said to be.
    #[inline]
    pub fn send_together<'a>(
        &mut self,
        id: LinkId,
        send: SendTogether<'a, impl Iterator<Item = &'a [u8]>>,
        out: &mut Out,
    ) -> bool {
        let max_frame = self.remote.max_frame;
        let Some(session) = self.sessions.get_mut(usize::from(id.session)).and_then(Option::as_deref_mut) else {
            return false;
        };
        let link = session.link_by_id(id).filter(|link| link.phase == endpoint::Phase::Attached);
        link.is_some() && session.send_together(id.handle, send, max_frame, out)
    }

    /// The last delivery on a link of the peer's was one of so many, `further` of which came with it: they use up its credit, too. Gives whether
    /// there is as much.
    pub fn take_further(&mut self, id: LinkId, further: u32) -> bool {
        let link = self.session(id.session).and_then(|session| session.link_by_id(id));
        link.is_some_and(|link| (0..further).all(|_| link.use_credit()))
    }

    /// Whether a message of `bytes` octets is one frame to the peer.
    #[inline]
    pub fn fits_frame(&self, bytes: usize) -> bool {
        fits_frame(bytes, self.remote.max_frame)
    }

    /// Deliveries that could start on a link of ours now, as far as its credit and the session's window go.
    #[inline]
    pub fn room(&mut self, id: LinkId) -> u32 {
        let Some(session) = self.session(id.session) else { return 0 };
        let window = session.outgoing.left;
        let link =
            session.link_by_id(id).filter(|link| link.phase == endpoint::Phase::Attached && !link.sending.queued);
        link.map_or(0, |link| link.credit.min(window))
    }

    /// The host has no room for more of what comes on a link: its session's window is not renewed until `release`. What the peer may send
    /// already it sends, on all links of the session.
    pub fn hold(&mut self, id: LinkId) {
        if let Some(session) = self.session(id.session)
            && session.link_by_id(id).is_some()
        {
            session.hold(id.handle);
        }
    }

    /// The host has room again for what comes on a link.
    pub fn release(&mut self, id: LinkId) {
        if let Some(session) = self.session(id.session)
            && session.link_by_id(id).is_some()
        {
            session.release(id.handle);
        }
    }

    /// Messages, or parts of them, that wait on a link of ours.
    pub fn waiting(&mut self, id: LinkId) -> usize {
        let link = self.session(id.session).and_then(|session| session.link_by_id(id));
        link.map_or(0, |link| link.sending.backlog.len())
    }

    /// Credit of a link of ours that no message has used, nor waits for.
    pub fn credit_free(&mut self, id: LinkId) -> u32 {
        self.session(id.session).and_then(|session| session.link_by_id(id)).map_or(0, |link| link.credit_free())
    }

    /// Takes out the last message that waits on a link of ours for credit that its peer does not give (it took some back, part
    /// 2.6.7), if nothing of it was sent, its sender is to be told what becomes of it, and `may` says so of its key; gives the key.
    pub fn take_back(&mut self, id: LinkId, may: impl FnOnce(u64) -> bool) -> Option<u64> {
        self.session(id.session)?.link_by_id(id)?.take_back(may)
    }

    /// Whether everything on a link of ours is sent settled.
    pub fn is_presettled(&mut self, id: LinkId) -> bool {
        let link = self.session(id.session).and_then(|session| session.link_by_id(id));
        link.is_some_and(|link| link.modes.sender == SenderSettleMode::Settled)
    }

    /// Whether what comes on a link is settled with its outcome, rather than when its sender has settled it (part 2.6.12).
    pub fn settles_first(&mut self, id: LinkId) -> Settled {
        let link = self.session(id.session).and_then(|session| session.link_by_id(id));
        Settled::of(link.is_none_or(|link| link.modes.receiver == ReceiverSettleMode::First))
    }

    /// Gives `credit` more deliveries to a link's sender; leaves with `poll_output`.
    #[inline]
    pub fn grant(&mut self, id: LinkId, credit: u32) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_by_id(id) else { return };
        link.credit = link.credit.saturating_add(credit);
        session.flow(id.handle);
    }

    /// Answers a drain: there is nothing more to send, the credit that is left is used up.
    pub fn drained(&mut self, id: LinkId) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_by_id(id) else { return };
        // What waits for the session's window uses its credit first (part 2.6.7).
        link.sending.drained = true;
        if link.has_used_credit() {
            session.answer_drain(id.handle);
        }
    }

    /// Detaches a link from our side, or answers the peer's detach (`answer_later`), which says itself whether the link is closed.
    pub fn detach(&mut self, id: LinkId, closing: Closing, error: Option<AmqpError>, out: &mut Out) {
        self.detach_hearing(id, (closing, error), Hears::UntilDetach, out);
    }

    /// Detaches a link from our side whose host hears what the peer says of deliveries that were sent, until `Event::Detached` says that the peer
    /// has detached it, too.
    pub fn detach_and_hear(&mut self, id: LinkId, closing: Closing, error: Option<AmqpError>, out: &mut Out) {
        self.detach_hearing(id, (closing, error), Hears::UntilAnswer, out);
    }

    fn detach_hearing(
        &mut self,
        id: LinkId,
        (closing, error): (Closing, Option<AmqpError>),
        hears: Hears,
        out: &mut Out,
    ) {
        let link = self.session(id.session).and_then(|session| session.link_by_id(id));
        let Some(link) = link else { return };
        match link.phase {
            endpoint::Phase::Detaching => return,
            endpoint::Phase::Leaving(asked) => {
                self.answer_detach(id, asked, error, out);
                return self.end_emptied(SessionId(id.session), out);
            }
            _ => {}
        }
        if link.remote_handle.is_some() {
            self.forget_name(id.session, id.handle);
        }
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_by_id(id) else { return };
        (link.phase, link.by_host.hears) = (endpoint::Phase::Detaching, hears);
        link.partial = None;
        match hears {
            Hears::UntilDetach => session.quiet(id.handle),
            Hears::UntilAnswer => session.hush(id.handle),
        }
        self.put_detach(id, closing, error, out);
    }

    /// Whether the connection is open and its peer may send.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }
}

fn not_allowed(text: impl Into<String>) -> Fault {
    Fault::Connection(Box::new(AmqpError::new(Condition::NotAllowed, text)))
}

fn framing_error(text: impl Into<String>) -> Fault {
    Fault::Connection(Box::new(AmqpError::new(Condition::FramingError, text)))
}

/// A frame named a handle that no link has, or that is out of range (part 2.7.2).
pub(crate) fn unattached(handle: u32, handle_max: u32) -> Fault {
    if handle > handle_max {
        return framing_error(format!("handle {handle} exceeds the handle-max of {handle_max}"));
    }
    let error = AmqpError::new(Condition::UnattachedHandle, format!("handle {handle} is not attached"));
    Fault::Session(Box::new(error))
}
