//! A log by numbers, and its end taken back: `heddle data log` and `heddle data cut`, on what the real program wrote.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use storage_disk::{DataDirectory, DirectoryError, read_segments};
use storage_journal::{CutSearch, Keep, Manifest, NoCut};
use tempfile::TempDir;

use crate::broker::{Broker, run, text};
use crate::data_tools::{LISTENER, batches, data, exported, files, fill, filled, flip, report, segments, take};
use crate::peer::{Durable, End, opened};

/// The shared records of the journal: each line of `log`.
fn logged(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = data(folder, &[&["log", "--json"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output));
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn number(record: &Value) -> u64 {
    record["number"].as_u64().expect("a number")
}

/// Everything in a data directory, to see that nothing changed.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let journal = folder.join("data/journal-0");
    let entries = std::fs::read_dir(journal).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> =
        entries.map(|path| (path.display().to_string(), std::fs::read(path).expect("readable"))).collect();
    found.sort();
    found
}

fn cut(folder: &Path, arguments: &[&str]) -> Output {
    data(folder, &[&["cut"], arguments].concat())
}

#[test]
fn a_journal_is_cut_behind_a_number_and_goes_on_from_there() {
    let folder = filled(&[("orders", 600)]);
    let records = logged(folder.path(), &[]);
    let numbers: Vec<u64> = records.iter().map(number).collect();
    let last = *numbers.last().expect("some");
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "each once, in order");
    let some = logged(folder.path(), &["--from", "5", "--to", "9"]);
    assert_eq!(some.iter().map(number).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);

    // Where a part ends in the middle, and a number within one.
    let part = |record: &Value| record["part"].as_u64().expect("a part");
    let ends = |pair: &&[Value]| part(&pair[0]) != part(&pair[1]);
    let middle =
        records.windows(2).skip(records.len() / 2).find(ends).map(|pair| number(&pair[0])).expect("many parts");
    let within = records.windows(2).find(|pair| !ends(pair)).map(|pair| number(&pair[0])).expect("a part of several");

    let before = contents(folder.path());
    let refused = cut(folder.path(), &["--behind", &within.to_string()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("lies within one: name "), "{}", text(&refused));
    let behind = middle.to_string();
    let told = cut(folder.path(), &["--behind", &behind]);
    let said = text(&told);
    assert!(told.status.success() && said.contains("would end with number"), "{said}");
    assert!(said.contains("queue \"orders\": ") && said.contains("instead of 600"), "{said}");
    assert!(said.contains("nothing was changed") && said.contains("--apply"), "{said}");
    assert!(contents(folder.path()) == before, "nothing was changed");

    let done = cut(folder.path(), &["--behind", &behind, "--apply", "--json"]);
    let kept = {
        let result = report(&done);
        assert_eq!((&result["applied"], &result["number"]), (&true.into(), &middle.into()));
        assert!(result["cut"]["batches"].as_u64() > Some(0), "{result}");
        u32::try_from(result["queues"][0]["then"].as_u64().expect("messages")).expect("some")
    };
    // The queue's declaration has a number as well.
    assert_eq!(u64::from(kept) + 1, middle);
    assert_eq!(logged(folder.path(), &[]).iter().map(number).max(), Some(middle));
    let checked = data(folder.path(), &["check"]);
    assert!(checked.status.success(), "{}", text(&checked));
    let again = cut(folder.path(), &["--behind", &behind, "--apply"]);
    assert!(!again.status.success() && text(&again).contains("there is nothing to cut"), "{}", text(&again));

    // The node goes on, with the numbers that are free again.
    let broker = Broker::start_with(folder, 1, LISTENER);
    fill(&broker, "orders", 1000..1003);
    let expected: Vec<u32> = (0..kept).chain(1000..1003).collect();
    assert_eq!(take(&broker, "orders", kept + 3), expected);
    let folder = broker.stop();
    let next = logged(folder.path(), &["--from", &(middle + 1).to_string()]);
    assert_eq!((number(&next[0]), &next[0]["record"]["kind"]), (middle + 1, &"message".into()));
}

#[test]
fn what_is_behind_a_damage_is_given_up_only_when_that_is_asked_for() {
    let folder = filled(&[("orders", 600)]);
    let segment = segments(folder.path(), 0).pop().expect("one");
    let found = batches(&segment);
    // The last batch but one has records, and others follow it.
    let full: Vec<u64> = found.iter().filter(|(_, records)| *records > 1).map(|(offset, _)| *offset).collect();
    let damaged = full[full.len() / 2];
    let whole = cut(folder.path(), &["--damaged"]);
    assert!(!whole.status.success() && text(&whole).contains("nothing of the journal of shard 0 is damaged"));
    flip(&segment, damaged + 100);
    let config = folder.path().join("heddle.toml").display().to_string();
    let refused = run(&["run", "--config", &config]);
    assert!(!refused.status.success() && text(&refused).contains("is damaged"), "{}", text(&refused));
    let beyond = cut(folder.path(), &["--behind", "500"]);
    assert!(!beyond.status.success() && text(&beyond).contains("--damaged cuts there"), "{}", text(&beyond));
    let before = contents(folder.path());
    let told = cut(folder.path(), &["--damaged"]);
    assert!(told.status.success() && text(&told).contains("would end with number"), "{}", text(&told));
    assert!(contents(folder.path()) == before, "nothing was changed");
    let done = cut(folder.path(), &["--damaged", "--apply", "--json"]);
    let result = report(&done);
    assert_eq!(result["offset"], damaged);
    let kept = u32::try_from(result["queues"][0]["then"].as_u64().expect("messages")).expect("some");
    assert!(kept > 0 && kept < 600, "{result}");
    let checked = data(folder.path(), &["check"]);
    assert!(checked.status.success(), "{}", text(&checked));
    let broker = Broker::start_with(folder, 1, LISTENER);
    assert_eq!(take(&broker, "orders", kept), (0..kept).collect::<Vec<_>>());
}

#[test]
fn an_end_that_the_manifest_knows_and_is_gone_is_given_up_as_well() {
    let folder = filled(&[("orders", 200)]);
    let segment = segments(folder.path(), 0).pop().expect("one");
    let found = batches(&segment);
    // Everything behind the last batch but two reads as zeros, and the segment that was made ready is gone.
    let (from, _) = found[found.len() - 3];
    let mut bytes = std::fs::read(&segment).expect("readable");
    bytes[usize::try_from(from).expect("it fits")..].fill(0);
    std::fs::write(&segment, bytes).expect("writable");
    let ready = files(&folder.path().join("data/journal-0"), ".segment").pop().expect("one");
    assert!(ready > segment, "one is made ready ahead");
    std::fs::remove_file(ready).expect("it is there");
    let checked = data(folder.path(), &["check"]);
    assert!(!checked.status.success() && text(&checked).contains("is missing"), "{}", text(&checked));
    let done = cut(folder.path(), &["--damaged", "--apply", "--json"]);
    let result = report(&done);
    assert_eq!((&result["offset"], &result["cut"]["batches"]), (&from.into(), &0.into()));
    let checked = data(folder.path(), &["check"]);
    assert!(checked.status.success(), "{}", text(&checked));
    let kept = u32::try_from(result["queues"][0]["then"].as_u64().expect("messages")).expect("some");
    let broker = Broker::start_with(folder, 1, LISTENER);
    assert_eq!(take(&broker, "orders", kept), (0..kept).collect::<Vec<_>>());
}

#[test]
fn a_cut_that_was_decided_and_not_ended_counts_for_everybody() {
    let folder = filled(&[("orders", 300)]);
    let path = folder.path().join("data");
    let kept = {
        let directory = DataDirectory::open_existing(&path).expect("it is there");
        let (files, owner) = (directory.journal(0), directory.owner(0));
        let numbers = files.numbers().expect("readable");
        let search = |keep| {
            let mut search = CutSearch::new(owner, keep);
            let given = read_segments(&files, &numbers, |part| {
                search.handle_part(part);
                Ok::<_, DirectoryError>(())
            });
            given.expect("readable");
            search.finish()
        };
        // The number of a batch's end near the middle.
        let cut = match search(Keep::Through(150)) {
            Err(NoCut::Within { behind, .. }) => search(Keep::Through(behind)),
            found => found,
        };
        let cut = cut.expect("a batch ends there");
        let steps = cut.steps(&files.manifest().expect("readable").expect("whole")).expect("nothing was freed");
        // Power fails behind the decision.
        files.cut(owner, &steps[..2]).expect("writable");
        u32::try_from(cut.reach.shared - 2).expect("few")
    };
    // Who changes nothing reads no more than what counts.
    let file = folder.path().join("export.jsonl");
    let saved = data(folder.path(), &["export", "--damaged", "--output", &file.display().to_string()]);
    assert_eq!(saved.status.code(), Some(0), "{}", text(&saved));
    assert_eq!(exported(&file, "orders"), (0..kept).collect::<Vec<_>>());
    let found = Manifest::read(&std::fs::read(path.join("journal-0/manifest")).expect("readable")).expect("whole");
    assert!(found.tail.cut.is_some(), "and it changed nothing");
    // Who takes the directory ends it.
    let checked = data(folder.path(), &["check"]);
    assert!(checked.status.success(), "{}", text(&checked));
    let found = Manifest::read(&std::fs::read(path.join("journal-0/manifest")).expect("readable")).expect("whole");
    assert_eq!(found.tail.cut, None);
    let broker = Broker::start_with(folder, 1, LISTENER);
    assert_eq!(take(&broker, "orders", kept), (0..kept).collect::<Vec<_>>());
}

#[test]
fn what_was_freed_is_told_and_nothing_is_cut_that_it_follows_from() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, LISTENER);
    for _ in 0..4 {
        fill(&broker, "orders", 0..2000);
        take(&broker, "orders", 2000);
    }
    fill(&broker, "orders", 0..10);
    let folder = broker.stop();
    let records = logged(folder.path(), &[]);
    let first = number(&records[0]);
    assert!(first > 1, "segments were freed");
    let early = data(folder.path(), &["log", "--from", "1"]);
    let said = text(&early);
    assert_eq!(early.status.code(), Some(1));
    assert!(said.contains("was freed") && said.contains(&format!("--from {first}")), "{said}");
    let late = data(folder.path(), &["log", "--from", "99999999"]);
    assert!(!late.status.success() && text(&late).contains("ends with"), "{}", text(&late));
    let refused = cut(folder.path(), &["--behind", &first.to_string()]);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("segments were freed") || said.contains("lies within one"), "{said}");
}

#[test]
fn a_large_message_that_would_come_back_without_its_file_is_not_brought_back() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, LISTENER);
    let mut peer = opened(&broker);
    peer.attach_sender("large");
    peer.send_large(0, Durable::Yes, 3_000_000, End::Whole);
    assert_eq!(peer.outcome(), (0, 0, None));
    drop(peer);
    fill(&broker, "orders", 0..1);
    let mut peer = opened(&broker);
    peer.attach_receiver("large", 1);
    let (delivery, _) = peer.receive_large();
    peer.accept(delivery, delivery);
    crate::broker::wait_for("the file to go", || {
        let large = broker.folder.path().join("data/large");
        let found = std::fs::read_dir(large).ok()?.filter_map(Result::ok);
        found
            .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "large"))
            .count()
            .eq(&0)
            .then_some(())
    });
    drop(peer);
    let folder = broker.stop();
    let records = logged(folder.path(), &[]);
    let stored = records.iter().find(|record| record["record"]["properties"]["large"] == true).expect("it is there");
    let before = contents(folder.path());
    let refused = cut(folder.path(), &["--behind", &number(stored).to_string(), "--apply"]);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("no node could start") && said.contains(".large"), "{said}");
    assert!(contents(folder.path()) == before, "nothing was changed");
}

#[test]
fn a_shard_is_named_where_there_are_several_and_options_are_looked_at() {
    let folder = Broker::start(LISTENER).stop();
    let several = data(folder.path(), &["log"]);
    assert!(!several.status.success() && text(&several).contains("name one from 0 to "), "{}", text(&several));
    let none = cut(folder.path(), &["--shard", "9", "--damaged"]);
    assert!(!none.status.success() && text(&none).contains("there is no shard 9"), "{}", text(&none));
    for wrong in [&["--shard", "0"][..], &["--damaged", "--behind", "5"], &["--behind", "five"]] {
        let output = cut(folder.path(), wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", text(&output));
    }
    // Nothing was ever written.
    let empty = data(folder.path(), &["log", "--shard", "0"]);
    assert!(empty.status.success() && text(&empty).contains("record"), "{}", text(&empty));
    let nothing = cut(folder.path(), &["--shard", "0", "--behind", "5"]);
    assert!(!nothing.status.success() && text(&nothing).contains("nothing to cut"), "{}", text(&nothing));
}
