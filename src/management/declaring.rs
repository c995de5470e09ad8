//! What management declares: addresses and queues that stay, kept in the catalogue's log beside what the configuration says.
//!
//! Guarantees: what is declared is on stable storage and known to all shards when the answer says so, and there after a start; what stands in the
//! configuration is changed there only; a queue or address with messages or consumers is deleted only if that is insisted on.

use std::time::{Duration, Instant};

use engine_catalogue::setting::{Setting, Shape, Value as Told};
use engine_catalogue::{Action as Wish, Attributes, Change, ChangeError, Definition, Kind, Origin, QUALIFIER, base};
use engine_core::{Action, Force, Mark, QueueView, Task};
use engine_management::{Answer, Request, Status};
use engine_message::value::{Map, Value};

use super::agent::Agent;
use super::queues::{self, bad, silent, text};
use crate::catalogue::{CatalogueError, Kept};
use crate::holding::{hold, lock};
use crate::node::Row;

/// How long shards have to bring about what was declared.
const COMES_WITHIN: Duration = Duration::from_secs(5);
/// Names of queues that are told to whoever would delete their address.
const OTHERS_TOLD: usize = 3;
/// How long to wait before they are asked again.
const AGAIN: Duration = Duration::from_millis(1);

pub fn refused(error: ChangeError) -> Answer {
    let status = match error {
        ChangeError::Wrong { .. } => Status::BadRequest,
        ChangeError::Missing { .. } => Status::NotFound,
        ChangeError::Configured { .. } | ChangeError::Full { .. } => Status::Conflict,
    };
    Answer::refused(status, error.to_string())
}

pub fn failed(error: &CatalogueError) -> Answer {
    Answer::refused(Status::Failed, error.to_string())
}

/// The definition of a thing, as management or the configuration made it.
fn defined(kept: &Kept, kind: Kind, key: &str) -> Option<Attributes> {
    kept.catalogue().definitions().find_map(|change| match change {
        Change::Define { definition, .. } if definition.kind() == kind && definition.key == key => {
            Some(definition.attributes)
        }
        Change::Define { .. } | Change::Remove { .. } => None,
    })
}

/// A value of a request as a setting takes it: text stands for anything.
fn told(setting: &Setting, value: &Value) -> Result<Told, String> {
    let wrong = || format!("{}: it takes {}", setting.name, setting.allowed());
    Ok(match (setting.shape, value) {
        (_, Value::Null) => Told::Absent,
        (Shape::Switch, Value::Boolean(switch)) => Told::Switch(*switch),
        (Shape::Whole, Value::Ulong(number)) => Told::Whole(*number),
        (Shape::Whole, Value::Uint(number)) => Told::Whole(u64::from(*number)),
        (Shape::Whole, Value::Int(number)) => Told::Whole(u64::try_from(*number).map_err(|_| wrong())?),
        (Shape::Whole, Value::Long(number)) => Told::Whole(u64::try_from(*number).map_err(|_| wrong())?),
        (shape, value) => {
            let text = value.as_text().ok_or_else(wrong)?;
            match shape {
                Shape::Switch => Told::Switch(text.parse().map_err(|_| wrong())?),
                Shape::Whole => Told::Whole(text.parse().map_err(|_| wrong())?),
                Shape::Text => Told::Text(text.to_owned()),
                Shape::List => Told::List(text.split(',').map(str::to_owned).collect()),
            }
        }
    })
}

/// Attributes with what a request's body says of them.
fn changed(mut attributes: Attributes, body: &Map) -> Result<Attributes, String> {
    for (key, value) in &body.0 {
        let name = key.as_text().unwrap_or_default();
        let setting = attributes.kind().settings().iter().find(|setting| setting.name == name);
        let setting =
            setting.ok_or_else(|| format!("there is no setting {name:?} of {}s", attributes.kind().noun()))?;
        let wrong = |wrong: String| format!("{name}: {wrong}; it takes {}", setting.allowed());
        attributes.put(name, told(setting, value)?).map_err(wrong)?;
    }
    Ok(attributes)
}

impl Agent {
    /// Declares, changes or deletes an address or a queue.
    pub fn declare(&self, user: &str, kind: Kind, request: &Request) -> Result<Answer, Answer> {
        let name = request.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| bad(format!("name the {}", kind.noun())))?;
        // A queue's name alone is that of the one queue of an address of that name.
        let key = match kind {
            Kind::Queue if !name.contains(QUALIFIER) && request.operation != "DELETE" => {
                format!("{name}{QUALIFIER}{name}")
            }
            _ => name.to_owned(),
        };
        let address = base(&key);
        if !lock(&self.kept).catalogue().may(Some(user).filter(|user| !user.is_empty()), Wish::Manage, address) {
            let why = format!("the user {user:?} may not manage the address {address}: no permission says so");
            return Err(Answer::refused(Status::Forbidden, why));
        }
        match (kind, request.operation.as_str()) {
            (_, "CREATE" | "UPDATE") => self.define(kind, &key, request),
            (Kind::Queue, _) => self.delete_queue(user, &key, request),
            (_, _) => self.delete_address(user, &key, request),
        }
    }

    fn define(&self, kind: Kind, key: &str, request: &Request) -> Result<Answer, Answer> {
        let mut kept = lock(&self.kept);
        let there = defined(&kept, kind, key);
        let (noun, attributes) = (
            kind.noun(),
            match (request.operation.as_str(), there) {
                ("CREATE", Some(_)) => {
                    let why = format!("the {} {key:?} is declared already: update it", kind.noun());
                    return Err(Answer::refused(Status::Conflict, why));
                }
                ("UPDATE", None) => {
                    let why = format!("the {} {key:?} is not declared: create it", kind.noun());
                    return Err(Answer::refused(Status::NotFound, why));
                }
                (_, there) => there.unwrap_or_else(|| kind.attributes()),
            },
        );
        let definition = Definition::new(key, changed(attributes, &request.body).map_err(bad)?);
        let next = kept.next_of(vec![Change::Define { origin: Origin::Management, definition }]).map_err(refused)?;
        hold(&self.node, &mut kept, next).map_err(|error| failed(&error))?;
        drop(kept);
        if kind == Kind::Queue && !self.comes(|| Ok(self.find(key)?.is_some()))? {
            let why = format!("the {noun} {key} is declared, and no shard has it yet");
            return Err(Answer::refused(Status::Unavailable, why));
        }
        Ok(Answer::of(Value::Map(Map(vec![(text("name"), text(key))]))))
    }

    /// Waits until something is so; gives whether it is.
    pub fn comes(&self, is_so: impl Fn() -> Result<bool, Answer>) -> Result<bool, Answer> {
        let until = Instant::now() + COMES_WITHIN;
        while !is_so()? {
            if Instant::now() >= until {
                return Ok(false);
            }
            std::thread::sleep(AGAIN);
        }
        Ok(true)
    }

    /// A queue by its whole name.
    fn find(&self, key: &str) -> Result<Option<Row<QueueView>>, Answer> {
        match queues::find(&self.node, key) {
            Ok(row) => Ok(Some(row)),
            Err(answer) if answer.code == Status::NotFound.code() => Ok(None),
            Err(answer) => Err(answer),
        }
    }

    fn delete_queue(&self, user: &str, name: &str, request: &Request) -> Result<Answer, Answer> {
        let force = forced(request);
        if let Some((shard, mark)) = cursor(request)? {
            return self.delete_on(shard, user, name, force, Some(mark));
        }
        let Row { shard, view } = queues::find(&self.node, name)?;
        let key = format!("{}{QUALIFIER}{}", view.address, view.name);
        check_free(&view, force)?;
        self.undeclare(Kind::Queue, &key)?;
        self.delete_on(shard, user, &key, force, None)
    }

    /// Deletes a queue that nobody declares any more; one that goes by itself when it is empty is gone.
    fn delete_on(&self, shard: u16, user: &str, key: &str, force: Force, from: Option<Mark>) -> Result<Answer, Answer> {
        let (address, queue) = key.split_once(QUALIFIER).ok_or_else(|| bad("name the queue as address::queue"))?;
        let (address, queue) = (address.to_owned(), queue.to_owned());
        let task = Task { address, queue, selector: None, action: Action::Delete(force), most: u64::MAX, from };
        match queues::work(&self.node, shard, user, task) {
            Err(answer) if answer.code == Status::NotFound.code() => {
                Ok(Answer::of(Value::Map(Map(vec![(text("queue"), text(key))]))))
            }
            done => done,
        }
    }

    /// What is declared of a thing is no longer; nothing, if nothing is.
    fn undeclare(&self, kind: Kind, key: &str) -> Result<bool, Answer> {
        let mut kept = lock(&self.kept);
        if kept.catalogue().origin(kind, key).is_none() {
            return Ok(false);
        }
        let (origin, key) = (Origin::Management, key.to_owned());
        let next = kept.next_of(vec![Change::Remove { origin, kind, key }]).map_err(refused)?;
        hold(&self.node, &mut kept, next).map_err(|error| failed(&error))?;
        Ok(true)
    }

    /// Takes back what is declared of an address. The queue of its own name, which it has if it is anycast, goes with it; others are to go
    /// before.
    fn delete_address(&self, user: &str, key: &str, request: &Request) -> Result<Answer, Answer> {
        let (force, own) = (forced(request), format!("{key}{QUALIFIER}{key}"));
        if let Some((shard, mark)) = cursor(request)? {
            return self.delete_on(shard, user, &own, force, Some(mark));
        }
        let (mut others, mut found) = (Vec::new(), None);
        let keep = |row: Row<QueueView>| {
            if row.view.address == key && row.view.name == key {
                found = Some(row);
            } else if row.view.address == key && others.len() < OTHERS_TOLD {
                others.push(format!("{key}{QUALIFIER}{}", row.view.name));
            }
        };
        self.node.each::<QueueView>("", keep).map_err(silent)?;
        if !others.is_empty() {
            let why = format!("the address {key} has queues: delete them first: {}", others.join(", "));
            return Err(Answer::refused(Status::Conflict, why));
        }
        if let Some(row) = &found {
            check_free(&row.view, force)?;
        }
        if !self.undeclare(Kind::Address, key)? {
            return Err(Answer::refused(Status::NotFound, format!("the address {key:?} is not declared")));
        }
        match found {
            Some(row) => self.delete_on(row.shard, user, &own, force, None),
            None => Ok(Answer::of(Value::Map(Map(vec![(text("name"), text(key))])))),
        }
    }
}

/// Whether a thing is to go with what it has.
fn forced(request: &Request) -> Force {
    match request.body.get("force") {
        Some(Value::Boolean(true)) => Force::Yes,
        _ => Force::No,
    }
}

/// Where a deletion goes on.
fn cursor(request: &Request) -> Result<Option<(u16, Mark)>, Answer> {
    let Some(text) = request.text("cursor").map_err(bad)? else { return Ok(None) };
    queues::read_cursor(text).map(Some).ok_or_else(|| bad("cursor is none that an answer gave"))
}

/// A queue with messages or consumers is deleted only if that is insisted on.
fn check_free(view: &QueueView, force: Force) -> Result<(), Answer> {
    let QueueView { address, name, messages, consumers, .. } = view;
    if force == Force::Yes || (*messages == 0 && *consumers == 0) {
        return Ok(());
    }
    let why = format!(
        "the queue {address}{QUALIFIER}{name} has {messages} messages and {consumers} consumers: --force (force: true) deletes it with them"
    );
    Err(Answer::refused(Status::Conflict, why))
}
