//! `heddle data compact`: the journals written again, with nothing in them that is not needed.
//!
//! Guarantee: the new journals take the place of the old ones as a whole, or not at all (`copy.rs`); queues stay with the owners that the
//! catalogue beside them says.

use engine_catalogue::Placement;
use load_model::number::{counted, octets};
use storage_disk::Sync;

use super::answer::{Channel, Outcome, Progress, Result, tell};
use super::copy::{Target, copy_journals};
use super::place::{self, Where, size};
use crate::catalogue;

/// Writes the journals again.
///
/// # Errors
/// When it is no data directory, a journal is damaged, or the disk fails or is full.
pub(super) fn compact(place: &Where) -> Result<Outcome> {
    let mut directory = place::open(&place.data_dir)?;
    let before = size(&place.data_dir)?;
    let catalogue = catalogue::read(Placement::new(directory.shards()), directory.path())?;
    let target = Target { catalogue: &catalogue, sync: Sync::AfterWrite, min_free_bytes: 0 };
    let mut progress = Progress::new("compacting");
    let messages = copy_journals(&mut directory, &target, |messages| {
        progress.tell(|| counted(messages, "message"));
    })?;
    drop(progress);
    let after = size(&place.data_dir)?;
    let result = serde_json::json!({ "messages": messages, "bytes_before": before, "bytes_after": after });
    let (before, after) = (octets(before), octets(after));
    let text = format!("{} written again: {after} on disk, {before} before", counted(messages, "message"));
    tell(place, Channel::Output, &result, &text)?;
    Ok(Outcome::Everything)
}
