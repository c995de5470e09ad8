//! Things by keys that go stale with them: a place that is used again has another generation.

use std::marker::PhantomData;

/// Names an entry of a `Table`.
#[derive(Debug)]
pub(super) struct Key<T> {
    pub place: u32,
    pub generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// As a number, for the readiness source.
    pub fn token(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.place)
    }

    /// The key of a number.
    pub fn of_token(token: u64) -> Self {
        Self { place: (token & u64::from(u32::MAX)) as u32, generation: (token >> 32) as u32, of: PhantomData }
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.place, self.generation) == (other.place, other.generation)
    }
}

/// Entries by key.
#[derive(Debug)]
pub(super) struct Table<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    entries_max: usize,
}

impl<T> Table<T> {
    /// An empty one that takes at most so many.
    pub fn new(entries_max: usize) -> Self {
        Self { places: Vec::new(), free: Vec::new(), entries_max }
    }

    /// Adds an entry; `None` when there are too many.
    pub fn insert(&mut self, entry: T) -> Option<Key<T>> {
        if let Some(place) = self.free.pop() {
            let (generation, slot) = self.places.get_mut(place as usize)?;
            *slot = Some(entry);
            return Some(Key { place, generation: *generation, of: PhantomData });
        }
        let place = u32::try_from(self.places.len()).ok().filter(|_| self.places.len() < self.entries_max)?;
        self.places.push((0, Some(entry)));
        Some(Key { place, generation: 0, of: PhantomData })
    }

    /// The entry of a key that is not stale.
    #[inline]
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let (generation, slot) = self.places.get_mut(key.place as usize)?;
        if *generation == key.generation { slot.as_mut() } else { None }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let (generation, slot) = self.places.get_mut(key.place as usize)?;
        let entry = if *generation == key.generation { slot.take() } else { None }?;
        // Half the range, so that no token has the highest bit, which listeners have.
        *generation = (*generation + 1) & (u32::MAX >> 1);
        self.free.push(key.place);
        Some(entry)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    /// The keys of all entries, by place.
    pub fn keys(&self) -> Vec<Key<T>> {
        let places = self.places.iter().enumerate().filter(|(_, (_, slot))| slot.is_some());
        places
            .map(|(place, (generation, _))| Key { place: place as u32, generation: *generation, of: PhantomData })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut table = Table::new(1);
        let first = table.insert('a').expect("there is room");
        assert_eq!(table.insert('b'), None);
        assert_eq!(table.remove(first), Some('a'));
        let second = table.insert('c').expect("there is room again");
        assert_eq!((second.place, table.get_mut(first)), (first.place, None));
        assert_eq!(table.get_mut(Key::of_token(second.token())), Some(&mut 'c'));
        assert_eq!(table.keys(), [second]);
    }
}
