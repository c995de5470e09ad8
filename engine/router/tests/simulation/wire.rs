//! Connections between routers: each direction keeps its order and takes its time.

use std::collections::VecDeque;

use bytes::Bytes;
use engine_router::address::Key;
use engine_router::network::LinkId;
use engine_router::settlement::{Settling, State};

/// What goes over a connection.
#[derive(Clone, Debug)]
pub enum Packet {
    Control(Bytes),
    /// A delivery, by its number on this connection.
    Transfer {
        number: u32,
        settling: Settling,
        message: Message,
    },
    /// What its receiver says of it.
    Outcome {
        number: u32,
        state: Option<State>,
        settling: Settling,
    },
    /// What its sender says of it.
    Sender {
        number: u32,
        state: Option<State>,
        settling: Settling,
    },
    /// So many more may be sent.
    Credit(u32),
}

/// A client's message, with what routers write about it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its number, the same for all copies.
    pub number: u64,
    pub key: Key,
    pub ingress: String,
    pub trace: Vec<String>,
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    /// Routers at its ends.
    pub ends: [usize; 2],
    /// How long a packet takes at most.
    pub delay_ns: u64,
    /// Whether what goes to an end is lost, though nobody notices.
    pub is_hung: [bool; 2],
    /// What goes to each end, and when it is there.
    pub packets: [VecDeque<(u64, Packet)>; 2],
}

/// The link of a wire's end, and back.
pub fn link(wire: u64, end: usize) -> LinkId {
    LinkId(2 * wire + end as u64)
}

/// See `link`.
pub fn wire_of(link: LinkId) -> (u64, usize) {
    (link.0 / 2, (link.0 % 2) as usize)
}
