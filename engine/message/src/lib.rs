//! What messages are made of: the types of AMQP 1.0 (part 1) and the sections of a message (part 3.2).
//!
//! Everything here works on slices and appends to buffers; nothing does I/O, and nothing that a peer sends can make it
//! recurse, reserve beyond the number of bytes received, or panic.
//!
//! Not here: frames, performatives and SASL, which are a connection's (`amqp-codec`), and what a queue remembers of a message
//! (`engine-core`).
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod check;
mod condition;
pub mod constructor;
pub mod encode;
mod error;
mod fields;
pub mod limits;
mod properties;
pub mod reader;
pub mod section;
mod symbol;
pub mod value;

pub use condition::Condition;
pub use error::{DecodeError, ErrorKind};
pub use fields::{Fields, checked_raw};
pub use symbol::Symbol;
