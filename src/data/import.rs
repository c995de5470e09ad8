//! `heddle data import`: a new data directory out of what `export` wrote.
//!
//! Guarantees: the directory is whole, or it is not there (after a failure) or refused by everybody (after a kill). A line that is
//! not what it should be is told with its number, and what is allowed. Memory does not grow with a line that has no end.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine_catalogue::{Catalogue, Placement, Resolved};
use engine_core::Origin;
use engine_core::command::RoutingType;
use engine_core::fact::{Declared, Purpose};
use engine_core::limits::NAME_BYTES_MAX;
use engine_core::message::{Content, Header, Large, Message, large_front};
use engine_ledger::{Attributes, in_queues};
use engine_shard::store::{Copy, Store};
use storage_disk::{DataDirectory, LargeFiles, Sync};
use storage_journal::format::BLOCK;

use super::answer::{Channel, Outcome, Progress, Result, quoted, tell};
use super::copy::{Target, new_journals};
use super::large::FILE_PART;
use super::lines::{Line, VERSION, VERSION_ENDLESS};
use super::open::identity;
use super::place::Where;
use load_model::number::{count, counted, octets};

/// Longest first line, octets: what is none of ours is found out before much of it is read.
const FIRST_LINE_MAX: u64 = 4096;
/// What a line has beside a body, octets: names of the longest kind, escaped.
const LINE_EXTRA: u64 = 64 << 10;
/// How often a folder is tried to be removed in which the disk's threads end what they do.
const REMOVALS: u32 = 200;

/// What is said of a message beside its body, octets: a segment has so much room beside the longest body, and a node writes far less.
const ATTRIBUTES_MAX: usize = 32 << 10;

/// What an import is to make.
#[derive(Clone, Copy, Debug)]
pub struct ImportTarget {
    /// For how many shards.
    pub shards: u16,
    /// Length of segments, MiB.
    pub segment_mib: u64,
}

/// Makes a data directory of an export.
///
/// # Errors
/// When there is something already, or a line is not what it should be.
pub fn import(place: &Where, input: &str, target: ImportTarget) -> Result<Outcome> {
    let path = &place.data_dir;
    if path.join("directory.json").exists() && !path.join("import-unfinished").exists() {
        let text =
            format!("{} is a data directory: import makes a new one, name another with --data-dir", path.display());
        return Err(text.into());
    }
    let mut source: Box<dyn BufRead> = match input {
        "-" => Box::new(io::stdin().lock()),
        _ => {
            let file = File::open(input).map_err(|error| format!("cannot read {input}: {error}"))?;
            Box::new(BufReader::new(file))
        }
    };
    // Nothing is made for what is no export.
    let version = first_line(&mut source).map_err(|what| format!("{}, line 1: {what}", name(input)))?;
    let made = Made::of(path);
    let segment_bytes = target.segment_mib << 20;
    let begun = DataDirectory::begin(path, target.shards, segment_bytes, identity());
    let mut directory = begun.inspect_err(|_| made.give_up())?;
    let filled = fill(&mut source, input, version, &directory, target);
    let ended = filled.and_then(|counts| {
        directory.replace_journals(target.shards)?;
        directory.complete()?;
        Ok(counts)
    });
    let (queues, messages) = match ended {
        Ok(counts) => counts,
        Err(error) => {
            drop(directory);
            made.remove()?;
            return Err(error);
        }
    };
    let result = serde_json::json!({ "queues": queues, "messages": messages, "shards": target.shards });
    let text = format!(
        "imported {} of {} into {} for {}",
        counted(messages, "message"),
        counted(queues, "queue"),
        path.display(),
        counted(target.shards.into(), "shard")
    );
    tell(place, Channel::Output, &result, &text)?;
    Ok(Outcome::Everything)
}

fn name(input: &str) -> &str {
    if input == "-" { "standard input" } else { input }
}

/// Looks whether it is an export; gives its version.
fn first_line(source: &mut impl BufRead) -> Result<u32> {
    let line =
        next_line(source, FIRST_LINE_MAX)?.ok_or("it is empty: an export begins with {\"heddle\":{\"export\":2}}")?;
    match serde_json::from_slice(&line) {
        Ok(Line::Heddle { export: version @ (VERSION | VERSION_ENDLESS) }) => Ok(version),
        Ok(Line::Heddle { export }) => Err(format!(
            "the export has version {export}, and this version of Heddle knows {VERSION_ENDLESS} and {VERSION}: use the version \
             that wrote it"
        )
        .into()),
        _ => Err("this is no export of `heddle data export`, which begins with {\"heddle\":{\"export\":2}}".into()),
    }
}

/// The next line without its end, if it is not longer than it may be.
fn next_line(source: &mut impl BufRead, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    source.take(limit).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == limit {
        return Err(format!("it is longer than {}: no line of an export is", octets(limit)).into());
    } else if line.is_empty() {
        return Ok(None);
    } else {
        return Err("it has no end: the file was cut off".into());
    }
    Ok(Some(line))
}

/// Puts all lines into the new journals; gives the number of queues and messages.
fn fill(
    source: &mut impl BufRead,
    input: &str,
    version: u32,
    directory: &DataDirectory,
    target: ImportTarget,
) -> Result<(u64, u64)> {
    let ImportTarget { shards, .. } = target;
    let body_max = Store::body_max(directory.segment_bytes());
    std::fs::create_dir_all(directory.path().join("large"))?;
    let catalogue = Catalogue::new(Placement::new(shards));
    let target = Target { catalogue: &catalogue, sync: Sync::AfterWrite, min_free_bytes: 0 };
    let journals = new_journals(directory, &target)?;
    let mut import = Import {
        journals,
        catalogue,
        current: None,
        known: HashSet::new(),
        file: None,
        files: directory.large(),
        last_file: 0,
        body_max,
        counts: (0, 0),
        is_ended: false,
    };
    let limit = body_max.max(FILE_PART as u64).div_ceil(3) * 4 + LINE_EXTRA;
    let mut progress = Progress::new("importing");
    let mut number = 1_u64;
    loop {
        number += 1;
        let line = next_line(source, limit).and_then(|line| match line {
            Some(line) => import.take(&line).map(|()| true),
            None => Ok(false),
        });
        let more = line.map_err(|error| format!("{}, line {}: {error}", name(input), count(number)))?;
        if !more {
            break;
        }
        progress.tell(|| counted(import.counts.1, "message"));
    }
    drop(progress);
    if import.file.is_some() || (version == VERSION && !import.is_ended) {
        let (queues, messages) = import.counts;
        let so_far = format!("{} of {}", counted(messages, "message"), counted(queues, "queue"));
        let lines = count(number - 1);
        return Err(format!(
            "{}: it ends after line {lines} ({so_far}) without its last line: it was cut off",
            name(input)
        )
        .into());
    }
    let Import { journals, counts, .. } = import;
    journals.into_iter().try_for_each(Copy::finish)?;
    Ok(counts)
}

/// What an import makes, and takes away again when it fails.
struct Made {
    path: PathBuf,
    /// Whether the folder itself was there before.
    was_there: bool,
}

impl Made {
    fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), was_there: path.exists() }
    }

    /// Nothing was made but the folder, if that.
    fn give_up(&self) {
        if !self.was_there {
            // Somebody may have put something into it.
            let _ = std::fs::remove_dir(&self.path);
        }
    }

    fn remove(self) -> Result<()> {
        for try_again in (0..REMOVALS).rev() {
            match self.try_remove() {
                Err(error) if try_again == 0 => {
                    return Err(format!("cannot remove what was made in {}: {error}", self.path.display()).into());
                }
                // A thread of the new journals may have made a file meanwhile.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
                Ok(()) => break,
            }
        }
        Ok(())
    }

    /// What says that it is unfinished goes last.
    fn try_remove(&self) -> io::Result<()> {
        let mut markers = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            match entry.file_name().to_string_lossy().as_ref() {
                "lost+found" => {}
                _ if entry.path().is_dir() => std::fs::remove_dir_all(entry.path())?,
                _ => markers.push(entry.path()),
            }
        }
        // Without its description nobody takes it for a data directory, and it may be tried again.
        markers.sort_by_key(|path| path.ends_with("import-unfinished"));
        markers.iter().try_for_each(std::fs::remove_file)?;
        if self.was_there { Ok(()) } else { std::fs::remove_dir(&self.path) }
    }
}

/// An import under way.
struct Import {
    journals: Vec<Copy>,
    /// Says who owns what; the node that starts with the directory brings to others what its configuration places elsewhere.
    catalogue: Catalogue,
    /// The last queue: its shard and number.
    current: Option<(usize, u64)>,
    /// Names of queues that came.
    known: HashSet<(String, String)>,
    /// A message whose parts come.
    file: Option<ImportFile>,
    files: LargeFiles,
    last_file: u64,
    /// Largest body that a segment takes, octets.
    body_max: u64,
    /// Queues and messages.
    counts: (u64, u64),
    is_ended: bool,
}

struct ImportFile {
    message: Message,
    attributes: Vec<u8>,
    /// Annotations beside the file, and what of its front is kept there.
    beside: Vec<u8>,
    front: Vec<u8>,
    file: File,
    left: u64,
    bytes: u64,
    checksum: u32,
}

impl Import {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        let line: Line = serde_json::from_slice(line).map_err(|error| {
            format!("it is no line of an export ({error}): allowed are queue, message, part and end")
        })?;
        if self.is_ended {
            return Err("it comes behind the last line: one file is one export".into());
        }
        if self.file.is_some() != matches!(line, Line::Part { .. }) {
            return Err(match self.file {
                Some(_) => "a part of a large message is missing: only a part is allowed here",
                None => "a part without a large message: allowed here are queue, message and end",
            }
            .into());
        }
        match line {
            Line::Heddle { .. } => Err("another export begins here: one file is one export".into()),
            Line::Queue { address, name, multicast, subscription, selector, no_local } => {
                let routing = if multicast { RoutingType::Multicast } else { RoutingType::Anycast };
                let purpose = if subscription { Purpose::Subscription } else { Purpose::OnDemand };
                let no_local = no_local.and_then(|number| Origin::from_number(number.get()));
                self.take_queue(Declared { queue: 0, routing, purpose, address, name, selector, no_local })
            }
            Line::Message { priority, format, expires_ms, delivery_count, scheduled, parts, attributes, body } => {
                let body = Bytes::from(decode(&body)?);
                let header = Header { durable: true, priority, scheduled, delivery_count, ..Header::default() };
                let message = Message { header, format, expires_wall_ms: expires_ms, ..Message::new(body) }.regrouped();
                let said = said(&attributes)?;
                if parts == 0 { self.put(message, &said) } else { self.begin_file(message, said, parts) }
            }
            Line::Part { body } => self.take_part(&decode(&body)?),
            Line::End { queues, messages } if (queues, messages) == self.counts => {
                self.is_ended = true;
                Ok(())
            }
            Line::End { queues, messages } => Err(format!(
                "the export says that it has {} of {}, and {} of {} came before it: lines are missing or were added",
                counted(messages, "message"),
                counted(queues, "queue"),
                count(self.counts.1),
                count(self.counts.0)
            )
            .into()),
        }
    }

    fn take_queue(&mut self, declared: Declared) -> Result<()> {
        for name in [&declared.address, &declared.name] {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                let allowed = octets(NAME_BYTES_MAX as u64);
                return Err(format!("a name has {}: 1 B to {allowed} are allowed", octets(name.len() as u64)).into());
            }
        }
        if !self.known.insert((declared.address.clone(), declared.name.clone())) {
            return Err(format!("queue {} comes twice", quoted(&declared.name)).into());
        }
        self.counts.0 += 1;
        let Resolved::Stored { owner } = self.catalogue.resolve(&declared.address);
        let owner = usize::from(owner.shard);
        self.current = self.journals.get_mut(owner).map(|journal| (owner, journal.queue(&declared)));
        Ok(())
    }

    fn begin_file(&mut self, message: Message, attributes: Vec<u8>, parts: u64) -> Result<()> {
        if !message.body.is_empty() {
            return Err("a message of parts has no body of its own".into());
        }
        self.current.ok_or("a message without a queue: a queue comes first")?;
        self.last_file += 1;
        let file = File::create(self.files.file(self.last_file))?;
        self.file = Some(ImportFile {
            message,
            attributes,
            beside: Vec::new(),
            front: Vec::new(),
            file,
            left: parts,
            bytes: 0,
            checksum: 0,
        });
        Ok(())
    }

    fn take_part(&mut self, part: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.bytes == 0 {
            (file.beside, file.front) = (file.message.waiting_beside(part), large_front(part));
        }
        file.file.write_all(part)?;
        file.bytes += part.len() as u64;
        file.checksum = crc32c::crc32c_append(file.checksum, part);
        file.left -= 1;
        if file.left > 0 {
            return Ok(());
        }
        // Files are read in whole blocks.
        file.file.set_len(file.bytes.next_multiple_of(BLOCK as u64))?;
        file.file.sync_all()?;
        let large = Large { id: self.last_file, bytes: file.bytes, checksum: file.checksum };
        match self.file.take() {
            Some(ImportFile { message, attributes, beside, front, .. }) => {
                let message = Message { body: large.encode_with(&beside, &front), content: Content::File, ..message };
                self.put(message.regrouped(), &attributes)
            }
            None => Ok(()),
        }
    }

    fn put(&mut self, message: Message, attributes: &[u8]) -> Result<()> {
        let (owner, queue) = self.current.ok_or("a message without a queue: a queue comes first")?;
        let length = message.body.len() as u64;
        if length > self.body_max {
            return Err(format!(
                "the message has {}, and a segment takes {}: make larger segments with --segment-mib",
                octets(length),
                octets(self.body_max)
            )
            .into());
        }
        if let Some(journal) = self.journals.get_mut(owner) {
            journal.message(queue, message, attributes)?;
        }
        self.counts.1 += 1;
        Ok(())
    }
}

/// What else is said of a message: this version knows of it what has to be understood, or nothing is made of it.
fn said(attributes: &str) -> Result<Vec<u8>> {
    let attributes = decode(attributes)?;
    if attributes.len() > ATTRIBUTES_MAX {
        let (found, allowed) = (octets(attributes.len() as u64), octets(ATTRIBUTES_MAX as u64));
        return Err(format!("the attributes of a message have {found}: at most {allowed} are allowed").into());
    }
    in_queues(Attributes(&attributes), |_| {})?;
    Ok(attributes)
}

fn decode(body: &str) -> Result<Vec<u8>> {
    BASE64_STANDARD.decode(body).map_err(|error| format!("the body is no base64: {error}").into())
}
