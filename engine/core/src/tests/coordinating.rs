//! Transactions about queues of several owners: all do their parts, or none does, whatever comes in between.

use std::collections::BTreeMap;

use engine_catalogue::Placement;

use super::*;
use crate::command::{Part, Publish, Retired, Searched};
use crate::fact::{DecisionId, Share, TRANSACTIONS};
use crate::key::Port;
use crate::resumption::{Keep, Known, LastingConsumer, LinkName, Rest};
use crate::step::{Committer, Resumed, Step, Undone};

/// The coordinator's link, of the shard 0.
const BY: Committer =
    Committer { link: LinkKey { shard: 0, generation: 1, slot: 7 }, delivery: 5, settled: Settled::No };

/// Owners that tell each other steps, and their journals.
struct Net {
    owners: Vec<Owner>,
    /// Facts that are written, and not on stable storage: those of each owner.
    written: Vec<Vec<Fact>>,
    /// Steps on their way, each to its owner.
    steps: std::collections::VecDeque<(u16, Step)>,
    /// What links heard.
    heard: Vec<(LinkKey, Event)>,
}

impl Net {
    fn new(storage: Storage, layer: Layer) -> Self {
        let owners: Vec<Owner> = (0..3)
            .map(|shard| {
                let catalogue = Arc::new(Catalogue::new(Placement::new(3)).with_all(layer.clone()));
                let core = Core::new(CoreConfig { shard, storage, catalogue, ..CoreConfig::default() });
                Owner { core, next_link: 0 }
            })
            .collect();
        let written = owners.iter().map(|_| Vec::new()).collect();
        Self { owners, written, steps: std::collections::VecDeque::new(), heard: Vec::new() }
    }

    /// A queue of an owner.
    fn queue(&self, owner: u16) -> String {
        let catalogue = self.owners[0].core.catalogue();
        catalogue.name_owned_by(owner, |n| format!("q{n}")).expect("there are many names")
    }

    fn listen(&mut self) {
        for owner in &mut self.owners {
            owner.core.check();
            while let Some((link, event)) = owner.core.poll_event() {
                match event {
                    Event::Step(step) => {
                        assert_eq!(link.port(), Port::Shard);
                        self.steps.push_back((link.shard, *step));
                    }
                    event => self.heard.push((link, event)),
                }
            }
        }
    }

    /// Takes one step; gives whether there was one.
    fn step(&mut self) -> bool {
        self.listen();
        let Some((owner, step)) = self.steps.pop_front() else { return false };
        self.owners[usize::from(owner)].core.handle_step(step);
        self.listen();
        true
    }

    fn run(&mut self) {
        while self.step() {}
    }

    /// Facts that an owner has for its journal, which it knows to be on stable storage afterwards.
    fn keep(&mut self, owner: usize) -> Vec<Fact> {
        let core = &mut self.owners[owner].core;
        let mut facts = Vec::new();
        while let Some(request) = core.poll_journal() {
            if let crate::JournalRequest::Fact(fact) = request {
                facts.push(fact);
            }
        }
        let last = core.journal.numbers.last();
        core.handle_durable(last);
        self.written[owner].extend(facts.iter().cloned());
        facts
    }

    fn keep_all(&mut self) {
        loop {
            let facts: usize = (0..self.owners.len()).map(|owner| self.keep(owner).len()).sum();
            self.run();
            if facts == 0 {
                return;
            }
        }
    }

    fn commit(&mut self, parts: BTreeMap<u16, Part>) {
        let steps = self.owners[0].core.coordinate(BY, parts);
        self.steps.extend(steps);
    }

    /// What whoever committed was told.
    fn answer(&mut self) -> Option<Outcome> {
        self.listen();
        let place = self.heard.iter().position(|(link, _)| *link == BY.link)?;
        match self.heard.remove(place).1 {
            Event::Settled { first: 5, last: 5, outcome } => Some(outcome),
            other => panic!("{other:?}"),
        }
    }

    fn messages(&self, owner: u16) -> u64 {
        let queue = self.queue(owner);
        let views = self.owners[usize::from(owner)].core.queue_views();
        views.filter(|view| *view.name == *queue).map(|view| view.messages).sum()
    }

    /// A message of an owner's queue that a consumer holds.
    fn hold(&mut self, owner: u16, message: Message) -> (EndKey, u64) {
        let queue = self.queue(owner);
        let at = &mut self.owners[usize::from(owner)];
        let producer = at.producer(&queue, None);
        at.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::Yes, message });
        self.keep(usize::from(owner));
        let at = &mut self.owners[usize::from(owner)];
        let consumer = at.consumer(&queue, None, Mode::Consume);
        let [(key, ..)] = at.grant(consumer, 1)[..] else { panic!("it is there") };
        (consumer, key)
    }

    fn send(&self, owner: u16, message: Message) -> (u16, Part) {
        (owner, Part { sends: vec![Publish::of(self.queue(owner), message)], ..Part::default() })
    }

    /// That nothing is left of any transaction.
    fn check_idle(&mut self) {
        self.keep_all();
        for owner in &self.owners {
            let transactions = &owner.core.transactions;
            assert_eq!(transactions.committing(), 0);
            assert!(transactions.prepared.is_idle(), "{transactions:?}");
        }
        // Of each decision and note that was written it is written that it is not needed.
        for facts in &self.written {
            let mut left = std::collections::BTreeSet::new();
            let mut queue = 0;
            for fact in facts.iter().flat_map(|fact| match fact {
                Fact::Together(facts) => facts.to_vec(),
                fact => vec![fact.clone()],
            }) {
                match fact {
                    Fact::Declared { declared, .. } if declared.address == TRANSACTIONS => queue = declared.queue,
                    Fact::Decided { number, .. } | Fact::Carried { number, .. } => assert!(left.insert(number)),
                    Fact::Acknowledged { queue: of, first, .. } if of == queue => assert!(left.remove(&first)),
                    _ => {}
                }
            }
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

fn durable(number: u32) -> Message {
    Message { header: Header { durable: true, ..Header::default() }, ..numbered(number) }
}

fn accepts(end: EndKey, key: u64) -> Vec<Retired> {
    vec![Retired { end, key, outcome: Outcome::Accepted, confirm: None }]
}

#[test]
fn parts_of_several_owners_are_all_done() {
    let mut net = Net::new(Storage::Memory, Layer::default());
    // What is durable has no journal here that would have to be waited for.
    let (end, key) = net.hold(2, durable(1));
    let parts = BTreeMap::from([
        net.send(0, durable(2)),
        net.send(1, durable(3)),
        (2, Part { retired: accepts(end, key), ..Part::default() }),
    ]);
    net.commit(parts);
    assert_eq!(net.answer(), None, "nobody was asked yet");
    net.run();
    assert_eq!(net.answer(), Some(Outcome::Accepted));
    assert_eq!([0, 1, 2].map(|owner| net.messages(owner)), [1, 1, 0]);
    net.check_idle();
}

#[test]
fn what_one_owner_refuses_no_owner_does() {
    let layer = Layer { max_messages: Some(1), when_full: Some(WhenFull::Refuse), ..Layer::default() };
    for full in 0..3 {
        let mut net = Net::new(Storage::Journal, layer.clone());
        let taken = if full == 2 { 1 } else { 2 };
        let (end, key) = net.hold(taken, durable(1));
        let queue = net.queue(full);
        let owner = &mut net.owners[usize::from(full)];
        let producer = owner.producer(&queue, None);
        (0..5).for_each(|delivery| drop(owner.send(producer, delivery)));
        let before = net.messages(full);
        let other = 3 - full - taken;
        let parts = BTreeMap::from([
            net.send(full, durable(2)),
            net.send(other, durable(3)),
            (taken, Part { retired: accepts(end, key), ..Part::default() }),
        ]);
        net.commit(parts);
        net.run();
        let Some(Outcome::Rejected(Some(refusal))) = net.answer() else { panic!("it is refused") };
        assert_eq!(refusal.condition, Condition::TransactionRollback);
        assert!(refusal.description.contains("is full"), "{refusal:?}");
        assert_eq!([full, other, taken].map(|owner| net.messages(owner)), [before, 0, 1]);
        let again = net.owners[usize::from(taken)].grant(end, 1);
        assert!(matches!(again[..], [(_, 1, 1)]), "it is there again, and failed: {again:?}");
        net.check_idle();
    }
}

#[test]
fn nothing_is_done_before_the_decision_is_on_stable_storage_and_it_is_forgotten_when_all_is() {
    let mut net = Net::new(Storage::Journal, Layer::default());
    let (end, key) = net.hold(1, durable(1));
    let parts = BTreeMap::from([
        net.send(0, durable(2)),
        (1, Part { retired: accepts(end, key), ..Part::default() }),
        net.send(2, durable(3)),
    ]);
    net.commit(parts);
    net.run();
    assert_eq!(net.messages(2), 0, "the decision is not on stable storage");
    let facts = net.keep(0);
    let [.., Fact::Together(together)] = &facts[..] else { panic!("{facts:?}") };
    let Some(Fact::Decided { number, shares, .. }) = together.last() else { panic!("{together:?}") };
    assert!(together.iter().any(|fact| matches!(fact, Fact::Stored { .. })), "with the coordinator's own part");
    assert_eq!(
        shares.iter().map(|share| (share.owner, share.sends.len(), share.marks.len())).collect::<Vec<_>>(),
        [(1, 0, 1), (2, 1, 0)]
    );
    let number = *number;
    net.run();
    assert_eq!(net.answer(), Some(Outcome::Accepted), "all is done, and would be after a crash");
    assert_eq!([0, 1, 2].map(|owner| net.messages(owner)), [1, 0, 1]);
    assert_eq!(net.keep(0), [], "the decision stays until owners have what they did on stable storage");
    for owner in [1, 2] {
        let facts = net.keep(owner);
        let [Fact::Together(together)] = &facts[..] else { panic!("{facts:?}") };
        let Some(Fact::Carried { decision, .. }) = together.last() else { panic!("{together:?}") };
        assert_eq!(*decision, DecisionId { shard: 0, name: number });
    }
    net.run();
    let facts = net.keep(0);
    assert!(matches!(facts[..], [Fact::Acknowledged { first, .. }] if first == number), "{facts:?}");
    net.run();
    net.check_idle();
}

#[test]
fn a_link_that_ends_meanwhile_ends_behind_it() {
    let mut net = Net::new(Storage::Journal, Layer::default());
    let (end, key) = net.hold(1, durable(1));
    let parts = BTreeMap::from([net.send(2, durable(3)), (1, Part { retired: accepts(end, key), ..Part::default() })]);
    net.commit(parts);
    // Both are asked, and the link ends before it is decided.
    assert!(net.step() && net.step());
    net.owners[1].core.handle_command(1, 1, Command::Detach { end, mode: DetachMode::Lost });
    net.run();
    net.keep_all();
    assert_eq!(net.answer(), Some(Outcome::Accepted));
    assert_eq!([1, 2].map(|owner| net.messages(owner)), [0, 1]);
    assert!(net.owners[1].core.nodes.ends.get(crate::ends::key(end)).is_none(), "and then it ends");
    net.check_idle();
}

/// Attaches a durable subscription, for which all owners were asked, and gives it credit; gives its end and the keys of what it is shown.
fn subscribe(owner: &mut Owner, address: &str) -> (EndKey, Vec<u64>) {
    let subscription = Subscription {
        name: "s".into(),
        container: "c".into(),
        durability: Durability::Durable,
        sharing: Sharing::Exclusive,
    };
    let spec = ConsumerSpec {
        routing: Some(RoutingType::Multicast),
        subscription: Some(subscription),
        searched: Searched { cleared: 3, ..Searched::default() },
        ..ConsumerSpec::of(address)
    };
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    let events = owner.command(Command::AttachConsumer { link, spec: Box::new(spec) });
    let end = events.iter().find_map(|event| if let Event::Attached { end, .. } = event { Some(*end) } else { None });
    let end = end.expect("it is attached");
    (end, owner.grant(end, 9).into_iter().map(|(key, ..)| key).collect())
}

#[test]
fn a_subscription_that_is_attached_anew_is_not_given_what_a_transaction_is_to_end() {
    let mut net = Net::new(Storage::Memory, Layer::default());
    let topic = net.queue(1);
    subscribe(&mut net.owners[1], &topic);
    let producer = net.owners[1].producer(&topic, None);
    (0..2).for_each(|delivery| drop(net.owners[1].send(producer, delivery)));
    let (end, keys) = subscribe(&mut net.owners[1], &topic);
    assert_eq!(keys.len(), 2);
    let retired = accepts(end, keys[0]);
    let parts = BTreeMap::from([net.send(2, numbered(3)), (1, Part { retired, ..Part::default() })]);
    net.commit(parts);
    // Both are asked, and the container comes back before it is decided.
    assert!(net.step() && net.step());
    let (_, again) = subscribe(&mut net.owners[1], &topic);
    assert!(again.is_empty(), "what the old link had stays with it until then: {again:?}");
    net.run();
    assert_eq!(net.answer(), Some(Outcome::Accepted));
    assert_eq!(net.messages(2), 1);
    assert!(net.owners[1].core.nodes.ends.get(crate::ends::key(end)).is_none(), "and then the old one ends");
    let (_, again) = subscribe(&mut net.owners[1], &topic);
    assert_eq!(again.len(), 1, "what was accepted does not come again, the other one does");
    net.check_idle();
}

/// Attaches a link that outlives its connection, and gives it credit; gives its end and the keys of what it is shown.
fn attach_again(owner: &mut Owner, address: &str, known: Known) -> (EndKey, Vec<u64>) {
    let [user, container, link] = ["u", "c", "l"].map(str::to_owned);
    let name = LinkName { user, container, link, address: address.to_owned() };
    let keep = Keep { detached_ns: 100, ended_ns: 100 };
    let lasting = Some(Box::new(LastingConsumer { name, keep, known }));
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    let spec = ConsumerSpec { lasting, ..ConsumerSpec::of(address) };
    let events = owner.command(Command::AttachConsumer { link, spec: Box::new(spec) });
    let end = events.iter().find_map(|event| if let Event::Attached { end, .. } = event { Some(*end) } else { None });
    let end = end.expect("it is attached");
    (end, owner.grant(end, 9).into_iter().map(|(key, ..)| key).collect())
}

#[test]
fn a_link_that_is_attached_again_meanwhile_knows_nothing_of_what_the_old_one_held() {
    let mut net = Net::new(Storage::Memory, Layer::default());
    let address = net.queue(1);
    let producer = net.owners[1].producer(&address, None);
    (0..2).for_each(|delivery| drop(net.owners[1].send(producer, delivery)));
    let (old, keys) = attach_again(&mut net.owners[1], &address, Known::Nothing);
    assert_eq!(keys.len(), 2);
    let parts =
        BTreeMap::from([net.send(2, numbered(3)), (1, Part { retired: accepts(old, keys[0]), ..Part::default() })]);
    net.commit(parts);
    // Both are asked, and the peer comes back before it is decided.
    assert!(net.step() && net.step());
    let known = Known::Named { decided: Vec::new(), undecided: keys.clone(), rest: Rest::Released };
    let (new, again) = attach_again(&mut net.owners[1], &address, known);
    assert!(again.is_empty(), "what the old one had stays with it until then: {again:?}");
    net.run();
    assert_eq!(net.answer(), Some(Outcome::Accepted));
    assert!(net.owners[1].core.nodes.ends.get(crate::ends::key(old)).is_none(), "and then the old one ends");
    // The new one has a life of its own, and what the old one had not settled is for everybody, once.
    net.owners[1].command(Command::Detach { end: new, mode: DetachMode::Lost });
    net.owners[1].core.handle_deadline(1_000, 1);
    let other = net.owners[1].consumer(&address, None, Mode::Consume);
    let got: Vec<u32> = net.owners[1].grant(other, 9).into_iter().map(|(_, number, _)| number).collect();
    assert_eq!(got, [1]);
}

#[test]
fn an_address_that_was_made_for_it_stays_as_long() {
    let mut net = Net::new(Storage::Memory, Layer::default());
    let parts = BTreeMap::from([net.send(1, numbered(1)), net.send(2, numbered(2))]);
    net.commit(parts);
    assert!(net.step() && net.step());
    let queue = net.queue(1);
    // Whoever looks there meanwhile and goes leaves it.
    let owner = &mut net.owners[1];
    let producer = owner.producer(&queue, None);
    owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
    assert_eq!(owner.core.counts(), (0, 1));
    net.run();
    assert_eq!(net.answer(), Some(Outcome::Accepted));
    assert_eq!([1, 2].map(|owner| net.messages(owner)), [1, 1]);
    net.check_idle();
}

#[test]
fn after_a_crash_owners_do_what_they_have_not_done() {
    let mut net = Net::new(Storage::Journal, Layer::default());
    let queue = net.queue(2);
    let share = Share { owner: 2, sends: vec![Publish::of(queue, durable(3))], marks: Vec::new() };
    let decision = DecisionId { shard: 0, name: 40 };
    let undone = Undone { transaction: 1, name: 40, owners: vec![1, 2], unkept: 1 };
    let resumed = [
        Resumed { decisions: vec![undone], ..Resumed::default() },
        Resumed { notes: vec![((0, 1), 17)], stale: vec![9], ..Resumed::default() },
        Resumed { shares: vec![((0, 1), decision, share)], ..Resumed::default() },
    ];
    for (owner, resumed) in net.owners.iter_mut().zip(resumed) {
        owner.core.transactions.queue = Some(3);
        owner.core.resume_transactions(resumed);
    }
    let facts = net.keep(1);
    assert!(matches!(facts[..], [Fact::Acknowledged { queue: 3, first: 9, .. }]), "{facts:?}");
    assert_eq!(net.keep(0), []);
    let facts = net.keep(2);
    let [Fact::Together(together)] = &facts[..] else { panic!("{facts:?}") };
    assert!(matches!(together.last(), Some(Fact::Carried { decision: of, .. }) if *of == decision));
    assert_eq!(net.messages(2), 1);
    net.run();
    let facts = net.keep(0);
    assert!(matches!(facts[..], [Fact::Acknowledged { queue: 3, first: 40, .. }]), "{facts:?}");
    net.run();
    let facts = net.keep(1);
    assert!(matches!(facts[..], [Fact::Acknowledged { queue: 3, first: 17, .. }]), "{facts:?}");
    assert!(net.owners.iter().all(|owner| owner.core.transactions.prepared.is_idle()));
}
