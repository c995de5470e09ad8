//! The thread of a double: what is ready is read, what is due is done, what waits is written.
//!
//! Guarantee: while a double stalls it neither reads nor writes nor accepts. What is to be done at a time is done
//! within microseconds of it where the thread has a core: the last `SPIN_NS` before it are waited for awake.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use amqp_codec::AmqpError;
use amqp_codec::performative::Attach;
use amqp_proto::{Authenticated, Config, Connection, DeliveryOutcome, Event, Input, Mechanism, Payload, Settling};
use bytes::Bytes;
use engine_message::Condition;
use engine_message::reader::{Descriptor, Reader};
use engine_message::section;
use engine_rt::{Accepted, Clock, Interest, Listener, Readiness, Ready, WAKER_TOKEN, Waker};
use load_model::units::Span;

use super::attach::{self, Wanted};
use super::behaviour::Behaviour;
use super::connection::{At, Conn, Conns, Reading};
use super::links::{Link, Producer};
use super::relay::{Incoming, Relay, Tally, WINDOW};
use super::table::Key;

/// What one read may take beyond the start of a frame, octets.
const READ_BYTES: usize = 256 * 1024;
/// Largest frame, octets: a large message is a few of them.
const FRAME_MAX: u32 = 1 << 20;
/// Largest message, octets: the largest body of a scenario, and what is around it.
const MESSAGE_MAX: u64 = (256 << 20) + 4096;
/// Frames under way to a session: more than all credit of a producer is, for small messages.
const INCOMING_WINDOW: u32 = 1 << 16;
/// Links of a session, and sessions of a connection.
const LINKS_MAX: u32 = 100_000;
const CHANNELS_MAX: u16 = 1000;
/// Credit of a coordinator's link: one transaction after the other, with some ahead.
const COORDINATOR_WINDOW: u32 = 100;
/// The listener's: connections never have the highest bit (`Table::remove`).
const LISTENER_TOKEN: u64 = 1 << 63;
/// Connections that are accepted in one turn.
const ACCEPT_BURST: u32 = 64;
/// How often deadlines of connections are looked at, nanoseconds: heart beats are seconds apart.
const SCAN_PERIOD_NS: u64 = 250_000_000;
/// How long before something is due the thread no longer sleeps, nanoseconds: what the system's timers are late by.
const SPIN_NS: u64 = 60_000;
/// Descriptor of `declare` (part 4.5.2); all else that a coordinator is sent is `discharge`.
const DECLARE: Descriptor<'_> = Descriptor::Code(0x31);
/// The name of every transaction: they are all the same here.
const TRANSACTION: &[u8] = b"t";

/// A double's thread.
pub(super) struct Server {
    config: Arc<Config>,
    clock: Clock,
    now_ns: u64,
    readiness: Readiness,
    waker: Waker,
    stop: flume::Receiver<()>,
    listener: Listener,
    conns: Conns,
    relay: Relay,
    stall: Option<(Span, Span)>,
    /// When the first message came, nanoseconds.
    first_ns: Option<u64>,
    buffer: Vec<u8>,
    next_scan_ns: u64,
}

impl Server {
    /// A server that has accepted nothing yet; `stop` and then `waker` end it.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn new(behaviour: Behaviour, listener: Listener, waker: Waker, stop: flume::Receiver<()>) -> io::Result<Self> {
        let readiness = Readiness::new(&waker)?;
        readiness.add(listener.as_raw_fd(), LISTENER_TOKEN, Interest::Read)?;
        let config = Config {
            container_id: format!("heddle-double-{behaviour}"),
            max_frame_size: FRAME_MAX,
            channel_max: CHANNELS_MAX,
            handle_max: LINKS_MAX,
            incoming_window: INCOMING_WINDOW,
            idle_timeout_ms: 0,
            max_message_size: MESSAGE_MAX,
            mechanisms: vec![Mechanism::Anonymous, Mechanism::Plain],
            ..Config::default()
        };
        Ok(Self {
            config: Arc::new(config),
            clock: Clock::default(),
            now_ns: 0,
            readiness,
            waker,
            stop,
            listener,
            conns: Conns::new(),
            relay: Relay::new(behaviour),
            stall: match behaviour {
                Behaviour::Stall { at, length } => Some((at, length)),
                _ => None,
            },
            first_ns: None,
            buffer: vec![0; READ_BYTES + FRAME_MAX as usize],
            next_scan_ns: 0,
        })
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// When the system fails it.
    pub fn run(mut self) -> io::Result<Tally> {
        let mut ready = Vec::new();
        loop {
            let timeout = self.timeout();
            self.waker.prepare_sleep();
            if self.is_stopped(Duration::ZERO) {
                return Ok(self.relay.tally);
            }
            self.readiness.poll(timeout, &mut ready)?;
            self.waker.awake();
            self.now_ns = self.clock.now_ns();
            if let Some(left) = self.stalled()
                && self.is_stopped(left)
            {
                return Ok(self.relay.tally);
            }
            self.turn(&ready);
        }
    }

    /// Whether it is to stop, within `wait`.
    fn is_stopped(&self, wait: Duration) -> bool {
        !matches!(self.stop.recv_timeout(wait), Err(flume::RecvTimeoutError::Timeout))
    }

    /// How long it is to do nothing at all, if it is.
    fn stalled(&self) -> Option<Duration> {
        let ((at, length), first_ns) = (self.stall?, self.first_ns?);
        let from_ns = first_ns + at.0;
        let until_ns = from_ns + length.0;
        (from_ns..until_ns).contains(&self.now_ns).then(|| Duration::from_nanos(until_ns - self.now_ns))
    }

    fn timeout(&self) -> Option<Duration> {
        let now_ns = self.clock.now_ns();
        let scan_ns = (!self.conns.table.is_empty()).then_some(self.next_scan_ns);
        let due_ns = self.relay.deadline().map(|due_ns| due_ns.saturating_sub(SPIN_NS));
        let until_ns = scan_ns.into_iter().chain(due_ns).min();
        until_ns.map(|until_ns| Duration::from_nanos(until_ns.saturating_sub(now_ns)))
    }

    fn turn(&mut self, ready: &[Ready]) {
        for &event in ready {
            if event.token == WAKER_TOKEN {
                self.waker.reset();
            } else if event.token == LISTENER_TOKEN {
                self.accept();
            } else {
                let key = Key::of_token(event.token);
                if event.writable() {
                    self.conns.touch(key);
                }
                if event.readable() {
                    self.receive(key);
                }
            }
        }
        if self.now_ns >= self.next_scan_ns {
            self.next_scan_ns = self.now_ns + SCAN_PERIOD_NS;
            self.scan();
        }
        self.relay.handle_time(self.clock.now_ns(), &mut self.conns);
        self.relay.dispatch(&mut self.conns);
        while let Some(key) = self.conns.next_dirty() {
            self.write(key);
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPT_BURST {
            // Out of descriptors: who waits is accepted when there are some again.
            let Accepted::Connection(socket) = self.listener.accept() else { return };
            let fd = socket.as_raw_fd();
            let machine = Connection::server(Arc::clone(&self.config), self.now_ns);
            let Some(key) = self.conns.table.insert(Conn::new(machine, socket)) else { return };
            if self.readiness.add(fd, key.token(), Interest::Read).is_err() {
                self.conns.table.remove(key);
            }
        }
    }

    /// Reads a connection and handles what came.
    fn receive(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.table.get_mut(key) else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        match conn.read(&mut buffer) {
            Reading::Some(count) => {
                self.now_ns = self.clock.now_ns();
                self.handle_bytes(key, buffer.get(..count).unwrap_or_default());
            }
            Reading::Nothing => {}
            Reading::End => self.lose(key),
        }
        self.buffer = buffer;
    }

    fn handle_bytes(&mut self, key: Key<Conn>, bytes: &[u8]) {
        let mut input = Input::new(bytes);
        loop {
            let Some(conn) = self.conns.touch(key) else { return };
            if let Some(delivery) = conn.machine.next_delivery(self.now_ns, &mut input) {
                let at = At { conn: key, link: delivery.link };
                let (delivery, settled, payload) = (delivery.delivery, delivery.settled.is_yes(), delivery.payload);
                self.take(Incoming { at, delivery, settled, payload });
                continue;
            }
            let Some(event) = conn.machine.handle_input(self.now_ns, &mut input, &mut conn.out) else {
                return conn.keep(bytes, &input);
            };
            self.handle_event(key, event);
        }
    }

    #[inline]
    fn take(&mut self, incoming: Incoming<'_>) {
        let Some(conn) = self.conns.table.get_mut(incoming.at.conn) else { return };
        if let Some(Link::Coordinator) = self.relay.links.get_mut(incoming.at) {
            return coordinate(conn, &incoming);
        }
        self.first_ns.get_or_insert(self.now_ns);
        self.relay.take(conn, incoming, self.now_ns);
    }

    fn handle_event(&mut self, key: Key<Conn>, event: Event<'_>) {
        let Some(conn) = self.conns.touch(key) else { return };
        match event {
            // Everybody is let in.
            Event::Authenticate(_) => conn.machine.authenticated(Authenticated::Yes, &mut conn.out),
            Event::OpenAsked(_) => {
                let answer = conn.machine.config().server_open();
                conn.machine.accept_open(answer, &mut conn.out);
            }
            Event::AttachAsked(id, attach) => self.handle_attach(At { conn: key, link: id }, &attach),
            Event::Delivery { link, delivery, settled, payload, .. } => {
                let payload = match &payload {
                    Payload::Borrowed(bytes) => bytes,
                    Payload::Owned(bytes) => bytes.as_ref(),
                };
                let at = At { conn: key, link };
                self.take(Incoming { at, delivery, settled: settled.is_yes(), payload });
            }
            Event::Credit { link, credit, drain } => {
                self.relay.grant(At { conn: key, link }, credit, drain.is_yes());
            }
            Event::Settled(_) => {
                while let Some(Settling { link, confirm, .. }) = conn.machine.next_settled() {
                    confirm.into_iter().for_each(|delivery| conn.machine.confirm(link, delivery));
                }
            }
            Event::Detached { link, .. } => {
                let at = At { conn: key, link };
                let link = self.relay.links.take(at);
                self.release(link.map(|link| (at, link)));
            }
            Event::Ended(session, _) => {
                let links = self.relay.links.take_session(key, usize::from(session.0));
                self.release(links);
            }
            Event::Closed(_) => self.drop_all_links(key),
            // Whatever is told of deliveries in a transaction, a double has no use for it.
            Event::Updated(mut update) => while conn.machine.next_updated(&mut update).is_some() {},
            Event::Ignored { link, .. } => conn.machine.grant(link, 1),
            // Parts are put together by the machine, TLS is not offered, nothing is drained by a double, and it asks for nothing.
            Event::Part { .. }
            | Event::Tls
            | Event::Begun(_)
            | Event::Opened(_)
            | Event::Attached(..)
            | Event::Drained(_)
            | Event::Confirmed(_) => {}
        }
    }

    fn handle_attach(&mut self, at: At, attach: &Attach) {
        let Some(conn) = self.conns.table.get_mut(at.conn) else { return };
        let planned = attach::wanted(attach).and_then(|wanted| {
            let refused = |why| AmqpError::new(Condition::NotAllowed, why);
            let node = match &wanted {
                Wanted::Send(address) | Wanted::Receive(address) => Some(self.relay.node(address).map_err(refused)?),
                Wanted::SendAnywhere | Wanted::Coordinate => None,
            };
            Ok((wanted, node))
        });
        let (wanted, node) = match planned {
            Ok(planned) => planned,
            Err(error) => return conn.machine.refuse_attach(at.link, error, &mut conn.out),
        };
        let found = node.and_then(|node| self.relay.node_mut(node));
        conn.machine.accept_attach(
            at.link,
            attach::reply(attach, found.as_deref().map(|node| &*node.name)),
            &mut conn.out,
        );
        let link = match (wanted, node, found) {
            (Wanted::Receive(address), Some(node), Some(found)) => {
                Link::Consumer { node, place: found.add_consumer(at), owns: address.name.is_none() }
            }
            (Wanted::Send(address), Some(_), Some(found)) => {
                found.producers.push(at);
                Link::Producer(Producer { node, owns: address.name.is_none(), owed: 0, number: 0, held: None })
            }
            (Wanted::SendAnywhere, ..) => {
                Link::Producer(Producer { node: None, owns: false, owed: 0, number: 0, held: None })
            }
            _ => Link::Coordinator,
        };
        match &link {
            Link::Producer(_) => conn.machine.grant(at.link, WINDOW),
            Link::Coordinator => conn.machine.grant(at.link, COORDINATOR_WINDOW),
            Link::Consumer { .. } => {}
        }
        self.relay.links.put(at, link);
    }

    fn drop_all_links(&mut self, key: Key<Conn>) {
        let links = self.relay.links.take_all(key);
        self.release(links);
    }

    fn release(&mut self, links: impl IntoIterator<Item = (At, Link)>) {
        links.into_iter().for_each(|(at, link)| self.relay.release(at, link));
    }

    fn lose(&mut self, key: Key<Conn>) {
        self.drop_all_links(key);
        self.conns.table.remove(key);
    }

    fn write(&mut self, key: Key<Conn>) {
        let Some(conn) = self.conns.table.get_mut(key) else { return };
        let Ok(interest) = conn.write(self.now_ns) else { return self.lose(key) };
        if conn.machine.is_closed() && conn.out.is_empty() {
            return self.lose(key);
        }
        if interest != conn.interest {
            conn.interest = interest;
            if self.readiness.modify(conn.socket.as_raw_fd(), key.token(), interest).is_err() {
                self.lose(key);
            }
        }
    }

    /// Heart beats, and connections that never open.
    fn scan(&mut self) {
        for key in self.conns.table.keys() {
            let Some(conn) = self.conns.table.get_mut(key) else { continue };
            if conn.machine.deadline().is_none_or(|deadline_ns| deadline_ns > self.now_ns) {
                continue;
            }
            if conn.machine.handle_deadline(self.now_ns, &mut conn.out).is_some() {
                self.drop_all_links(key);
            }
            self.conns.touch(key);
        }
    }
}

/// Answers a coordinator's message: transactions are declared and discharged, and nothing else comes of them; what is
/// sent in one is there at once.
fn coordinate(conn: &mut Conn, incoming: &Incoming<'_>) {
    let Incoming { at: At { link, .. }, delivery, settled, payload } = *incoming;
    conn.machine.grant(link, 1);
    if settled {
        return;
    }
    let transaction = DeliveryOutcome::Declared(Bytes::from_static(TRANSACTION));
    let outcome = if declares(payload) { transaction } else { DeliveryOutcome::Accepted };
    conn.machine.settle(link, delivery, delivery, outcome);
}

/// Whether a message is a `declare`.
fn declares(payload: &[u8]) -> bool {
    let body = section::scan(payload).ok().and_then(|sections| payload.get(sections.body));
    let mut reader = Reader::new(body.unwrap_or_default());
    // The section's own descriptor, then that of its value.
    reader.descriptor().is_ok() && matches!(reader.descriptor(), Ok(descriptor) if descriptor == DECLARE)
}
