//! What was sent and what was received, message by message, so that nothing is lost unseen.
//!
//! A worker has a `Sent` for each of its producers and a `Place` for each queue that its consumers receive from (for topics: each
//! consumer; for replies: each producer). At the end it hands them over as its `Ledger`; `audit` puts the ledgers of all workers
//! together.
//!
//! Guarantees: noting a message that comes in its turn costs a few nanoseconds and no memory (`sequences`); memory has a budget, and
//! where it ends the ledger says so.

use serde::{Deserialize, Serialize};

pub use crate::audit::audit;
pub use crate::holders::Holders;
pub use crate::sequences::{Budget, Insert, Sequences};

use crate::marks::{Lane, Marks};
use crate::scenario::Group;
use crate::stamp::{Flaw, Kind, Stamp};

/// Memory of one worker's ledger, octets: two thousand million messages of competing consumers, or two million pairs of a place and a
/// producer. Beyond it nothing more is noted, and the audit says so.
pub const LEDGER_BYTES_MAX: u64 = 256 << 20;
/// Faults that are described for people, of each place.
const EXAMPLES_MAX: usize = 3;

/// What one worker sent and received.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Its producers.
    pub sent: Vec<Sent>,
    /// Where its consumers received, and where its producers received replies.
    pub places: Vec<Place>,
    /// Whether its memory did not suffice: what is missing then may have come.
    #[serde(default)]
    pub full: bool,
    /// How its end came.
    #[serde(default)]
    pub ending: Ending,
    /// Messages of others, or of earlier runs, that its consumers took before the run began.
    #[serde(default)]
    pub leftovers: u64,
}

/// How the end of a worker came, and so what is known of what is missing; the later, the less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Nothing more came: what is missing is lost.
    #[default]
    Quiet,
    /// Messages still came when the time to drain was over: what is missing may still be on its way.
    DrainOver,
    /// A connection broke, which ended the run: what is missing may still be in the server.
    ServerGone,
    /// It ended without a word: nobody knows what it received.
    Untold,
}

/// What one producer sent: the sequences from 0 on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The group's place in the scenario.
    pub group: u32,
    /// The producer's number in its group.
    pub producer: u32,
    /// How many it sent.
    pub count: u64,
    /// Those that were rejected, released, modified or rolled back.
    #[serde(default)]
    pub refused: Sequences,
    /// Those of which it does not know: no outcome came.
    #[serde(default)]
    pub in_doubt: Sequences,
    /// How many of those had their connection all the time: the server did not answer in the time that it had.
    #[serde(default)]
    pub unanswered: u64,
}

/// Whose messages come to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// Where messages come to: a queue by its address's number, or a topic's consumer.
    Messages(u32),
    /// Where the replies to a producer come to.
    Replies(u32),
}

/// What one worker received at one place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The group's place in the scenario.
    pub group: u32,
    /// Whose messages come there.
    pub kind: PlaceKind,
    /// Each producer that sends here, in order; nothing where nothing came.
    receipts: Vec<Option<Box<Receipt>>>,
    deal: Deal,
    /// Which messages of each producer come here.
    lane: Lane,
    /// What messages carry, where that says which of them keep their order; of use while they come.
    #[serde(skip)]
    marks: Option<Box<Marks>>,
    ordered: bool,
    /// Whether it may have missed messages that were no loss: a topic's consumer that was away.
    pub was_away: bool,
    /// Messages that may have come again, since their acceptance was lost with a connection.
    pub again_max: u64,
    /// Messages whose octets changed.
    pub corrupt: u64,
    /// Messages that nobody of this run sent here.
    pub foreign: u64,
    /// Messages that are for another consumer of their address.
    pub misplaced: u64,
    /// Which consumer had each message group last.
    pub holders: Holders,
    /// The first few faults, for people.
    pub examples: Vec<String>,
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coming {
    /// The number of the consumer that has it.
    pub consumer: u32,
    /// Whether it was with one before.
    pub turn: Turn,
}

/// Whether a message was with a consumer before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It was not.
    First,
    /// It was, and failed: where it is among the others says nothing.
    Again,
}

impl Coming {
    /// For the first time.
    pub fn first(consumer: u32) -> Self {
        Self { consumer, turn: Turn::First }
    }
}

/// Which producers send to a place: every `addresses`th one from `address` on, below `producers`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Deal {
    addresses: u32,
    address: u32,
    producers: u32,
}

impl Deal {
    /// A producer's place among those that send here; `None` if it does not.
    #[inline]
    fn slot(self, producer: u32) -> Option<usize> {
        let here = producer < self.producers && producer % self.addresses == self.address % self.addresses;
        (here && producer >= self.address).then(|| ((producer - self.address) / self.addresses) as usize)
    }

    fn producer(self, slot: usize) -> u32 {
        u32::try_from(slot).unwrap_or(u32::MAX).saturating_mul(self.addresses).saturating_add(self.address)
    }
}

/// What came of one producer to one place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// What came.
    pub received: Sequences,
    /// What came again.
    pub duplicates: u64,
    /// What came behind later ones.
    pub reordered: u64,
    /// One more than the largest that came.
    next: u64,
    /// The same of each strand, where messages of several come (`marks`); of use while they come.
    #[serde(skip)]
    strands: Vec<u64>,
}

/// What memory a receipt takes, octets.
const RECEIPT_BYTES: u64 = size_of::<Receipt>() as u64 + 16;

impl Place {
    /// An empty place of a group.
    pub fn new(number: u32, group: &Group, kind: PlaceKind) -> Self {
        let (lane, marks) = match kind {
            PlaceKind::Messages(place) => (group.lane(place), Marks::of(group, group.address_of_place(place))),
            PlaceKind::Replies(_) => (Lane::ALL, None),
        };
        let (deal, ordered) = match kind {
            PlaceKind::Messages(place) => {
                let (addresses, address) = (group.addresses.max(1), group.address_of_place(place));
                (Deal { addresses, address, producers: group.producers }, group.is_ordered(place))
            }
            // Consumers answer at their own pace: replies to one producer have no order.
            PlaceKind::Replies(producer) => {
                (Deal { addresses: 1, address: producer, producers: producer.saturating_add(1) }, false)
            }
        };
        Self {
            group: number,
            kind,
            receipts: Vec::new(),
            deal,
            lane,
            marks: marks.map(Box::new),
            ordered,
            was_away: false,
            again_max: 0,
            corrupt: 0,
            foreign: 0,
            misplaced: 0,
            holders: Holders::default(),
            examples: Vec::new(),
        }
    }

    /// Notes a message that came; gives whether it came for the first time.
    #[inline]
    pub fn receive(&mut self, stamp: &Stamp, coming: Coming, budget: &mut Budget) -> Insert {
        let kind = if matches!(self.kind, PlaceKind::Messages(_)) { Kind::Message } else { Kind::Reply };
        let slot =
            self.deal.slot(stamp.producer).filter(|_| u32::from(stamp.group) == self.group && stamp.kind == kind);
        let Some(slot) = slot else {
            self.strange(stamp);
            return Insert::Known;
        };
        let Some(number) = self.lane.turn(stamp.sequence) else {
            self.misplaced += 1;
            self.tell(|| format!("{stamp} came to consumer {}, which it is not for", coming.consumer));
            return Insert::Known;
        };
        let order = match &self.marks {
            _ if !self.ordered || coming.turn == Turn::Again => Order::Free,
            None => Order::OfAll,
            Some(marks) => Order::OfStrand(marks.strand(stamp.sequence)),
        };
        if let Some(group) = self.marks.as_ref().and_then(|marks| marks.group(stamp.sequence))
            && !self.holders.note(group, coming.consumer, budget)
        {
            return Insert::Refused;
        }
        if let Some(Some(receipt)) = self.receipts.get_mut(slot) {
            let seen = receipt.note(number, order, budget);
            if seen == Insert::Known {
                self.tell(|| format!("{stamp} came again"));
            }
            return seen;
        }
        self.first(slot, number, order, budget)
    }

    #[cold]
    fn first(&mut self, slot: usize, number: u64, order: Order, budget: &mut Budget) -> Insert {
        let missing = (slot + 1).saturating_sub(self.receipts.len()) as u64;
        if !budget.take(missing * 8 + RECEIPT_BYTES) {
            return Insert::Refused;
        }
        if missing > 0 {
            self.receipts.resize_with(slot + 1, || None);
        }
        let mut receipt = Box::<Receipt>::default();
        let seen = receipt.note(number, order, budget);
        if let Some(place) = self.receipts.get_mut(slot) {
            *place = Some(receipt);
        }
        seen
    }

    #[cold]
    fn strange(&mut self, stamp: &Stamp) {
        self.foreign += 1;
        self.tell(|| format!("{stamp} came to the wrong place"));
    }

    /// Notes a message that is none of this run, or not as it was sent.
    #[cold]
    pub fn receive_flawed(&mut self, flaw: Flaw, bytes: usize) {
        match flaw {
            Flaw::Foreign => self.foreign += 1,
            Flaw::Corrupt => self.corrupt += 1,
        }
        self.tell(|| match flaw {
            Flaw::Foreign => format!("a message of {bytes} octets is none of this run"),
            Flaw::Corrupt => format!("the octets of a message of {bytes} are not those that were sent"),
        });
    }

    #[cold]
    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            let example = what();
            self.examples.push(example);
        }
    }

    /// What came, with the number of the producer that it came from.
    pub fn receipts(&self) -> impl Iterator<Item = (u32, &Receipt)> {
        let came = self.receipts.iter().enumerate().filter_map(|(slot, receipt)| Some((slot, receipt.as_deref()?)));
        came.map(|(slot, receipt)| (self.deal.producer(slot), receipt))
    }
}

/// Which messages a message has to come behind.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// None.
    Free,
    /// All that its producer sent before.
    OfAll,
    /// Those of its strand.
    OfStrand(usize),
}

impl Receipt {
    #[inline]
    fn note(&mut self, number: u64, order: Order, budget: &mut Budget) -> Insert {
        let seen = self.received.insert(number, budget);
        match seen {
            Insert::New => {
                let is_behind = match order {
                    Order::Free => false,
                    Order::OfAll => number < self.next,
                    Order::OfStrand(strand) => match self.strand(strand, budget) {
                        Some(next) => {
                            let is_behind = number < *next;
                            *next = (number + 1).max(*next);
                            is_behind
                        }
                        None => return Insert::Refused,
                    },
                };
                self.reordered += u64::from(is_behind);
                self.next = self.next.max(number + 1);
            }
            Insert::Known => self.duplicates += 1,
            Insert::Refused => {}
        }
        seen
    }

    /// What is next of a strand, if there is memory for it.
    fn strand(&mut self, strand: usize, budget: &mut Budget) -> Option<&mut u64> {
        let missing = (strand + 1).saturating_sub(self.strands.len());
        if missing > 0 {
            if !budget.take(missing as u64 * 8) {
                return None;
            }
            self.strands.resize(strand + 1, 0);
        }
        self.strands.get_mut(strand)
    }

    /// One more than the largest that came.
    pub fn end(&self) -> u64 {
        self.next
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.kind == Kind::Reply { "the reply to message" } else { "message" };
        write!(f, "{what} {} of producer {} of group {}", self.sequence, self.producer, self.group)
    }
}
