//! The data directory: taken at a start, and looked at or changed while no node runs on it.

mod answer;
mod check;
mod compact;
mod copy;
mod cut;
mod export;
mod import;
mod large;
mod left_out;
mod lines;
mod log;
mod open;
mod output;
mod place;
mod plan;
mod print;
mod recover;
mod salvage;
mod stat;
mod stopped;
mod tools;

pub use open::{Storage, Taken};
pub use recover::{Journal, StorageError};
pub use tools::DataCommand;
