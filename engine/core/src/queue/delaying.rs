//! Messages of a queue that are given again after a while.
//!
//! Guarantees: one that waits is with nobody, and counts as one of the queue's; it comes back to the place that it would have had at once.
//!
//! Not here: how long it waits (`order`), and who looks at the queue then (`redelivery`).

use engine_catalogue::AddressSettings;

use super::Queue;
use super::order::Delays;

impl Queue {
    /// Messages wait from now on as the settings of the address say.
    pub fn set_delays(&mut self, settings: &AddressSettings) {
        self.order.set_delays(Delays::new(settings));
    }

    /// When the first message is due that waits, nanoseconds.
    pub fn first_redelivery(&self) -> Option<u64> {
        self.order.first_due()
    }

    /// It is to be looked at at that time; gives whether the agenda has to be told.
    pub fn note_redelivery(&mut self, at_ns: u64) -> bool {
        self.order.note_due(at_ns)
    }

    /// The agenda named it for that time; gives whether it does not any more.
    pub fn take_noted_redelivery(&mut self, at_ns: u64) -> bool {
        self.order.take_noted_due(at_ns)
    }

    /// Messages that wait.
    pub fn delayed(&self) -> usize {
        self.order.delayed_count()
    }

    /// Puts at most `max` messages back that are due; gives how many.
    pub fn return_due(&mut self, now_ns: u64, max: u32) -> u32 {
        let mut returned = 0;
        while returned < max
            && let Some((sequence, held)) = self.order.take_due(now_ns)
        {
            self.give_back(sequence, held);
            returned += 1;
        }
        returned
    }
}
