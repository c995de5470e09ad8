//! Connectors under simulated time: peers that answer, refuse, hang, and change their mind.

use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::config::{Endpoint, Host, Timing};
use super::connector::{ADDRESSES_MAX, Attempt, Connector, Fault, News, Order, State};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const TIMING: Timing = Timing { connect_ns: 10 * SECOND, retry_min_ns: 500 * MS, retry_max_ns: 30 * SECOND };

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Endpoints: addresses, or names.
fn endpoints(texts: &[&str]) -> Arc<[Endpoint]> {
    let one = |text: &&str| match text.parse::<SocketAddr>() {
        Ok(address) => Endpoint { host: Host::Address(address.ip()), port: address.port() },
        Err(_) => {
            let (name, port) = text.split_once(':').expect("a port");
            Endpoint { host: Host::Name(name.to_owned()), port: port.parse().expect("a port") }
        }
    };
    texts.iter().map(one).collect()
}

fn connector(texts: &[&str]) -> Connector {
    Connector::new(endpoints(texts), TIMING, 7, 0)
}

/// Lets time pass to its deadline; gives the time.
fn wait(connector: &mut Connector) -> u64 {
    let now_ns = connector.deadline().expect("it waits for something");
    connector.handle_deadline(now_ns);
    now_ns
}

fn orders(connector: &mut Connector) -> Vec<Order> {
    std::iter::from_fn(|| connector.poll_order()).collect()
}

fn news(connector: &mut Connector) -> Vec<News> {
    std::iter::from_fn(|| connector.poll_news()).collect()
}

/// The connection that it orders, and nothing else.
fn connects(connector: &mut Connector) -> (Attempt, SocketAddr) {
    match orders(connector).as_slice() {
        [Order::Connect(attempt, address)] => (*attempt, *address),
        other => panic!("not one connection: {other:?}"),
    }
}

fn refused() -> String {
    "refused".to_owned()
}

#[test]
fn a_round_tries_endpoints_in_order_and_all_addresses_of_a_name() {
    let mut connector = connector(&["127.0.0.1:1", "broker:2", "[::1]:3"]);
    let mut now = wait(&mut connector);
    for round in 0..3 {
        assert_eq!(connects(&mut connector).1, address("127.0.0.1:1"), "round {round}");
        connector.handle_failed(refused(), now);
        let Some(Order::Resolve(attempt)) = connector.poll_order() else { panic!("a name is looked up") };
        assert_eq!(connector.endpoint().expect("one").to_string(), "broker:2");
        let found = vec![address("192.0.2.1:2"), address("192.0.2.2:2")];
        connector.handle_resolved(attempt, Ok(found.clone()), now);
        for found in found {
            assert_eq!(connects(&mut connector).1, found);
            connector.handle_connected();
            connector.handle_failed(refused(), now);
        }
        assert_eq!(connects(&mut connector).1, address("[::1]:3"));
        connector.handle_failed(refused(), now);
        assert!(orders(&mut connector).is_empty(), "the round is over");
        assert!(matches!(connector.state(), State::Waiting { until_ns } if until_ns > now));
        now = wait(&mut connector);
    }
}

#[test]
fn waits_grow_while_nobody_is_there_and_a_day_of_that_costs_little() {
    let mut connector = connector(&["127.0.0.1:1"]);
    let (mut now, mut tries, mut told) = (wait(&mut connector), 0, 0);
    let mut waits = Vec::new();
    while now < 86_400 * SECOND {
        connects(&mut connector);
        tries += 1;
        connector.handle_failed(refused(), now);
        told += news(&mut connector).len();
        let next = wait(&mut connector);
        waits.push(next - now);
        now = next;
    }
    assert!((2800..6000).contains(&tries), "{tries} tries");
    assert_eq!(told, 1, "one line, as it is always the same");
    for (index, wait) in waits.iter().enumerate() {
        let most = ((500 * MS) << index.min(10)).min(30 * SECOND);
        assert!((most / 2..=most).contains(wait), "wait {index}: {wait}");
    }
    assert_eq!(connector.tally().attempts, tries + 1, "the last one is under way");
    assert_eq!(connector.changed_ns(), 0, "it was never open");
}

#[test]
fn each_step_ends_by_its_time() {
    let mut connector = connector(&["broker:1"]);
    let begun = wait(&mut connector);
    let Some(Order::Resolve(late)) = connector.poll_order() else { panic!("a name is looked up") };
    let gave_up = wait(&mut connector);
    assert_eq!(gave_up - begun, TIMING.connect_ns);
    assert!(matches!(connector.state(), State::Waiting { .. }));
    assert!(orders(&mut connector).is_empty(), "there is nothing to hang up");
    let told = news(&mut connector);
    let [News::Failing(Fault { at, error })] = told.as_slice() else { panic!("{told:?}") };
    assert!(at == "broker:1" && error.contains("within 10 s") && error.contains("connect_timeout_ms"), "{at}: {error}");

    // The answer to what was given up, while it waits and when it has asked anew.
    let found = vec![address("192.0.2.1:1")];
    connector.handle_resolved(late, Ok(found.clone()), gave_up);
    assert!(matches!(connector.state(), State::Waiting { .. }));
    let now = wait(&mut connector);
    let Some(Order::Resolve(attempt)) = connector.poll_order() else { panic!("a name is looked up") };
    connector.handle_resolved(late, Ok(vec![address("192.0.2.66:1")]), now);
    assert!(matches!(connector.state(), State::Resolving { .. }));
    connector.handle_resolved(attempt, Ok(found), now + SECOND);
    assert_eq!(connects(&mut connector).1, address("192.0.2.1:1"));
    connector.handle_resolved(attempt, Ok(vec![address("192.0.2.77:1")]), now + SECOND);
    assert!(orders(&mut connector).is_empty(), "an answer counts once");

    // A peer that takes the connection and says nothing has no more time than one that does not take it.
    connector.handle_connected();
    assert!(matches!(connector.state(), State::Handshake { .. }));
    assert_eq!(wait(&mut connector), now + SECOND + TIMING.connect_ns);
    assert_eq!(orders(&mut connector), [Order::HangUp]);
    let told = news(&mut connector);
    assert!(matches!(told.as_slice(), [News::Failing(Fault { at, .. })] if at == "192.0.2.1:1"), "{told:?}");
}

#[test]
fn a_time_that_passes_hangs_up_before_the_next_address_is_tried() {
    let mut connector = connector(&["127.0.0.1:1", "127.0.0.1:2"]);
    wait(&mut connector);
    connects(&mut connector);
    wait(&mut connector);
    let given = orders(&mut connector);
    assert!(matches!(given.as_slice(), [Order::HangUp, Order::Connect(_, next)] if *next == address("127.0.0.1:2")));
}

#[test]
fn names_without_addresses_and_with_too_many() {
    let mut connector = connector(&["broker:1"]);
    let now = wait(&mut connector);
    let Some(Order::Resolve(attempt)) = connector.poll_order() else { panic!("a name is looked up") };
    connector.handle_resolved(attempt, Ok(Vec::new()), now);
    assert_eq!(connector.fault().expect("it failed").at, "broker:1");
    let now = wait(&mut connector);
    let Some(Order::Resolve(attempt)) = connector.poll_order() else { panic!("a name is looked up") };
    let many = (0..1000).map(|n| SocketAddr::from(([192, 0, 2, (n % 250) as u8], 1))).collect();
    connector.handle_resolved(attempt, Ok(many), now);
    let mut tried = 0;
    while let Some(Order::Connect(..)) = connector.poll_order() {
        tried += 1;
        connector.handle_failed(refused(), now);
    }
    assert_eq!(tried, ADDRESSES_MAX);
}

/// Brings it to be open.
fn open(connector: &mut Connector, now_ns: u64) {
    connects(connector);
    connector.handle_connected();
    connector.handle_opened(now_ns);
    assert!(matches!(connector.state(), State::Open { .. }));
    assert_eq!((connector.deadline(), connector.fault()), (None, None));
}

#[test]
fn waits_begin_anew_only_behind_a_connection_that_stayed_open() {
    let mut connector = connector(&["127.0.0.1:1"]);
    let mut now = wait(&mut connector);
    let mut waits = Vec::new();
    for _ in 0..8 {
        open(&mut connector, now);
        // It opens and is ended at once.
        connector.handle_failed("closed".to_owned(), now + MS);
        let next = wait(&mut connector);
        waits.push(next - now - MS);
        now = next;
    }
    assert!(waits[7] >= 15 * SECOND, "{waits:?}");
    open(&mut connector, now);
    now += 3600 * SECOND;
    connector.handle_failed("closed".to_owned(), now);
    let next = wait(&mut connector);
    assert!((250 * MS..=500 * MS).contains(&(next - now)), "{}", next - now);
    assert_eq!(connector.tally().opens, 9);
    assert_eq!(connector.changed_ns(), now, "since then it is not open");
}

#[test]
fn behind_a_loss_the_first_endpoint_comes_first_again() {
    let mut connector = connector(&["127.0.0.1:1", "127.0.0.1:2"]);
    let now = wait(&mut connector);
    connects(&mut connector);
    connector.handle_failed(refused(), now);
    open(&mut connector, now);
    assert_eq!(connector.endpoint().expect("one").to_string(), "127.0.0.1:2");
    connector.handle_failed("gone".to_owned(), now);
    wait(&mut connector);
    assert_eq!(connects(&mut connector).1, address("127.0.0.1:1"));
}

#[test]
fn news_is_what_changes() {
    let mut connector = connector(&["127.0.0.1:1"]);
    let mut now = wait(&mut connector);
    let fail = |connector: &mut Connector, now: &mut u64, error: &str| {
        connects(connector);
        connector.handle_failed(error.to_owned(), *now);
        *now = wait(connector);
        news(connector)
    };
    let told = |error: &str| Fault { at: "127.0.0.1:1".to_owned(), error: error.to_owned() };
    assert_eq!(fail(&mut connector, &mut now, "refused"), [News::Failing(told("refused"))]);
    assert_eq!(fail(&mut connector, &mut now, "refused"), []);
    assert_eq!(fail(&mut connector, &mut now, "wrong password"), [News::Failing(told("wrong password"))]);
    assert_eq!(fail(&mut connector, &mut now, "wrong password"), []);
    open(&mut connector, now);
    assert_eq!(news(&mut connector), [News::Opened]);
    connector.handle_failed("gone".to_owned(), now + 60 * SECOND);
    assert_eq!(news(&mut connector), [News::Lost(told("gone"))]);
    now = wait(&mut connector);
    assert_eq!(
        fail(&mut connector, &mut now, "refused"),
        [News::Failing(told("refused"))],
        "after it was open it is new"
    );
}

#[test]
fn a_long_error_of_a_peer_is_cut_between_letters() {
    let mut connector = connector(&["127.0.0.1:1"]);
    let now = wait(&mut connector);
    connects(&mut connector);
    connector.handle_failed("ü".repeat(1 << 16), now);
    let error = &connector.fault().expect("it failed").error;
    assert!((390..=400).contains(&error.len()), "{}", error.len());
}

#[test]
fn a_node_that_stops_begins_nothing() {
    let mut connector = connector(&["127.0.0.1:1", "broker:2"]);
    wait(&mut connector);
    connector.stop();
    assert_eq!(orders(&mut connector), []);
    connector.handle_failed(refused(), SECOND);
    connector.handle_opened(SECOND);
    connector.handle_deadline(u64::MAX);
    assert_eq!((connector.state(), connector.deadline()), (State::Stopped, None));
    assert_eq!((orders(&mut connector), news(&mut connector)), (Vec::new(), Vec::new()));
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Resolved(usize),
    NotResolved,
    StaleAnswer,
    Connected,
    Opened,
    Failed,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_000u64).prop_map(|ms| Step::Pass(ms * MS)),
        2 => (0..20usize).prop_map(Step::Resolved),
        1 => Just(Step::NotResolved),
        1 => Just(Step::StaleAnswer),
        3 => Just(Step::Connected),
        3 => Just(Step::Opened),
        3 => Just(Step::Failed),
    ]
}

proptest! {
    /// Whatever happens in whatever order: one thing is under way at most, and as long as it is not open there is a
    /// time at which it goes on.
    #[test]
    fn one_thing_at_a_time_and_none_for_ever(steps in proptest::collection::vec(step(), 1..200), seed: u64) {
        let places = endpoints(&["127.0.0.1:1", "broker:2", "[::1]:3"]);
        let mut connector = Connector::new(places, TIMING, seed, 0);
        let (mut now, mut under_way, mut asked) = (0, false, None);
        for step in steps {
            match step {
                Step::Pass(ns) => {
                    now += ns;
                    connector.handle_deadline(now);
                }
                Step::Resolved(count) => {
                    if let Some(attempt) = asked {
                        let found = (0..count).map(|n| SocketAddr::from(([192, 0, 2, n as u8], 2))).collect();
                        connector.handle_resolved(attempt, Ok(found), now);
                    }
                }
                Step::NotResolved => {
                    if let Some(attempt) = asked {
                        connector.handle_resolved(attempt, Err("no such name".to_owned()), now);
                    }
                }
                Step::StaleAnswer => {
                    let before = connector.state();
                    let stale = connector.attempt().wrapping_sub(1);
                    connector.handle_resolved(stale, Ok(vec![address("192.0.2.9:9")]), now);
                    prop_assert_eq!(connector.state(), before);
                }
                // The host tells these of a connection that there is.
                Step::Connected if under_way => connector.handle_connected(),
                Step::Opened if under_way => connector.handle_opened(now),
                Step::Failed if under_way => {
                    under_way = false;
                    connector.handle_failed(refused(), now);
                }
                Step::Connected | Step::Opened | Step::Failed => {}
            }
            let mut given = 0;
            while let Some(order) = connector.poll_order() {
                given += 1;
                match order {
                    Order::HangUp => {
                        prop_assert!(under_way, "what is hung up is there");
                        under_way = false;
                    }
                    Order::Connect(..) => {
                        prop_assert!(!under_way, "the one before is gone");
                        under_way = true;
                    }
                    Order::Resolve(attempt) => {
                        prop_assert!(!under_way);
                        asked = Some(attempt);
                    }
                }
            }
            prop_assert!(given <= 2);
            prop_assert!(news(&mut connector).len() <= 2);
            let state = connector.state();
            let is_open = matches!(state, State::Open { .. });
            prop_assert_eq!(connector.deadline().is_none(), is_open);
            let has_line = matches!(state, State::Connecting { .. } | State::Handshake { .. } | State::Open { .. });
            prop_assert_eq!(under_way, has_line, "{:?}", state);
            prop_assert!(connector.deadline().is_none_or(|deadline| deadline <= now + TIMING.retry_max_ns));
        }
    }
}
