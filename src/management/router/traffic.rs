//! Rows of connections and links, which shards are asked for page by page.

use engine_figures::PAGE_ROWS_MAX;
use engine_home::Slot;
use engine_management::{Answer, Status};
use engine_message::reader::Reader;
use engine_message::value::{Map, Value};
use engine_router_management::{Row, types};
use node_shell::{ConnectionDetails, LinkDetails, Made, Role};

use super::window::{Window, row};
use super::{RouterAgent, empty, silent, text};
use crate::node::{Cursor, List, Paged, Part, Row as Told};

const SECOND_NS: u64 = 1_000_000_000;

/// Properties with texts as keys, as tools read them.
fn properties(encoded: &[u8]) -> Value {
    let Ok(Map(entries)) = Map::read(&mut Reader::new(encoded)) else { return empty() };
    let entry = |(key, value): (Value, Value)| Some((text(key.as_text()?), value));
    Value::Map(Map(entries.into_iter().filter_map(entry).collect()))
}

/// A number as a message has it.
fn uint(number: u64) -> Value {
    Value::Uint(u32::try_from(number).unwrap_or(u32::MAX))
}

fn count(number: usize) -> Value {
    Value::Ulong(number as u64)
}

impl RouterAgent {
    /// What a connection or link of a shard is known by: a decimal number, as tools know it, and a small one while few came and went.
    pub(super) fn identity(&self, shard: u16, place: Slot) -> String {
        let shards = self.node.shards.len() as u64;
        let number = u64::from(place.generation()) * self.places_max + u64::from(place.slot());
        (number * shards + u64::from(shard) + 1).to_string()
    }

    /// The shard and place that an identity names.
    fn place(&self, identity: &str) -> Option<(u16, Slot)> {
        let number = identity.parse::<u64>().ok()?.checked_sub(1)?;
        let shards = self.node.shards.len() as u64;
        let (place, shard) = (number / shards, number % shards);
        let (generation, slot) = (place / self.places_max, place % self.places_max);
        Some((u16::try_from(shard).ok()?, Slot::at(u32::try_from(slot).ok()?, u32::try_from(generation).ok()?)))
    }

    /// Offers what shards have many of.
    fn paged<T: Paged>(
        &self,
        short: &'static str,
        window: &mut Window<'_>,
        mut offer: impl FnMut(&mut Window<'_>, Told<T>),
    ) -> Result<(), Answer> {
        if let Some(identity) = window.identity() {
            // It says where to look.
            let Some((shard, place)) = self.place(identity) else { return Ok(()) };
            let part = Part { prefix: String::new(), after: Cursor::at(shard, place.slot()), most: 1 };
            let List { rows, .. } = self.node.list::<T>(&part).map_err(silent)?;
            rows.into_iter().for_each(|told| offer(window, told));
            return Ok(());
        }
        let begin = window.offset();
        let known = begin.and_then(|offset| self.places().take(short, offset));
        if let (Some(_), Some(offset)) = (known, begin) {
            window.pass(offset);
        }
        let mut part = Part { prefix: String::new(), after: known.unwrap_or_default(), most: 0 };
        let mut passed = if known.is_some() { begin.unwrap_or_default() } else { 0 };
        while !window.is_full() {
            part.most = window.open().min(PAGE_ROWS_MAX);
            let List { rows, next } = self.node.list::<T>(&part).map_err(silent)?;
            passed += rows.len() as u64;
            rows.into_iter().for_each(|told| offer(window, told));
            let Some(next) = next else { return Ok(()) };
            part.after = next;
        }
        if part.after != Cursor::default() {
            self.places().note(short, passed, part.after);
        }
        Ok(())
    }

    /// Offers connections. Those that are not open yet are there as well, as they have a descriptor, and are told as such.
    pub(super) fn connections(&self, window: &mut Window<'_>) -> Result<(), Answer> {
        self.paged::<ConnectionDetails>(types::CONNECTION.short, window, |window, Told { shard, view }| {
            window.offer(|| self.connection(shard, &view));
        })
    }

    /// Offers links.
    pub(super) fn links(&self, window: &mut Window<'_>) -> Result<(), Answer> {
        self.paged::<LinkDetails>(types::LINK.short, window, |window, Told { shard, view }| {
            window.offer(|| self.link(shard, &view));
        })
    }

    fn connection(&self, shard: u16, view: &ConnectionDetails) -> Row {
        let identity = self.identity(shard, view.place);
        let dir = match view.made {
            Made::Accepted => "in",
            Made::Connected => "out",
        };
        let role = match view.role {
            Role::Normal => "normal",
            Role::RouteContainer => "route-container",
            Role::InterRouter { .. } => "inter-router",
            Role::Edge | Role::Interior => "edge",
        };
        let optional = |told: &str| if told.is_empty() { Value::Null } else { text(told) };
        let (version, cipher) = view.tls.clone().unzip();
        let is_encrypted = Value::Boolean(view.tls.is_some());
        let of_tls = |told: Option<String>| told.map_or(Value::Null, Value::String);
        Row::new(&types::CONNECTION, &format!("connection/{}", view.peer), &identity)
            .with("host", text(&view.peer))
            .with("role", text(role))
            .with("protocol", text("amqp"))
            .with("dir", text(dir))
            .with("container", text(&view.container))
            .with("sasl", optional(&view.mechanism))
            .with("isAuthenticated", Value::Boolean(!view.mechanism.is_empty()))
            .with("user", optional(&view.user))
            .with("isEncrypted", is_encrypted.clone())
            .with("sslProto", of_tls(version))
            .with("sslCipher", of_tls(cipher))
            .with("properties", properties(&view.properties))
            .with("ssl", is_encrypted)
            .with("opened", Value::Boolean(view.open))
            .with("active", Value::Boolean(!view.stands_by))
            .with("adminStatus", text("enabled"))
            .with("operStatus", text("up"))
            .with("uptimeSeconds", uint(view.age_ns / SECOND_NS))
            .with("lastDlvSeconds", view.quiet_ns.map_or(Value::Null, |quiet| uint(quiet / SECOND_NS)))
            .with("enableProtocolTrace", Value::Boolean(false))
    }

    fn link(&self, shard: u16, view: &LinkDetails) -> Row {
        let identity = self.identity(shard, view.place);
        let standing = view.routed.as_ref().map(|(_, standing)| *standing);
        let of = |of: fn(&engine_routing::Standing) -> u64| standing.as_ref().map(of);
        let link_type = match &view.routed {
            _ if view.is_control => "router-control",
            Some((None, _)) => "inter-router",
            Some((Some(_), _)) | None => "endpoint",
        };
        let address = match &view.routed {
            Some((Some(key), _)) => text(key),
            Some((None, _)) => Value::Null,
            None if view.kind == "management" => text("M0$management"),
            None => Value::Null,
        };
        let connection = view.connection.map_or(Value::Null, |place| Value::String(self.identity(shard, place)));
        row(&types::LINK, &identity)
            .with("linkName", text(&view.name))
            .with("linkType", text(link_type))
            .with("linkDir", text(if view.is_consumer { "out" } else { "in" }))
            .with("owningAddr", address)
            .with("capacity", of(|standing| standing.capacity.into()).map_or(Value::Null, uint))
            .with("undeliveredCount", count(standing.map_or(0, |standing| standing.waiting)))
            .with("unsettledCount", count(standing.map_or(0, |standing| standing.unsettled)))
            .with("deliveryCount", Value::Ulong(view.passed.messages))
            .with("connectionId", connection)
            .with("adminStatus", text("enabled"))
            .with("operStatus", text("up"))
            .with("presettledCount", Value::Ulong(view.passed.presettled))
            .with("acceptedCount", Value::Ulong(view.passed.accepted))
            .with("rejectedCount", Value::Ulong(view.passed.rejected))
            .with("releasedCount", Value::Ulong(view.passed.released))
            .with("modifiedCount", Value::Ulong(view.passed.modified))
            .with("priority", Value::Uint(0))
            .with("zeroCreditSeconds", uint(view.dry_ns / SECOND_NS))
            .with("creditAvailable", uint(of(|standing| standing.credit.into()).unwrap_or_default()))
    }

    /// Closes the connection of a row.
    pub(super) fn close(&self, row: &Row) -> Result<(), Answer> {
        let identity = row.get("identity").and_then(Value::as_text).unwrap_or_default();
        let place = self.place(identity);
        let gone = || Answer::refused(Status::NotFound, "the connection is gone");
        let (shard, place) = place.ok_or_else(gone)?;
        if self.node.dismiss(shard, place).map_err(silent)? { Ok(()) } else { Err(gone()) }
    }
}
