//! The one owner of the table: it hears of consumers from all shards, and of other routers from its neighbours, and tells all shards what
//! the table is.
//!
//! Guarantees:
//! 1. A consumer is told that it stands when every shard has a table that has it: whoever sends then reaches it.
//! 2. What changes between two updates makes one table. The answers that an update leads to come behind it.
//! 3. Of what neighbours say of addresses so much makes one table (`LEARNED_MAX`), the rest one of the next: what else comes does not wait for a
//!    long list. A neighbour is told that it was heard when all that it said was taken. What is left when its connection is lost is not
//!    taken, and asked for again on another way.
//! 4. Rules hold for links that attach when `poll_ruled` has told so, on each shard; addresses that are there stay as they are. Routes of links
//!    hold then as well, and containers that are there are reached by them.
//!
//! Its host gives it what comes, calls `handle_time` at `deadline` at the latest, and polls for an update after each of its turns; times are nanoseconds of a clock that does not go back.
//!
//! Not here: threads and inboxes (its host's), and what routers say to each other (`engine_router::network`).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use engine_message::Condition;
use engine_router::RouterId;
use engine_router::address::Key;
use engine_router::network::{Action, LinkId, Network, Notice};
use engine_router::table::{Addresses, Change, Consumer, ConsumerId, Rules, Source, Table};
use engine_router::uplink::{self, Proxy, Uplink};

use crate::containers::LinkRoute;
use crate::limits::{CHANGED_MAX, LEARNED_MAX};
use crate::ruling::Ruling;

/// What the registry is told, by shards but for `Ruled` and `LinkRouted`.
#[derive(Clone, Debug)]
pub enum Note {
    /// A consumer came.
    Came {
        /// Its address.
        key: Key,
        /// It.
        consumer: Consumer,
    },
    /// A consumer went.
    Went {
        /// Its address.
        key: Key,
        /// Which.
        consumer: ConsumerId,
    },
    /// A connection to another router is there.
    Joined {
        /// What it is called.
        link: LinkId,
        /// Who is at its other end.
        neighbour: RouterId,
        /// What a message over it costs, from 1.
        cost: u32,
    },
    /// It is gone.
    Parted {
        /// Which.
        link: LinkId,
    },
    /// A neighbour said something.
    Said {
        /// Over which connection.
        link: LinkId,
        /// The message, without header.
        message: Bytes,
    },
    /// A connection of this router, which is at the edge, to the interior is open.
    InteriorOpened {
        /// What it is called.
        link: LinkId,
    },
    /// It is gone.
    InteriorLost {
        /// Which.
        link: LinkId,
    },
    /// A shard of a router at the edge has its first sender or receiver of an address.
    Needed {
        /// The link that it needs for that.
        proxy: Proxy,
    },
    /// It has its last one no more.
    Unneeded {
        /// The link that it needed.
        proxy: Proxy,
    },
    /// A link for an address to the interior is not there, or no more.
    ProxyDown {
        /// On which connection.
        link: LinkId,
        /// Its number.
        number: u32,
        /// Why, for people.
        why: String,
    },
    /// Other rules are to hold for addresses; who says so is not a shard.
    Ruled {
        /// They.
        rules: Arc<Rules>,
        /// What `poll_ruled` tells when all shards go by them.
        number: u64,
    },
    /// Other routes of links are to hold, instead of those before; who says so is not a shard.
    LinkRouted {
        /// All of them.
        routes: Arc<[LinkRoute]>,
        /// What `poll_ruled` tells when all shards go by them, and by who serves them.
        number: u64,
    },
    /// The shard goes by a table.
    Applied {
        /// The shard.
        shard: u16,
        /// The table's version.
        version: u64,
    },
}

/// A table that all shards are to go by.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its number, larger than that of each before.
    pub version: u64,
    /// The table.
    pub table: Table,
    /// Addresses that are not as they were in the one before.
    pub changed: Changed,
    /// All routes of links, if they are others than before.
    pub link_routes: Option<Arc<[LinkRoute]>>,
}

/// Addresses that changed.
#[derive(Clone, Debug)]
pub enum Changed {
    /// These.
    Some {
        /// They.
        keys: Arc<[Key]>,
        /// Those among them that were gone, with their numbers: they may be back, and others may have the numbers now.
        gone: Arc<[(Key, u32)]>,
    },
    /// Any: other routers are reached than before.
    All,
}

/// What the shard of a connection to another router is to do.
#[derive(Clone, Debug)]
pub enum Order {
    /// To say something over it.
    Say {
        /// Which.
        link: LinkId,
        /// The message as a whole.
        message: Bytes,
    },
    /// To let the neighbour say one thing more: what it said was heard, and done.
    Heard {
        /// Which.
        link: LinkId,
        /// Octets of what it said.
        octets: usize,
    },
    /// To close it.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        condition: Condition,
        /// Why, for people.
        reason: String,
    },
    /// To do something about a connection to the interior.
    Interior {
        /// Which.
        link: LinkId,
        /// What.
        ask: Ask,
    },
}

/// What is to be done about a connection of a router at the edge to the interior.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To attach the links that the active one has in any case.
    Activate,
    /// To attach a link for an address.
    Attach {
        /// Its number.
        number: u32,
        /// What it is.
        proxy: Proxy,
    },
    /// To detach one.
    Detach {
        /// Its number.
        number: u32,
    },
}

impl Order {
    /// The shard that it is for.
    #[must_use]
    pub fn shard(&self) -> u16 {
        ConsumerId(self.link().0).shard()
    }

    /// The connection that it is about.
    #[must_use]
    pub fn link(&self) -> LinkId {
        let (Self::Say { link, .. }
        | Self::Heard { link, .. }
        | Self::Close { link, .. }
        | Self::Interior { link, .. }) = self;
        *link
    }
}

/// What a shard is told of a consumer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every shard knows of it.
    Stands(ConsumerId),
    /// There is no room for its address.
    Refused(ConsumerId),
}

/// What there is of the host's turn.
#[derive(Debug)]
struct Turn {
    /// When it is, as the host said last.
    now_ns: u64,
    /// Addresses of other routers that may still be taken before the next table.
    room: usize,
    /// The message that is being heard, unless what it says of addresses waits.
    heard: Option<Source>,
}

/// The owner of the table.
#[derive(Debug)]
pub struct Registry {
    addresses: Addresses,
    /// This router among others, if it is to be that.
    network: Option<Network>,
    /// What this router has in the interior, if it is at the edge.
    uplink: Option<Uplink>,
    version: u64,
    /// What each shard goes by.
    applied: Vec<u64>,
    changed: BTreeSet<Key>,
    /// Whether other routers are reached than the last table says.
    has_new_routes: bool,
    ruling: Ruling,
    /// Consumers that wait to be told that they stand, by the version that has them first.
    coming: VecDeque<(u64, ConsumerId)>,
    turn: Turn,
    answers: VecDeque<Answer>,
    orders: VecDeque<Order>,
    notices: VecDeque<Notice>,
    uplink_notices: VecDeque<uplink::Notice>,
}

impl Registry {
    /// A registry of a node of so many shards, which all go by its table as it is now.
    #[must_use]
    pub fn new(addresses: Addresses, shards: u16, network: Option<Network>) -> Self {
        Self {
            addresses,
            network,
            version: 0,
            applied: vec![0; usize::from(shards)],
            changed: BTreeSet::new(),
            has_new_routes: false,
            ruling: Ruling::default(),
            coming: VecDeque::new(),
            turn: Turn { now_ns: 0, room: LEARNED_MAX, heard: None },
            answers: VecDeque::new(),
            orders: VecDeque::new(),
            notices: VecDeque::new(),
            uplink: None,
            uplink_notices: VecDeque::new(),
        }
    }

    /// The same of a router at the edge of a network.
    #[must_use]
    pub fn at_the_edge(self) -> Self {
        Self { uplink: Some(Uplink::default()), ..self }
    }

    /// Takes what a shard tells.
    pub fn handle_note(&mut self, note: Note, now_ns: u64) {
        self.turn.now_ns = now_ns;
        match note {
            Note::Came { key, consumer } => self.come(key, consumer, now_ns),
            Note::Went { key, consumer } => {
                if self.addresses.remove(&key, consumer) == Change::Last
                    && let Some(network) = &mut self.network
                {
                    network.withdraw(&key, now_ns);
                }
                self.changed.insert(key);
            }
            Note::Joined { link, neighbour, cost } => match &mut self.network {
                Some(network) => network.handle_link(link, neighbour, cost, now_ns),
                None => {
                    let reason = "this router is no part of a network".to_owned();
                    self.orders.push_back(Order::Close { link, condition: Condition::NotAllowed, reason });
                }
            },
            Note::Parted { link } => {
                let missed = self.addresses.handle_link_lost(link);
                if let Some(network) = &mut self.network {
                    missed.into_iter().for_each(|router| network.handle_missed(router));
                    network.handle_link_lost(link, now_ns);
                }
            }
            Note::Said { link, message } => {
                self.network.iter_mut().for_each(|network| network.handle_message(link, &message, now_ns));
                self.turn.heard = Some(Source { link, octets: message.len() });
            }
            Note::InteriorOpened { link } => self.uplink.iter_mut().for_each(|uplink| uplink.handle_opened(link)),
            Note::InteriorLost { link } => self.uplink.iter_mut().for_each(|uplink| uplink.handle_lost(link)),
            Note::Needed { proxy } => self.uplink.iter_mut().for_each(|uplink| uplink.handle_needed(&proxy)),
            Note::Unneeded { proxy } => {
                self.uplink.iter_mut().for_each(|uplink| uplink.handle_unneeded(&proxy, now_ns));
            }
            Note::ProxyDown { link, number, why } => {
                self.uplink.iter_mut().for_each(|uplink| uplink.handle_down(link, number, &why, now_ns));
            }
            Note::Ruled { rules, number } => {
                self.addresses.set_rules(rules);
                self.ruling.rule(self.version + 1, number);
            }
            Note::LinkRouted { routes, number } => {
                self.addresses.declare_link_routes(routes.iter().map(|route| route.key.clone()));
                self.ruling.route_links(routes, self.version + 1, number);
            }
            Note::Applied { shard, version } => self.apply(shard, version),
        }
        self.follow();
    }

    /// A shard goes by a version: what all go by now can be told.
    fn apply(&mut self, shard: u16, version: u64) {
        if let Some(applied) = self.applied.get_mut(usize::from(shard)) {
            *applied = version;
        }
        let by_all = self.applied.iter().copied().min().unwrap_or_default();
        while let Some((_, consumer)) = self.coming.pop_front_if(|(version, _)| *version <= by_all) {
            self.answers.push_back(Answer::Stands(consumer));
        }
        let next = self.version + u64::from(self.has_changed());
        self.ruling.apply(by_all, next);
    }

    /// Does what is due.
    pub fn handle_time(&mut self, now_ns: u64) {
        self.turn.now_ns = now_ns;
        self.network.iter_mut().for_each(|network| network.handle_time(now_ns));
        self.uplink.iter_mut().for_each(|uplink| uplink.handle_time(now_ns));
        self.follow();
    }

    /// When `handle_time` is due, if it is: at once while something waits to be learned.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        if self.addresses.is_learning() {
            return Some(self.turn.now_ns);
        }
        let uplink = self.uplink.as_ref().and_then(Uplink::deadline);
        self.network.as_ref().map(Network::deadline).into_iter().chain(uplink).min()
    }

    fn come(&mut self, key: Key, consumer: Consumer, now_ns: u64) {
        let treatment = match self.addresses.add(&key, consumer) {
            Change::Full => return self.answers.push_back(Answer::Refused(consumer.id)),
            Change::First(treatment) => Some(treatment),
            Change::Last | Change::None => None,
        };
        if let (Some(treatment), Some(network)) = (treatment, &mut self.network) {
            // Where there is no room for it other routers do not know of it: who is here reaches it all the same.
            network.announce(key.clone(), treatment, now_ns);
        }
        self.changed.insert(key);
        self.coming.push_back((self.version + 1, consumer.id));
    }

    /// Does what the edge's side of its connections wants done.
    fn follow_uplink(&mut self) {
        let Some(uplink) = &mut self.uplink else { return };
        while let Some(action) = uplink.poll_action() {
            let (link, ask) = match action {
                uplink::Action::Activate { link } => (link, Ask::Activate),
                uplink::Action::Attach { link, number, proxy } => (link, Ask::Attach { number, proxy }),
                uplink::Action::Detach { link, number } => (link, Ask::Detach { number }),
                uplink::Action::Notice(notice) => {
                    self.uplink_notices.push_back(notice);
                    continue;
                }
            };
            self.orders.push_back(Order::Interior { link, ask });
        }
    }

    /// Does what follows from what came, as far as there is room for that before the next table.
    fn follow(&mut self) {
        self.follow_uplink();
        self.follow_network();
        if self.turn.room > 0 {
            self.changed.extend(self.addresses.poll_learned(&mut self.turn.room));
        }
        let heard = self.turn.heard.take().into_iter().chain(std::iter::from_fn(|| self.addresses.poll_taken()));
        self.orders.extend(heard.map(|Source { link, octets }| Order::Heard { link, octets }));
    }

    /// Does what the network wants done.
    fn follow_network(&mut self) {
        let Some(network) = &mut self.network else { return };
        while let Some(action) = network.poll_action() {
            match action {
                Action::Send { link, message } => self.orders.push_back(Order::Say { link, message }),
                Action::Close { link, condition, reason } => {
                    self.orders.push_back(Order::Close { link, condition, reason });
                }
                Action::Routes => {
                    self.addresses.set_routes(Arc::clone(network.routes()));
                    self.has_new_routes = true;
                }
                Action::Learned { router, changes } => {
                    let source = self.turn.heard.take().expect("what is learned was said in the message that is heard");
                    if !self.addresses.handle_said(router, changes, source) {
                        network.handle_missed(router);
                    }
                }
                Action::Forgotten { router } => self.addresses.handle_forgotten(router),
                Action::Notice(notice) => self.notices.push_back(notice),
            }
        }
    }

    /// The table for all shards, if it is another one than before.
    pub fn poll_update(&mut self) -> Option<Update> {
        self.turn.room = LEARNED_MAX;
        if !self.has_changed() {
            return None;
        }
        // Rules say which addresses have a fallback: with other ones any sender may have somebody to send to.
        let is_any = self.has_new_routes || self.ruling.has_new_rules() || self.changed.len() > CHANGED_MAX;
        self.version += 1;
        self.has_new_routes = false;
        let (keys, gone) = (std::mem::take(&mut self.changed), self.addresses.take_gone());
        let changed = match is_any {
            true => Changed::All,
            false => Changed::Some { keys: keys.into_iter().collect(), gone: gone.into() },
        };
        let link_routes = self.ruling.tell();
        Some(Update { version: self.version, table: self.addresses.view(), changed, link_routes })
    }

    /// Whether shards are to go by another table than the last one.
    fn has_changed(&self) -> bool {
        !self.changed.is_empty() || self.has_new_routes || self.ruling.is_new()
    }

    /// The next answer, for the consumer's shard.
    pub fn poll_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// The number of rules, or of routes of links, that all shards go by now.
    pub fn poll_ruled(&mut self) -> Option<u64> {
        self.ruling.poll_ruled()
    }

    /// What the shard of a connection to another router is to do next.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Something that an operator may want to know.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// The same of a router at the edge.
    pub fn poll_uplink_notice(&mut self) -> Option<uplink::Notice> {
        self.uplink_notices.pop_front()
    }

    /// How many addresses somebody wants.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.addresses.count()
    }
}
