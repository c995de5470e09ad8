//! Commands that the README and the documents show: each is there, with every option that stands behind it.
//!
//! What they do is the subject of other tests; here it is only what a reader types. Programs other than `heddle` are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::broker::heddle;

/// A line of help and its options, by the words of the command.
#[derive(Default)]
struct Help(BTreeMap<Vec<String>, String>);

impl Help {
    fn of(&mut self, path: &[String]) -> &str {
        self.0.entry(path.to_vec()).or_insert_with(|| {
            let output = heddle().args(path).arg("--help").output().expect("the program runs");
            assert!(output.status.success(), "{path:?} has no help");
            String::from_utf8(output.stdout).expect("help is text")
        })
    }

    /// Whether `word` is a command below `path`.
    fn has_command(&mut self, path: &[String], word: &str) -> bool {
        let commands = self.of(path).lines().skip_while(|line| *line != "Commands:").skip(1);
        let mut commands = commands.take_while(|line| !line.is_empty());
        commands.any(|line| line.strip_prefix("  ").is_some_and(|line| line.split_whitespace().next() == Some(word)))
    }

    fn has_option(&mut self, path: &[String], option: &str) -> bool {
        let is_word_end =
            |rest: &str| !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '-');
        let help = self.of(path);
        let mut places = help.match_indices(option).map(|(at, found)| at + found.len());
        places.any(|end| help.get(end..).is_none_or(is_word_end))
    }
}

/// The commands of a document: lines of code that begin with it, up to what says what they do, and those within sentences.
fn commands(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("    heddle "));
    let lines = lines.map(|line| line.split("  ").next().unwrap_or_default().to_owned());
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.starts_with("    "));
    let flat: Vec<String> = paragraphs.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let spans = flat.iter().flat_map(|text| text.split('`').skip(1).step_by(2));
    let spans = spans.filter_map(|span| span.strip_prefix("heddle ")).map(str::to_owned);
    lines.chain(spans).collect()
}

#[test]
fn every_command_in_the_documents_is_one() {
    let documents = fs::read_dir("docs").expect("the documents").flatten().map(|entry| entry.path());
    let documents = documents.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let (mut help, mut wrong, mut looked_at) = (Help::default(), Vec::new(), 0);
    for path in documents.chain(["README.md".into()]) {
        for command in commands(&fs::read_to_string(&path).expect("a document")) {
            let mut words: Vec<String> = Vec::new();
            let told = |what: String| format!("{}: heddle {command}: {what}", path.display());
            // What is redirected, or piped on, is the shell's.
            let typed = command.split([' ', '\n']).take_while(|word| !["|", ">", "<", "#"].contains(word));
            for word in typed {
                if let Some(option) = word.strip_prefix("--") {
                    let option = format!("--{}", option.split('=').next().unwrap_or_default());
                    if !help.has_option(&words, &option) {
                        wrong.push(told(format!("has no {option}")));
                    }
                    looked_at += 1;
                } else if word.chars().all(|letter| letter.is_ascii_lowercase()) && help.has_command(&words, word) {
                    words.push(word.to_owned());
                }
            }
            if words.is_empty() && !command.starts_with("--") {
                wrong.push(told("is no command".to_owned()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked_at > 40, "{looked_at} options were looked at");
}
