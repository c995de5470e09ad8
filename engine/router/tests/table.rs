//! The table against a naive one, under any changes.

use std::collections::{BTreeMap, BTreeSet};

use engine_router::Treatment;
use engine_router::address::Key;
use engine_router::control::{Announced, Changes};
use engine_router::limits::LINK_ROUTES_MAX;
use engine_router::set::RouterIndex;
use engine_router::table::{Address, Addresses, Change, Consumer, ConsumerId, Place, Table};
use proptest::prelude::*;

const KEYS: usize = 8;

#[derive(Clone, Debug)]
enum Step {
    Add(usize, u64),
    Remove(usize, u64),
    Since(usize, BTreeSet<usize>, BTreeSet<usize>),
    All(usize, BTreeSet<usize>),
    Forget(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keys = || proptest::collection::btree_set(0..KEYS, 0..5);
    let step = prop_oneof![
        (0..KEYS, 0..4_u64).prop_map(|(key, id)| Step::Add(key, id)),
        (0..KEYS, 0..4_u64).prop_map(|(key, id)| Step::Remove(key, id)),
        (1..4_usize, keys(), keys()).prop_map(|(router, added, deleted)| Step::Since(router, added, deleted)),
        (1..4_usize, keys()).prop_map(|(router, all)| Step::All(router, all)),
        (1..4_usize).prop_map(Step::Forget),
    ];
    proptest::collection::vec(step, 0..60)
}

fn key(number: usize) -> Key {
    Key::read(&format!("{}{number}", ["M0", "C", "MF", "E"][number % 4])).expect("a key")
}

fn announced(keys: &BTreeSet<usize>) -> Vec<Announced> {
    keys.iter().map(|number| Announced { key: key(*number), treatment: Some(Treatment::Closest) }).collect()
}

/// Asserts that a router's word changed what is said: those addresses that it had and has no more, or has and had not.
fn told(changed: Vec<Key>, from: usize, before: &Model, after: &Model) {
    let has = |model: &Model, number: usize| model.get(&number).is_some_and(|(_, routers)| routers.contains(&from));
    let expected: BTreeSet<Key> =
        (0..KEYS).filter(|number| has(before, *number) != has(after, *number)).map(key).collect();
    assert_eq!(changed.len(), expected.len(), "each once");
    assert_eq!(changed.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// Consumers and routers of each address that somebody wants.
type Model = BTreeMap<usize, (Vec<u64>, BTreeSet<usize>)>;

fn shown(table: &Table) -> Model {
    let of = |number: usize| {
        let address = table.find(&key(number))?;
        let mut local: Vec<u64> = address.local.iter().map(|consumer| consumer.id.0).collect();
        local.sort_unstable();
        Some((number, (local, address.routers.iter().map(RouterIndex::number).collect())))
    };
    (0..KEYS).filter_map(of).collect()
}

fn apply(step: &Step, addresses: &mut Addresses, model: &mut Model) {
    let router = |number: usize| RouterIndex::new(number).expect("an index");
    match step {
        Step::Add(number, id) => {
            let (local, _) = model.entry(*number).or_default();
            if local.contains(id) {
                return;
            }
            local.push(*id);
            local.sort_unstable();
            let consumer = Consumer { id: ConsumerId(*id), place: Place::Client, capacity: 1 };
            let is_first = matches!(addresses.add(&key(*number), consumer), Change::First(_));
            assert_eq!(is_first, local.len() == 1);
        }
        Step::Remove(number, id) => {
            let (local, _) = model.entry(*number).or_default();
            let was_there = local.contains(id);
            local.retain(|local| local != id);
            let change = addresses.remove(&key(*number), ConsumerId(*id));
            assert_eq!(change == Change::Last, was_there && local.is_empty());
        }
        Step::Since(from, added, deleted) => {
            let before = model.clone();
            for number in deleted {
                model.entry(*number).or_default().1.remove(from);
            }
            for number in added {
                model.entry(*number).or_default().1.insert(*from);
            }
            // What is in both may be named twice: as gone, and as there.
            let added_and_deleted_differ = added.is_disjoint(deleted);
            let deleted = deleted.iter().map(|number| key(*number)).collect();
            let changes = Changes::Since { added: announced(added), deleted };
            let changed = addresses.learn(router(*from), changes);
            if added_and_deleted_differ {
                told(changed, *from, &before, model);
            }
        }
        Step::All(from, all) => {
            let before = model.clone();
            for (_, routers) in model.values_mut() {
                routers.remove(from);
            }
            for number in all {
                model.entry(*number).or_default().1.insert(*from);
            }
            told(addresses.learn(router(*from), Changes::All(announced(all))), *from, &before, model);
        }
        Step::Forget(from) => {
            let before = model.clone();
            for (_, routers) in model.values_mut() {
                routers.remove(from);
            }
            told(addresses.forget(router(*from)), *from, &before, model);
        }
    }
    model.retain(|_, (local, routers)| !local.is_empty() || !routers.is_empty());
}

#[test]
fn consumers_go_one_by_one_whatever_their_address_has() {
    // With a walk through all of them for each this would take hours.
    const CONSUMERS: u64 = 200_000;
    let mut addresses = Addresses::new(std::sync::Arc::default(), 1);
    let consumer = |id| Consumer { id: ConsumerId(id), place: Place::Client, capacity: 1 };
    for id in 0..CONSUMERS {
        addresses.add(&key(0), consumer(id));
    }
    for id in (0..CONSUMERS).filter(|id| id % 2 == 0).chain((0..CONSUMERS).filter(|id| id % 2 == 1).rev()) {
        assert_ne!(addresses.remove(&key(0), ConsumerId(id)), Change::Full);
        assert_eq!(addresses.remove(&key(0), ConsumerId(id)), Change::None, "it is gone");
    }
    assert_eq!(addresses.count(), 0);
}

#[test]
fn an_address_costs_the_same_whatever_others_there_are() {
    // Copies of buckets of a thousand each, or walks through all for each list of one address, would take minutes.
    const ADDRESSES: usize = 100_000;
    let mut addresses = Addresses::new(std::sync::Arc::default(), 1);
    let key = |number: usize| Key::read(&format!("M0{number}")).expect("a key");
    let announced = |number| Announced { key: key(number), treatment: None };
    let [big, small] = [1, 2].map(|number| RouterIndex::new(number).expect("an index"));
    let mut view = addresses.view();
    for number in 0..ADDRESSES {
        addresses.learn(big, Changes::Since { added: vec![announced(number)], deleted: Vec::new() });
        view = addresses.view();
    }
    for number in 0..ADDRESSES {
        assert!(!addresses.learn(small, Changes::All(vec![announced(number)])).is_empty());
    }
    assert_eq!(view.iter().count(), ADDRESSES);
    assert_eq!((addresses.forget(small).len(), addresses.forget(big).len(), addresses.count()), (1, ADDRESSES, 0));
}

#[test]
fn link_routes_of_others_are_bounded() {
    let mut addresses = Addresses::new(std::sync::Arc::default(), 1);
    let router = RouterIndex::new(1).expect("an index");
    let all = |class: &str| {
        (0..LINK_ROUTES_MAX + 10)
            .map(|number| Key::read(&format!("{class}{number}")).expect("a key"))
            .collect::<Vec<_>>()
    };
    let announced = |keys: Vec<Key>| keys.into_iter().map(|key| Announced { key, treatment: None }).collect::<Vec<_>>();
    let consumer = Consumer { id: ConsumerId(1), place: Place::Client, capacity: 1 };
    addresses.learn(router, Changes::All(announced(all("C"))));
    assert_eq!((addresses.count(), addresses.passed_over()), (LINK_ROUTES_MAX, 10));
    // Addresses of messages, and link routes of this node, have room.
    addresses.learn(router, Changes::Since { added: announced(all("M0")), deleted: Vec::new() });
    assert_eq!(addresses.passed_over(), 10);
    assert!(matches!(addresses.add(&Key::read("Cown").expect("a key"), consumer), Change::First(_)));
    addresses.check();
}

proptest! {
    // Each case walks through whole tables, many times.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_is_what_a_naive_table_is_and_views_stay(steps in steps(), seed in any::<u64>()) {
        let mut addresses = Addresses::new(std::sync::Arc::default(), seed);
        let mut model = Model::new();
        let mut views = Vec::new();
        for step in &steps {
            let before = addresses.view();
            apply(step, &mut addresses, &mut model);
            addresses.check();
            let gone: BTreeSet<u32> = addresses.take_gone().into_iter().map(|(_, number)| number).collect();
            let after = addresses.view();
            let is_gone = |(key, address): &(&Key, &Address)| after.find(key).is_none_or(|now| now.number != address.number);
            let expected: BTreeSet<u32> = before.iter().filter(is_gone).map(|(_, address)| address.number).collect();
            // What came and went in one step was in no table.
            prop_assert!(gone.is_superset(&expected), "{:?} of {:?}", gone, expected);
            prop_assert_eq!(addresses.count(), model.len());
            views.push((addresses.view(), model.clone()));
        }
        for (view, model) in views {
            prop_assert_eq!(shown(&view), model);
        }
    }
}
