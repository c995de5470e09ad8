//! What both ends say of deliveries (part 2.7.6): outcomes and other states, settled or not, from either end of a link.
//!
//! Guarantees: a disposition over any range costs what there is to settle, not what the range claims; every delivery that was sent is
//! named once when it is settled, and never after; what one host says reaches the other whole; what is decided on before it has come whole
//! is said at once, and settled behind its end.
//! Not here: what a state is (`state`).

use amqp_codec::performative::{DeliveryState, Disposition, ReceiverSettleMode, Role, encode_disposition};

use crate::connection::Connection;
use crate::event::{Confirmation, Deliveries, Event, LinkId, SessionId, Update};
use crate::fault::Fault;
use crate::fitting::shortened_outcome;
use crate::flag::Settled;
use crate::out::Out;
use crate::state::{DeliveryOutcome, State};
use crate::unsettled::Named;

/// Frame header and the fields of a disposition but for its state, octets, at most.
const DISPOSITION_BYTES_MAX: usize = 40;

/// A delivery that a peer decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settling {
    /// The link that it was sent on.
    pub link: LinkId,
    /// What it was sent with.
    pub key: u64,
    /// Set when the peer accepted it, and waits until we settle it, too (receiver settle mode second): the delivery, for
    /// `confirm`.
    pub confirm: Option<u32>,
}

/// A delivery that was sent and of which its receiver told a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The link that it was sent on.
    pub link: LinkId,
    /// What it was sent with.
    pub key: u64,
    /// Its number, for `dispose`.
    pub delivery: u32,
}

impl Connection {
    pub(crate) fn handle_disposition<'a>(
        &mut self,
        local: u16,
        disposition: &Disposition<'_>,
    ) -> Result<Option<Event<'a>>, Fault> {
        let last = disposition.last.unwrap_or(disposition.first);
        let settled = Settled::of(disposition.settled);
        if disposition.role == Role::Sender {
            let state = disposition.state.as_ref().map(State::read).transpose()?.map(Box::new);
            let deliveries = Deliveries { first: disposition.first, last };
            let confirmation = Confirmation { session: SessionId(local), deliveries, settled, state };
            return Ok(Some(Event::Confirmed(confirmation)));
        }
        let outcome = disposition.state.as_ref().map(DeliveryOutcome::read).transpose()?.flatten();
        let told = match &disposition.state {
            Some(state) if outcome.is_none() => Some(state),
            None if !disposition.settled => return Ok(None),
            _ => None,
        };
        let Some(session) = self.session(local) else { return Ok(None) };
        let Some((next, last)) = session.unsettled.clip(disposition.first, last) else { return Ok(None) };
        if let Some(state) = told {
            let update = Update { state: State::read(state)?, settled, next, last, session: local };
            return Ok(Some(Event::Updated(Box::new(update))));
        }
        // Mode second: the receiver waits for us to settle (part 2.6.12).
        let answer = (!disposition.settled).then(|| outcome.clone().unwrap_or_default());
        self.named = Some(Named { session: local, next, last, answer });
        Ok(Some(Event::Settled(outcome)))
    }

    /// The next delivery of the disposition that was read last. Not left to the compiler, which would call it for each delivery since it has
    /// a second, rare caller.
    #[inline(always)]
    pub fn next_settled(&mut self) -> Option<Settling> {
        let named = self.named.as_mut()?;
        let session = self.sessions.get_mut(usize::from(named.session)).and_then(Option::as_deref_mut);
        let Some(session) = session else {
            self.named = None;
            return None;
        };
        loop {
            let id = named.next;
            if id == named.last.wrapping_add(1) {
                self.named = None;
                return None;
            }
            named.next = id.wrapping_add(1);
            if let Some((handle, key)) = session.unsettled.take(id) {
                let mut confirm = None;
                match &named.answer {
                    // What the host does with an accepted message may take time.
                    Some(DeliveryOutcome::Accepted) => confirm = Some(id),
                    Some(answer) => session.settle(Role::Sender, Deliveries::one(id), Settled::Yes, answer.clone()),
                    None => {}
                }
                let generation = session.link(handle).map_or(0, |link| link.generation);
                let link = LinkId { session: named.session, generation, handle };
                return Some(Settling { link, key, confirm });
            }
        }
    }

    /// Takes those of the disposition that was read last that come right behind the one that was named last, on its link and with keys of which
    /// each is by one more than the one before; gives how many. None, if something is to be said of each.
    #[inline]
    pub fn settled_alike(&mut self, last: &Settling) -> u32 {
        let Some(named) = self.named.as_mut().filter(|named| named.answer.is_none()) else { return 0 };
        let session = self.sessions.get_mut(usize::from(named.session)).and_then(Option::as_deref_mut);
        let (Some(session), Some(key)) = (session, last.key.checked_add(1)) else { return 0 };
        let most = named.last.wrapping_add(1).wrapping_sub(named.next);
        let count = session.unsettled.take_following(named.next, last.link.handle, key, most);
        named.next = named.next.wrapping_add(count);
        count
    }

    /// The next delivery that an update is about; those that it settled are done with when they were named.
    pub fn next_updated(&mut self, update: &mut Update) -> Option<Updated> {
        let session = self.session(update.session)?;
        while update.next != update.last.wrapping_add(1) {
            let delivery = update.next;
            update.next = delivery.wrapping_add(1);
            let found = match update.settled {
                Settled::Yes => session.unsettled.take(delivery),
                Settled::No => session.unsettled.get(delivery),
            };
            let Some((handle, key)) = found else { continue };
            let generation = session.link(handle).map_or(0, |link| link.generation);
            let link = LinkId { session: update.session, generation, handle };
            return Some(Updated { link, key, delivery });
        }
        None
    }

    /// Settles a delivery that the peer accepted and waits for (`Settling::confirm`); leaves with `poll_output`.
    #[inline]
    pub fn confirm(&mut self, id: LinkId, delivery: u32) {
        let Some(session) = self.session(id.session) else { return };
        if session.link_by_id(id).is_some() {
            session.settle(Role::Sender, Deliveries::one(delivery), Settled::Yes, DeliveryOutcome::Accepted);
        }
    }

    /// Decides on the deliveries `first..=last` of a link that came; leaves with `poll_output`. One of which more is to come is settled
    /// when that has come: qdrouterd passes over the last word on what it still receives itself, and waits for it without end.
    #[inline]
    pub fn settle(&mut self, id: LinkId, first: u32, last: u32, outcome: DeliveryOutcome) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_by_id(id) else { return };
        let settled = Settled::of(link.modes.receiver == ReceiverSettleMode::First);
        if settled.is_yes() && link.partial.is_some() && link.decide_partial(last, &outcome) {
            // What comes in parts is the last that came on its link.
            if first != last {
                let before = Deliveries { first, last: last.wrapping_sub(1) };
                session.settle(Role::Receiver, before, settled, outcome.clone());
            }
            return session.settle(Role::Receiver, Deliveries::one(last), Settled::No, outcome);
        }
        session.settle(Role::Receiver, Deliveries { first, last }, settled, outcome);
    }

    /// Says a state of deliveries of a link, or settles them, or both, at either end of it. What a sender settles is no longer named
    /// by `next_settled`. Of a state that is larger than the peer's frames its outcome is said.
    pub fn dispose(
        &mut self,
        id: LinkId,
        deliveries: Deliveries,
        state: Option<&State>,
        settled: Settled,
        out: &mut Out,
    ) {
        let max_frame = self.remote.max_frame;
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_by_id(id) else { return };
        let role = link.role;
        if role == Role::Sender && settled.is_yes() {
            let mut next = session.unsettled.clip(deliveries.first, deliveries.last);
            while let Some((first, last)) = next {
                session.unsettled.take(first);
                next = (first != last).then(|| (first.wrapping_add(1), last));
            }
        }
        // What was decided before is said before.
        session.poll_settlements(max_frame, out);
        let mut encoded = Vec::new();
        let state = state.map(|state| {
            state.encode(&mut encoded);
            if encoded.len() + DISPOSITION_BYTES_MAX > max_frame as usize {
                encoded.clear();
                shortened(state, max_frame).encode(&mut encoded);
            }
            DeliveryState::Unknown(&encoded)
        });
        let Deliveries { first, last } = deliveries;
        let last = (last != first).then_some(last);
        let disposition = Disposition { role, first, last, settled: settled.is_yes(), state, batchable: false };
        encode_disposition(out.buffer(), id.session, &disposition);
    }

    /// The number of an unsettled delivery that was sent on a link with `key`, for `dispose`. Looks at all that are unsettled in the
    /// link's session.
    pub fn sent(&mut self, id: LinkId, key: u64) -> Option<u32> {
        let session = self.session(id.session)?;
        session.link_by_id(id)?;
        session.unsettled.find(id.handle, key)
    }
}

/// What fits of a state into a frame.
#[cold]
fn shortened(state: &State, max_frame: u32) -> State {
    match state {
        State::Outcome(outcome) => State::Outcome(shortened_outcome(outcome, max_frame)),
        State::Transactional { transaction, outcome } => {
            let outcome = outcome.as_ref().map(|outcome| shortened_outcome(outcome, max_frame));
            State::Transactional { transaction: transaction.clone(), outcome }
        }
        State::Received { .. } => state.clone(),
        // Nobody knows what it means: at least the delivery is not taken for processed.
        State::Other(_) => State::Outcome(DeliveryOutcome::Released),
    }
}
