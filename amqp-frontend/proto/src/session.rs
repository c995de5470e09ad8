//! One session: its windows, its links, what it has to say.
//!
//! Guarantees: windows count transfer frames, in serial numbers (part 2.5.6); links with something to send take turns;
//! settlements of neighbouring deliveries with one outcome leave as one disposition.

use std::collections::VecDeque;

use amqp_codec::performative::{
    Begin, BundleHead, Flow, Role, Transfer, bundle_overhead, encode_bundle, encode_flow, encode_plain,
    encode_plain_marked, encode_transfer,
};

use crate::endpoint::{self, Endpoint};
use crate::event::{Deliveries, LinkId, SessionId};
use crate::flag::{Drain, Settled};
use crate::handles::Handles;
use crate::limits::{OUT_SOFT_MAX, UNSETTLED_OUT_MAX};
use crate::out::Out;
use crate::sending::{Body, Part, Send, SendNow, SendTogether, Under, Waiting};
use crate::settlements::Settlements;
use crate::state::DeliveryOutcome;
use crate::transfers::{Peer, Starting, Tags, enlisted, fits_frame, settled_by, start, transmit_frame, write_abort};
use crate::unsettled::Unsettled;
use crate::windows::{IncomingWindow, OutgoingWindow};

/// Where a session is between begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Both began.
    Mapped,
    /// We ended and discard what comes until the peer does.
    Ending,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    pub phase: Phase,
    pub remote_channel: Option<u16>,
    pub incoming: IncomingWindow,
    pub outgoing: OutgoingWindow,
    pub next_delivery_id: u32,
    pub unsettled: Unsettled,
    pub handles: Handles,
    pub flow_due: bool,
    /// Whether it ends with its last link.
    pub ends_empty: bool,
    /// Whether the peer asked for a flow.
    pub echo_due: bool,
    /// Links whose host has no room for more: the window stays as it was said.
    holding: Vec<u32>,
    flows: Vec<u32>,
    /// Links with something to send, in turn.
    turns: VecDeque<u32>,
    settlements: Settlements,
}

impl Session {
    pub fn new(id: SessionId, phase: Phase, incoming: IncomingWindow) -> Self {
        Self {
            id,
            phase,
            remote_channel: None,
            incoming,
            outgoing: OutgoingWindow::default(),
            next_delivery_id: 0,
            unsettled: Unsettled::default(),
            handles: Handles::default(),
            flow_due: false,
            ends_empty: false,
            echo_due: false,
            holding: Vec::new(),
            flows: Vec::new(),
            turns: VecDeque::new(),
            settlements: Settlements::default(),
        }
    }

    /// Takes what the peer's begin says.
    pub fn take_begin(&mut self, channel: u16, begin: &Begin) {
        self.remote_channel = Some(channel);
        self.incoming.next_id = begin.next_outgoing_id;
        self.outgoing.left = begin.incoming_window;
        self.handles.remote_max = begin.handle_max;
    }

    #[inline]
    pub fn link(&mut self, handle: u32) -> Option<&mut Endpoint> {
        self.handles.get_mut(handle)
    }

    /// The link of a key that is not stale.
    #[inline]
    pub fn link_by_id(&mut self, id: LinkId) -> Option<&mut Endpoint> {
        self.handles.by_id(id)
    }

    /// Notes that the host took a link that the peer asked for.
    pub fn take(&mut self, handle: u32) {
        if let Some(link) = self.link(handle).filter(|link| link.phase == endpoint::Phase::Asked) {
            link.attached();
            if std::mem::take(&mut link.flow_due) {
                self.flow(handle);
            }
        }
    }

    /// Whether the host has not answered all attaches and detaches of the peer.
    pub fn has_asked(&self) -> bool {
        self.handles.iter().any(|(_, link)| link.is_asked())
    }

    /// Whether there is no link that the peer has attached, too.
    pub fn is_empty(&self) -> bool {
        self.handles.iter().all(|(_, link)| link.remote_handle.is_none() && !link.is_leaving())
    }

    /// Forgets a link and what of it is unsettled.
    pub fn remove(&mut self, handle: u32) {
        if !self.handles.remove(handle) {
            return;
        }
        self.unsettled.forget(handle);
        self.turns.retain(|&waiting| waiting != handle);
        self.flows.retain(|&waiting| waiting != handle);
        self.release(handle);
    }

    /// Drops what a detached link still had to say, and what is to be heard of it; its handle stays until the peer detaches too.
    pub fn quiet(&mut self, handle: u32) {
        self.unsettled.forget(handle);
        self.hush(handle);
    }

    /// Drops what a detached link still had to say.
    pub fn hush(&mut self, handle: u32) {
        self.turns.retain(|&waiting| waiting != handle);
        self.release(handle);
        if let Some(link) = self.link(handle) {
            link.sending.clear();
        }
    }

    /// The host has no room for what comes on a link: what the peer was told that it may send is all that comes for now.
    pub fn hold(&mut self, handle: u32) {
        if !self.holding.contains(&handle) {
            self.holding.push(handle);
        }
    }

    /// There is room again, or the link is gone.
    pub fn release(&mut self, handle: u32) {
        let before = self.holding.len();
        self.holding.retain(|&holding| holding != handle);
        self.flow_due |= before > 0 && self.holding.is_empty();
    }

    /// Whether nothing more than what was announced is to come. A message that the host has had parts of, on a link that it has room for, comes to
    /// its end nevertheless: what it has no room for may wait for just that one.
    fn is_held(&self) -> bool {
        let has_room = |handle| !self.holding.contains(&handle);
        !self.holding.is_empty() && !self.handles.iter().any(|(handle, link)| link.has_begun() && has_room(handle))
    }

    /// Counts a transfer with so many octets for which there is window.
    #[inline]
    pub fn take_incoming(&mut self, octets: usize) {
        self.flow_due |= self.incoming.take(octets);
    }

    /// Takes the window of a flow from the peer.
    pub fn take_window(&mut self, flow: &Flow<'_>) {
        self.outgoing.take_flow(flow, self.incoming.size.max(1 << 16));
    }

    /// Notes that a flow for a link is due; before its attach is answered it is only remembered.
    #[inline]
    pub fn flow(&mut self, handle: u32) {
        if let Some(link) = self.link(handle)
            && !std::mem::replace(&mut link.flow_due, true)
            && link.phase != endpoint::Phase::Asked
        {
            self.flows.push(handle);
        }
    }

    /// Uses the credit of a drained link up; a flow tells of it.
    pub fn answer_drain(&mut self, handle: u32) {
        let Some(link) = self.link(handle) else { return };
        link.sending.drained = false;
        link.delivery_count = link.delivery_count.wrapping_add(link.credit);
        link.credit = 0;
        self.flow(handle);
    }

    /// Notes that deliveries get an outcome, at the end where we are `role`.
    #[inline]
    pub fn settle(&mut self, role: Role, deliveries: Deliveries, settled: Settled, outcome: DeliveryOutcome) {
        self.settlements.add(role, deliveries, settled, outcome);
    }

    /// Sends a message on an attached link now if nothing is in its way, else when there is room.
    #[inline]
    pub fn send(&mut self, id: LinkId, mut send: Send<'_>, max_frame: u32, out: &mut Out) {
        let Some(link) = self.handles.get_mut(id.handle) else { return };
        if link.generation != id.generation || link.phase != endpoint::Phase::Attached {
            return;
        }
        send.settled = settled_by(link.modes.sender, send.settled);
        let bytes = send.prefix.len() + send.body.len();
        let free = !link.sending.queued && link.credit > 0 && self.outgoing.left > 0 && out.len() < OUT_SOFT_MAX;
        let one_frame = fits_frame(bytes, max_frame) && send.part == Part::Whole;
        if !one_frame || !free || self.unsettled.len() >= UNSETTLED_OUT_MAX {
            return self.send_later(id.handle, Waiting::new(&send, None), max_frame, out);
        }
        let starting = Starting { handle: id.handle, settled: send.settled, key: send.key };
        let under = start(link, starting, &mut self.next_delivery_id, &mut self.unsettled);
        match u8::try_from(id.handle) {
            Ok(handle) if send.format == 0 && link.sending.manner.is_none() => {
                let (tag, settled) = (link.sending.next_tag, send.settled.is_yes());
                encode_plain(out.buffer(), self.id.0, handle, under.delivery, tag, settled, bytes);
                out.put_header(send.prefix);
                out.put_body(send.body);
            }
            _ => {
                let to = Peer { channel: self.id.0, handle: id.handle, max_frame };
                transmit_frame(to, link, &send, None, under, out);
            }
        }
        self.outgoing.count();
    }

    /// Sends a message that is not to be sent as one frame at once: behind what waits, as far as there is room.
    pub fn send_later(&mut self, handle: u32, waiting: Waiting, max_frame: u32, out: &mut Out) {
        let Some(link) = self.link(handle) else { return };
        link.sending.push(waiting);
        if link.sending.queued {
            return;
        }
        if out.len() < OUT_SOFT_MAX && self.transmit(handle, max_frame, out) {
            return;
        }
        if let Some(link) = self.link(handle) {
            link.sending.queued = true;
            self.turns.push_back(handle);
        }
    }

    /// Gives up the delivery whose parts were sent last on a link.
    pub fn abort(&mut self, handle: u32, waiting: Waiting, max_frame: u32, out: &mut Out) {
        if self.link(handle).is_some_and(|link| link.sending.abort()) {
            // The frame that says so may have to wait: nobody is told meanwhile what the peer decides.
            if let Some(under) = self.link(handle).and_then(|link| link.sending.under) {
                self.unsettled.take(under.delivery);
            }
            return self.send_later(handle, waiting, max_frame, out);
        }
        if let Some(link) = self.link(handle)
            && link.sending.backlog.is_empty()
        {
            link.sending.queued = false;
            self.turns.retain(|&waiting| waiting != handle);
        }
    }

    /// Sends a message of one frame if nothing is in its way; gives whether it was sent.
    #[inline]
    pub fn send_now(&mut self, handle: u32, send: &SendNow<'_>, max_frame: u32, out: &mut Out) -> bool {
        let Some(link) = self.handles.get_mut(handle) else { return false };
        let bytes = send.front.len() + send.body.len();
        let free = is_free(link, 1, (&self.outgoing, &self.unsettled), out);
        let plain = u8::try_from(handle).ok().filter(|_| link.sending.manner.is_none());
        if !free || !fits_frame(bytes, max_frame) || (send.mark.is_some() && plain.is_none()) {
            return false;
        }
        let starting = Starting { handle, settled: send.settled, key: send.key };
        let under = start(link, starting, &mut self.next_delivery_id, &mut self.unsettled);
        let (tag, settled) = (link.sending.next_tag, send.settled.is_yes());
        match (plain, send.mark) {
            (Some(handle), None) => {
                encode_plain(out.buffer(), self.id.0, handle, under.delivery, tag, settled, bytes);
            }
            (Some(handle), Some(mark)) => {
                let (at, tag) = ((self.id.0, handle), (tag, mark));
                encode_plain_marked(out.buffer(), at, under.delivery, tag, settled, bytes);
            }
            (None, _) => {
                let tags = Tags::of(link, send.key);
                let transfer = Transfer {
                    handle,
                    delivery_id: Some(under.delivery),
                    delivery_tag: Some(tags.said(link)),
                    message_format: Some(0),
                    settled: Some(settled),
                    state: enlisted(link),
                    ..Transfer::default()
                };
                encode_transfer(out.buffer(), self.id.0, &transfer, bytes);
            }
        }
        out.put_header(send.front);
        match send.body {
            Body::Shared(body) => out.put_body(body),
            Body::Copied(body) => out.buffer().extend_from_slice(body),
        }
        self.outgoing.count();
        true
    }

    /// Sends several messages of a link in one frame if nothing is in their way; gives whether they were sent.
    #[inline]
    pub fn send_together<'a>(
        &mut self,
        handle: u32,
        send: SendTogether<'a, impl Iterator<Item = &'a [u8]>>,
        max_frame: u32,
        out: &mut Out,
    ) -> bool {
        let Some(link) = self.handles.get_mut(handle) else { return false };
        let messages = send.messages.len();
        let body_bytes = send.messages.iter().map(|&(_, length)| usize::from(length)).sum();
        let bytes = bundle_overhead(messages) + send.front.len() + body_bytes;
        let free = is_free(link, messages, (&self.outgoing, &self.unsettled), out);
        let fits = fits_frame(bytes, max_frame) && bytes as u64 <= link.max_message_size;
        let Some(plain) = u8::try_from(handle).ok().filter(|_| link.sending.manner.is_none()) else { return false };
        if !free || !fits {
            return false;
        }
        let settled = settled_by(link.modes.sender, Settled::No);
        let (delivery_id, tag) = (self.next_delivery_id, link.sending.next_tag.wrapping_add(1));
        for &(key, _) in send.messages {
            start(link, Starting { handle, settled, key }, &mut self.next_delivery_id, &mut self.unsettled);
        }
        let SendTogether { messages, mark, front, bodies } = send;
        let lengths = messages.iter().map(|&(_, length)| length);
        let head = BundleHead { delivery_id, tag, mark, settled: settled.is_yes(), front, lengths };
        let out = out.buffer();
        encode_bundle(out, (self.id.0, plain), &head, body_bytes);
        let end = out.len() + body_bytes;
        bodies.for_each(|body| out.extend_from_slice(body));
        assert_eq!(out.len(), end, "bodies are as long as they are said to be");
        self.outgoing.count();
        true
    }

    /// Sends from the front of a link's backlog until a frame finds no room; gives whether the backlog is empty.
    fn transmit(&mut self, handle: u32, max_frame: u32, out: &mut Out) -> bool {
        let to = Peer { channel: self.id.0, handle, max_frame };
        let Some(link) = self.handles.get_mut(handle) else { return true };
        while let Some(waiting) = link.sending.backlog.front() {
            if self.outgoing.left == 0 || out.len() >= OUT_SOFT_MAX {
                return false;
            }
            let under = match link.sending.under {
                Some(under) => under,
                None if !waiting.part.begins() => {
                    // Its delivery ended before.
                    link.sending.pop();
                    continue;
                }
                None => {
                    if link.credit == 0 || self.unsettled.len() >= UNSETTLED_OUT_MAX {
                        return false;
                    }
                    let Send { settled, key, .. } = waiting.as_send();
                    let starting = Starting { handle, settled, key };
                    start(link, starting, &mut self.next_delivery_id, &mut self.unsettled)
                }
            };
            let Some(waiting) = link.sending.backlog.front() else { return true };
            let send = waiting.as_send();
            if send.part == Part::Aborted {
                write_abort(to, out);
                // An aborted delivery is settled (part 2.7.5): nobody decides on it.
                self.unsettled.take(under.delivery);
                link.sending.under = None;
                link.sending.pop();
                self.outgoing.count();
                continue;
            }
            let sent = transmit_frame(to, link, &send, waiting.kept.as_deref(), under, out);
            self.outgoing.count();
            if sent < send.prefix.len() + send.body.len() {
                link.sending.under = Some(Under { sent, begun: true, ..under });
            } else {
                link.sending.under = send.part.goes_on().then_some(Under { sent: 0, begun: true, ..under });
                link.sending.pop();
            }
        }
        true
    }

    /// Writes what is due: dispositions, transfers that waited, flows.
    pub fn poll_output(&mut self, max_frame: u32, out: &mut Out) {
        if self.phase != Phase::Mapped {
            return;
        }
        self.poll_settlements(max_frame, out);
        // One turn for each link: one that is stopped by its own credit does not stop the others.
        for _ in 0..self.turns.len() {
            let Some(handle) = self.turns.pop_front() else { break };
            let is_empty = self.transmit(handle, max_frame, out);
            if !is_empty {
                self.turns.push_back(handle);
            }
            let Some(link) = self.link(handle) else { continue };
            link.sending.queued = !is_empty;
            if link.sending.drained && link.has_used_credit() {
                self.answer_drain(handle);
            }
        }
        while let Some(handle) = self.flows.pop() {
            self.write_flow(Some(handle), out);
        }
        if self.echo_due || (self.flow_due && !self.is_held()) {
            self.write_flow(None, out);
        }
    }

    /// Writes the dispositions that are due.
    pub fn poll_settlements(&mut self, max_frame: u32, out: &mut Out) {
        self.settlements.write(self.id.0, max_frame, out);
    }

    /// Whether `poll_output` stopped because the output is full, rather than for want of credit or window.
    pub fn wants_room(&self) -> bool {
        let has_room = self.unsettled.len() < UNSETTLED_OUT_MAX;
        let goes_on = |link: &Endpoint| link.sending.under.is_some() || (link.credit > 0 && has_room);
        let mut links = self.turns.iter().filter_map(|&handle| self.handles.get(handle));
        self.outgoing.left > 0 && links.any(goes_on)
    }

    fn write_flow(&mut self, handle: Option<u32>, out: &mut Out) {
        let is_open = !self.is_held();
        let window = if is_open { self.incoming.offered() } else { self.incoming.left };
        let mut flow = Flow {
            next_incoming_id: self.remote_channel.map(|_| self.incoming.next_id),
            incoming_window: window,
            next_outgoing_id: self.outgoing.next_id,
            outgoing_window: u32::MAX >> 1,
            ..Flow::default()
        };
        if let Some(handle) = handle {
            let Some(link) = self.link(handle) else { return };
            link.flow_due = false;
            if link.is_ending() || link.phase == endpoint::Phase::Attaching {
                return;
            }
            let waiting = link.sending.backlog.len();
            flow.handle = Some(handle);
            flow.delivery_count = Some(link.delivery_count);
            flow.link_credit = Some(link.credit);
            flow.available = (link.role == Role::Sender).then(|| u32::try_from(waiting).unwrap_or(u32::MAX));
            flow.drain = link.drain.is_yes();
            if link.role == Role::Sender && link.credit == 0 {
                link.drain = Drain::No;
            }
        }
        // Only what is written tells the peer of its window.
        self.flow_due &= !is_open;
        self.echo_due = false;
        if is_open {
            self.incoming.told();
        }
        encode_flow(out.buffer(), self.id.0, &flow);
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        self.handles.check();
        assert!(self.holding.iter().all(|&handle| self.handles.get(handle).is_some()), "links that hold are there");
        for (handle, link) in self.handles.iter() {
            assert_eq!(link.sending.queued, self.turns.contains(&handle));
            assert!(link.sending.backlog.is_empty() || link.sending.queued, "what waits is in the queue");
            assert!(link.sending.under.is_none_or(|under| under.begun) || !link.sending.backlog.is_empty());
        }
    }
}

/// Whether nothing is in the way of a frame with so many messages of a link.
#[inline(always)]
fn is_free(link: &Endpoint, messages: usize, (window, sent): (&OutgoingWindow, &Unsettled), out: &Out) -> bool {
    let has_room = out.len() < OUT_SOFT_MAX && sent.len() + messages <= UNSETTLED_OUT_MAX;
    !link.sending.queued && link.credit as usize >= messages && window.left > 0 && has_room
}
