//! Messages that follow each other in one queue, as most do: the ledger enters them into its tables at once.

use crate::meaning::Meaning;

/// Messages of one queue whose names, which are their numbers, follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Streak {
    pub queue: u64,
    /// The first one's name.
    pub first: u64,
    pub count: u32,
    /// Octets of their records.
    pub record_bytes: usize,
    /// Octets of their bodies.
    pub body_bytes: u64,
}

impl Streak {
    /// A shared record as a streak of one, if that is all that there is to it.
    #[inline]
    pub fn of(number: u64, meaning: &Meaning<'_>, record_bytes: usize) -> Option<Self> {
        let Meaning::Message { properties, queues, body, .. } = meaning else { return None };
        let mut numbers = queues.iter();
        let (Some(queue), None) = (numbers.next(), numbers.next()) else { return None };
        let body_bytes = body.len() as u64;
        (!properties.large).then_some(Self { queue, first: number, count: 1, record_bytes, body_bytes })
    }

    /// Whether `next` goes on where this one ends; then it is in it.
    #[inline]
    pub fn append(&mut self, next: &Self) -> bool {
        let follows = self.queue == next.queue && self.first + u64::from(self.count) == next.first;
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
    use super::*;
    use crate::attributes::Attributes;
    use crate::meaning::{Numbers, Properties};

    #[test]
    fn it_takes_what_follows_and_nothing_else() {
        let properties = Properties {
            durable: true,
            large: false,
            scheduled: false,
            grouped: false,
            priority: 4,
            format: 0,
            expires_ms: 0,
            delivery_count: 0,
        };
        let (one, other) = (7_u64.to_le_bytes(), 8_u64.to_le_bytes());
        let message = |queues| Meaning::Message {
            properties,
            queues: Numbers(queues),
            attributes: Attributes::default(),
            body: b"four",
        };
        let streak = |number, queues| Streak::of(number, &message(queues), 40).expect("it is plain");
        let mut found = streak(10, &one);
        assert!(found.append(&streak(11, &one)) && found.append(&streak(12, &one)));
        assert!(!found.append(&streak(13, &other)), "another queue");
        assert!(!found.append(&streak(14, &one)), "a number between them is something else's");
        assert_eq!((found.names(), found.body_bytes, found.record_bytes), (10..13, 12, 120));

        let two = [one, other].concat();
        assert_eq!(Streak::of(10, &message(&two), 40), None, "two queues");
        let Meaning::Message { properties, queues, attributes, body } = message(&one) else {
            unreachable!("made above")
        };
        let large = Meaning::Message { properties: Properties { large: true, ..properties }, queues, attributes, body };
        assert_eq!(Streak::of(10, &large, 40), None);
        assert_eq!(Streak::of(10, &Meaning::Deleted { queue: 7 }, 40), None);
    }
}
