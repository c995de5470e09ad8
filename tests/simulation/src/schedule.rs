//! Simulated time, and what happens when.
//!
//! Guarantees: time goes forward only; what is due at the same time happens in the order in which it was asked for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What happens, and when.
#[derive(Debug)]
pub struct Schedule<What> {
    now_ns: u64,
    next: u64,
    due: BinaryHeap<Reverse<Due<What>>>,
}

#[derive(Debug)]
struct Due<What> {
    at_ns: u64,
    number: u64,
    what: What,
}

impl<What> Due<What> {
    fn key(&self) -> (u64, u64) {
        (self.at_ns, self.number)
    }
}

impl<What> PartialEq for Due<What> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<What> Eq for Due<What> {}

impl<What> PartialOrd for Due<What> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<What> Ord for Due<What> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<What> Schedule<What> {
    /// Nothing is due; the time is `now_ns`.
    pub fn new(now_ns: u64) -> Self {
        Self { now_ns, next: 0, due: BinaryHeap::new() }
    }

    /// The time, nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Something is to happen so many nanoseconds from now.
    pub fn after(&mut self, wait_ns: u64, what: What) {
        self.next += 1;
        self.due.push(Reverse(Due { at_ns: self.now_ns + wait_ns, number: self.next, what }));
    }

    /// What happens next; the time is that of it then.
    pub fn pop(&mut self) -> Option<What> {
        let Reverse(due) = self.due.pop()?;
        self.now_ns = due.at_ns;
        Some(due.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_the_order_of_their_times_and_then_of_their_asking() {
        let mut schedule = Schedule::new(5);
        for (wait, what) in [(9, 'c'), (0, 'a'), (9, 'd'), (3, 'b')] {
            schedule.after(wait, what);
        }
        let happened: Vec<_> = std::iter::from_fn(|| Some((schedule.pop()?, schedule.now_ns()))).collect();
        assert_eq!(happened, [('a', 5), ('b', 8), ('c', 14), ('d', 14)]);
    }
}
