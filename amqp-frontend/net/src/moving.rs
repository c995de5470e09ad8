//! Connections that move to another shard: socket, layers, machine and all that is on its way.
//!
//! A connection whose links all belong to one other shard is served there without a lane between. Which shard that is shows
//! with its first link: the attach travels along and is answered at the other end.
//!
//! Guarantees: no octet is lost or reordered in either direction; a connection is on one shard at any time; what cannot move
//! (the other inbox is full) stays and is served through the lanes.

use std::os::fd::AsRawFd;

use amqp_codec::AmqpError;
use engine_message::Condition;
use engine_rt::Interest;

use crate::config::Moves;
use crate::connection::{Conn, Leaving};
use crate::frontend::{Frontend, Post};
use crate::slots::Slot;

/// A connection between two shards.
pub struct Arriving {
    conn: Conn,
    leaving: Leaving,
}

impl Frontend {
    /// Sends a connection to the shard where its first link belongs.
    pub(crate) fn depart(&mut self, slot: Slot) {
        let Some(mut conn) = self.conns.remove(slot) else { return };
        let Some(leaving) = conn.leaving.take() else { return };
        // The descriptor would go on being told of here.
        let _ = self.readiness.remove(conn.socket.as_raw_fd());
        conn.dirty = false;
        let arriving = Box::new(Arriving { conn, leaving });
        let Some(peer) = self.peers.get(usize::from(arriving.leaving.owner)) else {
            unreachable!("owners are shards");
        };
        match peer.send(Post::Arrive(arriving)) {
            Ok(()) => self.moved += 1,
            Err(Post::Arrive(back)) => self.arrive(*back),
            Err(_) => unreachable!("what was sent comes back"),
        }
    }

    /// Takes a connection over, and answers its attach.
    pub(crate) fn arrive(&mut self, arriving: Arriving) {
        let Arriving { mut conn, leaving } = arriving;
        let fd = conn.socket.as_raw_fd();
        conn.interest = Interest::Read;
        let slot = match self.conns.insert(conn) {
            Ok(slot) => slot,
            Err(mut conn) => {
                self.refuse_connection(&conn.peer, "the shard of its first link has limits.connections of them");
                let error = AmqpError::new(Condition::ResourceLimitExceeded, "the shard has no room for a connection");
                conn.machine.close(Some(error), self.now_ns, &mut conn.out);
                // The peer learns of it if its socket takes it now; nobody is left to try again.
                let _ = conn.write(self.now_ns);
                return;
            }
        };
        if self.readiness.add(fd, crate::frontend::token(slot), Interest::Read).is_err() {
            self.conns.remove(slot);
            return;
        }
        if self.is_stopping() {
            return self.dismiss(slot);
        }
        self.handle_attach(slot, leaving.id, leaving.attach, Moves::Never);
        self.resume(slot);
    }
}
