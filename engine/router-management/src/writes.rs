//! What can be changed while the router runs, and why all else cannot.
//!
//! Guarantee: each operation that a type has in qdrouterd is done, or refused with the reason.

use engine_management::{Answer, Request, Status};
use engine_message::value::Value;
use engine_router_conf::Changing;
use engine_router_conf::schema::{Access, EntityType, Operation};
use engine_router_conf::sections::Enable;

use serde_json::Value as Json;

use crate::refusal;
use crate::types::{CONNECTION, LINK};

const FROM_FILE: &str =
    "it is read at the start: change the configuration, and start the router again. Nothing was changed";
const LOG_OUTPUT: &str = "lines go to the error output, with their time and without their source. Nothing was changed";
const BY_ITSELF: &str = "links keep the status that they have: close their connection. Nothing was changed";
const NO_TRACE: &str = "frames of single connections are not logged. Nothing was changed";

/// What qdrouterd does with sections of types while it runs, and is not done here.
const NOT_DONE: &[(&str, &[Operation], &str)] = &[
    ("authServicePlugin", &[Operation::Create, Operation::Delete], FROM_FILE),
    ("router.config.exchange", &[Operation::Create, Operation::Delete], "there are no exchanges here"),
    ("router.config.binding", &[Operation::Create, Operation::Delete], "there are no exchanges here"),
    (
        "router.connection.linkRoute",
        &[Operation::Create, Operation::Delete],
        "clients cannot route links to themselves here",
    ),
    ("vhost", &[Operation::Create, Operation::Update, Operation::Delete], FROM_FILE),
];

/// Types whose entities are the router's own affair.
const OWN: [&str; 4] = ["router", "connection", "router.link", "router.address"];

/// Why an operation that a type has in qdrouterd is not done here.
pub(crate) fn reason(of: &EntityType, operation: Operation) -> Option<&'static str> {
    let known = NOT_DONE.iter().find(|(short, known, _)| *short == of.short && known.contains(&operation));
    known.map(|(_, _, why)| *why)
}

/// Whether an operation is one of those that are refused, and how.
pub(crate) fn refused(of: &'static EntityType, operation: Operation, request: &Request) -> Option<Answer> {
    let name = crate::types::operation(operation);
    if OWN.contains(&of.short) && matches!(operation, Operation::Create | Operation::Delete) {
        return Some(refusal::forbidden(of, name));
    }
    let why = reason(of, operation)?;
    if let Some(unknown) = unknown(of, request) {
        return Some(refusal::no_attribute(of, &unknown));
    }
    Some(Answer::refused(Status::NotImplemented, format!("{name} of {} is not done here: {why}", of.short)))
}

fn unknown(of: &EntityType, request: &Request) -> Option<String> {
    let names = request.body.0.iter().filter_map(|(name, _)| name.as_text());
    names.filter(|name| of.spelled(name).is_none()).map(str::to_owned).next()
}

/// A section that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Its type.
    pub changing: Changing,
    /// Its attributes, the name among them if it is given one: each stands in the table, and none is checked.
    pub given: serde_json::Map<String, Json>,
}

/// What a request to make an entity of a type asks for.
pub(crate) fn made(of: &'static EntityType, changing: Changing, request: &Request) -> Result<Made, Answer> {
    let bad = |why: String| Answer::refused(Status::BadRequest, why);
    let mut given = serde_json::Map::new();
    for (name, value) in &request.body.0 {
        let Some(name) = name.as_text() else { return Err(bad("names of attributes are texts".to_owned())) };
        if of.spelled(name).is_none() {
            return Err(refusal::no_attribute(of, name));
        }
        // What it is known by is not the request's to say, and its type is known.
        if !matches!(name, "identity" | "type") {
            let value = json(value).ok_or_else(|| bad(format!("'{name}' is a text, a number, or true or false")))?;
            given.insert(name.to_owned(), value);
        }
    }
    if let Some(name) = request.properties.get("name").and_then(Value::as_text) {
        given.insert("name".to_owned(), Json::String(name.to_owned()));
    }
    Ok(Made { changing, given })
}

/// A single value, as a file of JSON would have it.
fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Boolean(on) => Json::Bool(*on),
        Value::Ubyte(number) => (*number).into(),
        Value::Ushort(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        Value::Ulong(number) => (*number).into(),
        Value::Byte(number) => (*number).into(),
        Value::Short(number) => (*number).into(),
        Value::Int(number) => (*number).into(),
        Value::Long(number) => (*number).into(),
        other => Json::String(other.as_text()?.to_owned()),
    })
}

/// What is to be changed of an entity that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it is as it is asked to be.
    None,
    /// A connection is closed.
    Close,
    /// A part of the router logs these levels.
    Log(Enable),
}

/// What an update of an entity of a type asks for.
pub(crate) fn change(of: &'static EntityType, request: &Request) -> Result<Change, Answer> {
    let bad = |why: String| Answer::refused(Status::BadRequest, why);
    let mut change = Change::None;
    for (name, value) in &request.body.0 {
        let Some(name) = name.as_text() else { return Err(bad("names of attributes are texts".to_owned())) };
        let attribute = of.attribute(name).ok_or_else(|| refusal::no_attribute(of, name))?;
        // What names the entity may stand there as well.
        if matches!(name, "name" | "identity" | "type" | "module") {
            continue;
        }
        if attribute.access != Access::Update {
            return Err(bad(format!("Attribute '{name}' of {} cannot be updated", of.short)));
        }
        match (of.short, name, value) {
            (_, "adminStatus", Value::String(word)) if word == "enabled" => {}
            (short, "adminStatus", Value::String(word)) if short == CONNECTION.short && word == "deleted" => {
                change = Change::Close;
            }
            (short, "adminStatus", Value::String(word)) if short == LINK.short && word == "disabled" => {
                return Err(Answer::refused(Status::NotImplemented, BY_ITSELF));
            }
            (_, "adminStatus", _) => return Err(bad(format!("adminStatus is one of {}", attribute.kind.takes()))),
            (_, "enableProtocolTrace", value) => match switch(value) {
                Some(false) => {}
                Some(true) => return Err(Answer::refused(Status::NotImplemented, NO_TRACE)),
                None => return Err(bad("enableProtocolTrace is true or false".to_owned())),
            },
            (_, "enable", Value::String(levels)) => change = Change::Log(Enable::of_text(levels).map_err(bad)?),
            (_, "includeTimestamp" | "includeSource" | "outputFile", _) => {
                return Err(Answer::refused(Status::NotImplemented, LOG_OUTPUT));
            }
            _ => return Err(bad(format!("{name} takes {}", attribute.kind.takes()))),
        }
    }
    Ok(change)
}

/// A switch, as tools write it.
fn switch(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(on) => Some(*on),
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" => Some(true),
            "no" | "false" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
