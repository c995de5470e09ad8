//! Every bound of this crate: its value, its reason, and what happens when it is reached.

/// Longest text of a setting, octets: the longest path that Linux takes. Longer ones are refused.
pub const TEXT_MAX: usize = 4096;

/// Items of a list at most: some hundred roles or names are what people keep in a list. Longer ones are refused.
pub const LIST_MAX: usize = 1000;

/// Longest name of an address or a queue, octets: those that peers ask for have no more (`engine-core`). Longer ones are refused.
pub const NAME_MAX: usize = 2048;

/// Words of a match at most: deeper hierarchies are not read by people, and each word is a step for each address that comes into
/// being. Matches with more are refused.
pub const WORDS_MAX: usize = 32;

/// Matches of settings at most, and likewise of permissions: all are indexed anew when one changes, which takes a millisecond for as
/// many. More are refused.
pub const MATCHES_MAX: usize = 1000;

/// Declared addresses, and likewise queues, at most: a change copies the table that it is in, some ten milliseconds of as many. More are
/// refused.
pub const DECLARED_MAX: usize = 1 << 17;

/// Diverts, users with roles, and placed addresses at most, each. More are refused.
pub const OTHERS_MAX: usize = 1 << 14;

/// Addresses that one divert leads to at most: each message is kept once for each. More are refused.
pub const TARGETS_MAX: usize = 16;

/// Octets of a divert's name and that of a target, together: both are in the name of a queue, with 11 others. More are refused.
pub const DIVERT_NAMES_MAX: usize = NAME_MAX - 11;

/// Largest record of the log, octets of its body: a list of `LIST_MAX` texts of a usual length fits. Larger definitions are refused.
pub const RECORD_MAX: usize = 1 << 20;

/// Largest log, octets: everything that may be declared, with names of a usual length, fits twice. A larger file is refused unread, and
/// a change that would make it larger is refused.
pub const LOG_MAX: u64 = 256 << 20;

/// Octets of a log beyond which it may be written anew as the definitions that it comes to: below, nobody gains by it.
pub const COMPACT_ABOVE: u64 = 1 << 20;

/// It is, when it has so many times as many octets as these would have: then each octet is written anew once at most, on the average.
pub const COMPACT_FACTOR: u64 = 2;

const _: () = assert!(RECORD_MAX as u64 * 2 < LOG_MAX, "a log holds more than a record");
const _: () = assert!(TEXT_MAX >= NAME_MAX, "every name is a text that a setting may have");
