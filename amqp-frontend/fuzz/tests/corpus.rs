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
