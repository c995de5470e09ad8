//! One shard's owner and journal on a disk that a seed decides on: how much of what was not synced gets there when the power
//! fails, in which order sectors do, when the disk is full, slow, or fails, and which bits flip.
//!
//! Shown for every seed: every accepted durable message is delivered again until it was acknowledged durably; what was
//! confirmed as acknowledged never comes back; first deliveries of a queue are in the order in which they were sent; no message
//! is invented; the space follows what lives (`crashes`). What is damaged is found, named, and never served (`damage`). A failing
//! seed fails again: there is no clock, no thread and no other chance in it.
//!
//! `HEDDLE_SEEDS` says how many seeds run, `HEDDLE_FIRST_SEED` from which on.

mod crashes;
mod damage;
mod links;
mod world;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seeds to run, so many if nobody says otherwise.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let first = number("HEDDLE_FIRST_SEED", 0);
    first..first + number("HEDDLE_SEEDS", default)
}
