//! AMQP 1.0 on the wire: types, frames, performatives and message sections.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod condition;
