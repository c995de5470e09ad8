//! The octets of a message: which one it is, and a filling that shows when something became of it on the way.

use bytes::Bytes;
use engine_message::encode;
use engine_message::reader::Reader;
use engine_message::section::{self, Header};
use engine_message::value::Value;

use crate::kind::{Due, Kind};
use crate::model::{Durable, Message};

/// What a message's octets are made of.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// Which one it is.
    pub message: Message,
    /// Whether it is to outlive the node.
    pub durable: Durable,
    /// How long it may take, milliseconds.
    pub ttl_ms: Option<u32>,
    /// Where to, for a message that no link says that of.
    pub to: Option<&'a str>,
    /// What it is beside its body.
    pub kind: Kind,
    /// Length of its body, octets, at least eight.
    pub size: usize,
}

impl Letter<'_> {
    /// Its sections.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.size + 64);
        let durable = self.durable == Durable::Yes;
        let priority = self.kind.priority;
        Header { durable, priority, ttl_ms: self.ttl_ms, ..Header::default() }.encode(&mut out);
        self.kind.annotate(&mut out);
        if self.to.is_some() || self.kind.group.is_some() {
            let mut properties = encode::Compound::described(&mut out, 0x73);
            properties.put_null().put_null().put_some(self.to, encode::string);
            // From subject to creation-time.
            for _ in 0..7 {
                properties.put_null();
            }
            properties.put_some(self.kind.group, |out, group| encode::string(out, &format!("group-{group}")));
            properties.finish();
        }
        if let Some(colour) = self.kind.colour {
            encode::descriptor(&mut out, 0x74);
            let mut map = encode::Compound::map(&mut out);
            map.put(|out| encode::string(out, "colour")).put(|out| encode::string(out, &format!("c{colour}")));
            map.finish();
        }
        out.extend_from_slice(&[0x00, 0x53, 0x75]);
        let mut body = self.message.to_be_bytes().to_vec();
        body.resize(self.size, filling(self.message));
        encode::binary(&mut out, &body);
        Bytes::from(out)
    }
}

impl Kind {
    /// Message annotations that say when it may be given.
    fn annotate(&self, out: &mut Vec<u8>) {
        let (key, code, value) = match self.due {
            None => return,
            Some(Due::At(at_ms)) => ("x-opt-delivery-time", 0x83, at_ms),
            Some(Due::After(wait_ms)) => ("x-opt-delivery-delay", 0x80, wait_ms),
        };
        encode::descriptor(out, 0x72);
        let mut map = encode::Compound::map(out);
        map.put(|out| encode::symbol(out, key)).put(|out| {
            out.push(code);
            out.extend_from_slice(&value.to_be_bytes());
        });
        map.finish();
    }
}

fn filling(message: Message) -> u8 {
    (message % 251) as u8
}

/// The text of an annotation of a message that came.
pub fn annotation(payload: &[u8], key: &str) -> Option<String> {
    let sections = section::scan(payload).ok()?;
    let value = section::map_entry(&payload[sections.message_annotations], key).ok()??;
    Value::read(&mut Reader::new(value)).ok()?.as_text().map(str::to_owned)
}

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Which one it is.
    pub message: Message,
    /// Its header.
    pub header: Header,
}

/// Reads a message's octets, and asserts that its body is what was sent.
pub fn read(payload: &[u8]) -> Read {
    let sections = section::scan(payload).expect("a message has sections");
    let header = Header::decode(&payload[sections.header.clone()]).expect("a header");
    let body = &payload[sections.body.clone()];
    let start = match body {
        [0x00, 0x53, 0x75, 0xa0, ..] => 5,
        [0x00, 0x53, 0x75, 0xb0, ..] => 8,
        _ => panic!("a body is one section of data: {body:x?}"),
    };
    let octets = &body[start..];
    let message = u64::from_be_bytes(octets[..8].try_into().expect("eight octets"));
    assert!(octets[8..].iter().all(|&octet| octet == filling(message)), "the body of {message} is what was sent");
    Read { message, header }
}
