//! Messages in parts on their way to other routers: on links of their own, so that one whose receiver is slow holds up nothing else.
//!
//! Guarantees: messages keep their order, as what goes by such a link begins at once, there with its first frame, and all links of a connection
//! are told of in the order in which they were sent something. Where none is ready, or something waits already, a message in parts goes by the
//! link of its priority as others do. A link stays as long as its connection; `APART_SPARE` more than are used are asked for, up to what the
//! connection takes.
//!
//! Not here: a neighbour that takes none, and what is between interior and edge.

use engine_core::command::Between;
use engine_core::event::{Event, Refusal};
use engine_core::slab::Key as Place;
use engine_message::section::{self, Sections};
use engine_router::settlement::{OutKind, OutLink};

use crate::end::{End, Named, Receiver, named, of_receiver};
use crate::limits::{APART_FRONT_MAX, APART_SPARE, ENDS_MAX};
use crate::router::{Router, too_many};
use crate::through::connection_key;
use crate::ways::Passing;

impl Router {
    /// Has the beginning of a message go to other routers by links of its own.
    #[cold]
    pub(crate) fn set_apart(&mut self, passing: &Passing) {
        let message = passing.away.as_deref().unwrap_or(&passing.message);
        // It begins there with its first frame, and what stands before its body is to be in that.
        let is_short = |Sections { message_annotations, properties, application_properties, .. }: Sections| {
            message_annotations.end.max(properties.end).max(application_properties.end) <= APART_FRONT_MAX
        };
        if !section::scan_front(&message.body).is_ok_and(is_short) {
            return;
        }
        for at in 0..self.chosen.links.len() {
            let link = self.chosen.links.get(at).copied().and_then(|link| self.apart_from(link));
            if let (Some(link), Some(chosen)) = (link, self.chosen.links.get_mut(at)) {
                *chosen = link;
            }
        }
    }

    /// The link that a message in parts goes by in place of this one; nothing if it is to go by this.
    fn apart_from(&mut self, link: OutLink) -> Option<OutLink> {
        let Named::End(place) = named(link.0) else { return None };
        let Some(End::Receiver(Receiver { key: None, consumer, .. })) = self.ends.get(place) else { return None };
        let connection = self.connection_of(*consumer)?;
        let neighbour = self.neighbours.of_connection(connection)?;
        let is_ready = |place: &Place| {
            let link = of_receiver(*place);
            self.settlement.is_idle(link) && self.settlement.credit(link) > 0
        };
        let ready = neighbour.apart.iter().position(is_ready).filter(|_| self.settlement.is_idle(link));
        let ready = ready.map(|at| {
            // The one that was used longest ago is first: it has most likely been read to its end.
            let place = neighbour.apart.remove(at);
            neighbour.apart.push(place);
            of_receiver(place)
        });
        self.spare_apart(connection, ready);
        ready
    }

    /// Asks for as many links as are to be spare beside one that is used now.
    pub(crate) fn spare_apart(&mut self, connection: u64, used: Option<OutLink>) {
        let Some(neighbour) = self.neighbours.of_connection(connection) else { return };
        let is_spare = |link: &OutLink| Some(*link) != used && self.settlement.is_idle(*link);
        let spare = neighbour.apart.iter().copied().map(of_receiver).filter(is_spare).count();
        let wanted = APART_SPARE.saturating_sub(spare + neighbour.asked);
        let most = usize::from(neighbour.apart_max).saturating_sub(neighbour.apart.len() + neighbour.asked);
        for _ in 0..wanted.min(most) {
            neighbour.asked += 1;
            self.out.told.push((connection_key(self.own.shard, connection), Event::LinkWanted));
        }
    }

    /// A link is there for messages in parts.
    pub(crate) fn attach_apart(&mut self, receiver: Receiver, between: Between) -> Result<Place, Box<Refusal>> {
        let capacity = receiver.capacity;
        let place = self.ends.insert_within(End::Receiver(receiver), ENDS_MAX).map_err(|_| too_many())?;
        if let Some(neighbour) = self.neighbours.of_connection(between.connection) {
            neighbour.asked = neighbour.asked.saturating_sub(1);
            neighbour.apart.push(place);
            neighbour.links += 1;
        }
        self.settlement.handle_out(of_receiver(place), OutKind::Deciding, capacity);
        Ok(place)
    }
}
