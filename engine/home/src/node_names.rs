//! Names of dynamic nodes: unlike those of other runs and other shards, and owned by the shard that makes them.

use engine_catalogue::Catalogue;
use engine_core::command::DYNAMIC_PREFIX;

/// Makes the names of one shard.
#[derive(Debug)]
pub(crate) struct NodeNames {
    node_id: String,
    shard: u16,
    number: u64,
}

impl NodeNames {
    pub fn new(node_id: String, shard: u16) -> Self {
        Self { node_id, shard, number: 0 }
    }

    /// The next name: a dynamic node lives where its connection does, so that its shard owns it, which one try in as many as there
    /// are shards gives.
    pub fn next(&mut self, catalogue: &Catalogue) -> String {
        let Self { node_id, shard, number } = self;
        let mut make = || {
            *number += 1;
            format!("{DYNAMIC_PREFIX}{node_id}-{shard}-{number}")
        };
        let name = catalogue.name_owned_by(*shard, |_| make());
        // One that another shard owns is as good, and slower.
        name.unwrap_or_else(make)
    }
}
