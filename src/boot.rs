//! Starts a node: checks what the system allows, binds, starts a shard on each core, and stops them all in order.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use amqp_net::{AddressRules, Frontend, FrontendConfig, Layers, ListenerConfig, Moves, Parts, Post, Verify};
use amqp_proto::{Authenticated, Tls};
use engine_core::Core;
use engine_core::command::{Create, RoutingType};
use engine_core::limits::{CoreConfig, WhenFull};
use engine_rt::{Clock, InboxSender, Listener, ShardThread, Waker};
use engine_shard::Engine;
use engine_shard::placement::Placement;
use storage_disk::large::Large;

use crate::config::{self, Config, ListenAt, Mechanism, Resolved, Routing, Sasl, Transport};
use crate::data::{Storage, StorageError};
use crate::http;
use crate::snapshot::{Node, State};
use crate::users::Users;

/// Messages that are larger and come in several frames go through files, octets.
const LARGE_ABOVE: u64 = 1 << 20;
/// Largest message without a journal, octets: it is in memory as a whole.
const IN_MEMORY_MAX: u64 = 128 << 20;
/// Things that wait for a shard at once.
const INBOX_CAPACITY: usize = 1024;
/// Passwords that wait to be verified; more are told to try again.
const VERIFY_QUEUE: usize = 256;
/// Threads that verify passwords, 20 ms and 19 MiB each.
const VERIFIERS: usize = 2;

/// Status of the process when a shard could not go on.
const EXIT_SHARD_FAILED: i32 = 70;

/// Why the node did not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The system does not allow it.
    #[error(transparent)]
    Preflight(#[from] engine_rt::PreflightError),
    /// An address is taken.
    #[error("cannot listen on {address}: {error}{}", advice(error))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something of the system failed.
    #[error("{what}: {error}")]
    System {
        /// What was to be done.
        what: String,
        /// Why it was not.
        error: io::Error,
    },
}

/// What helps against an address that cannot be bound.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another program listens there: stop it, or choose another with --listen)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need the capability CAP_NET_BIND_SERVICE)",
        io::ErrorKind::AddrNotAvailable => " (no interface of this machine has this address)",
        _ => "",
    }
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> BootError {
    let what = what.into();
    move |error| BootError::System { what, error }
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(resolved: &Resolved, ready_file: Option<&Path>) -> Result<(), BootError> {
    let stopping = Arc::new(AtomicBool::new(false));
    let (stop_sender, stop) = flume::bounded::<()>(4);
    let told = Arc::clone(&stopping);
    engine_rt::on_termination(move |count| {
        if count > 1 {
            tracing::warn!(target: "heddle::program", "told to stop twice: stopping at once");
            std::process::exit(130);
        }
        told.store(true, Ordering::Relaxed);
        // The channel is only full when the stop is under way.
        let _ = stop_sender.try_send(());
    })
    .map_err(system("cannot wait for signals"))?;
    let running = Running::start(resolved, stopping)?;
    if let Some(path) = ready_file {
        write_ready(path, &running.bound, running.http()).map_err(system("cannot write the ready file"))?;
    }
    // Either a signal, or a shard that ended by itself, which none should.
    let _ = stop.recv();
    running.stop()
}

/// A node that serves.
pub struct Running {
    node: Arc<Node>,
    threads: Vec<ShardThread>,
    bound: Vec<SocketAddr>,
    http: Option<http::Listening>,
}

impl Running {
    /// Starts a node. Signals that are to stop it are the caller's, who sets `stopping` before.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start(resolved: &Resolved, stopping: Arc<AtomicBool>) -> Result<Self, BootError> {
        let Resolved { config, cores, .. } = resolved;
        let cores = cores.clone();
        engine_rt::preflight(cores.len())?;
        let (listeners, bound) = bind(&resolved.listeners, cores.len())?;
        let http = resolved.http.as_ref().map(http::Bound::bind).transpose();
        let http = http.map_err(|(address, error)| BootError::Bind { address, error })?;
        let front = frontend_config(resolved, &bound)?;
        let storage = if config.storage.enabled { Some(Storage::open(config, &cores)?) } else { None };
        let (shards, threads) = start_shards(config, &cores, front, listeners, storage)?;
        let node = Arc::new(Node {
            container_id: config.node.container_id.clone(),
            cores: cores.clone(),
            shards,
            started: Instant::now(),
            stopping,
        });
        let http = http.map(|http| http.serve(Arc::clone(&node))).transpose();
        let http = http.map_err(system("cannot start the HTTP listener"))?;
        for warning in &resolved.warnings {
            tracing::warn!(target: "heddle::program", "{warning}");
        }
        for address in &bound {
            tracing::info!(target: "heddle::program", %address, "listening");
        }
        for address in http.iter().flat_map(http::Listening::addresses) {
            tracing::info!(target: "heddle::program", %address, "listening for HTTP");
        }
        tracing::info!(target: "heddle::program", shards = cores.len(), state = ?State::Ready, "ready");
        Ok(Self { node, threads, bound, http })
    }

    /// Where it listens for AMQP, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.bound
    }

    /// Where it tells of itself.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(http::Listening::address)
    }

    /// Closes all connections and stops, in order.
    ///
    /// # Errors
    /// When a shard failed.
    pub fn stop(self) -> Result<(), BootError> {
        self.node.stopping.store(true, Ordering::Relaxed);
        tracing::info!(target: "heddle::program", "stopping: connections are told and closed");
        for shard in &self.node.shards {
            // A full inbox empties within a turn.
            while shard.send(Post::Stop).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        for thread in self.threads {
            thread.join().map_err(system("a shard failed"))?;
        }
        if let Some(http) = self.http {
            http.stop();
        }
        tracing::info!(target: "heddle::program", "stopped");
        Ok(())
    }
}

type Bound = (Vec<Vec<Listener>>, Vec<SocketAddr>);

/// Binds every address of every listener once for each shard.
fn bind(listeners: &[ListenAt], shards: usize) -> Result<Bound, BootError> {
    let mut by_shard: Vec<Vec<Listener>> = (0..shards).map(|_| Vec::new()).collect();
    let mut bound = Vec::new();
    for listener in listeners {
        let mut port = 0;
        for &(mut address) in &listener.addresses {
            if address.port() == 0 {
                address.set_port(port);
            }
            let wanted = address;
            let fail = |error| BootError::Bind { address: wanted, error };
            if address.port() != 0 {
                Listener::probe(address).map_err(fail)?;
            }
            for shard in &mut by_shard {
                let socket = Listener::bind(address).map_err(fail)?;
                address = socket.local_addr().map_err(fail)?;
                shard.push(socket);
            }
            port = address.port();
            bound.push(address);
        }
    }
    Ok((by_shard, bound))
}

fn frontend_config(resolved: &Resolved, bound: &[SocketAddr]) -> Result<FrontendConfig, BootError> {
    let config = &resolved.config;
    let mut configured = Vec::new();
    let listeners = config.listeners.iter().zip(&resolved.listeners);
    let listeners = listeners.flat_map(|(listener, at)| at.addresses.iter().map(move |_| (listener, at)));
    for ((listener, at), &address) in listeners.zip(bound) {
        let tls = at.tls.clone();
        let layers = match listener.transport {
            Transport::Tcp => Layers::Plain,
            Transport::Tls => Layers::Tls,
            Transport::Ws => Layers::WebSocket,
            Transport::Wss => Layers::WebSocketOverTls,
        };
        let mechanism = |mechanism: &Mechanism| match mechanism {
            Mechanism::Anonymous => amqp_proto::Mechanism::Anonymous,
            Mechanism::Plain => amqp_proto::Mechanism::Plain,
        };
        let amqp = amqp_proto::Config {
            container_id: config.node.container_id.clone(),
            max_frame_size: listener.max_frame_size,
            channel_max: listener.channel_max,
            handle_max: listener.handle_max,
            idle_timeout_ms: listener.idle_timeout_ms,
            handshake_timeout_ms: listener.handshake_timeout_ms,
            max_message_size: if config.storage.enabled {
                listener.max_message_size
            } else {
                listener.max_message_size.min(IN_MEMORY_MAX)
            },
            stream_above: if config.storage.enabled { LARGE_ABOVE } else { u64::MAX },
            sasl: match listener.sasl {
                Sasl::Required => amqp_proto::Sasl::Required,
                Sasl::Optional => amqp_proto::Sasl::Optional,
                Sasl::None => amqp_proto::Sasl::Off,
            },
            mechanisms: listener.mechanisms.iter().map(mechanism).collect(),
            tls: if tls.is_some() && layers == Layers::Plain { Tls::Optional } else { Tls::Off },
            ..amqp_proto::Config::default()
        };
        configured.push(ListenerConfig { address, layers, tls, amqp: Arc::new(amqp) });
    }
    Ok(FrontendConfig {
        listeners: configured,
        addresses: AddressRules {
            anycast_prefix: config.address.anycast_prefix.clone(),
            multicast_prefix: config.address.multicast_prefix.clone(),
            no_create: config.address.auto_create_except.clone(),
        },
        connections_max: config.limits.connections,
        links_max: config.limits.links,
        spin_ns: config.node.spin_us * 1000,
        moves: if config.node.move_connections { Moves::ToOwner } else { Moves::Never },
        verifier: start_verifiers(resolved.users.clone())?,
    })
}

/// Starts the threads that verify passwords.
fn start_verifiers(users: Option<Arc<Users>>) -> Result<flume::Sender<Verify>, BootError> {
    let (sender, receiver) = flume::bounded::<Verify>(VERIFY_QUEUE);
    for index in 0..VERIFIERS {
        let (users, receiver) = (users.clone(), receiver.clone());
        let verify = move || {
            while let Ok(Verify { user, password, connection, reply }) = receiver.recv() {
                let right = users.as_ref().is_some_and(|users| users.verify(&user, &password));
                let authenticated = if right { Authenticated::Yes } else { Authenticated::No };
                if !right {
                    tracing::info!(target: "heddle::program", %user, "wrong name or password");
                }
                // A shard that does not take it is stopping.
                let _ = reply.send(Post::Verified { connection, authenticated });
            }
        };
        let thread = std::thread::Builder::new().name(format!("verify-{index}")).spawn(verify);
        thread.map_err(system("cannot start a thread"))?;
    }
    Ok(sender)
}

type Shards = (Vec<InboxSender<Post>>, Vec<ShardThread>);

fn start_shards(
    config: &Config,
    cores: &[usize],
    front: FrontendConfig,
    listeners: Vec<Vec<Listener>>,
    storage: Option<Storage>,
) -> Result<Shards, BootError> {
    let count = u16::try_from(cores.len()).unwrap_or(u16::MAX);
    let placement = Placement::new(count);
    let wakers = (0..count).map(|_| Waker::new()).collect::<io::Result<Vec<_>>>();
    let wakers = wakers.map_err(system("cannot make wakers"))?;
    let node_id = node_id();
    let clock = Clock::default();
    let (senders, inboxes): (Vec<_>, Vec<_>) =
        wakers.iter().map(|waker| engine_rt::inbox(INBOX_CAPACITY, waker.clone())).unzip();
    let mut threads = Vec::new();
    let large = storage.as_ref().map(Storage::large);
    let mut journals = storage.map(Storage::into_journals);
    let meshes = engine_shard::mesh(&wakers).into_iter();
    let shards = meshes.zip(inboxes).zip(listeners).zip(wakers.iter().cloned()).zip(cores);
    for ((((mesh, inbox), listeners), waker), &core) in shards {
        let peers = senders.clone();
        let shard = mesh.shard();
        let mut core_config = core_config(config, shard, count);
        let (front, node_id) = (front.clone(), node_id.clone());
        let journal = match journals.as_mut().and_then(Iterator::next) {
            Some(journal) => {
                core_config.storage = engine_core::limits::Storage::Journal;
                core_config.stored_bytes_max = journal.body_max();
                Some(journal.start(waker.clone()).map_err(system(format!("cannot start the disk of shard {shard}")))?)
            }
            None => None,
        };
        let large = match &large {
            Some((files, first)) => Some(
                Large::start(files.clone(), u64::from(shard) << 48 | first, waker.clone())
                    .map_err(system(format!("cannot start the disk of shard {shard}")))?,
            ),
            None => None,
        };
        let run = move || async move {
            let mut core = Core::new(core_config);
            let journal = journal.map(|recovered| recovered.restore(&mut core));
            let engine = Engine::new(core, mesh, placement, journal);
            let parts = Parts { engine, waker, inbox, peers, clock, listeners, large, node_id };
            let ended = Frontend::new(front, parts).map_err(Into::into).and_then(|mut frontend| frontend.run());
            if let Err(error) = ended {
                // A shard that cannot go on serves nobody: its queues must not look alive, and nothing may be acknowledged.
                tracing::error!(target: "heddle::program", shard, %error, "a shard failed: the node stops");
                std::process::exit(EXIT_SHARD_FAILED);
            }
        };
        let what = format!("cannot start shard {shard} on core {core}");
        threads.push(engine_rt::spawn_shard(usize::from(shard), core, run).map_err(system(what))?);
    }
    Ok((senders, threads))
}

fn core_config(config: &Config, shard: u16, shards: u16) -> CoreConfig {
    CoreConfig {
        shard,
        hard_messages: or_unlimited(config.address.max_messages),
        hard_bytes: or_unlimited(config.address.max_mib << 20),
        memory_bytes: (config.limits.memory_mib << 20) / u64::from(shards),
        default_routing: match config.address.default_routing {
            Routing::Anycast => RoutingType::Anycast,
            Routing::Multicast => RoutingType::Multicast,
        },
        auto_create: if config.address.auto_create { Create::Auto } else { Create::Never },
        when_full: match config.storage.when_full {
            config::WhenFull::Hold => WhenFull::Hold,
            config::WhenFull::Refuse => WhenFull::Refuse,
        },
        merge_annotations: amqp_net::merge_annotations,
        ..CoreConfig::default()
    }
}

/// A limit of which 0 means that there is none.
fn or_unlimited(limit: u64) -> u64 {
    if limit == 0 { u64::MAX } else { limit }
}

/// Something unlike other runs, for the names of dynamic nodes.
fn node_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}{:x}", since.as_nanos() & 0xffff_ffff_ffff, std::process::id())
}

/// Tells where the node listens, for whoever started it with port 0.
fn write_ready(path: &Path, bound: &[SocketAddr], http: Option<SocketAddr>) -> io::Result<()> {
    let listeners: Vec<_> = bound.iter().map(|address| serde_json::json!({ "address": address.to_string() })).collect();
    let ready = serde_json::json!({ "listeners": listeners, "http": http.map(|http| http.to_string()) });
    let next = path.with_extension("new");
    std::fs::write(&next, ready.to_string())?;
    std::fs::rename(next, path)
}
