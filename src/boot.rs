//! Starts a node: checks what the system allows, binds, starts a shard on each core, and stops them all in order.
//!
//! Guarantees: a node that says it is ready has every shard listening; a shard that cannot start ends the start with its reason; a stop ends
//! in bounded time, whatever the node was doing.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use amqp_proto::Authenticated;
use engine_catalogue::{Catalogue, Placement};
use engine_core::Core;
use engine_core::limits::CoreConfig;
use engine_home::{AddressRules, Managed, Moves};
use engine_policy::{Gate, Policy, Rules};
use engine_rt::{Clock, InboxSender, Listener, Permits, Pulse, ShardThread, Starting, Termination, Waker};
use engine_shard::Engine;
use node_shell::{Asking, Disks, Parts, Post, Shell, ShellConfig, Verify, policing};
use storage_disk::large::LargeDisk;

use crate::catalogue::{CatalogueError, Kept};
use crate::config::{Config, Resolved};
use crate::connectors;
use crate::data::{Journal, Storage, StorageError, Taken};
use crate::http;
use crate::listeners;
use crate::log::Live;
use crate::management::{self, Agent, Changes, Ends, Logins, Messages, RouterAgent};
use crate::node::Node;
use crate::reload::{Reload, Reread};
use crate::resolver;
use crate::routing::Prepared;
use crate::space::Space;
use crate::users::Users;

/// Things that wait for a shard at once.
const INBOX_CAPACITY: usize = 1024;
/// Passwords that wait to be verified; more are told to try again.
const VERIFY_QUEUE: usize = 256;
/// Connections that wait to be judged by a router's policy, of 300 octets each: all that a shard has by default, which may come at once
/// behind a start. More are not let in.
const JUDGED_QUEUE: usize = 1 << 16;
/// Threads that verify passwords, 20 ms and 19 MiB each.
const VERIFIERS: usize = 2;

/// How long a node takes to stop at most: shards give their connections three seconds, and what goes on then hangs in the system.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// With fewer connections than this the limit on open files is told in the log as what to look at.
const FEW_CONNECTIONS: u64 = 256;

/// What signals ask for, one after the other.
enum Wish {
    /// To read the configuration again.
    Reread,
    /// To stop.
    Stop,
}

/// Status of the process when a shard could not go on.
const EXIT_SHARD_FAILED: i32 = 70;
/// Status of the process when it was told to stop a second time.
const EXIT_TOLD_AGAIN: i32 = 130;

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
        /// What the system says.
        error: io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The catalogue in it cannot.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Shards did not end when they were told to.
    #[error(
        "shards {} did not stop within {} s (a disk that does not answer holds them up): the program ends without them. What was \
         accepted as durable is on the disk", list(shards), STOP_WITHIN.as_secs()
    )]
    Hung {
        /// By number.
        shards: Vec<usize>,
    },
    /// Something of the system failed.
    #[error("{what}: {error}{}", engine_rt::shortage_advice(error))]
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
        io::ErrorKind::AddrInUse => {
            " (another program listens there: stop it, or choose another address: --listen of clients, --http of state and metrics)"
        }
        io::ErrorKind::PermissionDenied => " (ports below 1024 need the capability CAP_NET_BIND_SERVICE)",
        io::ErrorKind::AddrNotAvailable => " (no interface of this machine has this address)",
        _ => "",
    }
}

fn list(shards: &[usize]) -> String {
    shards.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> BootError {
    let what = what.into();
    move |error| BootError::System { what, error }
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(resolved: &Resolved, ready_file: Option<&Path>, reread: Reread<'_>, log: Live) -> Result<(), BootError> {
    let stopping = Arc::new(AtomicBool::new(false));
    let (stop_sender, wishes) = flume::bounded(2);
    let reread_sender = stop_sender.clone();
    let to_reread = Arc::new(AtomicBool::new(false));
    let wanted = Arc::clone(&to_reread);
    engine_rt::on_reread(move || {
        // One that waits reads what is there when its turn comes.
        if !wanted.swap(true, Ordering::Relaxed) {
            let _ = reread_sender.try_send(Wish::Reread);
        }
    })
    .map_err(system("cannot wait for signals"))?;
    let told = Arc::clone(&stopping);
    let serving = Arc::new(AtomicBool::new(false));
    let serves = Arc::clone(&serving);
    engine_rt::on_termination(move |wish| match wish {
        Termination::Orderly(signal) | Termination::AtOnce(signal) if !serves.load(Ordering::Relaxed) => {
            // Nobody is connected and nothing was accepted: whatever the start is doing may be left as after a crash.
            tracing::info!(target: "heddle::program", signal, "told to stop before it served: the start ends here");
            std::process::exit(0);
        }
        Termination::Orderly(signal) => {
            tracing::info!(target: "heddle::program", signal,
                "told to stop: connections are closed first; a second signal ends at once");
            told.store(true, Ordering::Relaxed);
            // There is room for one wish of each kind, and this one comes once.
            let _ = stop_sender.try_send(Wish::Stop);
        }
        Termination::AtOnce(signal) => {
            tracing::warn!(target: "heddle::program", signal, "told to stop again: ending at once");
            std::process::exit(EXIT_TOLD_AGAIN);
        }
    })
    .map_err(system("cannot wait for signals"))?;
    let started = Instant::now();
    let mut running = Running::start(resolved, stopping, Some(log))?;
    serving.store(true, Ordering::Relaxed);
    tell_ready(resolved, &running, started);
    if let Some(path) = ready_file {
        write_ready(path, &running.bound, running.http()).map_err(system("cannot write the ready file"))?;
    }
    // A wish to stop, or nobody left who could wish.
    while let Ok(Wish::Reread) = wishes.recv() {
        to_reread.store(false, Ordering::Relaxed);
        running.reload.reload(&running.node, reread);
    }
    running.stop()
}

/// Says what an operator looks for after a start: what listens where, and that it does.
fn tell_ready(resolved: &Resolved, running: &Running, started: Instant) {
    let config = &resolved.config;
    for warning in &resolved.warnings {
        tracing::warn!(target: "heddle::program", "{warning}");
    }
    let listeners = config.listeners.iter().zip(&resolved.listeners);
    let listeners = listeners.flat_map(|(listener, at)| at.addresses.iter().map(move |_| listener));
    for (listener, address) in listeners.zip(&running.bound) {
        listeners::tell(listener, *address);
    }
    for address in running.http.iter().flat_map(http::Listening::addresses) {
        let transport = if config.http.certificate.is_some() { "https" } else { "http" };
        tracing::info!(target: "heddle::program", %address, transport, "listening for state, metrics and probes");
    }
    let data_dir = config.storage.enabled.then(|| config.node.data_dir.display().to_string());
    let nowhere = match &resolved.routing {
        Some(_) if !config.keeps_some() => "none: all addresses are routed, and nothing is kept",
        _ => "none: messages are in memory only",
    };
    tracing::info!(target: "heddle::program", version = env!("CARGO_PKG_VERSION"), node = config.node.container_id,
        shards = running.threads.len(), connections_max = running.node.connections_max, data_dir = data_dir.as_deref().unwrap_or(nowhere),
        http = running.http().map(|http| http.to_string()), ms = ms(started), "ready");
}

/// Milliseconds since then.
pub fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A node that serves.
pub struct Running {
    node: Arc<Node>,
    threads: Vec<ShardThread>,
    bound: Vec<SocketAddr>,
    http: Option<http::Listening>,
    reload: Reload,
}

impl Running {
    /// Starts a node. Signals that are to stop it are the caller's, who sets `stopping` before.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start(resolved: &Resolved, stopping: Arc<AtomicBool>, log: Option<Live>) -> Result<Self, BootError> {
        let Resolved { config, cores, .. } = resolved;
        let cores = cores.clone();
        engine_rt::preflight()?;
        let bound = listeners::bind(&resolved.listeners, cores.len());
        let (listeners, bound) = bound.map_err(|(address, error)| BootError::Bind { address, error })?;
        let http = resolved.http.as_ref().map(http::Bound::bind).transpose();
        let http = http.map_err(|(address, error)| BootError::Bind { address, error })?;
        // A policy bounds all connections together, whoever has them.
        let allowed = resolved.policies.as_ref().map_or(u64::MAX, |policies| policies.connections.into());
        let connections_max = connections_max(config, cores.len())?.min(allowed);
        let connections = Permits::new(connections_max);
        let shards = u16::try_from(cores.len()).unwrap_or(u16::MAX);
        let taken = config.storage.enabled.then(|| Taken::take(config, shards)).transpose()?;
        let directory = config.storage.enabled.then_some(&*config.node.data_dir);
        let kept = Kept::open(Placement::new(shards), &resolved.definitions, directory)?;
        let catalogue = Arc::clone(kept.catalogue());
        let storage = taken.map(|taken| Storage::open(taken, config, &cores, &catalogue)).transpose()?;
        let space = storage.as_ref().map(|storage| Space::new(config, storage.segment_bytes(), cores.len()));
        space.iter().for_each(Space::warn_at_start);
        let (manager, requests) = flume::bounded(management::WAITING_MAX);
        let router = resolved.routing.clone().map(|routing| Prepared::new(routing, shards));
        let registry = router.as_ref().map(Prepared::notes);
        let rules = resolved.policies.as_ref().and_then(|policies| policies.rules.clone());
        let gate = rules.map(start_gate).transpose()?;
        let front = shell_config(resolved, (&bound, gate), connections.clone(), manager)?;
        let front = ShellConfig { registry, ..front };
        let seen = Seen { clock: Clock::default(), pulses: cores.iter().map(|_| Pulse::default()).collect() };
        let beside = Beside { storage, router: router.as_ref() };
        let (shards, threads) = start_shards(config, &cores, front, &catalogue, listeners, beside, &seen)?;
        let known = router.as_ref().map(|router| (router.newest(), router.ruling()));
        if let Some(router) = router {
            router.start(shards.clone()).map_err(system("cannot start a thread"))?;
        }
        let node = Arc::new(Node {
            container_id: config.node.container_id.clone(),
            cores: cores.clone(),
            shards,
            pulses: seen.pulses,
            clock: seen.clock,
            started: Instant::now(),
            stopping,
            connections_max,
            connections,
            space,
        });
        let logins = if resolved.users.is_some() { Logins::Users } else { Logins::Anybody };
        let kept = Arc::new(Mutex::new(kept));
        let told = known.zip(resolved.managed.clone()).zip(resolved.routing.as_ref());
        let router = told.map(|(((table, ruling), configuration), routing)| {
            let places_max = u64::from(config.limits.connections.max(config.limits.links)).max(1);
            RouterAgent {
                node: Arc::clone(&node),
                changes: Mutex::new(Changes::new(configuration, routing, ruling, Ends::new(resolved, routing))),
                table,
                log,
                places_max,
                places: Mutex::default(),
            }
        });
        let keeps = config.keeps_some();
        let messages = if keeps { Messages::Kept } else { Messages::Routed };
        let agent = Agent { node: Arc::clone(&node), kept: Arc::clone(&kept), logins, messages, router };
        management::start(agent, requests).map_err(system("cannot start a thread"))?;
        let http = http.map(|http| http.serve(Arc::clone(&node))).transpose();
        let http = http.map_err(system("cannot start the HTTP listener"))?;
        Ok(Self { node, threads, bound, http, reload: Reload::new(config.clone(), kept) })
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
        let started = Instant::now();
        self.node.stopping.store(true, Ordering::Relaxed);
        tracing::info!(target: "heddle::program", "stopping: connections are told and closed");
        let until = Instant::now() + STOP_WITHIN;
        for shard in &self.node.shards {
            // A full inbox empties within a turn, unless its shard hangs.
            while shard.send(Post::Stop).is_err() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let mut hung = Vec::new();
        for (index, thread) in self.threads.into_iter().enumerate() {
            match thread.join(until) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => hung.push(index),
                ended => ended.map_err(system(format!("shard {index} failed")))?,
            }
        }
        if !hung.is_empty() {
            return Err(BootError::Hung { shards: hung });
        }
        if let Some(http) = self.http {
            http.stop();
        }
        tracing::info!(target: "heddle::program", ms = ms(started), "stopped");
        Ok(())
    }
}

/// How many connections the limits allow all shards together.
pub fn connections_max(config: &Config, shards: usize) -> Result<u64, BootError> {
    let shards = shards as u64;
    let storage = if config.storage.enabled { storage_disk::DESCRIPTORS as u64 } else { 0 };
    let allowed = engine_rt::connections_allowed(shards, storage)?;
    if allowed < FEW_CONNECTIONS {
        tracing::warn!(target: "heddle::program", connections_max = allowed,
            "the limit on open files allows few connections (ulimit -n, LimitNOFILE= in systemd, docker run --ulimit nofile=65536)");
    }
    Ok(allowed.min(u64::from(config.limits.connections) * shards))
}

fn shell_config(
    resolved: &Resolved,
    (bound, gate): (&[SocketAddr], Option<flume::Sender<Asking>>),
    connections: Permits,
    manager: flume::Sender<Managed>,
) -> Result<ShellConfig, BootError> {
    let config = &resolved.config;
    // Connectors of a router may come while it runs.
    let names = if config.router.enabled { usize::MAX } else { connectors::names(config) };
    Ok(ShellConfig {
        listeners: listeners::of(resolved, bound),
        gate,
        connectors: connectors::of(resolved),
        auto_links: resolved.routing.as_ref().map(|routing| Arc::clone(&routing.auto_links)).unwrap_or_default(),
        addresses: AddressRules {
            anycast_prefix: config.node.anycast_prefix.clone(),
            multicast_prefix: config.node.multicast_prefix.clone(),
        },
        connections_max: config.limits.connections,
        connections,
        links_max: config.limits.links,
        spin_ns: config.node.spin_us * 1000,
        moves: if config.node.move_connections { Moves::ToOwner } else { Moves::Never },
        verifier: start_verifiers(resolved.users.clone())?,
        manager,
        registry: None,
        resolver: resolver::start(names).map_err(system("cannot start a thread"))?,
        seed: RandomState::new().hash_one(std::process::id()),
    })
}

/// Starts the thread that a router's policy judges connections on.
fn start_gate(rules: Rules) -> Result<flume::Sender<Asking>, BootError> {
    let (sender, asked) = flume::bounded(JUDGED_QUEUE);
    let gate = Gate::new(Policy::new(rules).expect("resolving the configuration tried it"));
    let thread = std::thread::Builder::new().name("policy".to_owned());
    thread.spawn(move || policing::serve(gate, &asked)).map_err(system("cannot start a thread"))?;
    Ok(sender)
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
                // A shard that does not take it is stopping.
                let _ = reply.send(Post::Verified { connection, authenticated });
            }
        };
        let thread = std::thread::Builder::new().name(format!("verify-{index}")).spawn(verify);
        thread.map_err(system("cannot start a thread"))?;
    }
    Ok(sender)
}

/// What all shards show, and the time that they go by.
struct Seen {
    clock: Clock,
    pulses: Vec<Pulse>,
}

/// What shards have beside their queues.
struct Beside<'a> {
    storage: Option<Storage>,
    router: Option<&'a Prepared>,
}

type Shards = (Vec<InboxSender<Post>>, Vec<ShardThread>);

fn start_shards(
    config: &Config,
    cores: &[usize],
    front: ShellConfig,
    catalogue: &Arc<Catalogue>,
    listeners: Vec<Vec<Listener>>,
    beside: Beside<'_>,
    seen: &Seen,
) -> Result<Shards, BootError> {
    let Beside { storage, router } = beside;
    let count = u16::try_from(cores.len()).unwrap_or(u16::MAX);
    let wakers = (0..count).map(|_| Waker::new()).collect::<io::Result<Vec<_>>>();
    let wakers = wakers.map_err(system("cannot make wakers"))?;
    let node_id = node_id();
    let clock = seen.clock;
    let (senders, inboxes): (Vec<_>, Vec<_>) =
        wakers.iter().map(|waker| engine_rt::inbox(INBOX_CAPACITY, waker.clone())).unzip();
    let mut threads = Vec::new();
    let min_free_bytes = config.storage.min_free_mib << 20;
    let routed = router.map_or(0, Prepared::memory_beside_queues);
    let large = storage.as_ref().map(Storage::large);
    let mut journals = storage.map(Storage::into_journals);
    let meshes = engine_shard::mesh(&wakers).into_iter();
    let shards = meshes.zip(inboxes).zip(listeners).zip(wakers.iter().cloned()).zip(cores).zip(&seen.pulses);
    for (((((mesh, inbox), listeners), waker), &core), pulse) in shards {
        let pulse = pulse.clone();
        let peers = senders.clone();
        let shard = mesh.shard();
        let mut core_config = core_config(config, catalogue, (shard, count), routed);
        let (front, node_id) = (front.clone(), node_id.clone());
        let journal = match journals.as_mut().and_then(Iterator::next) {
            Some(journal) => {
                core_config.storage = engine_core::limits::Storage::Journal;
                core_config.stored_bytes_max = journal.body_max();
                Some(journal.start(waker.clone()).map_err(system(format!("cannot start the disk of shard {shard}")))?)
            }
            None => None,
        };
        let router = router.map(|router| router.router(shard));
        let first_file = u64::from(shard) << 48 | large.as_ref().map_or(0, |(_, first)| *first);
        let large = match &large {
            Some((files, _)) => Some(
                LargeDisk::start(files.clone(), min_free_bytes, waker.clone())
                    .map_err(system(format!("cannot start the disk of shard {shard}")))?,
            ),
            None => None,
        };
        let run = move |starting: Starting| async move {
            let mut core = Core::new(core_config);
            let journal = journal.map(|recovered| recovered.restore(&mut core));
            let (store, journal) = journal.map(|Journal { store, disk }| (store, disk)).unzip();
            let engine = Engine::new(core, mesh, store);
            let engine = match router {
                Some(make) => engine.with_router(make()),
                None => engine,
            };
            let disks = Disks { journal, large };
            let parts = Parts { engine, disks, waker, pulse, inbox, peers, clock, listeners, node_id, first_file };
            let mut shell = match Shell::new(front, parts) {
                Ok(shell) => shell,
                Err(error) => return starting.tell(Err(error)),
            };
            starting.tell(Ok(()));
            if let Err(error) = shell.run() {
                // A shard that cannot go on serves nobody: its queues must not look alive, and nothing may be acknowledged.
                tracing::error!(target: "heddle::program", shard, %error, "a shard failed: the node stops");
                std::process::exit(EXIT_SHARD_FAILED);
            }
        };
        let what = format!("cannot start shard {shard} on core {core}");
        let thread = engine_rt::spawn_shard(usize::from(shard), core, run);
        threads.push((thread.map_err(system(what.clone()))?, what));
    }
    // They start together; the first that cannot ends the start of all.
    let started = threads.into_iter().map(|(thread, what)| thread.started().map_err(system(what)));
    Ok((senders, started.collect::<Result<_, _>>()?))
}

/// The core of a shard. Memory that routed messages have is not its.
fn core_config(config: &Config, catalogue: &Arc<Catalogue>, (shard, shards): (u16, u16), routed: u64) -> CoreConfig {
    let memory_bytes = (config.limits.memory_mib << 20).saturating_sub(routed);
    CoreConfig {
        shard,
        catalogue: Arc::clone(catalogue),
        memory_bytes: memory_bytes / u64::from(shards),
        ..CoreConfig::default()
    }
}

/// Something unlike all other runs, for the names of dynamic nodes: the time, and what the system has of chance in case that its clock
/// was set back.
fn node_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let chance = RandomState::new().hash_one(std::process::id());
    format!("{:x}.{:08x}", since.as_nanos(), chance >> 32)
}

/// Tells where the node listens, for whoever started it with port 0.
fn write_ready(path: &Path, bound: &[SocketAddr], http: Option<SocketAddr>) -> io::Result<()> {
    let listeners: Vec<_> = bound.iter().map(|address| serde_json::json!({ "address": address.to_string() })).collect();
    let ready = serde_json::json!({ "listeners": listeners, "http": http.map(|http| http.to_string()) });
    let next = path.with_extension("new");
    std::fs::write(&next, ready.to_string())?;
    std::fs::rename(next, path)
}
