//! What has to become of messages, from what clients sent and were told.
//!
//! Asserted, whatever happens to the network:
//! 1. What comes was sent to that address, octet for octet.
//! 2. A message that goes to one receiver comes to one receiver once, and passes a node once.
//! 3. A sender hears of an unsettled delivery once at most. `accepted` and `rejected` are what a receiver said, `released` is never said of
//!    what a receiver began to get and did not release, and `modified` is a receiver's word, or something was lost meanwhile.
//! 4. In the end each unsettled delivery has its outcome, or its link has ended.
//!
//! Asserted of what is sent while nothing is lost (`Care::Strict`):
//! 5. It comes, to each receiver of a copied address once; so does what is sent settled, unless the routers counted that they dropped it.
//! 6. Its outcome is what its receivers said, by weight.
//! 7. What one link sends to one receiver comes in its order, by priority.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use super::letter::Number;
use super::shape::{AddressShape, Spreading};

/// How long a loss may tell on what is sent after it, nanoseconds: the network hears of it late.
const AFTERMATH_NS: u64 = 5_000_000_000;

/// A link of a client, of all that there were.
pub type LinkNumber = u64;

/// What a receiver decides, or a sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// It was not taken.
    Released,
    /// It was not taken, and is changed.
    Modified {
        /// The attempt counts.
        failed: bool,
        /// Not to come to that link again.
        elsewhere: bool,
    },
    /// It was taken.
    Accepted,
    /// It is wrong.
    Rejected,
}

/// What a router says of what was lost.
pub const LOST: Word = Word::Modified { failed: true, elsewhere: false };

/// How exactly a message's fate is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Something may be lost.
    Loose,
    /// Nothing is.
    Strict,
}

/// Where a delivery is for its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// It waits for its outcome.
    Open,
    /// It was sent settled.
    Settled,
    /// It has its outcome.
    Told,
    /// Its link ended first, or its sender gave it up.
    Left,
}

/// A message at one receiver.
#[derive(Clone, Copy, Debug)]
struct Copy {
    link: LinkNumber,
    is_whole: bool,
    said: Option<Word>,
}

#[derive(Debug)]
struct Message {
    address: usize,
    by: LinkNumber,
    size: usize,
    priority: u8,
    care: Care,
    at_ns: u64,
    stand: Stand,
    copies: Vec<Copy>,
    passed: BTreeSet<usize>,
    /// Whether its sender did not send all of it.
    is_cut: bool,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The address.
    pub address: usize,
    /// The link.
    pub by: LinkNumber,
    /// Octets of its body.
    pub size: usize,
    /// Its priority.
    pub priority: u8,
    /// How exactly its fate is known.
    pub care: Care,
    /// Whether it is sent settled.
    pub settled: amqp_proto::Settled,
}

#[derive(Debug)]
struct Address {
    name: String,
    spreading: Spreading,
    /// When a receiver was lost last, if one was.
    lost_ns: Option<u64>,
    /// Receivers that want all settled, ever.
    has_settled: bool,
    /// How many receivers there are, while nothing may be lost.
    receivers: usize,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that were sent.
    pub sent: u64,
    /// Copies that came.
    pub came: u64,
    /// Outcomes that senders heard.
    pub told: u64,
    /// Of those, `modified` for what was lost.
    pub lost: u64,
    /// Of those, `released` for what nobody got.
    pub returned: u64,
    /// Messages that were seen between nodes.
    pub passed: u64,
    /// Copies that began to come and were aborted.
    pub aborted: u64,
    /// Messages of which nothing may be lost.
    pub strict: u64,
    /// Connections between nodes that were cut.
    pub cuts: u64,
    /// Nodes that ended.
    pub ends: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.came += other.came;
        self.told += other.told;
        self.lost += other.lost;
        self.returned += other.returned;
        self.passed += other.passed;
        self.aborted += other.aborted;
        self.strict += other.strict;
        self.cuts += other.cuts;
        self.ends += other.ends;
    }
}

/// All messages of a run.
#[derive(Debug)]
pub struct Fates {
    /// The time, nanoseconds.
    pub now_ns: u64,
    addresses: Vec<Address>,
    messages: Vec<Message>,
    /// When a connection between nodes, or a node, was lost last.
    torn_ns: Option<u64>,
    /// Whether routers may still have to hear of each other for the first time.
    is_forming: bool,
    open: usize,
    /// The last message of a link that came to another one, by priority.
    last: BTreeMap<(LinkNumber, LinkNumber, u8), Number>,
    /// Octets of a message from which on it may leave its order.
    unordered_above: usize,
    /// How much happened.
    pub tally: Tally,
}

impl Fates {
    /// Nothing was sent yet.
    pub fn new(addresses: &[AddressShape], unordered_above: usize) -> Self {
        let address = |shape: &AddressShape| Address {
            name: shape.name.clone(),
            spreading: shape.spreading,
            lost_ns: None,
            has_settled: false,
            receivers: 0,
        };
        Self {
            now_ns: 0,
            addresses: addresses.iter().map(address).collect(),
            messages: Vec::new(),
            torn_ns: None,
            is_forming: true,
            open: 0,
            last: BTreeMap::new(),
            unordered_above,
            tally: Tally::default(),
        }
    }

    /// Something of the network was lost.
    pub fn torn(&mut self) {
        self.torn_ns = Some(self.now_ns);
    }

    /// What was lost until now tells on nothing that is sent from now on, and each address has so many receivers.
    pub fn calm(&mut self, receivers: &[usize]) {
        (self.torn_ns, self.is_forming) = (None, false);
        for (address, receivers) in self.addresses.iter_mut().zip(receivers) {
            (address.lost_ns, address.receivers) = (None, *receivers);
        }
    }

    /// A receiver of an address was lost, with what was on its way to it.
    pub fn receiver_lost(&mut self, address: usize) {
        self.addresses[address].lost_ns = Some(self.now_ns);
    }

    /// A receiver wants what it gets to be settled.
    pub fn wants_settled(&mut self, address: usize) {
        self.addresses[address].has_settled = true;
    }

    /// A message is sent.
    pub fn send(&mut self, sent: &Sent) -> Number {
        let &Sent { address, by, size, priority, care, settled } = sent;
        let stand = if settled.is_yes() { Stand::Settled } else { Stand::Open };
        self.open += usize::from(stand == Stand::Open);
        self.tally.sent += 1;
        self.tally.strict += u64::from(care == Care::Strict);
        let (copies, passed, at_ns) = (Vec::new(), BTreeSet::new(), self.now_ns);
        self.messages.push(Message { address, by, size, priority, care, at_ns, stand, copies, passed, is_cut: false });
        self.messages.len() - 1
    }

    /// Octets of a message's body.
    pub fn size(&self, number: Number) -> usize {
        self.messages[number].size
    }

    /// Deliveries that wait for an outcome.
    pub fn open(&self) -> usize {
        self.open
    }

    /// A message, for people.
    pub fn describe(&self, number: Number) -> String {
        format!("{:?}", self.messages[number])
    }

    /// One of them, for people.
    pub fn any_open(&self) -> String {
        let mut messages = self.messages.iter().enumerate();
        let open = messages.find(|(_, message)| message.stand == Stand::Open);
        open.map_or_else(String::new, |(number, message)| {
            format!("{number} to {}: {message:?}", self.addresses[message.address].name)
        })
    }

    /// Whether something that is lost may have told on what was sent at a time.
    fn is_disturbed(&self, address: usize, at_ns: u64) -> bool {
        let since = [self.torn_ns, self.addresses[address].lost_ns];
        since.into_iter().flatten().any(|lost_ns| lost_ns + AFTERMATH_NS >= at_ns)
    }

    /// Whether routers may not agree about the ways that something took that was sent at a time: by some tables it comes through where by
    /// others it does not, so that what is copied may come twice.
    fn is_changing(&self, address: usize, at_ns: u64) -> bool {
        self.is_forming || self.is_disturbed(address, at_ns)
    }

    /// A receiver begins to get a message.
    pub fn begun(&mut self, number: Number, address: usize, link: LinkNumber) {
        let message = &self.messages[number];
        let Address { name, spreading, .. } = &self.addresses[address];
        assert_eq!(message.address, address, "message {number} comes to {name}");
        let is_again = match spreading {
            Spreading::All if self.is_changing(address, message.at_ns) => false,
            Spreading::All => message.copies.iter().any(|copy| copy.link == link),
            Spreading::One(_) | Spreading::Linked => !message.copies.is_empty(),
        };
        assert!(!is_again, "message {number} comes to {link} again: {message:?}");
        self.messages[number].copies.push(Copy { link, is_whole: false, said: None });
    }

    /// The first of the copies of a message at a link that is of the kind: while the network changes there may be several.
    fn copy(&mut self, number: Number, link: LinkNumber, is_meant: impl Fn(&Copy) -> bool) -> &mut Copy {
        let mut copies = self.messages[number].copies.iter_mut();
        copies.find(|copy| copy.link == link && is_meant(copy)).expect("it began")
    }

    /// It has got all of it.
    pub fn came(&mut self, number: Number, link: LinkNumber) {
        self.tally.came += 1;
        self.copy(number, link, |copy| !copy.is_whole).is_whole = true;
        let message = &self.messages[number];
        assert!(!message.is_cut, "message {number} was not sent as a whole, and comes so");
        if message.care == Care::Strict && message.size <= self.unordered_above {
            let before = self.last.insert((message.by, link, message.priority), number);
            assert!(
                before.is_none_or(|before| before < number),
                "message {number} comes behind {before:?} at {link}: {message:?} {:?}",
                before.map(|b| &self.messages[b])
            );
        }
    }

    /// What comes of it is aborted.
    pub fn broken(&mut self, number: Number) {
        self.tally.aborted += 1;
        let message = &self.messages[number];
        let is_due = message.is_cut
            || message.stand == Stand::Left
            || message.copies.iter().any(|copy| copy.said.is_some())
            || self.is_disturbed(message.address, message.at_ns);
        assert!(is_due, "message {number} is aborted: {message:?}");
    }

    /// A receiver decides.
    pub fn said(&mut self, number: Number, link: LinkNumber, word: Word) {
        self.copy(number, link, |copy| copy.said.is_none()).said = Some(word);
    }

    /// A message was seen on its way to a node.
    pub fn passes(&mut self, number: Number, node: usize) {
        self.tally.passed += 1;
        let is_new = self.messages[number].passed.insert(node);
        let message = &self.messages[number];
        let may_again = self.addresses[message.address].spreading == Spreading::All
            && self.is_changing(message.address, message.at_ns);
        assert!(is_new || may_again, "message {number} passes node {node} again: {message:?}");
    }

    /// A sender hears what became of its delivery.
    pub fn told(&mut self, number: Number, word: Word) {
        let message = &mut self.messages[number];
        assert_eq!(message.stand, Stand::Open, "message {number} is decided once, and now {word:?}");
        message.stand = Stand::Told;
        self.open -= 1;
        self.tally.told += 1;
        let message = &self.messages[number];
        let address = &self.addresses[message.address];
        let words = || message.copies.iter().map(|copy| copy.said);
        let is_said = words().any(|said| said == Some(word));
        let is_disturbed = self.is_disturbed(message.address, message.at_ns);
        let is_right = match word {
            // Whoever wants all settled has accepted what is on its way.
            Word::Accepted if address.has_settled => true,
            Word::Accepted | Word::Rejected => is_said,
            Word::Released => words().all(|said| said == Some(word)),
            Word::Modified { .. } => is_said || (word == LOST && is_disturbed),
        };
        assert!(is_right, "message {number} to {} is {word:?}: {message:?}", address.name);
        let is_early = word == Word::Accepted && address.has_settled;
        if message.care == Care::Strict && !is_early {
            let nobody = (address.receivers == 0).then_some(weight(Word::Released));
            let heaviest = words().map(|said| said.map(weight)).max().flatten().or(nobody);
            assert_eq!(heaviest, Some(weight(word)), "message {number} to {} is {word:?}: {message:?}", address.name);
        }
        self.tally.lost += u64::from(!is_said && word == LOST);
        self.tally.returned += u64::from(!is_said && word == Word::Released);
    }

    /// Nobody will hear what becomes of a delivery; what was not sent of it is not.
    pub fn left(&mut self, number: Number, unsent: Unsent) {
        let message = &mut self.messages[number];
        message.is_cut |= unsent == Unsent::Some;
        self.open -= usize::from(message.stand == Stand::Open);
        if matches!(message.stand, Stand::Open | Stand::Settled) {
            message.stand = Stand::Left;
        }
    }

    /// Asserts that what was sent since `calm` came to all receivers, but for `dropped` copies of what was sent settled.
    pub fn settle_accounts(&mut self, dropped: u64) {
        if let Some(complaint) = self.complaint(dropped) {
            panic!("{complaint}");
        }
        // What happens later tells on it.
        self.messages.iter_mut().for_each(|message| message.care = Care::Loose);
    }

    /// What of that did not come, if something did not.
    pub fn complaint(&self, dropped: u64) -> Option<String> {
        let (mut missing, mut example) = (0, None);
        for (number, message) in self.messages.iter().enumerate() {
            if message.care == Care::Loose || message.is_cut {
                continue;
            }
            let Address { spreading, receivers, .. } = self.addresses[message.address];
            let wanted = match spreading {
                Spreading::All => receivers,
                Spreading::One(_) | Spreading::Linked => receivers.min(1),
            };
            let whole = message.copies.iter().filter(|copy| copy.is_whole || copy.said.is_some()).count();
            match message.stand {
                Stand::Settled | Stand::Left => {
                    // One copy on its way may be for several receivers.
                    missing += u64::from(wanted > whole);
                    example = example.or((wanted > whole).then_some((number, message)));
                }
                // Its receivers said so.
                Stand::Open | Stand::Told if whole != wanted => {
                    let address = message.address;
                    return Some(format!("message {number} to {address} came {whole} times of {wanted}: {message:?}"));
                }
                Stand::Open | Stand::Told => {}
            }
        }
        let wrong = || format!("{missing} settled messages are missing, and {dropped} were dropped: {example:?}");
        (missing > dropped).then(wrong)
    }
}

/// Whether all of a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// All of it was.
    Nothing,
    /// Something was not, or perhaps not.
    Some,
}

/// How much a word counts among several.
fn weight(word: Word) -> u8 {
    match word {
        Word::Released => 1,
        Word::Modified { .. } => 2,
        Word::Accepted => 3,
        Word::Rejected => 4,
    }
}
