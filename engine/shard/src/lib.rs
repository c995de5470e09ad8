//! The machines of one shard, composed.
#![forbid(unsafe_code)]

pub mod placement;
