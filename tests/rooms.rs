//! Files of one crate know each other in layers, and what they keep is small: read from the sources.
//!
//! A file *knows* another when it names it by a path (`crate::a`, `super::a`). The face of a crate or of a folder (`lib.rs`, a file with a
//! folder of its own) may name what is inside it; that is no arrow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that know each other in a circle, at most: a thing, its parts, and what joins them.
const CIRCLE_FILES_MAX: usize = 3;
/// Fields of a struct, at most: what has more is several things.
const FIELDS_MAX: usize = 15;

/// Crates whose files are looked at.
const CRATES: [&str; 15] = [
    "amqp-frontend/bind",
    "amqp-frontend/codec",
    "amqp-frontend/proto",
    "engine/catalogue",
    "engine/core",
    "engine/figures",
    "engine/home",
    "engine/ledger",
    "engine/message",
    "engine/rt",
    "engine/shard",
    "engine/tls",
    "shell",
    "storage/disk",
    "storage/journal",
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

/// The module that a file is.
fn module(file: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// The modules that a source names, each as far as its path goes in small letters.
fn named(text: &str, own: &[String]) -> Vec<Vec<String>> {
    let parent = &own[..own.len().saturating_sub(1)];
    let mut found = Vec::new();
    for (root, base) in [("crate::", &[][..]), ("super::", parent)] {
        for (at, _) in text.match_indices(root) {
            let path = &text[at + root.len()..];
            let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
            let mut parts: Vec<String> = base.to_vec();
            let steps = path[..end].split("::").filter(|step| !step.is_empty());
            parts.extend(steps.take_while(|step| step.starts_with(char::is_lowercase)).map(str::to_owned));
            found.push(parts.clone());
            // `crate::{a, b}`
            let inner = path[end..].strip_prefix('{').filter(|_| end == 0).and_then(|inner| inner.split('}').next());
            for step in inner.unwrap_or_default().split(',') {
                let step = step.trim().split("::").next().unwrap_or_default().to_owned();
                found.push(parts.iter().cloned().chain([step]).collect());
            }
        }
    }
    found
}

/// Which file knows which.
fn arrows(sources: &BTreeMap<PathBuf, String>) -> BTreeMap<&Path, BTreeSet<&Path>> {
    let modules: BTreeMap<Vec<String>, &Path> = sources.keys().map(|file| (module(file), file.as_path())).collect();
    let mut arrows = BTreeMap::new();
    for (file, text) in sources {
        let own = module(file);
        let mut known = BTreeSet::new();
        for path in named(text, &own) {
            // The longest beginning of the path that is a file.
            let file = (1..=path.len()).rev().find_map(|length| modules.get(&path[..length]));
            known.extend(file.copied().filter(|&other| other != modules[&own] && !module(other).starts_with(&own)));
        }
        if !own.is_empty() {
            arrows.insert(file.as_path(), known);
        }
    }
    arrows
}

/// All that a file reaches over arrows.
fn reached<'a>(from: &'a Path, arrows: &BTreeMap<&'a Path, BTreeSet<&'a Path>>) -> BTreeSet<&'a Path> {
    let (mut found, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(file) = left.pop() {
        left.extend(arrows.get(file).into_iter().flatten().filter(|&&other| found.insert(other)));
    }
    found
}

#[test]
fn files_know_each_other_in_layers() {
    for folder in CRATES {
        let sources = sources(folder);
        let arrows = arrows(&sources);
        assert!(arrows.len() < 3 || arrows.values().any(|known| !known.is_empty()), "{folder} was not understood");
        for &file in arrows.keys() {
            let circle: Vec<_> =
                reached(file, &arrows).into_iter().filter(|other| reached(other, &arrows).contains(file)).collect();
            assert!(circle.len() <= CIRCLE_FILES_MAX, "{folder}: a circle of files: {circle:?}");
        }
    }
}

#[test]
fn a_circle_is_seen() {
    let text = |uses: &str| format!("{uses}\nfn work() {{}}");
    let sources: BTreeMap<PathBuf, String> = [
        ("lib.rs", ""),
        ("a.rs", "use crate::b::{B, b};"),
        ("b.rs", "use crate::c::inner::Inner;"),
        ("c.rs", ""),
        ("c/inner.rs", "use crate::{a, lone};"),
        ("lone.rs", "fn f(c: super::c::C) {}"),
    ]
    .into_iter()
    .map(|(file, uses)| (PathBuf::from(file), text(uses)))
    .collect();
    let arrows = arrows(&sources);
    let names = |files: BTreeSet<&Path>| files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
    assert_eq!(names(reached(Path::new("a.rs"), &arrows)), ["a.rs", "b.rs", "c/inner.rs", "c.rs", "lone.rs"]);
    assert_eq!(names(reached(Path::new("lone.rs"), &arrows)), ["c.rs"]);
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
            let name = line.strip_prefix("pub ").or_else(|| Some(line.strip_prefix("pub(crate) ")?)).unwrap_or(line);
            name.starts_with(|c: char| c.is_lowercase() || c == '_') && name.contains(": ")
        };
        let fields = lines.by_ref().take_while(|line| *line != end).filter(is_field).count();
        found.push((name.trim_end_matches(" {").to_owned(), fields));
    }
    found
}

#[test]
fn structs_are_small() {
    for folder in ["amqp-frontend/bind", "amqp-frontend/codec", "amqp-frontend/proto", "engine/home", "shell"] {
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
