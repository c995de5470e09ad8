//! Listeners, driven: connections are accepted, and put among those of the shard.
//!
//! Guarantees: a listener takes `ACCEPT_BURST` connections in a turn at most; one beyond a limit is closed at once,
//! counted and told.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use amqp_bind::Bind;
use engine_rt::{Accepted, Interest, Socket};

use crate::connection::{Conn, Origin};
use crate::limits::ACCEPT_BURST;
use crate::protocol::Protocol;
use crate::shell::{LISTENER_TOKEN, Shell, token};
use crate::transport::Transport;

impl Shell {
    pub(crate) fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPT_BURST {
            let Some(listener) = self.door.listeners.get(index) else { return };
            match listener.accept() {
                Accepted::Connection(socket) => {
                    self.door.accepting.handle_accepted();
                    self.add(socket, index);
                }
                Accepted::Broken => {}
                Accepted::Nothing => return,
                Accepted::Short(error) => return self.pause_accepting(&error),
            }
        }
    }

    /// Something that a connection needs is used up: the listeners, which stay ready, are not looked at for a while.
    fn pause_accepting(&mut self, error: &io::Error) {
        let now_ns = self.turn.now_ns();
        self.door.accepting.handle_short(now_ns);
        self.watch_listeners(Interest::None);
        self.totals.accept_failures += 1;
        self.lines.tell_not_accepted(now_ns, error);
    }

    /// Changes whether the listeners are looked at.
    pub(crate) fn watch_listeners(&mut self, interest: Interest) {
        self.door.is_watched = interest == Interest::Read;
        for (index, listener) in self.door.listeners.iter().enumerate() {
            // It was added when the shard started, and stays until it stops.
            let _ = self.readiness.modify(listener.as_raw_fd(), LISTENER_TOKEN | index as u64, interest);
        }
    }

    fn add(&mut self, socket: Socket, index: usize) {
        let Some(listener) = self.config.listeners.get(index) else { return };
        let Ok(transport) = Transport::accept(listener.layers, listener.tls.as_ref()) else { return };
        let peer = socket.peer_addr().map(|address| address.to_string()).unwrap_or_default();
        let (amqp, capacity, peer_kind) = (Arc::clone(&listener.amqp), listener.link_capacity, listener.role.peer());
        let Some(permit) = self.config.connections.take() else {
            return self.refuse_connection(
                &peer,
                "the node has as many as the limit on open files (ulimit -n) and maxConnections of its policy leave",
            );
        };
        if self.is_stopping() {
            return;
        }
        let fd = socket.as_raw_fd();
        let is_judged = listener.judge.is_some();
        let bind = Bind::server(amqp, self.config.moves, self.turn.now_ns());
        let bind = bind.with_link_capacity(capacity).with_peer(peer_kind);
        let protocol = Protocol::Amqp(if is_judged { bind.judged() } else { bind });
        let conn = Conn::new(socket, permit, transport, Origin::Listener(index), peer);
        let slot = match self.turn.insert(protocol, conn) {
            Ok(slot) => slot,
            Err(back) => return self.refuse_connection(&back.1.peer, "the shard has limits.connections of them"),
        };
        if let Err(error) = self.readiness.add(fd, token(slot), Interest::Read) {
            let entry = self.turn.remove(slot);
            let peer = entry.map(|entry| entry.host.peer).unwrap_or_default();
            self.refuse_connection(&peer, &error.to_string());
        }
    }

    /// A connection beyond the limits is closed at once.
    pub(crate) fn refuse_connection(&mut self, peer: &str, why: &str) {
        self.totals.refused_connections += 1;
        self.lines.tell_refused_connection(self.turn.now_ns(), peer, why);
    }
}
