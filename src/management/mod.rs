//! Management: requests that come to `$management` are answered by a thread of the node, and tools that send them.
//!
//! `agent` answers, `queues` knows what is done with queues; `client` asks over AMQP, `command` is what people type.

mod addresses;
mod agent;
mod client;
mod command;
mod declaring;
mod declaring_command;
mod queues;
mod router;
mod shown;
mod suspending;
mod suspending_command;

pub use agent::{Agent, Logins, Messages, WAITING_MAX, start};
pub use command::QueueCommand;
pub use declaring_command::AddressCommand;
pub use router::{Changes, Ends, RouterAgent};
