//! What outlives the program: a kill, another number of shards, damage, a full disk.

use std::collections::BTreeSet;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::broker::{Broker, heddle, run, text, wait_for};
use crate::peer::{Durable, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[storage]\nsegment_mib = 2\n";
/// What a journal has made ready behind the segment that it writes.
const SEGMENTS_AHEAD: u64 = 2;

/// Sends numbered durable messages and waits until all are accepted.
fn fill(broker: &Broker, queue: &str, numbers: std::ops::Range<u32>) {
    let mut peer = opened(broker);
    peer.attach_sender(queue);
    peer.send_accepted(Durable::Yes, numbers.map(body));
}

fn body(number: u32) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(1000, number as u8);
    body
}

/// Takes so many messages of a queue, and accepts them.
fn take(broker: &Broker, queue: &str, count: u32) -> Vec<u32> {
    let mut peer = opened(broker);
    peer.attach_receiver(queue, count);
    let numbers = (0..count).map(|_| {
        let (delivery, found) = peer.receive();
        let number = u32::from_be_bytes(found[..4].try_into().expect("four octets"));
        assert_eq!(found, body(number), "the body is what was sent");
        peer.accept(delivery, delivery);
        number
    });
    let numbers = numbers.collect();
    // Acceptances are durable when nothing is held any more and, a turn later, nothing waits to be written.
    wait_for("the acceptances", || broker.queue(queue).is_none_or(|queue| queue["acquired"] == 0).then_some(()));
    wait_for_journal(broker);
    numbers
}

fn wait_for_journal(broker: &Broker) {
    wait_for("the journal", || {
        let state = broker.state();
        let mut shards = state["shards"].as_array()?.iter();
        shards.all(|shard| shard["journal"]["pending_bytes"] == 0).then_some(())
    });
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for journal in std::fs::read_dir(folder.join("data")).expect("the data directory") {
        let journal = journal.expect("an entry").path();
        let files = std::fs::read_dir(&journal).into_iter().flatten().map(|file| file.expect("an entry").path());
        found.extend(files.filter(|file| file.extension().is_some_and(|end| end == "segment")));
    }
    found.sort();
    found
}

fn data(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = heddle();
    command.arg("data").args(arguments).arg("--data-dir").arg(folder.join("data"));
    let output = command.output().expect("the program runs");
    (output.status.success(), text(&output))
}

#[test]
fn what_was_accepted_outlives_kills_and_other_numbers_of_shards() {
    let mut broker = Broker::start(LISTENER);
    for (round, shards) in [1, 3, 2].into_iter().enumerate() {
        let from = round as u32 * 1000;
        for queue in ["orders", "prices", "stock"] {
            fill(&broker, queue, from..from + 1000);
        }
        assert_eq!(take(&broker, "orders", 1000), (from..from + 1000).collect::<Vec<_>>());
        let folder = broker.kill();
        broker = Broker::start_with(folder, shards, LISTENER);
    }
    assert!(broker.queue("orders").is_none_or(|queue| queue["messages"] == 0), "what was taken does not come back");
    for queue in ["prices", "stock"] {
        assert_eq!(take(&broker, queue, 3000), (0..3000).collect::<Vec<_>>(), "in order, each once");
    }
}

#[test]
fn a_second_program_on_the_same_directory_is_refused() {
    let broker = Broker::start(LISTENER);
    fill(&broker, "orders", 0..10);
    let (done, said) = data(broker.folder.path(), &["stat"]);
    assert!(!done && said.contains("in use"), "{said}");
    let config = broker.folder.path().join("heddle.toml");
    let second = run(&["run", "--config", &config.display().to_string()]);
    assert!(!second.status.success() && text(&second).contains("in use"), "{}", text(&second));
}

#[test]
fn the_tools_count_print_export_import_and_compact() {
    let broker = Broker::start(LISTENER);
    fill(&broker, "orders", 0..5000);
    take(&broker, "orders", 2000);
    fill(&broker, "prices", 0..10);
    let folder = broker.stop();
    let (whole, said) = data(folder.path(), &["check"]);
    assert!(whole && said.contains("3,010 messages") && said.contains("0 damages"), "{said}");
    let (_, said) = data(folder.path(), &["stat", "--json"]);
    let stat: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&stat["queues"][0]["messages"], &stat["shards"]), (&3000.into(), &2.into()), "{said}");
    let (_, said) = data(folder.path(), &["print"]);
    assert!(said.lines().any(|line| line.contains("\"prices\" made")), "{}", said.len());
    assert!(said.lines().filter(|line| line.contains("  message into queue")).count() >= 3010, "{}", &said[..500]);
    let file = folder.path().join("export").display().to_string();
    let (done, said) = data(folder.path(), &["export", "--output", &file]);
    assert!(done && said.contains("3,010"), "{said}");
    let size = |folder: &Path| segments(folder).len();
    let before = size(folder.path());
    let (done, said) = data(folder.path(), &["compact"]);
    assert!(done && size(folder.path()) < before, "{said}");

    let other = TempDir::new().expect("a folder");
    let (done, said) = data(other.path(), &["import", "--input", &file, "--shards", "3"]);
    assert!(done && said.contains("3,010"), "{said}");
    let (done, said) = data(other.path(), &["import", "--input", &file]);
    assert!(!done && said.contains("makes a new one"), "{said}");
    for folder in [folder, other] {
        let broker = Broker::start_in(folder, LISTENER);
        assert_eq!(take(&broker, "orders", 3000), (2000..5000).collect::<Vec<_>>());
        assert_eq!(take(&broker, "prices", 10), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn damage_is_named_and_what_can_be_read_is_saved() {
    let broker = Broker::start(LISTENER);
    fill(&broker, "orders", 0..6000);
    let folder = broker.stop();
    let file = segments(folder.path()).into_iter().find(|file| {
        let bytes = std::fs::read(file).expect("readable");
        bytes[4096..].iter().filter(|&&octet| octet != 0).count() > 1_000_000
    });
    let file = file.expect("a full segment");
    let mut damaged = std::fs::OpenOptions::new().read(true).write(true).open(&file).expect("it is there");
    let mut octet = [0];
    damaged.seek(SeekFrom::Start(500_000)).and_then(|_| damaged.read_exact(&mut octet)).expect("readable");
    octet[0] ^= 4;
    damaged.seek(SeekFrom::Start(500_000)).and_then(|_| damaged.write_all(&octet)).expect("writable");
    drop(damaged);

    let config = folder.path().join("heddle.toml");
    let refused = run(&["run", "--config", &config.display().to_string()]);
    let said = text(&refused);
    assert!(
        !refused.status.success() && said.contains("damaged") && said.contains("heddle data export --damaged"),
        "{said}"
    );
    let (whole, said) = data(folder.path(), &["check"]);
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(!whole && said.contains(&name) && said.contains("offset"), "{said}");
    let export = folder.path().join("export").display().to_string();
    let (done, _) = data(folder.path(), &["export", "--output", &export]);
    assert!(!done, "without being told so it does not leave out anything");
    let (complete, said) = data(folder.path(), &["export", "--damaged", "--output", &export]);
    assert!(!complete && said.contains("with losses"), "{said}");
    let saved = std::fs::read_to_string(&export).expect("an export");
    let saved = saved.lines().filter(|line| line.contains("\"body\"")).count();
    assert!((4000..6000).contains(&saved), "all but a batch: {saved}");

    let other = TempDir::new().expect("a folder");
    let (done, said) = data(other.path(), &["import", "--input", &export]);
    assert!(done, "{said}");
    let broker = Broker::start_in(other, LISTENER);
    let numbers = take(&broker, "orders", saved as u32);
    assert!(numbers.is_sorted() && numbers.iter().collect::<BTreeSet<_>>().len() == saved);
}

#[test]
fn a_broker_goes_on_by_itself_when_there_is_room_again() {
    let folder = TempDir::new().expect("a folder");
    let ballast = folder.path().join("ballast");
    let file = std::fs::File::create(&ballast).expect("a file");
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::fallocate(std::os::fd::AsRawFd::as_raw_fd(&file), 0, 0, 4 << 30) }, 0, "4 GiB are free");
    drop(file);
    let free_mib = free_bytes(folder.path()) >> 20;
    // The disk is full while the ballast lies there, with two gigabytes for what others do meanwhile.
    let full = format!("{LISTENER}min_free_mib = {}\n", free_mib + 2048);
    let broker = Broker::start_in(folder, &full);
    let held = |broker: &Broker| {
        broker.state()["shards"]
            .as_array()
            .is_some_and(|shards| shards.iter().any(|shard| shard["disk_room"] != "plenty"))
    };
    wait_for("the disk to be full", || held(&broker).then_some(()));
    let mut peer = opened(&broker);
    // It has no credit while the disk is full.
    let producer = std::thread::spawn(move || {
        peer.attach_sender("orders");
        peer.send_message(0, Durable::Yes, &body(0));
        peer.outcome()
    });
    wait_for("the producer", || broker.state()["links"].as_array().is_some_and(|links| links.len() == 1).then_some(()));
    std::fs::remove_file(&ballast).expect("it is there");
    assert_eq!(producer.join().expect("it is given credit"), (0, 0, None));
    wait_for("room", || (!held(&broker)).then_some(()));
    fill(&broker, "orders", 1..100);
    assert_eq!(take(&broker, "orders", 100), (0..100).collect::<Vec<_>>());
}

fn free_bytes(path: &Path) -> u64 {
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("no zero in it");
    // SAFETY: an all-zero structure is valid, and lives for the call; the name ends with zero.
    unsafe {
        let mut status: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::statvfs(name.as_ptr(), &raw mut status), 0);
        status.f_bavail * status.f_frsize
    }
}

#[test]
fn a_full_disk_holds_or_refuses_durable_messages_and_nothing_else() {
    for policy in ["hold", "refuse"] {
        let broker = Broker::start(LISTENER);
        // More than would fit into a segment if it were written again to make room.
        fill(&broker, "orders", 0..4000);
        // A broker that starts writes to another segment, which has to be there: how many were begun depends on the batches.
        wait_for("segments that are ready ahead", || {
            let state = broker.state();
            let mut written = state["shards"].as_array()?.iter().filter(|shard| shard["journal"]["written_bytes"] != 0);
            written.all(|shard| shard["journal"]["ready_bytes"].as_u64() > Some(SEGMENTS_AHEAD << 21)).then_some(())
        });
        let folder = broker.kill();
        // More than any disk has: everything beyond what is there already counts as full.
        let full =
            format!("{LISTENER}min_free_mib = 1000000000\n[[address]]\nmatch = \"#\"\nwhen_full = \"{policy}\"\n");
        let broker = Broker::start_in(folder, &full);
        assert_eq!(take(&broker, "orders", 5), (0..5).collect::<Vec<_>>(), "consumers go on");
        let room = || {
            let state = broker.state();
            state["shards"]
                .as_array()?
                .iter()
                .all(|shard| shard["disk_room"] == "little" || shard["disk_room"] == "none")
                .then_some(())
        };
        wait_for("the disk to be full", room);
        let mut peer = opened(&broker);
        if policy == "refuse" {
            peer.attach_sender("orders");
            peer.send_message(0, Durable::Yes, &body(77));
            let (_, _, refused) = peer.outcome();
            assert!(refused.is_some_and(|why| why.contains("resource-limit-exceeded") && why.contains("disk is full")));
            // Not to the same queue: what comes behind messages that only the disk has needs the disk, too.
            let mut other = opened(&broker);
            other.attach_sender("prices");
            other.send_message(0, Durable::No, &body(78));
            assert_eq!(other.outcome(), (0, 0, None), "what needs no disk goes on");
        }
        let folder = broker.kill();
        let broker = Broker::start_in(folder, LISTENER);
        fill(&broker, "orders", 4000..4010);
        assert_eq!(take(&broker, "orders", 4005), (5..4010).collect::<Vec<_>>(), "and with room everything does");
    }
}

#[test]
fn what_a_consumer_holds_leaves_memory_and_comes_again() {
    // 4 MiB for each of two shards, and twelve in one consumer's hands.
    let broker = Broker::start(&format!("{LISTENER}[limits]\nmemory_mib = 8\n"));
    fill(&broker, "orders", 0..12_000);
    let mut peer = opened(&broker);
    peer.attach_receiver("orders", 12_000);
    for number in 0..12_000 {
        assert_eq!(peer.receive().1, body(number));
    }
    let state = broker.state();
    let queue = broker.queue("orders").expect("the queue");
    assert_eq!((&queue["messages"], &queue["acquired"]), (&12_000.into(), &12_000.into()));
    let memory = |state: &serde_json::Value| -> u64 {
        let shards = state["shards"].as_array().into_iter().flatten();
        shards.filter_map(|shard| shard["memory_bytes"].as_u64()).sum()
    };
    assert!(memory(&state) < 4 << 20, "{} octets of twelve million are in memory", memory(&state));
    // Some are settled, out of their order; the others come again when the consumer goes.
    (0..12_000).step_by(3).for_each(|delivery| peer.accept(delivery, delivery));
    wait_for("the outcomes", || broker.queue("orders").filter(|queue| queue["acquired"] == 8000).map(drop));
    drop(peer);
    let left: Vec<u32> = (0..12_000).filter(|number| number % 3 != 0).collect();
    let mut again = opened(&broker);
    again.attach_receiver("orders", 8000);
    for &number in &left {
        assert_eq!(again.receive().1, body(number), "in order");
    }
    let held = memory(&broker.state());
    assert!(held < 4 << 20, "{held} octets are in memory");
    wait_for_journal(&broker);
    let broker = Broker::start_in(broker.kill(), LISTENER);
    assert_eq!(take(&broker, "orders", 8000), left, "a kill loses none of what is held");
}

#[test]
fn what_is_on_disk_only_can_be_looked_at() {
    let broker = Broker::start(LISTENER);
    fill(&broker, "orders", 0..500);
    let broker = Broker::start_in(broker.kill(), LISTENER);
    let mut peer = opened(&broker);
    peer.attach_browser("orders", 500);
    for number in 0..500 {
        assert_eq!(peer.receive().1, body(number));
    }
    assert_eq!(take(&broker, "orders", 500), (0..500).collect::<Vec<_>>(), "it is all still there");
}

#[test]
fn a_backlog_larger_than_memory_is_looked_at_while_it_is_consumed() {
    // 4 MiB for each of two shards, and a backlog of twelve in one queue; a queue keeps half a MiB of it.
    const BACKLOG: u32 = 12_000;
    let broker = Broker::start(&format!("{LISTENER}[limits]\nmemory_mib = 8\n"));
    fill(&broker, "orders", 0..BACKLOG);
    let mut browser = opened(&broker);
    browser.attach_browser("orders", BACKLOG + 10);
    for number in 0..1000 {
        assert_eq!(browser.receive().1, body(number));
    }
    // Somebody takes what the browser has passed, and reads ahead of what it will pass.
    assert_eq!(take(&broker, "orders", 900), (0..900).collect::<Vec<_>>());
    for number in 1000..BACKLOG {
        assert_eq!(browser.receive().1, body(number), "in order");
    }
    let state = broker.state();
    let shards = state["shards"].as_array().into_iter().flatten();
    let memory: u64 = shards.filter_map(|shard| shard["memory_bytes"].as_u64()).sum();
    assert!(memory < 4 << 20, "{memory} octets of twelve million are in memory");
    // One that begins now sees what is left, from a node that has just begun, too.
    wait_for_journal(&broker);
    let broker = Broker::start_in(broker.kill(), LISTENER);
    let mut browser = opened(&broker);
    browser.attach_browser("orders", BACKLOG);
    for number in 900..BACKLOG {
        assert_eq!(browser.receive().1, body(number));
    }
    let left = BACKLOG - 900;
    assert_eq!(take(&broker, "orders", left), (900..BACKLOG).collect::<Vec<_>>(), "it is all still there");
}
