//! What a shard shows of itself to ordinary threads.

use engine_core::{QueueView, Room};
use engine_shard::LaneView;
use engine_shard::store::StoreTotals;

use crate::connection::Conn;
use crate::logins::RefusedLogins;
use crate::turn::Turn;

/// A connection, as it is now.
#[derive(Clone, Debug)]
pub struct ConnectionView {
    /// The peer's address.
    pub peer: String,
    /// Its container.
    pub container: String,
    /// Who authenticated.
    pub user: String,
    /// Whether it is open.
    pub open: bool,
    /// Links.
    pub links: usize,
    /// Messages from it.
    pub messages_in: u64,
    /// Messages to it.
    pub messages_out: u64,
    /// Octets from it.
    pub bytes_in: u64,
    /// Octets to it.
    pub bytes_out: u64,
    /// Octets that wait for it to read.
    pub waiting: usize,
}

/// A link, as it is now.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// What it does.
    pub kind: &'static str,
    /// Its address.
    pub address: String,
    /// The shard that owns it.
    pub owner: u16,
    /// For a consumer the credit that no message has used.
    pub credit: Option<u32>,
}

/// A shard, as it is now.
#[derive(Clone, Debug)]
pub struct ShardView {
    /// Its index.
    pub shard: u16,
    /// Turns so far.
    pub turns: u64,
    /// Connections refused for the limit.
    pub refused_connections: u64,
    /// Times that a connection waited and could not be accepted.
    pub accept_failures: u64,
    /// Logins refused by mechanism and reason.
    pub logins: RefusedLogins,
    /// Connections sent to the shard that owns their first link.
    pub moved_connections: u64,
    /// Size of queued messages with overhead, octets.
    pub memory_bytes: u64,
    /// What the disk has room for.
    pub room: Room,
    /// What the journal did; `None` without one.
    pub journal: Option<StoreTotals>,
    /// Its connections.
    pub connections: Vec<ConnectionView>,
    /// Its links.
    pub links: Vec<LinkView>,
    /// Its queues.
    pub queues: Vec<QueueView>,
    /// Its lanes.
    pub lanes: Vec<LaneView>,
}

/// What a shard counted since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub turns: u64,
    /// Connections beyond the limits.
    pub refused_connections: u64,
    /// Times that a connection could not be accepted.
    pub accept_failures: u64,
    pub logins: RefusedLogins,
    /// Connections that were sent to other shards.
    pub moved: u64,
}

impl ShardView {
    pub(crate) fn of(turn: &Turn<Conn>, totals: &Totals) -> Self {
        let engine = turn.home().engine();
        let connections = turn.entries().map(|(_, entry)| {
            let client = entry.protocol.client();
            ConnectionView {
                peer: entry.host.peer.clone(),
                container: client.container.clone(),
                user: client.user.clone(),
                open: entry.protocol.is_open(),
                links: client.links() as usize,
                messages_in: client.messages_in,
                messages_out: client.messages_out,
                bytes_in: entry.host.bytes_in,
                bytes_out: entry.host.bytes_out,
                waiting: entry.host.waiting(&entry.protocol),
            }
        });
        let links = turn.home().links().map(|(_, link)| LinkView {
            kind: link.kind(),
            address: link.address().to_owned(),
            owner: link.owner(),
            credit: link.credit(),
        });
        Self {
            shard: engine.shard(),
            turns: totals.turns,
            refused_connections: totals.refused_connections,
            accept_failures: totals.accept_failures,
            logins: totals.logins,
            moved_connections: totals.moved,
            room: engine.core().room(),
            journal: engine.journal(),
            memory_bytes: engine.core().memory_bytes(),
            connections: connections.collect(),
            links: links.collect(),
            queues: engine.core().queue_views().collect(),
            lanes: engine.mesh().views().collect(),
        }
    }
}
