//! Every bound of this crate: its value, its reason, and what happens when it is reached.
//!
//! Constants are structural; `CoreConfig` carries those of a shard that an operator may set. What is set of addresses and queues is the
//! catalogue's (`engine_catalogue::AddressSettings`).

use std::sync::Arc;

use engine_catalogue::Catalogue;

/// What one queued message costs beside its body, in bytes: its entry and its share of the ring's slack.
pub const MESSAGE_OVERHEAD: u64 = 128;

/// Longest address or queue name, in bytes. Longer ones are refused with `amqp:invalid-field`.
pub const NAME_BYTES_MAX: usize = 2048;

/// Dynamic nodes of a shard: more than clients that wait for replies have connections, and so few that nobody can take the room of
/// all other addresses with them. Further ones are refused with `amqp:resource-limit-exceeded`.
pub const DYNAMIC_NODES_MAX: usize = 1 << 16;

/// Size of the messages that a queue gives before the next queue that has some takes its turn, with overhead, octets: about what a
/// consumer is given in one turn, so that messages leave in few large writes (each costs as much as several messages), and so
/// little that a queue waits some hundred microseconds for each other one that has a backlog.
pub const DISPATCH_BYTES: u64 = 256 << 10;

/// Messages and queues that one expiry sweep looks at, some 200 us of work. What is left waits for the sweep of the next turn.
pub const EXPIRY_SCAN_MAX: u32 = 1024;

/// Waiting messages that leave a queue at most when one is put in and it has more than `ring_size`, which was larger before: some 5 us of work.
/// What is left leaves with the next ones.
pub const TRIM_MAX: u32 = 64;

/// Pause between two expiry sweeps that leave nothing, nanoseconds: what expires together is dropped together.
pub const EXPIRY_PERIOD_NS: u64 = 100_000_000;

/// Longest wait for a sweep while a message has a time to live, nanoseconds: that much later than at its time a message is dropped
/// when somebody sets the wall clock.
pub const EXPIRY_LOOK_NS: u64 = 1_000_000_000;

/// Places that names of groups are spread over: 24 octets each in a queue that has as many groups. Two groups of one place share a consumer.
pub const GROUPS_MAX: u32 = 1 << 20;

/// Messages that wait in a queue of last values beyond which it learns no further keys: each costs some 130 octets beside itself.
pub const LAST_VALUES_MAX: usize = 1 << 20;

/// Octets of a key of such a queue, encoded: it is kept in memory for each message that waits.
pub const LAST_VALUE_KEY_BYTES_MAX: usize = 256;

/// Messages that a consumer looks at in one go for one that is for it: some tens of microseconds.
pub const PICKS_MAX: u32 = 512;

/// How many consumers' exclusions (`undeliverable-here`) one message remembers. Beyond it the oldest is forgotten: the
/// message may then reach that consumer again, which the specification permits.
pub const EXCLUSIONS_MAX: usize = 16;

/// A message is rejected instead of queued once a queue that withholds credit stands at this multiple of its maximum: credit was
/// withheld long before, so only a sender that ignores credit or a great many senders at once get here.
pub const REJECT_FACTOR: u64 = 2;

/// Size of the messages that one queue keeps in memory before the next ones are in the journal only, octets: what a consumer
/// takes in some tens of milliseconds, so that whoever falls back for a moment needs no disk.
pub const RESIDENT_BYTES: u64 = 64 << 20;

/// The same while memory is short (`SHORT_SHARE`), octets.
pub const RESIDENT_BYTES_SHORT: u64 = 1 << 20;

/// No queue keeps more than one part of so many of the shard's memory, so that a few with a backlog leave room for the others.
pub const RESIDENT_SHARE: u64 = 8;

/// The same while memory is short.
pub const RESIDENT_SHARE_SHORT: u64 = 16;

/// Size of a queue's waiting messages in memory below which more of it are read from the journal, octets: what a consumer
/// takes while a read is under way.
pub const FETCH_BELOW: u64 = 8 << 20;

/// At most one part of so many of the shard's memory is read ahead for one queue: half of what a queue may keep.
pub const FETCH_SHARE: u64 = 16;

/// While more than one part of so many of the shard's memory is used, a message that the journal has leaves memory when it is given
/// to a consumer that settles it. Held messages alone then never make memory short (`SHORT_SHARE`). Below that a message that comes
/// back needs no read.
pub const SHED_SHARE: u64 = 4;

/// Memory is short while more than one part of so many of it is used: queues keep less of what comes, and read in small pieces. While
/// half as much again is used, what comes is in the journal only: the rest is for what is read for consumers.
pub const SHORT_SHARE: u64 = 2;

/// Where nothing but memory has messages, producers get no credit when it is used up, and what they send all the same is refused when
/// one part more of so many is: credit that they have already is used by then.
pub const OVERDRAFT_SHARE: u64 = 4;

/// Size of messages that came back which are read again at once, at least, octets: what most reads bring, so that no batch is read
/// twice for its neighbours.
pub const RECALL_BYTES: u64 = 1 << 20;

/// At most one part of so many of the shard's memory, likewise.
pub const RECALL_SHARE: u64 = 16;

/// What the cursors of a shard read ahead, octets, beside its memory for messages: one read for each of some tens of browsers. Beyond it
/// those that gave no credit lose what was read for them, and the others wait for their turn.
pub const CURSORS_BYTES: u64 = 16 << 20;

/// At most one part of so many of the shard's memory, likewise.
pub const CURSORS_SHARE: u64 = 16;

/// Queues whose withheld producers are looked at again in one turn, some 100 us of work. The others are next turn's.
pub const RELEASE_MAX: usize = 256;

/// Queues of an address that are found by looking at each of their names; of more there is a table, which costs some 100 octets each.
pub const FEW_QUEUES: usize = 8;

/// Octets that wait for the disk beyond which the windows of producers of durable messages shrink: one batch that is written, and
/// one that fills.
pub const CROWDED_BYTES: u64 = 2 << 20;

/// They shrink to no less, messages: one flow and one disposition for half as many cost little beside them.
pub const WINDOW_MIN: u32 = 64;

/// Messages of a shard that are on their way to other addresses at once: enough to fill the time of a round between shards and of a sync,
/// and few beside what consumers hold. Others wait in their queues.
pub const FORWARDS_MAX: usize = 64;

/// Size of the same, octets: they are copies beside the budget.
pub const FORWARD_BYTES: u64 = 4 << 20;

/// Messages of a queue that wait in memory to go elsewhere. Beyond it those leave memory that the journal has.
pub const DEPARTING_HERE_MAX: usize = FORWARDS_MAX;

/// Messages of a divert's queue that wait to go at once, or are under way: enough for all flights of a shard. What waits beyond it stays in
/// the queue's order, in memory or not, as it does for consumers.
pub const DIVERTING_MAX: usize = FORWARDS_MAX;

/// Octets of annotations, properties and application properties of a large message that are kept in memory and journal beside its file, so that selectors and
/// others can look at them. Of one with more nothing is known but its header: where subscriptions have selectors it is refused.
pub const LARGE_FRONT_MAX: usize = 16 * 1024;

/// Octets of messages that an address keeps for subscriptions that come later, at most: they stay in memory. The oldest leave.
pub const RETAINED_BYTES: u64 = 16 << 20;

/// Messages of a queue whose priorities hold on disk, too, that are known by their names: some 135 octets each. Those that come behind so many are on disk in
/// the order of their arrival, and their priorities hold when they were read.
pub const NAMED_MAX: usize = 1 << 20;

/// Patterns of addresses that a shard knows subscriptions to, its own and those of others: each makes an address and a queue on every shard, and
/// each may match every address. Links that would be to further ones are refused with `amqp:resource-limit-exceeded`.
pub const PATTERNS_MAX: usize = 1024;

/// Longest pattern, octets: the address that leads to its subscriptions has a name that is somewhat longer. Longer ones are refused with
/// `amqp:invalid-field`.
pub const PATTERN_BYTES_MAX: usize = NAME_BYTES_MAX - 64;

/// How often a message may move from address to address before diverts drop it: chains of diverts that people make are shorter, and what
/// goes round in a circle is gone within some milliseconds.
pub const HOPS_MAX: u32 = 16;

/// Largest message annotations of what is diverted, octets: with those that tell of its way they have to fit into the 64 KiB that are kept
/// of them, so that moves are counted. What has larger ones is dropped, and counted, as if it had moved too often.
pub const MOVED_ANNOTATIONS_MAX: usize = 48 << 10;

/// What a message costs that waits to go elsewhere, beside itself, octets: its places in line and table.
pub const DEPARTING_BYTES: u64 = 128;

/// Messages that a step of work on a queue's messages looks at, some tens of microseconds. Whoever asks for the work asks for the next step.
pub const MANAGED_MAX: u64 = 256;

/// Messages of a queue that are known by name only before work on its messages reads no more: it would leave that many beside those that it
/// does something with, at some 64 octets each. The work ends there, with an error.
pub const MANAGED_AWAY_MAX: u64 = 1 << 20;

/// Messages of a queue that wait to go elsewhere before no more are read for it from the journal: what has expired there would only wait
/// here, at a price. They cost 8 MiB.
pub const DEPARTING_MAX: usize = 1 << 16;

/// Queues of a shard that were deleted and forward what they have to, at most, and what of that is in memory, octets: each has a client that
/// made it, rejected something and went. Beyond that what would be forwarded goes with its queue, and is counted.
pub const ENDING_MAX: usize = 1024;

/// What all of them have in memory, at most, octets: four times what may be on its way.
pub const ENDING_BYTES: u64 = 16 << 20;

/// Messages that a shard takes to its own addresses in one turn, some 200 us of work. The others are next turn's.
pub const FORWARDS_TURN_MAX: usize = 128;

/// How long what goes elsewhere waits after it was refused there for the first time, nanoseconds: a consumer may have made room by then.
pub const FORWARD_RETRY_MIN_NS: u64 = 100_000_000;

/// The longest that it waits, nanoseconds, after each time twice as long: as long as somebody likes to wait who mended what was in its way,
/// and one message of each queue that often costs nothing.
pub const FORWARD_RETRY_MAX_NS: u64 = 5_000_000_000;

/// Octets of what a consumer said of a message that it rejected, as far as that is kept: a few sentences. The rest is left out.
pub const REASON_BYTES_MAX: usize = 1024;

/// Octets of an id by which a producer says that messages are the same: an UUID has 38 with its type. Longer ones are refused with
/// `amqp:invalid-field`.
pub const ID_BYTES_MAX: usize = 256;

/// What such an id costs beside itself, and an address that has some, octets: its places in line and table.
pub const ID_OVERHEAD: u64 = 96;

/// What all ids of a shard cost, octets: those of eighteen addresses with 20,000 UUIDs each. Beyond it the address that was asked for longest
/// ago loses its own.
pub const IDS_BYTES_MAX: u64 = 64 << 20;

/// Transactions over several shards that a shard commits at once: more than it has connections that wait for that, and what they are about is
/// bounded for each. Further ones are rolled back with `amqp:resource-limit-exceeded` in their text.
pub const COMMITS_MAX: usize = 1024;

/// Connections of the containers that a shard answers for, at most, each with some 150 octets: 40 MB, and more connections than a node is
/// meant to have. Beyond it a connection is refused with `amqp:resource-limit-exceeded`.
pub const CLAIMS_MAX: u32 = 1 << 18;

/// How often what names an address is sent on from one owner to the next: an address changes hands when an operator says so, and what is
/// on its way meanwhile is sent on once. Beyond it, it is refused with `amqp:resource-locked`.
pub const MOVED_MAX: u8 = 8;

/// Commands that an owner keeps while an address changes hands, at most: as many as links of a shard ask for at once, for the milliseconds
/// that it takes to write the catalogue. Further ones are refused with `amqp:resource-locked`.
pub const KEPT_MAX: usize = 1 << 16;

/// Size of relayed messages among them, octets, beside the shard's memory for messages; relays have credit again before they are
/// answered. Further ones are refused likewise.
pub const KEPT_BYTES: u64 = 16 << 20;

/// Declared names, addresses, queues and links that one turn brings to a new version of the catalogue, some 100 us of work. The others
/// wait for the next turns.
pub const REFRESH_MAX: usize = 256;

/// Where messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory: nothing outlives the node, and durable messages are accepted like all others.
    Memory,
    /// In memory and in a journal: durable ones are accepted when they are on stable storage.
    Journal,
}

/// What an owner is to be. Its limits hold for one shard; those of addresses and queues are in the catalogue.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// This shard's index; it goes into generated names, which must be unique on the node.
    pub shard: u16,
    /// What administrators say of addresses and queues. An address and its queues keep what it says when they are made.
    pub catalogue: Arc<Catalogue>,
    /// For how long after a consumer last gave credit the soft limits hold, in nanoseconds.
    pub soft_recent_ns: u64,
    /// Bytes of all queues of the shard from which credit is withheld.
    pub memory_bytes: u64,
    /// Link ends of the shard. Further attaches are refused with `amqp:resource-limit-exceeded`.
    pub ends_max: usize,
    /// Addresses of the shard, and likewise queues. Further ones are refused with `amqp:resource-limit-exceeded`.
    pub nodes_max: usize,
    /// Where messages are kept.
    pub storage: Storage,
    /// Largest body that the journal takes, octets; larger durable messages are refused with
    /// `amqp:link:message-size-exceeded`.
    pub stored_bytes_max: u64,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            shard: 0,
            catalogue: Arc::default(),
            soft_recent_ns: 10_000_000,
            memory_bytes: 2 << 30,
            ends_max: 1 << 20,
            nodes_max: 1 << 20,
            storage: Storage::Memory,
            stored_bytes_max: u64::MAX,
        }
    }
}

/// Deliveries of one link that outlives its connection of which its sender may not know what became: twice what it has credit for, if
/// nobody says otherwise, at 64 octets each. Beyond it the oldest is forgotten, whose message may then come a second time.
pub const UNSETTLED_MAX: usize = 4096;

/// Links of a shard's addresses that outlive their connections, attached or suspended: with all that each may leave 128 MiB. Beyond it the
/// suspended one is forgotten that would go first; if there is none, a further link does not outlive its connection, and is told so.
pub const LASTING_MAX: usize = 512;
