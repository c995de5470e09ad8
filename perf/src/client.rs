//! Connections to a broker, over the protocol machine that the broker uses from its other side: one (`Client`), or some that are waited
//! for together (`Clients`).
//!
//! Guarantees: every one of `Clients` is open and has a session when `connect` returns; what a broker ends by itself is an error, but for a
//! link, whose end its owner hears of. Whoever waits for something does so for `PATIENCE` at most.
//!
//! Not here: the load of a rate (`peer`), which must cost less than the broker under it and so has frames of its own.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_codec::performative::{Attach, Open, Role, Source, Target, Terminus};
use amqp_proto::{Closing, Config, Connection, Event, Input, LinkId, Out, SessionId};
use engine_rt::{Interest, Readiness, Ready, Socket, Waker, monotonic_ns};

use crate::wire;

/// What is read at a time, octets.
const READ_BYTES: usize = 256 * 1024;
/// Largest frame that is taken, octets: the start of one is kept until the rest of it comes.
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// Segments of one write.
const SEGMENTS: usize = 64;
/// How long nothing may come of what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection, with one session.
pub struct Client {
    socket: Socket,
    /// The start of a frame.
    kept: Vec<u8>,
    interest: Interest,
    /// Its protocol.
    pub machine: Connection,
    /// What leaves next.
    pub out: Out,
    /// Its session, once it is open.
    pub session: SessionId,
}

/// Hears of what happens on a connection.
pub type OnEvent<'a> = dyn FnMut(&mut Client, Event<'_>) -> io::Result<()> + 'a;

/// Hears of what happens on some connections, by their place.
pub type OnEventAt<'a> = dyn FnMut(usize, &mut Client, Event<'_>) -> io::Result<()> + 'a;

/// Some connections to one broker, on one thread.
pub struct Clients {
    readiness: Readiness,
    ready: Vec<Ready>,
    scratch: Vec<u8>,
    /// The connections.
    pub each: Vec<Client>,
}

impl Clients {
    /// Opens `count` connections, whose containers are `name` and a number.
    ///
    /// # Errors
    /// When the broker does not take all of them.
    pub fn connect(to: SocketAddr, count: usize, name: &str) -> io::Result<Self> {
        let readiness = Readiness::new(&Waker::new()?)?;
        let mut clients = Self { readiness, ready: Vec::new(), scratch: scratch(), each: Vec::new() };
        let config = config();
        for number in 0..count {
            let client = Client::connect(to, &config, format!("{name}-{number}"))?;
            clients.readiness.add(client.fd(), number as u64, Interest::Read)?;
            clients.each.push(client);
        }
        let mut open = 0;
        clients.run(&mut |_, _, event| {
            open += usize::from(matches!(event, Event::Opened(_)));
            Ok(open == count)
        })?;
        Ok(clients)
    }

    /// Goes on until `on_event` says that it is done.
    ///
    /// # Errors
    /// When a connection ends, or nothing happens for a minute.
    pub fn run(
        &mut self,
        on_event: &mut dyn FnMut(usize, &mut Client, Event<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let (mut done, mut last) = (false, Instant::now());
        while !done {
            self.turn(Duration::from_millis(100), &mut |place, client, event| {
                last = Instant::now();
                done |= on_event(place, client, event)?;
                Ok(())
            })?;
            if last.elapsed() > PATIENCE {
                return Err(io::Error::other("the broker was silent for a minute"));
            }
        }
        self.flush()
    }

    /// Waits until the broker has done what it was asked for on a connection before: a last link is answered behind all of it.
    ///
    /// # Errors
    /// When the link is refused, or as `run`.
    pub fn fence(&mut self, place: usize) -> io::Result<()> {
        let source = Source::from(Terminus::at("perf.fence"));
        let asked = self.attach(place, receiver("fence".to_owned(), source))?;
        let client = self.each.get_mut(place).ok_or(io::ErrorKind::NotFound)?;
        client.machine.detach(asked, Closing::Closed, None, &mut client.out);
        self.flush()
    }

    /// Attaches a link on a connection, and waits until the broker has answered; whether it took the link its end will tell.
    ///
    /// # Errors
    /// When there is no room for a link, or as `run`.
    pub fn attach(&mut self, place: usize, attach: Attach) -> io::Result<LinkId> {
        let link = self.each.get_mut(place).ok_or(io::ErrorKind::NotFound)?.attach(attach)?;
        self.run(&mut |_, _, event| Ok(matches!(event, Event::Attached(answered, _) if answered == link)))?;
        Ok(link)
    }

    /// Writes what there is, waits for at most `timeout` until something comes, and takes it.
    ///
    /// # Errors
    /// When a connection ends, or `on_event` fails.
    pub fn turn(&mut self, timeout: Duration, on_event: &mut OnEventAt<'_>) -> io::Result<()> {
        self.flush()?;
        self.readiness.poll(Some(timeout), &mut self.ready)?;
        for ready in self.ready.iter().filter(|ready| ready.readable()) {
            let place = usize::try_from(ready.token).unwrap_or(usize::MAX);
            if let Some(client) = self.each.get_mut(place) {
                client.read(&mut self.scratch, &mut |client, event| on_event(place, client, event))?;
            }
        }
        Ok(())
    }

    /// Writes what there is, as far as sockets take it.
    ///
    /// # Errors
    /// When a connection is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        for (place, client) in self.each.iter_mut().enumerate() {
            client.flush(&self.readiness, place as u64)?;
        }
        Ok(())
    }
}

impl Client {
    /// Connects as a container of this name, and asks for a session once the broker has opened. Nothing is waited for.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(to: SocketAddr, config: &Arc<Config>, name: String) -> io::Result<Self> {
        let socket = wire::connect(to)?;
        let mut out = Out::default();
        let open = Open { container_id: name, ..config.client_open() };
        let machine = Connection::client(Arc::clone(config), open, None, monotonic_ns(), &mut out);
        Ok(Self { socket, kept: Vec::new(), interest: Interest::Read, machine, out, session: SessionId(0) })
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Asks for a link in its session.
    ///
    /// # Errors
    /// When there is no room for one.
    pub fn attach(&mut self, attach: Attach) -> io::Result<LinkId> {
        let link = self.machine.attach(self.session, attach, &mut self.out);
        link.ok_or_else(|| io::Error::other("the broker takes no more links on this connection"))
    }

    /// Reads once, and takes everything that came; `scratch` is one of `scratch()`. With the answer to its open it has a session.
    ///
    /// # Errors
    /// When the broker ends the connection or the session, with its reason; when it is gone, with one of `is_gone`; when `on_event` fails.
    pub fn read(&mut self, scratch: &mut [u8], on_event: &mut OnEvent<'_>) -> io::Result<()> {
        let start = self.kept.len();
        let (kept, fresh) = scratch.split_at_mut(start);
        let room = fresh.len().min(READ_BYTES);
        let count = match self.socket.read(&mut [IoSliceMut::new(&mut fresh[..room])])? {
            None => return Ok(()),
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => start + count,
        };
        kept.copy_from_slice(&self.kept);
        let mut input = Input::new(&scratch[..count]);
        let now_ns = monotonic_ns();
        while let Some(event) = self.machine.handle_input(now_ns, &mut input, &mut self.out) {
            match event {
                Event::Closed(error) | Event::Ended(_, error) => {
                    let why = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                    return Err(io::Error::other(format!("the broker ended the connection: {why}")));
                }
                event => {
                    if let Event::Opened(_) = event {
                        let session = self.machine.begin(&mut self.out);
                        self.session = session.ok_or_else(|| io::Error::other("the broker takes no session"))?;
                    }
                    on_event(self, event)?;
                }
            }
        }
        self.kept.clear();
        self.kept.extend_from_slice(&scratch[input.consumed()..count]);
        Ok(())
    }

    /// Writes what there is, as far as the socket takes it, and hears of the socket what is then to be heard of it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&mut self, readiness: &Readiness, token: u64) -> io::Result<()> {
        let interest = self.write()?;
        if std::mem::replace(&mut self.interest, interest) != interest {
            readiness.modify(self.fd(), token, interest)?;
        }
        Ok(())
    }

    /// Writes what is due; gives what to hear of the socket next.
    fn write(&mut self) -> io::Result<Interest> {
        let now_ns = monotonic_ns();
        // A heart beat; that the peer is silent for too long is told as the end of the connection, which a read tells of as well.
        if self.machine.deadline().is_some_and(|at_ns| at_ns <= now_ns) {
            let _ = self.machine.handle_deadline(now_ns, &mut self.out);
        }
        loop {
            self.machine.poll_output(now_ns, &mut self.out);
            if self.out.is_empty() {
                return Ok(Interest::Read);
            }
            let mut segments = [IoSlice::new(&[]); SEGMENTS];
            let count = self.out.segments(&mut segments);
            match self.socket.write(&segments[..count])? {
                Some(count) => self.out.advance(count),
                None => return Ok(Interest::ReadWrite),
            }
        }
    }
}

/// How connections behave.
pub fn config() -> Arc<Config> {
    Arc::new(Config {
        max_frame_size: FRAME_BYTES_MAX,
        // What is received is taken at once: links' credit is the only bound.
        incoming_window: u32::MAX >> 1,
        handle_max: u32::from(u16::MAX),
        // A message of several frames is put together up to the size of one; a larger one comes in parts, of any size.
        stream_above: u64::from(FRAME_BYTES_MAX),
        max_message_size: u64::MAX,
        ..Config::default()
    })
}

/// What connections read into, one after the other.
pub fn scratch() -> Vec<u8> {
    vec![0; READ_BYTES + FRAME_BYTES_MAX as usize]
}

/// Whether an error says that the broker is gone, and nothing else.
pub fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Asks for a link named `name` that receives from an address.
pub fn receiver(name: String, source: Source) -> Attach {
    let target = Some(Target::Node(Terminus::default()));
    Attach { source: Some(source), target, ..Attach::new(name, 0, Role::Receiver) }
}

/// Asks for a link that sends to an address.
pub fn sender(name: String, target: Terminus) -> Attach {
    let (source, target) = (Some(Source::default()), Some(Target::Node(target)));
    Attach { source, target, initial_delivery_count: Some(0), ..Attach::new(name, 0, Role::Sender) }
}
