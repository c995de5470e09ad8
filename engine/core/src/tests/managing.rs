//! Work on the messages of a queue: what it does to which of them, whatever is where, and what comes back.

use std::collections::{BTreeMap, BTreeSet};

use super::forwarding::{annotations_of, forward_all, view};
use super::held::{Kept, MEMORY};
use super::*;
use crate::limits::{FORWARDS_MAX, MANAGED_MAX};
use crate::{Action, Force, Mark, Onward, Progress, Task};
use engine_message::value::Value;

/// Twenty times what a queue may have in memory.
const BACKLOG: u32 = 200;

fn task(action: Action) -> Task {
    Task { address: "q".into(), queue: "q".into(), selector: None, action, most: u64::MAX, from: None }
}

fn to(target: &str) -> Action {
    Action::Move(target.into())
}

/// What a whole piece of work did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Did {
    looked: u64,
    done: u64,
    came_back: u64,
}

/// Does work to its end; `between` does what others do meanwhile.
fn work(task: Task, mut step: impl FnMut(&Task) -> Progress, mut between: impl FnMut()) -> Did {
    let (mut task, mut did) = (task, Did::default());
    for _ in 0..10_000 {
        let Progress { looked, done, came_back, copies, onward } = step(&task);
        assert!(looked <= MANAGED_MAX && copies.is_empty());
        did = Did { looked: did.looked + looked, done: did.done + done, came_back };
        task.most -= done;
        task.from = match onward {
            Onward::More(mark) | Onward::Later(mark) => Some(mark),
            Onward::Done => return did,
        };
        between();
    }
    panic!("it does not end: {did:?}");
}

/// Does work at an owner of all addresses.
fn manage(owner: &mut Owner, task: Task) -> Did {
    let owner = std::cell::RefCell::new(owner);
    let step = |task: &Task| {
        let owner = &mut **owner.borrow_mut();
        let mut progress = owner.core.manage(task).expect("it can be done");
        progress.copies.drain(..).for_each(|copy| owner.core.forward_here(copy));
        owner.events();
        progress
    };
    work(task, step, || _ = forward_all(&mut owner.borrow_mut()))
}

/// The same with a journal behind the owner.
fn manage_kept(kept: &mut Kept, task: Task) -> Did {
    let kept = std::cell::RefCell::new(kept);
    let step = |task: &Task| {
        let owner = &mut kept.borrow_mut().owner;
        let mut progress = owner.core.manage(task).expect("it can be done");
        progress.copies.drain(..).for_each(|copy| owner.core.forward_here(copy));
        owner.core.check();
        progress
    };
    work(task, step, || {
        let kept = &mut **kept.borrow_mut();
        kept.settle_down();
        forward_all(&mut kept.owner);
        kept.write();
    })
}

fn filled(layer: Layer, count: u32) -> (Owner, EndKey) {
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let producer = owner.producer("q", None);
    (0..count).for_each(|delivery| drop(owner.send(producer, delivery)));
    (owner, producer)
}

/// What a consumer of an address gets.
fn taken(owner: &mut Owner, address: &str) -> Vec<Message> {
    let consumer = owner.consumer(address, None, Mode::Consume);
    let events = owner.command(Command::Grant { end: consumer, credit: 100_000 });
    let messages = events.into_iter().filter_map(|event| match event {
        Event::Deliver { message, .. } => Some(message),
        _ => None,
    });
    messages.collect()
}

fn numbers(messages: &[Message]) -> Vec<u32> {
    messages.iter().map(number).collect()
}

fn refused(owner: &mut Owner, task: &Task) -> String {
    owner.core.manage(task).expect_err("it is refused").condition.as_str().to_owned()
}

#[test]
fn what_consumers_hold_stays_and_the_rest_is_removed_in_steps() {
    let (mut owner, _) = filled(Layer::default(), 600);
    let consumer = owner.consumer("q", None, Mode::Consume);
    let held = owner.grant(consumer, 2);
    let did = manage(&mut owner, task(Action::Remove));
    assert_eq!(did, Did { looked: 598, done: 598, came_back: 0 });
    assert_eq!((view(&owner, "q").messages, view(&owner, "q").totals.dropped), (2, 598));
    held.into_iter().for_each(|(key, ..)| drop(owner.settle(consumer, key, Outcome::Accepted)));
    assert_eq!(owner.core.memory_bytes(), 0);
}

#[test]
fn what_comes_after_the_work_began_is_not_its_business() {
    let (mut owner, producer) = filled(Layer::default(), 600);
    let first = owner.core.manage(&task(Action::Remove)).expect("a step");
    let Onward::More(mark) = first.onward else { panic!("there is more: {first:?}") };
    assert_eq!(first.done, MANAGED_MAX);
    owner.send(producer, 1000);
    let did = manage(&mut owner, Task { from: Some(mark), ..task(Action::Remove) });
    assert_eq!(did.done, 600 - MANAGED_MAX);
    assert_eq!(numbers(&taken(&mut owner, "q")), [1000]);
}

#[test]
fn a_queue_is_deleted_with_what_it_has_only_if_that_is_insisted_on() {
    let (mut owner, _) = filled(Layer::default(), 3);
    let consumer = owner.consumer("q", None, Mode::Consume);
    assert_eq!(refused(&mut owner, &task(Action::Delete(Force::No))), "amqp:precondition-failed");
    assert_eq!(view(&owner, "q").messages, 3);
    let progress = owner.core.manage(&task(Action::Delete(Force::Yes))).expect("it goes");
    assert_eq!((progress.done, progress.onward), (1, Onward::Done));
    assert!(owner.events().iter().any(|event| matches!(event, Event::Detached { .. })), "its links end");
    assert!(owner.core.queue_views().all(|queue| queue.name != "q"));
    assert_eq!(owner.core.memory_bytes(), 0);
    owner.command(Command::Grant { end: consumer, credit: 1 });
}

#[test]
fn how_far_it_is_may_be_written_down() {
    let (mut owner, _) = filled(Layer::default(), 600);
    let first = owner.core.manage(&task(Action::Remove)).expect("a step");
    let Onward::More(mark) = first.onward else { panic!("there is more: {first:?}") };
    assert_eq!(mark.to_string().parse(), Ok(mark));
    for wrong in ["", "1", "1.2.3.4", "1.2.3.4.5.6", "a.2.3.4.5", "1.2.3.4.-5"] {
        assert!(wrong.parse::<Mark>().is_err(), "{wrong}");
    }
    // Whatever somebody says instead, it is for this queue or refused, and ends.
    for wrong in [
        "0.0.0.0.0",
        &format!(
            "{}.18446744073709551615.18446744073709551615.9.0",
            mark.to_string().split('.').next().expect("a key")
        ),
    ] {
        let from = Some(wrong.parse().expect("it reads like one"));
        let _ = owner.core.manage(&Task { from, ..task(Action::Remove) });
        owner.core.check();
    }
}

#[test]
fn with_its_queue_the_work_is_done_and_one_that_was_made_anew_is_another_one() {
    let (mut owner, producer) = filled(Layer::default(), 600);
    let first = owner.core.manage(&task(Action::Remove)).expect("a step");
    let Onward::More(mark) = first.onward else { panic!("there is more: {first:?}") };
    manage(&mut owner, task(Action::Remove));
    owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
    assert_eq!(refused(&mut owner, &task(Action::Remove)), "amqp:not-found");
    let producer = owner.producer("q", None);
    owner.send(producer, 1);
    let again = Task { from: Some(mark), ..task(Action::Remove) };
    assert_eq!(manage(&mut owner, again), Did::default());
    assert_eq!(view(&owner, "q").messages, 1);
}

#[test]
fn messages_move_with_what_they_are_and_say_where_they_were() {
    let (mut owner, producer) = filled(Layer::default(), 3);
    let expires_wall_ms = std::num::NonZeroU64::new(50_000);
    let message = Message { expires_wall_ms, ..numbered(3) };
    owner.command(Command::Deliver { end: producer, delivery: 3, settled: Settled::No, message });
    let did = manage(&mut owner, Task { most: 2, ..task(to("other")) });
    assert_eq!(did, Did { looked: 2, done: 2, came_back: 0 });
    let did = manage(&mut owner, Task { selector: Some("JMSExpiration > 0".into()), ..task(to("other")) });
    assert_eq!(did, Did { looked: 2, done: 1, came_back: 0 });
    let messages = taken(&mut owner, "other");
    assert_eq!(numbers(&messages), [0, 1, 3]);
    assert_eq!(messages.last().expect("one").expires_wall_ms, expires_wall_ms, "it lives as long as it would have");
    let map = annotations_of(&messages[0]);
    let said = ["x-opt-ORIG-ADDRESS", "x-opt-ORIG-QUEUE", "x-opt-MOVE-REASON"];
    let said = said.map(|key| map.get(key).and_then(Value::as_text).unwrap_or_default().to_owned());
    assert_eq!(said, ["q", "q", "moved"]);
    assert_eq!(numbers(&taken(&mut owner, "q")), [2]);
}

#[test]
fn what_was_rejected_goes_back_to_where_it_came_from() {
    let layer = Layer { dead_letter_address: Some("dead".to_owned()), ..Layer::default() };
    let (mut owner, _) = filled(layer, 700);
    let did = manage(&mut owner, Task { most: 650, ..task(Action::DeadLetter) });
    assert_eq!((did.done, view(&owner, "dead").messages), (650, 650));
    let producer = owner.producer("dead", None);
    owner.send(producer, 9999);
    let retry = Task { address: "dead".into(), queue: "dead".into(), ..task(Action::Retry) };
    let did = manage(&mut owner, retry);
    assert_eq!(did, Did { looked: 651, done: 650, came_back: 0 }, "one came from nowhere");
    assert_eq!((view(&owner, "dead").messages, view(&owner, "q").messages), (1, 700));
    let messages = taken(&mut owner, "q");
    let all: BTreeSet<u32> = messages.iter().map(number).collect();
    assert_eq!(all, (0..700).collect());
    assert!(messages.iter().all(|message| message.header.delivery_count == 0));
}

#[test]
fn without_an_address_for_them_nothing_goes_to_the_dead_letters() {
    let (mut owner, _) = filled(Layer::default(), 1);
    assert_eq!(refused(&mut owner, &task(Action::DeadLetter)), "amqp:precondition-failed");
    for wrong in ["", "q", "q::q", "::q"] {
        assert_eq!(refused(&mut owner, &task(to(wrong))), "amqp:invalid-field", "{wrong}");
    }
    let selector = Task { selector: Some("a = ".into()), ..task(Action::Remove) };
    assert_eq!(refused(&mut owner, &selector), "amqp:invalid-field");
    assert_eq!(view(&owner, "q").messages, 1);
}

#[test]
fn what_somebody_lets_expire_goes_where_what_expires_goes() {
    let layer = Layer { expiry_address: Some("late".to_owned()), ..Layer::default() };
    let (mut owner, _) = filled(layer, 3);
    assert_eq!(manage(&mut owner, Task { most: 1, ..task(Action::Expire) }).done, 1);
    assert_eq!(view(&owner, "q").totals.expired, 1);
    assert_eq!(forward_all(&mut owner), 1);
    let late = taken(&mut owner, "late");
    assert_eq!(numbers(&late), [0]);
    assert_eq!(annotations_of(&late[0]).get("x-opt-ACTUAL-EXPIRY"), Some(&Value::Long(1)));
}

#[test]
fn copies_leave_the_originals_and_no_more_are_under_way_than_may_be() {
    let (mut owner, _) = filled(Layer::default(), 200);
    let progress = owner.core.manage(&task(Action::Copy("other".into()))).expect("a step");
    assert_eq!((progress.done, progress.copies.len()), (FORWARDS_MAX as u64, FORWARDS_MAX));
    let Onward::Later(mark) = progress.onward else { panic!("{progress:?}") };
    progress.copies.into_iter().for_each(|copy| owner.core.forward_here(copy));
    let did = manage(&mut owner, Task { from: Some(mark), ..task(Action::Copy("other".into())) });
    assert_eq!(did.done, 200 - FORWARDS_MAX as u64);
    let copies = taken(&mut owner, "other");
    assert_eq!((numbers(&copies), numbers(&taken(&mut owner, "q"))), ((0..200).collect(), (0..200).collect()));
    assert_eq!(annotations_of(&copies[0]).get("x-opt-MOVE-REASON"), Some(&Value::String("copied".to_owned())));
}

#[test]
fn what_is_refused_where_it_goes_is_back_at_its_place() {
    let small = Layer { max_messages: Some(3), when_full: Some(WhenFull::Refuse), ..Layer::default() };
    let (mut owner, _) = filled(small, 3);
    let producer = owner.producer("other", None);
    owner.send(producer, 9);
    let did = manage(&mut owner, task(to("other")));
    assert_eq!(did, Did { looked: 3, done: 3, came_back: 1 });
    assert_eq!((view(&owner, "q").messages, view(&owner, "q").forwarding), (1, 0));
    let did = manage(&mut owner, task(Action::Copy("other".into())));
    assert_eq!(did, Did { looked: 1, done: 1, came_back: 1 });
    assert_eq!(numbers(&taken(&mut owner, "q")), [2]);
    assert_eq!(numbers(&taken(&mut owner, "other")), [9, 0, 1]);
}

#[test]
fn a_backlog_that_memory_does_not_hold_is_reached_to_its_end() {
    for action in [Action::Remove, to("other"), Action::Copy("other".into())] {
        let mut kept = Kept::new();
        let producer = kept.owner.producer("q", None);
        for number in 0..BACKLOG {
            kept.send(producer, number);
            kept.write();
        }
        let stays = matches!(action, Action::Copy(_));
        let did = manage_kept(&mut kept, task(action.clone()));
        let all = u64::from(BACKLOG);
        assert_eq!(did, Did { looked: all, done: all, came_back: 0 }, "{action:?}");
        assert!(kept.owner.core.memory_bytes() <= MEMORY, "{action:?}: {}", kept.owner.core.memory_bytes());
        assert_eq!(view(&kept.owner, "q").messages, if stays { all } else { 0 }, "{action:?}");
        let consumer = kept.owner.consumer("q", None, Mode::Consume);
        kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 1000 });
        let left: Vec<u32> = kept_numbers(&kept.settle_down());
        assert_eq!(left, if stays { (0..BACKLOG).collect() } else { Vec::new() }, "{action:?}");
    }
}

fn kept_numbers(events: &[Event]) -> Vec<u32> {
    let shown = events.iter().filter_map(|event| match event {
        Event::Deliver { message, .. } => Some(number(message)),
        _ => None,
    });
    shown.collect()
}

#[test]
fn what_stays_of_a_backlog_keeps_its_order_and_takes_no_memory() {
    let mut kept = Kept::new();
    let producer = kept.owner.producer("q", None);
    for number in 0..BACKLOG {
        kept.send(producer, number);
        kept.write();
    }
    // One in eight is not durable.
    let did = manage_kept(
        &mut kept,
        Task { selector: Some("JMSDeliveryMode = 'NON_PERSISTENT'".into()), ..task(Action::Remove) },
    );
    assert_eq!((did.looked, did.done), (u64::from(BACKLOG), u64::from(BACKLOG / 8)));
    assert!(kept.owner.core.memory_bytes() <= MEMORY, "{}", kept.owner.core.memory_bytes());
    let consumer = kept.owner.consumer("q", None, Mode::Consume);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 1000 });
    let expected: Vec<u32> = (0..BACKLOG).filter(|number| number % 8 != 0).collect();
    assert_eq!(kept_numbers(&kept.settle_down()), expected);
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Grant(u32),
    /// Accepted, released or rejected.
    Settle(usize, u8),
    /// Removed or moved, as many as said.
    Manage(u8, u64),
    Forward,
    Write,
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Send),
        2 => (1..4_u32).prop_map(Step::Grant),
        3 => (0..64_usize, 0..3_u8).prop_map(|(held, outcome)| Step::Settle(held, outcome)),
        3 => (0..2_u8, 1..8_u64).prop_map(|(action, most)| Step::Manage(action, most)),
        2 => Just(Step::Forward),
        3 => Just(Step::Write),
        4 => (0..8_usize).prop_map(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever consumers, work and the disk do one after the other: no message is lost, or at two places.
    #[test]
    fn each_message_is_at_one_place(steps in proptest::collection::vec(step(), 1..120)) {
        let mut kept = Kept::new();
        let producer = kept.owner.producer("q", None);
        let consumer = kept.owner.consumer("q", None, Mode::Consume);
        let (mut sent, mut removed) = (0_u32, 0_u64);
        let mut held: Vec<(u64, u32)> = Vec::new();
        let mut gone: BTreeMap<u32, u32> = BTreeMap::new();
        let mut marks: BTreeMap<u8, Mark> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Send => {
                    kept.send(producer, sent);
                    sent += 1;
                }
                Step::Grant(credit) => kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit }),
                Step::Settle(index, outcome) if !held.is_empty() => {
                    let (key, number) = held.swap_remove(index % held.len());
                    let outcome = match outcome {
                        0 => Outcome::Released,
                        1 => Outcome::Rejected(None),
                        _ => Outcome::Accepted,
                    };
                    if outcome != Outcome::Released {
                        *gone.entry(number).or_default() += 1;
                    }
                    kept.owner.core.handle_command(1, 1, Command::Settle { end: consumer, key, outcome, confirm: None });
                }
                Step::Settle(..) => {}
                Step::Manage(action, most) => {
                    let what = if action == 0 { Action::Remove } else { to("other") };
                    let task = Task { most, from: marks.remove(&action), ..task(what) };
                    let progress = kept.owner.core.manage(&task).expect("a step");
                    prop_assert!(progress.done <= most);
                    removed += if action == 0 { progress.done } else { 0 };
                    if let Onward::More(mark) | Onward::Later(mark) = progress.onward {
                        marks.insert(action, mark);
                    }
                }
                Step::Forward => drop(forward_all(&mut kept.owner)),
                Step::Write => kept.write(),
                Step::Read(pick) => drop(kept.read(pick)),
            }
            for event in kept.owner.events() {
                if let Event::Deliver { key, message } = event {
                    held.push((key, number(&message)));
                }
            }
        }
        let mut last = kept.settle_down();
        while forward_all(&mut kept.owner) > 0 {
            last.extend(kept.settle_down());
        }
        held.extend(last.iter().filter_map(|event| match event {
            Event::Deliver { key, message } => Some((*key, number(message))),
            _ => None,
        }));
        for (key, number) in held {
            *gone.entry(number).or_default() += 1;
            kept.owner.core.handle_command(1, 1, Command::Settle { end: consumer, key, outcome: Outcome::Accepted, confirm: None });
        }
        let other = sent > 0 && kept.owner.core.queue_views().any(|queue| queue.name == "other");
        let mut ends = vec![consumer];
        if other {
            ends.push(kept.owner.consumer("other", None, Mode::Consume));
        }
        for end in ends {
            kept.owner.core.handle_command(1, 1, Command::Grant { end, credit: 1000 });
        }
        for event in kept.settle_down() {
            if let Event::Deliver { message, .. } = event {
                *gone.entry(number(&message)).or_default() += 1;
            }
        }
        prop_assert!(gone.values().all(|&times| times == 1), "{gone:?}");
        prop_assert_eq!(gone.len() as u64 + removed, u64::from(sent), "{:?}", gone);
    }
}
