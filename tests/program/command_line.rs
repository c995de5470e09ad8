//! Commands that end by themselves, and what they say.

use std::net::TcpListener;
use std::process::Stdio;

use tempfile::TempDir;

use crate::broker::{Broker, add_user, heddle, run, text};

#[test]
fn help_has_examples() {
    for command in [&["run", "--help"][..], &["status", "--help"], &["user", "add", "--help"]] {
        let output = run(command);
        assert!(output.status.success() && text(&output).contains("Example"), "{}", text(&output));
    }
    assert!(!run(&[]).status.success());
}

#[test]
fn a_taken_port_is_told_with_advice() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let folder = TempDir::new().expect("a folder");
    let mut command = heddle();
    command.args(["run", "--listen", &address, "--http", "127.0.0.1:0", "--shards", "1", "--data-dir"]);
    let output = command.arg(folder.path().join("data")).output().expect("it ends");
    let said = text(&output);
    assert!(!output.status.success() && said.contains(&address) && said.contains("--listen"), "{said}");
}

/// In a process of its own: every later call of `io_uring_setup` fails as it does in a container.
fn forbid_io_uring() -> std::io::Result<()> {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        // The number of the call; 425 fails with EPERM, all others are allowed.
        step(0x20, 0, 0, 0),
        step(0x15, 0, 1, 425),
        step(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | 1),
        step(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its filter live until both calls are done.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
    };
    if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

#[test]
fn forbidden_io_uring_is_told_with_advice() {
    use std::os::unix::process::CommandExt as _;
    let folder = TempDir::new().expect("a folder");
    let mut command = heddle();
    command
        .args(["run", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path().join("d"));
    // SAFETY: between fork and exec only system calls are made.
    unsafe { command.pre_exec(forbid_io_uring) };
    let output = command.output().expect("it ends");
    let said = text(&output);
    assert!(!output.status.success() && said.contains("io_uring is forbidden") && said.contains("seccomp"), "{said}");
}

#[test]
fn users_come_and_go() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("users");
    add_user(&file, "one", "secret\n");
    add_user(&file, "two", "secret\n");
    let kept = std::fs::read_to_string(&file).expect("the file");
    assert!(kept.contains("one") && kept.contains("argon2") && !kept.contains("secret"), "{kept}");
    let hashes: Vec<&str> = kept.lines().filter_map(|line| line.split_once(':')).map(|(_, hash)| hash).collect();
    assert!(hashes.len() == 2 && hashes[0] != hashes[1], "the same password has two hashes");
    let user = |arguments: &[&str]| {
        let output = heddle().arg("user").args(arguments).arg("--file").arg(&file).stdin(Stdio::null()).output();
        let output = output.expect("it runs");
        (output.status.success(), text(&output))
    };
    assert_eq!(user(&["list"]), (true, "one\ntwo\n".to_owned()));
    let (removed, said) = user(&["remove", "one"]);
    assert!(removed && said.contains("one is no longer in") && said.contains("started again"), "{said}");
    assert_eq!(user(&["list"]), (true, "two\n".to_owned()));
    for command in ["remove", "passwd"] {
        let (done, said) = user(&[command, "one"]);
        assert!(!done && said.contains("no user one") && said.contains("heddle user list"), "{said}");
    }
    let (changed, said) = user(&["passwd", "two"]);
    assert!(!changed && said.contains("empty password"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).expect("the file").lines().count(), 1);
}

#[test]
fn status_shows_a_running_broker_and_says_when_there_is_none() {
    let broker = Broker::start("[[listeners]]\naddress = \"127.0.0.1:0\"");
    let http = broker.http.to_string();
    let output = run(&["status", "--http", &http]);
    assert!(output.status.success() && text(&output).contains("0 connections"), "{}", text(&output));
    drop(broker);
    let output = run(&["status", "--http", &http]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("is it running") && said.contains("--http"), "{said}");
}
