//! A router at the edge of a network, as the interior sees it: which of its connections there carries everything, and which links for
//! addresses it has.
//!
//! Guarantees:
//! 1. One connection is active as long as there is one: the one that was opened first of those that are there. When it is lost the next
//!    one becomes active, and has all links made anew.
//! 2. As long as somebody here receives from an address there is a link that receives from it in the interior; as long as somebody sends
//!    to one, and for `LINGER_NS` behind that, there is a link that sends, for `PROXIES_MAX` of both together. What is beyond has one when
//!    another one goes; one that only lingers goes at once then.
//! 3. A link that the interior refuses or ends is made again after `RETRY_FIRST_NS`, then every `RETRY_NS`. Why it is missing is told when
//!    that changes.
//! 4. Each attempt has a number of its own: what is said of one that was given up changes nothing.
//!
//! Whether a link that sends has anybody to send to the interior says to whoever has the link (`edge` of `engine_routing`). Not here:
//! links that each connection has once, and what is on the wire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::address::Key;
use crate::limits::PROXIES_MAX;
use crate::network::LinkId;

/// How long a link that ended waits first, nanoseconds: the interior may be changing.
const RETRY_FIRST_NS: u64 = 2_000_000_000;
/// How long it waits from then on.
const RETRY_NS: u64 = 5_000_000_000;

/// How long a link stays that nobody sends to any more, nanoseconds: what was sent settled may still wait for the interior, and what senders
/// without an address sent over it waits for its outcomes. Senders that come and go do not make a link each, either.
const LINGER_NS: u64 = 5_000_000_000;

/// Which way messages go over a link for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// From the interior: somebody here receives.
    Down,
    /// To the interior: somebody here sends.
    Up,
}

/// A link for an address, in place of all links that clients here have to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proxy {
    /// Which way.
    pub way: Way,
    /// The address, which is mobile.
    pub key: Key,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A connection is the active one: it gets the links that it needs in any case.
    Activate {
        /// Which.
        link: LinkId,
    },
    /// A link is to be attached.
    Attach {
        /// On the active connection.
        link: LinkId,
        /// Its number, of no other attempt.
        number: u32,
        /// What it is.
        proxy: Proxy,
    },
    /// A link is needed no more.
    Detach {
        /// On the active connection.
        link: LinkId,
        /// Its number.
        number: u32,
    },
    /// Something that an operator may want to know.
    Notice(Notice),
}

/// Something that an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The edge is part of a network: this is its active connection.
    Active(LinkId),
    /// It has none.
    Alone,
    /// An address is not connected with the interior.
    Missing {
        /// Which.
        proxy: Proxy,
        /// Why.
        why: String,
    },
    /// There are as many links as there may be: further addresses are not connected with the interior.
    Full,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active(_) => f.write_str("a connection to the interior is active"),
            Self::Alone => f.write_str("no connection to the interior is left: messages stay at this edge"),
            Self::Missing { proxy: Proxy { way, key }, why } => {
                let what = match way {
                    Way::Down => "is not received from",
                    Way::Up => "is not sent to",
                };
                write!(f, "{} {what} in the interior: {why}", key.name())
            }
            Self::Full => {
                write!(
                    f,
                    "{PROXIES_MAX} addresses are connected with the interior, which is the limit: others stay here"
                )
            }
        }
    }
}

/// How a link for an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is no active connection.
    Idle,
    /// There are too many others.
    Spare,
    /// It was asked for, by this number.
    Asked(u32),
    /// It ended, and is due at this time.
    Due(u64),
}

#[derive(Debug)]
struct Wanted {
    /// Shards that have somebody for it; 0: it lingers.
    by: u32,
    /// Until when it lingers.
    until_ns: Option<u64>,
    stage: Stage,
    /// Why it was missing last.
    why: Option<String>,
}

/// The edge's side of its connections to the interior.
#[derive(Debug, Default)]
pub struct Uplink {
    /// In the order in which they were opened: the first one is active.
    connections: VecDeque<LinkId>,
    wanted: BTreeMap<Proxy, Wanted>,
    by_number: BTreeMap<u32, Proxy>,
    due: BTreeSet<(u64, Proxy)>,
    spare: BTreeSet<Proxy>,
    /// Those that linger, by their ends.
    lingering: BTreeSet<(u64, Proxy)>,
    numbers: u32,
    actions: VecDeque<Action>,
}

impl Uplink {
    /// A connection to the interior is open at both ends.
    pub fn handle_opened(&mut self, link: LinkId) {
        if self.connections.contains(&link) {
            return;
        }
        self.connections.push_back(link);
        if self.connections.len() == 1 {
            self.activate();
        }
    }

    /// It is gone.
    pub fn handle_lost(&mut self, link: LinkId) {
        let Some(place) = self.connections.iter().position(|known| *known == link) else { return };
        self.connections.remove(place);
        if place > 0 {
            return;
        }
        self.by_number.clear();
        self.due.clear();
        self.spare.clear();
        self.lingering.clear();
        self.wanted.retain(|_, wanted| wanted.by > 0);
        self.wanted.values_mut().for_each(|wanted| wanted.stage = Stage::Idle);
        self.activate();
    }

    /// A shard has its first sender or receiver of an address.
    pub fn handle_needed(&mut self, proxy: &Proxy) {
        if let Some(wanted) = self.wanted.get_mut(proxy) {
            wanted.by += 1;
            if let Some(until_ns) = wanted.until_ns.take() {
                self.lingering.remove(&(until_ns, proxy.clone()));
            }
            return;
        }
        self.wanted.insert(proxy.clone(), Wanted { by: 1, until_ns: None, stage: Stage::Idle, why: None });
        self.attach(proxy);
    }

    /// It has its last one no more.
    pub fn handle_unneeded(&mut self, proxy: &Proxy, now_ns: u64) {
        let Some(wanted) = self.wanted.get_mut(proxy) else { return };
        wanted.by -= 1;
        if wanted.by > 0 {
            return;
        }
        if proxy.way == Way::Up && matches!(wanted.stage, Stage::Asked(_)) && self.spare.is_empty() {
            let until_ns = now_ns.saturating_add(LINGER_NS);
            wanted.until_ns = Some(until_ns);
            self.lingering.insert((until_ns, proxy.clone()));
            return;
        }
        self.forget(proxy);
        if let Some(next) = self.spare.pop_first() {
            self.attach(&next);
        }
    }

    /// Nobody wants an address any more.
    fn forget(&mut self, proxy: &Proxy) {
        let Some(wanted) = self.wanted.remove(proxy) else { return };
        if let Some(until_ns) = wanted.until_ns {
            self.lingering.remove(&(until_ns, proxy.clone()));
        }
        match wanted.stage {
            Stage::Idle => {}
            Stage::Spare => {
                self.spare.remove(proxy);
            }
            Stage::Asked(number) => {
                self.by_number.remove(&number);
                self.actions.extend(self.active().map(|link| Action::Detach { link, number }));
            }
            Stage::Due(at_ns) => {
                self.due.remove(&(at_ns, proxy.clone()));
            }
        }
    }

    /// A link ended, or could not be attached.
    pub fn handle_down(&mut self, link: LinkId, number: u32, why: &str, now_ns: u64) {
        if self.active() != Some(link) {
            return;
        }
        let Some(proxy) = self.by_number.remove(&number) else { return };
        let Some(wanted) = self.wanted.get_mut(&proxy) else { return };
        if let Some(until_ns) = wanted.until_ns {
            self.lingering.remove(&(until_ns, proxy.clone()));
            self.wanted.remove(&proxy);
            return;
        }
        let wait_ns = if wanted.why.is_some() { RETRY_NS } else { RETRY_FIRST_NS };
        let at_ns = now_ns.saturating_add(wait_ns);
        wanted.stage = Stage::Due(at_ns);
        if wanted.why.as_deref() != Some(why) {
            wanted.why = Some(why.to_owned());
            let notice = Notice::Missing { proxy: proxy.clone(), why: why.to_owned() };
            self.actions.push_back(Action::Notice(notice));
        }
        self.due.insert((at_ns, proxy));
    }

    /// Attaches again what is due, and detaches what has lingered.
    pub fn handle_time(&mut self, now_ns: u64) {
        while self.lingering.first().is_some_and(|(until_ns, _)| *until_ns <= now_ns)
            && let Some((_, proxy)) = self.lingering.pop_first()
        {
            self.forget(&proxy);
        }
        while self.due.first().is_some_and(|(at_ns, _)| *at_ns <= now_ns)
            && let Some((_, proxy)) = self.due.pop_first()
        {
            self.attach(&proxy);
        }
    }

    /// When `handle_time` is due, if it is.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.due.first().into_iter().chain(self.lingering.first()).map(|(at_ns, _)| *at_ns).min()
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The active connection.
    #[must_use]
    pub fn active(&self) -> Option<LinkId> {
        self.connections.front().copied()
    }

    /// Asserts what must hold between two inputs.
    pub fn check(&self) {
        for (proxy, wanted) in &self.wanted {
            let lingers = wanted.until_ns.is_some_and(|until_ns| self.lingering.contains(&(until_ns, proxy.clone())));
            assert!((wanted.by > 0) != lingers, "somebody wants {proxy:?}, or it lingers");
            assert!(wanted.by > 0 || matches!(wanted.stage, Stage::Asked(_)), "a link lingers that is there");
            match wanted.stage {
                Stage::Idle => assert!(self.active().is_none(), "{proxy:?} waits for a connection"),
                Stage::Spare => assert!(self.spare.contains(proxy) && self.room() == 0, "{proxy:?} waits for room"),
                Stage::Asked(number) => {
                    assert_eq!(self.by_number.get(&number), Some(proxy), "it is known by its number")
                }
                Stage::Due(at_ns) => assert!(self.due.contains(&(at_ns, proxy.clone())), "{proxy:?} is due"),
            }
        }
        let lingering = self.wanted.values().filter(|wanted| wanted.by == 0).count();
        assert_eq!(lingering, self.lingering.len(), "what lingers is known");
        let known = self.by_number.len() + self.due.len() + self.spare.len();
        assert!(known == self.wanted.len() || self.active().is_none() && known == 0, "nothing else is known");
    }

    /// How many links there may be more.
    fn room(&self) -> usize {
        PROXIES_MAX.saturating_sub(self.by_number.len() + self.due.len())
    }

    /// The first connection is the active one from here on.
    fn activate(&mut self) {
        let Some(link) = self.active() else { return self.actions.push_back(Action::Notice(Notice::Alone)) };
        self.actions.push_back(Action::Notice(Notice::Active(link)));
        self.actions.push_back(Action::Activate { link });
        let proxies: Vec<Proxy> = self.wanted.keys().cloned().collect();
        proxies.iter().for_each(|proxy| self.attach(proxy));
    }

    fn attach(&mut self, proxy: &Proxy) {
        let Some(link) = self.active() else { return };
        if self.room() == 0
            && let Some((_, oldest)) = self.lingering.pop_first()
        {
            self.forget(&oldest);
        }
        let has_room = self.room() > 0;
        let Some(wanted) = self.wanted.get_mut(proxy) else { return };
        if !has_room {
            wanted.stage = Stage::Spare;
            if self.spare.is_empty() {
                self.actions.push_back(Action::Notice(Notice::Full));
            }
            self.spare.insert(proxy.clone());
            return;
        }
        let mut number = self.numbers;
        while self.by_number.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        self.numbers = number.wrapping_add(1);
        wanted.stage = Stage::Asked(number);
        self.by_number.insert(number, proxy.clone());
        self.actions.push_back(Action::Attach { link, number, proxy: proxy.clone() });
    }
}
