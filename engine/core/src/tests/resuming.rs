//! Links that are attached again, against a model: a sender that loses its connection at any time, and what it then resumes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::*;
use crate::JournalReport;
use crate::limits::{LASTING_MAX, UNSETTLED_MAX};
use crate::resumption::{Keep, Lasting, LinkName, Resumed, Settling, Tag, TaggedDelivery};

const KEEP: Keep = Keep { detached_ns: 100, ended_ns: 50 };

fn name(link: &str) -> LinkName {
    let [user, container, address] = ["u", "c", "q"].map(str::to_owned);
    LinkName { user, container, link: link.to_owned(), address }
}

fn tag(number: u8) -> Tag {
    Tag::new(&[number]).expect("it is short")
}

fn these(tags: impl IntoIterator<Item = u8>) -> Resumed {
    Resumed::Unsettled(tags.into_iter().map(tag).collect())
}

fn durable(number: u32) -> Message {
    Message { header: Header { durable: true, ..Header::default() }, ..numbered(number) }
}

fn owner(storage: Storage) -> Owner {
    Owner { core: Core::new(CoreConfig { storage, ..CoreConfig::default() }), next_link: 0 }
}

/// What is known of a link from before: tags, and whether they were accepted.
type Known = Vec<(u8, bool)>;

fn known(unsettled: &Option<Vec<(Tag, Option<Outcome>)>>) -> Option<Known> {
    let of = |(tag, outcome): &(Tag, Option<Outcome>)| (tag.as_bytes()[0], *outcome == Some(Outcome::Accepted));
    let mut known: Known = unsettled.as_ref()?.iter().map(of).collect();
    known.sort_unstable();
    Some(known)
}

fn told(events: &[Event]) -> Option<(EndKey, Option<Known>)> {
    events.iter().find_map(|event| match event {
        Event::Attached { end, info } => Some((*end, known(&info.unsettled))),
        _ => None,
    })
}

impl Owner {
    fn at(&mut self, now_ns: u64, command: Command) -> Vec<Event> {
        self.core.begin_turn(now_ns, 1);
        self.core.handle_command(now_ns, 1, command);
        self.events()
    }

    fn attach_at(&mut self, now_ns: u64, name: LinkName, settling: Settling, resumed: Resumed) -> Vec<Event> {
        self.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: self.next_link };
        let address = name.address.clone();
        let lasting = Some(Box::new(Lasting { name, settling, keep: KEEP, resumed }));
        let spec = Box::new(ProducerSpec { lasting, ..ProducerSpec::of(address) });
        self.at(now_ns, Command::AttachProducer { link, spec })
    }

    /// Attaches the link `l`; gives its end and what is known of it.
    fn lasting(&mut self, settling: Settling, resumed: Resumed) -> (EndKey, Option<Known>) {
        let events = self.attach_at(1, name("l"), settling, resumed);
        told(&events).expect("attached")
    }

    fn tagged(&mut self, end: EndKey, delivery: u32, number: u8, message: Message) -> Vec<Event> {
        let settled = Settled::No;
        let tagged = TaggedDelivery { end, delivery, settled, tag: tag(number), message };
        self.at(1, Command::DeliverTagged(Box::new(tagged)))
    }

    fn detach_at(&mut self, now_ns: u64, end: EndKey, mode: DetachMode) -> Vec<Event> {
        self.at(now_ns, Command::Detach { end, mode })
    }

    /// The messages that were put into queues, by the journal.
    fn stored(&mut self) -> Vec<u32> {
        let facts: Vec<Fact> = std::iter::from_fn(|| self.core.poll_fact()).collect();
        let stored = |fact: Fact| match fact {
            Fact::Stored { message, .. } => Some(number(&message)),
            _ => None,
        };
        facts.into_iter().filter_map(stored).collect()
    }

    fn written(&mut self) -> Vec<Event> {
        let last = self.core.journal.numbers.last();
        self.core.handle_journal(JournalReport::Durable(last));
        self.events()
    }
}

fn accepted(delivery: u32) -> Event {
    Event::Settled { first: delivery, last: delivery, outcome: Outcome::Accepted }
}

#[test]
fn what_was_not_told_when_the_connection_went_is_known_when_the_link_comes_back() {
    let mut owner = owner(Storage::Journal);
    let (end, known) = owner.lasting(Settling::First, Resumed::Afresh);
    assert_eq!(known, Some(vec![]));
    owner.tagged(end, 0, 7, durable(0));
    owner.written();
    assert_eq!(owner.tagged(end, 1, 8, durable(1)), [], "it is not written");
    owner.detach_at(2, end, DetachMode::Lost);
    let events = owner.attach_at(3, name("l"), Settling::First, these([7, 8, 9]));
    assert_eq!(told(&events), None, "what the answer names has its outcome: it waits for the disk");
    let events = owner.written();
    let (end, known) = told(&events).expect("attached");
    assert_eq!(known, Some(vec![(8, true)]), "of what it was told it settled before, as it does here");
    let resume = |delivery, settled, number| Command::Resume { end, delivery, settled, tag: tag(number) };
    assert_eq!(owner.at(4, resume(5, Settled::No, 8)), [accepted(5)]);
    assert_eq!(owner.at(4, resume(6, Settled::No, 8)), [], "it is settled");
    assert_eq!(owner.at(4, resume(7, Settled::No, 9)), [], "nobody knows it");
    assert_eq!(owner.stored(), [0, 1]);
}

#[test]
fn a_detach_is_answered_behind_what_became_of_deliveries() {
    let mut owner = owner(Storage::Journal);
    let (end, _) = owner.lasting(Settling::First, Resumed::Afresh);
    owner.tagged(end, 0, 7, durable(0));
    assert_eq!(owner.detach_at(2, end, DetachMode::Suspend), [], "it is not written");
    assert_eq!(owner.written(), [accepted(0), Event::Ended]);
    let (end, known) = owner.lasting(Settling::First, these([]));
    assert_eq!(known, Some(vec![]), "its sender knows all of it");
    assert_eq!(owner.detach_at(2, end, DetachMode::Close), [Event::Ended], "nothing is to be waited for");
    let end = owner.consumer("q", None, Mode::Consume);
    assert_eq!(owner.at(3, Command::Detach { end, mode: DetachMode::Suspend }), [Event::Ended]);
    let end = owner.consumer("q", None, Mode::Consume);
    assert_eq!(owner.at(3, Command::Detach { end, mode: DetachMode::Lost }), [], "nobody waits");
}

#[test]
fn what_a_receiver_decided_on_is_confirmed_before_its_link_has_ended() {
    let mut owner = owner(Storage::Journal);
    let producer = owner.producer("q", None);
    let deliver =
        |delivery| Command::Deliver { end: producer, delivery, settled: Settled::Yes, message: durable(delivery) };
    (0..2).for_each(|delivery| drop(owner.at(1, deliver(delivery))));
    owner.stored();
    owner.written();
    let consumer = owner.consumer("q", None, Mode::Consume);
    let got = owner.grant(consumer, 1);
    let [(key, ..)] = got[..] else { panic!("one: {got:?}") };
    let outcome = Outcome::Accepted;
    owner.at(1, Command::Settle { end: consumer, key, outcome, confirm: Some(5) });
    owner.at(1, Command::Grant { end: consumer, credit: 0 });
    assert_eq!(owner.at(1, Command::Detach { end: consumer, mode: DetachMode::Close }), []);
    owner.stored();
    assert_eq!(owner.written(), [Event::Confirmed { delivery: 5 }, Event::Ended]);
}

#[test]
fn where_the_sender_settles_last_it_is_known_until_it_has() {
    let mut owner = owner(Storage::Memory);
    let (end, _) = owner.lasting(Settling::Second, Resumed::Afresh);
    for delivery in 0..5 {
        let number = u8::try_from(delivery).expect("few");
        assert_eq!(owner.tagged(end, delivery, number, numbered(delivery)), [accepted(delivery)]);
    }
    owner.at(1, Command::Forget { end, first: 1, last: 2 });
    owner.detach_at(1, end, DetachMode::Suspend);
    let (end, known) = owner.lasting(Settling::Second, these(0..=4));
    assert_eq!(known, Some(vec![(0, true), (3, true), (4, true)]));
    owner.detach_at(1, end, DetachMode::Lost);
    let (end, known) = owner.lasting(Settling::Second, these([0, 4]));
    assert_eq!(known, Some(vec![(0, true), (4, true)]), "what the sender does not name it has settled");
    let delivery = u32::MAX;
    assert_eq!(owner.at(1, Command::Resume { end, delivery, settled: Settled::No, tag: tag(4) }), [accepted(delivery)]);
    owner.at(1, Command::Resume { end, delivery: 0, settled: Settled::Yes, tag: tag(0) });
    owner.detach_at(1, end, DetachMode::Lost);
    let (end, known) = owner.lasting(Settling::Second, these([0, 4]));
    assert_eq!(known, Some(vec![(4, true)]), "it is settled neither by being resumed");
    owner.detach_at(1, end, DetachMode::Close);
    assert_eq!(owner.lasting(Settling::Second, these([4])).1, Some(vec![]), "closed");
}

#[test]
fn a_tag_that_is_used_again_means_what_came_last() {
    let mut owner = owner(Storage::Memory);
    let (end, _) = owner.lasting(Settling::Second, Resumed::Afresh);
    owner.tagged(end, 0, 1, numbered(0));
    owner.tagged(end, 1, 2, numbered(1));
    owner.detach_at(1, end, DetachMode::Lost);
    let (end, known) = owner.lasting(Settling::Second, these([1, 2]));
    assert_eq!(known.map(|known| known.len()), Some(2));
    owner.tagged(end, 0, 3, numbered(2));
    owner.detach_at(1, end, DetachMode::Lost);
    let (_, known) = owner.lasting(Settling::Second, these([1, 2, 3]));
    assert_eq!(known, Some(vec![(3, true)]), "who goes on is done with what was before");
}

#[test]
fn a_refusal_is_known_as_one() {
    let layer = Layer { max_messages: Some(1), when_full: Some(WhenFull::Refuse), ..Layer::default() };
    let catalogue = Arc::new(Catalogue::of_all(layer));
    let mut owner = Owner { core: Core::new(CoreConfig { catalogue, ..CoreConfig::default() }), next_link: 0 };
    let (end, _) = owner.lasting(Settling::Second, Resumed::Afresh);
    let mut refused = 0;
    for delivery in 0..4 {
        let events = owner.tagged(end, delivery, u8::try_from(delivery).expect("few"), numbered(delivery));
        refused += usize::from(!events.contains(&accepted(delivery)));
    }
    owner.detach_at(1, end, DetachMode::Lost);
    let known = owner.lasting(Settling::Second, these(0..4)).1.expect("it is kept");
    assert_eq!((known.len(), known.iter().filter(|(_, accepted)| !accepted).count()), (4, refused));
    assert!(refused > 0);
}

#[test]
fn a_link_that_is_attached_elsewhere_ends_there() {
    let mut owner = owner(Storage::Memory);
    let (old, _) = owner.lasting(Settling::Second, Resumed::Afresh);
    owner.tagged(old, 0, 1, numbered(0));
    let events = owner.attach_at(1, name("l"), Settling::Second, these([1, 2]));
    let [Event::Detached { refusal }, ..] = &events[..] else { panic!("{events:?}") };
    assert_eq!(refusal.condition, Condition::LinkStolen);
    assert_eq!(told(&events).expect("attached").1, Some(vec![(1, true)]));
    assert_eq!(owner.tagged(old, 1, 2, numbered(1)), [], "what comes from there still goes nowhere");
    assert_eq!(owner.core.queue_views().map(|view| view.messages).sum::<u64>(), 1);
    owner.detach_at(1, old, DetachMode::Lost);
    let mut other = name("l");
    other.user = "other".to_owned();
    let events = owner.attach_at(1, other, Settling::Second, these([1]));
    assert_eq!(told(&events).expect("attached").1, Some(vec![]), "nobody finds the links of others");
}

#[test]
fn what_is_left_is_kept_as_long_as_the_target_asks_for() {
    for (mode, kept_ns) in [(DetachMode::Suspend, KEEP.detached_ns), (DetachMode::Lost, KEEP.ended_ns)] {
        for late in [0, 1] {
            let mut owner = owner(Storage::Memory);
            let (end, _) = owner.lasting(Settling::Second, Resumed::Afresh);
            owner.tagged(end, 0, 1, numbered(0));
            owner.detach_at(10, end, mode);
            assert_eq!(owner.core.deadline(), Some(10 + kept_ns));
            let events = owner.attach_at(9 + kept_ns + late, name("l"), Settling::Second, these([1]));
            let wanted = if late == 0 { vec![(1, true)] } else { vec![] };
            assert_eq!(told(&events).expect("attached").1, Some(wanted), "{mode:?}");
        }
        let mut owner = owner(Storage::Memory);
        let (end, _) = owner.lasting(Settling::Second, Resumed::Afresh);
        owner.tagged(end, 0, 1, numbered(0));
        owner.detach_at(10, end, mode);
        owner.core.handle_deadline(10 + kept_ns, 1);
        assert_eq!((owner.core.nodes.senders.len(), owner.core.deadline()), (0, None), "nothing is left of it");
    }
    let mut owner = owner(Storage::Memory);
    let (end, _) = owner.lasting(Settling::Second, Resumed::Afresh);
    owner.detach_at(10, end, DetachMode::Lost);
    assert_eq!(owner.core.nodes.senders.len(), 0, "there is nothing to be found");
}

#[test]
fn what_is_kept_of_a_link_and_how_many_there_are_is_bounded() {
    let mut owner = owner(Storage::Memory);
    let (end, _) = owner.lasting(Settling::Second, Resumed::Afresh);
    let tag_of = |number: u32| Tag::new(&number.to_be_bytes()).expect("it is short");
    let count = u32::try_from(UNSETTLED_MAX).expect("it is small") + 10;
    for delivery in 0..count {
        let (settled, message) = (Settled::No, numbered(delivery));
        let tagged = TaggedDelivery { end, delivery, settled, tag: tag_of(delivery), message };
        owner.core.handle_command(1, 1, Command::DeliverTagged(Box::new(tagged)));
    }
    owner.detach_at(1, end, DetachMode::Lost);
    let all: HashSet<Tag> = (0..count).map(tag_of).collect();
    let events = owner.attach_at(1, name("l"), Settling::Second, Resumed::Unsettled(all));
    let info = events.iter().find_map(|event| match event {
        Event::Attached { info, .. } => info.unsettled.clone(),
        _ => None,
    });
    let named: HashSet<Tag> = info.expect("it is kept").into_iter().map(|(tag, _)| tag).collect();
    assert_eq!(named.len(), UNSETTLED_MAX);
    assert!(!named.contains(&tag_of(9)) && named.contains(&tag_of(10)), "the oldest are forgotten");

    for number in 1..LASTING_MAX {
        let events = owner.attach_at(2, name(&number.to_string()), Settling::First, Resumed::Afresh);
        assert_eq!(told(&events).expect("attached").1, Some(vec![]));
    }
    let events = owner.attach_at(2, name("more"), Settling::First, Resumed::Afresh);
    let (end, known) = told(&events).expect("attached");
    assert_eq!(known, None, "it does not outlive its connection");
    assert_eq!(owner.tagged(end, 0, 1, numbered(0)), [accepted(0)], "and is one like all others");
}

/// What a sender does, or what happens to it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    /// It takes what it was told.
    Hear,
    /// The disk has all.
    Write,
    /// What it says goes nowhere from now on, and what it is told is lost.
    Cut,
    /// It attaches its link again, before its connection is known to be gone or after.
    Return {
        missed: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Send),
        3 => Just(Step::Hear),
        2 => Just(Step::Write),
        1 => Just(Step::Cut),
        2 => any::<bool>().prop_map(|missed| Step::Return { missed }),
    ]
}

/// A sender that keeps to the specification, and uses tags again as soon as it may.
struct Sender {
    owner: Owner,
    settling: Settling,
    end: Option<EndKey>,
    cut: bool,
    next_delivery: u32,
    next_message: u32,
    next_tag: u8,
    free: BTreeSet<u8>,
    /// Messages that it has not settled, by tag: the number of each, and of its delivery.
    unsettled: BTreeMap<u8, (u32, u32)>,
    heard: Vec<Event>,
    stored: BTreeMap<u32, usize>,
}

impl Sender {
    fn take(&mut self, events: Vec<Event>) {
        if !self.cut {
            self.heard.extend(events);
        }
        for number in self.owner.stored() {
            *self.stored.entry(number).or_default() += 1;
        }
    }

    fn say(&mut self, command: impl FnOnce(EndKey) -> Command) {
        if let Some(end) = self.end.filter(|_| !self.cut) {
            let events = self.owner.at(1, command(end));
            self.take(events);
        }
    }

    fn send(&mut self, number: u8, message: u32) {
        let delivery = self.next_delivery;
        self.next_delivery += 1;
        self.unsettled.insert(number, (message, delivery));
        let (settled, tag, message) = (Settled::No, tag(number), durable(message));
        self.say(|end| Command::DeliverTagged(Box::new(TaggedDelivery { end, delivery, settled, tag, message })));
    }

    fn hear(&mut self) {
        for event in std::mem::take(&mut self.heard) {
            match event {
                Event::Settled { first, last, outcome: Outcome::Accepted } => {
                    let is_told = |delivery: u32| (first..=last).contains(&delivery);
                    let told = self.unsettled.iter().filter(|(_, (_, delivery))| is_told(*delivery));
                    for number in told.map(|(number, _)| *number).collect::<Vec<_>>() {
                        let (_, delivery) = self.unsettled.remove(&number).expect("it is there");
                        if self.settling == Settling::Second {
                            self.say(|end| Command::Forget { end, first: delivery, last: delivery });
                        }
                        // The receiver may not hear of it.
                        if !(self.cut && self.settling == Settling::Second) {
                            self.free.insert(number);
                        }
                    }
                }
                Event::Attached { end, info } => {
                    self.end = Some(end);
                    let known = known(&info.unsettled).expect("there is room");
                    for (number, _) in &known {
                        // Its tag is not used again: who knows whether that is heard.
                        self.unsettled.remove(number);
                        let (delivery, settled, tag) = (self.next_delivery, Settled::Yes, tag(*number));
                        self.next_delivery += 1;
                        self.say(|end| Command::Resume { end, delivery, settled, tag });
                    }
                    for (number, (message, _)) in self.unsettled.clone() {
                        self.send(number, message);
                    }
                }
                _ => {}
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send if self.end.is_some() => {
                let number = self.free.pop_first().unwrap_or_else(|| {
                    self.next_tag += 1;
                    self.next_tag
                });
                self.next_message += 1;
                self.send(number, self.next_message);
            }
            Step::Send => {}
            Step::Hear => self.hear(),
            Step::Write => {
                let events = self.owner.written();
                self.take(events);
            }
            Step::Cut => {
                self.cut = true;
                self.heard.clear();
            }
            Step::Return { missed } => {
                (self.cut, self.next_delivery) = (true, 0);
                self.heard.clear();
                if let Some(end) = self.end.take().filter(|_| !missed) {
                    let events = self.owner.detach_at(1, end, DetachMode::Lost);
                    self.take(events);
                }
                self.cut = false;
                let resumed = these(self.unsettled.keys().copied());
                let events = self.owner.attach_at(1, name("l"), self.settling, resumed);
                self.take(events);
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_and_where_the_sender_settles_last_nothing_comes_twice(
        steps in proptest::collection::vec(step(), 1..60),
        second in any::<bool>(),
    ) {
        let settling = if second { Settling::Second } else { Settling::First };
        let mut sender = Sender {
            owner: owner(Storage::Journal),
            settling,
            end: None,
            cut: true,
            next_delivery: 0,
            next_message: 0,
            next_tag: 0,
            free: BTreeSet::new(),
            unsettled: BTreeMap::new(),
            heard: Vec::new(),
            stored: BTreeMap::new(),
        };
        let end = [Step::Return { missed: false }, Step::Write, Step::Hear, Step::Write, Step::Hear];
        for step in [Step::Return { missed: false }, Step::Hear].into_iter().chain(steps).chain(end) {
            sender.step(step);
        }
        prop_assert!(sender.unsettled.is_empty(), "{:?}", sender.unsettled);
        for message in 1..=sender.next_message {
            let count = sender.stored.get(&message).copied().unwrap_or(0);
            prop_assert!(count >= 1, "message {} is lost", message);
            prop_assert!(!second || count == 1, "message {} came {} times", message, count);
        }
    }
}
