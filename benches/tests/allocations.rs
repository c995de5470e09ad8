//! In the steady state a non-durable message allocates nothing on its road, and nothing for selectors that look at it.

use engine_selector::{Index, Selector};
use heddle_benches::counting::{Counting, allocations};
use heddle_benches::hops::Hops;
use heddle_benches::road::{Road, Sent};
use heddle_benches::selector;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_small_message_allocates_nothing() {
    use Sent::{Presettled, Routed, RoutedPresettled, Unsettled};
    let kept = [(0, Unsettled), (100, Unsettled), (100, Presettled), (1024, Unsettled), (2000, Presettled)];
    let routed = [(0, Routed), (100, Routed), (100, RoutedPresettled), (1024, Routed), (1900, RoutedPresettled)];
    for (size, sent) in kept.into_iter().chain(routed) {
        let mut road = Road::new(size, sent);
        road.turns(200);
        let count = allocations(|| road.turns(500));
        assert_eq!(count, 0, "{size} octets, {sent:?}: allocations in 128,000 messages");
    }
}

#[test]
fn a_small_message_allocates_nothing_over_two_routers() {
    for size in [0, 100, 1024, 1900] {
        let mut hops = Hops::new(size);
        hops.turns(200);
        let count = allocations(|| hops.turns(500));
        assert_eq!(count, 0, "{size} octets: allocations in 500 turns of {} messages", hops.batch());
    }
}

#[test]
fn selectors_allocate_nothing() {
    let kept = selector::message();
    let view = selector::view(&kept);
    let texts = [
        selector::EQUALITY,
        "color LIKE '%e_' AND quantity * 2 BETWEEN 1 AND 10 OR JMSMessageID IS NULL",
        "color IN ('blue', 'red') AND missing IS NULL",
        "JMSDeliveryMode = 'NON_PERSISTENT' AND JMSMessageID LIKE 'ID:%'",
    ];
    for text in texts {
        let compiled = Selector::parse(text).expect("well-formed");
        let mut index = Index::default();
        index.insert((), &compiled);
        let mut matching = 0;
        let count = allocations(|| {
            for _ in 0..1000 {
                index.candidates(&view, |()| matching += u64::from(compiled.matches(&view)));
            }
        });
        assert_eq!((count, matching > 0), (0, text != texts[3]), "{text}");
    }
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(Box::new(1))), 1);
}
