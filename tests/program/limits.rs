//! What happens when the system gives little: locked memory, descriptors, disk; and that a start ends when it is told to.

use std::ffi::CString;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::broker::{Broker, PATIENCE, heddle, text, wait_for};
use crate::peer::{Durable, connect, opened};

const LISTENER: &str =
    "[[listeners]]\naddress = \"127.0.0.1:0\"\nhandshake_timeout_ms = 120000\n[storage]\nsegment_mib = 2\n";

/// Has a command start its program with a limit of the system, soft and hard.
fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, soft: u64, hard: u64) {
    let set = move || {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: the structure lives for the call, which is async-signal-safe.
        if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    // SAFETY: between fork and exec it makes one system call.
    unsafe { command.pre_exec(set) };
}

/// A limit of a process that runs: the soft one, and the hard one.
fn limit_of(process: u32, name: &str) -> (u64, u64) {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).expect("its limits");
    let line = limits.lines().find(|line| line.starts_with(name)).expect("the limit");
    let mut numbers = line[name.len()..].split_whitespace().filter_map(|word| word.parse().ok());
    (numbers.next().expect("the soft one"), numbers.next().expect("the hard one"))
}

/// Sets the soft limit on open files of a process that runs.
fn limit_open_files(process: u32, soft: u64) {
    let (_, hard) = limit_of(process, "Max open files");
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    let pid = i32::try_from(process).expect("a process id");
    // SAFETY: the structure lives for the call, and the old limits are not asked for.
    let set = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

/// Runs a broker that must not start; gives what it said.
fn refused(resource: libc::__rlimit_resource_t, value: u64) -> String {
    let folder = TempDir::new().expect("a folder");
    let ready = folder.path().join("ready.json");
    let mut command = heddle();
    command.args(["run", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--shards", "2", "--data-dir"]);
    command.arg(folder.path().join("data")).arg("--ready-file").arg(&ready).stdin(Stdio::null());
    limit(&mut command, resource, value, value);
    let output = command.output().expect("the program runs");
    assert!(!output.status.success() && !ready.exists(), "{}", text(&output));
    text(&output)
}

#[test]
fn too_little_locked_memory_ends_the_start_with_the_way_out() {
    for kib in [0, 64, 256] {
        let said = refused(libc::RLIMIT_MEMLOCK, kib << 10);
        let told =
            ["locked memory", "ulimit -l", "LimitMEMLOCK=", "--ulimit memlock"].iter().all(|part| said.contains(part));
        assert!(told && said.contains(&format!("is {kib} KiB")) && !said.contains("seccomp"), "{said}");
    }
}

#[test]
fn too_few_descriptors_for_storage_alone_end_the_start_with_numbers() {
    let said = refused(libc::RLIMIT_NOFILE, 40);
    assert!(
        said.contains("open files is 40,") && said.contains("2 shards need") && said.contains("ulimit -n"),
        "{said}"
    );
    let folder = TempDir::new().expect("a folder");
    let broker = Broker::start_command(folder, 2, LISTENER, |command| limit(command, libc::RLIMIT_NOFILE, 100, 100));
    assert!(connections_max(&broker) >= 8, "two shards with an HTTP listener do with a hundred");
}

#[test]
fn a_start_that_is_told_to_stop_ends() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a data directory");
    // A description of the data directory that nobody writes holds the start up.
    let description = data.join("directory.json");
    let name = CString::new(description.as_os_str().as_encoded_bytes()).expect("no zero in it");
    // SAFETY: the name ends with zero.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let config = folder.path().join("heddle.toml");
    let ready = folder.path().join("ready.json");
    std::fs::write(&config, format!("[node]\ndata_dir = {data:?}\n[http]\nenabled = false\n{LISTENER}"))
        .expect("a configuration");
    let mut command = heddle();
    command.args(["run", "--config"]).arg(&config).arg("--ready-file").arg(&ready).stderr(Stdio::null());
    let mut process = command.spawn().expect("the program starts");
    // It can be opened for writing, without waiting, as soon as somebody reads it.
    let held = wait_for("the start to read the description", || {
        assert!(process.try_wait().expect("its state").is_none(), "it ended");
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options.write(true), libc::O_NONBLOCK).open(&description).ok()
    });
    let pid = i32::try_from(process.id()).expect("a process id");
    // SAFETY: kill takes no pointers; the process is our child and has not been waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
    let status = wait_for("its end", || process.try_wait().expect("its state"));
    assert_eq!(status.code(), Some(0));
    assert!(!ready.exists(), "it never served");
    drop(held);
}

/// What a connection answers to the protocol header of SASL; nothing when it was closed.
fn greeting(stream: &mut TcpStream) -> usize {
    let mut octets = [0; 8];
    let asked = stream.write_all(b"AMQP\x03\x01\x00\x00");
    asked.and_then(|()| stream.read(&mut octets)).unwrap_or(0)
}

fn connections_max(broker: &Broker) -> usize {
    broker.state()["connections_max"].as_u64().and_then(|most| usize::try_from(most).ok()).expect("a number")
}

#[test]
fn connections_leave_descriptors_to_storage() {
    let folder = TempDir::new().expect("a folder");
    let broker = Broker::start_command(folder, 2, LISTENER, |command| limit(command, libc::RLIMIT_NOFILE, 100, 130));
    assert_eq!(limit_of(broker.process.id(), "Max open files"), (130, 130), "the soft limit is raised");
    let most = connections_max(&broker);
    assert!((8..130).contains(&most), "{most}");
    let mut first = opened(&broker);
    first.attach_sender("orders");
    let mut streams: Vec<TcpStream> = (0..most + 40).map(|_| connect(broker.addresses[0])).collect();
    let let_in: Vec<bool> = streams.iter_mut().map(|stream| greeting(stream) > 0).collect();
    let count = let_in.iter().filter(|&&is_in| is_in).count();
    assert_eq!(count, most - 1, "as many as there is room for beside the first");
    // Who was there is served, with all that storage needs for it: segments, and a file.
    for delivery in 0..40 {
        first.send_message(delivery, Durable::Yes, &vec![7; 100_000]);
        assert_eq!(first.outcome(), (delivery, delivery, None));
    }
    let turns = |state: &serde_json::Value| -> u64 {
        state["shards"].as_array().into_iter().flatten().filter_map(|shard| shard["turns"].as_u64()).sum()
    };
    let before = broker.state();
    let mut asked = 0;
    let after = wait_for("half a second", || {
        asked += 1;
        let state = broker.state();
        (state["uptime_ms"].as_u64() > before["uptime_ms"].as_u64().map(|before| before + 500)).then_some(state)
    });
    let turned = turns(&after) - turns(&before);
    assert!(turned < 500 + 20 * asked, "{turned} turns in half a second, with {asked} questions");
    let log = broker.log();
    assert!(log.contains("connections are refused") && log.contains("ulimit -n"), "{log}");
    assert!(log.lines().count() < 30, "{log}");
    let metrics = broker.http("GET /metrics").1;
    let refused: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("heddle_connections_refused_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert!(refused >= 40, "{refused}");
    // Where some end others are let in.
    streams.clear();
    wait_for("room for a connection", || (greeting(&mut connect(broker.addresses[0])) > 0).then_some(()));
}

#[test]
fn an_accept_that_fails_is_tried_again_without_a_storm() {
    let folder = TempDir::new().expect("a folder");
    let broker = Broker::start_with(folder, 1, LISTENER);
    let mut first = opened(&broker);
    first.attach_sender("orders");
    first.send_message(0, Durable::Yes, b"first");
    assert_eq!(first.outcome(), (0, 0, None));
    // A segment that is just being made would want descriptors.
    wait_for("the next segment", || {
        (broker.state()["shards"][0]["journal"]["ready_bytes"].as_u64()? > 2 << 20).then_some(())
    });
    // Fewer than are open already: no connection gets one.
    let (soft, _) = limit_of(broker.process.id(), "Max open files");
    limit_open_files(broker.process.id(), 5);
    let mut waiting = connect(broker.addresses[0]);
    wait_for("word of it", || broker.log().contains("none can be accepted now").then_some(()));
    waiting.set_read_timeout(Some(Duration::from_millis(1500))).expect("a timeout");
    assert_eq!(greeting(&mut waiting), 0, "it waits");
    let told = broker.log().lines().filter(|line| line.contains("accepted")).count();
    assert!((1..=5).contains(&told), "{}", broker.log());
    // Who is there is served meanwhile: its segment is open.
    first.send_message(1, Durable::Yes, b"second");
    assert_eq!(first.outcome(), (1, 1, None));
    limit_open_files(broker.process.id(), soft);
    waiting.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut octets = [0; 8];
    assert!(waiting.read(&mut octets).is_ok_and(|count| count > 0), "it is let in when there is one");
}

#[test]
fn a_segment_that_cannot_be_made_is_told_with_its_cause_and_made_later() {
    let folder = TempDir::new().expect("a folder");
    let broker = Broker::start_with(folder, 1, LISTENER);
    let mut peer = opened(&broker);
    peer.attach_sender("orders");
    let (soft, _) = limit_of(broker.process.id(), "Max open files");
    limit_open_files(broker.process.id(), 5);
    peer.send_message(0, Durable::Yes, b"first");
    wait_for("word of it", || broker.log().contains("no segment can be made now").then_some(()));
    let log = broker.log();
    assert!(!log.contains("the disk is full") && log.contains("ulimit -n"), "{log}");
    wait_for("it to count as full", || (broker.state()["disk"]["full"] == true).then_some(()));
    limit_open_files(broker.process.id(), soft);
    // It waits for the first segment, and whatever was sent before is kept there.
    assert_eq!(peer.outcome(), (0, 0, None));
    wait_for("room", || (broker.state()["disk"]["full"] == false).then_some(()));
    peer.send_message(1, Durable::Yes, b"second");
    assert_eq!(peer.outcome(), (1, 1, None));
}

/// The value of the first line of a metric.
fn metric(broker: &Broker, name: &str) -> u64 {
    let metrics = broker.http("GET /metrics").1;
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{name} in {metrics}"))
}

#[test]
fn a_full_disk_is_seen() {
    // More than any volume has.
    let broker = Broker::start(&format!("{LISTENER}min_free_mib = 1000000000\n"));
    let log = broker.log();
    let told = ["no durable message is ever taken", "larger volume", "total_mib=", "min_free_mib=1000000000", "path="];
    assert!(told.iter().all(|part| log.contains(part)), "{log}");
    wait_for("the shards to know", || (broker.state()["disk"]["full"] == true).then_some(()));
    let (status, body) = broker.http("GET /readyz");
    assert!(
        status.contains("200") && body.contains("the disk is full") && body.contains("min_free_mib"),
        "{status} {body}"
    );
    assert!(broker.http("GET /readyz?durable").0.contains("503"));
    assert_eq!((metric(&broker, "heddle_disk_full"), metric(&broker, "heddle_journal_disk_full_total")), (1, 1));
    assert!(metric(&broker, "heddle_disk_free_bytes") > 0);
    assert_eq!(metric(&broker, "heddle_disk_min_free_bytes"), 1_000_000_000 << 20);
    let status =
        text(&heddle().args(["status", "--http", &broker.http.to_string()]).output().expect("the program runs"));
    assert!(status.contains("the disk is full") && status.contains("times full"), "{status}");
    wait_for("a warning", || broker.log().contains("the disk is full: a segment would leave less").then_some(()));
    // What needs no disk goes on.
    drop(opened(&broker));
}

/// Octets of all files of a folder that end with a name.
fn files(folder: &Path, ending: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|found| found == ending)).count()
}

#[test]
fn a_consumed_backlog_makes_room_while_its_consumer_stays() {
    for policy in ["hold", "refuse"] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, LISTENER);
        let mut peer = opened(&broker);
        peer.attach_sender("orders");
        let count = 200;
        for delivery in 0..count {
            peer.send_message(delivery, Durable::Yes, &vec![1; 100_000]);
            assert_eq!(peer.outcome(), (delivery, delivery, None));
        }
        let folder = broker.kill();
        assert!(files(&folder.path().join("data/journal-0"), "segment") >= 10);
        // Everything beyond what is there already counts as full: room comes of what is consumed, and of nothing else.
        let full = format!("{LISTENER}min_free_mib = 1000000000\nwhen_full = \"{policy}\"\n");
        let broker = Broker::start_with(folder, 1, &full);
        let mut consumer = opened(&broker);
        consumer.attach_receiver("orders", count);
        for _ in 0..count {
            let (delivery, _) = consumer.receive();
            consumer.accept(delivery, delivery);
        }
        wait_for("room on the disk", || (broker.state()["disk"]["full"] == false).then_some(()));
        let mut producer = opened(&broker);
        producer.attach_sender("orders");
        producer.send_message(0, Durable::Yes, b"again");
        assert_eq!(producer.outcome(), (0, 0, None), "{policy}: and producers go on");
        drop(consumer);
    }
}
