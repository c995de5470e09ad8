//! The thread of a node that answers requests to `$management`, one after the other.
//!
//! Guarantees: what a request asks for takes a quarter of a second at most, and what is longer is answered with where it goes on, so that
//! nobody waits long for others; a request that does not say where its answer goes is left out; while the node knows users, whoever is none
//! of them may nothing.
//!
//! Not here: what is done with queues (`queues`), and who may manage which address: the shards know.

use std::sync::{Arc, Mutex};

use engine_catalogue::Kind;
use engine_core::command::Publish;
use engine_core::message::Message;
use engine_home::{MANAGEMENT, Managed};
use engine_management::{ADDRESS, Answer, MANAGEMENT_TYPE, QUEUE, Request, Status, TYPES, Unread};
use engine_message::value::{Map, Value};

use super::router::RouterAgent;
use super::{addresses, queues};
use crate::catalogue::Kept;
use crate::holding::lock;
use crate::node::Node;

/// Requests that wait: each of them may take as long as the agent takes for one. More are left out.
pub const WAITING_MAX: usize = 64;

/// Whom the node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logins {
    /// Nobody: whoever comes is as good as any other.
    Anybody,
    /// Users, with passwords.
    Users,
}

/// What the node does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// It keeps them in queues.
    Kept,
    /// It passes them on: no link reaches a queue.
    Routed,
}

/// What there is to be done with queues and addresses that a router would do for nobody.
const OF_QUEUES: [&str; 6] = ["CREATE", "UPDATE", "PAUSE", "RESUME", "BLOCK", "UNBLOCK"];

/// What it knows.
pub struct Agent {
    /// The node that it is of.
    pub node: Arc<Node>,
    /// What administrators said.
    pub kept: Arc<Mutex<Kept>>,
    /// Whom the node knows.
    pub logins: Logins,
    /// What the node does with messages.
    pub messages: Messages,
    /// What it tells as a router, if it is one.
    pub router: Option<RouterAgent>,
}

/// Starts it. It ends when no shard has anything to ask any more.
///
/// # Errors
/// When there is no thread.
pub fn start(agent: Agent, requests: flume::Receiver<Managed>) -> std::io::Result<()> {
    let answer_all = move || {
        for managed in requests {
            if let Some(publish) = agent.publish(&managed)
                && !agent.node.answer(publish)
            {
                tracing::warn!(target: "heddle::program", "an answer of management is left out: a shard has too much to do");
            }
        }
    };
    std::thread::Builder::new().name("management".to_owned()).spawn(answer_all).map(drop)
}

impl Agent {
    fn publish(&self, managed: &Managed) -> Option<Publish> {
        let (back, answer) = match Request::read(&managed.message) {
            Err(Unread::NoReturn) => return None,
            Err(Unread::Wrong(back, wrong)) => (back, Answer::refused(Status::BadRequest, wrong)),
            Ok((request, back)) => {
                let answer = self.perform(&managed.user, &request);
                (back, answer.unwrap_or_else(|refused| refused))
            }
        };
        // An answer is no request.
        (back.to != MANAGEMENT).then(|| Publish::of(back.to.clone(), Message::new(answer.encode(&back))))
    }

    fn perform(&self, user: &str, request: &Request) -> Result<Answer, Answer> {
        if self.logins == Logins::Users && (user.is_empty() || user == "anonymous") {
            let why = "management is for users here, and you are none: give a user and a password";
            return Err(Answer::refused(Status::Forbidden, why));
        }
        if let Some(router) = self.router.as_ref().filter(|_| !is_of_stored(request)) {
            return router.perform(request);
        }
        let Some(kind) = TYPES.iter().find(|kind| kind.name == request.kind) else {
            return Err(Answer::refused(Status::BadRequest, no_type(&request.kind)));
        };
        if !kind.operations.iter().any(|operation| operation.name == request.operation) {
            let known: Vec<&str> = kind.operations.iter().map(|operation| operation.name).collect();
            let why =
                format!("the type {} has no operation {:?}, but {}", kind.name, request.operation, known.join(", "));
            return Err(Answer::refused(Status::NotImplemented, why));
        }
        if self.messages == Messages::Routed && OF_QUEUES.contains(&request.operation.as_str()) {
            let why = "this node is a router: it keeps nothing, and no link reaches what would be declared or stand still. Routes stand in its \
                       configuration";
            return Err(Answer::refused(Status::NotImplemented, why));
        }
        match (kind.name, request.operation.as_str()) {
            (QUEUE, "PAUSE" | "RESUME") => self.suspend(user, Kind::Queue, request),
            (ADDRESS, "PAUSE" | "RESUME" | "BLOCK" | "UNBLOCK") => self.suspend(user, Kind::Address, request),
            (QUEUE, "CREATE" | "UPDATE" | "DELETE") => self.declare(user, Kind::Queue, request),
            (ADDRESS, "READ") => addresses::read(&lock(&self.kept), request),
            (ADDRESS, _) => self.declare(user, Kind::Address, request),
            (QUEUE, operation) => queues::perform(&self.node, user, operation, request),
            (_, "QUERY") => self.query(request),
            (_, operation) => describe(operation),
        }
    }

    fn query(&self, request: &Request) -> Result<Answer, Answer> {
        let named = request.properties.get("entityType").or_else(|| request.body.get("entityType"));
        match named.and_then(Value::as_text) {
            Some(QUEUE) => queues::query(&self.node, request),
            Some(ADDRESS) => addresses::query(&self.node, &lock(&self.kept), request),
            Some(other) => Err(Answer::refused(Status::BadRequest, no_type(other))),
            None => {
                Err(Answer::refused(Status::BadRequest, "QUERY asks for things of one type: name it as entityType"))
            }
        }
    }
}

/// Whether a request is about what stored addresses have: a router's own types have other names.
fn is_of_stored(request: &Request) -> bool {
    let asked = request.properties.get("entityType").or_else(|| request.body.get("entityType"));
    let named = [Some(request.kind.as_str()), asked.and_then(Value::as_text)];
    named.into_iter().flatten().any(|name| [QUEUE, ADDRESS].contains(&name))
}

fn no_type(name: &str) -> String {
    let known: Vec<&str> = TYPES.iter().map(|kind| kind.name).filter(|name| *name != MANAGEMENT_TYPE).collect();
    format!("there is no type {name:?} here, but {}", known.join(", "))
}

/// What there is to be managed.
fn describe(operation: &str) -> Result<Answer, Answer> {
    let text = |text: &str| Value::String(text.to_owned());
    let of = |kind: &engine_management::Type| match operation {
        "GET-OPERATIONS" => kind.operations.iter().map(|operation| text(operation.name)).collect(),
        "GET-ATTRIBUTES" if kind.name == QUEUE => queues::attributes().map(text).collect(),
        "GET-ATTRIBUTES" if kind.name == ADDRESS => addresses::attributes().map(text).collect(),
        _ => Vec::new(),
    };
    let entries = TYPES.iter().map(|kind| (text(kind.name), Value::List(of(kind))));
    Ok(Answer::of(Value::Map(Map(entries.collect()))))
}
