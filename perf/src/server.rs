//! Processes under test: started, waited for, ended.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that is ended when it is dropped.
pub struct Server {
    /// The process.
    pub child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server whose process is stopped while another one has its core.
pub struct Stopped(Server);

impl Stopped {
    /// Stops it.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn stop(server: Server) -> io::Result<Self> {
        signal(&server, "-STOP")?;
        Ok(Self(server))
    }

    /// Lets it go on for as long as `run` takes.
    ///
    /// # Errors
    /// When `run` fails, or there is no such process.
    pub fn awake<T>(&self, run: impl FnOnce(&Server) -> io::Result<T>) -> io::Result<T> {
        signal(&self.0, "-CONT")?;
        let done = run(&self.0);
        signal(&self.0, "-STOP")?;
        done
    }
}

fn signal(server: &Server, signal: &str) -> io::Result<()> {
    let status = Command::new("kill").arg(signal).arg(server.child.id().to_string()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill {signal}: {status}"))) }
}

/// Starts a process and waits until it says where it listens.
///
/// # Errors
/// When it does not.
pub fn start(mut command: Command, ready: &Path, parse: fn(&str) -> Option<SocketAddr>) -> io::Result<Server> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    start_as_told(command, ready, Duration::from_secs(20), parse)
}

/// The same for a process whose output goes where the command says, and that may take longer.
fn start_as_told(
    mut command: Command,
    ready: &Path,
    patience: Duration,
    parse: fn(&str) -> Option<SocketAddr>,
) -> io::Result<Server> {
    // A file of an earlier run would be believed.
    let _ = std::fs::remove_file(ready);
    let mut child = command.spawn()?;
    let until = Instant::now() + patience;
    loop {
        if let Some(address) = std::fs::read_to_string(ready).ok().and_then(|text| parse(&text)) {
            return Ok(Server { child, address });
        }
        if child.try_wait()?.is_some() || Instant::now() > until {
            // One that was not ready in time would go on by itself.
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(format!("{command:?} did not start")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program: the given one, or one that was built beside this.
///
/// # Errors
/// When it is not known where this one is.
pub fn beside(given: Option<&PathBuf>, name: &str) -> io::Result<PathBuf> {
    given.map_or_else(|| Ok(std::env::current_exe()?.with_file_name(name)), |given| Ok(given.clone()))
}

/// A folder of this process.
///
/// # Errors
/// When it cannot be made.
pub fn folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("heddle-perf-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Starts a broker whose files are in `folder`; `node` are lines of that part of its configuration.
///
/// # Errors
/// When it does not start.
pub fn start_heddle(program: &Path, folder: &Path, node: &str) -> io::Result<Server> {
    start_heddle_with(program, folder, node, "")
}

/// The same; `tables` are further ones of its configuration.
///
/// # Errors
/// When it does not start.
pub fn start_heddle_with(program: &Path, folder: &Path, node: &str, tables: &str) -> io::Result<Server> {
    let (command, ready) = heddle(program, folder, node, &format!("level = \"warn\"\n{tables}"))?;
    start(command, &ready, listener)
}

/// The same, with everything that it tells as lines of JSON in a file, and with time to read a long journal.
///
/// # Errors
/// When it does not start.
pub fn start_heddle_telling(program: &Path, folder: &Path, node: &str, log: &Path) -> io::Result<Server> {
    let (mut command, ready) = heddle(program, folder, node, "level = \"info\"\nformat = \"json\"")?;
    command.stdout(Stdio::null()).stderr(File::create(log)?);
    start_as_told(command, &ready, Duration::from_secs(600), listener)
}

/// The command that starts a broker, and the file that it then writes.
fn heddle(program: &Path, folder: &Path, node: &str, log: &str) -> io::Result<(Command, PathBuf)> {
    let (config, ready) = (folder.join("heddle.toml"), folder.join("broker.json"));
    let text = format!(
        "[node]\n{node}\ndata_dir = \"{}\"\n[http]\naddress = \"127.0.0.1:0\"\n[log]\n{log}\n\
         [[listeners]]\naddress = \"127.0.0.1:0\"\nmax_frame_size = 262144\n",
        folder.join("data").display()
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(&config).arg("--ready-file").arg(&ready);
    Ok((command, ready))
}

/// Where a broker listens for clients, of its ready file: the last listener, behind those of further tables.
fn listener(text: &str) -> Option<SocketAddr> {
    let ready: serde_json::Value = serde_json::from_str(text).ok()?;
    ready["listeners"].as_array()?.last()?["address"].as_str()?.parse().ok()
}

/// Where the server of this folder listens first, which is not for clients if further tables have a listener.
///
/// # Errors
/// When there is none.
pub fn first_listener(folder: &Path) -> io::Result<SocketAddr> {
    let ready: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(folder.join("broker.json"))?)?;
    let address = ready["listeners"][0]["address"].as_str().and_then(|address| address.parse().ok());
    address.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Processor time of a process, seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Processor time of all threads of a process that live, nanoseconds.
pub fn cpu_ns(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    times.sum()
}

/// Where the broker of this folder answers over HTTP.
///
/// # Errors
/// When there is none.
pub fn http_address(folder: &Path) -> io::Result<String> {
    let ready: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(folder.join("broker.json"))?)?;
    Ok(ready["http"].as_str().unwrap_or_default().to_owned())
}

/// What the journal of the only shard did so far.
///
/// # Errors
/// When the broker of this folder does not answer.
pub fn journal(folder: &Path) -> io::Result<serde_json::Value> {
    let mut stream = TcpStream::connect(http_address(folder)?)?;
    stream.write_all(b"GET /state HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let state: serde_json::Value = serde_json::from_str(body)?;
    Ok(state["shards"][0]["journal"].clone())
}
