//! `heddle data log`: the records of one shard that all have who keep its log, between two of their numbers.
//!
//! Guarantees: they come in the order of their numbers, each once; what was freed, as nothing in it is needed, is told with the first number
//! that is there. Unlike `print` it reads only where they lie, and stops at what is damaged.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write as _};

use storage_disk::{EntriesError, Log};
use storage_journal::{Freed, Place, SharedPart};

use super::answer::{Outcome, Progress, Result};
use super::copy::disk_config;
use super::place::{self, Where, shard_of};
use super::print::{Names, head, note_name, record_json, record_text};
use super::recover::recover;
use load_model::number::count;
use storage_disk::Sync;

/// Octets that are read at once.
const AREA_BYTES: usize = 4 << 20;

/// Which records.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Of which shard; needed if there is more than one.
    pub shard: Option<u16>,
    /// From this number on, or from the first one that is there.
    pub from: Option<u64>,
    /// Up to this number, or to the last one.
    pub to: Option<u64>,
}

/// Prints them.
///
/// # Errors
/// When it is no data directory, the journal is damaged, or what is wanted is not there.
pub fn log(place: &Where, wanted: Wanted) -> Result<Outcome> {
    let directory = place::open(&place.data_dir)?;
    let shard = shard_of(&directory, wanted.shard)?;
    let files = directory.journal(shard);
    let mut progress = Progress::new("reading");
    let recovered = recover(disk_config(&directory, shard, Sync::AfterWrite, 0), files.clone(), |segment, of| {
        progress.tell(|| format!("shard {shard}: segment {segment} of {of}"));
    })?;
    drop(progress);
    let (store, restored) = recovered.into_parts();
    let mut names: Names =
        restored.into_iter().map(|queue| (queue.declared.queue, queue.declared.name)).collect::<HashMap<_, _>>();
    let last = store.durable().shared - 1;
    let first = store.segments().begin_of(0).min(last + 1);
    let (from, to) = (wanted.from.unwrap_or(first), wanted.to.unwrap_or(last));
    if from > last && wanted.from.is_some() {
        return Err(format!(
            "there is no record with number {}: the log of shard {shard} ends with {}",
            count(from),
            count(last)
        )
        .into());
    }
    if from > to && wanted.to.is_some() {
        return Err(format!(
            "--from {from} is behind --to {to}: name a number from {} to {}",
            count(first),
            count(last)
        )
        .into());
    }
    let log = Log { files: &files, directory: directory.id(), segments: store.segments() };
    let mut out = BufWriter::new(io::stdout().lock());
    if !place.json {
        writeln!(out, "{}", head())?;
    }
    let end = to.min(last) + 1;
    let mut next = from;
    while next < end {
        let mut written = Ok(());
        let read = log.entries(next..end, AREA_BYTES, |at, part| {
            if written.is_ok() {
                written = print(&mut out, Line { shard, at, from, end, json: place.json }, &part, &mut names);
            }
        });
        written?;
        let behind = read.map_err(|error| told(error, shard))?;
        if behind == next {
            break;
        }
        next = behind;
    }
    out.flush()?;
    Ok(Outcome::Everything)
}

/// What the lines of a part have in common.
struct Line {
    shard: u16,
    at: Place,
    from: u64,
    /// The first number that is not wanted.
    end: u64,
    json: bool,
}

fn print(out: &mut impl io::Write, line: Line, part: &SharedPart<'_>, names: &mut Names) -> Result<()> {
    let mut written = Ok(());
    let Line { shard, at, from, end, json } = line;
    part.records(|record| {
        note_name(&record, names);
        if written.is_err() || record.number < from || record.number >= end {
            return;
        }
        written = match json {
            true => {
                let mut found = record_json(shard, at, &record);
                found["part"] = part.header.number.into();
                found["term"] = part.header.term.into();
                writeln!(out, "{found}")
            }
            false => writeln!(out, "{}", record_text(shard, at, &record, names)),
        };
    })?;
    Ok(written?)
}

/// Why they cannot be read, and what to do.
fn told(error: EntriesError, shard: u16) -> String {
    match error {
        EntriesError::Freed(Freed { number, first }) => format!(
            "the record with number {} of shard {shard} was freed, as nothing in its segment is needed any more: the first one that is \
             there has number {}, name that with --from {first}",
            count(number),
            count(first)
        ),
        EntriesError::Directory(error) => error.to_string(),
        EntriesError::Damaged(fault) => format!(
            "the journal is damaged: {fault}. `heddle data check` tells more, `heddle data print` goes on behind it"
        ),
    }
}
