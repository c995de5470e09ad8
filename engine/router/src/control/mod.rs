//! What routers tell each other: HELLO to neighbours, the rest through the network.

mod decode;
mod encode;
mod error;
mod message;

pub use decode::decode;
pub use encode::Destination;
pub use error::ControlError;
pub use message::{Announced, Body, Changes, Control, LinkState, VERSION};
