//! Many seeds: `HEDDLE_SEEDS` says how many, `HEDDLE_FIRST_SEED` from which on.

use heddle_simulation::{Counts, Outcome, simulate};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn a_node_keeps_its_promises_whatever_happens() {
    let (first, seeds) = (number("HEDDLE_FIRST_SEED", 0), number("HEDDLE_SEEDS", 100));
    let (mut counts, mut took_ns) = (Counts::default(), 0);
    for seed in first..first + seeds {
        let Ok(outcome) = std::panic::catch_unwind(|| simulate(seed)) else { panic!("seed {seed}") };
        counts += outcome.counts;
        took_ns += outcome.took_ns;
    }
    println!("{counts:?} in {} simulated seconds", took_ns / 1_000_000_000);
    assert!(seeds < 20 || counts.versions > 100, "versions of the catalogue came");
    let happened = counts.again > 0 && counts.crashes > 0 && counts.buried > 0;
    let kinds = counts.committed > 0 && counts.rolled_back > 0 && counts.grouped > 0 && counts.delayed > 0;
    assert!(seeds < 20 || kinds, "transactions were committed and rolled back, and there were groups and times");
    assert!(seeds < 20 || happened, "messages came again, nodes crashed, and there were dead letters");
}

#[test]
fn a_seed_is_the_same_twice() {
    let runs: Vec<Outcome> = (0..2).map(|_| simulate(number("HEDDLE_FIRST_SEED", 7))).collect();
    assert_eq!(runs[0], runs[1]);
}
