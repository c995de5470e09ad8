//! What the benchmarks run: the road of a message without its sockets, and its parts.

pub mod counting;
pub mod hops;
pub mod lanes;
pub mod queue;
pub mod road;
pub mod selector;
