//! What management tells of addresses: those that are declared and those that have queues, and the settings that hold for one.

use std::collections::BTreeMap;

use engine_catalogue::setting::Value as Told;
use engine_catalogue::{Area as _, Kind, Layer, Origin};
use engine_core::QueueView;
use engine_management::{Answer, Request};
use engine_message::value::{Map, Value};

use super::queues::{bad, silent, text};
use crate::catalogue::Kept;
use crate::node::{Node, Row};

/// Addresses of one answer.
const QUERIED_MAX: u64 = 500;

/// The names of what is told of an address, in the order of a row.
pub fn attributes() -> impl Iterator<Item = &'static str> {
    ["name", "declared", "queues", "messages"].into_iter()
}

/// Who declared an address.
fn declared(kept: &Kept, address: &str) -> Value {
    match kept.catalogue().origin(Kind::Address, address) {
        Some(Origin::Configuration) => text("configuration"),
        Some(Origin::Management) => text("management"),
        None => Value::Null,
    }
}

/// Lists addresses in the order of their names: those that begin with `prefix`, behind `after`.
pub fn query(node: &Node, kept: &Kept, request: &Request) -> Result<Answer, Answer> {
    let count = request.number("count").map_err(bad)?.unwrap_or(QUERIED_MAX).min(QUERIED_MAX);
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let after = request.text("after").map_err(bad)?;
    let prefix = request.text("prefix").map_err(bad)?.unwrap_or_default();
    let is_asked = |name: &str| name.starts_with(prefix) && after.is_none_or(|after| name > after);
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    // One more than is told, which says that there are more.
    let mut add = |name: &str, queues: u64, messages: u64| {
        if !is_asked(name) {
            return;
        }
        let entry = found.entry(name.to_owned()).or_default();
        (entry.0, entry.1) = (entry.0 + queues, entry.1 + messages);
        if found.len() > most + 1 {
            found.pop_last();
        }
    };
    for name in kept.catalogue().addresses_after(None) {
        add(name, 0, 0);
    }
    node.each::<QueueView>("", |Row { view, .. }| add(&view.address, 1, view.messages)).map_err(silent)?;
    let more = found.len() > most;
    let told: Vec<_> = found.into_iter().take(most).collect();
    let next = told.last().filter(|_| more).map_or(Value::Null, |(name, _)| text(name));
    let row = |(name, (queues, messages)): &(String, (u64, u64))| {
        Value::List(vec![text(name), declared(kept, name), Value::Ulong(*queues), Value::Ulong(*messages)])
    };
    let entries = vec![
        (text("attributeNames"), Value::List(attributes().map(text).collect())),
        (text("results"), Value::List(told.iter().map(row).collect())),
        (text("next"), next),
    ];
    Ok(Answer::of(Value::Map(Map(entries))))
}

/// Tells the settings that hold for an address, whether it is there or not, and where each comes from.
pub fn read(kept: &Kept, request: &Request) -> Result<Answer, Answer> {
    let name = request.name.as_deref().filter(|name| !name.is_empty()).ok_or_else(|| bad("name the address"))?;
    let values = kept.catalogue().settings(name).values();
    let sources = kept.catalogue().sources(name);
    let mut entries = vec![(text("name"), text(name)), (text("declared"), declared(kept, name))];
    let settings = Layer::SETTINGS.iter().zip(values).zip(sources).map(|((setting, value), source)| {
        let value = match value {
            Told::Absent => Value::Null,
            Told::Switch(switch) => Value::Boolean(switch),
            Told::Whole(number) => Value::Ulong(number),
            Told::Text(told) => Value::String(told),
            Told::List(all) => Value::List(all.into_iter().map(Value::String).collect()),
        };
        let from = source.map_or_else(|| "default".to_owned(), |(kind, key)| format!("{} {key}", kind.noun()));
        (text(setting.name), Value::List(vec![value, Value::String(from)]))
    });
    entries.extend(settings);
    Ok(Answer::of(Value::Map(Map(entries))))
}
