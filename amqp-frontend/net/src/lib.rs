//! Listeners, connections and transports of one shard, between AMQP and the engine.
#![forbid(unsafe_code)]

mod accepting;
mod arena;
mod config;
mod connection;
mod filter;
mod frontend;
mod inbound;
mod large;
mod lines;
mod logins;
mod moving;
mod outbound;
mod outcome;
mod parting;
mod slots;
mod terminus;
pub mod transport;
mod view;

pub use arena::Arena;
pub use config::{AddressRules, FrontendConfig, Layers, ListenerConfig, Moves, Verify};
pub use frontend::{Frontend, FrontendError, Parts, Post};
pub use logins::RefusedLogins;
pub use slots::Slot;
pub use view::{ConnectionView, LinkView, ShardView};
