//! A broker of a test.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than anything here takes, on a machine that does other things as well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The program.
pub fn heddle() -> Command {
    Command::new(env!("CARGO_BIN_EXE_heddle"))
}

/// Runs a command of the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    heddle().args(arguments).stdin(Stdio::null()).output().expect("the program runs")
}

/// What a command said, both ways.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A running broker; it is killed when the test is done with it.
pub struct Broker {
    pub process: Child,
    pub folder: TempDir,
    /// Where clients come in: at its own listeners, or at those of a router in front of it.
    pub addresses: Vec<SocketAddr>,
    pub http: SocketAddr,
    /// The router in front of it, if clients go through one (`FRONT`).
    front: Option<Box<Broker>>,
}

/// Names the number of shards of a router that is put in front of each broker with plain listeners: links of clients go through it whole, so that
/// whatever a test of a broker says holds for a broker behind a router.
const FRONT: &str = "HEDDLE_TEST_FRONT";
/// If it is set, each broker is a router, too, whose addresses are stored unless something else is said: whatever a test of a broker says holds
/// for those. With a router in front as well, that one is of the same network, and links of clients go on from it to the queues.
const STORED: &str = "HEDDLE_TEST_STORED";
/// What such a broker says of itself.
const ROUTER: &str = "[router]\nenabled = true\ndistribution = \"stored\"\nhello_ms = 100\nhello_age_ms = 300\nadvertise_flux_ms = 400\n";
/// What it says of other routers: its last listener is for them.
const NETWORK: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\nrole = \"inter-router\"\n[[link_routes]]\npattern = \"#\"\nstored = true\n";

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Broker {
    /// Starts a broker with `listeners`, a part of a configuration file; it follows the table `http`.
    pub fn start(listeners: &str) -> Self {
        Self::start_in(TempDir::new().expect("a folder"), listeners)
    }

    /// Starts a broker whose files are in `folder`.
    pub fn start_in(folder: TempDir, listeners: &str) -> Self {
        Self::start_with(folder, 2, listeners)
    }

    /// The same with a number of shards.
    pub fn start_with(folder: TempDir, shards: u16, listeners: &str) -> Self {
        Self::start_telling(folder, shards, "warn", listeners)
    }

    /// The same with a log of this level.
    pub fn start_telling(folder: TempDir, shards: u16, level: &str, listeners: &str) -> Self {
        let broker = started_in(folder, |folder| Self::start_saying(folder, (shards, level), listeners, |_| {}));
        match std::env::var(FRONT).ok().and_then(|shards| shards.parse().ok()).filter(|_| is_plain(listeners)) {
            Some(shards) => broker.behind_a_router(shards),
            None => broker,
        }
    }

    /// The same broker, whose clients go through a router whole.
    pub fn behind_a_router(mut self, shards: u16) -> Self {
        let is_of_network = std::env::var_os(STORED).is_some();
        let at = if is_of_network { self.addresses.pop().expect("that for routers") } else { self.addresses[0] };
        let listeners = "[[listeners]]\naddress = \"127.0.0.1:0\"\n".repeat(self.addresses.len());
        let (role, routes) = match is_of_network {
            true => ("inter-router", "hello_ms = 100\nhello_age_ms = 300\nadvertise_flux_ms = 400\n"),
            false => ("route-container", "[[link_routes]]\npattern = \"#\"\nconnection = \"broker\"\n"),
        };
        let config = format!(
            "{listeners}[router]\nenabled = true\n{routes}[[connectors]]\nname = \"broker\"\nrole = \
             {role:?}\nendpoints = [\"{at}\"]\nretry_min_ms = 100\nretry_max_ms = 200\n"
        );
        let folder = TempDir::new().expect("a folder");
        let router = Self::start_named(folder, (shards, "front"), &config);
        wait_for("the way to the broker", || {
            crate::peer::opened(&router).try_attach_coordinator().is_none().then_some(())
        });
        self.addresses.clone_from(&router.addresses);
        self.front = Some(Box::new(router));
        self
    }

    /// The same with more said of how the program is started.
    pub fn start_command(folder: TempDir, shards: u16, listeners: &str, say: impl FnOnce(&mut Command)) -> Self {
        started(Self::start_saying(folder, (shards, "warn"), listeners, say))
    }

    /// The same for one that may refuse to start: gives its folder back then, and what it said.
    pub fn try_start(folder: TempDir, shards: u16, listeners: &str) -> Result<Self, (TempDir, String)> {
        Self::start_saying(folder, (shards, "warn"), listeners, |_| {})
    }

    /// Starts a router by a file of qdrouterd's; its other files are in `folder`.
    pub fn start_router(folder: TempDir, file: &Path) -> Self {
        Self::start_router_with(folder, file, |_| {})
    }

    /// The same with more said of how the program is started.
    pub fn start_router_with(folder: TempDir, file: &Path, say: impl FnOnce(&mut Command)) -> Self {
        let mut command = heddle();
        command.args(["run", "--http", "127.0.0.1:0", "--router"]).arg(file);
        say(&mut command);
        started(Self::start_with_command(folder, command))
    }

    /// Starts a router of a name, as its configuration says beside that; it tells what is informative.
    pub fn start_named(folder: TempDir, (shards, name): (u16, &str), text: &str) -> Self {
        let text = format!(
            "[node]\nshards = {shards}\ncontainer_id = {name:?}\n[http]\naddress = \"127.0.0.1:0\"\n[storage]\nenabled = false\n{text}\n"
        );
        started_in(folder, |folder| {
            let config = folder.path().join("heddle.toml");
            std::fs::write(&config, &text).expect("a configuration");
            let mut command = heddle();
            command.args(["run", "--config"]).arg(&config);
            Self::start_with_command(folder, command)
        })
    }

    fn start_saying(
        folder: TempDir,
        (shards, level): (u16, &str),
        listeners: &str,
        say: impl FnOnce(&mut Command),
    ) -> Result<Self, (TempDir, String)> {
        let config = folder.path().join("heddle.toml");
        let data = folder.path().join("data");
        let is_set = |name| std::env::var_os(name).is_some();
        let router = if is_set(STORED) && !listeners.contains("[router]") { ROUTER } else { "" };
        let network = if !router.is_empty() && is_set(FRONT) && is_plain(listeners) { NETWORK } else { "" };
        let text = format!(
            "[node]\nshards = {shards}\ndata_dir = {data:?}\n[log]\nlevel = \"{level}\"\n[http]\naddress = \"127.0.0.1:0\"\n{listeners}\n{network}{router}"
        );
        std::fs::write(&config, text).expect("a configuration");
        let mut command = heddle();
        command.args(["run", "--config"]).arg(&config);
        say(&mut command);
        Self::start_with_command(folder, command)
    }

    /// Runs a command that serves, with its ready file and its log in a folder.
    fn start_with_command(folder: TempDir, mut command: Command) -> Result<Self, (TempDir, String)> {
        let ready = folder.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        command.arg("--ready-file").arg(&ready).stderr(log);
        let mut process = command.spawn().expect("the program starts");
        let started = wait_for("the ready file", || {
            if process.try_wait().expect("its state").is_some() {
                return Some(Err(std::fs::read_to_string(folder.path().join("log")).unwrap_or_default()));
            }
            Some(Ok(serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(&ready).ok()?).ok()?))
        });
        let value = match started {
            Ok(value) => value,
            Err(said) => return Err((folder, said)),
        };
        let address =
            |value: &serde_json::Value| value.as_str().and_then(|text| text.parse().ok()).expect("an address");
        let listeners = value["listeners"].as_array().expect("listeners");
        let addresses = listeners.iter().map(|listener| address(&listener["address"])).collect();
        Ok(Self { process, folder, addresses, http: address(&value["http"]), front: None })
    }

    /// Asks the HTTP listener; gives status line and body.
    pub fn http(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.http).expect("the HTTP listener");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(stream, "{request} HTTP/1.0\r\nHost: {}\r\n\r\n", self.http).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    /// The state, as JSON.
    pub fn state(&self) -> serde_json::Value {
        serde_json::from_str(&self.http("GET /state").1).expect("JSON")
    }

    /// A queue of the state.
    pub fn queue(&self, name: &str) -> Option<serde_json::Value> {
        let state = self.state();
        state["queues"].as_array()?.iter().find(|queue| queue["name"] == name).cloned()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).expect("the log")).into_owned()
    }

    /// Waits for a line of the log that has all these words, and gives it.
    pub fn logged(&self, words: &[&str]) -> String {
        wait_for(&format!("a line with {words:?}"), || {
            let log = self.log();
            log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
    }

    /// Ends it by a kill; gives its folder.
    pub fn kill(mut self) -> TempDir {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
        std::mem::replace(&mut self.folder, TempDir::new().expect("a folder"))
    }

    /// Has it end in order; gives its folder.
    pub fn stop(mut self) -> TempDir {
        self.signal(libc::SIGTERM);
        wait_for("its end", || self.process.try_wait().expect("its state"));
        std::mem::replace(&mut self.folder, TempDir::new().expect("a folder"))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.process.id()).expect("a process id");
        // SAFETY: kill takes no pointers; the process is our child and has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }
}

/// Starts a broker, again while somebody else has its port: one that was killed comes back to a port that any other test may be given meanwhile.
fn started_in(mut folder: TempDir, start: impl Fn(TempDir) -> Result<Broker, (TempDir, String)>) -> Broker {
    let until = Instant::now() + PATIENCE;
    loop {
        folder = match start(folder) {
            Err((folder, said)) if said.contains("Address already in use") && Instant::now() < until => folder,
            ended => return started(ended),
        };
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn started(broker: Result<Broker, (TempDir, String)>) -> Broker {
    broker.unwrap_or_else(|(_, said)| panic!("it ended: {said}"))
}

/// Waits until there is something, and fails when it takes too long.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether clients reach a broker as it is.
fn is_plain(listeners: &str) -> bool {
    ["[router]", "transport", "sasl", "[users]", "[[connectors]]"].iter().all(|no| !listeners.contains(no))
}

/// Makes a users file with one user.
pub fn add_user(file: &Path, name: &str, password: &str) {
    let mut command = heddle();
    command.args(["user", "add", name, "--file"]).arg(file).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut process = command.spawn().expect("the program starts");
    process.stdin.take().expect("its input").write_all(password.as_bytes()).expect("the password");
    assert!(process.wait().expect("its end").success());
}
