//! What the HTTP listener answers.

use load_model::number;

use super::access::{Access, Shown, Verdict};
use super::metrics::metrics;
use super::request::{HEAD_MAX, NoRequest, Request};
use crate::snapshot::{Node, Snapshot, State};

const TEXT: &str = "text/plain; charset=utf-8";

/// An answer.
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

/// The answer to a request.
pub fn respond(request: &Request, shown: Shown, access: &Access, node: &Node) -> Answer {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Answer::text(405, "this listener only answers GET");
    }
    let path = request.path.as_str();
    if matches!(path, "/state" | "/metrics") {
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
    match path {
        "/livez" => Answer::text(200, "alive"),
        "/readyz" | "/state" | "/metrics" => match (path, node.snapshot()) {
            (_, None) => Answer::text(503, "a shard does not answer"),
            ("/readyz", Some(snapshot)) => readiness(&snapshot, &request.query),
            ("/metrics", Some(snapshot)) => {
                Answer { status: 200, kind: "text/plain; version=0.0.4; charset=utf-8", body: metrics(&snapshot) }
            }
            (_, Some(snapshot)) => {
                let body = serde_json::to_string_pretty(&snapshot).unwrap_or_default() + "\n";
                Answer { status: 200, kind: "application/json", body }
            }
        },
        _ => Answer::text(404, "there is /metrics, /state, /livez and /readyz"),
    }
}

/// Whether the node serves. A full disk does not make it unready, as that would keep those away who make room, its consumers: `?durable`
/// asks whether durable messages are taken, too.
fn readiness(snapshot: &Snapshot, query: &str) -> Answer {
    if snapshot.state != State::Ready {
        return Answer::text(503, "stopping");
    }
    let Some(disk) = snapshot.disk.as_ref().filter(|disk| disk.full) else { return Answer::text(200, "ready") };
    let status = if query.split('&').any(|asked| asked == "durable") { 503 } else { 200 };
    let text = format!(
        "ready, but the disk is full and no durable messages are taken: {} has {} free, {} are to stay (storage.min_free_mib)",
        disk.path,
        number::octets(disk.free_bytes),
        number::octets(disk.min_free_bytes)
    );
    Answer::text(status, &text)
}

impl Answer {
    fn text(status: u16, text: &str) -> Self {
        Self { status, kind: TEXT, body: format!("{text}\n") }
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
