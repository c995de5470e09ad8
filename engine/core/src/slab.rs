//! A table whose places are used again, with keys that go stale.

/// Names an entry; stale once the entry is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl Key {
    /// Names no entry, ever: tables are bounded far below so many places.
    pub(crate) const NOWHERE: Self = Self { slot: u32::MAX, generation: u32::MAX };
}

/// Places that an empty table keeps: what a queue's consumers usually hold.
const KEPT_PLACES: usize = 4096;

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    entry: Option<T>,
}

/// Entries by key.
#[derive(Debug)]
pub(crate) struct Slab<T> {
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

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), begin: 0 }
    }
}

impl<T> Slab<T> {
    /// Octets of one entry.
    pub const PLACE_BYTES: usize = size_of::<Place<T>>();

    /// Always inlined: the entry is then made in its place instead of being handed over.
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

    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.places.get(key.slot as usize) {
            Some(Place { generation, entry: Some(entry) }) if *generation == key.generation => Some(entry),
            _ => None,
        }
    }

    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.places.get_mut(key.slot as usize) {
            Some(Place { generation, entry: Some(entry) }) if *generation == key.generation => Some(entry),
            _ => None,
        }
    }

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
                *generation = generation.wrapping_add(1);
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
                *generation = generation.wrapping_add(1);
                self.free.push(key.slot);
                found
            }
            _ => None,
        }
    }

    /// Gives the memory of a table back that had many entries and has none now.
    pub fn release_places(&mut self) {
        if self.len() == 0 && self.places.len() > KEPT_PLACES {
            let generations = self.places.iter().map(|place| place.generation);
            let (places, free) = (Vec::new(), Vec::new());
            *self = Self { places, free, begin: generations.max().unwrap_or(0).wrapping_add(1) };
        }
    }

    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// All places from one on, those without an entry too.
    pub fn places(&self, from: u32) -> impl Iterator<Item = (u32, Option<&T>)> {
        let places = self.places.get(from as usize..).unwrap_or_default();
        (from..).zip(places).map(|(slot, place)| (slot, place.entry.as_ref()))
    }

    /// The keys of what lives in the places from one on, of which as many are looked at as are `left`.
    pub fn keys(&self, from: u32, left: &mut usize) -> Stretch {
        let places = self.places.get(from as usize..).unwrap_or_default();
        let looked = places.len().min(*left);
        *left -= looked;
        let next = from.saturating_add(u32::try_from(looked).unwrap_or(u32::MAX));
        let living = (from..)
            .zip(places.iter().take(looked))
            .filter_map(|(slot, place)| place.entry.as_ref().map(|_| Key { slot, generation: place.generation }));
        Stretch { living: living.collect(), next: (looked < places.len()).then_some(next) }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.places.iter().enumerate().filter_map(|(slot, place)| {
            let slot = u32::try_from(slot).ok()?;
            Some((Key { slot, generation: place.generation }, place.entry.as_ref()?))
        })
    }
}
