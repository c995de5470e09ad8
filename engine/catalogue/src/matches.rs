//! Which patterns match an address: a trie of their words.
//!
//! Guarantees:
//! 1. `of` gives the values of exactly those patterns that `Pattern::matches` says match, the least specific first.
//! 2. Its work is at most the product of the address' words and the trie's nodes, and in general a few steps for each word: `#` alone
//!    keeps a node in question for more words than its own.
//!
//! A trie is made whole from its patterns and not changed: the catalogue makes a new one where they change.

use std::collections::BTreeMap;

use crate::pattern::{Part, Pattern, words};

/// A node of the trie, by the parts that lead to it.
#[derive(Clone, Debug, Default)]
struct Node {
    words: BTreeMap<Box<str>, usize>,
    /// The node behind `*`.
    one: Option<usize>,
    /// The node behind `#`.
    any: Option<usize>,
    /// Whether `#` leads here, so that it stays in question for every further word.
    stays: bool,
    /// The place of the value of the pattern that ends here.
    value: Option<usize>,
}

/// Values by patterns, found by addresses.
#[derive(Clone, Debug)]
pub struct Matches<T> {
    /// The root first.
    nodes: Vec<Node>,
    /// Patterns and their values, the least specific first.
    values: Vec<(Pattern, T)>,
}

impl<T> Default for Matches<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], values: Vec::new() }
    }
}

impl<T> Matches<T> {
    /// A trie of patterns that all differ, in any order.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, T)>) -> Self {
        let mut values: Vec<_> = patterns.into_iter().collect();
        values.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut matches = Self { values, ..Self::default() };
        for index in 0..matches.values.len() {
            let pattern = matches.values[index].0.clone();
            let end = pattern.parts().fold(0, |node, part| matches.step(node, part));
            matches.nodes[end].value = Some(index);
        }
        matches
    }

    /// The node behind another, made where it is missing.
    fn step(&mut self, from: usize, part: Part<'_>) -> usize {
        let made = self.nodes.len();
        let node = &mut self.nodes[from];
        let next = match part {
            Part::Any => *node.any.get_or_insert(made),
            Part::One => *node.one.get_or_insert(made),
            Part::Literal(word) => *node.words.entry(word.into()).or_insert(made),
        };
        if next == made {
            self.nodes.push(Node { stays: part == Part::Any, ..Node::default() });
        }
        next
    }

    /// The patterns that match an address and their values, the least specific first.
    pub fn of<'a>(&'a self, address: &str) -> impl DoubleEndedIterator<Item = (&'a Pattern, &'a T)> {
        let mut found = Vec::new();
        if !self.values.is_empty() {
            let (mut nodes, mut next) = (Vec::new(), Vec::new());
            self.enter(0, &mut nodes);
            for word in words(address) {
                for &index in &nodes {
                    let node = &self.nodes[index];
                    if node.stays {
                        self.enter(index, &mut next);
                    }
                    let behind = node.words.get(word).copied().into_iter().chain(node.one);
                    behind.for_each(|behind| self.enter(behind, &mut next));
                }
                next.sort_unstable();
                next.dedup();
                std::mem::swap(&mut nodes, &mut next);
                next.clear();
            }
            found.extend(nodes.iter().filter_map(|&index| self.nodes[index].value));
            found.sort_unstable();
            found.dedup();
        }
        found.into_iter().map(|index| {
            let (pattern, value) = &self.values[index];
            (pattern, value)
        })
    }

    /// Puts a node in question, and the one behind its `#`, which needs no word. No `#` follows another.
    fn enter(&self, index: usize, nodes: &mut Vec<usize>) {
        nodes.push(index);
        nodes.extend(self.nodes[index].any);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Patterns of few words, so that many match.
    fn patterns() -> impl Strategy<Value = Vec<Pattern>> {
        let word = prop_oneof![Just("a"), Just("b"), Just(""), Just("*"), Just("#")];
        let text = proptest::collection::vec(word, 1..6).prop_map(|words| words.join("."));
        proptest::collection::vec(text, 0..24).prop_map(|texts| {
            let mut patterns: Vec<_> = texts.iter().filter_map(|text| Pattern::new(text).ok()).collect();
            patterns.sort();
            patterns.dedup();
            patterns
        })
    }

    proptest! {
        #[test]
        fn exactly_what_matches_is_found_in_its_order(
            patterns in patterns().prop_shuffle(),
            words in proptest::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c"), Just("")], 1..8),
        ) {
            let address = words.join(".");
            let mut wanted: Vec<&Pattern> = patterns.iter().filter(|pattern| pattern.matches(&address)).collect();
            wanted.sort();
            let matches = Matches::new(patterns.iter().map(|pattern| (pattern.clone(), ())));
            let found: Vec<&Pattern> = matches.of(&address).map(|(pattern, ())| pattern).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn the_deepest_patterns_and_the_longest_addresses_are_matched() {
        let deep = ["#.a", &["a"; 16].join(".#."), "#.b.#"];
        let matches = Matches::new(deep.iter().filter_map(|text| Some((Pattern::new(text).ok()?, ()))));
        let address = vec!["a"; 1024].join(".");
        assert!(matches.of(&address).map(|(pattern, ())| pattern.as_str()).eq([deep[0], deep[1]]));
    }
}
