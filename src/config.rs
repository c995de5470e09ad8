//! The configuration file: every key, its default, and what must not be combined.
//!
//! A file is taken whole or not at all: unknown keys and wrong types are errors with their line, and so are
//! combinations that cannot work, all of them at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The node itself.
    pub node: Node,
    /// Where to listen; without any: AMQP on port 5672 of every interface.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// Addresses and queues.
    pub address: Address,
    /// Who may authenticate.
    pub users: Users,
    /// The read-only HTTP listener.
    pub http: Http,
    /// Bounds.
    pub limits: Limits,
    /// What is kept on disk.
    pub storage: Storage,
    /// Logging.
    pub log: Log,
}

/// The node itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    /// Its name to peers; by default the host's.
    pub container_id: String,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// The cores that it uses: `all`, or a list such as `0,2-3`.
    pub cores: String,
    /// How many shards; by default one for each core. More than cores share them, which is for tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u16>,
    /// How long a shard looks for work before it sleeps, microseconds.
    pub spin_us: u64,
    /// Whether a connection moves to the shard that owns what its first link is attached to.
    pub move_connections: bool,
}

impl Default for Node {
    fn default() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        Self {
            container_id: if host.is_empty() { "heddle".to_owned() } else { host.to_owned() },
            data_dir: "./heddle-data".into(),
            cores: "all".to_owned(),
            shards: None,
            spin_us: 0,
            move_connections: true,
        }
    }
}

/// What lies under AMQP.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP; with a certificate also TLS by protocol header.
    #[default]
    Tcp,
    /// TLS from the first byte.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket inside TLS.
    Wss,
}

/// Whether peers authenticate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Sasl {
    /// They must.
    Required,
    /// They may.
    #[default]
    Optional,
    /// They cannot.
    None,
}

/// A way to authenticate.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mechanism {
    /// As nobody.
    Anonymous,
    /// By name and password of the users file.
    Plain,
}

/// One address to listen on.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// What lies under AMQP.
    pub transport: Transport,
    /// File with the certificate chain, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// File with the private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Whether peers authenticate.
    pub sasl: Sasl,
    /// How they may.
    pub mechanisms: Vec<Mechanism>,
    /// Largest frame taken, bytes.
    pub max_frame_size: u32,
    /// Largest message taken, bytes.
    pub max_message_size: u64,
    /// Highest channel, so one less than sessions of a connection.
    pub channel_max: u16,
    /// Highest handle, so one less than links of a session.
    pub handle_max: u32,
    /// Give up on peers silent for so long, milliseconds; 0: never.
    pub idle_timeout_ms: u32,
    /// Give up on peers that have not opened for so long, milliseconds.
    pub handshake_timeout_ms: u32,
}

impl Default for Listener {
    fn default() -> Self {
        let amqp = amqp_proto::Config::default();
        Self {
            address: SocketAddr::from(([0, 0, 0, 0], 5672)),
            transport: Transport::Tcp,
            certificate: None,
            key: None,
            sasl: Sasl::Optional,
            mechanisms: vec![Mechanism::Anonymous],
            max_frame_size: amqp.max_frame_size,
            max_message_size: 4 << 30,
            channel_max: amqp.channel_max,
            handle_max: amqp.handle_max,
            idle_timeout_ms: amqp.idle_timeout_ms,
            handshake_timeout_ms: amqp.handshake_timeout_ms,
        }
    }
}

/// How messages of an address spread over its queues.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Routing {
    /// Each goes to one consumer.
    #[default]
    Anycast,
    /// Each goes to every subscription.
    Multicast,
}

/// Addresses and queues.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Address {
    /// Whether nodes are made when a link asks for them.
    pub auto_create: bool,
    /// Names, or beginnings of names followed by `*`, that are not.
    pub auto_create_except: Vec<String>,
    /// What an address made so is, if the link does not say.
    pub default_routing: Routing,
    /// A prefix of names that asks for anycast; empty: none.
    pub anycast_prefix: String,
    /// A prefix of names that asks for multicast; empty: none.
    pub multicast_prefix: String,
    /// Messages of one queue beyond which producers get no credit; 0: as many as there is room for.
    pub max_messages: u64,
    /// Size of one queue beyond which producers get no credit, MiB; 0: as much as there is room for.
    pub max_mib: u64,
}

impl Default for Address {
    fn default() -> Self {
        Self {
            auto_create: true,
            auto_create_except: Vec::new(),
            default_routing: Routing::Anycast,
            anycast_prefix: String::new(),
            multicast_prefix: String::new(),
            max_messages: 0,
            max_mib: 0,
        }
    }
}

/// Who may authenticate.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Users {
    /// File made by `heddle user add`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// The read-only HTTP listener.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Whether there is one.
    pub enabled: bool,
    /// Where; a loopback address.
    pub address: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Self { enabled: true, address: SocketAddr::from(([127, 0, 0, 1], 8161)) }
    }
}

/// Bounds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections of one shard; more are closed at once.
    pub connections: u32,
    /// Links of one shard; more are refused.
    pub links: u32,
    /// Memory for queued messages of the whole node, MiB; beyond it producers get no credit.
    pub memory_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 65_536, links: 1 << 20, memory_mib: memory_mib() / 4 }
    }
}

/// The machine's memory, MiB.
fn memory_mib() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    kib.map_or(4096, |kib: u64| kib / 1024)
}

/// What becomes of producers while the disk is full.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum WhenFull {
    /// They get no credit; what comes on the rest of it is refused when there is no room at all.
    #[default]
    Hold,
    /// They get credit; what would be stored is refused.
    Refuse,
}

/// How writes get to stable storage.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SyncMethod {
    /// Whatever is faster here, found out at start.
    #[default]
    Auto,
    /// A write that is also a sync (RWF_DSYNC).
    Dsync,
    /// A write, then fdatasync.
    Fdatasync,
}

/// What is kept on disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// Whether there is a journal. Without one nothing outlives the node, and durable messages are accepted like others.
    pub enabled: bool,
    /// Size of a segment of the journal, MiB; fixed when the data directory is made.
    pub segment_mib: u64,
    /// How writes get to stable storage.
    pub sync: SyncMethod,
    /// What is left free on the file system, MiB; the disk counts as full when a segment would take from it.
    pub min_free_mib: u64,
    /// What becomes of producers while the disk is full.
    pub when_full: WhenFull,
}

impl Default for Storage {
    fn default() -> Self {
        Self { enabled: true, segment_mib: 64, sync: SyncMethod::Auto, min_free_mib: 1024, when_full: WhenFull::Hold }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Logging.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A level, or levels by area, such as `info,heddle::net=debug`.
    pub level: String,
    /// How lines look.
    pub format: Format,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Text }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is no configuration.
    #[error("{}: {error}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// Values that do not go together.
    #[error("the configuration cannot work:\n  {}", .0.join("\n  "))]
    Combination(Vec<String>),
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no configuration.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.into(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::Parse { path: path.into(), error: Box::new(error) })
    }

    /// The cores to run on: one entry for each shard.
    ///
    /// # Errors
    /// When the list names none, or one that this process may not use.
    pub fn shard_cores(&self, allowed: &[usize]) -> Result<Vec<usize>, ConfigError> {
        let cores = parse_cores(&self.node.cores, allowed).map_err(|error| ConfigError::Combination(vec![error]))?;
        let shards = self.node.shards.map_or(cores.len(), usize::from);
        Ok(cores.into_iter().cycle().take(shards).collect())
    }

    /// Looks for values that do not go together.
    ///
    /// # Errors
    /// All of them.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        if self.node.shards == Some(0) {
            faults.push("node.shards is 0: a node has at least one shard".to_owned());
        }
        if let Err(error) = parse_cores(&self.node.cores, &engine_rt::allowed_cores()) {
            faults.push(error);
        }
        if !self.http.address.ip().is_loopback() {
            faults.push(format!("http.address {} is not a loopback address: it answers anybody", self.http.address));
        }
        if !(2..=1024).contains(&self.storage.segment_mib) {
            faults.push(format!("storage.segment_mib is {}: it lies between 2 and 1024", self.storage.segment_mib));
        }
        let mut taken = BTreeSet::new();
        for listener in &self.listeners {
            let address = listener.address;
            let mut fault = |text: &str| faults.push(format!("listener {address}: {text}"));
            if address.port() != 0 && !taken.insert(address) {
                fault("another listener has the same address");
            }
            if listener.certificate.is_some() != listener.key.is_some() {
                fault("certificate and key go together");
            }
            if matches!(listener.transport, Transport::Tls | Transport::Wss) && listener.certificate.is_none() {
                fault("this transport needs a certificate and a key");
            }
            if listener.transport == Transport::Ws && listener.certificate.is_some() {
                fault("a ws listener has no use for a certificate: choose wss");
            }
            if listener.mechanisms.contains(&Mechanism::Plain) && self.users.file.is_none() {
                fault("PLAIN needs users.file; make one with `heddle user add`");
            }
            if listener.sasl == Sasl::Required && listener.mechanisms.is_empty() {
                fault("sasl is required, but there are no mechanisms");
            }
            if listener.max_frame_size < 512 || listener.max_frame_size > 16 * 1024 * 1024 {
                fault("max_frame_size lies between 512 and 16777216");
            }
            if listener.handle_max > 65_535 {
                fault("handle_max is at most 65535");
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(ConfigError::Combination(faults)) }
    }
}

fn parse_cores(list: &str, allowed: &[usize]) -> Result<Vec<usize>, String> {
    if list == "all" {
        return Ok(allowed.to_vec());
    }
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last => cores.extend(first..=last),
            _ => return Err(format!("node.cores: {part:?} is neither a core nor a range such as 0-3")),
        }
    }
    match cores.iter().find(|core| !allowed.contains(core)) {
        Some(core) => Err(format!("node.cores: core {core} is not among those that this process may use: {allowed:?}")),
        None => Ok(cores),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_was_meant() {
        let text = "[node]\ncores = \"0\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\nsasl = \"none\"\n";
        let config: Config = toml::from_str(text).unwrap();
        let printed = toml::to_string(&config).unwrap();
        let again: Config = toml::from_str(&printed).unwrap();
        assert_eq!(printed, toml::to_string(&again).unwrap());
        assert!(printed.contains("sasl = \"none\""));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let error = toml::from_str::<Config>("[node]\ncorse = \"0\"\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("corse") && error.contains("cores"), "{error}");
        let error = toml::from_str::<Config>("[http]\nenabled = 3\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn all_impossible_combinations_are_told_at_once() {
        let text = "[http]\naddress = \"0.0.0.0:1\"\n[[listeners]]\ntransport = \"tls\"\nmechanisms = [\"PLAIN\"]\n";
        let error = toml::from_str::<Config>(text).unwrap().check().unwrap_err().to_string();
        assert!(error.contains("loopback") && error.contains("certificate") && error.contains("users.file"), "{error}");
    }

    #[test]
    fn every_key_is_documented() {
        let document = include_str!("../docs/configuration.md");
        let mut config = Config { listeners: vec![Listener::default()], ..Config::default() };
        config.node.shards = Some(1);
        config.users.file = Some(PathBuf::new());
        let [listener] = &mut config.listeners[..] else { unreachable!("there is one") };
        (listener.certificate, listener.key) = (Some(PathBuf::new()), Some(PathBuf::new()));
        let table = toml::Table::try_from(&config).unwrap();
        for (area, keys) in &table {
            let (prefix, keys) = match keys {
                toml::Value::Array(items) => (format!("{area}[]"), items[0].as_table().unwrap()),
                keys => (area.clone(), keys.as_table().unwrap()),
            };
            for key in keys.keys() {
                let told = document.lines().filter(|line| line.starts_with(&format!("| `{prefix}.")));
                let told = told.filter(|line| line.contains(&format!(".{key}`"))).count();
                assert_eq!(told, 1, "docs/configuration.md has one row for {prefix}.{key}");
            }
        }
    }

    #[test]
    fn core_lists() {
        assert_eq!(parse_cores("0,2-3", &[0, 1, 2, 3]), Ok(vec![0, 2, 3]));
        assert!(parse_cores("7", &[0, 1]).is_err());
        assert!(parse_cores("x", &[0, 1]).is_err());
    }
}
