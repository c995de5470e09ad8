//! Every limit of a shard's links, with its reason; what happens when it is reached is said where it is used.

/// Octets of messages that a consumer passes credit on for. It passes more on when half is used, which is before the next turn: that half is more
/// than one turn reads, so that nothing has to wait at a router's only way for credit that its receiver has given.
pub const GIVEN_BYTES: u32 = 576 * 1024;
/// A consumer passes no credit on while its connection has more than this to write, octets: what came would wait here.
pub const OUT_STOP_GIVING: usize = 64 * 1024;
/// Credit that a consumer passes on to the owner at once, messages, however small they are.
pub const GRANT_MAX: u32 = 4096;
/// The same, however large they are: a command for each would cost more than what waits.
pub const GRANT_MIN: u32 = 16;
/// Credit of an anonymous relay's producer, messages: nobody's queue, so that nothing but this bounds it.
pub const RELAY_WINDOW: u32 = 1000;
/// About what a message has beside its body on the wire, octets.
pub const GIVEN_OVERHEAD: usize = 48;
/// Transactions of one shard that are neither committed nor rolled back; more are refused.
pub const TRANSACTIONS_MAX: usize = 16_384;
/// What one transaction keeps, octets: all that it does on a shard is written at once. One that asks for more fails.
pub const TRANSACTION_BYTES_MAX: u64 = 16 << 20;
/// What all transactions of a shard keep, octets; one that asks for more fails.
pub const TRANSACTIONS_BYTES_MAX: u64 = 64 << 20;
/// What an outcome, or a message beside its octets, costs a transaction.
pub const TRANSACTION_ENTRY_BYTES: u64 = 160;
/// How long a transaction may take, nanoseconds: as long as Artemis lets it. Then it fails.
pub const TRANSACTION_NS_MAX: u64 = 300_000_000_000;
/// Credit of a coordinator's link, messages: a client has as many transactions under way as it has sessions, mostly one.
pub const COORDINATOR_WINDOW: u32 = 100;
/// Credit of a link to management, messages: a tool has one request under way, and a console some.
pub const MANAGEMENT_WINDOW: u32 = 16;
/// Octets of a request to management, as it came: what a queue is to be, and a selector, fit many times.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;
/// How often memory that is kept for reuse is used between two scans, at least, or it is given back: all links of a shard together keep
/// no more than a fraction of what comes and goes meanwhile.
pub const TURNOVERS_MIN: usize = 4;
/// Links that one scan looks at: a millisecond of work, which messages wait for. With more links on a shard each is looked at less often, a
/// million of them twice a minute.
pub const LINKS_SWEPT_MAX: u32 = 8192;
/// Octets of a part of a large message on its way to or from a file.
pub const PART_BYTES: usize = 256 << 10;
/// Parts of one message that are written at once; then its connection is not read.
pub const PARTS_MAX: u32 = 4;
/// Parts of all messages of a shard that are written at once, 16 MiB; then likewise.
pub const SHARD_PARTS_MAX: u32 = 64;
/// Octets that a router keeps of the messages in parts of one link before its sender is held up: what it keeps of one message for receivers that
/// are slower. What was on its way then comes all the same, a session's window at most.
pub const THROUGH_OCTETS: u64 = 1 << 20;
/// Octets of the properties of a connection that a router keeps for management: products name themselves and their versions, and what they can do.
/// Larger ones are told as none.
pub const PROPERTIES_BYTES_MAX: usize = 1 << 10;
