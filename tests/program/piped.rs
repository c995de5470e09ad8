//! Output whose reader goes away.

use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::broker::{Broker, heddle, wait_for};

/// Starts a command whose output nobody reads, and gives its status and what it said to the error output.
fn unread(arguments: &[&str]) -> (std::process::ExitStatus, String) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let command = heddle().args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn();
    let output = command.and_then(Child::wait_with_output).expect("the program runs");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn commands_end_quietly_when_nobody_reads_them() {
    use std::os::unix::process::ExitStatusExt as _;
    let mut broker = Broker::start("[[listeners]]\naddress = \"127.0.0.1:0\"");
    let http = broker.http.to_string();
    let data = broker.folder.path().join("data");
    let data = data.to_str().expect("text").to_owned();
    let users = broker.folder.path().join("users");
    crate::broker::add_user(&users, "guest", "secret\n");
    let users = users.to_str().expect("text").to_owned();
    let quiet = |arguments: &[&str]| {
        let (status, said) = unread(arguments);
        assert_eq!(said, "", "{arguments:?}");
        let ended = status.signal() == Some(libc::SIGPIPE) || status.code() == Some(141);
        assert!(status.success() || ended, "{arguments:?}: {status}");
    };
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["config", "print"],
        &["user", "list", "--file", &users],
        &["status", "--http", &http],
        &["status", "--http", &http, "--watch"],
    ] {
        quiet(arguments);
    }
    broker.signal(libc::SIGTERM);
    wait_for("its end", || broker.process.try_wait().expect("its state"));
    for command in ["check", "stat", "print", "export"] {
        quiet(&["data", command, "--data-dir", &data]);
        quiet(&["data", command, "--data-dir", &data, "--json"]);
    }
}

#[test]
fn a_broker_outlives_the_reader_of_its_log() {
    let folder = TempDir::new().expect("a folder");
    let ready = folder.path().join("ready.json");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = heddle();
    command.args(["run", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--shards", "1", "--log", "debug"]);
    command.arg("--ready-file").arg(&ready).arg("--data-dir").arg(folder.path().join("data"));
    let mut process = command.stderr(writer).spawn().expect("the program starts");
    // The command holds the end that it gave to the process.
    drop((command, reader));
    let address = wait_for("the ready file", || {
        assert_eq!(process.try_wait().expect("its state"), None, "it goes on");
        let text = std::fs::read_to_string(&ready).ok()?;
        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
        value["listeners"][0]["address"].as_str()?.parse().ok()
    });
    let mut peer = crate::peer::Peer::new(crate::peer::connect(address));
    peer.open();
    peer.round_trip("unread");
    drop(peer);
    let pid = i32::try_from(process.id()).expect("a process id");
    // SAFETY: kill takes no pointers; the process is our child and has not been waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
    let status = wait_for("its end", || process.try_wait().expect("its state"));
    assert_eq!(status.code(), Some(0));
}
