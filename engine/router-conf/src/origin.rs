//! Where a section stands, and what it is called.

use crate::fault::Place;

/// Where a section stands and what it is called. Two are equal when they are called the same: where it stands changes nothing.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its first line.
    pub place: Place,
    /// Its name; of those without one what qdrouterd gives them, as `listener/0.0.0.0:amqp` or `address/0`.
    pub name: String,
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Origin {}
