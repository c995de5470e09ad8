//! `/state`: the node as JSON, made from the tables of figures.
//!
//! An object has what tells a thing from others, then its figures, under the names of its table; numbers are numbers, in octets and
//! milliseconds where the name says so, and what a thing does not have is null. `next` names the lists that have more, each with what to
//! give as `after` to go on.

use engine_core::QueueView;
use engine_figures::{Figures, Value};
use engine_shard::{JOURNAL_FIGURES, LANE_FIGURES, ROUTER_FIGURES};
use node_shell::{CONNECTOR_FIGURES, ConnectionView, ConnectorView, LinkView};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::figures;
use crate::node::{Cursor, List, Listed, NodeView, Row, SHARD, ShardOn};

/// The state of a node: as a whole, or one list of it.
#[derive(Default)]
pub struct State {
    pub node: Option<NodeView>,
    pub connections: Option<List<ConnectionView>>,
    pub links: Option<List<LinkView>>,
    pub queues: Option<List<QueueView>>,
}

impl State {
    /// The state as text.
    pub fn to_json(&self) -> String {
        // Maps with text as keys can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// A label's or a figure's value.
struct Scalar<'a>(Value<'a>);

/// A thing, behind what its table does not know of it.
struct Object<'a, T: 'static> {
    first: &'a [(&'static str, u64)],
    figures: &'a Figures<T>,
    thing: &'a T,
}

struct Objects<'a, T: 'static>(&'a Figures<T>, &'a [T]);
struct Rows<'a, T>(&'a [Row<T>]);
struct Next([(&'static str, Option<Cursor>); 3]);

impl Serialize for Scalar<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Count(count) => to.serialize_u64(count),
            Value::Number(number) => to.serialize_f64(number),
            Value::Flag(flag) => to.serialize_bool(flag),
            Value::Text(text) => to.serialize_str(text),
            Value::Absent => to.serialize_none(),
            Value::Spread(spread) => to.collect_map(spread.told().map(|(name, value)| (name, Scalar(value)))),
        }
    }
}

/// The connectors of all shards.
struct Connectors<'a>(&'a [ShardOn]);

impl Serialize for Connectors<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct One<'a>(u16, &'a ConnectorView);
        impl Serialize for One<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                Object { first: &[("shard", self.0.into())], figures: &CONNECTOR_FIGURES, thing: self.1 }.serialize(to)
            }
        }
        to.collect_seq(self.0.iter().flat_map(|on| on.view.connectors.iter().map(|one| One(on.view.shard, one))))
    }
}

/// Writes what a table tells of a thing.
fn entries<T, M: SerializeMap>(map: &mut M, figures: &Figures<T>, thing: &T) -> Result<(), M::Error> {
    for label in figures.labels {
        map.serialize_entry(label.name, &Scalar((label.of)(thing)))?;
    }
    for figure in figures.figures {
        map.serialize_entry(figure.name, &Scalar((figure.of)(thing)))?;
    }
    Ok(())
}

impl<T> Serialize for Object<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, value) in self.first {
            map.serialize_entry(name, value)?;
        }
        entries(&mut map, self.figures, self.thing)?;
        map.end()
    }
}

impl<T> Serialize for Objects<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.1.iter().map(|thing| Object { first: &[], figures: self.0, thing }))
    }
}

impl<T: Listed> Serialize for Rows<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct One<'a, T>(&'a Row<T>);
        impl<T: Listed> Serialize for One<'_, T> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let Row { shard, view } = self.0;
                Object { first: &[("shard", u64::from(*shard))], figures: T::FIGURES, thing: view }.serialize(to)
            }
        }
        to.collect_seq(self.0.iter().map(One))
    }
}

impl Serialize for ShardOn {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("shard", &self.view.shard)?;
        map.serialize_entry("core", &self.core)?;
        entries(&mut map, SHARD, &self.view)?;
        if let Some(journal) = &self.view.journal {
            map.serialize_entry("journal", &Object { first: &[], figures: &JOURNAL_FIGURES, thing: journal })?;
        }
        if let Some(router) = &self.view.router {
            map.serialize_entry("router", &Object { first: &[], figures: &ROUTER_FIGURES, thing: router })?;
        }
        map.serialize_entry("lanes", &Objects(&LANE_FIGURES, &self.view.lanes))?;
        map.end()
    }
}

impl Serialize for Next {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let more = self.0.iter().filter_map(|(name, next)| Some((name, (*next)?.to_string())));
        to.collect_map(more)
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { node, connections, links, queues } = self;
        let mut map = to.serialize_map(None)?;
        if let Some(node) = node {
            entries(&mut map, &figures::NODE, node)?;
            if let Some(disk) = &node.disk {
                map.serialize_entry("disk", &Object { first: &[], figures: &figures::DISK, thing: disk })?;
            }
            map.serialize_entry("process", &Object { first: &[], figures: &figures::PROCESS, thing: &node.process })?;
            map.serialize_entry("logins_refused", &Objects(&figures::LOGINS, &figures::refused_logins(node)))?;
            map.serialize_entry("shards", &node.shards)?;
            map.serialize_entry("connectors", &Connectors(&node.shards))?;
        }
        if let Some(list) = connections {
            map.serialize_entry("connections", &Rows(&list.rows))?;
        }
        if let Some(list) = links {
            map.serialize_entry("links", &Rows(&list.rows))?;
        }
        if let Some(list) = queues {
            map.serialize_entry("queues", &Rows(&list.rows))?;
        }
        let next = [
            ("connections", connections.as_ref().and_then(|list| list.next)),
            ("links", links.as_ref().and_then(|list| list.next)),
            ("queues", queues.as_ref().and_then(|list| list.next)),
        ];
        map.serialize_entry("next", &Next(next))?;
        map.end()
    }
}
