//! The second client of the load generator: fe2o3-amqp on tokio, written by others, to cross-check our own.
//!
//! What the two measure has to agree; where it does not, one of them is wrong. It is slower by an order of magnitude
//! and does less: `start` refuses what it cannot do, and says which option that is.
#![forbid(unsafe_code)]

mod board;
mod consumer;
mod links;
mod pace;
mod producer;
mod support;
mod worker;

pub use worker::start;
