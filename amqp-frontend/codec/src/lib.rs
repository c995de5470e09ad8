//! AMQP 1.0 on the wire: types, frames, performatives and message sections.
//!
//! Everything here works on slices and appends to buffers; nothing does I/O, and nothing that a peer sends can make it
//! recurse, reserve beyond the number of bytes received, or panic.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod check;
pub mod condition;
pub mod constructor;
pub mod encode;
pub mod error;
pub mod frame;
pub mod performative;
pub mod reader;
pub mod sasl;
pub mod section;
pub mod symbol;
pub mod value;

pub use error::{DecodeError, ErrorKind};
pub use performative::AmqpError;
pub use symbol::Symbol;
