//! The table against a naive one, under any changes.

use std::collections::{BTreeMap, BTreeSet};

use engine_router::Treatment;
use engine_router::address::Key;
use engine_router::control::{Announced, Changes};
use engine_router::set::RouterIndex;
use engine_router::table::{Addresses, Change, Consumer, ConsumerId, Place, Table};
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
            for number in deleted {
                model.entry(*number).or_default().1.remove(from);
            }
            for number in added {
                model.entry(*number).or_default().1.insert(*from);
            }
            let deleted = deleted.iter().map(|number| key(*number)).collect();
            addresses.learn(router(*from), Changes::Since { added: announced(added), deleted });
        }
        Step::All(from, all) => {
            for (_, routers) in model.values_mut() {
                routers.remove(from);
            }
            for number in all {
                model.entry(*number).or_default().1.insert(*from);
            }
            addresses.learn(router(*from), Changes::All(announced(all)));
        }
        Step::Forget(from) => {
            for (_, routers) in model.values_mut() {
                routers.remove(from);
            }
            addresses.forget(router(*from));
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

proptest! {
    // Each case walks through whole tables, many times.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_is_what_a_naive_table_is_and_views_stay(steps in steps(), seed in any::<u64>()) {
        let mut addresses = Addresses::new(std::sync::Arc::default(), seed);
        let mut model = Model::new();
        let mut views = Vec::new();
        for step in &steps {
            apply(step, &mut addresses, &mut model);
            addresses.check();
            prop_assert_eq!(addresses.count(), model.len());
            views.push((addresses.view(), model.clone()));
        }
        for (view, model) in views {
            prop_assert_eq!(shown(&view), model);
        }
    }
}
