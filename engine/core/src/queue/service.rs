//! What the settings of an address say of who is served by its queues.
//!
//! Guarantees: what they say holds from the next message on; a queue whose settings say nothing of that has no rules because of them.
//!
//! Not here: what the rules are (`precedence`), and when queues are looked at (`gathering`, of the owner).

use engine_catalogue::AddressSettings;

use super::Queue;
use super::consumers::{Gathering, Pause};
use super::picking::Grouping;

/// What becomes of a consumer that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// It is served like others.
    Served,
    /// All that waited are served from now on.
    Last,
    /// It waits; until this time, nanoseconds, if that is to be looked at.
    Waits(Option<u64>),
}

impl Queue {
    /// Consumers are served from now on as the settings of the address say; gives whether somebody may be served who was not.
    pub fn set_service(&mut self, settings: &AddressSettings) -> bool {
        let had_rules = self.consumers.has_rules();
        let names_it = settings.paused_queues.iter().any(|name| *name == *self.identity.name);
        self.consumers.set_pause(if settings.paused || names_it { Pause::Paused } else { Pause::Goes });
        self.consumers.set_grouping(Grouping::new(settings));
        if settings.exclusive {
            self.consumers.begin_exclusive();
        } else {
            self.consumers.end_exclusive();
        }
        if self.consumers.takers() >= settings.consumers_before_dispatch as usize {
            self.consumers.end_gathering();
        }
        had_rules
    }

    /// A consumer came: if it is the first one, the others are waited for that the settings want.
    pub fn handle_came(&mut self, settings: &AddressSettings, now_ns: u64) -> Came {
        let (takers, wanted) = (self.consumers.takers(), settings.consumers_before_dispatch as usize);
        if takers >= wanted {
            return if self.consumers.end_gathering() { Came::Last } else { Came::Served };
        }
        if takers > 1 {
            return if self.consumers.gathers() { Came::Waits(None) } else { Came::Served };
        }
        let until_ns = settings.dispatch_delay_ns().map(|delay_ns| now_ns.saturating_add(delay_ns));
        self.consumers.begin_gathering(Gathering { until_ns });
        Came::Waits(until_ns)
    }
}
