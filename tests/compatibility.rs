//! The table of `docs/compatibility.md` is complete, and what it names is there: read from the page and the tree.
//!
//! 1. Each feature of Artemis that an application meets and that is not of the least importance has one row, found by its mark in brackets
//!    behind the feature's name: A addresses and queues, D delivery, P protocol, T transactions.
//! 2. Each test that a row names exists: a file of tests by its path, a test by its name or its file and name, one of the JMS suite by its
//!    group and name, a group of it.
//! 3. A row names a test, unless it says *not*; one that does may name what shows how it is refused.
//!
//! Not here: whether those tests pass, which the other runs of `test.sh` say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Marks that have to be there: letter, and numbers. What is left out of a stretch was judged to be of the least importance (literal
/// matches, replays, counters and the like), or is an affair between brokers.
const MARKS: [(char, &[u32]); 4] = [
    ('A', &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 27, 28, 29, 30, 32]),
    ('D', &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29]),
    ('P', &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]),
    ('T', &[1, 2, 3, 5, 6]),
];

/// Where tests are: folders, from the root.
const FOLDERS: [&str; 8] = ["amqp-frontend", "engine", "loadgen", "perf/src", "shell", "src", "storage", "tests"];

struct Row {
    line: usize,
    feature: String,
    here: String,
    shown: String,
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string("docs/compatibility.md").expect("it is there");
    let lines = page.lines().enumerate().filter(|(_, line)| line.starts_with("| ") && !line.starts_with("| feature |"));
    let row = |(line, text): (usize, &str)| {
        let cells: Vec<&str> = text.trim_matches('|').split(" | ").map(str::trim).collect();
        let [feature, here, shown] = cells[..] else { panic!("line {}: a row has three cells: {text}", line + 1) };
        Row { line: line + 1, feature: feature.into(), here: here.into(), shown: shown.into() }
    };
    lines.map(row).collect()
}

/// What stands in brackets at the end of a feature, if that is marks only.
fn marks(feature: &str) -> Vec<String> {
    let Some((_, end)) = feature.rsplit_once('(') else { return Vec::new() };
    let is_mark = |mark: &&str| {
        let mut letters = mark.chars();
        letters.next().is_some_and(|letter| "ADPT".contains(letter))
            && letters.clone().next().is_some()
            && letters.all(|digit| digit.is_ascii_digit())
    };
    end.trim_end_matches(')').split([',', ';', ' ']).filter(is_mark).map(str::to_owned).collect()
}

/// What stands between back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// All files of the tree that may have tests: path and text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() && !entry.ends_with("target") && !entry.ends_with("node_modules") {
                folders.push(entry);
            } else if entry
                .extension()
                .is_some_and(|end| ["rs", "java", "py", "js", "go"].iter().any(|other| end == *other))
            {
                let text = fs::read_to_string(&entry).expect("it is text");
                found.push((entry, text));
            }
        }
    }
    found
}

/// Whether a test of this name is in the tree.
fn exists(name: &str, sources: &[(PathBuf, String)]) -> bool {
    if name.contains('/') {
        let path = Path::new(name);
        return path.exists()
            || sources
                .iter()
                .any(|(source, _)| source.ends_with(path) || source.parent().is_some_and(|of| of.ends_with(path)));
    }
    let of_jms = |group: &str, text: &dyn Fn(&str) -> bool| {
        let file = format!("{group}.java");
        sources.iter().any(|(source, found)| source.ends_with(&file) && text(found))
    };
    if let Some(command) = name.strip_prefix("heddle-perf ") {
        let command = command.split(' ').next().unwrap_or_default();
        return sources.iter().any(|(source, _)| source.ends_with(format!("perf/src/{command}.rs")));
    }
    if let Some((group, test)) = name.split_once('.') {
        return of_jms(group, &|text| text.contains(&format!(" {test}(")));
    }
    if name.starts_with(char::is_uppercase) {
        return of_jms(name, &|_| true);
    }
    let (file, test) = name.rsplit_once("::").map_or(("", name), |(file, test)| (file, test));
    let is_in = |source: &Path| file.is_empty() || source.file_stem().is_some_and(|stem| stem == file);
    sources.iter().any(|(source, text)| is_in(source) && text.contains(&format!("fn {test}(")))
}

#[test]
fn each_feature_of_importance_has_one_row() {
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for row in rows() {
        marks(&row.feature).into_iter().for_each(|mark| found.entry(mark).or_default().push(row.line));
    }
    let wanted =
        MARKS.iter().flat_map(|(letter, numbers)| numbers.iter().map(move |number| format!("{letter}{number}")));
    let missing: Vec<String> = wanted.filter(|mark| !found.contains_key(mark)).collect();
    assert!(missing.is_empty(), "docs/compatibility.md says nothing of {missing:?}");
    found.retain(|_, lines| lines.len() > 1);
    assert!(found.is_empty(), "docs/compatibility.md has several rows of {found:?}");
}

#[test]
fn each_test_that_is_named_exists() {
    let sources = sources();
    let mut missing = Vec::new();
    for row in rows() {
        missing
            .extend(quoted(&row.shown).filter(|name| !exists(name, &sources)).map(|name| (row.line, name.to_owned())));
    }
    assert!(missing.is_empty(), "docs/compatibility.md names what is not there: {missing:#?}");
}

#[test]
fn what_is_there_names_a_test() {
    for Row { line, here, shown, .. } in rows() {
        let is_not = here.starts_with("not");
        assert!(!here.is_empty(), "line {line}: it says what is here");
        assert_eq!(is_not && quoted(&shown).next().is_none(), shown == "-", "line {line}: {here}: {shown}");
    }
}

#[test]
fn marks_and_names_are_read_as_they_are_written() {
    assert_eq!(marks("ring queue (A24)"), ["A24"]);
    assert_eq!(marks("selectors (JMS, D19, P9)"), ["D19", "P9"]);
    assert!(
        marks("`queue stat` (CLI)").is_empty() && marks("browsing").is_empty() && marks("messages (DLQ)").is_empty()
    );
    let sources = [(PathBuf::from("tests/program/one.rs"), "fn it_works() {}".to_owned())];
    assert!(exists("one::it_works", &sources) && exists("it_works", &sources) && exists("program/one.rs", &sources));
    assert!(!exists("two::it_works", &sources) && !exists("it_work", &sources) && !exists("Group.test", &sources));
}
