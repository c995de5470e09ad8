//! The owner of addresses and queues: commands in, events out.
//!
//! The road of a message: `handle_deliver` finds the queues of its address, `Queue::push` orders it, `accept` acknowledges it
//! (`producer`; once the journal has it, if it is durable: `durability`), `dispatch` gives it to a consumer with credit (`consumer`).
//!
//! Guarantees:
//! 1. Dispatch is deferred to `poll_delivery` and bounded: one message a call; queues that have some take turns.
//! 2. Keys of links that are gone are recognised and ignored.
//! 3. What left a queue is made good here once, whatever the reason (`apply`): memory is given back, and the journal hears of it.
//!
//! In each turn: `begin_turn`, then commands in their order, then `poll_event` and `poll_delivery` until both have nothing, then
//! `poll_journal` (`exchange`). `deadline` says when the next turn is due if nothing happens.

use std::collections::VecDeque;

use engine_catalogue::Catalogue;

use crate::agenda::{Deadlines, Due, Now};
use crate::command::{Command, Outcome};
use crate::commits::Transactions;
use crate::containers::Containers;
use crate::cursor::Cursors;
use crate::ends::{End, EndRole, key};
use crate::event::{Event, KEY_NONE, Shown};
use crate::flights::Flights;
use crate::journaling::Journaling;
use crate::key::LinkKey;
use crate::limits::{CoreConfig, DISPATCH_BYTES, RELEASE_MAX};
use crate::memory::Memory;
use crate::message::Message;
use crate::nodes::Nodes;
use crate::plain::Plain;
use crate::queue::{Left, News};
use crate::slab::Key;
use crate::versions::Versions;
use crate::waiting::Waiting;

/// Whose turn it is to give something away.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Queues that may have something to give.
    queues: VecDeque<Key>,
    /// Octets of messages that the first of them may give before it is the next one's turn.
    pub quantum: u64,
    /// Producers with `accepted` ranges to tell.
    pub telling: VecDeque<Key>,
    /// The last delivery, if its message leaves memory once it was looked at: nobody settles it, or memory is short.
    pub shown: Option<Shown>,
    /// Its message, if a cursor has it and the queue has not, or a consumer is shown another one than the queue has.
    pub copy: Option<Message>,
    /// Queues whose consumers have more to look at: in the next turn.
    pub again: Vec<Key>,
}

impl Turns {
    /// A queue may have something to give; to be told once until it is at the front and taken out.
    #[inline]
    pub fn insert(&mut self, queue: Key) {
        self.queues.push_back(queue);
    }

    /// A message of so many octets was given; `sheds`: what is shown leaves memory.
    #[inline]
    pub fn note_shown(&mut self, delivery: &Shown, bytes: u64, sheds: bool) {
        self.quantum = self.quantum.saturating_sub(bytes);
        if sheds || delivery.key == KEY_NONE {
            self.shown = Some(*delivery);
        }
    }
}

/// Subscriptions that links make.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// How many got a name made up, so far.
    pub named: u64,
    /// Queues of what addresses keep that are still read, and subscriptions that are to get it then.
    pub late: Vec<(Key, Key)>,
}

/// Addresses and queues of one shard.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) nodes: Nodes,
    pub(crate) events: VecDeque<(LinkKey, Event)>,
    pub(crate) turns: Turns,
    pub(crate) memory: Memory,
    pub(crate) now: Now,
    pub(crate) deadlines: Deadlines,
    pub(crate) waiting: Waiting,
    pub(crate) journal: Journaling,
    pub(crate) cursors: Cursors,
    pub(crate) flights: Flights,
    pub(crate) versions: Versions,
    pub(crate) transactions: Transactions,
    pub(crate) containers: Containers,
    pub(crate) subscriptions: Subscriptions,
}

impl Core {
    /// An owner of what the catalogue declares.
    #[must_use]
    pub fn new(config: CoreConfig) -> Self {
        let (queues, telling) = (VecDeque::new(), VecDeque::new());
        let mut core = Self {
            nodes: Nodes::new(config.nodes_max, Plain::resident_max(&config)),
            memory: Memory::new(&config),
            config,
            events: VecDeque::new(),
            turns: Turns { queues, quantum: DISPATCH_BYTES, telling, shown: None, copy: None, again: Vec::new() },
            now: Now::default(),
            deadlines: Deadlines::default(),
            waiting: Waiting::default(),
            journal: Journaling::default(),
            cursors: Cursors::default(),
            flights: Flights::default(),
            versions: Versions::default(),
            transactions: Transactions::default(),
            containers: Containers::default(),
            subscriptions: Subscriptions::default(),
        };
        core.make_declared();
        core.know_declared_patterns();
        core
    }

    /// What administrators say, as this owner knows it.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.config.catalogue
    }

    /// Does what the home of a link asks.
    #[inline]
    pub fn handle_command(&mut self, now_ns: u64, wall_ms: u64, command: Command) {
        self.now = Now { ns: now_ns, wall_ms };
        match command {
            Command::Deliver { end, delivery, settled, message } => {
                self.handle_deliver(now_ns, wall_ms, end, delivery, settled, message);
            }
            Command::DeliverTagged(tagged) => self.deliver_tagged(*tagged),
            Command::Resume { end, delivery, settled, tag } => self.resume(end, delivery, settled, tag),
            Command::Forget { end, first, last } => self.forget_settled(end, first, last),
            Command::Settle { end, key: held, outcome, confirm } => self.handle_settle(end, held, outcome, confirm),
            Command::Accept { end, count, keys } => {
                for &held in keys.iter().take(usize::from(count)) {
                    self.handle_accepted(end, held);
                }
            }
            Command::Grant { end, credit } => self.grant(key(end), credit),
            Command::Revoke { end, credit } => self.revoke(key(end), credit),
            Command::Drain { end } => self.drain(key(end)),
            named @ (Command::Publish { .. } | Command::AttachProducer { .. } | Command::AttachConsumer { .. }) => {
                self.handle_named(named);
            }
            Command::Detach { end, mode } => self.detach(key(end), mode),
            Command::Transact { link, delivery, settled, part } => self.transact(link, delivery, settled, *part),
            Command::Claim { link, spec } => self.claim(link, *spec),
            Command::MoveClaim { claim, link } => self.move_claim(key(claim), link),
            Command::DropClaim { claim } => self.drop_claim(key(claim)),
        }
    }

    /// The next notice, and the link that it is for.
    #[inline]
    pub fn poll_event(&mut self) -> Option<(LinkKey, Event)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let end = self.turns.telling.pop_front()?;
            if let Some(End { link, role: EndRole::Producer(producer) }) = self.nodes.ends.get_mut(end)
                && let Some((first, last)) = producer.accepted.take()
            {
                return Some((*link, Event::Settled { first, last, outcome: Outcome::Accepted }));
            }
        }
    }

    /// The next message for a consumer with credit, and its link. There may be new notices when there is none.
    #[inline]
    pub fn poll_delivery(&mut self) -> Option<(LinkKey, Shown)> {
        if let Some(shown) = self.turns.shown.take() {
            self.handle_shown(&shown);
        }
        loop {
            let &queue = self.turns.queues.front()?;
            if let Some(delivery) = self.dispatch(queue) {
                if self.turns.quantum == 0 {
                    self.turns.queues.rotate_left(1);
                    self.turns.quantum = DISPATCH_BYTES;
                    self.release_credit(queue);
                }
                return Some(delivery);
            }
            self.turns.queues.pop_front();
            self.turns.quantum = DISPATCH_BYTES;
            if let Some(queue) = self.nodes.queues.get_mut(queue) {
                queue.end_turn();
            }
            self.note_waiting(queue);
            self.release_credit(queue);
            self.collect(queue);
        }
    }

    /// What was shown leaves memory, and the queue if nobody settles it.
    #[inline]
    fn handle_shown(&mut self, shown: &Shown) {
        let Some(queue) = self.nodes.queues.get_mut(shown.queue) else { return };
        let left = if shown.key == KEY_NONE { queue.leave_shown(shown.entry) } else { queue.shed(shown.key) };
        self.apply(shown.queue, left);
    }

    /// Makes good what left a queue.
    #[inline]
    pub(crate) fn apply(&mut self, queue: Key, left: Left) {
        self.memory.give_back(left.bytes);
        self.hear(queue, left.news);
    }

    /// Notes that the journal is to hear of a queue.
    #[inline]
    pub(crate) fn hear(&mut self, queue: Key, news: News) {
        if news == News::First {
            self.journal.outbox.note_left(queue);
        }
    }

    /// The message of the delivery that was polled last.
    ///
    /// # Panics
    /// When it is an older one.
    #[inline]
    #[must_use]
    pub fn message(&self, delivery: &Shown) -> &Message {
        let entry = self.nodes.queues.get(delivery.queue).and_then(|queue| queue.entry(delivery.entry));
        let message = entry.map(|entry| &entry.message).or(self.turns.copy.as_ref());
        message.expect("a delivery is looked at before anything else is done")
    }

    /// A queue may have something to give, or a reason to go.
    pub(crate) fn touch(&mut self, key: Key) {
        if let Some(queue) = self.nodes.queues.get_mut(key)
            && queue.begin_turn()
        {
            self.turns.insert(key);
        }
    }

    /// Starts a turn: its time, and what is due by then.
    pub fn begin_turn(&mut self, now_ns: u64, wall_ms: u64) {
        if self.deadline().is_some_and(|deadline| deadline <= now_ns) {
            self.handle_deadline(now_ns, wall_ms);
        }
        self.now = Now { ns: now_ns, wall_ms };
    }

    /// When `handle_deadline` is to be called, nanoseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let looks = !self.turns.again.is_empty();
        let spreads = self.nodes.patterns.has_work();
        let work = (looks || spreads || self.may_release_waiting() || self.is_refreshing()).then_some(self.now.ns);
        let kept = [self.nodes.senders.deadline(), self.nodes.receivers.deadline()];
        kept.into_iter().chain([work, self.deadlines.earliest(self.now)]).flatten().min()
    }

    /// Drops expired messages, gives credit that was withheld for consumers that no longer take, or for want of room that is there now, tries
    /// again what was refused at another address or failed, serves consumers that waited for others, deletes queues that nobody needed for a
    /// while, goes on with a new version of the catalogue, and tells other shards of patterns that somebody subscribes to.
    pub fn handle_deadline(&mut self, now_ns: u64, wall_ms: u64) {
        self.now = Now { ns: now_ns, wall_ms };
        for queue in std::mem::take(&mut self.turns.again) {
            self.touch(queue);
        }
        self.release_due();
        self.forward_due();
        self.redeliver_due();
        self.serve_due();
        self.idle_due();
        self.look_due();
        self.let_go_due();
        self.release_waiting(RELEASE_MAX);
        self.refresh();
        self.spread();
        if self.deadlines.may_sweep(self.now) {
            self.sweep();
        }
    }

    fn release_due(&mut self) {
        for _ in 0..RELEASE_MAX {
            let Some((_, queue)) = self.deadlines.take_due(Due::Release, self.now) else { return };
            self.nodes.note_look();
            if let Some(queue) = self.nodes.queues.get_mut(queue) {
                queue.withheld.handle_due();
            }
            self.release_credit(queue);
        }
    }

    /// Asserts what must hold between any two commands.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let bytes: u64 = self.nodes.queues.iter().map(|(_, queue)| queue.bytes()).sum();
        assert_eq!(bytes, self.memory.used(), "every message is counted once for each queue");
        self.nodes.check();
        self.containers.check();
        for (key, queue) in self.nodes.queues.iter() {
            assert!(!queue.has_news() || self.journal.outbox.tells(key), "what left is told");
        }
        let dynamic = self.nodes.addresses.iter().filter(|(_, address)| address.dynamic.is_some());
        assert_eq!(dynamic.count(), self.nodes.dynamic, "dynamic nodes are counted");
        self.check_credit();
        self.check_forwarding();
        self.check_journal();
    }

    /// Asserts that whoever waits for credit is looked at again.
    fn check_credit(&self) {
        for (key, queue) in self.nodes.queues.iter() {
            let listed = self.turns.queues.contains(&key);
            assert_eq!(listed, queue.is_listed(), "the turn knows it, or not");
            let waits = self.waiting.all().filter(|&&other| other == key).count();
            assert_eq!(waits, usize::from(queue.withheld.waits_for_shard()), "once");
            let looked_at = listed || queue.withheld.is_noted() || self.is_full(queue);
            assert!(queue.withheld.is_empty() || looked_at, "whoever withholds credit is looked at again");
        }
        for (end, role) in self.nodes.ends.iter().map(|(key, end)| (key, &end.role)) {
            let EndRole::Producer(producer) = role else { continue };
            let Some(queue) = producer.withheld else { continue };
            let queue = self.nodes.queues.get(queue).expect("a queue that lets a producer wait is there");
            assert!(queue.withheld.listed().contains(&end), "it will give it credit");
        }
    }
}
