//! The tools for data directories: what they save of a damaged one, what they say, and what they leave behind when they fail.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;

use crate::broker::{Broker, heddle, text, wait_for};
use crate::peer::{Durable, End, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[storage]\nsegment_mib = 2\n";
const BODY: usize = 1000;
/// Exit status of an export that left something out.
const WITH_LOSSES: i32 = 3;

fn body(number: u32) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(BODY, number as u8);
    body
}

/// Sends numbered durable messages, a hundred at a time so that they make many batches, and waits until all are accepted.
fn fill(broker: &Broker, queue: &str, numbers: std::ops::Range<u32>) {
    let mut peer = opened(broker);
    peer.attach_sender(queue);
    let all: Vec<(u32, u32)> = (0..).zip(numbers).collect();
    for some in all.chunks(100) {
        some.iter().for_each(|&(delivery, number)| peer.send_message(delivery, Durable::Yes, &body(number)));
        let mut accepted = 0;
        while accepted < some.len() as u32 {
            let (first, last, refused) = peer.outcome();
            assert_eq!(refused, None);
            accepted += last - first + 1;
        }
    }
}

/// Takes so many messages of a queue, and accepts them.
fn take(broker: &Broker, queue: &str, count: u32) -> Vec<u32> {
    let mut peer = opened(broker);
    peer.attach_receiver(queue, count);
    let numbers = (0..count).map(|_| {
        let (delivery, found) = peer.receive();
        peer.accept(delivery, delivery);
        u32::from_be_bytes(found[..4].try_into().expect("four octets"))
    });
    let numbers = numbers.collect();
    wait_for("the acceptances", || {
        let state = broker.state();
        let mut queues = state["queues"].as_array()?.iter();
        queues.find(|found| found["name"] == queue).is_none_or(|found| found["acquired"] == 0).then_some(())
    });
    numbers
}

/// A folder with the data of a broker with one shard, that had so many messages in a queue.
fn filled(queues: &[(&str, u32)]) -> TempDir {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, LISTENER);
    for &(queue, count) in queues {
        fill(&broker, queue, 0..count);
    }
    broker.stop()
}

fn data(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = heddle();
    command.arg("data").args(arguments).arg("--data-dir").arg(folder.join("data")).stdin(Stdio::null());
    command.output().expect("the program runs")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    found
}

/// The segments of a shard that hold batches.
fn segments(folder: &Path, shard: u16) -> Vec<PathBuf> {
    let journal = folder.join("data").join(format!("journal-{shard}"));
    let holds = |path: &PathBuf| std::fs::read(path).expect("readable").get(4096..4100) == Some(b"HBAT");
    files(&journal, ".segment").into_iter().filter(holds).collect()
}

/// Where batches begin in a segment, and how many records each has, by walking over their headers.
fn batches(segment: &Path) -> Vec<(u64, u32)> {
    let bytes = std::fs::read(segment).expect("readable");
    let number = u64::from_le_bytes(bytes[16..24].try_into().expect("eight octets"));
    let (mut at, mut found) = (4096, Vec::new());
    while bytes.get(at..at + 4) == Some(b"HBAT") && bytes[at + 16..at + 24] == number.to_le_bytes() {
        let field =
            |place: usize| u32::from_le_bytes(bytes[at + place..at + place + 4].try_into().expect("four octets"));
        // Shared records and local ones.
        found.push((at as u64, field(84) + field(36)));
        at += (field(8) as usize).div_ceil(4096) * 4096;
    }
    found
}

fn flip(file: &Path, offset: u64) {
    let file = std::fs::File::options().read(true).write(true).open(file).expect("it is there");
    let mut octet = [0];
    file.read_exact_at(&mut octet, offset)
        .and_then(|()| file.write_all_at(&[octet[0] ^ 4], offset))
        .expect("it has it");
}

/// The numbers of the messages of a queue in an export; each body is looked at.
fn exported(file: &Path, queue: &str) -> Vec<u32> {
    let file = BufReader::new(std::fs::File::open(file).expect("an export"));
    let (mut here, mut numbers) = (false, Vec::new());
    for line in file.lines() {
        let line: serde_json::Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        if let Some(name) = line["queue"]["name"].as_str() {
            here = name == queue;
        }
        if let Some(found) = line["message"]["body"].as_str().filter(|_| here) {
            let found = decode(found);
            let at =
                found.windows(4).position(|octets| octets == [0x00, 0x53, 0x75, 0xb0]).expect("a data section") + 8;
            let number = u32::from_be_bytes(found[at..at + 4].try_into().expect("four octets"));
            assert_eq!(found[at..], body(number), "the body is what was sent");
            numbers.push(number);
        }
    }
    numbers
}

/// Base64, as the program has no library that its tests may use.
fn decode(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|&letter| letter != b'=').map(value).collect();
    let bits = |four: &[u8]| four.iter().fold(0_u32, |bits, &six| bits << 6 | u32::from(six)) << (6 * (4 - four.len()));
    letters.chunks(4).flat_map(|four| bits(four).to_be_bytes()[1..four.len()].to_vec()).collect()
}

/// The report of a command with `--json`.
fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

#[test]
fn everything_that_checks_is_exported_whatever_is_damaged_before_it() {
    let folder = filled(&[("orders", 6000)]);
    let segments = segments(folder.path(), 0);
    assert!(segments.len() >= 3, "{segments:?}");
    // The first, one in the middle and the last batch of one segment, and one of another.
    // An empty batch, written while nothing came, takes nothing with it.
    let full = |segment: &Path| batches(segment).into_iter().filter(|(_, records)| *records > 1).collect::<Vec<_>>();
    let first = full(&segments[0]);
    let second = full(&segments[1]);
    let middle = first.len() / 2;
    let damaged = [(0, first[1]), (0, first[middle]), (0, first[first.len() - 1]), (1, second[second.len() / 2])];
    for (segment, (offset, _)) in damaged {
        flip(&segments[segment], offset + 100);
    }
    let lost: u32 = damaged.iter().map(|(_, (_, records))| records).sum();
    let export = folder.path().join("export.jsonl");
    let name = export.display().to_string();

    let refused = data(folder.path(), &["export", "--output", &name]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("heddle data export --damaged"), "{}", text(&refused));
    assert_eq!(files(folder.path(), ".jsonl").len() + files(folder.path(), ".unfinished").len(), 0, "nothing is left");

    let saved = data(folder.path(), &["export", "--damaged", "--json", "--output", &name]);
    assert_eq!(saved.status.code(), Some(WITH_LOSSES), "{}", text(&saved));
    let numbers = exported(&export, "orders");
    assert_eq!(numbers.len() as u32, 6000 - lost, "all but those in the damaged batches");
    assert!(numbers.is_sorted_by(|one, next| one < next), "in order, each once");
    let report = report(&saved);
    assert_eq!((&report["messages"], &report["complete"]), (&numbers.len().into(), &false.into()));
    assert_eq!((&report["left_out"]["batches"], &report["left_out"]["records_at_most"]), (&4.into(), &lost.into()));
    let areas = report["left_out"]["areas"].as_array().expect("areas");
    let places: Vec<_> = areas.iter().map(|area| (area["file"].as_str(), area["offset"].as_u64())).collect();
    let told = damaged.map(|(segment, (offset, _))| (segments[segment].to_str(), Some(offset)));
    assert_eq!(places, told);
    let queue = &report["left_out"]["queues"][0];
    assert!(queue["maybe_acknowledged"].as_u64() > Some(0), "{queue}");
    let said = String::from_utf8_lossy(&saved.stderr).into_owned();
    assert!(said.contains("4 batches") && said.contains("may have been acknowledged already"), "{said}");

    // Nothing is made of what is damaged, and nothing of the try is left.
    let before = std::fs::read_dir(folder.path().join("data")).expect("the directory").count();
    let compacted = data(folder.path(), &["compact"]);
    assert_eq!(compacted.status.code(), Some(1));
    assert!(text(&compacted).contains("heddle data export --damaged"), "{}", text(&compacted));
    assert_eq!(std::fs::read_dir(folder.path().join("data")).expect("the directory").count(), before);

    // It can be put into a new data directory.
    let other = TempDir::new().expect("a folder");
    let imported = data(other.path(), &["import", "--input", &name]);
    assert!(imported.status.success(), "{}", text(&imported));
    let broker = Broker::start_with(other, 1, LISTENER);
    assert_eq!(take(&broker, "orders", numbers.len() as u32), numbers);
}

#[test]
fn missing_and_cut_and_swapped_files_take_only_what_was_in_them() {
    let export = |folder: &TempDir| {
        let file = folder.path().join("export.jsonl");
        let output = data(folder.path(), &["export", "--damaged", "--force", "--output", &file.display().to_string()]);
        (output.status.code(), exported(&file, "orders"), text(&output))
    };
    // A segment in the middle is missing.
    let folder = filled(&[("orders", 6000)]);
    let all = segments(folder.path(), 0);
    let lost: u32 = batches(&all[1]).iter().map(|(_, records)| records).sum();
    std::fs::remove_file(&all[1]).expect("it is there");
    let (status, numbers, said) = export(&folder);
    assert_eq!((status, numbers.len() as u32), (Some(WITH_LOSSES), 6000 - lost), "{said}");
    assert!(said.contains("missing") && said.contains(&all[1].display().to_string()), "{said}");

    // The last one that holds anything was cut short.
    let folder = filled(&[("orders", 1000)]);
    let all = segments(folder.path(), 0);
    let last = all.last().expect("one");
    let found = batches(last);
    let (cut, _) = found[found.len() / 2];
    let left: u32 = found.iter().filter(|(offset, _)| *offset < cut).map(|(_, records)| records).sum();
    std::fs::File::options().write(true).open(last).and_then(|file| file.set_len(cut)).expect("it is cut");
    let (status, numbers, said) = export(&folder);
    assert_eq!(status, Some(WITH_LOSSES), "{said}");
    // One of the records says that the queue was made.
    assert_eq!(numbers.len() as u32, left - 1, "{said}");
    assert!(said.contains("2,097,152") && said.contains("cut short"), "both lengths: {said}");

    // Names of files and directory.json are not needed.
    let folder = filled(&[("orders", 4000)]);
    let all = segments(folder.path(), 0);
    std::fs::rename(&all[0], folder.path().join("one")).expect("it is there");
    std::fs::rename(&all[1], &all[0]).expect("it is there");
    std::fs::rename(folder.path().join("one"), &all[1]).expect("it is there");
    std::fs::remove_file(folder.path().join("data/directory.json")).expect("it is there");
    let (status, numbers, said) = export(&folder);
    assert_eq!((status, numbers), (Some(0), (0..4000).collect()), "{said}");
    assert!(said.contains("directory.json"), "{said}");
}

#[test]
fn what_was_taken_does_not_come_back_and_a_whole_journal_is_exported_alike() {
    let broker = Broker::start(LISTENER);
    fill(&broker, "orders", 0..3000);
    fill(&broker, "prices", 0..10);
    assert_eq!(take(&broker, "orders", 1000), (0..1000).collect::<Vec<_>>());
    let folder = broker.stop();
    let [plain, damaged] = ["plain.jsonl", "damaged.jsonl"].map(|name| folder.path().join(name));
    for (file, options) in [(&plain, &["export"][..]), (&damaged, &["export", "--damaged"])] {
        let file = file.display().to_string();
        let output = data(folder.path(), &[options, &["--output", &file]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(text(&output).contains("2,010 messages of 2 queues"), "{}", text(&output));
    }
    assert_eq!(exported(&damaged, "orders"), (1000..3000).collect::<Vec<_>>());
    assert_eq!(std::fs::read(&plain).expect("readable"), std::fs::read(&damaged).expect("readable"));
}

#[test]
fn a_file_is_replaced_only_when_that_is_asked_for_and_only_by_a_whole_one() {
    let folder = filled(&[("orders", 100)]);
    let file = folder.path().join("export.jsonl");
    let name = file.display().to_string();
    std::fs::write(&file, "an earlier one").expect("a file");
    let kept = || std::fs::read_to_string(&file).expect("it is there") == "an earlier one";
    let refused = data(folder.path(), &["export", "--output", &name]);
    assert!(!refused.status.success() && text(&refused).contains("--force") && kept(), "{}", text(&refused));
    let segment = segments(folder.path(), 0).remove(0);
    flip(&segment, 5000);
    let failed = data(folder.path(), &["export", "--force", "--output", &name]);
    assert!(!failed.status.success() && kept(), "{}", text(&failed));
    assert_eq!(files(folder.path(), ".unfinished"), Vec::<PathBuf>::new());
    flip(&segment, 5000);
    let done = data(folder.path(), &["export", "--force", "--output", &name]);
    assert!(done.status.success() && !kept(), "{}", text(&done));
    assert_eq!(exported(&file, "orders").len(), 100);
}

#[test]
fn what_is_no_data_directory_is_told_as_such() {
    let folder = TempDir::new().expect("a folder");
    let place = folder.path().join("data");
    let tools = [&["check"][..], &["export"], &["export", "--damaged"], &["stat"], &["print"], &["compact"]];
    let all = |words: &[&str]| {
        for tool in tools {
            let output = data(folder.path(), tool);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(1), "{tool:?}: {said}");
            assert!(words.iter().all(|word| said.contains(word)), "{tool:?}: {said}");
            assert!(!said.contains("messages of") && !said.contains("Error"), "{tool:?}: {said}");
        }
    };
    all(&["there is no data directory", "nothing is there", "--data-dir"]);
    assert!(!place.exists(), "nobody makes one");
    std::fs::create_dir(&place).expect("a folder");
    all(&["it is empty", "--data-dir"]);
    std::fs::write(place.join("holiday.jpg"), "somebody's").expect("a file");
    all(&["no directory.json", "--data-dir"]);
    std::fs::remove_dir_all(&place).expect("it is there");
    std::fs::write(&place, "a file").expect("a file");
    all(&["it is no folder", "--data-dir"]);
    std::fs::remove_file(&place).expect("it is there");

    // Journals without a description, and a description without all of its journals.
    let broker = Broker::start(LISTENER);
    fill(&broker, "orders", 0..1);
    let folder = broker.stop();
    let description = folder.path().join("data/directory.json");
    let kept = std::fs::read(&description).expect("it is there");
    std::fs::remove_file(&description).expect("it is there");
    for tool in ["check", "export", "stat", "print", "compact"] {
        let output = data(folder.path(), &[tool]);
        assert!(!output.status.success() && text(&output).contains("export --damaged"), "{tool}: {}", text(&output));
    }
    std::fs::write(&description, kept).expect("a file");
    std::fs::remove_dir_all(folder.path().join("data/journal-1")).expect("it is there");
    for tool in ["export", "stat", "print", "compact"] {
        let output = data(folder.path(), &[tool]);
        let said = text(&output);
        assert!(!output.status.success() && said.contains("journal-1 is missing"), "{tool}: {said}");
    }
    let saved = data(folder.path(), &["export", "--damaged"]);
    assert!(saved.status.code() != Some(0) && text(&saved).contains("journal-1"), "{}", text(&saved));
}

#[test]
fn an_import_makes_all_of_it_or_nothing() {
    let folder = filled(&[("orders", 50), ("prices", 5)]);
    let file = folder.path().join("export.jsonl");
    let done = data(folder.path(), &["export", "--output", &file.display().to_string()]);
    assert!(done.status.success(), "{}", text(&done));
    let lines: Vec<String> = std::fs::read_to_string(&file).expect("text").lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 1 + 2 + 55 + 1);
    let wrong = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        lines.iter().map(|line| format!("{line}\n")).collect::<String>()
    };
    let whole = wrong(&|_| {});
    let cases: [(String, &[&str]); 10] = [
        (String::new(), &["line 1", "empty"]),
        ("\u{0}\u{1}binary".repeat(10_000), &["line 1", "longer"]),
        ("{\"some\": \"JSON\"}\n".to_owned(), &["line 1", "no export", "heddle data export"]),
        (wrong(&|lines| lines[0] = "{\"heddle\":{\"export\":9}}".to_owned()), &["line 1", "version 9", "1 and 2"]),
        (wrong(&|lines| lines[20] = "{\"message\": 5}".to_owned()), &["line 21", "allowed are queue, message"]),
        (wrong(&|lines| lines[20] = lines[20].replace("\"body\":\"A", "\"body\":\"?")), &["line 21", "base64"]),
        (wrong(&|lines| lines.insert(30, lines[0].clone())), &["line 31", "one file is one export"]),
        (wrong(&|lines| drop(lines.remove(20))), &["line 58", "lines are missing"]),
        (whole[..whole.len() / 2].to_owned(), &["cut off"]),
        (wrong(&|lines| lines.truncate(40)), &["after line 40", "cut off"]),
    ];
    for (place, (text_of, words)) in cases.into_iter().enumerate() {
        let other = TempDir::new().expect("a folder");
        let input = other.path().join("input");
        std::fs::write(&input, text_of).expect("a file");
        // Once where nothing is, and once in an empty folder, which stays.
        for was_there in [false, true] {
            let directory = other.path().join("data");
            if was_there {
                std::fs::create_dir(&directory).expect("a folder");
            }
            let output = data(other.path(), &["import", "--input", &input.display().to_string()]);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(1), "case {place}: {said}");
            assert!(words.iter().all(|word| said.contains(word)), "case {place}: {said}");
            assert_eq!(directory.exists(), was_there, "case {place}");
            let left = if was_there { std::fs::read_dir(&directory).expect("the folder").count() } else { 0 };
            assert_eq!(left, 0, "case {place}");
        }
    }
    // Neither into a data directory nor into somebody else's folder.
    let input = file.display().to_string();
    let refused = data(folder.path(), &["import", "--input", &input]);
    assert!(!refused.status.success() && text(&refused).contains("makes a new one"), "{}", text(&refused));
    let other = TempDir::new().expect("a folder");
    std::fs::create_dir(other.path().join("data")).expect("a folder");
    std::fs::write(other.path().join("data/holiday.jpg"), "somebody's").expect("a file");
    let refused = data(other.path(), &["import", "--input", &input]);
    assert!(!refused.status.success() && text(&refused).contains("holiday.jpg"), "{}", text(&refused));
    assert!(other.path().join("data/holiday.jpg").exists());
    // Exports of version 1 have no last line, and are still taken.
    let other = TempDir::new().expect("a folder");
    let old = other.path().join("old.jsonl");
    let lines = lines[..lines.len() - 1].join("\n").replace("\"export\":2", "\"export\":1");
    std::fs::write(&old, format!("{lines}\n")).expect("a file");
    let done = data(other.path(), &["import", "--input", &old.display().to_string(), "--shards", "2"]);
    assert!(done.status.success() && text(&done).contains("55 messages of 2 queues"), "{}", text(&done));
    let stat = data(other.path(), &["stat"]);
    assert!(text(&stat).contains("55 messages in 2 queues on 2 shards"), "{}", text(&stat));
}

#[test]
fn what_an_import_left_that_was_killed_is_taken_for_whole_by_nobody() {
    let folder = filled(&[("orders", 10)]);
    std::fs::write(folder.path().join("data/import-unfinished"), "").expect("a file");
    let input = folder.path().join("input");
    std::fs::write(&input, "{\"heddle\":{\"export\":2}}\n").expect("a file");
    let again = ["import", "--input", &input.display().to_string()];
    for tool in [&["check"][..], &["stat"], &["print"], &["export"], &["compact"], &again] {
        let output = data(folder.path(), tool);
        assert!(!output.status.success() && text(&output).contains("import again"), "{tool:?}: {}", text(&output));
    }
    let config = folder.path().join("heddle.toml");
    let run = crate::broker::run(&["run", "--config", &config.display().to_string()]);
    assert!(!run.status.success() && text(&run).contains("import again"), "{}", text(&run));
}

#[test]
fn records_are_printed_for_people_and_for_programs() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, LISTENER);
    fill(&broker, "evil\u{1b}[2Jname", 0..3);
    assert_eq!(take(&broker, "evil\u{1b}[2Jname", 2), [0, 1]);
    let folder = broker.stop();
    let printed = data(folder.path(), &["print"]);
    let said = text(&printed);
    assert!(printed.status.success(), "{said}");
    for words in [
        "shard segment ",
        "queue 1 \"evil\\u{1b}[2Jname\" made: address \"evil\\u{1b}[2Jname\", anycast, on demand",
        "message into queue 1 \"evil\\u{1b}[2Jname\": 1,008 B, priority 4",
        "left queue 1",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(
        !said.contains('\u{1b}') && !said.contains("Some(") && !said.contains('{') | said.contains("\\u{1b}"),
        "{said}"
    );
    let printed = data(folder.path(), &["print", "--json"]);
    let lines = String::from_utf8(printed.stdout).expect("text");
    let records: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    let kind = |kind: &str| records.iter().filter(|record| record["record"]["kind"] == kind).count();
    assert_eq!((kind("queue_declared"), kind("message")), (1, 3), "{lines}");
    assert!(kind("acknowledged") > 0 && records[0]["segment"] == 1, "{lines}");

    // It goes on behind damage, and says so.
    let segment = segments(folder.path(), 0).remove(0);
    flip(&segment, batches(&segment)[0].0 + 60);
    let printed = data(folder.path(), &["print"]);
    let said = text(&printed);
    assert!(!printed.status.success() && said.contains("MISSING: 1 batch") && said.contains("left queue 1"), "{said}");
    assert!(said.contains("heddle data export --damaged"), "{said}");
}

#[test]
fn large_messages_whose_files_do_not_check_are_left_out_and_told() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, LISTENER);
    let mut peer = opened(&broker);
    peer.attach_sender("large");
    for delivery in 0..2 {
        peer.send_large(delivery, Durable::Yes, 3_000_000, End::Whole);
        assert_eq!(peer.outcome(), (delivery, delivery, None));
    }
    drop(peer);
    let folder = broker.stop();
    let stat = data(folder.path(), &["stat"]);
    assert!(text(&stat).contains("2 of them large, in files of 5.72 MiB"), "{}", text(&stat));
    let file = files(&folder.path().join("data/large"), ".large").remove(0);
    flip(&file, 1_500_000);
    let refused = data(folder.path(), &["export"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains(&file.display().to_string()), "{}", String::from_utf8_lossy(&refused.stderr));
    let export = folder.path().join("export.jsonl");
    let saved = data(folder.path(), &["export", "--damaged", "--output", &export.display().to_string()]);
    let said = text(&saved);
    assert_eq!(saved.status.code(), Some(WITH_LOSSES), "{said}");
    assert!(said.contains(&file.display().to_string()) && said.contains("1 message cannot be read"), "{said}");
    let lines = std::fs::read_to_string(&export).expect("an export");
    assert_eq!(lines.lines().filter(|line| line.contains("\"parts\"")).count(), 1);
}

#[test]
fn a_reader_that_has_enough_ends_a_tool_quietly() {
    let folder = filled(&[("orders", 3000)]);
    for tool in ["print", "export"] {
        let mut command = heddle();
        command.args(["data", tool, "--data-dir"]).arg(folder.path().join("data"));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut first = [0; 100];
        process.stdout.take().expect("its output").read_exact(&mut first).expect("some of it");
        let output = process.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), text(&output)), (Some(141), String::new()), "{tool}");
    }
}

#[test]
fn each_tool_has_examples() {
    for tool in ["check", "stat", "print", "export", "import", "compact"] {
        let output = crate::broker::run(&["data", tool, "--help"]);
        assert!(output.status.success() && text(&output).contains("Example"), "{}", text(&output));
    }
    assert!(text(&crate::broker::run(&["data", "export", "--help"])).contains("3 what can be read was exported"));
}
