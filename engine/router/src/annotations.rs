//! What routers write into a message's annotations: where it entered the network, which routers it went through, which address it is for.
//!
//! Guarantees:
//! 1. What a user annotated stays, octet for octet and in its order; the routers' entries stand behind it, where other routers look for
//!    them.
//! 2. What is too long or of the wrong type is an error of its sender, never a panic.
//! 3. Reading allocates nothing, and a message with other annotations is written once, into as much memory as it takes.
//!
//! The keys are symbols, as the specification (part 3.2.10) and qdrouterd have them: that one passes over a key which is a string, and
//! takes the message for one that entered there. Both are read.
//!
//! Not here: what is done about a trace (`forward`).

use std::ops::Range;

use engine_message::encode;
use engine_message::reader::Reader;
use engine_message::section::Sections;
use engine_message::{DecodeError, ErrorKind, constructor};

use crate::address::Phase;
use crate::number::number;
use crate::trace::{Trace, encode_id, id, id_octets, string_octets, text};

const MESSAGE_ANNOTATIONS: u8 = 0x72;
const PHASE: &str = "x-opt-qd.phase";
const STREAM: &str = "x-opt-qd.stream";
const TO: &str = "x-opt-qd.to";
pub(crate) const INGRESS: &str = "x-opt-qd.ingress";
pub(crate) const TRACE: &str = "x-opt-qd.trace";
/// What the keys of all of them begin with.
const PREFIX: &[u8] = b"x-opt-qd.";
/// Octets before the entries: the descriptor, and a map's constructor with size and count of four octets each.
const HEAD_OCTETS: usize = 12;

/// The annotations of a message: the user's as they are encoded, and the routers'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annotations<'a> {
    /// Entries of the user, encoded one behind the other.
    pub user: &'a [u8],
    /// How many those are.
    pub user_count: u32,
    /// The phase of the address.
    pub phase: Phase,
    /// Whether it is forwarded while it still comes.
    pub is_stream: bool,
    /// The address it is for, in place of the one in its properties.
    pub to: Option<&'a str>,
    /// The id of the router where it entered the network.
    pub ingress: Option<&'a str>,
    /// Ids of the routers that it went through, in their order.
    pub trace: Trace<'a>,
}

impl<'a> Annotations<'a> {
    /// Reads a section, which may be empty.
    ///
    /// # Errors
    /// When it is no map, or what a router wrote has the wrong type or is too long.
    pub fn read(section: &'a [u8]) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        if section.is_empty() {
            return Ok(found);
        }
        let mut reader = Reader::new(section);
        reader.descriptor()?;
        let map = reader.map()?;
        let mut entries = map.reader;
        let start = entries.position();
        for count in 1..=map.count / 2 {
            let (key, value) = (entries.raw()?, entries.raw()?);
            let Some(mark) = Mark::of(key) else {
                // Behind a router's entry comes one that is none: all so far are the user's, as other routers have it.
                let user = section.get(start..entries.position()).unwrap_or_default();
                found = Self { user, user_count: count, ..Self::default() };
                continue;
            };
            found.read_entry(mark, value)?;
        }
        Ok(found)
    }

    /// Takes an entry that a router wrote.
    fn read_entry(&mut self, mark: Mark, value: &'a [u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(value);
        match mark {
            Mark::Phase => {
                let phase = Phase::of_annotation(number(&mut reader)?);
                self.phase = phase.ok_or_else(|| reader.error(ErrorKind::InvalidField(PHASE)))?;
            }
            Mark::Stream => self.is_stream = true,
            Mark::To => self.to = Some(text(&mut reader)?),
            Mark::Ingress => self.ingress = Some(id(&mut reader)?),
            Mark::Trace => self.trace = Trace::read(&mut reader)?,
        }
        Ok(())
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Octets of the section; none if it is empty.
    #[must_use]
    pub fn octets(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        let entry = |key: &str, value: usize| string_octets(key.len()) + value;
        HEAD_OCTETS
            + self.user.len()
            + if self.phase == Phase::FIRST { 0 } else { entry(PHASE, 2) }
            + if self.is_stream { entry(STREAM, 2) } else { 0 }
            + self.to.map_or(0, |to| entry(TO, string_octets(to.len())))
            + self.ingress.map_or(0, |id| entry(INGRESS, id_octets(id)))
            + if self.trace.is_empty() { 0 } else { entry(TRACE, self.trace.octets()) }
    }

    /// Appends the section; nothing if it is empty.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        encode::descriptor(out, MESSAGE_ANNOTATIONS);
        let start = out.len();
        // Size and count of four octets each, which are known at the end.
        out.extend_from_slice(&[constructor::MAP_32, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(self.user);
        let mut entries = self.user_count;
        let mut begin = |out: &mut Vec<u8>, key| {
            encode::symbol(out, key);
            entries += 1;
        };
        if self.phase != Phase::FIRST {
            begin(out, PHASE);
            out.extend_from_slice(&[constructor::INT_SMALL, self.phase.annotation()]);
        }
        if self.is_stream {
            begin(out, STREAM);
            out.extend_from_slice(&[constructor::INT_SMALL, 1]);
        }
        if let Some(to) = self.to {
            begin(out, TO);
            encode::string(out, to);
        }
        if let Some(ingress) = self.ingress {
            begin(out, INGRESS);
            encode_id(out, ingress);
        }
        if !self.trace.is_empty() {
            begin(out, TRACE);
            self.trace.encode(out);
        }
        let size = u32::try_from(out.len() - start - 5).expect("annotations are smaller than 4 GiB");
        encode::patch_u32(out, start + 1, size);
        encode::patch_u32(out, start + 5, entries * 2);
    }
}

/// An entry that routers write.
#[derive(Clone, Copy)]
enum Mark {
    Phase,
    Stream,
    To,
    Ingress,
    Trace,
}

impl Mark {
    /// The one of an encoded key: a string, or a symbol.
    fn of(key: &[u8]) -> Option<Self> {
        let text = match key {
            [constructor::STRING_8 | constructor::SYMBOL_8, _, text @ ..] => text,
            [constructor::STRING_32 | constructor::SYMBOL_32, _, _, _, _, text @ ..] => text,
            _ => return None,
        };
        match text.strip_prefix(PREFIX)? {
            b"phase" => Some(Self::Phase),
            b"stream" => Some(Self::Stream),
            b"to" => Some(Self::To),
            b"ingress" => Some(Self::Ingress),
            b"trace" => Some(Self::Trace),
            _ => None,
        }
    }
}

/// A message with other annotations in place of those that stand at `place`; all else of it as it is.
#[must_use]
pub fn rewrite(message: &[u8], place: Range<usize>, annotations: &Annotations<'_>) -> Vec<u8> {
    let (before, behind) =
        (message.get(..place.start).unwrap_or_default(), message.get(place.end..).unwrap_or_default());
    let octets = before.len() + annotations.octets() + behind.len();
    let mut out = Vec::with_capacity(octets);
    out.extend_from_slice(before);
    annotations.encode(&mut out);
    out.extend_from_slice(behind);
    debug_assert_eq!(out.len(), octets, "as much as it takes");
    out
}

/// Where the annotations of a message are, or would be.
#[must_use]
pub fn place(sections: &Sections) -> Range<usize> {
    let place = &sections.message_annotations;
    if place.is_empty() { sections.kept()..sections.kept() } else { place.clone() }
}

#[cfg(test)]
mod tests {
    use engine_message::value::Value;
    use proptest::prelude::*;

    use super::*;
    use crate::limits::TRACE_MAX;

    fn encoded(annotations: &Annotations<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        annotations.encode(&mut out);
        out
    }

    /// A user's entry: a symbol and a number, or a key that a router would use.
    fn user(key: &str) -> Vec<u8> {
        let mut out = Vec::new();
        encode::symbol(&mut out, key);
        encode::uint(&mut out, 5);
        out
    }

    #[test]
    fn what_routers_write_stands_behind_what_the_user_wrote() {
        let entries = [user("x-opt-a"), user("x-opt-qd.other")].concat();
        let mut trace = Trace::read(&mut Reader::new(b"\xc0\x06\x01\xa1\x030/A")).expect("a trace");
        trace.come("B");
        let annotations = Annotations {
            user: &entries,
            user_count: 2,
            phase: Phase::FALLBACK,
            to: Some("orders"),
            ingress: Some("A"),
            trace,
            ..Annotations::default()
        };
        let out = encoded(&annotations);
        let mut expected = vec![0x00, 0x53, 0x72, 0xd1];
        let ours = [
            &b"\xa3\x0ex-opt-qd.phase\x54\x16"[..],
            b"\xa3\x0bx-opt-qd.to\xa1\x06orders",
            b"\xa3\x10x-opt-qd.ingress\xa1\x030/A",
            b"\xa3\x0ex-opt-qd.trace\xc0\x0b\x02\xa1\x030/A\xa1\x030/B",
        ]
        .concat();
        let size = u32::try_from(4 + entries.len() + ours.len()).expect("it is small");
        expected.extend([size.to_be_bytes(), 12_u32.to_be_bytes()].concat());
        expected.extend([entries.as_slice(), &ours].concat());
        assert_eq!(out, expected);
        assert_eq!(Annotations::read(&out), Ok(annotations));
    }

    #[test]
    fn what_stands_before_a_users_entry_is_the_users() {
        let mut map = engine_message::value::Map::default();
        map.insert(TO, Value::String("elsewhere".to_owned()));
        map.insert("mine", Value::Null);
        map.insert(PHASE, Value::Int(1));
        let mut section = vec![0x00, 0x53, 0x72];
        map.encode(&mut section);
        let read = Annotations::read(&section).expect("annotations");
        assert_eq!((read.user_count, read.to, read.phase), (2, None, Phase::number(1).expect("a phase")));
        assert_eq!(Annotations::read(&encoded(&read)), Ok(read));
    }

    #[test]
    fn nothing_is_written_where_nothing_is_said_and_faults_are_told() {
        assert_eq!(encoded(&Annotations::default()), []);
        assert_eq!(Annotations::read(&[]), Ok(Annotations::default()));
        let faulty = |key: &'static str, value: Value| {
            let mut section = vec![0x00, 0x53, 0x72];
            let mut map = engine_message::value::Map::default();
            map.insert(key, value);
            map.encode(&mut section);
            Annotations::read(&section).expect_err(key).kind
        };
        assert_eq!(faulty(PHASE, Value::Int(10)), ErrorKind::InvalidField(PHASE));
        assert_eq!(faulty(INGRESS, Value::String("1/A".to_owned())), ErrorKind::InvalidField(INGRESS));
        assert!(matches!(faulty(TO, Value::Null), ErrorKind::WrongType(_)));
        let id = || Value::String("0/A".to_owned());
        let trace = |count| Value::List((0..count).map(|_| id()).collect());
        assert_eq!(faulty(TRACE, trace(TRACE_MAX + 1)), ErrorKind::InvalidField(TRACE));
    }

    #[test]
    fn nothing_but_annotations_is_rewritten() {
        // Header, body; with and without annotations between them.
        let (header, body) = (&b"\x00\x53\x70\xc0\x02\x01\x42"[..], &b"\x00\x53\x77\xa1\x01x"[..]);
        let annotations = Annotations { to: Some("a"), ..Annotations::default() };
        let written = [header, &encoded(&annotations), body].concat();
        for message in [[header, body].concat(), written.clone()] {
            let place = place(&engine_message::section::scan(&message).expect("a message"));
            assert_eq!(rewrite(&message, place.clone(), &annotations), written);
            assert_eq!(rewrite(&message, place, &Annotations::default()), [header, body].concat());
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_annotations_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..60), cut in 0..90_usize) {
            let entries = user("x-opt-a");
            let known = Annotations {
                user: &entries, user_count: 1, to: Some("orders"), ingress: Some("A"), trace: Trace::begun("A"), ..Annotations::default()
            };
            let section = encoded(&known);
            let spoilt = [section.get(..cut).unwrap_or(&section), &octets].concat();
            for section in [&octets, &spoilt] {
                if let Ok(read) = Annotations::read(section) {
                    let written = encoded(&read);
                    prop_assert_eq!(written.len(), read.octets());
                    prop_assert_eq!(Annotations::read(&written), Ok(read));
                }
            }
        }
    }
}
