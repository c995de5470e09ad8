//! Requests to management as AMQP has them: messages on a link to `$management`, whose answers go where they say (`reply-to`).
//!
//! Guarantees: a request is passed on as it came, with who sent it, and accepted; one that is too large is rejected, and nothing is done about it.
//!
//! Not here: what it asks for, and its answer (whoever hosts the node: `Request::Manage`).

use amqp_codec::AmqpError;
use amqp_proto::{Delivery, DeliveryOutcome};
use bytes::Bytes;
use engine_home::limits::REQUEST_BYTES_MAX;
use engine_home::{Home, Managed, Request, Slot};
use engine_message::Condition;

use crate::bind::Bind;
use crate::inbound::wanted;

/// Why a request is rejected that is too large.
pub(crate) fn too_large() -> AmqpError {
    let text = format!("a request to management has at most {REQUEST_BYTES_MAX} bytes");
    AmqpError::new(Condition::MessageSizeExceeded, text)
}

impl Bind {
    /// A request came through another router, which has its answer already.
    #[cold]
    pub(crate) fn handle_request(&mut self, message: Bytes) {
        if message.len() <= REQUEST_BYTES_MAX {
            let user = self.client.user.clone();
            self.requests.push_back(Request::Manage(Box::new(Managed { user, message })));
        }
    }

    /// A message came on a link to management.
    #[cold]
    pub(crate) fn handle_managed(&mut self, home: &mut Home, place: Slot, delivery: &Delivery<'_>) {
        self.machine.grant(delivery.link, 1);
        let outcome = if delivery.payload.len() > REQUEST_BYTES_MAX {
            DeliveryOutcome::Rejected(Some(Box::new(too_large())))
        } else {
            home.note_request(place, wanted(delivery.settled));
            let (user, message) = (self.client.user.clone(), Bytes::copy_from_slice(delivery.payload));
            self.requests.push_back(Request::Manage(Box::new(Managed { user, message })));
            DeliveryOutcome::Accepted
        };
        if !delivery.settled.is_yes() {
            self.machine.settle(delivery.link, delivery.delivery, delivery.delivery, outcome);
        }
    }
}
