//! A router among others: a machine without I/O and clock.
//!
//! Guarantees:
//! 1. It knows a neighbour within two HELLOs of hearing it and being heard, and that it is gone when its link is, or `hello_age_ns` after
//!    its last HELLO.
//! 2. Paths are computed when the network changed, at most once each `compute_ns`; what other routers say of themselves is asked for
//!    until it is known.
//! 3. A neighbour that says what cannot be so loses its connection, and nobody else does. What came through it from afar is passed over.
//! 4. Memory is bounded by `limits`, and what waits to be polled by what one input makes.
//!
//! Its host calls `handle_*`, then polls actions until there are none, and calls `handle_time` at `deadline`, once it has handed over what has
//! come by then. Times are nanoseconds of a clock that does not go back.
//!
//! Not here: what control messages do (`hearing.rs`), and messages of clients (`table`, `forward`).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use engine_message::Condition;

use super::action::{Action, Notice};
use super::config::{Config, Timers};
use super::exchange::Pace;
use super::links::{LinkId, Links};
use super::own::Own;
use super::routers::Routers;
use super::routes::Routes;
use crate::address::Key;
use crate::control::{Body, Changes, Control, Destination};
use crate::limits::ROUTERS_MAX;
use crate::router_id::RouterId;
use crate::set::{RouterIndex, RouterSet};
use crate::treatment::Treatment;

/// A router among others.
#[derive(Debug)]
pub struct Network {
    pub(super) config: Config,
    pub(super) links: Links,
    pub(super) routers: Routers,
    pub(super) own: Own,
    pub(super) routes: Arc<Routes>,
    pub(super) told: Told,
    schedule: Schedule,
    actions: VecDeque<Action>,
}

/// What was told once, and is not told again.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub versions: BTreeSet<RouterId>,
    pub has_duplicate: bool,
    pub is_full: bool,
}

/// What is due when.
#[derive(Debug, Default)]
struct Schedule {
    hello_ns: u64,
    advertise_ns: u64,
    /// When paths are to be computed; `None` if they are those of the network.
    compute_ns: Option<u64>,
    computed_ns: Option<u64>,
    /// When the network changed last.
    changed_ns: Option<u64>,
    /// The numbers of what was advertised: of neighbours and addresses.
    advertised: (u64, u64),
}

impl Network {
    /// A router that knows nobody.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let routes = Arc::new(Routes::new(&config.id, &[], &Routers::default()));
        Self {
            config,
            links: Links::default(),
            routers: Routers::default(),
            own: Own::default(),
            routes,
            told: Told::default(),
            schedule: Schedule::default(),
            actions: VecDeque::new(),
        }
    }

    /// A connection to another router is there, with its control link: the container at the other end, and what a message over it costs
    /// (the larger of what both ends say).
    pub fn handle_link(&mut self, link: LinkId, neighbour: RouterId, cost: u32, now_ns: u64) {
        if neighbour == self.config.id {
            let reason = "the router at the other end has this one's id: give each its own";
            self.act(Action::Close { link, condition: Condition::NotAllowed, reason: reason.to_owned() });
        } else if !self.links.add(link, neighbour, cost) {
            let reason = "there are as many connections between routers as there can be";
            self.act(Action::Close { link, condition: Condition::ResourceLimitExceeded, reason: reason.to_owned() });
        } else {
            // Whoever comes is greeted at once, so that it need not wait for the next round.
            self.schedule.hello_ns = self.schedule.hello_ns.min(now_ns);
        }
        self.handle_time(now_ns);
    }

    /// A connection is gone.
    pub fn handle_link_lost(&mut self, link: LinkId, now_ns: u64) {
        if let Some(lost) = self.links.remove(link) {
            self.reconcile(self.routers.find(&lost.neighbour), now_ns);
        }
        self.handle_time(now_ns);
    }

    /// An address has a consumer here, its first one, or another distribution; gives whether there is room for it. Only classes that
    /// routers announce are told.
    pub fn announce(&mut self, key: Key, treatment: Treatment, now_ns: u64) -> bool {
        !key.class().is_announced() || self.own.add(key, treatment, now_ns)
    }

    /// An address has no consumer here any more.
    pub fn withdraw(&mut self, key: &Key, now_ns: u64) {
        self.own.remove(key, now_ns);
    }

    /// Does what is due.
    pub fn handle_time(&mut self, now_ns: u64) {
        if now_ns >= self.schedule.hello_ns {
            self.tick(now_ns);
        }
        self.go_on(now_ns);
    }

    /// Does what is due but for forgetting who was not heard: after a message there may be others that have come, and who they are of is not
    /// known before they are heard.
    pub(super) fn go_on(&mut self, now_ns: u64) {
        let timers = self.config.timers;
        if self.own.changed_ns.is_some_and(|changed| now_ns >= changed + timers.gather_ns) {
            self.tell_changes();
        }
        if self.schedule.compute_ns.is_some_and(|at| now_ns >= at) {
            self.compute(now_ns);
        }
        let numbers = (self.own.link_state.sequence, self.own.sequence());
        // What changed is told when it can be: over the paths that follow from it.
        let is_new = numbers != self.schedule.advertised && self.schedule.compute_ns.is_none();
        if is_new || now_ns >= self.schedule.advertise_ns {
            self.advertise(numbers, now_ns);
        }
        self.ask_and_answer(now_ns);
    }

    /// When `handle_time` is due.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        let told = self.own.changed_ns.map(|changed| changed + self.config.timers.gather_ns);
        let always = self.schedule.hello_ns.min(self.schedule.advertise_ns);
        [told, self.schedule.compute_ns].into_iter().flatten().fold(always, u64::min)
    }

    /// The next thing to be done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Where the other routers are.
    #[must_use]
    pub fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// All routers that are known, this one included.
    #[must_use]
    pub fn known(&self) -> RouterSet {
        std::iter::once(RouterIndex::SELF).chain(self.routers.iter().map(|(index, _)| index)).collect()
    }

    /// Asserts what must hold between two inputs.
    pub fn check(&self) {
        assert!(self.known().count() as usize <= ROUTERS_MAX, "routers are bounded");
        for (_, router) in self.routers.iter() {
            let is_neighbour = self.own.link_state.peers.iter().any(|(id, _)| *id == router.id);
            assert_eq!(router.link.is_some(), is_neighbour, "{} is a neighbour in both places or none", router.id);
            let end = router.link.map(|link| self.links.neighbour(link));
            assert!(end.is_none_or(|end| end == Some(&router.id)), "a neighbour's link leads to it");
        }
        assert!(self.told.versions.len() <= ROUTERS_MAX, "what was told is bounded");
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Ends a connection for what its peer said.
    pub(super) fn close(&mut self, link: LinkId, condition: Condition, reason: String, now_ns: u64) {
        let closed = self.links.remove(link);
        self.act(Action::Close { link, condition, reason });
        self.reconcile(closed.and_then(|closed| self.routers.find(&closed.neighbour)), now_ns);
    }

    /// The network is another one: its paths are to be computed.
    pub(super) fn note_change(&mut self, now_ns: u64) {
        self.schedule.changed_ns = Some(now_ns);
        // What was lost on paths that did not lead anywhere yet is told again soon, by routers that it does not happen to, too.
        self.schedule.advertise_ns = self.schedule.advertise_ns.min(now_ns + self.config.timers.advertise_flux_ns);
        let earliest = self.schedule.computed_ns.map_or(now_ns, |computed| computed + self.config.timers.compute_ns);
        self.schedule.compute_ns.get_or_insert(earliest.max(now_ns));
    }

    /// Has each of these routers be a neighbour if its link is there and was confirmed, and else none.
    pub(super) fn reconcile(&mut self, routers: impl IntoIterator<Item = RouterIndex>, now_ns: u64) {
        let since_ns = now_ns.saturating_sub(self.config.timers.hello_age_ns);
        let mut has_changed = false;
        for index in routers {
            let Some(router) = self.routers.get_mut(index) else { continue };
            let good = self.links.confirmed(&router.id, router.link, since_ns);
            let before = std::mem::replace(&mut router.link, good.map(|(link, _)| link));
            let id = router.id.clone();
            let is_other_link = before != good.map(|(link, _)| link);
            let is_told = self.own.set_neighbour(&id, good.map(|(_, cost)| cost));
            has_changed |= is_other_link || is_told;
            if is_other_link && good.is_some() {
                router.link_state.ask_again();
                router.addresses.ask_again();
            }
            if is_other_link && !is_told {
                // What was under way on the link before is lost, perhaps of routers that nothing else happens to.
                self.own.renew_link_state();
            }
            match (before, good) {
                (None, Some(_)) => self.act(Action::Notice(Notice::NeighbourFound(id))),
                (Some(_), None) => self.act(Action::Notice(Notice::NeighbourLost(id))),
                _ => {}
            }
        }
        if has_changed {
            self.note_change(now_ns);
        }
    }

    /// What is done once a HELLO: greet, and forget who was not heard.
    fn tick(&mut self, now_ns: u64) {
        let timers = self.config.timers;
        self.schedule.hello_ns = now_ns + timers.hello_ns;
        self.reconcile(RouterIndex::all(), now_ns);
        if self.routers.age(now_ns.saturating_sub(timers.link_state_age_ns)) {
            self.note_change(now_ns);
        }
        for router in self.routers.forget_unnamed() {
            self.act(Action::Forgotten { router });
            self.note_change(now_ns);
        }
        self.own.age(now_ns.saturating_sub(timers.advertise_ns));
        let seen = self.links.heard_since(now_ns.saturating_sub(timers.hello_age_ns));
        self.say(&Destination::Neighbours, Body::Hello { instance: Some(self.config.instance), seen });
    }

    fn compute(&mut self, now_ns: u64) {
        (self.schedule.compute_ns, self.schedule.computed_ns) = (None, Some(now_ns));
        let routes = Routes::new(&self.config.id, &self.own.link_state.peers, &self.routers);
        let before = self.routes.paths().reached();
        for index in routes.paths().reached().without(before).iter() {
            if let Some(router) = self.routers.get_mut(index) {
                router.link_state.want();
                router.addresses.want();
            }
        }
        if *self.routes != routes {
            self.routes = Arc::new(routes);
            self.act(Action::Routes);
        }
    }

    fn advertise(&mut self, numbers: (u64, u64), now_ns: u64) {
        let timers = self.config.timers;
        let flux_ns = 2 * timers.advertise_flux_ns;
        let is_in_flux = self.schedule.changed_ns.is_some_and(|changed| now_ns <= changed + flux_ns);
        let interval_ns = if is_in_flux { timers.advertise_flux_ns } else { timers.advertise_ns };
        (self.schedule.advertise_ns, self.schedule.advertised) = (now_ns + interval_ns, numbers);
        let (link_state, addresses) = numbers;
        let instance = Some(self.config.instance);
        self.say(&Destination::All, Body::Advertisement { instance, link_state, addresses });
    }

    fn tell_changes(&mut self) {
        if let Some((sequence, changes)) = self.own.take_changes() {
            self.say(&Destination::All, Body::Addresses { sequence, changes });
        }
    }

    /// Asks routers that are reached for what is not known, and answers those that asked.
    fn ask_and_answer(&mut self, now_ns: u64) {
        let Timers { answer_ns: at_least_ns, advertise_ns, .. } = self.config.timers;
        // Neighbours are told in some octets; what all addresses are may be a million times as much.
        let pace = Pace { at_least_ns, at_most_ns: at_least_ns };
        let pace_of_addresses = Pace { at_most_ns: advertise_ns.max(at_least_ns), ..pace };
        for index in self.routes.paths().reached().iter() {
            let Some(router) = self.routers.get_mut(index) else { continue };
            let to = Destination::Router(router.id.clone());
            let asks = [
                router.link_state.poll_question(now_ns).map(|_| Body::LinkStateRequest),
                router.addresses.poll_question(now_ns).map(|known| Body::AddressRequest { known }),
            ];
            let owes_link_state = router.link_state.poll_answer(self.own.link_state.sequence, now_ns, pace);
            let owes_addresses = router.addresses.poll_answer(self.own.sequence(), now_ns, pace_of_addresses);
            asks.into_iter().flatten().for_each(|body| self.say(&to, body));
            if owes_link_state {
                let (instance, state) = (Some(self.config.instance), self.own.link_state.clone());
                self.say(&to, Body::LinkState { instance, state });
            }
            if owes_addresses {
                // Changes first: what is told as a whole is what was told.
                self.tell_changes();
                self.say_all(&to, now_ns);
            }
        }
    }

    /// Says all addresses.
    fn say_all(&mut self, to: &Destination, now_ns: u64) {
        let links = self.links_to(to);
        if !links.is_empty() {
            let id = self.config.id.clone();
            let encoded = self.own.encoded_all(&id, now_ns);
            let body = Body::Addresses { sequence: self.own.sequence(), changes: Changes::All(Vec::new()) };
            let message = Control { id, body }.encode_with(to, &encoded);
            links.into_iter().for_each(|link| self.act(Action::Send { link, message: message.clone() }));
        }
    }

    fn say(&mut self, to: &Destination, body: Body) {
        let links = self.links_to(to);
        if !links.is_empty() {
            let message = Control { id: self.config.id.clone(), body }.encode(to);
            links.into_iter().for_each(|link| self.act(Action::Send { link, message: message.clone() }));
        }
    }

    fn links_to(&self, to: &Destination) -> Vec<LinkId> {
        match to {
            Destination::Neighbours => self.links.ids(),
            Destination::All => self.routes.links_to_all(RouterIndex::SELF),
            Destination::Router(id) => {
                let index = self.routes.index(id.as_str());
                index.and_then(|index| self.routes.link(index)).into_iter().collect()
            }
        }
    }
}
