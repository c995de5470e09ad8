//! Halves of links that pass through whole: what the home keeps of them, and how they reach each other.
//!
//! Guarantees: a half is a link like others as long as its connection has it, and counts as one; one that its peer has detached stays until the
//! other one has ended, and does not count; who is told of an attach, or that it is answered, hears of it if that finds nobody.
//!
//! Not here: what they tell each other (the binding), and where a link goes on (`engine_routing`).

use engine_core::Origin;
use engine_core::command::{Outcome, Settled};
use engine_core::event::Refusal;
use engine_core::key::LinkKey;
use engine_core::through::{Going, Half, NoRoute, Said, Word};
use engine_message::Condition;
use engine_shard::ROUTED;

use crate::client::Client;
use crate::home::Home;
use crate::kept::Ahead;
use crate::link::{Kind, Link, LocalId, Seen};
use crate::permission::{self, Action};
use crate::slots::{Slot, peer_key};

/// A half that is to be.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// What its binding calls it.
    pub id: LocalId,
    /// Which half it is.
    pub half: Half,
    /// The address that the link is for.
    pub address: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl Home {
    /// A connection has a half.
    ///
    /// # Errors
    /// When it is refused; its peer is told why.
    pub fn add_half(&mut self, client: &mut Client, passing: Passing<'_>) -> Result<Slot, Box<Refusal>> {
        let Passing { id, half, address, name } = passing;
        let action = match half {
            Half::Sender => Action::Send,
            Half::Receiver => Action::Consume,
        };
        permission::may(&client.user, action, address)?;
        let link = Link {
            conn: Some(client.conn),
            left: None,
            id,
            owner: ROUTED,
            end: None,
            address: address.to_owned(),
            kind: Kind::Half(half),
            routing: None,
            origin: Origin::of(&client.container),
            default_outcome: Outcome::Released,
            stream: None,
            ahead: Ahead::default(),
            seen: Seen::default(),
        };
        let Ok(place) = self.links.insert_within(link, self.links_max) else {
            let text = format!("this shard has {} links, which is its limit", self.links_max);
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        };
        self.links.get(place).into_iter().for_each(|link| client.add_link(link));
        self.name_link(place, name);
        Ok(place)
    }

    /// The peer of a half has detached it, and waits for the other one's end: it counts as a link of its connection no more.
    pub fn leave_half(&mut self, client: &mut Client, place: Slot) {
        let Some(link) = self.links.get_mut(place).filter(|link| link.left.is_none()) else { return };
        link.left = link.conn;
        client.drop_link(link);
        client.add_leaving();
    }

    /// Whether a link is a half.
    #[must_use]
    pub fn is_half(&self, place: Slot) -> bool {
        matches!(self.links.get(place), Some(Link { kind: Kind::Half(_), .. }))
    }

    /// What other halves call one.
    #[must_use]
    pub fn half_key(&self, place: Slot) -> LinkKey {
        peer_key(self.engine.shard(), place)
    }

    /// A half tells another one.
    pub fn tell_half(&mut self, place: Slot, to: LinkKey, word: Word) {
        let said = Said { from: self.half_key(place), word };
        self.engine.tell_half(to, said);
    }

    /// Whether a link to an address takes a route, for the half whose peer asks for it.
    #[must_use]
    pub fn has_link_route(&self, address: &str, half: Half) -> bool {
        self.engine.has_link_route(address, half)
    }

    /// Has a half's link go on.
    ///
    /// # Errors
    /// When nobody is there whom its route leads to.
    pub fn go_on(&mut self, going: Going) -> Result<(), NoRoute> {
        self.engine.go_on(going)
    }

    /// A message passed a half.
    pub fn note_through(&mut self, place: Slot, settled: Settled) {
        let Some(link) = self.links.get_mut(place) else { return };
        link.seen.passed.note(settled);
        let passage = &mut self.passage;
        let all = if link.is_consumer() { &mut passage.to_peers } else { &mut passage.from_peers };
        all.note(settled);
    }

    /// A half was told something, and is gone: whoever does not know that hears of it.
    pub(crate) fn handle_said_to_nobody(&mut self, said: &Said) {
        if matches!(said.word, Word::Attach(_) | Word::Answered { .. }) {
            let from = peer_key(self.engine.shard(), Slot::default());
            self.engine.tell_half(said.from, Said { from, word: Word::Lost });
        }
    }
}
