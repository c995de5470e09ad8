//! Connectors, driven: names go to a thread that looks them up, sockets are connected without waiting, and what is
//! connected becomes a connection of the shard like those that were accepted.
//!
//! Guarantees: a turn waits for nothing; a connector has one socket at most; its connection stays on its shard,
//! whichever shard owns what is attached over it; what happens is told when it changes, not for every try.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use amqp_bind::{Bind, Caller};
use engine_home::Slot;
use engine_message::Condition;
use engine_rt::{Interest, Permit, Socket, monotonic_ns, shortage_advice};

use crate::connection::{Conn, Origin};
use crate::connectors::{self, Attempt, ConnectorConfig, Fault, Line, News, Order};
use crate::listener::OWN_PEER;
use crate::parting::Ended;
use crate::post::Resolve;
use crate::protocol::Protocol;
use crate::requests::Why;
use crate::shell::{Shell, token};
use crate::transport::{Farewell, Transport};
use crate::turn::Entry;

/// What its user is called whose peer a connector connects to, in front of the connector's name. No user of a users
/// file has a colon in its name.
const USER_PREFIX: &str = "connector:";

impl Shell {
    /// Looks at connectors whose time has come.
    pub(crate) fn handle_connectors(&mut self) {
        let now_ns = self.turn.now_ns();
        for number in self.connectors.due(now_ns) {
            if let Some(one) = self.connectors.get_mut(number) {
                one.machine.handle_deadline(now_ns);
                self.carry_out(number);
            }
        }
    }

    /// Another connector connects.
    pub(crate) fn connect(&mut self, number: u32, config: Arc<ConnectorConfig>) {
        if self.is_stopping() {
            return;
        }
        self.make_room(config.amqp.max_frame_size);
        let now_ns = self.turn.now_ns();
        self.connectors.add(number, config, now_ns);
        self.handle_connectors();
    }

    /// A connector is no more: what it has begun goes, and its connection is closed, which ends by itself.
    pub(crate) fn disconnect(&mut self, number: u32) {
        let Some(gone) = self.connectors.remove(number) else { return };
        match gone.line {
            Line::Up(slot) => self.dismiss(slot, Why::Management),
            // A socket goes with its descriptor.
            Line::None | Line::Dialled(..) => {}
        }
    }

    /// Does what a connector orders, and tells what is new of it.
    fn carry_out(&mut self, number: u32) {
        let now_ns = self.turn.now_ns();
        while let Some(order) = self.connectors.get_mut(number).and_then(|one| one.machine.poll_order()) {
            let failed = match order {
                Order::Resolve(attempt) => self.resolve(number, attempt).err(),
                Order::Connect(attempt, address) => self.dial(number, attempt, address).err(),
                Order::HangUp => {
                    self.hang_up(number);
                    None
                }
            };
            if let (Some(error), Some(one)) = (failed, self.connectors.get_mut(number)) {
                one.machine.handle_failed(error, now_ns);
            }
        }
        self.tell_connector(number);
        self.connectors.note_deadline();
    }

    fn resolve(&self, number: u32, attempt: Attempt) -> Result<(), String> {
        let shard = self.turn.home().engine().shard();
        let (Some(one), Some(reply)) = (self.connectors.get(number), self.peers.get(usize::from(shard))) else {
            return Ok(());
        };
        let Some(endpoint) = one.machine.endpoint() else { return Ok(()) };
        let resolve = Resolve {
            name: endpoint.host.to_string(),
            port: endpoint.port,
            until_ns: monotonic_ns() + one.config.timing.connect_ns,
            connector: number,
            attempt,
            reply: reply.clone(),
        };
        self.config.resolver.try_send(resolve).map_err(|_| "too many names wait to be looked up".to_owned())
    }

    /// A name was looked up.
    pub(crate) fn handle_resolved(&mut self, number: u32, attempt: Attempt, found: Result<Vec<SocketAddr>, String>) {
        let now_ns = self.turn.now_ns();
        if let Some(one) = self.connectors.get_mut(number) {
            one.machine.handle_resolved(attempt, found, now_ns);
            self.carry_out(number);
        }
    }

    fn dial(&mut self, number: u32, attempt: Attempt, address: SocketAddr) -> Result<(), String> {
        let permit = self.config.connections.take();
        let permit = permit.ok_or("the limit on open files leaves no connection (ulimit -n)")?;
        let told = |error: std::io::Error| format!("{error}{}", shortage_advice(&error));
        let own = self.connectors.get_mut(number).and_then(|one| one.config.own.clone());
        let socket = match own {
            Some(listener) => {
                let (here, there) = Socket::pair().map_err(told)?;
                self.add(there, listener);
                here
            }
            None => Socket::start_connect(address).map_err(told)?,
        };
        self.readiness.add(socket.as_raw_fd(), connectors::token(number, attempt), Interest::Write).map_err(told)?;
        if let Some(one) = self.connectors.get_mut(number) {
            one.line = Line::Dialled(socket, permit);
        }
        Ok(())
    }

    /// A socket is connected, or cannot be.
    pub(crate) fn handle_dialled(&mut self, event_token: u64) {
        let now_ns = self.turn.now_ns();
        let number = connectors::number(event_token);
        let Some(one) = self.connectors.get_mut(number) else { return };
        // An event of an attempt that was given up since it was told.
        if connectors::token(number, one.machine.attempt()) != event_token {
            return;
        }
        let Line::Dialled(socket, _) = &one.line else { return };
        let failed = match socket.connected() {
            Ok(()) => match std::mem::replace(&mut one.line, Line::None) {
                Line::Dialled(socket, permit) => self.greet(number, socket, permit).err(),
                Line::None | Line::Up(_) => None,
            },
            Err(error) => {
                one.line = Line::None;
                Some(error.to_string())
            }
        };
        if let (Some(error), Some(one)) = (failed, self.connectors.get_mut(number)) {
            one.machine.handle_failed(error, now_ns);
        }
        self.carry_out(number);
    }

    /// Makes a connection of a connected socket, whose layers and AMQP begin.
    fn greet(&mut self, number: u32, socket: Socket, permit: Permit) -> Result<(), String> {
        let now_ns = self.turn.now_ns();
        let Some(one) = self.connectors.get_mut(number) else { return Ok(()) };
        let config = Arc::clone(&one.config);
        let Some(endpoint) = one.machine.endpoint() else { return Ok(()) };
        let control = socket.set_congestion_control(&config.congestion_control);
        control.map_err(|error| format!("its congestion_control cannot be had: {error}"))?;
        let host = endpoint.host.to_string();
        let mut hello = Vec::new();
        let transport = Transport::connect(config.layers, config.tls.as_ref(), (&host, endpoint.port), &mut hello);
        let transport = transport.map_err(|error| error.to_string())?;
        let caller = Caller {
            hostname: &host,
            credentials: config.credentials.clone(),
            user: format!("{USER_PREFIX}{}", config.name),
            peer: config.role.peer(),
        };
        let protocol = Protocol::Amqp(
            Bind::connect(Arc::clone(&config.amqp), caller, now_ns).with_link_capacity(config.link_capacity),
        );
        let peer = socket.peer_addr().map_or_else(|| OWN_PEER.to_owned(), |address| address.to_string());
        let fd = socket.as_raw_fd();
        let mut conn = Conn::new(socket, permit, transport, Origin::Connector(number, Arc::clone(&config)), peer);
        conn.raw_out.buffer().append(&mut hello);
        let slot = self.turn.insert(protocol, conn);
        let slot = slot.map_err(|_| "the shard has limits.connections connections".to_owned())?;
        if let Err(error) = self.readiness.modify(fd, token(slot), Interest::Read) {
            self.turn.remove(slot);
            return Err(error.to_string());
        }
        if let Some(one) = self.connectors.get_mut(number) {
            one.machine.handle_connected();
            one.line = Line::Up(slot);
        }
        self.turn.touch(slot);
        Ok(())
    }

    /// Ends what a connector has begun. A connection says goodbye by itself, and may take its time for it.
    fn hang_up(&mut self, number: u32) {
        let Some(one) = self.connectors.get_mut(number) else { return };
        if let Line::Up(slot) = std::mem::replace(&mut one.line, Line::None) {
            self.turn.dismiss(slot, Condition::ConnectionForced, "the handshake took too long");
            if let Some(entry) = self.turn.get_mut(slot) {
                entry.host.say(Farewell::Fault);
            }
        }
    }

    /// A connection is open at both ends.
    pub(crate) fn handle_opened(&mut self, slot: Slot) {
        let now_ns = self.turn.now_ns();
        if let Some(number) = self.connector_of(slot) {
            let has_line = self.has_line(number, slot);
            // One that its connector gave up ends without it.
            let Some(one) = self.connectors.get_mut(number).filter(|_| has_line) else { return };
            one.machine.handle_opened(now_ns);
            self.carry_out(number);
        }
        self.handle_container(slot);
    }

    /// The connector that made a connection.
    pub(crate) fn connector_of(&self, slot: Slot) -> Option<u32> {
        match self.turn.get(slot)?.host.origin {
            Origin::Connector(number, _) => Some(number),
            Origin::Listener(_) => None,
        }
    }

    /// Whether a connector still goes by this connection: one that it gave up ends without it.
    fn has_line(&self, number: u32, slot: Slot) -> bool {
        self.connectors.get(number).is_some_and(|one| matches!(one.line, Line::Up(up) if up == slot))
    }

    /// A connection of a connector cannot go on, or ended.
    pub(crate) fn handle_line_ended(&mut self, number: u32, slot: Slot, error: String) {
        let now_ns = self.turn.now_ns();
        let has_line = self.has_line(number, slot);
        if let Some(one) = self.connectors.get_mut(number).filter(|_| has_line) {
            one.line = Line::None;
            one.machine.handle_failed(error, now_ns);
            self.carry_out(number);
        }
    }

    /// A connection is gone; if it was a connector's, and nothing was told of its end before, that is told now.
    pub(crate) fn handle_gone(&mut self, slot: Slot, entry: &Entry<Conn>) {
        let Origin::Connector(number, _) = entry.host.origin else { return };
        let why = match entry.host.ended {
            Some(Ended::ByPeer) => "the peer ended the connection without a close",
            _ if entry.protocol.is_closed() => "the peer closed the connection",
            _ => "the connection broke",
        };
        self.handle_line_ended(number, slot, why.to_owned());
    }

    fn tell_connector(&mut self, number: u32) {
        let Some(one) = self.connectors.get_mut(number) else { return };
        let slot = match one.line {
            Line::Up(slot) => Some(slot),
            Line::None | Line::Dialled(..) => None,
        };
        let ConnectorConfig { name, .. } = &*one.config;
        while let Some(news) = one.machine.poll_news() {
            match news {
                News::Opened => {
                    let entry = slot.and_then(|slot| self.turn.get(slot));
                    let peer = entry.map(|entry| entry.host.peer.as_str());
                    let container = entry.map(|entry| entry.protocol.client().container.as_str());
                    tracing::info!(target: "heddle::net", connector = name, peer, container,
                        "a connector is connected");
                }
                News::Lost(Fault { at, error }) => {
                    tracing::warn!(target: "heddle::net", connector = name, peer = at, error,
                        "a connector lost its connection, and connects again");
                }
                News::Failing(Fault { at, error }) => {
                    tracing::warn!(target: "heddle::net", connector = name, at, error,
                        "a connector cannot connect, and goes on trying");
                }
            }
        }
    }
}
