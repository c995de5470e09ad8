//! What a queue's settings say of its consumers, over AMQP: how many there may be.

use std::net::TcpStream;

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Performative, Role, Source, Target, Terminus};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Peer, opened};

fn start(shards: u16, addresses: &str) -> Broker {
    let settings = format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n{addresses}");
    Broker::start_with(TempDir::new().expect("a folder"), shards, &settings)
}

/// Attaches a receiver of this name and handle; gives why it was refused, if it was.
fn attach(peer: &mut Peer<TcpStream>, name: &str, handle: u32, queue: &str) -> Option<AmqpError> {
    let source = Some(Source { terminus: Terminus::at(queue), ..Source::default() });
    let target = Some(Target::Node(Terminus::at("here")));
    peer.put(&Performative::Attach(Box::new(Attach { source, target, ..Attach::new(name, handle, Role::Receiver) })));
    peer.answer(name).1
}

#[test]
fn a_consumer_beyond_max_consumers_is_refused_and_its_connection_goes_on() {
    for shards in [1, 3] {
        let broker = start(shards, "[[address]]\nmatch = \"few.#\"\nmax_consumers = 1\n");
        for queue in ["few.a", "few.b", "few.c"] {
            let (mut first, mut second) = (opened(&broker), opened(&broker));
            assert_eq!(attach(&mut first, "one", 1, queue), None);
            let error = attach(&mut second, "one", 7, queue).expect("it is one too many");
            assert_eq!(error.condition.as_str(), "amqp:resource-limit-exceeded");
            assert!(error.description.is_some_and(|text| text.contains("max_consumers")), "it says why");
            second.attach_browser(queue, 1);
            first.close();
            wait_for("the first one to be gone", || {
                attach(&mut opened(&broker), "one", 1, queue).is_none().then_some(())
            });
        }
    }
}
