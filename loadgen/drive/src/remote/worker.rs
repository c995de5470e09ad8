//! The worker's side: listens, and does what one coordinator at a time asks of it.
//!
//! A session has three parts. First this thread alone reads and writes: greeting, clock readings, the share. Then a second thread writes
//! what the load tells, while this one reads orders. When all threads of the load are done the second one ends, and this one answers
//! clock readings again. So no lock is needed, and no clock reading waits behind another thread.

use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use load_model::scenario::Scenario;
use load_model::worker::{Order, Share, Told};

use super::wire::{ALIVE_EVERY, Answered, Asked, HELLO_MAX, ORDER_MAX, PROTOCOL, SILENCE_MAX, WireError, read, write};
use crate::coordinate::{Handle, Workers};
use crate::error::RunError;
use crate::observe;

/// How long somebody may take to greet; others wait meanwhile.
const HELLO_WITHIN: Duration = Duration::from_secs(2);
/// How long a coordinator may take from the greeting to the share: it greets all its other workers between.
const SHARE_WITHIN: Duration = Duration::from_secs(60);

/// How the threads of a share are started: `start_local`, or another client's.
pub type Start = fn(&Scenario, &[Share], &[usize]) -> Result<Workers, RunError>;

/// A worker process.
#[derive(Clone, Debug)]
pub struct Site {
    /// What a coordinator has to know; empty: nothing.
    pub token: String,
    /// Cores to load from.
    pub cores: Vec<usize>,
    /// How many threads load.
    pub threads: u32,
    /// Its monotonic clock, nanoseconds.
    pub now: fn() -> u64,
    /// How threads are started.
    pub start: Start,
}

impl Site {
    /// Serves coordinators, one at a time, as long as the listener works. `on_event` hears what happens, for people.
    ///
    /// # Errors
    /// When no connection can be taken any more.
    pub fn serve(&self, listener: &TcpListener, on_event: fn(&str)) -> io::Result<()> {
        let is_busy = Arc::new(AtomicBool::new(false));
        loop {
            let (stream, peer) = listener.accept()?;
            match self.greet(&stream, &is_busy) {
                Ok(reader) => {
                    on_event(&format!("coordinator {peer}: begins"));
                    let (site, is_busy) = (self.clone(), Arc::clone(&is_busy));
                    let session = move || {
                        let ended = site.session(stream, reader);
                        is_busy.store(false, Ordering::Release);
                        on_event(&describe_end(peer, &ended));
                    };
                    std::thread::Builder::new().name("session".to_owned()).spawn(session)?;
                }
                Err(why) => on_event(&format!("coordinator {peer}: {why}")),
            }
        }
    }

    /// Hears who it is. Whoever may not go on is told why.
    fn greet(&self, stream: &TcpStream, is_busy: &AtomicBool) -> Result<BufReader<TcpStream>, String> {
        let mut reader = prepare(stream).map_err(|error| error.to_string())?;
        let told = read::<Asked>(&mut reader, HELLO_MAX).map_err(|error| error.to_string())?;
        let refused = match told {
            Asked::Hello { protocol, version, .. } if protocol != PROTOCOL => Some(format!(
                "the coordinator (version {version}) speaks protocol {protocol}, this worker (version {}) {PROTOCOL}: run the \
                 same version on all machines",
                env!("CARGO_PKG_VERSION")
            )),
            Asked::Hello { token, .. } if !is_same(&token, &self.token) => {
                Some("the token is wrong: give the worker's with --token".to_owned())
            }
            Asked::Hello { .. } if is_busy.swap(true, Ordering::Acquire) => {
                Some("it works for another coordinator: wait until that run is over".to_owned())
            }
            Asked::Hello { .. } => None,
            _ => Some("the first message is no greeting".to_owned()),
        };
        match refused {
            None => Ok(reader),
            Some(why) => {
                // It is told as a courtesy; whether it listens does not matter.
                let _ = write(&mut &*stream, &Answered::Refused { why: why.clone() });
                Err(format!("refused: {why}"))
            }
        }
    }

    fn session(&self, mut stream: TcpStream, mut reader: BufReader<TcpStream>) -> Result<(), WireError> {
        stream.set_read_timeout(Some(SHARE_WITHIN))?;
        let machine = Box::new(observe::machine());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        write(&mut stream, &Answered::Welcome { version, threads: self.threads, machine })?;
        loop {
            match read(&mut reader, ORDER_MAX)? {
                Asked::Clock { asked_ns } => self.answer_clock(&mut stream, asked_ns)?,
                Asked::Alive => {}
                Asked::Take { mut scenario, password, first, workers } => {
                    scenario.connection.password = password;
                    return self.load(&scenario, first, workers, stream, reader);
                }
                Asked::Hello { .. } | Asked::Order { .. } => return Err(out_of_turn()),
            }
        }
    }

    fn answer_clock(&self, stream: &mut TcpStream, asked_ns: u64) -> Result<(), WireError> {
        write(stream, &Answered::Clock { asked_ns, there_ns: (self.now)() })
    }

    /// Does a share, and answers clock readings when it is done.
    fn load(
        &self,
        scenario: &Scenario,
        first: u32,
        workers: u32,
        mut stream: TcpStream,
        mut reader: BufReader<TcpStream>,
    ) -> Result<(), WireError> {
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let shares: Vec<Share> = (first..first + self.threads).map(|worker| Share { worker, workers }).collect();
        let Workers { handles, told } = match (self.start)(scenario, &shares, &self.cores) {
            Ok(workers) => workers,
            Err(error) => {
                write(&mut stream, &Answered::Told(Box::new(Told::Failed { worker: first, why: error.to_string() })))?;
                return Ok(());
            }
        };
        let (to, threads) = (stream.try_clone()?, handles.len());
        let telling = std::thread::Builder::new().name("telling".to_owned()).spawn(move || tell(to, &told, threads))?;
        let mut telling = Some(telling);
        loop {
            match read(&mut reader, ORDER_MAX) {
                Ok(Asked::Order { worker, order }) => give(&handles, first, worker, order),
                Ok(Asked::Clock { asked_ns }) => {
                    // It is asked when all are done: the other thread has nothing more to write.
                    join(telling.take())?;
                    self.answer_clock(&mut stream, asked_ns)?;
                }
                Ok(Asked::Alive) => {
                    // While others are not done yet, this one has to be heard of.
                    if telling.as_ref().is_none_or(JoinHandle::is_finished) {
                        join(telling.take())?;
                        write(&mut stream, &Answered::Alive)?;
                    }
                }
                Ok(Asked::Hello { .. } | Asked::Take { .. }) => return Err(out_of_turn()),
                Err(error) => {
                    // Whoever wanted the load is gone, in the middle of it or because all is told.
                    (first..).zip(&handles).for_each(|(worker, _)| give(&handles, first, worker, Order::Abort));
                    drop(handles);
                    let was_done = telling.is_none();
                    // Its error says no more than this one does.
                    let _ = join(telling);
                    return if was_done && matches!(error, WireError::Closed) { Ok(()) } else { Err(error) };
                }
            }
        }
    }
}

/// A connection as both sides want it: lines leave at once, and nobody waits forever.
fn prepare(stream: &TcpStream) -> io::Result<BufReader<TcpStream>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HELLO_WITHIN))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    Ok(BufReader::new(stream.try_clone()?))
}

/// Compares all octets, so that the time it takes says nothing about where two differ.
fn is_same(given: &str, wanted: &str) -> bool {
    given.len() == wanted.len() && given.bytes().zip(wanted.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn out_of_turn() -> WireError {
    WireError::NotUnderstood(serde::de::Error::custom("a message out of its turn"))
}

/// An order for a thread that has ended has nothing to do.
fn give(handles: &[Handle], first: u32, worker: u32, order: Order) {
    let handle = worker.checked_sub(first).and_then(|index| handles.get(index as usize));
    if let Some(handle) = handle {
        // A thread that has ended, or has not looked at four orders, has told why or will.
        let _ = handle.orders.try_send(order);
    }
}

fn join(telling: Option<JoinHandle<Result<(), WireError>>>) -> Result<(), WireError> {
    telling.map_or(Ok(()), |thread| thread.join().unwrap_or(Err(WireError::Closed)))
}

/// Writes what `threads` threads tell, until all are done.
fn tell(mut to: TcpStream, told: &flume::Receiver<Told>, threads: usize) -> Result<(), WireError> {
    let mut done = 0;
    while done < threads {
        match told.recv_timeout(ALIVE_EVERY) {
            Ok(told) => {
                done += usize::from(matches!(told, Told::Done { .. } | Told::Failed { .. }));
                write(&mut to, &Answered::Told(Box::new(told)))?;
            }
            Err(flume::RecvTimeoutError::Timeout) => write(&mut to, &Answered::Alive)?,
            Err(flume::RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
    Ok(())
}

fn describe_end(peer: SocketAddr, ended: &Result<(), WireError>) -> String {
    match ended {
        Ok(()) => format!("coordinator {peer}: done"),
        Err(error) => format!("coordinator {peer}: the load ended early, as {error}"),
    }
}
