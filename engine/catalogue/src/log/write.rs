//! Writing a log: the octets that a set of changes takes, and when the file is written anew.
//!
//! Guarantees: whoever appends what `append` gives, in its order, and puts what `compact` gives in the place of the whole file, has a
//! file that `recover` reads. A set is durable when its octets are.

use crate::catalogue::Catalogue;
use crate::change::{Change, Origin};
use crate::limits::{COMPACT_ABOVE, COMPACT_FACTOR, LOG_MAX, RECORD_MAX};

use super::attributes::{encode, encode_key};
use super::format::{FileHeader, KIND_END, MUST, RecordHeader, flag};

/// A log that is written.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    seed: u64,
    bytes: u64,
    /// Octets beyond which the file may be worth writing anew.
    long_above: u64,
}

impl Log {
    /// A log whose file has that many octets; 0 for one that is to be made, by `compact`.
    #[must_use]
    pub fn new(seed: u64, bytes: u64) -> Self {
        Self { seed, bytes, long_above: COMPACT_ABOVE }
    }

    /// Octets that the file has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The octets of a set of changes that led to a version; at least one change. `None` when the set is too large for the log: nothing
    /// is to be changed then.
    #[must_use]
    pub fn append(&mut self, version: u64, changes: &[Change]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for (index, change) in changes.iter().enumerate() {
            let last = if index + 1 == changes.len() { flag::LAST } else { 0 };
            self.encode(version, change, last, &mut out)?;
        }
        let bytes = self.bytes + out.len() as u64;
        (bytes <= LOG_MAX).then(|| self.bytes = bytes)?;
        Some(out)
    }

    /// A whole file that comes to the same as the one that led to `catalogue`. `None` when that is too large for a log.
    #[must_use]
    pub fn compact(&mut self, catalogue: &Catalogue) -> Option<Vec<u8>> {
        let version = catalogue.version();
        let mut out = FileHeader::new(self.seed).encode().to_vec();
        for change in catalogue.definitions() {
            self.encode(version, &change, 0, &mut out)?;
        }
        // Ends the set, and keeps the version of a catalogue of nothing.
        let end = RecordHeader { body_bytes: 0, kind: KIND_END, flags: flag::LAST, version, checksum: 0 };
        end.append(self.seed, &[], &mut out);
        (out.len() as u64 <= LOG_MAX).then(|| self.bytes = out.len() as u64)?;
        self.long_above = self.bytes.saturating_mul(COMPACT_FACTOR).max(COMPACT_ABOVE);
        Some(out)
    }

    /// Whether the file may be worth writing anew: it has at least twice the octets that it had then.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.bytes > self.long_above
    }

    fn encode(&self, version: u64, change: &Change, last: u16, out: &mut Vec<u8>) -> Option<()> {
        let mut body = Vec::new();
        let mut flags = last;
        match change {
            Change::Define { definition, .. } => encode(definition, &mut body),
            Change::Remove { key, .. } => {
                flags |= flag::REMOVED;
                encode_key(key, &mut body);
            }
        }
        if change.origin() == Origin::Configuration {
            flags |= flag::CONFIGURATION;
        }
        let kind = change.subject().0 as u16 | MUST;
        let header = RecordHeader { body_bytes: body.len(), kind, flags, version, checksum: 0 };
        (body.len() <= RECORD_MAX).then(|| header.append(self.seed, &body, out))
    }
}
