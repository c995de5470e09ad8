//! Whom the suite measures: Heddle, and the peers that `perf/peers/*.sh` made, each in a folder of its own.
//!
//! A peer is what its `peer.toml` says, so that another one needs no code: how it is run, where it listens, what has to be emptied
//! before a fresh start, and which of its addresses keep messages. Every subject starts on the core that is asked for, with
//! nothing left of the run before.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use load_model::scenario::Scenario;
use serde::Deserialize;

use crate::server::{Server, http_address, start_heddle};

/// How long a peer may take until it listens: a JVM on one core takes 4 s.
const PATIENCE: Duration = Duration::from_secs(60);
/// The name that means the broker of this repository.
pub const HEDDLE: &str = "heddle";

/// What a script of `perf/peers` wrote.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    version: String,
    configuration: String,
    run: Vec<String>,
    address: SocketAddr,
    /// Emptied before each start; within the folder.
    data: Vec<PathBuf>,
    volatile: String,
    /// Absent: it keeps nothing.
    durable: Option<String>,
    /// How long it has to be loaded before it is as fast as it gets.
    warm_up_seconds: f64,
}

/// How it is started.
enum Way {
    Heddle { program: PathBuf },
    Peer { run: Vec<String>, address: SocketAddr },
}

/// A broker or router to be measured.
pub struct Subject {
    /// Its name in tables.
    pub name: String,
    /// What it says of itself, or its `peer.toml` of it.
    pub version: String,
    /// What is special about its configuration, for people.
    pub configuration: String,
    /// How long it has to be loaded before it is as fast as it gets, seconds.
    pub warm_up_seconds: f64,
    way: Way,
    folder: PathBuf,
    data: Vec<PathBuf>,
    volatile: String,
    durable: Option<String>,
}

/// A subject that runs; it ends, with all processes that it started, when this is dropped.
pub struct Running {
    server: Server,
    /// Whether it leads a group of processes.
    group: Option<u32>,
    /// Where it tells what its journal does, if it does.
    pub state: Option<String>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Nothing of it may be there any more; the leader is waited for by `Server`.
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
        }
    }
}

impl Subject {
    /// Heddle, of a program.
    ///
    /// # Errors
    /// When the program does not run.
    pub fn heddle(program: &Path, folder: &Path) -> io::Result<Self> {
        let version = Command::new(program).arg("--version").output();
        let version = version.map_err(|error| io::Error::other(format!("{}: {error}", program.display())))?;
        Ok(Self {
            name: HEDDLE.to_owned(),
            version: String::from_utf8_lossy(&version.stdout).trim().trim_start_matches("heddle ").to_owned(),
            configuration: "one shard, defaults but for max_frame_size = 262144".to_owned(),
            warm_up_seconds: 0.0,
            way: Way::Heddle { program: program.to_owned() },
            folder: folder.join(HEDDLE),
            data: vec![folder.join(HEDDLE).join("data")],
            volatile: "perf.{}".to_owned(),
            durable: Some("perf.{}".to_owned()),
        })
    }

    /// A peer, of the folder in which its script wrote `peer.toml`.
    ///
    /// # Errors
    /// When there is none, or it says something else than is expected.
    pub fn peer(name: &str, folder: &Path) -> io::Result<Self> {
        let folder = folder.join(name);
        let path = folder.join("peer.toml");
        let of_file = |why: String| io::Error::other(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(&path)
            .map_err(|error| of_file(format!("{error}; perf/peers/{name}.sh {} makes it", folder.display())))?;
        let peer: Described = toml::from_str(&text).map_err(|error| of_file(error.to_string()))?;
        if peer.name != name || peer.run.is_empty() {
            return Err(of_file(format!("it is named {:?}, and `run` has {} words", peer.name, peer.run.len())));
        }
        let within = |path: &PathBuf| path.components().all(|part| matches!(part, Component::Normal(_)));
        if let Some(outside) = peer.data.iter().find(|path| !within(path)) {
            return Err(of_file(format!("data: {} is not within the folder", outside.display())));
        }
        Ok(Self {
            name: peer.name,
            version: peer.version,
            configuration: peer.configuration,
            warm_up_seconds: peer.warm_up_seconds,
            way: Way::Peer { run: peer.run, address: peer.address },
            data: peer.data.iter().map(|path| folder.join(path)).collect(),
            folder,
            volatile: peer.volatile,
            durable: peer.durable,
        })
    }

    /// The address that a scenario is run at; `None` where it wants messages kept and this subject keeps none.
    pub fn address(&self, scenario: &Scenario) -> Option<&str> {
        if is_durable(scenario) { self.durable.as_deref() } else { Some(&self.volatile) }
    }

    /// Starts it on a core, with nothing left of before.
    ///
    /// # Errors
    /// When it does not listen in time, or something else does already.
    pub fn start(&self, core: usize) -> io::Result<Running> {
        fs::create_dir_all(&self.folder)?;
        for data in self.data.iter().filter(|data| data.exists()) {
            fs::remove_dir_all(data)?;
        }
        match &self.way {
            Way::Heddle { program } => {
                let node = format!("cores = \"{core}\"\nshards = 1");
                let server = start_heddle(program, &self.folder, &node)?;
                let state = Some(format!("http://{}/state", http_address(&self.folder)?));
                Ok(Running { server, group: None, state })
            }
            Way::Peer { run, address } => self.start_peer(run, *address, core),
        }
    }

    fn start_peer(&self, run: &[String], address: SocketAddr, core: usize) -> io::Result<Running> {
        use std::os::unix::process::CommandExt as _;
        if TcpStream::connect(address).is_ok() {
            return Err(io::Error::other(format!("something else listens at {address}, where {} is to", self.name)));
        }
        let log = fs::File::create(self.folder.join("run.log"))?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(core.to_string()).args(run).stdin(Stdio::null());
        // A script has children, which would outlive it: they are ended as a group.
        let child = command.stdout(log.try_clone()?).stderr(log).process_group(0).spawn()?;
        let group = Some(child.id());
        let mut running = Running { server: Server { child, address }, group, state: None };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until || running.server.child.try_wait()?.is_some() {
                let log = self.folder.join("run.log");
                return Err(io::Error::other(format!("{} does not listen: see {}", self.name, log.display())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }
}

/// Whether a scenario's messages are to be kept.
pub fn is_durable(scenario: &Scenario) -> bool {
    scenario.groups.iter().any(|group| group.durable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: &str = "name = \"router\"\nversion = \"1\"\nconfiguration = \"\"\nrun = [\"sleep\", \"60\"]\n\
                          address = \"127.0.0.1:1\"\nvolatile = \"perf.{}\"\nwarm_up_seconds = 1\n";

    fn described(name: &str, text: &str) -> io::Result<Subject> {
        let folder = std::env::temp_dir().join(format!("heddle-perf-subject-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("router")).expect("a folder");
        fs::write(folder.join("router/peer.toml"), text).expect("a file");
        let subject = Subject::peer("router", &folder);
        fs::remove_dir_all(folder).expect("it is ours");
        subject
    }

    #[test]
    fn what_a_script_wrote_is_read_and_what_it_does_not_keep_is_not_asked_for() {
        let subject = described("right", &format!("{ROUTER}data = [\"data\"]\n")).expect("a peer");
        let volatile = Scenario::parse("").expect("a scenario");
        let durable = Scenario::parse("[[group]]\ndurable = true").expect("a scenario");
        assert_eq!(subject.address(&volatile), Some("perf.{}"));
        assert_eq!(subject.address(&durable), None);
    }

    #[test]
    fn nothing_outside_of_its_folder_is_emptied() {
        for data in ["../other", "/etc", "a/../../b"] {
            let told =
                described("outside", &format!("{ROUTER}data = [\"{data}\"]\n")).err().expect("refused").to_string();
            assert!(told.contains("not within the folder"), "{told}");
        }
    }
}
