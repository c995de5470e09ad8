//! A client connection: where to, in what layers, and what is asked for there.

mod address;
mod body;
mod terminus;
mod tls;
mod wire;

pub(crate) use address::Server;
pub use address::look_up;
pub(crate) use body::{Front, body_of, failures_of, reply_address};
pub(crate) use terminus::{Ask, attach, has_selector};
pub(crate) use tls::load as load_tls;
pub(crate) use wire::{Progress, Received, SCRATCH_BYTES, Wire};
