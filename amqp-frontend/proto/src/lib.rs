//! AMQP 1.0 connections, sessions and links as machines: bytes and time in, bytes and events out.
#![forbid(unsafe_code)]

mod asking;
mod attaching;
mod client;
mod connection;
mod delivery;
mod dispatch;
mod event;
mod fault;
mod fitting;
mod input;
mod limits;
mod link;
mod out;
mod sasl;
mod session;
mod settling;
mod state;
mod unsettled;

pub use connection::{Authenticated, Connection};
pub use delivery::Delivery;
pub use dispatch::Closing;
pub use event::{Confirmation, Credentials, Deliveries, Event, Head, LinkId, Payload, SessionId, Stage, Update};
pub use input::Input;
pub use limits::{Config, Mechanism, OUT_SOFT_MAX, Sasl, Tls};
pub use link::{Part, Particulars, Send, SendNow, Settled};
pub use out::Out;
pub use sasl::RefusedLogin;
pub use settling::{Settling, Updated};
pub use state::{Modified, Outcome, State};
