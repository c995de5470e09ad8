//! What routers put before messages, between two that both know how to say it once: a number in a delivery's tag stands for it from then on.
//!
//! The tag of such a delivery has two octets behind its four own ones (`amqp_proto::SendNow`): a number below `NUMBERS`, and whether the
//! annotations in front of the message are those of the number from here on, or are left out. A number is good for all links of its connection.
//!
//! Guarantees: whoever did not offer it in its open is sent none; a number that is used was said before, on the same connection, in a frame that was
//! written. What is kept is bounded at both ends, whatever the peer says.
//!
//! Not here: what the annotations mean (`engine_routing`), and messages that wait or go in parts: they have theirs in front.

use engine_core::preface::{LeftOut, Preface};
use engine_message::section;

/// The capability of an open that offers to be sent numbers.
pub(crate) const NUMBERED: &str = "heddle:numbered-prefaces";
/// How many there are: as many senders at once as a router remembers, about.
const NUMBERS: u16 = 64;
/// Octets of annotations that have a number, at most: an address, and the ids of several routers.
const OCTETS_MAX: usize = 512;
/// The bit of a mark that says that what it numbers is in front of the message.
const IS_NEW: u16 = 1 << 15;
/// Where a mark is in a tag.
const TAG_OCTETS: usize = 4;

/// Both ways of a connection.
#[derive(Debug, Default)]
pub(crate) struct Prefaces {
    said: Said,
    heard: Heard,
}

/// How a message is sent that something stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbered {
    /// The number stands for it.
    Known(u16),
    /// It is in front, and has this number from here on.
    New(u16),
}

/// What the peer was told.
#[derive(Debug, Default)]
struct Said {
    by_number: Vec<Option<Preface>>,
    last: usize,
    next: usize,
}

/// What the peer told.
#[derive(Debug, Default)]
struct Heard {
    by_number: Vec<LeftOut>,
}

/// A tag names what was never said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown;

impl Numbered {
    /// As a tag says it.
    pub fn mark(self) -> u16 {
        match self {
            Self::Known(number) => number,
            Self::New(number) => number | IS_NEW,
        }
    }

    /// What a tag says, if it says something.
    #[inline]
    fn of_tag(tag: &[u8]) -> Option<Self> {
        let &[high, low] = tag.get(TAG_OCTETS..)? else { return None };
        let mark = u16::from_be_bytes([high, low]);
        Some(if mark & IS_NEW == 0 { Self::Known(mark) } else { Self::New(mark & !IS_NEW) })
    }
}

impl Prefaces {
    /// How a message with this in front is sent; nothing if it has no number, nor gets one.
    #[inline]
    pub fn number(&mut self, preface: &Preface) -> Option<Numbered> {
        self.known(preface).map(Numbered::Known).or_else(|| self.said.add(preface))
    }

    /// The number of what stands before messages, if it has one.
    #[inline]
    pub fn known(&mut self, preface: &Preface) -> Option<u16> {
        let Said { by_number, last, .. } = &self.said;
        if by_number.get(*last).is_some_and(|said| said.as_ref().is_some_and(|said| said.is(preface))) {
            return Some(*last as u16);
        }
        self.said.find(preface)
    }

    /// A message that was to say a new number was not sent.
    #[cold]
    pub fn take_back(&mut self, numbered: Numbered) {
        if let Numbered::New(number) = numbered
            && let Some(said) = self.said.by_number.get_mut(usize::from(number))
        {
            *said = None;
        }
    }

    /// `hear`, and then `heard`.
    ///
    /// # Errors
    /// Those of `heard`.
    #[inline]
    pub fn read(&mut self, tag: &[u8], sections: &[u8]) -> Result<Option<&LeftOut>, Unknown> {
        match Numbered::of_tag(tag) {
            Some(Numbered::New(number)) => {
                self.heard.note(number, section::front_annotations(sections));
                Ok(None)
            }
            Some(Numbered::Known(number)) => self.heard.left_out(number).map(Some),
            None => Ok(None),
        }
    }

    /// What stands before a message although it was left out, by its delivery's tag; nothing if nothing was.
    ///
    /// # Errors
    /// When that was never said.
    #[inline]
    pub fn heard(&self, tag: &[u8]) -> Result<Option<&LeftOut>, Unknown> {
        match Numbered::of_tag(tag) {
            Some(Numbered::Known(number)) => self.heard.left_out(number).map(Some),
            Some(Numbered::New(_)) | None => Ok(None),
        }
    }

    /// Notes what has a number from here on, if a tag says so of a message with these sections.
    #[inline]
    pub fn hear(&mut self, tag: &[u8], sections: &[u8]) {
        if let Some(Numbered::New(number)) = Numbered::of_tag(tag) {
            self.heard.note(number, section::front_annotations(sections));
        }
    }
}

impl Said {
    #[inline(never)]
    fn find(&mut self, preface: &Preface) -> Option<u16> {
        self.last = self.by_number.iter().position(|said| said.as_ref().is_some_and(|said| said.is(preface)))?;
        Some(self.last as u16)
    }

    #[cold]
    fn add(&mut self, preface: &Preface) -> Option<Numbered> {
        if preface.octets().is_empty() || preface.octets().len() > OCTETS_MAX {
            return None;
        }
        self.by_number.resize(usize::from(NUMBERS), None);
        let number = self.next;
        self.next = (number + 1) % usize::from(NUMBERS);
        *self.by_number.get_mut(number)? = Some(preface.clone());
        self.last = number;
        Some(Numbered::New(number as u16))
    }
}

impl Heard {
    /// What a number stands for.
    #[inline]
    fn left_out(&self, number: u16) -> Result<&LeftOut, Unknown> {
        self.by_number.get(usize::from(number)).filter(|said| !said.octets().is_empty()).ok_or(Unknown)
    }

    #[cold]
    fn note(&mut self, number: u16, section: &[u8]) {
        if number < NUMBERS && section.len() <= OCTETS_MAX {
            self.by_number.resize_with(usize::from(NUMBERS), LeftOut::default);
            self.by_number.get_mut(usize::from(number)).into_iter().for_each(|heard| *heard = LeftOut::new(section));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Message annotations with this in it.
    fn annotations(what: u32) -> Vec<u8> {
        // A map of 10 octets: a symbol and an unsigned integer.
        let front = [0x00, 0x53, 0x72, 0xc1, 9, 2, 0xa3, 1, b'k', 0x70];
        [&front[..], &what.to_be_bytes()].concat()
    }

    fn octets(heard: Result<Option<&LeftOut>, Unknown>) -> Result<Option<&[u8]>, Unknown> {
        heard.map(|heard| heard.map(LeftOut::octets))
    }

    fn tag(number: u32, numbered: Option<Numbered>) -> Vec<u8> {
        let mut tag = number.to_be_bytes().to_vec();
        tag.extend(numbered.into_iter().flat_map(|numbered| numbered.mark().to_be_bytes()));
        tag
    }

    #[test]
    fn what_was_said_once_is_known_by_its_number_until_that_is_anothers() {
        let (mut near, mut far) = (Prefaces::default(), Prefaces::default());
        let prefaces: Vec<Preface> = (0..u32::from(NUMBERS) + 3).map(|what| Preface::new(annotations(what))).collect();
        for round in 0..3 {
            for (number, preface) in prefaces.iter().enumerate() {
                for again in 0..2 {
                    let known = near.known(preface);
                    let numbered = near.number(preface).expect("it has one");
                    assert_eq!(known.map(Numbered::Known), Some(numbered).filter(|_| again > 0));
                    assert_eq!(matches!(numbered, Numbered::New(_)), again == 0, "{round} {number}");
                    let tag = tag(number as u32, Some(numbered));
                    let in_front = if again == 0 { preface.octets() } else { &[] };
                    let message = [in_front, b"\x00\x53\x75\xa0\x01x"].concat();
                    let expected = (again > 0).then(|| preface.octets());
                    assert_eq!(octets(far.read(&tag, &message)), Ok(expected));
                    far.hear(&tag, &message);
                    assert_eq!(octets(far.heard(&tag)), Ok(expected));
                }
            }
        }
        assert_eq!(far.heard(&tag(0, None)), Ok(None), "a tag like any other");
    }

    #[test]
    fn what_was_not_sent_is_said_anew() {
        let mut near = Prefaces::default();
        let preface = Preface::new(annotations(1));
        let numbered = near.number(&preface).expect("it has one");
        near.take_back(numbered);
        assert!(matches!(near.number(&preface), Some(Numbered::New(_))));
        assert!(matches!(near.number(&preface), Some(Numbered::Known(_))));
    }

    #[test]
    fn what_is_long_or_nothing_has_no_number_and_a_peer_may_say_whatever_it_likes() {
        let mut prefaces = Prefaces::default();
        assert_eq!(prefaces.number(&Preface::new(vec![0; OCTETS_MAX + 1])), None);
        assert_eq!(prefaces.number(&Preface::new(Vec::new())), None);
        let message = annotations(1);
        for mark in 0..=u16::MAX {
            let tag = [&[0; 4][..], &mark.to_be_bytes()].concat();
            if mark & IS_NEW == 0 {
                assert_eq!(prefaces.heard(&tag), Err(Unknown));
            }
        }
        for mark in IS_NEW..=u16::MAX {
            prefaces.hear(&[&[0; 4][..], &mark.to_be_bytes()].concat(), &message);
        }
        assert_eq!(prefaces.heard.by_number.len(), usize::from(NUMBERS));
        prefaces.hear(&tag(0, Some(Numbered::New(3))), b"no annotations");
        assert_eq!(prefaces.heard(&tag(0, Some(Numbered::Known(3)))), Err(Unknown), "it stands for nothing");
        assert_eq!(octets(prefaces.heard(&tag(0, Some(Numbered::Known(4))))), Ok(Some(&message[..])));
    }
}
