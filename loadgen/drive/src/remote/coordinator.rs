//! The coordinator's side: connects to all workers, and makes their threads look like threads of this process.
//!
//! Of each machine one thread reads and one writes; both end with the connection.

use std::io::BufReader;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use load_model::result::{Machine, WorkerFacts};
use load_model::scenario::Scenario;
use load_model::worker::{Order, Told};

use super::clock::{Reading, Round};
use super::wire::{ALIVE_EVERY, Answered, Asked, PROTOCOL, SILENCE_MAX, TOLD_MAX, WireError, read, write};
use crate::coordinate::{Handle, Workers};

/// Worker machines of a run; each has a connection and two threads here.
const MACHINES_MAX: usize = 256;
/// Threads of one worker machine; a larger number is a mistake.
const THREADS_MAX: u32 = 1024;
/// How long a worker may take to take a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Clock readings of each machine, before the run and behind it: about 10 ms in a local network, and among so many at least one finds
/// both machines with nothing else to do.
const ROUNDS: usize = 64;
/// Orders that wait to be written to a worker; a coordinator gives three in all.
const ORDERS_MAX: usize = 4;
/// What workers told and the coordinator has not heard yet: a minute of 64 groups of 16 workers.
const UNHEARD_MAX: usize = 64 * 16 * 60;

/// Why workers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// There are none, or too many.
    #[error("{0} workers: name 1 to {MACHINES_MAX}, such as --workers 10.0.0.2:7000,10.0.0.3:7000")]
    Number(usize),
    /// One has no address.
    #[error("worker {address:?} has no address ({error}): write host and port, such as --workers 10.0.0.2:7000")]
    Address {
        /// As it was given.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// One cannot be reached.
    #[error("worker {address} cannot be reached ({error}): is `heddle load worker --listen` running there?")]
    Connect {
        /// Host and port, as they were given.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// One does not want to.
    #[error("worker {address}: {why}")]
    Refused {
        /// Host and port, as they were given.
        address: String,
        /// What the worker says, for people.
        why: String,
    },
    /// One does not speak as it should.
    #[error("worker {address}: {error}")]
    Wire {
        /// Host and port, as they were given.
        address: String,
        /// What was wrong.
        error: WireError,
    },
}

/// A machine that was greeted.
struct Greeted {
    address: String,
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    threads: u32,
    machine: Machine,
    clock: Reading,
}

/// A machine that does its share.
#[derive(Debug)]
struct Working {
    address: String,
    machine: Machine,
    before: Reading,
    asked: flume::Sender<Asked>,
    rounds: flume::Receiver<Round>,
}

/// All worker machines of a run.
#[derive(Debug)]
pub struct Remote {
    machines: Vec<Working>,
    now: fn() -> u64,
}

impl Remote {
    /// Connects to workers, and gives each its share, which they begin to connect for. `now` is the monotonic clock here.
    ///
    /// # Errors
    /// When one of them cannot or does not want to.
    pub fn connect(
        addresses: &[String],
        token: &str,
        scenario: &Scenario,
        now: fn() -> u64,
    ) -> Result<(Self, Workers), RemoteError> {
        if addresses.is_empty() || addresses.len() > MACHINES_MAX {
            return Err(RemoteError::Number(addresses.len()));
        }
        let greeted = addresses.iter().map(|address| greet(address, token, now));
        let greeted = greeted.collect::<Result<Vec<_>, _>>()?;
        let workers = greeted.iter().map(|machine| machine.threads).sum();
        let (tell, told) = flume::bounded(UNHEARD_MAX);
        let (mut machines, mut handles) = (Vec::new(), Vec::new());
        for machine in greeted {
            let first = handles.len() as u32;
            let working = machine.start(scenario, first..workers, &tell, now, &mut handles)?;
            machines.push(working);
        }
        Ok((Self { machines, now }, Workers { handles, told }))
    }

    /// Reads all clocks again and lets the workers go. The bound of a clock that could not be read is `u64::MAX`.
    pub fn finish(self) -> Vec<WorkerFacts> {
        let now = self.now;
        let facts = self.machines.into_iter().map(|machine| {
            let rounds: Vec<Round> = (0..ROUNDS).map_while(|_| machine.round(now)).collect();
            let bound = Reading::of(&rounds).map_or(u64::MAX, |after| machine.before.bound_until(after));
            WorkerFacts {
                address: machine.address,
                machine: machine.machine,
                clock_offset_ns: machine.before.offset_ns,
                clock_bound_ns: bound,
            }
        });
        facts.collect()
    }
}

fn greet(address: &str, token: &str, now: fn() -> u64) -> Result<Greeted, RemoteError> {
    let unreachable = |error| RemoteError::Connect { address: address.to_owned(), error };
    let wire = |error| RemoteError::Wire { address: address.to_owned(), error };
    let nowhere = |error| RemoteError::Address { address: address.to_owned(), error };
    let resolved = address.to_socket_addrs().map_err(nowhere)?.next();
    let resolved = resolved.ok_or_else(|| nowhere(std::io::Error::other("the name has no address")))?;
    let mut stream = TcpStream::connect_timeout(&resolved, CONNECT_WITHIN).map_err(unreachable)?;
    let prepared = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(SILENCE_MAX)));
    prepared.and_then(|()| stream.set_write_timeout(Some(SILENCE_MAX))).map_err(unreachable)?;
    let mut reader = BufReader::new(stream.try_clone().map_err(unreachable)?);
    let hello =
        Asked::Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), token: token.to_owned() };
    write(&mut stream, &hello).map_err(wire)?;
    let (threads, machine) = match read(&mut reader, TOLD_MAX).map_err(wire)? {
        Answered::Welcome { threads, machine, .. } => (threads.clamp(1, THREADS_MAX), *machine),
        Answered::Refused { why } => return Err(RemoteError::Refused { address: address.to_owned(), why }),
        Answered::Clock { .. } | Answered::Told(_) | Answered::Alive => return Err(wire(WireError::Closed)),
    };
    let mut rounds = Vec::with_capacity(ROUNDS);
    while rounds.len() < ROUNDS {
        write(&mut stream, &Asked::Clock { asked_ns: now() }).map_err(wire)?;
        if let Answered::Clock { asked_ns, there_ns } = read(&mut reader, TOLD_MAX).map_err(wire)? {
            rounds.push(Round { asked_ns, there_ns, heard_ns: now() });
        }
    }
    let clock = Reading::of(&rounds).expect("there are rounds");
    Ok(Greeted { address: address.to_owned(), stream, reader, threads, machine, clock })
}

impl Greeted {
    /// Gives a machine its share, which begins with number `numbers.start` of all `numbers.end`.
    fn start(
        mut self,
        scenario: &Scenario,
        numbers: std::ops::Range<u32>,
        tell: &flume::Sender<Told>,
        now: fn() -> u64,
        handles: &mut Vec<Handle>,
    ) -> Result<Working, RemoteError> {
        let (first, workers) = (numbers.start, numbers.end);
        let wire = |error: WireError| RemoteError::Wire { address: self.address.clone(), error };
        let password = scenario.connection.password.clone();
        let take = Asked::Take { scenario: Box::new(scenario.clone()), password, first, workers };
        write(&mut self.stream, &take).map_err(wire)?;
        let mut orders = Vec::new();
        for worker in first..first + self.threads {
            let (give, given) = flume::bounded(ORDERS_MAX);
            handles.push(Handle { orders: give, clock_offset_ns: self.clock.offset_ns });
            orders.push((worker, given));
        }
        let (asked, to_ask) = flume::bounded(1);
        let (round, rounds) = flume::bounded(ROUNDS);
        let reading = Reader { address: self.address.clone(), first, tell: tell.clone(), round, now };
        let (mut from, to) = (self.reader, self.stream);
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
            spawned.map(drop).map_err(|error| wire(WireError::Broken(error)))
        };
        spawn("from-worker", Box::new(move || reading.run(&mut from)))?;
        spawn("to-worker", Box::new(move || pass_on(to, orders, &to_ask)))?;
        Ok(Working { address: self.address.clone(), machine: self.machine.clone(), before: self.clock, asked, rounds })
    }
}

impl Working {
    /// One clock reading through the threads of the connection; `None` when the machine does not answer.
    fn round(&self, now: fn() -> u64) -> Option<Round> {
        self.asked.send(Asked::Clock { asked_ns: now() }).ok()?;
        self.rounds.recv_timeout(SILENCE_MAX).ok()
    }
}

/// What hears a machine.
struct Reader {
    address: String,
    first: u32,
    tell: flume::Sender<Told>,
    round: flume::Sender<Round>,
    now: fn() -> u64,
}

impl Reader {
    /// Passes on what the machine tells until the connection ends, and says that it ended. Behind a run nobody listens any more.
    fn run(&self, from: &mut BufReader<TcpStream>) {
        let why = loop {
            match read(from, TOLD_MAX) {
                Ok(Answered::Told(told)) => {
                    if self.tell.send(self.named(*told)).is_err() {
                        return;
                    }
                }
                Ok(Answered::Clock { asked_ns, there_ns }) => {
                    let heard_ns = (self.now)();
                    if self.round.try_send(Round { asked_ns, there_ns, heard_ns }).is_err() {
                        return;
                    }
                }
                Ok(Answered::Alive) => {}
                Ok(Answered::Welcome { .. }) => break "it greets twice".to_owned(),
                Ok(Answered::Refused { why }) => break why,
                Err(error) => break error.to_string(),
            }
        };
        let failed = Told::Failed { worker: self.first, why: format!("{}: {why}", self.address) };
        // Without a listener the run is over already.
        let _ = self.tell.send(failed);
    }

    /// A failure with the name of its machine.
    fn named(&self, told: Told) -> Told {
        match told {
            Told::Failed { worker, why } => Told::Failed { worker, why: format!("{}: {why}", self.address) },
            told => told,
        }
    }
}

/// Writes orders and clock readings until nobody gives them any more, which closes the connection.
fn pass_on(mut to: TcpStream, mut orders: Vec<(u32, flume::Receiver<Order>)>, asked: &flume::Receiver<Asked>) {
    enum Next {
        Order(u32, Order),
        Ended(u32),
        Asked(Asked),
        Finished,
    }
    loop {
        let mut next = flume::Selector::new();
        for (worker, given) in &orders {
            let worker = *worker;
            next = next.recv(given, move |order| order.map_or(Next::Ended(worker), |order| Next::Order(worker, order)));
        }
        next = next.recv(asked, |asked| asked.map_or(Next::Finished, Next::Asked));
        let message = match next.wait_timeout(ALIVE_EVERY) {
            Ok(Next::Order(worker, order)) => Asked::Order { worker, order },
            Ok(Next::Asked(asked)) => asked,
            Ok(Next::Ended(worker)) => {
                orders.retain(|(number, _)| *number != worker);
                continue;
            }
            Ok(Next::Finished) => break,
            Err(_) => Asked::Alive,
        };
        if write(&mut to, &message).is_err() {
            // The thread that reads finds the same, and tells it.
            break;
        }
    }
    // The other thread holds the connection, too; this ends it for both. One that is broken is at its end.
    let _ = to.shutdown(std::net::Shutdown::Both);
}
