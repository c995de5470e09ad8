//! The owner's side of addresses and queues: one instance on every shard.
#![forbid(unsafe_code)]

mod address;
mod admission;
mod agenda;
mod attach;
mod bounds;
mod browser;
mod choice;
mod choosing;
mod collecting;
pub mod command;
mod consumer;
mod core;
mod credit;
mod cursor;
mod declared;
mod durability;
mod ends;
pub mod event;
mod exchange;
mod exchanging;
mod expiry;
pub mod fact;
mod flights;
mod forwarding;
mod handover;
mod hop;
mod journaling;
pub mod key;
pub mod limits;
mod members;
mod memory;
pub mod message;
mod nodes;
mod plain;
mod producer;
mod queue;
mod redelivery;
mod refresh;
mod refusal;
mod remembering;
mod routing;
pub mod slab;
#[cfg(test)]
mod tests;
mod trimming;
mod versions;
mod view;
mod waiting;

pub use crate::core::Core;
pub use crate::exchange::{Browse, Fetch, JournalReport, JournalRequest, Recall, Room};
pub use crate::forwarding::Forward;
pub use crate::journaling::{LastNumbers, Restored};
pub use crate::queue::{Recalled, Totals};
pub use versions::{Answer, InUse, Version};
pub use view::{QUEUE_FIGURES, QueueView};
