//! What management does with queues: tells of them, and works on their messages.
//!
//! Guarantees: work is done a step at a time on the queue's shard, which says whether the user may; an answer says how far it is, and where to go
//! on if it is not done.

use std::time::{Duration, Instant};

use engine_core::event::Refusal;
use engine_core::{Action, Mark, Onward, Progress, QUEUE_FIGURES, QueueView, Task};
use engine_figures::Value as Figure;
use engine_management::{Answer, Request, Status};
use engine_message::Condition;
use engine_message::value::{Map, Value};
use node_shell::Manage;

use crate::node::{Cursor, List, Node, Part, Row, Silent};

/// How long one request may take: others wait for it.
const WORK_TIME: Duration = Duration::from_millis(250);
/// How long to wait for what a disk or another shard does.
const AGAIN: Duration = Duration::from_millis(1);
/// Queues of one answer: some hundred kilobytes.
const QUERIED_MAX: u64 = 500;

pub fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub fn bad(why: impl Into<String>) -> Answer {
    Answer::refused(Status::BadRequest, why)
}

pub fn silent(_: Silent) -> Answer {
    Answer::refused(Status::Unavailable, "a shard does not answer in time: try again")
}

fn refused(refusal: Refusal) -> Answer {
    let of = [
        (Condition::NotFound, Status::NotFound),
        (Condition::InvalidField, Status::BadRequest),
        (Condition::UnauthorizedAccess, Status::Forbidden),
        (Condition::PreconditionFailed, Status::Conflict),
        (Condition::ResourceLimitExceeded, Status::Conflict),
    ];
    let status = of.into_iter().find(|(condition, _)| refusal.condition == *condition);
    Answer::refused(status.map_or(Status::Failed, |(_, status)| status), refusal.description)
}

/// The names of what is told of a queue, in the order of a row.
pub fn attributes() -> impl Iterator<Item = &'static str> {
    let labels = QUEUE_FIGURES.labels.iter().map(|label| label.name);
    labels.chain(QUEUE_FIGURES.figures.iter().map(|figure| figure.name)).chain(["shard"])
}

fn row(row: &Row<QueueView>) -> Vec<Value> {
    let labels = QUEUE_FIGURES.labels.iter().map(|label| (label.of)(&row.view));
    let all = labels.chain(QUEUE_FIGURES.figures.iter().map(|figure| (figure.of)(&row.view)));
    all.map(value).chain([Value::Ushort(row.shard)]).collect()
}

/// A figure as a message has it. What is told of a distribution is not another one.
fn value(figure: Figure<'_>) -> Value {
    match figure {
        Figure::Count(count) => Value::Ulong(count),
        Figure::Number(number) => Value::Double(number),
        Figure::Flag(flag) => Value::Boolean(flag),
        Figure::Text(told) => text(told),
        Figure::Spread(spread) => Value::Map(Map(spread.told().map(|(name, told)| (text(name), value(told))).into())),
        Figure::Absent => Value::Null,
    }
}

/// Lists queues: those whose names begin with `prefix`, from where `after` says.
pub fn query(node: &Node, request: &Request) -> Result<Answer, Answer> {
    let count = request.number("count").map_err(bad)?.unwrap_or(QUERIED_MAX).min(QUERIED_MAX);
    let after = request.text("after").map_err(bad)?.map(str::parse::<Cursor>).transpose().map_err(bad)?;
    let prefix = request.text("prefix").map_err(bad)?.unwrap_or_default().to_owned();
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let part = Part { prefix, after: after.unwrap_or_default(), most };
    let List { rows, next } = node.list::<QueueView>(&part).map_err(silent)?;
    let wanted: Option<Vec<&str>> = match request.body.get("attributeNames") {
        Some(Value::List(names)) if !names.is_empty() => Some(names.iter().filter_map(Value::as_text).collect()),
        _ => None,
    };
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|names| names.contains(&name));
    let names = attributes().filter(|name| is_wanted(name)).map(text).collect();
    let results = rows.iter().map(|one| {
        let columns = attributes().zip(row(one)).filter(|(name, _)| is_wanted(name));
        Value::List(columns.map(|(_, value)| value).collect())
    });
    let entries = vec![
        (text("attributeNames"), Value::List(names)),
        (text("results"), Value::List(results.collect())),
        (text("next"), next.map_or(Value::Null, |next| Value::String(next.to_string()))),
    ];
    Ok(Answer::of(Value::Map(Map(entries))))
}

/// Does what is asked for with one queue.
pub fn perform(node: &Node, user: &str, operation: &str, request: &Request) -> Result<Answer, Answer> {
    let name = request.name.as_deref().ok_or_else(|| bad("name the queue, as address::queue or by its name alone"))?;
    let (shard, address, queue, from) = match request.text("cursor").map_err(bad)? {
        // The queue may be gone meanwhile, with all that there was to do.
        Some(cursor) => {
            let (shard, mark) = read_cursor(cursor).ok_or_else(|| bad("cursor is none that an answer gave"))?;
            let (address, queue) =
                name.split_once("::").ok_or_else(|| bad("with a cursor name the queue as address::queue"))?;
            (shard, address.to_owned(), queue.to_owned(), Some(mark))
        }
        None => {
            let found = find(node, name)?;
            if operation == "READ" {
                let entries = attributes().map(text).zip(row(&found));
                return Ok(Answer::of(Value::Map(Map(entries.collect()))));
            }
            (found.shard, found.view.address, found.view.name, None)
        }
    };
    let action = action(operation, request)?;
    let task = Task {
        address,
        queue,
        selector: request.text("filter").map_err(bad)?.filter(|filter| !filter.is_empty()).map(str::to_owned),
        action,
        most: request.number("most").map_err(bad)?.unwrap_or(u64::MAX),
        from,
    };
    work(node, shard, user, task)
}

/// How far work is, and on which shard.
pub fn read_cursor(text: &str) -> Option<(u16, Mark)> {
    let (shard, mark) = text.split_once('/')?;
    Some((shard.parse().ok()?, mark.parse().ok()?))
}

fn action(operation: &str, request: &Request) -> Result<Action, Answer> {
    let to = || {
        let to = request.text("to").map_err(bad)?;
        to.map(Into::into).ok_or_else(|| bad("say where messages go, as to: an address, or address::queue"))
    };
    Ok(match operation {
        "MOVE" => Action::Move(to()?),
        "COPY" => Action::Copy(to()?),
        "RETRY" => Action::Retry,
        "EXPIRE" => Action::Expire,
        "DEAD-LETTER" => Action::DeadLetter,
        "REMOVE" => Action::Remove,
        other => return Err(Answer::refused(Status::NotImplemented, format!("queues have no operation {other:?}"))),
    })
}

/// The queue of a name.
pub fn find(node: &Node, name: &str) -> Result<Row<QueueView>, Answer> {
    let (address, queue) = name.split_once("::").map_or((None, name), |(address, queue)| (Some(address), queue));
    let mut found: Vec<Row<QueueView>> = Vec::new();
    let keep = |row: Row<QueueView>| {
        let is_meant = row.view.name == queue && address.is_none_or(|address| row.view.address == address);
        if is_meant && found.len() < 3 {
            found.push(row);
        }
    };
    node.each::<QueueView>(queue, keep).map_err(silent)?;
    match found.len() {
        0 => {
            let why = format!("there is no queue {name:?}: `heddle queue stat` lists them");
            Err(Answer::refused(Status::NotFound, why))
        }
        1 => found.pop().ok_or_else(|| bad("there is no queue")),
        _ => {
            let some: Vec<String> =
                found.iter().map(|row| format!("{}::{}", row.view.address, row.view.name)).collect();
            Err(bad(format!("several addresses have a queue {name:?}: say which, as {}", some.join(" or "))))
        }
    }
}

/// Works on messages for as long as one request may take.
pub fn work(node: &Node, shard: u16, user: &str, mut task: Task) -> Result<Answer, Answer> {
    let until = Instant::now() + WORK_TIME;
    let (mut all_looked, mut all_done) = (0, 0);
    loop {
        let manage = Manage { user: user.to_owned(), task: task.clone() };
        let step = node.manage(shard, manage).map_err(silent)?;
        let Progress { looked, done, came_back, onward, .. } = step.map_err(|refusal| refused(*refusal))?;
        (all_looked, all_done) = (all_looked + looked, all_done + done);
        task.most = task.most.saturating_sub(done);
        let next = match onward {
            Onward::More(mark) | Onward::Later(mark) => Some(mark),
            Onward::Done => None,
        };
        if next.is_none() || Instant::now() >= until {
            let entries = vec![
                (text("queue"), Value::String(format!("{}::{}", task.address, task.queue))),
                (text("looked"), Value::Ulong(all_looked)),
                (text("done"), Value::Ulong(all_done)),
                (text("came-back"), Value::Ulong(came_back)),
                (text("cursor"), next.map_or(Value::Null, |mark| Value::String(format!("{shard}/{mark}")))),
            ];
            return Ok(Answer::of(Value::Map(Map(entries))));
        }
        if matches!(onward, Onward::Later(_)) {
            std::thread::sleep(AGAIN);
        }
        task.from = next;
    }
}
