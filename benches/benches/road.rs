//! Time of a message on its road, and of the road's parts.

#![expect(missing_docs, reason = "criterion's macros make functions without")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine_core::message::Message;
use heddle_benches::queue::Queue;
use heddle_benches::road::{BATCH, Road, Sent};

fn road(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("road without sockets");
    for (name, size, sent) in [
        ("100 B unsettled", 100, Sent::Unsettled),
        ("100 B presettled", 100, Sent::Presettled),
        ("1 KiB unsettled", 1024, Sent::Unsettled),
        ("1 KiB durable", 1024, Sent::Durable),
    ] {
        let mut road = Road::new(size, sent);
        group.throughput(Throughput::Elements(u64::from(road.batch())));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(road.turn())));
    }
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let mut queue = Queue::new(false);
    let body = Bytes::from_static(&[b'x'; 100]);
    let mut keys = Vec::new();
    group.bench_function("deliver, dispatch, settle", |bencher| {
        bencher.iter(|| {
            queue.grant(BATCH);
            (0..BATCH).for_each(|delivery| queue.deliver(delivery, Message::new(body.clone())));
            queue.dispatch(|key, _| keys.push(key));
            keys.drain(..).for_each(|key| queue.settle(key));
            queue.outcomes(|first, last| assert_eq!(black_box(last - first), BATCH - 1));
        });
    });
    group.finish();
}

/// A parcel's size goes through a lane, on one core: the work of a hop without the distance between two cores.
fn lane(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lane");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let (mut sender, mut receiver) = engine_rt::lane::<[u64; 10]>(1024);
    group.bench_function("one hop of 80 octets", |bencher| {
        bencher.iter(|| {
            for number in 0..u64::from(BATCH) {
                assert!(sender.try_send(black_box([number; 10])).is_ok());
            }
            while let Some(value) = receiver.receive() {
                black_box(value);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, road, queue, lane);
criterion_main!(benches);
