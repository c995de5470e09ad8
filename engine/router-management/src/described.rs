//! What the tables say of themselves: types, attributes, operations, and all of it as a schema.

use engine_management::Answer;
use engine_message::value::{Map, Value};
use engine_router_conf::schema::{
    Access, Attribute, Constant, Count, ENTITY, EntityType, Kind, PREFIX, Presence, Standing,
};

use crate::types::{self, Base, Type};

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn texts<'a>(all: impl IntoIterator<Item = &'a str>) -> Value {
    Value::List(all.into_iter().map(text).collect())
}

fn map(entries: Vec<(String, Value)>) -> Value {
    Value::Map(Map(entries.into_iter().map(|(key, value)| (Value::String(key), value)).collect()))
}

/// What there is of a type, of those that are of it, or of all: for types of entities, and for what these are of.
fn each(about: Option<Type>, of: impl Fn(&'static EntityType) -> Value, base: impl Fn(Base) -> Value) -> Answer {
    let is_asked = |one: &&'static EntityType| about.is_none_or(|about| types::is_of(one, about));
    let is_asked_base = |one: &Base| match about {
        None => true,
        Some(Type::Base(asked)) => asked == *one || one.parents().contains(&asked),
        Some(Type::Of(_)) => false,
    };
    let bases = Base::ALL.into_iter().filter(is_asked_base).map(|one| (one.name(), base(one)));
    let entities = types::all().filter(is_asked).map(|one| (one.fully_qualified(), of(one)));
    Answer::of(map(bases.chain(entities).collect()))
}

pub(crate) fn types(about: Option<Type>) -> Answer {
    let names = |bases: &[Base]| Value::List(bases.iter().map(|base| Value::String(base.name())).collect());
    each(about, |of| names(types::parents(of)), |base| names(base.parents()))
}

pub(crate) fn attributes(about: Option<Type>) -> Answer {
    let of = |of: &'static EntityType| texts(of.attributes().map(|attribute| attribute.name));
    each(about, of, |_| texts(ENTITY.iter().map(|attribute| attribute.name)))
}

pub(crate) fn operations(about: Option<Type>) -> Answer {
    let base = |base: Base| match base {
        Base::Entity => texts([]),
        Base::Management => texts(types::operations(&types::MANAGEMENT)),
        Base::Configuration | Base::Operational => texts(["READ"]),
    };
    each(about, |of| texts(types::operations(of)), base)
}

/// There are none, as in qdrouterd of today.
pub(crate) fn annotations() -> Answer {
    Answer::of(map(Vec::new()))
}

pub(crate) fn schema() -> Answer {
    Answer::of(whole())
}

pub(crate) fn json_schema(indent: Option<usize>) -> Answer {
    let json = to_json(&whole());
    // Maps with texts as keys can always be written.
    let text = if indent.is_some() { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
    Answer::of(Value::String(text.unwrap_or_default()))
}

fn whole() -> Value {
    let bases = Base::ALL.into_iter().map(|base| (base.short().to_owned(), of_base(base)));
    let entities = types::all().map(|of| (of.short.to_owned(), of_type(of)));
    map(vec![
        ("prefix".to_owned(), text(PREFIX.trim_end_matches('.'))),
        ("entityTypes".to_owned(), map(bases.chain(entities).collect())),
    ])
}

fn of_base(base: Base) -> Value {
    let attributes = ENTITY.iter().map(|attribute| (attribute.name.to_owned(), of_attribute(attribute)));
    let mut entries = vec![
        ("attributes".to_owned(), map(attributes.collect())),
        ("fullyQualifiedType".to_owned(), Value::String(base.name())),
        ("deprecated".to_owned(), Value::Boolean(false)),
        ("singleton".to_owned(), Value::Boolean(false)),
    ];
    if let Some(parent) = base.parents().first() {
        entries.push(("extends".to_owned(), text(parent.short())));
    }
    map(entries)
}

fn of_type(of: &'static EntityType) -> Value {
    let attributes = of.attributes().map(|attribute| (attribute.name.to_owned(), of_attribute(attribute)));
    let mut entries = vec![
        ("attributes".to_owned(), map(attributes.collect())),
        ("operations".to_owned(), texts(types::operations(of))),
        ("fullyQualifiedType".to_owned(), Value::String(of.fully_qualified())),
        ("description".to_owned(), text(of.about)),
        ("deprecated".to_owned(), Value::Boolean(false)),
        ("singleton".to_owned(), Value::Boolean(of.count == Count::One)),
    ];
    if let Some(parent) = types::parents(of).first() {
        entries.push(("extends".to_owned(), text(parent.short())));
    }
    map(entries)
}

fn of_attribute(attribute: &Attribute) -> Value {
    let kind = match attribute.kind {
        Kind::Word(words) => texts(words.iter().copied()),
        kind => text(kind.peer_type().unwrap_or("string")),
    };
    let switch = |name: &str, on| (name.to_owned(), Value::Boolean(on));
    let is_told = attribute.access == Access::Told;
    let mut entries = vec![
        ("name".to_owned(), text(attribute.name)),
        ("type".to_owned(), kind),
        ("description".to_owned(), text(attribute.about)),
        switch("required", attribute.presence == Presence::Required),
        switch("unique", matches!(attribute.name, "name" | "identity")),
        switch("create", !is_told),
        switch("update", attribute.access == Access::Update),
        switch("graph", is_told && matches!(attribute.kind, Kind::Integer { .. })),
        switch("hidden", attribute.kind == Kind::Secret),
        switch("deprecated", matches!(attribute.standing, Standing::Deprecated(_) | Standing::Ignored(_))),
    ];
    if let Presence::Preset(constant) = attribute.presence {
        let preset = match constant {
            Constant::Switch(on) => Value::Boolean(on),
            Constant::Integer(number) => Value::Long(number),
            Constant::Text(preset) => text(preset),
        };
        entries.push(("default".to_owned(), preset));
    }
    map(entries)
}

/// The schema as JSON; it is made of what stands here.
fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Boolean(on) => (*on).into(),
        Value::Long(number) => (*number).into(),
        Value::String(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(Map(entries)) => {
            let entry = |(key, value): &(Value, Value)| Some((key.as_text()?.to_owned(), to_json(value)));
            serde_json::Value::Object(entries.iter().filter_map(entry).collect())
        }
        _ => serde_json::Value::Null,
    }
}
