//! The server that is killed: a process of a command, and what it says.
//!
//! Guarantees: the process is gone when its `Server` is, when the thread that started it ends, and when the program ends, however that comes
//! about; a server that ends by itself is an error, with its last words.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::load::{LoadError, address_of};

/// How long a server may take to answer: one that reads a large journal, or is written in Java, takes some tens of seconds.
const START_MAX: Duration = Duration::from_secs(120);
/// How long after a kill nobody may listen any more: what the process started ends with it.
const GONE_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether a server answers: what an outage is measured to.
const LOOK: Duration = Duration::from_millis(5);
/// How long one look may take: a server that listens and is not ready may answer an earlier connection later, or not at all.
const LOOK_MAX: Duration = Duration::from_millis(500);
/// What a client says first: that it wants SASL, version 1.0.0 [5.3.1]. Any server answers with the header that it wants.
const HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
/// What is shown of a server's output, from its end.
const WORDS_BYTES: u64 = 4096;
const WORDS_LINES: usize = 12;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It cannot be started.
    #[error("cannot start {program:?}: {reason}")]
    Start {
        /// The first word of its command.
        program: String,
        /// What the system says.
        reason: io::Error,
    },
    /// Its output cannot be kept, or it cannot be killed.
    #[error("{what}: {reason}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        reason: io::Error,
    },
    /// Somebody else listens where it is to.
    #[error("something listens at {0} already: end it, or load another address")]
    Taken(SocketAddr),
    /// It ended without being killed.
    #[error("the server ended by itself ({status}); it has to stay in the foreground. Its last words:\n{words}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        words: String,
    },
    /// It does not answer.
    #[error("after {seconds} s the server does not answer at {address}. Its last words:\n{words}")]
    Silent {
        /// Where it should.
        address: SocketAddr,
        /// How long it had.
        seconds: u64,
        /// The end of its output.
        words: String,
    },
    /// It was killed and something still listens.
    #[error(
        "the server was killed and {0} is still listened at: a process that it started outlived it. Let the command `exec` the server"
    )]
    Outlived(SocketAddr),
}

/// The command of a server, and the process that it is while it lives.
#[derive(Debug)]
pub struct Server {
    words: Vec<String>,
    address: SocketAddr,
    is_tls: bool,
    output: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// One that a command starts, which will listen at the address of a URL and whose output is added to a file.
    ///
    /// # Errors
    /// When the URL has no address.
    pub fn new(words: Vec<String>, url: &str, output: PathBuf) -> Result<Self, LoadError> {
        Ok(Self { words, address: address_of(url)?, is_tls: url.starts_with("amqps:"), output, child: None })
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn start(&mut self) -> Result<(), ServerError> {
        if is_listening(self.address) {
            return Err(ServerError::Taken(self.address));
        }
        let file = OpenOptions::new().create(true).append(true).open(&self.output);
        let files = file.and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = files.map_err(|reason| self.failed("cannot keep the server's output", reason))?;
        let (program, arguments) = self.words.split_first().expect("a command has a word");
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(out).stderr(err);
        let child = engine_rt::bind_to_thread(&mut command).spawn();
        self.child = Some(child.map_err(|reason| ServerError::Start { program: program.clone(), reason })?);
        let until = Instant::now() + START_MAX;
        while !self.is_answering() {
            self.check()?;
            if Instant::now() > until {
                let (address, seconds) = (self.address, START_MAX.as_secs());
                return Err(ServerError::Silent { address, seconds, words: self.last_words() });
            }
            std::thread::sleep(LOOK);
        }
        // Whoever answers may be another one that was faster, on whose account ours ends.
        self.check()
    }

    /// Whether it answers as a server of AMQP does. With TLS it has to listen, no more: what it says needs keys.
    fn is_answering(&self) -> bool {
        let ask = || -> io::Result<bool> {
            let mut stream = connect(self.address)?;
            if self.is_tls {
                return Ok(true);
            }
            stream.set_read_timeout(Some(LOOK_MAX))?;
            stream.write_all(&HEADER)?;
            let mut answer = [0; 4];
            stream.read_exact(&mut answer)?;
            Ok(answer == HEADER[..4])
        };
        ask().unwrap_or(false)
    }

    /// Whether it is still there.
    ///
    /// # Errors
    /// When it ended.
    fn check(&mut self) -> Result<(), ServerError> {
        let state = self.child.as_mut().map_or(Ok(None), Child::try_wait);
        match state.map_err(|reason| self.failed("cannot look after the server", reason))? {
            Some(status) => Err(ServerError::Ended { status, words: self.last_words() }),
            None => Ok(()),
        }
    }

    /// Kills it, with all that it started in its process group, and waits until nobody listens.
    ///
    /// # Errors
    /// When it had ended before, or something of it lives on.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        self.check()?;
        self.end().map_err(|reason| self.failed("cannot kill the server", reason))?;
        let until = Instant::now() + GONE_MAX;
        while is_listening(self.address) {
            if Instant::now() > until {
                return Err(ServerError::Outlived(self.address));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let killed = group.map_or(Ok(()), |group| kill_process_group(group, Signal::KILL));
        child.kill()?;
        child.wait()?;
        match killed {
            // The last of the group had ended by itself.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The end of its output.
    fn last_words(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.output)?;
            let start = file.metadata()?.len().saturating_sub(WORDS_BYTES);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_else(|error| format!("(its output cannot be read: {error})"));
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(WORDS_LINES);
        let shown = lines.get(first..).unwrap_or_default();
        shown.iter().map(|line| format!("  {}", line.replace(char::is_control, " "))).collect::<Vec<_>>().join("\n")
    }

    fn failed(&self, what: &str, reason: io::Error) -> ServerError {
        ServerError::System { what: format!("{what} ({})", self.output.display()), reason }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What the system refuses here it does by itself when this thread ends.
        let _ = self.end();
    }
}

/// Whether somebody listens at an address.
fn is_listening(address: SocketAddr) -> bool {
    connect(address).is_ok()
}

/// Connects to somebody. A socket of a port that nobody listens at may connect to itself: that is nobody.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LOOK_MAX)?;
    if stream.local_addr()? == address { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(stream) }
}
