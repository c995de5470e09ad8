//! What the settings of an address say of who is served by its queues.
//!
//! Guarantees: what they say holds from the next message on; a queue whose settings say nothing of that has no rules because of them.
//!
//! Not here: what the rules are (`precedence`).

use engine_catalogue::AddressSettings;

use super::Queue;

impl Queue {
    /// Consumers are served from now on as the settings of the address say.
    pub fn set_service(&mut self, settings: &AddressSettings) {
        if settings.exclusive {
            self.consumers.begin_exclusive();
        } else {
            self.consumers.end_exclusive();
        }
    }
}
