//! What routers wrote into messages of late, and what it means: a neighbour writes the same octets into all messages of a sender.
//!
//! Guarantees: there are `PLACES` of them at most, of `SECTION_MAX` octets each; a newer one takes the place of an older one. What is found
//! means what the table says that the router goes by now: with another table all is forgotten.
//!
//! Not here: annotations in which there is something of a user, which differ from message to message.

use std::num::NonZeroU64;
use std::sync::Arc;

use engine_core::preface::LeftOut;
use engine_message::section;
use engine_router::address::Key;
use engine_router::forward::Passage;
use engine_router::network::LinkId;
use engine_router::table::Address;

use crate::outward::Outward;
use crate::ways::Only;

/// As many senders at once are remembered, about.
const PLACES: usize = 64;
/// Octets of a section, at most: an address, and the ids of several routers.
const SECTION_MAX: usize = 512;
/// The fraction of the golden ratio: what differs little comes far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A section, and what it means.
#[derive(Debug)]
pub(crate) struct Known {
    section: Box<[u8]>,
    /// Its place, with what no other one of any shard has.
    number: NonZeroU64,
    edge: Option<LinkId>,
    pub key: Key,
    pub address: Option<Arc<Address>>,
    pub passage: Passage,
    /// Where all such messages go, if there is nothing to choose.
    pub only: Option<Only>,
    /// What such messages go out by, with what this router writes in its place.
    pub outward: Outward,
}

impl Known {
    /// Octets of the section.
    pub fn octets(&self) -> usize {
        self.section.len()
    }
}

/// What was heard of late.
#[derive(Debug)]
pub(crate) struct Heard {
    places: Vec<Option<Known>>,
    /// What was found last.
    last: usize,
    /// The number of what was noted last, without its place.
    number: u64,
}

impl Heard {
    /// Nothing, on this shard.
    pub fn new(shard: u16) -> Self {
        // Those of another shard are never reached: what was found there is not taken for what is here, should its connection move.
        Self { places: Vec::new(), last: 0, number: u64::from(shard) << 48 }
    }

    /// The place of a section that came over this connection to an edge, or over none.
    #[inline]
    pub fn find(&self, section: &[u8], edge: Option<LinkId>) -> Option<usize> {
        let place = place(section);
        let known = self.places.get(place)?.as_ref()?;
        (*known.section == *section && known.edge == edge).then_some(place)
    }

    /// The place of the section that a message begins with. One that begins as the last one did is not read.
    #[inline]
    pub fn find_front(&mut self, body: &[u8], edge: Option<LinkId>) -> Option<usize> {
        if let Some(Some(known)) = self.places.get(self.last)
            && body.starts_with(&known.section)
            && known.edge == edge
        {
            return Some(self.last);
        }
        self.last = self.find(section::front_annotations(body), edge)?;
        Some(self.last)
    }

    /// What is known of a section that its sender has said before, and that a message is without. What was found once is not compared.
    #[inline]
    pub fn find_left_out(&self, section: &LeftOut, edge: Option<LinkId>) -> Option<&Known> {
        let known = section.found().and_then(|number| {
            let known = self.at(number.get() as usize % PLACES)?;
            (known.number == number && known.edge == edge).then_some(known)
        });
        known.or_else(|| self.look_for(section, edge))
    }

    #[inline(never)]
    fn look_for(&self, section: &LeftOut, edge: Option<LinkId>) -> Option<&Known> {
        let known = self.at(self.find(section.octets(), edge)?)?;
        section.note(known.number);
        Some(known)
    }

    /// What is known at a place that was found.
    pub fn at(&self, place: usize) -> Option<&Known> {
        self.places.get(place)?.as_ref()
    }

    /// Remembers what a section means.
    pub fn note(
        &mut self,
        (section, edge): (&[u8], Option<LinkId>),
        (key, address, passage): (Key, Option<Arc<Address>>, Passage),
        only: Option<Only>,
    ) {
        if section.len() > SECTION_MAX {
            return;
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let place = place(section);
        self.number += PLACES as u64;
        let Some(number) = NonZeroU64::new(self.number + place as u64) else { return };
        if let Some(known) = self.places.get_mut(place) {
            let (section, outward) = (section.into(), Outward::default());
            *known = Some(Known { section, number, edge, key, address, passage, only, outward });
        }
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        self.places.clear();
    }
}

/// Where a section is. Whoever chooses sections that meet has each of them read anew.
fn place(section: &[u8]) -> usize {
    let (words, rest) = section.as_chunks::<8>();
    let add = |spread: u64, word: u64| (spread.rotate_left(5) ^ word).wrapping_mul(SPREAD);
    let spread = words.iter().fold(section.len() as u64, |spread, word| add(spread, u64::from_le_bytes(*word)));
    let spread = rest.iter().fold(spread, |spread, octet| add(spread, u64::from(*octet)));
    (spread >> 32) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_what_was_said_over_that_connection() {
        let key = |number: u32| Key::read(&format!("M0{number}")).expect("a key");
        let mut heard = Heard::new(3);
        assert_eq!(heard.find(b"0", None), None);
        for number in 0..1000_u32 {
            let section = number.to_string();
            let edge = (number % 3 == 0).then_some(LinkId(number.into()));
            heard.note((section.as_bytes(), edge), (key(number), None, Passage::HERE), None);
            let known =
                heard.find(section.as_bytes(), edge).and_then(|place| heard.at(place)).expect("it is the newest");
            assert_eq!((&known.key, known.octets()), (&key(number), section.len()));
            assert_eq!(heard.find(section.as_bytes(), Some(LinkId(u64::from(number) + 1))), None, "over another one");
        }
        let left = (0..1000).filter(|number: &u32| heard.find(number.to_string().as_bytes(), None).is_some()).count();
        assert!((20..=PLACES).contains(&left), "{left}");
        heard.note((&[0; SECTION_MAX + 1], None), (key(0), None, Passage::HERE), None);
        assert_eq!(heard.find(&[0; SECTION_MAX + 1], None), None);
        heard.clear();
        assert!((0..1000).all(|number: u32| heard.find(number.to_string().as_bytes(), None).is_none()));
    }

    #[test]
    fn what_is_left_out_is_found_as_long_as_it_is_known_and_on_its_shard_alone() {
        let key = |number: u32| Key::read(&format!("M0{number}")).expect("a key");
        let note = |heard: &mut Heard, number: u32| {
            heard.note((number.to_string().as_bytes(), None), (key(number), None, Passage::HERE), None);
        };
        let (mut heard, section) = (Heard::new(0), LeftOut::new(b"7"));
        let found = |heard: &Heard, edge| heard.find_left_out(&section, edge).map(|known| known.key.clone());
        assert_eq!(found(&heard, None), None);
        note(&mut heard, 7);
        for _ in 0..2 {
            assert_eq!((found(&heard, None), found(&heard, Some(LinkId(1)))), (Some(key(7)), None));
        }
        assert!(
            heard.find_left_out(&LeftOut::new(b"77"), None).is_none(),
            "it does not begin a message: it is all of it"
        );
        // Others take its place, or all are forgotten: what was noted is not what is there now.
        (8..1000).for_each(|number| note(&mut heard, number));
        assert_eq!(found(&heard, None), None);
        note(&mut heard, 7);
        assert_eq!(found(&heard, None), Some(key(7)));
        heard.clear();
        assert_eq!(found(&heard, None), None);
        note(&mut heard, 9);
        assert_eq!(found(&heard, None), None);
        // As many were noted on another shard, of which one lies where this one does.
        let mut other = Heard::new(1);
        note(&mut heard, 7);
        assert_eq!(found(&heard, None), Some(key(7)));
        let place = place(b"7");
        let like = (10..10_000_u32).find(|like| super::place(like.to_string().as_bytes()) == place).expect("some do");
        (0..2000).for_each(|_| {
            note(&mut other, like);
            assert_eq!(found(&other, None), None);
        });
    }
}
