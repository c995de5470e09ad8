//! The machines of one shard, composed: the owner of its queues, and the mesh to the other shards.
#![forbid(unsafe_code)]

mod engine;
mod mesh;
pub mod placement;
mod spin;

pub use engine::Engine;
pub use mesh::{LaneView, Mesh, mesh, mesh_of};
pub use spin::Spin;
