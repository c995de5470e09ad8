//! What can be seen from outside while a run goes on: this machine, and the server's processor time, memory, syncs and writes.
//!
//! Guarantees: nothing here fails a run; what cannot be seen is absent, and a sentence says why. The server is looked at by an ordinary
//! thread, a few times a second, and its answers are bounded.

mod disk;
mod find;
mod http;
mod machine;
mod process;
mod sampler;
mod sharing;
mod state;
mod targets;
mod usage;

pub use find::{Find, Found};
pub use http::{Endpoint, EndpointError};
pub use machine::machine;
pub use sampler::Observer;
pub use targets::Targets;
pub use usage::Observation;
