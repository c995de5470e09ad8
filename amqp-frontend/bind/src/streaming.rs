//! Messages in parts through a router: both ways between a connection's machine and the home.
//!
//! Guarantees: a sender whose message is ahead of its receivers is held up by its session's window, and nothing else of its connection is; a
//! receiver's parts are called gone when they are in the connection's output and that is not full. A message that a receiver is sent no
//! more of is aborted.

use amqp_proto::{Deliveries, LinkId, Part, Send, Settled, Stage, State};
use bytes::Bytes;
use engine_core::event::Refusal;
use engine_core::message::Message;
use engine_core::stream::{Following, Streamed};
use engine_home::{Arrival, Due, Flow, Home, Placed, Route, Slot, encode_header, routed_within};
use engine_message::{Condition, DecodeError, ErrorKind, section};

use crate::attaching::error;
use crate::bind::{Bind, link_id};
use crate::coordinating::Belongs;
use crate::inbound::Answered;
use crate::leaving::Leaving;
use crate::managing;
use crate::parts::PartIn;

impl Bind {
    /// A part of a message came on a link whose messages a router takes as they come.
    pub(crate) fn handle_part_through(&mut self, home: &mut Home, place: Slot, stage: Stage, part: &PartIn<'_>) {
        let following = match stage {
            Stage::First => return self.begin_through(home, place, part),
            Stage::Aborted => return home.abort_through(place),
            Stage::Next => Following::More,
            Stage::Last => Following::End,
        };
        let bytes = part.owned.cloned().unwrap_or_else(|| Bytes::copy_from_slice(part.bytes));
        let flow = home.continue_through(place, part.settled, bytes, following);
        self.regulate(part.link, flow);
    }

    fn begin_through(&mut self, home: &mut Home, place: Slot, part: &PartIn<'_>) {
        if part.belongs != Belongs::Nowhere {
            let why = error(*routed_within());
            return self.deny(home, (part.link, part.delivery), part.settled, why);
        }
        self.client.messages_in += 1;
        let names = self.names(home, place, part.settled);
        let (placed, flow) = match self.read_beginning(home, place, part) {
            Ok((mut arrival, body)) => {
                arrival.tag = Some(part.tag).filter(|_| names);
                home.begin_through(&self.client, place, &arrival, body)
            }
            // The delivery is at fault, not the link; its credit is given back, as no owner will.
            Err(refusal) => (Placed { credit: 1, refusal: Some(refusal) }, Flow::Same),
        };
        self.regulate(part.link, flow);
        let tag = names.then(|| Bytes::copy_from_slice(part.tag));
        let answered = Answered { delivery: part.delivery, settled: part.settled, tag, transaction: None };
        self.handle_placed(home, part.link, answered, placed);
    }

    /// What the first part of a message says of it, and its octets that travel.
    fn read_beginning<'a>(
        &self,
        home: &Home,
        place: Slot,
        part: &PartIn<'a>,
    ) -> Result<(Arrival<'a>, Bytes), Box<Refusal>> {
        let bytes = part.bytes;
        let sections = section::scan_front(bytes).map_err(unreadable)?;
        let header = section::Header::decode(bytes.get(sections.header.clone()).unwrap_or_default());
        let properties = bytes.get(sections.properties.clone()).unwrap_or_default();
        self.check_user(properties)?;
        let to = section::property_to(properties).map_err(unreadable)?;
        if home.may_request(place) && home.is_management(to.unwrap_or_default()) {
            return Err(Refusal::new(Condition::MessageSizeExceeded, managing::too_large().to_string()));
        }
        let kept = bytes.get(sections.kept()..).unwrap_or_default();
        let body = part.owned.map_or_else(|| Bytes::copy_from_slice(kept), |owned| owned.slice_ref(kept));
        let arrival = Arrival {
            delivery: part.delivery,
            settled: part.settled,
            format: part.format,
            header: header.map_err(unreadable)?,
            properties,
            front: None,
            kept,
            tag: None,
        };
        Ok((arrival, body))
    }

    /// Holds a link's sender up, or lets it go on.
    pub(crate) fn regulate(&mut self, id: LinkId, flow: Flow) {
        match flow {
            Flow::Same => {}
            Flow::Hold => self.machine.hold(id),
            Flow::Release => self.machine.release(id),
        }
    }

    /// Takes what a router says of a message in parts.
    #[cold]
    pub(crate) fn handle_streamed(&mut self, home: &mut Home, route: Route, streamed: Streamed) {
        let (id, place) = (link_id(route.id), route.place);
        match streamed {
            Streamed::Begins { key, stream, octets, message } => {
                self.output.leaving.retain(|leaving| leaving.place != place);
                self.output.leaving.push(Leaving { id, place, key, stream, octets, is_given_back: false });
                self.send_beginning(home, (id, place, key), &message);
            }
            Streamed::Part { bytes, octets, following } => self.send_on(place, &bytes, (octets, following)),
            Streamed::Aborted => self.abort_leaving(home, place),
            // What comes later says more: nothing has to wait for room.
            Streamed::Received { .. } if self.is_full() => {}
            Streamed::Received { delivery, section, offset } => {
                let state = State::Received { section_number: section, section_offset: offset };
                let deliveries = Deliveries::one(delivery);
                self.machine.dispose(id, deliveries, Some(&state), Settled::No, &mut self.out);
            }
            Streamed::Taken { octets } => {
                let flow = home.handle_taken(place, octets);
                self.regulate(id, flow);
            }
        }
    }

    fn send_beginning(&mut self, home: &mut Home, (id, place, key): (LinkId, Slot, u64), message: &Message) {
        match home.give_beginning(place, key, message) {
            None => {}
            Some(Due::Back) => {
                self.output
                    .leaving
                    .iter_mut()
                    .filter(|one| one.place == place)
                    .for_each(|one| one.is_given_back = true);
                home.give_back(place, key);
            }
            Some(due) => {
                let mut header = Vec::new();
                encode_header(&mut header, message, home.engine().wall_ms());
                let (format, body) = (message.format, &message.body);
                let send = Send { key, settled: Settled::No, format, prefix: &header, body, part: Part::First };
                self.client.messages_out += 1;
                self.machine.send(id, send, &mut self.out);
                if due == Due::SendAndCredit {
                    self.pass_credit(home, place, id);
                }
            }
        }
    }

    fn send_on(&mut self, place: Slot, bytes: &Bytes, (octets, following): (u64, Following)) {
        let Some(at) = self.output.leaving.iter().position(|leaving| leaving.place == place) else { return };
        let Some(leaving) = self.output.leaving.get_mut(at) else { return };
        leaving.octets += octets;
        let &mut Leaving { id, key, is_given_back, .. } = leaving;
        let part = match following {
            Following::More => Part::Middle,
            Following::End => {
                self.output.leaving.swap_remove(at);
                Part::Last
            }
        };
        if !is_given_back {
            let send = Send { key, settled: Settled::No, format: 0, prefix: &[], body: bytes, part };
            self.machine.send(id, send, &mut self.out);
        }
    }

    fn abort_leaving(&mut self, home: &mut Home, place: Slot) {
        let Some(at) = self.output.leaving.iter().position(|leaving| leaving.place == place) else { return };
        let Leaving { id, is_given_back, .. } = self.output.leaving.swap_remove(at);
        if is_given_back {
            return;
        }
        let before = self.machine.credit_free(id);
        self.machine.abort(id, &mut self.out);
        // If nothing of it had left, it used none.
        home.give_credit_back(place, self.machine.credit_free(id) - before);
        self.pass_credit(home, place, id);
    }

    /// Tells the router what has left of messages in parts; gives whether there was anything.
    pub(crate) fn pass_on(&mut self, home: &mut Home) -> bool {
        if self.output.leaving.is_empty() || self.is_full() {
            return false;
        }
        let mut told = false;
        let Self { output, machine, .. } = self;
        output.leaving.retain_mut(|leaving| {
            if leaving.octets > 0 && machine.waiting(leaving.id) == 0 {
                home.pass_stream(leaving.stream, std::mem::take(&mut leaving.octets));
                told = true;
            }
            home.end_of(leaving.place).is_some()
        });
        told
    }
}

/// Why a message in parts is refused whose first part cannot be read.
fn unreadable(error: DecodeError) -> Box<Refusal> {
    if error.kind == ErrorKind::Truncated {
        let text = "what stands before the body of a message in parts is larger than its first part may be";
        return Refusal::new(Condition::ResourceLimitExceeded, text);
    }
    Refusal::new(Condition::DecodeError, error.to_string())
}
