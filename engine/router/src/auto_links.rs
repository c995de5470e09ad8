//! Links that the router attaches itself: to named nodes of containers, whenever a connection to one is up.
//!
//! Guarantees:
//! 1. There is one link for each declared one and each connection that it is for, as long as both are there. What is refused or ended by
//!    the other end is attached again after 2 s, then every 5 s, for ever.
//! 2. The table is told of a link when it is attached, by whoever does that: nothing here knows of addresses but their keys.
//! 3. There are at most `AUTO_LINKS_MAX` links; those beyond stay inactive.
//!
//! Its host polls actions after each input, and calls `handle_time` at `deadline` at the latest. Times are nanoseconds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::address::Key;
use crate::limits::AUTO_LINKS_MAX;

/// How long what failed first waits, and what fails again.
const RETRIES_NS: [u64; 2] = [2_000_000_000, 5_000_000_000];

/// A link that is declared, by a number that its host gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AutoLinkId(pub u32);

/// A connection, by a number that its host gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Which way messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the container: the router receives.
    In,
    /// To the container: the router sends.
    Out,
}

/// The name of the connector whose connection leads to queues of this node: no other one's has brackets.
pub const QUEUES: &str = "(queues)";

/// Which connections a link is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// Those of a connector or listener.
    Name(String),
    /// Those whose container has this id.
    Container(String),
    /// That to the queues of this node. Links that pass through whole need none, and end there.
    Stored,
}

/// A link that is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoLink {
    /// The address here, with its phase.
    pub key: Key,
    /// The node at the container.
    pub node: String,
    /// Which way messages go.
    pub direction: Direction,
    /// Which connections it is for.
    pub via: Via,
}

/// How far a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was asked for, and is not answered.
    Attaching,
    /// It is there.
    Active {
        /// What its host knows it by.
        place: u64,
    },
    /// The other end refused or ended it, and it is not tried again yet.
    Failed,
}

impl Status {
    /// How far it is, the larger the further.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Failed => 0,
            Self::Attaching => 1,
            Self::Active { .. } => 2,
        }
    }
}

/// How a link stands, of all connections together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How far it has come.
    pub status: Status,
    /// Why it failed last on a connection where it is not there again.
    pub failure: Option<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A link is to be attached, with a name of its own.
    Attach {
        /// Which.
        link: AutoLinkId,
        /// On which connection.
        connection: ConnectionId,
    },
    /// A link is to be detached; it is not known here any more.
    Detach {
        /// Which.
        link: AutoLinkId,
        /// On which connection.
        connection: ConnectionId,
    },
}

/// A connection of a container.
#[derive(Debug)]
struct Connection {
    name: String,
    container: String,
}

/// A link on a connection.
#[derive(Debug)]
struct Attached {
    status: Status,
    /// How often it failed in a row, as far as that matters.
    failures: usize,
    /// Why it failed last, until it is there.
    failure: Option<String>,
    retry_ns: Option<u64>,
}

/// All links that the router attaches itself.
#[derive(Debug, Default)]
pub struct AutoLinks {
    declared: BTreeMap<AutoLinkId, AutoLink>,
    connections: BTreeMap<ConnectionId, Connection>,
    attached: BTreeMap<(AutoLinkId, ConnectionId), Attached>,
    /// What waits, by when it is due.
    retries: BTreeSet<(u64, AutoLinkId, ConnectionId)>,
    actions: VecDeque<Action>,
}

impl AutoLinks {
    /// A link is declared. Its number is that of no other one.
    pub fn handle_declared(&mut self, id: AutoLinkId, link: AutoLink) {
        let connections =
            self.connections.iter().filter(|(_, connection)| link.via.is_for(&connection.name, &connection.container));
        let connections: Vec<ConnectionId> = connections.map(|(connection, _)| *connection).collect();
        self.declared.insert(id, link);
        connections.into_iter().for_each(|connection| self.begin(id, connection));
    }

    /// A link is declared no more.
    pub fn handle_removed(&mut self, id: AutoLinkId) {
        self.declared.remove(&id);
        for (link, connection) in self.range(id) {
            if self.forget(link, connection).is_some_and(|attached| attached.retry_ns.is_none()) {
                self.actions.push_back(Action::Detach { link, connection });
            }
        }
    }

    /// A connection of a container is up: that of a connector or listener of this name.
    pub fn handle_connection(&mut self, id: ConnectionId, name: &str, container: &str) {
        let links = self.declared.iter().filter(|(_, link)| link.via.is_for(name, container));
        let links: Vec<AutoLinkId> = links.map(|(link, _)| *link).collect();
        let connection = Connection { name: name.to_owned(), container: container.to_owned() };
        self.connections.insert(id, connection);
        links.into_iter().for_each(|link| self.begin(link, id));
    }

    /// A connection is gone, with all its links.
    pub fn handle_connection_lost(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
        let links: Vec<AutoLinkId> = self.declared.keys().copied().collect();
        for link in links {
            self.forget(link, id);
        }
    }

    /// The other end attached a link, which its host knows by `place`.
    pub fn handle_attached(&mut self, link: AutoLinkId, connection: ConnectionId, place: u64) {
        if let Some(attached) = self.attached.get_mut(&(link, connection)) {
            (attached.status, attached.failures, attached.failure) = (Status::Active { place }, 0, None);
        }
    }

    /// The other end refused a link, or detached it: why, for people.
    pub fn handle_detached(&mut self, link: AutoLinkId, connection: ConnectionId, why: &str, now_ns: u64) {
        let Some(attached) = self.attached.get_mut(&(link, connection)) else { return };
        if attached.retry_ns.is_some() {
            return;
        }
        let wait_ns = RETRIES_NS.get(attached.failures).or(RETRIES_NS.last()).copied().unwrap_or_default();
        attached.status = Status::Failed;
        attached.failure = Some(why.to_owned());
        attached.failures = (attached.failures + 1).min(RETRIES_NS.len());
        attached.retry_ns = Some(now_ns + wait_ns);
        self.retries.insert((now_ns + wait_ns, link, connection));
    }

    /// Attaches again what is due.
    pub fn handle_time(&mut self, now_ns: u64) {
        while let Some(&(_, link, connection)) = self.retries.first().filter(|(at, _, _)| *at <= now_ns) {
            self.retries.pop_first();
            if let Some(attached) = self.attached.get_mut(&(link, connection)) {
                (attached.status, attached.retry_ns) = (Status::Attaching, None);
                self.actions.push_back(Action::Attach { link, connection });
            }
        }
    }

    /// When `handle_time` is due, if it is.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.retries.first().map(|(at, _, _)| *at)
    }

    /// The next thing to be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A link that is declared.
    #[must_use]
    pub fn declared(&self, id: AutoLinkId) -> Option<&AutoLink> {
        self.declared.get(&id)
    }

    /// How far a link has come on a connection; `None` is inactive.
    #[must_use]
    pub fn status(&self, link: AutoLinkId, connection: ConnectionId) -> Option<Status> {
        self.attached.get(&(link, connection)).map(|attached| attached.status)
    }

    /// Why a link failed when it was tried last on a connection, whether or not it is tried again meanwhile.
    #[must_use]
    pub fn failure(&self, link: AutoLinkId, connection: ConnectionId) -> Option<&str> {
        self.attached.get(&(link, connection))?.failure.as_deref()
    }

    /// How far a link has come on the connection where it has come furthest, and why it failed last on any, while it is not there again.
    /// `None`: no connection is there that it is for.
    #[must_use]
    pub fn standing(&self, link: AutoLinkId) -> Option<Standing> {
        let all = (link, ConnectionId(0))..=(link, ConnectionId(u64::MAX));
        let mut standing: Option<Standing> = None;
        for (_, attached) in self.attached.range(all) {
            let best = standing.get_or_insert(Standing { status: attached.status, failure: None });
            if attached.status.rank() > best.status.rank() {
                best.status = attached.status;
            }
            best.failure = best.failure.take().or_else(|| attached.failure.clone());
        }
        standing
    }

    fn begin(&mut self, link: AutoLinkId, connection: ConnectionId) {
        if self.attached.len() < AUTO_LINKS_MAX {
            let attached = Attached { status: Status::Attaching, failures: 0, failure: None, retry_ns: None };
            self.attached.insert((link, connection), attached);
            self.actions.push_back(Action::Attach { link, connection });
        }
    }

    fn forget(&mut self, link: AutoLinkId, connection: ConnectionId) -> Option<Attached> {
        let attached = self.attached.remove(&(link, connection))?;
        if let Some(at) = attached.retry_ns {
            self.retries.remove(&(at, link, connection));
        }
        Some(attached)
    }

    fn range(&self, link: AutoLinkId) -> Vec<(AutoLinkId, ConnectionId)> {
        let all = (link, ConnectionId(0))..=(link, ConnectionId(u64::MAX));
        self.attached.range(all).map(|(key, _)| *key).collect()
    }
}

impl Via {
    /// Whether it is for a connection of the connector or listener of this name, whose container is this one.
    #[must_use]
    pub fn is_for(&self, name: &str, container: &str) -> bool {
        match self {
            Self::Name(wanted) => *wanted == name,
            Self::Container(wanted) => *wanted == container,
            Self::Stored => name == QUEUES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn link(via: Via) -> AutoLink {
        let key = Key::read("M1queue").expect("a key");
        AutoLink { key, node: "queue".to_owned(), direction: Direction::In, via }
    }

    fn actions(links: &mut AutoLinks) -> Vec<Action> {
        std::iter::from_fn(|| links.poll_action()).collect()
    }

    fn attach(link: u32, connection: u64) -> Action {
        Action::Attach { link: AutoLinkId(link), connection: ConnectionId(connection) }
    }

    #[test]
    fn a_link_is_attached_on_each_connection_that_it_is_for() {
        let mut links = AutoLinks::default();
        links.handle_connection(ConnectionId(1), "broker", "artemis");
        links.handle_declared(AutoLinkId(1), link(Via::Name("broker".to_owned())));
        links.handle_declared(AutoLinkId(2), link(Via::Container("artemis".to_owned())));
        links.handle_declared(AutoLinkId(3), link(Via::Name("other".to_owned())));
        assert_eq!(actions(&mut links), [attach(1, 1), attach(2, 1)]);
        links.handle_connection(ConnectionId(2), "broker", "another");
        links.handle_connection(ConnectionId(3), "elsewhere", "artemis");
        assert_eq!(actions(&mut links), [attach(1, 2), attach(2, 3)]);
        links.handle_detached(AutoLinkId(1), ConnectionId(1), "no such queue", 0);
        let failed = |status| Some(Standing { status, failure: Some("no such queue".to_owned()) });
        assert_eq!(links.standing(AutoLinkId(1)), failed(Status::Attaching));
        links.handle_attached(AutoLinkId(1), ConnectionId(2), 7);
        assert_eq!(links.status(AutoLinkId(1), ConnectionId(2)), Some(Status::Active { place: 7 }));
        assert_eq!(links.standing(AutoLinkId(1)), failed(Status::Active { place: 7 }));
        assert_eq!(links.standing(AutoLinkId(3)), None);
        links.handle_time(2 * SECOND);
        assert_eq!(actions(&mut links), [attach(1, 1)]);
        links.handle_attached(AutoLinkId(1), ConnectionId(1), 8);
        assert_eq!(links.standing(AutoLinkId(1)).and_then(|standing| standing.failure), None);
        links.handle_connection_lost(ConnectionId(2));
        assert_eq!(links.status(AutoLinkId(1), ConnectionId(2)), None);
        // What is declared no more goes where it is, and waits nowhere.
        links.handle_removed(AutoLinkId(1));
        let detach = Action::Detach { link: AutoLinkId(1), connection: ConnectionId(1) };
        assert_eq!((actions(&mut links), links.declared(AutoLinkId(1))), (vec![detach], None));
    }

    #[test]
    fn what_fails_is_tried_after_two_seconds_and_then_every_five() {
        let (id, connection) = (AutoLinkId(1), ConnectionId(1));
        let mut links = AutoLinks::default();
        links.handle_declared(id, link(Via::Name("broker".to_owned())));
        links.handle_connection(connection, "broker", "artemis");
        actions(&mut links);
        let mut now = 0;
        for wait in [2, 5, 5, 5] {
            assert_eq!(links.deadline(), None, "nothing is due while it is asked for");
            links.handle_detached(id, connection, "no such queue", now);
            assert_eq!(links.status(id, connection), Some(Status::Failed));
            assert_eq!(links.failure(id, connection), Some("no such queue"));
            assert_eq!(links.deadline(), Some(now + wait * SECOND));
            now += wait * SECOND;
            links.handle_time(now - 1);
            assert_eq!(actions(&mut links), []);
            links.handle_time(now);
            assert_eq!(actions(&mut links), [attach(1, 1)]);
        }
        // Once it was there it begins anew.
        links.handle_attached(id, connection, 1);
        links.handle_detached(id, connection, "deleted", now);
        assert_eq!(links.deadline(), Some(now + 2 * SECOND));
        links.handle_connection_lost(connection);
        assert_eq!(links.deadline(), None);
        links.handle_connection(connection, "broker", "artemis");
        links.handle_detached(id, connection, "deleted", now);
        actions(&mut links);
        links.handle_removed(id);
        assert_eq!((actions(&mut links), links.deadline()), (vec![], None));
    }

    #[test]
    fn there_are_no_more_links_than_there_can_be() {
        let mut links = AutoLinks::default();
        links.handle_declared(AutoLinkId(1), link(Via::Name("broker".to_owned())));
        (0..AUTO_LINKS_MAX as u64 + 1).for_each(|id| links.handle_connection(ConnectionId(id), "broker", "artemis"));
        assert_eq!(actions(&mut links).len(), AUTO_LINKS_MAX);
    }
}
