//! Sections on their way: read by the table, and not made into types yet.

use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::schema::EntityType;

/// Sections by the name of their type, in the order of the file.
#[derive(Default)]
pub(crate) struct Sheets(BTreeMap<&'static str, Vec<Attributes>>);

impl Sheets {
    pub fn add(&mut self, attributes: Attributes) {
        self.0.entry(attributes.of.section).or_default().push(attributes);
    }

    pub fn of(&self, of: &EntityType) -> &[Attributes] {
        self.0.get(of.section).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn of_mut(&mut self, of: &EntityType) -> &mut [Attributes] {
        self.0.get_mut(of.section).map(Vec::as_mut_slice).unwrap_or_default()
    }

    pub fn remove(&mut self, of: &EntityType) -> Vec<Attributes> {
        self.0.remove(of.section).unwrap_or_default()
    }

    /// The sections of each type.
    pub fn by_type(&self) -> impl Iterator<Item = &[Attributes]> {
        self.0.values().map(Vec::as_slice)
    }

    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Attributes> {
        self.0.values_mut().flatten()
    }
}
