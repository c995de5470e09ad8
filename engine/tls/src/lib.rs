//! TLS 1.2 and 1.3 by rustls, as a machine without a socket: the end that is connected to, and the one that connects.
//!
//! It does not know whom a client trusts, nor what a connection carries.
#![forbid(unsafe_code)]

mod machine;
mod server;

pub use machine::{Received, Tls, TlsClient};
pub use server::{TlsConfigError, TlsServer};
