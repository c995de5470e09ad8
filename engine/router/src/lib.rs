//! The router's half of a node, as machines without I/O, clock and threads.
//!
//! Guarantees: nothing that another router or a client says makes anything here panic, recurse or grow beyond `limits`.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod address;
pub mod annotations;
pub mod auto_links;
pub mod control;
pub mod forward;
pub mod limits;
pub mod matching;
pub mod network;
mod number;
pub mod numbers;
pub mod paths;
mod router_id;
pub mod set;
pub mod settlement;
pub mod stamp;
pub mod table;
pub mod trace;
mod treatment;
pub mod uplink;

pub use router_id::RouterId;
pub use treatment::Treatment;
