//! The routers that a message went through, as they stand in its annotations.
//!
//! Guarantees: a trace that was read is well-formed, and has at most `TRACE_MAX` entries. It is kept as it came: reading, and adding this
//! router, allocates nothing.

use engine_message::encode;
use engine_message::reader::Reader;
use engine_message::{DecodeError, ErrorKind, constructor};

use crate::annotations::TRACE;
use crate::limits::TRACE_MAX;

/// What stands before a router's id: there is one area.
const AREA: &str = "0/";

/// Ids of routers in the order in which a message went through them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace<'a> {
    /// Those that came with it, encoded one behind the other.
    came: &'a [u8],
    count: u32,
    /// The one that it is at.
    here: Option<&'a str>,
}

impl<'a> Trace<'a> {
    /// That of a message that enters the network here.
    #[must_use]
    pub fn begun(here: &'a str) -> Self {
        Self { here: Some(here), ..Self::default() }
    }

    /// Reads a list of ids.
    ///
    /// # Errors
    /// When it is none, is too long, or has something in it that is no id.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let list = reader.list()?;
        let mut ids = list.reader;
        if list.count as usize > TRACE_MAX {
            return Err(ids.error(ErrorKind::InvalidField(TRACE)));
        }
        let came = ids.rest();
        for _ in 0..list.count {
            id(&mut ids)?;
        }
        let unread = ids.rest().len();
        Ok(Self { came: came.get(..came.len() - unread).unwrap_or_default(), count: list.count, here: None })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize + usize::from(self.here.is_some())
    }

    /// Whether it went through none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut ids = Reader::new(self.came);
        let came = (0..self.count).map_while(move |_| id(&mut ids).ok());
        came.chain(self.here)
    }

    /// Adds this router; once.
    pub(crate) fn come(&mut self, here: &'a str) {
        debug_assert!(self.here.is_none(), "a message comes to a router once");
        self.here = Some(here);
    }

    /// Octets of its encoding.
    pub(crate) fn octets(&self) -> usize {
        let entries = self.entries();
        if self.is_short(entries) { 3 + entries } else { 9 + entries }
    }

    /// Appends it, a list of strings.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (entries, count) = (self.entries(), self.len() as u32);
        if self.is_short(entries) {
            // Size and count fit into an octet each.
            out.extend_from_slice(&[constructor::LIST_8, entries as u8 + 1, count as u8]);
        } else {
            out.push(constructor::LIST_32);
            out.extend_from_slice(&(entries as u32 + 4).to_be_bytes());
            out.extend_from_slice(&count.to_be_bytes());
        }
        out.extend_from_slice(self.came);
        if let Some(here) = self.here {
            encode_id(out, here);
        }
    }

    fn entries(&self) -> usize {
        self.came.len() + self.here.map_or(0, id_octets)
    }

    fn is_short(&self, entries: usize) -> bool {
        entries < usize::from(u8::MAX) && self.len() <= usize::from(u8::MAX)
    }
}

impl PartialEq for Trace<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Trace<'_> {}

/// A router's id, without its area, of which there is one.
pub(crate) fn id<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    text(reader)?.strip_prefix(AREA).ok_or_else(|| reader.error(ErrorKind::InvalidField(crate::annotations::INGRESS)))
}

/// A string, or a symbol.
pub(crate) fn text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let start = *reader;
    reader.string().or_else(|_| {
        *reader = start;
        reader.symbol()
    })
}

/// Appends an id: a short string, as ids are.
pub(crate) fn encode_id(out: &mut Vec<u8>, id: &str) {
    match u8::try_from(AREA.len() + id.len()) {
        Ok(octets) => {
            out.extend_from_slice(&[constructor::STRING_8, octets]);
            out.extend_from_slice(AREA.as_bytes());
            out.extend_from_slice(id.as_bytes());
        }
        Err(_) => encode::string(out, &format!("{AREA}{id}")),
    }
}

/// Octets of an id's encoding.
pub(crate) fn id_octets(id: &str) -> usize {
    string_octets(AREA.len() + id.len())
}

/// Octets of the encoding of a string of so many.
pub(crate) fn string_octets(octets: usize) -> usize {
    octets + if octets <= usize::from(u8::MAX) { 2 } else { 5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of ids as other routers write it.
    fn list(ids: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut list = encode::Compound::list(&mut out);
        for id in ids {
            list.put(|out| encode_id(out, id));
        }
        list.finish();
        out
    }

    #[test]
    fn what_came_stays_and_this_router_is_behind_it() {
        for count in [0, 1, 2, 100] {
            let ids: Vec<String> = (0..count).map(|number| format!("router-{number}")).collect();
            let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let octets = list(&ids);
            let mut trace = Trace::read(&mut Reader::new(&octets)).expect("a trace");
            assert_eq!((trace.len(), trace.iter().collect::<Vec<_>>()), (ids.len(), ids.clone()));
            trace.come("here");
            ids.push("here");
            let mut out = Vec::new();
            trace.encode(&mut out);
            assert_eq!((out.len(), trace.len(), trace.is_empty()), (trace.octets(), ids.len(), false));
            assert_eq!(Trace::read(&mut Reader::new(&out)), Ok(trace));
            assert_eq!(trace.iter().collect::<Vec<_>>(), ids);
            if count > 0 {
                assert_eq!(out, list(&ids));
            }
        }
        assert_eq!(Trace::begun("A").iter().collect::<Vec<_>>(), ["A"]);
    }

    #[test]
    fn what_is_no_trace_is_an_error() {
        let long = list(&vec!["A"; TRACE_MAX + 1]);
        for octets in
            [&long[..], b"\xc0\x04\x01\xa1\x01A", b"\xc0\x05\x02\xa1\x030/A", b"\xc0\x02\x01\x40", b"\xa1\x00"]
        {
            assert!(Trace::read(&mut Reader::new(octets)).is_err(), "{octets:?}");
        }
    }
}
