//! Browsers of backlogs that are not in memory, against a model and a journal that is a table.

use super::held::{Kept, MEMORY};
use super::*;

/// Twenty times what a queue may have in memory.
const BACKLOG: u32 = 200;

fn backlog(kept: &mut Kept) -> EndKey {
    let producer = kept.owner.producer("q", None);
    for number in 0..BACKLOG {
        kept.send(producer, number);
        kept.write();
    }
    producer
}

fn numbers(events: &[Event]) -> Vec<u32> {
    let shown = events.iter().filter_map(|event| match event {
        Event::Deliver { message, .. } => Some(number(message)),
        _ => None,
    });
    shown.collect()
}

#[test]
fn a_browser_sees_a_backlog_that_memory_does_not_hold() {
    let mut kept = Kept::new();
    backlog(&mut kept);
    let before = kept.owner.core.memory_bytes();
    let browser = kept.owner.consumer("q", None, Mode::Browse);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: browser, credit: BACKLOG + 10 });
    kept.owner.core.handle_command(1, 1, Command::Drain { end: browser });
    let events = kept.settle_down();
    assert_eq!(numbers(&events), (0..BACKLOG).collect::<Vec<_>>());
    assert_eq!(events.last(), Some(&Event::Drained { unused: 10 }));
    assert_eq!(kept.owner.core.memory_bytes(), before, "the queue has no more in memory for it");
    // What comes later is seen, too; and all of it is there for a consumer.
    let producer = kept.owner.producer("q", None);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: browser, credit: 10 });
    kept.send(producer, BACKLOG);
    assert_eq!(numbers(&kept.settle_down()), [BACKLOG]);
    let consumer = kept.owner.consumer("q", None, Mode::Consume);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 1000 });
    assert_eq!(numbers(&kept.settle_down()), (0..=BACKLOG).collect::<Vec<_>>());
}

#[test]
fn what_came_back_is_read_for_a_browser_and_leaves_memory_again() {
    let mut kept = Kept::new();
    backlog(&mut kept);
    let consumer = kept.owner.consumer("q", None, Mode::Consume);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: BACKLOG });
    assert_eq!(numbers(&kept.settle_down()).len(), BACKLOG as usize);
    kept.owner.core.handle_command(1, 1, Command::Detach { end: consumer, mode: DetachMode::Lost });
    let browser = kept.owner.consumer("q", None, Mode::Browse);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: browser, credit: BACKLOG + 10 });
    kept.owner.core.handle_command(1, 1, Command::Drain { end: browser });
    let events = kept.settle_down();
    assert_eq!(numbers(&events), (0..BACKLOG).collect::<Vec<_>>());
    assert_eq!(events.last(), Some(&Event::Drained { unused: 10 }));
    assert!(kept.owner.core.memory_bytes() < MEMORY, "{}", kept.owner.core.memory_bytes());
}

#[test]
fn what_idle_browsers_read_ahead_makes_room_for_others() {
    let mut kept = Kept::new();
    kept.browse_bytes = MEMORY;
    backlog(&mut kept);
    let browsers: Vec<EndKey> = (0..5).map(|_| kept.owner.consumer("q", None, Mode::Browse)).collect();
    let mut seen = vec![Vec::new(); browsers.len()];
    // Each stops in the middle of what was read for it, so that its turn comes again and again.
    for _ in 0..=BACKLOG / 2 {
        for (&end, seen) in browsers.iter().zip(&mut seen) {
            kept.owner.core.handle_command(1, 1, Command::Grant { end, credit: 2 });
            seen.extend(numbers(&kept.settle_down()));
        }
    }
    for seen in seen {
        assert_eq!(seen, (0..BACKLOG).collect::<Vec<_>>());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Consume(u32),
    Settle(usize, bool),
    Browse(usize, u32),
    Write,
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Send),
        2 => (1..6_u32).prop_map(Step::Consume),
        2 => (0..32_usize, any::<bool>()).prop_map(|(held, back)| Step::Settle(held, back)),
        3 => (0..2_usize, 1..6_u32).prop_map(|(browser, credit)| Step::Browse(browser, credit)),
        3 => Just(Step::Write),
        4 => (0..8_usize).prop_map(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whoever consumes meanwhile, and whatever comes back: a browser is shown the next message that waits, each time.
    #[test]
    fn a_browser_is_shown_the_next_message_that_waits(steps in prop::collection::vec(step(), 1..300)) {
        let mut kept = Kept::new();
        let producer = kept.owner.producer("q", None);
        let consumer = kept.owner.consumer("q", None, Mode::Consume);
        let browsers = [(); 2].map(|()| kept.owner.consumer("q", None, Mode::Browse));
        let mut next = [0; 2];
        let mut sent = 0;
        let mut taken = std::collections::BTreeMap::new();
        let mut done = std::collections::BTreeSet::new();
        for step in steps {
            match step {
                Step::Send => {
                    kept.send(producer, sent);
                    sent += 1;
                }
                Step::Consume(credit) => {
                    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit });
                }
                Step::Settle(place, back) => {
                    let Some((&number, &key)) = taken.iter().nth(place % taken.len().max(1)) else { continue };
                    taken.remove(&number);
                    let outcome = if back { Outcome::Released } else { Outcome::Accepted };
                    if !back {
                        done.insert(number);
                    }
                    kept.owner.core.handle_settle(consumer, key, outcome, None);
                }
                Step::Browse(browser, credit) => {
                    kept.owner.core.handle_command(1, 1, Command::Grant { end: browsers[browser], credit });
                }
                Step::Write => kept.write(),
                Step::Read(pick) => drop(kept.read(pick)),
            }
            kept.owner.core.check();
            while let Some((link, delivery)) = kept.owner.core.poll_delivery() {
                let number = number(kept.owner.core.message(&delivery));
                if delivery.key != crate::event::KEY_NONE {
                    taken.insert(number, delivery.key);
                    continue;
                }
                let browser = usize::from(link == kept.owner.link_of(browsers[1]));
                let waits = |number: &u32| !taken.contains_key(number) && !done.contains(number);
                let first = (next[browser]..sent).find(waits);
                prop_assert_eq!(Some(number), first, "browser {}", browser);
                next[browser] = number + 1;
            }
            while kept.owner.core.poll_event().is_some() {}
            kept.owner.core.check();
        }
        for end in browsers.into_iter().chain([consumer]) {
            kept.owner.core.handle_command(1, 1, Command::Revoke { end, credit: u32::MAX });
        }
        for (end, next) in browsers.into_iter().zip(next) {
            kept.owner.core.handle_command(1, 1, Command::Grant { end, credit: 1000 });
            kept.owner.core.handle_command(1, 1, Command::Drain { end });
            let events = kept.settle_down();
            prop_assert!(matches!(events.last(), Some(Event::Drained { .. })), "{:?}", events.last());
            let left: Vec<u32> = (next..sent).filter(|number| !taken.contains_key(number) && !done.contains(number)).collect();
            prop_assert_eq!(numbers(&events), left);
        }
    }
}
