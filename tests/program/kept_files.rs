//! Each kind of file that Heddle keeps, and each harm that outside hands do to one: what `heddle data check` and
//! `heddle run` say.
//!
//! A node makes a data directory, and another one a second; each cell of the table harms one file in a copy of the
//! first. Shown for every cell: where accepted messages are gone, or may be, the check ends with an error that names
//! the file, and the node does not start or says so when it comes upon them; where it starts, every message is there.
//! The table is printed, and is the one in `docs/durability.md`.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::broker::{Broker, add_user, heddle, run, text, wait_for};
use crate::peer::{Durable, End, opened};

const SETTINGS: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[storage]\nsegment_mib = 2\n";
/// Octets of a message: some tens of them fill a segment.
const BODY: usize = 30_000;
/// Messages of the long queue that are taken again, so that segments are freed, and those that stay.
const TAKEN: u32 = 150;
const LEFT: u32 = 650;
/// Octets of the large message.
const LARGE: usize = 3_000_000;
/// Queues with a message each, so that every shard has some.
const SHORT: [&str; 6] = ["prices", "stock", "news", "bills", "mail", "jobs"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Cut,
    Removed,
    Emptied,
    Grown,
    Exchanged,
    Zeroed,
    Flipped,
}

const HARMS: [(Harm, &str); 7] = [
    (Harm::Cut, "cut short"),
    (Harm::Removed, "removed"),
    (Harm::Emptied, "emptied"),
    (Harm::Grown, "grown"),
    (Harm::Exchanged, "of another directory"),
    (Harm::Zeroed, "zeroed"),
    (Harm::Flipped, "an octet flipped"),
];

/// What is said of a harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// The check names the file, and the node does not start.
    Refused,
    /// The check names the file; the node starts with everything, and with a warning.
    Warned,
    /// The check names the file; the node starts with everything else, and says so when somebody wants what is damaged.
    WhenRead,
    /// Nothing is lost, and nothing said.
    Nothing,
    /// No message is in it: the node says what is wrong with it, or users are refused.
    Users,
}

impl Said {
    fn text(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Warned => "warned",
            Self::WhenRead => "when read",
            Self::Nothing => "nothing lost",
            Self::Users => "users only",
        }
    }
}

/// A kind of file.
struct Kind {
    name: &'static str,
    find: fn(&Path) -> PathBuf,
    /// An octet in the midst of what it says.
    flip: fn(&Path) -> u64,
    said: [Said; HARMS.len()],
}

use Said::{Nothing, Refused, Users, Warned, WhenRead};

const KINDS: [Kind; 8] = [
    Kind {
        name: "`directory.json`",
        find: |data| data.join("directory.json"),
        flip: |file| text_place(file, "\"shards\": ") + 10,
        said: [Refused; HARMS.len()],
    },
    Kind {
        name: "manifest of a journal",
        find: |data| long(data).join("manifest"),
        flip: |file| manifest(file).0 + 50,
        said: [Refused, Refused, Refused, Warned, Refused, Refused, Warned],
    },
    Kind {
        name: "segment before the last checkpoint",
        find: |data| segment(data, |number| number + 1 == number_of(&last_checkpoint(data))),
        flip: |_| 4096 + 20_000,
        said: [Refused, Refused, Refused, Refused, Refused, Refused, WhenRead],
    },
    Kind {
        name: "segment behind it",
        find: |data| segment(data, |number| number == last_begun(data)),
        flip: |_| 4096 + 2_000,
        said: [Refused; HARMS.len()],
    },
    Kind {
        name: "segment made ready ahead",
        find: |data| segment(data, |number| number == last_begun(data) + 1),
        flip: |_| 4096 + 20_000,
        said: [Refused, Refused, Refused, Refused, Refused, Refused, Nothing],
    },
    Kind {
        name: "checkpoint",
        find: last_checkpoint,
        flip: |_| 200,
        said: [Warned, Nothing, Warned, Warned, Warned, Warned, Warned],
    },
    Kind {
        name: "file of a large message",
        find: |data| files(&data.join("large"), "large").pop().expect("a large message"),
        flip: |_| 1_000_000,
        said: [Refused, Refused, Refused, Refused, WhenRead, WhenRead, WhenRead],
    },
    Kind {
        name: "users file",
        find: |data| data.parent().expect("a folder").join("users"),
        flip: |file| text_place(file, "$argon2id") + 3,
        said: [Users; HARMS.len()],
    },
];

/// A place in a text.
fn text_place(file: &Path, what: &str) -> u64 {
    fs::read_to_string(file).expect("a text").find(what).expect("it says so") as u64
}

/// Files with an ending, in the order of their names.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    found.sort();
    found
}

/// The journal with the long queue.
fn long(data: &Path) -> PathBuf {
    let journals = (0..2).map(|shard| data.join(format!("journal-{shard}")));
    journals.max_by_key(|journal| files(journal, "segment").len()).expect("two journals")
}

fn last_checkpoint(data: &Path) -> PathBuf {
    files(&long(data), "checkpoint").pop().expect("a checkpoint")
}

/// The number in the name of a segment or checkpoint.
fn number_of(file: &Path) -> u64 {
    let name = file.file_stem().expect("a name").to_string_lossy();
    u64::from_str_radix(&name, 16).expect("a number")
}

fn segment(data: &Path, wanted: impl Fn(u64) -> bool) -> PathBuf {
    let mut segments = files(&long(data), "segment").into_iter();
    segments.find(|segment| wanted(number_of(segment))).expect("a segment")
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight octets"))
}

/// Where the newer block of a manifest begins, and the first and the last segment that it says are there
/// (docs/journal-format.md).
fn manifest(file: &Path) -> (u64, u64, u64) {
    let bytes = fs::read(file).expect("a manifest");
    let block = [0, 4096].into_iter().max_by_key(|&block| number_at(&bytes, block + 32)).expect("two blocks");
    (block as u64, number_at(&bytes, block + 48), number_at(&bytes, block + 56))
}

/// The last segment of the long queue's journal with a batch in it.
fn last_begun(data: &Path) -> u64 {
    let begun = files(&long(data), "segment").into_iter().filter(|segment| {
        let mut start = [0; 24];
        let file = fs::File::open(segment).expect("a segment");
        file.read_exact_at(&mut start, 4096).is_ok()
            && &start[..4] == b"HBAT"
            && number_at(&start, 16) == number_of(segment)
    });
    begun.map(|segment| number_of(&segment)).max().expect("one with a batch")
}

fn body(number: u32, salt: u8) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(BODY, number as u8 ^ salt);
    body
}

fn send(broker: &Broker, queue: &str, count: u32, salt: u8) {
    let mut peer = opened(broker);
    peer.attach_sender(queue);
    peer.send_accepted(Durable::Yes, (0..count).map(|number| body(number, salt)));
}

/// A data directory of two shards, with everything in it that there can be; bodies differ by the salt.
fn made(salt: u8) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let users = folder.path().join("users");
    add_user(&users, "guest", "secret");
    let broker = Broker::start_in(folder, &settings(&users));
    SHORT.iter().for_each(|queue| send(&broker, queue, 1, salt));
    send(&broker, "orders", TAKEN + LEFT, salt);
    let mut peer = opened(&broker);
    peer.attach_receiver("orders", TAKEN);
    for number in 0..TAKEN {
        let (delivery, found) = peer.receive();
        assert_eq!(found, body(number, salt));
        peer.accept(delivery, delivery);
    }
    wait_for("the acceptances", || (messages(&broker) == u64::from(LEFT) + SHORT.len() as u64).then_some(()));
    let mut peer = opened(&broker);
    peer.attach_sender("files");
    peer.send_large(0, Durable::Yes, LARGE + usize::from(salt), End::Whole);
    assert_eq!(peer.outcome(), (0, 0, None));
    let data = broker.folder.path().join("data");
    // Segments that were freed are used again, and given up in the manifest before.
    let given_up = || manifest(&long(&data).join("manifest")).1 > 1;
    let mut sent = 0;
    while !given_up() && sent < 10 {
        sent += 1;
        send(&broker, "orders", 70, salt);
    }
    wait_for("a checkpoint", || (!files(&long(&data), "checkpoint").is_empty()).then_some(()));
    wait_for("segments made ready", || {
        let ready = manifest(&long(&data).join("manifest")).2;
        (ready > last_begun(&data)).then_some(())
    });
    broker.stop()
}

fn settings(users: &Path) -> String {
    format!("{SETTINGS}[users]\nfile = {users:?}\n")
}

/// Messages in all queues.
fn messages(broker: &Broker) -> u64 {
    let state = broker.state();
    let queues = state["queues"].as_array().expect("queues").iter();
    queues.map(|queue| queue["messages"].as_u64().expect("a number")).sum()
}

/// A copy of a folder. Segments that are only read may be the same files, but for one.
fn copied(from: &Path, to: &Path, but: &Path, share: Share) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copied(&path, &target, but, share);
        } else if share == Share::Segments && path != but && path.extension().is_some_and(|end| end == "segment") {
            fs::hard_link(&path, &target).expect("a link");
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

/// What a copy shares with the original, because nobody writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Segments,
    Nothing,
}

fn harm(file: &Path, other: &Path, harm: Harm, flip: u64) {
    let length = fs::metadata(file).expect("it is there").len();
    let open = || fs::OpenOptions::new().read(true).write(true).open(file).expect("it is there");
    match harm {
        Harm::Cut => open().set_len(length / 7 * 3).expect("cut"),
        Harm::Removed => fs::remove_file(file).expect("removed"),
        Harm::Emptied => open().set_len(0).expect("emptied"),
        Harm::Grown => {
            let grown = [fs::read(file).expect("readable"), vec![b'x'; 4096]].concat();
            fs::write(file, grown).expect("writable");
        }
        Harm::Exchanged => drop(fs::copy(other, file).expect("exchanged")),
        Harm::Zeroed => fs::write(file, vec![0; length as usize]).expect("writable"),
        Harm::Flipped => {
            let (file, mut octet) = (open(), [0]);
            file.read_exact_at(&mut octet, flip).expect("readable");
            file.write_all_at(&[octet[0] ^ 1], flip).expect("writable");
        }
    }
}

fn check(data: &Path) -> (bool, String) {
    let output = heddle().args(["data", "check", "--data-dir"]).arg(data).output().expect("the program runs");
    (output.status.success(), text(&output))
}

/// One cell: what must be said of a harm to a kind of file.
fn cell(whole: &Path, other: &Path, kind: &Kind, what: Harm, said: Said, count: u64) {
    let at = format!("{} {what:?}", kind.name);
    let folder = TempDir::new().expect("a folder");
    let file = (kind.find)(&whole.join("data"));
    let share = if said == Refused { Share::Segments } else { Share::Nothing };
    copied(whole, folder.path(), &file, share);
    let target = folder.path().join(file.strip_prefix(whole).expect("it lies there"));
    harm(&target, &(kind.find)(&other.join("data")), what, (kind.flip)(&file));

    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    let (passed, told) = check(&folder.path().join("data"));
    let named = told.contains(&name) || (name == "directory.json" && told.contains("another journal's"));
    match said {
        Nothing | Users => assert!(passed && told.contains("0 damages"), "{at}: {told}"),
        Refused | Warned | WhenRead => assert!(!passed && named && told.contains("--damaged"), "{at}: {told}"),
    }
    let users = folder.path().join("users");
    let started = Broker::try_start(folder, 2, &settings(&users));
    match (said, started) {
        (Refused, Err((_, told))) => {
            let segment = told.contains("segment") || told.contains("manifest");
            let named = told.contains(&name) || (segment && told.contains("journal-"));
            assert!(named && told.contains("--damaged"), "{at}: {told}");
        }
        (Users, Err((_, told))) => assert!(told.contains("users"), "{at}: {told}"),
        (Warned | Nothing | Users, Ok(broker)) => {
            assert_eq!(messages(&broker), count, "{at}");
            let log = broker.log();
            assert_eq!(log.contains("damaged"), said == Warned, "{at}: {log}");
        }
        (WhenRead, Ok(broker)) => {
            assert_eq!(messages(&broker), count, "{at}");
            told_when_read(broker, &at);
        }
        (said, started) => {
            let told = started.map_or_else(|(_, told)| told, |_| "it started".to_owned());
            panic!("{at}: {said:?} was expected: {told}");
        }
    }
}

/// Somebody wants what is damaged: the node says so, or the link of the large message does.
fn told_when_read(mut broker: Broker, at: &str) {
    let mut peer = opened(&broker);
    if at.contains("large") {
        peer.attach_receiver("files", 1);
        let error = peer.detached();
        return assert!(error.contains("damaged"), "{at}: {error}");
    }
    let messages = u32::try_from(messages(&broker)).expect("some hundreds");
    peer.attach_receiver("orders", messages);
    while peer.frame().is_some() && broker.process.try_wait().expect("its state").is_none() {}
    let ended = wait_for("its end", || broker.process.try_wait().expect("its state"));
    let log = broker.log();
    assert!(ended.code() == Some(70) && log.contains("damaged") && log.contains("segment"), "{at}: {ended} {log}");
}

#[test]
fn no_harm_to_any_file_passes_in_silence() {
    let (whole, other) = (made(0), made(1));
    let (passed, told) = check(&whole.path().join("data"));
    assert!(passed && told.contains("0 damages"), "{told}");
    let count = {
        let folder = TempDir::new().expect("a folder");
        copied(whole.path(), folder.path(), Path::new(""), Share::Nothing);
        let users = folder.path().join("users");
        messages(&Broker::start_in(folder, &settings(&users)))
    };
    assert!(count > u64::from(LEFT) + SHORT.len() as u64, "and the large one: {count}");
    let table = table();
    println!("{table}");
    let documented = fs::read_to_string("docs/durability.md").expect("the document");
    assert!(documented.contains(&table), "the table in docs/durability.md is this one:\n{table}");
    let cells: Vec<_> =
        KINDS.iter().flat_map(|kind| HARMS.iter().zip(kind.said).map(move |cell| (kind, cell))).collect();
    // They wait for processes most of the time.
    std::thread::scope(|scope| {
        for part in cells.chunks(cells.len().div_ceil(3)) {
            let (whole, other) = (whole.path(), other.path());
            scope.spawn(move || {
                for (kind, ((harm, _), said)) in part {
                    cell(whole, other, kind, *harm, *said, count);
                }
            });
        }
    });
}

/// The table, as the document has it.
fn table() -> String {
    let head = HARMS.iter().map(|(_, name)| format!(" {name} |")).collect::<String>();
    let mut table = format!("| |{head}\n|---|{}", "---|".repeat(HARMS.len()));
    for kind in &KINDS {
        let cells = kind.said.iter().map(|said| format!(" {} |", said.text())).collect::<String>();
        table.push_str(&format!("\n| {} |{cells}", kind.name));
    }
    table
}

/// What lies in a folder, with its length.
fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(listing(&path));
        }
        let length = fs::metadata(&path).expect("it is there").len();
        found.push((path, length));
    }
    found.sort();
    found
}

fn data(arguments: &[&str], data: &Path) -> (bool, String) {
    let output = heddle().arg("data").args(arguments).arg("--data-dir").arg(data).output().expect("the program runs");
    (output.status.success(), text(&output))
}

#[test]
fn journals_without_their_description_are_refused_and_left_alone() {
    let broker = Broker::start(SETTINGS);
    send(&broker, "orders", 20, 0);
    let folder = broker.stop();
    let path = folder.path().join("data");
    fs::remove_file(path.join("directory.json")).expect("it is there");
    fs::remove_file(path.join("lock")).expect("it is there");
    let before = listing(&path);
    for command in [&["check"][..], &["stat"], &["export"], &["compact"]] {
        let (done, said) = data(command, &path);
        let helps = said.contains("directory.json") && said.contains("backup") && said.contains("--damaged");
        assert!(!done && helps, "{command:?}: {said}");
    }
    let Err((folder, said)) = Broker::try_start(folder, 2, SETTINGS) else { panic!("it started") };
    assert!(said.contains("directory.json") && said.contains("Nothing was changed"), "{said}");
    assert_eq!(listing(&path), before, "nothing was written");
    let export = folder.path().join("export").display().to_string();
    let (done, said) = data(&["export", "--damaged", "--output", &export], &path);
    assert!(done, "{said}");
    let saved = fs::read_to_string(&export).expect("an export");
    assert_eq!(saved.lines().filter(|line| line.contains("\"message\"")).count(), 20, "all of it is saved");
}

#[test]
fn a_directory_that_is_none_has_no_messages_to_count() {
    let folder = TempDir::new().expect("a folder");
    for path in [folder.path().to_owned(), folder.path().join("nothing")] {
        for command in [&["check"][..], &["stat"], &["print"], &["export"], &["export", "--damaged"], &["compact"]] {
            let (done, said) = data(command, &path);
            let told = said.contains("no data directory") && said.contains("--data-dir");
            assert!(!done && told && !said.contains("0 messages"), "{command:?} {}: {said}", path.display());
        }
    }
    assert_eq!(listing(folder.path()), [], "and nothing was made");
}

#[test]
fn lost_journals_and_segments_are_counted() {
    let broker = Broker::start(SETTINGS);
    SHORT.iter().for_each(|queue| send(&broker, queue, 1, 0));
    send(&broker, "orders", 400, 0);
    let whole = broker.stop();
    let path = whole.path().join("data");
    let numbers: Vec<u64> = files(&long(&path), "segment").iter().map(|segment| number_of(segment)).collect();
    let (first, last) = (numbers[0], last_begun(&path));
    assert!(last >= first + 5, "several segments: {numbers:?}");
    let short = (0..2).map(|shard| path.join(format!("journal-{shard}"))).find(|journal| *journal != long(&path));
    let without = |harm: &dyn Fn(&Path), expected: &str| {
        let folder = TempDir::new().expect("a folder");
        copied(whole.path(), folder.path(), Path::new(""), Share::Segments);
        harm(&folder.path().join("data"));
        let (passed, said) = check(&folder.path().join("data"));
        assert!(!passed && said.contains(expected), "{expected}: {said}");
        let Err((_, said)) = Broker::try_start(folder, 2, SETTINGS) else { panic!("it started: {expected}") };
        assert!(said.contains(expected) && said.contains("--damaged"), "{expected}: {said}");
    };
    let remove = |data: &Path, wanted: &dyn Fn(u64) -> bool| {
        let all = files(&long(data), "segment");
        let gone = all.iter().filter(|segment| wanted(number_of(segment)));
        gone.for_each(|segment| fs::remove_file(segment).expect("it is there"));
    };
    without(&|data| remove(data, &|number| number == first), &format!("segment {first} is missing"));
    let ready = manifest(&long(&path).join("manifest")).2;
    let behind = format!("segments {} to {ready} are missing", last - 3);
    without(&|data| remove(data, &|number| number + 3 >= last), &behind);
    let short = short.expect("another journal").file_name().expect("a name").to_owned();
    without(&|data| fs::remove_dir_all(data.join(&short)).expect("it is there"), "the manifest is missing");
    // Other files under the names of each other.
    let exchange = |data: &Path| {
        let name = |number: u64| long(data).join(format!("{number:016x}.segment"));
        fs::rename(name(first), data.join("aside")).expect("renamed");
        fs::rename(name(first + 1), name(first)).expect("renamed");
        fs::rename(data.join("aside"), name(first + 1)).expect("renamed");
    };
    without(&exchange, &format!("the header in the file is that of segment {}", first + 1));
}

#[test]
fn a_segment_that_was_cut_short_is_told_with_both_lengths() {
    let broker = Broker::start(SETTINGS);
    send(&broker, "orders", 40, 0);
    let folder = broker.stop();
    let file = segment(&folder.path().join("data"), |number| number == 1);
    fs::OpenOptions::new().write(true).open(&file).and_then(|file| file.set_len(300_000)).expect("cut");
    let (passed, said) = check(&folder.path().join("data"));
    let lengths = said.contains("300000") && said.contains("2097152");
    assert!(!passed && lengths && said.contains("1 damage") && said.contains("0000000000000001.segment"), "{said}");
    let config = folder.path().join("heddle.toml").display().to_string();
    let refused = run(&["run", "--config", &config]);
    let said = text(&refused);
    assert!(!refused.status.success() && said.contains("300000") && said.contains("2097152"), "{said}");
}
