//! What other routers say of their addresses, taken into the table a bounded part at a time.
//!
//! Guarantees:
//! 1. What one router says is taken in its order. When it says all that it has, what is left of what it said before is not taken.
//! 2. Routers take turns: whoever has little to say does not wait until a long list of another one was taken.
//! 3. Between two parts the table is whole: an address is known to be where it was said to be so far.
//! 4. Of what came over one link at most `LEARNING_MAX` addresses wait; what is beyond is not taken, and its router is to be asked again.
//!
//! Not here: what a router that has an address is written into (`addresses`), and how much is taken when (the registry's).

use std::collections::{BTreeMap, VecDeque};
use std::vec::IntoIter;

use super::addresses::Addresses;
use crate::address::Key;
use crate::control::{Announced, Changes};
use crate::limits::{LEARNING_MAX, LEARNING_SHARE};
use crate::network::LinkId;
use crate::set::RouterIndex;

/// The message that something was said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The link that it came over.
    pub link: LinkId,
    /// Its octets.
    pub octets: usize,
}

/// What waits to be taken.
#[derive(Debug, Default)]
pub(super) struct Learning {
    waiting: BTreeMap<RouterIndex, VecDeque<Said>>,
    /// Routers of which something waits, each once.
    turns: VecDeque<RouterIndex>,
    /// Messages of which nothing waits any more.
    taken: VecDeque<Source>,
}

/// What a router said at once, as far as it was not taken.
#[derive(Debug)]
struct Said {
    /// `None`: that it has nothing any more, which nobody said.
    source: Option<Source>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// All that it has is compared with what is known of it.
    Compare { all: IntoIter<Announced>, new: Vec<Announced>, known: usize },
    /// Some addresses go, others come.
    Change { deleted: IntoIter<Key>, added: IntoIter<Announced> },
}

impl Work {
    /// Addresses that are left.
    fn len(&self) -> usize {
        match self {
            Self::Compare { all, new, .. } => all.len() + new.len(),
            Self::Change { deleted, added } => deleted.len() + added.len(),
        }
    }
}

impl Learning {
    /// Addresses that wait of what came over a link.
    fn waiting(&self, link: LinkId) -> usize {
        let said = self.waiting.values().flatten();
        let of_link = said.filter(|said| said.source.is_some_and(|source| source.link == link));
        of_link.map(|said| said.work.len()).sum()
    }

    /// Nothing of this is taken any more.
    fn drop(&mut self, said: impl IntoIterator<Item = Said>) {
        self.taken.extend(said.into_iter().filter_map(|said| said.source));
    }
}

impl Addresses {
    /// A router says what it has, in a message; what of it is taken when is said by `poll_learned`. Gives whether there is room for it: if not
    /// the router has to be asked again.
    #[must_use]
    pub fn handle_said(&mut self, router: RouterIndex, changes: Changes, source: Source) -> bool {
        if matches!(changes, Changes::All(_)) {
            self.drop_said(router);
        }
        let length = match &changes {
            Changes::Since { added, deleted } => added.len() + deleted.len(),
            Changes::All(all) => all.len(),
        };
        if self.learning.waiting(source.link) + length > LEARNING_MAX {
            self.learning.taken.push_back(source);
            return false;
        }
        self.note_said(router, changes, Some(source));
        true
    }

    /// A router has no addresses any more.
    pub fn handle_forgotten(&mut self, router: RouterIndex) {
        self.drop_said(router);
        self.note_said(router, Changes::All(Vec::new()), None);
    }

    /// A link is lost: what came over it, and what its routers said behind that, is not taken any more. Gives these routers, which are to be
    /// asked for all that they have.
    pub fn handle_link_lost(&mut self, link: LinkId) -> Vec<RouterIndex> {
        let is_lost = |said: &Said| said.source.is_some_and(|source| source.link == link);
        let mut missed = Vec::new();
        for (router, said) in &mut self.learning.waiting {
            if let Some(from) = said.iter().position(is_lost) {
                self.learning.taken.extend(said.drain(from..).filter_map(|said| said.source));
                missed.push(*router);
            }
        }
        self.retire();
        missed
    }

    /// Takes so many addresses of what waits, less one for each message, and gives those that are not as they were; `room` is what is left.
    pub fn poll_learned(&mut self, room: &mut usize) -> Vec<Key> {
        let mut changed = Vec::new();
        while *room > 0
            && let Some(router) = self.learning.turns.pop_front()
        {
            let mut share = LEARNING_SHARE.min(*room);
            *room -= share;
            self.take(router, &mut share, &mut changed);
            *room += share;
            self.learning.turns.push_back(router);
            self.retire();
        }
        changed
    }

    /// Whether something waits.
    #[must_use]
    pub fn is_learning(&self) -> bool {
        !self.learning.turns.is_empty()
    }

    /// The next message of which nothing waits any more.
    pub fn poll_taken(&mut self) -> Option<Source> {
        self.learning.taken.pop_front()
    }

    /// The same as `handle_said`, taken at once whatever it costs; gives the addresses that are not as they were.
    pub fn learn(&mut self, router: RouterIndex, changes: Changes) -> Vec<Key> {
        if matches!(changes, Changes::All(_)) {
            self.drop_said(router);
        }
        self.note_said(router, changes, None);
        self.finish(router)
    }

    /// The same as `handle_forgotten`.
    pub fn forget(&mut self, router: RouterIndex) -> Vec<Key> {
        self.learn(router, Changes::All(Vec::new()))
    }

    /// Takes what is left of a router that has nothing any more: its number is another one's.
    pub(super) fn finish_forgotten(&mut self, router: RouterIndex) {
        let first = self.learning.waiting.get(&router).and_then(VecDeque::front);
        if first.is_some_and(|said| said.source.is_none()) {
            self.finish(router);
        }
    }

    /// Routers of which something waits.
    pub(super) fn learning_of(&self) -> Vec<RouterIndex> {
        self.learning.turns.iter().copied().collect()
    }

    fn finish(&mut self, router: RouterIndex) -> Vec<Key> {
        let (mut share, mut changed) = (usize::MAX, Vec::new());
        self.take(router, &mut share, &mut changed);
        self.retire();
        changed
    }

    fn drop_said(&mut self, router: RouterIndex) {
        let said = self.learning.waiting.remove(&router).unwrap_or_default();
        self.learning.drop(said);
        self.retire();
    }

    /// Whoever has nothing waiting has no turn.
    fn retire(&mut self) {
        let Learning { waiting, turns, .. } = &mut self.learning;
        waiting.retain(|_, said| !said.is_empty());
        turns.retain(|router| waiting.contains_key(router));
    }

    fn note_said(&mut self, router: RouterIndex, changes: Changes, source: Option<Source>) {
        let work = match changes {
            Changes::Since { added, deleted } => self.change(deleted, added),
            Changes::All(all) => {
                self.begin_all(router);
                Work::Compare { all: all.into_iter(), new: Vec::new(), known: 0 }
            }
        };
        if !self.learning.waiting.contains_key(&router) {
            self.learning.turns.push_back(router);
        }
        self.learning.waiting.entry(router).or_default().push_back(Said { source, work });
    }

    /// What is more than a part is in the order in which the tree has it: each part copies its own branch of what shards share, and
    /// copies it once.
    fn change(&self, mut deleted: Vec<Key>, mut added: Vec<Announced>) -> Work {
        if deleted.len() + added.len() > LEARNING_SHARE {
            deleted.sort_by_cached_key(|key| self.order(key));
            added.sort_by_cached_key(|announced| self.order(&announced.key));
        }
        Work::Change { deleted: deleted.into_iter(), added: added.into_iter() }
    }

    /// Takes so much of what a router said.
    fn take(&mut self, router: RouterIndex, room: &mut usize, changed: &mut Vec<Key>) {
        while *room > 0 {
            let Some(said) = self.learning.waiting.get_mut(&router).and_then(VecDeque::pop_front) else { return };
            let Said { source, work } = said;
            if let Some(work) = self.go_on(router, work, room, changed) {
                self.learning.waiting.entry(router).or_default().push_front(Said { source, work });
                return;
            }
            // What is said in many messages costs something, too, if it is nothing.
            *room = room.saturating_sub(1);
            self.learning.taken.extend(source);
        }
    }

    /// Takes so much of it; gives what is left.
    fn go_on(&mut self, router: RouterIndex, work: Work, room: &mut usize, changed: &mut Vec<Key>) -> Option<Work> {
        match work {
            Work::Compare { mut all, mut new, mut known } => {
                for announced in some(&mut all, room) {
                    match self.note_known(router, &announced.key) {
                        Some(is_first) => known += usize::from(is_first),
                        None => new.push(announced),
                    }
                }
                if all.len() > 0 || *room == 0 {
                    return Some(Work::Compare { all, new, known });
                }
                let work = self.change(self.unconfirmed(router, known), new);
                self.go_on(router, work, room, changed)
            }
            Work::Change { mut deleted, mut added } => {
                changed.extend(some(&mut deleted, room).filter(|key| self.forget_address(router, key)));
                changed.extend(some(&mut added, room).filter_map(|announced| self.learn_address(router, announced)));
                (deleted.len() + added.len() > 0).then_some(Work::Change { deleted, added })
            }
        }
    }
}

/// The next ones, as far as there is room.
fn some<'a, T>(all: &'a mut IntoIter<T>, room: &mut usize) -> impl Iterator<Item = T> + 'a {
    let taken = all.len().min(*room);
    *room -= taken;
    all.by_ref().take(taken)
}
