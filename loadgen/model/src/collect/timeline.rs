//! The seconds of a run, in bounded memory: of a long run neighbours become one row.
//!
//! Counts of a merged row are sums and its mean is that of all values. Its percentiles are the larger ones of the two rows: the
//! histograms are gone by then (the interval log has them), and a row may say too much but never too little.

use crate::result::{Percentiles, Second};

/// Rows at most: an hour of seconds, and more than a chart has points. Above it each two become one, so that rows are at least half
/// of it.
const ROWS_MAX: usize = 3600;

/// Seconds, or rows of several.
#[derive(Debug)]
pub(super) struct Timeline {
    rows: Vec<Second>,
    /// Seconds that the last row has and that a row may have.
    in_last: usize,
    to_a_row: usize,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { rows: Vec::new(), in_last: 0, to_a_row: 1 }
    }
}

impl Timeline {
    pub(super) fn push(&mut self, second: Second) {
        match self.rows.last_mut() {
            Some(last) if self.in_last < self.to_a_row && can_merge(last, &second) => {
                merge(last, second);
                self.in_last += 1;
            }
            _ => {
                self.rows.push(second);
                self.in_last = 1;
            }
        }
        if self.rows.len() > ROWS_MAX {
            self.halve();
        }
    }

    pub(super) fn into_rows(self) -> Vec<Second> {
        self.rows
    }

    fn halve(&mut self) {
        self.to_a_row *= 2;
        let mut halved: Vec<Second> = Vec::with_capacity(ROWS_MAX);
        let mut pair = false;
        for row in self.rows.drain(..) {
            match halved.last_mut() {
                Some(last) if pair && can_merge(last, &row) => {
                    merge(last, row);
                    pair = false;
                }
                _ => {
                    halved.push(row);
                    pair = true;
                }
            }
        }
        self.rows = halved;
        self.in_last = self.to_a_row;
    }
}

/// A row is measured or it is not.
fn can_merge(row: &Second, other: &Second) -> bool {
    row.measured == other.measured
}

fn merge(row: &mut Second, other: Second) {
    row.length_s += other.length_s;
    row.counts.add(&other.counts);
    row.server_cpu = larger(row.server_cpu, other.server_cpu);
    row.server_memory = row.server_memory.max(other.server_memory);
    for theirs in other.percentiles {
        match row.percentiles.iter_mut().find(|ours| ours.metric == theirs.metric) {
            Some(ours) => merge_percentiles(ours, &theirs),
            None => row.percentiles.push(theirs),
        }
    }
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        _ => one.or(other),
    }
}

fn merge_percentiles(ours: &mut Percentiles, theirs: &Percentiles) {
    let count = ours.count + theirs.count;
    ours.mean = (ours.mean * ours.count as f64 + theirs.mean * theirs.count as f64) / count.max(1) as f64;
    ours.count = count;
    ours.min = ours.min.min(theirs.min);
    ours.p50 = ours.p50.max(theirs.p50);
    ours.p90 = ours.p90.max(theirs.p90);
    ours.p99 = ours.p99.max(theirs.p99);
    ours.p99_9 = ours.p99_9.max(theirs.p99_9);
    ours.p99_99 = ours.p99_99.max(theirs.p99_99);
    ours.max = ours.max.max(theirs.max);
}
