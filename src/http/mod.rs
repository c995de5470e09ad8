//! The read-only HTTP listener, on ordinary threads: `/metrics`, `/state`, `/livez`, `/readyz`; and the client of it.

mod access;
mod answer;
mod client;
#[cfg(test)]
mod golden;
mod metrics;
mod process;
mod query;
#[cfg(test)]
mod reference;
mod request;
mod server;
mod state;

pub use client::Source;
pub use process::Process;
pub use query::encode;
pub use server::{Bound, Listening};
