//! A row: what there is to be told of one entity.

use engine_message::value::{Map, Value};
use engine_router_conf::schema::EntityType;
use engine_router_conf::{Entity, Told};
use serde_json::Value as Json;

/// What there is to be told of one entity. What it does not have is null.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its type.
    pub of: &'static EntityType,
    values: Vec<(&'static str, Value)>,
}

impl Row {
    /// An entity of a type.
    #[must_use]
    pub fn new(of: &'static EntityType, name: &str, identity: &str) -> Self {
        let text = |text: &str| Value::String(text.to_owned());
        let values =
            vec![("name", text(name)), ("identity", text(identity)), ("type", Value::String(of.fully_qualified()))];
        Self { of, values }
    }

    /// A section of the configuration.
    #[must_use]
    pub fn of_entity(entity: Entity) -> Self {
        let mut row = Self::new(entity.of, &entity.name, &entity.identity);
        entity.attributes.into_iter().for_each(|(name, told)| row.set(name, value(told)));
        row
    }

    /// Sets an attribute.
    pub fn set(&mut self, name: &'static str, value: Value) {
        debug_assert!(self.of.attribute(name).is_some(), "{}.{name} stands in no table", self.of.short);
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.values.push((name, value)),
        }
    }

    /// The same, with an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.set(name, value);
        self
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All that it has, in the order of the table.
    #[must_use]
    pub fn map(&self) -> Map {
        let entry = |name: &'static str| Some((Value::String(name.to_owned()), self.get(name)?.clone()));
        Map(self.of.attributes().filter_map(|attribute| entry(attribute.name)).collect())
    }
}

/// A value of the configuration as a message has it.
#[must_use]
pub fn value(told: Told) -> Value {
    match told {
        Told::Switch(on) => Value::Boolean(on),
        // Numbers of files are of 32 bits; a larger one would be told as it is.
        Told::Integer(number) => i32::try_from(number).map_or(Value::Long(number), Value::Int),
        Told::Text(text) => Value::String(text),
        Told::Map(map) => of_json(Json::Object(map)),
    }
}

fn of_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(on) => Value::Boolean(on),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => value(Told::Integer(whole)),
            None => Value::Double(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::List(items.into_iter().map(of_json).collect()),
        Json::Object(map) => {
            Value::Map(Map(map.into_iter().map(|(key, value)| (Value::String(key), of_json(value))).collect()))
        }
    }
}
