//! The faults that `planted.sh` plants fit the tree as it is: who changes a line that one of them touches mends it with the same change.
//!
//! Whether the simulation finds them is what `planted.sh` says; that takes minutes.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The faults: name, and what there is to change.
fn faults() -> Vec<(String, String)> {
    let folder = root().join("tests/simulation/faults");
    let entries = std::fs::read_dir(folder).expect("there are faults").map(|entry| entry.expect("it is listed").path());
    let patches = entries.filter(|path| path.extension().is_some_and(|end| end == "patch"));
    let mut faults: Vec<(String, String)> = patches
        .map(|path| {
            let stem = path.file_stem().expect("it has a name").to_string_lossy();
            let name = stem.split_once('-').expect("a number and a name").1.to_owned();
            (name, read_to_string(&path).expect("it is text"))
        })
        .collect();
    faults.sort();
    faults
}

/// The lines that a patch expects of its file.
fn expected(patch: &str) -> Vec<String> {
    let hunks = patch.lines().skip_while(|line| !line.starts_with("@@")).collect::<Vec<_>>();
    let hunks = hunks.split(|line| line.starts_with("@@")).filter(|hunk| !hunk.is_empty());
    let kept = |line: &&str| line.strip_prefix([' ', '-']).map(str::to_owned);
    hunks.map(|hunk| hunk.iter().filter_map(kept).collect::<Vec<_>>().join("\n")).collect()
}

#[test]
fn each_fault_fits_one_place_of_the_tree_and_has_its_switch() {
    let faults = faults();
    assert!(faults.len() >= 10, "{} faults", faults.len());
    for (name, patch) in &faults {
        let file = patch.lines().find_map(|line| line.strip_prefix("--- a/")).expect("it names its file");
        let text = read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
        for lines in expected(patch) {
            assert_eq!(text.matches(&lines).count(), 1, "{name} does not fit {file} any more:\n{lines}");
        }
        let switch = format!("is_planted(\"{name}\")");
        let added = patch.lines().filter(|line| line.starts_with('+') && line.contains(&switch)).count();
        assert_eq!(added, 1, "{name} is switched on by its name");
        assert!(!text.contains("is_planted"), "{file} is product code: the switch is in copies only");
    }
}

#[test]
fn the_page_lists_each_fault() {
    let page = read_to_string(root().join("docs/simulation.md")).expect("it is there");
    for (name, _) in faults() {
        let row = format!("| {} | ", name.replace('-', " "));
        assert!(page.contains(&row), "docs/simulation.md has no row of {name}");
    }
}
