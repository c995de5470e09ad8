//! Whole nodes that are routers, under one seed: bindings, homes, shards' parts of the router and registries of one to six nodes, joined
//! by connections between routers and to routers at the edge, with clients and containers that send, receive and settle.
//!
//! Guarantee: a seed decides everything. What is asserted is in `fates`; what happens in `world`.
//! Not here: sockets and threads (the shell), files and disks (a router has none).

mod acting;
mod agreement;
mod client;
mod disturbing;
mod fates;
mod letter;
mod line;
mod node;
mod role;
mod seats;
mod shape;
mod world;

pub use fates::Tally;
pub use world::{NetworkOutcome, simulate_network};
