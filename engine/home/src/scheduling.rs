//! Messages that are not to be given before a time: what their annotations say of it.
//!
//! Guarantees: `x-opt-delivery-time` (milliseconds since the epoch) goes before `x-opt-delivery-delay` (milliseconds from when the message came); either may be any
//! kind of number. A message that waits says when in `x-opt-delivery-time`, whatever it said before. What is no number refuses its message; a time that has come says nothing.
//!
//! Not here: how it waits (`engine_core`).

use std::num::NonZeroU64;

use engine_core::event::Refusal;
use engine_core::message::{DELIVERY_TIME, Message};
use engine_message::reader::Reader;
use engine_message::value::{Map, Value};
use engine_message::{Condition, section};

const DELIVERY_DELAY: &str = "x-opt-delivery-delay";

/// Whether a message, from its message annotations on, may say when it is to be given, or has an id: the long way finds out.
#[cold]
#[must_use]
pub fn asks_more(kept: &[u8]) -> bool {
    let annotations = section::front_annotations(kept);
    let waits = |key| matches!(section::map_entry(annotations, key), Ok(Some(_)));
    [DELIVERY_TIME, DELIVERY_DELAY].into_iter().any(waits) || section::property_id(kept).is_some()
}

/// The time before which a message is not to be given, milliseconds since the epoch; `None` if it has come. Of one that is large its first
/// part is enough.
///
/// # Errors
/// When it cannot be understood.
pub fn delivery_time(kept: &[u8], wall_ms: u64) -> Result<Option<NonZeroU64>, Box<Refusal>> {
    let annotations = section::front_annotations(kept);
    let time = match number(annotations, DELIVERY_TIME)? {
        Some(time) => Some(time),
        None => number(annotations, DELIVERY_DELAY)?.map(|delay| delay.saturating_add(i128::from(wall_ms))),
    };
    let ahead = time.filter(|&time| time > i128::from(wall_ms));
    Ok(ahead.and_then(|time| NonZeroU64::new(u64::try_from(time).unwrap_or(u64::MAX))))
}

/// Has a message wait until a time.
///
/// # Errors
/// When its annotations have no room for it.
pub(crate) fn schedule(message: &mut Message, at: NonZeroU64) -> Result<(), Box<Refusal>> {
    let body = section::change_annotations(&message.body, |map| map.set(DELIVERY_TIME, time(at))).map_err(|error| {
        Refusal::new(Condition::InvalidField, format!("the annotations of a message that is to wait: {error}"))
    })?;
    message.body = body.into();
    message.header.scheduled = true;
    Ok(())
}

/// What is said beside the file of a large message that waits until a time: an encoded map of annotations.
pub(crate) fn waits_until(at: NonZeroU64) -> Vec<u8> {
    let (mut map, mut encoded) = (Map::default(), Vec::new());
    map.set(DELIVERY_TIME, time(at));
    map.encode(&mut encoded);
    encoded
}

fn time(at: NonZeroU64) -> Value {
    Value::Long(i64::try_from(at.get()).unwrap_or(i64::MAX))
}

/// A number of any kind.
fn number(annotations: &[u8], key: &str) -> Result<Option<i128>, Box<Refusal>> {
    let Ok(Some(encoded)) = section::map_entry(annotations, key) else { return Ok(None) };
    Ok(Some(match Value::read(&mut Reader::new(encoded)) {
        Ok(Value::Null) => return Ok(None),
        Ok(Value::Ubyte(number)) => number.into(),
        Ok(Value::Ushort(number)) => number.into(),
        Ok(Value::Uint(number)) => number.into(),
        Ok(Value::Ulong(number)) => number.into(),
        Ok(Value::Byte(number)) => number.into(),
        Ok(Value::Short(number)) => number.into(),
        Ok(Value::Int(number)) => number.into(),
        Ok(Value::Long(number) | Value::Timestamp(number)) => number.into(),
        // What is no number becomes 0, which has come.
        Ok(Value::Float(number)) => number as i128,
        Ok(Value::Double(number)) => number as i128,
        _ => {
            let text = format!("the annotation {key} is not a number of milliseconds");
            return Err(Refusal::new(Condition::InvalidField, text));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(entries: &[(&'static str, Value)]) -> Vec<u8> {
        let mut map = Map::default();
        entries.iter().for_each(|(key, value)| map.set(key, value.clone()));
        let mut out = vec![0x00, 0x53, 0x72];
        map.encode(&mut out);
        out.extend([0x00, 0x53, 0x75, 0xa0, 1, b'x']);
        out
    }

    fn at(entries: &[(&'static str, Value)]) -> Option<u64> {
        delivery_time(&annotated(entries), 1000).expect("it is understood").map(NonZeroU64::get)
    }

    #[test]
    fn a_time_goes_before_a_delay_and_either_is_any_number() {
        let (time, delay) = (DELIVERY_TIME, DELIVERY_DELAY);
        for number in [
            Value::Uint(1500),
            Value::Ulong(1500),
            Value::Ushort(1500),
            Value::Int(1500),
            Value::Short(1500),
            Value::Long(1500),
            Value::Timestamp(1500),
            Value::Float(1500.7),
            Value::Double(1500.2),
        ] {
            assert_eq!(at(&[(time, number.clone())]), Some(1500), "{number:?}");
            assert_eq!(at(&[(delay, number.clone())]), Some(2500), "{number:?}");
            assert_eq!(at(&[(delay, Value::Uint(7)), (time, number)]), Some(1500));
        }
        assert_eq!(at(&[(delay, Value::Ubyte(200))]), Some(1200));
        assert_eq!(at(&[(time, Value::Null), (delay, Value::Byte(3))]), Some(1003));
        assert_eq!(at(&[(delay, Value::Ulong(u64::MAX))]), Some(u64::MAX), "longer than anything lives");
    }

    #[test]
    fn what_has_come_waits_for_nothing() {
        for (key, value) in [
            (DELIVERY_TIME, Value::Long(1000)),
            (DELIVERY_TIME, Value::Long(-5)),
            (DELIVERY_DELAY, Value::Int(0)),
            (DELIVERY_DELAY, Value::Int(-9)),
            (DELIVERY_DELAY, Value::Double(f64::NAN)),
            ("x-opt-other", Value::Long(5000)),
        ] {
            assert_eq!(at(&[(key, value)]), None);
        }
        assert_eq!(delivery_time(&[], 0), Ok(None));
        assert_eq!(delivery_time(&[0x00, 0x53, 0x77, 0x40], 0), Ok(None));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for value in [Value::String("soon".to_owned()), Value::Boolean(true), Value::List(Vec::new())] {
            let refusal = delivery_time(&annotated(&[(DELIVERY_DELAY, value)]), 0).expect_err("it says nothing");
            assert_eq!(refusal.condition, Condition::InvalidField);
            assert!(refusal.description.contains(DELIVERY_DELAY), "{refusal:?}");
        }
    }

    #[test]
    fn a_message_that_waits_says_until_when() {
        let body = annotated(&[(DELIVERY_DELAY, Value::Uint(7)), ("x-opt-own", Value::Uint(1))]);
        let mut message = Message::new(body.into());
        let at = NonZeroU64::new(1007).expect("a time");
        schedule(&mut message, at).expect("there is room");
        assert!(message.header.scheduled);
        assert_eq!(message.not_before_ms(), Some(at));
        assert_eq!(delivery_time(&message.body, 0), Ok(Some(at)));
        assert!(message.body.ends_with(&[0x00, 0x53, 0x75, 0xa0, 1, b'x']));
    }
}
