//! One AMQP connection over the home of its links: what a connection's machine says becomes what the home does, and back.
//!
//! Octets in, octets out: no socket, no thread, no clock. What needs one is asked for ([`engine_home::Request`]).
#![forbid(unsafe_code)]

mod asked;
mod asking;
mod attaching;
mod between;
mod bind;
mod carrying;
mod claiming;
mod coordinating;
mod edges;
mod filter;
mod halves;
mod inbound;
mod joints;
mod judgement;
mod lasting;
mod leaving;
mod managing;
mod onward;
mod outbound;
mod outcome;
mod parts;
mod policing;
mod prefaces;
mod priority;
mod resuming;
mod streaming;
mod terminus;
mod through;
mod together;

pub use asked::{Asking, PeerEnd};
pub use bind::{Bind, Caller, Written};
pub use edges::{ProxyAsking, ProxyWay};
pub use outbound::Given;
pub use together::Run;
