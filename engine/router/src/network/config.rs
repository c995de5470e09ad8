//! Who a router is, and how often it speaks.

use crate::router_id::RouterId;

/// A second, nanoseconds.
pub(super) const SECOND_NS: u64 = 1_000_000_000;

/// Who a router is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name.
    pub id: RouterId,
    /// Its life: when it was started, seconds since the epoch.
    pub instance: u64,
    /// How often it speaks.
    pub timers: Timers,
}

/// How often a router speaks, and for how long what it heard is believed; nanoseconds. The defaults are those of all routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// From one HELLO to the next.
    pub hello_ns: u64,
    /// For how long a neighbour counts without one.
    pub hello_age_ns: u64,
    /// From one RA to the next.
    pub advertise_ns: u64,
    /// The same while the network changes: within twice this from its last change.
    pub advertise_flux_ns: u64,
    /// For how long a link state counts without an RA.
    pub link_state_age_ns: u64,
    /// How long changes of addresses are gathered.
    pub gather_ns: u64,
    /// From one computation of paths to the next, at least: a flapping link costs ten a second at most.
    pub compute_ns: u64,
    /// From one answer to a router to the next, at least: who asks without end gets one a second, and the same addresses each time after
    /// twice the time, up to `advertise_ns`.
    pub answer_ns: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            hello_ns: SECOND_NS,
            hello_age_ns: 3 * SECOND_NS,
            advertise_ns: 30 * SECOND_NS,
            advertise_flux_ns: 4 * SECOND_NS,
            link_state_age_ns: 60 * SECOND_NS,
            gather_ns: SECOND_NS,
            compute_ns: SECOND_NS / 10,
            answer_ns: SECOND_NS,
        }
    }
}
