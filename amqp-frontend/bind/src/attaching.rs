//! Links that begin and end: an attach becomes a plan for the home, and the owner's answer the peer's.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Role};
use amqp_proto::{Closing, LinkId, SessionId};
use bytes::Bytes;
use engine_core::command::{Carries, DetachMode};
use engine_core::event::{AttachedInfo, Refusal};
use engine_core::key::EndKey;
use engine_home::{Answer, Asked, Home, Moves, Nodes, Peer, Request, Route};
use engine_message::Condition;
use engine_message::value::Value;

use crate::bind::{Bind, Stop, link_id, local};
use crate::{coordinating, joints, lasting, terminus};

impl Bind {
    pub(crate) fn handle_attach(&mut self, home: &mut Home, id: LinkId, attach: Box<Attach>, moves: Moves) {
        let Some(attach) = self.go_through(home, id, attach) else { return };
        let planned = self.plan_between(home, &attach).unwrap_or_else(|| {
            let name = terminus::is_dynamic(&attach).then(|| home.name_node());
            let is_management = |address: &str| home.is_management(address);
            terminus::plan(&attach, &self.client.container, name, home.rules(), is_management)
        });
        let plan = match planned {
            Ok(plan) => self.mark_edge(plan),
            Err(error) => {
                if error.condition == Condition::NotImplemented {
                    // A client may hide it from its user.
                    let (link, error) = (attach.name.clone(), error.to_string());
                    self.requests.push_back(Request::LinkRefused { link, error });
                }
                return self.machine.refuse_attach(id, error, &mut self.out);
            }
        };
        if let Err(error) = self.check_attach(&attach, &plan) {
            return self.machine.refuse_attach(id, error, &mut self.out);
        }
        let plan = lasting::lasting(plan, &attach, &self.client);
        match home.attach(&mut self.client, local(id), plan, moves) {
            Ok(Asked::Owner(place)) => {
                self.set_link(id, Some(place));
                home.name_link(place, &attach.name);
                self.note_outcomes(place, &attach);
                self.attaching.insert(place, attach);
            }
            Ok(Asked::Stands { place, credit }) => {
                self.set_link(id, Some(place));
                home.name_link(place, &attach.name);
                self.note_outcomes(place, &attach);
                let answer =
                    if home.manages(place) { terminus::managing(&attach) } else { coordinating::answer(&attach) };
                self.machine.accept_attach(id, answer, &mut self.out);
                self.machine.grant(id, credit);
            }
            Ok(Asked::Elsewhere { owner }) => {
                self.stop = Some(Stop::Moving(id, attach));
                self.requests.push_back(Request::Move { owner });
            }
            Err(refusal) => self.machine.refuse_attach(id, error(*refusal), &mut self.out),
        }
    }

    /// The owner answered an attach.
    pub(crate) fn handle_attached(&mut self, home: &mut Home, route: Route, end: EndKey, info: &AttachedInfo) {
        let allowed = home.handle_attached(&mut self.client, route.place, end, info);
        if let Err(refusal) = allowed {
            return self.handle_refused(home, route, *refusal);
        }
        let Some(attach) = self.attaching.remove(&route.place) else {
            // We attached it. Credit may have come with its answer.
            self.handle_asked_attached(link_id(route.id));
            self.pass_credit(home, route.place, link_id(route.id));
            return;
        };
        let nodes = home.nodes_of(route.place);
        let mut reply = terminus::reply(&attach, info, nodes);
        match attach.role {
            Role::Sender if home.is_lasting(route.place) => {
                lasting::answer_sender(&mut reply, &attach, info.unsettled.as_deref());
            }
            Role::Sender => {}
            Role::Receiver => lasting::answer_receiver(&mut reply, &attach, info.unsettled.as_deref()),
        }
        self.machine.accept_attach(link_id(route.id), reply, &mut self.out);
        if nodes == Nodes::Stored {
            // Its owner says when it has ended (`Home::release`).
            self.machine.answer_later(link_id(route.id));
        }
        if joints::carries(&attach) == Some(Carries::Parts) {
            self.machine.pass_on(link_id(route.id));
        }
        if attach.role == Role::Receiver && info.unsettled.is_some() {
            self.machine.tag_by_keys(link_id(route.id));
        }
        // Credit may have come with the attach.
        self.pass_credit(home, route.place, link_id(route.id));
        self.handle_answered(home);
    }

    /// The owner refused an attach.
    pub(crate) fn handle_refused(&mut self, home: &mut Home, route: Route, refusal: Refusal) {
        let id = link_id(route.id);
        let attach = self.attaching.remove(&route.place);
        self.outcomes.remove(&route.place);
        home.handle_gone(&mut self.client, route.place);
        self.set_link(id, None);
        let error = error(refusal);
        self.handle_asked_ended(id, || error.to_string());
        if let Some(attach) = attach
            && error.condition == Condition::NotImplemented
        {
            self.requests.push_back(Request::LinkRefused { link: attach.name, error: error.to_string() });
        }
        self.machine.refuse_attach(id, error, &mut self.out);
        self.handle_answered(home);
    }

    /// An attach was answered: what the peer sent behind it may have waited for that.
    pub(crate) fn handle_answered(&mut self, home: &mut Home) {
        if self.machine.is_waiting() && !self.client.paused {
            self.resume(home);
        }
    }

    /// The owner gave a link up: its queue was deleted.
    pub(crate) fn handle_detached(&mut self, home: &mut Home, route: Route, refusal: Refusal) {
        let id = link_id(route.id);
        let nodes = home.nodes_of(route.place);
        home.handle_gone(&mut self.client, route.place);
        self.outcomes.remove(&route.place);
        self.set_link(id, None);
        let error = error(refusal);
        self.handle_asked_ended(id, || error.to_string());
        if self.client.peer != Peer::Client && nodes == Nodes::Routed {
            // Whoever says no to one link between routers says it to the other router.
            return self.close_with(home, error);
        }
        self.machine.detach(id, Closing::Closed, Some(error), &mut self.out);
        // The connection may not have been read for the sake of this link.
        self.read_on(home);
    }

    /// A link ends for what its peer did, with an error; what it still had becomes what its source says.
    pub(crate) fn end_link(&mut self, home: &mut Home, id: LinkId, error: AmqpError) {
        self.handle_half_detached(home, id, Closing::Closed, Some(&error));
        self.drop_link(home, id, DetachMode::Ended);
        self.handle_asked_ended(id, || error.to_string());
        self.machine.detach(id, Closing::Closed, Some(error), &mut self.out);
    }

    /// The peer ended a link, or we do; gives when a detach of the peer may be answered.
    pub(crate) fn drop_link(&mut self, home: &mut Home, id: LinkId, mode: DetachMode) -> Answer {
        let Some(place) = self.link(id) else { return Answer::Now };
        self.set_link(id, None);
        self.attaching.remove(&place);
        self.outcomes.remove(&place);
        home.release(&mut self.client, place, mode)
    }

    /// The peer ended a session.
    pub(crate) fn drop_session(&mut self, home: &mut Home, session: SessionId) {
        let links = self.links.get_mut(usize::from(session.0)).map(std::mem::take);
        for place in links.unwrap_or_default().into_iter().flatten() {
            self.attaching.remove(&place);
            self.outcomes.remove(&place);
            home.release(&mut self.client, place, DetachMode::Ended);
        }
    }
}

/// Why a relay's link ends: a message was refused, and no outcome can say so (AMQP Anonymous Terminus 1.0, 2.2).
pub(crate) fn undelivered(refusal: Refusal, tag: Bytes) -> AmqpError {
    let mut error = error(refusal);
    error.info.insert("delivery-tag", Value::Binary(tag));
    error
}

/// A refusal as AMQP says it.
pub(crate) fn error(refusal: Refusal) -> AmqpError {
    AmqpError::new(refusal.condition, refusal.description)
}
