//! A client of a running broker, for tools: requests to management, and messages of a queue as they lie there.
//!
//! Guarantees: a call waits for the broker at most `SILENCE_MAX` at a time; whatever the broker sends is an error at worst.
//!
//! Not here: what is asked for (`command`).

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_codec::performative::{
    Attach, DistributionMode, ReceiverSettleMode, Role, SenderSettleMode, Source, Target, Terminus,
};
use amqp_proto::{Config, Connection, Credentials, Event, Input, LinkId, Out, Part, Payload, Send, SessionId, Settled};
use bytes::Bytes;
use clap::Args;
use engine_home::MANAGEMENT;
use engine_management::{Answer, Request, Return};
use engine_message::value::{Described, Map, Value};
use engine_rt::monotonic_ns;
use load_model::server_url::ServerUrl;

/// How long connecting may take to each address of a name.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long a broker may be silent: it answers a request within a quarter of a second, and some may wait before.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// What is read at a time, octets.
const READ_BYTES: usize = 64 << 10;
/// Answers that may come at once, and messages that are asked for at a time.
const CREDIT: u32 = 100;
/// The descriptor of a selector (Apache's registry of filters).
const SELECTOR: u64 = 0x0000_468c_0000_0004;

/// Which broker, and who asks.
#[derive(Args, Clone, Debug)]
pub struct Broker {
    /// The broker: amqp://HOST[:PORT].
    #[arg(long, value_name = "URL", default_value = "amqp://127.0.0.1:5672")]
    url: String,
    /// Who asks; nobody in particular without it.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The password; the variable HEDDLE_PASSWORD is taken without it, which others do not see.
    #[arg(long, value_name = "PASSWORD", requires = "user")]
    password: Option<String>,
}

/// What the broker said.
enum Heard {
    Opened,
    /// The link stands; its address, as far as the broker makes it.
    Attached(LinkId, Option<String>),
    Message(LinkId, Bytes),
    Drained,
    /// A link has credit.
    Credit,
}

/// How requests are sent, and their answers come.
struct Asking {
    requests: LinkId,
    answers: LinkId,
    /// The address of answers.
    to: String,
    /// Requests that were sent.
    number: u64,
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    machine: Connection,
    out: Out,
    kept: Vec<u8>,
    heard: VecDeque<Heard>,
    session: SessionId,
    /// Once something was asked for.
    asking: Option<Asking>,
    /// As people wrote it, without user and password.
    shown: String,
}

fn failed(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

impl Broker {
    /// Connects.
    ///
    /// # Errors
    /// When nobody answers there, or lets us in.
    pub fn connect(&self) -> io::Result<Client> {
        let url = ServerUrl::parse(&self.url).map_err(|error| failed(format!("--url: {error}")))?;
        let shown = format!("{}:{}", url.host, url.port);
        if url.is_tls {
            return Err(failed(
                "--url: this command speaks AMQP without TLS: name a listener with transport = \"tcp\"",
            ));
        }
        let stream = connect(&url, &shown)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        let password = || self.password.clone().or_else(|| std::env::var("HEDDLE_PASSWORD").ok()).unwrap_or_default();
        let given = self.user.clone().map(|user| (user, password()));
        let credentials = match given.or(url.user) {
            Some((user, password)) => Credentials::Plain { user, password },
            None => Credentials::Anonymous,
        };
        let container_id = format!("heddle-tool-{}", std::process::id());
        let config = Arc::new(Config { container_id, ..Config::default() });
        let mut out = Out::default();
        let open = amqp_codec::performative::Open { hostname: Some(url.host), ..config.client_open() };
        let machine = Connection::client(config, open, Some(credentials), monotonic_ns(), &mut out);
        let (kept, heard, session) = (Vec::new(), VecDeque::new(), SessionId(0));
        let mut client = Client { stream, machine, out, kept, heard, session, asking: None, shown };
        client.wait("opened the connection", |heard| matches!(heard, Heard::Opened).then_some(()))?;
        let session = client.machine.begin(&mut client.out);
        client.session = session.ok_or_else(|| failed("the broker takes no session"))?;
        Ok(client)
    }
}

fn connect(url: &ServerUrl, shown: &str) -> io::Result<TcpStream> {
    let addresses = (url.host.as_str(), url.port).to_socket_addrs();
    let addresses = addresses.map_err(|error| failed(format!("{shown} cannot be looked up: {error}")))?;
    let mut last = failed("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(failed(format!("no broker answers at {shown} ({last}): is it running? --url names one of its listeners")))
}

impl Client {
    /// Asks for something, and waits for the answer.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let asking = match self.asking.take() {
            Some(asking) => asking,
            None => self.begin_asking()?,
        };
        let (requests, answers, number) = (asking.requests, asking.answers, asking.number + 1);
        let back = Return { to: asking.to.clone(), correlation: Some(Value::Ulong(number)) };
        self.asking = Some(Asking { number, ..asking });
        let body = request.encode(MANAGEMENT, &back);
        let send = Send { key: 0, settled: Settled::Yes, format: 0, prefix: &[], body: &body, part: Part::Whole };
        self.machine.send(requests, send, &mut self.out);
        loop {
            let message = self.wait("answered", |heard| match heard {
                Heard::Message(link, message) if link == answers => Some(message),
                _ => None,
            })?;
            self.machine.grant(answers, 1);
            let (answer, correlation) = Answer::read(&message).map_err(failed)?;
            if correlation == Some(Value::Ulong(number)) {
                return Ok(answer);
            }
        }
    }

    /// Where answers come, once something was asked for.
    pub fn answers(&self) -> Option<&str> {
        self.asking.as_ref().map(|asking| asking.to.as_str())
    }

    fn begin_asking(&mut self) -> io::Result<Asking> {
        let (answers, to) = self.attach(receiver("answers", Terminus::dynamic().into()))?;
        let to = to.ok_or_else(|| failed("the broker made no address for answers"))?;
        self.machine.grant(answers, CREDIT);
        let target = Some(Target::Node(Terminus::at(MANAGEMENT)));
        let modes = (SenderSettleMode::Settled, ReceiverSettleMode::First);
        let (requests, _) = self.attach(Attach {
            source: Some(Source::default()),
            target,
            snd_settle_mode: modes.0,
            rcv_settle_mode: modes.1,
            initial_delivery_count: Some(0),
            ..Attach::new("requests".to_owned(), 0, Role::Sender)
        })?;
        self.wait("gave credit for requests", |heard| matches!(heard, Heard::Credit).then_some(()))?;
        Ok(Asking { requests, answers, to, number: 0 })
    }

    /// Shows messages of a queue as they lie there, in their order, until `each` has enough (`false`) or there are no more.
    ///
    /// # Errors
    /// When the broker refuses it, does not answer, or `each` fails.
    pub fn browse(
        &mut self,
        queue: &str,
        selector: Option<&str>,
        mut each: impl FnMut(&[u8]) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut source = Source { distribution_mode: Some(DistributionMode::Copy), ..Terminus::at(queue).into() };
        if let Some(selector) = selector {
            let (descriptor, value) = (Value::Ulong(SELECTOR), Value::String(selector.to_owned()));
            let filter = Value::Described(Box::new(Described { descriptor, value }));
            source.filter = Map(vec![(Value::Symbol("selector".into()), filter)]);
        }
        let (link, _) = self.attach(receiver("browser", source))?;
        loop {
            self.machine.grant(link, CREDIT);
            self.machine.drain(link);
            let mut came = 0;
            loop {
                let next = self.wait("showed messages", |heard| match heard {
                    Heard::Message(came, message) if came == link => Some(Some(message)),
                    Heard::Drained => Some(None),
                    _ => None,
                })?;
                let Some(message) = next else { break };
                came += 1;
                if !each(&message)? {
                    return Ok(());
                }
                if came == CREDIT {
                    break;
                }
            }
            if came < CREDIT {
                return Ok(());
            }
        }
    }

    fn attach(&mut self, attach: Attach) -> io::Result<(LinkId, Option<String>)> {
        let link = self.machine.attach(self.session, attach, &mut self.out);
        let link = link.ok_or_else(|| failed("the session ended"))?;
        let address = self.wait("answered an attach", |heard| match heard {
            Heard::Attached(attached, address) if attached == link => Some(address),
            _ => None,
        })?;
        Ok((link, address))
    }

    /// Waits for something; what else is heard meanwhile is of no interest.
    fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(Heard) -> Option<T>) -> io::Result<T> {
        let until = Instant::now() + SILENCE_MAX;
        loop {
            while let Some(heard) = self.heard.pop_front() {
                if let Some(found) = wanted(heard) {
                    return Ok(found);
                }
            }
            // A broker that only shows that it lives does not answer either.
            if Instant::now() >= until {
                let seconds = SILENCE_MAX.as_secs();
                return Err(failed(format!("the broker at {} has not {what} within {seconds} s", self.shown)));
            }
            self.step(what)?;
        }
    }

    /// Writes what there is to be written, and reads once.
    fn step(&mut self, what: &str) -> io::Result<()> {
        let silent = |error: io::Error, shown: &str| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                failed(format!("the broker at {shown} has not {what} within {} s", SILENCE_MAX.as_secs()))
            }
            _ => failed(format!("the connection to {shown} broke: {error}")),
        };
        self.machine.poll_output(monotonic_ns(), &mut self.out);
        let mut flat = Vec::new();
        self.out.drain_into(&mut flat);
        self.stream.write_all(&flat).map_err(|error| silent(error, &self.shown))?;
        let mut buffer = vec![0; READ_BYTES];
        let count = self.stream.read(&mut buffer).map_err(|error| silent(error, &self.shown))?;
        let mut bytes = std::mem::take(&mut self.kept);
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let mut input = Input::new(&bytes);
        let mut end = (count == 0).then(|| format!("the broker at {} closed the connection", self.shown));
        while let Some(event) = self.machine.handle_input(monotonic_ns(), &mut input, &mut self.out) {
            match hear(event) {
                Ok(heard) => self.heard.extend(heard),
                Err(why) => end = Some(format!("the broker at {} says: {why}", self.shown)),
            }
        }
        self.kept = bytes.get(input.consumed()..).unwrap_or_default().to_vec();
        end.map_or(Ok(()), |why| Err(failed(why)))
    }
}

/// A link that gets messages settled.
fn receiver(name: &str, source: Source) -> Attach {
    Attach {
        source: Some(source),
        target: Some(Target::Node(Terminus::default())),
        snd_settle_mode: SenderSettleMode::Settled,
        rcv_settle_mode: ReceiverSettleMode::First,
        ..Attach::new(name.to_owned(), 0, Role::Receiver)
    }
}

/// What an event says to us; an error ends all.
fn hear(event: Event<'_>) -> Result<Option<Heard>, String> {
    let why =
        |error: Option<Box<amqp_codec::AmqpError>>| error.map_or("it ended".to_owned(), |error| error.to_string());
    Ok(match event {
        Event::Opened(_) => Some(Heard::Opened),
        Event::Attached(link, attach) => {
            let address = attach.source.and_then(|source| source.terminus.address);
            Some(Heard::Attached(link, address))
        }
        Event::Delivery { link, payload, .. } => {
            let message = match payload {
                Payload::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
                Payload::Owned(bytes) => bytes,
            };
            Some(Heard::Message(link, message))
        }
        Event::Credit { .. } => Some(Heard::Credit),
        Event::Drained(_) => Some(Heard::Drained),
        Event::Detached { error, .. } | Event::Ended(_, error) | Event::Closed(error) => return Err(why(error)),
        _ => None,
    })
}
