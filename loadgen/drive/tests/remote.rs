//! Workers behind sockets, whose clocks differ from the coordinator's by seconds. Their threads are played: what they tell is scripted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use load_drive::remote::{Remote, Site, Start};
use load_drive::{Handle, RunError, Workers};
use load_model::interval::{Counts, Interval};
use load_model::latency::Latencies;
use load_model::ledger::Ledger;
use load_model::scenario::{Group, Scenario};
use load_model::worker::{Order, Share, Told};

/// Longer than anything here takes, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(30);
const SECOND_NS: u64 = 1_000_000_000;

/// The coordinator's clock; it began a minute ago, so that others can be behind it.
fn here() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    60 * SECOND_NS + u64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_nanos()).expect("no centuries")
}

fn ahead() -> u64 {
    here() + 3 * SECOND_NS
}

fn behind() -> u64 {
    here() - 5 * SECOND_NS
}

fn scenario() -> Scenario {
    let mut scenario = Scenario { groups: vec![Group::default()], ..Scenario::default() };
    scenario.connection.password = "secret".to_owned();
    scenario
}

/// Threads that tell of an interval that begins when their orders say, and are done.
fn play(scenario: &Scenario, shares: &[Share], _cores: &[usize]) -> Result<Workers, RunError> {
    assert_eq!(scenario.connection.password, "secret", "workers have to have it");
    let (tell, told) = flume::bounded(64);
    let handles = shares.iter().map(|&share| {
        let (orders, given) = flume::bounded(4);
        let tell = tell.clone();
        std::thread::spawn(move || play_one(share, &given, &tell));
        Handle { orders, clock_offset_ns: 0 }
    });
    Ok(Workers { handles: handles.collect(), told })
}

fn play_one(share: Share, given: &flume::Receiver<Order>, tell: &flume::Sender<Told>) {
    let say = |told| tell.send(told).expect("somebody listens");
    let worker = share.worker;
    say(Told::Ready { worker, product: format!("one of {}", share.workers), container: String::new() });
    while let Ok(order) = given.recv() {
        match order {
            Order::Start { origin_ns, .. } => say(Told::Interval(Interval {
                worker,
                group: 0,
                start_ns: origin_ns,
                end_ns: origin_ns + SECOND_NS,
                counts: Counts::default(),
                latencies: Latencies::default(),
                over_ns: None,
                resumed: None,
            })),
            Order::Measure { .. } => {}
            Order::Stop { .. } => {
                say(Told::Done { worker, ledger: Ledger::default() });
                return;
            }
            Order::Abort => {
                ABORTED.0.send(worker).expect("the test listens");
                return;
            }
        }
    }
}

/// Threads that were told to abort.
static ABORTED: LazyLock<(flume::Sender<u32>, flume::Receiver<u32>)> = LazyLock::new(flume::unbounded);

/// Starts a worker process, as a thread; gives its address.
fn site(now: fn() -> u64, threads: u32, start: Start) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let site = Site { token: "token".to_owned(), cores: vec![0], threads, now, start };
    std::thread::spawn(move || site.serve(&listener, |_| {}));
    address
}

fn hear(workers: &Workers) -> Told {
    workers.told.recv_timeout(PATIENCE).expect("a worker tells something")
}

#[test]
fn clocks_that_differ_are_measured_and_every_thread_starts_at_the_same_moment() {
    let addresses = [site(ahead, 2, play), site(behind, 1, play)];
    let (remote, workers) = Remote::connect(&addresses, "token", &scenario(), here).expect("they welcome us");
    assert_eq!(workers.handles.len(), 3);
    for _ in 0..3 {
        let told = hear(&workers);
        assert!(matches!(&told, Told::Ready { product, .. } if product == "one of 3"), "{told:?}");
    }
    let origin_ns = here();
    for handle in &workers.handles {
        let origin_ns = origin_ns.checked_add_signed(handle.clock_offset_ns).expect("after 0");
        handle.orders.send(Order::Start { origin_ns, run: 1 }).expect("it listens");
    }
    let mut started = [0; 3];
    for _ in 0..3 {
        let Told::Interval(interval) = hear(&workers) else { panic!("an interval comes first") };
        started[interval.worker as usize] = interval.start_ns;
    }
    for handle in &workers.handles {
        handle.orders.send(Order::Stop { at_ns: 0 }).expect("it listens");
    }
    for _ in 0..3 {
        assert!(matches!(hear(&workers), Told::Done { .. }));
    }
    let facts = remote.finish();
    let truth = [3 * SECOND_NS as i64, -5 * SECOND_NS as i64];
    for ((facts, truth), address) in facts.iter().zip(truth).zip(&addresses) {
        assert_eq!(&facts.address, address);
        assert!(facts.clock_offset_ns.abs_diff(truth) <= facts.clock_bound_ns, "{facts:?}");
        assert!(facts.clock_bound_ns < SECOND_NS && !facts.machine.kernel.is_empty(), "{facts:?}");
    }
    for (worker, began_ns) in started.into_iter().enumerate() {
        let fact = &facts[worker / 2];
        let at_ns = began_ns.checked_add_signed(-truth[worker / 2]).expect("after 0");
        assert!(at_ns.abs_diff(origin_ns) <= fact.clock_bound_ns, "worker {worker}: {at_ns} is not {origin_ns}");
    }
}

#[test]
fn a_worker_refuses_strangers_and_serves_one_at_a_time() {
    let address = [site(here, 1, play)];
    let refused =
        |token: &str| Remote::connect(&address, token, &scenario(), here).expect_err("it refuses").to_string();
    let wrong = refused("guess");
    assert!(wrong.contains(&address[0]) && wrong.contains("--token"), "{wrong}");
    let first = Remote::connect(&address, "token", &scenario(), here).expect("it welcomes us");
    let busy = refused("token");
    assert!(busy.contains("another coordinator"), "{busy}");
    drop(first);
    // When it has noticed that the first one is gone it takes the next.
    let until = Instant::now() + PATIENCE;
    while Remote::connect(&address, "token", &scenario(), here).is_err() {
        assert!(Instant::now() < until, "it stays busy");
        std::thread::yield_now();
    }
}

#[test]
fn a_coordinator_that_goes_away_ends_the_load() {
    let (remote, workers) =
        Remote::connect(&[site(here, 1, play)], "token", &scenario(), here).expect("it welcomes us");
    assert!(matches!(hear(&workers), Told::Ready { .. }));
    workers.handles[0].orders.send(Order::Start { origin_ns: here(), run: 1 }).expect("it listens");
    assert!(matches!(hear(&workers), Told::Interval(_)));
    drop((remote, workers));
    assert_eq!(ABORTED.1.recv_timeout(PATIENCE), Ok(0));
}

fn fail(_: &Scenario, _: &[Share], _: &[usize]) -> Result<Workers, RunError> {
    Err(RunError::Scenario("no such client".to_owned()))
}

#[test]
fn a_worker_that_cannot_says_so_with_its_address() {
    let address = site(here, 1, fail);
    let (_remote, workers) =
        Remote::connect(std::slice::from_ref(&address), "token", &scenario(), here).expect("it welcomes us");
    let Told::Failed { why, .. } = hear(&workers) else { panic!("it fails") };
    assert_eq!(why, format!("{address}: no such client"));
}

#[test]
fn a_worker_that_dies_fails_the_run_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    // It greets, answers clock readings, takes its share, and is gone.
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut lines = BufReader::new(stream.try_clone().expect("the same")).lines();
        let mut next = || lines.next().expect("a line").expect("text");
        assert!(next().contains("hello"));
        let answer = |text: String| (&stream).write_all(format!("{text}\n").as_bytes()).expect("written");
        let machine = serde_json::to_string(&load_model::result::Machine::default()).expect("it prints");
        answer(format!(r#"{{"welcome":{{"version":"0","threads":1,"machine":{machine}}}}}"#));
        loop {
            let line = next();
            let Some(asked) = line.strip_prefix(r#"{"clock":{"asked_ns":"#) else { break };
            answer(format!(r#"{{"clock":{{"there_ns":1,"asked_ns":{asked}"#));
        }
    });
    let (_remote, workers) =
        Remote::connect(std::slice::from_ref(&address), "token", &scenario(), here).expect("it welcomes us");
    let Told::Failed { worker: 0, why } = hear(&workers) else { panic!("it is gone") };
    assert_eq!(why, format!("{address}: it closed the connection"));
}

#[test]
fn what_does_not_listen_or_speaks_otherwise_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = [listener.local_addr().expect("bound").to_string()];
    drop(listener);
    let error = Remote::connect(&address, "", &scenario(), here).expect_err("nobody listens").to_string();
    assert!(error.contains("heddle load worker --listen"), "{error}");
    assert!(Remote::connect(&[], "", &scenario(), here).expect_err("none").to_string().contains("--workers"));

    let mut stream = TcpStream::connect(site(here, 1, play)).expect("it listens");
    stream.write_all(b"{\"hello\":{\"protocol\":99,\"version\":\"9\",\"token\":\"token\"}}\n").expect("written");
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).expect("an answer");
    assert!(answer.contains("speaks protocol 99") && answer.contains("same version"), "{answer}");
}
