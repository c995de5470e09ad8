//! Links that the router attaches itself, driven: the machine says what is to be attached where, the connection's binding does it.
//!
//! Guarantees: each connection of role route-container is told to the machine when it is open, and when it is gone; what becomes of a link
//! is in the log when it changes, not for every try.

use amqp_bind::{Asking, PeerEnd};
use engine_core::command::{ConsumerSpec, Passage, ProducerSpec, Stage};
use engine_home::Slot;
use engine_message::Condition;
use engine_router::address::Phase;
use engine_router::auto_links::{Action, AutoLink, AutoLinkId, ConnectionId, Direction};

use crate::connection::Origin;
use crate::role::Role;
use crate::shell::Shell;

impl Shell {
    /// A connection is open at both ends: if it is a container's, links may be for it.
    pub(crate) fn handle_container(&mut self, slot: Slot) {
        let Some(entry) = self.turn.get(slot) else { return };
        let origin = entry.host.origin.clone();
        let (name, role) = origin.named();
        match (role, &origin) {
            (Role::RouteContainer, _) => {
                let container = entry.protocol.client().container.clone();
                self.auto_links.handle_connection(ConnectionId(slot.to_bits()), name, &container);
                self.turn.handle_container(slot, name, &container);
                self.attach_links();
            }
            // Whoever connects attaches.
            (Role::InterRouter { .. }, Origin::Connector(..)) => self.turn.ask_router(slot),
            (Role::Interior, Origin::Connector(..)) => self.turn.handle_interior_opened(slot),
            (Role::InterRouter { .. } | Role::Edge | Role::Interior | Role::Normal, _) => {}
        }
    }

    /// A connection to another router has lost one of its links, or never had it.
    pub(crate) fn handle_router_lost(&mut self, slot: Slot, why: &str) {
        if let Some(entry) = self.turn.get(slot) {
            let peer = &entry.host.peer;
            tracing::warn!(target: "heddle::net", peer, why, "a link to another router is missing: its connection ends");
        }
        self.turn.dismiss(slot, Condition::ConnectionForced, "a link between routers is missing");
    }

    /// A connection is gone.
    pub(crate) fn handle_container_gone(&mut self, slot: Slot) {
        self.auto_links.handle_connection_lost(ConnectionId(slot.to_bits()));
        self.turn.handle_connection_gone(slot);
    }

    /// Attaches again what is due.
    pub(crate) fn handle_links_due(&mut self) {
        self.auto_links.handle_time(self.turn.now_ns());
        self.attach_links();
    }

    /// A link is there.
    pub(crate) fn handle_link_up(&mut self, slot: Slot, number: u32, place: Slot) {
        let (link, connection) = (AutoLinkId(number), ConnectionId(slot.to_bits()));
        self.auto_links.handle_attached(link, connection, place.to_bits());
        if let Some(Told { address, node, way, peer }) = self.told(slot, link) {
            tracing::info!(target: "heddle::net", address, node, way, peer, "a link is attached");
        }
    }

    /// A link is not there, or no more.
    pub(crate) fn handle_link_down(&mut self, slot: Slot, number: u32, why: &str) {
        let (link, connection) = (AutoLinkId(number), ConnectionId(slot.to_bits()));
        let was_known = matches!(self.auto_links.failure(link, connection), Some(before) if before == why);
        self.auto_links.handle_detached(link, connection, why, self.turn.now_ns());
        if let Some(Told { address, node, way, peer }) = self.told(slot, link).filter(|_| !was_known) {
            tracing::warn!(target: "heddle::net", address, node, way, peer, why,
                "a link cannot be attached, and is tried again");
        }
    }

    /// A link is declared, and attached wherever it is for.
    pub(crate) fn handle_declared(&mut self, id: AutoLinkId, link: AutoLink) {
        self.auto_links.handle_declared(id, link);
        self.attach_links();
    }

    /// It is no more: wherever it is, it is detached.
    pub(crate) fn handle_undeclared(&mut self, id: AutoLinkId) {
        self.auto_links.handle_removed(id);
        self.attach_links();
    }

    /// What is told of a link on a connection.
    fn told(&self, slot: Slot, link: AutoLinkId) -> Option<Told<'_>> {
        let AutoLink { key, node, direction, .. } = self.auto_links.declared(link)?;
        let peer = &self.turn.get(slot)?.host.peer;
        Some(Told { address: key.name(), node, way: way(*direction), peer })
    }

    fn attach_links(&mut self) {
        while let Some(action) = self.auto_links.poll_action() {
            let (Action::Attach { connection, link } | Action::Detach { connection, link }) = action;
            let slot = Slot::from_bits(connection.0);
            match (action, self.auto_links.declared(link)) {
                (Action::Attach { .. }, Some(declared)) => {
                    self.turn.ask(slot, asking(link, connection, declared));
                }
                (Action::Attach { .. }, None) => {}
                (Action::Detach { .. }, _) => self.turn.withdraw(slot, link.0),
            }
        }
    }
}

/// What the log says of a link.
struct Told<'a> {
    address: &'a str,
    node: &'a str,
    way: &'static str,
    peer: &'a str,
}

/// A direction, as files have it.
fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

/// What the connection's binding is asked for.
fn asking(AutoLinkId(number): AutoLinkId, ConnectionId(connection): ConnectionId, link: &AutoLink) -> Asking {
    let AutoLink { key, node, direction, .. } = link;
    let address = key.name();
    let passage = Passage::of(key.phase().map(|phase| match phase {
        Phase::FALLBACK => Stage::Fallback,
        phase => Stage::Phase(phase.annotation()),
    }));
    let peer = match direction {
        Direction::In => PeerEnd::Sends(Box::new(ProducerSpec { passage, ..ProducerSpec::of(address) })),
        Direction::Out => PeerEnd::Receives(Box::new(ConsumerSpec { passage, ..ConsumerSpec::of(address) })),
    };
    let way = way(*direction);
    Asking { number, name: format!("auto-{way}/{node}/{number}.{connection:x}"), node: node.clone(), peer }
}
