//! What is held back for links that receive, against a model: a receiver that loses its connection at any time, beside another that takes
//! whatever there is.

use std::collections::BTreeMap;

use super::*;
use crate::JournalReport;
use crate::limits::LASTING_MAX;
use crate::resumption::{Decided, Keep, LastingConsumer, LinkName};

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

    fn attach_to_receive(&mut self, now_ns: u64, name: LinkName, decided: Decided) -> Vec<Event> {
        self.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: self.next_link };
        let lasting = Some(Box::new(LastingConsumer { name, keep: KEEP, decided }));
        let spec = Box::new(ConsumerSpec { lasting, ..ConsumerSpec::of("q") });
        self.at_time(now_ns, Command::AttachConsumer { link, spec })
    }

    /// A queue with messages of these numbers, whose link `l` holds the first `held` of them: its end, and their keys.
    fn holding(&mut self, numbers: std::ops::Range<u32>, held: u32) -> (EndKey, Vec<u64>) {
        let producer = self.producer("q", None);
        numbers.for_each(|number| drop(self.send(producer, number)));
        let events = self.attach_to_receive(1, name("l"), Decided::Nothing);
        let (end, holds_back) = attached(&events).expect("attached");
        assert!(holds_back);
        (end, self.grant(end, held).into_iter().map(|(key, ..)| key).collect())
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
    let decided = vec![(keys[0], Outcome::Accepted), (keys[2], Outcome::Rejected(None)), (77, Outcome::Accepted)];
    let events = owner.attach_to_receive(3, name("l"), Decided::These(decided));
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
        anew.attach_to_receive(3, name("l"), Decided::Nothing);
        assert_eq!(anew.others_get(), [(0, failures), (1, failures)]);

        let mut gone = owner(Storage::Memory);
        let (end, keys) = gone.holding(0..2, 2);
        gone.at_time(10, Command::Detach { end, mode });
        assert_eq!(gone.core.deadline(), Some(10 + kept_ns));
        gone.core.handle_deadline(9 + kept_ns, 1);
        assert_eq!(gone.others_get(), [], "its time has not come");
        gone.core.handle_deadline(10 + kept_ns, 1);
        assert_eq!((gone.others_get(), gone.core.deadline()), (vec![(0, failures), (1, failures)], None));
        let decided = Decided::These(vec![(keys[0], Outcome::Accepted)]);
        gone.attach_to_receive(11 + kept_ns, name("l"), decided);
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
    let events = owner.attach_to_receive(2, name("l"), Decided::These(vec![(keys[1], Outcome::Accepted)]));
    let [Event::Detached { refusal }, ..] = &events[..] else { panic!("{events:?}") };
    assert_eq!(refusal.condition, Condition::LinkStolen);
    owner.settle(old, keys[0], Outcome::Accepted);
    assert_eq!(owner.others_get(), [(0, 0)], "what comes from there still goes nowhere");
}

#[test]
fn a_further_link_is_one_like_all_others_and_who_looks_holds_nothing() {
    let mut owner = owner(Storage::Memory);
    for number in 0..LASTING_MAX {
        let events = owner.attach_to_receive(1, name(&number.to_string()), Decided::Nothing);
        assert_eq!(attached(&events).map(|(_, holds_back)| holds_back), Some(true));
    }
    let events = owner.attach_to_receive(1, name("more"), Decided::Nothing);
    let (end, holds_back) = attached(&events).expect("attached");
    assert!(!holds_back);
    let producer = owner.producer("q", None);
    owner.send(producer, 7);
    assert_eq!(owner.grant(end, 1).len(), 1);
    owner.at_time(1, Command::Detach { end, mode: DetachMode::Lost });
    assert_eq!(owner.others_get(), [(7, 1)]);
    let lasting = Some(Box::new(LastingConsumer { name: name("b"), keep: KEEP, decided: Decided::Nothing }));
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
        owner.attach_to_receive(3, name(&number.to_string()), Decided::Nothing);
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
    /// It attaches its link again, before its connection is known to be gone or after.
    Return { missed: bool },
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
        2 => any::<bool>().prop_map(|missed| Step::Return { missed }),
        1 => Just(Step::Rival),
    ]
}

const MESSAGES: u32 = 8;

struct Receiver {
    owner: Owner,
    end: Option<EndKey>,
    rival: EndKey,
    cut: bool,
    next_delivery: u32,
    /// What it has not settled: each message's number by key, and the delivery by which it awaits to hear of what it processed.
    has: BTreeMap<u64, (u32, Option<u32>)>,
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
        let undecided = self.has.iter().find(|(_, (_, said))| said.is_none()).map(|(key, (number, _))| (*key, *number));
        let Some((key, number)) = undecided else { return };
        *self.processed.entry(number).or_default() += 1;
        let delivery = self.next_delivery;
        self.next_delivery += 1;
        self.has.insert(key, (number, Some(delivery)));
        self.say(|end| Command::Settle { end, key, outcome: Outcome::Accepted, confirm: Some(delivery) });
    }

    fn hear(&mut self) {
        for event in std::mem::take(&mut self.heard) {
            match event {
                Event::Deliver { key, message } => drop(self.has.insert(key, (number(&message), None))),
                Event::Confirmed { delivery } => self.has.retain(|_, (_, said)| *said != Some(delivery)),
                // One that ended before it was told goes to a connection that is gone.
                Event::Attached { end, info } if self.owner.core.nodes.ends.get(crate::ends::key(end)).is_some() => {
                    assert_eq!(info.unsettled, Some(vec![]));
                    self.end = Some(end);
                    // The answer names none of it: all of it is settled.
                    self.has.clear();
                }
                _ => {}
            }
        }
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
            Step::Return { missed } => {
                self.cut = true;
                self.heard.clear();
                if let Some(end) = self.end.take().filter(|_| !missed) {
                    self.owner.at_time(1, Command::Detach { end, mode: DetachMode::Lost });
                }
                self.cut = false;
                // It gives up what it has not decided on.
                self.has.retain(|_, (_, said)| said.is_some());
                let decided = self.has.keys().map(|key| (*key, Outcome::Accepted)).collect();
                let events = self.owner.attach_to_receive(1, name("l"), Decided::These(decided));
                self.take(events);
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
            heard: Vec::new(),
            processed: BTreeMap::new(),
        };
        let begin = [Step::Write, Step::Return { missed: false }, Step::Hear];
        let end = [Step::Return { missed: false }, Step::Write, Step::Hear];
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
