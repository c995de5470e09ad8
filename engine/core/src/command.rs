//! What the home of a link asks of the owner of its address. Flat and small; rare payloads are boxed.

use bytes::Bytes;
pub use engine_catalogue::RoutingType;

use crate::key::{EndKey, LinkKey};
use crate::message::Message;
use crate::origin::Origin;
use crate::refusal::Refusal;
use crate::resumption::{Lasting, LastingConsumer, Tag, TaggedDelivery};

/// Whether a delivery arrived settled, that is, whether its sender waits for no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nobody waits for an outcome.
    Yes,
    /// The sender waits for `Event::Settled`.
    No,
}

/// The terminal states of a delivery (part 3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Done with it.
    #[default]
    Accepted,
    /// Invalid or impossible to process; never offered again.
    Rejected(Option<Box<Refusal>>),
    /// Not processed, and not counted as an attempt.
    Released,
    /// Not processed, with changes.
    Modified(Box<Modified>),
}

/// The fields of the modified outcome (part 3.4.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modified {
    /// Count the delivery as a failed attempt.
    pub delivery_failed: bool,
    /// Do not offer the message to this consumer again.
    pub undeliverable_here: bool,
    /// An encoded map to be merged into the message's annotations (`CoreConfig::merge_annotations`).
    pub annotations: Option<Bytes>,
}

/// What the names of dynamic nodes begin with, and of no others: a node of such a name comes into being with the attach that asks
/// for it, and never again.
pub const DYNAMIC_PREFIX: &str = "$dynamic-";

/// Lifetime policies of dynamic nodes (part 3.5.10). The link whose attach created the node is its creator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Deleted when its creator closes or is lost.
    OnClose,
    /// Deleted when no link remains.
    NoLinks,
    /// Deleted when its last message left it, or its last link before there was one.
    NoMessages,
    /// Deleted when neither links nor messages remain.
    NoLinksOrMessages,
}

/// Names a connection that was admitted, in the whole node and wherever it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionKey {
    /// The shard that keeps its claim.
    pub owner: u16,
    /// The claim.
    pub claim: EndKey,
}

/// A stage of a routed address, for a link that does not go by what its address's rule says for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// This phase, 0 to 9, or 22 for that of fallback consumers.
    Phase(u8),
    /// It is the waypoint of this number, 1 to 9: it takes from the phase before and gives to this one.
    Waypoint(u8),
    /// It takes what nobody else takes, or gives that to those who do.
    Fallback,
}

impl Stage {
    /// The one that a terminus asks for by a capability of this name, if it is one of those.
    #[must_use]
    pub fn of_capability(capability: &str) -> Option<Self> {
        match capability {
            "qd.fallback" => Some(Self::Fallback),
            "qd.waypoint" => Some(Self::Waypoint(1)),
            _ => {
                let number = capability.strip_prefix("qd.waypoint.")?.parse().ok();
                number.filter(|number| (1..=9).contains(number)).map(Self::Waypoint)
            }
        }
    }
}

/// What a link of a routed address is besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// The stage that it asks for; `None`: as the address's rule has it for its end.
    pub stage: Option<Stage>,
    /// Deliveries of it that may be unsettled, from 1; `None`: as many as the router has for all.
    pub capacity: Option<u32>,
    /// Set for a link to another router; of whose name the address is, unless it is a link for one address.
    pub between: Option<Between>,
}

impl Passage {
    /// One that asks for a stage.
    #[must_use]
    pub fn of(stage: Option<Stage>) -> Self {
        Self { stage, ..Self::default() }
    }
}

/// A link between two routers, one of which may be at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Between {
    /// Its connection, by a number that no other one of the shard has.
    pub connection: u64,
    /// What a message over the connection costs, from 1; 0 where one of both is at the edge.
    pub cost: u32,
    /// Links for messages in parts that the peer takes beside those for each priority.
    pub apart: u16,
    /// What goes over it.
    pub carries: Carries,
}

/// What goes over a link between two routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// What routers tell each other.
    Control,
    /// Messages of one priority: the first such link is for priority 0, and so on.
    Messages,
    /// Messages in parts, of any priority (`Event::LinkWanted`).
    Parts,
    /// To or from a router at the edge: messages that each say their address.
    Anonymous,
    /// To or from a router at the edge: messages of one address, as a client's.
    Address,
    /// To a router at the edge: of which addresses somebody receives.
    Tracking,
    /// From a router at the edge: what it asks about addresses.
    Lookup,
    /// From a router at the edge: signs of life.
    Heartbeat,
}

/// What a sending peer wants to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSpec {
    /// The target's address, prefix stripped; `address::queue` names one queue, which alone gets the messages.
    pub address: String,
    /// What capabilities or a prefix ask for.
    pub routing: Option<RoutingType>,
    /// Set for a dynamic node, whose name the home has made.
    pub lifetime: Option<Lifetime>,
    /// Whose link it is, if its connection was admitted.
    pub connection: Option<ConnectionKey>,
    /// The container that its messages are from, if that is known.
    pub origin: Option<Origin>,
    /// Set if the link is to outlive its connection.
    pub lasting: Option<Box<Lasting>>,
    /// What it is to a router; of no meaning for stored addresses.
    pub passage: Passage,
    /// Owners that answered `Event::Moved` so far.
    pub moved: u8,
}

impl ProducerSpec {
    /// What a sending peer wants that asks for nothing but an address.
    #[must_use]
    pub fn of(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            routing: None,
            lifetime: None,
            connection: None,
            origin: None,
            lasting: None,
            passage: Passage::default(),
            moved: 0,
        }
    }
}

/// What a receiving peer does with the messages it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Takes them (distribution mode move).
    Consume,
    /// Looks at them (distribution mode copy on a queue).
    Browse,
}

/// Where a link that looks at a queue begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first message that is there.
    First,
    /// With the last one.
    Last,
    /// With the next one that comes.
    Next,
    /// With the first one at this position or behind it.
    Position(u64),
    /// With the first one that came at this time or later, milliseconds since the epoch.
    Time(u64),
}

/// Who settles what is sent to a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// The owner, when it sends: at most once.
    OnSend,
    /// The peer, with `Command::Settle`.
    ByPeer,
}

/// How long a subscription lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As long as its links.
    Volatile,
    /// Until a link of it is closed and no other is attached.
    Durable,
}

/// Who may attach to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One link.
    Exclusive,
    /// Links of one container.
    Shared,
    /// Links of any container.
    Global,
}

/// The subscription that a consumer of a multicast address asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The peer's container-id; may be empty.
    pub container: String,
    /// The link's name, as the peer sent it.
    pub name: String,
    /// How long it lives.
    pub durability: Durability,
    /// Who may attach.
    pub sharing: Sharing,
}

impl Subscription {
    /// The name of its queue, unique in its address (artemis.md, 2.7).
    #[must_use]
    pub fn queue_name(&self) -> String {
        let Self { container, name, .. } = self;
        match (self.sharing, self.durability) {
            (Sharing::Global, Durability::Durable) => format!("{name}:global"),
            (Sharing::Global, Durability::Volatile) => format!("{name}:shared-volatile:global"),
            (Sharing::Shared, Durability::Volatile) => format!("{container}.{name}:shared-volatile"),
            (Sharing::Shared | Sharing::Exclusive, _) => format!("{container}.{name}"),
        }
    }
}

/// What a receiving peer wants to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// The source's address, prefix stripped; `address::queue` names one queue.
    pub address: String,
    /// What capabilities or a prefix ask for.
    pub routing: Option<RoutingType>,
    /// Take or look.
    pub mode: Mode,
    /// Who is before others as long as it has credit: the higher.
    pub priority: i32,
    /// Who settles.
    pub settle: Settle,
    /// Used where the address turns out to be multicast. Without it the subscription is volatile and nameless.
    pub subscription: Option<Subscription>,
    /// The condition (JMS 3.8.1) on messages of the subscription; without one it gets all of them.
    pub selector: Option<Box<str>>,
    /// The container whose messages a subscription leaves out; of no meaning for queues that are no subscriptions.
    pub no_local: Option<Origin>,
    /// Set for a dynamic node, whose name the home has made.
    pub lifetime: Option<Lifetime>,
    /// Whose link it is, if its connection was admitted.
    pub connection: Option<ConnectionKey>,
    /// For deliveries that are unsettled when the link ends.
    pub default_outcome: Outcome,
    /// Set if the link is to outlive its connection.
    pub lasting: Option<Box<LastingConsumer>>,
    /// What it is to a router; of no meaning for stored addresses.
    pub passage: Passage,
    /// Where it begins, if it asks for that; of no meaning for a link that takes messages.
    pub start: Option<Start>,
    /// What is searched for, and owners that were asked before.
    pub searched: Searched,
}

/// Owners that were asked for a consumer before the one that is asked now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Those that answered `Event::Moved`.
    pub moved: u8,
    /// For a durable subscription that is asked for at an address: those that have no other one of its name.
    pub cleared: u16,
    /// Set if the subscription is one that is remembered: the address is not known then, and empty. Any owner may be asked.
    pub remembered: Option<Remembered>,
}

/// A search for a durable subscription by its name alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Owners that do not have it.
    pub asked: u16,
}

impl ConsumerSpec {
    /// What a receiving peer gets that asks for nothing but an address: it takes messages, settles them itself, and gives back what it
    /// did not settle.
    #[must_use]
    pub fn of(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            routing: None,
            mode: Mode::Consume,
            priority: 0,
            settle: Settle::ByPeer,
            subscription: None,
            selector: None,
            no_local: None,
            lifetime: None,
            connection: None,
            default_outcome: Outcome::Released,
            lasting: None,
            passage: Passage::default(),
            start: None,
            searched: Searched::default(),
        }
    }
}

/// One message for an address that no link of its sender is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The message's `to`, prefix stripped.
    pub address: String,
    /// What annotations or a prefix ask for.
    pub routing: Option<RoutingType>,
    /// The message.
    pub message: Message,
    /// The container that it is from, if that is known.
    pub origin: Option<Origin>,
    /// The delivery's tag, if its sender cannot be told of a refusal by an outcome: `Event::Undelivered` tells it. At most 32 octets.
    pub tag: Option<Bytes>,
    /// Owners that answered `Event::Moved` so far.
    pub moved: u8,
}

impl Publish {
    /// A message for an address, and nothing else.
    #[must_use]
    pub fn of(address: impl Into<String>, message: Message) -> Self {
        Self { address: address.into(), routing: None, message, origin: None, tag: None, moved: 0 }
    }
}

/// What of a transaction concerns one owner: it is done all at once, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Messages, in their order.
    pub sends: Vec<Publish>,
    /// Deliveries that it ends, of links of this owner.
    pub retired: Vec<Retired>,
    /// Links of this owner that end behind it.
    pub closing: Vec<(EndKey, DetachMode)>,
}

/// A delivery that a transaction ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The consumer.
    pub end: EndKey,
    /// The delivery's key, from `Event::Deliver`.
    pub key: u64,
    /// What becomes of it.
    pub outcome: Outcome,
    /// As in `Command::Settle`; `None` if the peer settled it.
    pub confirm: Option<u32>,
}

/// What becomes of a second connection of a container that wants to have one only (sole-connection-for-container).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolePolicy {
    /// The one that comes is refused.
    RefuseConnection,
    /// Those that there are end.
    CloseExisting,
}

/// A connection that is about to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimSpec {
    /// What its peer calls itself.
    pub container: String,
    /// Set if it is to be the only one of its container.
    pub sole: Option<SolePolicy>,
    /// The claim that is in its way, once its connection's shard was asked whether it had gone.
    pub standing: Option<EndKey>,
}

/// How a link ended at its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachMode {
    /// The peer closed it: `detach` with closed=true.
    Close,
    /// The peer detached it and may come back: closed=false.
    Suspend,
    /// Its session or connection was ended, by either side, without a detach.
    Ended,
    /// Its connection was lost: what its consumer held counts as delivered in vain.
    Lost,
}

impl DetachMode {
    /// Whether the peer waits until the link has ended.
    #[must_use]
    pub fn is_awaited(self) -> bool {
        matches!(self, Self::Close | Self::Suspend)
    }
}

/// One order from a home to an owner. Orders that carry a stale `EndKey` are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Answered by `Event::Attached` or `Event::Refused`; by `Event::Moved` if the address is another owner's.
    AttachProducer {
        /// Where answers go.
        link: LinkKey,
        /// What is asked for.
        spec: Box<ProducerSpec>,
    },
    /// Answered likewise.
    AttachConsumer {
        /// Where answers go.
        link: LinkKey,
        /// What is asked for.
        spec: Box<ConsumerSpec>,
    },
    /// A message on a producer's link. Uses up one credit.
    Deliver {
        /// The producer.
        end: EndKey,
        /// The home's number for the delivery; named again in `Event::Settled`.
        delivery: u32,
        /// Whether an answer is wanted.
        settled: Settled,
        /// The message.
        message: Message,
    },
    /// The same on a link that outlives its connection.
    DeliverTagged(Box<TaggedDelivery>),
    /// The sender of such a link takes up a delivery that it was told of when it attached the link: without its message, which is here.
    /// Uses up one credit. Answered by `Event::Settled`, if it is one.
    Resume {
        /// The producer.
        end: EndKey,
        /// The home's number for the delivery, now.
        delivery: u32,
        /// Whether an answer is wanted.
        settled: Settled,
        /// The delivery's tag.
        tag: Tag,
    },
    /// The sender of such a link settled the deliveries `first..=last` (serial numbers): it knows what became of them.
    Forget {
        /// The producer.
        end: EndKey,
        /// The first delivery.
        first: u32,
        /// The last one; may equal `first`.
        last: u32,
    },
    /// A message from an anonymous relay. Answered by `Event::Settled` to `link`, which needs no end here; by `Event::Undelivered` if it is
    /// refused and has its delivery's tag; by `Event::Moved` if the address is another owner's. The latter two whether or not an answer is
    /// wanted.
    Publish {
        /// Where the answer goes.
        link: LinkKey,
        /// The home's number for the delivery.
        delivery: u32,
        /// Whether an answer is wanted.
        settled: Settled,
        /// Address and message.
        publish: Box<Publish>,
    },
    /// A transaction is committed. Answered by `Event::Settled` to `link`, which needs no end here.
    Transact {
        /// Where the answer goes: the coordinator's link.
        link: LinkKey,
        /// The home's number for the delivery that commits it.
        delivery: u32,
        /// Whether an answer is wanted.
        settled: Settled,
        /// What it is about here.
        part: Box<Part>,
    },
    /// A consumer's outcome for one delivery.
    Settle {
        /// The consumer.
        end: EndKey,
        /// The delivery's key, from `Event::Deliver`.
        key: u64,
        /// The outcome.
        outcome: Outcome,
        /// Set when the peer waits for `Event::Confirmed`, which names it.
        confirm: Option<u32>,
    },
    /// A consumer accepted several deliveries: the usual outcome, many to one command.
    Accept {
        /// The consumer.
        end: EndKey,
        /// How many of `keys` count.
        count: u8,
        /// The deliveries' keys, in the order of their outcomes.
        keys: [u64; ACCEPT_KEYS],
    },
    /// A consumer may be sent that many more messages.
    Grant {
        /// The consumer.
        end: EndKey,
        /// Additional credit.
        credit: u32,
    },
    /// A consumer may be sent that many messages fewer: its peer took credit back (part 2.6.7). Answered by `Event::Revoked`.
    Revoke {
        /// The consumer.
        end: EndKey,
        /// Credit that is wanted back.
        credit: u32,
    },
    /// Send what is there, give back the rest of the credit, answer `Event::Drained`.
    Drain {
        /// The consumer.
        end: EndKey,
    },
    /// A connection is about to be opened. Answered by `Event::Admitted`, which `Event::Detached` may follow, or by `Event::Refused`.
    Claim {
        /// Where answers go.
        link: LinkKey,
        /// What is asked for.
        spec: Box<ClaimSpec>,
    },
    /// A connection moved to another shard. Answered by `Event::Detached` if its claim was ended meanwhile.
    MoveClaim {
        /// Its claim.
        claim: EndKey,
        /// Where answers go from now on.
        link: LinkKey,
    },
    /// A connection is gone. Never answered.
    DropClaim {
        /// Its claim.
        claim: EndKey,
    },
    /// The link is gone. Answered by `Event::Ended` if its peer waits for that (`DetachMode::is_awaited`), behind what became of the
    /// deliveries that came on it; by `Event::Detached` if that crosses it.
    Detach {
        /// The link's end.
        end: EndKey,
        /// How it ended.
        mode: DetachMode,
    },
}

/// Keys in one `Command::Accept`: as many as a command's size allows.
pub const ACCEPT_KEYS: usize = 6;

const _: () = assert!(size_of::<Command>() <= 72);
const _: () = assert!(size_of::<Outcome>() <= 16);
