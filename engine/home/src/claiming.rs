//! Connections claim their containers: whoever answers for a container admits them or refuses them, whichever shard they are on.
//!
//! Guarantees: a claim ends with its connection, however that goes, also before it was answered; it moves with its connection.
//!
//! Not here: which connections of a container there may be (`engine_core`, `containers`).

use engine_core::command::{ClaimSpec, Command, ConnectionKey, SolePolicy};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey, Port};

use crate::client::Client;
use crate::home::{Home, Plan};
use crate::slots::{Slot, key_at, place_at};

impl Home {
    /// What a peer wants to attach to says whose it is.
    pub(crate) fn sign(client: &Client, plan: &mut Plan) {
        let (connection, capacity) = (client.claim, client.link_capacity);
        match plan {
            Plan::Producer(spec) => (spec.connection, spec.passage.capacity) = (connection, capacity),
            Plan::Consumer(spec) => (spec.connection, spec.passage.capacity) = (connection, capacity),
            Plan::Relay(_) | Plan::Coordinator | Plan::Management => {}
        }
    }

    /// Asks whether a connection of a container may be opened: `Event::Admitted` and `Event::Refused` are the answers.
    pub fn claim(&mut self, client: &Client, sole: Option<SolePolicy>) {
        let owner = self.engine.keeper_of(&client.container);
        let link = key_at(Port::Connection, self.engine.shard(), client.conn);
        let spec = Box::new(ClaimSpec { container: client.container.clone(), sole, standing: None });
        self.engine.submit(owner, Command::Claim { link, spec });
    }

    /// The connection that an event is for, if it is about a claim.
    #[must_use]
    pub fn claimant(link: LinkKey) -> Option<Slot> {
        (link.port() == Port::Connection).then(|| place_at(link))
    }

    /// A connection was admitted.
    pub fn handle_admitted(&mut self, client: &mut Client, owner: u16, claim: EndKey) {
        client.claim = Some(ConnectionKey { owner, claim });
    }

    /// A connection's claim was ended; gives whether it had one.
    pub fn handle_unclaimed(&mut self, client: &mut Client) -> bool {
        client.claim.take().is_some()
    }

    /// A connection that was admitted is here now.
    pub fn move_claim(&mut self, client: &Client) {
        if let Some(ConnectionKey { owner, claim }) = client.claim {
            let link = key_at(Port::Connection, self.engine.shard(), client.conn);
            self.engine.submit(owner, Command::MoveClaim { claim, link });
        }
    }

    /// A connection is gone.
    pub fn drop_claim(&mut self, client: &mut Client) {
        if let Some(ConnectionKey { owner, claim }) = client.claim.take() {
            self.engine.submit(owner, Command::DropClaim { claim });
        }
    }

    /// Takes what is said of a claim whose connection is gone, or not here any more.
    pub(crate) fn handle_unclaimant(&mut self, event: &Event) {
        match event {
            &Event::Admitted { owner, claim } => self.engine.submit(owner, Command::DropClaim { claim }),
            Event::Through(said) => self.handle_said_to_nobody(said),
            _ => {}
        }
    }
}
