//! Sections as types: what a router is configured to do, without a trace of how it was spelled.
//!
//! Fields are in the order of the table. What an `Option` means when it is `None` stands at each. Times are seconds and sizes octets, as
//! the names of attributes say.

mod addresses;
mod connections;
mod log;
mod router;
mod secret;
mod security;
mod vhost;

pub use addresses::{Address, AutoLink, LinkRoute, Matched, Via};
pub use connections::{Bounds, Connector, Endpoint, Http, Listener, Passage, Protection};
pub use log::{Enable, Levels, Log, Output, Resolved};
pub use router::{Intervals, Router, Timestamps};
pub use secret::{KeyPassword, Secret};
pub use security::{AuthServicePlugin, Policy, SslProfile, TlsVersions, Uid, UidPart};
pub use vhost::{Group, Rights, Vhost, VhostBounds};
