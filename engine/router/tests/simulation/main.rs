//! Networks of 2 to 30 routers under one seed each: links that are cut, that come back, that hang and that delay, routers that begin
//! another life, consumers that come and go, messages all the while; then a calm.
//!
//! Shown for every seed: within the protocol's own time after the last change each router knows which others it reaches at which cost, and
//! what consumers those have, and whoever it does not reach has no path. Then a copied message reaches each consumer that can be reached
//! once, any other one of them, and one that nobody can take is released. Each client hears of each of its messages once, `accepted` only
//! if a consumer has it. No message ever comes to a router where it was. When all is known nobody asks anybody any more. Memory is what
//! `check` bounds.
//!
//! `HEDDLE_SEEDS` (20) and `HEDDLE_FIRST_SEED` (0) choose; a seed that fails fails again. The profile `simulation` is fast.

mod calm;
mod chaos;
mod node;
#[path = "../traces/mod.rs"]
mod traces;
mod traffic;
mod wire;
mod world;

use world::{Fault, World};

/// What a seed showed, or what did not hold.
fn run(seed: u64, fault: Fault) -> Result<u64, String> {
    let mut world = World::new(seed, fault);
    world.rage()?;
    let settled_ms = world.settle()?;
    world.forward_all()?;
    world.stay_calm()?;
    Ok(settled_ms)
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn networks_settle_and_forward() {
    let first = number("HEDDLE_FIRST_SEED", 0);
    let mut longest_ms = 0;
    for seed in first..first + number("HEDDLE_SEEDS", 20) {
        match run(seed, Fault::None) {
            Ok(settled_ms) => longest_ms = longest_ms.max(settled_ms),
            Err(wrong) => panic!("HEDDLE_FIRST_SEED={seed} HEDDLE_SEEDS=1: {wrong}"),
        }
    }
    println!("the longest of them settled in {longest_ms} ms");
}

/// Each fault that is put between the machines and their world is found, by a few seeds.
#[test]
fn faults_are_found() {
    for fault in Fault::ALL {
        let found = (0..20).find_map(|seed| run(seed, fault).err());
        println!("{fault:?}: {found:?}");
        assert!(found.is_some(), "{fault:?} is not found");
    }
}
