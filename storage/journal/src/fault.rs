//! What no crash explains: that something on disk is missing, or is not what was written.
//!
//! Guarantees: each kind says in one sentence what was found, and what should be there where that is known. It does not
//! say what to do: that depends on who looks.

/// Something that no crash explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The segment's number, as far as it is known; 0: of the manifest.
    pub segment: u64,
    /// Where in it, octets.
    pub offset: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// The kinds of [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A segment's header does not check, and the manifest says that it did, or batches follow it.
    Header(&'static str),
    /// A segment of another shard or directory, or one that does not follow the last.
    Foreign,
    /// A batch does not check, and one behind it does.
    Batch,
    /// A batch checks, but a record in it does not: it was written so.
    Record(&'static str),
    /// Segments that the manifest says are there are not: from the fault's segment to this one.
    Missing {
        /// The last one.
        last: u64,
    },
    /// A segment's file is shorter or longer than segments are made.
    Length {
        /// How long it is, octets.
        found: u64,
        /// How long segments of this journal are made, octets.
        made: u64,
    },
    /// A segment's file has another segment's name.
    Misnamed {
        /// The number that its header says.
        header: u64,
    },
    /// The manifest is missing or damaged.
    Manifest(&'static str),
    /// The journal ends before a batch that the manifest says was written.
    Short {
        /// The last batch that is there.
        last: u64,
        /// The last one that is known to have been written.
        written: u64,
    },
    /// Messages are in a queue that no record declares.
    Undeclared {
        /// The queue's number.
        queue: u64,
        /// How many.
        messages: u64,
    },
}

impl Fault {
    /// A fault of the manifest.
    pub fn manifest(what: &'static str) -> Self {
        Self { segment: 0, offset: 0, kind: FaultKind::Manifest(what) }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { segment, offset, kind } = self;
        match kind {
            FaultKind::Manifest(what) => write!(f, "{what}"),
            FaultKind::Missing { last } if last == segment => write!(f, "segment {segment} is missing"),
            FaultKind::Missing { last } => write!(f, "segments {segment} to {last} are missing"),
            kind => write!(f, "segment {segment} at offset {offset}: {kind}"),
        }
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(what) | Self::Record(what) | Self::Manifest(what) => write!(f, "{what}"),
            Self::Foreign => write!(f, "the segment belongs to another journal, or one before it is missing"),
            Self::Batch => write!(f, "a batch is damaged, and whole ones follow it"),
            Self::Missing { last } => write!(f, "segments up to {last} are missing"),
            Self::Length { found, made } => {
                write!(f, "the file has a length of {found} octets, and was made with {made} octets")
            }
            Self::Misnamed { header } => write!(f, "the header in the file is that of segment {header}"),
            Self::Short { last, written } => {
                write!(
                    f,
                    "the journal ends with batch {last}, and batch {written} was written: what is between is lost"
                )
            }
            Self::Undeclared { queue, messages: 1 } => {
                write!(f, "a message is in queue {queue}, whose declaration is lost")
            }
            Self::Undeclared { queue, messages } => {
                write!(f, "{messages} messages are in queue {queue}, whose declaration is lost")
            }
        }
    }
}

impl std::error::Error for Fault {}
