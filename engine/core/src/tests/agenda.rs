//! The agenda against a list that is looked through from end to end, and what an owner sleeps until.

use super::*;
use crate::agenda::{Agenda, Deadlines, Due, Now};
use crate::limits::{EXPIRY_LOOK_NS, EXPIRY_PERIOD_NS};
use crate::slab::Key;

fn key(slot: u32) -> Key {
    Key { slot, generation: slot % 3 }
}

#[derive(Clone, Debug)]
enum Deed {
    Insert(u64),
    /// What an entry names is gone; the entry stays.
    Gone(usize),
    Look(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        5 => (0..1000_u64).prop_map(Deed::Insert),
        5 => (0..100_usize).prop_map(Deed::Gone),
        1 => (0..1000_u64).prop_map(Deed::Look),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What lives is given when it is due, in its order, once; whoever makes it anew when it is crowded keeps it small.
    #[test]
    fn an_agenda_gives_what_a_list_would(deeds in prop::collection::vec(deed(), 1..600)) {
        let mut agenda = Agenda::default();
        // All entries of the agenda, in its order, and those of them that live.
        let (mut all, mut living) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        let (mut next, mut crowded) = (0, 0);
        for deed in deeds {
            match deed {
                Deed::Insert(at) => {
                    let entry = (at, key(next));
                    next += 1;
                    agenda.insert(at, entry.1);
                    all.insert(entry);
                    living.insert(entry);
                }
                Deed::Gone(place) => {
                    let gone = living.iter().nth(place).copied();
                    gone.map(|entry| living.remove(&entry));
                }
                Deed::Look(now) => {
                    let due: Vec<_> = std::iter::from_fn(|| agenda.take_due(now)).collect();
                    let expected: Vec<_> = all.iter().copied().take_while(|&(at, _)| at <= now).collect();
                    prop_assert_eq!(&due, &expected);
                    for entry in due {
                        all.remove(&entry);
                        living.remove(&entry);
                    }
                }
            }
            prop_assert_eq!(agenda.is_crowded(living.len()), all.len() > 2 * living.len() + 64);
            if agenda.is_crowded(living.len()) {
                agenda = Agenda::of(living.iter().copied());
                all.clone_from(&living);
                crowded += 1;
            }
            prop_assert_eq!(agenda.earliest(), all.first().map(|&(at, _)| at));
            prop_assert!(all.len() <= 2 * living.len() + 64);
        }
        // Making it anew costs what lives, and comes no sooner than so many entries were put in.
        prop_assert!(crowded * 64 <= next, "{} times for {} entries", crowded, next);
    }

    /// An owner that sleeps until its earliest deadline finds something to do, and has nothing to do before.
    #[test]
    fn an_owner_is_woken_when_something_is_due_and_not_before(
        entries in prop::collection::vec((any::<bool>(), 0..2_000_u64), 0..20), steps in prop::collection::vec(0..400_u64, 1..40),
        set_back in 0..40_usize,
    ) {
        let mut deadlines = Deadlines::default();
        let (mut expiries, mut releases) = (Vec::new(), Vec::new());
        for (number, &(expires, at_ms)) in entries.iter().enumerate() {
            if expires {
                deadlines.insert(Due::Expiry, at_ms, key(number as u32));
                expiries.push(at_ms);
            } else {
                deadlines.insert(Due::Release, at_ms * 1_000_000, key(number as u32));
                releases.push(at_ms * 1_000_000);
            }
        }
        let (mut now, mut next_sweep_ns) = (Now { ns: 0, wall_ms: 0 }, 0);
        for (step, &ms) in steps.iter().enumerate() {
            now.ns += ms * 1_000_000;
            // Somebody sets the wall clock.
            now.wall_ms = if step == set_back { now.wall_ms / 2 } else { now.wall_ms + ms };
            let sweeps = expiries.iter().any(|&at| at <= now.wall_ms) && now.ns >= next_sweep_ns;
            let due = sweeps || releases.iter().any(|&at| at <= now.ns);
            let earliest = deadlines.earliest(now);
            prop_assert_eq!(earliest.is_some_and(|at| at <= now.ns), due, "{:?} at {:?}", earliest, now);
            prop_assert_eq!(earliest.is_some(), !expiries.is_empty() || !releases.is_empty());
            if !expiries.is_empty() {
                let most = (now.ns + EXPIRY_LOOK_NS).max(next_sweep_ns);
                prop_assert!(earliest.is_some_and(|at| at <= most), "a clock that was set is seen: {:?}", earliest);
            }
            prop_assert_eq!(deadlines.may_sweep(now), now.ns >= next_sweep_ns);
            if sweeps {
                let mut swept: Vec<u64> = std::iter::from_fn(|| deadlines.take_due(Due::Expiry, now)).map(|(at, _)| at).collect();
                let mut expected: Vec<u64> = expiries.extract_if(.., |at| *at <= now.wall_ms).collect();
                expected.sort_unstable();
                swept.sort_unstable();
                prop_assert_eq!(swept, expected);
                deadlines.rest(now);
                next_sweep_ns = now.ns + EXPIRY_PERIOD_NS;
            }
            let mut released: Vec<u64> = std::iter::from_fn(|| deadlines.take_due(Due::Release, now)).map(|(at, _)| at).collect();
            let mut expected: Vec<u64> = releases.extract_if(.., |at| *at <= now.ns).collect();
            expected.sort_unstable();
            released.sort_unstable();
            prop_assert_eq!(released, expected);
        }
    }
}
