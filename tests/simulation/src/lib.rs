//! Whole nodes under one seed: clients, front ends, owners, meshes, stores and disks of several shards in one thread, in a time of its own.
//!
//! Guarantee: a seed decides everything, so that one that fails fails again. What is asserted is in `model`; what happens to a node in
//! `world`.
#![forbid(unsafe_code)]

mod acting;
mod body;
mod client;
mod collecting;
mod enlisting;
mod games;
mod hostile;
mod kind;
mod linking;
mod model;
mod network;
mod node;
mod role;
mod schedule;
mod shard;
mod versions;
mod wire;
mod world;

pub use model::Counts;
pub use network::{NetworkOutcome, Tally, simulate_network};
pub use world::{Outcome, simulate};
