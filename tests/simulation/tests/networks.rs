//! Many seeds of networks of routers: `HEDDLE_SEEDS` says how many, `HEDDLE_FIRST_SEED` from which on.

use heddle_simulation::{NetworkOutcome, Tally, simulate_network};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn a_network_keeps_its_promises_whatever_happens() {
    let (first, seeds) = (number("HEDDLE_FIRST_SEED", 0), number("HEDDLE_SEEDS", 10));
    let (mut tally, mut took_ns) = (Tally::default(), 0);
    for seed in first..first + seeds {
        let Ok(outcome) = std::panic::catch_unwind(|| simulate_network(seed)) else { panic!("seed {seed}") };
        tally += outcome.tally;
        took_ns += outcome.took_ns;
    }
    println!("{tally:?} in {} simulated seconds", took_ns / 1_000_000_000);
    let happened = tally.lost > 0 && tally.returned > 0 && tally.aborted > 0 && tally.cuts > 0 && tally.ends > 0;
    assert!(seeds < 20 || happened, "messages were lost, released and aborted, connections cut, and nodes ended");
    assert!(seeds < 20 || tally.strict > 1_000 && tally.passed > 1_000, "messages went from node to node");
}

#[test]
fn a_seed_is_the_same_twice() {
    let runs: Vec<NetworkOutcome> = (0..2).map(|_| simulate_network(number("HEDDLE_FIRST_SEED", 7))).collect();
    assert_eq!(runs[0], runs[1]);
}
