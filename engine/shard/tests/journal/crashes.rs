//! Crashes, full disks and disks that fail: nothing that was accepted is lost, and nothing comes back that must not.

use crate::damage::written;
use crate::seeds;
use crate::world::World;

/// Gives how often a start went on from a checkpoint, and how many messages came back from consumers and from disk.
fn simulate(seed: u64) -> (u64, u64) {
    let mut world = World::new(seed);
    let consuming = world.chance.below(3) + 1;
    for step in 0..4_000 {
        for _ in 0..consuming {
            world.act();
        }
        if world.chance.one_in(3) {
            world.turn();
        }
        if world.chance.one_in(2) {
            world.step_disk();
        }
        if world.chance.one_in(700) {
            world.crash();
        }
        if step % 64 == 0 {
            world.core.check();
            world.store.check();
        }
    }
    world.drain();
    for _ in 0..1_000 {
        world.turn();
        world.step_disk();
    }
    world.check_space();
    world.crash();
    world.drain();
    (world.resumed, world.recalled + world.store.totals().recalled)
}

#[test]
fn nothing_accepted_is_lost_on_any_disk() {
    let (mut resumed, mut recalled) = (0, 0);
    for seed in seeds(60) {
        let Ok(more) = std::panic::catch_unwind(|| simulate(seed)) else { panic!("seed {seed}") };
        (resumed, recalled) = (resumed + more.0, recalled + more.1);
    }
    let few = seeds(60).count() < 12;
    assert!(few || resumed > 0, "checkpoints were used");
    assert!(few || recalled > 0, "what consumers held left memory, and came back");
}

#[test]
fn a_failed_sync_stops_everything() {
    for seed in seeds(60) {
        let mut world = written(seed);
        world.disk.is_failing = true;
        let accepted = |world: &World| world.fates.values().filter(|fate| fate.accepted && !fate.acknowledged).count();
        let before = accepted(&world);
        let mut failed = false;
        for _ in 0..500 {
            world.act();
            world.turn();
            if let Some(done) = world.disk.step(&mut world.chance)
                && world.store.handle_done(&mut world.core, 1, done).is_err()
            {
                failed = true;
                break;
            }
        }
        assert!(failed && accepted(&world) <= before, "seed {seed}: nothing is accepted by a disk that failed");
    }
}
