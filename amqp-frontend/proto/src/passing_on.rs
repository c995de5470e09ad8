//! What a host does with links that it passes on whole: their credit, windows and outcomes are what the other end of the whole has, and not
//! the host's own.
//!
//! Guarantees: credit that is taken back may still be used by what was under way; a window that is made smaller, or closed, is never one that
//! frames under way would exceed.

use amqp_codec::performative::Role;

use crate::connection::Connection;
use crate::event::{LinkId, SessionId};
use crate::flag::Drain;

impl Connection {
    /// A link is passed on: each frame of a message of several is told of as it comes, whatever `Config::stream_above` says.
    pub fn pass_on(&mut self, id: LinkId) {
        if let Some(link) = self.session(id.session).and_then(|session| session.link_by_id(id)) {
            link.by_host.in_frames = true;
        }
    }

    /// Has the sender of a link have so much credit from now on, more or less than it had, and be asked to use it up or not;
    /// leaves with `poll_output`.
    pub fn set_credit(&mut self, id: LinkId, credit: u32, drain: Drain) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_by_id(id) else { return };
        link.set_credit(credit);
        link.drain = drain;
        session.flow(id.handle);
    }

    /// Has so many frames of a session be under way to us at most, from what comes next; 0: when what was announced is used up nothing more
    /// comes until it is set anew. Other links of the session wait with it.
    pub fn set_window(&mut self, SessionId(local): SessionId, frames: u32) {
        if let Some(session) = self.session(local) {
            session.flow_due |= session.incoming.resize(frames);
        }
    }

    /// Whether there is a link of that name at which our end is this one, whatever its session.
    pub fn has_link(&self, name: &str, role: Role) -> bool {
        self.links_named(name, role).any(|(_, link)| !link.is_ending())
    }

    /// Octets that wait on a link of ours. Looks at all that waits.
    pub fn waiting_octets(&mut self, id: LinkId) -> u64 {
        let link = self.session(id.session).and_then(|session| session.link_by_id(id));
        link.map_or(0, |link| link.sending.waiting_octets())
    }

    /// Whether what waits on a link of ours can leave, as far as its credit goes.
    pub fn may_leave(&mut self, id: LinkId) -> bool {
        let link = self.session(id.session).and_then(|session| session.link_by_id(id));
        link.is_some_and(|link| !link.sending.backlog.is_empty() && !link.has_used_credit())
    }

    /// The numbers of unsettled deliveries that were sent on a link with keys that are meant, with those. Looks at all that are unsettled in
    /// the link's session.
    pub fn sent_with(&mut self, id: LinkId, is_meant: impl Fn(u64) -> bool) -> Vec<(u32, u64)> {
        let Some(session) = self.session(id.session) else { return Vec::new() };
        if session.link_by_id(id).is_none() {
            return Vec::new();
        }
        session.unsettled.of_keys(id.handle, is_meant)
    }
}
