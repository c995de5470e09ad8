//! What is said to whoever asks for what there is not.

use engine_management::{Answer, Status};
use engine_router_conf::schema::EntityType;

use crate::types::{self, Base, Type};

/// No type has the name.
pub(crate) fn no_type(name: &str) -> Answer {
    Answer::refused(Status::BadRequest, format!("No such entity type {name:?}"))
}

/// A type, or types of which it is one, have no operation of the name.
pub(crate) fn no_operation(named: Type, operation: &str) -> Answer {
    let (name, known) = match named {
        Type::Of(of) => (of.fully_qualified(), types::operations(of)),
        Type::Base(Base::Management) => (Base::Management.name(), types::operations(&types::MANAGEMENT)),
        Type::Base(base) => (base.name(), vec!["READ"]),
    };
    let known: Vec<String> = known.iter().map(|name| format!("'{name}'")).collect();
    let why = format!("Operation '{operation}' not implemented for '{name}' [{}]", known.join(", "));
    Answer::refused(Status::NotImplemented, why)
}

/// A type has no attribute of the name.
pub(crate) fn no_attribute(of: &EntityType, name: &str) -> Answer {
    let why = format!("Unknown attribute '{name}' for '{}'", of.fully_qualified());
    Answer::refused(Status::BadRequest, why)
}

/// Nobody may do that.
pub(crate) fn forbidden(of: &EntityType, operation: &str) -> Answer {
    let why = format!("Forbidden: entities of type {} come and go by themselves, and have no {operation}", of.short);
    Answer::refused(Status::Forbidden, why)
}
