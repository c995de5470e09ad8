//! AMQP 1.0 connections, sessions and links as machines: bytes and time in, bytes and events out.
#![forbid(unsafe_code)]

mod asking;
mod attaching;
mod client;
mod connection;
mod delivery;
mod dispatch;
mod endpoint;
mod event;
mod fault;
mod fitting;
mod flag;
mod handles;
mod handshake;
mod input;
mod limits;
mod login;
mod names;
mod out;
mod passing_on;
mod sasl;
mod sending;
mod session;
mod settlements;
mod settling;
mod state;
mod transfers;
mod unsettled;
mod windows;

pub use connection::Connection;
pub use delivery::Delivery;
pub use event::{Confirmation, Credentials, Deliveries, Event, Head, LinkId, Payload, SessionId, Stage, Update};
pub use flag::{Closing, Drain, Settled};
pub use input::Input;
pub use limits::{Config, Mechanism, OUT_SOFT_MAX, Sasl, Tls};
pub use login::Authenticated;
pub use out::Out;
pub use sasl::RefusedLogin;
pub use sending::{Body, Part, Particulars, Send, SendNow, SendTogether};
pub use settling::{Settling, Updated};
pub use state::{DeliveryOutcome, Modified, State};
