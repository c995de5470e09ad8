//! Credit of consumers: what their peers give, and what their owners have of it.
//!
//! It is passed on for about as much as a connection writes at once, and not while its output is full: what a slow consumer has not taken
//! stays in the queue, where others find it.

use engine_core::command::Command;
use engine_core::event::KEY_NONE;

use crate::client::Client;
use crate::home::Home;
use crate::link::{Kind, Link};
use crate::slots::Slot;
use crate::taking::Drain;

/// What is to be done about the end of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// The owner gave a whole share: pass credit on, there may be more.
    More,
    /// The peer is told when what waits in parts is sent.
    Later,
    /// The peer is told now.
    Now,
}

/// What is taken back of messages that wait for credit which a peer took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// One that waited here, with this key.
    Key(u64),
    /// The next one waits in the binding, if any does.
    InBinding,
    /// None is left that somebody keeps.
    Nothing,
}

impl Home {
    /// The peer says how many messages it takes from now on, and whether it drains.
    pub fn handle_credit(&mut self, place: Slot, credit: u32, drain: Drain) {
        let Some(link) = self.links.get_mut(place) else { return };
        let unsent = link.unsent();
        if let Some(outgoing) = link.outgoing() {
            // That it had no more was said of the credit before.
            outgoing.drained = false;
        }
        let Kind::Consumer(taking) = &mut link.kind else { return };
        taking.wanted = credit.saturating_sub(unsent);
        taking.drain = drain;
        let revoked = taking.revoke();
        if let Some(end) = link.end.filter(|_| revoked > 0) {
            self.engine.submit(link.owner, Command::Revoke { end, credit: revoked });
        }
    }

    /// Passes on what a consumer's owner does not have of its credit yet; gives whether the owner was told. Only while there is
    /// room for what that brings; else `wait_for_room`.
    pub fn pass_credit(&mut self, place: Slot) -> bool {
        let Some(&mut Link { owner, end: Some(end), kind: Kind::Consumer(ref mut taking), .. }) =
            self.links.get_mut(place)
        else {
            return false;
        };
        let (credit, drain) = (taking.grant(), taking.drain);
        if credit > 0 {
            self.engine.submit(owner, Command::Grant { end, credit });
        }
        if drain == Drain::Yes {
            self.engine.submit(owner, Command::Drain { end });
        }
        credit > 0 || drain == Drain::Yes
    }

    /// Whether credit can be passed on for it: a consumer whose owner has answered.
    #[must_use]
    pub fn takes_credit(&self, place: Slot) -> bool {
        matches!(self.links.get(place), Some(Link { end: Some(_), kind: Kind::Consumer(_), .. }))
    }

    /// Notes that a consumer's credit waits for room in its connection's output.
    pub fn wait_for_room(&mut self, client: &mut Client, place: Slot) {
        if let Some(Link { kind: Kind::Consumer(taking), .. }) = self.links.get_mut(place)
            && !std::mem::replace(&mut taking.hungry, true)
        {
            client.wait_for_room(place);
        }
    }

    /// There is room for what a consumer's credit brings.
    pub fn handle_room(&mut self, place: Slot) {
        if let Some(Link { kind: Kind::Consumer(taking), .. }) = self.links.get_mut(place) {
            taking.hungry = false;
        }
    }

    /// The owner has nothing more for the credit that it had; it did not use `unused` of that.
    pub fn handle_drained(&mut self, place: Slot, unused: u32) -> Drained {
        let Some(link) = self.links.get_mut(place) else { return Drained::Later };
        let Kind::Consumer(taking) = &mut link.kind else { return Drained::Later };
        taking.granted = 0;
        if unused == 0 && taking.wanted > 0 {
            return Drained::More;
        }
        (taking.wanted, taking.drain) = (0, Drain::No);
        if let Some(outgoing) = link.outgoing() {
            outgoing.drained = true;
            return Drained::Later;
        }
        Drained::Now
    }

    /// The owner gave `taken` of `asked` credit back. The peer may have given new credit meanwhile: pass it on.
    pub fn handle_revoked(&mut self, place: Slot, asked: u32, taken: u32) {
        if let Some(Link { kind: Kind::Consumer(taking), .. }) = self.links.get_mut(place) {
            taking.handle_revoked(asked, taken);
        }
    }

    /// Takes out the last message that waits for credit which its peer does not give, its peer giving credit for `free` more.
    pub fn take_back(&mut self, place: Slot, free: u32) -> TakenBack {
        let Some(link) = self.links.get_mut(place) else { return TakenBack::Nothing };
        match link.outgoing() {
            Some(outgoing) if outgoing.unsent() > free => {
                outgoing.take_back().map_or(TakenBack::Nothing, TakenBack::Key)
            }
            _ => TakenBack::InBinding,
        }
    }

    /// The binding took out a message that waited there.
    pub fn handle_taken_back(&mut self, place: Slot, key: u64) {
        debug_assert_ne!(key, KEY_NONE, "nobody else could have it");
        if let Some(outgoing) = self.links.get_mut(place).and_then(Link::outgoing) {
            outgoing.handle_taken_back(key);
        }
    }

    /// Whether a link sends a delivery again that nobody else is to have.
    #[must_use]
    pub fn sends_again(&self, place: Slot, key: u64) -> bool {
        let stream = self.links.get(place).and_then(|link| link.stream.as_deref());
        stream.is_some_and(|stream| stream.sends_again(key))
    }

    /// Whether a link has something under way in parts.
    #[must_use]
    pub fn has_stream(&self, place: Slot) -> bool {
        self.links.get(place).is_some_and(|link| link.stream.is_some())
    }
}
