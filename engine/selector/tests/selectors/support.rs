//! Messages for the tests of selectors, and what a selector says of them.

use engine_message::encode::{self, Compound, finish_map};
use engine_message::value::{Described, Map, Value};
use engine_selector::{Selector, View};

/// A message with what selectors see of it.
#[derive(Clone, Debug)]
pub struct Message {
    pub durable: bool,
    pub priority: u8,
    pub delivery_count: u32,
    pub expiry_ms: u64,
    pub kept: Vec<u8>,
}

impl Default for Message {
    fn default() -> Self {
        Self { durable: false, priority: 4, delivery_count: 0, expiry_ms: 0, kept: Vec::new() }
    }
}

impl Message {
    pub fn view(&self) -> View<'_> {
        View {
            durable: self.durable,
            priority: self.priority,
            delivery_count: self.delivery_count,
            expiry_ms: self.expiry_ms,
            address: "orders",
            kept: &self.kept,
        }
    }
}

/// A section that is a map with these entries.
pub fn map_section(code: u8, entries: &[(&str, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::descriptor(&mut out, code);
    let mut map = Compound::map(&mut out);
    for (key, value) in entries {
        map.put(|out| if code == 0x72 { encode::symbol(out, key) } else { encode::string(out, key) });
        map.put(|out| value.encode(out));
    }
    finish_map(map);
    out
}

/// A properties section with these fields, by their places.
pub fn properties(fields: &[(usize, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut list = Compound::described(&mut out, 0x73);
    for place in 0..13 {
        match fields.iter().find(|(at, _)| *at == place) {
            Some((_, value)) => list.put(|out| value.encode(out)),
            None => list.put_null(),
        };
    }
    list.finish();
    out
}

/// A body of some octets.
pub const BODY: [u8; 9] = [0x00, 0x53, 0x75, 0xa0, 4, b'b', b'o', b'd', b'y'];

/// A message with these application properties and a body.
pub fn with(entries: &[(&str, Value)]) -> Message {
    Message { kept: [map_section(0x74, entries), BODY.to_vec()].concat(), ..Message::default() }
}

pub fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// What a selector is for a message, of three values: asked for it and for its opposite.
pub fn value(text: &str, message: &Message) -> Option<bool> {
    // What stands before the condition stays there.
    let prefix =
        text.rfind("_expressions:").max(text.rfind("_props:")).and_then(|at| Some(at + text[at..].find(':')? + 1));
    let (prefix, rest) = text.split_at(prefix.unwrap_or(0));
    let says = |text: &str| match Selector::parse(text) {
        Ok(selector) => selector.matches(&message.view()),
        Err(error) => panic!("{text}: {error}"),
    };
    match (says(text), says(&format!("{prefix}NOT ({rest})"))) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
        (true, true) => panic!("{text} is both"),
    }
}

/// A described value, which selectors see as something that equals nothing.
pub fn described() -> Value {
    Value::Described(Box::new(Described { descriptor: Value::Ulong(1), value: Value::Map(Map::default()) }))
}
