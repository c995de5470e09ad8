//! Configurations of qdrouterd that the program is shown: what they say in today's spelling, and everything that is wrong with one at once.

use std::path::Path;

use tempfile::TempDir;

use crate::broker::heddle;

/// Runs `config router` on a file in a folder; gives whether it is right, what was printed, and what was said beside.
fn read_in(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let mut command = heddle();
    command
        .args(["config", "router"])
        .args(arguments)
        .current_dir(folder)
        .env("BROKER", "broker.example.org")
        .env("SITE", "A");
    let output = command.output().expect("the program runs");
    let [printed, said] = [output.stdout, output.stderr].map(|octets| String::from_utf8(octets).expect("text"));
    (output.status.success(), printed, said)
}

#[test]
fn files_of_every_kind_are_told_in_todays_spelling_and_again_as_they_are() {
    let folder = TempDir::new().expect("a folder");
    let files = std::fs::read_dir("engine/router-conf/testdata").expect("files that users have");
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        let path = std::path::absolute(&path).expect("a path");
        let (right, printed, said) = read_in(folder.path(), &[path.to_str().expect("text")]);
        assert!(right && printed.contains(" {\n"), "{}: {said}", path.display());
        std::fs::write(folder.path().join("again.conf"), &printed).expect("a file");
        let (right, again, said) = read_in(folder.path(), &["again.conf"]);
        assert!(right && !said.contains("deprecated"), "{}: {said}", path.display());
        assert_eq!(again, printed, "{}", path.display());
        count += 1;
    }
    assert!(count >= 8, "{count} files");
}

#[test]
fn what_is_old_is_a_warning_and_passwords_are_told_only_when_asked_for() {
    let folder = TempDir::new().expect("a folder");
    let text = "connector {\n    name: broker\n    addr: ${BROKER}\n    role: route-container\n    saslUsername: u\n    \
                saslPassword: hush\n}\n";
    std::fs::write(folder.path().join("r.conf"), text).expect("a file");
    let (right, printed, said) = read_in(folder.path(), &["r.conf"]);
    assert!(right, "{said}");
    let warning = "warning: r.conf:3: Attribute 'addr' of entity 'connector' has been deprecated. Use 'host' instead\n";
    assert_eq!(said, warning);
    assert!(printed.contains("host: broker.example.org") && !printed.contains("hush"), "{printed}");
    let (_, printed, _) = read_in(folder.path(), &["r.conf", "--secrets"]);
    assert!(printed.contains("saslPassword: hush"), "{printed}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let folder = TempDir::new().expect("a folder");
    let text = "router {\n    mode: interior\n    workerThread: 4\n}\nlistner {\n    port: 5672\n}\naddress {\n    prefix: a\n    \
                distribution: nearest\n}\n";
    std::fs::write(folder.path().join("r.conf"), text).expect("a file");
    let (right, printed, said) = read_in(folder.path(), &["r.conf"]);
    assert_eq!((right, printed.as_str()), (false, ""));
    for told in ["r.conf:3: ", "workerThreads", "r.conf:5: ", "listener", "r.conf:10: ", "closest"] {
        assert!(said.contains(told), "{told} is in\n{said}");
    }
}

#[test]
fn a_file_that_is_missing_empty_large_or_no_text_is_told_as_that() {
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, octets: &[u8]| std::fs::write(folder.path().join(name), octets).expect("a file");
    write("empty.conf", b"");
    write("binary.conf", b"router {\n    id: \xff\n}\n");
    write("large.conf", &vec![b'#'; (16 << 20) + 1]);
    write("pairs.json", b"[[\"router\", {");
    std::fs::create_dir(folder.path().join("folder.conf")).expect("a folder");
    for (name, told) in [
        ("missing.conf", "missing.conf does not exist"),
        ("empty.conf", "empty"),
        ("binary.conf", "binary.conf:2: this is no text in UTF-8"),
        ("large.conf", "large.conf"),
        ("pairs.json", "pairs.json:1"),
        ("folder.conf", "folder.conf is a directory, and a file is needed"),
    ] {
        let (right, printed, said) = read_in(folder.path(), &[name]);
        assert_eq!((right, printed.as_str()), (false, ""), "{name}");
        assert!(said.starts_with("heddle: ") && said.contains(told), "{name}: {said}");
    }
}
