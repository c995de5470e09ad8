//! What all connections of a worker have in common, lent to them for a call.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use load_model::interval::INTERVAL_NS;
use load_model::ledger::{Budget, Insert, LEDGER_BYTES_MAX, Place, PlaceKind};
use load_model::scenario::Scenario;
use load_model::sizes::largest;
use load_model::stamp::{FillerSums, STAMP_BYTES, filler};

use super::tally::Tally;
use super::wakes::Wakes;

/// What all connections of a worker have in common.
pub(crate) struct Shared {
    /// What is to be done.
    pub scenario: Arc<Scenario>,
    /// Now, nanoseconds of the run; 0 before it begins.
    pub now_ns: u64,
    /// Whether it has begun.
    pub has_begun: bool,
    /// The number that stamps carry: what another run left is told apart by it.
    pub run: u32,
    /// Nothing that is due then or later is sent.
    pub stop_ns: u64,
    /// Whether that time is over: what was due before it and was not sent by then is not sent any more.
    pub is_stopped: bool,
    /// Where the interval that goes on ends.
    pub interval_end_ns: u64,
    /// Messages that came before the run began.
    pub leftovers: u64,
    /// Each group.
    pub tallies: Vec<Tally>,
    /// Where messages came.
    pub places: Vec<Place>,
    place_of: HashMap<(u32, PlaceKind), usize>,
    /// Memory for ledgers.
    pub budget: Budget,
    /// Whether it did not suffice.
    pub is_full: bool,
    /// Whether a connection broke on which messages passed; `Absence` takes it.
    pub has_broken: bool,
    /// What is to be done later.
    pub wakes: Wakes,
    /// When a message or an outcome last came, nanoseconds of the run.
    pub heard_ns: u64,
    /// Messages and replies that came for the first time, of the whole run.
    pub came: u64,
    filler: Bytes,
    sums: FillerSums,
}

impl Shared {
    /// Of a scenario, before the run.
    pub fn new(scenario: &Arc<Scenario>) -> Self {
        let sending = scenario.groups.iter().filter(|group| group.producers > 0 || group.consumers > 0);
        let bytes = sending.map(|group| largest(&group.size)).max().unwrap_or(STAMP_BYTES) - STAMP_BYTES;
        let filler = filler(bytes, scenario.seed);
        Self {
            scenario: Arc::clone(scenario),
            now_ns: 0,
            has_begun: false,
            run: 0,
            stop_ns: u64::MAX,
            is_stopped: false,
            interval_end_ns: INTERVAL_NS,
            leftovers: 0,
            tallies: scenario.groups.iter().map(|_| Tally::default()).collect(),
            places: Vec::new(),
            place_of: HashMap::new(),
            budget: Budget { left_bytes: LEDGER_BYTES_MAX },
            is_full: false,
            has_broken: false,
            wakes: Wakes::default(),
            heard_ns: 0,
            came: 0,
            sums: FillerSums::new(&filler),
            filler: filler.into(),
        }
    }

    /// What stands behind the stamp of a body of `bytes` octets, and its sum.
    pub fn filler(&self, bytes: usize) -> (Bytes, u32) {
        let filler = self.filler.slice(..bytes.saturating_sub(STAMP_BYTES).min(self.filler.len()));
        let sum = self.sums.sum(&filler);
        (filler, sum)
    }

    /// The place of a kind, made if there is none yet.
    pub fn place(&mut self, group: u32, kind: PlaceKind) -> usize {
        if let Some(&known) = self.place_of.get(&(group, kind)) {
            return known;
        }
        if let Some(spec) = self.scenario.groups.get(group as usize) {
            self.places.push(Place::new(group, spec, kind));
        }
        self.place_of.insert((group, kind), self.places.len() - 1);
        self.places.len() - 1
    }

    /// Notes that the ledger refused a number.
    #[inline]
    pub fn note(&mut self, seen: Insert) {
        self.is_full |= seen == Insert::Refused;
    }
}
