//! Messages on their way through a shard, and what becomes of them: the machines of `engine_router` are asked and obeyed.
//!
//! Guarantee: whatever was given to the settlement machine, all that it wants done is done before anything else is given to it.

use engine_core::command::{Outcome, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::{EndKey, LinkKey};
use engine_core::message::Message;
use engine_core::slab::Key as Place;
use engine_message::Condition;
use engine_router::forward::Passage;
use engine_router::settlement::{Action, Beginning, CopyKey, DeliveryKey, InLink, OutLink, Overrun, Settling, State};
use engine_router::table::ConsumerId;

use crate::coming::Coming;
use crate::crossing::{Away, Begins, Consumers, Crossing};
use crate::edge::{EdgeEnd, EdgeKind};
use crate::end::{End, Named, Sender, lane_in, lane_out, named, of_receiver, of_sender, place};
use crate::entry::{Entry, From};
use crate::held::held_together;
use crate::joints::{Joint, JointKind};
use crate::router::Router;
use crate::states::{outcome, settling, state};
use crate::streams::Extent;
use crate::ways::{Only, Passing};

/// Credit of a lane below which it gets all of it again: copies that may be sent before that is looked at anew.
const LANE_CREDIT_LOW: u32 = u32::MAX / 2;

impl Router {
    /// Takes a message on a sender's link.
    pub fn handle_deliver(&mut self, end: EndKey, delivery: u32, settled: Settled, message: Message) {
        self.deliver(end, (delivery, settled), message, Extent::Whole);
    }

    /// Takes a message on a sender's link, or the beginning of one; gives whether somebody is to have it. Part of both callers.
    #[inline(always)]
    pub(crate) fn deliver(
        &mut self,
        end: EndKey,
        (delivery, settled): (u32, Settled),
        message: Message,
        extent: Extent,
    ) -> bool {
        let place = place(end);
        if let Extent::Whole = extent
            && let Some(onward) = self.pass_only(place, (delivery, settled), (message.header.priority, &message.body))
        {
            self.send_onward(&onward, message);
            return true;
        }
        let (ends, mut choosing) = self.choosing();
        let (link, taken) = match ends.get(place) {
            Some(&End::Sender(Sender { link, only: Some(Only::Consumer(way)), .. })) => {
                (link, self.take_for(of_sender(place), (delivery, settled), way.link, way.passing(message, extent)))
            }
            Some(End::Sender(sender)) => {
                let (link, edge) = (sender.link, sender.edge.map(|(_, edge)| edge));
                let from = if edge.is_some() { From::Edge(&sender.to) } else { From::Client(&sender.to) };
                let (key, address, passage) = (&sender.key, sender.address.as_ref(), Passage { edge, ..Passage::HERE });
                let written = Some(&sender.outward);
                let entry = Entry { key, address, passage, from, said: None, bare: None, written, extent };
                let passing = choosing.prepare(&entry, message);
                (link, self.take(of_sender(place), delivery, settled, passing))
            }
            Some(&End::Joint(joint)) if joint.kind == JointKind::MessagesIn => {
                let link = joint.link;
                let coming = Coming { place, link, edge: None, delivery, settled, message, extent };
                (link, self.handle_from_router(coming))
            }
            Some(&End::Joint(joint)) => {
                self.hear(joint, message);
                return false;
            }
            Some(&End::Edge(EdgeEnd { link, edge, kind: EdgeKind::Messages, .. })) => {
                let coming = Coming { place, link, edge: Some(edge), delivery, settled, message, extent };
                (link, self.handle_from_router(coming))
            }
            Some(&End::Edge(end)) => {
                self.hear_edge(place, end, (delivery, settled), &message);
                return false;
            }
            Some(End::Receiver(_) | End::Relay(_)) | None => return false,
        };
        if taken.is_err() {
            let text = "a transfer came without credit";
            let refusal = Refusal::new(Condition::TransferLimitExceeded, text);
            self.out.told.push((link, Event::Detached { refusal }));
            self.detach(end);
        }
        matches!(taken, Ok(Some(_)))
    }

    /// Takes what another shard says.
    pub fn handle_crossing(&mut self, from: u16, crossing: Crossing) {
        match crossing {
            Crossing::Deliver { consumers, number, settled, message, away } => {
                self.choose_here(&consumers);
                let passing = Passing { message, away, consumers: Consumers::Here, extent: Extent::Whole };
                let taken = self.take(lane_in(from), number, settled, passing);
                if settled == Settled::No {
                    self.waiting.came.note(from, number, taken.ok().flatten());
                }
            }
            Crossing::Settled { number, state } => {
                let copy = self.take_away(number);
                self.end_copy(copy, *state);
            }
            Crossing::Accepted(accepted) => accepted.numbers().for_each(|number| {
                let copy = self.take_away(number);
                self.end_accepted(copy);
            }),
            Crossing::Bundle(bundle) => self.handle_bundle(from, bundle),
            Crossing::Emptied(bundle) => self.out.lanes.take_back(from, bundle),
            Crossing::Attach { target, said } => self.attach_through(target, said),
            Crossing::Through { to, said } => self.out.told.push((to, Event::Through(said))),
            Crossing::Received { number, state } => {
                if let Some(copy) = self.waiting.away.get(number) {
                    self.settlement.handle_outcome(copy, Some(*state), Settling::Unsettled);
                    self.act();
                }
            }
            Crossing::Begins(begins) => self.handle_begins(from, *begins),
            Crossing::Part { stream, bytes, following } => self.handle_crossing_part(from, stream, bytes, following),
            Crossing::Aborted { stream } => self.handle_crossing_aborted(from, stream),
            Crossing::Taken { stream, octets } => self.handle_taken(stream, octets),
            Crossing::Forget { number } => {
                if let Some(delivery) = self.waiting.came.of(from, number) {
                    self.settlement.handle_left(delivery);
                    self.act();
                }
            }
        }
    }

    /// Another shard told the outcome of a copy that it has, by its number: gives the copy.
    #[inline]
    fn take_away(&mut self, number: u32) -> CopyKey {
        let Some(Away { copy, consumer }) = self.waiting.away.take(number) else {
            unreachable!("an outcome is told once, of what was sent")
        };
        consumer.into_iter().for_each(|consumer| self.chosen.spread.take_back(consumer));
        copy
    }

    /// A receiver accepted so many deliveries, whose keys follow each other, and waits for no confirmation.
    #[inline]
    pub fn handle_accepted(&mut self, first: u64, count: u32) {
        let (mut key, mut left) = (first, count);
        while left > 0 {
            let ended = self.end_alike(key, left).unwrap_or_else(|| {
                self.take_held(key).into_iter().for_each(|copy| self.end_accepted(copy));
                1
            });
            (key, left) = (key.wrapping_add(u64::from(ended)), left - ended);
        }
    }

    /// Ends those that are of one run with the first, of so many that were accepted; gives how many. Nothing, if they are not alike.
    #[inline]
    fn end_alike(&mut self, key: u64, most: u32) -> Option<u32> {
        let (first, count) = held_together(key, most)?;
        let (link, number) = self.settlement.pass_back_run(first, count, &State::Accepted)?;
        self.tell_accepted(link, number, count);
        Some(count)
    }

    /// Whoever has a copy accepted it: what `end_copy` does, with others that were accepted.
    #[inline]
    fn end_accepted(&mut self, copy: CopyKey) {
        match self.settlement.pass_back(copy, &State::Accepted) {
            Some((link, number)) => self.tell_accepted(link, number, 1),
            None => self.end_decided(copy, State::Accepted),
        }
    }

    /// A receiver ended a delivery otherwise. It is told at once if it waits for that: nothing is kept that would have to be stable.
    pub fn handle_settle(&mut self, end: EndKey, key: u64, outcome: Outcome, confirm: Option<u32>) {
        self.decide(key, state(outcome));
        if let (Some(End::Receiver(receiver)), Some(delivery)) = (self.ends.get(place(end)), confirm) {
            self.out.told.push((receiver.link, Event::Confirmed { delivery }));
        }
    }

    /// A receiver may be sent so many more.
    pub(crate) fn grant(&mut self, end: EndKey, more: u32) {
        if let Some(&End::Joint(joint)) = self.ends.get(place(end)) {
            return self.grant_control(joint, more);
        }
        if let Some(&End::Edge(end)) = self.ends.get(place(end)) {
            return self.grant_edge(end, more);
        }
        let link = of_receiver(place(end));
        self.settlement.handle_credit(link, self.settlement.credit(link).saturating_add(more));
        self.act();
    }

    /// A receiver may be sent so many fewer.
    pub(crate) fn revoke(&mut self, end: EndKey, asked: u32) {
        if let Some(&(End::Joint(Joint { link, .. }) | End::Edge(EdgeEnd { link, .. }))) = self.ends.get(place(end)) {
            // What it has is used at once by what waits.
            return self.out.told.push((link, Event::Revoked { asked, taken: 0 }));
        }
        if let Some((link, credit)) = self.receiver(end) {
            let taken = asked.min(credit);
            self.settlement.handle_credit(of_receiver(place(end)), credit - taken);
            self.out.told.push((link, Event::Revoked { asked, taken }));
        }
    }

    /// A receiver wants its credit used up now: nothing waits for one that has some, so that all of it is left over, unless a message goes out
    /// in parts, and what waits behind that has it first.
    pub(crate) fn drain(&mut self, end: EndKey) {
        if let Some(&End::Joint(joint)) = self.ends.get(place(end)) {
            return self.drain_control(joint);
        }
        if let Some(&End::Edge(end)) = self.ends.get(place(end)) {
            return self.drain_edge(end);
        }
        if let Some((_, credit)) = self.receiver(end) {
            self.settlement.handle_drain(of_receiver(place(end)), credit);
            self.act();
        }
    }

    /// A receiver's link, and how many more it may be sent.
    fn receiver(&self, end: EndKey) -> Option<(LinkKey, u32)> {
        let place = place(end);
        match self.ends.get(place)? {
            End::Receiver(receiver) => Some((receiver.link, self.settlement.credit(of_receiver(place)))),
            End::Sender(_) | End::Relay(_) | End::Joint(_) | End::Edge(_) => None,
        }
    }

    /// Takes a message that is for nobody.
    pub(crate) fn take_nowhere(
        &mut self,
        from: InLink,
        number: u32,
        settled: Settled,
        message: Message,
    ) -> Result<Option<DeliveryKey>, Overrun> {
        self.chosen.links.clear();
        let (away, consumers, extent) = (None, Consumers::Here, Extent::Whole);
        self.take(from, number, settled, Passing { message, away, consumers, extent })
    }

    /// Takes a message for those whose links are put together.
    pub(crate) fn take(
        &mut self,
        from: InLink,
        number: u32,
        settled: Settled,
        passing: Passing,
    ) -> Result<Option<DeliveryKey>, Overrun> {
        match *self.chosen.links.as_slice() {
            [link] => self.take_for(from, (number, settled), link, passing),
            _ => self.take_for_chosen(from, (number, settling(settled)), passing),
        }
    }

    /// Takes a message for one link.
    #[inline]
    pub(crate) fn take_for(
        &mut self,
        from: InLink,
        (number, settled): (u32, Settled),
        link: OutLink,
        passing: Passing,
    ) -> Result<Option<DeliveryKey>, Overrun> {
        if let Extent::Whole = passing.extent
            && let Some(passed) = self.settlement.pass(from, number, settling(settled), link)
        {
            self.send_whole(link, passed.copy(), passing);
            return Ok(passed.delivery());
        }
        self.chosen.links.clear();
        self.chosen.links.push(link);
        self.take_for_chosen(from, (number, settling(settled)), passing)
    }

    #[inline(never)]
    fn take_for_chosen(
        &mut self,
        from: InLink,
        (number, settling): (u32, Settling),
        passing: Passing,
    ) -> Result<Option<DeliveryKey>, Overrun> {
        if let Extent::Begins(_) = passing.extent {
            self.set_apart(&passing);
        }
        let (settlement, links) = (&mut self.settlement, &self.chosen.links);
        let taken = match passing.extent {
            Extent::Whole => settlement.handle_delivery(from, number, settling, links, passing),
            Extent::Begins(beginning) => {
                settlement.handle_beginning(from, number, settling, links, (beginning, passing))
            }
        };
        self.act();
        taken
    }

    /// A receiver of this shard decided on what it has.
    fn decide(&mut self, key: u64, state: State) {
        if let Some(copy) = self.take_held(key) {
            self.end_copy(copy, state);
        }
    }

    /// Whoever has a copy says its last word of it.
    #[inline]
    fn end_copy(&mut self, copy: CopyKey, state: State) {
        match self.settlement.pass_back(copy, &state) {
            Some((link, number)) => self.tell(link, number, state),
            None => self.end_decided(copy, state),
        }
    }

    fn end_decided(&mut self, copy: CopyKey, state: State) {
        self.settlement.handle_outcome(copy, Some(state), Settling::Settled);
        self.act();
    }

    /// Does what the settlement machine wants done.
    pub(crate) fn act(&mut self) {
        while let Some(action) = self.settlement.poll_deed() {
            match action {
                Action::Send { link, copy, settling, content } => self.send(link, copy, settling, content),
                Action::TellSender { link, number, state: Some(State::Received(state)), .. } => {
                    self.tell_received(link, number, state);
                }
                Action::TellSender { link, number, state, .. } => {
                    self.tell(link, number, state.unwrap_or(State::Released));
                }
                Action::Release { link, number } => self.tell(link, number, State::Released),
                // Who receives has settled what it decided on; a sender keeps its credit, and what it sends meanwhile comes back.
                Action::TellReceiver { .. } | Action::Drain { .. } => {}
                Action::Left { link, name } => {
                    let Named::Lane(shard) = named(link.0) else { unreachable!("copies of other shards have names") };
                    self.out.lanes.push(shard, Crossing::Forget { number: name });
                }
                Action::SendPart { link, copy, bytes, following } => self.send_part(link, copy, bytes, following),
                Action::Abort { link, copy } => self.abort(link, copy),
                Action::Taken { link, stream, octets } => self.tell_taken(link, stream, octets),
                Action::Drained { link, unused } => self.tell_drained(link, unused),
                Action::Credit { .. } => unreachable!("credit is asked for"),
            }
        }
    }

    /// Sends a copy, or its beginning.
    fn send(&mut self, link: OutLink, copy: CopyKey, settling: Settling, passing: Passing) {
        let waited = match settling {
            Settling::Settled => None,
            Settling::Unsettled => Some(copy),
        };
        match passing.extent {
            Extent::Whole => self.send_whole(link, waited, passing),
            Extent::Begins(beginning) => self.send_beginning(link, (copy, waited), beginning, passing),
        }
    }

    /// Sends a message that is whole: as a copy, if its outcome is waited for.
    #[inline]
    pub(crate) fn send_whole(&mut self, link: OutLink, waited: Option<CopyKey>, passing: Passing) {
        match named(link.0) {
            Named::End(place) => {
                let Some(End::Receiver(receiver)) = self.ends.get(place) else { return };
                let (link, message) = (receiver.link, passing.seen_by(receiver));
                let key = self.key_for(place, waited);
                self.out.told.push((link, Event::Deliver { key, message }));
            }
            Named::Lane(shard) => {
                let (number, settled) = self.number_away(shard, waited, passing.consumers.only());
                let Passing { message, away, consumers, .. } = passing;
                self.out.lanes.push(shard, Crossing::Deliver { consumers, number, settled, message, away });
            }
        }
    }

    /// Sends the beginning of a message in parts.
    #[cold]
    fn send_beginning(
        &mut self,
        link: OutLink,
        (copy, waited): (CopyKey, Option<CopyKey>),
        beginning: Beginning,
        passing: Passing,
    ) {
        match named(link.0) {
            Named::End(place) => {
                let Some(End::Receiver(receiver)) = self.ends.get(place) else { return };
                let (link, message) = (receiver.link, passing.seen_by(receiver));
                let key = self.key_for(place, waited);
                let event = self.waiting.streams.begin(copy, key, message, beginning);
                self.out.told.push((link, event));
            }
            Named::Lane(shard) => {
                let (number, settled) = self.number_away(shard, waited, passing.consumers.only());
                let Passing { message, away, consumers, .. } = passing;
                let Beginning { octets, audience, .. } = beginning;
                let stream = self.waiting.streams.add(copy);
                let begins = Begins { consumers, number, settled, message, away, stream, octets, audience };
                self.out.lanes.push(shard, Crossing::Begins(Box::new(begins)));
            }
        }
    }

    /// A copy goes to another shard; gives the number that it has there.
    #[inline]
    pub(crate) fn number_away(
        &mut self,
        shard: u16,
        waited: Option<CopyKey>,
        consumer: Option<ConsumerId>,
    ) -> (u32, Settled) {
        // A lane takes everything: what it was given credit for once it gets again, long before it has used that.
        if self.settlement.credit(lane_out(shard)) < LANE_CREDIT_LOW {
            self.settlement.handle_credit(lane_out(shard), u32::MAX);
        }
        let Some(copy) = waited else { return (0, Settled::Yes) };
        consumer.into_iter().for_each(|consumer| self.chosen.spread.give(consumer));
        let number = self.waiting.away.add(Away { copy, consumer });
        self.settlement.name(copy, number);
        (number, Settled::No)
    }

    /// The link of an end whose peer sends.
    pub(crate) fn sender_link(&self, place: Place) -> Option<LinkKey> {
        match self.ends.get(place)? {
            End::Sender(sender) => Some(sender.link),
            End::Relay(link) => Some(*link),
            End::Joint(joint) => Some(joint.link),
            End::Edge(end) => Some(end.link),
            End::Receiver(_) => None,
        }
    }

    /// Tells a sender what becomes of nearly all deliveries: of so many, from this number on. What is told of their neighbour is told of them, too.
    #[inline]
    fn tell_accepted(&mut self, link: InLink, number: u32, count: u32) {
        if self.out.told.accepted == Some((link, self.out.told.events.len()))
            && let Some((_, Event::Settled { last, outcome: Outcome::Accepted, .. })) = self.out.told.events.last_mut()
            && last.wrapping_add(1) == number
        {
            *last = last.wrapping_add(count);
            return;
        }
        self.tell_accepted_first(link, number, count);
    }

    #[inline(never)]
    fn tell_accepted_first(&mut self, link: InLink, number: u32, count: u32) {
        match named(link.0) {
            Named::End(place) => {
                let Some(known) = self.sender_link(place) else { return };
                self.tell_all_settled(known, (number, number.wrapping_add(count - 1)), Outcome::Accepted);
                self.out.told.accepted = Some((link, self.out.told.events.len()));
            }
            Named::Lane(shard) => {
                let numbers = (0..count).map(|more| number.wrapping_add(more));
                numbers.for_each(|number| self.out.lanes.accept(shard, number));
            }
        }
    }

    /// Tells a sender what became of its delivery.
    #[inline(never)]
    fn tell(&mut self, link: InLink, number: u32, state: State) {
        match named(link.0) {
            Named::End(place) => {
                let Some(link) = self.sender_link(place) else { return };
                self.tell_settled(link, number, outcome(&state));
            }
            Named::Lane(shard) => {
                self.out.lanes.push(shard, Crossing::Settled { number, state: Box::new(state) });
            }
        }
    }

    /// Says what became of a delivery, together with its neighbours.
    pub(crate) fn tell_settled(&mut self, link: LinkKey, delivery: u32, outcome: Outcome) {
        self.tell_all_settled(link, (delivery, delivery), outcome);
    }

    /// Says what became of deliveries, from the first to the last, together with their neighbours.
    fn tell_all_settled(&mut self, link: LinkKey, (first, end): (u32, u32), outcome: Outcome) {
        if let Some((known, Event::Settled { last, outcome: before, .. })) = self.out.told.events.last_mut()
            && *known == link
            && last.wrapping_add(1) == first
            && *before == outcome
        {
            *last = end;
            return;
        }
        self.out.told.push((link, Event::Settled { first, last: end, outcome }));
    }
}
