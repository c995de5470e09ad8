//! Credit from end to end: over one router and over two a sender goes as fast as its receiver, and nobody else does.
//!
//! Not here: large messages, which are held up by sessions (`router_streams`).

use crate::broker::wait_for;
use crate::peer::Durable;
use crate::router_network::{node, places};

/// Unsettled deliveries of a link, as `node` has it.
const CAPACITY: u32 = 20;

#[test]
fn a_sender_goes_as_fast_as_its_receiver_and_others_as_they_like() {
    for (shards, routers) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
        let [a, b] = places();
        let near = node("A", shards, a, &[]);
        let behind = (routers == 2).then(|| node("B", shards, b, &[(a, 1)]));
        let far = behind.as_ref().unwrap_or(&near);
        let mut slow = far.receiver("slow", 1);
        let mut held_up = near.sender("slow");
        let mut fast = far.receiver("fast", 1000);
        let mut busy = near.sender("fast");
        let (mut sent, mut gone) = (0, 0);
        for taken in 0..50 {
            let what = "there is credit for what was taken";
            let credit = wait_for(what, || Some(held_up.ask_for_credit()).filter(|credit| *credit > 0));
            (sent..sent + credit).for_each(|number| held_up.send_message(number, Durable::No, b"wait"));
            sent += credit;
            assert!(sent <= taken + CAPACITY, "{sent} were sent, and {taken} taken, with {shards} shards");
            assert!(taken == 0 || sent == taken + CAPACITY, "each that is taken lets one come");
            // Meanwhile whoever has a fast receiver sends ten times as many.
            for number in gone..gone + 10 {
                busy.send_message(number, Durable::No, b"go");
                let (delivery, _) = fast.receive();
                fast.accept(delivery, delivery);
                assert_eq!(busy.outcome(), (number, number, None));
            }
            gone += 10;
            let (delivery, _) = slow.receive();
            slow.accept(delivery, delivery);
            slow.set_credit(taken + 1, 1);
            assert_eq!(held_up.outcome(), (taken, taken, None), "what its receiver says");
        }
    }
}
