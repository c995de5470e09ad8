//! Queues and messages as lines of JSON, which any version of Heddle reads: out of a data directory, and into a new one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::num::NonZeroU64;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine_core::command::RoutingType;
use engine_core::fact::{Declared, Purpose};
use engine_core::message::{Content, Header, Large, Message};
use engine_shard::placement::Placement;
use engine_shard::store::{Copy, Extract, Recovery};
use serde::{Deserialize, Serialize};
use storage_disk::{DataDirectory, DirectoryError, JournalFiles, LargeFiles, Sync, read_segments};
use storage_journal::format::BLOCK;

use super::copy::{Target, extract, new_journals};
use super::open::identity;
use super::tools::{FILE_PART, Progress, Result, Where, check_file, config, file_parts, report};

/// Length of new segments, octets.
const SEGMENT_BYTES: u64 = 64 << 20;

/// What of a data directory is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it, or nothing.
    Everything,
    /// What can be read.
    Readable,
}

/// A line of an export.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first one.
    Heddle { export: u32 },
    /// A queue; messages that follow are in it.
    Queue { address: String, name: String, multicast: bool, subscription: bool },
    /// A message of the last queue.
    Message {
        priority: u8,
        format: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_ms: Option<NonZeroU64>,
        delivery_count: u32,
        /// What is left of it after this follows in `Part` lines.
        #[serde(default, skip_serializing_if = "is_zero")]
        parts: u64,
        body: String,
    },
    /// The next part of the last message.
    Part { body: String },
}

fn is_zero(parts: &u64) -> bool {
    *parts == 0
}

/// Version of the lines.
const EXPORT: u32 = 1;

/// Writes all queues and messages.
///
/// # Errors
/// When the data is damaged, unless only what can be read is wanted.
pub fn export(place: &Where, output: &str, extent: Extent) -> Result<()> {
    let directory = match extent {
        Extent::Everything => DataDirectory::open_existing(&place.data_dir)?,
        Extent::Readable => DataDirectory::open_damaged(&place.data_dir)?,
    };
    let out: Box<dyn Write> =
        if output == "-" { Box::new(io::stdout().lock()) } else { Box::new(File::create(output)?) };
    let mut out = BufWriter::new(out);
    writeln!(out, "{}", serde_json::to_string(&Line::Heddle { export: EXPORT })?)?;
    let mut progress = Progress::new("exporting");
    let (mut queues, mut messages) = (0, 0_u64);
    for shard in 0..directory.shards() {
        let (source, files) = match extent {
            Extent::Readable => salvage(&directory, shard)?,
            Extent::Everything => extract(&directory, shard)?,
        };
        for queue in source.queues() {
            queues += 1;
            let Declared { routing, purpose, address, name, .. } = &queue.declared;
            let line = Line::Queue {
                address: address.clone(),
                name: name.clone(),
                multicast: *routing == RoutingType::Multicast,
                subscription: *purpose == Purpose::Subscription,
            };
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
            for part in source.parts(queue.declared.queue) {
                let buffer = files.read_part(part.place, part.bytes)?;
                let found = source
                    .messages(&part, buffer.bytes())
                    .map_err(|fault| format!("{}: {fault}", files.segment(part.place.segment).display()))?;
                for (_, message) in found {
                    let lost = message.large().and_then(|large| check_file(&directory.large(), &large).err());
                    match lost {
                        Some(what) if extent == Extent::Everything => return Err(what.into()),
                        Some(what) => eprintln!("left out: {what}"),
                        None => {
                            messages += 1;
                            export_message(&directory.large(), &message, &mut out)?;
                        }
                    }
                }
                progress.tell(|| format!("{messages} messages"));
            }
        }
    }
    drop(progress);
    out.flush()?;
    report(place, &serde_json::json!({ "queues": queues, "messages": messages }), output != "-");
    Ok(())
}

fn export_message(files: &LargeFiles, message: &Message, out: &mut impl Write) -> Result<()> {
    let large = message.large();
    let line = Line::Message {
        priority: message.header.priority,
        format: message.format,
        expires_ms: message.expires_wall_ms,
        delivery_count: message.header.delivery_count,
        parts: large.map_or(0, |large| large.bytes.div_ceil(FILE_PART as u64)),
        body: if large.is_some() { String::new() } else { BASE64_STANDARD.encode(&message.body) },
    };
    writeln!(out, "{}", serde_json::to_string(&line)?)?;
    for part in large.iter().flat_map(|large| file_parts(files, large)) {
        let line = Line::Part { body: BASE64_STANDARD.encode(part?.bytes()) };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(())
}

/// What can be read of a journal.
fn salvage(directory: &DataDirectory, shard: u16) -> Result<(Extract, JournalFiles)> {
    let files = directory.journal(shard);
    let mut recovery = Recovery::new(config(directory, shard));
    read_segments(&files, &files.numbers()?, |part| {
        recovery.salvage_part(part);
        Ok::<_, DirectoryError>(())
    })?;
    let (store, restored, _, _) = recovery.finish();
    Ok((Extract::new(store, restored), files))
}

/// Makes a data directory of an export.
///
/// # Errors
/// When there is one already, or a line is not what it should be.
pub fn import(place: &Where, input: &str, shards: u16) -> Result<()> {
    if place.data_dir.join("directory.json").exists() {
        return Err(format!("{} is a data directory: import makes a new one", place.data_dir.display()).into());
    }
    let mut directory = DataDirectory::open(&place.data_dir, shards.max(1), SEGMENT_BYTES, identity())?;
    let target = Target { shards: shards.max(1), sync: Sync::AfterWrite, min_free_bytes: 0 };
    let files = directory.large();
    std::fs::create_dir_all(place.data_dir.join("large"))?;
    let mut import = Import {
        journals: new_journals(&directory, &target)?,
        placement: Placement::new(target.shards),
        current: None,
        file: None,
        files,
        last_file: 0,
        queues: 0,
        messages: 0,
    };
    let source: Box<dyn BufRead> =
        if input == "-" { Box::new(io::stdin().lock()) } else { Box::new(BufReader::new(File::open(input)?)) };
    let mut progress = Progress::new("importing");
    for (index, line) in source.lines().enumerate() {
        let taken = serde_json::from_str(&line?).map_err(Into::into).and_then(|line| match line {
            Line::Heddle { export: EXPORT } if index == 0 => Ok(()),
            Line::Heddle { export } => Err(format!("version {export} of exports is not known").into()),
            _ if index == 0 => Err("this is no export of heddle data".into()),
            line => import.take(line),
        });
        taken.map_err(|error| format!("line {}: {error}", index + 1))?;
        progress.tell(|| format!("{} messages", import.messages));
    }
    drop(progress);
    let Import { journals, queues, messages, .. } = import;
    for journal in journals {
        journal.finish()?;
    }
    directory.replace_journals(target.shards)?;
    report(place, &serde_json::json!({ "queues": queues, "messages": messages }), true);
    Ok(())
}

/// An import under way.
struct Import {
    journals: Vec<Copy>,
    placement: Placement,
    /// The last queue: its shard and number.
    current: Option<(usize, u64)>,
    /// A message whose parts come.
    file: Option<ImportFile>,
    files: LargeFiles,
    last_file: u64,
    queues: u64,
    messages: u64,
}

struct ImportFile {
    message: Message,
    file: File,
    left: u64,
    bytes: u64,
    checksum: u32,
}

impl Import {
    fn take(&mut self, line: Line) -> Result<()> {
        if self.file.is_some() != matches!(line, Line::Part { .. }) {
            return Err("a part of a message is missing, or out of place".into());
        }
        match line {
            Line::Heddle { .. } => Err("there is more than one export in it".into()),
            Line::Queue { address, name, multicast, subscription } => {
                self.queues += 1;
                let owner = usize::from(self.placement.owner(&address));
                let declared = Declared {
                    queue: 0,
                    routing: if multicast { RoutingType::Multicast } else { RoutingType::Anycast },
                    purpose: if subscription { Purpose::Subscription } else { Purpose::OnDemand },
                    address,
                    name,
                };
                self.current = self.journals.get_mut(owner).map(|journal| (owner, journal.queue(&declared)));
                Ok(())
            }
            Line::Message { priority, format, expires_ms, delivery_count, parts, body } => {
                let body = Bytes::from(BASE64_STANDARD.decode(body)?);
                let header = Header { durable: true, priority, first_acquirer: false, delivery_count };
                let message = Message { header, format, expires_wall_ms: expires_ms, ..Message::new(body) };
                if parts == 0 {
                    return self.put(message);
                }
                self.last_file += 1;
                let file = File::create(self.files.file(self.last_file))?;
                self.file = Some(ImportFile { message, file, left: parts, bytes: 0, checksum: 0 });
                Ok(())
            }
            Line::Part { body } => self.take_part(&BASE64_STANDARD.decode(body)?),
        }
    }

    fn take_part(&mut self, part: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
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
            Some(file) => self.put(Message { body: large.encode(), content: Content::File, ..file.message }),
            None => Ok(()),
        }
    }

    fn put(&mut self, message: Message) -> Result<()> {
        let (owner, queue) = self.current.ok_or("a message without a queue")?;
        if let Some(journal) = self.journals.get_mut(owner) {
            journal.message(queue, message)?;
        }
        self.messages += 1;
        Ok(())
    }
}
