//! Any order of what senders and receivers do: nobody is told twice, nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use engine_router::settlement::{
    Action, Bound, CopyKey, DeliveryKey, InKind, InLink, OutKind, OutLink, Passed, Settlement, Settling, State,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Deliver(u64, Settling, Vec<u64>),
    /// So many, for one receiver.
    Several(u64, u64, u32),
    /// A copy and so many whose keys follow.
    Accept(prop::sample::Index, u32),
    Credit(u64, u32),
    Drain(u64, u32),
    Outcome(prop::sample::Index, Option<State>, Settling),
    Sender(prop::sample::Index),
    Left(prop::sample::Index),
    Abort(prop::sample::Index),
    OutLost(u64),
    InLost(u64),
    Reached(u64),
    Unreached(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let settling = || prop_oneof![1 => Just(Settling::Settled), 3 => Just(Settling::Unsettled)];
    let state = prop_oneof![
        3 => Just(Some(State::Accepted)),
        1 => Just(Some(State::Rejected(Bytes::from_static(b"no")))),
        1 => Just(Some(State::Released)),
        1 => Just(Some(State::Received(Bytes::new()))),
        1 => Just(Some(State::Transactional(Bytes::new()))),
        1 => Just(None),
    ];
    let receivers = proptest::sample::subsequence(vec![0, 1, 2], 0..=3);
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        6 => (0..2_u64, settling(), receivers).prop_map(|(link, settling, to)| Step::Deliver(link, settling, to)),
        1 => (0..2_u64, 0..3_u64, 2..80_u32).prop_map(|(link, to, count)| Step::Several(link, to, count)),
        2 => (index(), 1..80_u32).prop_map(|(copy, count)| Step::Accept(copy, count)),
        3 => (0..3_u64, prop_oneof![3 => 0..4_u32, 1 => Just(100)]).prop_map(|(link, credit)| Step::Credit(link, credit)),
        1 => (0..3_u64, 0..4_u32).prop_map(|(link, credit)| Step::Drain(link, credit)),
        6 => (index(), state, settling()).prop_map(|(copy, state, settling)| Step::Outcome(copy, state, settling)),
        1 => index().prop_map(Step::Sender),
        1 => index().prop_map(Step::Left),
        1 => index().prop_map(Step::Abort),
        1 => (0..3_u64).prop_map(Step::OutLost),
        1 => (0..2_u64).prop_map(Step::InLost),
        2 => (0..2_u64).prop_map(Step::Reached),
        1 => (0..2_u64).prop_map(Step::Unreached),
    ];
    proptest::collection::vec(step, 0..120)
}

/// What the host asks first of what is simple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    /// Nothing: all becomes of actions.
    #[default]
    ByActions,
    /// Whether it passes at once.
    AtOnce,
}

/// What the world around the router knows.
#[derive(Default)]
struct World {
    way: Way,
    /// Of each sender.
    capacity: u32,
    router: Settlement,
    number: u32,
    /// Credit of senders.
    credit: BTreeMap<u64, u32>,
    /// Unsettled deliveries of senders that are there, by their number; whether a terminal state was told.
    waiting: BTreeMap<u32, (u64, Option<DeliveryKey>, bool)>,
    copies: BTreeSet<CopyKey>,
    room: BTreeMap<u64, u32>,
}

impl World {
    fn attach_in(&mut self, link: u64) {
        let kind = if link == 0 { InKind::Endpoint } else { InKind::Router };
        self.router.handle_in(InLink(link), kind, self.capacity);
        self.router.handle_reached(InLink(link));
        self.credit.insert(link, 0);
    }

    fn attach_out(&mut self, link: u64) {
        let kind = if link == 2 { OutKind::Settled } else { OutKind::Deciding };
        self.router.handle_out(OutLink(link), kind, 3);
        self.room.insert(link, 0);
    }

    fn known(&self, index: &prop::sample::Index) -> Option<(u32, DeliveryKey)> {
        let known: Vec<_> = self.waiting.iter().filter_map(|(number, (_, key, _))| Some((*number, (*key)?))).collect();
        (!known.is_empty()).then(|| *index.get(&known))
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Deliver(link, settling, to) => self.deliver(*link, *settling, to),
            Step::Several(link, to, count) => {
                let count = self.credit[link].min(*count);
                (0..count).for_each(|_| self.deliver(*link, Settling::Unsettled, &[*to]));
            }
            Step::Accept(index, count) if !self.copies.is_empty() => {
                let copies: Vec<CopyKey> = self.copies.iter().copied().collect();
                self.accept(*index.get(&copies), *count);
            }
            Step::Accept(..) => {}
            Step::Credit(link, credit) => {
                self.room.insert(*link, *credit);
                self.router.handle_credit(OutLink(*link), *credit);
            }
            Step::Drain(link, credit) => {
                self.room.insert(*link, *credit);
                self.router.handle_drain(OutLink(*link), *credit);
            }
            Step::Outcome(index, state, settling) if !self.copies.is_empty() => {
                let copies: Vec<CopyKey> = self.copies.iter().copied().collect();
                let copy = *index.get(&copies);
                if *settling == Settling::Settled {
                    self.copies.remove(&copy);
                }
                self.decide(copy, state.clone(), *settling);
            }
            Step::Outcome(..) => {}
            Step::Sender(index) => {
                let Some((number, key)) = self.known(index) else { return };
                self.waiting.remove(&number);
                self.router.handle_sender(key, None, Settling::Settled);
            }
            Step::Left(index) => {
                let Some((_, key)) = self.known(index) else { return };
                self.router.handle_left(key);
            }
            Step::Abort(index) => {
                let Some((number, key)) = self.known(index) else { return };
                self.waiting.remove(&number);
                self.router.handle_abort(key);
            }
            Step::OutLost(link) => {
                self.router.handle_out_lost(OutLink(*link));
                self.drain();
                self.attach_out(*link);
            }
            Step::InLost(link) => {
                self.router.handle_in_lost(InLink(*link));
                self.waiting.retain(|_, (of, _, _)| of != link);
                self.drain();
                self.attach_in(*link);
            }
            Step::Reached(link) => self.router.handle_reached(InLink(*link)),
            Step::Unreached(link) => self.router.handle_unreached(InLink(*link)),
        }
    }

    fn deliver(&mut self, link: u64, settling: Settling, to: &[u64]) {
        let has_credit = self.credit[&link] > 0;
        let (number, links) = (self.number, to.iter().map(|link| OutLink(*link)).collect::<Vec<_>>());
        if settling == Settling::Unsettled && has_credit {
            self.waiting.insert(number, (link, None, false));
        }
        let passed = match (self.way, links.as_slice()) {
            (Way::AtOnce, &[to]) => self.router.pass(InLink(link), number, settling, to).map(|passed| (to, passed)),
            _ => None,
        };
        let taken = match passed {
            Some((to, Passed::Settled)) => Ok(self.send(to, None)),
            Some((to, Passed::Unsettled(copy))) => Ok(self.send(to, Some(copy))),
            None => self.router.handle_delivery(InLink(link), number, settling, &links, ()),
        };
        assert_eq!(taken.is_ok(), has_credit, "credit is what was said");
        if let (Ok(key), Some(waiting)) = (taken, self.waiting.get_mut(&number)) {
            waiting.1 = key;
        }
        self.number += 1;
        self.credit.insert(link, self.credit[&link].saturating_sub(1));
    }

    /// A copy goes out; gives its delivery.
    fn send(&mut self, link: OutLink, waited: Option<CopyKey>) -> Option<DeliveryKey> {
        let room = self.room.get_mut(&link.0).expect("it is there");
        *room = room.checked_sub(1).expect("there is credit");
        waited.into_iter().for_each(|copy| assert!(self.copies.insert(copy), "sent once"));
        waited.map(|copy| copy.delivery)
    }

    /// A receiver says something of a copy.
    fn decide(&mut self, copy: CopyKey, state: Option<State>, settling: Settling) {
        if let (Way::AtOnce, Some(known), Settling::Settled) = (self.way, &state, settling)
            && let Some((_, number)) = self.router.pass_back(copy, known)
        {
            return self.tell(number, state, settling);
        }
        self.router.handle_outcome(copy, state, settling);
    }

    /// A receiver accepts a copy, and those of these whose keys follow: together, if they can be.
    fn accept(&mut self, copy: CopyKey, count: u32) {
        let first = copy.delivery.to_bits();
        let most = u64::from(count.min(copy.delivery.neighbours()));
        let key = |bits| CopyKey { delivery: DeliveryKey::from_bits(bits), index: copy.index };
        let copies: Vec<_> = (first..first + most).map(key).take_while(|copy| self.copies.remove(copy)).collect();
        if let (Way::AtOnce, 0) = (self.way, copy.index)
            && let Some((_, number)) = self.router.pass_back_run(copy.delivery, copies.len() as u32, &State::Accepted)
        {
            let numbers = number..number + copies.len() as u32;
            return numbers.for_each(|number| self.tell(number, Some(State::Accepted), Settling::Settled));
        }
        copies.into_iter().for_each(|copy| self.decide(copy, Some(State::Accepted), Settling::Settled));
    }

    /// A sender is told something.
    fn tell(&mut self, number: u32, state: Option<State>, settling: Settling) {
        let (_, _, is_told) = self.waiting.get_mut(&number).expect("the last word was not said");
        let is_terminal = state.is_some_and(|state| state.is_terminal());
        assert!(!(is_terminal && *is_told), "one terminal state");
        *is_told |= is_terminal;
        if settling == Settling::Settled {
            self.waiting.remove(&number);
        }
    }

    fn drain(&mut self) {
        self.router.check();
        while let Some(action) = self.router.poll_action() {
            match action {
                Action::Credit { link, more } => *self.credit.get_mut(&link.0).expect("it is there") += more,
                Action::Release { number, .. } => assert!(self.waiting.remove(&number).is_some(), "told once"),
                Action::TellSender { number, state, settling, .. } => self.tell(number, state, settling),
                Action::Send { link, copy, settling, .. } => {
                    self.send(link, (settling == Settling::Unsettled).then_some(copy));
                }
                Action::TellReceiver { copy, settling: Settling::Settled, .. } | Action::Abort { copy, .. } => {
                    assert!(self.copies.remove(&copy), "it is the receiver's");
                }
                Action::TellReceiver { .. } | Action::Drain { .. } => {}
                Action::SendPart { .. } | Action::Taken { .. } => unreachable!("messages come whole"),
                Action::Left { .. } => unreachable!("nothing has a name"),
                Action::Drained { link, .. } => drop(self.room.insert(link.0, 0)),
            }
        }
        self.router.check();
    }
}

proptest! {
    #[test]
    fn nobody_is_told_twice_and_nothing_is_left(
        steps in steps(),
        octets_max in prop_oneof![Just(2000), Just(u64::MAX)],
        way in prop_oneof![Just(Way::ByActions), Just(Way::AtOnce)],
        capacity in prop_oneof![Just(5), Just(90)],
    ) {
        let router = Settlement::new(Bound { octets_max, octets: |()| 100 });
        let mut world = World { router, way, capacity, ..World::default() };
        (0..2).for_each(|link| world.attach_in(link));
        (0..3).for_each(|link| world.attach_out(link));
        world.drain();
        for step in &steps {
            world.apply(step);
            world.drain();
            if let Step::OutLost(_) = step {
                // Copies of a link that is gone are nobody's.
                world.copies.retain(|copy| world.router.is_under_way(*copy));
            }
        }
        // All receivers take all there is, and decide: everybody has heard.
        (0..3).for_each(|link| world.apply(&Step::Credit(link, 1000)));
        world.drain();
        for copy in std::mem::take(&mut world.copies) {
            world.decide(copy, Some(State::Accepted), Settling::Settled);
        }
        world.drain();
        prop_assert!(world.waiting.is_empty(), "{:?}", world.waiting);
        prop_assert_eq!(world.router.under_way(), 0);
    }
}
