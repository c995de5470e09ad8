//! The links of all connections: what a double does with a link, and how it is found by connection, session and handle.
//!
//! Guarantee: a link is found as long as its connection lives, and never by the place of a connection that is gone. Not here: what an
//! attach asks for (`attach`), and what becomes of messages (`relay`).

use amqp_proto::LinkId;
use bytes::Bytes;

use super::connection::{At, Conn};
use super::node::Node;
use super::table::Key;

/// What a double does with a link.
#[derive(Debug)]
pub(super) enum Link {
    /// Brings messages.
    Producer(Producer),
    /// Takes messages of a node.
    Consumer {
        /// The node that it takes messages of.
        node: Key<Node>,
        /// Its place at the node.
        place: usize,
        /// Whether the node goes with it.
        owns: bool,
    },
    /// Declares and discharges transactions.
    Coordinator,
}

/// The end of a link that brings messages.
#[derive(Debug)]
pub(super) struct Producer {
    /// Where they go to; `None`: each says so itself.
    pub node: Option<Key<Node>>,
    /// Whether the node goes with it.
    pub owns: bool,
    /// Credit that was used and not given again.
    pub owed: u32,
    /// Messages that came.
    pub number: u64,
    /// A message that waits to be overtaken, and where it goes to.
    pub held: Option<(Key<Node>, Bytes)>,
}

/// Links by where they are. The machines of connections bound how many sessions and handles there are.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By the place of their connection.
    connections: Vec<OfConnection>,
}

/// The links of one connection.
#[derive(Debug, Default)]
struct OfConnection {
    /// That of the connection's key: another one has taken the place of this one.
    generation: u32,
    /// By session and handle.
    sessions: Vec<Vec<Option<(LinkId, Link)>>>,
}

impl Links {
    /// A link.
    #[inline]
    pub fn get_mut(&mut self, at: At) -> Option<&mut Link> {
        let (_, link) = self.of_connection(at.conn)?.place_mut(at.link)?.as_mut()?;
        Some(link)
    }

    /// The link of a producer, if it is one.
    #[inline]
    pub fn producer_mut(&mut self, at: At) -> Option<&mut Producer> {
        match self.get_mut(at)? {
            Link::Producer(producer) => Some(producer),
            Link::Consumer { .. } | Link::Coordinator => None,
        }
    }

    /// Adds a link.
    pub fn put(&mut self, at: At, link: Link) {
        let (place, generation) = (at.conn.place as usize, at.conn.generation);
        if self.connections.len() <= place {
            self.connections.resize_with(place + 1, OfConnection::default);
        }
        let Some(of) = self.connections.get_mut(place) else { return };
        if of.generation != generation {
            *of = OfConnection { generation, sessions: Vec::new() };
        }
        let (session, handle) = (usize::from(at.link.session), at.link.handle as usize);
        if of.sessions.len() <= session {
            of.sessions.resize_with(session + 1, Vec::new);
        }
        let Some(handles) = of.sessions.get_mut(session) else { return };
        if handles.len() <= handle {
            handles.resize_with(handle + 1, || None);
        }
        if let Some(slot) = handles.get_mut(handle) {
            *slot = Some((at.link, link));
        }
    }

    /// Takes a link out.
    pub fn take(&mut self, at: At) -> Option<Link> {
        let (_, link) = self.of_connection(at.conn)?.place_mut(at.link)?.take()?;
        Some(link)
    }

    /// Takes all links of a session out.
    pub fn take_session(&mut self, conn: Key<Conn>, session: usize) -> Vec<(At, Link)> {
        let of = self.of_connection(conn).and_then(|of| of.sessions.get_mut(session));
        let links = of.map(std::mem::take).unwrap_or_default();
        links.into_iter().flatten().map(|(link, what)| (At { conn, link }, what)).collect()
    }

    /// Takes all links of a connection out.
    pub fn take_all(&mut self, conn: Key<Conn>) -> Vec<(At, Link)> {
        let sessions = self.of_connection(conn).map_or(0, |of| of.sessions.len());
        (0..sessions).flat_map(|session| self.take_session(conn, session)).collect()
    }

    #[inline]
    fn of_connection(&mut self, conn: Key<Conn>) -> Option<&mut OfConnection> {
        self.connections.get_mut(conn.place as usize).filter(|of| of.generation == conn.generation)
    }
}

impl OfConnection {
    #[inline]
    fn place_mut(&mut self, id: LinkId) -> Option<&mut Option<(LinkId, Link)>> {
        self.sessions.get_mut(usize::from(id.session))?.get_mut(id.handle as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(conn: u64, session: u16, handle: u32) -> At {
        At { conn: Key::of_token(conn), link: LinkId { session, generation: 0, handle } }
    }

    fn handles(taken: Vec<(At, Link)>) -> Vec<(u16, u32)> {
        taken.into_iter().map(|(at, _)| (at.link.session, at.link.handle)).collect()
    }

    #[test]
    fn links_go_with_their_session_and_with_their_connection() {
        let mut links = Links::default();
        for (session, handle) in [(0, 2), (3, 0), (3, 5), (4, 1)] {
            links.put(at(7, session, handle), Link::Coordinator);
        }
        assert!(links.get_mut(at(7, 3, 5)).is_some() && links.get_mut(at(7, 3, 4)).is_none());
        assert!(links.get_mut(at(6, 3, 5)).is_none(), "another connection");
        assert!(links.take(at(7, 4, 1)).is_some() && links.take(at(7, 4, 1)).is_none());
        assert_eq!(handles(links.take_session(Key::of_token(7), 3)), [(3, 0), (3, 5)]);
        assert_eq!(handles(links.take_all(Key::of_token(7))), [(0, 2)]);
        assert!(links.get_mut(at(7, 0, 2)).is_none());
    }

    #[test]
    fn a_connection_has_no_link_of_the_one_before_it() {
        let (gone, next) = (1 << 32 | 7, 2 << 32 | 7);
        let mut links = Links::default();
        links.put(at(gone, 0, 0), Link::Coordinator);
        assert!(links.get_mut(at(next, 0, 0)).is_none());
        links.put(at(next, 0, 1), Link::Coordinator);
        assert!(links.get_mut(at(next, 0, 0)).is_none() && links.get_mut(at(gone, 0, 1)).is_none());
        assert_eq!(handles(links.take_all(Key::of_token(gone))), []);
        assert_eq!(handles(links.take_all(Key::of_token(next))), [(0, 1)]);
    }
}
