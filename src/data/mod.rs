//! The data directory: taken at a start, and looked at or changed while no node runs on it.

mod check;
mod copy;
mod export;
mod import;
mod left_out;
mod lines;
mod open;
mod output;
mod place;
mod plan;
mod print;
mod salvage;
mod stat;
mod tools;

pub use open::{Journal, Storage, StorageError, Taken};
pub use tools::DataCommand;
