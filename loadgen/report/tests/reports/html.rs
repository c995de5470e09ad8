//! Pages: well-formed, complete, without references, and safe whatever peers are called.

use load_model::interval::Counts;
use load_model::latency::Latencies;
use load_model::result::{Floor, RunResult, WorkerFacts};
use load_report::html;
use roxmltree::{Document, ParsingOptions};

use crate::sample;

/// A page that is read as XML: what is well-formed for that is well-formed for browsers.
fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("not well-formed: {error}"))
}

fn texts(document: &Document<'_>, name: &str) -> Vec<String> {
    let elements = document.descendants().filter(|node| node.has_tag_name(name));
    elements
        .map(|node| node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect())
        .collect()
}

/// That a page names nothing outside of itself, and runs no script but its own.
fn check_alone(document: &Document<'_>) {
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        for attribute in node.attributes() {
            let name = attribute.name();
            let refers = ["href", "src", "srcset", "action", "data", "style"].contains(&name) || name.starts_with("on");
            assert!(!refers, "<{} {name}={:?}>", node.tag_name().name(), attribute.value());
        }
        let name = node.tag_name().name();
        assert!(!["link", "img", "iframe", "object", "embed", "base", "a", "use"].contains(&name), "<{name}>");
    }
    for style in texts(document, "style") {
        assert!(!style.contains("url(") && !style.contains("@import"));
    }
    let scripts = texts(document, "script");
    let [script] = scripts.as_slice() else { panic!("{} scripts", scripts.len()) };
    for word in ["fetch", "XMLHttpRequest", "import", "eval", "innerHTML", "WebSocket", "sendBeacon"] {
        assert!(!script.contains(word), "the script uses {word}");
    }
}

#[test]
fn a_run_has_all_its_parts() {
    let page = html::run(&sample::run());
    let document = parsed(&page);
    check_alone(&document);
    assert_eq!(
        texts(&document, "h2"),
        [
            "Latency",
            "Over time",
            "All figures",
            "Whether all messages came",
            "What was required",
            "What it took",
            "Where and with what",
            "How to read this"
        ]
    );
    let charts = document.descendants().filter(|node| node.has_tag_name("svg")).count();
    assert_eq!(charts, 3 * 7, "seven charts, each for wide, medium and narrow windows");
    let whole = texts(&document, "main").concat();
    for said in [
        "210 µs",
        "floor 21.0 µs",
        "21.4 µs",
        "p99.9<2ms",
        "does not hold",
        "[[group]]",
        "Example Processor 3.1 GHz",
        "bbr",
    ] {
        assert!(whole.contains(said), "it says {said:?}");
    }
}

#[test]
fn what_peers_and_files_say_stays_text() {
    let hostile = "</title></text></style><script>alert(1)</script>\"'&\u{0}\u{1b}]]>";
    let mut run = sample::run_of(6, 4);
    let text = || hostile.to_owned();
    (run.scenario.name, run.scenario.description, run.version) = (text(), text(), text());
    run.scenario.servers = vec![text()];
    (run.server.product, run.server.container, run.server.device, run.server.configuration) =
        (text(), text(), text(), text());
    (run.machine.host, run.machine.processor, run.machine.kernel, run.machine.governor) =
        (text(), text(), text(), text());
    (run.audit.not_checked, run.audit.examples) = (text(), vec![text()]);
    (run.verdict.reasons, run.verdict.remarks) = (vec![text()], vec![text()]);
    run.requirements[0].text = text();
    run.requirements[0].found = text();
    run.workers = vec![WorkerFacts { address: text(), machine: run.machine.clone(), ..WorkerFacts::default() }];
    for group in &mut run.scenario.groups {
        group.address = text();
        group.name.push_str(hostile);
    }
    for figures in &mut run.groups {
        figures.name.push_str(hostile);
    }
    run.total.percentiles[0].metric = text();
    if let Some(usage) = run.server.usage.as_mut() {
        usage.source = text();
    }
    let page = html::run(&run);
    let document = parsed(&page);
    check_alone(&document);
    assert!(!page.contains("<script>alert") && !page.contains('\u{1b}') && !page.contains('\u{0}'));
    let visible = "</title></text></style><script>alert(1)</script>\"'&\\0\\u{1b}]]>";
    assert_eq!(texts(&document, "h1"), [visible]);
}

#[test]
fn a_run_that_found_nothing_has_a_page_all_the_same() {
    let sampled = sample::run_of(1, 1);
    let empty = RunResult {
        timeline: Vec::new(),
        total: sampled.total.clone(),
        groups: Vec::new(),
        floor: Some(Floor::default()),
        requirements: Vec::new(),
        measured_s: 0.0,
        ..sampled
    };
    let mut empty = empty;
    empty.server.usage = None;
    (empty.total.counts, empty.total.latencies, empty.total.percentiles) =
        (Counts::default(), Latencies::default(), Vec::new());
    let page = html::run(&empty);
    let document = parsed(&page);
    check_alone(&document);
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("svg")).count(), 0);
    assert!(!page.contains("NaN") && !page.contains("inf"), "what is not known is a dash");
}

#[test]
fn a_comparison_has_its_ratios_and_keeps_names_text() {
    let mut comparison = sample::comparison(1);
    comparison.one.product = "<b>one</b>".to_owned();
    comparison.rows[0].figure = "<script>".to_owned();
    comparison.rows[1].interval = None;
    let page = html::compare(&comparison);
    let document = parsed(&page);
    check_alone(&document);
    assert_eq!(texts(&document, "h2"), ["Ratios", "All figures", "How to read this"]);
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("svg")).count(), 3);
    let whole = texts(&document, "main").concat();
    assert!(whole.contains("<b>one</b>") && whole.contains("blocks of seconds") && !page.contains("NaN"));
}

#[test]
fn a_sweep_has_its_curve_with_its_marks() {
    let mut sweep = sample::sweep();
    sweep.ended = "<i>".to_owned();
    let page = html::sweep(&sweep);
    let document = parsed(&page);
    check_alone(&document);
    assert_eq!(texts(&document, "h2"), ["Latency and rate", "All runs", "How to read this"]);
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("svg")).count(), 3 * 3);
    let marks = texts(&document, "text");
    for mark in ["holds up to 72,000", "knee at 63,000", "p99.9"] {
        assert!(marks.iter().any(|text| text == mark), "{mark} is drawn");
    }
    sweep.points.clear();
    (sweep.limit, sweep.knee, sweep.power) = (None, None, None);
    let page = html::sweep(&sweep);
    assert!(parsed(&page).descendants().all(|node| !node.has_tag_name("svg")) && !page.contains("NaN"));
}

#[test]
fn a_plan_has_its_charts_and_says_what_is_beyond_them() {
    let mut plan = sample::plan();
    plan.extrapolated.push("<u>far</u>".to_owned());
    let page = html::plan(&plan);
    let document = parsed(&page);
    check_alone(&document);
    assert_eq!(
        texts(&document, "h2"),
        ["The most that a node does", "What it takes", "What it rests on", "How to read this"]
    );
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("svg")).count(), 3 * 2);
    let drawn = texts(&document, "text");
    for note in ["wanted of each node: 50,000 /s", "extrapolated", "model"] {
        assert!(drawn.iter().any(|text| text == note), "{note} is drawn");
    }
    assert!(texts(&document, "li").iter().any(|sentence| sentence == "<u>far</u>") && !page.contains("NaN"));
    plan.answer = None;
    assert!(!texts(&parsed(&html::plan(&plan)), "h2").contains(&"What it takes".to_owned()));
}
