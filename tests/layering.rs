//! Arrows between crates point down, and what is promised of crates holds: read from the manifests and sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Crates from the bottom up; each may use those before it, as far as its row says.
const ALLOWED: &[(&str, &[&str])] = &[
    ("engine/message", &[]),
    ("engine/figures", &[]),
    ("engine/management", &["engine-message"]),
    ("engine/selector", &["engine-message"]),
    ("amqp-frontend/codec", &["engine-message"]),
    ("amqp-frontend/proto", &["amqp-codec", "engine-message"]),
    ("engine/catalogue", &[]),
    ("engine/core", &["engine-catalogue", "engine-figures", "engine-message", "engine-selector"]),
    ("engine/router", &["engine-message"]),
    ("engine/router-conf", &[]),
    ("engine/policy", &["engine-message", "engine-router"]),
    ("engine/router-management", &["engine-management", "engine-message", "engine-router-conf"]),
    ("engine/routing", &["engine-core", "engine-message", "engine-router"]),
    ("engine/rt", &[]),
    ("engine/tls", &[]),
    ("storage/journal", &[]),
    ("storage/disk", &["engine-rt", "storage-journal"]),
    ("engine/ledger", &["engine-core", "engine-selector", "storage-journal"]),
    (
        "engine/shard",
        &[
            "engine-catalogue",
            "engine-core",
            "engine-figures",
            "engine-ledger",
            "engine-routing",
            "engine-rt",
            "storage-disk",
            "storage-journal",
        ],
    ),
    (
        "engine/home",
        &[
            "engine-catalogue",
            "engine-core",
            "engine-message",
            "engine-policy",
            "engine-rt",
            "engine-shard",
            "storage-disk",
            "storage-journal",
        ],
    ),
    (
        "amqp-frontend/bind",
        &["amqp-codec", "amqp-proto", "engine-core", "engine-home", "engine-message", "engine-policy"],
    ),
    (
        "shell",
        &[
            "amqp-bind",
            "amqp-proto",
            "engine-catalogue",
            "engine-core",
            "engine-figures",
            "engine-home",
            "engine-message",
            "engine-policy",
            "engine-router",
            "engine-routing",
            "engine-rt",
            "engine-shard",
            "engine-tls",
            "storage-disk",
            "storage-journal",
        ],
    ),
    ("loadgen/model", &[]),
    ("loadgen/report", &["load-model"]),
    ("loadgen/drive", &["amqp-codec", "amqp-proto", "engine-message", "engine-rt", "engine-tls", "load-model"]),
    ("loadgen/fe2o3", &["engine-rt", "load-drive", "load-model"]),
    ("loadgen/cli", &["engine-rt", "load-drive", "load-model", "load-report"]),
    ("loadgen/program", &["load-cli", "load-drive", "load-fe2o3", "load-model"]),
    (
        "perf",
        &[
            "amqp-codec",
            "amqp-proto",
            "engine-catalogue",
            "engine-message",
            "engine-rt",
            "engine-shard",
            "load-model",
            "storage-disk",
            "storage-journal",
        ],
    ),
    (
        "benches",
        &[
            "amqp-bind",
            "amqp-codec",
            "amqp-proto",
            "engine-catalogue",
            "engine-core",
            "engine-home",
            "engine-message",
            "engine-router",
            "engine-routing",
            "engine-rt",
            "engine-selector",
            "engine-shard",
            "node-shell",
            "storage-journal",
        ],
    ),
    ("tests/support", &["storage-journal"]),
    (
        "tests/simulation",
        &[
            "amqp-bind",
            "amqp-codec",
            "amqp-proto",
            "engine-catalogue",
            "engine-core",
            "engine-home",
            "engine-ledger",
            "engine-message",
            "engine-router",
            "engine-routing",
            "engine-rt",
            "engine-shard",
            "node-shell",
            "storage-journal",
        ],
    ),
    (
        "amqp-frontend/fuzz",
        &[
            "amqp-codec",
            "amqp-proto",
            "engine-catalogue",
            "engine-core",
            "engine-ledger",
            "engine-message",
            "engine-router",
            "engine-router-conf",
            "engine-selector",
            "storage-journal",
        ],
    ),
    (
        ".",
        &[
            "amqp-codec",
            "amqp-proto",
            "engine-catalogue",
            "engine-core",
            "engine-figures",
            "engine-home",
            "engine-ledger",
            "engine-management",
            "engine-message",
            "engine-policy",
            "engine-router",
            "engine-router-conf",
            "engine-router-management",
            "engine-routing",
            "engine-rt",
            "engine-shard",
            "load-cli",
            "load-drive",
            "load-model",
            "node-shell",
            "storage-disk",
            "storage-journal",
        ],
    ),
];

fn dependencies(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).expect("every crate has a manifest");
    let table: toml::Table = text.parse().expect("manifests are TOML");
    let dependencies = table.get("dependencies").and_then(|value| value.as_table());
    dependencies.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn arrows_point_down() {
    let ours = [
        "amqp-codec",
        "amqp-proto",
        "amqp-bind",
        "engine-catalogue",
        "engine-core",
        "engine-figures",
        "engine-home",
        "engine-ledger",
        "engine-message",
        "engine-policy",
        "engine-router",
        "engine-router-conf",
        "engine-rt",
        "engine-selector",
        "engine-shard",
        "engine-tls",
        "storage-disk",
        "storage-journal",
        "load-model",
        "load-report",
        "load-drive",
        "load-cli",
        "load-fe2o3",
        "heddle-load",
        "heddle-perf",
        "node-shell",
    ];
    for &(folder, allowed) in ALLOWED {
        for dependency in dependencies(&Path::new(folder).join("Cargo.toml")) {
            let down = !ours.contains(&dependency.as_str()) || allowed.contains(&dependency.as_str());
            assert!(down, "{folder} must not use {dependency}");
            assert!(dependency != "glommio" || folder == "engine/rt", "{folder} must not name glommio");
            let tokio = ["tokio", "fe2o3-amqp"].contains(&dependency.as_str());
            assert!(!tokio || folder == "loadgen/fe2o3", "{folder} must not name {dependency}");
        }
    }
}

#[test]
fn only_the_runtime_and_the_tools_are_unsafe() {
    for (folder, _) in ALLOWED.iter().filter(|(folder, _)| !["engine/rt", "perf", "benches", "."].contains(folder)) {
        let roots = ["src/lib.rs", "src/main.rs"].map(|root| fs::read_to_string(Path::new(folder).join(root)));
        let text = roots.into_iter().find_map(Result::ok).expect("every crate has a root");
        assert!(text.contains("#![forbid(unsafe_code)]"), "{folder} forbids unsafe code");
    }
}

#[test]
fn pure_crates_have_no_clock_and_no_threads() {
    for folder in [
        "amqp-frontend/bind",
        "amqp-frontend/codec",
        "amqp-frontend/proto",
        "engine/catalogue",
        "engine/core",
        "engine/figures",
        "engine/home",
        "engine/ledger",
        "engine/message",
        "engine/policy",
        "engine/router",
        "engine/router-conf",
        "engine/routing",
        "engine/selector",
        "storage/journal",
        "loadgen/model",
        "loadgen/report",
    ] {
        let mut folders = vec![Path::new(folder).join("src")];
        while let Some(path) = folders.pop() {
            for entry in fs::read_dir(path).expect("sources") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).expect("a source");
                for word in ["std::thread", "std::net", "std::fs", "Instant", "SystemTime", "async "] {
                    assert!(!text.contains(word), "{} must not use {word}", path.display());
                }
            }
        }
    }
}

/// Names of all crates that a package is linked from, its own included: as Cargo resolves them for this system, without those that tests
/// use or that only run while it is built.
fn linked_into(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree =
        ["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package"];
    let output = Command::new(cargo).args(tree).arg(package).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_broker_does_not_link_the_second_client() {
    let broker = linked_into("heddle");
    assert!(broker.contains("engine-rt") && broker.contains("glommio"), "this is no tree: {broker:?}");
    for foreign in ["tokio", "fe2o3-amqp", "load-fe2o3"] {
        assert!(!broker.contains(foreign), "the broker links {foreign}");
        assert!(linked_into("heddle-load").contains(foreign), "the generator's program has the second client");
    }
}
