//! Messages that follow each other in one queue and one batch, as most do: a recovery enters them into its tables at once.

use storage_journal::{Batch, Record};

/// Durable messages of one queue whose names, which are their sequence numbers, follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Streak {
    pub queue: u64,
    /// The batch that they are in.
    pub batch: Batch,
    /// The first one's name.
    pub first: u64,
    pub count: u32,
    /// Octets of their records.
    pub record_bytes: usize,
    /// Octets of their bodies.
    pub body_bytes: u64,
}

impl Streak {
    /// A record as a streak of one, if that is all that there is to it.
    #[inline]
    pub fn of(sequence: u64, batch: Batch, record: &Record<'_>) -> Option<Self> {
        let Record::Message { properties, queues, body } = record else { return None };
        let mut numbers = queues.iter();
        let (Some(queue), None) = (numbers.next(), numbers.next()) else { return None };
        let plain = properties.durable && !properties.large;
        let (record_bytes, body_bytes) = (record.bytes(), body.len() as u64);
        plain.then_some(Self { queue, batch, first: sequence, count: 1, record_bytes, body_bytes })
    }

    /// Whether `next` goes on where this one ends; then it is in it.
    #[inline]
    pub fn append(&mut self, next: &Self) -> bool {
        let follows = self.queue == next.queue
            && self.batch.place == next.batch.place
            && self.first + u64::from(self.count) == next.first;
        if follows {
            self.count += next.count;
            self.record_bytes += next.record_bytes;
            self.body_bytes += next.body_bytes;
        }
        follows
    }

    /// The names in it.
    pub fn names(&self) -> std::ops::Range<u64> {
        self.first..self.first + u64::from(self.count)
    }
}

#[cfg(test)]
mod tests {
    use storage_journal::{Numbers, Place, Properties};

    use super::*;

    #[test]
    fn it_takes_what_follows_and_nothing_else() {
        let batch = |offset| Batch { place: Place { segment: 1, offset }, bytes: 4096 };
        let properties =
            Properties { durable: true, large: false, priority: 4, format: 0, expires_ms: 0, delivery_count: 0 };
        let (one, other) = (7_u64.to_le_bytes(), 8_u64.to_le_bytes());
        let message = |queues| Record::Message { properties, queues: Numbers(queues), body: b"four" };
        let mut streak = Streak::of(10, batch(4096), &message(&one)).expect("it is plain");
        let next =
            |sequence, offset, queues| Streak::of(sequence, batch(offset), &message(queues)).expect("it is plain");
        assert!(streak.append(&next(11, 4096, &one)) && streak.append(&next(12, 4096, &one)));
        assert!(!streak.append(&next(13, 4096, &other)), "another queue");
        assert!(!streak.append(&next(13, 8192, &one)), "another batch");
        assert!(!streak.append(&next(14, 4096, &one)), "a number between them is something else's");
        assert_eq!((streak.names(), streak.body_bytes), (10..13, 12));
        assert_eq!(streak.record_bytes, 3 * message(&one).bytes());

        let two = [one, other].concat();
        assert_eq!(Streak::of(10, batch(4096), &message(&two)), None, "two queues");
        let passing = Properties { durable: false, ..properties };
        let large = Properties { large: true, ..properties };
        for properties in [passing, large] {
            let record = Record::Message { properties, queues: Numbers(&one), body: b"four" };
            assert_eq!(Streak::of(10, batch(4096), &record), None);
        }
        assert_eq!(Streak::of(10, batch(4096), &Record::QueueDeleted { queue: 7 }), None);
    }
}
