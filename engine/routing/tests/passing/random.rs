//! Anything that links may do, with what is on its way between shards arriving at any time.
//!
//! What must hold at the end: each delivery that was sent unsettled and whose sender is there has one outcome, and accepted is one that
//! its receiver accepted; what came, came once to each receiver and in the order of its sender; nothing is under way.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine_core::command::{Modified, Outcome, Settled};
use engine_core::event::KEY_NONE;
use engine_core::key::LinkKey;
use engine_router::Treatment;
use engine_router::table::Rules;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::world::World;

#[derive(Clone, Debug)]
enum Step {
    Sender(u16, usize),
    Receiver(u16, usize),
    Send(Index, Settled),
    /// So many, one behind the other.
    Several(Index, u32),
    Grant(Index, u32),
    Drain(Index),
    Settle(Index, u8),
    /// So many at a time, as far as their keys follow each other.
    Accept(Index, usize),
    Detach(Index),
    Arrive(Index),
    Publish(u16, usize, Settled),
    EndRelay(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<Index>;
    let settled = prop_oneof![Just(Settled::Yes), Just(Settled::No)];
    let settled_too = prop_oneof![Just(Settled::Yes), Just(Settled::No)];
    let step = prop_oneof![
        1 => (0..3_u16, 0..2_usize).prop_map(|(shard, address)| Step::Sender(shard, address)),
        1 => (0..3_u16, 0..2_usize).prop_map(|(shard, address)| Step::Receiver(shard, address)),
        6 => (index(), settled).prop_map(|(link, settled)| Step::Send(link, settled)),
        2 => (index(), 2..9_u32).prop_map(|(link, count)| Step::Several(link, count)),
        3 => (index(), 1..9_u32).prop_map(|(link, credit)| Step::Grant(link, credit)),
        1 => index().prop_map(Step::Drain),
        5 => (index(), 0..4_u8).prop_map(|(link, outcome)| Step::Settle(link, outcome)),
        3 => (index(), 1..9_usize).prop_map(|(link, count)| Step::Accept(link, count)),
        1 => index().prop_map(Step::Detach),
        12 => index().prop_map(Step::Arrive),
        3 => (0..3_u16, 0..2_usize, settled_too).prop_map(|(shard, at, settled)| Step::Publish(shard, at, settled)),
        1 => (0..3_u16).prop_map(Step::EndRelay),
    ];
    proptest::collection::vec(step, 0..120)
}

const ADDRESSES: [&str; 2] = ["a", "b"];

struct Model {
    world: World,
    senders: Vec<LinkKey>,
    receivers: Vec<LinkKey>,
    /// One of each shard.
    relays: Vec<LinkKey>,
    sent: BTreeMap<u32, (LinkKey, Settled)>,
    /// Numbers that some receiver accepted.
    accepted: Vec<u32>,
    number: u32,
    /// What of each receiver's was settled: so many, from the first on.
    decided: BTreeMap<LinkKey, usize>,
    gone: Vec<LinkKey>,
}

impl Model {
    fn step(&mut self, step: &Step) {
        let attached = |world: &World, links: &[LinkKey]| -> Vec<LinkKey> {
            links.iter().copied().filter(|link| world.seen[link].end.is_some()).collect()
        };
        let (senders, receivers) = (attached(&self.world, &self.senders), attached(&self.world, &self.receivers));
        let pick = |links: &[LinkKey], index: &Index| (!links.is_empty()).then(|| *index.get(links));
        match step {
            Step::Sender(shard, address) => self.senders.push(self.world.sender(*shard, ADDRESSES[*address])),
            Step::Receiver(shard, address) => {
                let settle = engine_core::command::Settle::ByPeer;
                self.receivers.push(self.world.receiver(*shard, ADDRESSES[*address], settle));
            }
            Step::Send(index, settled) => {
                pick(&senders, index).into_iter().for_each(|link| self.send(link, 1, *settled));
            }
            Step::Several(index, count) => {
                pick(&senders, index).into_iter().for_each(|link| self.send(link, *count, Settled::No));
            }
            Step::Grant(index, credit) => {
                pick(&receivers, index).into_iter().for_each(|link| self.world.grant(link, *credit));
            }
            Step::Drain(index) => {
                if let Some(link) = pick(&receivers, index) {
                    let end = self.world.end(link);
                    self.world.command(link.shard, engine_core::command::Command::Drain { end });
                }
            }
            Step::Settle(index, outcome) => {
                pick(&receivers, index).into_iter().for_each(|link| self.settle(link, *outcome));
            }
            Step::Accept(index, count) => {
                pick(&receivers, index).into_iter().for_each(|link| self.accept(link, *count));
            }
            Step::Detach(index) => {
                let all: Vec<_> = senders.into_iter().chain(receivers).collect();
                if let Some(link) = pick(&all, index) {
                    self.world.detach(link);
                    self.gone.push(link);
                    self.senders.retain(|known| *known != link);
                    self.receivers.retain(|known| *known != link);
                }
            }
            Step::Publish(shard, address, settled) => {
                let relay = self.relays[usize::from(*shard)];
                self.sent.insert(self.number, (relay, *settled));
                self.world.publish(relay, ADDRESSES[*address], self.number, *settled);
                self.number += 1;
            }
            Step::EndRelay(shard) => {
                let next = self.world.relay(*shard);
                let relay = std::mem::replace(&mut self.relays[usize::from(*shard)], next);
                self.world.end_relay(relay);
                self.gone.push(relay);
            }
            Step::Arrive(index) => {
                let ways = self.world.ways();
                if !ways.is_empty() {
                    self.world.arrive(*index.get(&ways));
                }
            }
        }
    }

    /// So many, as far as the sender has credit.
    fn send(&mut self, link: LinkKey, count: u32, settled: Settled) {
        for _ in 0..count.min(self.world.seen[&link].credit) {
            self.sent.insert(self.number, (link, settled));
            self.world.send(link, self.number, settled);
            self.number += 1;
        }
    }

    fn accept(&mut self, link: LinkKey, count: usize) {
        let decided = self.decided.entry(link).or_default();
        let came = &self.world.seen[&link].came[*decided..];
        let Some(&(first, _)) = came.first().filter(|(key, _)| *key != KEY_NONE) else {
            return self.settle(link, 3);
        };
        let follows = |(key, more): &(&(u64, Bytes), u64)| key.0 == first + more;
        let count = came.iter().zip(0..).take(count).take_while(follows).count();
        self.accepted.extend(&self.world.got(link)[*decided..*decided + count]);
        *decided += count;
        self.world.with(link.shard, |router| router.handle_accepted(first, count as u32));
        self.world.collect();
    }

    fn settle(&mut self, link: LinkKey, outcome: u8) {
        let decided = self.decided.entry(link).or_default();
        let Some((key, _)) = self.world.seen[&link].came.get(*decided).cloned() else { return };
        let number = self.world.got(link)[*decided];
        *decided += 1;
        if key == KEY_NONE {
            return;
        }
        let outcome = match outcome {
            0 => Outcome::Released,
            1 => Outcome::Modified(Box::new(Modified { delivery_failed: true, ..Modified::default() })),
            _ => {
                self.accepted.push(number);
                Outcome::Accepted
            }
        };
        self.world.settle(link, key, outcome, None);
    }

    /// All that waits is given and decided.
    fn finish(&mut self) {
        self.world.run();
        for _ in 0..2 {
            for link in self.receivers.clone() {
                self.world.grant(link, 10_000);
            }
            self.world.run();
            for link in self.receivers.clone() {
                (0..self.world.seen[&link].came.len()).for_each(|_| self.settle(link, 2));
            }
            self.world.run();
        }
    }

    fn check(&self) {
        for (number, (link, settled)) in &self.sent {
            let told = self.world.seen[link].settled.iter().filter(|(delivery, _)| delivery == number);
            let told: Vec<&Outcome> = told.map(|(_, outcome)| outcome).collect();
            match settled {
                Settled::Yes => assert_eq!(told, [] as [&Outcome; 0], "{number} was sent settled"),
                Settled::No if self.gone.contains(link) => assert!(told.len() <= 1, "{number} is told once: {told:?}"),
                Settled::No => assert_eq!(told.len(), 1, "{number} has one outcome: {told:?}"),
            }
            if told.contains(&&Outcome::Accepted) {
                assert!(self.accepted.contains(number), "{number} was accepted by somebody");
            }
        }
        let receivers = self.world.seen.keys().filter(|link| !self.world.seen[link].came.is_empty());
        for receiver in receivers {
            let got = self.world.got(*receiver);
            for sender in self.sent.values().map(|(link, _)| link) {
                let of_sender: Vec<_> = got.iter().filter(|number| self.sent[number].0 == *sender).collect();
                assert!(of_sender.is_sorted_by(|one, other| one < other), "in order, once: {got:?}");
            }
        }
        assert!(self.world.routers.iter().all(|router| router.under_way() == 0), "nothing is under way");
    }
}

proptest! {
    #[test]
    fn each_delivery_has_its_outcome_and_its_place(
        steps in steps(),
        treatment in prop_oneof![Just(Treatment::Balanced), Just(Treatment::Closest), Just(Treatment::Multicast)],
        memory_bytes in prop_oneof![Just(u64::MAX), Just(2000)],
    ) {
        let mut model = Model {
            world: World::with_memory(3, Rules::new([], treatment), memory_bytes),
            senders: Vec::new(),
            receivers: Vec::new(),
            relays: Vec::new(),
            sent: BTreeMap::new(),
            accepted: Vec::new(),
            number: 0,
            decided: BTreeMap::new(),
            gone: Vec::new(),
        };
        model.relays = (0..3).map(|shard| model.world.relay(shard)).collect();
        steps.iter().for_each(|step| model.step(step));
        model.finish();
        model.check();
    }
}
