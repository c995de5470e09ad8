//! How long something took, of many: what is told of a distribution, whoever keeps it.
//!
//! Guarantees: bounds are the same for all, so that distributions of several things, and of several nodes, can be added up.
//!
//! Not here: how times are counted.

use crate::figure::Value;

/// Bounds of time below which is counted how many took less, nanoseconds: from 16 µs, each four times the one before, to 69 s. Fewer than
/// 16 µs is less than a turn of a busy shard, by whose clock they are counted.
pub const SPREAD_BOUNDS_NS: [u64; 12] =
    [1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28, 1 << 30, 1 << 32, 1 << 34, 1 << 36];

/// How long something took, of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Of how many.
    pub count: u64,
    /// All of their times together, nanoseconds.
    pub sum_ns: u64,
    /// Half of them took no longer, nanoseconds.
    pub p50_ns: u64,
    /// Of a hundred 99 took no longer, nanoseconds.
    pub p99_ns: u64,
    /// The longest one, nanoseconds.
    pub max_ns: u64,
    /// How many took less than each of [`SPREAD_BOUNDS_NS`].
    pub within: [u64; SPREAD_BOUNDS_NS.len()],
}

impl Spread {
    /// What people read of it, each with its name: a count, and times in microseconds.
    #[must_use]
    pub fn told(&self) -> [(&'static str, Value<'static>); 4] {
        let us = |ns: u64| Value::Count(ns.div_ceil(1000));
        [
            ("count", Value::Count(self.count)),
            ("p50_us", us(self.p50_ns)),
            ("p99_us", us(self.p99_ns)),
            ("max_us", us(self.max_ns)),
        ]
    }
}
