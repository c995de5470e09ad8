//! Many things of one kind, told page by page.
//!
//! 1. One page is bounded work for whoever has the things: at most `PAGE_ROWS_MAX` rows, and about `PAGE_STEPS_MAX` steps over places of
//!    its table, whether things are in them, are wanted, or not. A page may thus be short or empty and not be the last.
//! 2. A cursor is the place to go on from. A thing stays in its place while it exists; so what is there from the first page to the last is
//!    told once, whatever comes and goes in between. What comes meanwhile is told if its place lies ahead.
//!
//! Not here: order. Whoever wants one sorts what was told.

/// Rows of a page at most: a queue's costs about a microsecond (two names are copied), so a page is about a turn's work.
pub const PAGE_ROWS_MAX: usize = 1000;
/// Steps of a page at most, give or take the last thing's: looking at a place that has nothing to tell is a miss of the cache, some 100 ns.
pub const PAGE_STEPS_MAX: usize = 4000;

/// Which part of the things is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The place to go on from; 0 is the first.
    pub from: u32,
    /// Rows wanted; more than `PAGE_ROWS_MAX` are not given.
    pub rows: usize,
    /// How names begin of those that are wanted; empty: all are.
    pub prefix: String,
}

/// A part of the things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<V> {
    /// What was asked for.
    pub rows: Vec<V>,
    /// The place to go on from; `None` behind the last.
    pub next: Option<u32>,
}

/// Makes the page of `range` from a table's places, the first of which is the one of `range`: `name` is what the prefix is of, `steps` what
/// looking at a thing costs beyond its place, `view` what is told of it.
pub fn page<'a, E: 'a, V>(
    places: impl Iterator<Item = (u32, Option<&'a E>)>,
    range: &Range,
    name: impl Fn(&'a E) -> &'a str,
    steps: impl Fn(&'a E) -> usize,
    view: impl Fn(&'a E) -> V,
) -> Page<V> {
    let rows_max = range.rows.min(PAGE_ROWS_MAX);
    let mut rows = Vec::new();
    let mut stepped = 0;
    for (place, thing) in places {
        if stepped >= PAGE_STEPS_MAX || rows.len() >= rows_max {
            return Page { rows, next: Some(place) };
        }
        stepped += 1;
        let Some(thing) = thing.filter(|thing| name(thing).starts_with(&range.prefix)) else { continue };
        stepped += steps(thing);
        rows.push(view(thing));
    }
    Page { rows, next: None }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use super::*;

    fn range(from: u32, prefix: &str) -> Range {
        Range { from, rows: usize::MAX, prefix: prefix.to_owned() }
    }

    /// The page of a table, and how many places were looked at for it.
    fn look(table: &[Option<String>], range: &Range) -> (Page<String>, usize) {
        let looked = Cell::new(0);
        let places = (0..).zip(table).skip(range.from as usize).map(|(place, thing)| {
            looked.set(looked.get() + 1);
            (place, thing.as_ref())
        });
        let page = page(places, range, |thing: &String| thing, |_| 0, Clone::clone);
        (page, looked.get())
    }

    #[test]
    fn the_work_of_a_page_does_not_grow_with_the_table() {
        let full: Vec<_> = (0..100_000).map(|n| Some(format!("queue-{n}"))).collect();
        let (page, looked) = look(&full, &range(0, ""));
        assert_eq!((page.rows.len(), page.next, looked), (1000, Some(1000), 1001));
        let (page, looked) = look(&full, &range(0, "no such"));
        assert_eq!((page.rows.len(), page.next, looked), (0, Some(4000), 4001), "what is not wanted is work, too");
        let (page, looked) = look(&vec![None; 100_000], &range(96_000, ""));
        assert_eq!((page.rows.len(), page.next, looked), (0, None, 4000));
        let few = Range { rows: 3, ..range(10, "") };
        let (page, _) = look(&full, &few);
        assert_eq!(
            (page.rows, page.next),
            (["queue-10", "queue-11", "queue-12"].map(str::to_owned).to_vec(), Some(13))
        );
    }

    #[test]
    fn things_that_are_work_themselves_shorten_the_page() {
        let table = vec!["connection"; 100];
        let places = (0..).zip(&table).map(|(place, thing)| (place, Some(thing)));
        let page = page(places, &range(0, ""), |thing| thing, |_| 999, |_| ());
        assert_eq!((page.rows.len(), page.next), (4, Some(4)));
    }

    #[test]
    fn what_stays_is_told_once_whatever_comes_and_goes() {
        let mut table: Vec<_> = (0..5000).map(|n| Some(format!("stays-{n}"))).collect();
        table.iter_mut().step_by(3).for_each(|thing| *thing = Some("goes".to_owned()));
        let (mut told, mut from) = (Vec::new(), Some(0));
        while let Some(place) = from {
            let (page, _) = look(&table, &range(place, ""));
            told.extend(page.rows);
            from = page.next;
            // Some of those before and behind the cursor go, others take their places, and the table grows.
            table.iter_mut().step_by(3).for_each(|thing| *thing = None);
            table.iter_mut().step_by(9).for_each(|thing| *thing = Some("came".to_owned()));
            table.push(Some("came".to_owned()));
        }
        let stayed: Vec<_> = told.iter().filter(|name| name.starts_with("stays")).collect();
        assert_eq!(stayed.len(), 3333);
        assert_eq!(stayed.iter().collect::<BTreeSet<_>>().len(), 3333);
    }
}
