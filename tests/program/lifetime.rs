//! How a broker ends, and begins again.

use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Peer, connect, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";

fn ended(broker: &mut Broker) -> std::process::ExitStatus {
    wait_for("the end of the process", || broker.process.try_wait().expect("its state"))
}

#[test]
fn a_signal_closes_connections_and_ends_the_program() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut broker = Broker::start(LISTENER);
        let mut peer = opened(&broker);
        broker.signal(signal);
        let error = peer.closed().expect("the broker says why");
        assert_eq!(error.condition.as_str(), "amqp:connection:forced");
        assert_eq!(ended(&mut broker).code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut broker = Broker::start_telling(TempDir::new().expect("a folder"), 2, "info", LISTENER);
    let _silent = opened(&broker);
    broker.signal(libc::SIGTERM);
    // The peer does not answer the close, so that only the second signal can end it before the deadline of three seconds.
    wait_for("the broker to be stopping", || broker.http("GET /readyz").0.contains("503").then_some(()));
    // Signals of one moment are one wish, so that it is told until it hears a second one.
    let status = wait_for("the end of the process", || {
        broker.signal(libc::SIGTERM);
        broker.process.try_wait().expect("its state")
    });
    assert_eq!(status.code(), Some(130));
    let log = broker.log();
    assert!(!log.contains("stopped"), "it was not orderly: {log}");
    assert!(log.contains("a second signal ends at once"), "{log}");
    assert!(log.contains("WARN") && log.contains("told to stop again: ending at once signal=SIGTERM"), "{log}");
}

#[test]
fn signals_of_one_moment_are_one() {
    for signals in [[libc::SIGINT, libc::SIGINT], [libc::SIGTERM, libc::SIGINT], [libc::SIGINT, libc::SIGHUP]] {
        let mut broker = Broker::start_telling(TempDir::new().expect("a folder"), 2, "info", LISTENER);
        let mut peer = opened(&broker);
        for signal in signals {
            broker.signal(signal);
        }
        assert_eq!(peer.closed().expect("the broker says why").condition.as_str(), "amqp:connection:forced");
        assert_eq!(ended(&mut broker).code(), Some(0), "{}", broker.log());
        let log = broker.log();
        assert_eq!(log.matches("told to stop").count(), 1, "{log}");
        assert!(log.contains("stopped ms="), "{log}");
    }
}

#[test]
fn a_terminal_that_goes_stops_it_unless_it_was_started_to_outlive_it() {
    use std::os::unix::process::CommandExt as _;
    // Whatever this test itself was started by.
    let heeding = |command: &mut std::process::Command| {
        // SAFETY: between fork and exec only system calls are made.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                Ok(())
            })
        };
    };
    let mut broker = Broker::start_command(TempDir::new().expect("a folder"), 2, LISTENER, heeding);
    broker.signal(libc::SIGHUP);
    assert_eq!(ended(&mut broker).code(), Some(0));

    let ignored = || {
        let folder = TempDir::new().expect("a folder");
        let ready = folder.path().join("ready.json");
        let mut command = crate::broker::heddle();
        command.args(["run", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--shards", "1", "--ready-file"]);
        command.arg(&ready).arg("--data-dir").arg(folder.path().join("data")).stderr(std::process::Stdio::null());
        // SAFETY: between fork and exec only system calls are made.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                Ok(())
            })
        };
        let mut process = command.spawn().expect("the program starts");
        wait_for("the ready file", || ready.exists().then_some(()));
        let pid = i32::try_from(process.id()).expect("a process id");
        let send = |signal| {
            // SAFETY: kill takes no pointers; the process is our child and has not been waited for.
            assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        };
        // If the first one were taken, the second one would end it with another status, or not be orderly.
        send(libc::SIGHUP);
        send(libc::SIGTERM);
        wait_for("its end", || process.try_wait().expect("its state"))
    };
    assert_eq!(ignored().code(), Some(0));
}

#[test]
fn a_log_tells_of_start_and_stop() {
    let folder = TempDir::new().expect("a folder");
    let users = folder.path().join("users");
    crate::broker::add_user(&users, "guest", "secret\n");
    let other =
        "[[listeners]]\naddress = \"127.0.0.1:0\"\ntransport = \"ws\"\nsasl = \"required\"\nmechanisms = [\"PLAIN\"]";
    let config = format!("[users]\nfile = {users:?}\n{LISTENER}\n{other}");
    let mut broker = Broker::start_telling(folder, 2, "info", &config);
    broker.signal(libc::SIGTERM);
    assert_eq!(ended(&mut broker).code(), Some(0));
    let log = broker.log();
    let line = |words: &[&str]| {
        let found: Vec<&str> = log.lines().filter(|line| words.iter().all(|word| line.contains(word))).collect();
        assert_eq!(found.len(), 1, "one line with {words:?}: {log}");
    };
    line(&[
        "listening",
        &format!("address={}", broker.addresses[0]),
        "transport=tcp",
        "sasl=optional",
        "mechanisms=ANONYMOUS",
    ]);
    line(&[
        "listening",
        &format!("address={}", broker.addresses[1]),
        "transport=ws",
        "sasl=required",
        "mechanisms=PLAIN",
    ]);
    line(&["ready", "version=", "shards=2", "data_dir=", &format!("http={}", broker.http), "ms="]);
    line(&["told to stop", "signal=SIGTERM"]);
    line(&["stopped", "ms="]);
    assert!(!log.contains("AfterWrite") && !log.contains("WithWrite") && !log.contains("Some("), "{log}");
}

#[test]
fn a_killed_broker_starts_again_on_the_same_port_and_data() {
    let mut broker = Broker::start(LISTENER);
    Peer::new(connect(broker.addresses[0])).open();
    broker.process.kill().expect("it is killed");
    ended(&mut broker);
    let listener = format!("[[listeners]]\naddress = \"{}\"", broker.addresses[0]);
    let folder = std::mem::replace(&mut broker.folder, TempDir::new().expect("a folder"));
    let again = Broker::start_in(folder, &listener);
    assert_eq!(again.addresses, broker.addresses);
    let mut peer = Peer::new(connect(again.addresses[0]));
    peer.open();
    peer.round_trip("after");
}
