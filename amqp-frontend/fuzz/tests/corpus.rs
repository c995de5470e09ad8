//! Everything that fuzzing found worth keeping, run again without a fuzzer; and a few seeds made here.

use std::path::Path;

#[test]
fn what_fuzzing_kept_still_holds() {
    for (name, target) in amqp_fuzz::TARGETS {
        let folder = Path::new("corpus").join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut count = 0;
        for file in files {
            let path = file.expect("a file").path();
            target(&std::fs::read(&path).expect("readable"));
            count += 1;
        }
        assert!(count > 20, "{name} has a corpus, not {count} files");
    }
}

/// Noise that a fuzzer would begin with.
#[test]
fn noise_holds() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..20_000 {
        let bytes: Vec<u8> = (0..round % 200)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        amqp_fuzz::TARGETS.iter().for_each(|(_, target)| target(&bytes));
    }
}

/// What peer and host do on a connection that is open: begins, attaches, transfers, dispositions and the like, in any order.
#[test]
fn busy_sequences_hold() {
    const OPS: [u8; 20] = [
        0x02, 0x4e, 0x03, 0x03, 0x04, 0x44, 0x05, 0x06, 0x06, 0x07, 0x43, 0x09, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf6,
        0xf7, 0xf9,
    ];
    let rounds = std::env::var("HEDDLE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3000_u64);
    for seed in 0..rounds {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = |below: u8| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as u8 % below
        };
        let mut bytes = vec![1 + 2 * draw(2)];
        for _ in 0..draw(120) {
            bytes.push(OPS[usize::from(draw(20))]);
            let count = draw(16);
            bytes.extend((0..count).map(|_| draw(12)));
        }
        let held = std::panic::catch_unwind(|| amqp_fuzz::sequence(&bytes));
        assert!(held.is_ok(), "seed {seed}: {bytes:x?}");
    }
}
