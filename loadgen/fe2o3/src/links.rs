//! Connections, sessions and links as fe2o3-amqp makes them.

use std::time::Duration;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Source, Target};
use fe2o3_amqp::types::primitives::{Array, Symbol};
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use load_model::scenario::{ConnectionSpec, Group, Pattern, Scenario, Settle};
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use url::{Host, Url};

/// What a URL without a port means.
const PORT: u16 = 5672;
/// How long a connection and its links may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Transfers under way to a session: a link's credit holds them back, the session never does.
const SESSION_WINDOW: u32 = 1 << 20;

/// Makes connections of one worker, each with as many links of one end of a group as the scenario wants.
pub(crate) struct Connector<'a> {
    scenario: &'a Scenario,
    worker: u32,
    made: u32,
    /// Links that the last connection still takes.
    free: u32,
    /// Kept until the end: dropping one ends it.
    connections: Vec<(ConnectionHandle<()>, SessionHandle<()>)>,
}

impl<'a> Connector<'a> {
    /// One that has made none.
    pub fn new(scenario: &'a Scenario, worker: u32) -> Self {
        Self { scenario, worker, made: 0, free: 0, connections: Vec::new() }
    }

    /// The next link gets a new connection: producers and consumers of one group are never on the same one, nor are groups.
    pub fn begin(&mut self) {
        self.free = 0;
    }

    /// How many connections were made.
    pub fn made(&self) -> u32 {
        self.made
    }

    async fn session(&mut self, servers: &[String]) -> Result<&mut SessionHandle<()>, String> {
        if self.free == 0 {
            let connection = connect(self.scenario, servers, (self.worker, self.made)).await?;
            self.connections.push(connection);
            self.made += 1;
            self.free = self.scenario.connection.links.max(1);
        }
        self.free -= 1;
        self.connections.last_mut().map(|(_, session)| session).ok_or_else(|| "no connection was made".to_owned())
    }

    /// A producer's link.
    pub async fn sender(&mut self, group: &Group, producer: u32) -> Result<Sender, String> {
        let address = group.address_of(group.address_of_producer(producer));
        let target = Target::builder().address(address.as_str()).capabilities(capabilities(group, &address)).build();
        let builder = Sender::builder()
            .name(format!("{}-producer-{producer}", group.name))
            .target(target)
            .sender_settle_mode(sender_mode(group))
            .receiver_settle_mode(ReceiverSettleMode::First);
        let session = self.session(self.scenario.servers_of_producers(group)).await?;
        let attached = in_time(builder.attach(session)).await?;
        attached.map_err(|error| format!("cannot attach a producer to {address}: {error}"))
    }

    /// A consumer's link.
    pub async fn receiver(&mut self, group: &Group, consumer: u32) -> Result<Receiver, String> {
        let address = group.address_of(group.address_of_consumer(consumer));
        let source = Source::builder().address(address.as_str()).capabilities(capabilities(group, &address)).build();
        let builder = Receiver::builder()
            .name(format!("{}-consumer-{consumer}", group.name))
            .source(source)
            .sender_settle_mode(sender_mode(group))
            .receiver_settle_mode(ReceiverSettleMode::First)
            .credit_mode(CreditMode::Auto(group.credit));
        let session = self.session(self.scenario.servers_of_consumers(group)).await?;
        let attached = in_time(builder.attach(session)).await?;
        attached.map_err(|error| format!("cannot attach a consumer to {address}: {error}"))
    }
}

async fn connect(
    scenario: &Scenario,
    servers: &[String],
    (worker, number): (u32, u32),
) -> Result<(ConnectionHandle<()>, SessionHandle<()>), String> {
    let place = (worker as usize + number as usize) % servers.len().max(1);
    let server = servers.get(place).ok_or("the scenario names no server")?;
    let Server { host, port, profile } = Server::read(server, &scenario.connection)?;
    let stream = in_time(TcpStream::connect((host.as_str(), port))).await?;
    let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    let stream = stream.map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?;
    let builder = Connection::builder()
        .container_id(format!("heddle-load-fe2o3-{}-{worker}-{number}", std::process::id()))
        .scheme("amqp")
        .hostname(host.as_str())
        .max_frame_size(scenario.connection.max_frame_size)
        .sasl_profile(profile);
    let opened = in_time(builder.open_with_stream(stream)).await?;
    let mut connection = opened.map_err(|error| format!("cannot open a connection to {host}:{port}: {error}"))?;
    let builder = Session::builder().incoming_window(SESSION_WINDOW).outgoing_window(SESSION_WINDOW);
    let begun = in_time(builder.begin(&mut connection)).await?;
    let session = begun.map_err(|error| format!("cannot begin a session: {error}"))?;
    Ok((connection, session))
}

async fn in_time<T>(doing: impl Future<Output = T>) -> Result<T, String> {
    let seconds = CONNECT_TIMEOUT.as_secs();
    tokio::time::timeout(CONNECT_TIMEOUT, doing).await.map_err(|_| format!("the server did not answer for {seconds} s"))
}

/// What a server's URL says. The stream is made here, since fe2o3-amqp leaves Nagle's algorithm on, which holds
/// messages back for as long as the server's delayed acknowledgements take: 40 ms.
struct Server {
    host: String,
    port: u16,
    profile: SaslProfile,
}

impl Server {
    /// Reads a URL; credentials in it come before those of all connections.
    fn read(url: &str, spec: &ConnectionSpec) -> Result<Self, String> {
        // Nothing of it is shown: it may have a password in it.
        let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "amqp");
        let found = parsed.as_ref().and_then(|url| Some((url, host(&url.host()?))));
        let (url, host) = found.ok_or("a server's URL is amqp://[user:password@]host[:port]")?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (username, password) = match url.username() {
            "" => (spec.user.clone(), spec.password.clone()),
            user => (decoded(user), decoded(url.password().unwrap_or_default())),
        };
        let profile =
            if username.is_empty() { SaslProfile::Anonymous } else { SaslProfile::Plain { username, password } };
        Ok(Self { host, port: url.port().unwrap_or(PORT), profile })
    }
}

/// A host as it is looked up: without the brackets of an IPv6 address.
fn host(host: &Host<&str>) -> String {
    match host {
        Host::Ipv6(address) => address.to_string(),
        other => other.to_string(),
    }
}

fn sender_mode(group: &Group) -> SenderSettleMode {
    match group.settle {
        Settle::Presettled => SenderSettleMode::Settled,
        Settle::Unsettled | Settle::Second => SenderSettleMode::Unsettled,
    }
}

/// What a broker needs to know of an address; RabbitMQ's say it themselves (`/queues/…`, `/exchanges/…`).
fn capabilities(group: &Group, address: &str) -> Array<Symbol> {
    let capability = match group.pattern {
        _ if address.starts_with('/') => return Array::from(Vec::new()),
        Pattern::Topic => "topic",
        Pattern::Queue | Pattern::RequestReply => "queue",
    };
    Array::from(vec![Symbol::from(capability)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_who() {
        let spec = ConnectionSpec { user: "all".to_owned(), ..ConnectionSpec::default() };
        let read = |url| Server::read(url, &spec).map(|server| (server.host, server.port, server.profile));
        let (host, port, profile) = read("amqp://me:p%40ss@broker:5673").expect("it is one");
        assert_eq!((&*host, port), ("broker", 5673));
        assert!(matches!(profile, SaslProfile::Plain { username, password } if username == "me" && password == "p@ss"));
        let (host, port, profile) = read("amqp://[::1]").expect("it is one");
        assert_eq!((&*host, port), ("::1", PORT));
        assert!(matches!(profile, SaslProfile::Plain { username, .. } if username == "all"));
        for wrong in ["broker:5672", "http://broker", "amqp://"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
