//! AMQP 1.0 on the wire: types, frames, performatives and message sections.
#![forbid(unsafe_code)]

pub mod condition;
