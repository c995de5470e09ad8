//! A table whose keys go stale with their entries: a slot that is used again has another generation.
//!
//! Guarantees: a key finds the entry it was made for, or nothing. Slots are used again last-freed-first, so the table
//! is no larger than its fullest moment.

/// Names an entry of a [`Slots`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The place in the table.
    pub index: u32,
    /// Distinguishes successive users of the place; wraps.
    pub generation: u16,
}

/// Entries by slot.
#[derive(Debug)]
pub struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    entries_max: u32,
}

#[derive(Debug)]
struct Place<T> {
    generation: u16,
    entry: Option<T>,
}

impl<T> Slots<T> {
    /// A table of at most `entries_max` entries that allocates as it fills.
    pub fn new(entries_max: u32) -> Self {
        Self { places: Vec::new(), free: Vec::new(), entries_max }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// Gives the entry back when the table is full.
    pub fn insert(&mut self, entry: T) -> Result<Slot, T> {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.places.get_mut(index as usize)
        {
            place.entry = Some(entry);
            return Ok(Slot { index, generation: place.generation });
        }
        match u32::try_from(self.places.len()) {
            Ok(index) if index < self.entries_max => {
                self.places.push(Place { generation: 0, entry: Some(entry) });
                Ok(Slot { index, generation: 0 })
            }
            _ => Err(entry),
        }
    }

    /// Takes an entry out; its key is stale from here on.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let place = self.places.get_mut(slot.index as usize).filter(|place| place.generation == slot.generation)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot.index);
        Some(entry)
    }

    /// The entry of a key that is not stale.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.places.get(slot.index as usize).filter(|place| place.generation == slot.generation)?.entry.as_ref()
    }

    /// The entry of a key that is not stale.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.places.get_mut(slot.index as usize).filter(|place| place.generation == slot.generation)?.entry.as_mut()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().filter_map(|place| place.entry.as_mut())
    }

    /// All places from one on, those without an entry too.
    pub fn places(&self, from: u32) -> impl Iterator<Item = (u32, Option<&T>)> {
        let places = self.places.get(from as usize..).unwrap_or_default();
        (from..).zip(places).map(|(index, place)| (index, place.entry.as_ref()))
    }

    /// All entries in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let index = u32::try_from(index).ok()?;
            Some((Slot { index, generation: place.generation }, place.entry.as_ref()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slots = Slots::new(10);
        let first = slots.insert('a').unwrap();
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b').unwrap();
        assert_eq!(second.index, first.index, "the place serves again");
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&'b'));
    }

    #[test]
    fn a_full_table_gives_the_entry_back() {
        let mut slots = Slots::new(1);
        let only = slots.insert(1).unwrap();
        assert_eq!(slots.insert(2), Err(2));
        slots.remove(only);
        assert!(slots.insert(3).is_ok());
        assert_eq!(slots.iter().map(|(_, entry)| *entry).collect::<Vec<_>>(), [3]);
    }
}
