//! A message's octets: a header, perhaps its address, and a body that says which one it is, for receivers and for whoever looks into
//! connections between routers.

use bytes::Bytes;
use engine_message::encode;
use engine_message::section::Header;

/// Names a message: its place among all that were sent.
pub type Number = usize;

/// What a body begins with.
const MARK: [u8; 8] = [0xf1, 0x07, 0xed, 0x91, 0x5a, 0xc6, 0x3b, 0xe8];
/// Octets of a mark, the number behind it and its complement.
pub const MARK_BYTES: usize = 24;

/// A message's sections; its body has `size` octets, at least those of a mark.
pub fn letter(number: Number, priority: u8, to: Option<&str>, size: usize) -> Bytes {
    let mut out = Vec::with_capacity(size + 96);
    Header { priority, ..Header::default() }.encode(&mut out);
    if to.is_some() {
        let mut properties = encode::Compound::described(&mut out, 0x73);
        properties.put_null().put_null().put_some(to, encode::string);
        properties.finish();
    }
    out.extend_from_slice(&[0x00, 0x53, 0x75]);
    let mut body = MARK.to_vec();
    body.extend_from_slice(&(number as u64).to_be_bytes());
    body.extend_from_slice(&(!(number as u64)).to_be_bytes());
    body.resize(size.max(MARK_BYTES), filling(number));
    encode::binary(&mut out, &body);
    Bytes::from(out)
}

fn filling(number: Number) -> u8 {
    (number % 199) as u8
}

/// The number of the first mark in some octets, and where it ends. One that a frame's end cuts is none.
pub fn find(octets: &[u8]) -> Option<(Number, usize)> {
    let mut from = 0;
    while let Some(at) = octets.get(from..)?.windows(MARK_BYTES).position(|window| window.starts_with(&MARK)) {
        let at = from + at;
        let word = |place: usize| {
            let octets = octets[place..place + 8].try_into().expect("eight octets");
            u64::from_be_bytes(octets)
        };
        let (number, complement) = (word(at + 8), word(at + 16));
        if number == !complement {
            return Some((number as Number, at + MARK_BYTES));
        }
        from = at + 1;
    }
    None
}

/// Reads a whole message, and asserts that its body is what was sent, of so many octets.
pub fn read(octets: &[u8], size: impl Fn(Number) -> usize) -> Number {
    let (number, end) = find(octets).expect("a message says which one it is");
    let rest = &octets[end..];
    assert_eq!(rest.len() + MARK_BYTES, size(number).max(MARK_BYTES), "the body of {number} is as long as it was");
    assert!(rest.iter().all(|&octet| octet == filling(number)), "the body of {number} is what was sent");
    number
}

/// Looks for marks in octets that come piece by piece.
#[derive(Debug, Default)]
pub struct Watch {
    tail: Vec<u8>,
}

impl Watch {
    /// The marks that end in the next octets.
    pub fn look(&mut self, octets: &[u8]) -> Vec<Number> {
        self.tail.extend_from_slice(octets);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some((number, end)) = find(&self.tail[from..]) {
            found.push(number);
            from += end;
        }
        let keep = self.tail.len().saturating_sub(MARK_BYTES - 1).max(from);
        self.tail.drain(..keep);
        found
    }
}
