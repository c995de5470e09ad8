//! Messages that pass in parts: which of their parts are kept, and how far each of their copies has come.
//!
//! Guarantees: a part is kept until every copy that is still sent has it, and no longer; a copy is sent parts in their order, and no more
//! than `COPY_OCTETS` (and a part) that whoever takes it has not passed on. What is kept is counted. Whoever brings a message is told of
//! each octet once that it is gone: when it is, or before, if it is kept only for copies that must not hold the message up (`Pace`).
//!
//! Not here: what becomes of copies (`streaming`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::keys::{CopyKey, DeliveryKey};
use super::links::{InLink, OutLink};
use super::state::Settling;
use crate::limits::{COPY_OCTETS, PART_OCTETS};

/// Whether a message goes on behind a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// More is to come.
    More,
    /// It ends with it.
    End,
}

/// The first part of a message that goes on, beside what any message has.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// The number by which its parts come: of one message of its link at a time.
    pub stream: u64,
    /// What it counts with whoever brings it, octets.
    pub octets: u64,
    /// Who else has it.
    pub audience: Audience,
}

/// Whether a message in parts is one receiver's, or copied: on the way here, here, or at other parts of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One receiver's.
    One,
    /// Perhaps others': some of them may have begun with it.
    Several,
}

/// What became of a part that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It counts so many octets until `Action::Taken` says that they are gone.
    Octets(u64),
    /// Nobody wants it any more.
    Nothing,
}

/// What a part counts, octets: a message in parts of one octet takes memory, too.
#[must_use]
pub fn part_octets(bytes: usize) -> u64 {
    bytes as u64 + PART_OCTETS
}

/// Whose pace a message's sender is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// That of all copies that are still to have something.
    OfAll,
    /// That of those that have begun.
    OfOpen,
}

/// A part that a copy is sent.
pub(super) struct Sent {
    pub bytes: Bytes,
    pub following: Following,
    /// How its first part was sent.
    pub settling: Settling,
}

/// How far a copy has come.
#[derive(Debug)]
enum Way {
    /// Nothing of it was sent.
    Waiting,
    /// It was sent the parts before `next`; so many octets were not passed on yet.
    Open { next: u64, under_way: u64, settling: Settling },
    /// It is sent no more: it has all of it, or nobody wants it.
    Closed,
}

impl Way {
    /// The part that a copy is sent next that has begun.
    fn next(&self) -> Option<u64> {
        match self {
            Self::Open { next, .. } => Some(*next),
            Self::Waiting | Self::Closed => None,
        }
    }
}

/// A message in parts.
#[derive(Debug)]
struct Stream {
    /// Who brings it, and by which number.
    source: (InLink, u64),
    /// What its first part counts with whoever brought it, and whether that was told that it is gone.
    first: u64,
    is_first_told: bool,
    /// The parts behind the first one that are kept, of which the front one has the number `base`.
    parts: VecDeque<Bytes>,
    base: u64,
    /// The number of the first part that whoever brought it was not told to be gone.
    told: u64,
    octets: u64,
    is_whole: bool,
    ways: Vec<Way>,
}

impl Stream {
    /// The first part, and the others before this one, are told to be gone, once; gives what those count that were not told before.
    fn tell(&mut self, before: u64) -> u64 {
        let first = if std::mem::replace(&mut self.is_first_told, true) { 0 } else { self.first };
        let end = before.min(self.base + self.parts.len() as u64);
        let untold = self.parts.iter().zip(self.base..end).skip_while(|(_, number)| *number < self.told);
        let octets: u64 = untold.map(|(part, _)| part_octets(part.len())).sum();
        self.told = self.told.max(end);
        first + octets
    }

    /// Parts before this one are kept no longer; gives what they count.
    fn drop_before(&mut self, needed: u64) -> u64 {
        let before = self.octets;
        while self.base < needed
            && let Some(part) = self.parts.pop_front()
        {
            self.base += 1;
            self.octets -= part_octets(part.len());
        }
        before - self.octets
    }
}

/// All messages in parts that are under way.
#[derive(Debug, Default)]
pub(super) struct Streams {
    by_delivery: BTreeMap<DeliveryKey, Stream>,
    by_source: BTreeMap<(InLink, u64), DeliveryKey>,
    /// Those that are copied.
    copied: BTreeSet<DeliveryKey>,
    /// Octets of parts that are kept.
    octets: u64,
    /// Links of copies that are sent no more: what waits behind is due.
    pub freed: Vec<OutLink>,
}

impl Streams {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_delivery.is_empty()
    }

    /// Octets of parts that are kept.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// A message of a link begins; it has so many copies.
    pub fn begin(&mut self, key: DeliveryKey, link: InLink, beginning: Beginning, copies: usize) {
        let Beginning { stream, octets: first, audience } = beginning;
        let ways = std::iter::repeat_with(|| Way::Waiting).take(copies).collect();
        let (source, parts) = ((link, stream), VecDeque::new());
        let (is_first_told, is_whole) = (false, false);
        let stream = Stream { source, first, is_first_told, parts, base: 0, told: 0, octets: 0, is_whole, ways };
        self.by_delivery.insert(key, stream);
        if audience == Audience::Several {
            self.copied.insert(key);
        }
        assert!(self.by_source.insert(source, key).is_none(), "messages of one link follow each other");
    }

    /// The delivery whose parts come so.
    pub fn of_source(&self, source: (InLink, u64)) -> Option<DeliveryKey> {
        self.by_source.get(&source).copied()
    }

    /// Deliveries of a link that are not whole.
    pub fn of_link(&self, link: InLink) -> Vec<DeliveryKey> {
        self.by_source.range((link, 0)..=(link, u64::MAX)).map(|(_, key)| *key).collect()
    }

    /// Whether a delivery passes in parts, and is not sent to its end to all who want it.
    pub fn has(&self, key: DeliveryKey) -> bool {
        self.by_delivery.contains_key(&key)
    }

    /// Whether a copy was begun and is not sent to its end.
    pub fn is_open(&self, copy: CopyKey) -> bool {
        let ways = self.by_delivery.get(&copy.delivery).map(|stream| &stream.ways);
        ways.and_then(|ways| ways.get(copy.index as usize)).is_some_and(|way| matches!(way, Way::Open { .. }))
    }

    /// Messages that are copied.
    pub fn copied(&self) -> Vec<DeliveryKey> {
        self.copied.iter().copied().collect()
    }

    /// Who brings a message that is copied, and has copies that have not begun; nothing of another one.
    pub fn waiting_of_copied(&self, key: DeliveryKey) -> Option<InLink> {
        let stream = self.by_delivery.get(&key).filter(|_| self.copied.contains(&key))?;
        stream.ways.iter().any(|way| matches!(way, Way::Waiting)).then_some(stream.source.0)
    }

    /// Whether a message has a copy that was begun and is not sent to its end.
    pub fn has_open(&self, key: DeliveryKey) -> bool {
        let ways = self.by_delivery.get(&key).map(|stream| &stream.ways);
        ways.is_some_and(|ways| ways.iter().any(|way| matches!(way, Way::Open { .. })))
    }

    /// Whether a copy was begun, and all that there is of it has been passed on: whoever takes it waits for more.
    pub fn is_starving(&self, copy: CopyKey) -> bool {
        let Some(stream) = self.by_delivery.get(&copy.delivery) else { return false };
        let end = stream.base + stream.parts.len() as u64;
        let way = stream.ways.get(copy.index as usize);
        way.is_some_and(|way| matches!(way, Way::Open { next, under_way: 0, .. } if *next == end))
    }

    /// Copies that were begun and are not sent to their end.
    pub fn open_copies(&self) -> usize {
        let ways = self.by_delivery.values().flat_map(|stream| &stream.ways);
        ways.filter(|way| matches!(way, Way::Open { .. })).count()
    }

    /// Octets of a delivery that are kept behind its first part.
    pub fn octets_of(&self, key: DeliveryKey) -> u64 {
        self.by_delivery.get(&key).map_or(0, |stream| stream.octets)
    }

    /// Takes a part.
    pub fn push(&mut self, key: DeliveryKey, bytes: Bytes, following: Following) {
        let Some(stream) = self.by_delivery.get_mut(&key) else { return };
        let octets = part_octets(bytes.len());
        stream.octets += octets;
        self.octets += octets;
        stream.parts.push_back(bytes);
        if following == Following::End {
            stream.is_whole = true;
            self.by_source.remove(&stream.source);
        }
    }

    /// A copy was sent its first part.
    pub fn open(&mut self, copy: CopyKey, settling: Settling) {
        let Some(stream) = self.by_delivery.get_mut(&copy.delivery) else { return };
        let under_way = stream.first;
        if let Some(way) = stream.ways.get_mut(copy.index as usize) {
            *way = Way::Open { next: 0, under_way, settling };
        }
    }

    /// What a copy is sent next, if it is there, and there is room for it.
    pub fn next(&mut self, copy: CopyKey) -> Option<Sent> {
        let stream = self.by_delivery.get_mut(&copy.delivery)?;
        let way = stream.ways.get_mut(copy.index as usize)?;
        let Way::Open { next, under_way, settling } = way else { return None };
        let at = next.checked_sub(stream.base)?;
        let bytes = stream.parts.get(usize::try_from(at).ok()?).filter(|_| *under_way < COPY_OCTETS)?.clone();
        (*next, *under_way) = (*next + 1, *under_way + part_octets(bytes.len()));
        let settling = *settling;
        let is_last = stream.is_whole && at + 1 == stream.parts.len() as u64;
        if is_last {
            *way = Way::Closed;
        }
        let following = if is_last { Following::End } else { Following::More };
        Some(Sent { bytes, following, settling })
    }

    /// Whoever takes a copy has passed so many octets on.
    pub fn pass(&mut self, copy: CopyKey, octets: u64) {
        let ways = self.by_delivery.get_mut(&copy.delivery).map(|stream| &mut stream.ways);
        if let Some(Way::Open { under_way, .. }) = ways.and_then(|ways| ways.get_mut(copy.index as usize)) {
            *under_way = under_way.checked_sub(octets).unwrap_or_else(|| unreachable!("no more than it was sent"));
        }
    }

    /// A copy is sent no more; gives whether it had begun and not ended.
    pub fn close(&mut self, copy: CopyKey) -> bool {
        let ways = self.by_delivery.get_mut(&copy.delivery).map(|stream| &mut stream.ways);
        let Some(way) = ways.and_then(|ways| ways.get_mut(copy.index as usize)) else { return false };
        matches!(std::mem::replace(way, Way::Closed), Way::Open { .. })
    }

    /// Drops what no copy needs any more; gives who brought what is gone at that pace, and its octets if there are any.
    pub fn trim(&mut self, key: DeliveryKey, pace: Pace) -> Option<((InLink, u64), u64)> {
        let stream = self.by_delivery.get_mut(&key)?;
        let opened = stream.ways.iter().filter_map(Way::next).min().unwrap_or(u64::MAX);
        let is_waiting = stream.ways.iter().any(|way| matches!(way, Way::Waiting));
        let taken = match (is_waiting, pace) {
            (true, Pace::OfAll) => 0,
            (true, Pace::OfOpen) | (false, _) => stream.tell(opened),
        };
        let dropped = if is_waiting { 0 } else { stream.drop_before(opened) };
        self.octets -= dropped;
        let source = stream.source;
        if stream.is_whole && stream.parts.is_empty() {
            self.by_delivery.remove(&key);
            self.copied.remove(&key);
        }
        (taken > 0).then_some((source, taken))
    }

    /// A delivery is gone: so are its parts. Gives who brought them, and their octets if there are any.
    pub fn remove(&mut self, key: DeliveryKey) -> Option<((InLink, u64), u64)> {
        let mut stream = self.by_delivery.remove(&key)?;
        self.copied.remove(&key);
        self.octets -= stream.octets;
        if !stream.is_whole {
            self.by_source.remove(&stream.source);
        }
        let taken = stream.tell(u64::MAX);
        (taken > 0).then_some((stream.source, taken))
    }

    /// Asserts what must hold between two inputs; `copies` says how many a delivery has.
    pub fn check(&self, copies: impl Fn(DeliveryKey) -> Option<usize>) {
        assert_eq!(
            self.by_delivery.values().map(|stream| stream.octets).sum::<u64>(),
            self.octets,
            "parts are counted"
        );
        for (key, stream) in &self.by_delivery {
            assert_eq!(copies(*key), Some(stream.ways.len()), "a message in parts is a delivery");
            let octets: u64 = stream.parts.iter().map(|part| part_octets(part.len())).sum();
            assert_eq!(octets, stream.octets, "what is kept of one is counted");
            assert_ne!(
                self.by_source.get(&stream.source) == Some(key),
                stream.is_whole,
                "what is not whole is awaited"
            );
            let end = stream.base + stream.parts.len() as u64;
            assert!((stream.base..=end).contains(&stream.told), "what is gone was told");
            let ahead = |way: &&Way| matches!(way, Way::Open { next, .. } if *next == stream.base);
            let slowest = stream.ways.iter().any(|way| matches!(way, Way::Waiting) || ahead(&way));
            assert!(stream.parts.is_empty() || slowest, "what is kept somebody needs");
            for way in &stream.ways {
                let Way::Open { next, under_way, .. } = way else { continue };
                assert!((stream.base..=end).contains(next), "it goes on from there");
                let is_stopped = *under_way >= COPY_OCTETS || *next == end;
                assert!(is_stopped, "what there is room for was sent");
            }
        }
        assert!(self.copied.iter().all(|key| self.by_delivery.contains_key(key)), "what is copied is there");
        assert!(self.by_source.values().all(|key| self.by_delivery.contains_key(key)), "parts are for what is there");
    }
}
