//! What is held back for links that receive, against a model: a receiver that loses its connection at any time, beside another that takes
//! whatever there is.

use std::collections::BTreeMap;

use super::held::Kept;
use super::*;
use crate::JournalReport;
use crate::ends::{End, EndRole, key};
use crate::limits::LASTING_MAX;
use crate::resumption::{Keep, Known, LastingConsumer, LinkName, Rest, Tag};

const KEEP: Keep = Keep { detached_ns: 100, ended_ns: 50 };

fn name(link: &str) -> LinkName {
    let [user, container, address] = ["u", "c", "q"].map(str::to_owned);
    LinkName { user, container, link: link.to_owned(), address }
}

fn durable(number: u32) -> Message {
    Message { header: Header { durable: true, ..Header::default() }, ..numbered(number) }
}

fn owner(storage: Storage) -> Owner {
    Owner { core: Core::new(CoreConfig { storage, ..CoreConfig::default() }), next_link: 0 }
}

/// A map that names what was decided on, and nothing else.
fn decided(decided: Vec<(u64, Outcome)>) -> Known {
    Known::Named { decided, undecided: Vec::new(), rest: Rest::Released }
}

/// A map of what was not decided on.
fn undecided(undecided: &[u64], rest: Rest) -> Known {
    Known::Named { decided: Vec::new(), undecided: undecided.to_vec(), rest }
}

/// The keys that an answer names.
fn named(events: &[Event]) -> Vec<u64> {
    let unsettled = events.iter().find_map(|event| match event {
        Event::Attached { info, .. } => info.unsettled.as_deref(),
        _ => None,
    });
    let key = |(tag, outcome): &(Tag, Option<Outcome>)| {
        assert_eq!(*outcome, None);
        u64::from_be_bytes(tag.as_bytes().try_into().expect("eight octets"))
    };
    unsettled.expect("it outlives its connection").iter().map(key).collect()
}

fn attached(events: &[Event]) -> Option<(EndKey, bool)> {
    events.iter().find_map(|event| match event {
        Event::Attached { end, info } => Some((*end, info.unsettled.is_some())),
        _ => None,
    })
}

impl Owner {
    fn at_time(&mut self, now_ns: u64, command: Command) -> Vec<Event> {
        self.core.begin_turn(now_ns, 1);
        self.core.handle_command(now_ns, 1, command);
        self.events()
    }

    fn attach_to_receive(&mut self, now_ns: u64, name: LinkName, known: Known) -> Vec<Event> {
        self.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: self.next_link };
        let lasting = Some(Box::new(LastingConsumer { name, keep: KEEP, known }));
        let spec = Box::new(ConsumerSpec { lasting, ..ConsumerSpec::of("q") });
        self.at_time(now_ns, Command::AttachConsumer { link, spec })
    }

    /// A queue with messages of these numbers, whose link `l` holds the first `held` of them: its end, and their keys.
    fn holding(&mut self, numbers: std::ops::Range<u32>, held: u32) -> (EndKey, Vec<u64>) {
        let producer = self.producer("q", None);
        numbers.for_each(|number| drop(self.send(producer, number)));
        let events = self.attach_to_receive(1, name("l"), Known::Nothing);
        let (end, holds_back) = attached(&events).expect("attached");
        assert!(holds_back);
        (end, self.grant(end, held).into_iter().map(|(key, ..)| key).collect())
    }

    fn queue_has_rules(&self) -> bool {
        self.core.nodes.queues.iter().any(|(_, queue)| queue.consumers.has_rules())
    }

    /// The numbers of the messages that a further consumer gets, and how often each failed; it gives them back.
    fn others_get(&mut self) -> Vec<(u32, u32)> {
        let other = self.consumer("q", None, Mode::Consume);
        let got = self.grant(other, 100).into_iter().map(|(_, number, failures)| (number, failures)).collect();
        self.command(Command::Detach { end: other, mode: DetachMode::Close });
        got
    }
}

#[test]
fn what_its_peer_decided_on_is_so_and_the_rest_is_for_everybody() {
    let mut owner = owner(Storage::Memory);
    let (end, keys) = owner.holding(0..6, 4);
    owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
    assert_eq!(owner.others_get(), [(4, 0), (5, 0)], "nobody else gets what is held back");
    let said = vec![(keys[0], Outcome::Accepted), (keys[2], Outcome::Rejected(None)), (77, Outcome::Accepted)];
    let events = owner.attach_to_receive(3, name("l"), decided(said));
    assert_eq!(attached(&events).map(|(_, holds_back)| holds_back), Some(true));
    assert_eq!(owner.others_get(), [(1, 0), (3, 0), (4, 0), (5, 0)], "what came back was never failed");
    let totals: Vec<_> = owner.core.queue_views().map(|view| (view.messages, view.totals.acknowledged)).collect();
    assert_eq!(totals, [(4, 1)]);
}

#[test]
fn whoever_begins_anew_or_does_not_come_back_leaves_all_behind() {
    for (mode, kept_ns, failures) in [(DetachMode::Lost, KEEP.ended_ns, 1), (DetachMode::Suspend, KEEP.detached_ns, 0)]
    {
        let mut anew = owner(Storage::Memory);
        let (end, _) = anew.holding(0..2, 2);
        anew.at_time(2, Command::Detach { end, mode });
        anew.attach_to_receive(3, name("l"), Known::Nothing);
        assert_eq!(anew.others_get(), [(0, failures), (1, failures)]);

        let mut gone = owner(Storage::Memory);
        let (end, keys) = gone.holding(0..2, 2);
        gone.at_time(10, Command::Detach { end, mode });
        assert_eq!(gone.core.deadline(), Some(10 + kept_ns));
        gone.core.handle_deadline(9 + kept_ns, 1);
        assert_eq!(gone.others_get(), [], "its time has not come");
        gone.core.handle_deadline(10 + kept_ns, 1);
        assert_eq!((gone.others_get(), gone.core.deadline()), (vec![(0, failures), (1, failures)], None));
        let known = decided(vec![(keys[0], Outcome::Accepted)]);
        gone.attach_to_receive(11 + kept_ns, name("l"), known);
        assert_eq!(gone.core.queue_views().map(|view| view.messages).sum::<u64>(), 2, "it is another's by now");
    }
    let mut closed = owner(Storage::Memory);
    let (end, _) = closed.holding(0..2, 2);
    closed.at_time(2, Command::Detach { end, mode: DetachMode::Close });
    assert_eq!((closed.others_get(), closed.core.nodes.receivers.len()), (vec![(0, 0), (1, 0)], 0));
}

#[test]
fn a_link_that_is_attached_elsewhere_ends_there_and_is_resumed() {
    let mut owner = owner(Storage::Memory);
    let (old, keys) = owner.holding(0..2, 2);
    let events = owner.attach_to_receive(2, name("l"), decided(vec![(keys[1], Outcome::Accepted)]));
    let [Event::Detached { refusal }, ..] = &events[..] else { panic!("{events:?}") };
    assert_eq!(refusal.condition, Condition::LinkStolen);
    owner.settle(old, keys[0], Outcome::Accepted);
    assert_eq!(owner.others_get(), [(0, 0)], "what comes from there still goes nowhere");
}

#[test]
fn what_it_has_not_decided_on_comes_again_first_and_by_its_key() {
    let mut owner = owner(Storage::Memory);
    let (end, keys) = owner.holding(0..6, 4);
    owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
    // Out of order, and one that is none of it.
    let known = undecided(&[keys[2], 77, keys[0]], Rest::Released);
    let events = owner.attach_to_receive(3, name("l"), known);
    assert_eq!(named(&events), [keys[0], keys[2]]);
    let (end, _) = attached(&events).expect("attached");
    assert_eq!(owner.others_get(), [(1, 0), (3, 0), (4, 0), (5, 0)], "what it did not name is for everybody");
    assert_eq!(owner.grant(end, 1), [(keys[0], 0, 0)]);
    let got = owner.grant(end, 2);
    assert_eq!((got[0], got[1].1), ((keys[2], 2, 0), 1), "then what is new");
    assert!(!owner.queue_has_rules());
    owner.settle(end, keys[2], Outcome::Accepted);
    owner.settle(end, keys[0], Outcome::Released);
    assert_eq!(owner.others_get(), [(0, 0), (3, 0), (4, 0), (5, 0)]);
}

#[test]
fn what_comes_again_is_held_back_once_more_and_given_nobody_else() {
    let mut owner = owner(Storage::Memory);
    let (mut end, keys) = owner.holding(0..3, 3);
    for _ in 0..3 {
        owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
        let events = owner.attach_to_receive(3, name("l"), undecided(&keys, Rest::Released));
        assert_eq!(named(&events), keys);
        end = attached(&events).expect("attached").0;
        assert_eq!(owner.others_get(), []);
        assert_eq!(owner.grant(end, 1), [(keys[0], 0, 0)]);
    }
    owner.at_time(2, Command::Detach { end, mode: DetachMode::Close });
    assert_eq!(owner.others_get(), [(0, 0), (1, 0), (2, 0)]);
    assert!(!owner.queue_has_rules());
}

#[test]
fn who_could_not_name_all_gets_nothing_new_before_it_comes_again() {
    let mut owner = owner(Storage::Memory);
    let (end, keys) = owner.holding(0..6, 4);
    owner.at_time(2, Command::Detach { end, mode: DetachMode::Suspend });
    let known = undecided(&keys[..2], Rest::Stays);
    let events = owner.attach_to_receive(3, name("l"), known);
    assert_eq!(named(&events), keys[..2]);
    let (end, _) = attached(&events).expect("attached");
    assert_eq!(owner.grant(end, 10).len(), 2);
    let drained = owner.command(Command::Drain { end });
    assert!(matches!(drained[..], [Event::Drained { unused: 8 }]), "{drained:?}");
    assert_eq!(owner.others_get(), [(4, 0), (5, 0)], "what it did not name stays with it");
    owner.at_time(4, Command::Detach { end, mode: DetachMode::Suspend });
    let events = owner.attach_to_receive(5, name("l"), undecided(&keys[2..], Rest::Released));
    assert_eq!(named(&events), keys[2..]);
    assert_eq!(owner.others_get(), [(0, 0), (1, 0), (4, 0), (5, 0)]);
}

#[test]
fn what_has_left_memory_is_for_everybody_and_the_answer_does_not_name_it() {
    let mut kept = Kept::new();
    let producer = kept.owner.producer("q", None);
    (1..21).for_each(|number| kept.send(producer, number));
    let events = kept.owner.attach_to_receive(1, name("l"), Known::Nothing);
    let (end, _) = attached(&events).expect("attached");
    kept.owner.core.handle_command(1, 1, Command::Grant { end, credit: 20 });
    let keys: Vec<u64> = deliveries(kept.settle_down()).into_iter().map(|(key, ..)| key).collect();
    assert_eq!(keys.len(), 20);
    kept.owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
    let events = kept.owner.attach_to_receive(3, name("l"), undecided(&keys, Rest::Released));
    let (named, (end, _)) = (named(&events), attached(&events).expect("attached"));
    assert!((1..10).contains(&named.len()), "{} stayed in memory", named.len());
    kept.owner.core.handle_command(3, 1, Command::Grant { end, credit: 20 });
    let came: Vec<u64> = deliveries(kept.settle_down()).into_iter().map(|(key, ..)| key).collect();
    assert_eq!((came.len(), &came[..named.len()]), (20, &named[..]), "then the others, as what is new");
    assert!(came[named.len()..].iter().all(|key| !keys.contains(key)));
}

#[test]
fn what_it_holds_comes_again_beside_the_one_consumer_of_an_exclusive_queue() {
    let layer = Layer { exclusive: Some(true), ..Layer::default() };
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let (end, keys) = owner.holding(0..3, 1);
    owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
    let sole = owner.consumer("q", None, Mode::Consume);
    assert_eq!(owner.grant(sole, 1).len(), 1);
    let events = owner.attach_to_receive(3, name("l"), undecided(&keys, Rest::Released));
    let (end, _) = attached(&events).expect("attached");
    assert_eq!(owner.grant(end, 9), [(keys[0], 0, 0)], "and nothing new");
    assert_eq!(owner.grant(sole, 1).len(), 1);
}

#[test]
fn who_is_given_again_what_it_holds_is_no_slower_and_no_faster_for_that() {
    let mut owner = owner(Storage::Memory);
    let (end, keys) = owner.holding(0..3, 3);
    owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
    let events = owner.attach_to_receive(3, name("l"), undecided(&keys[..2], Rest::Stays));
    let (end, _) = attached(&events).expect("attached");
    let settled = |owner: &Owner| {
        let Some(End { role: EndRole::Consumer(consumer), .. }) = owner.core.nodes.ends.get(key(end)) else {
            panic!("it is a consumer")
        };
        let queue = owner.core.nodes.queues.get(consumer.queue).expect("its queue");
        consumer.pace.granted - u64::from(consumer.credit) - queue.held_by(key(end)).len() as u64
    };
    assert_eq!(settled(&owner), 0);
    owner.grant(end, 5);
    assert_eq!(settled(&owner), 0);
    owner.settle(end, keys[0], Outcome::Accepted);
    assert_eq!(settled(&owner), 1);
}

#[test]
fn a_link_that_is_refused_finds_what_was_held_for_it_when_it_comes_again() {
    let layer = Layer { max_consumers: Some(1), ..Layer::default() };
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let (end, keys) = owner.holding(0..3, 2);
    owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
    let other = owner.consumer("q", None, Mode::Consume);
    let events = owner.attach_to_receive(3, name("l"), undecided(&keys[..1], Rest::Stays));
    assert!(matches!(events[..], [Event::Refused { .. }]), "{events:?}");
    assert_eq!(owner.grant(other, 9).len(), 1, "what is held back is not its");
    owner.command(Command::Detach { end: other, mode: DetachMode::Close });
    let events = owner.attach_to_receive(4, name("l"), undecided(&keys, Rest::Released));
    assert_eq!(named(&events), keys);
}

#[test]
fn a_queue_that_would_go_stays_for_the_link_that_is_attached_again() {
    for names_it in [true, false] {
        let mut owner = owner(Storage::Memory);
        let producer = owner.producer("q", None);
        owner.send(producer, 0);
        let events = owner.attach_to_receive(1, name("l"), Known::Nothing);
        let (end, _) = attached(&events).expect("attached");
        let key = owner.grant(end, 1)[0].0;
        owner.at_time(2, Command::Detach { end: producer, mode: DetachMode::Close });
        owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
        // It is all that there was, and nobody else is there.
        let said = if names_it { vec![(key, Outcome::Accepted)] } else { Vec::new() };
        let events = owner.attach_to_receive(3, name("l"), decided(said));
        let (end, _) = attached(&events).expect("an answer");
        assert_eq!(owner.grant(end, 1).len(), usize::from(!names_it));
        let producer = owner.producer("q", None);
        owner.send(producer, 1);
        assert_eq!(owner.core.queue_views().map(|view| view.consumers).sum::<u64>(), 1);
    }
}

#[test]
fn what_is_resumed_is_left_behind_by_a_link_that_is_refused_or_looks_only() {
    let mut refused = owner(Storage::Memory);
    let (end, keys) = refused.holding(0..2, 2);
    refused.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
    let (name, known) = (name("l"), undecided(&keys, Rest::Stays));
    let lasting = Some(Box::new(LastingConsumer { name, keep: KEEP, known }));
    let spec = ConsumerSpec { lasting, selector: Some("no selector".into()), ..ConsumerSpec::of("q") };
    let link = LinkKey { shard: 0, generation: 0, slot: 100_000 };
    let mut looks = ConsumerSpec { selector: None, mode: Mode::Browse, ..spec.clone() };
    let events = refused.command(Command::AttachConsumer { link, spec: Box::new(spec) });
    assert!(matches!(events[..], [Event::Refused { .. }]), "{events:?}");
    assert_eq!(refused.others_get(), [], "nothing was said of what is held back");
    looks.lasting.as_mut().expect("it is").known = undecided(&keys, Rest::Stays);
    refused.command(Command::AttachConsumer { link, spec: Box::new(looks) });
    assert_eq!(refused.others_get(), [(0, 0), (1, 0)]);
}

#[test]
fn a_further_link_is_one_like_all_others_and_who_looks_holds_nothing() {
    let mut owner = owner(Storage::Memory);
    for number in 0..LASTING_MAX {
        let events = owner.attach_to_receive(1, name(&number.to_string()), Known::Nothing);
        assert_eq!(attached(&events).map(|(_, holds_back)| holds_back), Some(true));
    }
    let events = owner.attach_to_receive(1, name("more"), Known::Nothing);
    let (end, holds_back) = attached(&events).expect("attached");
    assert!(!holds_back);
    let producer = owner.producer("q", None);
    owner.send(producer, 7);
    assert_eq!(owner.grant(end, 1).len(), 1);
    owner.at_time(1, Command::Detach { end, mode: DetachMode::Lost });
    assert_eq!(owner.others_get(), [(7, 1)]);
    let lasting = Some(Box::new(LastingConsumer { name: name("b"), keep: KEEP, known: Known::Nothing }));
    let spec = ConsumerSpec { lasting, mode: Mode::Browse, ..ConsumerSpec::of("q") };
    let link = LinkKey { shard: 0, generation: 0, slot: 100_000 };
    let events = owner.command(Command::AttachConsumer { link, spec: Box::new(spec) });
    assert_eq!(attached(&events).map(|(_, holds_back)| holds_back), Some(false));
}

#[test]
fn where_there_is_no_room_the_one_goes_whose_time_comes_first() {
    let mut owner = owner(Storage::Memory);
    let (end, _) = owner.holding(0..1, 1);
    owner.at_time(2, Command::Detach { end, mode: DetachMode::Lost });
    for number in 0..LASTING_MAX {
        assert_eq!(owner.others_get(), [], "there is room for {number}");
        owner.attach_to_receive(3, name(&number.to_string()), Known::Nothing);
    }
    assert_eq!((owner.others_get(), owner.core.nodes.receivers.len()), (vec![(0, 1)], LASTING_MAX));
}

/// What a receiver does, or what happens to it.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It takes a message.
    Take,
    /// It processes a message, and says so.
    Process,
    /// It hears that what it said is certain.
    Hear,
    /// The disk has all.
    Write,
    /// What it says goes nowhere from now on, and what it is told is lost.
    Cut,
    /// It attaches its link again, before its connection is known to be gone or after, and names all that it has or the half of it.
    Return { missed: bool, rest: Rest },
    /// Another one takes and processes a message.
    Rival,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Take),
        4 => Just(Step::Process),
        2 => Just(Step::Hear),
        2 => Just(Step::Write),
        1 => Just(Step::Cut),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(missed, all)| Step::Return {
            missed,
            rest: if all { Rest::Released } else { Rest::Stays },
        }),
        1 => Just(Step::Rival),
    ]
}

const MESSAGES: u32 = 8;

/// What a receiver knows of a message that it has not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Undecided,
    /// It is to be sent once more before anything can be said of it.
    Again,
    /// It processed it, and awaits to hear of this delivery.
    Said(u32),
    /// It processed it, and could not say so yet.
    Unsaid,
}

struct Receiver {
    owner: Owner,
    end: Option<EndKey>,
    rival: EndKey,
    cut: bool,
    next_delivery: u32,
    /// What it has not settled: each message's number by key.
    has: BTreeMap<u64, (u32, Stage)>,
    /// What it named when it attached its link last.
    names: Vec<u64>,
    /// Set while it may be sent nothing new.
    resumes_only: bool,
    heard: Vec<Event>,
    processed: BTreeMap<u32, usize>,
}

impl Receiver {
    fn take(&mut self, events: Vec<Event>) {
        if !self.cut {
            self.heard.extend(events);
        }
    }

    fn say(&mut self, command: impl FnOnce(EndKey) -> Command) {
        if let Some(end) = self.end.filter(|_| !self.cut) {
            let events = self.owner.at_time(1, command(end));
            self.take(events);
        }
    }

    fn process(&mut self) {
        let is_undecided = |(_, (_, stage)): &(&u64, &(u32, Stage))| *stage == Stage::Undecided;
        let Some((&key, &(number, _))) = self.has.iter().find(is_undecided) else { return };
        *self.processed.entry(number).or_default() += 1;
        let delivery = self.next_delivery;
        self.next_delivery += 1;
        self.has.insert(key, (number, Stage::Said(delivery)));
        self.say(|end| Command::Settle { end, key, outcome: Outcome::Accepted, confirm: Some(delivery) });
    }

    fn hear(&mut self) {
        for event in std::mem::take(&mut self.heard) {
            match event {
                Event::Deliver { key, message } => {
                    let before = self.has.insert(key, (number(&message), Stage::Undecided));
                    let is_again = before == Some((number(&message), Stage::Again));
                    assert!(is_again || (before.is_none() && !self.resumes_only), "{key:x}: {before:?}");
                }
                Event::Confirmed { delivery } => self.has.retain(|_, (_, stage)| *stage != Stage::Said(delivery)),
                // One that ended before it was told goes to a connection that is gone.
                Event::Attached { end, ref info }
                    if self.owner.core.nodes.ends.get(crate::ends::key(end)).is_some() =>
                {
                    assert!(info.unsettled.is_some());
                    self.end = Some(end);
                    let named = named(std::slice::from_ref(&event));
                    // What it named and the answer does not is settled, or given up.
                    let names = std::mem::take(&mut self.names);
                    self.has.retain(|key, _| named.contains(key) || !names.contains(key));
                    assert!(named.iter().all(|key| self.has.get(key).is_some_and(|(_, stage)| *stage == Stage::Again)));
                }
                _ => {}
            }
        }
    }

    /// Attaches its link; what it does not name it has if `rest` stays.
    fn come_back(&mut self, rest: Rest) {
        let all = self.has.len();
        let count = if rest == Rest::Stays { all / 2 } else { all };
        for (_, stage) in self.has.values_mut() {
            *stage = match *stage {
                Stage::Undecided | Stage::Again => Stage::Again,
                Stage::Said(_) | Stage::Unsaid => Stage::Unsaid,
            };
        }
        let (mut decided, mut undecided) = (Vec::new(), Vec::new());
        for (&key, &(_, stage)) in self.has.iter().take(count) {
            match stage {
                Stage::Unsaid => decided.push((key, Outcome::Accepted)),
                _ => undecided.push(key),
            }
        }
        self.names = self.has.keys().take(count).copied().collect();
        self.resumes_only = rest == Rest::Stays;
        let events = self.owner.attach_to_receive(1, name("l"), Known::Named { decided, undecided, rest });
        self.take(events);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Take => self.say(|end| Command::Grant { end, credit: 1 }),
            Step::Process => self.process(),
            Step::Hear => self.hear(),
            Step::Write => {
                let last = self.owner.core.journal.numbers.last();
                self.owner.core.handle_journal(JournalReport::Durable(last));
                let events = self.owner.events();
                self.take(events);
            }
            Step::Cut => {
                self.cut = true;
                self.heard.clear();
            }
            Step::Return { missed, rest } => {
                self.cut = true;
                self.heard.clear();
                if let Some(end) = self.end.take().filter(|_| !missed) {
                    self.owner.at_time(1, Command::Detach { end, mode: DetachMode::Lost });
                }
                self.cut = false;
                self.come_back(rest);
            }
            Step::Rival => {
                let rival = self.rival;
                for (key, number, _) in self.owner.grant(rival, 1) {
                    *self.processed.entry(number).or_default() += 1;
                    self.owner.settle(rival, key, Outcome::Accepted);
                }
                self.owner.command(Command::Drain { end: rival });
            }
        }
        // Facts are told, as each turn does.
        while self.owner.core.poll_fact().is_some() {}
    }
}

proptest! {
    #[test]
    fn what_a_receiver_processed_nobody_processes_again(steps in proptest::collection::vec(step(), 1..60)) {
        let mut owner = owner(Storage::Journal);
        let producer = owner.producer("q", None);
        for delivery in 0..MESSAGES {
            let message = durable(delivery);
            owner.command(Command::Deliver { end: producer, delivery, settled: Settled::No, message });
        }
        let rival = owner.consumer("q", None, Mode::Consume);
        let mut receiver = Receiver {
            owner,
            end: None,
            rival,
            cut: true,
            next_delivery: 0,
            has: BTreeMap::new(),
            names: Vec::new(),
            resumes_only: false,
            heard: Vec::new(),
            processed: BTreeMap::new(),
        };
        let returns = Step::Return { missed: false, rest: Rest::Released };
        let begin = [Step::Write, returns, Step::Hear];
        let end = [returns, Step::Write, Step::Hear, Step::Write];
        let all = [Step::Take, Step::Hear, Step::Process, Step::Write, Step::Hear];
        let rest = (0..MESSAGES).flat_map(|_| all);
        for step in begin.into_iter().chain(steps).chain(end).chain(rest) {
            receiver.step(step);
        }
        for message in 0..MESSAGES {
            let count = receiver.processed.get(&message).copied().unwrap_or(0);
            prop_assert_eq!(count, 1, "message {}", message);
        }
    }
}
