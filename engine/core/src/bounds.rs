//! The bounds of a queue: what the settings of its address say of how much it has, as numbers.
//!
//! Guarantees: they are made when the queue is, and read where it is at hand; no address is looked up for a message.
//!
//! Not here: the shard's memory and disk (`memory`, `journaling`), and what is done beyond a bound (`credit`, `admission`).

use engine_catalogue::{AddressSettings, WhenFull};

use crate::lifetimes::Lifetimes;
use crate::limits::{REJECT_FACTOR, RETAINED_BYTES};

/// When a queue gets what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gets {
    Always,
    /// While consumers are attached to it; without any it is emptied.
    WhileConsumed,
    /// The same, where consumers only look.
    WhileAttached,
    Never,
}

/// How much a queue has before its producers notice. Messages that consumers hold count as well, but for the soft bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Waiting messages beyond which credit is withheld while consumers take: deep queues cost latency.
    pub soft_messages: u64,
    /// Octets, likewise.
    pub soft_bytes: u64,
    /// Messages beyond which it is full.
    pub max_messages: u64,
    /// Octets beyond which it is full.
    pub max_bytes: u64,
    /// What producers meet then, or when the disk is full.
    pub when_full: WhenFull,
    /// Waiting messages beyond which the oldest leave.
    pub ring: u64,
    /// The same by size, octets.
    pub ring_bytes: u64,
    pub gets: Gets,
    /// How long its address has messages live.
    pub lifetimes: Lifetimes,
    /// Whether messages stand in the order by number, as they replace others, or their priorities hold on disk, too.
    pub names_all: bool,
    /// Whether messages are told when they came (`ingress`).
    pub stamps: bool,
}

impl Bounds {
    pub fn new(settings: &AddressSettings) -> Self {
        let ring = settings.ring_size();
        // What is kept short by dropping the oldest does not have its producers wait.
        let is_ring = ring < u64::MAX;
        Self {
            soft_messages: if is_ring { u64::MAX } else { settings.soft_messages() },
            soft_bytes: if is_ring { u64::MAX } else { settings.soft_bytes() },
            max_messages: settings.max_messages(),
            max_bytes: settings.max_bytes(),
            when_full: settings.when_full,
            ring,
            ring_bytes: u64::MAX,
            names_all: !settings.last_value_key.is_empty() || settings.priorities_on_disk,
            stamps: settings.ingress_timestamp,
            gets: match (settings.enabled, settings.purge_on_no_consumers) {
                (false, _) => Gets::Never,
                (true, true) if settings.non_destructive => Gets::WhileAttached,
                (true, true) => Gets::WhileConsumed,
                (true, false) => Gets::Always,
            },
            lifetimes: Lifetimes::new(settings),
        }
    }

    /// Those of a divert's queue: what it has is not dropped for newer ones, nor for want of consumers.
    pub fn of_divert(settings: &AddressSettings) -> Self {
        let bounds = Self::new(settings);
        let gets = if bounds.gets == Gets::Never { Gets::Never } else { Gets::Always };
        Self { ring: u64::MAX, gets, ..bounds }
    }

    /// Those of the queue of what an address keeps: it has the newest messages, and takes whatever comes.
    pub fn of_retained(settings: &AddressSettings) -> Self {
        Self {
            soft_messages: u64::MAX,
            soft_bytes: u64::MAX,
            max_messages: u64::MAX,
            max_bytes: u64::MAX,
            when_full: WhenFull::Drop,
            ring: settings.retroactive_messages.into(),
            ring_bytes: RETAINED_BYTES,
            names_all: false,
            ..Self::of_divert(settings)
        }
    }

    /// Whether more is asked for each message than how much the queue has.
    pub fn ask_more(&self) -> bool {
        self.ring < u64::MAX
            || self.gets != Gets::Always
            || self.names_all
            || self.stamps
            || self.lifetimes != Lifetimes::AsSent
    }

    /// Messages in the queue from which on it refuses further ones.
    pub fn refused_from_messages(&self) -> u64 {
        self.max_messages.saturating_mul(self.factor())
    }

    /// Octets in the queue with a further message beyond which it is refused.
    pub fn refused_above_bytes(&self) -> u64 {
        self.max_bytes.saturating_mul(self.factor())
    }

    /// Whoever is given no credit may still use what it had.
    fn factor(&self) -> u64 {
        match self.when_full {
            WhenFull::Hold => REJECT_FACTOR,
            WhenFull::Refuse | WhenFull::Drop => 1,
        }
    }
}
