//! Addresses by the hashes of their keys, in a tree whose copies share what they have in common.
//!
//! Guarantees:
//! 1. A copy costs one count, whatever there is in it, and does not change with the tree that it was made of.
//! 2. A change copies the way to its entry where a copy shares it: a branch of `FAN_OUT` places for each level, and the `LEAF_MAX` entries
//!    beside it at most. There are as many levels as the logarithm of the number of entries.
//! 3. Finding allocates nothing. What was taken out leaves nothing behind once all around it is out, too.
//!
//! Not here: the hash, which has to be the same for a key each time, and one that nobody outside can choose.

use std::sync::Arc;

use super::address::Address;
use crate::address::Key;

/// Places of a branch: few, as each level that a change goes through is copied.
const FAN_OUT: usize = 1 << FAN_BITS;
const FAN_BITS: u32 = 3;

/// Entries of a leaf, beyond which it becomes a branch: as many as are looked through sooner than another level is gone through.
const LEAF_MAX: usize = 16;

/// Entries with which a branch becomes a leaf again: so few that the next one that comes does not make a branch of it.
const MERGED_MAX: usize = LEAF_MAX / 2;

/// Addresses by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    root: Node,
}

#[derive(Clone, Debug, Default)]
enum Node {
    #[default]
    Empty,
    Leaf(Arc<Vec<Entry>>),
    Branch(Arc<[Node; FAN_OUT]>),
}

#[derive(Clone, Debug)]
struct Entry {
    hash: u64,
    key: Key,
    address: Arc<Address>,
}

/// Where an entry is, seen from a level.
#[derive(Clone, Copy)]
struct At<'a> {
    hash: u64,
    key: &'a Key,
    depth: u32,
}

impl At<'_> {
    fn below(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    fn is(self, entry: &Entry) -> bool {
        entry.hash == self.hash && entry.key == *self.key
    }
}

#[expect(clippy::indexing_slicing, reason = "a place of a branch is below `FAN_OUT`")]
impl Trie {
    /// The address of a key with this hash, by the key's text, with the key.
    pub fn find(&self, hash: u64, text: &str) -> Option<(&Key, &Arc<Address>)> {
        let (mut node, mut depth) = (&self.root, 0);
        loop {
            match node {
                Node::Empty => return None,
                Node::Leaf(entries) => {
                    let found = entries.iter().find(|entry| entry.hash == hash && entry.key.as_str() == text)?;
                    return Some((&found.key, &found.address));
                }
                Node::Branch(places) => {
                    node = &places[place(hash, depth)];
                    depth += 1;
                }
            }
        }
    }

    /// Changes what there is of a key with this hash: nothing, or an address, before and after.
    pub fn edit<T>(&mut self, hash: u64, key: &Key, change: impl FnOnce(&mut Option<Arc<Address>>) -> T) -> T {
        self.root.edit(At { hash, key, depth: 0 }, change)
    }

    /// Where the entries of a hash are: those that are near each other are below the same branches.
    pub fn order(hash: u64) -> u64 {
        // Branches nearest to the root go by the lowest bits.
        hash.reverse_bits()
    }

    /// All addresses, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Address>)> {
        let (mut nodes, mut entries) = (vec![&self.root], [].iter());
        std::iter::from_fn(move || {
            loop {
                if let Some(Entry { key, address, .. }) = entries.next() {
                    return Some((key, address));
                }
                match nodes.pop()? {
                    Node::Empty => {}
                    Node::Leaf(leaf) => entries = leaf.iter(),
                    Node::Branch(places) => nodes.extend(places.iter()),
                }
            }
        })
    }
}

#[expect(clippy::indexing_slicing, reason = "a place of a branch is below `FAN_OUT`")]
impl Node {
    fn edit<T>(&mut self, at: At<'_>, change: impl FnOnce(&mut Option<Arc<Address>>) -> T) -> T {
        match self {
            Self::Empty => {
                let mut address = None;
                let changed = change(&mut address);
                if let Some(address) = address {
                    let entry = Entry { hash: at.hash, key: at.key.clone(), address };
                    *self = Self::Leaf(Arc::new(vec![entry]));
                }
                changed
            }
            Self::Leaf(entries) => {
                let entries = Arc::make_mut(entries);
                let changed = edit_leaf(entries, at, change);
                if entries.is_empty() {
                    *self = Self::Empty;
                } else if entries.len() > LEAF_MAX && at.depth * FAN_BITS < u64::BITS {
                    *self = Self::split(std::mem::take(entries), at.depth);
                }
                changed
            }
            Self::Branch(places) => {
                let places = Arc::make_mut(places);
                let below = &mut places[place(at.hash, at.depth)];
                let changed = below.edit(at.below(), change);
                if matches!(below, Self::Empty)
                    && let Some(merged) = Self::merge(places)
                {
                    *self = merged;
                }
                changed
            }
        }
    }

    fn split(entries: Vec<Entry>, depth: u32) -> Self {
        let mut leaves: [Vec<Entry>; FAN_OUT] = Default::default();
        for entry in entries {
            leaves[place(entry.hash, depth)].push(entry);
        }
        Self::Branch(Arc::new(leaves.map(|mut leaf| {
            leaf.shrink_to_fit();
            if leaf.is_empty() { Self::Empty } else { Self::Leaf(Arc::new(leaf)) }
        })))
    }

    /// What there is below a branch as one node, if that is a leaf's.
    fn merge(places: &mut [Self; FAN_OUT]) -> Option<Self> {
        let count = places.iter().try_fold(0, |count, node| match node {
            Self::Empty => Some(count),
            Self::Leaf(entries) => Some(count + entries.len()),
            Self::Branch(_) => None,
        });
        let count = count.filter(|count| *count <= MERGED_MAX)?;
        let mut merged = Vec::with_capacity(count);
        for node in places {
            if let Self::Leaf(entries) = std::mem::take(node) {
                merged.extend(Arc::unwrap_or_clone(entries));
            }
        }
        Some(if merged.is_empty() { Self::Empty } else { Self::Leaf(Arc::new(merged)) })
    }
}

/// Changes what a leaf has of a key. What is there is taken out meanwhile, so that nothing but copies of the tree shares it.
fn edit_leaf<T>(entries: &mut Vec<Entry>, at: At<'_>, change: impl FnOnce(&mut Option<Arc<Address>>) -> T) -> T {
    let known = entries.iter().position(|entry| at.is(entry)).map(|place| entries.swap_remove(place));
    let (key, mut address) = match known {
        Some(Entry { key, address, .. }) => (key, Some(address)),
        None => (at.key.clone(), None),
    };
    let changed = change(&mut address);
    if let Some(address) = address {
        // Most leaves stay as they are for long: none has room that it may not need.
        entries.reserve_exact(1);
        entries.push(Entry { hash: at.hash, key, address });
    }
    changed
}

/// Which place of a branch at this level a hash belongs to.
fn place(hash: u64, depth: u32) -> usize {
    usize::try_from(hash.checked_shr(depth * FAN_BITS).unwrap_or_default()).unwrap_or_default() % FAN_OUT
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::set::RouterSet;
    use crate::treatment::Treatment;

    fn key(number: u16) -> Key {
        Key::read(&format!("M0{number}")).expect("a key")
    }

    fn address(number: u32) -> Arc<Address> {
        Arc::new(Address { number, treatment: Treatment::Balanced, local: Vec::new(), routers: RouterSet::EMPTY })
    }

    fn numbers(trie: &Trie) -> BTreeMap<String, u32> {
        trie.iter().map(|(key, address)| (key.as_str().to_owned(), address.number)).collect()
    }

    proptest! {
        /// Hashes that are the same in many bits, and those of several keys in all of them.
        #[test]
        fn it_is_a_map_and_copies_stay(
            steps in proptest::collection::vec((0..60_u16, any::<bool>()), 0..300),
            hash_bits in prop_oneof![Just(0), Just(2), Just(64)],
        ) {
            let (mut trie, mut model, mut copies) = (Trie::default(), BTreeMap::new(), Vec::new());
            let hash = |number: u16| {
                let spread = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                if hash_bits == 0 { 7 } else { spread >> (64 - hash_bits) << (64 - hash_bits) }
            };
            for (step, (number, is_put)) in (0..).zip(steps) {
                let key = key(number);
                let put = is_put.then(|| address(step));
                let before = trie.edit(hash(number), &key, |known| std::mem::replace(known, put));
                let name = key.as_str().to_owned();
                let expected = if is_put { model.insert(name, step) } else { model.remove(&name) };
                prop_assert_eq!(before.map(|address| address.number), expected);
                let found = trie.find(hash(number), key.as_str()).map(|(_, address)| address.number);
                prop_assert_eq!(found, is_put.then_some(step));
                if step % 16 == 0 {
                    copies.push((trie.clone(), model.clone()));
                }
            }
            prop_assert_eq!(numbers(&trie), model.clone());
            for (copy, model) in copies {
                prop_assert_eq!(numbers(&copy), model);
            }
            for number in 0..60 {
                trie.edit(hash(number), &key(number), |known| *known = None);
            }
            prop_assert!(matches!(trie.root, Node::Empty), "nothing is left behind");
        }
    }

    /// Nodes of a tree that a copy does not share.
    fn own(node: &Node, copy: &Node) -> usize {
        match (node, copy) {
            (Node::Leaf(one), Node::Leaf(other)) => usize::from(!Arc::ptr_eq(one, other)),
            (Node::Branch(one), Node::Branch(other)) if Arc::ptr_eq(one, other) => 0,
            (Node::Branch(one), Node::Branch(other)) => {
                1 + one.iter().zip(other.iter()).map(|(one, other)| own(one, other)).sum::<usize>()
            }
            (Node::Empty, Node::Empty) => 0,
            _ => 1,
        }
    }

    #[test]
    fn a_change_copies_its_way_and_nothing_else() {
        let mut trie = Trie::default();
        let hash = |number: u16| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        for number in 0..50_000 {
            trie.edit(hash(number), &key(number), |known| *known = Some(address(number.into())));
        }
        for number in (0..50_000).step_by(997) {
            let copy = trie.clone();
            trie.edit(hash(number), &key(number), |known| *known = Some(address(0)));
            let own = own(&trie.root, &copy.root);
            assert!((2..=8).contains(&own), "{own} nodes of some thousands");
        }
    }
}
