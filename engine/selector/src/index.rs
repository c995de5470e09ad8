//! Many selectors by what they ask for: those that may match a message, without asking each.
//!
//! Guarantees: whatever matches is among the candidates, each once; of selectors that ask for one value of a property
//! (`Selector::equality`) only those are, whose value the message has. A message costs one lookup for each distinct property, and what its candidates cost.
//!
//! Not here: whether a candidate matches. Bounds are those of whoever puts selectors in: an entry is no larger than its selector's literal.

use std::collections::BTreeMap;

use crate::name::Name;
use crate::operand::Operand;
use crate::program::Literal;
use crate::selector::Selector;
use crate::view::{Located, View};

/// Keys `K` of selectors.
#[derive(Clone, Debug)]
pub struct Index<K> {
    by_property: Vec<Values<K>>,
    others: Vec<K>,
}

/// What selectors ask of one property.
#[derive(Clone, Debug)]
struct Values<K> {
    property: Name,
    texts: BTreeMap<Box<str>, Vec<K>>,
    /// By the bits of the number as a double: unlike exact numbers may share one, equal numbers do.
    numbers: BTreeMap<u64, Vec<K>>,
    /// False, true.
    booleans: [Vec<K>; 2],
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { by_property: Vec::new(), others: Vec::new() }
    }
}

impl<K: Copy> Index<K> {
    /// Puts a selector in.
    pub fn insert(&mut self, key: K, selector: &Selector) {
        let Some((property, literal)) = selector.equality() else { return self.others.push(key) };
        let name = Name::Property(property.into());
        let at = self.by_property.iter().position(|values| values.property == name).unwrap_or_else(|| {
            self.by_property.push(Values {
                property: name,
                texts: BTreeMap::new(),
                numbers: BTreeMap::new(),
                booleans: [Vec::new(), Vec::new()],
            });
            self.by_property.len() - 1
        });
        let Some(values) = self.by_property.get_mut(at) else { return };
        match literal {
            Literal::Text(text) => values.texts.entry(text.clone()).or_default().push(key),
            Literal::Exact(value) => values.numbers.entry(bits(*value as f64)).or_default().push(key),
            Literal::Approximate(value) => values.numbers.entry(bits(*value)).or_default().push(key),
            Literal::Boolean(false) => values.booleans[0].push(key),
            Literal::Boolean(true) => values.booleans[1].push(key),
        }
    }

    /// Takes out those keys that are not to stay, of the ones that were put in with selectors that ask for the same as this one.
    pub fn retain(&mut self, selector: &Selector, stays: impl Fn(K) -> bool) {
        let Some((property, literal)) = selector.equality() else { return self.others.retain(|key| stays(*key)) };
        let is_its = |values: &Values<K>| matches!(&values.property, Name::Property(name) if **name == *property);
        let Some(at) = self.by_property.iter().position(is_its) else { return };
        let Some(values) = self.by_property.get_mut(at) else { return };
        match literal {
            Literal::Text(text) => retain(&mut values.texts, text.as_ref(), stays),
            Literal::Exact(value) => retain(&mut values.numbers, &bits(*value as f64), stays),
            Literal::Approximate(value) => retain(&mut values.numbers, &bits(*value), stays),
            Literal::Boolean(false) => values.booleans[0].retain(|key| stays(*key)),
            Literal::Boolean(true) => values.booleans[1].retain(|key| stays(*key)),
        }
        if values.texts.is_empty() && values.numbers.is_empty() && values.booleans.iter().all(Vec::is_empty) {
            self.by_property.remove(at);
        }
    }

    /// Whether no selector is in it.
    pub fn is_empty(&self) -> bool {
        self.by_property.is_empty() && self.others.is_empty()
    }

    /// Shows `see` the keys of all selectors that may match a message.
    pub fn candidates(&self, view: &View<'_>, mut see: impl FnMut(K)) {
        let mut located = Located::new(view);
        for values in &self.by_property {
            let found = match located.value(&values.property) {
                Operand::Text(text) => text.read(|_, body| values.texts.get(body)),
                Operand::Exact(value) => values.numbers.get(&bits(value as f64)),
                Operand::Approximate(value) => values.numbers.get(&bits(value)),
                Operand::Boolean(false) => values.booleans.first(),
                Operand::Boolean(true) => values.booleans.last(),
                Operand::Null | Operand::Opaque => None,
            };
            found.into_iter().flatten().for_each(|key| see(*key));
        }
        self.others.iter().for_each(|key| see(*key));
    }
}

/// The bits of a double; both zeros have the same.
fn bits(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

fn retain<Q, V, K>(map: &mut BTreeMap<V, Vec<K>>, value: &Q, stays: impl Fn(K) -> bool)
where
    V: Ord + std::borrow::Borrow<Q>,
    Q: Ord + ?Sized,
    K: Copy,
{
    let Some(keys) = map.get_mut(value) else { return };
    keys.retain(|key| stays(*key));
    if keys.is_empty() {
        map.remove(value);
    }
}
