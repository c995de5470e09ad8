//! Messages that say when they are of no use any more: nobody is given one later, also behind a kill.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::broker::{Broker, wait_for};
use crate::peer::opened;

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";
const HOUR_MS: i64 = 3_600_000;

/// A durable message with a time to live and a time of expiry; its body is its name.
fn message(ttl_ms: Option<u32>, absolute_ms: Option<i64>, name: u8) -> Vec<u8> {
    let mut out = vec![0x00, 0x53, 0x70, 0xc0];
    match ttl_ms {
        None => out.extend([2, 1, 0x41]),
        Some(ttl) => {
            out.extend([8, 3, 0x41, 0x40, 0x70]);
            out.extend(ttl.to_be_bytes());
        }
    }
    if let Some(at) = absolute_ms {
        out.extend([0x00, 0x53, 0x73, 0xc0, 18, 9]);
        out.extend([0x40; 8]);
        out.push(0x83);
        out.extend(at.to_be_bytes());
    }
    out.extend([0x00, 0x53, 0x75, 0xb0, 0, 0, 0, 1, name]);
    out
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is behind the epoch");
    i64::try_from(since.as_millis()).expect("it is soon enough")
}

fn messages(broker: &Broker, queue: &str) -> Option<u64> {
    broker.queue(queue)?["messages"].as_u64()
}

#[test]
fn what_has_expired_leaves_its_queue_wherever_it_is_and_comes_to_nobody() {
    let broker = Broker::start(LISTENER);
    let mut sender = opened(&broker);
    sender.attach_sender("times");
    let (soon, late) = (now_ms() + 1500, now_ms() + HOUR_MS);
    let sent = [
        message(None, None, b'a'),
        message(None, Some(now_ms() - 5000), b'b'),
        message(Some(HOUR_MS as u32), Some(soon), b'c'),
        message(Some(1), Some(late), b'd'),
        message(Some(1500), None, b'e'),
        message(Some(1500), Some(0), b'f'),
        // What some clients send for none.
        message(None, Some(-62_135_596_800_000), b'g'),
    ];
    for (delivery, message) in (0..).zip(&sent) {
        sender.send_encoded(delivery, message);
        assert_eq!(sender.outcome(), (delivery, delivery, None), "what is late is accepted like all others");
    }
    // Nobody takes them.
    wait_for("those of a second to leave", || (messages(&broker, "times") == Some(3)).then_some(()));
    let mut receiver = opened(&broker);
    receiver.attach_receiver("times", 10);
    let got: Vec<Vec<u8>> = (0..3).map(|_| receiver.receive().1).collect();
    assert_eq!(got, [b"a", b"d", b"g"]);
}

#[test]
fn an_address_says_how_long_messages_live_and_a_kill_changes_nothing() {
    let rules = "
        [[address]]\nmatch = \"kept\"\nno_expiry = true\n
        [[address]]\nmatch = \"short\"\nexpiry_delay_ms = 1\n
        [[address]]\nmatch = \"longer\"\nmin_expiry_ms = 3600000\n
        [[address]]\nmatch = \"bounded\"\nmax_expiry_ms = 1\n";
    for shards in [1, 3] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let broker = Broker::start_with(folder, shards, &format!("{LISTENER}{rules}"));
        let sent = [
            message(None, None, b'a'),
            message(Some(1), None, b'b'),
            message(None, Some(now_ms() - 5000), b'c'),
            message(Some(HOUR_MS as u32), None, b'd'),
        ];
        let cases = [("kept", "abcd"), ("short", "d"), ("longer", "abcd"), ("bounded", "")];
        for (address, left) in cases {
            let mut sender = opened(&broker);
            sender.attach_sender(address);
            for (delivery, message) in (0..).zip(&sent) {
                sender.send_encoded(delivery, message);
                assert_eq!(sender.outcome(), (delivery, delivery, None));
            }
            let left = left.len() as u64;
            wait_for("others to expire", || (messages(&broker, address).unwrap_or(0) == left).then_some(()));
        }
        let broker = Broker::start_with(broker.kill(), shards, &format!("{LISTENER}{rules}"));
        for (address, left) in cases {
            let mut receiver = opened(&broker);
            receiver.attach_receiver(address, 10);
            let got: Vec<u8> = left.bytes().map(|_| receiver.receive().1[0]).collect();
            assert_eq!(got, left.as_bytes(), "{address}");
        }
    }
}
