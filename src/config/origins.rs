//! Where the values of settings come from: a line of the file, an option, or nowhere.
//!
//! Guarantee: of a value that nobody gave it says so (`Origin::Default`), and of what is wrong with one it gives the nearest place: its
//! own, or its table's.

use std::collections::BTreeMap;

use super::fault::Origin;
use super::words::Words;

/// Where values come from; those that it does not know are defaults.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    settings: BTreeMap<(&'static str, usize, &'static str), Origin>,
    areas: BTreeMap<(&'static str, usize), Origin>,
    /// In whose words its user is told of them.
    pub words: Words,
}

impl Origins {
    /// Notes where the setting of a table comes from; of a list of tables the one at `index`.
    pub fn note(&mut self, area: &'static str, index: usize, name: &'static str, origin: Origin) {
        self.settings.insert((area, index, name), origin);
    }

    /// Notes where a table of a list comes from.
    pub fn note_area(&mut self, area: &'static str, index: usize, origin: Origin) {
        self.areas.insert((area, index), origin);
    }

    /// Where a value comes from.
    pub fn of(&self, area: &'static str, index: usize, name: &'static str) -> Origin {
        self.settings.get(&(area, index, name)).cloned().unwrap_or(Origin::Default)
    }

    /// Where to look for what is wrong with a value: its own place, or its table's.
    pub fn place(&self, area: &'static str, index: usize, name: &'static str) -> Origin {
        let own = self.settings.get(&(area, index, name));
        own.or_else(|| self.areas.get(&(area, index))).cloned().unwrap_or(Origin::Default)
    }

    /// Forgets all tables of a name: others take their place.
    pub fn forget(&mut self, area: &'static str) {
        self.settings.retain(|(known, ..), _| *known != area);
        self.areas.retain(|(known, _), _| *known != area);
    }
}
