//! A message as people and programs read it.
//!
//! Guarantees: text of others is shown, not obeyed (by whoever prints it, `load_model::shown`); what cannot be read is said to be so.

use engine_message::Fields;
use engine_message::reader::Reader;
use engine_message::section::{self, Header};
use engine_message::value::{Map, Value};
use serde_json::{Map as Object, Value as Json, json};

/// The names of the fields of a message's properties (part 3.2.4).
const PROPERTIES: [&str; 13] = [
    "message-id",
    "user-id",
    "to",
    "subject",
    "reply-to",
    "correlation-id",
    "content-type",
    "content-encoding",
    "absolute-expiry-time",
    "creation-time",
    "group-id",
    "group-sequence",
    "reply-to-group-id",
];
/// Octets of a body that are shown.
pub const BODY_SHOWN_MAX: usize = 1024;

/// What a message says of itself, and the beginning of its body.
pub fn describe(message: &[u8]) -> Json {
    let Ok(sections) = section::scan(message) else { return json!({ "bytes": message.len(), "unreadable": true }) };
    let of = |range| message.get(range).unwrap_or_default();
    let header = Header::decode(of(sections.header)).unwrap_or_default();
    let mut all = Object::new();
    all.insert("bytes".to_owned(), json!(message.len()));
    all.insert("durable".to_owned(), json!(header.durable));
    all.insert("priority".to_owned(), json!(header.priority));
    all.insert("delivery-count".to_owned(), json!(header.delivery_count));
    if let Some(ttl) = header.ttl_ms {
        all.insert("ttl-ms".to_owned(), json!(ttl));
    }
    for (name, range) in [
        ("annotations", sections.message_annotations.clone()),
        ("application-properties", sections.application_properties.clone()),
    ] {
        if let Some(map) = read_map(of(range)) {
            all.insert(name.to_owned(), to_json(&Value::Map(map)));
        }
    }
    all.insert("properties".to_owned(), Json::Object(properties(of(sections.properties)).unwrap_or_default()));
    all.insert("body".to_owned(), body(of(sections.body)));
    Json::Object(all)
}

fn read_map(section: &[u8]) -> Option<Map> {
    let mut reader = Reader::new(section);
    reader.descriptor().ok()?;
    Map::read(&mut reader).ok()
}

fn properties(section: &[u8]) -> Option<Object<String, Json>> {
    let mut reader = Reader::new(section);
    reader.descriptor().ok()?;
    let mut fields = Fields::new(reader.list().ok()?);
    let mut all = Object::new();
    for name in PROPERTIES {
        if let Some(value) = fields.next(Value::read).ok()? {
            all.insert(name.to_owned(), to_json(&value));
        }
    }
    Some(all)
}

/// The first section of a body: a value, or octets, which are text if they can be.
fn body(sections: &[u8]) -> Json {
    let mut reader = Reader::new(sections);
    let read = reader.descriptor().and_then(|_| Value::read(&mut reader));
    match read {
        Ok(Value::Binary(bytes)) => octets(&bytes),
        Ok(value) => to_json(&value),
        Err(_) => Json::Null,
    }
}

fn octets(bytes: &[u8]) -> Json {
    let start = bytes.get(..BODY_SHOWN_MAX).unwrap_or(bytes);
    match std::str::from_utf8(start) {
        Ok(text) => json!(text),
        // The cut may be within a character.
        Err(error) if error.valid_up_to() + 4 > BODY_SHOWN_MAX => {
            json!(String::from_utf8_lossy(start.get(..error.valid_up_to()).unwrap_or_default()))
        }
        Err(_) => json!(format!("{} bytes, no text", bytes.len())),
    }
}

/// A value as JSON has it: what JSON has not is text. Values nest no deeper than `engine_message::limits` lets them.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Ubyte(value) => json!(value),
        Value::Ushort(value) => json!(value),
        Value::Uint(value) => json!(value),
        Value::Ulong(value) => json!(value),
        Value::Byte(value) => json!(value),
        Value::Short(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Long(value) | Value::Timestamp(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Double(value) => json!(value),
        Value::Char(value) => json!(value),
        Value::String(text) => json!(text),
        Value::Symbol(symbol) => json!(symbol.as_str()),
        Value::Binary(bytes) => octets(bytes),
        Value::Uuid(octets) => {
            let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            json!(hex)
        }
        Value::List(values) => Json::Array(values.iter().map(to_json).collect()),
        Value::Map(Map(entries)) => {
            let entry = |(key, value): &(Value, Value)| {
                let key = to_json(key);
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                (key, to_json(value))
            };
            Json::Object(entries.iter().map(entry).collect())
        }
        Value::Described(described) => to_json(&described.value),
        Value::Array(_) | Value::Decimal32(_) | Value::Decimal64(_) | Value::Decimal128(_) => json!("not shown"),
    }
}

#[cfg(test)]
mod tests {
    use engine_message::encode;

    use super::*;

    #[test]
    fn a_message_is_told_in_words() {
        let mut message = Vec::new();
        Header { durable: true, priority: 7, ..Header::default() }.encode(&mut message);
        let mut list = encode::Compound::described(&mut message, 0x73);
        list.put(|out| encode::string(out, "one")).put_null().put(|out| encode::string(out, "q"));
        list.finish();
        message.extend_from_slice(&[0x00, 0x53, 0x75, 0xa0, 2, b'h', b'i']);
        let told = describe(&message);
        assert_eq!((&told["durable"], &told["priority"], &told["body"]), (&json!(true), &json!(7), &json!("hi")));
        assert_eq!(told["properties"], json!({ "message-id": "one", "to": "q" }));
        assert_eq!(describe(&[1, 2, 3])["unreadable"], json!(true));
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_what_is_none_is_said() {
        let long = "ü".repeat(BODY_SHOWN_MAX);
        let Json::String(cut) = octets(long.as_bytes()) else { panic!("text") };
        assert!(cut.len() <= BODY_SHOWN_MAX && cut.chars().all(|letter| letter == 'ü'));
        let odd = format!("a{long}");
        let Json::String(cut) = octets(odd.as_bytes()) else { panic!("text") };
        assert_eq!(cut.len(), BODY_SHOWN_MAX - 1);
        assert_eq!(octets(&[0xff, 0xfe]), json!("2 bytes, no text"));
    }
}
