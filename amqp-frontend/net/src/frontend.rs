//! A shard's turn: what is ready is read, machines are stepped, the engine's events are handed out, output is written.
//!
//! Guarantees: connections are machines in a table, not tasks; a turn ends when it has read an eighth of a megabyte, and sockets that
//! were ready and not read come first in the next one; each connection with output gets one write a turn, unless it has more than
//! a machine encodes at once.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use amqp_codec::AmqpError;
use amqp_proto::{Authenticated, Connection, Event, Input, Out};
use engine_core::Room;
use engine_message::Condition;
use engine_rt::{
    Accepted, Clock, DiskRoom, Inbox, InboxSender, Interest, Listener, Pulse, Readiness, Ready, Service, Socket,
    WAKER_TOKEN, Waker, wall_ms,
};
use engine_shard::store::StoreError;
use engine_shard::{Engine, Spin};
use storage_disk::large::Large;

use crate::accepting::Accepting;
use crate::config::{FrontendConfig, Layers, OUT_STOP_READING, READ_BYTES, SCAN_PERIOD_NS, STOP_TIMEOUT_NS};
use crate::connection::{Conn, Link, Reading};
use crate::inbound;
use crate::large::LargeMessages;
use crate::lines::Lines;
use crate::logins::RefusedLogins;
use crate::moving::Arriving;
use crate::parting::{Parting, Patience};
use crate::slots::{Slot, Slots};
use crate::transport::{Farewell, Tls, Transport, WebSocket};
use crate::view::Ask;

/// Octets that are read in one turn, give or take one read; sockets that are ready beyond it have the next one. What sixteen fast
/// producers send at once would not fit into the core's cache, and every message would be fetched into it several times.
const TURN_BYTES: usize = 128 * 1024;
/// Octets of messages that consumers are given in one turn; what they may have beyond it comes in the next one. It is more than what
/// one turn reads, so that a queue does not grow for it, and so little that a message is written while it is in the core's cache,
/// and that nobody waits long for a consumer with much credit and a deep queue.
pub(crate) const TURN_GIVEN_BYTES: usize = 192 * 1024;
/// Tokens of listeners have this bit.
const LISTENER_TOKEN: u64 = 1 << 63;
/// Connections that one listener accepts in one turn.
const ACCEPT_BURST: u32 = 64;

/// Why a shard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrontendError {
    /// Its readiness source failed.
    #[error("cannot wait for sockets: {0}")]
    Readiness(#[from] io::Error),
    /// Its journal failed.
    #[error(transparent)]
    Journal(#[from] StoreError),
}

/// What ordinary threads tell a shard.
pub enum Post {
    /// A password was verified.
    Verified {
        /// Whose.
        connection: Slot,
        /// The result.
        authenticated: Authenticated,
    },
    /// Somebody wants to see what there is.
    View(Ask),
    /// A connection moves here.
    Arrive(Box<Arriving>),
    /// Close all connections, then stop.
    Stop,
}

/// One shard's connections, and the engine under them.
pub struct Frontend {
    pub(crate) config: FrontendConfig,
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) now_ns: u64,
    pub(crate) wall_ms: u64,
    pub(crate) readiness: Readiness,
    pub(crate) peers: Vec<InboxSender<Post>>,
    waker: Waker,
    pulse: Pulse,
    inbox: Inbox<Post>,
    listeners: Vec<Listener>,
    accepting: Accepting,
    /// Whether the listeners are looked at.
    listening: bool,
    pub(crate) conns: Slots<Conn>,
    pub(crate) links: Slots<Link>,
    pub(crate) dirty: Vec<Slot>,
    pub(crate) large: Option<LargeMessages>,
    scratch: Vec<u8>,
    plain: Vec<u8>,
    pub(crate) header: Vec<u8>,
    next_scan_ns: u64,
    spin: Spin,
    stop_by_ns: Option<u64>,
    pub(crate) dynamic_names: u64,
    pub(crate) node_id: String,
    pub(crate) turns: u64,
    /// Octets that were read in this turn.
    turn_bytes: usize,
    pub(crate) refused_connections: u64,
    /// Times that a connection could not be accepted.
    pub(crate) accept_failures: u64,
    pub(crate) logins: RefusedLogins,
    pub(crate) moved: u64,
    pub(crate) lines: Lines,
}

/// What a shard's front end is made of.
pub struct Parts {
    /// The shard's engine.
    pub engine: Engine,
    /// Wakes the shard.
    pub waker: Waker,
    /// What it lets others see.
    pub pulse: Pulse,
    /// The shard's inbox.
    pub inbox: Inbox<Post>,
    /// The senders of all shards' inboxes, its own too.
    pub peers: Vec<InboxSender<Post>>,
    /// The clock of all shards: what connections remember of time moves with them.
    pub clock: Clock,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<Listener>,
    /// The disk for large messages; `None` where they stay in memory.
    pub large: Option<Large>,
    /// Makes names of dynamic nodes unlike those of other runs.
    pub node_id: String,
}

impl Frontend {
    /// A front end that has accepted nothing yet, and serves from here on.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn new(config: FrontendConfig, parts: Parts) -> io::Result<Self> {
        let Parts { engine, waker, pulse, inbox, peers, clock, listeners, large, node_id } = parts;
        let readiness = Readiness::new(&waker)?;
        for (index, listener) in listeners.iter().enumerate() {
            readiness.add(std::os::fd::AsRawFd::as_raw_fd(listener), LISTENER_TOKEN | index as u64, Interest::Read)?;
        }
        let spin_ns = config.spin_ns;
        pulse.turn(clock.now_ns());
        pulse.tell(Service::Serving);
        let largest = config.listeners.iter().map(|listener| listener.amqp.max_frame_size).max().unwrap_or(0);
        Ok(Self {
            conns: Slots::new(config.connections_max),
            links: Slots::new(config.links_max),
            config,
            engine,
            clock,
            now_ns: 0,
            wall_ms: 0,
            readiness,
            waker,
            pulse,
            inbox,
            peers,
            listeners,
            accepting: Accepting::new(),
            listening: true,
            dirty: Vec::new(),
            large: large.map(LargeMessages::new),
            scratch: vec![0; READ_BYTES + largest as usize],
            plain: Vec::new(),
            header: Vec::new(),
            next_scan_ns: 0,
            spin: Spin::new(spin_ns),
            stop_by_ns: None,
            dynamic_names: 0,
            node_id,
            turns: 0,
            turn_bytes: 0,
            refused_connections: 0,
            accept_failures: 0,
            logins: RefusedLogins::default(),
            moved: 0,
            lines: Lines::default(),
        })
    }

    /// Runs turns until the node stops.
    ///
    /// # Errors
    /// When the readiness source or the journal fails.
    pub fn run(&mut self) -> Result<(), FrontendError> {
        let mut ready = Vec::new();
        let mut left = VecDeque::new();
        let mut timeout = Some(Duration::ZERO);
        loop {
            if left.is_empty() {
                self.readiness.poll(timeout, &mut ready)?;
                left.extend(ready.drain(..));
            }
            self.waker.awake();
            let busy = self.turn(&mut left)?;
            if self.is_stopped() {
                self.pulse.sleep(None);
                return Ok(());
            }
            if left.is_empty() {
                timeout = self.park(busy)?;
            }
        }
    }

    /// One turn, which takes as much of `ready` as it may read; gives whether there was anything to do.
    fn turn(&mut self, ready: &mut VecDeque<Ready>) -> Result<bool, StoreError> {
        self.turns += 1;
        self.now_ns = self.clock.now_ns();
        self.pulse.turn(self.now_ns);
        self.wall_ms = wall_ms();
        self.engine.begin_turn(self.now_ns, self.wall_ms)?;
        let mut busy = false;
        self.turn_bytes = 0;
        if !self.listening && self.accepting.is_open(self.now_ns) {
            self.listen(Interest::Read);
        }
        while self.turn_bytes < TURN_BYTES
            && let Some(event) = ready.pop_front()
        {
            busy |= self.handle_ready(event);
        }
        busy |= self.take_posts();
        busy |= self.handle_files();
        self.handle_engine();
        self.commit();
        if self.now_ns >= self.next_scan_ns {
            self.next_scan_ns = self.now_ns + SCAN_PERIOD_NS;
            self.scan();
        }
        busy |= self.write_dirty();
        Ok(busy | self.engine.flush())
    }

    /// Decides how long to wait before the next turn.
    fn park(&mut self, busy: bool) -> Result<Option<Duration>, StoreError> {
        if busy {
            self.spin.handle_work(self.now_ns);
        }
        if self.spin.looks_on(self.now_ns) {
            return Ok(Some(Duration::ZERO));
        }
        // After work, too: a poll that may sleep returns at once where more is ready. One that only looks would be a system call
        // and a turn for nothing whenever a message comes alone.
        self.waker.prepare_sleep();
        // What was handed over before the flag was set is seen by one more turn; what comes after it wakes.
        self.now_ns = self.clock.now_ns();
        self.engine.begin_turn(self.now_ns, self.wall_ms)?;
        let mut found = self.handle_files() | self.handle_engine();
        found |= self.take_posts();
        self.commit();
        found |= self.write_dirty();
        if found | self.engine.flush() {
            self.spin.handle_work(self.now_ns);
            return Ok(Some(Duration::ZERO));
        }
        let scan = (!self.conns.is_empty() || self.lines.are_held()).then_some(self.next_scan_ns);
        let until =
            [scan, self.engine.deadline(), self.stop_by_ns, self.accepting.deadline()].into_iter().flatten().min();
        self.pulse.sleep(until);
        Ok(until.map(|until| Duration::from_nanos(until.saturating_sub(self.now_ns))))
    }

    /// Takes what others put in, up to the first question, whose answer is work enough for a turn: what lies behind it has the next one.
    /// Gives whether there was anything.
    pub(crate) fn take_posts(&mut self) -> bool {
        let mut found = false;
        while let Some(post) = self.inbox.receive() {
            found = true;
            let is_question = matches!(post, Post::View(_));
            self.handle_post(post);
            if is_question {
                break;
            }
        }
        found
    }

    /// Gives the journal what happened in this turn, and lets others see whether its disk has room.
    fn commit(&mut self) {
        self.engine.commit();
        let is_full = matches!(self.engine.core().room(), Room::Little | Room::None);
        self.pulse.tell_disk(if is_full { DiskRoom::None } else { DiskRoom::Some });
    }

    fn handle_ready(&mut self, event: Ready) -> bool {
        if event.token == WAKER_TOKEN {
            self.waker.reset();
            return false;
        }
        if event.token & LISTENER_TOKEN != 0 {
            self.accept(usize::try_from(event.token & !LISTENER_TOKEN).unwrap_or(usize::MAX));
            return true;
        }
        let slot = slot(event.token);
        let Some(conn) = self.conns.get_mut(slot) else { return false };
        let reads = matches!(conn.interest, Interest::Read | Interest::ReadWrite);
        if event.writable() {
            self.touch(slot);
        }
        if event.readable() && (reads || event.dead()) {
            self.receive(slot);
        }
        true
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPT_BURST {
            let Some(listener) = self.listeners.get(index) else { return };
            match listener.accept() {
                Accepted::Connection(socket) => {
                    self.accepting.handle_accepted();
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
        self.accepting.handle_short(self.now_ns);
        self.listen(Interest::None);
        self.tell_not_accepted(error);
    }

    /// Changes whether the listeners are looked at.
    fn listen(&mut self, interest: Interest) {
        self.listening = interest == Interest::Read;
        for (index, listener) in self.listeners.iter().enumerate() {
            let fd = std::os::fd::AsRawFd::as_raw_fd(listener);
            // It was added when the shard started, and stays until it stops.
            let _ = self.readiness.modify(fd, LISTENER_TOKEN | index as u64, interest);
        }
    }

    fn add(&mut self, socket: Socket, index: usize) {
        let Some(listener) = self.config.listeners.get(index) else { return };
        let transport = match (listener.layers, &listener.tls) {
            (Layers::Plain, _) => None,
            (Layers::WebSocket, _) => Some(Transport::WebSocket(Box::default())),
            (Layers::Tls, Some(tls)) => Tls::accept(tls).ok().map(|tls| Transport::Tls(Box::new(tls))),
            (Layers::WebSocketOverTls, Some(tls)) => {
                Tls::accept(tls).ok().map(|tls| Transport::WebSocketOverTls(Box::new(tls), Box::<WebSocket>::default()))
            }
            (Layers::Tls | Layers::WebSocketOverTls, None) => return,
        };
        let peer = socket.peer_addr().map(|address| address.to_string()).unwrap_or_default();
        let Some(permit) = self.config.connections.take() else {
            return self.refuse_connection(&peer, "the limit on open files leaves no more (ulimit -n)");
        };
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        let conn = Conn {
            machine: Connection::server(std::sync::Arc::clone(&listener.amqp), self.now_ns),
            socket,
            _permit: permit,
            transport,
            listener: index,
            partial: Vec::new(),
            out: Out::default(),
            raw_out: Out::default(),
            interest: Interest::Read,
            dirty: false,
            paused: false,
            streams: Vec::new(),
            hungry: Vec::new(),
            ended: None,
            opened: false,
            parting: Parting::No,
            farewell: Farewell::Done,
            failed: None,
            leaving: None,
            links: Vec::new(),
            container: String::new(),
            user: String::new(),
            peer,
            messages_in: 0,
            messages_out: 0,
            bytes_in: 0,
            bytes_out: 0,
            swept_bytes_out: 0,
        };
        if self.stop_by_ns.is_some() {
            return;
        }
        let slot = match self.conns.insert(conn) {
            Ok(slot) => slot,
            Err(conn) => return self.refuse_connection(&conn.peer, "the shard has limits.connections of them"),
        };
        if let Err(error) = self.readiness.add(fd, token(slot), Interest::Read) {
            let conn = self.conns.remove(slot);
            let peer = conn.map(|conn| conn.peer).unwrap_or_default();
            self.refuse_connection(&peer, &error.to_string());
        }
    }

    /// Reads a connection and handles what came.
    fn receive(&mut self, slot: Slot) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut plain = std::mem::take(&mut self.plain);
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if conn.parting != Parting::No {
            match conn.forget(&mut scratch) {
                Some(count) => self.turn_bytes += count,
                None => self.lose(slot),
            }
            self.scratch = scratch;
            self.plain = plain;
            return;
        }
        let layers = self.config.listeners.get(conn.listener).map_or(Layers::Plain, |listener| listener.layers);
        let reading = conn.read(layers, &mut scratch, &mut plain);
        let layered = conn.transport.is_some();
        match reading {
            Reading::Some(count) => {
                self.turn_bytes += count;
                let bytes = if layered { plain.as_slice() } else { scratch.get(..count).unwrap_or_default() };
                self.handle_bytes(slot, bytes);
            }
            // The layers may have an answer.
            Reading::Nothing => self.touch(slot),
            Reading::End if conn.end() => self.lose(slot),
            Reading::End => self.touch(slot),
        }
        self.tell_failed(slot);
        self.scratch = scratch;
        self.plain = plain;
    }

    /// Steps a connection's machine through `bytes`.
    pub(crate) fn handle_bytes(&mut self, slot: Slot, bytes: &[u8]) {
        let mut input = Input::new(bytes);
        loop {
            let Some(conn) = self.conns.get_mut(slot) else { return };
            if conn.paused {
                conn.keep(bytes, &input);
                break;
            }
            if let Some(delivery) = inbound::deliver(conn, &mut self.links, &mut self.engine, self.now_ns, &mut input) {
                self.handle_delivery(slot, &delivery, None);
                continue;
            }
            let Some(event) = conn.machine.handle_input(self.now_ns, &mut input, &mut conn.out) else {
                conn.keep(bytes, &input);
                break;
            };
            let is_secured = matches!(event, Event::Tls);
            self.handle_amqp(slot, event);
            if is_secured {
                // Whoever did not wait for the header sent the start of its handshake behind its own.
                return self.resume_secured(slot, bytes.get(input.consumed()..).unwrap_or_default());
            }
            if let Some(conn) = self.conns.get_mut(slot).filter(|conn| conn.leaving.is_some()) {
                conn.keep(bytes, &input);
                return self.depart(slot);
            }
        }
        self.touch(slot);
    }

    /// Goes on with what came behind a header that asked for TLS.
    fn resume_secured(&mut self, slot: Slot, raw: &[u8]) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        conn.partial = Vec::new();
        let mut plain = Vec::new();
        conn.unwrap_layers(raw, &mut plain);
        self.handle_bytes(slot, &plain);
        self.tell_failed(slot);
    }

    /// Goes on with input that waited for an answer.
    pub(crate) fn resume(&mut self, slot: Slot) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let bytes = std::mem::take(&mut conn.partial);
        self.handle_bytes(slot, &bytes);
    }

    /// Notes that a connection may have something to write.
    #[inline]
    pub(crate) fn touch(&mut self, slot: Slot) {
        if let Some(conn) = self.conns.get_mut(slot)
            && !std::mem::replace(&mut conn.dirty, true)
        {
            self.dirty.push(slot);
        }
    }

    /// Writes what connections have; gives whether one of them has room again for messages that its consumers wait for.
    fn write_dirty(&mut self) -> bool {
        let mut fed = false;
        while let Some(slot) = self.dirty.pop() {
            let Some(conn) = self.conns.get_mut(slot) else { continue };
            conn.dirty = false;
            let broken = conn.write(self.now_ns).is_err();
            let patience = if self.stop_by_ns.is_some() { Patience::None } else { Patience::Some };
            if broken || (conn.is_over() && conn.part(self.now_ns, patience).unwrap_or(true)) {
                self.lose(slot);
                continue;
            }
            if conn.parting != Parting::No {
                self.watch_parting(slot);
                continue;
            }
            if !conn.streams.is_empty() {
                self.advance_all(slot);
            }
            fed |= self.feed(slot);
            let Some(conn) = self.conns.get_mut(slot) else { continue };
            // A machine that has more than one turn writes goes on when the socket says so.
            let unwritten = conn.waiting().max(usize::from(conn.machine.wants_room()));
            let interest = match (unwritten, conn.machine.is_waiting() || conn.paused) {
                (0, false) => Interest::Read,
                (0, true) => Interest::None,
                (waiting, false) if waiting < OUT_STOP_READING => Interest::ReadWrite,
                _ => Interest::Write,
            };
            if interest != conn.interest {
                conn.interest = interest;
                let fd = std::os::fd::AsRawFd::as_raw_fd(&conn.socket);
                if self.readiness.modify(fd, token(slot), interest).is_err() {
                    self.lose(slot);
                }
            }
        }
        fed
    }

    /// Waits for what a connection that parts waits for: room for its last octets, or the peer's end.
    fn watch_parting(&mut self, slot: Slot) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let interest = if conn.waiting() > 0 { Interest::Write } else { Interest::Read };
        if std::mem::replace(&mut conn.interest, interest) != interest {
            let fd = std::os::fd::AsRawFd::as_raw_fd(&conn.socket);
            if self.readiness.modify(fd, token(slot), interest).is_err() {
                self.lose(slot);
            }
        }
    }

    /// A connection is gone: so are its links.
    pub(crate) fn lose(&mut self, slot: Slot) {
        self.drop_links(slot);
        let Some(conn) = self.conns.remove(slot) else { return };
        self.accepting.handle_ended();
        self.logins.note(&conn.machine);
        tracing::debug!(target: "heddle::net", peer = %conn.peer, container = %conn.container, "connection ended");
    }

    fn handle_post(&mut self, post: Post) {
        match post {
            Post::Verified { connection, authenticated } => self.handle_verified(connection, authenticated),
            Post::View(ask) => self.answer(ask),
            Post::Arrive(arriving) => self.arrive(*arriving),
            Post::Stop => self.stop(),
        }
    }

    fn stop(&mut self) {
        self.stop_by_ns = Some(self.now_ns + STOP_TIMEOUT_NS);
        self.pulse.tell(Service::Stopping);
        self.accepting.handle_ended();
        for listener in self.listeners.drain(..) {
            // The listener goes with its descriptor.
            let _ = self.readiness.remove(std::os::fd::AsRawFd::as_raw_fd(&listener));
        }
        let slots: Vec<Slot> = self.conns.iter().map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.dismiss(slot));
    }

    /// Closes a connection because the node stops.
    pub(crate) fn dismiss(&mut self, slot: Slot) {
        self.drop_links(slot);
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let error = AmqpError::new(Condition::ConnectionForced, "the node is shutting down");
        conn.machine.close(Some(error), self.now_ns, &mut conn.out);
        conn.say(Farewell::Stopping);
        self.touch(slot);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_by_ns.is_some()
    }

    fn is_stopped(&self) -> bool {
        self.stop_by_ns
            .is_some_and(|by| (self.conns.is_empty() && !self.engine.is_writing()) || self.clock.now_ns() >= by)
    }

    /// Looks at every connection's deadline, and takes back buffers of links and connections that need none.
    fn scan(&mut self) {
        let due = |conn: &Conn| conn.machine.deadline().is_some_and(|deadline| deadline <= self.now_ns);
        let slots: Vec<Slot> = self.conns.iter().filter(|(_, conn)| due(conn)).map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(conn) = self.conns.get_mut(slot) else { continue };
            if let Some(event) = conn.machine.handle_deadline(self.now_ns, &mut conn.out) {
                self.handle_amqp(slot, event);
            }
            self.touch(slot);
        }
        let late = |conn: &Conn| conn.parting.deadline().is_some_and(|deadline| deadline <= self.now_ns);
        let slots: Vec<Slot> = self.conns.iter().filter(|(_, conn)| late(conn)).map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.lose(slot));
        self.tell_others();
        self.sweep_links();
        self.conns.iter_mut().for_each(Conn::sweep);
    }
}

pub(crate) fn token(slot: Slot) -> u64 {
    (u64::from(slot.generation) << 32) | u64::from(slot.index)
}

fn slot(token: u64) -> Slot {
    Slot { index: (token & u64::from(u32::MAX)) as u32, generation: (token >> 32) as u16 }
}
