//! Messages whose ids came before, from outside: they are known over kills, other numbers of shards, and when the first was taken.

use tempfile::TempDir;

use crate::broker::Broker;
use crate::peer::opened;

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
/// Addresses of several shards, if there are several.
const QUEUES: [&str; 4] = ["a", "b", "c", "d"];

/// A durable message with an id.
fn message(id: u8) -> Vec<u8> {
    let mut message = vec![0x00, 0x53, 0x70, 0xc0, 2, 1, 0x41, 0x00, 0x53, 0x74, 0xc1, 18, 2, 0xa1, 12];
    message.extend(b"_AMQ_DUPL_ID");
    message.extend([0xa1, 1, id, 0x00, 0x53, 0x75, 0xb0, 0, 0, 0, 1, id]);
    message
}

/// Sends a message with an id to each queue; each is accepted.
fn send(broker: &Broker, id: u8) {
    for queue in QUEUES {
        let mut peer = opened(broker);
        peer.attach_sender(queue);
        peer.send_encoded(0, &message(id));
        assert_eq!(peer.outcome(), (0, 0, None));
    }
}

fn counts(broker: &Broker) -> [u64; 4] {
    QUEUES.map(|queue| broker.queue(queue).map_or(0, |queue| queue["messages"].as_u64().expect("a number")))
}

#[test]
fn ids_are_known_over_kills_and_other_numbers_of_shards_and_when_the_first_was_taken() {
    let mut folder = TempDir::new().expect("a folder");
    // What is made on demand goes with its last message, and its ids stay.
    for (round, shards) in [1, 1, 3, 3, 2, 1].into_iter().enumerate() {
        let broker = Broker::start_with(folder, shards, LISTENER);
        let before = if round == 0 || round >= 3 { 0 } else { 1 };
        assert_eq!(counts(&broker), [before; 4], "{round}");
        send(&broker, b'x');
        send(&broker, b'x');
        let there = if round == 0 { 1 } else { before };
        assert_eq!(counts(&broker), [there; 4], "{round}");
        if round == 2 {
            for queue in QUEUES {
                let mut peer = opened(&broker);
                peer.attach_receiver(queue, 1);
                let (delivery, body) = peer.receive();
                assert_eq!(body, b"x");
                peer.accept(delivery, delivery);
                peer.close();
            }
        }
        // Nobody was told that what was taken is gone for good: a kill may bring it back.
        folder = if round == 2 { broker.stop() } else { broker.kill() };
    }
    let broker = Broker::start_with(folder, 1, LISTENER);
    send(&broker, b'y');
    assert_eq!(counts(&broker), [1; 4], "another one is not known");
}
