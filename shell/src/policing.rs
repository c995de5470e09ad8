//! The policy of a router: shards ask for their connections, and the one thread that counts them all answers.
//!
//! Guarantees: each connection that asks is answered, in the order of the questions; one that is gone meanwhile gives its place back with the
//! answer that nobody takes. The thread ends when no shard is left that could ask.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use engine_home::Slot;
use engine_policy::{Denial, Gate, Peer};

use crate::post::{Asking, Post};
use crate::shell::Shell;

/// How long a full inbox is given: it empties within a turn of its shard.
const PAUSE: Duration = Duration::from_millis(1);

/// Serves until all shards are gone.
pub fn serve(mut gate: Gate, asked: &flume::Receiver<Asking>) {
    while let Ok(Asking { peer, connection, reply }) = asked.recv() {
        let mut post = Post::Judged { connection, judged: Box::new(gate.admit(&peer)) };
        while let Err(back) = reply.send(post) {
            if asked.is_disconnected() {
                return;
            }
            post = back;
            thread::sleep(PAUSE);
        }
    }
}

impl Shell {
    /// Has a connection judged that opens with a hostname.
    pub(crate) fn ask_judge(&mut self, slot: Slot, hostname: String) {
        let shard = usize::from(self.turn.home().engine().shard());
        let Some((entry, reply)) = self.turn.get(slot).zip(self.peers.get(shard)) else { return };
        let judge = entry.host.listener().and_then(|listener| listener.judge.as_ref()).zip(self.config.gate.as_ref());
        let asked = judge.zip(entry.host.peer.parse::<SocketAddr>().ok()).is_some_and(|((judge, gate), address)| {
            let hostname = judge.vhost.as_deref().map_or(hostname, str::to_owned);
            let peer = Peer { user: entry.protocol.client().user.clone(), host: address.ip(), hostname };
            gate.try_send(Asking { peer, connection: slot, reply: reply.clone() }).is_ok()
        });
        if !asked {
            // There are too many at once, or its socket is gone: whoever is not judged is not let in.
            self.turn.judged(slot, Err(Denial::unjudged()));
        }
    }
}
