//! Listeners, connections and transports of one shard, between AMQP and the engine.
#![forbid(unsafe_code)]

pub mod arena;
pub mod slots;
pub mod transport;
