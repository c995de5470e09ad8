//! The ledger of a log: what all its records together say of queues and the messages in them.
//!
//! Guarantees: one machine reads facts, whoever holds them: the owner as it writes them, a start, a checkpoint, the data tools, and
//! whoever follows a log. It does no I/O. What a record means is written down in `docs/journal-format.md`.
//!
//! It does not know what is in memory, who consumes, or which messages a node put aside without being asked to keep them.
#![forbid(unsafe_code)]

mod attributes;
mod checkpoint;
mod decision;
mod declaration;
mod entry;
mod files;
mod identity;
mod in_queue;
mod kept;
mod ledger;
mod meaning;
mod names;
mod run;
mod streak;

pub use attributes::{Attribute, Attributes};
pub use checkpoint::{CHECKPOINT_VERSION, Checkpoint, Whose, read_checkpoint};
pub use decision::{Decision, encode_carried, encode_decided, read_decision};
pub use declaration::{declaration, encode_declaration};
pub use entry::{Entry, entries, message};
pub use files::Files;
pub use identity::{encode_identity, read_identity};
pub use in_queue::{InQueue, carry, encode_line, in_queues};
pub use kept::Kept;
pub use ledger::Ledger;
pub use meaning::{Meaning, Nested, Numbers, Properties};
pub use names::Names;
pub use run::Run;

const _: () = assert!(engine_core::fact::LOCAL == storage_journal::LOCAL);
