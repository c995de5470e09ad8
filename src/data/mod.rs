//! The data directory: taken at a start, and looked at or changed while no node runs on it.

mod check;
mod copy;
mod open;
mod portable;
mod tools;

pub use open::{Storage, StorageError};
pub use tools::{DataCommand, run};
