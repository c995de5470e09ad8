//! Every limit of a shard's sockets and turns, with its reason; what happens when it is reached is said where it is used.

use engine_home::limits::GIVEN_BYTES;

/// What one read takes at most, octets. Half of it makes messages of 1 KiB a third dearer, as everything behind a read (turns, writes,
/// acknowledgements) then comes in smaller pieces; more would not fit into a core's cache together with what becomes of it.
pub(crate) const READ_BYTES: usize = 256 * 1024;
// What is left of a consumer's credit before it gets more takes what one read brings.
const _: () = assert!(READ_BYTES <= GIVEN_BYTES as usize / 2);
/// Input of a connection is not read while more output than this waits for it, octets: a peer that does not read
/// cannot make us keep what it asks for.
pub(crate) const OUT_STOP_READING: usize = 1024 * 1024;
/// How often a log line of one kind that peers cause is told at most, nanoseconds: they can cause as many as they like.
pub(crate) const TELL_NS: u64 = 1_000_000_000;
/// How often connections are looked at, for deadlines and for memory that they need no more, nanoseconds: fine enough for timeouts of a
/// second.
pub(crate) const SCAN_PERIOD_NS: u64 = 250_000_000;
/// How long connections have to read what is written for them when the node stops, nanoseconds.
pub(crate) const STOP_TIMEOUT_NS: u64 = 3_000_000_000;
/// Octets that are read in one turn, give or take one read; sockets that are ready beyond it have the next one. What sixteen fast
/// producers send at once would not fit into the core's cache, and every message would be fetched into it several times.
pub(crate) const TURN_BYTES: usize = 128 * 1024;
/// What one read brings of the router's small messages goes on when it was read, from where it lies, if it is as many octets; less is copied, and goes on
/// with what others bring in the turn: more than one frame of messages that go together, so that what is small goes together, too.
pub(crate) const LENT_MIN_BYTES: usize = 16 * 1024;
/// What a read of a connection brings that is read before others when it comes again: less than messages make that came together.
pub(crate) const LITTLE_BYTES: usize = LENT_MIN_BYTES;
/// Octets of messages that consumers are given in one turn; what they may have beyond it comes in the next one. It is more than what
/// one turn reads, so that a queue does not grow for it, and so little that a message is written while it is in the core's cache,
/// and that nobody waits long for a consumer with much credit and a deep queue.
pub(crate) const TURN_GIVEN_BYTES: usize = 192 * 1024;
/// Connections that one listener accepts in one turn.
pub(crate) const ACCEPT_BURST: u32 = 64;
