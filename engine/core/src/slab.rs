//! A table whose places are used again, with keys that go stale: the one of owners, of homes (links) and of shells (connections).
//!
//! Guarantees: a key finds the entry that it was made for, or nothing, until a place had as many users as there are generations. A place
//! is used again last-freed-first, so that a table is no larger than its fullest moment. Adding, finding and removing cost the same however
//! many entries there are.
//!
//! A table knows no bound: who fills it has one of its own, or names it with each entry (`insert_within`).

/// Names an entry; stale once the entry is gone. By default the first place's first user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl Key {
    /// Names no entry, ever: tables are bounded far below so many places.
    pub(crate) const NOWHERE: Self = Self { slot: u32::MAX, generation: u32::MAX };

    /// The key of the user with that generation of a place.
    #[inline]
    #[must_use]
    pub fn at(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// The place in the table.
    #[inline]
    #[must_use]
    pub fn slot(self) -> u32 {
        self.slot
    }

    /// Distinguishes successive users of the place.
    #[inline]
    #[must_use]
    pub fn generation(self) -> u32 {
        self.generation
    }

    /// As one number.
    #[inline]
    #[must_use]
    pub fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.slot)
    }

    /// The key that is that number.
    #[inline]
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let [generation, slot] = [bits >> 32, bits & u64::from(u32::MAX)].map(|half| half as u32);
        Self { slot, generation }
    }
}

/// Places that an empty table keeps: what a queue's consumers usually hold.
const KEPT_PLACES: usize = 4096;

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    entry: Option<T>,
}

/// Entries by key. Generations go up to `GENERATION_MAX`, a power of two less one, and begin anew behind it: as many bits as whoever passes
/// keys on has for them.
#[derive(Debug)]
pub struct Slab<T, const GENERATION_MAX: u32 = { u32::MAX }> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    /// The generation that new places begin with: no key has had it.
    begin: u32,
}

/// A part of a table.
#[derive(Debug)]
pub(crate) struct Stretch {
    /// What lives there.
    pub living: Vec<Key>,
    /// The place to go on from, if there are more.
    pub next: Option<u32>,
}

impl<T, const GENERATION_MAX: u32> Default for Slab<T, GENERATION_MAX> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), begin: 0 }
    }
}

impl<T, const GENERATION_MAX: u32> Slab<T, GENERATION_MAX> {
    /// Octets of one entry.
    pub const PLACE_BYTES: usize = size_of::<Place<T>>();

    /// The generation behind another.
    #[inline(always)]
    fn behind(generation: u32) -> u32 {
        const { assert!(GENERATION_MAX & GENERATION_MAX.wrapping_add(1) == 0, "a power of two less one") };
        generation.wrapping_add(1) & GENERATION_MAX
    }

    /// Adds an entry to a table that is bounded elsewhere. Always inlined: the entry is then made in its place instead of being handed over.
    #[inline(always)]
    pub fn insert(&mut self, entry: T) -> Key {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.places.get_mut(slot as usize)
        {
            place.entry = Some(entry);
            return Key { slot, generation: place.generation };
        }
        self.insert_behind(entry)
    }

    #[cold]
    #[inline(never)]
    fn insert_behind(&mut self, entry: T) -> Key {
        let slot = u32::try_from(self.places.len()).expect("tables are bounded far below 2^32");
        self.places.push(Place { generation: self.begin, entry: Some(entry) });
        Key { slot, generation: self.begin }
    }

    /// Adds an entry to a table of at most `entries_max`.
    ///
    /// # Errors
    /// Gives the entry back when there are as many.
    pub fn insert_within(&mut self, entry: T, entries_max: u32) -> Result<Key, T> {
        if self.free.is_empty() && self.places.len() >= entries_max as usize {
            return Err(entry);
        }
        Ok(self.insert(entry))
    }

    /// The entry of a key that is not stale.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.places.get(key.slot as usize) {
            Some(Place { generation, entry: Some(entry) }) if *generation == key.generation => Some(entry),
            _ => None,
        }
    }

    /// The entry of a key that is not stale, to change.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.places.get_mut(key.slot as usize) {
            Some(Place { generation, entry: Some(entry) }) if *generation == key.generation => Some(entry),
            _ => None,
        }
    }

    /// Takes an entry out; its key is stale from here on.
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.remove_if(key, |_| true)
    }

    /// Removes an entry if it is the one that is meant.
    #[inline]
    pub fn remove_if(&mut self, key: Key, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        match self.places.get_mut(key.slot as usize) {
            Some(Place { generation, entry }) if *generation == key.generation => {
                let removed = entry.take_if(|entry| is_meant(entry))?;
                *generation = Self::behind(*generation);
                self.free.push(key.slot);
                Some(removed)
            }
            _ => None,
        }
    }

    /// Drops an entry where it is; gives what `look` found at it before.
    #[inline]
    pub fn clear<R>(&mut self, key: Key, look: impl FnOnce(&T) -> R) -> Option<R> {
        match self.places.get_mut(key.slot as usize) {
            Some(Place { generation, entry: place @ Some(_) }) if *generation == key.generation => {
                let found = place.as_ref().map(look);
                *place = None;
                *generation = Self::behind(*generation);
                self.free.push(key.slot);
                found
            }
            _ => None,
        }
    }

    /// Gives the memory of a table back that had many entries and has none now.
    pub fn release_places(&mut self) {
        if self.is_empty() && self.places.len() > KEPT_PLACES {
            let generations = self.places.iter().map(|place| place.generation);
            let (places, free) = (Vec::new(), Vec::new());
            *self = Self { places, free, begin: Self::behind(generations.max().unwrap_or(0)) };
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All places from one on, those without an entry too.
    pub fn places(&self, from: u32) -> impl Iterator<Item = (u32, Option<&T>)> {
        let places = self.places.get(from as usize..).unwrap_or_default();
        (from..).zip(places).map(|(slot, place)| (slot, place.entry.as_ref()))
    }

    /// The keys of what lives in the places from one on, of which as many are looked at as are `left`.
    pub(crate) fn keys(&self, from: u32, left: &mut usize) -> Stretch {
        let places = self.places.get(from as usize..).unwrap_or_default();
        let looked = places.len().min(*left);
        *left -= looked;
        let next = from.saturating_add(u32::try_from(looked).unwrap_or(u32::MAX));
        let living = (from..)
            .zip(places.iter().take(looked))
            .filter_map(|(slot, place)| place.entry.as_ref().map(|_| Key { slot, generation: place.generation }));
        Stretch { living: living.collect(), next: (looked < places.len()).then_some(next) }
    }

    /// All entries, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().filter_map(|place| place.entry.as_mut())
    }

    /// Entries of so many places from `from` on, to change, and the place to go on from: the first one again behind the last.
    pub fn part_mut(&mut self, from: u32, places: u32) -> (impl Iterator<Item = &mut T>, u32) {
        let start = (from as usize).min(self.places.len());
        let end = start.saturating_add(places as usize).min(self.places.len());
        let next = if end == self.places.len() { 0 } else { u32::try_from(end).unwrap_or_default() };
        let part = self.places.get_mut(start..end).unwrap_or_default();
        (part.iter_mut().filter_map(|place| place.entry.as_mut()), next)
    }

    /// All entries in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.places.iter().enumerate().filter_map(|(slot, place)| {
            let slot = u32::try_from(slot).ok()?;
            Some((Key { slot, generation: place.generation }, place.entry.as_ref()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab: Slab<char> = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.slot, first.slot, "the place serves again");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&'b'));
        assert_eq!(Key::from_bits(second.to_bits()), second);
    }

    #[test]
    fn parts_go_round_the_table_whatever_becomes_of_it_meanwhile() {
        let mut slab: Slab<u8> = Slab::default();
        let keys: Vec<Key> = (0..5).map(|entry| slab.insert(entry)).collect();
        slab.remove(keys[1]);
        let mut parts = |from, places| {
            let (part, next) = slab.part_mut(from, places);
            (part.map(|entry| *entry).collect::<Vec<_>>(), next)
        };
        assert_eq!(parts(0, 2), (vec![0], 2));
        assert_eq!(parts(2, 2), (vec![2, 3], 4));
        assert_eq!(parts(4, 2), (vec![4], 0));
        assert_eq!(parts(0, u32::MAX), (vec![0, 2, 3, 4], 0));
        assert_eq!(parts(9, 1), (vec![], 0), "it was longer");
    }

    #[test]
    fn a_full_table_gives_the_entry_back() {
        let mut slab: Slab<u8> = Slab::default();
        assert_eq!(slab.insert_within(0, 0), Err(0));
        let only = slab.insert_within(1, 1).expect("there is room");
        assert_eq!(slab.insert_within(2, 1), Err(2));
        slab.remove(only);
        assert!(slab.insert_within(3, 1).is_ok());
        assert_eq!(slab.iter().map(|(_, entry)| *entry).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn generations_begin_anew_behind_the_highest() {
        let mut slab = Slab::<(), 3>::default();
        let generations: Vec<u32> = std::iter::repeat_with(|| {
            let key = slab.insert(());
            slab.clear(key, |()| ());
            key.generation
        })
        .take(6)
        .collect();
        assert_eq!(generations, [0, 1, 2, 3, 0, 1]);
    }
}
