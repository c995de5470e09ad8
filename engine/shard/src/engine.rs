//! The engine as the connections of one shard see it: commands go to whoever owns the address, events come back.
//!
//! Guarantees: a command for this shard's own queues crosses no lane; events of one link arrive in their order. Where there is a router,
//! addresses are its which its rules do not have stored, and for those this shard's part of it takes the place of all owners ([`ROUTED`]).
//!
//! It has no disk: whoever drives it takes the orders for one (`poll_order`) and says what became of them (`handle_done`).

use std::collections::BTreeMap;

use bytes::Bytes;
use engine_core::command::{Command, Outcome, Part, Publish, Settled};
use engine_core::event::{Event, Shown};
use engine_core::key::{EndKey, LinkKey, Port};
use engine_core::message::Message;
use engine_core::preface::LeftOut;
use engine_core::small::{Lent, Small};
use engine_core::step::Committer;
use engine_core::stream::Following;
use engine_core::through::{Going, Half, NoRoute, Said};
use engine_core::{Answer, Core, Version};
use storage_journal::{Done, Order};

use crate::forwarder::Forwarder;
use crate::limits::{ROUTED_BACKLOG_SHARE, SETTLED_BACKLOG_MAX};
use crate::mesh::{Mesh, Parcel};
use crate::store::{Store, StoreError, StoreTotals};
use engine_catalogue::{Resolved, base};
use engine_ledger::Ledger;
use engine_routing::{
    Answer as RouterAnswer, Brought, Crossing, Found, Meeting, Note, Order as RouterOrder, Router, Told, Update,
};

/// In place of the shard that owns an address: it is routed, and every shard's router is its owner for links of that shard.
pub const ROUTED: u16 = u16::MAX;

/// One shard's queues and its lanes.
pub struct Engine {
    pub(crate) core: Core,
    pub(crate) mesh: Mesh,
    pub(crate) forwarder: Forwarder,
    pub(crate) busy: bool,
    now_ns: u64,
    wall_ms: u64,
    store: Option<Store>,
    router: Option<Box<Router>>,
}

impl Engine {
    /// Joins a shard's parts. Without a store everything is in memory, and the core has to know that.
    pub fn new(core: Core, mesh: Mesh, store: Option<Store>) -> Self {
        Self { core, mesh, forwarder: Forwarder::default(), busy: false, now_ns: 0, wall_ms: 0, store, router: None }
    }

    /// Has addresses be routed, those that its rules do not have stored.
    #[must_use]
    pub fn with_router(mut self, router: Router) -> Self {
        self.router = Some(Box::new(router));
        self
    }

    /// This shard.
    pub fn shard(&self) -> u16 {
        self.mesh.shard()
    }

    /// The shard that owns an address, as far as this one knows: the one that is asked knows better (`Event::Moved`). [`ROUTED`] for one
    /// that is routed.
    #[inline]
    pub fn owner_of(&self, address: &str) -> u16 {
        match &self.router {
            Some(router) if router.stored(base(address)).is_none() => ROUTED,
            _ => self.keeper_of(address),
        }
    }

    /// This shard has so many links.
    pub fn note_links(&self, links: usize) {
        self.mesh.note_links(links);
    }

    /// The other shard that a link of a routed address meets the others on, if there is one and it has not many more links than this one,
    /// which has so many.
    pub fn meets_at(&self, address: &str, half: Half, links: usize) -> Option<u16> {
        let shard = match self.router.as_ref()?.meeting(address, half)? {
            Meeting::At(shard) => shard,
            Meeting::ByName(key) => self.keeper_of(key.name()),
        };
        (shard != self.mesh.shard() && self.mesh.has_room(shard, links)).then_some(shard)
    }

    /// The name that a stored address has, which may be written as routers have it, with a scheme and a divider, where there is one.
    pub fn stored_name<'a>(&self, address: &'a str) -> &'a str {
        self.router.as_ref().and_then(|router| router.stored(address)).unwrap_or(address)
    }

    /// The shard that answers for a name, or has an address's queues, whether or not clients' links to it are routed.
    #[inline]
    pub fn keeper_of(&self, address: &str) -> u16 {
        let Resolved::Stored { owner } = self.core.catalogue().resolve(address);
        owner.shard
    }

    /// The queues of this shard.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The lanes of this shard.
    pub fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    /// Starts a turn: its time, and its budget for each lane.
    pub fn begin_turn(&mut self, now_ns: u64, wall_ms: u64) {
        self.now_ns = now_ns;
        self.wall_ms = wall_ms;
        self.busy = false;
        self.mesh.begin_turn();
        self.core.begin_turn(now_ns, wall_ms);
        if let Some(router) = &mut self.router {
            router.begin_turn(now_ns);
            if router.is_busy() {
                router.proceed();
            }
        }
    }

    /// The journal's disk carried out an order.
    ///
    /// # Errors
    /// When the journal failed: nothing may be acknowledged any more.
    pub fn handle_done(&mut self, done: Done) -> Result<(), StoreError> {
        self.busy = true;
        let Some(store) = &mut self.store else { unreachable!("without a store there are no orders") };
        store.handle_done(&mut self.core, self.now_ns, done)
    }

    /// Sends off what goes to other addresses, and gives the store what happened in this turn; `poll_order` has what the disk is to do about
    /// it.
    pub fn commit(&mut self) {
        if self.core.may_forward() && self.forward() {
            // There may be something for consumers, and more to forward.
            self.busy = true;
        }
        if let Some(store) = &mut self.store {
            store.handle_turn(&mut self.core, self.now_ns);
        }
    }

    /// The next order for the journal's disk. Orders are carried out in their order.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.store.as_mut()?.poll_order()
    }

    /// What the journal did so far, and what waits for it, of this turn too; `None` without one.
    pub fn journal(&self) -> Option<StoreTotals> {
        let store = self.store.as_ref()?;
        Some(StoreTotals { pending_bytes: store.pending_bytes(&self.core), ..store.totals() })
    }

    /// What all records of the journal say that outlives the node; `None` without one.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.store.as_ref().map(Store::ledger)
    }

    /// Whether the journal has something to write still.
    pub fn is_writing(&self) -> bool {
        self.store.as_ref().is_some_and(|store| !store.is_resting() || store.pending_bytes(&self.core) > 0)
    }

    /// The turn's time, nanoseconds of the shards' clock.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The turn's wall time, milliseconds since the epoch.
    #[inline]
    pub fn wall_ms(&self) -> u64 {
        self.wall_ms
    }

    /// Takes what is told of a version of the catalogue.
    pub fn handle_version(&mut self, version: Version) -> Answer {
        self.core.handle_version(version)
    }

    /// Hands a command to the owner of its address.
    #[inline]
    pub fn submit(&mut self, owner: u16, command: Command) {
        if owner == self.mesh.shard() {
            self.core.handle_command(self.now_ns, self.wall_ms, command);
        } else if owner == ROUTED {
            self.routed().handle_command(command);
        } else {
            self.mesh.send(owner, Parcel::Command(command));
        }
    }

    /// The router of what is routed.
    #[inline]
    fn routed(&mut self) -> &mut Router {
        self.router.as_deref_mut().unwrap_or_else(|| unreachable!("without a router nothing is routed"))
    }

    /// Takes the table that all shards are to go by.
    pub fn handle_update(&mut self, update: Update) {
        self.routed().handle_update(update);
    }

    /// Does what the registry wants done with a connection to another router.
    pub fn handle_router_order(&mut self, order: RouterOrder) {
        self.routed().handle_order(order);
    }

    /// A connection to the interior of the network that this router is at the edge of is open.
    pub fn handle_interior_opened(&mut self, connection: u64) {
        self.routed().handle_interior_opened(connection);
    }

    /// A connection is gone, whatever it was.
    pub fn handle_connection_gone(&mut self, connection: u64) {
        if let Some(router) = &mut self.router {
            router.handle_connection_gone(connection);
        }
    }

    /// A link for an address to the interior is not there, or no more.
    pub fn handle_proxy_down(&mut self, connection: u64, number: u32, why: String) {
        self.routed().handle_proxy_down(connection, number, why);
    }

    /// The registry says what became of a receiver's attach.
    pub fn handle_router_answer(&mut self, answer: RouterAnswer) {
        self.routed().handle_answer(answer);
    }

    /// The link of a relay has ended. Owners of queues need not know.
    pub fn end_relay(&mut self, link: LinkKey) {
        if let Some(router) = &mut self.router {
            router.handle_relay_ended(link);
        }
    }

    /// Whether a link to an address takes a route, for the half whose peer asks for it.
    pub fn has_link_route(&self, address: &str, half: Half) -> bool {
        self.router.as_ref().is_some_and(|router| router.link_route(address, half).is_some())
    }

    /// Whether a link that came over another router leads to queues of this node.
    pub fn ends_here(&self, address: &str, half: Half) -> bool {
        self.router.as_ref().is_some_and(|router| router.ends_here(address, half))
    }

    /// Has a link go on to where its route leads.
    ///
    /// # Errors
    /// When nobody is there.
    pub fn go_on(&mut self, going: Going) -> Result<(), NoRoute> {
        self.routed().handle_link(going)
    }

    /// A half of a link that passes through tells the other one.
    pub fn tell_half(&mut self, to: LinkKey, said: Said) {
        self.routed().handle_said(to, said);
    }

    /// A connection of a container is open: that of a connector or listener of this name.
    pub fn handle_container(&mut self, connection: u64, name: &str, container: &str) {
        self.routed().handle_container(connection, name, container);
    }

    /// What the registry is told next.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.router.as_mut()?.poll_note()
    }

    /// This shard's part of the router, if there is one.
    pub fn router(&self) -> Option<&Router> {
        self.router.as_deref()
    }

    /// Has a transaction committed that is about queues of several shards.
    pub fn coordinate(&mut self, by: Committer, parts: BTreeMap<u16, Part>) {
        for (owner, step) in self.core.coordinate(by, parts) {
            let link = LinkKey::at(Port::Shard, owner, 0, 0);
            self.mesh.send(owner, Parcel::Event(link, Event::Step(Box::new(step))));
        }
    }

    /// Hands a message to the owner of its address.
    #[inline]
    pub fn deliver(&mut self, owner: u16, end: EndKey, delivery: u32, settled: Settled, message: Message) {
        if owner == self.mesh.shard() {
            self.core.handle_deliver(self.now_ns, self.wall_ms, end, delivery, settled, message);
        } else {
            self.deliver_elsewhere(owner, end, delivery, settled, message);
        }
    }

    /// The same of one that is routed.
    #[inline(never)]
    pub fn deliver_routed(&mut self, end: EndKey, delivery: u32, settled: Settled, message: Message) {
        self.routed().handle_deliver(end, delivery, settled, message);
    }

    #[inline(never)]
    fn deliver_elsewhere(&mut self, owner: u16, end: EndKey, delivery: u32, settled: Settled, message: Message) {
        if owner == ROUTED {
            self.deliver_routed(end, delivery, settled, message);
        } else {
            self.mesh.send(owner, Parcel::Command(Command::Deliver { end, delivery, settled, message }));
        }
    }

    /// Hands the router a small message that may go on at once; gives whether it does.
    #[inline]
    pub fn pass_small(&mut self, end: EndKey, delivery: (u32, Settled), small: &Small<'_>) -> bool {
        self.routed().pass_small(end, delivery, small)
    }

    /// As `Router::find_alike`.
    pub fn find_alike(&mut self, end: EndKey, priority: u8, front: &LeftOut) -> Option<Found> {
        self.routed().find_alike(end, priority, front)
    }

    /// As `Router::pass_alike`.
    #[inline]
    pub fn pass_alike(&mut self, end: EndKey, delivery: (u32, Settled), found: &Found, small: &Small<'_>) -> bool {
        self.routed().pass_alike(end, delivery, found, small)
    }

    /// As `Router::lend`.
    pub fn lend(&mut self, lent: Lent) {
        if let Some(router) = &mut self.router {
            router.lend(lent);
        }
    }

    /// Hands the router the beginning of a message, whose parts follow; gives what it counts until the router says that it is gone.
    pub fn begin_stream(&mut self, end: EndKey, delivery: u32, settled: Settled, message: Message) -> u64 {
        self.routed().handle_beginning(end, delivery, settled, message)
    }

    /// The same of a relay's.
    pub fn begin_published(&mut self, link: LinkKey, delivery: u32, settled: Settled, publish: Publish) -> u64 {
        self.routed().handle_published(link, delivery, settled, publish)
    }

    /// Hands the router what follows in a message; gives what it counts until the router says that it is gone.
    pub fn continue_stream(&mut self, by: Brought, delivery: u32, bytes: Bytes, following: Following) -> u64 {
        self.routed().handle_part(by, delivery, bytes, following)
    }

    /// A sender aborts a message that the router has the beginning of.
    pub fn abort_stream(&mut self, by: Brought, delivery: u32) {
        self.routed().handle_aborted(by, delivery);
    }

    /// A sender settles a message that the router has the beginning of.
    pub fn settle_stream(&mut self, by: Brought, delivery: u32) {
        self.routed().handle_settled(by, delivery);
    }

    /// So many octets of a message that the router sends in parts were passed on.
    pub fn pass_stream(&mut self, stream: u64, octets: u64) {
        self.routed().handle_taken(stream, octets);
    }

    /// A consumer says how far it has come with a delivery of the router's.
    pub fn note_received(&mut self, key: u64, section: u32, offset: u64) {
        self.routed().handle_received(key, section, offset);
    }

    /// Settles what a consumer holds and accepted, without confirmation.
    #[inline]
    pub fn accept(&mut self, owner: u16, end: EndKey, key: u64) {
        if owner == self.mesh.shard() {
            self.core.handle_accepted(end, key);
        } else {
            self.accept_elsewhere(owner, end, key);
        }
    }

    /// The same of what the router sent: so many, whose keys follow each other.
    #[inline]
    pub fn accept_routed(&mut self, first: u64, count: u32) {
        self.routed().handle_accepted(first, count);
    }

    #[inline(never)]
    fn accept_elsewhere(&mut self, owner: u16, end: EndKey, key: u64) {
        if owner == ROUTED { self.accept_routed(key, 1) } else { self.mesh.accept(owner, end, key) }
    }

    /// Settles what a consumer holds otherwise; `confirm` names the delivery of a peer that waits until that is durable.
    pub fn settle(&mut self, owner: u16, end: EndKey, key: u64, outcome: Outcome, confirm: Option<u32>) {
        if owner == self.mesh.shard() {
            self.core.handle_settle(end, key, outcome, confirm);
        } else if owner == ROUTED {
            self.routed().handle_settle(end, key, outcome, confirm);
        } else {
            self.mesh.send(owner, Parcel::Command(Command::Settle { end, key, outcome, confirm }));
        }
    }

    /// The next event for a link of this shard, but for the router's (`take_routed`).
    #[inline]
    pub fn poll_event(&mut self) -> Option<(LinkKey, Event)> {
        loop {
            match self.mesh.receive() {
                Some((_, Parcel::Event(link, event))) => {
                    self.busy = true;
                    match self.take_own(link, event) {
                        Some(event) => return Some((link, event)),
                        None => continue,
                    }
                }
                Some((_, Parcel::Command(command))) => {
                    self.busy = true;
                    self.core.handle_command(self.now_ns, self.wall_ms, command);
                    continue;
                }
                Some((from, Parcel::Routed(crossing))) => {
                    self.busy = true;
                    self.routed().handle_crossing(from, crossing);
                    continue;
                }
                None => {}
            }
            let (link, event) = self.core.poll_event()?;
            self.busy = true;
            if link.shard != self.mesh.shard() {
                self.mesh.send(link.shard, Parcel::Event(link, event));
            } else if let Some(event) = self.take_own(link, event) {
                return Some((link, event));
            }
        }
    }

    /// Takes all events of the router's, in place of `told`. Of those that are no messages `take_own` is to be asked.
    #[inline]
    pub fn take_routed(&mut self, told: &mut Told) {
        if let Some(router) = &mut self.router {
            router.take_told(told);
            self.busy |= !told.is_empty();
        }
    }

    /// Takes what no home is to hear of: a message that a wrong owner gave back goes on to the one that it named, whoever sent it here, a
    /// connection that one of this shard is in the way of is asked for again behind what was said of that, and answers to the forwarder and steps
    /// of transactions are the shard's own. Gives any other event back.
    #[inline]
    pub fn take_own(&mut self, link: LinkKey, event: Event) -> Option<Event> {
        match event {
            Event::Moved(moved) if matches!(moved.command, Command::Publish { .. } | Command::Claim { .. }) => {
                let (owner, command) = moved.again();
                self.submit(owner, command);
                None
            }
            event if link.port() == Port::Forwarder => {
                self.handle_answer(&event);
                None
            }
            Event::Step(step) => {
                self.core.handle_step(*step);
                None
            }
            Event::Pattern(step) => {
                self.core.handle_pattern(*step);
                None
            }
            event => Some(event),
        }
    }

    /// The next message for a consumer's link of this shard. There may be new events when there is none.
    #[inline]
    pub fn poll_delivery(&mut self) -> Option<(LinkKey, Shown)> {
        loop {
            let (link, delivery) = self.core.poll_delivery()?;
            self.busy = true;
            if link.shard == self.mesh.shard() {
                return Some((link, delivery));
            }
            let event = Event::Deliver { key: delivery.key, message: self.core.share_message(&delivery) };
            self.mesh.send(link.shard, Parcel::Event(link, event));
        }
    }

    /// The message of the delivery that was polled last.
    #[inline]
    pub fn message(&self, delivery: &Shown) -> &Message {
        self.core.message(delivery)
    }

    /// Ends a turn: peers are woken. Gives whether this shard had work.
    pub fn flush(&mut self) -> bool {
        self.flush_routed();
        self.mesh.flush();
        self.busy
    }

    /// Sends what the router has for other shards. Nobody's credit holds back what is settled, or counts octets: beyond that much another
    /// shard does not keep up.
    fn flush_routed(&mut self) {
        let Some(router) = &mut self.router else { return };
        self.busy |= router.is_busy();
        let octets_max = router.octets_max() / ROUTED_BACKLOG_SHARE;
        while let Some((to, crossing)) = router.poll_crossing() {
            let settled = match &crossing {
                Crossing::Deliver { settled, .. } => Some(*settled),
                Crossing::Begins(begins) => Some(begins.settled),
                _ => None,
            };
            if matches!(crossing, Crossing::Received { .. }) && self.mesh.backlog(to).parcels > 0 {
                // What comes later says more.
                continue;
            }
            if let Some(settled) = settled {
                let backlog = self.mesh.backlog(to);
                let is_long = settled == Settled::Yes && backlog.parcels >= SETTLED_BACKLOG_MAX;
                if is_long || backlog.octets > octets_max {
                    match crossing {
                        Crossing::Begins(begins) => router.handle_unsent_beginning(to, &begins),
                        Crossing::Deliver { number, .. } => router.handle_unsent(to, number, settled),
                        _ => {}
                    }
                    // Its sender is told in the next turn.
                    self.busy = true;
                    continue;
                }
            }
            self.mesh.send(to, Parcel::Routed(crossing));
        }
    }

    /// When the next turn is due even if nothing happens, nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        let store = self.store.as_ref().and_then(Store::deadline);
        let router = self.router.as_ref().and_then(|router| router.deadline());
        [self.core.deadline(), store, router].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use engine_catalogue::{Catalogue, Placement};
    use engine_core::command::ProducerSpec;
    use engine_core::limits::CoreConfig;
    use engine_rt::Waker;

    #[test]
    fn a_link_reaches_an_owner_on_another_shard() {
        let wakers: Vec<Waker> = (0..2).map(|_| Waker::new().expect("a descriptor")).collect();
        let catalogue = Arc::new(Catalogue::new(Placement::new(2)));
        let engine = |mesh: Mesh| {
            let catalogue = Arc::clone(&catalogue);
            let config = CoreConfig { shard: mesh.shard(), catalogue, ..CoreConfig::default() };
            Engine::new(Core::new(config), mesh, None)
        };
        let mut engines: Vec<Engine> = crate::mesh(&wakers).into_iter().map(engine).collect();
        let address = catalogue.name_owned_by(1, |n| format!("q{n}")).expect("a name");
        let spec = ProducerSpec::of(address);
        let link = LinkKey { shard: 0, generation: 3, slot: 9 };
        engines[0].begin_turn(0, 0);
        engines[0].submit(1, Command::AttachProducer { link, spec: Box::new(spec) });
        engines[0].flush();
        engines[1].begin_turn(0, 0);
        assert!(engines[1].poll_event().is_none(), "nothing for its own links");
        engines[1].flush();
        engines[0].begin_turn(0, 0);
        let (to, event) = engines[0].poll_event().expect("the answer came back");
        assert_eq!(to, link);
        assert!(matches!(event, Event::Attached { .. }));
        assert!(matches!(engines[0].poll_event(), Some((_, Event::Credit { credit: 2000 }))));
    }
}
