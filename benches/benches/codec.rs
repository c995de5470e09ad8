//! The codec for each performative, beside fe2o3-amqp-types on the same bytes.

#![expect(missing_docs, reason = "criterion's macros make functions without")]

use std::hint::black_box;

use amqp_codec::performative::{
    self, Attach, Begin, Close, DeliveryState, Detach, Disposition, End, Flow, Open, Performative, Role, Source,
    Target, Terminus, Transfer, decode_plain,
};
use criterion::{Criterion, criterion_group, criterion_main};
use fe2o3_amqp_types::performatives as theirs;
use serde::de::DeserializeOwned;
use serde::ser::Serialize;

fn samples() -> Vec<(&'static str, Performative<'static>)> {
    let source = Source::from(Terminus::at("orders"));
    let target = Terminus::at("orders");
    let attach = Attach {
        source: Some(source),
        target: Some(Target::Node(target)),
        initial_delivery_count: Some(0),
        ..Attach::new("link", 1, Role::Sender)
    };
    let transfer = Transfer {
        handle: 1,
        delivery_id: Some(70_000),
        delivery_tag: Some(&[1, 2, 3, 4]),
        message_format: Some(0),
        settled: Some(false),
        ..Transfer::default()
    };
    let disposition = Disposition {
        role: Role::Receiver,
        first: 70_000,
        last: Some(70_255),
        settled: true,
        state: Some(DeliveryState::Accepted),
        batchable: false,
    };
    let flow = Flow {
        next_incoming_id: Some(70_000),
        incoming_window: 8192,
        next_outgoing_id: 9,
        outgoing_window: 8192,
        handle: Some(1),
        delivery_count: Some(70_000),
        link_credit: Some(2000),
        ..Flow::default()
    };
    vec![
        ("open", Performative::Open(Box::new(Open { container_id: "client".to_owned(), ..Open::default() }))),
        (
            "begin",
            Performative::Begin(Box::new(Begin { incoming_window: 99, outgoing_window: 99, ..Begin::default() })),
        ),
        ("attach", Performative::Attach(Box::new(attach))),
        ("flow", Performative::Flow(flow)),
        ("transfer", Performative::Transfer(transfer)),
        ("disposition", Performative::Disposition(disposition)),
        ("detach", Performative::Detach(Detach { handle: 1, closed: true, error: None })),
        ("end", Performative::End(End::default())),
        ("close", Performative::Close(Close::default())),
    ]
}

fn both(criterion: &mut Criterion) {
    for (name, performative) in samples() {
        let mut frame = Vec::new();
        performative::encode_frame(&mut frame, 0, &performative);
        let body = frame[amqp_codec::frame::HEADER_BYTES..].to_vec();
        let mut group = criterion.benchmark_group(name);
        let mut out = Vec::with_capacity(4096);
        group.bench_function("encode", |bencher| {
            bencher.iter(|| {
                out.clear();
                performative::encode_frame(&mut out, 0, black_box(&performative));
            });
        });
        group.bench_function("decode", |bencher| {
            bencher.iter(|| black_box(performative::decode(black_box(&body))).is_ok());
        });
        if name == "transfer" {
            group.bench_function("decode, the short way", |bencher| {
                bencher.iter(|| black_box(decode_plain(black_box(&body))).is_some());
            });
        }
        match name {
            "open" => fe2o3::<theirs::Open>(&mut group, &body),
            "begin" => fe2o3::<theirs::Begin>(&mut group, &body),
            "attach" => fe2o3::<theirs::Attach>(&mut group, &body),
            "flow" => fe2o3::<theirs::Flow>(&mut group, &body),
            "transfer" => fe2o3::<theirs::Transfer>(&mut group, &body),
            "disposition" => fe2o3::<theirs::Disposition>(&mut group, &body),
            "detach" => fe2o3::<theirs::Detach>(&mut group, &body),
            "end" => fe2o3::<theirs::End>(&mut group, &body),
            _ => fe2o3::<theirs::Close>(&mut group, &body),
        }
        group.finish();
    }
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn fe2o3<T: Serialize + DeserializeOwned>(group: &mut Group<'_>, body: &[u8]) {
    let value: T = serde_amqp::from_slice(body).expect("both read the same bytes");
    group.bench_function("fe2o3 encode", |bencher| {
        bencher.iter(|| black_box(serde_amqp::to_vec(black_box(&value))).is_ok());
    });
    group.bench_function("fe2o3 decode", |bencher| {
        bencher.iter(|| black_box(serde_amqp::from_slice::<T>(black_box(body))).is_ok());
    });
}

criterion_group!(benches, both);
criterion_main!(benches);
