//! Links that go through a router whole, to a broker behind it: what a client asks of the broker it has as if it were connected there.

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, opened};

/// A broker.
const BROKER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nname = \"in\"\n[[address]]\nname = \"out\"\n";

/// A router from which links to any address go to the broker at `at`.
fn in_front_of(at: SocketAddr, shards: u16, routes: &str) -> Broker {
    let config = format!(
        "[storage]\nenabled = false\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\n\
         [[connectors]]\nname = \"broker\"\nrole = \"route-container\"\nendpoints = [\"{at}\"]\nretry_min_ms = 100\nretry_max_ms = 200\n\
         {routes}"
    );
    Broker::start_telling(TempDir::new().expect("a folder"), shards, "info", &config)
}

const ALL: &str = "[[link_routes]]\npattern = \"#\"\nconnection = \"broker\"\n";

/// Waits until links go through.
fn wait_for_route(router: &Broker) {
    wait_for("the route to be there", || {
        let mut peer = opened(router);
        peer.try_attach_sender("in").is_none().then_some(())
    });
}

#[test]
fn messages_and_outcomes_go_to_the_broker_and_back() {
    for shards in [1, 3] {
        let broker = Broker::start(BROKER);
        let router = in_front_of(broker.addresses[0], shards, ALL);
        wait_for_route(&router);
        for number in 0..4_u8 {
            let mut sender = opened(&router);
            sender.attach_sender("in");
            for delivery in 0..5 {
                sender.send_message(delivery, Durable::Yes, &[number * 5 + delivery as u8]);
                assert_eq!(sender.outcome(), (delivery, delivery, None), "accepted by the broker");
            }
        }
        assert_eq!(broker.queue("in").expect("a queue")["messages"], 20);
        let mut receiver = opened(&router);
        receiver.attach_receiver("in", 20);
        let mut got = Vec::new();
        for _ in 0..20 {
            let (delivery, body) = receiver.receive();
            receiver.accept(delivery, delivery);
            got.extend(body);
        }
        assert_eq!(got, (0..20).collect::<Vec<u8>>(), "in the queue's order");
        wait_for("the broker to hear of it", || {
            (broker.queue("in").expect("a queue")["messages"] == 0).then_some(())
        });
    }
}
