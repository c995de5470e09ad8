//! Several routers one behind the other: what the receiver at the end says is what the sender at the start hears.

use std::collections::BTreeMap;

use engine_router::settlement::{
    Action, CopyKey, DeliveryKey, InKind, InLink, OutKind, OutLink, Settlement, Settling, State,
};
use proptest::prelude::*;

const IN: InLink = InLink(0);
const OUT: OutLink = OutLink(0);

/// A sender, routers, a receiver. A copy of one router is the delivery of that number at the next one.
struct Chain {
    routers: Vec<Settlement>,
    /// By router: deliveries by number, and the numbers of copies.
    deliveries: Vec<BTreeMap<u32, DeliveryKey>>,
    numbers: Vec<BTreeMap<CopyKey, u32>>,
    next: Vec<u32>,
    credit: u32,
    sent: u32,
    /// What the sender heard, and what the receiver was sent or told.
    heard: Vec<(u32, Option<State>, Settling)>,
    received: Vec<CopyKey>,
    told: Vec<CopyKey>,
}

impl Chain {
    fn new(length: usize) -> Self {
        let mut routers: Vec<Settlement> = (0..length).map(|_| Settlement::default()).collect();
        for (place, router) in routers.iter_mut().enumerate() {
            router.handle_in(IN, if place == 0 { InKind::Endpoint } else { InKind::Router }, 4);
            router.handle_out(OUT, OutKind::Deciding, 4);
            router.handle_reached(IN);
        }
        let mut chain = Self {
            routers,
            deliveries: vec![BTreeMap::new(); length],
            numbers: vec![BTreeMap::new(); length],
            next: vec![0; length],
            credit: 0,
            sent: 0,
            heard: Vec::new(),
            received: Vec::new(),
            told: Vec::new(),
        };
        chain.drain();
        chain
    }

    fn send(&mut self) {
        self.credit -= 1;
        self.take(0, self.sent, Settling::Unsettled);
        self.sent += 1;
        self.drain();
    }

    fn take(&mut self, place: usize, number: u32, settling: Settling) {
        let key = self.routers[place].handle_delivery(IN, number, settling, &[OUT], ()).expect("there is credit");
        self.deliveries[place].extend(key.map(|key| (number, key)));
    }

    fn drain(&mut self) {
        let last = self.routers.len() - 1;
        loop {
            let mut any = false;
            for place in 0..self.routers.len() {
                while let Some(action) = self.routers[place].poll_action() {
                    any = true;
                    self.carry_out(place, last, action);
                }
                self.routers[place].check();
            }
            if !any {
                return;
            }
        }
    }

    fn carry_out(&mut self, place: usize, last: usize, action: Action) {
        match action {
            Action::Credit { more, .. } if place == 0 => self.credit += more,
            Action::Credit { more, .. } => {
                // Credit is said as a number from now on: what is there and what comes.
                self.next[place] += more;
                let credit = self.next[place];
                self.next[place] = 0;
                self.routers[place - 1].handle_credit(OUT, credit);
            }
            Action::Send { copy, .. } if place == last => self.received.push(copy),
            Action::Send { copy, settling, .. } => {
                let number = u32::try_from(self.numbers[place].len()).expect("they are few");
                self.numbers[place].insert(copy, number);
                self.take(place + 1, number, settling);
            }
            Action::TellSender { number, state, settling, .. } if place == 0 => {
                self.heard.push((number, state, settling))
            }
            Action::TellSender { number, state, settling, .. } => {
                let copy = self.numbers[place - 1].iter().find(|(_, of)| **of == number).map(|(copy, _)| *copy);
                self.routers[place - 1].handle_outcome(copy.expect("it was sent"), state, settling);
            }
            Action::TellReceiver { copy, .. } if place == last => self.told.push(copy),
            Action::TellReceiver { copy, state, settling, .. } => {
                let key = self.deliveries[place + 1][&self.numbers[place][&copy]];
                self.routers[place + 1].handle_sender(key, state, settling);
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn the_senders_credit_follows_and_each_outcome_is_its_own(
        length in 1..5_usize, states in proptest::collection::vec(0..4_usize, 1..30), in_three_steps in any::<bool>(),
    ) {
        let states: Vec<State> = states.iter().map(|state| {
            [State::Accepted, State::Released, State::failed(), State::Rejected(bytes::Bytes::from_static(b"why"))][*state].clone()
        }).collect();
        let last = length - 1;
        let mut chain = Chain::new(length);
        for (number, state) in (0..).zip(&states) {
            prop_assert!(chain.credit > 0, "what was settled gave it back");
            chain.send();
            chain.routers[last].handle_credit(OUT, 1);
            chain.drain();
            let copy = chain.received.pop().expect("it came through");
            let settling = if in_three_steps { Settling::Unsettled } else { Settling::Settled };
            chain.routers[last].handle_outcome(copy, Some(state.clone()), settling);
            chain.drain();
            prop_assert_eq!(chain.heard.pop(), Some((number, Some(state.clone()), settling)));
            if in_three_steps {
                let key = chain.deliveries[0][&number];
                chain.routers[0].handle_sender(key, None, Settling::Settled);
                chain.drain();
                prop_assert_eq!(chain.told.pop(), Some(copy));
            }
        }
        prop_assert!(chain.routers.iter().all(|router| router.under_way() == 0));
    }
}

/// A receiver that takes nothing holds its sender back, however many routers are between.
#[test]
fn who_takes_nothing_holds_its_sender_back() {
    let mut chain = Chain::new(3);
    while chain.credit > 0 {
        chain.send();
        assert!(chain.sent <= 4, "a sender has its capacity");
    }
    assert_eq!((chain.sent, chain.received.len()), (4, 0));
}
