//! From AMQP to the home: what each event of a connection's machine becomes.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Open, bundled};
use amqp_proto::{
    Authenticated, Closing, Credentials, Delivery, DeliveryOutcome, Drain, Event, Head, Input, LinkId, Payload,
    Settling, State, Update, Updated,
};
use bytes::Bytes;
use engine_core::command::{self, DetachMode, Settled};
use engine_core::event::{KEY_NONE, Refusal};
use engine_core::preface::LeftOut;
use engine_core::through::Part;
use engine_home::{
    Answer, Arrival, Closed, Home, OwnerEnd, Placed, Request, Slot, TakenBack, TransactionId, asks_more,
};
use engine_message::{Condition, DecodeError, ErrorKind, section};

use crate::attaching::{error, undelivered};
use crate::bind::{Bind, Stop};
use crate::coordinating::{self, Belongs};
use crate::halves::Came;
use crate::outcome::{self, Outcomes};
use crate::parts::PartIn;
use crate::prefaces::Unknown;

/// A delivery that is to be answered.
pub(crate) struct Answered {
    pub delivery: u32,
    /// Whether an outcome is wanted.
    pub settled: Settled,
    /// Its tag, if a refusal ends its link.
    pub tag: Option<Bytes>,
    /// The transaction that it belongs to.
    pub transaction: Option<TransactionId>,
}

/// Who is told of a delivery's outcome.
#[derive(Clone, Copy)]
enum Whom {
    Owner(OwnerEnd),
    /// The router, of a link that is counted.
    Router(Slot, OwnerEnd),
    Nobody,
    /// Nobody: its link ends, as its source does not list the outcome.
    Unlisted(Slot),
    /// The other half of a link that passes through.
    Half(Slot),
}

impl Bind {
    // Not part of the loop over plain messages, which is dearer for each with it.
    #[inline(never)]
    pub(crate) fn handle_amqp(&mut self, home: &mut Home, event: Event<'_>) {
        match event {
            Event::Delivery { link, delivery, settled, format, head, payload } => {
                let (whole, owned) = match payload {
                    Payload::Borrowed(bytes) => (bytes, None),
                    Payload::Owned(bytes) => (&[][..], Some(bytes)),
                };
                let payload = owned.as_deref().unwrap_or(whole);
                let belongs = coordinating::belongs(&head);
                let tag = head.transfer().delivery_tag.unwrap_or_default();
                let delivery = Delivery { link, delivery, tag, format, settled, head: head.as_bytes(), payload };
                self.handle_delivery(home, &delivery, owned.as_ref(), belongs);
            }
            Event::Part { link, delivery, settled, format, stage, head, payload } => {
                if let Some(place) = self.half_at(link) {
                    let head = head.as_ref().map(Head::as_bytes).unwrap_or_default();
                    return self.pass_part(home, place, (delivery, settled, format), (stage, head), &payload);
                }
                let (bytes, owned) = match &payload {
                    Payload::Borrowed(bytes) => (*bytes, None),
                    Payload::Owned(bytes) => (bytes.as_ref(), Some(bytes)),
                };
                let belongs = head.as_ref().map_or(Belongs::Nowhere, coordinating::belongs);
                let transfer = head.as_ref().map(|head| head.transfer());
                let tag = transfer.as_ref().and_then(|transfer| transfer.delivery_tag).unwrap_or_default();
                let is_resumed = transfer.is_some_and(|transfer| transfer.resume);
                let settled = wanted(settled);
                let part = PartIn { link, delivery, settled, format, belongs, tag, is_resumed, bytes, owned };
                self.handle_part(home, stage, &part);
            }
            // No owner hears of it, nor another half: its credit is given back here.
            Event::Ignored { link, .. } => self.machine.grant(link, 1),
            Event::Settled(outcome) => self.handle_outcome(home, outcome),
            Event::Updated(update) => self.handle_update(home, *update),
            Event::Credit { link, credit, drain } => self.handle_credit(home, link, credit, drain),
            Event::Tls => {
                self.stop = Some(Stop::Tls);
                self.requests.push_back(Request::Tls);
            }
            Event::Authenticate(credentials) => self.authenticate(credentials),
            Event::OpenAsked(open) => self.handle_open(home, *open),
            Event::Attached(link, answer) => self.handle_answer(home, link, &answer),
            // Links that we attach need no session's answer.
            Event::Begun(_) => {}
            Event::Drained(link) => self.pass_drained(home, link),
            Event::Confirmed(confirmation) => self.handle_confirmed(home, &confirmation),
            Event::Opened(open) => self.handle_opened(*open),
            Event::AttachAsked(link, attach) => self.handle_attach(home, link, attach, self.moves),
            Event::Detached { link, closing, error } => self.handle_peer_detached(home, link, closing, error),
            Event::Ended(session, error) => {
                let why = error.map_or_else(|| "the peer ended the session".to_owned(), |error| error.to_string());
                tracing::debug!(target: "heddle::net", %why, "session ended");
                self.handle_halves_session(home, session);
                self.drop_session(home, session);
                self.handle_asked_session_ended(session, &why);
            }
            Event::Closed(error) => {
                // Whoever says nothing any more, or nothing that can be understood, did not process what it has.
                let mode = if error.is_some() { DetachMode::Lost } else { DetachMode::Ended };
                if let Some(error) = error {
                    self.requests.push_back(Request::Closed(self.closed(&error)));
                }
                self.drop_links(home, mode);
            }
        }
    }

    /// The peer ended a link, or an error of its did.
    fn handle_peer_detached(&mut self, home: &mut Home, link: LinkId, closing: Closing, error: Option<Box<AmqpError>>) {
        if let Some(error) = &error {
            tracing::debug!(target: "heddle::net", %error, "link detached");
            self.end_oversized(home, link, error);
        }
        if self.handle_half_detached(home, link, closing, error.as_deref()) {
            return;
        }
        let mode = match closing {
            Closing::Closed => DetachMode::Close,
            Closing::Suspended => DetachMode::Suspend,
        };
        if self.drop_link(home, link, mode) == Answer::Now {
            self.machine.detach(link, closing, None, &mut self.out);
        }
        self.handle_asked_ended(link, || {
            error.map_or_else(|| "the peer detached".to_owned(), |error| error.to_string())
        });
    }

    fn authenticate(&mut self, credentials: Credentials) {
        match credentials {
            Credentials::Anonymous => {
                self.client.user = "anonymous".to_owned();
                self.machine.authenticated(Authenticated::Yes, &mut self.out);
            }
            Credentials::Plain { user, password } => {
                self.client.user.clone_from(&user);
                self.requests.push_back(Request::Verify(engine_home::Password { user, password }));
            }
            // No listener offers it, so that nobody comes this far with it.
            Credentials::External => self.machine.authenticated(Authenticated::No, &mut self.out),
        }
    }

    /// The peer that was connected to answered our open.
    fn handle_opened(&mut self, open: Open) {
        self.note_open(&open);
        self.client.container = open.container_id;
        self.opened = true;
        self.requests.push_back(Request::Opened);
    }

    fn closed(&self, error: &AmqpError) -> Closed {
        if !self.opened && error.condition == Condition::UnauthorizedAccess {
            return Closed::NotLetIn(error.description.clone().unwrap_or_default());
        }
        Closed::Error(error.to_string())
    }

    /// Takes messages the short way, to the owners of their links' addresses, until something else comes; a message that needs
    /// more than that is given back.
    #[inline]
    pub(crate) fn take_plain<'a>(
        &mut self,
        home: &mut Home,
        now_ns: u64,
        input: &mut Input<'a>,
    ) -> Option<Delivery<'a>> {
        let (is_watched, is_together) = (self.is_watched(), self.output.is_together);
        // Called here alone, so that it is part of this.
        while let Some(delivery) = self.machine.next_delivery(now_ns, input) {
            if is_watched {
                return Some(delivery);
            }
            let Some(mut entrance) = self.link(delivery.link).and_then(|place| home.entrance(place)) else {
                return Some(delivery);
            };
            if is_together && !entrance.keeps() && bundled(delivery.tag).is_some() {
                return Some(delivery);
            }
            let Ok(front) = section::front(delivery.payload) else { return Some(delivery) };
            let Ok(header) = header(delivery.payload, front.header_end) else { return Some(delivery) };
            let kept = delivery.payload.get(front.kept..).unwrap_or_default();
            if front.described && entrance.keeps() && asks_more(kept) {
                return Some(delivery);
            }
            let said = match &mut self.output.prefaces {
                // What is stored comes on links of another router's clients, whose tags are theirs.
                Some(prefaces) if !entrance.keeps() => {
                    let Ok(said) = prefaces.read(delivery.tag, kept) else { return Some(delivery) };
                    said
                }
                Some(_) | None => None,
            };
            self.client.messages_in += 1;
            entrance.enter(&Arrival {
                delivery: delivery.delivery,
                settled: wanted(delivery.settled),
                format: delivery.format,
                header,
                properties: delivery.payload.get(front.properties).unwrap_or_default(),
                front: said,
                kept,
                tag: None,
            });
        }
        None
    }

    /// Takes a message the long way; `owned` is its payload if that needs no copy.
    pub(crate) fn handle_delivery(
        &mut self,
        home: &mut Home,
        delivery: &Delivery<'_>,
        owned: Option<&Bytes>,
        belongs: Belongs,
    ) {
        let Some(place) = self.link(delivery.link) else { return };
        if home.is_half(place) {
            let Delivery { delivery, format, settled, head, payload, .. } = *delivery;
            let came = Came { delivery, settled, format, part: Part::Whole, head, payload, owned };
            return self.pass_in(home, place, &came);
        }
        // On others of its links tags are the peer's clients', or it is no router of ours.
        let is_between = self.output.prefaces.is_some() && home.sends_routed(place);
        if is_between
            && self.output.is_together
            && let Some(messages) = bundled(delivery.tag)
        {
            return self.take_together(home, place, delivery, messages);
        }
        self.client.messages_in += 1;
        if home.coordinates(place) {
            return self.handle_control(home, place, delivery);
        }
        if home.manages(place) {
            return self.handle_managed(home, place, delivery);
        }
        let lasts = home.is_lasting(place);
        if lasts && self.take_up(home, place, delivery) {
            return;
        }
        let scanned = section::scan(delivery.payload);
        if is_between {
            self.hear_preface(delivery, scanned.as_ref());
        }
        let parsed = scanned.and_then(|sections| Ok((header(delivery.payload, sections.header.end)?, sections)));
        if home.may_request(place)
            && let Ok((_, sections)) = &parsed
            && home.is_management(named(delivery.payload, sections))
        {
            return self.handle_managed(home, place, delivery);
        }
        let settled = wanted(delivery.settled);
        let transaction = match belongs {
            Belongs::Nowhere => None,
            belongs => match self.transaction_of(home, belongs, (delivery.link, delivery.delivery), settled) {
                None => return,
                found => found,
            },
        };
        let names = self.names(home, place, settled);
        let tag = if names || lasts { delivery.transfer().delivery_tag } else { None };
        let front = || if is_between { self.preface_of(delivery) } else { Ok(None) };
        let placed = match parsed.and_then(|parsed| Ok((parsed, front()?))) {
            Ok(((header, sections), front)) => {
                let arrival = Arrival {
                    delivery: delivery.delivery,
                    settled,
                    format: delivery.format,
                    header,
                    properties: delivery.payload.get(sections.properties.clone()).unwrap_or_default(),
                    front,
                    kept: delivery.payload.get(sections.kept()..).unwrap_or_default(),
                    tag,
                };
                match self.check_user(arrival.properties) {
                    Ok(()) => home.enter(&self.client, place, &arrival, owned, transaction),
                    Err(refusal) => Placed { credit: 1, refusal: Some(refusal) },
                }
            }
            // The delivery is at fault, not the link; its credit is given back, as no owner will.
            Err(error) => Placed { credit: 1, refusal: Some(Refusal::new(Condition::DecodeError, error.to_string())) },
        };
        let tag = tag.filter(|_| names).map(Bytes::copy_from_slice);
        let answered = Answered { delivery: delivery.delivery, settled, tag, transaction };
        self.handle_placed(home, delivery.link, answered, placed);
    }

    /// Notes what another router says once in front of this message.
    pub(crate) fn hear_preface(&mut self, delivery: &Delivery<'_>, sections: Result<&section::Sections, &DecodeError>) {
        if let (Some(prefaces), Ok(sections)) = (&mut self.output.prefaces, sections) {
            prefaces.hear(delivery.tag, delivery.payload.get(sections.kept()..).unwrap_or_default());
        }
    }

    /// What stands before a message and is not in it, if something is left out.
    fn preface_of(&self, delivery: &Delivery<'_>) -> Result<Option<&LeftOut>, DecodeError> {
        let Some(prefaces) = &self.output.prefaces else { return Ok(None) };
        let unknown = |Unknown| DecodeError { kind: ErrorKind::InvalidField("delivery-tag"), offset: 0 };
        prefaces.heard(delivery.tag).map_err(unknown)
    }

    /// Whether a message of a link that is refused ends the link, which names it: each message of a relay has its own address, and its
    /// sender waits for no outcome, or for none that says it (AMQP Anonymous Terminus 1.0, 2.2).
    pub(crate) fn names(&self, home: &Home, place: Slot, settled: Settled) -> bool {
        let rejected = Outcomes::only(&DeliveryOutcome::Rejected(None));
        let is_told = settled == Settled::No && self.outcomes_of(place).hold(rejected);
        !is_told && home.is_relay(place)
    }

    /// Says to the peer what there is to say for a message that it sent.
    pub(crate) fn handle_placed(&mut self, home: &mut Home, link: LinkId, answered: Answered, placed: Placed) {
        if placed.credit > 0 {
            self.machine.grant(link, placed.credit);
        }
        let Answered { delivery, settled, tag, transaction } = answered;
        match (placed.refusal, tag) {
            (Some(refusal), Some(tag)) => self.end_link(home, link, undelivered(*refusal, tag)),
            (Some(refusal), None) if settled == Settled::No => {
                let why = Some(Box::new(error(*refusal)));
                self.machine.settle(link, delivery, delivery, DeliveryOutcome::Rejected(why));
            }
            (None, _) if settled == Settled::No => {
                transaction.into_iter().for_each(|id| self.answer_provisionally(link, delivery, id));
            }
            (Some(_) | None, _) => {}
        }
    }

    /// The peer decided on deliveries: their owners are told.
    #[inline]
    fn handle_outcome(&mut self, home: &mut Home, outcome: Option<DeliveryOutcome>) {
        let Some(outcome) = outcome else { return self.settle_by_default(home) };
        let asked = Outcomes::only(&outcome);
        let whole = outcome;
        let outcome = outcome::of_peer(&whole);
        let accepted = outcome == command::Outcome::Accepted;
        // A disposition is mostly of one link's deliveries.
        let mut known = None;
        let mut noted: Option<(Slot, u64)> = None;
        let mut unlisted = Vec::new();
        let mut passed = Vec::new();
        while let Some(settling) = self.machine.next_settled() {
            let Settling { link: id, key, confirm } = settling;
            let whom = match known {
                Some((known, whom)) if known == id => whom,
                _ => {
                    let whom = self.whom(home, id, asked);
                    known = Some((id, whom));
                    whom
                }
            };
            match whom {
                Whom::Owner(end) if key != KEY_NONE && accepted && confirm.is_none() => home.accept(end, key),
                Whom::Owner(end) if key != KEY_NONE => home.settle(end, key, outcome.clone(), confirm),
                Whom::Router(place, end) if key != KEY_NONE => {
                    let alike = match (accepted, confirm) {
                        (true, None) => {
                            let alike = 1 + self.machine.settled_alike(&settling);
                            home.accept_routed(key, alike);
                            u64::from(alike)
                        }
                        _ => {
                            home.settle(end, key, outcome.clone(), confirm);
                            1
                        }
                    };
                    noted = match noted {
                        Some((before, count)) if before == place => Some((place, count + alike)),
                        before => {
                            before.into_iter().for_each(|(place, count)| home.note_outcome(place, &outcome, count));
                            Some((place, alike))
                        }
                    };
                }
                Whom::Unlisted(place) => {
                    if key != KEY_NONE {
                        home.settle_by_default(place, key);
                    }
                    if unlisted.last() != Some(&id) {
                        unlisted.push(id);
                    }
                }
                Whom::Half(place) => passed.push((place, settling)),
                // Nobody keeps it: there is nothing to wait for.
                Whom::Owner(_) | Whom::Router(..) | Whom::Nobody => {
                    confirm.into_iter().for_each(|delivery| self.machine.confirm(id, delivery));
                }
            }
        }
        noted.into_iter().for_each(|(place, count)| home.note_outcome(place, &outcome, count));
        if !passed.is_empty() {
            self.pass_outcomes(home, &passed, Some(&whole));
        }
        for id in unlisted {
            self.end_link(home, id, AmqpError::new(Condition::NotAllowed, outcome::UNLISTED));
        }
    }

    /// Who is told that a delivery of a link has one of these outcomes.
    fn whom(&self, home: &Home, id: LinkId, asked: Outcomes) -> Whom {
        let Some(place) = self.link(id) else { return Whom::Nobody };
        if !self.outcomes.is_empty() && !self.outcomes_of(place).hold(asked) {
            return Whom::Unlisted(place);
        }
        match home.end_of(place) {
            Some(end) if end.is_routed() => Whom::Router(place, end),
            Some(end) => Whom::Owner(end),
            None if home.is_half(place) => Whom::Half(place),
            None => Whom::Nobody,
        }
    }

    /// The peer told a state that is no outcome. What it says within a transaction waits for that; how far a delivery came concerns a
    /// router only, and what it settled with that has the default outcome.
    #[cold]
    fn handle_update(&mut self, home: &mut Home, mut update: Update) {
        if let State::Transactional { transaction, outcome } = &update.state
            // Where links pass through there are no transactions of our own.
            && self.through.is_none()
        {
            let (transaction, outcome) = (transaction.clone(), outcome.clone());
            return self.handle_transactional(home, update, (&transaction, outcome));
        }
        let received = match update.state {
            State::Received { section_number, section_offset } => Some((section_number, section_offset)),
            _ => None,
        };
        while let Some(updated) = self.machine.next_updated(&mut update) {
            let Updated { link, key, .. } = updated;
            if let Some(place) = self.half_at(link) {
                self.pass_update(home, place, &update, updated);
                continue;
            }
            if let (Some((section, offset)), Some(place)) = (received, self.link(link))
                && key != KEY_NONE
                && !update.settled.is_yes()
            {
                home.note_received(place, key, section, offset);
            }
            if let Some(place) = self.link(link).filter(|_| update.settled.is_yes())
                && key != KEY_NONE
            {
                home.settle_by_default(place, key);
            }
        }
    }

    /// The peer settled deliveries without saying what became of them: it is what their links' sources say (part 3.5.3).
    #[cold]
    fn settle_by_default(&mut self, home: &mut Home) {
        let mut passed = Vec::new();
        while let Some(settling) = self.machine.next_settled() {
            let Settling { link, key, .. } = settling;
            if let Some(place) = self.half_at(link) {
                passed.push((place, settling));
            } else if let Some(place) = self.link(link)
                && key != KEY_NONE
            {
                home.settle_by_default(place, key);
            }
        }
        self.pass_outcomes(home, &passed, None);
    }

    fn handle_credit(&mut self, home: &mut Home, id: LinkId, credit: u32, drain: Drain) {
        let Some(place) = self.link(id) else { return };
        if home.is_half(place) {
            return self.pass_limit(home, place, credit, drain);
        }
        let drain = match drain {
            Drain::Yes => engine_home::Drain::Yes,
            Drain::No => engine_home::Drain::No,
        };
        home.handle_credit(place, credit, drain);
        self.take_back(home, place, id);
        self.pass_credit(home, place, id);
    }

    /// Gives back to its owner what waits on a consumer's link for credit that its peer took back.
    pub(crate) fn take_back(&mut self, home: &mut Home, place: Slot, id: LinkId) {
        let mut streams = false;
        loop {
            let key = match home.take_back(place, self.machine.credit_free(id)) {
                TakenBack::Key(key) => key,
                TakenBack::InBinding => {
                    let Some(key) = self.machine.take_back(id, |key| key != KEY_NONE && !home.sends_again(place, key))
                    else {
                        break;
                    };
                    home.handle_taken_back(place, key);
                    key
                }
                TakenBack::Nothing => break,
            };
            streams = home.has_stream(place);
            home.give_back(place, key);
        }
        if streams {
            // It may have been the last one.
            self.advance(home, place, id);
        }
    }

    /// Passes on what a consumer's owner does not have of its credit yet, as far as there is room for what that brings; gives whether
    /// the owner was told.
    pub(crate) fn pass_credit(&mut self, home: &mut Home, place: Slot, id: LinkId) -> bool {
        if !home.takes_credit(place) {
            return false;
        }
        if self.is_full() || self.machine.waiting(id) > 0 {
            // It gets it when there is room (`feed`).
            home.wait_for_room(&mut self.client, place);
            return false;
        }
        home.pass_credit(place)
    }

    /// Passes credit on that there was no room for; gives whether there was any.
    pub(crate) fn feed(&mut self, home: &mut Home) -> bool {
        let mut fed = false;
        // Those that wait again meanwhile are among the others.
        for _ in 0..self.client.hungry() {
            if self.is_full() {
                break;
            }
            let Some(place) = self.client.next_hungry() else { break };
            if home.is_half(place) {
                self.advance_half(home, place);
                continue;
            }
            home.handle_room(place);
            if let Some(route) = home.route_of(place) {
                fed |= self.pass_credit(home, place, crate::bind::link_id(route.id));
            }
        }
        fed
    }
}

/// The address that a message names; empty if it names none.
fn named<'a>(payload: &'a [u8], sections: &section::Sections) -> &'a str {
    let properties = payload.get(sections.properties.clone()).unwrap_or_default();
    section::property_to(properties).ok().flatten().unwrap_or_default()
}

/// The fields of the header section that ends there.
#[inline]
pub(crate) fn header(payload: &[u8], end: usize) -> Result<section::Header, DecodeError> {
    section::Header::decode(payload.get(..end).unwrap_or_default())
}

/// Whether an outcome is wanted for a delivery that came settled or not.
#[inline]
pub(crate) fn wanted(settled: amqp_proto::Settled) -> Settled {
    match settled {
        amqp_proto::Settled::Yes => Settled::Yes,
        amqp_proto::Settled::No => Settled::No,
    }
}
