//! Which routing a message of an anonymous relay asks for.
//!
//! Guarantees: what its link's target says holds for all of its messages; else what a message's annotations say, the general one before
//! that of JMS clients; else the prefix of its `to`. What is none of the values that these have says nothing: the address decides.
//!
//! Not here: messages of links that have an address. No annotation is looked for in those.

use engine_core::command::RoutingType;
use engine_message::reader::Reader;
use engine_message::section;
use engine_message::value::Value;

/// 0 for anycast, 1 for multicast.
const ROUTING: &str = "x-opt-routing-type";
/// What JMS clients say of a message's destination: 0 a queue, 1 a topic, 2 a temporary queue, 3 a temporary topic.
const JMS: &str = "x-opt-jms-dest";

/// What the annotations of a message ask for. Of one that is large the sections before its body are enough, if the body begins
/// there.
#[must_use]
pub fn wanted_routing(message: &[u8]) -> Option<RoutingType> {
    let sections = section::scan_front(message).ok()?;
    let annotations = message.get(sections.message_annotations)?;
    by_number(annotations, ROUTING, 1).or_else(|| by_number(annotations, JMS, 3))
}

/// What an annotation says that is a number up to `last`: even ones stand for anycast, odd ones for multicast.
fn by_number(annotations: &[u8], key: &str, last: u8) -> Option<RoutingType> {
    let encoded = section::map_entry(annotations, key).ok().flatten()?;
    let number = match Value::read(&mut Reader::new(encoded)).ok()? {
        Value::Byte(number) => u8::try_from(number).ok()?,
        Value::Ubyte(number) => number,
        _ => return None,
    };
    let routing = if number % 2 == 0 { RoutingType::Anycast } else { RoutingType::Multicast };
    (number <= last).then_some(routing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with these annotations.
    fn annotated(entries: &[(&'static str, Value)]) -> Vec<u8> {
        let message = [0x00, 0x53, 0x77, 0x40];
        let annotate = |map: &mut engine_message::value::Map| {
            entries.iter().for_each(|(key, value)| map.insert(key, value.clone()));
        };
        section::change_annotations(&message, annotate).expect("a message")
    }

    #[test]
    fn annotations_say_which_routing_is_wanted() {
        let (anycast, multicast) = (Some(RoutingType::Anycast), Some(RoutingType::Multicast));
        for (entries, wanted) in [
            (vec![], None),
            (vec![(ROUTING, Value::Byte(0))], anycast),
            (vec![(ROUTING, Value::Byte(1))], multicast),
            (vec![(ROUTING, Value::Ubyte(1))], multicast),
            (vec![(ROUTING, Value::Byte(2))], None),
            (vec![(ROUTING, Value::Byte(-1))], None),
            (vec![(ROUTING, Value::String("1".to_owned()))], None),
            (vec![(JMS, Value::Byte(0))], anycast),
            (vec![(JMS, Value::Byte(1))], multicast),
            (vec![(JMS, Value::Byte(2))], anycast),
            (vec![(JMS, Value::Byte(3))], multicast),
            (vec![(JMS, Value::Byte(4))], None),
            (vec![(JMS, Value::Byte(1)), (ROUTING, Value::Byte(0))], anycast),
            (vec![(JMS, Value::Byte(1)), (ROUTING, Value::Null)], multicast),
        ] {
            assert_eq!(wanted_routing(&annotated(&entries)), wanted, "{entries:?}");
        }
    }

    #[test]
    fn what_is_no_message_asks_for_nothing() {
        let message = annotated(&[(ROUTING, Value::Byte(1))]);
        let annotations = message.len() - 4;
        assert!((0..annotations).all(|end| wanted_routing(&message[..end]).is_none()), "they are not whole");
        assert_eq!(wanted_routing(&[0xff; 9]), None);
        assert_eq!(wanted_routing(&[]), None);
    }
}
