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

/// Numbers that look like chance.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u8) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as u8 % bound
    }

    fn bytes<const COUNT: usize>(&mut self, bounds: [u8; COUNT]) -> Vec<u8> {
        bounds.map(|bound| self.below(bound)).to_vec()
    }
}

/// The peer attaches a link, in the words of `sequence`: channel, role, mode, handle, initial count, name; and is heard.
fn attach(sends: u8, mode: u8, handle: u8, name: u8) -> Vec<u8> {
    vec![0x03, 0, sends, mode, handle, 1, 0, name, 1]
}

/// What peer or host does next on a connection with a session: each field of it within the bound that makes sense as a rule. The peer
/// sends on handles 0 and 1, and receives on 2 and 3.
fn deed(draws: &mut Draws) -> Vec<u8> {
    let stray = draws.below(40) == 0;
    let (sending, receiving) = if stray { (4, 0) } else { (draws.below(2), 2 + draws.below(2)) };
    match draws.below(32) {
        0 => attach(draws.below(2), draws.below(2), 4 + draws.below(4), draws.below(4)),
        1 => [vec![0x09, 0], draws.bytes([4, 2]), vec![1]].concat(),
        // The host attaches: which link and body are of no use to it; role, mode, handle, count, name, session.
        2 => [vec![0xf1, 0, 0], draws.bytes([2, 2, 1]), vec![1], draws.bytes([3, 4]), vec![0]].concat(),
        // A transfer: tag, flags, handle, number, perhaps a state, length.
        3..=9 => {
            let flags = [0, 0, 4, 8, 8, 0x30, 0xc0][usize::from(draws.below(7))];
            let start = [vec![0x04, 0], draws.bytes([9]), vec![flags, sending], draws.bytes([12])].concat();
            [start, vec![0, 1]].concat()
        }
        10 => [vec![0x40, 0, 1, 0, sending], draws.bytes([12]), vec![8], b"tx1".to_vec(), vec![0, 1]].concat(),
        // A flow: windows, handle, credit, drain, echo.
        11..=16 => [vec![0x06, 0, 0, 15, 1, receiving, 0, 1], draws.bytes([9, 2, 2]), vec![1]].concat(),
        // A disposition of either end: range, settled, state.
        17..=23 => {
            let op = [0x07, 0x43][usize::from(draws.below(2))];
            [vec![op, 0], draws.bytes([9]), vec![0], draws.bytes([2, 8]), vec![1]].concat()
        }
        24 => [vec![0x07, 0], draws.bytes([9]), vec![0, draws.below(2), 8 + draws.below(2)], b"tx1".to_vec(), vec![1]]
            .concat(),
        // The host does something else to a link: which, with a body of so many times 40 octets.
        _ => [vec![0xf2 + draws.below(9)], draws.bytes([5, 90, 12, 12, 12])].concat(),
    }
}

/// What peer and host do on a connection that is open: attaches, transfers, dispositions and the like, in any order.
#[test]
fn busy_sequences_hold() {
    let rounds = std::env::var("HEDDLE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3000_u64);
    for seed in 0..rounds {
        let mut draws = Draws(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = vec![1 + 2 * draws.below(2)];
        let mode = draws.below(2);
        for (handle, sends) in [(0, 1), (1, 1), (2, 0), (3, 0)] {
            bytes.extend(attach(sends, mode, handle, handle));
        }
        for _ in 0..draws.below(60) {
            bytes.extend(deed(&mut draws));
        }
        let held = std::panic::catch_unwind(|| amqp_fuzz::sequence(&bytes));
        assert!(held.is_ok(), "seed {seed}: {bytes:x?}");
    }
}
