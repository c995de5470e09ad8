//! What reports claim, and what they rest it on: nothing of runs that are not valid, nothing that was not looked for, and every point
//! of a curve at the rate that was asked.

use load_model::result::RunResult;
use load_model::scenario::{Arrivals, Pattern};
use load_model::sweep::{Offer, Point, Purpose, SweepResult};
use load_report::text::Paper;
use load_report::{html, json, text};
use roxmltree::{Document, ParsingOptions};

use crate::sample;

fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("not well-formed: {error}"))
}

/// All text of the elements of a class.
fn of_class(document: &Document<'_>, class: &str) -> Vec<String> {
    let of =
        |node: &roxmltree::Node<'_, '_>| node.attribute("class").is_some_and(|of| of.split(' ').any(|of| of == class));
    let text = |node: roxmltree::Node<'_, '_>| {
        node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect::<String>()
    };
    document.descendants().filter(of).map(text).collect()
}

/// The card of messages lost.
fn lost_card(run: &RunResult) -> String {
    let page = html::run(run);
    let document = parsed(&page);
    of_class(&document, "card").into_iter().find(|card| card.starts_with("Messages lost")).expect("there is one")
}

#[test]
fn runs_that_are_not_valid_are_left_out_of_a_comparison_and_that_comes_first() {
    let comparison = sample::comparison_of_invalid(&[1]);
    let text = text::comparison(&comparison, Paper::PLAIN);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("A  orders and quotes, Heddle 0.1.0, 2 runs, the first of "), "{text}");
    assert!(
        lines[1].starts_with("B  orders and quotes, Heddle 0.2.0, 2 runs, 1 of them valid, the first of "),
        "{text}"
    );
    assert!(lines[2].starts_with("  left out: 1 of the 2 runs of B is not valid, and left out. It was late"), "{text}");
    let page = html::compare(&comparison);
    assert!(of_class(&parsed(&page), "verdict")[0].contains("1 of the 2 runs of B is not valid, and left out."));
}

#[test]
fn a_side_without_a_valid_run_gives_no_verdict_in_any_form() {
    let comparison = sample::comparison_of_invalid(&[0, 1]);
    let text = text::comparison(&comparison, Paper::PLAIN);
    assert!(text.contains("No verdict: B has no valid run, and nothing was compared"), "{text}");
    let page = html::compare(&comparison);
    let document = parsed(&page);
    assert!(of_class(&document, "verdict")[0].starts_with("No verdict: B has no valid run"));
    assert!(document.descendants().all(|node| !node.has_tag_name("svg") && !node.has_tag_name("table")));
    let json = json::comparison(&comparison);
    assert!(json.contains("\"no-valid-run\"") && json.contains("\"rows\": []"), "{json}");
    for said in [&text, &of_class(&document, "verdict").concat(), &json] {
        assert!(!said.contains("better") && !said.contains("worse"), "{said}");
    }
}

/// A sweep with an overload that did little, at a rate far above what was done of it, a rate that held when it was tried again, and a
/// run that did not offer what was asked.
fn overloaded() -> SweepResult {
    let mut sweep = sample::sweep();
    let open = |asked: f64, purpose| Offer { rate: Some(asked), purpose };
    let like = |share: usize| sweep.points[share].clone();
    let mut add = vec![
        Point {
            offer: open(160_000.0, Purpose::Search),
            offered: 160_000.0,
            achieved: 31_000.0,
            holds: false,
            keeps_up: false,
            ..like(12)
        },
        Point { offer: open(27_000.0, Purpose::Again), holds: false, achieved: 20_000.0, keeps_up: false, ..like(2) },
        Point {
            offer: open(150_000.0, Purpose::Search),
            offered: 103_000.0,
            achieved: 103_000.0,
            is_valid: false,
            holds: false,
            ..like(12)
        },
    ];
    sweep.points.append(&mut add);
    sweep
}

/// Places of the points of a series in the wide picture of a chart, from left to right as they are joined.
fn joined(document: &Document<'_>, title: &str, name: &str) -> Vec<f64> {
    let is_chart = |node: &roxmltree::Node<'_, '_>| {
        node.attribute("aria-label") == Some(title) && node.attribute("class") == Some("wide")
    };
    let chart = document.descendants().find(is_chart).expect("it is drawn");
    let series = chart.descendants().find(|node| node.attribute("data-name") == Some(name)).expect("it is drawn");
    let path = series.descendants().find(|node| node.attribute("class") == Some("line")).expect("it is a line");
    let places = path.attribute("d").expect("it has places").split(['M', 'L']).skip(1);
    places.map(|place| place.split(' ').next().and_then(|x| x.parse().ok()).expect("a place")).collect()
}

#[test]
fn a_sweep_is_drawn_at_the_rates_that_were_asked_in_their_order() {
    let sweep = overloaded();
    let page = html::sweep(&sweep);
    let document = parsed(&page);
    for (title, name) in [
        ("Latency at each rate", "p99"),
        ("What was done of what was asked", "done"),
        ("The server's processor time for each message", "server"),
    ] {
        let places = joined(&document, title, name);
        assert_eq!(places.len(), 14, "{title}: one run for each rate, and none that is not valid");
        assert!(places.is_sorted_by(|one, other| one < other), "{title}: {places:?}");
        // From 0 to a little above 160,000, on 846 pixels from 62 on.
        let x = |rate: f64| 62.0 + 846.0 * rate / (160_000.0 * 1.16);
        let (first, last) = (places[0], places[13]);
        assert!((first - x(9000.0)).abs() < 0.1 && (last - x(160_000.0)).abs() < 0.1, "{title}: {places:?}");
    }
    // Five of the sample, the overload, and what failed once, in each of three latencies.
    let red = document.descendants().filter(|node| {
        node.has_tag_name("circle")
            && node.parent().and_then(|group| group.attribute("class")) == Some("series alarm")
            && node.ancestors().any(|node| {
                node.attribute("class") == Some("wide") && node.attribute("aria-label") == Some("Latency at each rate")
            })
    });
    assert_eq!(red.count(), 3 * 7);
}

#[test]
fn what_was_asked_and_what_was_done_stand_apart_and_what_was_not_offered_is_said() {
    let text = text::sweep(&overloaded(), Paper::PLAIN);
    let titles = text.lines().find(|line| line.contains("p99.9") && line.contains("done")).expect("there are titles");
    assert!(titles.trim_start().starts_with("asked"), "{titles}");
    let rates: Vec<&str> = text.lines().filter_map(|line| line.get(..22)).map(str::trim).collect();
    let place = |asked: &str| {
        rates.iter().position(|line| line.starts_with(asked)).unwrap_or_else(|| panic!("{asked}: {rates:?}"))
    };
    assert!(place("closed loop") < place("9,000") && place("112,500") < place("150,000"), "{rates:?}");
    assert!(rates.iter().any(|line| line.split_whitespace().eq(["160,000", "31,000"])), "{rates:?}");
    assert!(text.contains("103,000 /s of the 150,000 /s asked were offered."), "{text}");
}

#[test]
fn what_is_known_above_the_limit_is_said_as_it_is() {
    let mut sweep = sample::sweep();
    assert!(text::sweep(&sweep, Paper::PLAIN).contains("up to 72,000 /s; fails at 77,400 /s"));
    if let Some(limit) = sweep.limit.as_mut() {
        limit.fails_at = None;
    }
    assert!(text::sweep(&sweep, Paper::PLAIN).contains("no run at a higher rate is valid"));
    sweep.points.retain(|point| point.rate().is_none_or(|rate| rate <= 72_000.0));
    assert!(html::sweep(&sweep).contains("no higher rate was tried"));
}

#[test]
fn the_tile_of_messages_lost_states_what_was_found_and_looked_for() {
    let run = sample::run_of(3, 2);
    assert_eq!(lost_card(&run), "Messages lost0all once, in order");
    let mut again = run.clone();
    (again.audit.again, again.audit.in_doubt) = (7, 2);
    assert_eq!(lost_card(&again), "Messages lost07 again behind broken connections, 2 in doubt");
    assert!(
        text::summary(&again, &[], Paper::PLAIN)
            .contains("audit       none lost, 7 again behind broken connections, 2 in doubt\n")
    );
    let mut shared = run.clone();
    (shared.scenario.groups[0].consumers, shared.scenario.groups[1].pattern) = (4, Pattern::Queue);
    shared.scenario.groups[1].consumers = 8;
    assert_eq!(lost_card(&shared), "Messages lost0all once", "of consumers that share a queue no order is seen");
    assert!(text::summary(&shared, &[], Paper::PLAIN).contains("order is not seen where consumers share a queue"));
    let mut unseen = run.clone();
    unseen.audit.not_checked = "group quotes has no consumers".to_owned();
    assert_eq!(lost_card(&unseen), "Messages lost–not looked for, or not everywhere");
    let mut twice = run.clone();
    (twice.audit.lost, twice.audit.duplicates) = (3, 1);
    assert_eq!(lost_card(&twice), "Messages lost31 twice");
    let mut nothing = run;
    nothing.timeline.iter_mut().for_each(|second| second.counts.sent = 0);
    assert_eq!(lost_card(&nothing), "Messages lost0none was sent");
}

#[test]
fn the_floor_is_called_what_it_is() {
    let mut run = sample::run_of(3, 2);
    run.scenario.groups[1].consumers = 8;
    let text = text::summary(&run, &[], Paper::PLAIN);
    let what = "floor       the octets of these messages when they are due, echoed over the loopback without a server: \
                neither AMQP nor a queue is in it, nor distribution to several consumers, nor storage\n";
    assert!(text.contains(what) && !text.contains("same load"), "{text}");
    let page = html::run(&run);
    assert!(page.contains("nor distribution to several consumers, nor storage") && !page.contains("same load"));
    for group in &mut run.scenario.groups {
        (group.durable, group.consumers, group.addresses, group.arrivals) = (false, 1, 1, Arrivals::Closed);
    }
    let text = text::summary(&run, &[], Paper::PLAIN);
    assert!(text.contains(
        "the octets of these messages, echoed over the loopback without a server: neither AMQP nor a queue is in it\n"
    ));
    run.floor = None;
    assert!(!html::run(&run).contains("The floor:"), "nothing is said of a floor that was not measured");
}

#[test]
fn a_run_that_is_not_valid_says_nothing_of_its_server() {
    let mut run = sample::run();
    assert!(text::summary(&run, &[], Paper::PLAIN).contains("times the floor"));
    run.verdict.valid = false;
    let text = text::summary(&run, &[], Paper::PLAIN);
    assert!(!text.contains("times the floor") && !text.contains("The worst second"), "{text}");
    run.verdict.faults = vec!["3 messages were accepted and never came: they are lost.".to_owned()];
    let text = text::summary(&run, &[], Paper::PLAIN);
    assert!(text.contains("Failed: not every message came, once, in order, whole. Not valid: "), "{text}");
}

#[test]
fn a_demonstration_says_what_it_is_and_how_it_is_done_again() {
    let demonstration = "A demonstration on this machine: it is no benchmark.".to_owned();
    let mut run = RunResult { demonstration: demonstration.clone(), ..sample::run_of(3, 2) };
    run.verdict.valid = false;
    run.verdict.reasons = vec!["The generator was late by itself.".to_owned()];
    let text = text::summary(&run, &[], Paper::PLAIN);
    assert!(text.contains(&format!("\n{demonstration}\n  - The generator was late by itself.\n")), "{text}");
    assert!(!text.contains("Not valid") && !text.contains("say nothing"), "{text}");
    let page = html::run(&run);
    let document = parsed(&page);
    assert!(of_class(&document, "verdict")[0].starts_with(&demonstration) && of_class(&document, "bad").is_empty());
    assert!(page.contains("heddle load run scenario.toml --server amqp://127.0.0.1:5672"));
    // That messages are lost is news in a demonstration, too.
    run.verdict.faults = vec!["3 messages were accepted and never came: they are lost.".to_owned()];
    assert!(text::summary(&run, &[], Paper::PLAIN).contains("Failed: not every message came, once, in order, whole\n"));
}

#[test]
fn the_rest_of_a_second_at_the_end_bends_no_line() {
    let mut run = sample::run_of(4, 2);
    let lines = |run: &RunResult| {
        let page = html::run(run);
        let document = parsed(&page);
        ["p50", "p99", "max"].map(|name| joined(&document, "Latency, second by second", name).len())
    };
    let before = lines(&run);
    let mut rest = run.timeline.last().expect("there are seconds").clone();
    (rest.at_s, rest.length_s) = (rest.at_s + 1.0, 0.03);
    run.timeline.push(rest);
    assert_eq!(lines(&run), before);
    assert_eq!(before, [12; 3], "eight seconds of warm-up and four measured");
}
