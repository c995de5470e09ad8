//! The command line of qdrouterd, by the program's own name and by that of qdrouterd, and a file of it made into one of the program's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::broker::{heddle, wait_for};
use crate::peer::{Peer, connect};

const FILE: &str = "router {\n  id: A\n  mode: standalone\n  workerThreads: 1\n}\nlistener {\n  host: 127.0.0.1\n  port: 0\n  \
                    saslMechanisms: ANONYMOUS\n}\naddress {\n  prefix: near\n  distribution: closest\n}\n";

/// A folder with a file, and a link to the program by the name of qdrouterd.
fn folder() -> (TempDir, PathBuf, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let (file, link) = (folder.path().join("r.conf"), folder.path().join("qdrouterd"));
    std::fs::write(&file, FILE).expect("a file");
    std::os::unix::fs::symlink(heddle().get_program(), &link).expect("a link");
    (folder, file, link)
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Starts a router, has a client open a connection, and stops it as a service manager does; gives what it logged, and what it said when it was ready.
fn serves(mut command: Command, folder: &Path) -> (String, serde_json::Value) {
    let (ready, log) = (folder.join("ready.json"), folder.join("log"));
    let _ = std::fs::remove_file(&ready);
    let file = std::fs::File::create(&log).expect("a log");
    let mut process = command.arg("--ready-file").arg(&ready).stderr(file).spawn().expect("the program starts");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    let told: serde_json::Value = wait_for("the ready file", || {
        assert!(process.try_wait().expect("its state").is_none(), "{}", read());
        serde_json::from_str(&std::fs::read_to_string(&ready).ok()?).ok()
    });
    let address = told["listeners"][0]["address"].as_str().expect("an address").parse().expect("an address");
    assert_eq!(Peer::new(connect(address)).open(), "A", "the router's id");
    let id = i32::try_from(process.id()).expect("an id");
    // SAFETY: a signal to a child of this process that was not waited for.
    assert_eq!(unsafe { libc::kill(id, libc::SIGTERM) }, 0);
    assert_eq!(process.wait().expect("its end").code(), Some(0));
    (read(), told)
}

#[test]
fn a_service_unit_of_qdrouterd_runs_a_router() {
    let (folder, file, link) = folder();
    let mut command = Command::new(&link);
    command.arg("-c").arg(&file).args(["-I", "/usr/lib/qpid-dispatch/python", "-P", "pid", "-U", "nobody"]);
    let (log, told) = serves(command, folder.path());
    for warned in ["-I has no effect", "-P has no effect without -d", "-U has no effect without -d"] {
        assert!(log.contains(warned), "{warned}: {log}");
    }
    assert!(told["http"].is_null(), "no port is open that its file does not name: {told}");
    let mut command = heddle();
    command.args(["qdrouterd", "--config"]).arg(&file).args(["--http", "127.0.0.1:0"]);
    let (_, told) = serves(command, folder.path());
    assert!(told["http"].is_string(), "{told}");
}

#[test]
fn a_router_that_nobody_can_reach_says_so() {
    let (_folder, file, _) = folder();
    for (text, is_told) in [("router {\n  id: A\n}\n", true), (FILE, false)] {
        std::fs::write(&file, text).expect("a file");
        let check = said(
            &heddle()
                .args(["config", "check", "--http", "127.0.0.1:0", "--router"])
                .arg(&file)
                .output()
                .expect("it runs"),
        );
        assert_eq!((check.0, check.2.contains("nobody can connect to it")), (Some(0), is_told), "{check:?}");
    }
}

#[test]
fn what_is_no_command_line_of_qdrouterd_ends_with_1() {
    let (folder, file, link) = folder();
    let run = |arguments: &[&str]| {
        said(&Command::new(&link).args(arguments).stdin(Stdio::null()).output().expect("the program runs"))
    };
    let path = file.to_str().expect("text");
    let missing = folder.path().join("missing.conf");
    for (arguments, status, told) in [
        (&["-c", path, "extra"][..], 1, "Usage"),
        (&["--nosuch"], 1, "Usage"),
        (&["-d", "-P", "pid", "-c", path], 1, "let a service manager run it"),
        (&["-T", "-c", path], 1, "no addresses for tests"),
        (&["-c", missing.to_str().expect("text")], 1, "missing.conf does not exist"),
    ] {
        let (code, _, error) = run(arguments);
        assert!(code == Some(status) && error.contains(told), "{arguments:?}: {code:?} {error}");
    }
    for version in ["-v", "--version"] {
        assert_eq!(run(&[version]), (Some(0), format!("{}\n", env!("CARGO_PKG_VERSION")), String::new()));
    }
    let (code, printed, _) = run(&["-h"]);
    assert!(code == Some(0) && printed.contains("--pidfile"), "{printed}");
    let by_its_own_name = heddle().args(["qdrouterd", "-v"]).output().expect("the program runs");
    assert_eq!(said(&by_its_own_name).1, format!("{}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_file_of_qdrouterd_is_converted_to_one_that_runs() {
    let (folder, file, _) = folder();
    let convert =
        |more: &[&str]| said(&heddle().args(["config", "convert"]).arg(&file).args(more).output().expect("it runs"));
    let (code, converted, error) = convert(&[]);
    assert_eq!(code, Some(0), "{error}");
    let print = heddle().args(["config", "print", "--router"]).arg(&file).output().expect("it runs");
    assert_eq!(converted, said(&print).1, "one of both is made of the other");
    let own = folder.path().join("heddle.toml");
    std::fs::write(&own, &converted).expect("a file");
    let mut command = heddle();
    command.args(["run", "--config"]).arg(&own);
    serves(command, folder.path());
    std::fs::write(&file, FILE.replace("mode: standalone", "mode: nowhere")).expect("a file");
    let (code, converted, error) = convert(&[]);
    assert!(code == Some(1) && converted.is_empty() && error.contains("r.conf:"), "{code:?} {converted} {error}");
}
