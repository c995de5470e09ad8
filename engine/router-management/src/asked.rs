//! What a request asks of a router.

use engine_management::{Answer, Request, Status};
use engine_message::value::Value;
use engine_router_conf::Changing;
use engine_router_conf::schema::{EntityType, Operation};

use crate::types::{self, Base, MANAGEMENT, NODE_OPERATIONS, Type};
use crate::writes::{self, Change, Made};
use crate::{Query, Row, described, refusal};

/// What a request asks for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// What the tables say, which is answered.
    Described(Answer),
    /// Rows.
    Query(Query),
    /// One entity.
    Read(Named),
    /// One entity is to be changed.
    Update(Named, Change),
    /// One is to be made.
    Create(Made),
    /// One is to be removed, which is of a type whose sections come and go.
    Delete(Named, Changing),
    /// Lines of the log, the last ones; `None`: all that there are.
    Log(Option<usize>),
    /// Where other routers are managed.
    Nodes,
}

/// An entity, as requests name it.
#[derive(Clone, Debug)]
pub struct Named {
    /// Types that it may be of.
    pub of: Vec<&'static EntityType>,
    /// By what.
    pub by: By,
}

/// What an entity is named by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// What management knows it by.
    Identity(String),
    /// What it is called.
    Name(String),
}

impl Named {
    /// Whether a row is of it.
    #[must_use]
    pub fn is(&self, row: &Row) -> bool {
        let (column, wanted) = match &self.by {
            By::Identity(identity) => ("identity", identity),
            By::Name(name) => ("name", name),
        };
        row.get(column).and_then(Value::as_text) == Some(wanted)
    }

    /// That there is no such entity.
    #[must_use]
    pub fn missing(&self) -> Answer {
        let named = match &self.by {
            By::Identity(identity) => format!("identity={identity}"),
            By::Name(name) => format!("name={name}"),
        };
        Answer::refused(Status::NotFound, format!("No entity with {named}"))
    }
}

/// Understands a request.
///
/// # Errors
/// When there is nothing here that it asks for, with the answer that says so.
pub fn ask(request: &Request) -> Result<Asked, Answer> {
    let kind = request.properties.get("type").and_then(Value::as_text);
    let named = match kind {
        Some(name) => Some(types::find(name).ok_or_else(|| refusal::no_type(name))?),
        None => None,
    };
    let operation = request.operation.to_ascii_uppercase();
    let is_of_node = match named {
        None => NODE_OPERATIONS.contains(&operation.as_str()),
        Some(Type::Base(base)) => base == Base::Management && operation != "READ",
        Some(Type::Of(of)) => of.short == MANAGEMENT.short && operation != "READ",
    };
    if is_of_node {
        return of_node(request, &operation);
    }
    let named = named.unwrap_or(Type::Base(Base::Entity));
    match operation.as_str() {
        "READ" => Ok(Asked::Read(entity(request, named)?)),
        "UPDATE" => update(request, named),
        "CREATE" => {
            let (of, changing) = changing(request, named, Operation::Create)?;
            writes::made(of, changing, request).map(Asked::Create)
        }
        "DELETE" => {
            let (_, changing) = changing(request, named, Operation::Delete)?;
            Ok(Asked::Delete(entity(request, named)?, changing))
        }
        _ => Err(refusal::no_operation(named, &request.operation)),
    }
}

fn of_node(request: &Request, operation: &str) -> Result<Asked, Answer> {
    let about = match request.properties.get("entityType").and_then(Value::as_text) {
        Some(name) if operation != "QUERY" => Some(types::find(name).ok_or_else(|| refusal::no_type(name))?),
        _ => None,
    };
    match operation {
        "QUERY" => Query::read(request).map(Asked::Query),
        "GET-TYPES" => Ok(Asked::Described(described::types(about))),
        "GET-ATTRIBUTES" => Ok(Asked::Described(described::attributes(about))),
        "GET-OPERATIONS" => Ok(Asked::Described(described::operations(about))),
        "GET-ANNOTATIONS" => Ok(Asked::Described(described::annotations())),
        "GET-SCHEMA" => Ok(Asked::Described(described::schema())),
        "GET-JSON-SCHEMA" => {
            let indent = number(request, "indent")?;
            Ok(Asked::Described(described::json_schema(indent)))
        }
        "GET-LOG" => Ok(Asked::Log(number(request, "limit")?.filter(|limit| *limit > 0))),
        "GET-MGMT-NODES" => Ok(Asked::Nodes),
        _ => Err(refusal::no_operation(Type::Base(Base::Management), &request.operation)),
    }
}

/// A number that tools may send as text; -1 and 0 mean all.
fn number(request: &Request, name: &str) -> Result<Option<usize>, Answer> {
    let bad = || Answer::refused(Status::BadRequest, format!("{name} is a number"));
    match request.properties.get(name) {
        Some(Value::String(text)) => {
            text.trim().parse::<i64>().map(|number| usize::try_from(number).ok()).map_err(|_| bad())
        }
        Some(Value::Int(number)) => Ok(usize::try_from(*number).ok()),
        Some(Value::Long(number)) => Ok(usize::try_from(*number).ok()),
        Some(Value::Byte(number)) => Ok(usize::try_from(*number).ok()),
        _ => {
            request.number(name).map(|number| number.and_then(|number| usize::try_from(number).ok())).map_err(|_| bad())
        }
    }
}

fn of_types(named: Type) -> Vec<&'static EntityType> {
    types::all().filter(|of| types::is_of(of, named)).collect()
}

/// The entity that a request names, in its properties or its body.
fn entity(request: &Request, named: Type) -> Result<Named, Answer> {
    let text = |key: &str| match request.properties.get(key).or_else(|| request.body.get(key))? {
        Value::String(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Long(number) => Some(number.to_string()),
        Value::Uint(number) => Some(number.to_string()),
        Value::Ulong(number) => Some(number.to_string()),
        other => other.as_text().map(str::to_owned),
    };
    let by = text("identity").map(By::Identity).or_else(|| text("name").map(By::Name));
    let by = by.ok_or_else(|| Answer::refused(Status::BadRequest, "No name or identity provided"))?;
    Ok(Named { of: of_types(named), by })
}

fn update(request: &Request, named: Type) -> Result<Asked, Answer> {
    let Type::Of(of) = named else {
        return Err(Answer::refused(Status::BadRequest, "UPDATE needs the type of the entity, as type"));
    };
    if let Some(refused) = writes::refused(of, Operation::Update, request) {
        return Err(refused);
    }
    if !of.operations.contains(&Operation::Update) {
        return Err(refusal::no_operation(named, "UPDATE"));
    }
    let change = writes::change(of, request)?;
    Ok(Asked::Update(entity(request, named)?, change))
}

/// The type whose entities are made or removed, or why none is.
fn changing(request: &Request, named: Type, operation: Operation) -> Result<(&'static EntityType, Changing), Answer> {
    let name = types::operation(operation);
    let Type::Of(of) = named else {
        return Err(Answer::refused(Status::BadRequest, format!("{name} needs the type of the entity, as type")));
    };
    let changing = Changing::of_type(of).map(|changing| (of, changing));
    changing
        .ok_or_else(|| writes::refused(of, operation, request).unwrap_or_else(|| refusal::no_operation(named, name)))
}

#[cfg(test)]
mod tests;
