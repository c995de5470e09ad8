//! Messages that leave memory while consumers hold them, against a model and a journal that is a table.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::Recalled;
use crate::fact::Resident;
use crate::limits::{EXCLUSIONS_MAX, Storage};

/// Memory for some fifteen messages; those that are held leave it from four on.
pub const MEMORY: u64 = 2000;

/// An owner, and what a journal would have of its messages.
pub struct Kept {
    pub owner: Owner,
    messages: BTreeMap<u64, Message>,
    /// The names of what ever was.
    written: BTreeSet<u64>,
    /// What is there only, and in no consumer's hands yet.
    paged: VecDeque<u64>,
    recalls: Vec<(u64, Recalled)>,
    recalled: usize,
    /// What a read for a cursor keeps in memory, octets.
    pub browse_bytes: u64,
}

impl Kept {
    pub fn new() -> Self {
        Self::with(Layer::default())
    }

    /// The same with these settings of all addresses.
    pub fn with(layer: Layer) -> Self {
        let catalogue = Arc::new(Catalogue::of_all(layer));
        let config = CoreConfig { storage: Storage::Journal, memory_bytes: MEMORY, catalogue, ..CoreConfig::default() };
        let owner = Owner { core: Core::new(config), next_link: 0 };
        Self {
            owner,
            messages: BTreeMap::new(),
            written: BTreeSet::new(),
            paged: VecDeque::new(),
            recalls: Vec::new(),
            recalled: 0,
            browse_bytes: 1,
        }
    }

    pub fn send(&mut self, end: EndKey, delivery: u32) {
        // One in eight is not durable, and stored all the same when memory is short.
        let header = Header { durable: !delivery.is_multiple_of(8), ..Header::default() };
        let message = Message { header, ..numbered(delivery) };
        self.owner.core.handle_command(1, 1, Command::Deliver { end, delivery, settled: Settled::No, message });
    }

    /// Takes what the core has for the journal; everything is durable at once.
    pub fn write(&mut self) {
        let mut last = None;
        while let Some(fact) = self.owner.core.poll_fact() {
            match fact {
                Fact::Stored { number, targets, message } => {
                    for (target, name) in targets.as_slice().iter().zip(number..) {
                        self.messages.insert(name, message.clone());
                        self.written.insert(name);
                        if target.resident == Resident::No {
                            self.paged.push_back(name);
                        }
                        last = last.max(Some(name));
                    }
                }
                Fact::Acknowledged { number, .. } | Fact::Failed { number, .. } | Fact::Declared { number, .. } => {
                    last = last.max(Some(number));
                }
                Fact::Together(_) | Fact::Decided { .. } | Fact::Carried { .. } | Fact::Identified { .. } => {
                    unreachable!("there are no transactions and no ids here")
                }
                // Nobody reads for it any more.
                Fact::Deleted { queue, .. } => self.recalls.retain(|(of, _)| *of != queue),
            }
        }
        while let Some(name) = self.owner.core.poll_released() {
            assert!(self.messages.remove(&name).is_some(), "{name} is released once");
        }
        last.into_iter().for_each(|number| self.owner.core.handle_durable(number));
    }

    /// Reads one message of each kind that is wanted; `pick` says which of those that came back.
    pub fn read(&mut self, pick: usize) -> bool {
        let fetch = self.owner.core.poll_fetch();
        if let Some(fetch) = fetch {
            if let Some(name) = self.paged.pop_front() {
                let mut message = self.messages[&name].clone();
                message.header.first_acquirer = true;
                self.owner.core.handle_fetched(fetch.queue, [(name, message)]);
            }
            self.owner.core.handle_fetch_done(fetch.queue);
        }
        let mut browsed = false;
        while let Some(browse) = self.owner.core.poll_browse() {
            let names = self.paged.iter().skip(browse.skip as usize).take(3);
            let messages: Vec<_> = names.map(|name| (*name, self.messages[name].clone())).collect();
            if messages.is_empty() {
                // The journal has not heard of it yet.
                self.owner.core.postpone_browse(&browse);
                break;
            }
            self.owner.core.handle_browsed(&browse, messages, self.browse_bytes);
            browsed = true;
        }
        while let Some(recall) = self.owner.core.poll_recall() {
            self.recalls.extend(recall.messages.into_iter().map(|message| (recall.queue, message)));
        }
        // What the journal has not heard of yet is read when it has.
        let is_written = |(_, (_, recalled)): &(usize, &(u64, Recalled))| self.written.contains(&recalled.name);
        let readable: Vec<usize> = self.recalls.iter().enumerate().filter(is_written).map(|(place, _)| place).collect();
        if readable.is_empty() {
            return fetch.is_some() || browsed;
        }
        let (queue, Recalled { name, sequence }) = self.recalls.swap_remove(readable[pick % readable.len()]);
        let message = self.messages[&name].clone();
        self.owner.core.handle_recalled(queue, sequence, message);
        self.recalled += 1;
        true
    }

    /// Everything that comes until nothing more does.
    pub fn settle_down(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            self.write();
            let more = self.owner.events();
            let none = more.is_empty();
            events.extend(more);
            if !self.read(0) && none {
                return events;
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Grant(usize, u32),
    Settle(usize, u8),
    Reattach(usize),
    Write,
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Send),
        3 => (0..3_usize, 1..6_u32).prop_map(|(consumer, credit)| Step::Grant(consumer, credit)),
        3 => (0..64_usize, 0..6_u8).prop_map(|(held, outcome)| Step::Settle(held, outcome)),
        1 => (0..3_usize).prop_map(Step::Reattach),
        3 => Just(Step::Write),
        4 => (0..8_usize).prop_map(Step::Read),
    ]
}

/// What is known of the messages of one queue, by their numbers.
#[derive(Default)]
struct Model {
    sent: u32,
    done: BTreeSet<u32>,
    held: Vec<(usize, u64, u32)>,
    failures: BTreeMap<u32, u32>,
    excluded: BTreeSet<(EndKey, u32)>,
}

impl Model {
    fn deliver(&mut self, consumers: &[EndKey], consumer: usize, key: u64, message: &Message) {
        let number = number(message);
        assert!(!self.done.contains(&number), "{number} came again after it was done");
        assert!(self.held.iter().all(|held| held.2 != number), "{number} is with two consumers");
        let failures = self.failures.get(&number).copied().unwrap_or(0);
        assert_eq!(message.header.delivery_count, failures, "{number}");
        let excluded = |number: &u32| self.excluded.contains(&(consumers[consumer], *number));
        assert!(!excluded(&number), "{number} was not to come here again");
        if self.excluded.len() < EXCLUSIONS_MAX {
            let waits = |number: &u32| !self.done.contains(number) && self.held.iter().all(|held| held.2 != *number);
            let first = (0..self.sent).find(|number| waits(number) && !excluded(number));
            assert_eq!(first, Some(number), "the first one that waits");
        }
        self.held.push((consumer, key, number));
    }

    /// A consumer's connection is lost: what it held was delivered in vain.
    fn lose(&mut self, consumer: usize) {
        for (_, _, number) in self.held.extract_if(.., |held| held.0 == consumer) {
            *self.failures.entry(number).or_default() += 1;
        }
    }

    fn settle(&mut self, consumers: &[EndKey], index: usize, outcome: u8) -> Command {
        let (consumer, key, number) = self.held.remove(index % self.held.len());
        let (end, confirm) = (consumers[consumer], None);
        let outcome = match outcome {
            0 => Outcome::Released,
            1 => {
                *self.failures.entry(number).or_default() += 1;
                Outcome::Modified(Box::new(Modified { delivery_failed: true, ..Modified::default() }))
            }
            2 => {
                self.excluded.insert((end, number));
                Outcome::Modified(Box::new(Modified { undeliverable_here: true, ..Modified::default() }))
            }
            _ => {
                self.done.insert(number);
                if outcome == 3 { Outcome::Rejected(None) } else { Outcome::Accepted }
            }
        };
        Command::Settle { end, key, outcome, confirm }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Nothing is lost, nothing is with two consumers, whatever waits longest comes first, and memory is bounded.
    #[test]
    fn what_is_held_leaves_memory_and_comes_back_in_its_place(steps in proptest::collection::vec(step(), 1..400)) {
        let mut kept = Kept::new();
        let producer = kept.owner.producer("q", None);
        let mut consumers: Vec<EndKey> = (0..3).map(|_| kept.owner.consumer("q", None, Mode::Consume)).collect();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Send => {
                    kept.send(producer, model.sent);
                    model.sent += 1;
                }
                Step::Grant(consumer, credit) => {
                    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumers[consumer], credit });
                }
                Step::Settle(..) if model.held.is_empty() => {}
                Step::Settle(index, outcome) => {
                    let command = model.settle(&consumers, index, outcome);
                    kept.owner.core.handle_command(1, 1, command);
                }
                Step::Reattach(consumer) => {
                    model.lose(consumer);
                    let end = consumers[consumer];
                    kept.owner.core.handle_command(1, 1, Command::Detach { end, mode: DetachMode::Lost });
                    // It has no credit yet, and what comes meanwhile is for the others.
                    kept.owner.next_link += 1;
                    let link = LinkKey { shard: 0, generation: 0, slot: kept.owner.next_link };
                    kept.owner.core.handle_command(1, 1, consume(link, "q", None, Mode::Consume));
                    let attached = std::iter::from_fn(|| kept.owner.core.poll_event()).filter_map(|(_, event)| match event {
                        Event::Attached { end, .. } => Some(end),
                        _ => None,
                    });
                    consumers[consumer] = attached.last().expect("it is attached");
                }
                Step::Write => kept.write(),
                Step::Read(pick) => drop(kept.read(pick)),
            }
            for event in kept.owner.events() {
                if let Event::Deliver { key, message } = event {
                    let holds = |&consumer: &usize| kept.owner.core.holds(consumers[consumer], key);
                    let consumer = (0..3).find(holds).expect("somebody holds it");
                    model.deliver(&consumers, consumer, key, &message);
                }
            }
            prop_assert!(kept.owner.core.memory_bytes() <= 2 * MEMORY, "{}", kept.owner.core.memory_bytes());
        }
        consumers.iter().for_each(|&end| {
            kept.owner.core.handle_command(1, 1, Command::Detach { end, mode: DetachMode::Lost });
        });
        let last = kept.owner.consumer("q", None, Mode::Consume);
        kept.owner.core.handle_command(1, 1, Command::Grant { end: last, credit: 1000 });
        let left: Vec<u32> = deliveries(kept.settle_down()).into_iter().map(|delivery| delivery.1).collect();
        let owed: Vec<u32> = (0..model.sent).filter(|number| !model.done.contains(number)).collect();
        prop_assert_eq!(left, owed);
    }
}

/// Twenty messages, and a consumer that holds them all.
fn held() -> (Kept, EndKey, Vec<(u64, u32, u32)>) {
    let mut kept = Kept::new();
    let producer = kept.owner.producer("q", None);
    let consumer = kept.owner.consumer("q", None, Mode::Consume);
    (1..21).for_each(|number| kept.send(producer, number));
    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 20 });
    let held = deliveries(kept.settle_down());
    assert_eq!(held.len(), 20);
    let away = kept.owner.core.queue_views().next().map(|queue| queue.paged);
    assert!(away > Some(10) && kept.owner.core.memory_bytes() < MEMORY, "{away:?} are away");
    (kept, consumer, held)
}

#[test]
fn a_browser_waits_for_what_came_back() {
    let (mut kept, consumer, _) = held();
    kept.owner.core.handle_command(1, 1, Command::Detach { end: consumer, mode: DetachMode::Lost });
    let browser = kept.owner.consumer("q", None, Mode::Browse);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: browser, credit: 30 });
    kept.owner.core.handle_command(1, 1, Command::Drain { end: browser });
    let events = kept.settle_down();
    assert_eq!(events.last(), Some(&Event::Drained { unused: 10 }));
    let seen: Vec<u32> = deliveries(events).into_iter().map(|delivery| delivery.1).collect();
    assert_eq!(seen, (1..21).collect::<Vec<_>>());
    assert!(kept.recalled > 10);
}

#[test]
fn annotations_of_what_is_away_are_merged_when_it_comes_back_and_stay() {
    let (mut kept, consumer, held) = held();
    let &(key, number, _) = held.last().expect("it holds twenty");
    let mut key = key;
    let mut found = Vec::new();
    for (name, value) in [(b'a', 1), (b'b', 2)] {
        let modified =
            Modified { annotations: Some(annotations(name, value)), delivery_failed: true, ..Modified::default() };
        let outcome = Outcome::Modified(Box::new(modified));
        kept.owner.core.handle_command(1, 1, Command::Settle { end: consumer, key, outcome, confirm: None });
        found.push((name, value));
        key = kept_key(&mut kept, consumer, number, &found);
    }
}

/// Takes the message that came back, with what was put into it; gives its key.
fn kept_key(kept: &mut Kept, consumer: EndKey, wanted: u32, found: &[(u8, u8)]) -> u64 {
    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 1 });
    let events = kept.settle_down();
    let [Event::Deliver { key, message }] = &events[..] else { panic!("it comes again: {events:?}") };
    assert_eq!((number(message), annotated(message)), (wanted, found.to_vec()));
    *key
}

#[test]
fn a_queue_that_is_deleted_needs_nothing_that_is_away() {
    let mut kept = Kept::new();
    let spec = ConsumerSpec {
        routing: Some(RoutingType::Multicast),
        subscription: Some(Subscription {
            name: "s".into(),
            container: "c".into(),
            durability: Durability::Durable,
            sharing: Sharing::Exclusive,
        }),
        ..ConsumerSpec::of("t")
    };
    let link = LinkKey { shard: 0, generation: 0, slot: 99 };
    kept.owner.core.handle_command(1, 1, Command::AttachConsumer { link, spec: Box::new(spec) });
    let events = kept.settle_down();
    let [Event::Attached { end, .. }] = events[..] else { panic!("attached: {events:?}") };
    let producer = kept.owner.producer("t", Some(RoutingType::Multicast));
    (1..21).for_each(|number| kept.send(producer, number));
    kept.owner.core.handle_command(1, 1, Command::Grant { end, credit: 20 });
    assert_eq!(deliveries(kept.settle_down()).len(), 20);
    assert!(kept.messages.len() > 10, "durable messages are held");
    kept.owner.core.handle_command(1, 1, Command::Detach { end, mode: DetachMode::Close });
    kept.write();
    assert!(kept.messages.is_empty(), "{} are needed", kept.messages.len());
    assert_eq!(kept.owner.core.memory_bytes(), 0);
}

#[test]
fn keys_of_places_that_were_given_back_stay_stale() {
    let mut slab: crate::slab::Slab<_> = crate::slab::Slab::default();
    let keys: Vec<_> = (0..10_000).map(|number| slab.insert(number)).collect();
    keys.iter().for_each(|&key| assert!(slab.clear(key, |_| ()).is_some()));
    slab.release_places();
    let again: Vec<_> = (0..10_000).map(|number| slab.insert(number)).collect();
    assert!(keys.iter().all(|&key| slab.get(key).is_none()));
    assert!(again.iter().zip(0..).all(|(&key, number)| slab.get(key) == Some(&number)));
}
