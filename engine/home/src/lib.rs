//! The home of links: what a connection's shard keeps of each of its links, whatever protocol its peer speaks.
//!
//! A binding (AMQP's: `amqp-bind`) says here what its peer wants and is told what to do about it in values; nothing here calls a
//! binding, knows a protocol, holds a descriptor or reads a clock. Commands go to the owners of addresses by way of the
//! [`Engine`](engine_shard::Engine), which a home owns.
#![forbid(unsafe_code)]

mod address_rules;
mod arena;
mod claiming;
mod client;
mod credit;
mod enlisting;
mod entering;
mod files;
mod giving;
mod halves;
mod home;
mod incoming;
mod kept;
pub mod limits;
mod link;
mod managing;
mod naming;
mod node_names;
mod outgoing;
mod passed;
mod permission;
mod request;
mod resuming;
mod scheduling;
mod slots;
mod streaming;
mod streams;
mod taking;
mod together;
mod transactions;
mod wanted;
mod watching;

pub use address_rules::AddressRules;
pub use arena::Arena;
pub use client::{Client, Peer};
pub use credit::{Drained, TakenBack};
pub use enlisting::{Discharge, Discharged, Discharging, routed_within};
pub use entering::{Arrival, Entrance, Placed, expiry};
pub use giving::{Due, Gift, Prefix, SmallGift, encode_header};
pub use halves::Passing;
pub use home::{Answer, Asked, Home, HomeConfig, Moves, Nodes, Parting, Plan, Route};
pub use incoming::{LargeArrival, NotWritten, Pace, WholeFile};
pub use kept::{Ahead, Flow};
pub use link::{Link, LocalId};
pub use managing::{MANAGEMENT, Managed};
pub use outgoing::{Again, Broken, Next, Piece, PieceKind};
pub use passed::{Passage, Passed};
pub use permission::Action;
pub use request::{Closed, Password, Request};
pub use scheduling::{asks_more, delivery_time};
pub use slots::{OwnerEnd, Slot, Slots};
pub use streams::{FileAt, FileNews};
pub use taking::Drain;
pub use together::Whom;
pub use transactions::{TransactionId, TransactionTotals};
pub use wanted::wanted_routing;
pub use watching::Carried;

#[cfg(test)]
mod tests;
