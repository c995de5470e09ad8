//! What a shard runs on. The only crate that names glommio, and the only one with `unsafe`.

mod access;
mod child;
mod clock;
mod executor;
mod file;
mod inbox;
mod lane;
mod preflight;
mod readiness;
mod signals;
mod socket;
mod waker;

pub use access::may_write;
pub use child::bind_to_thread;
pub use clock::{Clock, monotonic_ns, thread_cpu_ns, wall_ms};
pub use executor::{ShardThread, allowed_cores, pin_thread, run_soon, spawn_shard, wake_in_time};
pub use file::{Access, Existing, Sync, allocate, free_bytes, open_file, write_synced};
pub use inbox::{Inbox, InboxSender, inbox};
pub use lane::{LaneReceiver, LaneSender, lane};
pub use preflight::{PreflightError, preflight, raise_open_files};
pub use readiness::{Interest, Readiness, Ready, WAKER_TOKEN};
pub use signals::on_termination;
pub use socket::{Listener, Socket};
pub use waker::Waker;
