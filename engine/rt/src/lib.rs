//! What a shard runs on. The only crate that names glommio, of which it takes the placement of threads (`executor`), and the only one with
//! `unsafe`.

mod access;
mod child;
mod clock;
mod congestion;
mod executor;
mod file;
mod inbox;
mod lane;
mod permits;
mod preflight;
mod pulse;
mod readiness;
mod repeats;
mod shortage;
mod signals;
mod socket;
mod waker;

pub use access::may_write;
pub use child::bind_to_thread;
pub use clock::{Clock, monotonic_ns, thread_cpu_ns, wall_ms};
pub use congestion::{CongestionControl, congestion_controls};
pub use executor::{ShardThread, Starting, allowed_cores, pin_thread, run_soon, spawn_shard, wake_in_time};
pub use file::{Access, Existing, Sync, allocate, free_bytes, open_file, write_synced};
pub use inbox::{Inbox, InboxSender, inbox};
pub use lane::{LaneReceiver, LaneSender, lane};
pub use permits::{Permit, Permits};
pub use preflight::{PreflightError, connections_allowed, preflight, raise_open_files};
pub use pulse::{DiskRoom, HUNG_NS, Pulse, Service};
pub use readiness::{Interest, Readiness, Ready, WAKER_TOKEN};
pub use repeats::Repeats;
pub use shortage::{is_shortage, shortage_advice};
pub use signals::{Termination, end_with_pipe, on_reread, on_termination};
pub use socket::{Accepted, Listener, Socket};
pub use waker::Waker;
