//! What a link that receives left unsettled: it stays with nobody for a while, in case its peer comes back and says what became of it.

use crate::command::Outcome;
use crate::slab::Key;

/// Messages of one queue that are held by a link's end which has gone.
#[derive(Debug)]
pub(crate) struct HeldBack {
    pub queue: Key,
    /// Who holds them.
    pub end: Key,
    /// What becomes of them if nobody comes back.
    pub outcome: Outcome,
}
