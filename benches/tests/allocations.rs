//! In the steady state a non-durable message allocates nothing on its road.

use heddle_benches::counting::{Counting, allocations};
use heddle_benches::road::Road;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_small_message_allocates_nothing() {
    for (size, settled) in [(0, false), (100, false), (100, true), (1024, false), (2000, true)] {
        let mut road = Road::new(size, settled);
        road.turns(200);
        let count = allocations(|| road.turns(500));
        assert_eq!(count, 0, "{size} octets, settled: {settled}: allocations in 128,000 messages");
    }
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(Box::new(1))), 1);
}
