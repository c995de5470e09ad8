//! Which queues that were made on demand nobody needs, and since when.
//!
//! Guarantees: a queue is here once at most, as long as the owner's agenda names it.
//!
//! Not here: which queues those are, and when they go (`idling`).

use std::collections::HashMap;

use crate::slab::Key;

/// A queue that the owner's agenda names because nobody needed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    /// Since when nobody does, nanoseconds; `None`: a link was there meanwhile.
    pub at_ns: Option<u64>,
    /// Messages that had been put in by then.
    pub enqueued: u64,
}

/// Queues that go if nobody needs them for a while.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    pub since: HashMap<Key, Since>,
}

impl Idle {
    /// Nobody needs a queue; gives whether the agenda has to be told.
    pub fn begin(&mut self, key: Key, at_ns: u64, enqueued: u64) -> bool {
        match self.since.get_mut(&key) {
            Some(since) if since.at_ns.is_some() && since.enqueued == enqueued => false,
            Some(since) => {
                *since = Since { at_ns: Some(at_ns), enqueued };
                false
            }
            None => self.since.insert(key, Since { at_ns: Some(at_ns), enqueued }).is_none(),
        }
    }

    /// Somebody needed it until now.
    pub fn end(&mut self, key: Key) {
        if let Some(since) = self.since.get_mut(&key) {
            since.at_ns = None;
        }
    }
}
