//! AMQP 1.0 on the wire: frames, performatives and SASL. Values and message sections are `engine-message`'s.
//!
//! Everything here works on slices and appends to buffers; nothing does I/O, and nothing that a peer sends can make it
//! recurse, reserve beyond the number of bytes received, or panic.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod frame;
pub mod performative;
pub mod sasl;

pub use performative::AmqpError;
