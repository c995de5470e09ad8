//! What comes on links of peers that send, and that outlive their connections: deliveries from before, and word that some are settled.
//!
//! Not here: how such a link is asked for, and what is answered (`lasting`).

use amqp_proto::{Confirmation, Delivery};
use engine_home::{Home, Slot};

use crate::bind::Bind;
use crate::inbound::wanted;
use crate::lasting::take_up;

impl Bind {
    /// Takes a delivery of a link that outlives its connection, if it is one from before; gives whether it was.
    pub(crate) fn take_up(&mut self, home: &mut Home, place: Slot, delivery: &Delivery<'_>) -> bool {
        let transfer = delivery.transfer();
        if transfer.resume {
            let tag = transfer.delivery_tag.unwrap_or_default();
            take_up(home, place, delivery.delivery, wanted(delivery.settled), tag);
        }
        transfer.resume
    }

    /// The peer settled deliveries that it sent: those of its links that outlive their connections are forgotten.
    pub(crate) fn handle_confirmed(&mut self, home: &mut Home, confirmation: &Confirmation) {
        self.pass_confirmed(home, confirmation);
        let Confirmation { session, deliveries, settled, .. } = confirmation;
        let links = self.links.get(usize::from(session.0)).map(Vec::as_slice).unwrap_or_default();
        for &place in links.iter().flatten().filter(|_| settled.is_yes()) {
            if home.is_lasting(place) {
                home.forget(place, deliveries.first, deliveries.last);
            } else {
                home.settle_through(place, deliveries.first, deliveries.last);
            }
        }
    }
}
