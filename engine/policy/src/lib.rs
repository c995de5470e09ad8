//! Policies of a router: which connections it takes, and what each of them may do, as qdrouterd has it.
//!
//! A connection is of a virtual host (`vhost`), by the hostname of its open, and there of a group of users, which has addresses, bounds and
//! rights (`group`). Decisions are values: `Gate::admit` gives an `Admission` or a `Denial`, and the admission says what each link and each
//! message may.
//!
//! Guarantees:
//! 1. What no rule allows is denied; no input makes anything here panic, recurse or grow beyond `limits`.
//! 2. A connection costs one look when it opens, its links one each. Its messages cost nothing here unless they name an address themselves,
//!    or have to be of its own user.
//! 3. There are never more connections than the limits of a vhost, a user or a host allow, on however many shards they are.
//!
//! Who counts: the gate, of which a node has one, on a thread of its own; shards ask it by message when a connection opens. Its counts are
//! handles that it gives out and shards drop (`counts`), so that nobody has to tell it of a connection that ends, no message can be lost
//! that would, and no shard ever waits for another one. Atomic counters in a table that all shards write would need a place for each user
//! and each host that may ever come, found without a lock; this needs one only while there is a connection.
//!
//! Not here: reading the configuration (`engine_router_conf`, and the program), looking up names of hosts, who authenticates, and the
//! number of all connections of a node, which is counted when they are accepted.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod addresses;
mod admission;
mod counts;
mod denial;
mod gate;
mod group;
mod hosts;
pub mod limits;
mod name;
mod pattern;
mod policy;
mod vhost;

pub use addresses::Addresses;
pub use admission::{Admission, Link, Peer, Purpose, Terms};
pub use denial::Denial;
pub use gate::{Figures, Gate};
pub use group::{Bounds, Group, Rights};
pub use hosts::{Host, Hosts};
pub use name::Name;
pub use pattern::UserPattern;
pub use policy::{Policy, Rules, Wrong};
pub use vhost::{Naming, Unknown, Vhost};
