//! What bindings ask for: TLS, passwords, log lines, and to be moved to the shard that owns their first link's address.
//!
//! A connection whose links all belong to one other shard is served there without a lane between. Which shard that is shows with its
//! first link: the attach travels along and is answered at the other end.
//!
//! Guarantees: no octet is lost or reordered in either direction; a connection is on one shard at any time; what cannot move
//! (the other inbox is full) stays and is served through the lanes.

use std::os::fd::AsRawFd;

use amqp_proto::Authenticated;
use engine_home::{Closed, Managed, Password, Request, Slot};
use engine_message::Condition;
use engine_rt::Interest;

use crate::lines::{Failed, Who};
use crate::parting::Ended;
use crate::post::{Arriving, Post, Verify};
use crate::protocol::Protocol;
use crate::shell::{Shell, token};
use crate::transport::{Farewell, Tls, Transport};

impl Shell {
    /// Does what a connection asks for.
    pub(crate) fn handle_requests(&mut self, slot: Slot) {
        while let Some(request) = self.turn.poll_request(slot) {
            match request {
                Request::Tls => self.start_tls(slot),
                Request::Verify(credentials) => self.verify(slot, credentials),
                Request::Admit { hostname } => self.ask_judge(slot, hostname),
                Request::Move { owner } => return self.depart(slot, owner),
                Request::Opened => self.handle_opened(slot),
                Request::LinkUp { number, place } => self.handle_link_up(slot, number, place),
                Request::ProxyDown { number, why } => self.turn.handle_proxy_down(slot, number, why),
                Request::RouterLost { why } => self.handle_router_lost(slot, &why),
                Request::LinkDown { number, why } => self.handle_link_down(slot, number, &why),
                Request::Closed(closed) => self.tell_closed(slot, &closed),
                Request::LinkRefused { link, error } => self.tell_link_refused(slot, &link, &error),
                Request::Denied { why } => self.tell_denied(slot, &why),
                Request::Manage(managed) => self.manage(slot, *managed),
                Request::ConsumerSlow { text } => self.tell_consumer_slow(slot, &text),
                Request::NotWritten(error) => self.lines.tell_not_written(self.turn.now_ns(), &error),
            }
        }
    }

    fn start_tls(&mut self, slot: Slot) {
        let now_ns = self.turn.now_ns();
        let Some(entry) = self.turn.get_mut(slot) else { return };
        let conn = &mut entry.host;
        let tls = conn.listener().and_then(|listener| listener.tls.clone());
        // The header goes out in clear, before the layer is put in.
        let written = conn.write(&mut entry.protocol, now_ns).is_ok();
        match tls.as_ref().map(Tls::accept) {
            Some(Ok(tls)) if written => conn.transport = Some(Transport::Tls(Box::new(tls))),
            _ => {
                conn.ended = Some(Ended::ByUs);
                return self.turn.touch(slot);
            }
        }
        // Whoever did not wait for the header sent the start of its handshake behind its own.
        let raw = self.turn.secure(slot);
        let mut plain = Vec::new();
        if let Some(entry) = self.turn.get_mut(slot) {
            entry.host.unwrap_layers(&raw, &mut plain);
        }
        self.turn.receive(slot, &plain);
        self.tell_failed(slot);
    }

    fn verify(&mut self, slot: Slot, password: Password) {
        let Password { user, password } = password;
        let shard = self.turn.home().engine().shard();
        let Some(reply) = self.peers.get(usize::from(shard)).cloned() else { return };
        let verify = Verify { user, password, connection: slot, reply };
        if self.config.verifier.try_send(verify).is_err() {
            // Too many at once: the client may try again.
            self.turn.authenticated(slot, Authenticated::Unknown);
            self.tell_refused(slot, "too many passwords wait to be verified");
        }
    }

    fn manage(&self, slot: Slot, managed: Managed) {
        // There are more than the manager works off: whoever asks gets no answer, and asks again.
        if let Err(error) = self.config.manager.try_send(managed)
            && let Some(entry) = self.turn.get(slot)
        {
            tracing::warn!(target: "heddle::net", peer = %entry.host.peer, user = ?error.into_inner().user,
                "a request to management is left out: too many wait");
        }
    }

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
        self.turn.authenticated(slot, authenticated);
    }

    /// A peer is not let in.
    fn tell_refused(&mut self, slot: Slot, reason: &str) {
        let now_ns = self.turn.now_ns();
        let Some(entry) = self.turn.get_mut(slot) else {
            return self.lines.tell_refused(now_ns, Who { peer: "gone", mechanism: "", user: "" }, reason);
        };
        entry.host.say(Farewell::Refused);
        let Protocol::Amqp(bind) = &entry.protocol;
        let who = Who { peer: &entry.host.peer, mechanism: bind.machine().mechanism(), user: &bind.client().user };
        self.lines.tell_refused(now_ns, who, reason);
    }

    fn tell_closed(&mut self, slot: Slot, closed: &Closed) {
        if let Some(connector) = self.connector_of(slot) {
            let (Closed::NotLetIn(error) | Closed::Error(error)) = closed;
            return self.handle_line_ended(connector, slot, error.clone());
        }
        let error = match closed {
            Closed::NotLetIn(reason) => return self.tell_refused(slot, reason),
            Closed::Error(error) => error,
        };
        let now_ns = self.turn.now_ns();
        let Some(entry) = self.turn.get_mut(slot) else { return };
        if !entry.protocol.is_opened() {
            entry.host.say(Farewell::Fault);
        }
        self.lines.tell_closed(now_ns, &entry.host.peer, error);
    }

    /// Whoever runs the node learns what its clients would use.
    fn tell_link_refused(&self, slot: Slot, link: &str, error: &str) {
        let Some(entry) = self.turn.get(slot) else { return };
        let (peer, container) = (&entry.host.peer, &entry.protocol.client().container);
        tracing::warn!(target: "heddle::net", %peer, ?container, ?link, %error, "link refused");
    }

    /// Whoever runs the node learns why a policy denied a link: the peer does not.
    fn tell_denied(&mut self, slot: Slot, why: &str) {
        let now_ns = self.turn.now_ns();
        let Some(entry) = self.turn.get(slot) else { return };
        self.lines.tell_denied(now_ns, &entry.host.peer, why);
    }

    /// Whoever runs the node learns which of its clients takes less than it is to.
    fn tell_consumer_slow(&self, slot: Slot, text: &str) {
        let Some(entry) = self.turn.get(slot) else { return };
        let (peer, container) = (&entry.host.peer, &entry.protocol.client().container);
        tracing::warn!(target: "heddle::net", %peer, ?container, %text, "slow consumer");
    }

    /// A connection's transport failed, if it did.
    pub(crate) fn tell_failed(&mut self, slot: Slot) {
        let now_ns = self.turn.now_ns();
        let Some(entry) = self.turn.get_mut(slot) else { return };
        let Some(error) = entry.host.failed.take() else { return };
        if let Some(connector) = self.connector_of(slot) {
            return self.handle_line_ended(connector, slot, error.to_string());
        }
        let Some(entry) = self.turn.get(slot) else { return };
        let listener = entry.host.listener().map(|listener| listener.address);
        let opened = entry.protocol.is_opened();
        self.lines.tell_failed(now_ns, &Failed { peer: &entry.host.peer, listener, opened, error });
    }

    /// Sends a connection to the shard where its first link belongs.
    fn depart(&mut self, slot: Slot, owner: u16) {
        let Some(entry) = self.turn.depart(slot) else { return };
        // The descriptor would go on being told of here.
        let _ = self.readiness.remove(entry.host.socket.as_raw_fd());
        let Some(peer) = self.peers.get(usize::from(owner)) else {
            unreachable!("owners are shards");
        };
        match peer.send(Post::Arrive(Box::new(Arriving(entry)))) {
            Ok(()) => self.totals.moved += 1,
            Err(Post::Arrive(back)) => self.arrive(*back),
            Err(_) => unreachable!("what was sent comes back"),
        }
    }

    /// Takes a connection over, and answers its attach.
    pub(crate) fn arrive(&mut self, Arriving(entry): Arriving) {
        let mut host = entry.host;
        host.interest = Interest::Read;
        let fd = host.socket.as_raw_fd();
        let slot = match self.turn.insert(entry.protocol, host) {
            Ok(slot) => slot,
            Err(back) => {
                let (mut protocol, mut host) = *back;
                self.refuse_connection(&host.peer, "the shard of its first link has limits.connections of them");
                self.turn.refuse(&mut protocol, "the shard has no room for a connection");
                // The peer learns of it if its socket takes it now; nobody is left to try again.
                let _ = host.write(&mut protocol, self.turn.now_ns());
                return;
            }
        };
        if self.readiness.add(fd, token(slot), Interest::Read).is_err() {
            self.turn.remove(slot);
            return;
        }
        if self.is_stopping() {
            return self.dismiss(slot, Why::Stopping);
        }
        self.turn.handle_moved(slot);
        self.handle_requests(slot);
    }

    /// Closes a connection, and says why.
    pub(crate) fn dismiss(&mut self, slot: Slot, why: Why) {
        let text = match why {
            Why::Stopping => "the node is shutting down",
            Why::Management => "management closed the connection",
        };
        self.turn.dismiss(slot, Condition::ConnectionForced, text);
        if let Some(entry) = self.turn.get_mut(slot) {
            entry.host.say(Farewell::Stopping);
        }
    }
}

/// Why a connection is closed that did nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The node stops.
    Stopping,
    /// Whoever manages it says so.
    Management,
}
