//! No circle of more than three files: what a crate's files import of each other, read from their `use` lines.
//!
//! An arrow runs from a file to the file that has the name it imports, through whatever re-exports it: a `mod.rs` or `lib.rs` that only hands
//! names on is no room of its own. Tests within files do not count. Not seen: names that are spelled with their whole path in the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a circle at most: two halves of one thing, and what both stand on.
const CIRCLE_MAX: usize = 3;

/// Crates of which it is not asked: their circles are the methods of one type, by subject, and the type (`Store`, `Home`).
const ONE_TYPE: [&str; 2] = ["engine/shard", "engine/home"];

/// A module by its path within the crate; the root is empty.
type Module = Vec<String>;

/// A `use` line, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Import {
    path: Vec<String>,
    /// What the name is here.
    name: String,
    is_public: bool,
}

/// The files of a crate that are no tests, by module.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Module, (PathBuf, Vec<Import>)>,
}

impl Crate {
    fn read(source: &Path) -> Self {
        let mut found = Self::default();
        found.read_folder(source, &[]);
        found
    }

    fn read_folder(&mut self, folder: &Path, module: &[String]) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if name == "tests" || name == "bin" {
                continue;
            }
            let own = || [module, &[name.clone()]].concat();
            if path.is_dir() {
                self.read_folder(&path, &own());
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let is_root = ["lib", "main", "mod"].contains(&name.as_str());
                let module = if is_root { module.to_vec() } else { own() };
                let text = fs::read_to_string(&path).expect("it is read");
                self.files.insert(module, (path, imports(&text)));
            }
        }
    }

    /// The module of the file that has what a path names, seen from a module.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<Module> {
        let mut at = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            child => {
                let own = [from, &[child.to_owned()]].concat();
                return if self.files.contains_key(&own) { self.walk(own, path.get(1..)?) } else { None };
            }
        };
        let mut rest = path.get(1..)?;
        while rest.first().is_some_and(|step| step == "super") {
            at.pop()?;
            rest = rest.get(1..)?;
        }
        self.walk(at, rest)
    }

    /// Goes down from a module as far as there are files, and through re-exports.
    fn walk(&self, mut at: Module, mut rest: &[String]) -> Option<Module> {
        while let Some((step, behind)) = rest.split_first() {
            let below = [at.as_slice(), std::slice::from_ref(step)].concat();
            if self.files.contains_key(&below) {
                (at, rest) = (below, behind);
                continue;
            }
            let (_, imports) = self.files.get(&at)?;
            let handed_on = imports.iter().find(|import| import.is_public && import.name == *step);
            return handed_on.and_then(|import| self.resolve(&at, &import.path)).or(Some(at));
        }
        Some(at)
    }

    /// Circles that are too large, as the files in them.
    fn circles(&self) -> Vec<Vec<&Path>> {
        let arrows: BTreeMap<&Module, BTreeSet<Module>> = self
            .files
            .iter()
            .map(|(module, (_, imports))| {
                let to = imports.iter().filter(|import| !import.is_public);
                (module, to.filter_map(|import| self.resolve(module, &import.path)).filter(|to| to != module).collect())
            })
            .collect();
        let reached = |from: &Module| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = open.pop() {
                let next = arrows.get(&module).into_iter().flatten();
                open.extend(next.filter(|to| seen.insert((*to).clone())).cloned());
            }
            seen
        };
        let all: BTreeMap<&Module, BTreeSet<Module>> =
            self.files.keys().map(|module| (module, reached(module))).collect();
        let circle = |one: &Module| -> Vec<&Path> {
            let mutual = |other: &&Module| all[one].contains(*other) && all[*other].contains(one);
            self.files.keys().filter(mutual).map(|other| self.files[other].0.as_path()).collect()
        };
        let circles: BTreeSet<Vec<&Path>> = self.files.keys().map(circle).collect();
        circles.into_iter().filter(|circle| circle.len() > CIRCLE_MAX).collect()
    }
}

/// The imports of a file, without those of its tests.
fn imports(text: &str) -> Vec<Import> {
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = product.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut found = Vec::new();
    for statement in lines.collect::<Vec<_>>().join(" ").split(';') {
        // What stands before it on its line is a brace, an attribute or nothing.
        let Some(at) = statement.rfind(" use ").map(|at| at + 5).or_else(|| statement.strip_prefix("use ").map(|_| 4))
        else {
            continue;
        };
        let before = statement[..at].trim_end_matches("use ").trim_end();
        let is_public = before.ends_with("pub") || before.ends_with(')') && before.contains("pub(");
        for (path, name) in expand(&statement[at..].split_whitespace().collect::<Vec<_>>().join(" ")) {
            found.push(Import { path, name, is_public });
        }
    }
    found
}

/// The paths of a tree such as `a::{b, c::d as e}`, and what each is called.
fn expand(tree: &str) -> Vec<(Vec<String>, String)> {
    let Some((before, inner)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut steps: Vec<String> = path.split("::").map(|step| step.trim().to_owned()).collect();
        let named = if name.is_empty() { steps.last().cloned().unwrap_or_default() } else { name.trim().to_owned() };
        steps.pop_if(|last| last == "self" || last == "*");
        return vec![(steps, named)];
    };
    let inner = inner.trim_end().trim_end_matches('}');
    let mut depth = 0;
    let parts = inner.split(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    });
    let before: Vec<String> =
        before.split("::").map(|step| step.trim().to_owned()).filter(|step| !step.is_empty()).collect();
    let below = parts.map(str::trim).filter(|part| !part.is_empty()).flat_map(|part| {
        let inner = if part.contains('{') { format!("{part}}}") } else { part.to_owned() };
        expand(if part.contains('{') && part.ends_with('}') { part } else { &inner })
    });
    below
        .map(|(path, name)| match path.is_empty() {
            true => (before.clone(), before.last().cloned().unwrap_or_default()),
            false => ([before.as_slice(), &path].concat(), name),
        })
        .collect()
}

#[test]
fn imports_are_read_as_they_are_written() {
    let text = "pub use a::B;\nuse crate::{c::{self, D as E}, f};\n    use super::super::g::*; // use nothing::at::all;\n\
                fn x() { y.use_it(); }\n#[cfg(test)]\nmod tests { use z; }";
    let found: Vec<String> = imports(text).iter().map(|one| format!("{} {}", one.path.join("::"), one.name)).collect();
    assert_eq!(found, ["a::B B", "crate::c c", "crate::c::D E", "crate::f f", "super::super::g *"]);
    assert!(imports(text)[0].is_public && !imports(text)[1].is_public);
}

#[test]
fn a_circle_is_found_through_what_hands_names_on() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it is written");
    fs::create_dir(folder.path().join("face")).expect("a folder");
    write("lib.rs", "mod one;\nmod two;\nmod face;\npub use one::One;\n");
    write("one.rs", "use crate::two::Two;\n");
    write("two.rs", "use super::face::Inner;\n");
    write("face/mod.rs", "mod inner;\nmod last;\npub use inner::Inner;\n");
    write("face/inner.rs", "use super::last::{self, Last};\n");
    write("face/last.rs", "use crate::One;\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n");
    let found = Crate::read(folder.path());
    assert_eq!(found.circles().iter().map(Vec::len).collect::<Vec<_>>(), [4]);
    write("face/last.rs", "#[cfg(test)]\nmod tests {\n    use crate::One;\n}\n");
    let found = Crate::read(folder.path());
    assert!(found.circles().is_empty(), "{:?}", found.circles());
}

#[test]
fn no_circle_has_more_than_three_files() {
    let folders = ["amqp-frontend", "engine", "loadgen", "storage"].iter().flat_map(|folder| {
        let entries = fs::read_dir(folder).expect("the folder of a floor");
        let crates = entries.flatten().map(|entry| entry.path());
        crates.filter(|folder| !ONE_TYPE.iter().any(|one| folder.ends_with(one))).map(|folder| folder.join("src"))
    });
    let others = ["benches", "perf", "shell", "."].map(|folder| Path::new(folder).join("src"));
    let mut circles = Vec::new();
    let mut read = 0;
    for source in folders.chain(others).filter(|source| source.is_dir()) {
        let found = Crate::read(&source);
        read += found.files.len();
        let named = |circle: Vec<&Path>| circle.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        circles.extend(found.circles().into_iter().map(named));
    }
    assert!(circles.is_empty(), "these files import each other: {circles:#?}");
    assert!(read > 300, "{read} files were read");
}
