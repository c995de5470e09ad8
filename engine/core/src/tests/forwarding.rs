//! Messages that are rejected or expire go to another address, whatever happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use super::held::{Kept, MEMORY};
use super::*;
use crate::limits::{
    DEPARTING_BYTES, DEPARTING_HERE_MAX, ENDING_BYTES, EXPIRY_PERIOD_NS, FORWARD_RETRY_MIN_NS, FORWARDS_MAX,
};
use crate::{Forward, QueueView, Version};
use engine_catalogue::{Attributes, Change, Definition, Origin};
use engine_message::value::{Map, Value};
use engine_message::{reader::Reader, section};

/// An owner whose addresses have these settings.
fn owner(layer: Layer) -> Owner {
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    Owner { core: Core::new(config), next_link: 0 }
}

fn to(dead: &str, late: &str) -> Layer {
    Layer { dead_letter_address: Some(dead.to_owned()), expiry_address: Some(late.to_owned()), ..Layer::default() }
}

fn rejected(text: &str) -> Outcome {
    Outcome::Rejected(Some(crate::refusal::Refusal::new("shop:no", text)))
}

/// Does what a shard does that owns all addresses.
pub(super) fn forward_all(owner: &mut Owner) -> usize {
    let mut count = 0;
    while let Some(forward) = owner.core.poll_forward() {
        owner.core.forward_here(forward);
        owner.core.check();
        count += 1;
    }
    count
}

pub(super) fn view(owner: &Owner, name: &str) -> QueueView {
    owner.core.queue_views().find(|queue| queue.name == name).expect("it is there")
}

pub(super) fn annotations_of(message: &Message) -> Map {
    let sections = section::scan(&message.body).expect("sections");
    let mut reader = Reader::new(&message.body[sections.message_annotations]);
    reader.descriptor().expect("annotations");
    Map::read(&mut reader).expect("annotations")
}

/// Sends messages to `q` and rejects them; gives its producer and its consumer.
fn reject(owner: &mut Owner, count: u32) -> (EndKey, EndKey) {
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    (0..count).for_each(|delivery| drop(owner.send(producer, delivery)));
    for (key, ..) in owner.grant(consumer, count) {
        owner.settle(consumer, key, rejected("it is closed"));
    }
    (producer, consumer)
}

#[test]
fn what_is_rejected_goes_to_the_dead_letter_address() {
    let mut owner = owner(to("dead", ""));
    reject(&mut owner, 3);
    assert_eq!((view(&owner, "q").messages, view(&owner, "q").forwarding), (3, 3), "it has not left");
    assert!(owner.core.memory_bytes() >= 3 * (MESSAGE_OVERHEAD + DEPARTING_BYTES), "and what waiting costs is counted");
    assert_eq!(forward_all(&mut owner), 3);
    let (q, dead) = (view(&owner, "q"), view(&owner, "dead"));
    assert_eq!((q.messages, q.totals.rejected, q.totals.forwarded, dead.messages), (0, 3, 3, 3));
    let consumer = owner.consumer("dead", None, Mode::Consume);
    let events = owner.command(Command::Grant { end: consumer, credit: 9 });
    for (event, expected) in events.iter().zip(0..) {
        let Event::Deliver { message, .. } = event else { panic!("{event:?}") };
        assert_eq!((number(message), message.header.first_acquirer), (expected, true));
        let map = annotations_of(message);
        for (key, value) in
            [("x-opt-ORIG-ADDRESS", "q"), ("x-opt-ORIG-QUEUE", "q"), ("x-opt-MOVE-DESCRIPTION", "it is closed")]
        {
            assert_eq!(map.get(key), Some(&Value::String(value.to_owned())), "{key}");
        }
    }
    // What is rejected there goes round in no circle.
    for (key, ..) in deliveries(events) {
        owner.settle(consumer, key, rejected("it is closed, too"));
    }
    assert_eq!((forward_all(&mut owner), view(&owner, "dead").messages, owner.core.memory_bytes()), (0, 0, 0));
}

#[test]
fn without_the_setting_it_is_dropped_as_ever() {
    let mut owner = owner(Layer::default());
    reject(&mut owner, 3);
    assert_eq!((owner.core.may_forward(), owner.core.memory_bytes()), (false, 0));
}

#[test]
fn what_expires_goes_to_the_expiry_address_and_lives_on_there() {
    let mut owner = owner(to("dead", "late"));
    let producer = owner.producer("q", None);
    // From the middle as well: what waits behind stays.
    for (delivery, at) in [(0, 1000), (1, 0), (2, 1000), (3, 0)] {
        let message = Message { expires_wall_ms: NonZeroU64::new(at), ..numbered(delivery) };
        owner.command(Command::Deliver { end: producer, delivery, settled: Settled::No, message });
    }
    owner.core.begin_turn(1_000_000_000, 1000);
    owner.core.check();
    assert_eq!(forward_all(&mut owner), 2);
    assert_eq!((view(&owner, "q").messages, view(&owner, "q").totals.expired), (2, 2));
    owner.core.begin_turn(9_000_000_000, 9000);
    let consumer = owner.consumer("late", None, Mode::Consume);
    let events = owner.command(Command::Grant { end: consumer, credit: 9 });
    let [Event::Deliver { message, .. }, Event::Deliver { .. }] = &events[..] else { panic!("{events:?}") };
    let map = annotations_of(message);
    assert_eq!(map.get("x-opt-MOVE-REASON"), Some(&Value::String("expired".to_owned())));
    assert_eq!((map.get("x-opt-ACTUAL-EXPIRY"), message.expires_wall_ms), (Some(&Value::Long(1000)), None));
    let consumer = owner.consumer("q", None, Mode::Consume);
    let left: Vec<u32> = owner.grant(consumer, 9).into_iter().map(|delivery| delivery.1).collect();
    assert_eq!(left, [1, 3]);
}

#[test]
fn what_a_full_target_refuses_stays_and_is_tried_again() {
    let small = Layer { max_messages: Some(1), when_full: Some(WhenFull::Refuse), ..to("dead", "") };
    let mut owner = owner(small);
    // Its own bound holds for the queue as well.
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    for delivery in 0..2 {
        owner.send(producer, delivery);
        let key = owner.grant(consumer, 1)[0].0;
        owner.settle(consumer, key, Outcome::Rejected(None));
        assert_eq!(forward_all(&mut owner), 1);
    }
    let q = view(&owner, "q");
    assert_eq!((q.messages, q.forwarding, q.totals.forwarded, q.totals.turned_back), (1, 1, 1, 1));
    let due = owner.core.deadline().expect("it is tried again");
    assert_eq!(due, 1 + FORWARD_RETRY_MIN_NS);
    owner.core.begin_turn(due - 1, 1);
    assert_eq!(forward_all(&mut owner), 0, "not before");
    let taker = owner.consumer("dead", None, Mode::Consume);
    let key = owner.grant(taker, 1)[0].0;
    owner.settle(taker, key, Outcome::Accepted);
    owner.core.begin_turn(due, 1);
    assert_eq!(forward_all(&mut owner), 1);
    assert_eq!((view(&owner, "q").messages, view(&owner, "dead").messages), (0, 1));
    assert_eq!(owner.core.deadline(), None);
}

/// A version of the catalogue: what it says of all addresses, and of `dead`.
fn version(all: Layer, dead: Attributes) -> Arc<Catalogue> {
    let changes = [("#", Attributes::Match(all)), ("dead", dead)].map(|(key, attributes)| Change::Define {
        origin: Origin::Configuration,
        definition: Definition::new(key, attributes),
    });
    Arc::new(Catalogue::default().apply(&changes).expect("it is right"))
}

/// `dead` is not made for anybody.
fn unmade() -> Attributes {
    Attributes::Match(Layer { auto_create: Some(false), ..Layer::default() })
}

#[test]
fn a_target_that_may_not_be_made_is_waited_for() {
    let config = CoreConfig { catalogue: version(to("dead", ""), unmade()), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    reject(&mut owner, 1);
    assert_eq!((forward_all(&mut owner), view(&owner, "q").totals.turned_back), (1, 1));
    let declared = Attributes::Address(Layer::default());
    owner.core.handle_version(Version::Holds(version(to("dead", ""), declared)));
    owner.core.begin_turn(1 + FORWARD_RETRY_MIN_NS, 1);
    assert_eq!((forward_all(&mut owner), view(&owner, "dead").messages), (1, 1));
}

#[test]
fn a_version_that_names_another_target_holds_for_what_waits_and_one_that_names_none_for_what_comes() {
    let config = CoreConfig { catalogue: version(to("dead", ""), unmade()), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let (producer, consumer) = reject(&mut owner, 1);
    assert_eq!(forward_all(&mut owner), 1, "it is turned back");
    owner.core.handle_version(Version::Holds(version(to("", ""), unmade())));
    owner.core.begin_turn(1 + FORWARD_RETRY_MIN_NS, 1);
    assert_eq!(forward_all(&mut owner), 1, "it goes to where it was to go, and is turned back");
    owner.send(producer, 1);
    let key = owner.grant(consumer, 1)[0].0;
    owner.settle(consumer, key, rejected("no"));
    assert_eq!((view(&owner, "q").messages, view(&owner, "q").totals.rejected), (1, 2), "that one was dropped");
    owner.core.handle_version(Version::Holds(version(to("other", ""), unmade())));
    owner.core.begin_turn(1 + 10 * FORWARD_RETRY_MIN_NS, 1);
    assert_eq!((forward_all(&mut owner), view(&owner, "other").messages, view(&owner, "q").messages), (1, 1, 0));
    owner.core.handle_version(Version::Holds(version(to("", ""), unmade())));
    owner.send(producer, 2);
    let key = owner.grant(consumer, 1)[0].0;
    owner.settle(consumer, key, rejected("no"));
    assert_eq!((view(&owner, "q").messages, view(&owner, "other").messages), (0, 1), "nothing waits for a target now");
}

#[test]
fn whoever_waits_for_confirmation_waits_until_the_message_left() {
    let mut owner = owner(to("dead", ""));
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    owner.send(producer, 1);
    let key = owner.grant(consumer, 1)[0].0;
    let confirm = Some(77);
    assert_eq!(owner.command(Command::Settle { end: consumer, key, outcome: rejected("no"), confirm }), []);
    let forward = owner.core.poll_forward().expect("it goes");
    assert_eq!(owner.events(), [], "it is not there yet");
    owner.core.handle_forwarded(forward.flight, &Outcome::Accepted);
    assert_eq!(owner.events(), [Event::Confirmed { delivery: 77 }]);
    owner.core.handle_forwarded(forward.flight, &Outcome::Accepted);
    assert_eq!(owner.events(), [], "an answer that comes twice says nothing");
}

#[test]
fn a_queue_that_nobody_uses_goes_when_its_last_message_is_elsewhere() {
    let mut owner = owner(to("dead", ""));
    let (producer, consumer) = reject(&mut owner, 1);
    for end in [producer, consumer] {
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    assert_eq!(view(&owner, "q").messages, 1);
    forward_all(&mut owner);
    owner.events();
    assert_eq!(owner.core.queue_views().map(|queue| queue.name).collect::<Vec<_>>(), ["dead"]);
}

#[test]
fn a_subscription_that_ends_forwards_what_it_has_to_and_nothing_else() {
    for durability in [Durability::Volatile, Durability::Durable] {
        let mut owner = owner(to("dead", ""));
        let subscribe = |link| subscribe(link, durability);
        let end = owner.attached(subscribe);
        let producer = owner.producer("t", Some(RoutingType::Multicast));
        (0..5).for_each(|delivery| drop(owner.send(producer, delivery)));
        let held = owner.grant(end, 3);
        owner.settle(end, held[0].0, rejected("no"));
        owner.settle(end, held[1].0, rejected("no"));
        // One is on its way when the subscription ends, one waits.
        let forward = owner.core.poll_forward().expect("it goes");
        owner.command(Command::Detach { end, mode: DetachMode::Close });
        let ending =
            owner.core.queue_views().find(|queue| queue.routing == RoutingType::Multicast).expect("it is there");
        assert_eq!((ending.address.as_str(), ending.messages, ending.forwarding), ("t", 2, 2));
        assert_eq!(owner.core.ended_queues(), (1, 0));
        // One of that name is the same again, without what it had; what is sent now comes.
        let again = owner.attached(subscribe);
        owner.send(producer, 9);
        assert_eq!(owner.grant(again, 9).len(), 1);
        owner.core.forward_here(forward);
        assert_eq!(forward_all(&mut owner), 1);
        owner.events();
        assert_eq!(view(&owner, "dead").messages, 2);
        assert_eq!(owner.core.counts().1, 2, "the new subscription, and dead letters");
    }
}

#[test]
fn what_waits_to_go_costs_a_stub_if_the_journal_has_it() {
    let mut kept = Kept::with(to("dead", "late"));
    let producer = kept.owner.producer("q", None);
    // It takes nothing; what is in the journal only is read because it might.
    let end = kept.owner.consumer("q", None, Mode::Consume);
    let count = 4 * DEPARTING_HERE_MAX as u32;
    for delivery in 0..count {
        let header = Header { durable: true, ..Header::default() };
        let message = Message { header, expires_wall_ms: NonZeroU64::new(1000), ..numbered(delivery) };
        kept.owner.core.handle_command(
            1,
            1,
            Command::Deliver { end: producer, delivery, settled: Settled::No, message },
        );
        kept.write();
        let now_ns = u64::from(delivery + 10) * EXPIRY_PERIOD_NS;
        kept.owner.core.begin_turn(now_ns, 1000);
        kept.owner.core.check();
    }
    let size = MESSAGE_OVERHEAD + 9;
    let beside = u64::from(count) * DEPARTING_BYTES;
    assert!(kept.owner.core.memory_bytes() <= MEMORY + (DEPARTING_HERE_MAX as u64 + 1) * size + beside);
    let mut there = BTreeSet::new();
    let mut now_ns = u64::from(count + 10) * EXPIRY_PERIOD_NS;
    while there.len() < count as usize {
        while let Some(forward) = kept.owner.core.poll_forward() {
            assert!(there.insert(number(&forward.publish.message)));
            kept.owner.core.handle_forwarded(forward.flight, &Outcome::Accepted);
        }
        kept.write();
        now_ns += EXPIRY_PERIOD_NS;
        kept.owner.core.begin_turn(now_ns, 1000);
        kept.owner.core.handle_command(now_ns, 1000, Command::Grant { end, credit: 0 });
        kept.owner.events();
        kept.read(0);
        assert!(now_ns < 10_000 * EXPIRY_PERIOD_NS, "{} of {count} came", there.len());
    }
    kept.write();
    assert_eq!(kept.owner.core.memory_bytes(), 0);
}

/// Subscribes to `t`: a durable subscription stands when the journal has it.
fn subscribed(kept: &mut Kept, durability: Durability) -> EndKey {
    kept.owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: kept.owner.next_link };
    let mut events = kept.owner.command(subscribe(link, durability));
    kept.write();
    events.extend(kept.owner.events());
    let end =
        events.into_iter().find_map(|event| if let Event::Attached { end, .. } = event { Some(end) } else { None });
    end.expect("it stands")
}

/// A durable subscription to `t` that rejected a message; gives its consumer, and a producer.
fn rejecting(kept: &mut Kept) -> (EndKey, EndKey) {
    let end = subscribed(kept, Durability::Durable);
    let producer = kept.owner.producer("t", Some(RoutingType::Multicast));
    kept.send(producer, 1);
    kept.write();
    let key = kept.owner.grant(end, 1)[0].0;
    kept.owner.settle(end, key, rejected("no"));
    (end, producer)
}

#[test]
fn a_subscription_that_is_made_again_while_it_forwards_is_one_queue_in_the_journal() {
    let mut kept = Kept::with(to("dead", ""));
    let (end, producer) = rejecting(&mut kept);
    let numbers = |kept: &Kept| {
        let of = kept.owner.core.nodes.queues.iter().map(|(_, queue)| queue);
        of.filter(|queue| queue.identity.routing == RoutingType::Multicast).filter_map(|queue| queue.number()).collect()
    };
    let before: Vec<u64> = numbers(&kept);
    assert_eq!(before.len(), 1);
    kept.owner.command(Command::Detach { end, mode: DetachMode::Close });
    assert_eq!(kept.owner.core.ended_queues(), (1, 0));
    let again = subscribed(&mut kept, Durability::Durable);
    kept.owner.core.check();
    assert_eq!((kept.owner.core.ended_queues(), numbers(&kept)), ((0, 0), before));
    kept.send(producer, 2);
    kept.write();
    kept.owner.grant(again, 9);
    kept.read(0);
    assert_eq!(deliveries(kept.owner.events()).len(), 1, "it comes, for the new one");
    assert_eq!(forward_all(&mut kept.owner), 1, "and what it was to forward is not");
}

#[test]
fn a_volatile_subscription_of_the_name_of_one_that_outlives_the_node_is_another_queue() {
    let mut kept = Kept::with(to("dead", ""));
    let (end, _) = rejecting(&mut kept);
    kept.owner.command(Command::Detach { end, mode: DetachMode::Close });
    subscribed(&mut kept, Durability::Volatile);
    kept.owner.core.check();
    assert_eq!(kept.owner.core.ended_queues(), (1, 0));
}

#[test]
fn deleted_queues_that_forward_are_bounded() {
    let config = CoreConfig { catalogue: version(to("dead", ""), unmade()), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let producer = owner.producer("t", Some(RoutingType::Multicast));
    let (fit, beyond) = (3, 2);
    let body = Bytes::from(vec![0; ENDING_BYTES as usize / fit - 1000]);
    for delivery in 0..(fit + beyond) as u32 {
        // Without a name each is a queue of its own.
        let spec = ConsumerSpec { routing: Some(RoutingType::Multicast), ..ConsumerSpec::of("t") };
        let end = owner.attached(|link| Command::AttachConsumer { link, spec: Box::new(spec) });
        let message = Message::new(body.clone());
        owner.command(Command::Deliver { end: producer, delivery, settled: Settled::No, message });
        let key = deliveries(owner.command(Command::Grant { end, credit: 1 }))[0].0;
        owner.settle(end, key, rejected("no"));
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    assert_eq!(owner.core.ended_queues(), (fit, beyond as u64));
    assert!(owner.core.memory_bytes() <= ENDING_BYTES);
}

#[test]
fn a_rejection_is_confirmed_when_the_dead_letter_is_durable() {
    let mut kept = Kept::with(to("dead", ""));
    // Nothing of the subscription is in the journal.
    let end = kept.owner.attached(|link| subscribe(link, Durability::Volatile));
    let producer = kept.owner.producer("t", Some(RoutingType::Multicast));
    kept.send(producer, 1);
    let key = kept.owner.grant(end, 1)[0].0;
    let outcome = rejected("no");
    kept.owner.command(Command::Settle { end, key, outcome, confirm: Some(7) });
    assert_eq!(forward_all(&mut kept.owner), 1);
    let confirmed = |events: Vec<Event>| events.contains(&Event::Confirmed { delivery: 7 });
    assert!(!confirmed(kept.owner.events()), "it is not on stable storage yet");
    kept.write();
    assert!(confirmed(kept.owner.events()));
}

#[test]
fn the_agenda_names_a_queue_once_however_much_of_it_is_refused() {
    let config = CoreConfig { catalogue: version(to("dead", ""), unmade()), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let (producer, consumer) = reject(&mut owner, 1);
    forward_all(&mut owner);
    for delivery in 1..100 {
        owner.send(producer, delivery);
        let key = owner.grant(consumer, 1)[0].0;
        owner.settle(consumer, key, rejected("no"));
        assert_eq!(forward_all(&mut owner), 0, "its line waits");
    }
    owner.core.nodes.take_looked();
    owner.core.begin_turn(2 + FORWARD_RETRY_MIN_NS, 1);
    assert!(owner.core.nodes.take_looked() <= 2);
    assert_eq!(forward_all(&mut owner), 1, "one tries");
}

fn subscribe(link: LinkKey, durability: Durability) -> Command {
    let subscription =
        Subscription { name: "s".into(), container: "c".into(), durability, sharing: Sharing::Exclusive };
    let (routing, subscription) = (Some(RoutingType::Multicast), Some(subscription));
    let spec = ConsumerSpec { routing, subscription, ..ConsumerSpec::of("t") };
    Command::AttachConsumer { link, spec: Box::new(spec) }
}

#[derive(Clone, Debug)]
enum Step {
    Send {
        expires: bool,
    },
    Grant(u32),
    /// What is held by a place; accepted, released, or rejected.
    Settle(usize, u8),
    /// So many messages set out.
    Fly(usize),
    /// Whatever is under way, by a place, is there or refused.
    Answer(usize, bool),
    Wait(u64),
    Write,
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => proptest::bool::weighted(0.3).prop_map(|expires| Step::Send { expires }),
        3 => (1..9_u32).prop_map(Step::Grant),
        5 => (0..64_usize, 0..5_u8).prop_map(|(held, outcome)| Step::Settle(held, outcome)),
        3 => (1..5_usize).prop_map(Step::Fly),
        4 => (0..8_usize, proptest::bool::weighted(0.6)).prop_map(|(place, taken)| Step::Answer(place, taken)),
        2 => (1..400_u64).prop_map(Step::Wait),
        3 => Just(Step::Write),
        3 => (0..8_usize).prop_map(Step::Read),
    ]
}

/// Where each message is, by its number.
#[derive(Default)]
struct Model {
    sent: u32,
    expires: BTreeSet<u32>,
    held: Vec<(u64, u32)>,
    accepted: BTreeSet<u32>,
    rejected: BTreeSet<u32>,
    under_way: Vec<Forward>,
    there: BTreeMap<u32, String>,
}

impl Model {
    fn set_out(&mut self, forward: Forward) {
        let message = number(&forward.publish.message);
        let target = forward.publish.address.clone();
        assert!(!self.accepted.contains(&message) && !self.there.contains_key(&message), "{message} is gone");
        assert!(
            self.under_way.iter().all(|other| number(&other.publish.message) != message),
            "{message} sets out twice"
        );
        let is_rejected = self.rejected.contains(&message);
        assert!(is_rejected || self.expires.contains(&message), "{message} has no reason to go");
        assert!(self.held.iter().all(|(_, held)| *held != message), "{message} is with a consumer");
        assert_eq!(target, if is_rejected { "dead" } else { "late" });
        self.under_way.push(forward);
        assert!(self.under_way.len() <= FORWARDS_MAX);
    }
}

struct Run {
    kept: Kept,
    model: Model,
    producer: EndKey,
    consumer: EndKey,
    now_ns: u64,
}

impl Run {
    fn new() -> Self {
        let mut kept = Kept::with(to("dead", "late"));
        let (producer, consumer) = (kept.owner.producer("q", None), kept.owner.consumer("q", None, Mode::Consume));
        Self { kept, model: Model::default(), producer, consumer, now_ns: 1 }
    }

    /// The same with a durable subscription.
    fn subscribed() -> Self {
        let mut kept = Kept::with(to("dead", "late"));
        let link = LinkKey { shard: 0, generation: 0, slot: 99 };
        kept.owner.core.handle_command(1, 1, subscribe(link, Durability::Durable));
        let events = kept.settle_down();
        let [Event::Attached { end: consumer, .. }] = events[..] else { panic!("attached: {events:?}") };
        let producer = kept.owner.producer("t", Some(RoutingType::Multicast));
        Self { kept, model: Model::default(), producer, consumer, now_ns: 1 }
    }

    /// The subscription ends: what was to go elsewhere goes, and nothing else does.
    fn unsubscribe(&mut self) {
        self.command(Command::Detach { end: self.consumer, mode: DetachMode::Close });
        self.model.held.clear();
        let departing: u64 = self.kept.owner.core.queue_views().map(|queue| queue.forwarding).sum();
        let expected = departing as usize + self.model.there.len();
        for round in 0.. {
            assert!(round < 2_000, "it comes to an end");
            self.kept.write();
            self.wait(100);
            self.kept.read(0);
            self.take_events();
            self.fly(FORWARDS_MAX);
            while !self.model.under_way.is_empty() {
                self.answer(0, true);
            }
            if self.kept.owner.core.queue_views().next().is_none() {
                break;
            }
        }
        assert_eq!(self.model.there.len(), expected, "nothing expires any more");
    }

    fn wall_ms(&self) -> u64 {
        1 + self.now_ns / 1_000_000
    }

    fn command(&mut self, command: Command) {
        let (now_ns, wall_ms) = (self.now_ns, self.wall_ms());
        self.kept.owner.core.handle_command(now_ns, wall_ms, command);
        self.take_events();
    }

    fn take_events(&mut self) {
        for event in self.kept.owner.events() {
            if let Event::Deliver { key, message } = event {
                let message = number(&message);
                let Model { accepted, rejected, there, held, .. } = &mut self.model;
                let gone = accepted.contains(&message) || rejected.contains(&message) || there.contains_key(&message);
                assert!(!gone && held.iter().all(|(_, held)| *held != message), "{message} came again");
                held.push((key, message));
            }
        }
    }

    fn wait(&mut self, wait_ms: u64) {
        self.now_ns += wait_ms * 1_000_000;
        let (now_ns, wall_ms) = (self.now_ns, self.wall_ms());
        self.kept.owner.core.begin_turn(now_ns, wall_ms);
        self.take_events();
    }

    fn fly(&mut self, most: usize) {
        for _ in 0..most {
            let Some(forward) = self.kept.owner.core.poll_forward() else { return };
            self.model.set_out(forward);
        }
    }

    fn answer(&mut self, place: usize, taken: bool) {
        if self.model.under_way.is_empty() {
            return;
        }
        let forward = self.model.under_way.swap_remove(place % self.model.under_way.len());
        let outcome = if taken { Outcome::Accepted } else { Outcome::Rejected(None) };
        if taken {
            self.model.there.insert(number(&forward.publish.message), forward.publish.address.clone());
        }
        self.kept.owner.core.handle_forwarded(forward.flight, &outcome);
        self.take_events();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send { expires } => {
                let delivery = self.model.sent;
                self.model.sent += 1;
                let header = Header { durable: !delivery.is_multiple_of(8), ..Header::default() };
                let at = if expires { NonZeroU64::new(self.wall_ms() + 200) } else { None };
                if expires {
                    self.model.expires.insert(delivery);
                }
                let message = Message { header, expires_wall_ms: at, ..numbered(delivery) };
                let end = self.producer;
                self.command(Command::Deliver { end, delivery, settled: Settled::No, message });
            }
            Step::Grant(credit) => self.command(Command::Grant { end: self.consumer, credit }),
            Step::Settle(..) if self.model.held.is_empty() => {}
            Step::Settle(place, outcome) => {
                let (key, message) = self.model.held.remove(place % self.model.held.len());
                let outcome = match outcome {
                    0 => Outcome::Released,
                    1 => {
                        self.model.accepted.insert(message);
                        Outcome::Accepted
                    }
                    _ => {
                        self.model.rejected.insert(message);
                        rejected("no")
                    }
                };
                let end = self.consumer;
                self.command(Command::Settle { end, key, outcome, confirm: None });
            }
            Step::Fly(most) => self.fly(most),
            Step::Answer(place, taken) => self.answer(place, taken),
            Step::Wait(wait_ms) => self.wait(wait_ms),
            Step::Write => self.kept.write(),
            Step::Read(pick) => drop(self.kept.read(pick)),
        }
        self.kept.owner.core.check();
    }

    /// Nothing is refused any more, and what consumers hold comes back: everything goes where it belongs.
    fn end(&mut self) {
        self.command(Command::Detach { end: self.consumer, mode: DetachMode::Lost });
        self.model.held.clear();
        self.consumer = self.kept.owner.consumer("q", None, Mode::Consume);
        for round in 0.. {
            assert!(round < 2_000, "it comes to an end");
            self.kept.write();
            self.wait(100);
            self.command(Command::Grant { end: self.consumer, credit: 10 });
            let read = self.kept.read(0);
            self.take_events();
            self.fly(FORWARDS_MAX);
            let flies = !self.model.under_way.is_empty();
            while !self.model.under_way.is_empty() {
                self.answer(0, true);
            }
            let waits = self.kept.owner.core.queue_views().any(|queue| queue.forwarding > 0);
            let owed = self.model.sent as usize - self.model.accepted.len() - self.model.there.len();
            if !read && !flies && !waits && self.model.held.len() == owed {
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens in whatever order, each message is at one place.
    #[test]
    fn each_message_is_at_one_place(steps in proptest::collection::vec(step(), 1..300)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.end();
        let Model { sent, expires, accepted, rejected, there, held, .. } = &run.model;
        let held: BTreeSet<u32> = held.iter().map(|(_, message)| *message).collect();
        for message in 0..*sent {
            let places = [accepted.contains(&message), there.contains_key(&message), held.contains(&message)];
            prop_assert_eq!(places.iter().filter(|&&at| at).count(), 1, "{} is at {:?}", message, places);
            if rejected.contains(&message) {
                prop_assert_eq!(there.get(&message).map(String::as_str), Some("dead"));
            } else if there.contains_key(&message) {
                prop_assert!(expires.contains(&message));
            }
        }
    }

    /// A subscription that ends in the middle of all that takes none of it away.
    #[test]
    fn what_is_to_go_goes_though_its_queue_ends(steps in proptest::collection::vec(step(), 1..200)) {
        let mut run = Run::subscribed();
        for step in steps {
            run.step(step);
        }
        run.unsubscribe();
        let Model { rejected, there, accepted, .. } = &run.model;
        prop_assert!(rejected.iter().all(|message| there.contains_key(message)));
        prop_assert!(!accepted.iter().any(|message| there.contains_key(message)));
        prop_assert_eq!(run.kept.owner.core.memory_bytes(), 0);
    }
}
