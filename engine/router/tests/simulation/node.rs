//! A router of the simulation: its machine, its table, its consumers.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine_router::address::Key;
use engine_router::forward::Spread;
use engine_router::matching::Pattern;
use engine_router::network::{Config, Network, Timers};
use engine_router::table::{Addresses, Change, Consumer, ConsumerId, Place, Rule, Rules, Table};
use engine_router::{RouterId, Treatment};

use crate::traffic::Traffic;

/// A router.
pub struct Node {
    pub id: RouterId,
    pub instance: u64,
    pub network: Network,
    pub table: Addresses,
    pub view: Table,
    pub spread: Spread,
    pub traffic: Traffic,
    /// Keys that it has a consumer of: one each.
    pub consumers: BTreeSet<Key>,
    next: u64,
}

fn rules() -> Rules {
    let prefix = |prefix, treatment| (Pattern::of_prefix(prefix).expect("a pattern"), Rule::of(treatment));
    Rules::new([prefix("many", Treatment::Multicast), prefix("near", Treatment::Closest)], Treatment::Balanced)
}

/// The addresses that there are.
pub const ADDRESSES: [&str; 5] = ["M0many.a", "M0many.b", "M0near.a", "M0any.a", "M1any.b"];

impl Node {
    pub fn new(number: usize, instance: u64) -> Self {
        // The order of ids is not that of the numbers.
        let id = RouterId::new(&format!("router-{}", (number * 17) % 31)).expect("an id");
        let network = Network::new(Config { id: id.clone(), instance, timers: Timers::default() });
        let mut table = Addresses::new(Arc::new(rules()), 5);
        let view = table.view();
        let (spread, traffic, consumers) = (Spread::default(), Traffic::new(), BTreeSet::new());
        Self { id, instance, network, table, view, spread, traffic, consumers, next: 0 }
    }

    /// Has a consumer come, or the one that is there go.
    pub fn toggle(&mut self, key: &Key, now_ns: u64) {
        if self.consumers.remove(key) {
            let consumer = self.view.find(key).and_then(|address| address.local.first()).expect("it is there").id;
            assert_eq!(self.table.remove(key, consumer), Change::Last);
            self.traffic.remove_consumer(consumer);
            self.network.withdraw(key, now_ns);
        } else {
            let consumer = Consumer { id: ConsumerId(self.next), place: Place::Client, capacity: 100 };
            self.next += 1;
            self.traffic.add_consumer(consumer.id);
            let Change::First(treatment) = self.table.add(key, consumer) else { panic!("it is the first one") };
            assert!(self.network.announce(key.clone(), treatment, now_ns));
            self.consumers.insert(key.clone());
        }
        self.view = self.table.view();
    }
}
