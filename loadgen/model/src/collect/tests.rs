use super::*;
use crate::latency::Metric;
use crate::result::Percentiles;
use crate::scenario::Group;
use crate::units::Span;

fn scenario(warm_up: WarmUp, seconds: f64) -> Scenario {
    let servers = vec!["amqp://user:pass@word@host:5672".to_owned(), "amqps://other".to_owned()];
    let consumers_at = vec!["amqp://user:secret@far".to_owned()];
    let groups = vec![Group::default(), Group { name: "second".to_owned(), consumers_at, ..Group::default() }];
    let mut scenario = Scenario { servers, warm_up, duration: Span::seconds(seconds), groups, ..Scenario::default() };
    scenario.connection.password = "secret".to_owned();
    scenario
}

fn ready(collector: &mut Collector, workers: u32) {
    for worker in 0..workers {
        let told = Told::Ready { worker, product: "Broker 1".to_owned(), container: "here".to_owned() };
        collector.handle(told).expect("it is one of them");
    }
}

/// A second in which a worker sent so many messages of a group, each received after so many milliseconds.
fn second(worker: u32, group: u32, at: u64, sent: u64, ms: u64) -> Told {
    let counts =
        Counts { due: sent, sent, received: sent, cpu_ns: 400_000_000, idle_ns: 500_000_000, ..Counts::default() };
    let mut latencies = Latencies::default();
    latencies.record_n(Metric::Receive, ms * 1_000_000, sent);
    Told::Interval(Interval {
        worker,
        group,
        start_ns: at * SECOND_NS,
        end_ns: (at + 1) * SECOND_NS,
        counts,
        latencies,
        over_ns: None,
        resumed: None,
    })
}

#[test]
fn seconds_are_added_up_when_all_workers_have_told_of_them() {
    let mut collector = Collector::new(&scenario(WarmUp::Fixed(Span::seconds(0.5)), 2.0), 2);
    assert_eq!(collector.stop_at(), Some(3 * SECOND_NS), "seconds of a warm-up are whole");
    ready(&mut collector, 2);
    assert!(collector.is_ready());
    let phases: Vec<_> = std::iter::from_fn(|| collector.poll_view()).map(|view| (view.phase, view.ready)).collect();
    assert_eq!(phases, [(Phase::Connecting, 1), (Phase::WarmUp, 2)]);
    for (at, ms) in [(0, 500), (1, 1), (2, 2), (3, 900)] {
        for worker in [0, 1] {
            for group in [0, 1] {
                assert!(collector.poll_view().is_none());
                collector.handle(second(worker, group, at, 100 * (u64::from(group) + 1), ms)).expect("it is in order");
            }
        }
        let view = collector.poll_view().expect("all told of it");
        assert_eq!(view.elapsed_ns, (at + 1) * SECOND_NS);
        assert_eq!(view.second.expect("a second").counts.sent, 600);
        assert_eq!(view.groups[1].counts.sent, 400);
        assert_eq!(view.latencies.get(Metric::Receive).map(|all| all.len()), Some(600));
        assert_eq!(view.phase, [Phase::Measuring, Phase::Measuring, Phase::Draining, Phase::Draining][at as usize]);
    }
    for worker in [0, 1] {
        collector.handle(Told::Done { worker, ledger: Ledger::default() }).expect("it is one of them");
    }
    assert!(collector.is_done());
    let result = collector.finish();
    assert_eq!((result.warm_up_s, result.measured_s), (1.0, 2.0));
    assert_eq!(result.total.counts.sent, 1200, "neither the warm-up nor the drain is counted");
    let receive = result.total.of(Metric::Receive).expect("there were some");
    assert_eq!(receive.count, 1800, "those that came in the drain are among the latencies");
    assert!(receive.max > 890_000.0 && receive.p50 < 2_100.0);
    assert_eq!(result.groups[1].counts.sent, 800);
    assert_eq!(result.timeline.iter().map(|row| row.measured).collect::<Vec<_>>(), [false, true, true, false]);
    assert_eq!(result.server.product, "Broker 1");
    assert_eq!(result.generator.threads, 2);
    assert!((result.generator.busiest_cpu - 0.8).abs() < 1e-9);
}

#[test]
fn a_worker_that_is_done_or_skips_a_group_holds_up_nothing() {
    let mut collector = Collector::new(&scenario(WarmUp::Fixed(Span(0)), 10.0), 2);
    ready(&mut collector, 2);
    while collector.poll_view().is_some() {}
    collector.handle(second(0, 0, 0, 1, 1)).expect("in order");
    collector.handle(second(1, 0, 0, 1, 1)).expect("in order");
    assert!(collector.poll_view().is_none(), "the second group may come");
    collector.handle(second(0, 0, 1, 1, 1)).expect("in order");
    collector.handle(second(1, 0, 1, 1, 1)).expect("in order");
    assert_eq!(collector.poll_view().expect("both are further").elapsed_ns, SECOND_NS);
    collector.handle(Told::Done { worker: 0, ledger: Ledger::default() }).expect("once");
    collector.handle(Told::Done { worker: 1, ledger: Ledger::default() }).expect("once");
    assert_eq!(collector.poll_view().expect("nobody will tell more").elapsed_ns, 2 * SECOND_NS);
    assert!(collector.handle(Told::Done { worker: 1, ledger: Ledger::default() }).is_err());
}

#[test]
fn what_cannot_be_is_an_error() {
    let mut collector = Collector::new(&scenario(WarmUp::Fixed(Span(0)), 10.0), 2);
    assert!(collector.handle(second(2, 0, 0, 1, 1)).is_err(), "there is no third worker");
    assert!(collector.handle(second(0, 2, 0, 1, 1)).is_err(), "there is no third group");
    let told = (0..=PENDING_MAX as u64).map(|at| collector.handle(second(0, 0, at, 1, 1)));
    let error = told.last().expect("some").expect_err("worker 1 is silent");
    assert!(error.starts_with("worker 1 has told nothing"), "{error}");
    let mut again = Collector::new(&scenario(WarmUp::Fixed(Span(0)), 10.0), 1);
    for at in [0, 1] {
        again.handle(second(0, 0, at, 1, 1)).expect("in order");
    }
    assert!(again.handle(second(0, 1, 0, 1, 1)).is_err(), "that second was complete");
}

#[test]
fn so_many_messages_end_a_run_and_so_does_an_interruption() {
    let counted = Scenario { count: 500, ..scenario(WarmUp::Auto, 0.0) };
    let mut collector = Collector::new(&counted, 1);
    assert_eq!(collector.stop_at(), None);
    for at in 0..2 {
        collector.handle(second(0, 0, at, 150, 1)).expect("in order");
        collector.handle(second(0, 1, at, 150, 1)).expect("in order");
    }
    assert_eq!(collector.stop_at(), Some(2 * SECOND_NS));
    assert_eq!(collector.finish().total.counts.sent, 600, "every message counts");
    let mut collector = Collector::new(&scenario(WarmUp::Fixed(Span(0)), 60.0), 1);
    collector.handle(second(0, 0, 0, 100, 1)).expect("in order");
    collector.interrupt(1_250_000_000);
    assert_eq!(collector.stop_at(), Some(1_250_000_000));
    collector.handle(second(0, 0, 1, 25, 1)).expect("in order");
    let result = collector.finish();
    assert_eq!((result.measured_s, result.total.counts.sent), (1.25, 125));
    assert!(result.interrupted);
}

#[test]
fn a_count_at_a_rate_is_a_length() {
    // 4,000 at 3,000 a second are 1.333 s, whatever the seconds are.
    let scenario = Scenario { count: 4000, ..scenario(WarmUp::Auto, 60.0) };
    let mut collector = Collector::new(&scenario, 2);
    for (at, sent) in [(0, [1500, 1500]), (1, [500, 500])] {
        for worker in [0, 1] {
            let Told::Interval(mut interval) = second(worker, 0, at, sent[worker as usize], 1) else { unreachable!() };
            interval.over_ns = (at == 1).then_some([1_333_000_000, 1_333_333_333][worker as usize]);
            collector.handle(Told::Interval(interval)).expect("in order");
            collector.handle(second(worker, 1, at, 0, 1)).expect("in order");
        }
    }
    assert_eq!(collector.stop_at(), Some(1_333_333_333));
    let result = collector.finish();
    assert!((result.offered() - 3000.0).abs() < 0.01, "{}", result.offered());
    assert!((result.rate() - 3000.0).abs() < 0.01, "{}", result.rate());
    // Its threads were as busy in the second in which it ended as in the one before.
    assert!((result.generator.busiest_cpu - 0.8).abs() < 0.01, "{}", result.generator.busiest_cpu);
}

#[test]
fn a_run_that_is_cut_off_has_what_was_seen_until_then() {
    let mut collector = Collector::new(&scenario(WarmUp::Fixed(Span(0)), 60.0), 2);
    ready(&mut collector, 2);
    for at in 0..3 {
        for worker in [0, 1] {
            collector.handle(second(worker, 0, at, 100, 1)).expect("in order");
            collector.handle(second(worker, 1, at, 100, 1)).expect("in order");
        }
    }
    let lost = |worker, why: &str| Told::Lost { worker, at_ns: Some(3_250_000_000), why: why.to_owned() };
    collector.handle(lost(0, "reset")).expect("it is one of them");
    collector.handle(lost(1, "closed")).expect("it is one of them");
    assert!(collector.cut_off_by() == Some(Side::Server) && !collector.is_done(), "what they know comes behind it");
    assert_eq!(collector.stop_at(), Some(3_250_000_000));
    collector.handle(Told::Done { worker: 0, ledger: Ledger::default() }).expect("once");
    let result = collector.finish();
    let cut_off = result.cut_off.expect("it was");
    assert_eq!((cut_off.by, cut_off.at_s, cut_off.why.as_str()), (Side::Server, Some(3.25), "reset"));
    assert_eq!((result.total.counts.sent, result.measured_s), (1200, 3.0));
    assert!(result.audit.incomplete, "the other worker never told what it received");
}

#[test]
fn a_run_that_never_began_has_a_result_as_well() {
    let mut collector = Collector::new(&scenario(WarmUp::Auto, 60.0), 2);
    let told =
        Told::Tries { worker: 1, tries: Tries { down: 2, attempts: 7, why: "refused".to_owned(), left_ns: Some(5) } };
    collector.handle(told).expect("it is one of them");
    assert_eq!(collector.poll_view().expect("it is shown").tries.map(|tries| tries.attempts), Some(7));
    collector.handle(Told::Lost { worker: 1, at_ns: None, why: "refused".to_owned() }).expect("it is one of them");
    collector.handle(Told::Failed { worker: 0, why: "no thread".to_owned() }).expect("it is one of them");
    assert!(collector.is_done());
    let cut_off = collector.finish().cut_off.expect("it was");
    assert_eq!((cut_off.by, cut_off.at_s, cut_off.why.as_str()), (Side::Server, None, "refused"));
}

#[test]
fn an_automatic_warm_up_ends_when_the_load_is_steady_or_after_a_minute() {
    let mut steady = Collector::new(&scenario(WarmUp::Auto, 5.0), 1);
    let mut drifting = Collector::new(&scenario(WarmUp::Auto, 5.0), 1);
    for at in 0..62 {
        for group in [0, 1] {
            // Its load rises for 10 seconds; the other's for ever.
            steady.handle(second(0, group, at, 1000 * at.min(10), 10)).expect("in order");
            drifting.handle(second(0, group, at, 1000 + 100 * at, 10)).expect("in order");
        }
        while steady.poll_view().is_some() {}
    }
    let stop = steady.stop_at().expect("the warm-up is over") / SECOND_NS;
    assert!((18..25).contains(&stop), "{stop}");
    let result = steady.finish();
    assert_eq!((result.steadiness, result.measured_s), (Steadiness::Reached, 5.0));
    assert_eq!(result.warm_up_s + 5.0, stop as f64);
    assert_eq!(drifting.stop_at(), Some(65 * SECOND_NS));
    assert_eq!(drifting.finish().steadiness, Steadiness::NotReached);
}

#[test]
fn credentials_do_not_come_into_results() {
    let result = Collector::new(&scenario(WarmUp::Auto, 1.0), 1).finish();
    assert_eq!(result.scenario.servers, ["amqp://host:5672", "amqps://other"]);
    assert_eq!(result.scenario.groups[1].consumers_at, ["amqp://far"]);
    assert_eq!(result.scenario.connection.password, "");
}

/// The percentiles of one message that took so long.
fn always(us: f64) -> Percentiles {
    let metric = Metric::Receive.name().to_owned();
    Percentiles { metric, count: 1, mean: us, min: us, p50: us, p90: us, p99: us, p99_9: us, p99_99: us, max: us }
}

#[test]
fn a_long_run_has_a_bounded_timeline_that_keeps_every_message() {
    let mut timeline = Timeline::default();
    let length = 20_000_usize;
    for at in 0..length {
        let counts = Counts { sent: at as u64, ..Counts::default() };
        let us = if at == 7777 { 5000.0 } else { 1000.0 };
        timeline.push(Second {
            at_s: at as f64,
            length_s: 1.0,
            measured: at >= 5,
            counts,
            percentiles: vec![always(us)],
            server_cpu: None,
            server_memory: Some(at as u64),
        });
    }
    let rows = timeline.into_rows();
    assert!((1000..=3600).contains(&rows.len()), "{}", rows.len());
    assert_eq!(rows.iter().map(|row| row.counts.sent).sum::<u64>(), (0..length as u64).sum::<u64>());
    assert!((rows.iter().map(|row| row.length_s).sum::<f64>() - length as f64).abs() < 1e-6);
    let slow: Vec<_> = rows.iter().filter(|row| row.percentiles[0].p99 > 2000.0).collect();
    assert_eq!(slow.len(), 1, "the slow second is seen in its row");
    assert!((slow[0].at_s..slow[0].at_s + slow[0].length_s).contains(&7777.0));
    for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
        assert!((row.at_s + row.length_s - next.at_s).abs() < 1e-6 && row.measured <= next.measured);
    }
}
