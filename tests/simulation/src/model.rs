//! What clients were promised: every message with its fate, kept outside of the node, and asserted with each thing that a client sees.
//!
//! Guarantees that it asserts of the node:
//! 1. Nothing is invented: what comes was sent to that address, with the body that was sent.
//! 2. What was accepted comes, unless it was done with or its time is over: durable messages through crashes, others without one.
//! 3. Each copy is with one consumer at a time, and never comes again after its outcome, as far as the node can know of it.
//! 4. What is given settled is given once.
//! 5. Each delivery of a producer is answered once.
//! 6. What one consumer gets for the first time of one producer comes in the order in which it was sent.
//! 7. Nothing is given whose time was over long ago.
//! 8. Where there is an address for what is rejected or expires, that comes there: once for each time that it was rejected, unless a crash
//!    takes the rejection back, and never lost in between.
//!
//! A *copy* is a message at one place, that is, in one queue.

use std::collections::BTreeMap;

use engine_core::limits::Storage;

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
    /// How often it was rejected, and came to where such messages go for that.
    rejected: u32,
    buried: u32,
    /// How often it came there because its time was over.
    expired: u32,
    /// It was rejected, and has to come: there, or again to its queue if nobody heard of that.
    is_due: bool,
}

/// What becomes of messages that are rejected or expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadLetters {
    /// They are dropped.
    #[default]
    Dropped,
    /// They go to an address of their own.
    Kept,
}

/// Why a message is where dead letters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A consumer rejected it.
    Rejected,
    /// Its time was over.
    Expired,
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
    /// Whether it says that nobody had it before.
    pub first: bool,
    /// Whether it is to outlive the node, as it says.
    pub durable: Durable,
}

/// What counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were sent.
    pub sent: u64,
    /// Copies that came, again and again.
    pub came: u64,
    /// Copies that came more often than once.
    pub again: u64,
    /// Crashes of the node.
    pub crashes: u64,
    /// Messages that were rejected or expired, and came to where such go.
    pub buried: u64,
    /// Versions of the catalogue that came while it ran.
    pub versions: u64,
    /// Addresses that changed hands by one.
    pub handed_over: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.came += other.came;
        self.again += other.again;
        self.crashes += other.crashes;
        self.buried += other.buried;
        self.versions += other.versions;
        self.handed_over += other.handed_over;
    }
}

impl Copy {
    fn new(place: Place, fate: Fate) -> Self {
        Self { place, fate, holder: None, rejected: 0, buried: 0, expired: 0, is_due: false }
    }
}

/// All messages of a run.
#[derive(Debug, Default)]
pub struct Model {
    messages: Vec<Sent>,
    /// The last message that came for the first time, by producer and consumer.
    newest: BTreeMap<(Holder, Holder), Message>,
    counts: Counts,
    dead_letters: DeadLetters,
}

impl Model {
    /// No messages.
    pub fn new(dead_letters: DeadLetters) -> Self {
        Self { dead_letters, ..Self::default() }
    }

    /// A message is sent; gives its name.
    pub fn send(&mut self, sending: &Sending<'_>) -> Message {
        let &Sending { producer, order, durable, settled, expires_ms, places } = sending;
        let copies = places.iter().map(|&(place, fate)| Copy::new(place, fate)).collect();
        let answer = if settled == Settled::Yes { Answer::Accepted } else { Answer::Open };
        self.messages.push(Sent { producer, order, durable, settled, answer, expires_ms, copies });
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
    pub fn seen(&mut self, came: &Came) {
        let (message, place) = (came.message, came.place);
        assert!(message < self.messages.len() as u64, "message {message} was never sent");
        assert!(
            self.message(message).copies.iter().any(|copy| copy.place == place),
            "{message} was not sent to {place:?}"
        );
    }

    fn take(&mut self, came: &Came, wall_ms: u64) {
        let &Came { message, place, holder, first, durable } = came;
        self.counts.came += 1;
        self.counts.again += u64::from(!first);
        assert!(message < self.messages.len() as u64, "message {message} was never sent");
        let sent = self.message(message);
        assert_eq!(sent.durable, durable, "message {message} says so");
        let expires = sent.expires_ms;
        assert!(
            expires.is_none_or(|expires| wall_ms < expires + LATE_MS),
            "message {message} was to go at {expires:?} and came at {wall_ms}"
        );
        let (producer, order) = (sent.producer, sent.order);
        let copy = self.copy(message, place);
        let was = copy.holder;
        assert!(was.is_none(), "message {message} at {place:?} is with {was:?} and came to {holder:?}");
        // Nobody heard that it was rejected.
        copy.is_due = false;
        let fate = copy.fate;
        assert!(!matches!(fate, Fate::Told | Fate::Done), "message {message} at {place:?} is {fate:?}, and came again");
        if first && order == Order::Kept {
            let newest = self.newest.insert((producer, holder), message);
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

    /// A consumer rejected a copy.
    pub fn rejected(&mut self, message: Message, place: Place) {
        self.told(message, place);
        let is_kept = self.dead_letters == DeadLetters::Kept;
        let copy = self.copy(message, place);
        copy.rejected += 1;
        copy.is_due = is_kept;
    }

    /// A message came to where dead letters go.
    pub fn buried(&mut self, message: Message, place: Place, reason: Reason, wall_ms: u64) {
        assert!(message < self.messages.len() as u64, "message {message} was never sent");
        let expires = self.message(message).expires_ms;
        self.counts.buried += 1;
        let crashes = self.counts.crashes;
        let copy = self.copy(message, place);
        match reason {
            Reason::Rejected => {
                copy.buried += 1;
                let Copy { rejected, buried, .. } = *copy;
                assert!(
                    buried <= rejected,
                    "message {message} was rejected {rejected} times at {place:?}, and came {buried}"
                );
            }
            Reason::Expired => {
                copy.expired += 1;
                assert!(expires.is_some_and(|at| at <= wall_ms), "message {message} expires at {expires:?}");
                let Copy { expired, fate, .. } = *copy;
                assert!(u64::from(expired) <= 1 + crashes, "message {message} expired {expired} times");
                assert!(!matches!(fate, Fate::Told | Fate::Done), "message {message} is {fate:?}, and expired");
                // Behind a crash it may come a second time.
                if copy.fate == Fate::Owed {
                    copy.fate = Fate::Perhaps;
                }
            }
        }
        copy.is_due = false;
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

    /// A connection is lost: what was said on it may not have come.
    pub fn uncertain(&mut self, told: &[(Message, Place)]) {
        for &(message, place) in told {
            let copy = self.copy(message, place);
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
            copy.is_due = false;
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
        for sent in &mut self.messages {
            let kept = storage == Storage::Journal && sent.durable == Durable::Yes && sent.settled == Settled::No;
            for copy in &mut sent.copies {
                copy.holder = None;
                if copy.fate == Fate::Told || (copy.fate == Fate::Owed && !kept) {
                    copy.fate = Fate::Perhaps;
                }
                copy.is_due &= kept;
            }
        }
    }

    /// Copies that have to come still, at `wall_ms`.
    pub fn owed(&self, wall_ms: u64) -> Vec<(Message, Place)> {
        let mut owed = Vec::new();
        for (message, sent) in self.messages.iter().enumerate() {
            let is_over = sent.expires_ms.is_some_and(|expires| expires <= wall_ms);
            if sent.answer == Answer::Accepted {
                let is_dropped = is_over && self.dead_letters == DeadLetters::Dropped;
                let copies = sent.copies.iter().filter(|copy| (copy.fate == Fate::Owed && !is_dropped) || copy.is_due);
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

    fn message(&mut self, message: Message) -> &mut Sent {
        self.messages.get_mut(message as usize).expect("it was sent")
    }

    fn copy(&mut self, message: Message, place: Place) -> &mut Copy {
        let sent = self.messages.get_mut(message as usize).expect("it was sent");
        let copy = sent.copies.iter_mut().find(|copy| copy.place == place);
        copy.unwrap_or_else(|| panic!("message {message} was not sent to {place:?}"))
    }
}
