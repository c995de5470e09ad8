//! One way of writing, held over every report of every kind of run: units, numbers, one and several, and room.

use std::sync::OnceLock;

use load_model::compare::Comparison;
use load_model::result::{Outage, RunResult, WorkerFacts};
use load_report::text::{Colour, Paper};
use load_report::{html, text};
use roxmltree::{Document, ParsingOptions};

use crate::sample;

/// A run in which everything happened once, so that every noun is one.
fn once() -> RunResult {
    let mut run = sample::run_of(6, 9);
    (run.audit.lost, run.audit.again, run.audit.in_doubt) = (1, 1, 1);
    run.verdict.faults = vec!["1 message was lost.".to_owned()];
    (run.total.counts.refused, run.total.counts.broken, run.total.counts.transactions.rolled_back) = (1, 1, 1);
    (run.generator.threads, run.generator.cpu_ns_per_message) = (1, 0.4);
    for group in &mut run.scenario.groups {
        (group.producers, group.consumers, group.addresses, group.transaction) = (1, 1, 1, 1);
    }
    let (at_s, answering_s) = (3.25, Some(0.0004));
    run.outages =
        vec![Outage { at_s, answering_s, accepted_s: Some(1.5), received_s: None, longest_us: Some(1_500_000.0) }];
    if let Some(usage) = run.server.usage.as_mut() {
        // What was not seen is 0 in a result.
        (usage.memory_bytes, usage.memory_peak_bytes, usage.cpu_cores, usage.cpu_us_per_message) = (0, 0, 0.0, 0.0);
        usage.written_per_message = Some(700.0);
    }
    let (clock_offset_ns, clock_bound_ns) = (-300, 12);
    let machine = run.machine.clone();
    run.workers = vec![WorkerFacts { address: "10.0.0.7:7700".to_owned(), machine, clock_offset_ns, clock_bound_ns }];
    run
}

fn demonstration() -> RunResult {
    let demonstration = "A demonstration on this machine: it is no benchmark".to_owned();
    let mut run = RunResult { demonstration, ..sample::run_of(5, 2) };
    run.verdict.valid = false;
    run.verdict.reasons = vec!["The generator was late by itself by 3.00 ms.".to_owned()];
    run
}

/// Runs and comparisons of every kind; made once, because they take a while.
fn samples() -> &'static (Vec<RunResult>, Vec<Comparison>) {
    static SAMPLES: OnceLock<(Vec<RunResult>, Vec<Comparison>)> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let mut invalid = sample::run_of(5, 2);
        invalid.verdict.valid = false;
        let comparisons = vec![
            sample::comparison(4),
            sample::comparison(1),
            sample::comparison_of_invalid(&[0, 1]),
            sample::comparison_of_invalid(&[1]),
        ];
        (vec![sample::run(), once(), demonstration(), invalid], comparisons)
    })
}

/// Every report as text, on some paper.
fn texts(paper: Paper) -> Vec<String> {
    let files = ["/a/folder/of/some/length/result.json".to_owned()];
    let (runs, comparisons) = samples();
    let runs = runs.iter().map(|run| text::summary(run, &files, paper));
    let comparisons = comparisons.iter().map(|comparison| text::comparison(comparison, paper));
    let others = [text::sweep(&sample::sweep(), paper), text::plan(&sample::plan(), paper)];
    runs.chain(comparisons).chain(others).collect()
}

/// Every report as a page.
fn pages() -> Vec<String> {
    let (runs, comparisons) = samples();
    let runs = runs.iter().map(html::run);
    let comparisons = comparisons.iter().map(html::compare);
    let others = [html::sweep(&sample::sweep()), html::plan(&sample::plan())];
    runs.chain(comparisons).chain(others).collect()
}

/// What a page shows, each piece of text by itself. What a person wrote or would write, in files and commands, has its own rules.
fn shown(page: &str) -> Vec<String> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(page, options).expect("it is well-formed");
    let texts = document.descendants().filter(|node| node.is_text());
    let hidden = ["pre", "script", "style", "title"];
    let texts = texts.filter(|node| !node.ancestors().any(|node| hidden.iter().any(|name| node.has_tag_name(*name))));
    texts.filter_map(|node| node.text().map(|text| text.replace('\u{a0}', " "))).collect()
}

/// What is wrong with how a text writes numbers, if something is.
fn mistake(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    for pair in words.windows(2) {
        let [number, unit] = pair else { continue };
        let unit = unit.trim_matches(|letter: char| ".,;:()".contains(letter));
        let is_nothing = *number == "0" && ["KiB", "MiB", "GiB", "TiB"].contains(&unit);
        let is_one = number.trim_start_matches('(') == "1"
            && [
                "messages",
                "runs",
                "threads",
                "cores",
                "producers",
                "consumers",
                "kills",
                "connections",
                "nodes",
                "figures",
            ]
            .contains(&unit);
        if is_nothing || is_one || unit == "us" {
            return Some(format!("{number} {unit}"));
        }
    }
    for word in words {
        let word = word.trim_matches(|letter: char| ".,;:()".contains(letter));
        let digits = word.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == ',');
        let is_number = digits.len() < word.len();
        let has_unit =
            ["us", "µs", "ms", "ns", "s", "B", "KiB", "MiB", "GiB", "%", "/s", "k/s", "M/s"].contains(&digits);
        // Long numbers are grouped; those of versions, ports, cores and processes are names.
        let is_long = word.len() > 4 && word.bytes().all(|byte| byte.is_ascii_digit());
        let is_debug = ["Some(", "None)", "{:", "NaN", "inf", "::"].iter().any(|mark| word.contains(mark));
        if (is_number && has_unit) || is_long || is_debug {
            return Some(word.to_owned());
        }
    }
    None
}

#[test]
fn numbers_units_and_nouns_are_written_one_way_everywhere() {
    for text in texts(Paper::PLAIN) {
        for line in text.lines() {
            assert_eq!(mistake(line), None, "{line}");
        }
    }
    for page in pages() {
        for text in shown(&page) {
            assert_eq!(mistake(&text), None, "{text}");
        }
    }
}

#[test]
fn numbers_stay_with_their_units_on_pages_and_nothing_of_ours_is_shown_as_an_escape() {
    let mut kept_together = 0;
    for page in pages() {
        assert!(!page.contains("\\u{"), "{}", page.split("\\u{").next().unwrap_or_default());
        kept_together += page.matches('\u{a0}').count();
    }
    assert!(kept_together > 10, "{kept_together} units");
}

#[test]
fn what_is_forbidden_is_found() {
    for (text, found) in [
        ("p50 46 us here", "46 us"),
        ("it took 46us", "46us"),
        ("0 MiB (peak 0 B)", "0 MiB"),
        ("1 messages lost", "1 messages"),
        ("due 20000/s", "20000/s"),
        ("after Some(AfterWrite)", "Some(AfterWrite"),
        ("sent 100500 messages", "100500"),
    ] {
        assert!(
            mistake(text).is_some_and(
                |mistake| mistake.starts_with(found.split(' ').next().unwrap_or(found)) || mistake == found
            ),
            "{text}: {:?}",
            mistake(text)
        );
    }
    assert_eq!(mistake("p50 46.0 µs, 1.49 M/s of 1 KiB, 1 message, p99.9<2ms, 12 %, at 127.0.0.1:5672"), None);
}

#[test]
fn text_fits_the_terminal_and_breaks_between_words() {
    for columns in [80, 100, 200] {
        for text in texts(Paper { colour: Colour::Plain, columns: Some(columns) }) {
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{columns} columns: {line}");
                let last = line.split(' ').next_back().unwrap_or_default();
                let is_alone =
                    last.starts_with(|letter: char| letter.is_ascii_digit()) && text.contains(&format!("{line}\n µs"));
                assert!(!is_alone, "{line}");
            }
        }
    }
    let whole = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wide = texts(Paper::PLAIN);
    for (narrow, wide) in texts(Paper { colour: Colour::Plain, columns: Some(80) }).iter().zip(&wide) {
        assert_eq!(whole(narrow), whole(wide), "nothing is lost or cut");
    }
}

#[test]
fn letters_of_charts_stay_readable_at_every_width() {
    // The widest window of each picture's letters is what the style sheet says; the narrowest is where the next one begins.
    let page = html::run(&sample::run());
    for (class, narrowest, padding) in [("wide", 921.0, 64.0), ("medium", 561.0, 34.0), ("narrow", 360.0, 34.0)] {
        let view = page.split(&format!("class=\"{class}\" viewBox=\"0 0 ")).nth(1).expect("there is such a picture");
        let width: f64 = view.split(' ').next().and_then(|width| width.parse().ok()).expect("a width");
        let letters = 12.0 * (narrowest - padding) / width;
        assert!(letters >= 10.0, "{class}: letters of {letters} pixels in a window of {narrowest}");
    }
}
