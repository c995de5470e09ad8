//! What a run says of itself: what was asked for, what was sent of it, what ended it, and what others had left.

use std::sync::atomic::AtomicBool;

use load_drive::double::{Behaviour, Double, DoubleSpec, Tally};
use load_drive::{run, start_local};
use load_model::result::{RunResult, Side, Standing};
use load_model::scenario::{Arrivals, Group, Pattern, Scenario, Size, WarmUp};
use load_model::units::{Bytes, Rate, Span};
use load_model::worker::Share;

fn double(behaviour: Behaviour) -> Double {
    Double::start(DoubleSpec::local(behaviour)).expect("a port")
}

fn scenario(server: String, seconds: f64, group: Group) -> Scenario {
    Scenario {
        servers: vec![server],
        groups: vec![Group { size: Size::Fixed(Bytes(100)), ..group }],
        warm_up: WarmUp::Fixed(Span(0)),
        duration: Span::seconds(seconds),
        ..Scenario::default()
    }
}

fn run_by(scenario: &Scenario, workers: u32) -> RunResult {
    let shares: Vec<Share> = (0..workers).map(|worker| Share { worker, workers }).collect();
    let workers = start_local(scenario, &shares, &[]).expect("threads");
    let mut result = run(scenario, &workers, &AtomicBool::new(false), &mut |_| {}).expect("nobody interrupts it");
    result.judge();
    result
}

/// Messages sent in the whole run, its drain included.
fn sent(result: &RunResult) -> u64 {
    result.timeline.iter().map(|second| second.counts.sent).sum()
}

#[test]
fn what_could_not_be_sent_until_the_end_is_not_sent_behind_it() {
    // It stands still from half a second on until long behind the end, when it goes on and gives credit again.
    let stalls = double(Behaviour::Stall { at: Span::seconds(0.5), length: Span::seconds(2.0) });
    let group = Group { rate: Rate(1000.0), window: 100, ..Group::default() };
    let result = run_by(&scenario(stalls.url(), 1.0, group), 1);
    let Tally { taken, .. } = stalls.stop().expect("it ran");
    assert_eq!(result.total.counts.due, 1000, "what was asked for is known to the message");
    let measured = result.total.counts.sent;
    assert!(measured < 900, "{measured}");
    assert_eq!((sent(&result), taken), (measured, measured), "nothing was sent behind the end");
    assert_eq!((result.audit.lost, result.audit.in_doubt), (0, 0), "what had been sent came in the drain");
    assert_eq!(result.verdict.standing, Standing::Taken, "{:?}", result.verdict.reasons);
}

#[test]
fn a_rate_is_listed_as_it_was_asked_for_whatever_was_sent() {
    // More than a build without optimisation sends, so that the generator is behind from the start.
    for arrivals in [Arrivals::Constant, Arrivals::Burst { messages: 100 }] {
        let relay = double(Behaviour::Relay);
        let group = Group { rate: Rate(3_000_000.0), producers: 3, arrivals, ..Group::default() };
        let mut asked = scenario(relay.url(), 1.0, group);
        asked.warm_up = WarmUp::Fixed(Span::seconds(1.0));
        asked.drain = Span::seconds(1.0);
        let result = run_by(&asked, 1);
        let off = (result.offered() / 3e6 - 1.0).abs();
        assert!(off < 1e-3, "{arrivals:?}: {} a second", result.offered());
        assert!(!result.verdict.valid && result.sent() < 2e6, "{}", result.headline());
        assert!(result.held_back() <= 1.0);
    }
}

#[test]
fn a_count_at_a_rate_takes_the_time_that_it_takes() {
    let relay = double(Behaviour::Relay);
    for (workers, producers) in [(1, 1), (2, 4)] {
        let group = Group { rate: Rate(3000.0), producers, address: format!("counted-{workers}"), ..Group::default() };
        let counted = Scenario { count: 4000, ..scenario(relay.url(), 60.0, group) };
        let result = run_by(&counted, workers);
        // The last message may be late by what the machine does.
        assert!((result.offered() / 3000.0 - 1.0).abs() < 0.05, "{} of {} s", result.offered(), result.measured_s);
        assert_eq!(sent(&result), 4000);
    }
}

#[test]
fn what_others_left_does_not_spoil_a_run() {
    let relay = double(Behaviour::Relay);
    for (pattern, left) in [(Pattern::Queue, 500), (Pattern::RequestReply, 300)] {
        let address = format!("{pattern:?}");
        let unheard = Group { rate: Rate(5000.0), consumers: 0, address: address.clone(), ..Group::default() };
        let first = run_by(&Scenario { count: left, ..scenario(relay.url(), 60.0, unheard) }, 1);
        assert!(!first.audit.incomplete && !first.audit.not_checked.is_empty(), "{:?}", first.audit);
        let group = Group { pattern, rate: Rate(1000.0), address, ..Group::default() };
        let result = run_by(&scenario(relay.url(), 1.0, group), 2);
        let audit = &result.audit;
        assert_eq!((audit.leftovers, audit.foreign, audit.lost, audit.incomplete), (left, 0, 0, false), "{audit:?}");
        assert_eq!(result.total.counts.due, 1000);
    }
}

#[test]
fn a_server_that_goes_away_ends_a_run_whose_figures_stay() {
    for workers in [1, 2] {
        let mut server = Some(double(Behaviour::Relay));
        let url = server.as_ref().map(Double::url).expect("it runs");
        let broken = scenario(url, 60.0, Group { rate: Rate(2000.0), ..Group::default() });
        let shares: Vec<Share> = (0..workers).map(|worker| Share { worker, workers }).collect();
        let threads = start_local(&broken, &shares, &[]).expect("threads");
        let mut seconds = 0;
        let result = run(&broken, &threads, &AtomicBool::new(false), &mut |view| {
            seconds += u32::from(view.second.is_some());
            if seconds == 2 {
                server = None;
            }
        });
        let mut result = result.expect("what was seen is there");
        result.judge();
        let cut_off = result.cut_off.as_ref().expect("it was cut off");
        assert!(
            cut_off.by == Side::Server && cut_off.at_s.is_some_and(|at_s| (2.0..30.0).contains(&at_s)),
            "{cut_off:?}"
        );
        assert!(result.measured_s >= 2.0 && result.total.counts.received > 3000, "{}", result.measured_s);
        assert_eq!((result.audit.lost, result.verdict.standing), (0, Standing::CutOff), "{:?}", result.audit);
        assert!(result.verdict.reasons[0].contains("--reconnect"), "{:?}", result.verdict.reasons);
        assert!(result.headline().contains("the server went away"), "{}", result.headline());
    }
}

#[test]
fn a_server_that_is_not_there_leaves_a_result_that_says_so() {
    let gone = double(Behaviour::Sink).url();
    for workers in [1, 2] {
        let result = run_by(&scenario(gone.clone(), 1.0, Group::default()), workers);
        let cut_off = result.cut_off.as_ref().expect("it was cut off");
        assert!(cut_off.by == Side::Server && cut_off.at_s.is_none(), "{cut_off:?}");
        assert!(cut_off.why.contains("cannot connect to 127.0.0.1:"), "{cut_off:?}");
        assert_eq!(result.headline(), "Not valid: the server could not be reached");
        assert_eq!(result.audit.not_checked, "nothing was sent");
    }
}
