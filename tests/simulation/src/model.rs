//! What clients were promised: every message with its fate, kept outside of the node, and asserted with each thing that a client sees.
//!
//! Guarantees that it asserts of the node:
//! 1. Nothing is invented: what comes was sent to that address, with the body that was sent.
//! 2. What was accepted comes, unless it was done with or its time is over: durable messages through crashes, others without one.
//! 3. Each copy is with one consumer at a time, and never comes again after its outcome, as far as the node can know of it.
//! 4. What is given settled is given once.
//! 5. Each delivery of a producer is answered once.
//! 6. What one consumer gets for the first time of one producer comes in the order in which it was sent, within one priority, group and
//!    transaction.
//! 7. Nothing is given whose time was over long ago.
//! 8. Where there is an address for what is rejected or expires, that comes there: once for each time that it was rejected, unless a crash
//!    takes the rejection back, and never lost in between.
//! 9. Nothing comes before its time, neither that which a message names nor that for which it waits after a failed delivery; how often
//!    deliveries of it failed is told as it was (`model/failing`).
//! 10. Messages of a group are with one consumer, until its link ends (`model/grouping`).
//! 11. A consumer gets what it chose only.
//! 12. Of a transaction everything is done or nothing: nothing of one that was rolled back comes, and nothing of one that is open
//!     (`model/transactions`).
//!
//! A *copy* is a message at one place, that is, in one queue.

use std::collections::BTreeMap;

use engine_core::limits::Storage;

use crate::kind::{Choice, Kind};

mod counts;
mod dead_letters;
mod failing;
mod grouping;
mod transactions;

pub use counts::Counts;
pub use dead_letters::{DeadLetters, Reason};
pub use failing::Redelivery;
pub(crate) use transactions::Settling;
pub use transactions::{Number, Verdict};

use dead_letters::Burials;
use failing::Failing;
use grouping::Grouping;
use transactions::Transaction;

/// How long after its time a message may reach its consumer, milliseconds: as long as a connection can stand still.
const LATE_MS: u64 = 3_000;

/// Names a message: its place in the order of sending.
pub type Message = u64;

/// What somebody holds a copy by: a link of a connection, until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The client.
    pub client: usize,
    /// The connection, of all that the client made.
    pub connection: u64,
    /// The link, of all that the connection had.
    pub link: u64,
}

/// Where messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The queue of an anycast address.
    Queue(usize),
    /// A durable subscription of the topic.
    Subscription(usize),
}

/// Whether a message is to outlive the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// It is.
    Yes,
    /// It need not.
    No,
}

/// What became of a message at its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It waits for one.
    Open,
    /// It was accepted, or sent settled on a connection that still stands.
    Accepted,
    /// It was refused.
    Refused,
    /// Nobody will ever know.
    Unknown,
}

/// What a consumer said of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it is owed if it was accepted.
    Owed,
    /// It is done with, and the node knows or will know, unless it crashes or the connection is lost before.
    Told,
    /// It may be done with, or come again.
    Perhaps,
    /// It is done with for ever.
    Done,
}

#[derive(Clone, Debug)]
struct Copy {
    place: Place,
    fate: Fate,
    holder: Option<Holder>,
    failing: Failing,
    burials: Burials,
    /// The transaction that accepts it, if that is committed.
    bond: Option<Number>,
}

/// A message as it was sent.
#[derive(Clone, Debug)]
struct Sent {
    producer: Holder,
    order: Order,
    durable: Durable,
    /// Whether it was sent settled.
    settled: Settled,
    answer: Answer,
    expires_ms: Option<u64>,
    /// When it may come at the earliest, milliseconds since 1970.
    due_ms: Option<u64>,
    kind: Kind,
    /// The transaction that it belongs to.
    bond: Option<Number>,
    copies: Vec<Copy>,
}

/// Whether a message is sent settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is: nobody will answer.
    Yes,
    /// It waits for an answer.
    No,
}

/// Whether messages of one producer keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// They do.
    Kept,
    /// Each names its address, and the address may change its owner while some of them are on their way.
    Loose,
}

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The producer's link.
    pub producer: Holder,
    /// Whether it stays behind what was sent before it.
    pub order: Order,
    /// Whether it is to outlive the node.
    pub durable: Durable,
    /// Whether it is sent settled.
    pub settled: Settled,
    /// When its time is over, milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// When it may come at the earliest, milliseconds since 1970.
    pub due_ms: Option<u64>,
    /// What it is beside its body.
    pub kind: Kind,
    /// The transaction that it belongs to.
    pub bond: Option<Number>,
    /// Where it goes, and whether it has to come there (`Owed`) or may (`Perhaps`).
    pub places: &'a [(Place, Fate)],
}

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Came {
    /// Which one its body says that it is.
    pub message: Message,
    /// Where it was taken from.
    pub place: Place,
    /// Who got it.
    pub holder: Holder,
    /// What it was chosen by.
    pub choice: Choice,
    /// Whether it says that nobody had it before.
    pub first: bool,
    /// Its priority, as it says.
    pub priority: u8,
    /// How often its delivery failed, as it says.
    pub failures: u32,
    /// Whether it is to outlive the node, as it says.
    pub durable: Durable,
}

impl Copy {
    fn new(place: Place, fate: Fate) -> Self {
        let (failing, burials) = (Failing::default(), Burials::default());
        Self { place, fate, holder: None, failing, burials, bond: None }
    }
}

/// What keeps its order: messages of one producer to one consumer, within a priority, a group and a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    producer: Holder,
    consumer: Holder,
    priority: u8,
    group: Option<u8>,
    bond: Option<Number>,
}

/// All messages of a run.
#[derive(Debug, Default)]
pub struct Model {
    messages: Vec<Sent>,
    /// The last message that came for the first time.
    newest: BTreeMap<Lane, Message>,
    /// The priority of what came last at a place, where all that is left comes in the order of priorities.
    lowest: Option<BTreeMap<Place, u8>>,
    grouping: Grouping,
    transactions: Vec<Transaction>,
    counts: Counts,
    dead_letters: DeadLetters,
    redelivery: Redelivery,
    /// Connections that ended.
    losses: u32,
}

impl Model {
    /// No messages.
    pub fn new(dead_letters: DeadLetters, redelivery: Redelivery) -> Self {
        Self { dead_letters, redelivery, ..Self::default() }
    }

    /// From now on what comes at one place comes in the order of priorities: nobody sends, and all of it is in memory.
    pub fn expect_priorities(&mut self) {
        self.lowest = Some(BTreeMap::new());
    }

    /// A message is sent; gives its name.
    pub fn send(&mut self, sending: &Sending<'_>) -> Message {
        let &Sending { producer, order, durable, settled, expires_ms, due_ms, kind, bond, places } = sending;
        let copies = places.iter().map(|&(place, fate)| Copy::new(place, fate)).collect();
        let answer = if settled == Settled::Yes { Answer::Accepted } else { Answer::Open };
        self.messages.push(Sent { producer, order, durable, settled, answer, expires_ms, due_ms, kind, bond, copies });
        self.counts.sent += 1;
        self.messages.len() as u64 - 1
    }

    /// A producer was told that its message is accepted.
    pub fn accepted(&mut self, message: Message) {
        let sent = self.message(message);
        assert_eq!(sent.answer, Answer::Open, "message {message} is answered once");
        sent.answer = Answer::Accepted;
    }

    /// A producer was told that its message is refused.
    pub fn refused(&mut self, message: Message) {
        let sent = self.message(message);
        assert_eq!(sent.answer, Answer::Open, "message {message} is answered once");
        sent.answer = Answer::Refused;
        // Of several queues one may have taken it.
        let fate = if sent.copies.len() == 1 { Fate::Done } else { Fate::Perhaps };
        sent.copies.iter_mut().for_each(|copy| copy.fate = fate);
    }

    /// A consumer got a copy, which it settles itself.
    pub fn came(&mut self, came: &Came, wall_ms: u64) {
        self.take(came, wall_ms);
        self.copy(came.message, came.place).holder = Some(came.holder);
    }

    /// A consumer got a copy that was settled when it was sent.
    pub fn came_settled(&mut self, came: &Came, wall_ms: u64) {
        self.take(came, wall_ms);
        self.copy(came.message, came.place).fate = Fate::Told;
    }

    /// Somebody looked at a copy that stays where it is.
    pub fn seen(&mut self, came: &Came, wall_ms: u64) {
        self.identify(came, wall_ms);
        self.copy(came.message, came.place);
    }

    /// It was sent, is what was chosen, and its time has come.
    fn identify(&mut self, came: &Came, wall_ms: u64) {
        let &Came { message, choice, durable, priority, .. } = came;
        assert!(message < self.messages.len() as u64, "message {message} was never sent");
        let sent = self.message(message);
        let (due, kind) = (sent.due_ms, sent.kind);
        assert_eq!((sent.durable, kind.priority), (durable, priority), "message {message} says so");
        assert!(
            due.is_none_or(|due| due <= wall_ms),
            "message {message} was to wait until {due:?} and came at {wall_ms}"
        );
        assert!(choice.wants(&kind), "message {message} is {kind:?} and came to who wants {choice:?}");
        self.appear(message);
    }

    fn take(&mut self, came: &Came, wall_ms: u64) {
        let &Came { message, place, holder, first, .. } = came;
        self.identify(came, wall_ms);
        let sent = self.message(message);
        let (expires, due, group) = (sent.expires_ms, sent.due_ms, sent.kind.group);
        self.counts.came += 1;
        self.counts.again += u64::from(!first);
        self.counts.delayed += u64::from(due.is_some());
        self.counts.grouped += u64::from(group.is_some());
        assert!(
            expires.is_none_or(|expires| wall_ms < expires + LATE_MS),
            "message {message} was to go at {expires:?} and came at {wall_ms}"
        );
        let copy = self.copy(message, place);
        let was = copy.holder;
        assert!(was.is_none(), "message {message} at {place:?} is with {was:?} and came to {holder:?}");
        // Nobody heard that it was rejected.
        copy.burials.is_due = false;
        let fate = copy.fate;
        assert!(!matches!(fate, Fate::Told | Fate::Done), "message {message} at {place:?} is {fate:?}, and came again");
        self.undo(message, place);
        self.check_failures(came, wall_ms);
        if let Some(group) = group {
            self.grouping.give(place, group, holder);
        }
        self.check_order(came);
    }

    fn check_order(&mut self, came: &Came) {
        let &Came { message, place, holder, first, priority, .. } = came;
        if let Some(lowest) = &mut self.lowest {
            let before = lowest.insert(place, priority);
            assert!(
                before.is_none_or(|before| before >= priority),
                "message {message} of priority {priority} came at {place:?} behind {before:?}"
            );
        }
        let sent = self.message(message);
        let (producer, bond, group) = (sent.producer, sent.bond, sent.kind.group);
        if first && sent.order == Order::Kept && sent.due_ms.is_none() {
            let newest = self.newest.insert(Lane { producer, consumer: holder, priority, group, bond }, message);
            assert!(
                newest.is_none_or(|newest| newest < message),
                "message {message} came after {newest:?} to {holder:?}"
            );
        }
    }

    /// A consumer is done with a copy, and said so; `Some(confirm)` waits until the node says that it will stay so.
    pub fn told(&mut self, message: Message, place: Place) {
        let copy = self.copy(message, place);
        (copy.fate, copy.holder) = (Fate::Told, None);
    }

    /// The node said that an outcome will stay.
    pub fn confirmed(&mut self, message: Message, place: Place) {
        let copy = self.copy(message, place);
        assert!(copy.holder.is_none(), "message {message} was given to another although it is done with");
        copy.fate = Fate::Done;
    }

    /// A consumer gave a copy back.
    pub fn returned(&mut self, message: Message, place: Place) {
        self.copy(message, place).holder = None;
    }

    /// A link ended.
    pub fn ended(&mut self, holder: Holder) {
        self.grouping.end(holder);
        self.loosen(holder);
    }

    /// A connection is lost: what was said on it may not have come.
    pub fn uncertain(&mut self, told: &[(Message, Place)]) {
        self.losses += 1;
        for &(message, place) in told {
            let copy = self.copy(message, place);
            copy.failing.doubt();
            if copy.fate == Fate::Told {
                copy.fate = Fate::Perhaps;
            }
        }
    }

    /// A link ends: what it had sent is answered no more.
    pub fn unanswered(&mut self, open: &[Message]) {
        for &message in open {
            let sent = self.message(message);
            if sent.answer == Answer::Open {
                sent.answer = Answer::Unknown;
            }
        }
    }

    /// What was on its way to a consumer that got it settled is lost with the link, whatever it was.
    pub fn leaked(&mut self, place: Place) {
        let copies = self.messages.iter_mut().flat_map(|sent| &mut sent.copies);
        for copy in copies.filter(|copy| copy.place == place && copy.fate != Fate::Told) {
            copy.fate = if copy.fate == Fate::Owed { Fate::Perhaps } else { copy.fate };
            copy.burials.is_due = false;
        }
    }

    /// What was sent settled on a connection that ended may never have come.
    pub fn unheard(&mut self, messages: &[Message]) {
        for &message in messages {
            self.message(message).answer = Answer::Unknown;
        }
    }

    /// The node ended: what was not on disk is gone, and what was not confirmed may come again.
    pub fn crashed(&mut self, storage: Storage) {
        self.counts.crashes += 1;
        self.grouping.clear();
        for sent in &mut self.messages {
            let kept = storage == Storage::Journal && sent.durable == Durable::Yes && sent.settled == Settled::No;
            for copy in &mut sent.copies {
                copy.holder = None;
                copy.failing.doubt();
                if copy.fate == Fate::Told || (copy.fate == Fate::Owed && !kept) {
                    copy.fate = Fate::Perhaps;
                }
                copy.burials.is_due &= kept;
            }
        }
    }

    /// Copies that have to come still, at `wall_ms`.
    pub fn owed(&self, wall_ms: u64) -> Vec<(Message, Place)> {
        let mut owed = Vec::new();
        for (message, sent) in self.messages.iter().enumerate() {
            let is_over = sent.expires_ms.is_some_and(|expires| expires <= wall_ms);
            let is_sure = sent.bond.map_or(sent.answer == Answer::Accepted, |bond| self.is_committed(bond));
            if is_sure {
                let is_dropped = is_over && self.dead_letters == DeadLetters::Dropped;
                let is_owed = |copy: &&Copy| copy.fate == Fate::Owed && copy.bond.is_none() && !is_dropped;
                let copies = sent.copies.iter().filter(|copy| is_owed(copy) || copy.burials.is_due);
                owed.extend(copies.map(|copy| (message as u64, copy.place)));
            }
        }
        owed
    }

    /// Messages that their producers have no answer for.
    pub fn open(&self) -> usize {
        self.messages.iter().filter(|sent| sent.answer == Answer::Open).count()
    }

    /// What happened.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What is known of a message, for whoever reads of a failure.
    pub fn tell(&self, message: Message) -> String {
        let sent = self.messages.get(message as usize);
        let bond = sent.and_then(|sent| self.transactions.get(sent.bond?));
        format!("{message}: {sent:?} {bond:?}")
    }

    fn message(&mut self, message: Message) -> &mut Sent {
        self.messages.get_mut(message as usize).expect("it was sent")
    }

    fn copy(&mut self, message: Message, place: Place) -> &mut Copy {
        let sent = self.messages.get_mut(message as usize).expect("it was sent");
        let copy = sent.copies.iter_mut().find(|copy| copy.place == place);
        copy.unwrap_or_else(|| panic!("message {message} was not sent to {place:?}"))
    }
}
