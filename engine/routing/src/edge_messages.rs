//! What routers of the interior and at the edge tell each other, as messages of their protocol.
//!
//! Guarantees: any octets are read or found wanting; an answer has the identity of its question as it came.

use engine_core::message::Message;
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::section;
use engine_router::address::Key;

const PROPERTIES: u8 = 0x73;
const APPLICATION_PROPERTIES: u8 = 0x74;
const AMQP_VALUE: u8 = 0x77;
/// The one version of questions about addresses.
const VERSION: u32 = 1;
/// The one that there is: whether an address is one of links that are routed as a whole.
const IS_LINK_ROUTE: u32 = 1;
/// The answer that it is none.
const NOT_FOUND: u32 = 3;
/// Octets of an int before its number.
const INT: u8 = 0x71;

/// Whether somebody receives from an address.
pub(crate) fn tracked(key: &Key, is_wanted: bool) -> Message {
    let mut out = Vec::new();
    encode::descriptor(&mut out, AMQP_VALUE);
    let mut list = Compound::list(&mut out);
    list.put(|out| encode::string(out, key.as_str())).put(|out| encode::boolean(out, is_wanted));
    list.finish();
    Message::new(out.into())
}

/// Reads the same.
pub(crate) fn read_tracked(message: &[u8]) -> Option<(Key, bool)> {
    let mut body = body(message)?;
    let list = body.list().ok()?;
    let mut items = list.reader;
    let key = Key::read(items.string().ok()?)?;
    Some((key, items.boolean().ok()?))
}

/// A sign of life, of a number.
pub(crate) fn beat(number: u32) -> Message {
    let mut out = Vec::new();
    encode::descriptor(&mut out, AMQP_VALUE);
    out.push(INT);
    out.extend_from_slice(&number.to_be_bytes());
    Message::new(out.into())
}

/// Reads a question about an address; gives where its answer goes, and the answer: no links are routed as a whole.
pub(crate) fn lookup(message: &[u8]) -> Option<(String, Message)> {
    let sections = section::scan(message).ok()?;
    let asked = message.get(sections.application_properties.clone())?;
    let number = |name: &str| {
        let value = section::map_entry(asked, name).ok()??;
        Reader::new(value).uint().ok()
    };
    if (number("version"), number("opcode")) != (Some(VERSION), Some(IS_LINK_ROUTE)) {
        return None;
    }
    let mut items = body(message)?.list().ok()?.reader;
    items.string().ok()?;
    items.boolean().ok()?;
    let mut properties = Reader::new(message.get(sections.properties)?);
    properties.descriptor().ok()?;
    let fields = properties.list().ok()?;
    if fields.count < 6 {
        return None;
    }
    let mut fields = fields.reader;
    // Message-id, user-id, to, subject.
    for _ in 0..4 {
        fields.raw().ok()?;
    }
    let to = fields.string().ok()?.to_owned();
    let correlation = fields.raw().ok()?;
    let mut out = Vec::new();
    let mut properties = Compound::described(&mut out, PROPERTIES);
    properties.put_null().put_null().put(|out| encode::string(out, &to)).put_null().put_null();
    properties.put(|out| out.extend_from_slice(correlation));
    properties.finish();
    encode::descriptor(&mut out, APPLICATION_PROPERTIES);
    let mut map = Compound::map(&mut out);
    for (name, number) in [("version", VERSION), ("opcode", IS_LINK_ROUTE), ("status", NOT_FOUND)] {
        map.put(|out| encode::string(out, name)).put(|out| encode::uint(out, number));
    }
    encode::finish_map(map);
    encode::descriptor(&mut out, AMQP_VALUE);
    let mut list = Compound::list(&mut out);
    list.put(|out| encode::boolean(out, false)).put(|out| encode::boolean(out, false));
    list.finish();
    Some((to, Message::new(out.into())))
}

/// The value that a message's body is.
fn body(message: &[u8]) -> Option<Reader<'_>> {
    let sections = section::scan(message).ok()?;
    let mut body = Reader::new(message.get(sections.body)?);
    body.descriptor().ok()?;
    Some(body)
}

#[cfg(test)]
mod tests {
    use engine_router::address::Phase;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_tracked_is_written_as_routers_write_it() {
        let key = Key::mobile(Phase::FIRST, "a").expect("a key");
        let message = tracked(&key, true);
        assert_eq!(&message.body[..], b"\x00\x53\x77\xc0\x07\x02\xa1\x03M0a\x41");
        assert_eq!(read_tracked(&message.body), Some((key, true)));
        // With the header that those write, and a boolean of two octets.
        let others = b"\x00\x53\x70\xc0\x02\x01\x42\x00\x53\x77\xc0\x08\x02\xa1\x03M1b\x56\x00";
        assert_eq!(read_tracked(others), Key::read("M1b").map(|key| (key, false)));
        assert_eq!(&beat(258).body[..], b"\x00\x53\x77\x71\x00\x00\x01\x02");
    }

    /// A question as edges of qdrouterd's kind ask it.
    fn question(opcode: u8) -> Vec<u8> {
        let mut out = b"\x00\x53\x73\xc0\x0c\x06\x40\x40\x40\x40\xa1\x01r\xa1\x02id".to_vec();
        out.extend_from_slice(b"\x00\x53\x74\xc1\x16\x04\xa1\x07version\x52\x01\xa1\x06opcode\x52");
        out.push(opcode);
        out.extend_from_slice(b"\x00\x53\x77\xc0\x05\x02\xa1\x01a\x41");
        out
    }

    #[test]
    fn a_question_is_answered_with_its_identity() {
        let (to, answer) = lookup(&question(1)).expect("a question");
        assert_eq!(to, "r");
        let mut expected = b"\x00\x53\x73\xc0\x0c\x06\x40\x40\xa1\x01r\x40\x40\xa1\x02id".to_vec();
        expected.extend_from_slice(
            b"\x00\x53\x74\xc1\x20\x06\xa1\x07version\x52\x01\xa1\x06opcode\x52\x01\xa1\x06status\x52\x03",
        );
        expected.extend_from_slice(b"\x00\x53\x77\xc0\x03\x02\x42\x42");
        assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(&expected));
        assert_eq!(lookup(&question(2)), None, "nothing else can be asked");
    }

    proptest! {
        #[test]
        fn any_octets_are_something_or_nothing(
            mut octets in prop_oneof![Just(question(1)), proptest::collection::vec(any::<u8>(), 0..80)],
            (at, flip, cut) in (any::<usize>(), any::<u8>(), 0..80_usize),
        ) {
            if let Some(octet) = octets.get_mut(at % 80) {
                *octet ^= flip;
            }
            octets.truncate(cut.max(1));
            lookup(&octets);
            read_tracked(&octets);
        }
    }
}
