//! Before the run: what is at its addresses is taken away, so that what an earlier run or others left does not spoil it.
//!
//! Consumers have credit as soon as they are attached, and accept what comes; a worker is ready when nothing has come for a while. It does
//! that where a message would go to its consumers anyway. What comes later belongs to somebody who still sends: it counts as foreign.

use load_model::scenario::Pattern;

use super::conn::Conn;
use super::shared::Shared;

/// How long nothing has to come, nanoseconds: a server has long sent what it has by then.
const QUIET_NS: u64 = 100_000_000;
/// How long it may take at most, nanoseconds: whoever sends for longer sends on.
const LONGEST_NS: u64 = 60_000_000_000;

/// What came before the run.
#[derive(Default)]
pub(super) struct Settling {
    /// Since when all links are attached, and when the last message came.
    since_ns: Option<(u64, u64)>,
    seen: u64,
}

impl Settling {
    /// Whether nothing comes any more, all links being attached.
    pub fn is_over(&mut self, conns: &[Conn], shared: &Shared, now_ns: u64) -> bool {
        let keeps = |conn: &Conn| {
            let spec = shared.scenario.groups.get(conn.group() as usize);
            !conn.consumers.is_empty() && spec.is_some_and(|spec| spec.pattern != Pattern::Topic)
        };
        if !conns.iter().any(keeps) {
            return true;
        }
        let (attached_ns, last_ns) = self.since_ns.get_or_insert((now_ns, now_ns));
        if std::mem::replace(&mut self.seen, shared.leftovers) != shared.leftovers {
            *last_ns = now_ns;
        }
        now_ns >= *last_ns + QUIET_NS || now_ns >= *attached_ns + LONGEST_NS
    }
}
