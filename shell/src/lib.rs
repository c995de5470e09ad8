//! One shard from its sockets to its home: listeners, connectors, transports, and the turn that drives the bindings of
//! its protocols.
//!
//! `Turn` is the part without descriptors, which simulations drive themselves (decision 0008); `Shell` drives it with sockets and disks.
#![forbid(unsafe_code)]

mod accepting;
mod config;
mod connection;
mod connectors;
mod details;
mod dialing;
mod limits;
mod lines;
mod linking;
mod listener;
mod listening;
mod logins;
mod parting;
pub mod policing;
mod post;
mod protocol;
mod proxies;
pub mod registry;
mod requests;
mod role;
mod shell;
pub mod transport;
mod turn;
mod view;

pub use config::ShellConfig;
pub use connectors::{CONNECTOR_FIGURES, ConnectorConfig, ConnectorView, Endpoint, Host, Timing};
pub use details::{ADDRESSES_MAX, AUTO_LINKS_MAX, ConnectionDetails, LINK_ROUTES_MAX, LinkDetails, Made};
pub use listener::{Judge, ListenerConfig};
pub use logins::RefusedLogins;
pub use post::{Arriving, Asking, Manage, Managing, Post, Resolve, Verify};
pub use protocol::Protocol;
pub use role::Role;
pub use shell::{Disks, Parts, Shell, ShellError};
pub use transport::Layers;
pub use turn::{Entry, Turn};
pub use view::{
    Ask, CONNECTION_FIGURES, ConnectionView, LINK_FIGURES, LinkView, SHARD_FIGURES, ShardCounts, ShardView,
};
