//! The catalogue's log: a file of changes, in the order in which they were made, from which a start has the catalogue again.
//!
//! Format 1, all numbers little-endian. It is versioned apart from the journal's.
//!
//! The file begins with a header of 24 octets:
//!
//! | octets | what |
//! |---|---|
//! | 8 | `HDLCATLG` |
//! | 2 | format, 1 |
//! | 2 | zero |
//! | 8 | seed: begins all checksums of the file, so that no text in it looks like a record |
//! | 4 | CRC32C of the 20 octets before |
//!
//! Records follow, one for each change. Those of one version are one set, which counts as a whole or not at all:
//!
//! | octets | what |
//! |---|---|
//! | 4 | length of the body, at most 1 MiB |
//! | 2 | kind (`Kind`); the top bit says that whoever does not know the kind must not go on |
//! | 2 | flags: 1 the set ends with this record, 2 the definition is removed, 4 the configuration says so |
//! | 8 | version of the catalogue with this set |
//! | 4 | CRC32C of the seed, the 16 octets before and the body |
//! | 4 | CRC32C of the seed and the 20 octets before |
//!
//! A body is the key (length in 4 octets, then UTF-8), and attributes in the order of their numbers, each once:
//!
//! | octets | what |
//! |---|---|
//! | 2 | number of the attribute among its kind; the top bit says that whoever does not know it must not go on |
//! | 4 | length of the value |
//! | .. | a switch: 0 or 1 in one octet; a whole number: 8 octets; a text: UTF-8; a list: texts, each after its length in 4 octets |
//!
//! A record of kind 0 has no body and says nothing but its version and flags: it ends a file that was written anew, which is one set.
//!
//! Attributes and kinds that are not known are refused if their top bit is set, and left out otherwise. All that are written today
//! have it set, but for kind 0. A new one needs no new format; the format changes only when this page does.

mod attributes;
mod format;
mod read;
mod write;

pub use read::{Damage, LogError, Recovered, recover};
pub use write::Log;

#[cfg(test)]
mod tests;
