//! Log lines that peers cause: logins and connections that are refused, handshakes that fail, connections that end with an error, large
//! messages that cannot be written, links that a policy denies.
//!
//! Guarantees: each kind is told once a second at most, with how many there were (`Repeats`), and to the last one, though nothing more
//! happens. What a peer chose (names, errors) is made fit to be read by the log itself, not here.

use std::io;
use std::net::SocketAddr;

use engine_rt::Repeats;

use crate::limits::TELL_NS;
use crate::transport::TransportError;

/// What was told of each kind of line.
#[derive(Debug)]
pub(crate) struct Lines {
    shard: u16,
    logins: Repeats,
    handshakes: Repeats,
    closed: Repeats,
    /// Connections that were refused.
    connections: Repeats,
    /// Times that no connection could be accepted.
    accepts: Repeats,
    /// Large messages that could not be written.
    large: Repeats,
    /// Links that a policy denied.
    denials: Repeats,
}

/// Who is not let in. What is not known is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    pub peer: &'a str,
    pub mechanism: &'a str,
    pub user: &'a str,
}

/// A transport that failed.
pub(crate) struct Failed<'a> {
    pub peer: &'a str,
    pub listener: Option<SocketAddr>,
    /// Whether AMQP was open over it.
    pub opened: bool,
    pub error: TransportError,
}

/// The field of a line that says how many others there were since the last one: absent if there were none.
fn others(count: u64) -> Option<u64> {
    (count > 1).then_some(count - 1)
}

/// A field that is absent where nothing is known.
fn known(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

impl Lines {
    pub fn new(shard: u16) -> Self {
        let [logins, handshakes, closed, connections, accepts, large, denials] = [Repeats::new(TELL_NS); 7];
        Self { shard, logins, handshakes, closed, connections, accepts, large, denials }
    }

    /// Whether some were only counted, so that `tell_others` has to come.
    pub fn are_held(&self) -> bool {
        let Self { logins, handshakes, closed, connections, accepts, large, denials, .. } = self;
        [logins, handshakes, closed, connections, accepts, large, denials].into_iter().any(Repeats::are_untold)
    }

    /// A peer is not let in.
    pub fn tell_refused(&mut self, now_ns: u64, who: Who<'_>, reason: &str) {
        if let Some(count) = self.logins.note(now_ns) {
            tracing::warn!(target: "heddle::net", peer = who.peer, mechanism = known(who.mechanism),
                user = known(who.user), reason, others = others(count), "a login was refused");
        }
    }

    /// A connection's transport failed.
    pub fn tell_failed(&mut self, now_ns: u64, failed: &Failed<'_>) {
        if let Some(count) = self.handshakes.note(now_ns) {
            let what = match failed.error {
                TransportError::Foreign(_) | TransportError::NoUpgrade(_) => "a peer speaks another protocol",
                _ if failed.opened => "a connection's TLS or WebSocket failed",
                _ => "a TLS or WebSocket handshake failed",
            };
            let listener = failed.listener.map(|address| address.to_string());
            let error = &failed.error;
            tracing::info!(target: "heddle::net", peer = failed.peer, listener, %error, others = others(count), "{what}");
        }
    }

    /// A connection was closed with an error, by either end.
    pub fn tell_closed(&mut self, now_ns: u64, peer: &str, error: &str) {
        if let Some(count) = self.closed.note(now_ns) {
            tracing::info!(target: "heddle::net", peer, %error, others = others(count), "connection closed with an error");
        }
    }

    /// A connection beyond the limits is closed at once.
    pub fn tell_refused_connection(&mut self, now_ns: u64, peer: &str, why: &str) {
        if let Some(count) = self.connections.note(now_ns) {
            tracing::warn!(target: "heddle::net", shard = self.shard, %peer, others = others(count),
                "connections are refused: {why}");
        }
    }

    /// No connection can be accepted now.
    pub fn tell_not_accepted(&mut self, now_ns: u64, error: &io::Error) {
        if let Some(count) = self.accepts.note(now_ns) {
            tracing::warn!(target: "heddle::net", shard = self.shard, %error, others = others(count),
                "connections wait, as none can be accepted now{}", engine_rt::shortage_advice(error));
        }
    }

    /// A policy denied a link.
    pub fn tell_denied(&mut self, now_ns: u64, peer: &str, why: &str) {
        if let Some(count) = self.denials.note(now_ns) {
            tracing::info!(target: "heddle::net", peer, why, others = others(count), "a policy denied a link");
        }
    }

    /// A large message cannot be written to the disk.
    pub fn tell_not_written(&mut self, now_ns: u64, error: &io::Error) {
        if let Some(count) = self.large.note(now_ns) {
            tracing::warn!(target: "heddle::storage", shard = self.shard, %error, others = others(count),
                "large messages cannot be written{}, and are refused", engine_rt::shortage_advice(error));
        }
    }

    /// Tells of what was only counted, once nothing more of its kind comes.
    pub fn tell_others(&mut self, now_ns: u64) {
        if let Some(others) = self.logins.poll(now_ns) {
            tracing::warn!(target: "heddle::net", others, "more logins were refused");
        }
        if let Some(others) = self.handshakes.poll(now_ns) {
            tracing::info!(target: "heddle::net", others, "more handshakes failed");
        }
        if let Some(others) = self.closed.poll(now_ns) {
            tracing::info!(target: "heddle::net", others, "more connections closed with an error");
        }
        if let Some(others) = self.denials.poll(now_ns) {
            tracing::info!(target: "heddle::net", others, "a policy denied more links");
        }
        let shard = self.shard;
        if let Some(others) = self.connections.poll(now_ns) {
            tracing::warn!(target: "heddle::net", shard, others, "more connections were refused");
        }
        if let Some(others) = self.accepts.poll(now_ns) {
            tracing::warn!(target: "heddle::net", shard, others, "more often no connection could be accepted");
        }
        if let Some(others) = self.large.poll(now_ns) {
            tracing::warn!(target: "heddle::storage", shard, others, "more large messages could not be written");
        }
    }
}
