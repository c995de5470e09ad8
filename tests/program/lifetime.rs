//! How a broker ends, and begins again.

use std::time::Duration;

use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Peer, connect};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";

fn ended(broker: &mut Broker) -> std::process::ExitStatus {
    wait_for("the end of the process", || broker.process.try_wait().expect("its state"))
}

#[test]
fn a_signal_closes_connections_and_ends_the_program() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut broker = Broker::start(LISTENER);
        let mut peer = Peer::new(connect(broker.addresses[0]));
        peer.open();
        broker.signal(signal);
        let error = peer.closed().expect("the broker says why");
        assert_eq!(error.condition.as_str(), "amqp:connection:forced");
        assert_eq!(ended(&mut broker).code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut broker = Broker::start(LISTENER);
    let mut peer = Peer::new(connect(broker.addresses[0]));
    peer.open();
    broker.signal(libc::SIGTERM);
    // The peer does not answer the close, so that only the second signal can end it before the deadline of three seconds.
    wait_for("the broker to be stopping", || broker.http("GET /readyz").0.contains("503").then_some(()));
    let before = std::time::Instant::now();
    broker.signal(libc::SIGTERM);
    assert_eq!(ended(&mut broker).code(), Some(130));
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_killed_broker_starts_again_on_the_same_port_and_data() {
    let mut broker = Broker::start(LISTENER);
    Peer::new(connect(broker.addresses[0])).open();
    broker.process.kill().expect("it is killed");
    ended(&mut broker);
    let listener = format!("[[listeners]]\naddress = \"{}\"", broker.addresses[0]);
    let folder = std::mem::replace(&mut broker.folder, TempDir::new().expect("a folder"));
    let again = Broker::start_in(folder, &listener);
    assert_eq!(again.addresses, broker.addresses);
    let mut peer = Peer::new(connect(again.addresses[0]));
    peer.open();
    peer.round_trip("after");
}
