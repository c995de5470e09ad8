//! The live view and the scrape, as the run goes on.

use load_model::collect::{GroupView, Phase, View};
use load_model::latency::Latencies;
use load_model::result::percentiles;
use load_model::worker::Tries;
use load_report::live::{Live, Window};
use load_report::prometheus;
use load_report::text::Colour;

use crate::{golden, sample};

/// The views of a run, a second each.
fn views() -> Vec<View> {
    let run = sample::run();
    let measured = percentiles(&run.total.latencies);
    let mut counts = load_model::interval::Counts::default();
    let views = run.timeline.iter().map(|second| {
        if second.measured {
            counts.add(&second.counts);
        }
        let group = |name: &str| GroupView {
            name: name.to_owned(),
            counts: second.counts,
            percentiles: second.percentiles.clone(),
        };
        View {
            phase: if second.measured { Phase::Measuring } else { Phase::WarmUp },
            ready: 2,
            workers: 2,
            elapsed_ns: (second.at_s as u64 + 1) * 1_000_000_000,
            measured_ns: (second.at_s as u64 + 1).saturating_sub(8) * 1_000_000_000,
            warm_up_end_ns: second.measured.then_some(8_000_000_000),
            stop_at_ns: second.measured.then_some(128_000_000_000),
            tries: None,
            second: Some(second.clone()),
            latencies: Latencies::default(),
            groups: vec![group("orders"), group("quotes \"of the day\"")],
            counts,
            percentiles: measured.clone(),
        }
    });
    views.collect()
}

fn live(seconds: usize) -> Live {
    let mut live = Live::new(&sample::run().scenario);
    views().into_iter().take(seconds).for_each(|view| live.handle_view(view));
    live
}

/// A frame without what moves the cursor.
fn shown(live: &Live, width: usize, height: usize) -> String {
    let frame = live.frame(Window { width, height }, Colour::Plain);
    let frame = frame.strip_prefix("\u{1b}[H").and_then(|frame| frame.strip_suffix("\u{1b}[J")).expect("it is a frame");
    frame.replace("\u{1b}[K\r\n", "\n")
}

#[test]
fn a_frame_shows_rates_latencies_curves_and_what_is_wrong() {
    golden::check("live.txt", &shown(&live(72), 100, 40));
}

#[test]
fn a_frame_fits_its_window() {
    let live = live(80);
    for (width, height) in [(100, 40), (40, 10), (10, 3), (1, 1), (0, 0)] {
        let frame = shown(&live, width, height);
        assert!(frame.lines().count() <= height.saturating_sub(1), "{width} x {height}");
        assert!(frame.lines().all(|line| line.chars().count() <= width), "{width} x {height}");
    }
    assert!(!frame_of_nothing().is_empty());
}

fn frame_of_nothing() -> String {
    shown(&Live::new(&sample::run().scenario), 80, 24)
}

#[test]
fn without_a_terminal_there_is_a_line() {
    assert_eq!(Live::new(&sample::run().scenario).line(), None);
    golden::check("live-line.txt", &(live(72).line().expect("there was a second") + "\n"));
}

#[test]
fn connections_that_are_tried_are_told_before_the_run_and_in_it() {
    let tries = |left_ns| {
        let why = "cannot connect to 127.0.0.1:1: \u{1b}[31mrefused".to_owned();
        Some(Tries { down: 2, attempts: 7, why, left_ns })
    };
    let mut first = views().remove(0);
    (first.phase, first.second, first.tries) = (Phase::Connecting, None, tries(Some(23_400_000_000)));
    let mut before = Live::new(&sample::run().scenario);
    before.handle_view(first);
    let line = before.line().expect("it says what it does");
    assert!(
        line.starts_with("connecting, attempt 7: cannot connect to 127.0.0.1:1") && line.contains("gives up in 23"),
        "{line}"
    );
    assert!(!line.contains('\u{1b}') && shown(&before, 100, 40).contains("attempt 7"));
    let mut during = live(20);
    let mut view = views().remove(20);
    view.tries = tries(None);
    during.handle_view(view);
    let line = during.line().expect("there was a second");
    assert!(line.contains("2 connections are down, attempt 7: ") && line.contains("until the load ends"), "{line}");
}

#[test]
fn a_new_phase_keeps_the_figures_on_the_screen() {
    let mut live = live(20);
    let before = shown(&live, 100, 40);
    let mut view = views().remove(20);
    (view.second, view.groups, view.phase) = (None, Vec::new(), Phase::Draining);
    live.handle_view(view);
    let after = shown(&live, 100, 40);
    assert!(after.contains("waiting for messages under way"));
    let latencies = |frame: &str| frame.lines().find(|line| line.starts_with("this second")).map(str::to_owned);
    assert!(latencies(&before).is_some() && latencies(&before) == latencies(&after));
}

#[test]
fn a_scrape_has_all_metrics_with_their_help() {
    let text = prometheus::exposition(&views().remove(20));
    golden::check("prometheus.txt", &text);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split([' ', '{']).next().expect("a line has a name");
        let family = name.trim_end_matches("_sum").trim_end_matches("_count");
        assert!(text.contains(&format!("# TYPE {family} ")), "{name} has a type");
    }
}
