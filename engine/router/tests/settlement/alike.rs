//! What passes at once, in runs and out of them, beside the same by actions: whatever senders and receivers do, both are told the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine_router::settlement::{
    Action, CopyKey, DeliveryKey, InKind, InLink, OutKind, OutLink, Passed, Settlement, Settling, State,
};
use proptest::prelude::*;
use proptest::sample::Index;

const INS: u64 = 3;
const OUTS: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    /// So many, with numbers that are by so much more than the one before.
    Send(u64, u64, u32, Settling, u32),
    Credit(u64, u32),
    /// So many of those that came, from one on, as far as keys follow each other together.
    Accept(Index, u32),
    /// Every so many of them.
    AcceptEvery(u32),
    Outcome(Index, State, Settling),
    Sender(Index, Settling),
    Left(Index),
    Abort(Index),
    OutLost(u64),
    InLost(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<Index>;
    let settling = || prop_oneof![1 => Just(Settling::Settled), 6 => Just(Settling::Unsettled)];
    let both = || prop_oneof![Just(Settling::Settled), Just(Settling::Unsettled)];
    let state = prop_oneof![
        Just(State::Accepted),
        Just(State::Released),
        Just(State::Rejected(Bytes::from_static(b"no"))),
        Just(State::Received(Bytes::from_static(b"so far"))),
    ];
    let step = prop_oneof![
        8 => (0..INS, 0..OUTS, 1..150_u32, settling(), 1..3_u32)
            .prop_map(|(from, to, count, settling, step)| Step::Send(from, to, count, settling, step)),
        4 => (0..OUTS, 0..300_u32).prop_map(|(link, credit)| Step::Credit(link, credit)),
        6 => (index(), 1..200_u32).prop_map(|(from, count)| Step::Accept(from, count)),
        1 => (2..4_u32).prop_map(Step::AcceptEvery),
        3 => (index(), state, both()).prop_map(|(which, state, settling)| Step::Outcome(which, state, settling)),
        2 => (index(), both()).prop_map(|(which, settling)| Step::Sender(which, settling)),
        1 => index().prop_map(Step::Left),
        1 => index().prop_map(Step::Abort),
        1 => (0..OUTS).prop_map(Step::OutLost),
        1 => (0..INS).prop_map(Step::InLost),
    ];
    proptest::collection::vec(step, 0..100)
}

/// A machine, and what it told.
struct Side {
    passes: bool,
    router: Settlement,
    /// What each is called that was sent unsettled, in order.
    keys: Vec<DeliveryKey>,
    numbers: BTreeMap<DeliveryKey, u32>,
    /// What it told in this step, in order; credit in sum.
    told: Vec<String>,
    credit: BTreeMap<u64, u32>,
    next: u32,
}

impl Side {
    fn new(passes: bool, capacity: u32) -> Self {
        let (keys, numbers, credit) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let router = Settlement::default();
        let mut side = Self { passes, router, keys, numbers, told: Vec::new(), credit, next: u32::MAX - 70 };
        (0..INS).for_each(|link| side.attach_in(link, capacity));
        (0..OUTS).for_each(|link| side.attach_out(link));
        side
    }

    fn attach_in(&mut self, link: u64, capacity: u32) {
        let kind = if link == 0 { InKind::Router } else { InKind::Endpoint };
        self.router.handle_in(InLink(link), kind, capacity);
        self.router.handle_reached(InLink(link));
    }

    fn attach_out(&mut self, link: u64) {
        let kind = [OutKind::Deciding, OutKind::Deciding, OutKind::Settled, OutKind::Lane][link as usize];
        self.router.handle_out(OutLink(link), kind, 1000);
    }

    fn know(&mut self, number: u32, key: DeliveryKey) {
        let before = self.numbers.insert(key, number);
        assert!(before.is_none_or(|before| before == number), "a key names one delivery");
        self.keys.push(key);
    }

    fn send(&mut self, from: InLink, number: u32, settling: Settling, to: OutLink) {
        if self.passes
            && let Some(passed) = self.router.pass(from, number, settling, to)
        {
            self.told.push(format!("sent {number} to {to:?}: {}", passed.copy().is_some()));
            return passed.delivery().into_iter().for_each(|key| self.know(number, key));
        }
        let taken = self.router.handle_delivery(from, number, settling, &[to], ()).expect("there is credit");
        let unsettled = taken.filter(|_| settling == Settling::Unsettled);
        unsettled.into_iter().for_each(|key| self.know(number, key));
        self.poll(number);
    }

    /// Takes down what is told; `now` is what was sent last.
    fn poll(&mut self, now: u32) {
        while let Some(action) = self.router.poll_action() {
            let name = |side: &Self, key: DeliveryKey| side.numbers.get(&key).copied().unwrap_or(now);
            let told = match action {
                Action::Credit { link, more } => {
                    *self.credit.entry(link.0).or_default() += more;
                    continue;
                }
                Action::Send { link, copy, settling, .. } => {
                    format!("sent {} to {link:?}: {}", name(self, copy.delivery), settling == Settling::Unsettled)
                }
                Action::TellSender { link, number, state, settling, .. } => {
                    format!("{number} of {link:?} is {state:?}, {settling:?}")
                }
                Action::TellReceiver { link, copy, state, settling } => {
                    format!("{} at {link:?} is {state:?}, {settling:?}", name(self, copy.delivery))
                }
                Action::Abort { link, copy } => format!("{} at {link:?} is aborted", name(self, copy.delivery)),
                other => format!("{other:?}"),
            };
            self.told.push(told);
        }
    }

    fn accept(&mut self, key: DeliveryKey) {
        let (copy, state) = (CopyKey { delivery: key, index: 0 }, State::Accepted);
        if self.passes
            && let Some((link, number)) = self.router.pass_back(copy, &state)
        {
            return self.tell(link, number);
        }
        self.router.handle_outcome(copy, Some(state), Settling::Settled);
        self.poll(0);
    }

    fn tell(&mut self, link: InLink, number: u32) {
        self.told.push(format!("{number} of {link:?} is {:?}, {:?}", Some(State::Accepted), Settling::Settled));
    }

    /// As a host does with keys that follow each other.
    fn accept_all(&mut self, keys: &[DeliveryKey]) {
        let mut keys = keys;
        while let Some(&first) = keys.first() {
            let follows = |(key, more): &(&DeliveryKey, u64)| key.to_bits() == first.to_bits() + more;
            let count = keys.iter().zip(0..).take(first.neighbours() as usize).take_while(follows).count() as u32;
            let together = self.passes.then(|| self.router.pass_back_run(first, count, &State::Accepted)).flatten();
            let ended = match together {
                Some((link, number)) => {
                    (0..count).for_each(|more| self.tell(link, number.wrapping_add(more)));
                    count as usize
                }
                None => {
                    self.accept(first);
                    1
                }
            };
            keys = &keys[ended..];
        }
    }

    fn step(&mut self, step: &Step, capacity: u32) {
        let keys = self.keys.clone();
        let pick = |index: &Index| (!keys.is_empty()).then(|| index.index(keys.len()));
        match step {
            Step::Send(from, to, count, settling, by) => {
                for _ in 0..*count {
                    if self.router.standing_in(InLink(*from)).is_some_and(|standing| standing.credit > 0) {
                        self.send(InLink(*from), self.next, *settling, OutLink(*to));
                        self.next = self.next.wrapping_add(*by);
                    }
                }
            }
            Step::Credit(link, credit) => self.router.handle_credit(OutLink(*link), *credit),
            Step::Accept(from, count) => {
                let from = pick(from).unwrap_or_default();
                self.accept_all(&keys[from..keys.len().min(from + *count as usize)]);
            }
            Step::AcceptEvery(by) => keys.iter().step_by(*by as usize).for_each(|key| self.accept(*key)),
            Step::Outcome(which, state, settling) => {
                if let Some(at) = pick(which) {
                    let copy = CopyKey { delivery: keys[at], index: 0 };
                    self.router.handle_outcome(copy, Some(state.clone()), *settling);
                }
            }
            Step::Sender(which, settling) => {
                if let Some(at) = pick(which) {
                    self.router.handle_sender(keys[at], Some(State::Accepted), *settling);
                }
            }
            Step::Left(which) => pick(which).into_iter().for_each(|at| self.router.handle_left(keys[at])),
            Step::Abort(which) => {
                if let Some(at) = pick(which) {
                    let aborted = self.router.handle_abort(keys[at]);
                    self.told.push(format!("{aborted:?} is aborted"));
                }
            }
            Step::OutLost(link) => {
                self.router.handle_out_lost(OutLink(*link));
                self.poll(0);
                self.attach_out(*link);
            }
            Step::InLost(link) => {
                self.router.handle_in_lost(InLink(*link));
                self.poll(0);
                self.attach_in(*link, capacity);
            }
        }
        self.router.check();
        self.poll(0);
        self.router.check();
        // Of a link that is lost anything goes first.
        if let Step::OutLost(_) | Step::InLost(_) = step {
            self.told.sort();
        }
    }
}

proptest! {
    #[test]
    fn what_passes_at_once_tells_the_same_as_by_actions(
        steps in steps(),
        capacity in prop_oneof![Just(7_u32), Just(70), Just(1000)],
    ) {
        let [mut at_once, mut by_actions] = [true, false].map(|passes| Side::new(passes, capacity));
        for step in &steps {
            let sides = [&mut at_once, &mut by_actions].map(|side| {
                side.step(step, capacity);
                let standing_in = (0..INS).map(|link| side.router.standing_in(InLink(link)));
                let standing_out = (0..OUTS).map(|link| side.router.standing_out(OutLink(link)));
                let standing = (standing_in.collect::<Vec<_>>(), standing_out.collect::<Vec<_>>());
                let is_there = |key: &DeliveryKey| side.router.is_under_way(CopyKey { delivery: *key, index: 0 });
                let there: Vec<bool> = side.keys.iter().map(is_there).collect();
                let sums = (side.router.totals(), side.router.under_way(), side.router.octets(), side.next);
                (std::mem::take(&mut side.told), std::mem::take(&mut side.credit), standing, there, sums)
            });
            let [one, other] = sides;
            prop_assert_eq!(one, other, "{:?}", step);
        }
    }
}

#[test]
fn a_shard_has_so_many_deliveries_whether_they_are_in_runs_or_not() {
    let most = engine_router::limits::DELIVERIES_MAX as u32;
    let mut router = Settlement::<()>::default();
    router.handle_in(InLink(0), InKind::Endpoint, u32::MAX);
    router.handle_reached(InLink(0));
    router.handle_out(OutLink(0), OutKind::Deciding, u32::MAX);
    router.handle_credit(OutLink(0), u32::MAX);
    let first = router.pass(InLink(0), 0, Settling::Unsettled, OutLink(0)).and_then(Passed::copy);
    for number in 1..most {
        assert!(router.pass(InLink(0), number, Settling::Unsettled, OutLink(0)).is_some(), "{number}");
    }
    assert_eq!(router.under_way(), most as usize);
    assert_eq!(router.pass(InLink(0), most, Settling::Unsettled, OutLink(0)), None, "there is no room");
    let refused = router.handle_delivery(InLink(0), most, Settling::Unsettled, &[OutLink(0)], ());
    assert_eq!((refused, router.totals().released), (Ok(None), 1));
    // One that leaves its run is one as before.
    let first = first.expect("there was credit");
    router.handle_outcome(first, Some(State::Accepted), Settling::Unsettled);
    assert_eq!(router.under_way(), most as usize);
    router.handle_outcome(first, None, Settling::Settled);
    assert!(router.pass(InLink(0), most, Settling::Unsettled, OutLink(0)).is_some(), "there is room again");
}
