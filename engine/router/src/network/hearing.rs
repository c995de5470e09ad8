//! What control messages do.
//!
//! Who is blamed: a neighbour for what it says itself, and for what it writes about the messages of others. What is in those it cannot
//! know.

use engine_message::Condition;

use super::action::{Action, Notice};
use super::exchange::Heard;
use super::links::LinkId;
use super::machine::Network;
use super::relaying::Envelope;
use super::routers::Life;
use crate::address::Class;
use crate::control::{Body, Changes, Control, ControlError, decode};
use crate::limits::{MESSAGE_OCTETS_MAX, ROUTERS_MAX};
use crate::router_id::RouterId;
use crate::set::RouterIndex;

impl Network {
    /// A message comes over a control link. One over a link that is not known is passed over: it was closed.
    pub fn handle_message(&mut self, link: LinkId, message: &[u8], now_ns: u64) {
        let Some(neighbour) = self.links.neighbour(link).cloned() else { return };
        if let Err((condition, reason)) = self.hear(link, &neighbour, message, now_ns) {
            self.close(link, condition, reason, now_ns);
        }
        self.go_on(now_ns);
    }

    /// What a router said of its addresses (`Action::Learned`) was not taken, or not all of it: it is asked for all that it has.
    pub fn handle_missed(&mut self, router: RouterIndex) {
        self.routers.get_mut(router).into_iter().for_each(|router| router.addresses.miss());
    }

    /// Does what a message says.
    ///
    /// # Errors
    /// Why the connection ends.
    fn hear(
        &mut self,
        link: LinkId,
        neighbour: &RouterId,
        message: &[u8],
        now_ns: u64,
    ) -> Result<(), (Condition, String)> {
        if message.len() > MESSAGE_OCTETS_MAX {
            return Err((Condition::MessageSizeExceeded, "a control message is too large".to_owned()));
        }
        if !self.links.count(link, now_ns) {
            let reason = "more control messages come over this connection than routers have to say";
            return Err((Condition::ResourceLimitExceeded, reason.to_owned()));
        }
        let me = self.config.id.clone();
        let envelope = Envelope::read(message, &me).map_err(|error| (Condition::DecodeError, error.to_string()))?;
        if !envelope.is_traced(neighbour) {
            let reason = format!("a message from {neighbour} does not say that it came from there");
            return Err((Condition::NotAllowed, reason));
        }
        let class = envelope.to.as_ref().map(|to| to.class());
        let is_for_this = matches!(class, Some(Class::Local | Class::Topological));
        if is_for_this {
            match decode(message) {
                Ok(control) if control.id.as_str() != envelope.origin(neighbour) => {
                    let reason = format!("router {neighbour} speaks for router {}", control.id);
                    self.pass_over(&envelope, neighbour, (Condition::NotAllowed, reason), ControlError::Wrong("id"))?;
                }
                Ok(control) => self.follow(link, neighbour, control, now_ns),
                Err(ControlError::Version { id, version }) => self.note_version(id, version),
                Err(error) => {
                    let told = (Condition::InvalidField, error.to_string());
                    self.pass_over(&envelope, neighbour, told, error)?;
                }
            }
        }
        // What does not go on is asked for again by whoever misses it.
        if class != Some(Class::Topological) || self.links.count_flooded(link) {
            self.relay(link, &envelope);
        }
        Ok(())
    }

    /// Passes a message over that says what cannot be so.
    ///
    /// # Errors
    /// When its neighbour is to blame: why the connection ends.
    fn pass_over(
        &mut self,
        envelope: &Envelope<'_>,
        neighbour: &RouterId,
        told: (Condition, String),
        error: ControlError,
    ) -> Result<(), (Condition, String)> {
        if envelope.is_direct() {
            return Err(told);
        }
        self.act(Action::Notice(Notice::PassedOver { neighbour: neighbour.clone(), error }));
        Ok(())
    }

    fn note_version(&mut self, id: RouterId, version: u64) {
        if self.told.versions.len() < ROUTERS_MAX && self.told.versions.insert(id.clone()) {
            self.act(Action::Notice(Notice::Version { id, version }));
        }
    }

    /// Hands a message on to those it is for, as far as this router is on the way there.
    fn relay(&mut self, link: LinkId, envelope: &Envelope<'_>) {
        let trace = &envelope.annotations.trace;
        let went_round = trace.iter().any(|id| id == self.config.id.as_str());
        let Some(to) = envelope.to.as_ref().filter(|_| !went_round && !trace.is_empty()) else { return };
        let index = |id: &str| self.routes.index(id);
        let links: Vec<LinkId> = match to.class() {
            Class::Topological => {
                let origin = trace.iter().next().and_then(index).filter(|at| *at != RouterIndex::SELF);
                origin.map(|origin| self.routes.links_to_all(origin)).unwrap_or_default()
            }
            Class::Router => index(to.name()).and_then(|router| self.routes.link(router)).into_iter().collect(),
            _ => return,
        };
        let passed = |id: &str| index(id).and_then(|router| self.routes.neighbour(router));
        let passed: Vec<LinkId> = trace.iter().filter_map(passed).collect();
        let links: Vec<LinkId> = links.into_iter().filter(|to| *to != link && !passed.contains(to)).collect();
        if links.is_empty() {
            // What is for this router alone, as a long list is, is not copied.
            return;
        }
        let Some(message) = envelope.hand_on(self.config.id.as_str()) else { return };
        for to in links {
            self.act(Action::Send { link: to, message: message.clone() });
        }
    }

    fn follow(&mut self, link: LinkId, neighbour: &RouterId, control: Control, now_ns: u64) {
        let Control { id, body } = control;
        if id == self.config.id {
            self.note_own(&body);
            return;
        }
        match body {
            Body::Hello { instance, seen } if id == *neighbour => {
                let confirmed_ns = seen.contains(&self.config.id).then_some(now_ns);
                self.links.hear(link, confirmed_ns, now_ns);
                if confirmed_ns.is_some() {
                    self.hear_neighbour(&id, instance, now_ns);
                }
            }
            // HELLOs go one hop.
            Body::Hello { .. } => {}
            Body::Advertisement { instance, link_state, addresses } => {
                let Some(index) = self.hear_of(&id, instance, now_ns) else { return };
                self.hear_advertisement(index, link_state, addresses, now_ns);
            }
            Body::LinkState { instance, state } => {
                let Some(index) = self.hear_of(&id, instance, now_ns) else { return };
                let peers: Vec<RouterId> = state.peers.iter().map(|(peer, _)| peer.clone()).collect();
                if self.routers.get_mut(index).is_some_and(|router| router.take_link_state(state, now_ns)) {
                    for peer in peers.iter().filter(|peer| **peer != id) {
                        self.learn(peer, now_ns);
                    }
                    self.note_change(now_ns);
                }
            }
            Body::LinkStateRequest => {
                let Some(router) = self.learn(&id, now_ns).and_then(|index| self.routers.get_mut(index)) else {
                    return;
                };
                router.link_state.owe();
            }
            Body::AddressRequest { known } => {
                let is_other = known != self.own.sequence() || self.own.changed_ns.is_some();
                let Some(router) = self.learn(&id, now_ns).and_then(|index| self.routers.get_mut(index)) else {
                    return;
                };
                if is_other {
                    router.addresses.owe();
                }
            }
            Body::Addresses { sequence, changes } => self.hear_addresses(&id, sequence, changes),
        }
    }

    /// A message of this router's own id comes: its own, from elsewhere, or that of another life.
    fn note_own(&mut self, body: &Body) {
        let instance = match body {
            Body::Advertisement { instance, .. } | Body::LinkState { instance, .. } => *instance,
            _ => None,
        };
        let is_other = instance.is_some_and(|instance| instance > self.config.instance);
        if is_other && !std::mem::replace(&mut self.told.has_duplicate, true) {
            self.act(Action::Notice(Notice::DuplicateId));
        }
    }

    /// A router that hears this one is heard.
    fn hear_neighbour(&mut self, id: &RouterId, instance: Option<u64>, now_ns: u64) {
        let Some(index) = self.learn(id, now_ns) else { return };
        // A neighbour itself knows best which of its lives this is.
        let life = self.routers.get(index).map_or(Life::Same, |router| router.life(instance));
        self.enter_life(index, life, instance, now_ns);
        self.reconcile([index], now_ns);
    }

    fn hear_advertisement(&mut self, index: RouterIndex, link_state: u64, addresses: u64, now_ns: u64) {
        let Some(router) = self.routers.get_mut(index) else { return };
        router.seen_ns = now_ns;
        let has_none = router.link_state.hear(link_state) == Heard::Nothing;
        let has_no_addresses = router.addresses.hear(addresses) == Heard::Nothing;
        if has_none {
            router.peers.clear();
            self.note_change(now_ns);
        }
        if has_no_addresses {
            self.act(Action::Forgotten { router: index });
        }
    }

    fn hear_addresses(&mut self, id: &RouterId, sequence: u64, changes: Changes) {
        let Some(router) = self.routers.find(id) else { return };
        let Some(known) = self.routers.get_mut(router) else { return };
        let is_taken = match changes {
            Changes::Since { .. } => known.addresses.take_step(sequence),
            Changes::All(_) => known.addresses.take_whole(sequence),
        };
        if is_taken {
            self.act(Action::Learned { router, changes });
        }
    }

    /// The number of a router that is heard of; `None` if it is not taken note of, or the message is from a life that ended.
    fn hear_of(&mut self, id: &RouterId, instance: Option<u64>, now_ns: u64) -> Option<RouterIndex> {
        let index = self.learn(id, now_ns)?;
        let life = self.routers.get(index)?.life(instance);
        if life == Life::Past {
            return None;
        }
        self.enter_life(index, life, instance, now_ns);
        Some(index)
    }

    /// Has a router be in this life; what was known of another one goes.
    fn enter_life(&mut self, index: RouterIndex, life: Life, instance: Option<u64>, now_ns: u64) {
        let Some(router) = self.routers.get_mut(index) else { return };
        if life == Life::Same {
            router.instance = router.instance.or(instance);
            return;
        }
        router.begin(instance);
        self.act(Action::Forgotten { router: index });
        self.note_change(now_ns);
    }

    /// The number of a router, which is taken note of; that of this one is known.
    fn learn(&mut self, id: &RouterId, now_ns: u64) -> Option<RouterIndex> {
        if *id == self.config.id {
            return Some(RouterIndex::SELF);
        }
        let index = self.routers.learn(id, now_ns);
        if index.is_none() && !std::mem::replace(&mut self.told.is_full, true) {
            self.act(Action::Notice(Notice::Full(id.clone())));
        }
        index
    }
}
