//! How long messages of a queue take from stage to stage: until they are durable, until they are given to a consumer for the first time,
//! and until that settles them.
//!
//! Guarantees:
//! 1. Messages are watched by their numbers in the queue: each one of a queue that gets few, and one of up to 256 where more than one comes
//!    in a millisecond, which counts for those that are passed over. What the others cost is one comparison at each stage.
//! 2. At most `WATCHED_MAX` that are in the queue are watched: in a deep one they are thinned out evenly, so that its wait is known
//!    whatever its depth.
//!
//! What it knows of time is the turns of the shard: what begins and ends in one took none. Not here: histograms, and what is told
//! (`histogram`, `view`).

use engine_figures::Spread;

use super::histogram::Histogram;

/// Messages of one queue that are watched at a time: 640 octets.
const WATCHED_MAX: usize = 16;
/// Of so many one is watched where they follow each other closely, a power of two: watching one costs about 200 instructions.
const SPACING: u64 = 256;
/// Messages that are watched and come closer to each other are too many.
const NEAR_NS: u64 = 1_000_000;
/// Those that come farther from each other are too few.
const FAR_NS: u64 = 32_000_000;

/// A message that is watched.
#[derive(Debug)]
struct Mark {
    sequence: u64,
    arrived_ns: u64,
    shown_ns: Option<u64>,
    /// How many messages it stands for.
    weight: u64,
}

/// What is kept of a queue that had a message.
#[derive(Debug, Default)]
struct Watched {
    /// In the order of their numbers.
    marks: Vec<Mark>,
    /// When the last one came.
    last_ns: u64,
    dispatch: Histogram,
    settle: Histogram,
}

/// What is kept of a queue that had a durable message.
#[derive(Debug, Default)]
struct Stored {
    /// Of so many one is watched.
    spacing: u64,
    /// So many more pass by.
    skipped: u64,
    last_ns: u64,
    durable: Histogram,
}

/// How long messages take from stage to stage.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    /// Messages whose numbers have none of these bits are watched.
    mask: u64,
    watched: Option<Box<Watched>>,
    stored: Option<Box<Stored>>,
}

/// The same, as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// From a message's arrival until the journal has it.
    pub durable: Option<Spread>,
    /// From its arrival until a consumer is given it for the first time.
    pub dispatch: Option<Spread>,
    /// From when a consumer is given it until that settles it.
    pub settle: Option<Spread>,
}

impl Moments {
    /// Whether a message is one of those that are looked at.
    #[inline(always)]
    pub fn watches(&self, sequence: u64) -> bool {
        sequence & self.mask == 0
    }

    /// A message came that is to be looked at (`watches`).
    #[cold]
    #[inline(never)]
    pub fn note_arrived(&mut self, sequence: u64, now_ns: u64) {
        let watched = self.watched.get_or_insert_default();
        let since = now_ns.saturating_sub(watched.last_ns);
        watched.last_ns = now_ns;
        if watched.marks.len() == WATCHED_MAX || (since < NEAR_NS && self.mask < SPACING - 1) {
            self.mask = 2 * self.mask + 1;
            let mask = self.mask;
            watched.marks.retain(|mark| mark.sequence & mask == 0);
            watched.marks.iter_mut().for_each(|mark| mark.weight = mark.weight.max(mask + 1));
            if sequence & mask != 0 {
                return;
            }
        } else if since > FAR_NS && watched.marks.len() <= WATCHED_MAX / 4 {
            self.mask >>= 1;
        }
        watched.marks.push(Mark { sequence, arrived_ns: now_ns, shown_ns: None, weight: self.mask + 1 });
    }

    /// A consumer is given a message.
    #[cold]
    #[inline(never)]
    pub fn note_shown(&mut self, sequence: u64, now_ns: u64) {
        let Some(watched) = &mut self.watched else { return };
        let Ok(place) = watched.marks.binary_search_by_key(&sequence, |mark| mark.sequence) else { return };
        let Some(mark) = watched.marks.get_mut(place) else { return };
        if mark.shown_ns.is_none() {
            watched.dispatch.count(now_ns.saturating_sub(mark.arrived_ns), mark.weight);
        }
        mark.shown_ns = Some(now_ns);
    }

    /// A consumer settles a message, which leaves.
    #[cold]
    #[inline(never)]
    pub fn note_settled(&mut self, sequence: u64, now_ns: u64) {
        let Some(mark) = self.take(sequence) else { return };
        if let (Some(watched), Some(shown_ns)) = (&mut self.watched, mark.shown_ns) {
            watched.settle.count(now_ns.saturating_sub(shown_ns), mark.weight);
        }
    }

    /// A message leaves that nobody settles.
    #[cold]
    pub fn forget(&mut self, sequence: u64) {
        self.take(sequence);
    }

    fn take(&mut self, sequence: u64) -> Option<Mark> {
        let marks = &mut self.watched.as_mut()?.marks;
        let place = marks.binary_search_by_key(&sequence, |mark| mark.sequence).ok()?;
        let mark = marks.remove(place);
        if marks.is_empty() {
            // It was a deep queue.
            self.mask = self.mask.min(SPACING - 1);
        }
        Some(mark)
    }

    /// A durable message came; gives how many it stands for, if it is to be told of when the journal has it (`note_durable`).
    pub fn note_stored(&mut self, now_ns: u64) -> Option<u64> {
        let stored = self.stored.get_or_insert_default();
        if stored.skipped > 0 {
            stored.skipped -= 1;
            return None;
        }
        let since = now_ns.saturating_sub(stored.last_ns);
        stored.last_ns = now_ns;
        stored.spacing = match stored.spacing.max(1) {
            spacing if since < NEAR_NS => (spacing * 2).min(SPACING),
            spacing if since > FAR_NS => (spacing / 2).max(1),
            spacing => spacing,
        };
        stored.skipped = stored.spacing - 1;
        Some(stored.spacing)
    }

    /// The journal has a durable message that stands for so many.
    pub fn note_durable(&mut self, took_ns: u64, weight: u64) {
        if let Some(stored) = &mut self.stored {
            stored.durable.count(took_ns, weight);
        }
    }

    /// What is told of them.
    pub fn latencies(&self) -> Latencies {
        let watched = self.watched.as_ref();
        Latencies {
            durable: self.stored.as_ref().and_then(|stored| stored.durable.spread()),
            dispatch: watched.and_then(|watched| watched.dispatch.spread()),
            settle: watched.and_then(|watched| watched.settle.spread()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Puts messages into a queue of them and takes them out again: `wait` of them are in it, each `gap` behind the other.
    fn pass(moments: &mut Moments, messages: u64, wait: u64, gap: u64) -> usize {
        let mut most = 0;
        for n in 0..messages + wait {
            let now = (n + 1) * gap;
            if n < messages && moments.watches(n) {
                moments.note_arrived(n, now);
            }
            if let Some(first) = n.checked_sub(wait)
                && moments.watches(first)
            {
                moments.note_shown(first, now);
                moments.note_settled(first, now + 3 * MS);
            }
            most = most.max(moments.watched.as_ref().map_or(0, |watched| watched.marks.len()));
        }
        most
    }

    #[test]
    fn each_message_of_a_queue_with_few_is_watched() {
        let mut moments = Moments::default();
        pass(&mut moments, 100, 2, 50 * MS);
        let Latencies { durable, dispatch: Some(dispatch), settle: Some(settle) } = moments.latencies() else {
            panic!("both stages were counted")
        };
        assert_eq!((durable, dispatch.count, dispatch.max_ns, settle.count), (None, 100, 100 * MS, 100));
        assert!(settle.p50_ns >= 3 * MS && settle.p99_ns <= settle.max_ns && settle.max_ns == 3 * MS);
    }

    #[test]
    fn of_many_some_are_watched_and_stand_for_the_others() {
        let mut moments = Moments::default();
        pass(&mut moments, 100_000, 500, 1000);
        let dispatch = moments.latencies().dispatch.expect("some were watched");
        assert!((90_000..=110_000).contains(&dispatch.count), "{}", dispatch.count);
        assert_eq!((dispatch.max_ns, dispatch.sum_ns / dispatch.count), (500_000, 500_000));
        assert_eq!(moments.mask, SPACING - 1);
    }

    #[test]
    fn the_wait_in_a_deep_queue_is_known_and_costs_no_more() {
        let mut moments = Moments::default();
        let most = pass(&mut moments, 1_000_000, 1_000_000, 1000);
        assert_eq!(most, WATCHED_MAX);
        let dispatch = moments.latencies().dispatch.expect("some were watched");
        assert!((900_000..=1_100_000).contains(&dispatch.count), "{}", dispatch.count);
        assert_eq!(dispatch.sum_ns / dispatch.count, 1_000_000_000);
        assert_eq!(moments.mask, SPACING - 1, "it is empty again");
    }

    #[test]
    fn what_is_given_again_waited_once_and_what_leaves_unsettled_is_forgotten() {
        let mut moments = Moments::default();
        let start = 1000 * MS;
        moments.note_arrived(0, start);
        moments.note_arrived(1, start + 10 * MS);
        moments.note_shown(0, start + 40);
        moments.note_shown(0, start + 60);
        moments.note_settled(0, start + 65);
        moments.forget(1);
        let latencies = moments.latencies();
        assert_eq!(latencies.dispatch.map(|of| (of.count, of.max_ns)), Some((1, 40)));
        assert_eq!(latencies.settle.map(|of| (of.count, of.max_ns)), Some((1, 5)));
        assert!(moments.watched.as_ref().is_some_and(|watched| watched.marks.is_empty()));
    }

    #[test]
    fn of_durable_messages_few_or_all_are_told_of() {
        let mut moments = Moments::default();
        let slow: u64 = (1..=10).filter_map(|n| moments.note_stored(n * 100 * MS)).sum();
        assert_eq!(slow, 10);
        let (mut told, mut sum) = (0, 0);
        for n in 0..10_000 {
            if let Some(weight) = moments.note_stored(2_000 * MS + n) {
                moments.note_durable(7, weight);
                (told, sum) = (told + 1, sum + weight);
            }
        }
        assert!(told < 10_000 / 32 && sum.abs_diff(10_000) <= 2 * SPACING, "{told} {sum}");
        assert_eq!(moments.latencies().durable.map(|of| (of.count, of.max_ns)), Some((sum, 7)));
    }
}
