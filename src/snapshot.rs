//! What the node shows of itself: the shards are asked, each answers between two turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine_core::Room;
use engine_core::command::RoutingType;
use engine_rt::{InboxSender, Permits};
use engine_shard::store::StoreTotals;
use node_shell::{Post, ShardView};
use serde::{Deserialize, Serialize};

use crate::http::Process;
use crate::space::{Disk, Space};

/// How long shards have to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A running node, as ordinary threads see it.
pub struct Node {
    /// Its name.
    pub container_id: String,
    /// The core of each shard.
    pub cores: Vec<usize>,
    /// How to reach the shards.
    pub shards: Vec<InboxSender<Post>>,
    /// When it started.
    pub started: Instant,
    /// Whether it was told to stop.
    pub stopping: Arc<AtomicBool>,
    /// Connections that all shards may have together.
    pub connections_max: u64,
    /// What is left of them; connections to the HTTP listener take some as well.
    pub connections: Permits,
    /// The file system of its data; `None` without storage.
    pub space: Option<Space>,
}

/// Whether the node serves.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It does.
    Ready,
    /// It is about to end.
    Stopping,
}

/// The node, as it is now.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Snapshot {
    /// Heddle's version.
    pub version: String,
    /// The node's name.
    pub container_id: String,
    /// Since its start.
    pub uptime_ms: u64,
    /// Whether it serves.
    pub state: State,
    /// Connections that all shards may have together: `limits.connections` of each, as far as the limit on open files goes.
    pub connections_max: u64,
    /// The file system of its data; absent when messages are kept in memory only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// Its process.
    #[serde(default)]
    pub process: Process,
    /// Logins that were refused so far, by mechanism and reason.
    #[serde(default)]
    pub logins_refused: Vec<RefusedLogins>,
    /// Its shards.
    pub shards: Vec<Shard>,
    /// Connections of all shards.
    pub connections: Vec<Connection>,
    /// Links of all shards.
    pub links: Vec<Link>,
    /// Queues of all shards.
    pub queues: Vec<Queue>,
}

/// Logins that were refused.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RefusedLogins {
    /// The mechanism.
    pub mechanism: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// A shard.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Shard {
    /// Its index.
    pub shard: u16,
    /// The core that it runs on.
    pub core: usize,
    /// Turns so far.
    pub turns: u64,
    /// Size of queued messages, bytes.
    pub memory_bytes: u64,
    /// What the disk has room for: `plenty`, `busy` (producers wait for it), `little` (it is full: `storage.when_full`) or `none`
    /// (what would be stored is refused).
    pub disk_room: String,
    /// Its journal; absent when messages are kept in memory only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<Journal>,
    /// Connections that a limit turned away.
    pub refused_connections: u64,
    /// Times that a connection waited and could not be accepted, for want of descriptors or memory.
    pub accept_failures: u64,
    /// Connections sent to the shard that owns their first link.
    pub moved_connections: u64,
    /// Its lanes.
    pub lanes: Vec<Lane>,
}

/// A shard's journal.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Journal {
    /// Batches written and synced so far.
    pub syncs: u64,
    /// Bytes written so far.
    pub written_bytes: u64,
    /// Bytes of message bodies among them.
    pub body_bytes: u64,
    /// Bytes read back so far.
    pub read_bytes: u64,
    /// Messages written again so far, to make room.
    pub rewritten: u64,
    /// Messages read again so far that had left memory while consumers held them, and came back.
    pub recalled: u64,
    /// Length of all segments, bytes.
    pub journal_bytes: u64,
    /// Size of the messages that are needed, bytes.
    pub live_bytes: u64,
    /// Bytes that wait to be written.
    pub pending_bytes: u64,
    /// Its segments.
    pub segments: u64,
    /// Whether the disk is full.
    pub full: bool,
    /// How often it became full so far.
    pub full_times: u64,
}

impl From<StoreTotals> for Journal {
    fn from(totals: StoreTotals) -> Self {
        Self {
            syncs: totals.batches,
            written_bytes: totals.written_bytes,
            body_bytes: totals.body_bytes,
            read_bytes: totals.read_bytes,
            rewritten: totals.rewritten,
            recalled: totals.recalled,
            journal_bytes: totals.journal_bytes,
            live_bytes: totals.live_bytes,
            pending_bytes: totals.pending_bytes,
            segments: totals.segments,
            full: totals.full,
            full_times: totals.full_times,
        }
    }
}

/// A lane.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Lane {
    /// The shard that it leads to.
    pub peer: u16,
    /// Messages in it.
    pub depth: usize,
    /// Messages that wait for room.
    pub waiting: usize,
    /// Messages so far.
    pub sent: u64,
    /// Of these those that waited.
    pub overflowed: u64,
}

/// A connection.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Connection {
    /// Its shard.
    pub shard: u16,
    /// The peer's address.
    pub peer: String,
    /// The peer's container.
    pub container: String,
    /// Who authenticated.
    pub user: String,
    /// Whether it is open.
    pub open: bool,
    /// Its links.
    pub links: usize,
    /// Messages from it.
    pub messages_in: u64,
    /// Messages to it.
    pub messages_out: u64,
    /// Bytes from it.
    pub bytes_in: u64,
    /// Bytes to it.
    pub bytes_out: u64,
    /// Bytes that it has not read yet.
    pub waiting: usize,
}

/// A link.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Link {
    /// Its connection's shard.
    pub shard: u16,
    /// What it does.
    pub kind: String,
    /// Its address.
    pub address: String,
    /// The shard that owns the address.
    pub owner: u16,
    /// Credit that a consumer has not used.
    pub credit: Option<u32>,
}

/// A queue.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Queue {
    /// Its shard.
    pub shard: u16,
    /// Its address.
    pub address: String,
    /// Its name.
    pub name: String,
    /// `anycast` or `multicast`.
    pub routing: String,
    /// Messages.
    pub messages: u64,
    /// Their size, bytes.
    pub bytes: u64,
    /// Messages that are on disk only.
    pub paged: u64,
    /// Those that consumers hold.
    pub acquired: u64,
    /// Producers of the address.
    pub producers: u64,
    /// Consumers.
    pub consumers: u64,
    /// Messages put in so far.
    pub enqueued: u64,
    /// Messages accepted so far.
    pub acknowledged: u64,
    /// Messages expired so far.
    pub expired: u64,
    /// Messages rejected so far.
    pub rejected: u64,
}

impl Node {
    /// Asks all shards; `None` when one does not answer in time.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let mut answers = Vec::new();
        for shard in &self.shards {
            let (sender, receiver) = flume::bounded(1);
            shard.send(Post::View(sender)).ok()?;
            answers.push(receiver);
        }
        let until = Instant::now() + TIMEOUT;
        let views: Option<Vec<ShardView>> =
            answers.into_iter().map(|answer| answer.recv_deadline(until).ok()).collect();
        let mut snapshot = Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            container_id: self.container_id.clone(),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            process: Process::look(),
            logins_refused: Vec::new(),
            state: if self.stopping.load(Ordering::Relaxed) { State::Stopping } else { State::Ready },
            connections_max: self.connections_max,
            disk: self.space.as_ref().and_then(Space::look),
            shards: Vec::new(),
            connections: Vec::new(),
            links: Vec::new(),
            queues: Vec::new(),
        };
        let views = views?;
        let mut logins = node_shell::RefusedLogins::default();
        views.iter().for_each(|view| logins.add(&view.logins));
        let refused = |(mechanism, reason, count): (&str, &str, u64)| RefusedLogins {
            mechanism: mechanism.to_owned(),
            reason: reason.to_owned(),
            count,
        };
        snapshot.logins_refused = logins.iter().map(refused).collect();
        for (view, &core) in views.into_iter().zip(&self.cores) {
            snapshot.add(view, core);
        }
        let full = snapshot.shards.iter().any(|shard| shard.journal.as_ref().is_some_and(|journal| journal.full));
        snapshot.disk.iter_mut().for_each(|disk| disk.full = full);
        Some(snapshot)
    }
}

impl Snapshot {
    fn add(&mut self, view: ShardView, core: usize) {
        let shard = view.shard;
        let lanes = view.lanes.into_iter().map(|lane| Lane {
            peer: lane.peer,
            depth: lane.depth,
            waiting: lane.waiting,
            sent: lane.sent,
            overflowed: lane.overflowed,
        });
        self.shards.push(Shard {
            shard,
            core,
            turns: view.turns,
            memory_bytes: view.memory_bytes,
            disk_room: match view.room {
                Room::Plenty => "plenty",
                Room::Busy => "busy",
                Room::Little => "little",
                Room::None => "none",
            }
            .to_owned(),
            journal: view.journal.map(Journal::from),
            refused_connections: view.refused_connections,
            accept_failures: view.accept_failures,
            moved_connections: view.moved_connections,
            lanes: lanes.collect(),
        });
        self.connections.extend(view.connections.into_iter().map(|connection| Connection {
            shard,
            peer: connection.peer,
            container: connection.container,
            user: connection.user,
            open: connection.open,
            links: connection.links,
            messages_in: connection.messages_in,
            messages_out: connection.messages_out,
            bytes_in: connection.bytes_in,
            bytes_out: connection.bytes_out,
            waiting: connection.waiting,
        }));
        self.links.extend(view.links.into_iter().map(|link| Link {
            shard,
            kind: link.kind.to_owned(),
            address: link.address,
            owner: link.owner,
            credit: link.credit,
        }));
        self.queues.extend(view.queues.into_iter().map(|queue| Queue {
            shard,
            address: queue.address,
            name: queue.name,
            routing: if queue.routing == RoutingType::Anycast { "anycast" } else { "multicast" }.to_owned(),
            messages: queue.messages,
            bytes: queue.bytes,
            paged: queue.paged,
            acquired: queue.acquired,
            producers: queue.producers,
            consumers: queue.consumers,
            enqueued: queue.totals.enqueued,
            acknowledged: queue.totals.acknowledged,
            expired: queue.totals.expired,
            rejected: queue.totals.rejected,
        }));
    }
}
