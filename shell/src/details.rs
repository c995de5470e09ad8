//! Connections and links as management of a router tells of them: all that there is to know of each, page by page.
//!
//! Guarantee: an answer is bounded work, as that of `view`.

use engine_figures::{PAGE_ROWS_MAX, Page, Range};
use engine_home::{Carried, Link, Passed, Slot};
use engine_router::auto_links::{self, AutoLinkId, AutoLinks, Via};
use engine_routing::Standing;

use crate::connection::{Conn, Origin};
use crate::role::Role;
use crate::turn::{Entry, Turn};

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The peer connected to a listener.
    Accepted,
    /// A connector did.
    Connected,
}

/// A connection, as management tells of it.
#[derive(Clone, Debug)]
pub struct ConnectionDetails {
    /// Its place in its shard; never that of another one while anybody remembers.
    pub place: Slot,
    /// How it came about.
    pub made: Made,
    /// Who is at its other end, as its listener or connector says.
    pub role: Role,
    /// The peer's address.
    pub peer: String,
    /// Its container.
    pub container: String,
    /// The properties of its open, as AMQP encodes a map; empty if they are not kept.
    pub properties: Vec<u8>,
    /// Who authenticated.
    pub user: String,
    /// By which mechanism of SASL; empty: by none.
    pub mechanism: String,
    /// Version and cipher suite of TLS, if it has any.
    pub tls: Option<(String, String)>,
    /// Whether both ends have opened it.
    pub open: bool,
    /// Whether it is one of a router at the edge that stands by for another one.
    pub stands_by: bool,
    /// Since when it is there, nanoseconds.
    pub age_ns: u64,
    /// Since its last message, nanoseconds; `None`: there was none.
    pub quiet_ns: Option<u64>,
}

/// A link, as management tells of it.
#[derive(Clone, Debug)]
pub struct LinkDetails {
    /// Its place in its shard; never that of another one while anybody remembers.
    pub place: Slot,
    /// The connection's.
    pub connection: Option<Slot>,
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: &'static str,
    /// Whether its peer receives.
    pub is_consumer: bool,
    /// Whether it is for what routers tell each other.
    pub is_control: bool,
    /// Its address as its peer named it.
    pub address: String,
    /// Its address as the router's table has it, and how it stands; `None` if it is not routed, or its attach is not answered. A link to
    /// another router has no address.
    pub routed: Option<(Option<String>, Standing)>,
    /// What passed it.
    pub passed: Passed,
    /// How long it has had no credit, nanoseconds.
    pub dry_ns: u64,
}

/// Addresses that one question may be about: looking for one costs some 100 ns. Of further ones nothing is told.
pub const ADDRESSES_MAX: usize = PAGE_ROWS_MAX;

/// Messages of addresses, in their order.
pub(crate) fn addresses(turn: &Turn<Conn>, keys: &[String]) -> Vec<Carried> {
    turn.home().carried(keys.iter().take(ADDRESSES_MAX).map(String::as_str)).collect()
}

/// Links that one question may be about. Of further ones nothing is told.
pub const AUTO_LINKS_MAX: usize = PAGE_ROWS_MAX;

/// How links stand that the router attaches itself, in the order in which they are named; `None`: there is no connection that they are for.
pub(crate) fn auto_links(auto_links: &AutoLinks, ids: &[AutoLinkId]) -> Vec<Option<auto_links::Standing>> {
    ids.iter().take(AUTO_LINKS_MAX).map(|id| auto_links.standing(*id)).collect()
}

/// Routes of links that one question may be about: looking for who serves one costs some 100 ns. Of further ones nothing is told.
pub const LINK_ROUTES_MAX: usize = PAGE_ROWS_MAX;

/// Whether connections of the shard are there that routes of links are for, in the order in which they are named.
pub(crate) fn link_routes(turn: &Turn<Conn>, vias: &[Option<Via>]) -> Vec<bool> {
    let router = turn.home().engine().router();
    let is_served = |via: &Option<Via>| router.zip(via.as_ref()).is_some_and(|(router, via)| router.is_served(via));
    vias.iter().take(LINK_ROUTES_MAX).map(is_served).collect()
}

pub(crate) fn connections(turn: &Turn<Conn>, range: &Range) -> Page<ConnectionDetails> {
    let (now_ns, router) = (turn.now_ns(), turn.home().engine().router());
    let view = |entry: &Entry<Conn>| {
        let (client, host) = (entry.protocol.client(), &entry.host);
        let (since_ns, delivered_ns) = host.times();
        ConnectionDetails {
            place: client.place(),
            made: match host.origin {
                Origin::Listener(_) => Made::Accepted,
                Origin::Connector(..) => Made::Connected,
            },
            role: host.origin.named().1,
            peer: host.peer.clone(),
            container: client.container.clone(),
            properties: client.properties().to_vec(),
            user: client.user.clone(),
            mechanism: entry.protocol.mechanism().to_owned(),
            tls: host.transport.as_ref().and_then(crate::transport::Transport::agreed),
            open: entry.protocol.is_open(),
            stands_by: router.is_some_and(|router| router.stands_by(client.place().to_bits())),
            age_ns: since_ns.map_or(0, |since| now_ns.saturating_sub(since)),
            quiet_ns: delivered_ns.map(|at| now_ns.saturating_sub(at)),
        }
    };
    engine_figures::page(turn.places(range.from), range, |entry| &entry.protocol.client().container, |_| 0, view)
}

pub(crate) fn links(turn: &Turn<Conn>, range: &Range) -> Page<LinkDetails> {
    let router = turn.home().engine().router();
    let view = |link: &Link| {
        let (connection, end) = link.ends();
        let end = router.zip(end);
        let is_control = end.is_some_and(|(router, end)| router.is_control(end));
        let end = end.and_then(|(router, end)| router.end(end));
        LinkDetails {
            place: link.place(),
            connection,
            name: link.name().to_owned(),
            kind: link.kind(),
            is_consumer: link.is_consumer(),
            is_control,
            address: link.address().to_owned(),
            routed: end.map(|end| (end.key.map(|key| key.as_str().to_owned()), end.standing)),
            passed: link.passed(),
            dry_ns: link.dry_ns(turn.now_ns()),
        }
    };
    engine_figures::page(turn.home().link_places(range.from), range, |link| link.address(), |_| 0, view)
}
