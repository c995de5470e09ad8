//! Links by the numbers that their host gives them, found without hashing.
//!
//! Guarantee: a number that is not there finds nothing. Places are the lower halves of numbers, so that a table is as long as the highest
//! of them: hosts give low ones again. The highest bit of a half begins a second row, for what is not numbered with the rest.

/// The bit that tells rows apart.
const ROW: u64 = 1 << 31;

/// Links by number.
#[derive(Debug)]
pub(super) struct Table<T> {
    rows: [Vec<Option<(u64, T)>>; 2],
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: [Vec::new(), Vec::new()] }
    }
}

impl<T> Table<T> {
    /// Puts a link in, in place of the one that had its place.
    pub fn insert(&mut self, number: u64, link: T) {
        let (row, place) = place(number);
        let Some(row) = self.rows.get_mut(row) else { return };
        if row.len() <= place {
            row.resize_with(place + 1, || None);
        }
        if let Some(found) = row.get_mut(place) {
            *found = Some((number, link));
        }
    }

    /// A link.
    pub fn get(&self, number: u64) -> Option<&T> {
        let (row, place) = place(number);
        let found = self.rows.get(row)?.get(place)?.as_ref();
        found.filter(|(known, _)| *known == number).map(|(_, link)| link)
    }

    /// A link, to be changed.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (row, place) = place(number);
        let found = self.rows.get_mut(row)?.get_mut(place)?.as_mut();
        found.filter(|(known, _)| *known == number).map(|(_, link)| link)
    }

    /// Takes a link out.
    pub fn remove(&mut self, number: u64) -> Option<T> {
        let (row, place) = place(number);
        let found = self.rows.get_mut(row)?.get_mut(place)?;
        found.take_if(|(known, _)| *known == number).map(|(_, link)| link)
    }

    /// All links with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.rows.iter().flatten().flatten().map(|(number, link)| (*number, link))
    }
}

/// The row of a number, and its place there.
fn place(number: u64) -> (usize, usize) {
    let half = number & u64::from(u32::MAX);
    (usize::from(half & ROW != 0), (half & !ROW) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_finds_its_link_and_no_other_one_of_its_place() {
        let mut table = Table::default();
        for number in [3, ROW, ROW | 3] {
            table.insert(number, number);
        }
        let other = 7 << 32 | 3;
        assert_eq!((table.get(3), table.get(other), table.get(2), table.get(99)), (Some(&3), None, None, None));
        assert_eq!((table.remove(other), table.get_mut(ROW | 3).copied()), (None, Some(ROW | 3)));
        assert_eq!(table.remove(3), Some(3));
        table.insert(other, 5);
        assert_eq!((table.get(3), table.get(other)), (None, Some(&5)));
        assert_eq!(table.iter().count(), 3);
    }
}
