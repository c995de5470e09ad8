//! What is to be done to a broker: the contract between options, scenario files and drivers.
//!
//! A scenario is one or more groups of producers and consumers that run at the same time; each has its own addresses,
//! arrivals, sizes and promises. Everything has a default, so that the empty file is a scenario too. Unknown keys are refused.
//!
//! Guarantees: what `Scenario::check` lets pass is within the limits below and contradicts itself nowhere.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Rate, Span};

mod jms;
mod servers;
mod size;
mod written;

pub use jms::{Fail, Jms, JmsError, Priorities};

/// Groups of a scenario.
pub const GROUPS_MAX: usize = 64;
/// Producers, and consumers, of all groups: each has a link, and a ledger for each of its peers.
pub const LINKS_MAX: u32 = 100_000;
/// Smallest body, octets: what each message carries to be known again (`stamp`).
pub const BODY_MIN: u64 = 40;
/// Largest body, octets: a worker builds it in memory.
pub const BODY_MAX: u64 = 256 << 20;

/// A whole load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Its name in reports.
    pub name: String,
    /// What it is to show, for people.
    pub description: String,
    /// Whom to load, where a group does not say otherwise: `amqp://[user:password@]host[:port]` or `amqps://…`; connections are spread over
    /// them.
    pub servers: Vec<String>,
    /// How long is measured, behind the warm-up.
    pub duration: Span,
    /// End sooner, when so many messages were sent in all; 0: only `duration` counts.
    pub count: u64,
    /// What is not counted at the beginning.
    pub warm_up: WarmUp,
    /// How long messages under way may take to come after the last one was sent.
    pub drain: Span,
    /// Where chance begins: arrivals, sizes.
    pub seed: u64,
    /// Which client does it.
    pub client: Client,
    /// Threads that load, each on a core of its own; 0: one for each core given.
    pub threads: usize,
    /// Cores to load from, such as `1` or `2-3`; empty: all that this process may use.
    pub cores: String,
    /// What all connections have in common.
    pub connection: ConnectionSpec,
    /// What is sent and received.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    /// What has to hold of the result, such as `p99.9<2ms` or `lost=0`.
    pub require: Vec<String>,
    /// Whether a run in which losses could not be looked for is as good as one in which they were.
    pub ignore_losses: bool,
}

/// What is not counted at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmUp {
    /// Until rates and latencies are steady, at most a minute; a run that never gets there says so.
    Auto,
    /// So long.
    #[serde(untagged)]
    Fixed(Span),
}

/// Which client does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// Our own machines over `engine/rt`.
    Heddle,
    /// fe2o3-amqp on tokio: slower, and written by others.
    Fe2o3,
}

/// What all connections have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionSpec {
    /// For SASL PLAIN, unless the server's URL has them; empty: ANONYMOUS.
    pub user: String,
    /// For SASL PLAIN. Never printed into results.
    #[serde(skip_serializing)]
    pub password: String,
    /// A PEM file of authorities to trust for `amqps`; empty: those of the system.
    pub tls_ca: String,
    /// Take any certificate.
    pub tls_insecure: bool,
    /// Largest frame to take, octets.
    pub max_frame_size: u32,
    /// Links on each connection; producers and consumers of one group are never on the same one.
    pub links: u32,
    /// Connections that are closed and made anew, each second, over all groups; 0: none.
    pub churn: f64,
    /// Make a broken connection again and go on; else it ends the run.
    pub reconnect: bool,
    /// Longest wait before a connection is tried again; the first is 20 ms, and each is twice the one before.
    pub back_off: Span,
}

/// Producers and consumers of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    /// Its name in reports; unique.
    pub name: String,
    /// What its addresses are.
    pub pattern: Pattern,
    /// The address; `{}` stands for a number where there are several, which is put at the end otherwise.
    pub address: String,
    /// How many addresses. Producers and consumers are dealt out to them in turn.
    pub addresses: u32,
    /// Producers, of all addresses.
    pub producers: u32,
    /// Consumers, of all addresses; 0: messages stay where they are.
    pub consumers: u32,
    /// Servers that producers connect to, if those are not the scenario's; connections are spread over them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub producers_at: Vec<String>,
    /// The same of consumers: at another router of a network than the producers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consumers_at: Vec<String>,
    /// When messages are due.
    pub arrivals: Arrivals,
    /// Messages a second of the whole group, for all arrivals but `closed`.
    pub rate: Rate,
    /// Octets of a body.
    pub size: Size,
    /// Whether messages are durable.
    pub durable: bool,
    /// How deliveries are settled.
    pub settle: Settle,
    /// Deliveries on the way of each producer, at most; the rest waits, and counts as late from when it was due.
    pub window: u32,
    /// Credit of each consumer.
    pub credit: u32,
    /// Messages to a transaction; 0: none.
    pub transaction: u32,
    /// How long a consumer holds each message.
    pub hold: Span,
    /// What applications of JMS ask for besides; keys of the group like all others.
    #[serde(flatten)]
    pub jms: Jms,
}

/// What addresses are, and who gets what is sent to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Anycast: each message goes to one consumer.
    Queue,
    /// Multicast: each goes to all consumers of its address.
    Topic,
    /// Anycast; consumers answer each message to its reply-to, a dynamic node. Latency is that of the round.
    RequestReply,
}

/// When messages are due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// At distances of an exponential distribution: what many independent clients make.
    Poisson,
    /// So many at once, bursts at equal distances.
    Burst {
        /// Messages of a burst.
        messages: u32,
    },
    /// At equal distances that shrink from those of `from` to those of `rate` over the run.
    Ramp {
        /// Messages a second at the start.
        from: Rate,
    },
    /// As fast as window and credit allow: a closed loop, whose latencies hide what a stall does to those who wait to send.
    Closed,
}

/// Octets of a body.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum Size {
    /// Always the same.
    Fixed(Bytes),
    /// All between with equal chance.
    Uniform {
        /// The least.
        min: Bytes,
        /// The most.
        max: Bytes,
    },
    /// Log-normal, as sizes of real messages tend to be.
    LogNormal {
        /// Half are smaller.
        median: Bytes,
        /// One in a hundred is larger.
        p99: Bytes,
        /// None is larger.
        max: Bytes,
    },
    /// Some of each.
    Mix(Vec<Weighted>),
}

/// One of several sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// Octets.
    pub size: Bytes,
    /// Its share, beside the others' sum.
    pub weight: f64,
}

/// How deliveries are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settle {
    /// Sent settled: at most once.
    Presettled,
    /// Accepted, and settled by the receiver at once (receiver settle mode first): at least once.
    Unsettled,
    /// Settled by the receiver when the sender has (receiver settle mode second).
    Second,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "load".to_owned(),
            description: String::new(),
            servers: vec!["amqp://127.0.0.1:5672".to_owned()],
            duration: Span::seconds(30.0),
            count: 0,
            warm_up: WarmUp::Auto,
            drain: Span::seconds(10.0),
            seed: 1,
            client: Client::Heddle,
            threads: 0,
            cores: String::new(),
            connection: ConnectionSpec::default(),
            groups: Vec::new(),
            require: Vec::new(),
            ignore_losses: false,
        }
    }
}

impl Default for ConnectionSpec {
    fn default() -> Self {
        Self {
            user: String::new(),
            password: String::new(),
            tls_ca: String::new(),
            tls_insecure: false,
            max_frame_size: 1 << 20,
            links: 1,
            churn: 0.0,
            reconnect: false,
            back_off: Span::seconds(1.0),
        }
    }
}

impl Default for Group {
    fn default() -> Self {
        Self {
            name: "main".to_owned(),
            pattern: Pattern::Queue,
            address: "load".to_owned(),
            addresses: 1,
            producers: 1,
            consumers: 1,
            producers_at: Vec::new(),
            consumers_at: Vec::new(),
            arrivals: Arrivals::Constant,
            rate: Rate(10_000.0),
            size: Size::Fixed(Bytes(1024)),
            durable: false,
            settle: Settle::Unsettled,
            window: 2000,
            credit: 2000,
            transaction: 0,
            hold: Span(0),
            jms: Jms::default(),
        }
    }
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It is no TOML, or has a key that there is not.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// It contradicts itself, or goes beyond a limit.
    #[error("{key}: {problem}")]
    Wrong {
        /// The key of the file, behind its group's name if it is in one.
        key: String,
        /// What is wrong with its value, and what would be right.
        problem: String,
    },
}

impl Scenario {
    /// Reads a scenario file. One without a group has one, of defaults.
    ///
    /// # Errors
    /// When it is no scenario; what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Self = toml::from_str(text)?;
        if scenario.groups.is_empty() {
            scenario.groups.push(Group::default());
        }
        scenario.check()?;
        Ok(scenario)
    }

    /// Says what is wrong with it.
    ///
    /// # Errors
    /// The first thing that is.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let wrong =
            |key: &str, problem: &str| Err(ScenarioError::Wrong { key: key.to_owned(), problem: problem.to_owned() });
        if self.servers.is_empty() {
            return wrong("servers", "name at least one, such as amqp://127.0.0.1:5672");
        }
        if let Err((place, problem)) = servers::check(&self.servers) {
            return wrong(&format!("servers (--server), number {place}"), &problem);
        }
        if self.groups.is_empty() || self.groups.len() > GROUPS_MAX {
            return wrong("group", &format!("a scenario has 1 to {GROUPS_MAX} groups"));
        }
        if self.duration.0 == 0 && self.count == 0 {
            return wrong("duration", "say how long, or with `count` how many messages");
        }
        if !(512..=16 << 20).contains(&self.connection.max_frame_size) {
            return wrong("connection.max_frame_size", "512 to 16777216");
        }
        if !(1..=1000).contains(&self.connection.links) {
            return wrong("connection.links", "1 to 1000");
        }
        if !(0.0..=10_000.0).contains(&self.connection.churn) {
            return wrong("connection.churn", "0 to 10000 connections a second");
        }
        let links = |count: fn(&Group) -> u32| self.groups.iter().map(|group| u64::from(count(group))).sum::<u64>();
        if links(|group| group.producers).max(links(|group| group.consumers)) > u64::from(LINKS_MAX) {
            return wrong("group.producers", &format!("at most {LINKS_MAX} producers and as many consumers in all"));
        }
        for (index, group) in self.groups.iter().enumerate() {
            if self.groups.iter().take(index).any(|other| other.name == group.name) {
                return wrong("group.name", &format!("two groups are named {:?}", group.name));
            }
            group.check()?;
        }
        Ok(())
    }
}

impl Group {
    fn check(&self) -> Result<(), ScenarioError> {
        let wrong = |key: &str, problem: String| {
            Err(ScenarioError::Wrong { key: format!("group {:?}, {key}", self.name), problem })
        };
        for (key, urls) in [
            ("producers_at (--producers-at)", &self.producers_at),
            ("consumers_at (--consumers-at)", &self.consumers_at),
        ] {
            servers::check(urls).or_else(|(place, problem)| wrong(&format!("{key}, number {place}"), problem))?;
        }
        if self.addresses == 0 || self.producers + self.consumers == 0 {
            return wrong("producers", "there is at least one address, and a producer or a consumer".to_owned());
        }
        if self.arrivals != Arrivals::Closed && self.producers > 0 && self.rate.0 <= 0.0 {
            return wrong("rate", "more than 0 messages a second, or arrivals = { kind = \"closed\" }".to_owned());
        }
        if matches!(self.arrivals, Arrivals::Burst { messages: 0 }) {
            return wrong("arrivals.messages", "a burst has at least one message".to_owned());
        }
        if matches!(self.arrivals, Arrivals::Ramp { from } if from.0 < 0.0) {
            return wrong("arrivals.from", "at least 0".to_owned());
        }
        if self.window == 0 || self.credit == 0 {
            return wrong("window", "window and credit are at least 1".to_owned());
        }
        if self.pattern == Pattern::RequestReply && self.consumers == 0 && self.producers > 0 {
            return wrong("consumers", "somebody has to answer requests".to_owned());
        }
        if self.transaction > 0 && self.settle == Settle::Second {
            return wrong("settle", "a transaction's messages are sent unsettled or presettled".to_owned());
        }
        self.size.check().or_else(|problem| wrong("size", problem))?;
        self.jms.check(self).or_else(|(key, problem)| wrong(key, problem))
    }

    /// The name of address `number`.
    pub fn address_of(&self, number: u32) -> String {
        if self.address.contains("{}") {
            self.address.replace("{}", &number.to_string())
        } else if self.addresses == 1 {
            self.address.clone()
        } else {
            format!("{}.{number}", self.address)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_printed_so_that_it_means_the_same() {
        let text = r#"
            name = "mixed"
            duration = "10s"
            warm_up = "auto"
            require = ["p99.9<2ms", "lost=0"]
            [connection]
            links = 4
            [[group]]
            name = "orders"
            rate = "20k"
            arrivals = { kind = "burst", messages = 50 }
            size = { median = "200", p99 = "4KiB", max = "64KiB" }
            durable = true
            [[group]]
            name = "quotes"
            pattern = "topic"
            consumers = 8
            settle = "presettled"
            size = [{ size = 100, weight = 9 }, { size = "1KiB", weight = 1 }]
        "#;
        let scenario = Scenario::parse(text).expect("it is one");
        assert_eq!(scenario.groups[0].rate, Rate(20_000.0));
        assert_eq!(scenario.groups[0].arrivals, Arrivals::Burst { messages: 50 });
        assert!(matches!(scenario.groups[1].size, Size::Mix(ref sizes) if sizes.len() == 2));
        let printed = toml::to_string(&scenario).expect("it prints");
        assert_eq!(Scenario::parse(&printed).expect("it is read again"), scenario);
        let fixed = Scenario::parse("warm_up = \"2s\"").expect("it is one");
        assert_eq!(fixed.warm_up, WarmUp::Fixed(Span::seconds(2.0)));
        assert_eq!(fixed.groups.len(), 1);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, told) in [
            ("durations = 3", "unknown field `durations`"),
            ("servers = []", "servers: name at least one"),
            ("servers = [\"amqp://a\", \"http://b\"]", "servers (--server), number 2: a server's URL is amqp://"),
            ("[[group]]\nsize = 10", "every message carries 40"),
            ("[[group]]\n[[group]]", "two groups are named"),
            ("[[group]]\nrate = 0", "more than 0 messages a second"),
            ("duration = 0", "say how long"),
        ] {
            let error = Scenario::parse(text).expect_err(text).to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let mut scenario = Scenario::default();
        scenario.connection.password = "secret".to_owned();
        assert!(!toml::to_string(&scenario).expect("it prints").contains("secret"));
    }
}
