//! Messages of groups: each group has one consumer, and holds up no other.

use std::collections::{BTreeMap, BTreeSet};

use engine_catalogue::Attributes;

use super::settings::owner_of;
use super::*;
use crate::limits::PICKS_MAX;

/// A message of a group; `last` closes it.
fn grouped(number: u32, group: u8, last: bool) -> Message {
    let mut fields = vec![0x40; 10];
    fields.extend([0xa1, 1, group]);
    fields.extend(if last { [0x70, 0xff, 0xff, 0xff, 0xff] } else { [0x70, 0, 0, 0, 1] });
    let size = u8::try_from(fields.len() + 1).expect("it is short");
    let mut body = vec![0x00, 0x53, 0x73, 0xc0, size, 12];
    body.extend(fields);
    body.extend(&numbered(number).body[..]);
    Message { grouped: true, ..Message::new(body.into()) }
}

fn send(owner: &mut Owner, end: EndKey, delivery: u32, message: Message) -> Vec<(u64, u32, u32)> {
    deliveries(owner.command(Command::Deliver { end, delivery, settled: Settled::Yes, message }))
}

fn numbers(got: &[(u64, u32, u32)]) -> Vec<u32> {
    got.iter().map(|got| got.1).collect()
}

#[test]
fn a_group_stays_with_its_consumer_and_others_flow_past_it() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let [first, second] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    for number in 0..6 {
        // Groups a and b in turn, and one without a group at the end.
        let message = if number == 5 { numbered(number) } else { grouped(number, b'a' + (number % 2) as u8, false) };
        assert!(send(&mut owner, producer, number, message).is_empty());
    }
    assert_eq!(numbers(&owner.grant(first, 1)), [0], "group a is its own");
    assert_eq!(numbers(&owner.grant(second, 9)), [1, 3, 5], "what is of no group is for anybody");
    assert_eq!(numbers(&owner.grant(first, 9)), [2, 4]);
}

#[test]
fn a_group_whose_consumer_has_gone_is_anybodys() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let [first, second] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    (0..4).for_each(|number| drop(send(&mut owner, producer, number, grouped(number, b'a', false))));
    assert_eq!(numbers(&owner.grant(first, 1)), [0]);
    assert!(owner.grant(second, 9).is_empty());
    let got = deliveries(owner.command(Command::Detach { end: first, mode: DetachMode::Close }));
    assert_eq!(numbers(&got), [0, 1, 2, 3], "with what it gave back");
}

#[test]
fn a_group_that_is_closed_may_go_elsewhere() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let [first, second] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    for (number, last) in [(0, false), (1, true), (2, false)] {
        send(&mut owner, producer, number, grouped(number, b'a', last));
    }
    assert_eq!(numbers(&owner.grant(first, 2)), [0, 1]);
    assert_eq!(numbers(&owner.grant(second, 9)), [2]);
}

#[test]
fn what_comes_back_goes_to_the_same_consumer_first() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let [first, second] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    (0..3).for_each(|number| drop(send(&mut owner, producer, number, grouped(number, b'a', false))));
    let got = owner.grant(first, 2);
    owner.settle(first, got[0].0, Outcome::Released);
    assert!(owner.grant(second, 9).is_empty());
    assert_eq!(numbers(&owner.grant(first, 5)), [0, 2]);
}

#[test]
fn a_drain_is_answered_where_only_others_could_have_what_is_there() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let [first, second] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    (0..3).for_each(|number| drop(send(&mut owner, producer, number, grouped(number, b'a', false))));
    owner.grant(first, 1);
    owner.grant(second, 5);
    assert_eq!(owner.command(Command::Drain { end: second }), [Event::Drained { unused: 5 }]);
}

#[test]
fn a_long_line_of_others_is_looked_at_in_several_turns() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let [first, second] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    let many = 3 * PICKS_MAX + 7;
    (0..many).for_each(|number| drop(send(&mut owner, producer, number, grouped(number, b'a', false))));
    owner.grant(first, 1);
    send(&mut owner, producer, many, grouped(many, b'b', false));
    let mut got = owner.grant(second, 1);
    let mut turns = 0;
    while got.is_empty() {
        turns += 1;
        assert_eq!(owner.core.deadline(), Some(owner.core.now.ns), "it goes on at once");
        owner.core.begin_turn(owner.core.now.ns, 1);
        got = deliveries(owner.events());
    }
    assert_eq!((numbers(&got), turns), (vec![many], 3));
}

/// An owner whose queues treat groups like that, with a producer and two consumers.
fn grouping(layer: Layer) -> (Owner, EndKey, [EndKey; 2]) {
    let mut owner = owner_of(1, Storage::Memory, vec![("#", Attributes::Match(layer))]);
    let producer = owner.producer("q", None);
    let consumers = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    (owner, producer, consumers)
}

#[test]
fn groups_are_anybodys_again_when_a_consumer_comes() {
    for rebalances in [true, false] {
        let layer = Layer { group_rebalance: Some(rebalances), ..Layer::default() };
        let (mut owner, producer, [first, second]) = grouping(layer);
        (0..4).for_each(|number| drop(send(&mut owner, producer, number, grouped(number, b'a', false))));
        assert_eq!(numbers(&owner.grant(first, 1)), [0]);
        assert!(owner.grant(second, 1).is_empty());
        owner.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
        let events = owner.command(consume(link, "q", None, Mode::Consume));
        let Some(&Event::Attached { end: third, .. }) = events.first() else { panic!("{events:?}") };
        let wanted = if rebalances { vec![1] } else { vec![] };
        assert_eq!(numbers(&deliveries(events)), wanted, "who has credit has the group now");
        assert!(owner.grant(third, 9).is_empty(), "and keeps it");
        let next = if rebalances { second } else { first };
        assert_eq!(numbers(&owner.grant(next, 1)).len(), 1);
    }
}

#[test]
fn groups_of_one_bucket_share_a_consumer() {
    for (buckets, apart) in [(1, false), (0, true)] {
        let (mut owner, producer, [first, second]) =
            grouping(Layer { group_buckets: Some(buckets), ..Layer::default() });
        (0..6).for_each(|number| {
            drop(send(&mut owner, producer, number, grouped(number, b'a' + (number % 3) as u8, false)));
        });
        assert_eq!(numbers(&owner.grant(first, 1)), [0]);
        let others = owner.grant(second, 9);
        assert_eq!(numbers(&others), if apart { vec![1, 2, 4, 5] } else { vec![] });
        assert_eq!(owner.grant(first, 9).len(), 5 - others.len());
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Send(u8),
    Grant(usize, u32),
    Settle(usize, bool),
    Reattach(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        5 => (0..5_u8).prop_map(Deed::Send),
        4 => (0..3_usize, 1..4_u32).prop_map(|(consumer, credit)| Deed::Grant(consumer, credit)),
        4 => (0..64_usize, any::<bool>()).prop_map(|(held, back)| Deed::Settle(held, back)),
        1 => (0..3_usize).prop_map(Deed::Reattach),
    ]
}

proptest! {
    /// Nobody has messages of a group that another one holds some of; within a group messages come in their order; all come.
    #[test]
    fn groups_keep_their_promises(deeds in proptest::collection::vec(deed(), 1..150)) {
        let mut owner = Owner::new();
        let producer = owner.producer("q", None);
        let mut consumers: Vec<EndKey> = (0..3).map(|_| owner.consumer("q", None, Mode::Consume)).collect();
        let (mut sent, mut groups) = (0, Vec::new());
        let mut held: Vec<(usize, u64, u32)> = Vec::new();
        let (mut done, mut newest) = (BTreeSet::new(), BTreeMap::new());
        let mut deeds: Vec<Deed> = deeds;
        // In the end everybody takes what there is.
        deeds.extend((0..3).map(|consumer| Deed::Grant(consumer, 1000)));
        for deed in deeds {
            let got = match deed {
                Deed::Send(group) => {
                    groups.push(group);
                    sent += 1;
                    let message = if group == 0 { numbered(sent - 1) } else { grouped(sent - 1, group, false) };
                    send(&mut owner, producer, sent - 1, message)
                }
                Deed::Grant(consumer, credit) => owner.grant(consumers[consumer], credit),
                Deed::Settle(index, back) if !held.is_empty() => {
                    let (consumer, key, number) = held.remove(index % held.len());
                    let outcome = if back { Outcome::Released } else { done.insert(number); Outcome::Accepted };
                    owner.settle(consumers[consumer], key, outcome)
                }
                Deed::Settle(..) => Vec::new(),
                Deed::Reattach(consumer) => {
                    held.retain(|held| held.0 != consumer);
                    owner.core.handle_command(1, 1, Command::Detach { end: consumers[consumer], mode: DetachMode::Ended });
                    let got = deliveries(owner.events());
                    consumers[consumer] = owner.consumer("q", None, Mode::Consume);
                    got
                }
            };
            for (key, number, _) in got {
                let consumer = (0..3).find(|&one| owner.core.holds(consumers[one], key)).expect("somebody holds it");
                let group = groups[number as usize];
                if group != 0 {
                    for &(other, _, theirs) in &held {
                        prop_assert!(groups[theirs as usize] != group || other == consumer, "{} of two consumers", group);
                    }
                    let last = newest.entry(group).or_insert(number);
                    *last = number.max(*last);
                }
                prop_assert!(!done.contains(&number));
                held.push((consumer, key, number));
            }
        }
        prop_assert_eq!(held.len() + done.len(), sent as usize, "everything was given to somebody");
    }
}

#[test]
fn the_first_message_of_a_group_says_so_to_each_consumer_that_gets_it() {
    let layer = Layer { group_first_key: Some("first".to_owned()), ..Layer::default() };
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let producer = owner.producer("q", None);
    let first = owner.consumer("q", None, Mode::Consume);
    for (number, group) in [b'a', b'a', b'b', b'a'].into_iter().enumerate() {
        send(&mut owner, producer, number as u32, grouped(number as u32, group, false));
    }
    send(&mut owner, producer, 4, numbered(4));
    let says_so = |events: &[Event]| -> Vec<bool> {
        let given = events.iter().filter_map(|event| match event {
            Event::Deliver { message, .. } => Some(message),
            _ => None,
        });
        given.map(|message| message.body.windows(5).any(|octets| octets == b"first")).collect()
    };
    let events = owner.command(Command::Grant { end: first, credit: 9 });
    assert_eq!(says_so(&events), [true, false, true, false, false]);
    assert_eq!(numbers(&deliveries(events)), [0, 1, 2, 3, 4], "and its body is its own");
    // What came back says it to the next one, and once.
    owner.command(Command::Detach { end: first, mode: DetachMode::Close });
    let second = owner.consumer("q", None, Mode::Consume);
    let events = owner.command(Command::Grant { end: second, credit: 9 });
    assert_eq!(says_so(&events), [true, false, true, false, false]);
}
