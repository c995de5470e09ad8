//! Which rows an answer has: those behind an offset, as many as are wanted; or the one that is named.

use engine_router_conf::schema::EntityType;
use engine_router_management::{By, Named, Row};

/// What is looked for, and what was found of it.
#[derive(Debug)]
pub struct Window<'a> {
    skip: u64,
    most: usize,
    named: Option<&'a Named>,
    rows: Vec<Row>,
}

impl<'a> Window<'a> {
    /// Rows behind an offset, at most so many.
    pub fn part(skip: u64, most: usize) -> Self {
        Self { skip, most, named: None, rows: Vec::new() }
    }

    /// The first row of an entity that is named so.
    pub fn named(named: &'a Named) -> Self {
        Self { skip: 0, most: 1, named: Some(named), rows: Vec::new() }
    }

    /// The identity of what is looked for, if it is known by that.
    pub fn identity(&self) -> Option<&str> {
        match &self.named?.by {
            By::Identity(identity) => Some(identity),
            By::Name(_) => None,
        }
    }

    /// Whether nothing more is wanted.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.most
    }

    /// How many rows it takes still, those to be passed over included.
    pub fn open(&self) -> usize {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX);
        if self.named.is_some() { usize::MAX } else { skipped.saturating_add(self.most - self.rows.len()) }
    }

    /// Offers an entity, of which a row is made only if it is wanted.
    pub fn offer(&mut self, row: impl FnOnce() -> Row) {
        if self.is_full() {
            return;
        }
        if let Some(named) = self.named {
            let row = row();
            if named.is(&row) {
                self.rows.push(row);
            }
        } else if self.skip > 0 {
            self.skip -= 1;
        } else {
            self.rows.push(row());
        }
    }

    /// Passes over entities that a part before this one had.
    pub fn pass(&mut self, count: u64) {
        self.skip = self.skip.saturating_sub(count);
    }

    /// Whether it is a part that begins behind others, and where.
    pub fn offset(&self) -> Option<u64> {
        (self.named.is_none() && self.skip > 0).then_some(self.skip)
    }

    /// How many rows were found so far.
    pub fn found(&self) -> usize {
        self.rows.len()
    }

    /// Rows that were found from one on, to be completed.
    pub fn rows_from(&mut self, begin: usize) -> &mut [Row] {
        self.rows.get_mut(begin..).unwrap_or_default()
    }

    /// What was found.
    pub fn rows(self) -> Vec<Row> {
        self.rows
    }
}

/// A row of an entity whose name is its type and its identity.
pub fn row(of: &'static EntityType, identity: &str) -> Row {
    Row::new(of, &format!("{}/{identity}", of.short), identity)
}

#[cfg(test)]
mod tests {
    use engine_router_management::types::LINK;

    use super::*;

    fn offer(window: &mut Window<'_>, identities: std::ops::Range<u32>) {
        identities.for_each(|identity| window.offer(|| row(&LINK, &identity.to_string())));
    }

    fn identities(window: Window<'_>) -> Vec<String> {
        let identity = |row: Row| row.get("identity").and_then(|value| value.as_text().map(str::to_owned));
        window.rows().into_iter().filter_map(identity).collect()
    }

    #[test]
    fn a_part_begins_behind_others_and_ends() {
        let mut window = Window::part(3, 2);
        assert_eq!((window.offset(), window.open()), (Some(3), 5));
        offer(&mut window, 0..4);
        assert!(!window.is_full() && window.open() == 1);
        offer(&mut window, 4..9);
        assert!(window.is_full());
        assert_eq!(identities(window), ["3", "4"]);
        let mut behind = Window::part(3, 2);
        behind.pass(3);
        offer(&mut behind, 3..9);
        assert_eq!(identities(behind), ["3", "4"], "what others had is not offered again");
    }

    #[test]
    fn one_is_found_by_what_it_is_named_by() {
        for (by, found) in [(By::Identity("7".to_owned()), "7"), (By::Name("router.link/2".to_owned()), "2")] {
            let named = Named { of: vec![&LINK], by };
            let mut window = Window::named(&named);
            offer(&mut window, 0..9);
            assert_eq!(identities(window), [found]);
        }
        let named = Named { of: vec![&LINK], by: By::Name("7".to_owned()) };
        let mut window = Window::named(&named);
        offer(&mut window, 0..9);
        assert!(identities(window).is_empty());
    }
}
