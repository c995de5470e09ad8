//! The pattern that says most of those that match an address, and its value: found by a tree of their words.
//!
//! Guarantees: it is the greatest pattern that matches. Work is at most the product of the address' words and the tree's nodes, and a few
//! steps for each word as a rule. Nothing recurses.
//!
//! A tree is made whole from its patterns, and not changed.

use std::collections::BTreeMap;

use super::pattern::{Pattern, Word, words};

/// A node, by the words that lead to it.
#[derive(Clone, Debug, Default)]
struct Node {
    words: BTreeMap<Box<str>, usize>,
    /// The node behind `*`.
    one: Option<usize>,
    /// The node behind `#`.
    any: Option<usize>,
    /// Whether `#` leads here, so that it stays in question for every further word.
    stays: bool,
    /// The place of the pattern that ends here.
    ends: Option<usize>,
}

/// Values by patterns, found by addresses.
#[derive(Clone, Debug)]
pub struct Tree<T> {
    /// The root first.
    nodes: Vec<Node>,
    /// Patterns and values, those that say least first.
    values: Vec<(Pattern, T)>,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], values: Vec::new() }
    }
}

impl<T> FromIterator<(Pattern, T)> for Tree<T> {
    /// Of values of the same pattern the first one counts.
    fn from_iter<I: IntoIterator<Item = (Pattern, T)>>(patterns: I) -> Self {
        let mut tree = Self { values: patterns.into_iter().collect(), ..Self::default() };
        tree.values.sort_by(|(one, _), (other, _)| one.cmp(other));
        tree.values.dedup_by(|(one, _), (before, _)| one == before);
        for (place, (pattern, _)) in tree.values.iter().enumerate() {
            let end = pattern.words().iter().fold(0, |node, word| step(&mut tree.nodes, node, word));
            if let Some(node) = tree.nodes.get_mut(end) {
                node.ends = Some(place);
            }
        }
        tree
    }
}

/// The node behind another one, made where it is missing.
fn step(nodes: &mut Vec<Node>, from: usize, word: &Word) -> usize {
    let made = nodes.len();
    let Some(node) = nodes.get_mut(from) else { return from };
    let next = match word {
        Word::Any => *node.any.get_or_insert(made),
        Word::One => *node.one.get_or_insert(made),
        Word::Literal(word) => *node.words.entry(word.clone()).or_insert(made),
    };
    if next == made {
        nodes.push(Node { stays: *word == Word::Any, ..Node::default() });
    }
    next
}

impl<T> Tree<T> {
    /// The value of the pattern that says most of those that match an address.
    #[must_use]
    pub fn best(&self, address: &str) -> Option<(&Pattern, &T)> {
        if self.values.is_empty() {
            return None;
        }
        let (mut open, mut next) = (Vec::new(), Vec::new());
        self.enter(0, &mut open);
        for word in words(address) {
            for &index in &open {
                let Some(node) = self.nodes.get(index) else { continue };
                let behind = node.words.get(word).copied().into_iter().chain(node.one);
                behind.chain(node.stays.then_some(index)).for_each(|index| self.enter(index, &mut next));
            }
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut open, &mut next);
            next.clear();
        }
        let best = open.iter().filter_map(|index| self.nodes.get(*index)?.ends).max()?;
        self.values.get(best).map(|(pattern, value)| (pattern, value))
    }

    /// All values, those of the patterns that say least first.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter().map(|(_, value)| value)
    }

    /// Puts a node in question, and the one behind its `#`, which needs no word. No `#` follows another.
    fn enter(&self, index: usize, open: &mut Vec<usize>) {
        open.push(index);
        open.extend(self.nodes.get(index).and_then(|node| node.any));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_greatest_pattern_that_matches_is_found(
            texts in proptest::collection::vec("([ab*#]([./][ab*#]){0,4})", 0..24), address in "[abc]([./][abc]){0,5}",
        ) {
            let patterns: Vec<Pattern> = texts.iter().filter_map(|text| Pattern::new(text)).collect();
            let tree: Tree<()> = patterns.iter().map(|pattern| (pattern.clone(), ())).collect();
            let wanted = patterns.iter().filter(|pattern| pattern.matches(&address)).max();
            prop_assert_eq!(tree.best(&address).map(|(pattern, ())| pattern), wanted);
        }
    }

    #[test]
    fn of_the_same_pattern_the_first_value_counts() {
        let tree: Tree<u8> =
            [("#.#", 1), ("#", 2)].map(|(text, value)| (Pattern::new(text).expect(text), value)).into_iter().collect();
        assert_eq!(tree.best("a").map(|(_, value)| *value), Some(1));
    }
}
