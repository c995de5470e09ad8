//! How much links of routed addresses may ask for, each with its reason and what happens when it is reached.

/// Messages of one anonymous relay that have no outcome yet: what its link may have on its way at once. A further one is released, or
/// dropped and counted if it was sent settled.
pub const PUBLISHED_MAX: u32 = 1000;

/// Octets of small messages that go to another shard together: half of what a shard reads of a socket in one turn; their number is that of
/// the smallest there are many of, so that neither is used up long before the other.
pub const BUNDLE_OCTETS: usize = 64 << 10;

/// Such messages, likewise.
pub const BUNDLE_MESSAGES: usize = 512;

/// Bundles of them from one shard to another: what two turns fill, while what those before held is read. Without one messages go one by one.
pub const BUNDLES_EACH_MAX: usize = 4;

/// The same from one shard to all others, of which each has one at least: 8 MiB of 88 KiB each, once they were used.
pub const BUNDLES_MAX: usize = 96;

/// Links for messages in parts to a neighbour that are there before they are used: as many may begin within the time that attaching one takes. A
/// further one goes by the link of its priority, where it may hold up others until it ends.
pub const APART_SPARE: usize = 4;

/// Octets of what stands before the body of a message in parts that goes by such a link: half of the smallest frame of a neighbour that has
/// them. One with more goes by the link of its priority.
pub const APART_FRONT_MAX: usize = 8 << 10;

/// Messages that wait for a neighbour which does not take them: a network of 128 routers makes as many in seconds. Beyond that its
/// connection ends.
pub const CONTROL_BACKLOG_MAX: usize = 4096;

/// Octets of messages that a neighbour said and nobody has heard yet: two of the largest, so that one that answers twice is no offender. Its
/// credit counts messages, of which one may be a million addresses. Beyond that its connection ends.
pub const UNHEARD_OCTETS_MAX: usize = 2 * engine_router::limits::MESSAGE_OCTETS_MAX;

/// Ends of routed links on one shard: as many as it may have links. A further attach is refused.
pub const ENDS_MAX: u32 = 1 << 24;

/// Senders whose address is looked up in one turn since the table is another one: some hundred microseconds of work. The others are looked up
/// in the next turns, and a receiver's attach is answered behind that.
pub const LOOKS_MAX: usize = 2048;

/// Addresses that one table names as changed: a shard looks for senders to each at once, in a millisecond. Where more have changed, as when a
/// router with a million of them comes, none is named, and each sender's address is looked up in its turn.
pub const CHANGED_MAX: usize = 4096;

/// Addresses of other routers that one table takes in: some milliseconds of work of the registry, 1.5 us each, and fewer than `CHANGED_MAX`. The
/// rest of what neighbours said waits for the next tables.
pub const LEARNED_MAX: usize = 2048;

/// Connections to routers at the edge on one shard: as many as one site has devices with a router of their own. A further one gets no
/// links.
pub const EDGES_MAX: usize = 1 << 14;

/// Questions of one router at the edge in a second: it asks one for each attach of its clients, and takes hundreds in a second. One that
/// asks more loses its connection.
pub const LOOKUPS_MAX: u32 = 4096;

/// Messages of a router at the edge that wait for an answer, and credit for what it is told: what those routers give each other.
pub const EDGE_CREDIT: u32 = 32;

/// Signs of life that may be under way: one, and one that comes early.
pub const HEARTBEAT_CREDIT: u32 = 2;

/// How often a router at the edge says that it is alive, nanoseconds.
pub const HEARTBEAT_NS: u64 = 2_000_000_000;

/// How long it may be silent: four times as long. Its connection ends then.
pub const HEARTBEAT_AGE_NS: u64 = 8_000_000_000;

/// How often it is looked whose time has come, nanoseconds: a part of those times, and little work for `EDGES_MAX`.
pub const EDGES_LOOK_NS: u64 = 500_000_000;
