//! What the HTTP listener answers. Probes look at what shards let see, and ask none of them.

use engine_core::QueueView;
use load_model::number;
use node_shell::ConnectionView;

use super::access::{Access, Shown, Verdict};
use super::metrics::{Metrics, Top};
use super::query::{self, Series, StateOf};
use super::request::{HEAD_MAX, NoRequest, Request};
use super::state::State;
use crate::node::{Health, Node, Silent};

const TEXT: &str = "text/plain; charset=utf-8";

pub struct Answer {
    status: u16,
    kind: &'static str,
    body: String,
}

/// Whether an answer's body follows its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It does.
    Sent,
    /// Only its length is told.
    Left,
}

/// Whether shards are asked for the answer to a request.
pub fn asks_shards(request: &Request) -> bool {
    matches!(request.path.as_str(), "/state" | "/metrics")
}

/// The answer to a request.
pub fn respond(request: &Request, shown: Shown, access: &Access, node: &Node) -> Answer {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Answer::text(405, "this listener only answers GET");
    }
    if asks_shards(request) {
        match access.judge(request.host.as_deref(), request.authorization.as_deref(), shown) {
            Verdict::Allowed => {}
            Verdict::NoToken => {
                return Answer::text(401, "a token of http.token_file is needed: Authorization: Bearer TOKEN");
            }
            Verdict::NoCertificate => {
                return Answer::text(403, "a certificate is needed that one of http.client_ca has issued");
            }
            Verdict::ForeignHost => {
                let text = "this listener has another name: ask for its address, or give its name to http.address";
                return Answer::text(421, text);
            }
        }
    }
    match request.path.as_str() {
        "/livez" => liveness(node.health()),
        "/readyz" => readiness(node, &request.query),
        "/state" => match query::state(&request.query).map(|of| state(node, &of)) {
            Ok(Ok(state)) => Answer { status: 200, kind: "application/json", body: state.to_json() },
            Ok(Err(Silent)) => Answer::silent(),
            Err(wrong) => Answer::text(400, &wrong),
        },
        "/metrics" => match query::series(&request.query).map(|series| metrics(node, &series)) {
            Ok(Ok(metrics)) => {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                Answer { status: 200, kind, body: metrics.into_text() }
            }
            Ok(Err(Silent)) => Answer::silent(),
            Err(wrong) => Answer::text(400, &wrong),
        },
        _ => Answer::text(404, "there is /metrics, /state, /livez and /readyz"),
    }
}

/// Asks for what of the state is wanted.
fn state(node: &Node, of: &StateOf) -> Result<State, Silent> {
    Ok(match of {
        StateOf::Node(part) => State {
            node: Some(node.view()?),
            connections: Some(node.list(part)?),
            links: Some(node.list(part)?),
            queues: Some(node.list(part)?),
        },
        StateOf::Queues(part) => State { queues: Some(node.list(part)?), ..State::default() },
        StateOf::Connections(part) => State { connections: Some(node.list(part)?), ..State::default() },
        StateOf::Links(part) => State { links: Some(node.list(part)?), ..State::default() },
    })
}

/// Asks for what metrics are made from: all queues and connections are looked at, those with most in them are kept.
fn metrics(node: &Node, series: &Series) -> Result<Metrics, Silent> {
    let mut queues = Top::new(series.most, |queue: &QueueView| (queue.messages, queue.totals.enqueued));
    node.each(&series.queues, |row| queues.add(row))?;
    let mut connections =
        Top::new(series.most, |conn: &ConnectionView| (conn.waiting as u64, conn.bytes_in + conn.bytes_out));
    node.each(&series.connections, |row| connections.add(row))?;
    Ok(Metrics { node: node.view()?, queues, connections })
}

/// Whether all shards are alive. A node that stops is, until a shard hangs.
fn liveness(health: Health) -> Answer {
    match health {
        Health::Hung { .. } => Answer::text(503, &told(health)),
        _ => Answer::text(200, "alive"),
    }
}

/// What a state is in words.
fn told(health: Health) -> String {
    match health {
        Health::Ready | Health::DiskFull => "ready".to_owned(),
        Health::Starting => "starting".to_owned(),
        Health::Stopping => "stopping".to_owned(),
        Health::Hung { shard, silent_ns } => {
            format!("shard {shard} hangs: it has done nothing for {} s", silent_ns / 1_000_000_000)
        }
    }
}

/// Whether the node serves. A full disk does not make it unready, as that would keep those away who make room, its consumers: `?durable`
/// asks whether durable messages are taken, too.
fn readiness(node: &Node, query: &str) -> Answer {
    let health = node.health();
    match health {
        Health::Ready => return Answer::text(200, "ready"),
        Health::DiskFull => {}
        _ => return Answer::text(503, &told(health)),
    }
    let status = if query::asks_for_durable(query) { 503 } else { 200 };
    let of_disk = node.disk().map(|disk| {
        let (free, kept) = (number::octets(disk.free_bytes), number::octets(disk.min_free_bytes));
        format!(": {} has {free} free, {kept} are to stay (storage.min_free_mib)", disk.path)
    });
    let of_disk = of_disk.unwrap_or_default();
    Answer::text(
        status,
        &format!(
            "ready, but the disk is full or files cannot be made (the log says which): no durable messages are taken{of_disk}"
        ),
    )
}

impl Answer {
    fn text(status: u16, text: &str) -> Self {
        Self { status, kind: TEXT, body: format!("{text}\n") }
    }

    fn silent() -> Self {
        Self::text(503, "a shard does not answer")
    }

    /// The answer to what is no request; none to who is gone.
    pub fn to_fault(fault: &NoRequest) -> Option<Self> {
        match fault {
            NoRequest::Gone => None,
            NoRequest::Late => Some(Self::text(408, "the request took too long")),
            NoRequest::Large => Some(Self::text(431, &format!("a request has at most {HEAD_MAX} bytes and 64 fields"))),
            NoRequest::Foreign => Some(Self::text(400, "this is no request of HTTP")),
        }
    }

    /// What goes to the client.
    pub fn to_bytes(&self, body: Body) -> Vec<u8> {
        let Self { status, kind, .. } = self;
        let (reason, field) = match status {
            200 => ("OK", ""),
            400 => ("Bad Request", ""),
            401 => ("Unauthorized", "WWW-Authenticate: Bearer realm=\"heddle\"\r\n"),
            403 => ("Forbidden", ""),
            404 => ("Not Found", ""),
            405 => ("Method Not Allowed", "Allow: GET, HEAD\r\n"),
            408 => ("Request Timeout", ""),
            421 => ("Misdirected Request", ""),
            431 => ("Request Header Fields Too Large", ""),
            _ => ("Service Unavailable", ""),
        };
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{field}Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            self.body.len()
        );
        let mut bytes = head.into_bytes();
        if body == Body::Sent {
            bytes.extend_from_slice(self.body.as_bytes());
        }
        bytes
    }
}
