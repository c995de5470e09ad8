//! The end of a journal, taken back: where its tail begins that is to go, and the steps by which it goes.
//!
//! A follower cuts what nobody else has (`docs/following.md`); an operator gives up what is damaged, or brings a copy to an earlier point
//! (`heddle data cut`).
//!
//! Guarantees:
//! 1. A journal ends behind a whole batch, and as late as it may: a number within a batch is refused with those that a cut can be made behind.
//! 2. Whenever power fails, a start finds the old tail or the new one: one sector of the manifest decides, and what was left to do
//!    is done again from the begin, which changes nothing that was done before.
//! 3. Behind a cut it is as if the tail had never been written: its numbers, of both kinds, are free again.
//! 4. Nothing is cut that something freed follows from (`ManifestTail::firm`): what left, or was written again, in the tail may be gone where
//!    it lay before.
//!
//! Not here: whether a node can go on with what is left, with its files of large messages: whoever cuts reads it first.

use std::convert::Infallible;

use crate::format::{BLOCK, BatchHeader, SegmentHeader, padded};
use crate::manifest::{Manifest, ManifestFound, ManifestTail, Owner};
use crate::number::Reach;
use crate::walk::{Found, SegmentPart, Spot, Walk};
use crate::writer::{Place, Position};

/// What is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Records up to this shared number, and what the node wrote for itself before the next one.
    Through(u64),
    /// What is before the first damage.
    Whole,
}

/// A tail that can be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Behind the last batch that is kept; the begin of the first segment when none is.
    pub place: Place,
    /// The last batch that is kept; 0: none.
    pub batch: u64,
    /// The first numbers behind what is kept: those that are used next.
    pub reach: Reach,
    /// What is whole of the tail.
    pub tail: CutTail,
}

/// What a tail has that goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutTail {
    /// Batches that are whole.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Their length, octets.
    pub bytes: u64,
}

/// Why there is nothing to cut, or it must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCut {
    /// The journal ends with that number, or nothing of it is damaged.
    Nothing,
    /// It ends before that number.
    Before {
        /// The last shared number in it.
        last: u64,
    },
    /// The number lies within a batch.
    Within {
        /// The last number of the batches before.
        before: u64,
        /// The last number of this one.
        behind: u64,
    },
    /// It is damaged before that number.
    Damaged {
        /// Where.
        place: Place,
        /// The last whole number before that.
        last: u64,
    },
    /// Segments were freed for what later batches say, and cannot be had back.
    Firm {
        /// The last batch that has to stay.
        batch: u64,
    },
}

/// One thing to do for a cut; all of them in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutStep {
    /// Remove all checkpoints that were taken behind the begin of this segment, for good: they know the tail.
    RemoveCheckpoints {
        /// The last segment that a checkpoint may go on with.
        last: u64,
    },
    /// Write the manifest, as one block: what is behind the place in `tail` does not count any more.
    Decide(Manifest, ManifestTail),
    /// Write zeros from here to the end of the segment, from the back to the front, and sync them.
    Erase(Place),
    /// Remove all segments behind this one, for good.
    RemoveSegments {
        /// The last one that stays.
        last: u64,
    },
    /// Write the manifest, as both of its blocks one after the other: none is left that knows of the cut.
    Settle(Manifest, ManifestTail),
}

impl Cut {
    /// What to do for it.
    ///
    /// # Errors
    /// When something was freed that cannot be had back.
    pub fn steps(&self, found: &ManifestFound) -> Result<[CutStep; 5], NoCut> {
        let ManifestFound { manifest: Manifest { first, .. }, tail: ManifestTail { firm, .. }, .. } = *found;
        let last = self.place.segment;
        if self.batch < firm || last < first {
            return Err(NoCut::Firm { batch: firm });
        }
        let manifest = Manifest { first, last, batch: self.batch };
        let decided = ManifestTail { firm, cut: Some(self.place) };
        let [erase, remove, settle] = unfinished(manifest, firm, self.place);
        Ok([CutStep::RemoveCheckpoints { last }, CutStep::Decide(manifest, decided), erase, remove, settle])
    }
}

impl ManifestFound {
    /// What is left to do of a cut that was decided, if that was not ended.
    pub fn unfinished_cut(&self) -> Option<[CutStep; 3]> {
        let ManifestTail { firm, cut } = self.tail;
        cut.map(|place| unfinished(self.manifest, firm, place))
    }
}

fn unfinished(manifest: Manifest, firm: u64, place: Place) -> [CutStep; 3] {
    let last = place.segment;
    let settled = ManifestTail { firm, cut: None };
    [CutStep::Erase(place), CutStep::RemoveSegments { last }, CutStep::Settle(manifest, settled)]
}

/// Where the search stopped.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// At the first batch that goes.
    Reached,
    Within {
        before: u64,
        behind: u64,
    },
    Damaged(Place),
}

/// Looks for the place of a cut: takes the segments of one shard, oldest first, part by part, from the manifest's first one on.
#[derive(Debug)]
pub struct CutSearch {
    walk: Walk,
    state: Search,
}

#[derive(Debug)]
struct Search {
    owner: Owner,
    keep: Keep,
    /// What the next batch goes on from; before the first one, any that is in the first segment is due.
    next: Option<Position>,
    /// Behind the last batch that is kept.
    kept: Place,
    /// Where the next batch is due; `None` when the header of its segment is not right.
    due: Option<Place>,
    stop: Option<Stop>,
    tail: CutTail,
}

impl CutSearch {
    /// A search in a journal.
    pub fn new(owner: Owner, keep: Keep) -> Self {
        let kept = Place { segment: 0, offset: BLOCK as u64 };
        let state = Search { owner, keep, next: None, kept, due: None, stop: None, tail: CutTail::default() };
        Self { walk: Walk::new(owner.directory), state }
    }

    /// Takes the next part of the segments.
    pub fn handle_part(&mut self, part: &SegmentPart<'_>) {
        let Self { walk, state } = self;
        if part.is_first() {
            state.begin(part);
        }
        let walked = walk.handle_part(part, |offset, spot| {
            if let Spot::Batch(batch) = spot {
                state.handle_batch(Place { segment: part.segment, offset }, &batch);
            }
            Ok::<_, Infallible>(())
        });
        let Ok(()) = walked;
    }

    /// What can be cut.
    ///
    /// # Errors
    /// Why nothing can, or need be. A journal that is to end with what is whole, and does, can still be: its manifest may know of more.
    pub fn finish(self) -> Result<Cut, NoCut> {
        let Search { keep, next, kept, stop, tail, .. } = self.state;
        let (batch, reach) = next.map_or((0, Reach::START), |next| (next.batch - 1, next.reach));
        let last = reach.shared.saturating_sub(1);
        match (keep, stop) {
            (Keep::Through(number), None) if number == last => return Err(NoCut::Nothing),
            (Keep::Through(_), None) => return Err(NoCut::Before { last }),
            (_, Some(Stop::Within { before, behind })) => return Err(NoCut::Within { before, behind }),
            (Keep::Through(number), Some(Stop::Damaged(place))) if number != last => {
                return Err(NoCut::Damaged { place, last });
            }
            (_, Some(Stop::Reached | Stop::Damaged(_))) | (Keep::Whole, None) => {}
        }
        Ok(Cut { place: kept, batch, reach, tail })
    }
}

impl Search {
    fn begin(&mut self, part: &SegmentPart<'_>) {
        let Owner { shard, directory, segment_bytes } = self.owner;
        let expected = SegmentHeader { shard, segment: part.segment, directory, bytes: segment_bytes };
        if self.kept.segment == 0 {
            self.kept.segment = part.segment;
        }
        let is_right = SegmentHeader::decode(part.bytes) == Ok(expected) && part.segment_bytes == segment_bytes;
        let begin = Place { segment: part.segment, offset: BLOCK as u64 };
        self.due = is_right.then_some(begin);
    }

    fn handle_batch(&mut self, place: Place, found: &Found<'_>) {
        let header = &found.header;
        if self.next.is_some_and(|next| header.batch < next.batch) {
            // Of another past.
            return;
        }
        if self.stop.is_none() {
            self.stop = if self.is_due(place, header) { self.reached(header) } else { Some(self.damage(place)) };
        }
        if self.stop.is_some() {
            self.tail.batches += 1;
            self.tail.records += u64::from(header.local.records) + u64::from(header.part.records);
            self.tail.bytes += padded(found.content.len()) as u64;
            return;
        }
        let position = Position::START.after(header, found.checksum, header.part.checksum);
        self.next = Some(position);
        self.kept = Place { offset: place.offset + padded(found.content.len()) as u64, ..place };
        self.due = Some(self.kept);
    }

    fn is_due(&self, place: Place, header: &BatchHeader) -> bool {
        let goes_on = match self.next {
            Some(next) => next.continues(header),
            // A segment before this one that has no whole batch had one: none is begun before the one before it was used.
            None => self.kept.segment == place.segment,
        };
        self.due == Some(place) && goes_on
    }

    /// What is damaged, if a batch is not due at its place: what should be behind those that are kept, or the header of its segment.
    fn damage(&self, place: Place) -> Stop {
        Stop::Damaged(if self.due.is_some() { self.kept } else { Place { offset: 0, ..place } })
    }

    /// Whether a batch is the first one that goes.
    fn reached(&self, header: &BatchHeader) -> Option<Stop> {
        let (Keep::Through(number), true) = (self.keep, header.part.records > 0) else { return None };
        let end = header.part.first.saturating_add(u64::from(header.part.numbers));
        let (before, behind) = (header.part.first.saturating_sub(1), end.saturating_sub(1));
        match number {
            _ if number <= before => Some(Stop::Reached),
            _ if number < behind => Some(Stop::Within { before, behind }),
            _ => None,
        }
    }
}
