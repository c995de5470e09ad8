//! Messages are copied from journals into new ones, which take their place as a whole.
//!
//! Guarantees: a copy that was cut off leaves the old journals as they are. The order of each queue is kept. A message that is in
//! several queues is stored once for each afterwards.

use std::collections::HashMap;

use engine_catalogue::{Catalogue, Resolved};
use engine_core::Restored;
use engine_core::fact::{Declared, IDS, TRANSACTIONS};
use engine_core::message::Message;
use engine_ledger::{Decision, read_decision, read_identity};
use engine_rt::Waker;
use engine_shard::store::{Copy, Extract, Extracted, StoreError};
use storage_disk::{DataDirectory, Disk, DiskConfig, JournalFiles, Sync};

use super::recover::{StorageError, recover, store_config};

/// Settings of the new journals.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// How many shards there are, and which of them owns what.
    pub catalogue: &'a Catalogue,
    /// How writes get to stable storage.
    pub sync: Sync,
    /// Octets of the file system that are left to others.
    pub min_free_bytes: u64,
}

/// Reads the journal of one shard; tells `progress` of segments, and how many there are.
///
/// # Errors
/// When it is damaged.
pub fn extract(
    directory: &DataDirectory,
    shard: u16,
    progress: impl FnMut(u64, u64),
) -> Result<(Extract, JournalFiles), StorageError> {
    let files = directory.journal(shard);
    let disk = disk_config(directory, shard, Sync::AfterWrite, 0);
    let recovered = recover(disk, files.clone(), progress)?;
    let (store, restored) = recovered.into_parts();
    Ok((Extract::new(store, restored), files))
}

/// What a shard's disk needs to know.
pub fn disk_config(directory: &DataDirectory, shard: u16, sync: Sync, min_free_bytes: u64) -> DiskConfig {
    let core = engine_rt::allowed_cores().first().copied().unwrap_or(0);
    let segment_bytes = directory.segment_bytes();
    DiskConfig { shard, core, directory: directory.id(), segment_bytes, sync, min_free_bytes }
}

/// New, empty journals.
///
/// # Errors
/// When the system refuses.
pub fn new_journals(directory: &DataDirectory, target: &Target<'_>) -> Result<Vec<Copy>, StorageError> {
    let failed = |error| StorageError::Copy(StoreError::Disk { what: "begin a journal", error });
    let begin = |shard| -> Result<Copy, StorageError> {
        let config = store_config(directory.owner(shard));
        let disk = disk_config(directory, shard, target.sync, target.min_free_bytes);
        directory.next_journal(shard).create(&disk.owner())?;
        let waker = Waker::new().map_err(failed)?;
        let disk = Disk::start(disk, directory.next_journal(shard), waker).map_err(failed)?;
        Ok(Copy::new(config, disk))
    };
    (0..target.catalogue.placement().shards()).map(begin).collect()
}

/// Writes everything again, each queue for the shard that owns its address; gives the number of messages, and tells `progress` of it on the way.
///
/// # Errors
/// When a journal is damaged, or the disk fails or is full: the old journals are then as they were, and nothing else is left.
pub fn copy_journals(
    directory: &mut DataDirectory,
    target: &Target<'_>,
    mut progress: impl FnMut(u64),
) -> Result<u64, StorageError> {
    directory.discard_next()?;
    let copied = write_next(directory, target, &mut progress);
    let Ok(count) = copied else {
        // Threads of the new journals may be at work on a file still; what they leave is removed before the next copy.
        let _ = directory.discard_next();
        return copied;
    };
    directory.replace_journals(target.catalogue.placement().shards())?;
    Ok(count)
}

fn write_next(
    directory: &DataDirectory,
    target: &Target<'_>,
    progress: &mut impl FnMut(u64),
) -> Result<u64, StorageError> {
    let mut journals = new_journals(directory, target)?;
    let mut count = 0_u64;
    let mut known = HashMap::new();
    for shard in 0..directory.shards() {
        let (source, files) = extract(directory, shard, |_, _| progress(count))?;
        for queue in ordinary_queues(&source, &files, directory.shards())? {
            let Declared { address, name, .. } = &queue.declared;
            // An id goes where its address is.
            let is_ids = address == IDS;
            let mut place = |of: &str, journals: &mut [Copy]| {
                let Resolved::Stored { owner } = target.catalogue.resolve(of);
                let journal = journals.get_mut(usize::from(owner.shard))?;
                // A queue that lies in two journals becomes one.
                let key = (owner.shard, address.clone(), name.clone());
                Some((owner.shard, *known.entry(key).or_insert_with(|| journal.queue(&queue.declared))))
            };
            let whole = if is_ids { None } else { place(address, &mut journals) };
            for part in source.parts(queue.declared.queue) {
                let buffer = files.read_part(part.place, part.bytes)?;
                let messages = source.extracted(&part, buffer.bytes());
                if messages.len() != part.messages {
                    return Err(StorageError::unread(&files, part.place));
                }
                for Extracted { message, attributes, .. } in messages {
                    let of = read_identity(&message.body).ok().filter(|_| is_ids);
                    let found = whole.or_else(|| place(of?.0, &mut journals));
                    let Some((shard, number)) = found else { continue };
                    if let Some(journal) = journals.get_mut(usize::from(shard)) {
                        journal.message(number, message, &attributes)?;
                        count += 1;
                    }
                }
                progress(count);
            }
        }
    }
    for journal in journals {
        journal.finish()?;
    }
    Ok(count)
}

/// The queues of a journal whose transactions are done.
///
/// # Errors
/// When one that is about queues of several shards may not be: its shares name messages as this journal does.
pub fn ordinary_queues<'a>(
    source: &'a Extract,
    files: &JournalFiles,
    shards: u16,
) -> Result<impl Iterator<Item = &'a Restored> + use<'a>, StorageError> {
    match undone(source, files)? {
        0 => Ok(source.queues().iter().filter(|queue| queue.declared.address != TRANSACTIONS)),
        transactions => Err(StorageError::Undone { transactions, shards }),
    }
}

/// Transactions over several shards that are decided, and not known to be done everywhere.
fn undone(source: &Extract, files: &JournalFiles) -> Result<usize, StorageError> {
    let queue = source.queues().iter().find(|queue| queue.declared.address == TRANSACTIONS);
    let mut count = 0;
    for part in queue.into_iter().flat_map(|queue| source.parts(queue.declared.queue)) {
        let buffer = files.read_part(part.place, part.bytes)?;
        let messages = source.messages(&part, buffer.bytes());
        let decided =
            |(_, message): &&(u64, Message)| !matches!(read_decision(&message.body), Ok(Decision::Carried(_)));
        count += messages.iter().filter(decided).count();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use engine_catalogue::Placement;
    use engine_core::command::RoutingType;
    use engine_core::fact::{Declared, Purpose};
    use engine_core::message::{Header, Message};
    use engine_ledger::{Attribute, Attributes, InQueue, encode_line};
    use storage_journal::Unknown;

    use super::super::export::{Extent, export};
    use super::super::import::{ImportTarget, import};
    use super::super::output::Existing;
    use super::super::place::Where;
    use super::*;

    /// What a later version says of a message, in queue 0 as well.
    fn said() -> Vec<u8> {
        let (mut there, mut out) = (Vec::new(), Vec::new());
        encode_line(7, &mut there);
        Attribute { kind: 901, unknown: Unknown::Skip, value: b"later" }.encode(&mut there);
        Attribute { kind: 900, unknown: Unknown::Skip, value: b"new" }.encode(&mut out);
        InQueue { queue: 0, attributes: Attributes(&there) }.encode(&mut out);
        out
    }

    /// The bodies of all messages, and what is said of them.
    fn found(directory: &DataDirectory) -> Vec<(Bytes, Vec<u8>)> {
        let mut found = Vec::new();
        for shard in 0..directory.shards() {
            let (source, files) = extract(directory, shard, |_, _| {}).expect("it is whole");
            for part in source.queues().iter().flat_map(|queue| source.parts(queue.declared.queue)) {
                let buffer = files.read_part(part.place, part.bytes).expect("readable");
                let messages = source.extracted(&part, buffer.bytes()).into_iter();
                found.extend(messages.map(|Extracted { message, attributes, .. }| (message.body, attributes)));
            }
        }
        found
    }

    #[test]
    fn what_is_said_of_messages_goes_along_into_other_journals_and_other_directories() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        let mut directory = DataDirectory::open(&path, 1, 2 << 20, [3; 16]).expect("it is new");
        let catalogues = [1, 3].map(|shards| Catalogue::new(Placement::new(shards)));
        let [one, three] = &catalogues;
        let target = |catalogue| Target { catalogue, sync: Sync::AfterWrite, min_free_bytes: 0 };
        let mut journal = new_journals(&directory, &target(one)).expect("room").remove(0);
        let (routing, purpose) = (RoutingType::Anycast, Purpose::OnDemand);
        let declared = Declared {
            queue: 0,
            routing,
            purpose,
            address: "orders".into(),
            name: "orders".into(),
            selector: None,
            no_local: None,
        };
        let queue = journal.queue(&declared);
        for (body, attributes) in [(&b"one"[..], said()), (b"two", Vec::new())] {
            let header = Header { durable: true, ..Header::default() };
            let message = Message { header, ..Message::new(Bytes::from_static(body)) };
            journal.message(queue, message, &attributes).expect("room");
        }
        journal.finish().expect("room");
        directory.replace_journals(1).expect("room");
        let expected = [(Bytes::from_static(b"one"), said()), (Bytes::from_static(b"two"), Vec::new())];
        assert_eq!(found(&directory), expected);
        assert_eq!(copy_journals(&mut directory, &target(three), |_| {}).expect("room"), 2);
        assert_eq!(found(&directory), expected, "in other journals");
        drop(directory);

        let file = folder.path().join("export.jsonl").display().to_string();
        let place = |data_dir| Where { data_dir, json: true };
        export(&place(path), &file, Extent::Everything, Existing::Keep).expect("it is whole");
        let other = folder.path().join("other");
        import(&place(other.clone()), &file, ImportTarget { shards: 2, segment_mib: 2 }).expect("it is an export");
        assert_eq!(
            found(&DataDirectory::open_existing(&other).expect("it is there")),
            expected,
            "in another directory"
        );
        // What has to be understood, and is not, is refused with its line.
        let mut wrong = Vec::new();
        Attribute { kind: 900, unknown: Unknown::Refuse, value: b"new" }.encode(&mut wrong);
        let encoded = |bytes: &[u8]| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
        let text = std::fs::read_to_string(&file).expect("text");
        std::fs::write(&file, text.replace(&encoded(&said()), &encoded(&wrong))).expect("room");
        let place = place(folder.path().join("third"));
        let refused =
            import(&place, &file, ImportTarget { shards: 1, segment_mib: 2 }).expect_err("it is not understood");
        assert!(refused.to_string().contains("line 3") && refused.to_string().contains("a newer one"), "{refused}");
    }
}
