//! Where queries of many rows go on: tools ask for part after part by its offset, and the shards' tables know places.
//!
//! Guarantee: a query that begins where another one of its type ended begins at that place; whatever came and went meanwhile, what was there
//! all the time is told once. Any other one is counted from the first row.

use std::collections::VecDeque;

use crate::node::Cursor;

/// Places that are remembered: more than tools that page through a router at once. The oldest goes, and its query is counted out.
const PLACES_MAX: usize = 64;

/// Where queries of many rows go on.
#[derive(Debug, Default)]
pub struct Places(VecDeque<(&'static str, u64, Cursor)>);

impl Places {
    /// A query of a type ended before the row of this offset.
    pub fn note(&mut self, of: &'static str, offset: u64, cursor: Cursor) {
        self.0.retain(|(known, at, _)| (*known, *at) != (of, offset));
        if self.0.len() >= PLACES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((of, offset, cursor));
    }

    /// Where a query of a type goes on from an offset.
    pub fn take(&mut self, of: &'static str, offset: u64) -> Option<Cursor> {
        let at = self.0.iter().position(|(known, at, _)| (*known, *at) == (of, offset))?;
        self.0.remove(at).map(|(_, _, cursor)| cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_once_and_the_oldest_goes() {
        let mut places = Places::default();
        let cursor = |place: u64| format!("1.{place}").parse::<Cursor>().unwrap();
        (0..=PLACES_MAX as u64).for_each(|offset| places.note("connection", offset, cursor(offset)));
        assert_eq!((places.take("connection", 0), places.take("router.link", 5)), (None, None));
        assert_eq!(places.take("connection", 5), Some(cursor(5)));
        assert_eq!(places.take("connection", 5), None);
    }
}
