//! Where messages of a queue go that leave it for another address, by the settings of its own and by its divert.
//!
//! Guarantees: nothing goes to where it comes from.
//!
//! Not here: which messages go, and when (`departures`).

use engine_catalogue::{AddressSettings, lead_from};

use crate::command::RoutingType;

/// Addresses that messages of one queue may go to: for those that nobody could process, those that expired, and those of a divert. They are
/// in the order of the lines of such messages (`cause`).
pub(super) const TARGETS: usize = 3;

/// Where messages of a queue go that would be dropped else.
#[derive(Debug)]
pub(crate) struct Destinations {
    /// The address that they come from.
    pub origin: Box<str>,
    /// By line.
    pub(super) targets: [Option<Box<str>>; TARGETS],
    /// How what a divert leads there is handed out; as its address says without.
    pub(super) routing: Option<RoutingType>,
    /// Failed deliveries after which a message goes to the first of them.
    pub(super) attempts_max: u32,
}

impl Destinations {
    /// Of an address whose messages go somewhere only if somebody moves them.
    pub fn nowhere(address: &str) -> Self {
        Self { origin: address.into(), targets: [None, None, None], routing: None, attempts_max: u32::MAX }
    }

    /// Those of the queues of an address; `None` if there are none. Nothing goes to where it comes from.
    pub fn new(address: &str, settings: &AddressSettings) -> Option<Self> {
        let to = Self::with(address, settings, None);
        to.targets.iter().any(Option::is_some).then_some(to)
    }

    /// Those of the queue of a divert.
    pub fn of_divert(address: &str, settings: &AddressSettings, target: &str, routing: Option<RoutingType>) -> Self {
        Self { routing, ..Self::with(address, settings, Some(target.into())) }
    }

    /// Those of the queue that leads to the subscriptions of a pattern: nothing of it goes anywhere else.
    pub fn of_wildcard(address: &str, pattern: &str) -> Self {
        Self {
            targets: [None, None, Some(pattern.into())],
            routing: Some(RoutingType::Multicast),
            ..Self::nowhere(address)
        }
    }

    fn with(address: &str, settings: &AddressSettings, divert: Option<Box<str>>) -> Self {
        let [dead, expired] =
            [&settings.dead_letter_address, &settings.expiry_address].map(|to| lead_from(to, address));
        let attempts_max = settings.max_delivery_attempts();
        Self { origin: address.into(), targets: [dead, expired, divert], routing: None, attempts_max }
    }
}
