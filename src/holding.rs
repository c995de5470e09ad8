//! The version of the catalogue that holds, which the configuration and management change in turn.
//!
//! Guarantees: a version is on stable storage before a shard serves by it, and the next one is made when all shards were told of it.
//!
//! Not here: which versions may come (`reload`, `management`), and versions in which an address has another owner, which shards agree to before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_core::Version;

use crate::catalogue::{CatalogueError, Kept, Next};
use crate::node::Node;

/// The catalogue that holds; whoever panicked over it left a version that holds.
pub fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has all shards hold to a version in which no address has another owner.
///
/// # Errors
/// When it cannot be written: the one before holds still.
pub fn hold(node: &Node, kept: &mut Kept, next: Next) -> Result<(), CatalogueError> {
    let holds = Version::Holds(Arc::clone(&next.catalogue));
    next.tell();
    if let Err(error) = kept.keep(next) {
        node.tell_at_last(&Version::Forgone);
        return Err(error);
    }
    node.tell_at_last(&holds);
    Ok(())
}
