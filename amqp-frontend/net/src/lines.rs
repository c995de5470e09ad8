//! Log lines that peers cause: logins and connections that are refused, handshakes that fail, connections that end with an error, large
//! messages that cannot be written.
//!
//! Guarantees: each kind is told once a second at most, with how many there were (`Repeats`), and to the last one, though nothing more
//! happens. What a peer chose (names, errors) is made fit to be read by the log itself, not here.

use std::io;

use amqp_codec::AmqpError;
use amqp_proto::Authenticated;
use engine_message::Condition;
use engine_rt::Repeats;

use crate::config::TELL_NS;
use crate::frontend::Frontend;
use crate::slots::Slot;
use crate::transport::{Farewell, TransportError};

/// What was told of each kind of line.
#[derive(Debug)]
pub(crate) struct Lines {
    logins: Repeats,
    handshakes: Repeats,
    closed: Repeats,
    /// Connections that were refused.
    connections: Repeats,
    /// Times that no connection could be accepted.
    accepts: Repeats,
    /// Large messages that could not be written.
    large: Repeats,
}

impl Lines {
    /// Whether some were only counted, so that `Frontend::tell_others` has to come.
    pub(crate) fn are_held(&self) -> bool {
        let Self { logins, handshakes, closed, connections, accepts, large } = self;
        [logins, handshakes, closed, connections, accepts, large].into_iter().any(Repeats::are_untold)
    }
}

impl Default for Lines {
    fn default() -> Self {
        let [logins, handshakes, closed, connections, accepts, large] = [Repeats::new(TELL_NS); 6];
        Self { logins, handshakes, closed, connections, accepts, large }
    }
}

/// The field of a line that says how many others there were since the last one: absent if there were none.
fn others(count: u64) -> Option<u64> {
    (count > 1).then_some(count - 1)
}

impl Frontend {
    /// A password was verified.
    pub(crate) fn handle_verified(&mut self, slot: Slot, authenticated: Authenticated) {
        let reason = match authenticated {
            Authenticated::Yes => None,
            Authenticated::No => Some("wrong name or password"),
            Authenticated::Unknown => Some("it could not be verified now"),
        };
        if let Some(reason) = reason {
            self.tell_refused(slot, reason);
        }
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if conn.machine.is_waiting() {
            conn.machine.authenticated(authenticated, &mut conn.out);
            self.resume(slot);
        }
    }

    /// A peer is not let in.
    pub(crate) fn tell_refused(&mut self, slot: Slot, reason: &str) {
        let told = self.lines.logins.note(self.now_ns);
        let conn = self.conns.get_mut(slot);
        if let Some(count) = told {
            let conn = conn.as_deref();
            tracing::warn!(target: "heddle::net", peer = conn.map_or("gone", |conn| &conn.peer),
                mechanism = conn.map(|conn| conn.machine.mechanism()).filter(|name| !name.is_empty()),
                user = conn.map(|conn| conn.user.as_str()).filter(|user| !user.is_empty()), reason,
                others = others(count), "a login was refused");
        }
        if let Some(conn) = conn {
            conn.say(Farewell::Refused);
        }
    }

    /// A connection's transport failed, if it did.
    pub(crate) fn tell_failed(&mut self, slot: Slot) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let Some(error) = conn.failed.take() else { return };
        if let Some(count) = self.lines.handshakes.note(self.now_ns) {
            let listener = self.config.listeners.get(conn.listener).map(|listener| listener.address.to_string());
            let what = match error {
                TransportError::Foreign(_) | TransportError::NoUpgrade(_) => "a peer speaks another protocol",
                _ if conn.opened => "a connection's TLS or WebSocket failed",
                _ => "a TLS or WebSocket handshake failed",
            };
            tracing::info!(target: "heddle::net", peer = conn.peer, listener, %error, others = others(count), "{what}");
        }
    }

    /// A connection was closed with an error, by either end.
    pub(crate) fn tell_closed(&mut self, slot: Slot, error: &AmqpError) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if !conn.opened && error.condition == Condition::UnauthorizedAccess {
            return self.tell_refused(slot, error.description.as_deref().unwrap_or_default());
        }
        if !conn.opened {
            conn.say(Farewell::Fault);
        }
        if let Some(count) = self.lines.closed.note(self.now_ns) {
            tracing::info!(target: "heddle::net", peer = conn.peer, %error, others = others(count),
                "connection closed with an error");
        }
    }

    /// A connection beyond the limits is closed at once.
    pub(crate) fn refuse_connection(&mut self, peer: &str, why: &str) {
        self.refused_connections += 1;
        if let Some(count) = self.lines.connections.note(self.now_ns) {
            tracing::warn!(target: "heddle::net", shard = self.engine.shard(), %peer, others = others(count),
                "connections are refused: {why}");
        }
    }

    /// No connection can be accepted now.
    pub(crate) fn tell_not_accepted(&mut self, error: &io::Error) {
        self.accept_failures += 1;
        if let Some(count) = self.lines.accepts.note(self.now_ns) {
            tracing::warn!(target: "heddle::net", shard = self.engine.shard(), %error, others = others(count),
                "connections wait, as none can be accepted now");
        }
    }

    /// A large message cannot be written to the disk.
    pub(crate) fn tell_not_written(&mut self, error: &io::Error) {
        if let Some(count) = self.lines.large.note(self.now_ns) {
            tracing::warn!(target: "heddle::storage", shard = self.engine.shard(), %error, others = others(count),
                "large messages cannot be written, and are refused");
        }
    }

    /// Tells of what was only counted, once nothing more of its kind comes.
    pub(crate) fn tell_others(&mut self) {
        let now_ns = self.now_ns;
        if let Some(others) = self.lines.logins.poll(now_ns) {
            tracing::warn!(target: "heddle::net", others, "more logins were refused");
        }
        if let Some(others) = self.lines.handshakes.poll(now_ns) {
            tracing::info!(target: "heddle::net", others, "more handshakes failed");
        }
        if let Some(others) = self.lines.closed.poll(now_ns) {
            tracing::info!(target: "heddle::net", others, "more connections closed with an error");
        }
        let shard = self.engine.shard();
        if let Some(others) = self.lines.connections.poll(now_ns) {
            tracing::warn!(target: "heddle::net", shard, others, "more connections were refused");
        }
        if let Some(others) = self.lines.accepts.poll(now_ns) {
            tracing::warn!(target: "heddle::net", shard, others, "more often no connection could be accepted");
        }
        if let Some(others) = self.lines.large.poll(now_ns) {
            tracing::warn!(target: "heddle::storage", shard, others, "more large messages could not be written");
        }
    }
}
