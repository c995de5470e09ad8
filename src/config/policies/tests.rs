//! Policies of files, read from a folder.

use std::path::Path;

use engine_policy::{Gate, Link, Peer, Purpose};
use tempfile::TempDir;

use super::*;

/// What a file's policy is, what is doubtful, and what is wrong.
fn read_in(folder: &Path, text: &str) -> (Option<Policies>, Vec<String>, String) {
    let path = folder.join("r.conf");
    std::fs::write(&path, text).expect("a file");
    let (mut faults, mut warnings) = (Faults::default(), Vec::new());
    let policies = super::read(&path, &Origin::Default, (&mut faults, &mut warnings));
    let faults = if faults.is_empty() { String::new() } else { faults.to_string() };
    (policies, warnings, faults)
}

fn gate(rules: Rules) -> Gate {
    Gate::new(Policy::new(rules).expect("it was tried"))
}

fn peer(user: &str, hostname: &str) -> Peer {
    Peer { user: user.to_owned(), host: [127, 0, 0, 1].into(), hostname: hostname.to_owned() }
}

#[test]
fn a_file_becomes_what_a_router_goes_by() {
    let folder = TempDir::new().expect("a folder");
    let further = r#"[["vhost", {"hostname": "other", "groups": {"all": {"users": "*", "remoteHosts": "localhost", "sourcePattern": ["a.#", "${user}.b"]}}}]]"#;
    std::fs::create_dir(folder.path().join("vhosts")).expect("a folder");
    std::fs::write(folder.path().join("vhosts/a.json"), further).expect("a file");
    std::fs::write(folder.path().join("vhosts/note.txt"), "no policy").expect("a file");
    let text = format!(
        "policy {{\n maxConnections: 9\n maxMessageSize: 700\n enableVhostPolicy: yes\n policyDir: {}\n}}\n\
         vhost {{\n hostname: h\n aliases: i, j\n maxConnections: 1\n groups: {{\n  staff: {{\n   users: ann, bob\n   remoteHosts: 127.0.0.1, 10.0.0.0-10.0.0.9\n   \
         maxSenders: 1\n   sources: orders.*, tmp-${{user}}\n   targets: orders\n   allowDynamicSource: yes\n  }}\n }}\n}}\n",
        folder.path().join("vhosts").display()
    );
    let (policies, warnings, faults) = read_in(folder.path(), &text);
    assert_eq!((faults.as_str(), warnings), ("", Vec::new()));
    let policies = policies.expect("a policy");
    assert_eq!(policies.connections, 9);
    let mut gate = gate(policies.rules.expect("vhosts hold"));
    let ann = gate.admit(&peer("ann", "j")).expect("she is of the staff");
    assert_eq!(ann.terms().bounds.message_octets, Some(700));
    assert!(ann.may_receive("orders.new") && ann.may_receive("tmp-ann") && !ann.may_receive("tmp-bob"));
    assert!(ann.may_send("orders") && !ann.may_send("orders.new"));
    assert!(ann.attach(Link::Dynamic, 0).is_ok() && ann.attach(Link::Anonymous, 0).is_err());
    assert!(ann.attach(Link::To("orders", Purpose::Plain), 1).is_err(), "one sender");
    assert!(gate.admit(&peer("bob", "h")).is_err(), "one connection");
    assert!(gate.admit(&peer("eve", "h")).is_err(), "she is in no group");
    let eve = gate.admit(&peer("eve", "other")).expect("that vhost takes all");
    assert!(eve.may_receive("a") && eve.may_receive("eve.b") && !eve.may_receive("ann.b") && !eve.may_send("a"));
}

#[test]
fn without_vhosts_that_hold_everybody_may_do_everything() {
    let folder = TempDir::new().expect("a folder");
    let text = "policy {\n maxConnections: 7\n policyDir: nowhere\n}\nvhost {\n hostname: h\n groups: {\n }\n}\n";
    let (policies, _, faults) = read_in(folder.path(), text);
    assert_eq!(faults, "");
    let policies = policies.expect("a policy");
    assert!(policies.connections == 7 && policies.rules.is_none());
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let group = |setting: &str| {
        format!(
            "policy {{\n enableVhostPolicy: yes\n}}\nvhost {{\n hostname: h\n groups: {{\n  g: {{\n   users: *\n   {setting}\n  }}\n }}\n}}\n"
        )
    };
    for (text, line, told) in [
        (group("remoteHosts: 10.0.0.9-10.0.0.1"), 7, "the other way round"),
        (group("remoteHosts: no-such-host.invalid"), 7, "has no address"),
        (group("sourcePattern: a.${user}.b"), 7, "sourcePattern of group g"),
        (group("targets: ${user}${user}"), 7, "targets of group g"),
        ("policy {\n enableVhostPolicy: yes\n policyDir: no/such/folder\n}\n".to_owned(), 1, "mend the path"),
        ("policy {\n enableVhostPolicy: yes\n defaultVhost: x\n}\n".to_owned(), 1, "no such vhost"),
        (
            "policy {\n enableVhostPolicy: yes\n}\nvhost {\n hostname: h\n allowUnknownUser: yes\n}\n".to_owned(),
            4,
            "no group $default",
        ),
        (
            "policy {\n enableVhostPolicy: yes\n enableVhostNamePatterns: yes\n}\nvhost {\n hostname: a.b\n}\nvhost {\n hostname: a/b\n}\n"
                .to_owned(),
            8,
            "is there twice",
        ),
    ] {
        let (_, _, faults) = read_in(folder.path(), &text);
        assert!(faults.contains(told) && faults.contains(&format!("r.conf:{line}:")), "{text}: {faults}");
    }
    let (_, warnings, _) = read_in(folder.path(), "policy {\n enableVhostPolicy: yes\n}\n");
    assert!(warnings.iter().any(|warning| warning.contains("nobody may connect")), "{warnings:?}");
}

#[test]
fn a_further_file_has_vhosts_only() {
    let folder = TempDir::new().expect("a folder");
    let vhosts = folder.path().join("vhosts");
    std::fs::create_dir(&vhosts).expect("a folder");
    std::fs::write(vhosts.join("a.json"), "[[\"vhost\", {\"hostname\": \"a\"}],\n[\"listener\", {\"port\": 1}]]")
        .expect("a file");
    std::fs::write(vhosts.join("b.json"), "[[\"vhost\", {}]]").expect("a file");
    let text = format!("policy {{\n enableVhostPolicy: yes\n policyDir: {}\n}}\n", vhosts.display());
    let (_, _, faults) = read_in(folder.path(), &text);
    for told in ["a.json:2", "vhosts only", "b.json:1", "hostname"] {
        assert!(faults.contains(told), "{told}: {faults}");
    }
    let (_, _, faults) = read_in(Path::new(folder.path()), "policy {\n enableVhostPolicy: maybe\n}\n");
    assert!(faults.contains("r.conf:2"), "{faults}");
    let (mut faults, mut warnings) = (Faults::default(), Vec::new());
    assert!(
        super::read(Path::new("nowhere.conf"), &Origin::Option("--router"), (&mut faults, &mut warnings)).is_none()
    );
    assert!(faults.to_string().contains("nowhere.conf does not exist"), "{faults}");
}
