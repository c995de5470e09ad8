//! One session: its windows, its links, what it has to say.
//!
//! Guarantees: windows count transfer frames, in serial numbers (part 2.5.6); links with something to send take turns;
//! settlements of neighbouring deliveries with one outcome leave as one disposition.

use std::collections::VecDeque;

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    Attach, Begin, DeliveryState, Disposition, Flow, Role, SenderSettleMode, Transfer, encode_disposition, encode_flow,
    encode_plain, encode_transfer,
};
use engine_message::Condition;

use crate::event::{Deliveries, LinkId, SessionId};
use crate::fitting::shortened_outcome;
use crate::limits::{OUT_SOFT_MAX, TRANSACTION_ID_BYTES_MAX, UNSETTLED_OUT_MAX};
use crate::link::{self, Kept, Link, Part, Send, SendNow, Settled, Under, Waiting};
use crate::out::Out;
use crate::state::Outcome;
use crate::unsettled::Unsettled;

/// Frame header and the longest transfer that is written here, octets: 36, and with a transaction 10 and its identifier.
const TRANSFER_BYTES_MAX: usize = 48 + TRANSACTION_ID_BYTES_MAX;

/// Where a session is between begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Both began.
    Mapped,
    /// We ended and discard what comes until the peer does.
    Ending,
}

/// Deliveries to settle with one disposition.
#[derive(Debug)]
struct Settlement {
    role: Role,
    deliveries: Deliveries,
    settled: Settled,
    outcome: Outcome,
}

/// Transfers that come, in serial numbers.
#[derive(Debug)]
pub(crate) struct IncomingWindow {
    pub next_id: u32,
    /// Transfers that the peer may still send, frames.
    pub left: u32,
    /// What it may send after a flow, frames.
    pub size: u32,
}

/// Transfers that are sent, in serial numbers.
#[derive(Debug)]
pub(crate) struct OutgoingWindow {
    pub next_id: u32,
    /// Transfers that the peer still takes, frames.
    pub left: u32,
}

impl OutgoingWindow {
    /// Counts a transfer that was sent.
    #[inline]
    fn count(&mut self) {
        self.left -= 1;
        self.next_id = self.next_id.wrapping_add(1);
    }
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    pub phase: Phase,
    pub remote_channel: Option<u16>,
    pub incoming: IncomingWindow,
    pub outgoing: OutgoingWindow,
    pub remote_handle_max: u32,
    pub next_delivery_id: u32,
    pub unsettled: Unsettled,
    pub links: Vec<Option<Box<Link>>>,
    /// Local handle plus one, by remote handle.
    by_remote: Vec<u32>,
    pub flow_due: bool,
    flows: Vec<u32>,
    sending: VecDeque<u32>,
    settlements: Vec<Settlement>,
}

impl Session {
    pub fn new(id: SessionId, phase: Phase, incoming_window: u32) -> Self {
        Self {
            id,
            phase,
            remote_channel: None,
            incoming: IncomingWindow { next_id: 0, left: incoming_window, size: incoming_window },
            outgoing: OutgoingWindow { next_id: 0, left: 0 },
            remote_handle_max: u32::MAX,
            next_delivery_id: 0,
            unsettled: Unsettled::default(),
            links: Vec::new(),
            by_remote: Vec::new(),
            flow_due: false,
            flows: Vec::new(),
            sending: VecDeque::new(),
            settlements: Vec::new(),
        }
    }

    /// Takes what the peer's begin says.
    pub fn take_begin(&mut self, channel: u16, begin: &Begin) {
        self.remote_channel = Some(channel);
        self.incoming.next_id = begin.next_outgoing_id;
        self.outgoing.left = begin.incoming_window;
        self.remote_handle_max = begin.handle_max;
    }

    #[inline]
    pub fn link(&mut self, handle: u32) -> Option<&mut Link> {
        self.links.get_mut(handle as usize)?.as_deref_mut()
    }

    /// The link of a key that is not stale.
    #[inline]
    pub fn link_by_id(&mut self, id: LinkId) -> Option<&mut Link> {
        self.link(id.handle).filter(|link| link.generation == id.generation)
    }

    /// The local handle of a remote one.
    #[inline]
    pub fn local(&self, remote: u32) -> Option<u32> {
        self.by_remote.get(remote as usize).and_then(|local| local.checked_sub(1))
    }

    /// Finds a link by its name; the two directions have names of their own.
    pub fn find(&self, name: &str, role: Role) -> Option<u32> {
        let found = self.links.iter().position(|link| {
            link.as_ref()
                .is_some_and(|link| link.role == role && *link.name == *name && link.phase != link::Phase::Detaching)
        })?;
        u32::try_from(found).ok()
    }

    /// Adds a link at the lowest free handle; `None` when the peer takes no handle as high as that.
    pub fn add(&mut self, link: Link) -> Option<u32> {
        let place = self.links.iter().position(Option::is_none).unwrap_or(self.links.len());
        let handle = u32::try_from(place).ok().filter(|&handle| handle <= self.remote_handle_max)?;
        if place == self.links.len() {
            self.links.push(None);
        }
        if let Some(slot) = self.links.get_mut(place) {
            *slot = Some(Box::new(link));
        }
        Some(handle)
    }

    /// Whether an attach answers one of ours whose link was given up meanwhile: it is bound then, for the detach that follows.
    pub fn bind_given_up(&mut self, attach: &Attach, role: Role) -> bool {
        let given_up = |link: &Link| link.phase == link::Phase::Detaching && link.remote_handle.is_none();
        let is_it = |link: &Link| given_up(link) && link.role == role && *link.name == *attach.name;
        let found = self.links.iter().position(|link| link.as_deref().is_some_and(is_it));
        let Some(handle) = found.and_then(|place| u32::try_from(place).ok()) else { return false };
        self.bind(handle, attach.handle);
        true
    }

    /// Notes the peer's handle of a link.
    pub fn bind(&mut self, handle: u32, remote: u32) {
        if self.by_remote.len() <= remote as usize {
            self.by_remote.resize(remote as usize + 1, 0);
        }
        if let Some(place) = self.by_remote.get_mut(remote as usize) {
            *place = handle + 1;
        }
        if let Some(link) = self.link(handle) {
            link.remote_handle = Some(remote);
        }
    }

    /// Notes that the host took a link that the peer asked for.
    pub fn take(&mut self, handle: u32) {
        if let Some(link) = self.link(handle).filter(|link| link.phase == link::Phase::Asked) {
            link.phase = link::Phase::Attached;
            if std::mem::take(&mut link.flow_due) {
                self.flow(handle);
            }
        }
    }

    /// Whether the host has not answered all attaches of the peer.
    pub fn has_asked(&self) -> bool {
        self.links.iter().flatten().any(|link| link.phase == link::Phase::Asked)
    }

    /// Forgets a link and what of it is unsettled.
    pub fn remove(&mut self, handle: u32) {
        let Some(link) = self.links.get_mut(handle as usize).and_then(Option::take) else { return };
        if let Some(place) = link.remote_handle.and_then(|remote| self.by_remote.get_mut(remote as usize)) {
            *place = 0;
        }
        self.unsettled.forget(handle);
        self.sending.retain(|&waiting| waiting != handle);
        self.flows.retain(|&waiting| waiting != handle);
    }

    /// Drops what a detached link still had to say; its handle stays until the peer detaches too.
    pub fn quiet(&mut self, handle: u32) {
        self.unsettled.forget(handle);
        self.sending.retain(|&waiting| waiting != handle);
        if let Some(link) = self.link(handle) {
            link.outgoing.backlog = VecDeque::new();
            link.outgoing.under = None;
            link.outgoing.queued = false;
        }
    }

    /// Counts a transfer that came.
    ///
    /// # Errors
    /// When there was no window for it.
    #[inline]
    pub fn count_incoming(&mut self) -> Result<(), Box<AmqpError>> {
        if self.incoming.left == 0 {
            let text = "a transfer came although the session's incoming window is used up";
            return Err(Box::new(AmqpError::new(Condition::WindowViolation, text)));
        }
        self.take_incoming();
        Ok(())
    }

    /// Counts a transfer for which there is window.
    #[inline]
    pub fn take_incoming(&mut self) {
        self.incoming.left -= 1;
        self.incoming.next_id = self.incoming.next_id.wrapping_add(1);
        if self.incoming.left <= self.incoming.size / 2 {
            self.flow_due = true;
        }
    }

    /// Takes the window of a flow from the peer (part 2.5.6).
    pub fn take_window(&mut self, flow: &Flow<'_>) {
        // Without next-incoming-id the peer has not seen our begin, so that it counts from our first transfer, 0.
        let limit = flow.next_incoming_id.unwrap_or(0).wrapping_add(flow.incoming_window);
        let left = limit.wrapping_sub(self.outgoing.next_id);
        // A large window may lie more than half the number space ahead: only a limit just behind us means none.
        let behind = self.outgoing.next_id.wrapping_sub(limit);
        self.outgoing.left = if behind != 0 && behind <= self.incoming.size.max(1 << 16) { 0 } else { left };
    }

    /// Notes that a flow for a link is due; before its attach is answered it is only remembered.
    #[inline]
    pub fn flow(&mut self, handle: u32) {
        if let Some(link) = self.link(handle)
            && !std::mem::replace(&mut link.flow_due, true)
            && link.phase != link::Phase::Asked
        {
            self.flows.push(handle);
        }
    }

    /// Uses the credit of a drained link up; a flow tells of it.
    pub fn answer_drain(&mut self, handle: u32) {
        let Some(link) = self.link(handle) else { return };
        link.outgoing.drained = false;
        link.delivery_count = link.delivery_count.wrapping_add(link.credit);
        link.credit = 0;
        self.flow(handle);
    }

    /// Notes that deliveries get an outcome, at the end where we are `role`.
    #[inline]
    pub fn settle(&mut self, role: Role, deliveries: Deliveries, settled: Settled, outcome: Outcome) {
        if let Some(open) = self.settlements.last_mut()
            && open.deliveries.last.wrapping_add(1) == deliveries.first
            && open.role == role
            && open.settled == settled
            && open.outcome == outcome
        {
            open.deliveries.last = deliveries.last;
            return;
        }
        self.settlements.push(Settlement { role, deliveries, settled, outcome });
    }

    /// Sends a message on an attached link now if nothing is in its way, else when there is room.
    #[inline]
    pub fn send(&mut self, id: LinkId, mut send: Send<'_>, max_frame: u32, out: &mut Out) {
        let Some(link) = self.links.get_mut(id.handle as usize).and_then(Option::as_deref_mut) else { return };
        if link.generation != id.generation || link.phase != link::Phase::Attached {
            return;
        }
        send.settled = settled_by(link.modes.sender, send.settled);
        let bytes = send.prefix.len() + send.body.len();
        let free = !link.outgoing.queued && link.credit > 0 && self.outgoing.left > 0 && out.len() < OUT_SOFT_MAX;
        let one_frame = fits_frame(bytes, max_frame) && send.part == Part::Whole;
        if !one_frame || !free || self.unsettled.len() >= UNSETTLED_OUT_MAX {
            return self.send_later(id.handle, Waiting::new(&send, None), max_frame, out);
        }
        let starting = Starting { handle: id.handle, settled: send.settled, key: send.key };
        let under = start(link, starting, &mut self.next_delivery_id, &mut self.unsettled);
        match u8::try_from(id.handle) {
            Ok(handle) if send.format == 0 && link.outgoing.transaction.is_none() => {
                let (tag, settled) = (link.outgoing.next_tag, send.settled.is_yes());
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
        link.outgoing.backlog.push_back(waiting);
        if link.outgoing.queued {
            return;
        }
        if out.len() < OUT_SOFT_MAX && self.transmit(handle, max_frame, out) {
            return;
        }
        if let Some(link) = self.link(handle) {
            link.outgoing.queued = true;
            self.sending.push_back(handle);
        }
    }

    /// Gives up the delivery whose parts were sent last on a link.
    pub fn abort(&mut self, handle: u32, waiting: Waiting, max_frame: u32, out: &mut Out) {
        if self.link(handle).is_some_and(|link| link.outgoing.abort()) {
            return self.send_later(handle, waiting, max_frame, out);
        }
        if let Some(link) = self.link(handle)
            && link.outgoing.backlog.is_empty()
        {
            link.outgoing.queued = false;
            self.sending.retain(|&waiting| waiting != handle);
        }
    }

    /// Sends a message of one frame if nothing is in its way; gives whether it was sent.
    #[inline]
    pub fn send_now(&mut self, handle: u32, send: &SendNow<'_>, max_frame: u32, out: &mut Out) -> bool {
        let Some(link) = self.links.get_mut(handle as usize).and_then(Option::as_mut) else { return false };
        let bytes = send.front.len() + send.body.len();
        let has_room = out.len() < OUT_SOFT_MAX && self.unsettled.len() < UNSETTLED_OUT_MAX;
        let free = !link.outgoing.queued && link.credit > 0 && self.outgoing.left > 0 && has_room;
        if !free || !fits_frame(bytes, max_frame) {
            return false;
        }
        let starting = Starting { handle, settled: send.settled, key: send.key };
        let under = start(link, starting, &mut self.next_delivery_id, &mut self.unsettled);
        let (tag, settled) = (link.outgoing.next_tag, send.settled.is_yes());
        match u8::try_from(handle) {
            Ok(handle) if link.outgoing.transaction.is_none() => {
                encode_plain(out.buffer(), self.id.0, handle, under.delivery, tag, settled, bytes);
            }
            _ => {
                let transfer = Transfer {
                    handle,
                    delivery_id: Some(under.delivery),
                    delivery_tag: Some(&tag.to_be_bytes()),
                    message_format: Some(0),
                    settled: Some(settled),
                    state: enlisted(link),
                    ..Transfer::default()
                };
                encode_transfer(out.buffer(), self.id.0, &transfer, bytes);
            }
        }
        out.buffer().extend_from_slice(send.front);
        out.put_body(send.body);
        self.outgoing.count();
        true
    }

    /// Sends from the front of a link's backlog until a frame finds no room; gives whether the backlog is empty.
    fn transmit(&mut self, handle: u32, max_frame: u32, out: &mut Out) -> bool {
        let to = Peer { channel: self.id.0, handle, max_frame };
        let Some(link) = self.links.get_mut(handle as usize).and_then(Option::as_mut) else { return true };
        while let Some(waiting) = link.outgoing.backlog.front() {
            if self.outgoing.left == 0 || out.len() >= OUT_SOFT_MAX {
                return false;
            }
            let under = match link.outgoing.under {
                Some(under) => under,
                None if !waiting.part.begins() => {
                    // Its delivery ended before.
                    link.outgoing.backlog.pop_front();
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
            let Some(waiting) = link.outgoing.backlog.front() else { return true };
            let send = waiting.as_send();
            if send.part == Part::Aborted {
                write_abort(to, out);
                // An aborted delivery is settled (part 2.7.5): nobody decides on it.
                self.unsettled.take(under.delivery);
                link.outgoing.under = None;
                link.outgoing.backlog.pop_front();
                self.outgoing.count();
                continue;
            }
            let sent = transmit_frame(to, link, &send, waiting.kept.as_deref(), under, out);
            self.outgoing.count();
            if sent < send.prefix.len() + send.body.len() {
                link.outgoing.under = Some(Under { sent, begun: true, ..under });
            } else {
                link.outgoing.under = send.part.goes_on().then_some(Under { sent: 0, begun: true, ..under });
                link.outgoing.backlog.pop_front();
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
        for _ in 0..self.sending.len() {
            let Some(handle) = self.sending.pop_front() else { break };
            let is_empty = self.transmit(handle, max_frame, out);
            if !is_empty {
                self.sending.push_back(handle);
            }
            let Some(link) = self.link(handle) else { continue };
            link.outgoing.queued = !is_empty;
            if link.outgoing.drained && link.has_used_credit() {
                self.answer_drain(handle);
            }
        }
        while let Some(handle) = self.flows.pop() {
            self.write_flow(Some(handle), out);
        }
        if self.flow_due {
            self.write_flow(None, out);
        }
    }

    /// Writes the dispositions that are due.
    pub fn poll_settlements(&mut self, max_frame: u32, out: &mut Out) {
        for mut settlement in self.settlements.drain(..) {
            let start = out.buffer().len();
            write_settlement(self.id.0, &settlement, out);
            if out.buffer().len() - start > max_frame as usize {
                out.buffer().truncate(start);
                settlement.outcome = shortened_outcome(&settlement.outcome, max_frame);
                write_settlement(self.id.0, &settlement, out);
            }
        }
    }

    /// Whether `poll_output` stopped because the output is full, rather than for want of credit or window.
    pub fn wants_room(&self) -> bool {
        let has_room = self.unsettled.len() < UNSETTLED_OUT_MAX;
        let goes_on = |link: &Link| link.outgoing.under.is_some() || (link.credit > 0 && has_room);
        let mut links = self.sending.iter().filter_map(|&handle| self.links.get(handle as usize)?.as_deref());
        self.outgoing.left > 0 && links.any(goes_on)
    }

    fn write_flow(&mut self, handle: Option<u32>, out: &mut Out) {
        let mut flow = Flow {
            next_incoming_id: self.remote_channel.map(|_| self.incoming.next_id),
            incoming_window: self.incoming.size,
            next_outgoing_id: self.outgoing.next_id,
            outgoing_window: u32::MAX >> 1,
            ..Flow::default()
        };
        if let Some(handle) = handle {
            let Some(link) = self.link(handle) else { return };
            link.flow_due = false;
            if matches!(link.phase, link::Phase::Detaching | link::Phase::Attaching) {
                return;
            }
            let waiting = link.outgoing.backlog.len();
            flow.handle = Some(handle);
            flow.delivery_count = Some(link.delivery_count);
            flow.link_credit = Some(link.credit);
            flow.available = (link.role == Role::Sender).then(|| u32::try_from(waiting).unwrap_or(u32::MAX));
            flow.drain = link.drain;
            if link.role == Role::Sender {
                link.drain = link.drain && link.credit > 0;
            }
        }
        // Only what is written tells the peer of its window.
        self.flow_due = false;
        self.incoming.left = self.incoming.size;
        encode_flow(out.buffer(), self.id.0, &flow);
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        assert!(self.incoming.left <= self.incoming.size);
        for (handle, link) in self.links.iter().enumerate() {
            let Some(link) = link else { continue };
            if let Some(remote) = link.remote_handle {
                assert_eq!(self.local(remote).map(|local| local as usize), Some(handle), "handles name each other");
            }
            assert_eq!(link.outgoing.queued, self.sending.iter().any(|&waiting| waiting as usize == handle));
            assert!(link.outgoing.backlog.is_empty() || link.outgoing.queued, "what waits is in the queue");
            assert!(link.outgoing.under.is_none_or(|under| under.begun) || !link.outgoing.backlog.is_empty());
        }
    }
}

/// A delivery that starts.
#[derive(Clone, Copy)]
struct Starting {
    handle: u32,
    settled: Settled,
    key: u64,
}

/// Where frames of a link go to.
#[derive(Clone, Copy)]
struct Peer {
    channel: u16,
    handle: u32,
    /// Largest frame that it takes, octets.
    max_frame: u32,
}

/// Starts a delivery: it takes a number and a credit, and waits for its outcome unless it is settled.
#[inline(always)]
fn start(link: &mut Link, starting: Starting, next_delivery_id: &mut u32, unsettled: &mut Unsettled) -> Under {
    let delivery = *next_delivery_id;
    *next_delivery_id = delivery.wrapping_add(1);
    match starting.settled {
        Settled::Yes => unsettled.skip(delivery),
        Settled::No => unsettled.push(delivery, starting.handle, starting.key),
    }
    link.credit -= 1;
    link.delivery_count = link.delivery_count.wrapping_add(1);
    link.outgoing.next_tag = link.outgoing.next_tag.wrapping_add(1);
    Under { delivery, sent: 0, begun: false }
}

/// Whether a message of `bytes` octets is one frame of at most `max_frame`.
#[inline]
pub(crate) fn fits_frame(bytes: usize, max_frame: u32) -> bool {
    bytes + TRANSFER_BYTES_MAX <= max_frame as usize
}

/// The state that says which transaction a delivery belongs to, if it does (part 4.4.2).
fn enlisted(link: &Link) -> Option<DeliveryState<'_>> {
    link.outgoing.transaction.as_deref().map(|txn_id| DeliveryState::Transactional { txn_id, outcome: None })
}

/// Whether a delivery with these particulars can be sent in frames of at most `max_frame` octets.
pub(crate) fn fits_particulars(kept: &Kept, max_frame: u32) -> bool {
    TRANSFER_BYTES_MAX + kept.bytes() < max_frame as usize
}

/// Writes one frame of a delivery; gives how much of the message is then sent, octets.
#[inline]
fn transmit_frame(to: Peer, link: &Link, send: &Send<'_>, kept: Option<&Kept>, under: Under, out: &mut Out) -> usize {
    let first = !under.begun;
    let kept = kept.filter(|_| first);
    let prefix = send.prefix;
    let total = prefix.len() + send.body.len();
    let room = to.max_frame as usize - TRANSFER_BYTES_MAX - kept.map_or(0, Kept::bytes);
    let end = total.min(under.sent + room);
    let tag = link.outgoing.next_tag.to_be_bytes();
    let mut transfer = Transfer {
        handle: to.handle,
        delivery_id: first.then_some(under.delivery),
        delivery_tag: first.then_some(&tag),
        message_format: first.then_some(send.format),
        settled: Some(send.settled.is_yes()),
        more: end < total || send.part.goes_on(),
        state: enlisted(link).filter(|_| first),
        ..Transfer::default()
    };
    if let Some(kept) = kept {
        kept.fill(&mut transfer);
    }
    encode_transfer(out.buffer(), to.channel, &transfer, end - under.sent);
    if let Some(rest) = prefix.get(under.sent..) {
        let now = rest.get(..end - under.sent).unwrap_or(rest);
        out.buffer().extend_from_slice(now);
    }
    let body = under.sent.saturating_sub(prefix.len())..end.saturating_sub(prefix.len());
    if body.start == 0 && body.end == send.body.len() {
        out.put_body(send.body);
    } else {
        out.put_body(&send.body.slice(body));
    }
    end
}

/// Writes the frame that gives up the delivery under way on a link.
fn write_abort(to: Peer, out: &mut Out) {
    let transfer = Transfer { handle: to.handle, aborted: true, ..Transfer::default() };
    encode_transfer(out.buffer(), to.channel, &transfer, 0);
}

fn write_settlement(channel: u16, settlement: &Settlement, out: &mut Out) {
    let Settlement { role, deliveries: Deliveries { first, last }, settled, ref outcome } = *settlement;
    let mut within = Vec::new();
    let state = Some(outcome.as_state(&mut within));
    let last = (last != first).then_some(last);
    let disposition = Disposition { role, first, last, settled: settled.is_yes(), state, batchable: false };
    encode_disposition(out.buffer(), channel, &disposition);
}

/// Whether a delivery is settled by being sent on a link of this mode.
pub(crate) fn settled_by(mode: SenderSettleMode, host: Settled) -> Settled {
    match mode {
        SenderSettleMode::Settled => Settled::Yes,
        SenderSettleMode::Unsettled => Settled::No,
        SenderSettleMode::Mixed => host,
    }
}
