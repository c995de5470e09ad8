//! What a shard shows of itself to ordinary threads: the shard as a whole, and its queues, connections and links page by page; with the
//! tables of their figures.
//!
//! Guarantees: an answer is bounded work (`engine_figures::page`), and a turn gives one, however many are asked for; what there is of a shard
//! is counted, never copied as a whole.

use engine_core::{DuplicateTotals, QueueView, Room};
use engine_figures::{Figure, Figures, Fill, Label, Page, Range, Unit, Value};
use engine_home::{Carried, Link, Passage, Slot, TransactionTotals};
use engine_router::auto_links::{AutoLinkId, AutoLinks, Standing, Via};
use engine_routing::{Router, RouterTotals};
use engine_shard::store::StoreTotals;
use engine_shard::{LaneView, ROUTED};

use crate::connection::Conn;
use crate::connectors::{Connecting, ConnectorView, Connectors};
use crate::details::{self, ConnectionDetails, LinkDetails};
use crate::logins::RefusedLogins;
use crate::turn::{Entry, Turn};

/// What ordinary threads ask of a shard, each with where the answer goes.
pub enum Ask {
    /// What there is of it.
    Shard(flume::Sender<ShardView>),
    /// A part of its queues, by name.
    Queues(Range, flume::Sender<Page<QueueView>>),
    /// A part of its connections, by container.
    Connections(Range, flume::Sender<Page<ConnectionView>>),
    /// A part of its links, by address.
    Links(Range, flume::Sender<Page<LinkView>>),
    /// A part of its connections, by container, with all that is known of each.
    ConnectionDetails(Range, flume::Sender<Page<ConnectionDetails>>),
    /// A part of its links, by address, with all that is known of each.
    LinkDetails(Range, flume::Sender<Page<LinkDetails>>),
    /// Messages of some addresses of the router, `details::ADDRESSES_MAX` at most.
    Addresses(Vec<String>, flume::Sender<Vec<Carried>>),
    /// How some links stand that the router attaches itself, `details::AUTO_LINKS_MAX` at most.
    AutoLinks(Vec<AutoLinkId>, flume::Sender<Vec<Option<Standing>>>),
    /// Whether connections are there that some routes of links are for, `details::LINK_ROUTES_MAX` at most.
    LinkRoutes(Vec<Option<Via>>, flume::Sender<Vec<bool>>),
}

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

type ConnectionLabel = Label<ConnectionView>;
type ConnectionFigure = Figure<ConnectionView>;

/// What is told of a connection.
pub const CONNECTION_FIGURES: Figures<ConnectionView> = Figures {
    thing: "connection",
    labels: &[
        ConnectionLabel::new("peer", |conn| Value::Text(&conn.peer)).column("connection", Fill::Name),
        ConnectionLabel::new("container", |conn| Value::Text(&conn.container)).column("container", Fill::Name),
        ConnectionLabel::new("user", |conn| Value::Text(&conn.user)).unlabelled().column("user", Fill::Name),
    ],
    figures: &[
        ConnectionFigure::gauge("open", "Whether both ends have opened it.", Unit::Flag, |conn| Value::Flag(conn.open)),
        ConnectionFigure::gauge("links", "Links of a connection.", Unit::Count, |conn| Value::Count(conn.links as u64))
            .metric("heddle_connection_links")
            .column("links"),
        ConnectionFigure::counter("messages_in", "Messages from a connection.", Unit::Count, |conn| {
            Value::Count(conn.messages_in)
        })
        .metric("heddle_connection_messages_in_total")
        .column("in"),
        ConnectionFigure::counter("messages_out", "Messages to a connection.", Unit::Count, |conn| {
            Value::Count(conn.messages_out)
        })
        .metric("heddle_connection_messages_out_total")
        .column("out"),
        ConnectionFigure::counter("bytes_in", "Octets from a connection.", Unit::Bytes, |conn| {
            Value::Count(conn.bytes_in)
        })
        .metric("heddle_connection_bytes_in_total"),
        ConnectionFigure::counter("bytes_out", "Octets to a connection.", Unit::Bytes, |conn| {
            Value::Count(conn.bytes_out)
        })
        .metric("heddle_connection_bytes_out_total"),
        ConnectionFigure::gauge("waiting", "Octets that a connection has not read.", Unit::Bytes, |conn| {
            Value::Count(conn.waiting as u64)
        })
        .metric("heddle_connection_waiting_bytes")
        .column("unread"),
    ],
};

/// A link, as it is now.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// What it does.
    pub kind: &'static str,
    /// Its address.
    pub address: String,
    /// The shard that owns it; `None` if it is routed.
    pub owner: Option<u16>,
    /// For a consumer the credit that no message has used.
    pub credit: Option<u32>,
}

type LinkLabel = Label<LinkView>;
type LinkFigure = Figure<LinkView>;

/// What is told of a link.
pub const LINK_FIGURES: Figures<LinkView> = Figures {
    thing: "link",
    labels: &[
        LinkLabel::new("kind", |link| Value::Text(link.kind)).column("link", Fill::Word),
        LinkLabel::new("address", |link| Value::Text(&link.address)).column("address", Fill::Name),
        LinkLabel::new("owner", |link| link.owner.map_or(Value::Text("routed"), |owner| Value::Count(owner.into())))
            .column("owner", Fill::Figure),
    ],
    figures: &[LinkFigure::gauge("credit", "Credit that a consumer has not used.", Unit::Count, |link| {
        link.credit.map_or(Value::Absent, |credit| Value::Count(credit.into()))
    })
    .column("credit")],
};

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
    /// What its part of the router has and did; `None` without a router.
    pub router: Option<RouterTotals>,
    /// What passed its links.
    pub passage: Passage,
    /// How much of what it has.
    pub counts: ShardCounts,
    /// The version of the catalogue that it serves by.
    pub catalogue_version: u64,
    /// Its lanes.
    pub lanes: Vec<LaneView>,
    /// Its connectors.
    pub connectors: Vec<ConnectorView>,
}

/// How much of what a shard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardCounts {
    /// Connections.
    pub connections: usize,
    /// Links.
    pub links: usize,
    /// Queues.
    pub queues: usize,
    /// Queues that were deleted and forward what they have to.
    pub ended_queues: usize,
    /// Messages that were to be forwarded and went with such a queue, as there were too many.
    pub forwards_dropped: u64,
    /// Transactions.
    pub transactions: TransactionTotals,
    /// Ids of messages that addresses know.
    pub duplicates: DuplicateTotals,
}

type ShardLabel = Label<ShardView>;
type ShardFigure = Figure<ShardView>;

/// What is told of a shard.
pub const SHARD_FIGURES: Figures<ShardView> = Figures {
    thing: "shard",
    labels: &[ShardLabel::new("disk_room", |shard| match shard.room {
        Room::Plenty => Value::Text("plenty"),
        Room::Busy => Value::Text("busy"),
        Room::Little => Value::Text("little"),
        Room::None => Value::Text("none"),
    })
    .unlabelled()],
    figures: &[
        ShardFigure::counter("turns", "Turns of a shard.", Unit::Count, |shard| Value::Count(shard.turns))
            .metric("heddle_shard_turns_total"),
        ShardFigure::gauge("connection_count", "Connections of a shard.", Unit::Count, |shard| {
            Value::Count(shard.counts.connections as u64)
        })
        .metric("heddle_shard_connections")
        .column("connections")
        .artemis("connectionCount"),
        ShardFigure::gauge("link_count", "Links of a shard.", Unit::Count, |shard| {
            Value::Count(shard.counts.links as u64)
        })
        .metric("heddle_shard_links"),
        ShardFigure::gauge("queue_count", "Queues of a shard.", Unit::Count, |shard| {
            Value::Count(shard.counts.queues as u64)
        })
        .metric("heddle_shard_queues")
        .column("queues")
        .artemis("queueCount"),
        ShardFigure::gauge(
            "transaction_count",
            "Transactions of a shard's connections that have not ended.",
            Unit::Count,
            |shard| Value::Count(shard.counts.transactions.open as u64),
        )
        .metric("heddle_shard_transactions"),
        ShardFigure::gauge(
            "transaction_bytes",
            "Octets of messages and outcomes that wait for the commit of their transactions.",
            Unit::Bytes,
            |shard| Value::Count(shard.counts.transactions.bytes),
        )
        .metric("heddle_shard_transaction_bytes"),
        ShardFigure::gauge(
            "transactions_committing",
            "Transactions about queues of several shards that a shard is committing for its connections.",
            Unit::Count,
            |shard| Value::Count(shard.counts.transactions.committing as u64),
        )
        .metric("heddle_shard_transactions_committing"),
        ShardFigure::counter(
            "transactions_failed",
            "Transactions that were rolled back because they were about too much, or took too long.",
            Unit::Count,
            |shard| Value::Count(shard.counts.transactions.failed),
        )
        .metric("heddle_shard_transactions_failed_total"),
        ShardFigure::gauge(
            "duplicate_ids",
            "Ids of messages that a shard's addresses know (duplicate_ids).",
            Unit::Count,
            |shard| Value::Count(shard.counts.duplicates.ids as u64),
        )
        .metric("heddle_shard_duplicate_ids"),
        ShardFigure::gauge("duplicate_id_bytes", "Octets that these cost.", Unit::Bytes, |shard| {
            Value::Count(shard.counts.duplicates.bytes)
        })
        .metric("heddle_shard_duplicate_id_bytes"),
        ShardFigure::counter(
            "duplicates",
            "Messages that were accepted and dropped, as their ids had come before.",
            Unit::Count,
            |shard| Value::Count(shard.counts.duplicates.dropped),
        )
        .metric("heddle_shard_duplicates_total"),
        ShardFigure::gauge(
            "ended_queues",
            "Queues of a shard that were deleted and forward what was rejected or expired.",
            Unit::Count,
            |shard| Value::Count(shard.counts.ended_queues as u64),
        )
        .metric("heddle_shard_ended_queues"),
        ShardFigure::counter(
            "forwards_dropped",
            "Messages that were to be forwarded and went with their queue, as too many deleted queues forward.",
            Unit::Count,
            |shard| Value::Count(shard.counts.forwards_dropped),
        )
        .metric("heddle_forwards_dropped_total"),
        ShardFigure::gauge("memory_bytes", "Size of queued messages with overhead.", Unit::Bytes, |shard| {
            Value::Count(shard.memory_bytes)
        })
        .metric("heddle_shard_memory_bytes")
        .column("memory")
        .artemis("addressMemoryUsage"),
        ShardFigure::gauge("lane_messages", "Messages on their way to other shards.", Unit::Count, |shard| {
            Value::Count(shard.lanes.iter().map(|lane| (lane.depth + lane.waiting) as u64).sum())
        })
        .metric("heddle_shard_lane_messages")
        .column("in lanes"),
        ShardFigure::counter(
            "refused_connections",
            "Connections refused at limits.connections or for want of descriptors.",
            Unit::Count,
            |shard| Value::Count(shard.refused_connections),
        )
        .metric("heddle_connections_refused_total"),
        ShardFigure::counter(
            "accept_failures",
            "Times that no connection could be accepted, for want of descriptors or memory.",
            Unit::Count,
            |shard| Value::Count(shard.accept_failures),
        )
        .metric("heddle_accept_failures_total"),
        ShardFigure::counter(
            "moved_connections",
            "Connections sent to the shard of their first link.",
            Unit::Count,
            |shard| Value::Count(shard.moved_connections),
        )
        .metric("heddle_connections_moved_total"),
        ShardFigure::gauge(
            "catalogue_version",
            "Version of what is said of addresses and queues that a shard serves by.",
            Unit::Count,
            |shard| Value::Count(shard.catalogue_version),
        )
        .metric("heddle_shard_catalogue_version"),
    ],
};

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
    /// What there is of a shard.
    pub(crate) fn of(turn: &Turn<Conn>, connectors: &Connectors, totals: &Totals) -> Self {
        let engine = turn.home().engine();
        let (ended_queues, forwards_dropped) = engine.core().ended_queues();
        Self {
            shard: engine.shard(),
            turns: totals.turns,
            refused_connections: totals.refused_connections,
            accept_failures: totals.accept_failures,
            logins: totals.logins,
            moved_connections: totals.moved,
            room: engine.core().room(),
            journal: engine.journal(),
            router: engine.router().map(Router::totals),
            passage: turn.home().passage(),
            memory_bytes: engine.core().memory_bytes(),
            counts: ShardCounts {
                connections: turn.len(),
                links: turn.home().link_count(),
                queues: engine.core().counts().1,
                ended_queues,
                forwards_dropped,
                transactions: turn.home().transactions(),
                duplicates: engine.core().duplicates(),
            },
            catalogue_version: engine.core().catalogue().version(),
            lanes: engine.mesh().views().collect(),
            connectors: connectors.iter().map(|(connecting, slot)| connector(turn, connecting, slot)).collect(),
        }
    }
}

/// A connector, with what its peer calls itself.
fn connector(turn: &Turn<Conn>, connecting: &Connecting, slot: Option<Slot>) -> ConnectorView {
    let open = slot.and_then(|slot| turn.get(slot)).filter(|entry| entry.protocol.is_open());
    let container = open.map(|entry| entry.protocol.client().container.clone());
    ConnectorView::of(connecting, container, turn.now_ns())
}

/// What a shard has that is shown.
pub(crate) struct Shown<'a> {
    pub turn: &'a Turn<Conn>,
    pub connectors: &'a Connectors,
    pub auto_links: &'a AutoLinks,
}

/// Answers a question; whoever asked may have given up.
pub(crate) fn answer(shown: &Shown<'_>, totals: &Totals, ask: Ask) {
    let Shown { turn, connectors, auto_links } = *shown;
    match ask {
        Ask::AutoLinks(ids, reply) => drop(reply.try_send(details::auto_links(auto_links, &ids))),
        Ask::LinkRoutes(vias, reply) => drop(reply.try_send(details::link_routes(turn, &vias))),
        Ask::Shard(reply) => drop(reply.try_send(ShardView::of(turn, connectors, totals))),
        Ask::Queues(range, reply) => drop(reply.try_send(turn.home().engine().core().queue_page(&range))),
        Ask::Connections(range, reply) => drop(reply.try_send(connection_page(turn, &range))),
        Ask::Links(range, reply) => drop(reply.try_send(link_page(turn, &range))),
        Ask::ConnectionDetails(range, reply) => drop(reply.try_send(details::connections(turn, &range))),
        Ask::Addresses(keys, reply) => drop(reply.try_send(details::addresses(turn, &keys))),
        Ask::LinkDetails(range, reply) => drop(reply.try_send(details::links(turn, &range))),
    }
}

fn connection_page(turn: &Turn<Conn>, range: &Range) -> Page<ConnectionView> {
    let view = |entry: &Entry<Conn>| {
        let client = entry.protocol.client();
        ConnectionView {
            peer: entry.host.peer.clone(),
            container: client.container.clone(),
            user: client.user.clone(),
            open: entry.protocol.is_open(),
            links: client.links() as usize,
            messages_in: client.messages_in,
            messages_out: client.messages_out,
            bytes_in: entry.host.octets.read,
            bytes_out: entry.host.octets.written,
            waiting: entry.host.waiting(&entry.protocol),
        }
    };
    engine_figures::page(turn.places(range.from), range, |entry| &entry.protocol.client().container, |_| 0, view)
}

fn link_page(turn: &Turn<Conn>, range: &Range) -> Page<LinkView> {
    let view = |link: &Link| LinkView {
        kind: link.kind(),
        address: link.address().to_owned(),
        owner: Some(link.owner()).filter(|owner| *owner != ROUTED),
        credit: link.credit(),
    };
    engine_figures::page(turn.home().link_places(range.from), range, |link| link.address(), |_| 0, view)
}

#[cfg(test)]
mod tests {
    use engine_core::Core;
    use engine_core::limits::CoreConfig;
    use engine_home::{AddressRules, Moves};
    use engine_rt::{Clock, InboxSender, Permits, Pulse, Service, Waker};
    use engine_shard::Engine;

    use super::*;
    use crate::config::ShellConfig;
    use crate::post::Post;
    use crate::shell::{Disks, Parts, Shell};

    #[test]
    fn figures_of_shards_connections_and_links_keep_the_rules() {
        SHARD_FIGURES.check();
        CONNECTION_FIGURES.check();
        LINK_FIGURES.check();
        crate::connectors::CONNECTOR_FIGURES.check();
    }

    /// A shell without listeners, and how to reach it.
    fn shell(pulse: Pulse) -> (Shell, InboxSender<Post>) {
        let waker = Waker::new().expect("a waker");
        let mesh = engine_shard::mesh(std::slice::from_ref(&waker)).remove(0);
        let engine = Engine::new(Core::new(CoreConfig::default()), mesh, None);
        let (sender, inbox) = engine_rt::inbox(16, waker.clone());
        let config = ShellConfig {
            listeners: Vec::new(),
            connectors: Vec::new(),
            auto_links: [].into(),
            addresses: AddressRules::default(),
            connections_max: 1,
            connections: Permits::new(1),
            links_max: 1,
            moves: Moves::Never,
            spin_ns: 0,
            gate: None,
            verifier: flume::bounded(1).0,
            manager: flume::bounded(1).0,
            registry: None,
            resolver: flume::bounded(1).0,
            seed: 0,
        };
        let parts = Parts {
            engine,
            disks: Disks { journal: None, large: None },
            waker,
            pulse,
            inbox,
            peers: vec![sender.clone()],
            clock: Clock::default(),
            listeners: Vec::new(),
            node_id: String::new(),
            first_file: 0,
        };
        (Shell::new(config, parts).expect("descriptors"), sender)
    }

    #[test]
    fn a_turn_answers_one_question() {
        let pulse = Pulse::default();
        assert_eq!(pulse.service(), Service::Starting);
        let (mut shell, sender) = shell(pulse.clone());
        assert_eq!(pulse.service(), Service::Serving);
        let answers: Vec<_> = (0..3)
            .map(|_| {
                let (reply, answer) = flume::bounded(1);
                let ask = Ask::Queues(Range { rows: 10, ..Range::default() }, reply);
                assert!(sender.send(Post::View(ask)).is_ok());
                answer
            })
            .collect();
        assert!(sender.send(Post::Stop).is_ok());
        for turn in 1..=3 {
            assert!(shell.handle_posts(), "there is more");
            assert_eq!(answers.iter().filter(|answer| !answer.is_empty()).count(), turn);
            assert_eq!(pulse.service(), Service::Serving, "what lies behind a question has the next turn");
        }
        assert!(shell.handle_posts());
        assert_eq!(pulse.service(), Service::Stopping);
        assert!(!shell.handle_posts(), "that was all");
    }
}
