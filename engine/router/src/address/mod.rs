//! Addresses: as text, as keys of tables, and their phases.

mod key;
mod phase;

pub use key::{Class, Key};
pub use phase::Phase;
