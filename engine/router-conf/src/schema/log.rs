//! What is logged, and where.

use super::attribute::{Attribute, Kind, Standing, same};
use super::entity_type::{Count, EntityType, Operation};
use crate::words::{Module, Word};

/// Modules of other versions: their logs are about nothing that is there.
pub(crate) const FORMER_MODULES: [&str; 4] = ["CONFIG", "DISPATCH", "TCP_ADAPTOR", "HTTP_ADAPTOR"];

pub(crate) static LOG: EntityType = EntityType {
    section: "log",
    short: "log",
    count: Count::Several,
    operations: &[Operation::Read, Operation::Update],
    standing: Standing::Current,
    about: "What a module logs; what is not set is as module DEFAULT has it",
    own: &[
        Attribute::word("module", Module::WORDS, "Part of the router").required(),
        Attribute::of("enable", Kind::Commas, "Levels that are logged; info+ is info and above; none; default")
            .or_text("default")
            .updated(),
        Attribute::switch("includeTimestamp", "Whether lines begin with the time")
            .updated()
            .formerly(&[same("timestamp")]),
        Attribute::switch("includeSource", "Whether lines end with the place in the program")
            .updated()
            .formerly(&[same("source")]),
        Attribute::text("outputFile", "stderr, stdout, syslog, or the file that lines are added to")
            .updated()
            .formerly(&[same("output")]),
    ],
};
