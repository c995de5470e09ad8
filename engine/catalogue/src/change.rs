//! Changes of the catalogue, and why one is refused.

use crate::definition::{Definition, Kind};

/// Who said something. What the configuration says is changed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration, which is compared with the catalogue at each start, and when it is read again.
    Configuration,
    /// Management, or the node itself.
    Management,
}

/// One change. Several are applied at once or not at all.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "they are few, and are looked at once")]
pub enum Change {
    /// Something is defined, or defined anew.
    Define {
        /// Who says so.
        origin: Origin,
        /// What.
        definition: Definition,
    },
    /// Something is no longer defined.
    Remove {
        /// Who says so.
        origin: Origin,
        /// What it was.
        kind: Kind,
        /// Which of them.
        key: String,
    },
}

impl Change {
    /// Who says so.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::Define { origin, .. } | Self::Remove { origin, .. } => *origin,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> (Kind, &str) {
        match self {
            Self::Define { definition, .. } => (definition.kind(), &definition.key),
            Self::Remove { kind, key, .. } => (*kind, key),
        }
    }
}

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// It means nothing by itself.
    #[error("the {} {key:?}: {wrong}", kind.noun())]
    Wrong {
        /// What it is about.
        kind: Kind,
        /// Which of them.
        key: String,
        /// What is wrong.
        wrong: String,
    },
    /// There is nothing to remove.
    #[error("there is no {} {key:?}", kind.noun())]
    Missing {
        /// What it is about.
        kind: Kind,
        /// Which of them.
        key: String,
    },
    /// The configuration says otherwise, and would again at the next start.
    #[error("the {} {key:?} stands in the configuration: change it there", kind.noun())]
    Configured {
        /// What it is about.
        kind: Kind,
        /// Which of them.
        key: String,
    },
    /// There are too many.
    #[error("there are {most} definitions of the kind {}, which is the limit", kind.noun())]
    Full {
        /// What it is about.
        kind: Kind,
        /// The limit.
        most: usize,
    },
}
