//! The read-only HTTP listener, on ordinary threads: `/metrics`, `/state`, `/livez`, `/readyz`; and the client of it.

mod access;
mod answer;
mod client;
mod metrics;
mod process;
mod request;
mod server;

pub use client::Source;
pub use process::Process;
pub use server::{Bound, Listening};
