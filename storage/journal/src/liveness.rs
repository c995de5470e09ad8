//! Which segments are still needed, and which one to empty next.
//!
//! Segments leave in the order in which they came: what a segment says of older ones (acknowledgements, failures) is then
//! never missed, because those are gone before it. A segment with few living messages at the front is emptied by writing them
//! again at the end, as soon as the journal is longer than twice what lives in it plus an allowance; so that each octet that
//! lives is written again at most about once for each octet that came.

use std::collections::VecDeque;

use crate::record::Location;

#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    /// Octets of records that are still needed.
    live: u64,
}

/// The segments of one journal, oldest first.
#[derive(Debug)]
pub struct Liveness {
    segments: VecDeque<Segment>,
    segment_bytes: u64,
    allowance: u64,
    live: u64,
}

impl Liveness {
    /// A journal without segments. `allowance`: octets that it may be longer than twice what lives in it.
    pub fn new(segment_bytes: u64, allowance: u64) -> Self {
        Self { segments: VecDeque::new(), segment_bytes, allowance, live: 0 }
    }

    /// A segment was begun; the one before it is full.
    pub fn handle_begun(&mut self, number: u64) {
        assert!(self.segments.back().is_none_or(|last| last.number + 1 == number), "segments follow each other");
        self.segments.push_back(Segment { number, live: 0 });
    }

    /// A record is needed from now on.
    pub fn handle_stored(&mut self, location: &Location) {
        self.live += u64::from(location.bytes);
        self.segment(location.segment).live += u64::from(location.bytes);
    }

    /// A record is no longer needed, or was written again elsewhere.
    pub fn handle_released(&mut self, location: &Location) {
        self.live -= u64::from(location.bytes);
        self.segment(location.segment).live -= u64::from(location.bytes);
    }

    fn segment(&mut self, number: u64) -> &mut Segment {
        let first = self.segments.front().map_or(number, |segment| segment.number);
        let place = usize::try_from(number.wrapping_sub(first)).unwrap_or(usize::MAX);
        self.segments.get_mut(place).expect("a record lies in a segment that is there")
    }

    /// The oldest segment, if nothing in it is needed: the host uses its file again. The one that is written stays.
    pub fn poll_free(&mut self) -> Option<u64> {
        let free = self.segments.len() > 1 && self.segments.front().is_some_and(|segment| segment.live == 0);
        if free { self.segments.pop_front().map(|segment| segment.number) } else { None }
    }

    /// The segment whose living records are to be written again, if the journal is too long for what lives in it.
    pub fn rewrite(&self) -> Option<u64> {
        let front = self.segments.front().filter(|_| self.segments.len() > 1)?;
        (self.bytes() > 2 * self.live + self.allowance).then_some(front.number)
    }

    /// Length of all segments, octets.
    pub fn bytes(&self) -> u64 {
        self.segments.len() as u64 * self.segment_bytes
    }

    /// Octets of records that are needed.
    pub fn live_bytes(&self) -> u64 {
        self.live
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        assert_eq!(self.live, self.segments.iter().map(|segment| segment.live).sum::<u64>());
        assert!(self.segments.iter().all(|segment| segment.live <= self.segment_bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 1000;

    /// A journal of records of 100 octets, of which some are kept for ever, under steady traffic.
    fn traffic(keep_every: u64, records: u64) -> (Liveness, u64) {
        let mut liveness = Liveness::new(SEGMENT, 3 * SEGMENT);
        let (mut number, mut used, mut written) = (1, 0, 0_u64);
        let mut kept: VecDeque<Location> = VecDeque::new();
        liveness.handle_begun(1);
        let mut append = |liveness: &mut Liveness| {
            if used == SEGMENT {
                (number, used) = (number + 1, 0);
                liveness.handle_begun(number);
            }
            used += 100;
            written += 100;
            let location = Location { segment: number, offset: used - 100, bytes: 100 };
            liveness.handle_stored(&location);
            location
        };
        for record in 0..records {
            let location = append(&mut liveness);
            if record.is_multiple_of(keep_every) && kept.len() < 50 {
                kept.push_back(location);
            } else {
                liveness.handle_released(&location);
            }
            while liveness.poll_free().is_some() {}
            if let Some(segment) = liveness.rewrite() {
                while let Some(old) = kept.front().copied().filter(|old| old.segment == segment) {
                    kept.pop_front();
                    liveness.handle_released(&old);
                    let new = append(&mut liveness);
                    kept.push_back(new);
                }
            }
            liveness.check();
            let bound = 2 * liveness.live_bytes() + 5 * SEGMENT;
            assert!(liveness.bytes() <= bound, "{} octets for {}", liveness.bytes(), liveness.live_bytes());
        }
        (liveness, written)
    }

    #[test]
    fn space_stays_within_twice_of_what_lives() {
        let (liveness, written) = traffic(7, 100_000);
        assert_eq!(liveness.live_bytes(), 5_000);
        assert!(written < 2 * 100_000 * 100, "rewriting costs at most as much as came: {written}");
    }

    #[test]
    fn one_message_that_stays_costs_little() {
        let (liveness, written) = traffic(u64::MAX, 10_000);
        assert_eq!(liveness.live_bytes(), 100);
        assert!(written < 10_000 * 100 * 21 / 20, "it is written again once in some segments: {written}");
        assert!(liveness.bytes() <= 5 * SEGMENT);
    }
}
