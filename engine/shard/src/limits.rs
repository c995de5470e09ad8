//! Every bound of a shard's journal: its value, its reason, and what happens when it is reached.

/// Segments that a journal may be longer than twice what lives in it: the one that is written, those made ready ahead,
/// and room for emptying the oldest one in peace. Beyond it the oldest is rewritten.
pub const ALLOWANCE_SEGMENTS: u64 = 4;

/// Segments that are ready before they are needed: at 1 GiB/s one of 64 MiB is full in 60 ms, and takes as long to
/// make.
pub const SEGMENTS_AHEAD: u64 = 2;

/// The same of a journal that is longer than its allowance, or will be soon: the third one is what its oldest segment
/// is written again to while the disk is full.
pub const SEGMENTS_AHEAD_LONG: u64 = 3;

/// A journal of so many segments will be longer than its allowance soon: the third one is made in the time in which two
/// are filled, beside those that follow the writer. Producers wait only where a disk makes three segments in no less
/// time.
pub const LONG_SOON_SEGMENTS: u64 = ALLOWANCE_SEGMENTS - 1;

/// While the disk is full nothing is stored that would leave less than so many halves of a segment: one for
/// acknowledgements, and one for what lives in the oldest segment, so that consumers can make room.
pub const KEPT_HALVES: u64 = 2;

/// The same of a journal with the third segment: one for acknowledgements, and a segment and a half for the oldest one,
/// whose messages get longer when they are written again.
pub const KEPT_HALVES_LONG: u64 = 4;

/// How long a batch fills while the disk is full, nanoseconds: acknowledgements that come one by one would each take a
/// block of what is kept for them.
pub const FULL_BATCH_NS: u64 = 20_000_000;

/// Files of segments that are kept to serve again; the others are deleted. Under steady traffic segments leave three or
/// four at a time, as what still lives in the oldest one is written again: that many are used again soon.
pub const SEGMENTS_SPARE: usize = 4;

/// Octets that wait to be written, beyond which producers get no more credit: what a slow disk writes in some tens of
/// milliseconds.
pub const PENDING_HIGH: usize = 16 << 20;

/// Octets below which they get credit again.
pub const PENDING_LOW: usize = 4 << 20;

/// Reads of one shard at once: as many as disks are fastest with.
pub const READS_MAX: usize = 16;

/// Reads of one shard at once for those who only look: one is under way while another is looked at.
pub const CURSOR_READS_MAX: usize = 2;

/// Octets that are read ahead at once: as much as disks give at their full rate, and so little that what is written
/// meanwhile does not wait long behind it.
pub const READING_MAX: usize = 2 << 20;

/// Octets of one read while a segment is rewritten: what they add to a batch costs it some tens of microseconds.
pub const REWRITE_WINDOW: usize = 128 << 10;

/// After a window so many times as much has to be written for others, or the pause to pass: emptying segments takes at
/// most a fifth of what the disk writes.
pub const REWRITE_SHARE: u64 = 4;

/// The pause, nanoseconds.
pub const REWRITE_PAUSE_NS: u64 = 5_000_000;

/// Segments that a journal may be longer still before it is emptied without regard to that.
pub const HURRY_SEGMENTS: u64 = 3;

/// Pause before a full disk is asked for a segment again, nanoseconds.
pub const RETRY_NS: u64 = 500_000_000;

/// Segments between two checkpoints: half a gigabyte, which a replay reads in well under a second, and so rarely that
/// making one costs nobody anything.
pub const CHECKPOINT_SEGMENTS: u64 = 8;

/// Length of most areas that are read, octets: a full batch, and the small ones that begin close to another's start.
pub const AREA_BYTES_USUAL: usize = (1 << 20) + (256 << 10);

/// How long a batch that nobody waits for may fill, nanoseconds: acknowledgements that their consumer has settled
/// already. The next message finds the disk free, and after a crash some messages more are delivered again.
pub const UNAWAITED_NS: u64 = 1_000_000;

/// Octets from which on such a batch is written all the same.
pub const UNAWAITED_BYTES: usize = 64 << 10;

/// How long the last batch stands alone before an empty one follows it, nanoseconds: so rarely that it costs nothing,
/// so soon that hardly a crash comes before it.
pub const MARK_NS: u64 = 100_000_000;

/// How long the manifest may not know how far the journal reaches while that does not rest, nanoseconds: a write of one
/// block each second, which no message waits for.
pub const VOUCH_NS: u64 = 1_000_000_000;

/// Routed messages that wait for room in one lane take no more than one part of so many of the memory that there is for those that are under
/// way: what one shard sends while another one does not look. A further one is released, or dropped and counted if it was sent settled.
pub const ROUTED_BACKLOG_SHARE: u64 = 8;

/// Settled messages for receivers of another shard that wait for room in the lane there: some turns' work. Further ones are dropped and
/// counted, as are those that a receiver does not keep up with (`heddle_router_dropped_late_total`).
pub const SETTLED_BACKLOG_MAX: usize = 8192;
