//! `directory.json`: what describes a data directory, and what is refused without it.
//!
//! Guarantees: it is replaced whole; no octet of it changes what it says unnoticed; a directory in which messages may
//! be is never taken for an empty one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use storage_journal::Manifest;

use crate::directory::{DirectoryError, sync_directory, system};

/// Version of what is in a data directory.
pub(crate) const FORMAT: u32 = 3;

/// What `directory.json` says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Description {
    format: u32,
    id: String,
    pub shards: u16,
    pub segment_bytes: u64,
    /// Of the others: a digit that is another one makes a journal disappear.
    checksum: u32,
}

impl Description {
    /// That of a directory in this version's format.
    pub fn new(id: [u8; 16], shards: u16, segment_bytes: u64) -> Self {
        let id = id.iter().map(|octet| format!("{octet:02x}")).collect();
        let description = Self { format: FORMAT, id, shards, segment_bytes, checksum: 0 };
        Self { checksum: description.sum(), ..description }
    }

    fn sum(&self) -> u32 {
        let Self { format, id, shards, segment_bytes, checksum: _ } = self;
        crc32c::crc32c(format!("{format} {id} {shards} {segment_bytes}").as_bytes())
    }

    /// The identity, if all of it is what was written.
    fn identity(&self) -> Result<[u8; 16], &'static str> {
        if self.sum() != self.checksum {
            return Err("its checksum does not match");
        }
        let octet = |place: usize| u8::from_str_radix(self.id.get(2 * place..2 * place + 2)?, 16).ok();
        let mut id = [0; 16];
        for (place, value) in id.iter_mut().enumerate() {
            *value = octet(place).ok_or("the identity is not 32 hexadecimal digits")?;
        }
        if self.shards == 0 { Err("it counts no shards") } else { Ok(id) }
    }
}

/// Reads a description; gives the directory's identity as well.
///
/// # Errors
/// When it is not whole, or of another version.
pub(crate) fn read_description(file: &Path) -> Result<Option<(Description, [u8; 16])>, DirectoryError> {
    let bytes = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(system("read", file))?,
    };
    let undescribed = |error| DirectoryError::Description { path: file.to_owned(), error };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(undescribed)?;
    let format = value.get("format").and_then(serde_json::Value::as_u64).and_then(|format| u32::try_from(format).ok());
    if let Some(found) = format.filter(|&found| found != FORMAT) {
        return Err(DirectoryError::Version { path: file.parent().unwrap_or(file).to_owned(), found });
    }
    let description: Description = serde_json::from_value(value).map_err(undescribed)?;
    let id = description.identity().map_err(|what| undescribed(serde::de::Error::custom(what)))?;
    Ok(Some((description, id)))
}

/// Refuses a directory without a description in which messages may be.
///
/// # Errors
/// When they may.
pub(crate) fn refuse_remains(path: &Path) -> Result<(), DirectoryError> {
    let missing = path.join("directory.json");
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(system("read", path))?,
    };
    for entry in entries {
        let found = entry.map_err(system("read", path))?.path();
        let name = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ours = name.starts_with("journal-") || name.starts_with("next-") || name == "large";
        if ours && (name == "next-complete" || holds_messages(&found)) {
            return Err(DirectoryError::Undescribed { path: missing, found });
        }
    }
    Ok(())
}

/// What there is where no description of a data directory is.
pub(crate) fn what_instead(path: &Path) -> DirectoryError {
    let absent = |what| DirectoryError::Absent { path: path.to_owned(), what };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => absent("nothing is there"),
        Err(error) => system("read", path)(error),
        Ok(found) if !found.is_dir() => absent("it is no folder"),
        Ok(_) => refuse_remains(path).err().unwrap_or_else(|| {
            let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            absent(if is_empty { "it is empty" } else { "it has no directory.json, and no messages" })
        }),
    }
}

/// Whether messages may be in a folder of a data directory, or were: a journal that was only made has a manifest that
/// says so.
pub(crate) fn holds_messages(folder: &Path) -> bool {
    let written = |path: PathBuf| match path.extension().and_then(|ending| ending.to_str()) {
        Some("segment" | "checkpoint" | "large") => true,
        _ if path.ends_with("manifest") => {
            fs::read(path).is_ok_and(|bytes| Manifest::read(&bytes).is_ok_and(|found| found.manifest != Manifest::NEW))
        }
        _ => false,
    };
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| written(entry.path()))
}

/// The folders of journals that are there, in the order of their shards.
///
/// # Errors
/// When the system refuses.
pub(crate) fn journals(path: &Path) -> Result<Vec<(u16, PathBuf)>, DirectoryError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(system("read", path))? {
        let path = entry.map_err(system("read", path))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let shard = name.strip_prefix("journal-").and_then(|shard| shard.parse().ok());
        found.extend(shard.filter(|&shard| shard < u16::MAX).map(|shard| (shard, path)));
    }
    found.sort_unstable();
    Ok(found)
}

/// Writes a description, whole or not at all.
///
/// # Errors
/// When the system refuses.
pub(crate) fn write_description(path: &Path, description: &Description) -> Result<(), DirectoryError> {
    let (file, next) = (path.join("directory.json"), path.join("directory.json.new"));
    let text = serde_json::to_vec_pretty(description).unwrap_or_default();
    let write = || -> io::Result<()> {
        let mut out = File::create(&next)?;
        out.write_all(&text)?;
        out.sync_all()?;
        fs::rename(&next, &file)
    };
    write().map_err(system("write", &file))?;
    sync_directory(path)
}
