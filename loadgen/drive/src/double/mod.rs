//! Servers to measure the generator by: AMQP 1.0 servers whose delays and faults are known, because they were ordered.
//!
//! A double is one thread over `engine_rt` and the broker's protocol machine, and no broker: it keeps everything in
//! memory, sends nothing again, and trusts its peers. `Double::start` runs one beside a test; `heddle-load sink` runs
//! one alone.

mod attach;
mod behaviour;
mod connection;
mod distribution;
mod fault;
mod links;
mod node;
mod relay;
mod server;
mod table;
mod thread;

pub use behaviour::{Behaviour, BehaviourError};
pub use distribution::Distribution;
pub use fault::Losses;
pub use relay::Tally;
pub use thread::{Double, DoubleSpec};
