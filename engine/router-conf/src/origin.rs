//! Where a section stands, and what it is called.

use crate::fault::Place;

/// Where a section stands and what it is called. Two are equal when they are called the same: where it stands changes nothing.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its first line.
    pub place: Place,
    /// Its name; of those without one what qdrouterd gives them, as `listener/0.0.0.0:amqp` or `address/0`.
    pub name: String,
    /// Its number among sections of its type, from 0: that of no other one as long as the router runs.
    pub number: u32,
    /// Attributes that stand in it, with their lines.
    pub(crate) lines: Vec<(&'static str, u32)>,
}

impl Origin {
    /// That of a section that stands in no file.
    #[must_use]
    pub fn named(name: String, number: u32) -> Self {
        Self { place: Place { file: "".into(), line: 0 }, name, number, lines: Vec::new() }
    }

    /// Where an attribute stands, if the section has it.
    #[must_use]
    pub fn place_of(&self, attribute: &str) -> Option<Place> {
        let line = self.lines.iter().find(|(name, _)| *name == attribute).map(|(_, line)| *line)?;
        Some(Place { line, ..self.place.clone() })
    }

    /// The same; where the section begins, if it does not have it.
    #[must_use]
    pub fn line_of(&self, attribute: &str) -> Place {
        self.place_of(attribute).unwrap_or_else(|| self.place.clone())
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Origin {}
