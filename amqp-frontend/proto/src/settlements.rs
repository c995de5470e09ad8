//! Dispositions that a session has to write.
//!
//! Guarantees: neighbouring deliveries with one outcome leave as one disposition, in the order in which they were decided on; one that is
//! larger than the peer's frames leaves shortened.

use amqp_codec::performative::{Disposition, Role, encode_disposition};

use crate::event::Deliveries;
use crate::fitting::shortened_outcome;
use crate::flag::Settled;
use crate::out::Out;
use crate::state::DeliveryOutcome;

/// Deliveries to settle with one disposition.
#[derive(Debug)]
struct Settlement {
    role: Role,
    deliveries: Deliveries,
    settled: Settled,
    outcome: DeliveryOutcome,
}

/// Dispositions that are due.
#[derive(Debug, Default)]
pub(crate) struct Settlements {
    due: Vec<Settlement>,
}

impl Settlements {
    /// Notes that deliveries get an outcome, at the end where we are `role`.
    #[inline]
    pub fn add(&mut self, role: Role, deliveries: Deliveries, settled: Settled, outcome: DeliveryOutcome) {
        if let Some(open) = self.due.last_mut()
            && open.deliveries.last.wrapping_add(1) == deliveries.first
            && open.role == role
            && open.settled == settled
            && open.outcome == outcome
        {
            open.deliveries.last = deliveries.last;
            return;
        }
        self.due.push(Settlement { role, deliveries, settled, outcome });
    }

    /// Writes them, in frames of at most `max_frame` octets.
    pub fn write(&mut self, channel: u16, max_frame: u32, out: &mut Out) {
        for mut settlement in self.due.drain(..) {
            let start = out.buffer().len();
            settlement.write(channel, out);
            if out.buffer().len() - start > max_frame as usize {
                out.buffer().truncate(start);
                settlement.outcome = shortened_outcome(&settlement.outcome, max_frame);
                settlement.write(channel, out);
            }
        }
    }
}

impl Settlement {
    fn write(&self, channel: u16, out: &mut Out) {
        let Self { role, deliveries: Deliveries { first, last }, settled, ref outcome } = *self;
        let mut within = Vec::new();
        let state = Some(outcome.as_state(&mut within));
        let last = (last != first).then_some(last);
        let disposition = Disposition { role, first, last, settled: settled.is_yes(), state, batchable: false };
        encode_disposition(out.buffer(), channel, &disposition);
    }
}
