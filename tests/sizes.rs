//! What a struct keeps is small: read from the sources.
//!
//! Not here: which files know each other (`circles`), and which crates do (`layering`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Fields of a struct, at most: what has more is several things.
const FIELDS_MAX: usize = 15;

/// Crates whose structs are counted: those that a message goes through.
const CRATES: [&str; 11] = [
    "amqp-frontend/bind",
    "amqp-frontend/codec",
    "amqp-frontend/proto",
    "engine/core",
    "engine/home",
    "engine/ledger",
    "engine/router",
    "engine/router-conf",
    "engine/routing",
    "engine/shard",
    "shell",
];

/// The sources of a crate by their path from its `src`, without tests and comments.
fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    let root = Path::new(folder).join("src");
    let (mut folders, mut found) = (vec![root.clone()], BTreeMap::new());
    while let Some(path) = folders.pop() {
        for entry in fs::read_dir(path).expect("sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
                let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
                let name = path.strip_prefix(&root).expect("it is in there").to_owned();
                found.insert(name, lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    // What is a module of tests only.
    found.retain(|name, _| {
        !name.iter().any(|part| ["tests", "tests.rs", "short_ways.rs"].contains(&part.to_string_lossy().as_ref()))
    });
    found
}

/// Structs of a source with their numbers of fields.
fn structs(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((before, name)) = line.split_once("struct ").filter(|_| line.ends_with('{')) else { continue };
        let indent = before.len() - before.trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        let is_field = |line: &&str| {
            let line = line.strip_prefix(&" ".repeat(indent + 4)).unwrap_or_default();
            let name = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
            name.starts_with(|c: char| c.is_lowercase() || c == '_') && name.contains(": ")
        };
        let fields = lines.by_ref().take_while(|line| *line != end).filter(is_field).count();
        found.push((name.trim_end_matches(" {").to_owned(), fields));
    }
    found
}

#[test]
fn structs_are_small() {
    for folder in CRATES {
        let mut seen = 0;
        for (file, text) in sources(folder) {
            for (name, fields) in structs(&text) {
                seen += usize::from(fields > 0);
                assert!(fields <= FIELDS_MAX, "{folder}/src/{}: {name} has {fields} fields", file.display());
            }
        }
        assert!(seen > 3, "{folder} was not understood");
    }
}
