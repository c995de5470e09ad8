//! How urgent a consumer is beside others of its queue: what its link says, or its source's address.
//!
//! Guarantees: the link's property `priority` decides, then the address (`queue?consumer-priority=5`), then it is 0 (artemis.md, D3 and
//! 2.4). What is no integer of 32 bits with a sign is refused with `amqp:invalid-field`, and never taken for another one.
//!
//! Not here: who is served when (`engine/core`, `queue/precedence.rs`).

use amqp_codec::AmqpError;
use engine_message::Condition;
use engine_message::value::{Map, Value};

const PROPERTY: &str = "priority";
const PARAMETER: &str = "?consumer-priority=";

/// The address without its parameter, and the priority of a consumer of it whose link has these properties.
///
/// # Errors
/// What the link is refused with.
pub(crate) fn of<'a>(properties: &Map, address: &'a str) -> Result<(&'a str, i32), AmqpError> {
    let (address, by_address) = match address.split_once(PARAMETER) {
        Some((address, text)) => (address, Some(text.parse().map_err(|_| invalid("its source's consumer-priority"))?)),
        None => (address, None),
    };
    Ok((address, of_link(properties)?.or(by_address).unwrap_or(0)))
}

/// What the properties of a link say.
///
/// # Errors
/// As `of`.
pub(crate) fn of_link(properties: &Map) -> Result<Option<i32>, AmqpError> {
    let number = match properties.get(PROPERTY) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Byte(number)) => Some(i32::from(*number)),
        Some(Value::Ubyte(number)) => Some(i32::from(*number)),
        Some(Value::Short(number)) => Some(i32::from(*number)),
        Some(Value::Ushort(number)) => Some(i32::from(*number)),
        Some(Value::Int(number)) => Some(*number),
        Some(Value::Uint(number)) => i32::try_from(*number).ok(),
        Some(Value::Long(number)) => i32::try_from(*number).ok(),
        Some(Value::Ulong(number)) => i32::try_from(*number).ok(),
        Some(_) => None,
    };
    number.map(Some).ok_or_else(|| invalid("the link's property priority"))
}

fn invalid(what: &str) -> AmqpError {
    AmqpError::new(Condition::InvalidField, format!("{what} is no integer of 32 bits with a sign"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_decides_then_the_address_and_nothing_else_is_a_priority() {
        let refused = || Err("amqp:invalid-field".to_owned());
        for (property, address, wanted) in [
            (None, "q", Ok(("q", 0))),
            (None, "q?consumer-priority=-7", Ok(("q", -7))),
            (None, "a::q?consumer-priority=2147483647", Ok(("a::q", i32::MAX))),
            (None, "q?consumer-priority=2147483648", refused()),
            (None, "q?consumer-priority=", refused()),
            (None, "q?consumer-priority=1&other=2", refused()),
            (None, "q?other=1", Ok(("q?other=1", 0))),
            (Some(Value::Int(3)), "q?consumer-priority=9", Ok(("q", 3))),
            (Some(Value::Byte(-1)), "q", Ok(("q", -1))),
            (Some(Value::Ulong(5)), "q", Ok(("q", 5))),
            (Some(Value::Long(i64::from(i32::MIN))), "q", Ok(("q", i32::MIN))),
            (Some(Value::Long(i64::from(i32::MIN) - 1)), "q", refused()),
            (Some(Value::Uint(u32::MAX)), "q", refused()),
            (Some(Value::Null), "q", Ok(("q", 0))),
            (Some(Value::String("3".to_owned())), "q", refused()),
            (Some(Value::Boolean(true)), "q", refused()),
        ] {
            let mut properties = Map::default();
            if let Some(value) = property.clone() {
                properties.insert(PROPERTY, value);
            }
            let got = of(&properties, address).map_err(|error| error.condition.as_str().to_owned());
            assert_eq!(got, wanted, "{property:?}, {address}");
        }
    }
}
