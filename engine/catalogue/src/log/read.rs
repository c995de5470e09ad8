//! Reading a log: which sets of changes it has, how far it is whole, and what is wrong with the rest.
//!
//! Guarantees:
//! 1. A set that was not written to its end (the node was killed meanwhile) is left out, and told: nobody was told that it was made.
//! 2. Everything else that is not whole is damage, never left out silently. A torn set is the last one: a whole record of another set
//!    behind what is not whole tells damage. Records of the torn set itself may be whole behind others of it that are not, as octets
//!    reach a disk in any order.
//! 3. The work is linear in the octets, whatever they are, but for one body each at places that look like a record.
//!
//! Whole sets that are missing at the end of the file leave no trace in it.

use crate::catalogue::Catalogue;
use crate::change::{Change, ChangeError, Origin};
use crate::definition::{Definition, Kind};
use crate::placement::Placement;

use super::attributes::{decode, decode_key};
use super::format::{FILE_HEADER, FORMAT, FileHeader, MUST, RECORD_HEADER, RecordHeader, flag};

/// What is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The file has no header.
    Header,
    /// A record is not whole, though others follow.
    Record,
    /// The version of a set is not the one behind that of the set before.
    Order,
}

/// Why a log cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It is another format.
    #[error(
        "the catalogue's log has format {found}, and this version of the program reads format {FORMAT}: start the version that wrote it"
    )]
    Format {
        /// Its format.
        found: u16,
    },
    /// It is damaged.
    #[error("the catalogue's log is damaged at octet {offset}: {}", match damage {
        Damage::Header => "it has no header",
        Damage::Record => "a record is not whole, and others follow it",
        Damage::Order => "a version is missing",
    })]
    Damaged {
        /// Where.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// A record means nothing here.
    #[error("the catalogue's log at octet {offset}: {wrong}")]
    Unknown {
        /// Where.
        offset: u64,
        /// What is wrong.
        wrong: String,
    },
    /// A change is refused by the catalogue that it belongs to.
    #[error("the catalogue's log at octet {offset}: {error}")]
    Refused {
        /// Where the set begins.
        offset: u64,
        /// Why.
        error: ChangeError,
    },
}

/// What a log has.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The newest version.
    pub catalogue: Catalogue,
    /// Begins the checksums of what is appended.
    pub seed: u64,
    /// Octets up to the end of the last whole set.
    pub whole_bytes: u64,
    /// Octets behind them, of a set that was not written to its end.
    pub torn_bytes: u64,
}

/// One set of changes.
#[derive(Debug, Default)]
struct Set {
    offset: usize,
    version: u64,
    changes: Vec<Change>,
}

/// Reads a log.
///
/// # Errors
/// When it is not one, is damaged, or says what this version of the program does not understand.
pub fn recover(placement: Placement, bytes: &[u8]) -> Result<Recovered, LogError> {
    let damaged = |offset: usize, damage| LogError::Damaged { offset: offset as u64, damage };
    let header = FileHeader::decode(bytes).ok_or(damaged(0, Damage::Header))?;
    if header.format != FORMAT {
        return Err(LogError::Format { found: header.format });
    }
    let seed = header.seed;
    let mut catalogue = Catalogue::new(placement);
    let (mut at, mut whole) = (FILE_HEADER, FILE_HEADER);
    let mut set: Option<Set> = None;
    while let Some((record, body)) = record_at(seed, bytes, at) {
        // A file that was written anew begins with any version.
        let expected = set.as_ref().map(|set| set.version).or((whole > FILE_HEADER).then(|| catalogue.version() + 1));
        if expected.is_some_and(|expected| record.version != expected) {
            return Err(damaged(at, Damage::Order));
        }
        let open = set.get_or_insert_with(|| Set { offset: at, version: record.version, changes: Vec::new() });
        let unknown = |wrong| LogError::Unknown { offset: at as u64, wrong };
        open.changes.extend(change_of(&record, body).map_err(unknown)?);
        at += RECORD_HEADER + body.len();
        if record.flags & flag::LAST != 0 {
            let Set { offset, version, changes } = set.take().unwrap_or_default();
            let refused = |error| LogError::Refused { offset: offset as u64, error };
            catalogue.replay(version, &changes).map_err(refused)?;
            whole = at;
        }
    }
    catalogue.index();
    let torn = set.map_or(catalogue.version() + 1, |set| set.version);
    let behind = (at + 1..bytes.len()).filter_map(|behind| record_at(seed, bytes, behind));
    if behind.map(|(record, _)| record.version).any(|version| version != torn) {
        return Err(damaged(at, Damage::Record));
    }
    Ok(Recovered { catalogue, seed, whole_bytes: whole as u64, torn_bytes: (bytes.len() - whole) as u64 })
}

/// The whole record at an offset.
fn record_at(seed: u64, bytes: &[u8], at: usize) -> Option<(RecordHeader, &[u8])> {
    let bytes = bytes.get(at..)?;
    let header = RecordHeader::decode(seed, bytes)?;
    Some((header, header.body(seed, bytes)?))
}

/// What a record says; nothing if it is of a kind that may be left out. An error is a sentence about what is wrong.
fn change_of(record: &RecordHeader, body: &[u8]) -> Result<Option<Change>, String> {
    if record.flags & !flag::ALL != 0 {
        return Err(format!(
            "a record has the flags {:#x}, of which this version of the program does not know all: start the version that wrote it, or a \
             newer one",
            record.flags
        ));
    }
    let number = record.kind & !MUST;
    let Some(kind) = Kind::of_number(number) else {
        if record.kind & MUST == 0 {
            return Ok(None);
        }
        return Err(format!(
            "a record has the kind {number}, which this version of the program does not know: start the version that wrote it, or a \
             newer one"
        ));
    };
    let (key, rest) = decode_key(body).ok_or_else(|| format!("a {} has no key", kind.noun()))?;
    let origin = if record.flags & flag::CONFIGURATION == 0 { Origin::Management } else { Origin::Configuration };
    if record.flags & flag::REMOVED != 0 {
        return Ok(Some(Change::Remove { origin, kind, key }));
    }
    let attributes = decode(kind, rest).map_err(|wrong| format!("the {} {key:?}: {wrong}", kind.noun()))?;
    Ok(Some(Change::Define { origin, definition: Definition { key, attributes } }))
}
