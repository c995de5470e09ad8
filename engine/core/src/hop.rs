//! What a message that moved to another address says of that, in annotations that people can read.
//!
//! Guarantees: what travels unchanged from end to end is not touched; the first place that a message came from is kept, however often it
//! moves. A message whose annotations cannot be changed (they are larger than 64 KiB) moves without.
//!
//! `docs/dead-letters.md` has the table.

use bytes::Bytes;
use engine_message::section;
use engine_message::value::{Map, Value};

use crate::message::{Content, Header, Large, MOVE_COUNT, Message};
use crate::queue::{Cause, Parting};
use crate::way::{self, Hop};

const FIRST_ADDRESS: &str = "x-opt-ORIG-ADDRESS";
const FIRST_QUEUE: &str = "x-opt-ORIG-QUEUE";
const LAST_ADDRESS: &str = "x-opt-LAST-ADDRESS";
const LAST_QUEUE: &str = "x-opt-LAST-QUEUE";
const REASON: &str = "x-opt-MOVE-REASON";
const TIME: &str = "x-opt-MOVE-TIME";
const CONDITION: &str = "x-opt-MOVE-CONDITION";
const DESCRIPTION: &str = "x-opt-MOVE-DESCRIPTION";
const DELIVERIES: &str = "x-opt-MOVE-DELIVERY-COUNT";
const EXPIRY: &str = "x-opt-ACTUAL-EXPIRY";
const WAY: &str = "x-opt-MOVE-WAY";

/// The message that arrives where another one goes: as if it had not been delivered yet, and without a time to live, unless somebody moved
/// it, or a divert did.
pub(crate) fn moved(parting: &Parting<'_>, wall_ms: u64) -> Message {
    let message = parting.message;
    if matches!(parting.cause, Cause::Subscribed) {
        // Its subscribers get what was sent; its time has come, if it had to wait for one.
        return Message { header: Header { scheduled: false, ..message.header }, ..message.clone() };
    }
    let body = message.annotated(|map| tell(map, parting, wall_ms)).unwrap_or_else(|| message.body.clone());
    let lives_on = parting.cause.lives_on();
    // A client that reads it where it went would drop it by that.
    let body = match message.content {
        Content::Here if lives_on => body,
        Content::Here => section::clear_expiry(&body).map_or(body, Bytes::from),
        Content::File => body,
    };
    let header = Header { delivery_count: 0, first_acquirer: true, scheduled: false, ..message.header };
    let expires_wall_ms = message.expires_wall_ms.filter(|_| lives_on);
    Message { header, body, expires_wall_ms, ..message.clone() }
}

/// Where a message came from first: an address, or `address::queue`. `None` if it came from nowhere, or says so in no way that can be read.
pub(crate) fn origin(message: &Message) -> Option<String> {
    let map = match message.content {
        Content::File => read(message.annotations_beside())?,
        Content::Here => {
            let mut reader = engine_message::reader::Reader::new(section::front_annotations(&message.body));
            reader.descriptor().ok()?;
            Map::read(&mut reader).ok()?
        }
    };
    let text = |key| map.get(key).and_then(Value::as_text).filter(|text| !text.is_empty());
    let address = text(FIRST_ADDRESS)?;
    match text(FIRST_QUEUE).filter(|queue| *queue != address) {
        Some(queue) => Some(format!("{address}::{queue}")),
        None => Some(address.to_owned()),
    }
}

fn read(annotations: &[u8]) -> Option<Map> {
    if annotations.is_empty() {
        return Some(Map::default());
    }
    Map::read(&mut engine_message::reader::Reader::new(annotations)).ok()
}

/// The same message with another file.
pub(crate) fn in_file(mut message: Message, id: u64) -> Message {
    if let Some(large) = message.large() {
        message.body = Large { id, ..large }.encode_with(message.annotations_beside(), message.front());
    }
    message
}

fn tell(map: &mut Map, parting: &Parting<'_>, wall_ms: u64) {
    let text = |text: &str| Value::String(text.to_owned());
    let time = |ms: u64| Value::Timestamp(i64::try_from(ms).unwrap_or(i64::MAX));
    if map.get(FIRST_ADDRESS).is_none() {
        map.set(FIRST_ADDRESS, text(parting.address));
        map.set(FIRST_QUEUE, text(parting.queue));
    }
    map.set(LAST_ADDRESS, text(parting.address));
    map.set(LAST_QUEUE, text(parting.queue));
    map.set(TIME, time(wall_ms));
    map.set(DELIVERIES, Value::Uint(parting.message.header.delivery_count));
    let moves = parting.message.moves().unwrap_or_default();
    map.set(MOVE_COUNT, Value::Uint(moves.saturating_add(1)));
    // What the hop before said of these is not said of this one.
    [CONDITION, DESCRIPTION, EXPIRY].into_iter().for_each(|key| map.remove(key));
    let mut error = None;
    match parting.cause {
        Cause::Rejected(Some(refusal)) => {
            map.set(CONDITION, text(refusal.condition.as_str()));
            map.set(DESCRIPTION, text(&refusal.description));
            error = Some((refusal.condition.as_str(), &*refusal.description));
        }
        Cause::Expired(at) => map.set(EXPIRY, Value::Long(i64::try_from(*at).unwrap_or(i64::MAX))),
        Cause::Rejected(None) | Cause::Moved(_) | Cause::Exhausted => {}
        Cause::Diverted | Cause::Subscribed | Cause::Unrouted => {}
    }
    let reason = reason(parting.cause);
    map.set(REASON, text(reason));
    let Parting { address, queue, .. } = *parting;
    let hop = Hop { wall_ms, address, queue, reason, failed: parting.message.header.delivery_count, error };
    let way = way::lengthened(map.get(WAY).and_then(Value::as_text).unwrap_or_default(), &hop);
    map.set(WAY, Value::String(way));
}

/// Why a message moves, in a word.
fn reason(cause: &Cause) -> &'static str {
    match cause {
        Cause::Rejected(_) => "rejected",
        Cause::Expired(_) => "expired",
        Cause::Moved(moved) => moved.reason,
        Cause::Exhausted => "max-delivery-attempts",
        Cause::Diverted => "diverted",
        // Nothing is said of it: its subscribers get what was sent.
        Cause::Subscribed => "subscribed",
        Cause::Unrouted => "no-route",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Refusal;

    fn annotations(message: &Message) -> Map {
        let sections = section::scan(&message.body).expect("sections");
        let mut reader = engine_message::reader::Reader::new(&message.body[sections.message_annotations]);
        reader.descriptor().expect("a section");
        Map::read(&mut reader).expect("annotations")
    }

    fn texts(map: &Map, keys: &[&str]) -> Vec<Option<String>> {
        keys.iter().map(|key| Some(map.get(key)?.as_text()?.to_owned())).collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn the_first_origin_stays_and_the_last_hop_is_told() {
        let body = Bytes::from_static(&[0x00, 0x53, 0x75, 0xa0, 1, b'x']);
        let header = Header { durable: true, priority: 7, delivery_count: 3, ..Header::default() };
        let message = Message { header, expires_wall_ms: std::num::NonZeroU64::new(5), ..Message::new(body) };
        let why = Refusal { condition: "shop:no".into(), description: "it is closed".to_owned() };
        let cause = Cause::Rejected(Some(Box::new(why)));
        let parting =
            Parting { message: &message, cause: &cause, target: "dead", routing: None, address: "a", queue: "q" };
        let once = moved(&parting, 1000);
        assert_eq!((once.header.durable, once.header.priority, once.header.delivery_count), (true, 7, 0));
        assert_eq!(once.expires_wall_ms, None);
        let map = annotations(&once);
        let keys = [FIRST_ADDRESS, FIRST_QUEUE, LAST_ADDRESS, LAST_QUEUE, REASON, CONDITION, DESCRIPTION];
        assert_eq!(texts(&map, &keys), some(&["a", "q", "a", "q", "rejected", "shop:no", "it is closed"]));
        assert_eq!((map.get(TIME), map.get(DELIVERIES)), (Some(&Value::Timestamp(1000)), Some(&Value::Uint(3))));

        let cause = Cause::Expired(1500);
        let parting =
            Parting { message: &once, cause: &cause, target: "late", routing: None, address: "dead", queue: "dead" };
        let twice = moved(&parting, 2000);
        let map = annotations(&twice);
        assert_eq!(texts(&map, &keys[..5]), some(&["a", "q", "dead", "dead", "expired"]));
        assert_eq!((map.get(CONDITION), map.get(DESCRIPTION)), (None, None), "they were of the other hop");
        assert_eq!(map.get(EXPIRY), Some(&Value::Long(1500)));
        let way = "1970-01-01T00:00:01.000Z a::q rejected after 3 failed deliveries: shop:no: it is closed\n\
                   1970-01-01T00:00:02.000Z dead expired";
        assert_eq!(map.get(WAY).and_then(Value::as_text), Some(way), "the whole chain is told");
        assert!(twice.body.ends_with(&message.body));
    }

    #[test]
    fn those_of_a_large_message_are_beside_its_file() {
        let large = Large { id: 7, bytes: 99, checksum: 1 };
        let message = Message { content: Content::File, ..Message::new(large.encode()) };
        let (one, other) = (Cause::Rejected(None), Cause::Expired(9));
        let parting =
            Parting { message: &message, cause: &one, target: "dead", routing: None, address: "a", queue: "q" };
        let once = moved(&parting, 1);
        let parting =
            Parting { message: &once, cause: &other, target: "late", routing: None, address: "dead", queue: "dead" };
        let twice = in_file(moved(&parting, 2), 8);
        assert_eq!(twice.large(), Some(Large { id: 8, ..large }));
        let map = read(twice.annotations_beside()).expect("a map");
        assert_eq!(texts(&map, &[FIRST_ADDRESS, LAST_ADDRESS, REASON]), some(&["a", "dead", "expired"]));
        assert_eq!(message.annotations_beside(), [0_u8; 0]);
    }

    #[test]
    fn what_cannot_be_annotated_moves_as_it_is() {
        let body = Bytes::from_static(&[0x00, 0x53, 0x72, 0x45]);
        let (message, cause) = (Message::new(body.clone()), Cause::Rejected(None));
        let parting =
            Parting { message: &message, cause: &cause, target: "dead", routing: None, address: "a", queue: "q" };
        assert_eq!(moved(&parting, 1).body, body);
    }
}
