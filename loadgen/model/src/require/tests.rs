use super::*;
use crate::collect::Collector;
use crate::interval::Counts;
use crate::latency::Metric;
use crate::ledger::Ledger;
use crate::result::{Figures, Usage, percentiles};
use crate::scenario::Group;
use crate::worker::Told;

fn scenario() -> Scenario {
    let orders = Group { name: "orders".to_owned(), ..Group::default() };
    let dotted = Group { name: "eu.p1.quotes".to_owned(), consumers: 0, ..Group::default() };
    Scenario { groups: vec![orders, dotted], ..Scenario::default() }
}

fn figures(name: &str, metric: Metric, ms: u64, counts: Counts) -> Figures {
    let mut figures = Figures { name: name.to_owned(), counts, ..Figures::default() };
    figures.latencies.record_n(metric, ms * 1_000_000, 100_000);
    figures.latencies.record_n(metric, 10 * ms * 1_000_000, 500);
    figures.percentiles = percentiles(&figures.latencies);
    figures
}

fn result() -> RunResult {
    let mut collector = Collector::new(&scenario(), 1);
    collector.handle(Told::Done { worker: 0, ledger: Ledger::default() }).expect("once");
    let mut run = collector.finish();
    run.measured_s = 10.0;
    let orders = Counts { due: 100_000, sent: 100_000, accepted: 100_000, received: 99_500, ..Counts::default() };
    let quotes = Counts { due: 10_000, sent: 10_000, accepted: 9_000, refused: 3, ..Counts::default() };
    run.groups =
        vec![figures("orders", Metric::Receive, 1, orders), figures("eu.p1.quotes", Metric::Accept, 4, quotes)];
    for group in &run.groups {
        run.total.counts.add(&group.counts);
        run.total.latencies.merge(&group.latencies);
    }
    run.total.percentiles = percentiles(&run.total.latencies);
    run.audit.duplicates = 2;
    run.server.usage = Some(Usage { cpu_us_per_message: 4.5, memory_bytes: 64 << 20, ..Usage::default() });
    run
}

fn holds(text: &str) -> Requirement {
    Threshold::parse(text, &scenario()).unwrap_or_else(|error| panic!("{text}: {error}")).check(&result())
}

#[test]
fn what_is_asked_is_found_and_compared() {
    let cases = [
        ("p99<2ms", true, "1.00 ms"),
        ("p99.9 < 2ms", false, "10.0 ms"),
        ("receive.p50<=1.01ms", true, "1.00 ms"),
        ("accept.p99<=5ms", true, "4.00 ms"),
        ("accept.max<20ms", false, "40.0 ms"),
        ("orders.receive.p50<300us", false, "1.00 ms"),
        ("orders.p99.9>5ms", true, "10.0 ms"),
        ("eu.p1.quotes.p50<5ms", true, "4.00 ms"),
        ("eu.p1.quotes.accept.mean<5ms", true, "4.18 ms"),
        ("lost=0", true, "0"),
        ("duplicates == 0", false, "2"),
        ("rate>=9.9k", true, "10,850 /s"),
        ("orders.rate>=9.96k", false, "9,950 /s"),
        ("eu.p1.quotes.refused=3", true, "3"),
        ("cpu_us<10", true, "4.50"),
        ("memory<64MiB", false, "64.0 MiB"),
        ("written_per_message<2KiB", false, "not known: nothing of it was measured"),
        ("round.p50<1s", false, "not known: nothing of it was measured"),
        ("receive.p50<=0.9999ms", false, "1.00 ms and a little more"),
        ("p99.9999<1s", true, "10.0 ms (of only 100,500 messages)"),
    ];
    for (text, expected, found) in cases {
        let requirement = holds(text);
        assert_eq!((requirement.holds, requirement.found.as_str()), (expected, found), "{text}");
    }
}

#[test]
fn mistakes_say_what_would_be_right() {
    let cases = [
        ("p99.9", "compares nothing: write it like p99.9<2ms"),
        ("p99.9<2", "a time with its unit"),
        ("p99.9<2 parsecs", "write 250us, 10ms"),
        ("p100<2ms", "there is no figure"),
        ("speed>3", "one of rate, offered"),
        ("nowhere.p99<2ms", "this scenario has orders, eu.p1.quotes"),
        ("orders.lost=0", "known of the whole run only"),
        ("lost<0.5", "a whole number"),
        ("cpu_us<much", "a number"),
        ("rate>fast", "write 500, 10k or 1.5M"),
        ("<2ms", "there is no figure \"\""),
    ];
    for (text, told) in cases {
        let error = Threshold::parse(text, &scenario()).expect_err(text).to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn names_are_printed_as_they_are_written() {
    for name in [
        "p50",
        "p99.9",
        "p99.9999",
        "accept.p99",
        "orders.max",
        "orders.settle.mean",
        "eu.p1.quotes.p90",
        "rate",
        "orders.rate",
    ] {
        let figure = Figure::parse(name, &scenario()).expect(name);
        assert_eq!(figure.to_string(), name);
    }
}

#[test]
fn a_scenario_s_own_requirements_are_checked_even_the_mistaken_ones() {
    let mut run = result();
    run.scenario.require = vec!["lost=0".to_owned(), "fast".to_owned()];
    let found = check(&run);
    assert_eq!(found.iter().map(|requirement| requirement.holds).collect::<Vec<_>>(), [true, false]);
    assert!(thresholds(&run.scenario).is_err());
    run.audit.incomplete = true;
    assert!(!check(&run)[0].holds, "what was not looked for is not known to be 0");
    run.audit.incomplete = false;
    run.scenario.groups.iter_mut().for_each(|group| group.consumers = 0);
    assert!(!check(&run)[0].holds, "nobody received");
}
