//! Copies that wait for one receiver's credit, in the order in which they came.
//!
//! Guarantees: the oldest is found at once, of all and of those that nobody waits to hear of. A copy that is taken out of the middle costs a
//! search by halves, and the moving of what is on its shorter side.

use std::collections::VecDeque;

use super::keys::CopyKey;

/// Whether somebody waits to hear what becomes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Its sender does.
    Awaited,
    /// Nobody: it was sent settled, or its sender is gone.
    Unawaited,
}

/// What waits for a receiver. Numbers of a line grow with each copy that comes, and are used once.
#[derive(Debug, Default)]
pub(super) struct Line {
    awaited: VecDeque<(u64, CopyKey)>,
    unawaited: VecDeque<(u64, CopyKey)>,
    next: u64,
}

impl Line {
    /// Puts a copy behind all others; gives its number.
    pub fn push(&mut self, row: Row, copy: CopyKey) -> u64 {
        let number = self.next;
        self.next += 1;
        self.row(row).push_back((number, copy));
        number
    }

    /// Takes the oldest out.
    pub fn pop(&mut self) -> Option<CopyKey> {
        let row = match (self.awaited.front(), self.unawaited.front()) {
            (Some((awaited, _)), Some((unawaited, _))) if awaited > unawaited => Row::Unawaited,
            (None, _) => Row::Unawaited,
            (Some(_), _) => Row::Awaited,
        };
        self.row(row).pop_front().map(|(_, copy)| copy)
    }

    /// Takes the oldest out that nobody waits for.
    pub fn pop_unawaited(&mut self) -> Option<CopyKey> {
        self.unawaited.pop_front().map(|(_, copy)| copy)
    }

    /// Nobody waits for a copy any more.
    pub fn forsake(&mut self, number: u64) {
        if let Some(copy) = take(&mut self.awaited, number) {
            let at = self.unawaited.partition_point(|(known, _)| *known < number);
            self.unawaited.insert(at, (number, copy));
        }
    }

    /// Takes a copy out.
    pub fn remove(&mut self, number: u64) {
        if take(&mut self.awaited, number).is_none() {
            take(&mut self.unawaited, number);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.awaited.len() + self.unawaited.len()
    }

    /// Those of a row, the oldest first.
    pub fn iter(&self, row: Row) -> impl Iterator<Item = CopyKey> {
        let row = match row {
            Row::Awaited => &self.awaited,
            Row::Unawaited => &self.unawaited,
        };
        row.iter().map(|(_, copy)| *copy)
    }

    fn row(&mut self, row: Row) -> &mut VecDeque<(u64, CopyKey)> {
        match row {
            Row::Awaited => &mut self.awaited,
            Row::Unawaited => &mut self.unawaited,
        }
    }
}

fn take(row: &mut VecDeque<(u64, CopyKey)>, number: u64) -> Option<CopyKey> {
    let at = row.binary_search_by_key(&number, |(known, _)| *known).ok()?;
    row.remove(at).map(|(_, copy)| copy)
}
