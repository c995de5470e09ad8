//! What a shard shows of itself to ordinary threads.

use engine_core::{QueueView, Room};
use engine_shard::LaneView;
use engine_shard::store::StoreTotals;

use crate::connection::LinkKind;
use crate::frontend::Frontend;
use crate::logins::RefusedLogins;

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

impl Frontend {
    /// What there is.
    pub fn view(&self) -> ShardView {
        let connections = self.conns.iter().map(|(_, conn)| ConnectionView {
            peer: conn.peer.clone(),
            container: conn.container.clone(),
            user: conn.user.clone(),
            open: conn.machine.is_open(),
            links: conn.links.iter().flatten().flatten().count(),
            messages_in: conn.messages_in,
            messages_out: conn.messages_out,
            bytes_in: conn.bytes_in,
            bytes_out: conn.bytes_out,
            waiting: conn.waiting(),
        });
        let links = self.links.iter().map(|(_, link)| {
            let (kind, credit) = match link.kind {
                LinkKind::Producer(_) => ("producer", None),
                LinkKind::Consumer(taking) => ("consumer", Some(taking.wanted)),
                LinkKind::Relay { .. } => ("relay", None),
            };
            LinkView { kind, address: link.address.clone(), owner: link.owner, credit }
        });
        ShardView {
            shard: self.engine.shard(),
            turns: self.turns,
            refused_connections: self.refused_connections,
            accept_failures: self.accept_failures,
            logins: self.logins,
            moved_connections: self.moved,
            room: self.engine.core().room(),
            journal: self.engine.journal(),
            memory_bytes: self.engine.core().memory_bytes(),
            connections: connections.collect(),
            links: links.collect(),
            queues: self.engine.core().queue_views().collect(),
            lanes: self.engine.mesh().views().collect(),
        }
    }
}
