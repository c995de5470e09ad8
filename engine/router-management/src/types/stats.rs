//! What is counted beside the traffic, and management itself.

use engine_router_conf::schema::{Attribute, Count, EntityType, Operation, Standing};

use super::attribute::{map, number, text};

const fn counted(short: &'static str, own: &'static [Attribute], about: &'static str) -> EntityType {
    EntityType {
        section: short,
        short,
        count: Count::Several,
        operations: &[Operation::Read],
        standing: Standing::Current,
        own,
        about,
    }
}

/// Management itself.
pub static MANAGEMENT: EntityType = EntityType {
    section: "management",
    short: "management",
    count: Count::One,
    operations: &[Operation::Read],
    standing: Standing::Current,
    own: &[],
    about: "Management itself, which is asked about all entities",
};

/// Lines that a part of the router logged.
pub static LOG_STATS: EntityType = counted(
    "logStats",
    &[
        number("traceCount", "Lines of level trace"),
        number("debugCount", "Lines of level debug"),
        number("infoCount", "Lines of level info"),
        number("noticeCount", "Lines of level notice"),
        number("warningCount", "Lines of level warning"),
        number("errorCount", "Lines of level error"),
        number("criticalCount", "Lines of level critical"),
    ],
    "Lines that a part of the router logged",
);

/// Memory by what it is for. There are no pools of memory here, and no rows.
pub static ALLOCATOR: EntityType = counted(
    "allocator",
    &[
        text("typeName", "What the memory is for"),
        number("typeSize", "Octets of one"),
        number("transferBatchSize", "How many move between pools at once"),
        number("localFreeListMax", "How many a thread keeps"),
        number("globalFreeListMax", "How many all keep"),
        number("totalAllocFromHeap", "How many were allocated"),
        number("totalFreeToHeap", "How many were given back"),
        number("heldByThreads", "How many threads have"),
        number("batchesRebalancedToThreads", "Batches that went to threads"),
        number("batchesRebalancedToGlobal", "Batches that came from threads"),
    ],
    "Memory by what it is for",
);

/// What a vhost let in and refused.
pub static VHOST_STATS: EntityType = counted(
    "vhostStats",
    &[
        text("id", "Host name of the vhost"),
        text("hostname", "The same"),
        number("connectionsApproved", "Connections that were let in"),
        number("connectionsDenied", "Connections that were refused"),
        number("connectionsCurrent", "Connections now"),
        map("perUserState", "Connections by user"),
        map("perHostState", "Connections by host"),
        number("sessionDenied", "Sessions that were refused"),
        number("senderDenied", "Links of senders that were refused"),
        number("receiverDenied", "Links of receivers that were refused"),
        number("maxMessageSizeDenied", "Messages that were too large"),
    ],
    "What a vhost let in and refused",
);
