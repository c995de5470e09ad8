//! A connection's links by their names, of all its sessions: whom an attach answers, steals or waits for.
//!
//! Guarantees: what is found costs the logarithm of the links that there are, whoever has how many; links of one name come in the order of
//! their sessions and handles. Of a link that was detached here its name leads to nothing any more, unless the peer's attach is still to
//! come: so a peer cannot gather links of one name.
//! Not here: what is done with what is found (`asking`, `attaching`).

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use amqp_codec::performative::Role;

use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::event::LinkId;
use crate::limits::LINKS_WALKED_MAX;
use crate::session::Session;

/// The sessions of a connection, by their local channels.
type Sessions = [Option<Box<Session>>];

/// Links by name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Links that their names lead to.
    links: u32,
    /// Where they are, while they are or were more than `LINKS_WALKED_MAX`.
    index: Option<BTreeSet<Place>>,
}

/// Where a link is, behind the hash of its role and name: in an order that has those of one name together, whatever other hashes a peer's
/// names have. Names that have the same hash are told apart by whoever looks there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    hash: u64,
    session: u16,
    handle: u32,
}

impl Place {
    fn new(link: &Endpoint, session: u16, handle: u32) -> Self {
        Self { hash: hash(&link.name, link.role), session, handle }
    }
}

fn hash(name: &str, role: Role) -> u64 {
    let mut hasher = DefaultHasher::new();
    (name, role == Role::Sender).hash(&mut hasher);
    hasher.finish()
}

impl Names {
    /// A link is there, in one of these sessions.
    fn add(&mut self, place: Place, sessions: &Sessions) {
        self.links += 1;
        if let Some(index) = &mut self.index {
            index.insert(place);
        } else if self.links > LINKS_WALKED_MAX {
            let all = links(sessions).map(|(session, handle, link)| Place::new(link, session, handle));
            self.index = Some(all.collect());
        }
    }

    /// A link is gone, or its name leads to it no more.
    fn remove(&mut self, place: Place) {
        self.links -= 1;
        if let Some(index) = &mut self.index {
            index.remove(&place);
        }
        self.index.take_if(|index| index.is_empty());
    }

    /// Links among which those of a name are, in the order of their sessions and handles.
    fn near<'a>(&'a self, name: &str, role: Role, sessions: &'a Sessions) -> impl Iterator<Item = (u16, u32)> + 'a {
        let indexed = self.index.as_ref().map(|index| {
            let first = Place { hash: hash(name, role), session: 0, handle: 0 };
            index.range(first..=Place { session: u16::MAX, handle: u32::MAX, ..first })
        });
        let walked = self.index.is_none().then(|| links(sessions).map(|(session, handle, _)| (session, handle)));
        let indexed = indexed.into_iter().flatten().map(|place| (place.session, place.handle));
        indexed.chain(walked.into_iter().flatten())
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self, sessions: &Sessions) {
        let all: BTreeSet<Place> =
            links(sessions).map(|(session, handle, link)| Place::new(link, session, handle)).collect();
        assert_eq!(self.links as usize, all.len(), "links with names are counted");
        assert!(
            self.index.as_ref().is_none_or(|index| *index == all),
            "each name leads to its link, and nothing else does"
        );
    }
}

/// Links that their names lead to.
fn links(sessions: &Sessions) -> impl Iterator<Item = (u16, u32, &Endpoint)> {
    let sessions = sessions.iter().flatten();
    let links = sessions.flat_map(|session| session.handles.iter().map(|(handle, link)| (session.id.0, handle, link)));
    links.filter(|(_, _, link)| link.has_name())
}

impl Connection {
    /// Links of a name at which our end is this one, in the order of their sessions and handles.
    pub(crate) fn links_named(&self, name: &str, role: Role) -> impl Iterator<Item = (LinkId, &Endpoint)> {
        let near = self.names.near(name, role, &self.sessions);
        near.filter_map(move |(session, handle)| {
            let link = self.sessions.get(usize::from(session))?.as_ref()?.handles.get(handle)?;
            let id = LinkId { session, generation: link.generation, handle };
            (link.role == role && *link.name == *name).then_some((id, link))
        })
    }

    /// Adds a link to a session at the lowest free handle; `None` when the peer takes no handle as high as that.
    pub(crate) fn add_link(&mut self, session: u16, link: Endpoint) -> Option<u32> {
        let place = Place::new(&link, session, 0);
        let handle = self.session(session)?.handles.add(link)?;
        self.names.add(Place { handle, ..place }, &self.sessions);
        Some(handle)
    }

    /// Forgets a link.
    pub(crate) fn remove_link(&mut self, session: u16, handle: u32) {
        self.forget_name(session, handle);
        self.session(session).into_iter().for_each(|session| session.remove(handle));
    }

    /// Forgets all links of a session, which ends.
    pub(crate) fn remove_links(&mut self, session: u16) {
        let Some(known) = self.sessions.get_mut(usize::from(session)).and_then(Option::as_deref_mut) else { return };
        for (handle, link) in known.handles.iter().filter(|(_, link)| link.has_name()) {
            self.names.remove(Place::new(link, session, handle));
        }
        known.handles.clear();
    }

    /// The name of a link leads to it no more, which is to be detached or bound.
    pub(crate) fn forget_name(&mut self, session: u16, handle: u32) {
        let known = self.sessions.get(usize::from(session)).and_then(Option::as_deref);
        if let Some(link) = known.and_then(|known| known.handles.get(handle)).filter(|link| link.has_name()) {
            self.names.remove(Place::new(link, session, handle));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amqp_codec::performative::{Attach, Detach, Source};
    use proptest::prelude::*;

    use super::*;
    use crate::connection::Phase;
    use crate::event::SessionId;
    use crate::flag::Closing;
    use crate::limits::Config;
    use crate::out::Out;
    use crate::session;
    use crate::windows::IncomingWindow;

    const ROLES: [Role; 2] = [Role::Sender, Role::Receiver];

    /// An open connection of so many sessions that nothing was attached in.
    fn open(sessions: u16) -> Connection {
        let mut connection = Connection::server(Arc::new(Config { handle_max: 9_999, ..Config::default() }), 0);
        connection.phase = Phase::Open;
        (connection.remote.max_frame, connection.remote.channel_max) = (1 << 16, u16::MAX);
        (0..sessions).for_each(|local| begin(&mut connection, local));
        connection
    }

    fn begin(connection: &mut Connection, local: u16) {
        let session = Session::new(SessionId(local), session::Phase::Mapped, IncomingWindow::fixed(100));
        connection.put_session(local.into(), session);
    }

    /// The peer attaches; `role` is ours.
    fn attach(connection: &mut Connection, session: u16, handle: u32, name: &str, role: Role, out: &mut Out) {
        let attach = Box::new(Attach { source: Some(Source::default()), ..Attach::new(name, handle, role.other()) });
        let asked = connection.handle_attach(session, attach, out);
        if let Ok(Some(_)) = asked {
            let ids: Vec<LinkId> = connection.links_named(name, role).map(|(id, _)| id).collect();
            ids.iter().for_each(|id| connection.accept_attach(*id, Attach::new(name, 0, role), out));
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// The peer attaches at a handle of its own.
        Asked(u16, u32, usize, Role),
        /// We do.
        Attach(u16, usize, Role),
        /// The peer detaches what it has at a handle.
        Detached(u16, u32),
        /// We detach the first link of a name.
        Detach(usize, Role),
        /// A session ends, and another one begins.
        End(u16),
        /// All sessions are gone.
        Close,
    }

    fn step() -> impl Strategy<Value = Step> {
        let role = || prop_oneof![Just(Role::Sender), Just(Role::Receiver)];
        prop_oneof![
            8 => (0..3_u16, 0..40_u32, 0..12_usize, role()).prop_map(|(s, handle, name, role)| Step::Asked(s, handle, name, role)),
            6 => (0..3_u16, 0..12_usize, role()).prop_map(|(s, name, role)| Step::Attach(s, name, role)),
            4 => (0..3_u16, 0..40_u32).prop_map(|(s, handle)| Step::Detached(s, handle)),
            4 => (0..12_usize, role()).prop_map(|(name, role)| Step::Detach(name, role)),
            1 => (0..3_u16).prop_map(Step::End),
            1 => Just(Step::Close),
        ]
    }

    fn take(connection: &mut Connection, step: Step, names: &[String], out: &mut Out) {
        match step {
            Step::Asked(session, handle, name, role) => attach(connection, session, handle, &names[name], role, out),
            Step::Attach(session, name, role) => {
                connection.attach(SessionId(session), Attach::new(&*names[name], 0, role), out);
            }
            Step::Detached(session, handle) => {
                let detach = Detach { handle, closed: true, error: None };
                connection.handle_detach(session, detach, out).expect("a handle in range");
            }
            Step::Detach(name, role) => {
                let id = connection.links_named(&names[name], role).next().map(|(id, _)| id);
                id.into_iter().for_each(|id| connection.detach(id, Closing::Closed, None, out));
            }
            Step::End(session) => {
                connection.end(SessionId(session), None, out);
                connection.check();
                begin(connection, session);
            }
            Step::Close => {
                connection.close(None, 0, out);
                connection.check();
                connection.phase = Phase::Open;
                (0..3).for_each(|local| begin(connection, local));
            }
        }
    }

    proptest! {
        /// Few names and many links: what is found by the index is what a walk through all links finds.
        #[test]
        fn an_index_finds_what_a_walk_finds(steps in proptest::collection::vec(step(), 0..200)) {
            let names: Vec<String> = (0..12).map(|name| format!("link-{name}")).collect();
            let (mut connection, mut out) = (open(3), Out::default());
            for step in steps {
                take(&mut connection, step, &names, &mut out);
                connection.check();
                for (name, role) in names.iter().flat_map(|name| ROLES.map(|role| (name, role))) {
                    let found: Vec<LinkId> = connection.links_named(name, role).map(|(id, _)| id).collect();
                    let all = links(&connection.sessions);
                    let meant = all.filter(|(_, _, link)| *link.name == **name && link.role == role);
                    let walked: Vec<LinkId> = meant
                        .map(|(session, handle, link)| LinkId { session, generation: link.generation, handle })
                        .collect();
                    prop_assert_eq!(found, walked);
                }
            }
        }
    }

    /// What is looked at is counted, not how long that takes.
    #[test]
    fn of_ten_thousand_links_one_is_looked_at() {
        let (mut connection, mut out) = (open(10), Out::default());
        let name = |link: u32| format!("heddle-load-{link}");
        let near = |connection: &Connection, link: u32, role| {
            connection.names.near(&name(link), role, &connection.sessions).count()
        };
        for link in 0..10_000 {
            attach(&mut connection, (link / 1000) as u16, link % 1000, &name(link), Role::Receiver, &mut out);
            assert!(link < LINKS_WALKED_MAX || near(&connection, link + 1, Role::Receiver) == 0);
        }
        let looked_at = |connection: &Connection| (0..10_000).map(|link| near(connection, link, Role::Receiver)).max();
        assert_eq!((connection.names.links, looked_at(&connection)), (10_000, Some(1)));
        assert_eq!(near(&connection, 7, Role::Sender), 0, "each direction has names of its own");
        // Whoever attaches one name again and again has one link of that name, and others that the name does not lead to.
        (0..5_000).for_each(|time| attach(&mut connection, 0, 2_000 + time, &name(7), Role::Receiver, &mut out));
        assert_eq!((connection.names.links, near(&connection, 7, Role::Receiver)), (10_000, 1));
        connection.check();
        (0..10).for_each(|session| connection.end(SessionId(session), None, &mut out));
        connection.check();
        assert!(connection.names.index.is_none(), "what a connection without links keeps is nothing");
    }

    #[test]
    fn a_connection_of_few_links_has_no_index() {
        let (mut connection, mut out) = (open(1), Out::default());
        for link in 0..=LINKS_WALKED_MAX {
            assert!(connection.names.index.is_none(), "with {link} links");
            attach(&mut connection, 0, link, &format!("{link}"), Role::Sender, &mut out);
        }
        assert!(connection.names.index.is_some());
    }
}
