//! One queue: what it is, and the rooms that it consists of.
//!
//! Guarantees: messages leave by priority, and within one in the order of their sequence numbers, returned ones before all that were never
//! sent; each is with one consumer at a time; consumers with credit take turns. Each room keeps its own promises and its fields to itself:
//!
//! - `order`: which message is next;
//! - `consumers`: whose turn it is (`round`), and who is before others (`precedence`);
//! - `held`: what consumers hold, and what they said of it;
//! - `paging`: what is in the journal only;
//! - `stock`: how much there is, what left, and how long it took (`moments`, `histogram`);
//! - `expiry`: messages by the time from which they may be dropped;
//! - `departures`: what goes to another address, and is not there yet;
//! - `withheld`: producers that wait for room.
//!
//! What is done with several of them at once is beside them: `settling`, `leaving` (the one way out), `fetching`, `expiring`,
//! `trimming`, `departing`, `diverting`, `delaying`, `scheduling`, `picking`, `service`, `named`, `browsing`, `managing`.
//!
//! Not here: what goes on between queues, links, memory and the journal (`core`, `credit`, `durability`).

mod browsing;
mod cause;
mod consumers;
mod delaying;
mod departing;
mod departures;
mod destinations;
mod diverting;
mod entry;
mod expiring;
mod expiry;
mod fetching;
mod held;
mod histogram;
mod kind;
mod leaving;
mod managing;
mod moments;
mod named;
mod order;
mod paging;
mod picking;
mod precedence;
mod round;
mod scheduling;
mod service;
mod settling;
mod stock;
mod trimming;
mod withheld;

use std::num::NonZeroU64;

use crate::agenda::Now;
use crate::bounds::Bounds;
use crate::choice::Choice;
use crate::command::RoutingType;
use crate::fact::LOCAL;
use crate::message::{Message, NORMAL_PRIORITY};
use crate::plain::Plain;
use crate::slab::{Key, Slab};

pub(crate) use browsing::Found;
pub(crate) use cause::{Cause, Moved};
pub(crate) use consumers::{Consumers, Served};
pub(crate) use departing::Parting;
use departures::Departures;
pub(crate) use departures::{Confirm, Step};
pub(crate) use destinations::Destinations;
pub(crate) use entry::Entry;
pub(crate) use entry::Next;
use expiry::Expiries;
use held::Holdings;
pub(crate) use kind::{Before, Kind};
pub use moments::Latencies;
use order::Order;
pub(crate) use order::Place;
pub use paging::Recalled;
use paging::{Away, Behind};
pub(crate) use picking::Picked;
pub(crate) use precedence::Search;
pub(crate) use service::Came;
use stock::Stock;
pub use stock::Totals;
pub(crate) use stock::{Left, News};
pub(crate) use withheld::Withheld;

/// What a queue is.
#[derive(Debug)]
pub(crate) struct Identity {
    pub name: Box<str>,
    pub address: Key,
    pub routing: RoutingType,
    pub kind: Kind,
    /// Which messages it gets; all without one.
    pub choice: Option<Box<Choice>>,
}

/// What the journal knows of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logged {
    /// Nothing.
    No,
    /// Messages of it, by its number. It ends with the node.
    Numbered(u64),
    /// That it outlives the node, since the fact of that number.
    Declared { queue: u64, since: u64 },
}

/// Whether the owner's list of queues that may have something to give names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    Rests,
    Listed,
}

/// Whether the first message waits until the journal has it on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    Free,
    Blocked,
}

/// What stands between the queue and its turn to give something.
#[derive(Clone, Copy, Debug)]
struct Turn {
    listing: Listing,
    front: Front,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub identity: Identity,
    pub logged: Logged,
    /// Within which bounds a plain message goes straight into it. They are made of its settings, when those change: what a setting asks
    /// of each message is done where those go that are not plain.
    pub plain: Plain,
    pub bounds: Bounds,
    pub consumers: Consumers,
    pub withheld: Withheld,
    entries: Slab<Entry>,
    order: Order,
    behind: Behind,
    away: Away,
    held: Holdings,
    stock: Stock,
    expiries: Expiries,
    /// Only where something goes elsewhere.
    departures: Option<Box<Departures>>,
    turn: Turn,
}

impl Queue {
    pub fn new(identity: Identity, bounds: Bounds, plain: Plain) -> Self {
        Self {
            identity,
            logged: Logged::No,
            plain,
            bounds,
            consumers: Consumers::default(),
            withheld: Withheld::default(),
            entries: Slab::default(),
            order: Order::default(),
            behind: Behind::default(),
            away: Away::default(),
            held: Holdings::default(),
            stock: Stock::default(),
            expiries: Expiries::default(),
            departures: None,
            turn: Turn { listing: Listing::Rests, front: Front::Free },
        }
    }

    /// Its number in the journal.
    #[inline]
    pub fn number(&self) -> Option<u64> {
        match self.logged {
            Logged::No => None,
            Logged::Numbered(queue) | Logged::Declared { queue, .. } => Some(queue),
        }
    }

    /// Whether it outlives the node, and its durable messages with it.
    #[inline]
    pub fn is_declared(&self) -> bool {
        matches!(self.logged, Logged::Declared { .. })
    }

    /// Messages that wait for a consumer, but for those that are in the journal only and behind all others.
    #[inline]
    pub fn depth(&self) -> u64 {
        self.order.depth()
    }

    /// Size of the same as far as they are in memory, octets.
    #[inline]
    pub fn waiting_bytes(&self) -> u64 {
        self.order.bytes()
    }

    /// All messages, held ones too.
    #[inline]
    pub fn messages(&self) -> u64 {
        self.entries.len() as u64 + self.behind.messages() + self.away.messages()
    }

    /// Size of all messages, octets.
    #[inline]
    pub fn all_bytes(&self) -> u64 {
        self.stock.bytes() + self.behind.bytes() + self.away.bytes()
    }

    /// Size of all messages in memory, octets.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.stock.bytes()
    }

    /// Whether a message that is put in is in memory then, and nowhere else, if the shard has room: `admit` and `is_stored` in few
    /// comparisons.
    #[inline]
    pub fn takes_plain(&self, message: &Message) -> bool {
        self.behind.messages() | self.away.messages() == 0
            && self.plain.takes(message, self.entries.len() as u64, self.stock.bytes())
    }

    /// Whether messages behind all others are in the journal only, so that further ones have to be, too.
    #[inline]
    pub fn has_behind(&self) -> bool {
        self.behind.messages() > 0
    }

    /// Messages that are in the journal only.
    pub fn paged(&self) -> u64 {
        self.behind.messages() + self.away.messages()
    }

    /// Messages that consumers hold.
    pub fn acquired(&self) -> u64 {
        self.held.len() as u64
    }

    pub fn totals(&self) -> Totals {
        self.stock.totals()
    }

    /// How long its messages took from stage to stage.
    pub fn latencies(&self) -> Latencies {
        self.stock.moments.latencies()
    }

    /// A durable message came to it; gives how many it stands for, if it is to be told when the journal has it (`note_durable`).
    pub fn note_stored(&mut self, now_ns: u64) -> Option<u64> {
        self.stock.moments.note_stored(now_ns)
    }

    /// The journal has a durable message that stands for so many.
    pub fn note_durable(&mut self, took_ns: u64, weight: u64) {
        self.stock.moments.note_durable(took_ns, weight);
    }

    /// Whether durable messages of it are kept on disk.
    #[inline]
    pub fn is_lasting(&self) -> bool {
        self.identity.kind.is_lasting()
    }

    /// All that is in memory, in the order of arrival.
    pub fn all_in_memory(&self) -> Vec<Message> {
        let mut entries: Vec<&Entry> = self.entries.iter().map(|(_, entry)| entry).collect();
        entries.sort_unstable_by_key(|entry| entry.sequence);
        entries.into_iter().map(|entry| entry.message.clone()).collect()
    }

    /// A message that is in the queue.
    #[inline]
    pub fn entry(&self, entry: Key) -> Option<&Entry> {
        self.entries.get(entry)
    }

    /// Gives whether the owner has to list it: it may have something to give.
    #[inline]
    pub fn begin_turn(&mut self) -> bool {
        let begins = self.turn.listing == Listing::Rests;
        self.turn.listing = Listing::Listed;
        begins
    }

    /// Whether the owner lists it.
    pub fn is_listed(&self) -> bool {
        self.turn.listing == Listing::Listed
    }

    /// The owner does not list it any more.
    #[inline]
    pub fn end_turn(&mut self) {
        self.turn.listing = Listing::Rests;
    }

    /// Puts a message in, behind all others of its priority; `stored` is its name in the journal. Gives from when on it may be dropped,
    /// if ever: its owner notes that (`Core::note_expiry`).
    #[inline]
    pub fn push(&mut self, mut message: Message, stored: Option<NonZeroU64>, now: Now) -> Option<NonZeroU64> {
        message.header.first_acquirer = true;
        self.stock.count_enqueued();
        let sequence = self.order.upcoming_sequence();
        // What names a time waits for that.
        if self.stock.moments.watches(sequence) && !message.header.scheduled {
            self.stock.moments.note_arrived(sequence, now.ns);
        }
        self.append(message, stored, now)
    }

    /// The same for a message that is plain (`takes_plain`). Not left to the compiler: there is one caller, and a call costs the message's copy.
    #[inline(always)]
    pub fn push_plain(&mut self, mut message: Message) -> Option<NonZeroU64> {
        message.header.first_acquirer = true;
        self.stock.count_enqueued();
        self.append_normal(message, None)
    }

    /// A message was put in by `push_plain`. Behind it: a call that may be made in between would cost each message the copies of its parts.
    #[inline(always)]
    pub fn note_arrived(&mut self, now_ns: u64) {
        let sequence = self.order.upcoming_sequence() - 1;
        if self.stock.moments.watches(sequence) {
            self.stock.moments.note_arrived(sequence, now_ns);
        }
    }

    /// Puts a message that was here before behind all others of its priority in memory, when its time has come.
    #[inline]
    pub fn append(&mut self, mut message: Message, stored: Option<NonZeroU64>, now: Now) -> Option<NonZeroU64> {
        if message.grouped {
            self.consumers.begin_picking();
        }
        if message.header.scheduled {
            message = match self.schedule(message, stored, now) {
                Ok(expires) => return expires,
                Err(due) => due,
            };
        }
        if self.order.names_all() {
            self.append_named(message, stored)
        } else if message.header.priority == NORMAL_PRIORITY {
            self.append_normal(message, stored)
        } else {
            self.append_ranked(message, stored)
        }
    }

    /// Not left to the compiler: a call costs each message its entry's copy.
    #[inline(always)]
    fn append_normal(&mut self, message: Message, stored: Option<NonZeroU64>) -> Option<NonZeroU64> {
        let size = message.size();
        self.stock.enter(size);
        let expires = message.expires_wall_ms;
        let sequence = self.order.next_sequence();
        let entry = self.entries.insert(Entry { sequence, message, stored });
        self.order.append(entry, size);
        let at = expires?;
        self.watch(at, entry);
        Some(at)
    }

    #[cold]
    fn append_ranked(&mut self, message: Message, stored: Option<NonZeroU64>) -> Option<NonZeroU64> {
        let (size, priority, expires) = (message.size(), message.header.priority, message.expires_wall_ms);
        self.stock.enter(size);
        let sequence = self.order.next_sequence();
        let entry = self.entries.insert(Entry { sequence, message, stored });
        self.order.append_ranked(priority, entry, size);
        let at = expires?;
        self.watch(at, entry);
        Some(at)
    }

    /// Takes the next message that `end` may have out of the order. Not one that the journal has not on stable storage yet, which
    /// begins behind `durable`.
    #[inline]
    pub fn pop(&mut self, end: Key, durable: u64) -> Option<Next> {
        if self.order.has_aside() { self.pop_ranked(end, durable) } else { self.pop_first(durable) }
    }

    #[inline]
    fn pop_first(&mut self, durable: u64) -> Option<Next> {
        let next = self.next_of(self.order.first()?, durable)?;
        self.order.pop_first(next.bytes, &self.entries);
        Some(next)
    }

    /// A message that is next, unless the journal has it not on stable storage yet.
    #[inline]
    fn next_of(&mut self, entry: Key, durable: u64) -> Option<Next> {
        let found = self.entries.get(entry)?;
        // What does not outlive the node does not wait for the disk.
        if found.stored.is_some_and(|stored| stored.get() > durable && stored.get() & LOCAL == 0) {
            self.turn.front = Front::Blocked;
            return None;
        }
        let bytes = found.message.size();
        Some(Next { entry, sequence: found.sequence, content: found.message.content, bytes })
    }

    /// Whether the first message waits for the journal.
    #[inline]
    pub fn is_blocked(&self) -> bool {
        self.turn.front == Front::Blocked
    }

    /// The journal went on.
    pub fn unblock(&mut self) {
        self.turn.front = Front::Free;
    }

    /// Whether the owner has something to do with it after messages left: make room known, or delete it.
    #[inline]
    pub fn is_done_or_awaited(&self) -> bool {
        !self.withheld.is_empty() || (self.consumers.takers() == 0 && self.messages() == 0)
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self) {
        self.order.check(&self.entries);
        let known = self.depth() + self.acquired() + (self.departing() + self.delayed()) as u64;
        let sent = self.entries.len() as u64 + self.away.messages() - known;
        assert!(sent <= 1, "a message waits, is held, or is the last one sent");
        let bytes: u64 = self.entries.iter().map(|(_, entry)| entry.message.size()).sum();
        let beside = self.held.bytes() + self.departing_bytes();
        assert_eq!(bytes + beside, self.stock.bytes(), "sizes are added up");
        self.check_paging();
        if let Some(departures) = &self.departures {
            departures.check();
        }
    }
}
