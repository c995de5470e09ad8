//! What goes over links that pass through the node whole (`through`): credit, messages, and what either end says of deliveries.
//!
//! Guarantees:
//! 1. A peer that sends has the credit that the other end's peer gives, and no other.
//! 2. What came and has not left at the other end is bounded (`halves`): its session waits, then its connection.
//! 3. Deliveries have the tags, formats and states that their senders gave them, and their octets are as they came.

use amqp_codec::AmqpError;
use amqp_proto::{
    Confirmation, Deliveries, DeliveryOutcome, Drain, Head, LinkId, Particulars, Payload, SessionId, Settled, Settling,
    Stage as Progress, State, Update, Updated,
};
use bytes::Bytes;
use engine_core::command;
use engine_core::through::{Disposed, Half, Part, Said, Transfer, Word};
use engine_home::{Home, Slot};
use engine_message::Condition;

use crate::bind::{Bind, Stop};
use crate::halves::{Came, FLOOD_ABOVE, HalfLink, Stage, TOLD_FROM, drain_of};
use crate::inbound::wanted;
use crate::outcome;

impl Bind {
    /// The other half says something to one of this connection.
    pub(crate) fn handle_said(&mut self, home: &mut Home, place: Slot, said: Said) {
        let Said { from, word } = said;
        if self.half_mut(place).is_some_and(|half| !half.hears(&word)) {
            return;
        }
        match word {
            Word::Attach(_) => unreachable!("a connection is asked for that, and no link"),
            Word::Answered { attach } => self.handle_answered_there(home, place, from, &attach),
            Word::Credit { limit, drain } => self.handle_limit(place, limit, drain),
            Word::Drained { unused } => self.handle_drained_there(home, place, unused),
            Word::Transfer(transfer) => self.pass_out(home, place, &transfer),
            Word::Received(disposed) => self.handle_received_there(home, place, &disposed),
            Word::Sent(disposed) => self.handle_sent_there(home, place, &disposed),
            Word::Left { octets } => self.handle_left_there(home, place, octets),
            Word::Ended { ending, error } => self.handle_ended_there(home, place, ending, error.as_ref()),
            Word::Gone => self.handle_gone_there(home, place),
            Word::Lost => self.handle_lost_there(home, place),
        }
    }

    /// A peer that receives gave credit.
    pub(crate) fn pass_limit(&mut self, home: &mut Home, place: Slot, credit: u32, drain: Drain) {
        if let Some(half) = self.half_mut(place) {
            (half.limit, half.drain) = (half.count.wrapping_add(credit), drain);
            self.give_back_uncredited(home, place);
            self.tell_limit(home, place);
        }
    }

    /// What waits for credit that its receiver took back is for others, as if the sender had known of that.
    fn give_back_uncredited(&mut self, home: &mut Home, place: Slot) {
        let Some(half) = self.half_mut(place).filter(|half| half.half == Half::Receiver) else { return };
        let id = half.id;
        while let Some(key) = self.machine.take_back(id, |_| true) {
            let state = Some(state_bytes(&State::from(DeliveryOutcome::Released)));
            self.tell(home, place, Word::Received(Disposed { state, ..disposed_one(key as u32) }));
        }
    }

    /// Tells the other half what its peer may send.
    pub(crate) fn tell_limit(&mut self, home: &mut Home, place: Slot) {
        let Some(half) = self.half_mut(place).filter(|half| half.half == Half::Receiver) else { return };
        let (limit, drain) = (half.limit, drain_of(half.drain));
        if limit != 0 || drain == engine_core::through::Drain::Yes {
            self.tell(home, place, Word::Credit { limit, drain });
        }
    }

    fn handle_limit(&mut self, place: Slot, limit: u32, drain: engine_core::through::Drain) {
        let Some(half) = self.half_mut(place).filter(|half| half.half == Half::Sender) else { return };
        half.limit = limit;
        let (id, credit) = (half.id, half.credit());
        let drain = match drain {
            engine_core::through::Drain::Yes => Drain::Yes,
            engine_core::through::Drain::No => Drain::No,
        };
        self.machine.set_credit(id, credit, drain);
    }

    /// A peer that sends has used up its credit, as it was asked to.
    #[cold]
    pub(crate) fn pass_drained(&mut self, home: &mut Home, id: LinkId) {
        let Some(place) = self.half_at(id) else { return };
        let Some(half) = self.half_mut(place) else { return };
        let unused = half.credit();
        half.count = half.count.wrapping_add(unused);
        self.tell(home, place, Word::Drained { unused });
    }

    fn handle_drained_there(&mut self, home: &mut Home, place: Slot, unused: u32) {
        let Some(half) = self.half_mut(place) else { return };
        half.count = half.count.wrapping_add(unused);
        let id = half.id;
        match half.drain {
            Drain::Yes => self.machine.drained(id),
            // The peer has given more meanwhile.
            Drain::No => {
                let credit = self.machine.credit_free(id);
                self.pass_limit(home, place, credit, Drain::No);
            }
        }
    }

    /// A message, or a part of one, came on a half.
    #[inline(never)]
    pub(crate) fn pass_in(&mut self, home: &mut Home, place: Slot, came: &Came<'_>) {
        let settled = wanted(came.settled);
        let Some(half) = self.half_mut(place) else { return };
        let id = half.id;
        let flow = half.ahead.add(came.payload.len() as u64);
        if matches!(came.part, Part::Whole | Part::First) {
            half.count = half.count.wrapping_add(1);
            if settled == command::Settled::No {
                half.unsettled.push_back(came.delivery);
            }
            self.client.messages_in += 1;
            home.note_through(place, settled);
        }
        if came.part == Part::Aborted
            && let Some(half) = self.half_mut(place)
        {
            // An aborted delivery is settled (part 2.7.5).
            half.settle(&disposed_one(came.delivery));
        }
        let payload = came.owned.cloned().unwrap_or_else(|| Bytes::copy_from_slice(came.payload));
        let (delivery, format, part) = (came.delivery, came.format, came.part);
        let head = Bytes::copy_from_slice(came.head);
        let transfer = Transfer { delivery, settled, format, part, head, payload };
        self.tell(home, place, Word::Transfer(Box::new(transfer)));
        self.regulate(id, flow);
        self.bound_input(id.session, came.payload.len());
    }

    /// A part of a message came on a half.
    #[cold]
    pub(crate) fn pass_part(
        &mut self,
        home: &mut Home,
        place: Slot,
        (delivery, settled, format): (u32, Settled, u32),
        (stage, head): (Progress, &[u8]),
        payload: &Payload<'_>,
    ) {
        let (payload, owned) = match payload {
            Payload::Borrowed(bytes) => (*bytes, None),
            Payload::Owned(bytes) => (bytes.as_ref(), Some(bytes)),
        };
        let came = Came { delivery, settled, format, part: part(stage), head, payload, owned };
        self.pass_in(home, place, &came);
    }

    /// Bounds what comes by the window of its session, and where too much is on its way by not reading.
    fn bound_input(&mut self, session: u16, more: usize) {
        let Some(through) = &mut self.through else { return };
        through.ahead += more as u64;
        let window = through.sessions.get_mut(&session).and_then(|own| own.note(more));
        if through.ahead > FLOOD_ABOVE && self.stop.is_none() {
            self.stop = Some(Stop::Flooded);
        }
        if let Some(window) = window {
            self.machine.set_window(SessionId(session), window);
        }
    }

    fn handle_left_there(&mut self, home: &mut Home, place: Slot, octets: u64) {
        let Some(half) = self.half_mut(place) else { return };
        let (id, flow) = (half.id, half.ahead.take(octets));
        self.regulate(id, flow);
        self.note_left(home, octets);
    }

    /// What a half that is gone had on its way is nobody's any more.
    pub(crate) fn forget_octets(&mut self, home: &mut Home, half: &HalfLink) {
        if half.half == Half::Sender {
            self.note_left(home, half.ahead.octets());
        }
    }

    /// Less is on its way.
    fn note_left(&mut self, home: &mut Home, octets: u64) {
        let Some(through) = &mut self.through else { return };
        through.ahead = through.ahead.saturating_sub(octets);
        let is_flooded = through.ahead > FLOOD_ABOVE / 2;
        if !is_flooded && matches!(self.stop, Some(Stop::Flooded)) {
            self.stop = None;
            self.resume(home);
        }
    }

    /// Sends what came on the other half.
    fn pass_out(&mut self, home: &mut Home, place: Slot, transfer: &Transfer) {
        let Some(half) = self.half_mut(place) else { return };
        let id = half.id;
        half.untold += transfer.payload.len() as u64;
        let part = match transfer.part {
            Part::Whole => amqp_proto::Part::Whole,
            Part::First => amqp_proto::Part::First,
            Part::Middle => amqp_proto::Part::Middle,
            Part::Last => amqp_proto::Part::Last,
            Part::Aborted => {
                self.machine.abort(id, &mut self.out);
                // What of it was not begun has used no credit.
                let (credit, drain) = (self.machine.credit_free(id), self.half_mut(place).map(|half| half.drain));
                return self.pass_limit(home, place, credit, drain.unwrap_or(Drain::No));
            }
        };
        let (key, format, body) = (u64::from(transfer.delivery), transfer.format, &transfer.payload);
        let settled = match transfer.settled {
            command::Settled::Yes => Settled::Yes,
            command::Settled::No => Settled::No,
        };
        let send = amqp_proto::Send { key, settled, format, prefix: &[], body, part };
        if matches!(transfer.part, Part::Middle | Part::Last) {
            self.machine.send(id, send, &mut self.out);
        } else {
            half.count = half.count.wrapping_add(1);
            self.client.messages_out += 1;
            home.note_through(place, transfer.settled);
            let head = Head::Borrowed(&transfer.head);
            if !self.machine.send_as(id, send, &Particulars::from(&head.transfer()), &mut self.out) {
                let text = "the state of a delivery leaves no room in the receiver's frames";
                let error = AmqpError::new(Condition::FrameSizeTooSmall, text);
                let rejected = State::from(DeliveryOutcome::Rejected(Some(Box::new(error))));
                let state = Some(state_bytes(&rejected));
                self.tell(home, place, Word::Received(Disposed { state, ..disposed_one(transfer.delivery) }));
            }
            self.give_back_uncredited(home, place);
        }
        self.tell_left(home, place);
    }

    /// Tells the other half how much has left; notes what waits.
    fn tell_left(&mut self, home: &mut Home, place: Slot) {
        let Some(half) = self.half_mut(place) else { return };
        let (id, octets) = (half.id, half.untold);
        if self.machine.waiting(id) > 0 {
            self.wait_for_half(place);
            if octets < TOLD_FROM {
                return;
            }
        }
        let left = octets.saturating_sub(self.machine.waiting_octets(id));
        if left >= TOLD_FROM
            && let Some(half) = self.half_mut(place)
        {
            half.untold -= left;
            self.tell(home, place, Word::Left { octets: left });
        }
    }

    /// A half has something that waits: it is looked at when there is room (`feed`).
    pub(crate) fn wait_for_half(&mut self, place: Slot) {
        if let Some(half) = self.half_mut(place)
            && !std::mem::replace(&mut half.is_waiting, true)
        {
            self.client.wait_for_room(place);
        }
    }

    /// Some of what waited on a half may have left: the other one is told, and what was to end behind it ends.
    pub(crate) fn advance_half(&mut self, home: &mut Home, place: Slot) {
        let Some(half) = self.half_mut(place) else { return };
        half.is_waiting = false;
        self.tell_left(home, place);
        let Some(half) = self.half_mut(place) else { return };
        let id = half.id;
        if !matches!(half.stage, Stage::Ending(..)) {
            return;
        }
        if self.machine.may_leave(id) {
            self.wait_for_half(place);
        } else if let Some(half) = self.half_mut(place)
            && let Stage::Ending(closing, error) = std::mem::replace(&mut half.stage, Stage::Attached)
        {
            self.leave_half(home, place, closing, error.map(|error| *error));
        }
    }

    /// The peer decided on deliveries of halves, `None` without saying how.
    #[cold]
    pub(crate) fn pass_outcomes(
        &mut self,
        home: &mut Home,
        settlings: &[(Slot, Settling)],
        outcome: Option<&DeliveryOutcome>,
    ) {
        let state = outcome.map(|outcome| state_bytes(&State::from(outcome.clone())));
        let mut told: Option<(Slot, Disposed)> = None;
        for &(place, Settling { key, confirm, .. }) in settlings {
            let key = key as u32;
            if let Some(outcome) = outcome {
                home.note_outcome(place, &outcome::of_peer(outcome), 1);
            }
            if let (Some(number), Some(half)) = (confirm, self.half_mut(place)) {
                half.confirming.push((key, number));
            }
            let settled = if confirm.is_some() { command::Settled::No } else { command::Settled::Yes };
            match &mut told {
                Some((at, disposed))
                    if *at == place && disposed.settled == settled && disposed.last.wrapping_add(1) == key =>
                {
                    disposed.last = key;
                }
                _ => {
                    let disposed = Disposed { first: key, last: key, state: state.clone(), settled };
                    let before = told.replace((place, disposed));
                    before.into_iter().for_each(|(place, disposed)| self.tell(home, place, Word::Received(disposed)));
                }
            }
        }
        told.into_iter().for_each(|(place, disposed)| self.tell(home, place, Word::Received(disposed)));
    }

    /// The peer told a state of a delivery of a half.
    pub(crate) fn pass_update(&mut self, home: &mut Home, place: Slot, update: &Update, updated: Updated) {
        let state = Some(state_bytes(&update.state));
        let disposed = Disposed { state, settled: wanted(update.settled), ..disposed_one(updated.key as u32) };
        self.tell(home, place, Word::Received(disposed));
    }

    /// The peer of the other half, which receives, said something of deliveries.
    fn handle_received_there(&mut self, home: &mut Home, place: Slot, disposed: &Disposed) {
        let Some(half) = self.half_mut(place) else { return };
        let id = half.id;
        if disposed.settled == command::Settled::Yes {
            half.settle(disposed);
        }
        let state = disposed.state.as_deref().and_then(State::of);
        let &Disposed { first, last, settled, .. } = disposed;
        let mode = wanted(self.machine.settles_first(id));
        match state {
            Some(State::Outcome(outcome)) if settled == mode => {
                let count = u64::from(last.wrapping_sub(first)) + 1;
                home.note_outcome(place, &outcome::of_peer(&outcome), count);
                self.machine.settle(id, first, last, outcome);
            }
            state => {
                let settled = if settled == command::Settled::Yes { Settled::Yes } else { Settled::No };
                self.machine.dispose(id, Deliveries { first, last }, state.as_ref(), settled, &mut self.out);
            }
        }
    }

    /// The peer said something of deliveries that it sent: of halves, too, perhaps.
    pub(crate) fn pass_confirmed(&mut self, home: &mut Home, confirmation: &Confirmation) {
        let Some(through) = &self.through else { return };
        let Confirmation { session, deliveries: Deliveries { first, last }, settled, state } = confirmation;
        let state = state.as_deref().map(state_bytes);
        let disposed = Disposed { first: *first, last: *last, state, settled: wanted(*settled) };
        for place in through.of_session(*session) {
            let Some(half) = self.half_mut(place).filter(|half| half.half == Half::Sender) else { continue };
            if !half.unsettled.iter().any(|delivery| disposed.is_about(*delivery)) {
                continue;
            }
            if settled.is_yes() {
                half.settle(&disposed);
            }
            self.tell(home, place, Word::Sent(disposed.clone()));
        }
    }

    /// The peer of the other half, which sends, said something of deliveries.
    fn handle_sent_there(&mut self, _: &mut Home, place: Slot, disposed: &Disposed) {
        let Some(half) = self.half_mut(place) else { return };
        let id = half.id;
        let is_settled = disposed.settled == command::Settled::Yes;
        let confirmed: Vec<(u32, u32)> =
            half.confirming.extract_if(.., |(key, _)| is_settled && disposed.is_about(*key)).collect();
        confirmed.into_iter().for_each(|(_, number)| self.machine.confirm(id, number));
        let state = disposed.state.as_deref().and_then(State::of);
        let settled = if is_settled { Settled::Yes } else { Settled::No };
        for (number, _) in self.machine.sent_with(id, |key| disposed.is_about(key as u32)) {
            self.machine.dispose(id, Deliveries::one(number), state.as_ref(), settled, &mut self.out);
        }
    }
}

/// How much of a message a part is.
fn part(stage: Progress) -> Part {
    match stage {
        Progress::First => Part::First,
        Progress::Next => Part::Middle,
        Progress::Last => Part::Last,
        Progress::Aborted => Part::Aborted,
    }
}

/// That one delivery is settled.
fn disposed_one(delivery: u32) -> Disposed {
    Disposed { first: delivery, last: delivery, state: None, settled: command::Settled::Yes }
}

fn state_bytes(state: &State) -> Bytes {
    let mut bytes = Vec::new();
    state.encode(&mut bytes);
    bytes.into()
}
