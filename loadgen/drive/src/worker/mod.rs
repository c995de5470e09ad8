//! A worker: its share of a scenario on one thread and one core.
//!
//! A turn: hear which sockets are ready, read them, send what is due, write what there is, once for each connection. Between turns the
//! worker sleeps until the next message is due; if that is near, or something came just now, it asks again at once instead, since
//! waking up takes longer than the messages that are measured.

mod absence;
mod conn;
mod consumer;
mod drain;
mod events;
mod flight;
mod plan;
mod producer;
mod reach;
mod settling;
mod shared;
mod tally;
mod transaction;
mod turn;
mod wakes;

pub(crate) use turn::{Ended, Waiting, Worker};
