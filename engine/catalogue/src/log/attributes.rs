//! Attributes as octets: number, length, value. They are made of the table that declares them, so that a new attribute is written and
//! read without a line here.

use crate::definition::{Attributes, Definition, Kind};
use crate::limits::RECORD_MAX;
use crate::setting::{Setting, Shape, Value};

use super::format::{MUST, length, take, take_u16, take_u32, take_u64};

/// Appends a key.
pub(super) fn encode_key(key: &str, out: &mut Vec<u8>) {
    out.extend(length(key.len()));
    out.extend(key.as_bytes());
}

/// Appends a definition: its key and what is set of its attributes.
pub(super) fn encode(definition: &Definition, out: &mut Vec<u8>) {
    encode_key(&definition.key, out);
    let values = definition.kind().settings().iter().zip(definition.attributes.values());
    let mut values: Vec<_> = values.filter(|(_, value)| *value != Value::Absent).collect();
    values.sort_by_key(|(setting, _)| setting.number);
    for (setting, value) in values {
        out.extend((setting.number | MUST).to_le_bytes());
        let at = out.len();
        out.extend(length(0));
        encode_value(&value, out);
        let bytes = length(out.len() - at - 4);
        out[at..at + 4].copy_from_slice(&bytes);
    }
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Absent => {}
        Value::Switch(on) => out.push(u8::from(*on)),
        Value::Whole(number) => out.extend(number.to_le_bytes()),
        Value::Text(text) => out.extend(text.as_bytes()),
        Value::List(items) => items.iter().for_each(|item| encode_key(item, out)),
    }
}

/// The key at the front, and what is behind it.
pub(super) fn decode_key(body: &[u8]) -> Option<(String, &[u8])> {
    let mut rest = body;
    let bytes = take_u32(&mut rest)? as usize;
    Some((text(take(&mut rest, bytes)?)?, rest))
}

fn text(bytes: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(bytes).ok()?.to_owned())
}

/// The attributes of a kind; an error is a sentence about what is wrong.
pub(super) fn decode(kind: Kind, mut rest: &[u8]) -> Result<Attributes, String> {
    let mut attributes = kind.attributes();
    let mut before = 0;
    while !rest.is_empty() {
        let cut = || "an attribute is cut off".to_owned();
        let tag = take_u16(&mut rest).ok_or_else(cut)?;
        let bytes = take_u32(&mut rest).ok_or_else(cut)? as usize;
        let value = take(&mut rest, bytes).ok_or_else(cut)?;
        let number = tag & !MUST;
        if number <= before {
            return Err(format!("the attribute {number} follows {before}"));
        }
        before = number;
        match kind.settings().iter().find(|setting| setting.number == number) {
            Some(setting) => put(&mut attributes, setting, value)?,
            None if tag & MUST == 0 => {}
            None => {
                return Err(format!(
                    "it has the attribute {number}, which this version of the program does not know, and which changes what it means: \
                     start the version that wrote it, or a newer one"
                ));
            }
        }
    }
    Ok(attributes)
}

fn put(attributes: &mut Attributes, setting: &Setting, bytes: &[u8]) -> Result<(), String> {
    let told = |wrong: String| format!("its {}: {wrong}; it takes {}", setting.name, setting.allowed());
    let value = decode_value(setting.shape, bytes).ok_or_else(|| told("the value has another shape".to_owned()))?;
    setting.admit(&value).and_then(|()| attributes.put(setting.name, value)).map_err(told)
}

fn decode_value(shape: Shape, bytes: &[u8]) -> Option<Value> {
    match (shape, bytes) {
        (Shape::Switch, [on @ (0 | 1)]) => Some(Value::Switch(*on == 1)),
        (Shape::Switch, _) => None,
        (Shape::Whole, mut rest) => {
            let number = take_u64(&mut rest)?;
            rest.is_empty().then_some(Value::Whole(number))
        }
        (Shape::Text, bytes) => text(bytes).map(Value::Text),
        (Shape::List, mut rest) => {
            let mut items = Vec::new();
            while !rest.is_empty() {
                let (item, behind) = decode_key(rest)?;
                items.push(item);
                rest = behind;
            }
            Some(Value::List(items))
        }
    }
}

const _: () = assert!(RECORD_MAX <= u32::MAX as usize, "lengths are written in four octets");
