//! The owner's side of addresses and queues: one instance on every shard.
#![forbid(unsafe_code)]

mod admission;
mod agenda;
mod attach;
pub mod command;
mod core;
mod durability;
pub mod event;
mod expiry;
pub mod fact;
mod held;
pub mod key;
pub mod limits;
pub mod message;
mod producer;
mod queue;
mod slab;
#[cfg(test)]
mod tests;
mod view;

pub use crate::core::Core;
pub use crate::durability::{Fetch, LastNumbers, Recall, Restored, Room};
pub use crate::held::Recalled;
pub use crate::queue::Totals;
pub use view::QueueView;
