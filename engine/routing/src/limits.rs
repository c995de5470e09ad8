//! How much links of routed addresses may ask for, each with its reason and what happens when it is reached.

/// Messages of one anonymous relay that have no outcome yet: what its link may have on its way at once. A further one is released, or
/// dropped and counted if it was sent settled.
pub const PUBLISHED_MAX: u32 = 1000;

/// Messages that wait for a neighbour which does not take them: a network of 128 routers makes as many in seconds. Beyond that its
/// connection ends.
pub const CONTROL_BACKLOG_MAX: usize = 4096;

/// Ends of routed links on one shard: as many as it may have links. A further attach is refused.
pub const ENDS_MAX: u32 = 1 << 24;

/// Senders whose address is looked up in one turn since the table is another one: some hundred microseconds of work. The others are looked up
/// in the next turns, and a receiver's attach is answered behind that.
pub const LOOKS_MAX: usize = 2048;
