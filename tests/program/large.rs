//! Messages larger than memory likes: through files, part by part.

use std::path::Path;

use crate::broker::{Broker, heddle, text, wait_for};
use crate::peer::{Durable, End, opened};

const LISTENER: &str =
    "[limits]\nmemory_mib = 64\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[storage]\nsegment_mib = 2\n";
const BYTES: usize = 150_000_000;

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("data/large")).map_or(0, Iterator::count)
}

pub fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its state");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[test]
fn a_large_durable_message_outlives_a_kill_and_needs_little_memory() {
    let broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    peer.attach_sender("orders");
    peer.send_message(0, Durable::Yes, b"before");
    peer.send_large(1, Durable::Yes, BYTES, End::Whole);
    peer.send_message(2, Durable::Yes, b"after");
    let mut accepted = 0;
    while accepted < 3 {
        let (first, last, refused) = peer.outcome();
        assert_eq!(refused, None);
        accepted += last - first + 1;
    }
    assert!(resident_mib(broker.process.id()) < 100, "{} MiB", resident_mib(broker.process.id()));
    assert_eq!(files(broker.folder.path()), 1);
    let folder = broker.kill();

    let broker = Broker::start_in(folder, LISTENER);
    let mut peer = opened(&broker);
    peer.attach_receiver("orders", 3);
    assert_eq!(peer.receive().1, b"before");
    let (delivery, bytes) = peer.receive_large();
    assert_eq!((delivery, bytes), (1, BYTES));
    assert_eq!(peer.receive().1, b"after", "in its order");
    peer.accept(0, 2);
    wait_for("the file to go", || (files(broker.folder.path()) == 0).then_some(()));
    assert!(resident_mib(broker.process.id()) < 100, "{} MiB", resident_mib(broker.process.id()));
}

#[test]
fn one_that_is_cut_off_leaves_nothing_behind() {
    let broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    peer.attach_sender("orders");
    peer.send_large(0, Durable::Yes, 10_000_000, End::Aborted);
    peer.send_message(1, Durable::Yes, b"next");
    assert_eq!(peer.outcome(), (1, 1, None), "the link goes on");
    peer.send_large(2, Durable::No, 10_000_000, End::CutOff);
    wait_for("the file", || (files(broker.folder.path()) == 1).then_some(()));
    drop(peer);
    wait_for("the file to go", || (files(broker.folder.path()) == 0).then_some(()));
}

#[test]
fn a_topic_keeps_one_file_for_all_its_subscribers() {
    let broker = Broker::start(&format!("{LISTENER}[[address]]\nmatch = \"#\"\nrouting = \"multicast\"\n"));
    let mut readers: Vec<_> = (0..3).map(|_| opened(&broker)).collect();
    readers.iter_mut().for_each(|reader| reader.attach_receiver("news", 2));
    let mut peer = opened(&broker);
    peer.attach_sender("news");
    peer.send_large(0, Durable::No, 3_000_000, End::Whole);
    peer.send_message(1, Durable::No, b"small");
    let (_, mut last, refused) = peer.outcome();
    assert_eq!(refused, None);
    while last < 1 {
        last = peer.outcome().1;
    }
    assert_eq!(files(broker.folder.path()), 1);
    for reader in &mut readers {
        assert_eq!(reader.receive_large().1, 3_000_000);
        assert_eq!(reader.receive().1, b"small");
        reader.accept(0, 1);
    }
    wait_for("the file to go", || (files(broker.folder.path()) == 0).then_some(()));
}

#[test]
fn tools_check_export_and_import_it() {
    let mut broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    peer.attach_sender("orders");
    peer.send_large(0, Durable::Yes, 5_000_000, End::Whole);
    assert_eq!(peer.outcome(), (0, 0, None));
    broker.signal(libc::SIGTERM);
    wait_for("its end", || broker.process.try_wait().expect("its state"));
    let data = |folder: &Path, arguments: &[&str]| {
        let output = heddle().arg("data").args(arguments).arg("--data-dir").arg(folder.join("data")).output();
        let output = output.expect("the program runs");
        (output.status.success(), text(&output))
    };
    let export = broker.folder.path().join("export").display().to_string();
    let (done, said) = data(broker.folder.path(), &["export", "--output", &export]);
    assert!(done, "{said}");
    let other = tempfile::TempDir::new().expect("a folder");
    let (done, said) = data(other.path(), &["import", "--input", &export]);
    assert!(done, "{said}");
    let (whole, said) = data(other.path(), &["check"]);
    assert!(whole, "{said}");
    {
        let broker = Broker::start_in(other, LISTENER);
        let mut peer = opened(&broker);
        peer.attach_receiver("orders", 1);
        assert_eq!(peer.receive_large().1, 5_000_000);
    }
    let file = std::fs::read_dir(broker.folder.path().join("data/large")).expect("a folder").next();
    let file = file.expect("a file").expect("a file").path();
    let mut bytes = std::fs::read(&file).expect("readable");
    bytes[3_000_000] ^= 1;
    std::fs::write(&file, bytes).expect("writable");
    let (whole, said) = data(broker.folder.path(), &["check"]);
    assert!(!whole && said.contains(".large"), "{said}");
    let folder = std::mem::replace(&mut broker.folder, tempfile::TempDir::new().expect("a folder"));
    let broker = Broker::start_in(folder, LISTENER);
    let mut peer = opened(&broker);
    peer.attach_receiver("orders", 1);
    let error = peer.detached();
    assert!(error.contains("damaged"), "it is not sent to its end: {error}");
}
