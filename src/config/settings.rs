//! Every setting but those of addresses (`engine_catalogue`): its name, type, default, bounds and meaning, in one place. Defaults that
//! depend on the machine are read from it here.
//!
//! What several of them mean together is not looked at here, but in `resolve`.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use engine_catalogue::{WhenFull, area, choice};

use super::addresses::{AddressEntry, DivertEntry, QueueEntry};
use super::bounds::{CONNECTOR_NAME_MAX, SHARDS_MAX};
use super::congestion::Congestion;
use super::endpoint::Endpoint;
use super::{cores, levels};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The node itself.
    pub node: Node,
    /// Where to listen, at least one.
    pub listeners: Vec<Listener>,
    /// Peers to connect to.
    pub connectors: Vec<Connector>,
    /// Settings of addresses, by match or by name; those by name are there from the start.
    pub addresses: Vec<AddressEntry>,
    /// Queues that are there from the start.
    pub queues: Vec<QueueEntry>,
    /// Messages of addresses that go to others.
    pub diverts: Vec<DivertEntry>,
    /// The router.
    pub router: Router,
    /// How the router spreads messages.
    pub routes: Vec<Route>,
    /// Links that the router attaches.
    pub auto_links: Vec<AutoLink>,
    /// Links of clients that go to a container whole.
    pub link_routes: Vec<LinkRoute>,
    /// Whether a router's file says that it is one of a network, though it may have no connection yet that leads to another: it is no setting.
    pub is_networked: bool,
    /// Passwords of connectors by their names, where a router's file has them: they are no settings, and are not printed.
    pub passwords: HashMap<String, Password>,
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

impl Config {
    /// Whether queues of the node keep messages of some addresses.
    pub fn keeps_some(&self) -> bool {
        let mut spread = self.routes.iter().map(|route| route.distribution).chain([self.router.distribution]);
        !self.router.enabled || spread.any(|distribution| distribution == Distribution::Stored)
    }

    /// Whether a connection is to lead to another router, or may come to: then the node is one of a network.
    pub fn has_neighbours(&self) -> bool {
        let roles = self.listeners.iter().map(|listener| listener.role);
        let mut roles = roles.chain(self.connectors.iter().map(|connector| connector.role));
        let leads = self.is_networked || roles.any(|role| matches!(role, Role::InterRouter | Role::Edge));
        leads && self.router.mode == RouterMode::Interior
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: Node::default(),
            listeners: vec![Listener::default()],
            connectors: Vec::new(),
            is_networked: false,
            addresses: Vec::new(),
            queues: Vec::new(),
            diverts: Vec::new(),
            router: Router::default(),
            routes: Vec::new(),
            auto_links: Vec::new(),
            link_routes: Vec::new(),
            passwords: HashMap::new(),
            users: Users::default(),
            http: Http::default(),
            limits: Limits::default(),
            storage: Storage::default(),
            log: Log::default(),
        }
    }
}

area! {
    /// The node itself.
    Node = "node" {
        /// the node's name to peers
        container_id: String = host_name() => told("the host's name") => check("1 to 255 printable characters", is_name);
        /// where data is kept
        data_dir: PathBuf = "./heddle-data".into();
        /// cores to use
        cores: String = "all".to_owned() => check("\"all\", or a list such as \"0,2-3\"", cores::is_list);
        /// number of shards; more than cores share them, which is for tests
        shards: Option<u16> = None => range(1, SHARDS_MAX, "") => told("one for each core");
        /// look for work at most so long before sleeping, as long as work usually comes within it: latency for a core
        spin_us: u64 = 0 => range(0, 1_000_000, "µs");
        /// a connection moves to the shard that owns what its first link is attached to, at a router to where the others of that address are; `false` leaves it where the system put it
        move_connections: bool = true;
        /// beginning of names that asks for anycast, and is taken off; empty: none
        anycast_prefix: String = String::new() => artemis("anycastPrefix");
        /// beginning of names that asks for multicast, and is taken off; empty: none
        multicast_prefix: String = String::new() => artemis("multicastPrefix");
    }
}

choice! {
    /// What lies under AMQP.
    Transport {
        /// TCP; with a certificate also TLS by protocol header.
        Tcp = "tcp",
        /// TLS from the first byte.
        Tls = "tls",
        /// WebSocket.
        Ws = "ws",
        /// WebSocket inside TLS.
        Wss = "wss",
    }
}

choice! {
    /// Whether peers authenticate.
    Sasl {
        /// They must.
        Required = "required",
        /// They may.
        Optional = "optional",
        /// They cannot.
        None = "none",
    }
}

choice! {
    /// A way to authenticate.
    Mechanism {
        /// As nobody.
        Anonymous = "ANONYMOUS",
        /// By name and password of the users file.
        Plain = "PLAIN",
    }
}

choice! {
    /// Who is at the other end of connections of a listener or connector.
    Role {
        /// Clients, or whoever else.
        Normal = "normal",
        /// A broker or a service: links of `auto_links` are attached to it, and those of `link_routes` go to it.
        RouteContainer = "route-container",
        /// Another router of the network.
        InterRouter = "inter-router",
        /// Of a listener a router at the edge of the network, of a connector the network that this router is at the edge of.
        Edge = "edge",
    }
}

choice! {
    /// What a router is to others.
    RouterMode {
        /// Alone, or one of a network.
        Interior = "interior",
        /// At the edge of a network, which it reaches over connectors of role `edge`.
        Edge = "edge",
    }
}

area! {
    /// One address to listen on.
    Listener = "listeners" {
        /// what links of `auto_links` name it by
        name: String = String::new() => check("1 to 64 letters, digits and signs of - _ . : / @", is_connector_name) => told("none");
        /// who connects to it; others than `normal` need a router
        role: Role = Role::Normal;
        /// what a message over such a connection costs, of role `inter-router`: messages take the cheapest way, and the larger number of
        /// both ends counts
        cost: u32 = 1 => range(1, 1 << 20, "");
        /// deliveries of a link through the router that may be unsettled
        link_capacity: Option<u32> = None => range(1, 1 << 20, "") => told("`router.link_capacity`");
        /// address or host name, and port; port 0 lets the system choose; of a name all its addresses
        address: Endpoint = SocketAddr::from(([0, 0, 0, 0], 5672)).into();
        /// what lies under AMQP: TCP (with a certificate also TLS by protocol header), TLS, WebSocket, or WebSocket inside TLS
        transport: Transport = Transport::Tcp;
        /// certificate chain, PEM
        certificate: Option<PathBuf> = None => told("none");
        /// private key of the certificate, PEM, not encrypted
        key: Option<PathBuf> = None => told("none");
        /// whether peers must, may or cannot authenticate
        sasl: Sasl = Sasl::Optional;
        /// how they may; `PLAIN` needs `users.file`
        mechanisms: Vec<Mechanism> = vec![Mechanism::Anonymous];
        /// largest frame that is taken
        max_frame_size: u32 = amqp_proto::Config::default().max_frame_size => range(512, 16 << 20, "bytes");
        /// largest message that is taken; without a journal and a router at most 134217728. Above 1 MiB a message goes through a file of its
        /// own, part by part; above 128 KiB it passes a router part by part
        max_message_size: u64 = 4 << 30 => range(512, 1 << 40, "bytes");
        /// highest channel, so one less than sessions of a connection
        channel_max: u16 = amqp_proto::Config::default().channel_max;
        /// highest handle, so one less than links of a session
        handle_max: u32 = amqp_proto::Config::default().handle_max => range(0, 65_535, "");
        /// give up on silent peers; half of it is announced; 0: never; at least 200 otherwise
        idle_timeout_ms: u32 = amqp_proto::Config::default().idle_timeout_ms => range(0, u32::MAX as u64, "ms");
        /// vhost of a router's policy that its connections are of, whatever hostname they open with
        policy_vhost: Option<String> = None => told("the hostname says");
        /// `system`: that which the system gives; `auto`: likewise, but between ends on this machine none that paces (`bbr`), which spares nothing
        /// there and costs each message; or one of the system's by name (`sysctl net.ipv4.tcp_allowed_congestion_control`)
        congestion_control: Congestion = Congestion::default();
        /// give up on peers that have not opened
        handshake_timeout_ms: u32 = amqp_proto::Config::default().handshake_timeout_ms => range(100, 3_600_000, "ms");
    }
}

/// A password, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password(…)")
    }
}

choice! {
    /// How a connector authenticates.
    ConnectorMechanism {
        /// As nobody.
        Anonymous = "ANONYMOUS",
        /// By name and password.
        Plain = "PLAIN",
        /// By the certificate that TLS shows.
        External = "EXTERNAL",
        /// Not at all: there is no SASL.
        None = "none",
    }
}

area! {
    /// A peer to connect to.
    Connector = "connectors" {
        /// what it is called in the log and in figures; no two have the same
        name: String = String::new() => check("1 to 64 letters, digits and signs of - _ . : / @", is_connector_name) => told("has to be set");
        /// who the peer is; others than `normal` need a router
        role: Role = Role::Normal;
        /// what a message over such a connection costs, of role `inter-router`: messages take the cheapest way, and the larger number of
        /// both ends counts
        cost: u32 = 1 => range(1, 1 << 20, "");
        /// deliveries of a link through the router that may be unsettled
        link_capacity: Option<u32> = None => range(1, 1 << 20, "") => told("`router.link_capacity`");
        /// where the peer is: hosts, by address or name, and ports, such as `["broker-1:5672", "[::1]:5672"]`. They are
        /// tried in this order, and of a name each of its addresses
        endpoints: Vec<Endpoint> = Vec::new() => told("has to be set");
        /// what lies under AMQP: TCP, TLS, WebSocket, or WebSocket inside TLS
        transport: Transport = Transport::Tcp;
        /// certificates of authorities, PEM, by one of which the peer's has to be issued; `tls` and `wss` need it
        ca: Option<PathBuf> = None => told("none");
        /// certificate chain to show, PEM
        certificate: Option<PathBuf> = None => told("none");
        /// private key of the certificate, PEM, not encrypted
        key: Option<PathBuf> = None => told("none");
        /// whether the peer's certificate has to be for the host of the endpoint
        verify_hostname: bool = true;
        /// how to authenticate; `EXTERNAL` needs a certificate, `none` leaves SASL out
        sasl_mechanism: Option<ConnectorMechanism> = None => told("`PLAIN` with a name, else `ANONYMOUS`");
        /// name to authenticate by
        sasl_username: Option<String> = None => told("none");
        /// file whose first line is the password
        sasl_password_file: Option<PathBuf> = None => told("none");
        /// environment variable that holds the password, instead of a file
        sasl_password_env: Option<String> = None => told("none");
        /// as of listeners
        congestion_control: Congestion = Congestion::default();
        /// largest frame that is taken
        max_frame_size: u32 = amqp_proto::Config::default().max_frame_size => range(512, 16 << 20, "bytes");
        /// largest message that is taken, as of listeners
        max_message_size: u64 = 4 << 30 => range(512, 1 << 40, "bytes");
        /// highest channel, so one less than sessions of the connection
        channel_max: u16 = amqp_proto::Config::default().channel_max;
        /// highest handle, so one less than links of a session
        handle_max: u32 = amqp_proto::Config::default().handle_max => range(0, 65_535, "");
        /// give up on a silent peer; half of it is announced; 0: never; at least 200 otherwise
        idle_timeout_ms: u32 = amqp_proto::Config::default().idle_timeout_ms => range(0, u32::MAX as u64, "ms");
        /// give up on a name that is not answered, and on a connection that is not open by then
        connect_timeout_ms: u32 = amqp_proto::Config::default().handshake_timeout_ms => range(100, 3_600_000, "ms");
        /// wait so long at most behind the first failure, and twice as long behind each further one; between the half
        /// and the whole of it
        retry_min_ms: u32 = 500 => range(100, 3_600_000, "ms");
        /// wait no longer than that
        retry_max_ms: u32 = 30_000 => range(100, 3_600_000, "ms");
    }
}

choice! {
    /// How messages of an address are spread.
    Distribution {
        /// Each to one receiver, of whom those with least to do come first.
        Balanced = "balanced",
        /// Each to one receiver, in turn.
        Closest = "closest",
        /// Each to all receivers.
        Multicast = "multicast",
        /// To nobody: links to it are refused.
        Unavailable = "unavailable",
        /// They are kept in queues of this node, as without a router.
        Stored = "stored",
    }
}

area! {
    /// The router.
    Router = "router" {
        /// whether addresses are routed: messages pass through to whoever receives from them, and nothing is kept, but for addresses whose
        /// distribution is `stored`. Its name in its network is `node.container_id`
        enabled: bool = false;
        /// what it is to other routers: alone or one of a network, or at the edge of one
        mode: RouterMode = RouterMode::Interior;
        /// how messages of addresses are spread that no `routes` are for
        distribution: Distribution = Distribution::Balanced;
        /// deliveries of a link that may be unsettled; so much credit senders have
        link_capacity: u32 = engine_router::limits::LINK_CAPACITY => range(1, 1 << 20, "");
        /// how often it greets its neighbours
        hello_ms: u32 = 1_000 => range(10, 3_600_000, "ms");
        /// a neighbour that was not heard for so long is gone
        hello_age_ms: u32 = 3_000 => range(20, 36_000_000, "ms");
        /// how often it tells all routers what they should know of it
        advertise_ms: u32 = 30_000 => range(10, 36_000_000, "ms");
        /// the same while the network changes
        advertise_flux_ms: u32 = 4_000 => range(10, 36_000_000, "ms");
        /// what a router that is not heard said of its neighbours counts for so long
        link_state_age_ms: u32 = 60_000 => range(20, 360_000_000, "ms");
        /// file of qdrouterd's whose sections `policy` and `vhost` say who may connect, and what he may do then; its other sections say
        /// nothing here
        policy: Option<PathBuf> = None => told("none: everybody may do everything");
    }
}

area! {
    /// How the router spreads messages of some addresses.
    Route = "routes" {
        /// beginning of the addresses that it is for: words are divided by dots or slashes, and `a` is for `a.b` and not for `ab`
        prefix: Option<String> = None => told("none");
        /// instead of a prefix: `*` stands for one word, `#` for any words; where several match, the most specific one holds
        pattern: Option<String> = None => told("none");
        /// how messages are spread
        distribution: Distribution = Distribution::Balanced;
        /// whether messages pass a broker on their way, which `auto_links` take them to and from: it stands for `egress_phase = 1`
        waypoint: bool = false;
        /// phase that senders reach
        ingress_phase: Option<u8> = None => range(0, 9, "") => told("0");
        /// phase that receivers take from; what moves messages from one phase to the next are links with a phase of their own
        egress_phase: Option<u8> = None => range(0, 9, "") => told("0, of a waypoint 1");
        /// whether what nobody takes goes to receivers that are the address's fallback
        fallback: bool = false;
    }
}

choice! {
    /// Which way messages of a link go that the router attaches.
    Direction {
        /// From the peer's node into the router.
        In = "in",
        /// From the router to the peer's node.
        Out = "out",
    }
}

area! {
    /// A link that the router attaches itself, to a node of a broker or a service whenever that is connected.
    AutoLink = "auto_links" {
        /// address in the router
        address: String = String::new() => told("has to be set");
        /// which way messages go: `in` to the router, `out` to the peer
        direction: Option<Direction> = None => told("has to be set");
        /// the connector or listener of whose connections it is; its role is `route-container`
        connection: Option<String> = None => told("none");
        /// instead of that: the name that the peer gives itself, its container-id
        container: Option<String> = None => told("none");
        /// instead of both: whether it leads to a queue of this node, whose distribution is `stored`
        stored: bool = false;
        /// name of the peer's node
        node: Option<String> = None => told("the address");
        /// phase of the address
        phase: Option<u8> = None => range(0, 9, "") => told("in: 1, out: 0");
        /// whether it is for the address's fallback, which has no phase
        fallback: bool = false;
    }
}

area! {
    /// Links of clients that go to a broker or a service whole, wherever in the network that is connected: with its transactions, subscriptions,
    /// selectors and browsers.
    LinkRoute = "link_routes" {
        /// beginning of the addresses that it is for: words are divided by dots or slashes, and `a` is for `a.b` and not for `ab`; `$coordinator`
        /// is that of transactions
        prefix: Option<String> = None => told("none");
        /// instead of a prefix: `*` stands for one word, `#` for any words; where several match, the most specific one holds
        pattern: Option<String> = None => told("none");
        /// which links: `in` those that clients send on, `out` those that they receive on
        direction: Option<Direction> = None => told("both");
        /// the connector or listener of whose connections it is; its role is `route-container`
        connection: Option<String> = None => told("none");
        /// instead of that: the name that the peer gives itself, its container-id; with neither it leads to peers of other routers only
        container: Option<String> = None => told("none");
        /// instead of both: whether it leads to the queues of this node, for links of other routers; the distribution of its addresses is
        /// `stored`
        stored: bool = false;
        /// what the peer's addresses do not have of the clients': it is taken off where they begin with it
        remove_prefix: Option<String> = None => told("none");
        /// what the peer's addresses have in front
        add_prefix: Option<String> = None => told("none");
    }
}

area! {
    /// Who may authenticate.
    Users = "users" {
        /// names and hashes of passwords, made by `heddle user add`; read at start
        file: Option<PathBuf> = None => told("none");
    }
}

area! {
    /// The read-only HTTP listener.
    Http = "http" {
        /// whether there is one
        enabled: bool = true;
        /// address or host name, and port; port 0 lets the system choose
        address: Endpoint = SocketAddr::from(([127, 0, 0, 1], 8161)).into();
        /// allow an `address` that other machines reach: it tells names of queues, peers and users to whoever asks
        allow_remote: bool = false;
        /// file with a token on each line, which `/state` and `/metrics` then ask for
        token_file: Option<PathBuf> = None => told("none");
        /// certificate chain, PEM; with it the listener speaks TLS
        certificate: Option<PathBuf> = None => told("none");
        /// private key of the certificate, PEM, not encrypted
        key: Option<PathBuf> = None => told("none");
        /// certificates, PEM, by one of which a client's has to be issued that asks for `/state` and `/metrics`
        client_ca: Option<PathBuf> = None => told("none");
    }
}

area! {
    /// Bounds.
    Limits = "limits" {
        /// connections of one shard; more are closed at once. All shards together have no more than the limit on open files leaves
        /// (`ulimit -n`, of which some are kept back for storage): `heddle_connections_max` says how many that is
        connections: u32 = 65_536 => range(1, 1 << 24, "");
        /// links of one shard; more are refused
        links: u32 = 1 << 20 => range(1, 1 << 24, "");
        /// memory for queued messages of the node; when it gets short, messages are kept on disk only (without a journal: producers get no
        /// credit; with a router: what would have to wait is released)
        memory_mib: u64 = machine_mib() / 4 => range(1, 1 << 40, "MiB") => told("a quarter of the machine's");
    }
}

choice! {
    /// How writes get to stable storage.
    SyncMethod {
        /// Whatever is faster here, found out at start.
        Auto = "auto",
        /// A write that is also a sync (RWF_DSYNC).
        Dsync = "dsync",
        /// A write, then fdatasync.
        Fdatasync = "fdatasync",
    }
}

area! {
    /// What is kept on disk.
    Storage = "storage" {
        /// whether there is a journal; without one nothing outlives the node, and durable messages are accepted like others
        enabled: bool = true;
        /// size of a file of the journal; fixed when the data directory is made; no durable message is larger
        segment_mib: u64 = 64 => range(2, 1024, "MiB");
        /// how writes get to stable storage: in one call, in two, or the faster one, found out at start
        sync: SyncMethod = SyncMethod::Auto;
        /// left free on the file system, by the journal and by files of large messages; below it the disk counts as full (durability.md, "A
        /// full disk"). Consumers go on, and so do producers by themselves when there is room. On a volume that is not larger than this no
        /// durable message is ever taken: the start warns
        min_free_mib: u64 = 1024 => range(0, 1 << 40, "MiB");
        /// `address[].when_full` of all addresses of which no match says otherwise
        when_full: Option<WhenFull> = None => told("hold");
    }
}

choice! {
    /// How log lines look.
    Format {
        /// For people.
        Text = "text",
        /// For programs.
        Json = "json",
    }
}

area! {
    /// Logging.
    Log = "log" {
        /// a level, and levels of areas behind it
        level: String = "info".to_owned() => check(levels::EXPECTED, levels::is_list);
        /// how lines look
        format: Format = Format::Text;
    }
}

/// Whether a node can have this name.
fn is_name(name: &str) -> Result<(), String> {
    if (1..=255).contains(&name.chars().count()) && !name.contains(char::is_control) {
        Ok(())
    } else {
        Err(String::new())
    }
}

/// Whether a connector can have this name: it becomes a label, and a part of a user's name.
fn is_connector_name(name: &str) -> Result<(), String> {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.:/@".contains(&octet);
    // That it has to be set is said where it is resolved.
    if name.len() <= CONNECTOR_NAME_MAX && name.bytes().all(fits) { Ok(()) } else { Err(String::new()) }
}

fn host_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    if is_name(host).is_ok() { host.to_owned() } else { "heddle".to_owned() }
}

/// The machine's memory, MiB.
pub fn machine_mib() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    kib.map_or(4096, |kib: u64| kib / 1024)
}

#[cfg(test)]
mod tests {
    use engine_catalogue::Area;
    use engine_catalogue::setting::Value;

    use super::*;

    fn defaults_are_allowed<A: Area>() {
        let mut area = A::default();
        for (setting, value) in A::SETTINGS.iter().zip(A::default().values()) {
            let name = format!("{}.{}", A::NAME, setting.name);
            assert_eq!(setting.admit(&value), Ok(()), "{name} takes its default");
            assert_eq!(area.put(setting.name, value.clone()), Ok(()), "{name} is made of what it is printed as");
            assert!(
                value != Value::Absent || setting.default_told.is_some(),
                "{name} tells what it means not to be set"
            );
            assert!(!setting.help.contains('|') && setting.help.starts_with(' '), "{name} fits into a table");
        }
        assert_eq!(area.values(), A::default().values());
    }

    #[test]
    fn all_defaults_are_allowed() {
        defaults_are_allowed::<Node>();
        defaults_are_allowed::<Listener>();
        defaults_are_allowed::<Connector>();
        defaults_are_allowed::<QueueEntry>();
        defaults_are_allowed::<DivertEntry>();
        defaults_are_allowed::<Users>();
        defaults_are_allowed::<Http>();
        defaults_are_allowed::<Limits>();
        defaults_are_allowed::<Storage>();
        defaults_are_allowed::<Log>();
    }
}
