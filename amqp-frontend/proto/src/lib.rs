//! AMQP 1.0 connections, sessions and links as machines: bytes and time in, bytes and events out.
#![forbid(unsafe_code)]

mod attaching;
mod client;
mod connection;
mod delivery;
mod dispatch;
mod event;
mod input;
mod limits;
mod link;
mod out;
mod sasl;
mod session;
mod unsettled;

pub use attaching::AttachReply;
pub use connection::{Authenticated, Connection};
pub use delivery::Delivery;
pub use dispatch::{Closing, Settling};
pub use event::{Credentials, Event, LinkId, Modified, Outcome, Payload, SessionId, Stage};
pub use input::Input;
pub use limits::{Config, Mechanism, OUT_SOFT_MAX, Sasl, Tls};
pub use link::{Part, Send, SendNow, Settled};
pub use out::Out;
pub use sasl::RefusedLogin;
