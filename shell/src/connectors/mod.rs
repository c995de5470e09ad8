//! Connections that are made to peers and kept open, and served as if the peers had connected.
//!
//! `connector` is the machine of one of them, without sockets and clocks; `list` has those of a shard. `crate::dialing`
//! drives them.

mod backoff;
mod config;
mod connector;
mod list;
#[cfg(test)]
mod tests;
mod view;

pub use config::{ConnectorConfig, Endpoint, Host, Timing};
pub use view::{CONNECTOR_FIGURES, ConnectorView};

pub(crate) use connector::{Attempt, Fault, News, Order};
pub(crate) use list::{Connecting, Connectors, Line, Share, is_connectors, number, token};
