//! Queues that are read again from where a consumer left off: by positions that stay, behind a kill, on any shard.

use std::net::TcpStream;

use amqp_codec::performative::{Performative, Source, Terminus};
use engine_message::Condition;
use engine_message::reader::Reader;
use engine_message::value::{Described, Map, Value};
use tempfile::TempDir;

use crate::broker::Broker;
use crate::links::{detach, receiver};
use crate::peer::{Durable, Peer, opened};

const CONFIG: &str =
    "[[address]]\nmatch = \"stream.#\"\nnon_destructive = true\n[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const START: &str = "rabbitmq:stream-offset-spec";
const COUNT: u32 = 300;

/// A source that begins there.
fn source(queue: &str, start: Option<Value>) -> Source {
    let mut filter = Map::default();
    if let Some(value) = start {
        let descriptor = Value::Symbol(START.into());
        filter.insert(START, Value::Described(Box::new(Described { descriptor, value })));
    }
    Source { filter, ..Terminus::at(queue).into() }
}

/// Attaches; gives whether the broker begins where it is asked to, or why it refuses.
fn attach(peer: &mut Peer<TcpStream>, queue: &str, start: Option<Value>) -> Result<bool, String> {
    peer.put(&receiver("reader", 1, source(queue, start)));
    match peer.answer("reader") {
        (_, Some(error)) => Err(error.condition.as_str().to_owned()),
        (answer, None) => Ok(answer.source.expect("it is attached").filter.get(START).is_some()),
    }
}

/// The number in a message, and its position if it has one.
fn read(message: &[u8]) -> (u32, Option<u64>) {
    let number = u32::from_be_bytes(*message.last_chunk().expect("a number ends it"));
    let name = b"x-stream-offset";
    let at = message.windows(name.len()).position(|octets| octets == name);
    let position = at.map(|at| Reader::new(&message[at + name.len()..]).ulong().expect("a ulong"));
    (number, position)
}

/// So many messages from a start on: the numbers and positions.
fn replay(broker: &Broker, queue: &str, start: Option<Value>, count: u32) -> Vec<(u32, Option<u64>)> {
    let mut peer = opened(broker);
    let asks = start.is_some();
    assert_eq!(attach(&mut peer, queue, start), Ok(asks));
    peer.set_credit(0, count);
    let read = (0..count).map(|_| read(&peer.receive_encoded().1)).collect();
    peer.put(&detach(1));
    peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
    peer.close();
    read
}

fn send(broker: &Broker, queue: &str, numbers: std::ops::Range<u32>) {
    let mut peer = opened(broker);
    peer.attach_sender(queue);
    // So large that what is sent at once lies in a place of its own in the journal, which is read by itself.
    let body = |number: u32| [&[0; 5000][..], &number.to_be_bytes()].concat();
    peer.send_accepted(Durable::Yes, numbers.map(body));
    peer.close();
}

#[test]
fn a_queue_is_read_again_from_a_position_behind_a_kill() {
    for shards in [1, 3] {
        let mut broker = Broker::start_with(TempDir::new().expect("a folder"), shards, CONFIG);
        let queues = ["stream.a", "stream.b", "stream.c"];
        let mut positions = Vec::new();
        for queue in queues {
            (0..COUNT).step_by(50).for_each(|from| send(&broker, queue, from..from + 50));
            let all = replay(&broker, queue, Some(Value::Symbol("first".into())), COUNT);
            assert!((0..COUNT).eq(all.iter().map(|(number, _)| *number)), "all of them, in order");
            let told: Vec<u64> = all.iter().map(|(_, position)| position.expect("a position")).collect();
            assert!(told.is_sorted_by(|one, other| one < other), "positions grow");
            positions.push(told);
        }
        for restarted in [false, true] {
            if restarted {
                broker = Broker::start_with(broker.kill(), shards, CONFIG);
            }
            for (queue, positions) in queues.into_iter().zip(&positions) {
                for from in [0, 1, 150, COUNT - 1] {
                    let position = positions[from as usize];
                    let read = replay(&broker, queue, Some(Value::Ulong(position)), (COUNT - from).min(50));
                    let wanted: Vec<_> =
                        (from..COUNT.min(from + 50)).map(|n| (n, Some(positions[n as usize]))).collect();
                    assert_eq!(read, wanted, "{queue}, {shards} shards, restarted: {restarted}");
                }
                let mut peer = opened(&broker);
                assert_eq!(attach(&mut peer, queue, Some(Value::Ulong(u64::MAX))), Ok(true));
                assert_eq!(peer.drain(10), 0, "nothing is as far as that");
                peer.close();
                let last = replay(&broker, queue, Some(Value::String("last".to_owned())), 1);
                assert_eq!(last, [(COUNT - 1, Some(positions[COUNT as usize - 1]))]);
                assert_eq!(replay(&broker, queue, None, 2), [(0, None), (1, None)], "who does not ask is told nothing");
            }
        }
        for (queue, positions) in queues.into_iter().zip(&positions) {
            let mut peer = opened(&broker);
            assert_eq!(attach(&mut peer, queue, Some(Value::Symbol("next".into()))), Ok(true));
            peer.set_credit(0, 2);
            send(&broker, queue, COUNT..COUNT + 2);
            let came = [0; 2].map(|_| read(&peer.receive_encoded().1));
            assert_eq!(came.map(|(number, _)| number), [COUNT, COUNT + 1], "it stays for what comes");
            assert!(came[0].1 > positions.last().copied(), "behind all others");
            peer.close();
        }
    }
}

#[test]
fn what_is_no_start_refuses_its_link_and_where_messages_are_taken_there_is_none() {
    let broker = Broker::start(CONFIG);
    let mut peer = opened(&broker);
    let invalid = || Err(Condition::InvalidField.as_str().to_owned());
    for (start, wanted) in [
        (Value::Symbol("yesterday".into()), invalid()),
        (Value::Long(-1), invalid()),
        (Value::Boolean(true), invalid()),
        (Value::List(vec![]), invalid()),
        (Value::Timestamp(1), Err(Condition::NotImplemented.as_str().to_owned())),
    ] {
        assert_eq!(attach(&mut peer, "stream.a", Some(start.clone())), wanted, "{start:?}");
        peer.put(&detach(1));
    }
    for start in [Value::Uint(0), Value::Int(5), Value::Long(5), Value::Ulong(u64::MAX)] {
        assert_eq!(attach(&mut peer, "stream.a", Some(start)), Ok(true));
        assert_eq!(peer.drain(10), 0);
        peer.put(&detach(1));
        peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
    }
    assert_eq!(attach(&mut peer, "queue", Some(Value::Symbol("first".into()))), Ok(false), "its messages are taken");
    peer.close();
}

/// So many messages from a start on: the numbers, and when they came.
fn replay_times(broker: &Broker, start: Value, count: u32) -> Vec<(u32, i64)> {
    let mut peer = opened(broker);
    assert_eq!(attach(&mut peer, "stream.a", Some(start)), Ok(true));
    peer.set_credit(0, count);
    let name = b"x-opt-ingress-time";
    let read = |message: &[u8]| {
        let at = message.windows(name.len()).position(|octets| octets == name).expect("it says when it came");
        let came = Value::read(&mut Reader::new(&message[at + name.len()..])).expect("a value");
        let Value::Long(came) = came else { panic!("{came:?}") };
        (u32::from_be_bytes(*message.last_chunk().expect("a number ends it")), came)
    };
    (0..count).map(|_| read(&peer.receive_encoded().1)).collect()
}

#[test]
fn a_queue_is_read_again_from_a_time_behind_a_kill() {
    let config = "[[address]]\nmatch = \"stream.#\"\nnon_destructive = true\ningress_timestamp = true\n\
        [[listeners]]\naddress = \"127.0.0.1:0\"\n";
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, config);
        send(&broker, "stream.a", 0..COUNT);
        let broker = Broker::start_with(broker.kill(), shards, config);
        send(&broker, "stream.a", COUNT..2 * COUNT);
        let all = replay_times(&broker, Value::Symbol("first".into()), 2 * COUNT);
        let broker = Broker::start_with(broker.kill(), shards, config);
        // One that came behind the first start, and one that came before it.
        for place in [COUNT + 7, 7] {
            let from = all[place as usize].1;
            let wanted: Vec<_> = all.iter().copied().skip_while(|(_, came)| *came < from).take(3).collect();
            assert_eq!(replay_times(&broker, Value::Timestamp(from), 3), wanted);
        }
        let mut peer = opened(&broker);
        assert_eq!(attach(&mut peer, "stream.a", Some(Value::Timestamp(all.last().expect("some").1 + 1))), Ok(true));
        assert_eq!(peer.drain(10), 0, "nothing came since");
    }
}
