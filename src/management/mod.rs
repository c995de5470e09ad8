//! Management: requests that come to `$management` are answered by a thread of the node, and tools that send them.
//!
//! `agent` answers, `queues` knows what is done with queues; `client` asks over AMQP, `command` is what people type.

mod agent;
mod client;
mod command;
mod queues;
mod shown;

pub use agent::{Logins, WAITING_MAX, start};
pub use command::QueueCommand;
