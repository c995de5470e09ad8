//! When a message came to an address, where its settings have it say so: an annotation, before it is stored.
//!
//! Guarantees: what travels unchanged from end to end is not touched. A message whose annotations cannot be changed (they are larger than
//! 64 KiB) comes without.
//!
//! Not here: which addresses ask for it (`routing`, `bounds`).

use engine_message::value::Value;

use crate::message::Message;

/// The annotation: a long, milliseconds since the epoch.
const INGRESS_TIME: &str = "x-opt-ingress-time";

/// Says that a message came at that time. A large one's file is not written anew: the annotation is beside it.
#[cold]
pub(crate) fn stamp(message: &mut Message, wall_ms: u64) {
    let came = Value::Long(i64::try_from(wall_ms).unwrap_or(i64::MAX));
    if let Some(body) = message.annotated(|map| map.set(INGRESS_TIME, came)) {
        message.body = body;
    }
}

/// When a message came, milliseconds since the epoch, if it says so.
pub(crate) fn came_at(message: &Message) -> Option<u64> {
    match message.annotation(INGRESS_TIME)? {
        Value::Long(came) => u64::try_from(came).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use engine_message::reader::Reader;
    use engine_message::section;
    use engine_message::value::Map;

    use super::*;
    use crate::message::{Content, Large};

    const BODY: &[u8] = &[0x00, 0x53, 0x75, 0xa0, 1, b'x'];

    fn stamped(message: &Message) -> Option<Value> {
        let map = match message.content {
            Content::File => Map::read(&mut Reader::new(message.annotations_beside())).ok()?,
            Content::Here => {
                let mut reader = Reader::new(section::front_annotations(&message.body));
                reader.descriptor().ok()?;
                Map::read(&mut reader).ok()?
            }
        };
        map.get(INGRESS_TIME).cloned()
    }

    #[test]
    fn the_last_time_is_told_and_the_rest_stays() {
        let mut message = Message::new(Bytes::from_static(BODY));
        stamp(&mut message, 1000);
        assert_eq!(stamped(&message), Some(Value::Long(1000)));
        stamp(&mut message, 2000);
        assert_eq!(stamped(&message), Some(Value::Long(2000)));
        assert!(message.body.ends_with(BODY));
    }

    #[test]
    fn a_large_message_has_it_beside_its_file() {
        let large = Large { id: 7, bytes: 99, checksum: 1 };
        let mut message = Message { content: Content::File, ..Message::new(large.encode()) };
        stamp(&mut message, 1000);
        assert_eq!((stamped(&message), message.large()), (Some(Value::Long(1000)), Some(large)));
    }

    #[test]
    fn what_cannot_be_annotated_comes_as_it_is() {
        let broken = Bytes::from_static(&[0x00, 0x53, 0x72, 0x45]);
        let mut message = Message::new(broken.clone());
        stamp(&mut message, 1000);
        assert_eq!(message.body, broken);
    }
}
