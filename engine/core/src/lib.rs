//! The owner's side of addresses and queues: one instance on every shard.
#![forbid(unsafe_code)]

pub mod key;
