//! Listeners, driven: connections are accepted, and put among those of the shard.
//!
//! Guarantees: a listener takes `ACCEPT_BURST` connections in a turn at most; one beyond a limit is closed at once,
//! counted and told.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use amqp_bind::Bind;
use engine_home::Moves;
use engine_rt::{Accepted, Interest, Socket};

use crate::accepting::Listening;
use crate::connection::{Conn, Origin};
use crate::limits::ACCEPT_BURST;
use crate::listener::{ListenerConfig, OWN_PEER};
use crate::protocol::Protocol;
use crate::role::Role;
use crate::shell::{LISTENER_TOKEN, Shell, token};
use crate::transport::Transport;

impl Shell {
    /// Listens on another socket.
    ///
    /// # Errors
    /// When the system has no room to look at it.
    pub(crate) fn listen(&mut self, listening: Listening) -> io::Result<()> {
        let (fd, largest) = (listening.0.as_raw_fd(), listening.1.amqp.max_frame_size);
        let interest = if self.door.is_watched { Interest::Read } else { Interest::None };
        let number = self.door.add(listening);
        if let Err(error) = self.readiness.add(fd, LISTENER_TOKEN | number, interest) {
            self.door.listeners.remove(&number);
            return Err(error);
        }
        self.make_room(largest);
        Ok(())
    }

    /// Listens no more on the sockets of a listener. Its connections stay; those that wait to be accepted are reset by the system.
    pub(crate) fn listen_no_more(&mut self, listener: u32) {
        for socket in self.door.remove(listener) {
            // It goes with its descriptor.
            let _ = self.readiness.remove(socket.as_raw_fd());
        }
    }

    pub(crate) fn accept(&mut self, number: u64) {
        for _ in 0..ACCEPT_BURST {
            // One that was told of before it went has none.
            let Some((socket, config)) = self.door.listeners.get(&number) else { return };
            match socket.accept() {
                Accepted::Connection(socket) => {
                    let config = Arc::clone(config);
                    self.door.accepting.handle_accepted();
                    self.add(socket, config);
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
        for (number, (socket, _)) in &self.door.listeners {
            // It was added before it came among them, and leaves when it is no more among them.
            let _ = self.readiness.modify(socket.as_raw_fd(), LISTENER_TOKEN | number, interest);
        }
    }

    /// A connection came to a listener.
    pub(crate) fn add(&mut self, socket: Socket, listener: Arc<ListenerConfig>) {
        let Ok(transport) = Transport::accept(listener.layers, listener.tls.as_ref()) else { return };
        let peer = socket.peer_addr().map_or_else(|| OWN_PEER.to_owned(), |address| address.to_string());
        if let Err(error) = socket.set_congestion_control(&listener.congestion_control) {
            return self.refuse_connection(&peer, &format!("its congestion_control cannot be had: {error}"));
        }
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
        // Links may be attached to a container where it is.
        let moves = if listener.role == Role::RouteContainer { Moves::Never } else { self.config.moves };
        let bind = Bind::server(amqp, moves, self.turn.now_ns());
        let bind = bind.with_link_capacity(capacity).with_peer(peer_kind);
        let protocol = Protocol::Amqp(if is_judged { bind.judged() } else { bind });
        let conn = Conn::new(socket, permit, transport, Origin::Listener(listener), peer);
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
