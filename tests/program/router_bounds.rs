//! What a router holds has a bound, also of senders that are gone and of messages that nobody takes.

use amqp_codec::performative::DeliveryState;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, opened};
use crate::router::figure;

/// Messages of a sender that may be unsettled, and of those that are gone that wait for a receiver.
const CAPACITY: u32 = 20;
/// Senders that come and go, on whichever shards.
const SENDERS: u32 = 30;

fn router(shards: u16, limits: &str) -> Broker {
    let text = format!(
        "[storage]\nenabled = false\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\nlink_capacity = {CAPACITY}\n\
         [limits]\n{limits}\n"
    );
    Broker::start_with(TempDir::new().expect("a folder"), shards, &text)
}

#[test]
fn what_senders_that_are_gone_left_goes_on_and_has_a_bound() {
    for shards in [1, 3] {
        let router = router(shards, "memory_mib = 1000");
        let mut receiver = opened(&router);
        receiver.attach_receiver("orders", 0);
        for sender in 0..SENDERS {
            let mut peer = opened(&router);
            peer.attach_sender("orders");
            (0..CAPACITY).for_each(|number| peer.send_message(number, Durable::No, &[sender as u8, number as u8]));
            drop(peer);
            wait_for("the sender to be gone", || (figure(&router, "senders") == 0).then_some(()));
        }
        // What crosses a lane is a delivery on both shards.
        wait_for("what is too much to be gone", || {
            (figure(&router, "under_way") <= 2 * u64::from(CAPACITY)).then_some(())
        });
        assert_eq!(figure(&router, "dropped_late"), u64::from((SENDERS - 1) * CAPACITY));
        receiver.set_credit(0, 2 * CAPACITY);
        for number in 0..CAPACITY {
            let (delivery, body) = receiver.receive();
            assert_eq!(body, [SENDERS as u8 - 1, number as u8], "the last one's");
            receiver.accept(delivery, delivery);
        }
        wait_for("nothing to be left", || (figure(&router, "under_way") == 0).then_some(()));
        assert_eq!(figure(&router, "bytes"), 0);
    }
}

#[test]
fn messages_that_would_have_to_wait_are_released_when_memory_is_used_up() {
    // A shard has a MiB.
    for shards in [1, 3] {
        let router = router(shards, &format!("memory_mib = {shards}"));
        let (mut slow, mut fast) = (opened(&router), opened(&router));
        slow.attach_receiver("slow", 0);
        fast.attach_receiver("fast", 100);
        let mut sender = opened(&router);
        sender.attach_sender("slow");
        let body = vec![7; 100_000];
        (0..CAPACITY).for_each(|number| sender.send_message(number, Durable::No, &body));
        let (first, _, state) = sender.state();
        assert_eq!((first, state), (10, format!("{:?}", DeliveryState::Released)), "ten are a megabyte");
        wait_for("all to be told", || (figure(&router, "refused") == 10).then_some(()));
        assert!((1_000_000..=2 << 20).contains(&figure(&router, "bytes")), "{}", figure(&router, "bytes"));
        let mut other = opened(&router);
        other.attach_sender("fast");
        for number in 0..20 {
            other.send_message(number, Durable::No, &body);
            let (delivery, came) = fast.receive();
            assert_eq!(came.len(), body.len());
            fast.accept(delivery, delivery);
            assert_eq!(other.outcome(), (number, number, None), "whoever takes what comes is not held up");
        }
    }
}
