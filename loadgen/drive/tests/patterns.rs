//! Whole runs against a relay: every pattern, arrival and promise is sent, received, measured and audited.

use std::sync::atomic::AtomicBool;

use load_drive::double::{Behaviour, Double, DoubleSpec};
use load_drive::{RunError, run, start_local};
use load_model::interval::Counts;
use load_model::latency::Metric;
use load_model::result::RunResult;
use load_model::scenario::{Arrivals, Group, Pattern, Scenario, Settle, Size, WarmUp};
use load_model::units::{Bytes, Rate, Span};
use load_model::worker::Share;

/// A scenario of one group, of so many messages.
fn scenario(server: String, count: u64, group: Group) -> Scenario {
    let group = Group { rate: Rate(4000.0), size: Size::Fixed(Bytes(100)), ..group };
    Scenario {
        servers: vec![server],
        groups: vec![group],
        count,
        warm_up: WarmUp::Fixed(Span(0)),
        duration: Span::seconds(60.0),
        ..Scenario::default()
    }
}

fn run_on(scenario: &Scenario, workers: u32) -> Result<RunResult, RunError> {
    scenario.check().expect("it can be run");
    let shares: Vec<Share> = (0..workers).map(|worker| Share { worker, workers }).collect();
    let workers = start_local(scenario, &shares, &[])?;
    run(scenario, &workers, &AtomicBool::new(false), &mut |_| {})
}

/// Runs it against a relay of its own, and checks what holds of every run there.
fn run_whole(scenario: &Scenario, workers: u32) -> RunResult {
    let result = run_on(scenario, workers).expect("it runs");
    let all = counts(&result);
    let audit = &result.audit;
    assert_eq!(all.sent, scenario.count, "{all:?}");
    assert_eq!((audit.lost, audit.duplicates, audit.reordered), (0, 0, 0), "{audit:?}");
    assert_eq!((audit.corrupt, audit.foreign, audit.in_doubt), (0, 0, 0), "{audit:?}");
    assert_eq!((all.refused, audit.not_checked.as_str()), (0, ""));
    result
}

/// What happened in the whole run: what is under way when the last message was sent belongs to no measured time.
fn counts(result: &RunResult) -> Counts {
    let mut all = Counts::default();
    result.timeline.iter().for_each(|second| all.add(&second.counts));
    all
}

fn relay() -> Double {
    Double::start(DoubleSpec::local(Behaviour::Relay)).expect("a port")
}

#[test]
fn every_promise_is_kept_and_measured() {
    let relay = relay();
    for settle in [Settle::Presettled, Settle::Unsettled, Settle::Second] {
        for arrivals in [Arrivals::Constant, Arrivals::Closed] {
            let address = format!("{settle:?}-{arrivals:?}");
            let group = Group { settle, arrivals, address, durable: true, ..Group::default() };
            let result = run_whole(&scenario(relay.url(), 2000, group), 1);
            let all = counts(&result);
            assert_eq!((all.received, all.due), (2000, 2000), "{settle:?} {arrivals:?}");
            assert_eq!(all.received_bytes, 200_000);
            let of = |metric| result.total.latencies.get(metric).map_or(0, |histogram| histogram.len());
            let accepted = if settle == Settle::Presettled { 0 } else { 2000 };
            assert_eq!((of(Metric::Accept), of(Metric::Service), of(Metric::Receive)), (accepted, accepted, 2000));
            assert_eq!(of(Metric::Settle), if settle == Settle::Second { 2000 } else { 0 });
            assert_eq!(of(Metric::Lag) > 0, arrivals == Arrivals::Constant);
        }
    }
}

#[test]
fn links_are_dealt_out_to_addresses_workers_and_connections() {
    let relay = relay();
    let group = Group { producers: 6, consumers: 4, addresses: 2, address: "dealt".to_owned(), ..Group::default() };
    let mut dealt = scenario(relay.url(), 3000, group);
    dealt.connection.links = 2;
    dealt.groups[0].arrivals = Arrivals::Poisson;
    dealt.groups[0].size = Size::Uniform { min: Bytes(40), max: Bytes(5000) };
    let result = run_whole(&dealt, 2);
    assert_eq!((counts(&result).received, counts(&result).connected), (3000, 6));
}

#[test]
fn a_topic_goes_to_everybody() {
    let relay = relay();
    let group =
        Group { pattern: Pattern::Topic, consumers: 3, producers: 2, address: "topic".to_owned(), ..Group::default() };
    let result = run_whole(&scenario(relay.url(), 1500, group), 2);
    assert_eq!(counts(&result).received, 4500);
}

#[test]
fn requests_are_answered() {
    let relay = relay();
    for (arrivals, size) in [(Arrivals::Constant, 100), (Arrivals::Closed, 3_000_000)] {
        let address = format!("requests-{size}");
        let pattern = Pattern::RequestReply;
        let group = Group { pattern, arrivals, producers: 2, consumers: 2, window: 10, address, ..Group::default() };
        let count = if size > 1000 { 20 } else { 1000 };
        let mut requests = scenario(relay.url(), count, group);
        requests.groups[0].size = Size::Fixed(Bytes(size));
        let result = run_whole(&requests, 1);
        assert_eq!((counts(&result).received, counts(&result).replies), (count, count));
        assert_eq!(result.total.latencies.get(Metric::Round).map(|histogram| histogram.len()), Some(count));
    }
}

#[test]
fn transactions_are_committed_the_last_one_too() {
    let relay = relay();
    for arrivals in [Arrivals::Constant, Arrivals::Closed] {
        let group =
            Group { transaction: 30, producers: 2, arrivals, address: format!("{arrivals:?}"), ..Group::default() };
        let result = run_whole(&scenario(relay.url(), 1000, group), 1);
        let all = counts(&result);
        assert_eq!((all.received, all.accepted), (1000, 1000));
        assert_eq!(
            (all.transactions.committed, all.transactions.rolled_back),
            (34, 0),
            "500 of each are 16 and one of 20"
        );
    }
}

#[test]
fn messages_of_many_frames_come_whole() {
    let relay = relay();
    let group = Group { arrivals: Arrivals::Closed, window: 4, address: "large".to_owned(), ..Group::default() };
    let mut large = scenario(relay.url(), 40, group);
    large.groups[0].size = Size::Uniform { min: Bytes(1_000_000), max: Bytes(6_000_000) };
    assert_eq!(counts(&run_whole(&large, 1)).received, 40);
}

#[test]
fn a_consumer_that_holds_messages_slows_the_rest_down() {
    let relay = relay();
    let group = Group { hold: Span(2_000_000), credit: 4, address: "held".to_owned(), ..Group::default() };
    let result = run_whole(&scenario(relay.url(), 400, group), 1);
    // Four at a time, 2 ms each: the last one waits for what is before it.
    let receive = result.total.latencies.get(Metric::Receive).expect("values");
    assert!(receive.max() > 50_000_000, "{}", receive.max());
}

#[test]
fn connections_are_made_anew_and_nothing_is_lost() {
    let relay = relay();
    let group = Group { producers: 3, consumers: 3, address: "churn".to_owned(), ..Group::default() };
    let mut churn = scenario(relay.url(), 8000, group);
    churn.connection.churn = 20.0;
    churn.connection.reconnect = true;
    let result = run_whole(&churn, 2);
    assert_eq!(counts(&result).received, 8000);
    assert!(counts(&result).connected > 20, "{}", counts(&result).connected);
    assert_eq!(counts(&result).broken, 0);
}

#[test]
fn a_load_goes_on_when_its_server_comes_back_and_says_what_it_does_not_know() {
    let mut server = Some(relay());
    let address = server.as_ref().map(Double::address).expect("it runs");
    let group = Group { producers: 2, consumers: 2, address: "back".to_owned(), ..Group::default() };
    let mut broken = scenario(format!("amqp://{address}"), 12_000, group);
    broken.connection.reconnect = true;
    let workers = start_local(&broken, &[Share { worker: 0, workers: 1 }], &[]).expect("threads");
    let mut seconds = 0;
    let result = run(&broken, &workers, &AtomicBool::new(false), &mut |view| {
        seconds += u32::from(view.second.is_some());
        if seconds == 1
            && let Some(first) = server.take()
        {
            first.stop().expect("it ends");
            server = Some(
                Double::start(DoubleSpec { listen: address, ..DoubleSpec::local(Behaviour::Relay) }).expect("the port"),
            );
            seconds += 1;
        }
    });
    let result = result.expect("it goes on");
    let all = counts(&result);
    assert_eq!((all.sent, all.broken, all.connected), (12_000, 4, 8));
    let known = all.accepted + all.refused + result.audit.in_doubt;
    assert_eq!(known, 12_000, "{all:?} {:?}", result.audit);
    assert_eq!((result.audit.corrupt, result.audit.foreign), (0, 0));
    // What was in the relay's memory went with it; what came is neither lost nor counted twice.
    assert!(all.received + result.audit.lost + result.audit.in_doubt >= 12_000, "{all:?} {:?}", result.audit);
}
