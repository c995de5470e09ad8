//! The machines of one shard, composed: the owner of its queues, and the mesh to the other shards.
#![forbid(unsafe_code)]

mod engine;
pub mod limits;
mod mesh;
mod spin;
pub mod store;

pub use engine_catalogue::placement;

pub use engine::{Engine, Journal};
pub use mesh::{LaneView, Mesh, mesh, mesh_of};
pub use spin::Spin;
