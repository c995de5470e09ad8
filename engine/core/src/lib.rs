//! The owner's side of addresses and queues: one instance on every shard.
#![forbid(unsafe_code)]

pub mod command;
pub mod condition;
pub mod event;
pub mod key;
pub mod limits;
pub mod message;
