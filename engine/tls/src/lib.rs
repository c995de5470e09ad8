//! TLS 1.2 and 1.3 by rustls, as a machine without a socket: the end that is connected to, and the one that connects.
//!
//! It does not know what a connection carries.
#![forbid(unsafe_code)]

mod client;
mod fault;
mod machine;
mod server;

pub use client::{Identity, NameCheck, TlsClient};
pub use fault::told;
pub use machine::{Received, Tls};
pub use server::{TlsConfigError, TlsServer};
