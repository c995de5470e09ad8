//! What each event of a connection's machine leads to.

use std::sync::Arc;

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Open, Role};
use amqp_proto::{Deliveries, DeliveryOutcome, Drain, Event, LinkId, Payload, Settled, State, Update};
use engine_message::Condition;
use load_model::scenario::{Group, Pattern};

use super::conn::{Conn, End, LEAVE_NS, Stage, Surroundings};
use super::consumer::Came;
use super::plan::{Planned, Side};
use super::shared::Shared;
use crate::client::{Ask, attach, has_selector};

impl Conn {
    pub(super) fn handle_event(&mut self, event: Event<'_>, around: &Surroundings<'_>, shared: &mut Shared) {
        match event {
            Event::Delivery { link, delivery, settled, payload, .. } => {
                let message = match &payload {
                    Payload::Borrowed(bytes) => bytes,
                    Payload::Owned(bytes) => bytes.as_ref(),
                };
                self.handle_delivery(link, &Came { delivery, is_settled: settled.is_yes(), message }, shared);
            }
            Event::Settled(outcome) => self.handle_settled(outcome.as_ref(), around, shared),
            Event::Updated(update) => self.handle_updated(*update, around, shared),
            Event::Confirmed(confirmation) if confirmation.settled.is_yes() => {
                let Deliveries { first, last } = confirmation.deliveries;
                self.consumers.iter_mut().for_each(|consumer| consumer.confirmed(first, last, shared));
            }
            Event::Credit { link, drain: Drain::Yes, .. } => {
                if let Some(live) = &mut self.live {
                    // What is due later waits for credit anew.
                    live.machine.drained(link);
                }
            }
            Event::Drained(_) => {
                if let Some(live) = &mut self.live {
                    live.draining = live.draining.saturating_sub(1);
                }
                self.leave_if_done(around, shared);
            }
            Event::Opened(open) => self.handle_opened(&open, around, shared),
            Event::Attached(link, attach) => self.handle_attached(link, &attach, around, shared),
            Event::AttachAsked(link, _) => {
                if let Some(live) = &mut self.live {
                    let error = AmqpError::new(Condition::NotAllowed, "links are attached by this end only");
                    live.machine.refuse_attach(link, error, &mut live.wire.out);
                }
            }
            Event::Detached { link, error, .. } => {
                let what = self.name_of(link, shared);
                let why = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                self.ended(&format!("the server detached {what}: {why}"), around, shared);
            }
            Event::Ended(_, error) => {
                let why = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                self.ended(&format!("the server ended the session: {why}"), around, shared);
            }
            Event::Closed(error) => match error {
                Some(error) => self.ended(&format!("the connection was closed: {error}"), around, shared),
                None => self.ended("the server closed the connection", around, shared),
            },
            // Its credit is used up all the same.
            Event::Ignored { link, .. } => {
                if let Some(live) = &mut self.live {
                    live.machine.grant(link, 1);
                }
            }
            // Nothing of this is for a client, or asks for something.
            Event::Part { .. }
            | Event::Confirmed(_)
            | Event::Credit { .. }
            | Event::Begun(_)
            | Event::OpenAsked(_)
            | Event::Tls
            | Event::Authenticate(_) => {}
        }
    }

    fn handle_delivery(&mut self, link: LinkId, came: &Came<'_>, shared: &mut Shared) {
        let Some(live) = &mut self.live else { return };
        if let Some(End::Consumer(place)) = live.ends.get(link.handle as usize)
            && let Some(consumer) = self.consumers.get_mut(*place)
        {
            consumer.take(came, &mut live.machine, shared);
        }
    }

    fn handle_settled(&mut self, outcome: Option<&DeliveryOutcome>, around: &Surroundings<'_>, shared: &mut Shared) {
        let mut failed = None;
        while let Some(live) = &mut self.live
            && let Some(settling) = live.machine.next_settled()
        {
            if let Some(delivery) = settling.confirm {
                live.machine.confirm(settling.link, delivery);
            }
            failed = self.handle_outcome(settling.link, settling.key, outcome, shared).err().or(failed);
        }
        self.go_on(failed, around, shared);
    }

    /// A resource answers within the transaction: the outcome is what counts, and is final unless the coordinator says otherwise.
    fn handle_updated(&mut self, mut update: Update, around: &Surroundings<'_>, shared: &mut Shared) {
        let mut failed = None;
        while let Some(live) = &mut self.live
            && let Some(updated) = live.machine.next_updated(&mut update)
        {
            let State::Transactional { outcome, .. } = &update.state else { continue };
            if !update.settled.is_yes() {
                let (deliveries, state) = (Deliveries::one(updated.delivery), Some(&update.state));
                live.machine.dispose(updated.link, deliveries, state, Settled::Yes, &mut live.wire.out);
            }
            failed = self.handle_outcome(updated.link, updated.key, outcome.as_ref(), shared).err().or(failed);
        }
        self.go_on(failed, around, shared);
    }

    /// What became of one delivery.
    fn handle_outcome(
        &mut self,
        link: LinkId,
        key: u64,
        outcome: Option<&DeliveryOutcome>,
        shared: &mut Shared,
    ) -> Result<(), String> {
        let Some(live) = &self.live else { return Ok(()) };
        match live.ends.get(link.handle as usize) {
            Some(End::Producer(place)) => {
                if let Some(producer) = self.producers.get_mut(*place) {
                    producer.settled(key, outcome, shared);
                }
            }
            Some(End::Coordinator(place)) => {
                if let Some(producer) = self.producers.get_mut(*place) {
                    return producer.coordinated(key, outcome.cloned(), shared);
                }
            }
            Some(End::Relay(_)) if outcome != Some(&DeliveryOutcome::Accepted) => {
                if let Some(tally) = shared.tallies.get_mut(self.planned.group as usize) {
                    tally.refuse(outcome);
                }
            }
            Some(End::Relay(_) | End::Consumer(_)) | None => {}
        }
        Ok(())
    }

    /// Does what is next when outcomes came.
    fn go_on(&mut self, failed: Option<String>, around: &Surroundings<'_>, shared: &mut Shared) {
        if let Some(why) = failed {
            self.fail(&why, around, shared);
        } else if self.stage == Stage::Leaving {
            self.leave_if_done(around, shared);
        }
    }

    /// Something that has to last ended, unless it is meant to.
    fn ended(&mut self, why: &str, around: &Surroundings<'_>, shared: &mut Shared) {
        if self.stage == Stage::Closing {
            if self.live.as_ref().is_none_or(|live| live.machine.is_closed()) {
                self.down(around.now_ns);
            }
            return;
        }
        self.fail(why, around, shared);
    }

    fn handle_opened(&mut self, open: &Open, around: &Surroundings<'_>, shared: &mut Shared) {
        let text = |key: &str| open.properties.get(key).and_then(|value| value.as_text()).unwrap_or_default();
        self.product = format!("{} {}", text("product"), text("version")).trim().to_owned();
        self.container.clone_from(&open.container_id);
        let scenario = Arc::clone(&shared.scenario);
        let Some(spec) = scenario.groups.get(self.planned.group as usize) else { return };
        let asks = self.asks(spec);
        let Some(live) = &mut self.live else { return };
        live.session = live.machine.begin(&mut live.wire.out);
        let Some(session) = live.session else {
            return self.fail("the server takes no session", around, shared);
        };
        for (end, name, address) in &asks {
            let selector = selector_of(&self.planned, *end, spec);
            let ask = match (end, address.as_deref()) {
                (End::Producer(_), Some(address)) => Ask::Send(address),
                (End::Consumer(_), Some(address)) => {
                    selector.as_deref().map_or(Ask::Receive(address), |selector| Ask::Select(address, selector))
                }
                (End::Coordinator(_), _) => Ask::Coordinate,
                (End::Relay(_), _) => Ask::SendReplies,
                (End::Producer(_) | End::Consumer(_), None) => Ask::ReceiveReplies,
            };
            let Some(link) = live.machine.attach(session, attach(name.clone(), spec, ask), &mut live.wire.out) else {
                return self.fail("the session ended at once", around, shared);
            };
            // Handles of a session that is new follow each other.
            debug_assert_eq!(link.handle as usize, live.ends.len());
            live.ends.push(*end);
            live.links.push(link);
        }
        live.asked = asks.len();
        self.enter(Stage::Attaching, self.by_ns);
    }

    /// The links to attach: whose each is, its name, and its address if it has one.
    fn asks(&self, spec: &Group) -> Vec<(End, String, Option<String>)> {
        let requests = spec.pattern == Pattern::RequestReply;
        let mut asks = Vec::new();
        let group = &spec.name;
        for (place, &number) in self.planned.numbers.iter().enumerate() {
            let name = |what: &str| format!("{group}-{what}-{number}");
            match self.planned.side {
                Side::Producers => {
                    let address = spec.address_of(spec.address_of_producer(number));
                    asks.push((End::Producer(place), name("producer"), Some(address)));
                    if requests {
                        asks.push((End::Consumer(place), name("replies"), None));
                    }
                    if spec.transaction > 0 {
                        asks.push((End::Coordinator(place), name("coordinator"), None));
                    }
                }
                Side::Consumers => {
                    let address = spec.address_of(spec.address_of_consumer(number));
                    asks.push((End::Consumer(place), name("consumer"), Some(address)));
                    if requests {
                        asks.push((End::Relay(place), name("relay"), None));
                    }
                }
            }
        }
        asks
    }

    fn handle_attached(&mut self, link: LinkId, attach: &Attach, around: &Surroundings<'_>, shared: &mut Shared) {
        let Some(live) = &mut self.live else { return };
        let Some(&end) = live.ends.get(link.handle as usize) else { return };
        let is_refused = match attach.role {
            // A link without terminus is refused; the detach that says why follows.
            Role::Sender => attach.source.is_none(),
            Role::Receiver => attach.target.is_none(),
        };
        if is_refused {
            return;
        }
        if let (End::Consumer(place), Side::Producers) = (end, self.planned.side) {
            let address = attach.source.as_ref().and_then(|source| source.terminus.address.clone());
            if address.is_none() {
                return self.fail("the server made up no address for replies", around, shared);
            }
            if let Some(slot) = live.reply_to.get_mut(place) {
                *slot = address;
            }
        }
        let scenario = Arc::clone(&shared.scenario);
        let spec = scenario.groups.get(self.planned.group as usize);
        if spec.and_then(|spec| selector_of(&self.planned, end, spec)).is_some() && !has_selector(attach) {
            return self.fail("the server does not go by selectors: its answer leaves ours out", around, shared);
        }
        live.asked = live.asked.saturating_sub(1);
        if live.asked == 0 && self.stage == Stage::Attaching {
            self.attached(shared);
        }
    }

    /// Every link is attached: messages may flow.
    fn attached(&mut self, shared: &mut Shared) {
        let scenario = Arc::clone(&shared.scenario);
        let Some(spec) = scenario.groups.get(self.planned.group as usize) else { return };
        let Some(live) = &mut self.live else { return };
        for (&end, &link) in live.ends.iter().zip(&live.links) {
            match end {
                End::Producer(place) => {
                    let reply_to = live.reply_to.get(place).and_then(Option::as_deref);
                    if let Some(producer) = self.producers.get_mut(place) {
                        producer.attached(link, spec, reply_to);
                    }
                }
                End::Coordinator(place) => {
                    let producer = self.producers.get_mut(place);
                    if let Some(transactions) = producer.and_then(|producer| producer.transactions.as_mut()) {
                        transactions.coordinator = Some(link);
                    }
                }
                End::Consumer(place) => {
                    if let Some(consumer) = self.consumers.get_mut(place) {
                        consumer.attached(link, &mut live.machine);
                    }
                }
                End::Relay(place) => {
                    if let Some(consumer) = self.consumers.get_mut(place) {
                        consumer.relay = Some(link);
                    }
                }
            }
        }
        self.up(shared);
    }

    /// Which link, for people.
    fn name_of(&self, link: LinkId, shared: &Shared) -> String {
        let end = self.live.as_ref().and_then(|live| live.ends.get(link.handle as usize)).copied();
        let spec = shared.scenario.groups.get(self.planned.group as usize);
        let (Some(end), Some(spec)) = (end, spec) else { return "a link".to_owned() };
        let found = self.asks(spec).into_iter().find(|(other, ..)| *other == end);
        match found {
            Some((_, name, Some(address))) => format!("link {name} of {address:?}"),
            Some((_, name, None)) => format!("link {name}"),
            None => "a link".to_owned(),
        }
    }

    /// Ends it on purpose: producers send nothing more, consumers use up their credit, and when nothing is under way it is closed.
    pub fn leave(&mut self, around: &Surroundings<'_>, shared: &mut Shared) {
        let scenario = Arc::clone(&shared.scenario);
        let Some(spec) = scenario.groups.get(self.planned.group as usize) else { return };
        let Some(live) = self.live.as_mut().filter(|_| self.stage == Stage::Up) else { return };
        self.consumers.iter_mut().for_each(|consumer| consumer.goes_away(spec, shared));
        for link in self.consumers.iter().filter_map(|consumer| consumer.link) {
            live.machine.drain(link);
            live.draining += 1;
        }
        self.enter(Stage::Leaving, around.now_ns + LEAVE_NS);
        self.is_dirty = true;
        self.leave_if_done(around, shared);
    }

    /// Closes a connection that is left when nothing is under way on it.
    pub fn leave_if_done(&mut self, around: &Surroundings<'_>, shared: &mut Shared) {
        let is_drained = self.live.as_ref().is_some_and(|live| live.draining == 0);
        let is_done = self.stage == Stage::Leaving
            && is_drained
            && self.producers.iter().all(|producer| producer.is_settled())
            && self.consumers.iter().all(|consumer| consumer.is_settled());
        if is_done {
            self.finish_consumers(shared);
            self.close(around, shared);
        }
    }
}

/// The selector that one of a connection's ends asks for, if it does.
fn selector_of(planned: &Planned, end: End, spec: &Group) -> Option<String> {
    let End::Consumer(place) = end else { return None };
    let is_consumer = planned.side == Side::Consumers;
    planned.numbers.get(place).filter(|_| is_consumer).and_then(|&number| spec.selector_of(number))
}
