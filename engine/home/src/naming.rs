//! Files of large messages that go to another address: they get a name of their own there.
//!
//! Guarantees: each wish of the engine is answered once. A name that is made is the new message's, or removed by whoever refused that.
//!
//! Not here: files that are written and read for links (`files`).

use std::collections::HashMap;

use engine_shard::FileWish;
use storage_disk::large::{Keep, LargeOrder};

/// Which message waits for which name.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    flights: HashMap<u64, u32>,
}

impl Naming {
    /// The order to give a file the name `id`.
    pub fn order(&mut self, wish: &FileWish, id: u64) -> LargeOrder {
        self.flights.insert(id, wish.flight);
        let keep = if wish.is_durable { Keep::Durably } else { Keep::ForNow };
        LargeOrder::Link { id, of: wish.file, keep }
    }

    /// Who waited for a name that was made, or was not.
    pub fn handle_done(&mut self, id: u64) -> Option<u32> {
        self.flights.remove(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_answered_once() {
        let mut naming = Naming::default();
        let order = naming.order(&FileWish { flight: 5, file: 1, is_durable: true }, 9);
        assert!(matches!(order, LargeOrder::Link { id: 9, of: 1, keep: Keep::Durably }));
        assert_eq!((naming.handle_done(9), naming.handle_done(9)), (Some(5), None));
    }
}
