//! Who has which connections of a shard, and what goes to whom: the part of a turn that needs no descriptor.
//!
//! Whoever drives it (the shell with sockets, a simulation without) keeps what it likes with each connection (`H`), gives it time, octets
//! and what disks did, and takes requests, orders and output. Decision 0008 has the order of the calls. What the router says of much that was read at once
//! is heard by its connections within `receive`, as it is lent no longer than that; all else when it is handed out.
//!
//! Guarantees: whatever a connection may have to write or to ask for makes it dirty, once; consumers get `TURN_GIVEN_BYTES` of
//! messages in one turn, give or take one; an event of a link whose connection is gone reaches the home.

use amqp_bind::{Asking, Given, Written};
use amqp_proto::{Authenticated, Out};
use engine_core::command::Publish;
use engine_core::event::{Event, Refusal};
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_core::preface::Preface;
use engine_core::small::{Lent, Octets, Small};
use engine_core::{Answer, Progress, Task, Version};
use engine_home::limits::GIVEN_OVERHEAD;
use engine_home::{Arena, Due, Gift, Home, Parting, Prefix, Request, Slot, Slots};
use engine_message::Condition;
use engine_policy::{Admission, Denial};
use engine_router::address::Key;
use engine_routing::{Answer as RouterAnswer, Ask, Changed, Note, Order as RouterOrder, Told, Update};
use engine_shard::store::StoreError;
use storage_disk::large::{LargeDone, LargeOrder};
use storage_journal::{Done, Order};

use crate::limits::{LENT_MIN_BYTES, TURN_GIVEN_BYTES};
use crate::protocol::Protocol;
use crate::proxies::proxy_asking;

mod together;

use together::{First, Going, RunOf};

/// A connection: its binding, and what its host keeps with it.
pub struct Entry<H> {
    /// Its binding.
    pub protocol: Protocol,
    /// Its host's.
    pub host: H,
    /// Whether it is among the dirty ones.
    dirty: bool,
}

/// The connections of one shard over their home.
pub struct Turn<H> {
    home: Home,
    entries: Slots<Entry<H>>,
    connections_max: u32,
    dirty: Vec<Slot>,
    /// Where what goes out before messages is put together.
    prefix: Prefix,
    /// Small messages of the router's that wait for room.
    kept: Arena,
    /// Where the router's events are taken to.
    routed: Told,
    /// Small messages that go together.
    run: RunOf,
}

impl<H> Turn<H> {
    /// A shard with at most `connections_max` connections.
    pub fn new(home: Home, connections_max: u32) -> Self {
        Self {
            home,
            entries: Slots::default(),
            connections_max,
            dirty: Vec::new(),
            prefix: Prefix::default(),
            kept: Arena::default(),
            routed: Told::default(),
            run: RunOf::default(),
        }
    }

    /// The home of their links.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Starts a turn.
    pub fn begin(&mut self, now_ns: u64, wall_ms: u64) {
        self.home.engine_mut().begin_turn(now_ns, wall_ms);
    }

    /// The turn's time, nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.home.engine().now_ns()
    }

    /// The journal's disk carried out an order.
    ///
    /// # Errors
    /// When the journal failed: nothing may be acknowledged any more.
    pub fn handle_done(&mut self, done: Done) -> Result<(), StoreError> {
        self.home.engine_mut().handle_done(done)
    }

    /// Takes what is told of a version of the catalogue.
    pub fn handle_version(&mut self, version: Version) -> Answer {
        self.home.engine_mut().handle_version(version)
    }

    /// Takes the router's table that all shards are to go by.
    pub fn handle_table(&mut self, update: Update) {
        match &update.changed {
            Changed::Some { gone, .. } => gone.iter().for_each(|(key, _)| self.home.forget_address(key.as_str())),
            Changed::All => {
                let is_there = |key: &str| Key::read(key).is_some_and(|key| update.table.find(&key).is_some());
                self.home.forget_addresses(|key| !is_there(key));
            }
        }
        self.home.engine_mut().handle_update(update);
    }

    /// The router's registry says what became of a receiver's attach.
    pub fn handle_registered(&mut self, answer: RouterAnswer) {
        self.home.engine_mut().handle_router_answer(answer);
    }

    /// The router's registry wants something done with a connection to another router.
    pub fn handle_router_order(&mut self, order: RouterOrder) {
        let RouterOrder::Interior { link, ask } = order else {
            return self.home.engine_mut().handle_router_order(order);
        };
        // It may be gone meanwhile, which the registry hears.
        let Some(router) = self.home.engine().router() else { return };
        let Some(slot) = router.edge_connection(link).map(Slot::from_bits) else { return };
        match ask {
            Ask::Activate => self.ask_interior(slot),
            Ask::Attach { number, proxy } => {
                let asking = proxy_asking(number, &proxy, router.rules());
                self.step(slot, |Protocol::Amqp(bind), _| bind.ask_proxy(asking));
            }
            Ask::Detach { number } => {
                self.step(slot, |Protocol::Amqp(bind), home| bind.withdraw_proxy(home, number));
            }
        }
    }

    /// Attaches the links of a connection to another router.
    pub fn ask_router(&mut self, slot: Slot) {
        self.step(slot, |Protocol::Amqp(bind), home| bind.ask_router(home));
    }

    /// A container's connection is open: that of a connector or listener of this name.
    pub fn handle_container(&mut self, slot: Slot, name: &str, container: &str) {
        self.home.engine_mut().handle_container(slot.to_bits(), name, container);
    }

    /// A connection to the interior of the network that this router is at the edge of is open.
    pub fn handle_interior_opened(&mut self, slot: Slot) {
        self.home.engine_mut().handle_interior_opened(slot.to_bits());
    }

    /// A connection is gone, whatever it was.
    pub fn handle_connection_gone(&mut self, slot: Slot) {
        self.home.engine_mut().handle_connection_gone(slot.to_bits());
    }

    /// A link for an address to the interior is not there, or no more.
    pub fn handle_proxy_down(&mut self, slot: Slot, number: u32, why: String) {
        self.home.engine_mut().handle_proxy_down(slot.to_bits(), number, why);
    }

    /// Attaches the links that a connection to the interior has in any case.
    fn ask_interior(&mut self, slot: Slot) {
        let Some(own) = self.home.engine().router().map(|router| router.id().as_str().to_owned()) else { return };
        self.step(slot, |Protocol::Amqp(bind), _| bind.ask_interior(&own));
    }

    /// What the router's registry is told next.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.home.engine_mut().poll_note()
    }

    /// Does a step of work on the messages of a queue of this shard for a user.
    ///
    /// # Errors
    /// As `Home::manage`.
    pub fn manage(&mut self, user: &str, task: &Task) -> Result<Progress, Box<Refusal>> {
        self.home.manage(user, task)
    }

    /// Sends an answer of management.
    pub fn answer(&mut self, publish: Publish) {
        self.home.answer(publish);
    }

    /// The disk of large messages did something.
    pub fn handle_file(&mut self, done: LargeDone) {
        let Some(file) = self.home.handle_file(done) else { return };
        let slot = file.route.conn;
        if let Some(entry) = self.entries.get_mut(slot) {
            entry.protocol.handle_file(&mut self.home, file);
            self.touch(slot);
        }
    }

    /// Adds a connection.
    ///
    /// # Errors
    /// Gives its parts back when there are as many as may be.
    pub fn insert(&mut self, protocol: Protocol, host: H) -> Result<Slot, Box<(Protocol, H)>> {
        let entry = Entry { protocol, host, dirty: false };
        match self.entries.insert_within(entry, self.connections_max) {
            Ok(slot) => {
                if let Some(entry) = self.entries.get_mut(slot) {
                    entry.protocol.set_place(slot);
                }
                Ok(slot)
            }
            Err(Entry { protocol, host, .. }) => Err(Box::new((protocol, host))),
        }
    }

    /// A connection.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&Entry<H>> {
        self.entries.get(slot)
    }

    /// A connection.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry<H>> {
        self.entries.get_mut(slot)
    }

    /// All connections.
    pub fn entries(&self) -> impl Iterator<Item = (Slot, &Entry<H>)> {
        self.entries.iter()
    }

    /// All places of connections from one on, empty ones too.
    pub fn places(&self, from: u32) -> impl Iterator<Item = (u32, Option<&Entry<H>>)> {
        self.entries.places(from)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A connection is gone: so are its links.
    pub fn remove(&mut self, slot: Slot) -> Option<Entry<H>> {
        let mut entry = self.entries.remove(slot)?;
        entry.protocol.lose_links(&mut self.home);
        Some(entry)
    }

    /// Takes out a connection that asked to be moved.
    pub fn depart(&mut self, slot: Slot) -> Option<Entry<H>> {
        let mut entry = self.entries.remove(slot)?;
        entry.dirty = false;
        Some(entry)
    }

    /// Goes on with a connection that was moved here, and inserted.
    pub fn handle_moved(&mut self, slot: Slot) {
        self.step(slot, |protocol, home| protocol.handle_moved(home));
    }

    /// Takes octets of a connection: those that it kept, then what came. Of much at once the router's small messages go on from where they lie.
    #[inline]
    pub fn receive(&mut self, slot: Slot, bytes: &[u8]) {
        let read = if bytes.len() < LENT_MIN_BYTES { &[] } else { bytes };
        self.home.engine_mut().lend(Lent::of(read));
        self.step(slot, |protocol, home| protocol.handle_bytes(home, bytes));
        if !read.is_empty() {
            // What this leads to is no part of what was read.
            self.home.engine_mut().lend(Lent::default());
            self.hand_out_routed(read);
        }
    }

    /// TLS is in for a connection that asked for it; gives the octets that are its handshake's.
    pub fn secure(&mut self, slot: Slot) -> Vec<u8> {
        self.entries.get_mut(slot).map(|entry| entry.protocol.handle_secured()).unwrap_or_default()
    }

    /// A connection's credentials were verified; `false` if nobody waits for that.
    pub fn authenticated(&mut self, slot: Slot, authenticated: Authenticated) -> bool {
        self.step(slot, |protocol, home| protocol.handle_authenticated(home, authenticated)).unwrap_or(false)
    }

    /// The policy judged a connection. If that is gone, its place is given back by this.
    pub fn judged(&mut self, slot: Slot, judged: Result<Admission, Denial>) {
        self.step(slot, |protocol, home| protocol.handle_judged(home, judged));
    }

    /// Closes a connection.
    pub fn dismiss(&mut self, slot: Slot, condition: Condition, why: &str) {
        self.step(slot, |protocol, home| protocol.close(home, condition, why));
    }

    /// Closes a connection that there is no room for.
    pub fn refuse(&mut self, protocol: &mut Protocol, why: &str) {
        protocol.close(&mut self.home, Condition::ResourceLimitExceeded, why);
    }

    /// Attaches a link to a node of a connection's peer.
    pub fn ask(&mut self, slot: Slot, asking: Asking) {
        self.step(slot, |Protocol::Amqp(bind), _| bind.ask(asking));
    }

    /// Detaches a link that a connection's binding was asked for.
    pub fn withdraw(&mut self, slot: Slot, number: u32) {
        self.step(slot, |Protocol::Amqp(bind), home| bind.withdraw(home, number));
    }

    /// What a connection needs done.
    pub fn poll_request(&mut self, slot: Slot) -> Option<Request> {
        self.entries.get_mut(slot)?.protocol.poll_request()
    }

    #[inline]
    fn step<T>(&mut self, slot: Slot, step: impl FnOnce(&mut Protocol, &mut Home) -> T) -> Option<T> {
        let entry = self.entries.get_mut(slot)?;
        let given = step(&mut entry.protocol, &mut self.home);
        touch(&mut self.dirty, entry, slot);
        Some(given)
    }

    /// Notes that a connection may have something to write.
    #[inline]
    pub fn touch(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(slot) {
            touch(&mut self.dirty, entry, slot);
        }
    }

    /// Hands out what owners have for links of this shard, and as many messages as a turn may; gives whether there was anything.
    pub fn hand_out(&mut self) -> bool {
        let mut found = false;
        let mut left = TURN_GIVEN_BYTES;
        loop {
            let mut any = false;
            while self.hand_out_events() {
                any = true;
            }
            while left > 0
                && let Some((link, delivery)) = self.home.poll_delivery()
            {
                any = true;
                let wall_ms = self.home.engine().wall_ms();
                let Some(gift) = self.home.give(link, &delivery) else { continue };
                left = left.saturating_sub(gift.message.body.len() + GIVEN_OVERHEAD);
                let Some(entry) = self.entries.get_mut(gift.conn) else { continue };
                touch(&mut self.dirty, entry, gift.conn);
                if let Some(given) = send(&mut entry.protocol, &gift, &mut self.prefix, wall_ms) {
                    entry.protocol.handle_given(&mut self.home, given);
                }
            }
            if !any {
                return found;
            }
            found = true;
        }
    }

    /// Hands out what there is of events; gives whether there was anything. There may be more.
    #[inline]
    fn hand_out_events(&mut self) -> bool {
        let mut any = false;
        while let Some((link, event)) = self.home.poll_event() {
            any = true;
            self.handle_event(link, event);
        }
        self.hand_out_routed(&[]) || any
    }

    /// Hands out the router's events, of which most are messages: those are not moved. Small ones may lie in what was read.
    fn hand_out_routed(&mut self, read: &[u8]) -> bool {
        let mut routed = std::mem::take(&mut self.routed);
        self.home.engine_mut().take_routed(&mut routed);
        let any = !routed.is_empty();
        let Told { events, prefaces, octets, .. } = &mut routed;
        let octets = &Octets { read, copied: octets };
        let (mut rest, mut one_by_one) = (events.as_mut_slice(), 0_usize);
        while let Some(((link, event), behind)) = rest.split_first_mut() {
            rest = behind;
            match event {
                Event::Deliver { key, message } => self.give_sent(*link, *key, message, None),
                Event::Relayed { key, message, preface } => {
                    self.give_sent(*link, *key, message, prefaces.get(*preface as usize));
                }
                Event::Passed { key, message, preface } => {
                    let preface = preface.and_then(|place| Some((place, prefaces.get(place as usize)?)));
                    if preface.is_some() {
                        one_by_one = one_by_one.saturating_sub(1);
                    }
                    if let Some(preface) = preface
                        && one_by_one == 0
                    {
                        let first = First { link: *link, key: *key, message, preface };
                        match self.give_together(&first, rest, octets) {
                            Going::Together(further) => {
                                rest = rest.get_mut(further..).unwrap_or_default();
                                continue;
                            }
                            Going::OneByOne(count) => one_by_one = count,
                        }
                    }
                    self.give_small(*link, *key, &Small::of(message, octets), preface.map(|(_, preface)| preface));
                }
                event => {
                    // No credit: what stays says nothing.
                    let event = std::mem::replace(event, Event::Credit { credit: 0 });
                    if let Some(event) = self.home.take_own(*link, event) {
                        self.handle_event(*link, event);
                    }
                }
            }
        }
        // Messages are let go of now, not in the next turn.
        routed.clear();
        self.routed = routed;
        any
    }

    #[inline]
    fn handle_event(&mut self, link: LinkKey, event: Event) {
        if let Event::Deliver { key, message } = &event {
            return self.give_sent(link, *key, message, None);
        }
        let Some(route) = self.home.route(link) else { return self.handle_unrouted(link, event) };
        if let Some(entry) = self.entries.get_mut(route.conn) {
            touch(&mut self.dirty, entry, route.conn);
            entry.protocol.handle_owner(&mut self.home, route, event);
        }
    }

    /// Gives a message that another shard sent, or the router.
    #[inline]
    fn give_sent(&mut self, link: LinkKey, key: u64, message: &Message, preface: Option<&Preface>) {
        let wall_ms = self.home.engine().wall_ms();
        let Some(gift) = self.home.give_sent(link, key, message, preface) else { return };
        let Some(entry) = self.entries.get_mut(gift.conn) else { return };
        touch(&mut self.dirty, entry, gift.conn);
        if let Some(given) = send(&mut entry.protocol, &gift, &mut self.prefix, wall_ms) {
            entry.protocol.handle_given(&mut self.home, given);
        }
    }

    /// Gives a small message of the router's.
    #[inline]
    fn give_small(&mut self, link: LinkKey, key: u64, small: &Small<'_>, preface: Option<&Preface>) {
        let wall_ms = self.home.engine().wall_ms();
        let Some(gift) = self.home.give_small(link, key, small.body.len()) else { return };
        let Some(entry) = self.entries.get_mut(gift.conn) else { return };
        touch(&mut self.dirty, entry, gift.conn);
        let is_due = matches!(gift.due, Due::Send | Due::SendAndCredit);
        let by = (&mut self.prefix, wall_ms);
        let is_sent = is_due && entry.protocol.send_small((gift.id, key), small, preface, by);
        if is_sent && gift.due == Due::Send {
            return;
        }
        // It is kept until there is room, or something is due behind it.
        let message = small.with_body(self.kept.copy(small.body));
        let gift = gift.with(&message, preface);
        if !is_sent {
            entry.protocol.send(&gift, &mut self.prefix, wall_ms);
        }
        if gift.due != Due::Send {
            entry.protocol.handle_given(&mut self.home, Given::of(&gift));
        }
    }

    /// Takes an event that is for no link: for a connection, or for what is gone.
    #[cold]
    fn handle_unrouted(&mut self, link: LinkKey, event: Event) {
        match Home::claimant(link).and_then(|slot| Some((slot, self.entries.get_mut(slot)?))) {
            Some((slot, entry)) => {
                touch(&mut self.dirty, entry, slot);
                entry.protocol.handle_claim(&mut self.home, event);
            }
            None => {
                if let Some(Parting { conn, id, event }) = self.home.handle_unrouted(link, event) {
                    self.step(conn, |protocol, home| protocol.handle_parting(home, id, event));
                }
            }
        }
    }

    /// Gives the store what happened in this turn.
    pub fn commit(&mut self) {
        self.home.engine_mut().commit();
    }

    /// The next order for the journal's disk.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.home.engine_mut().poll_order()
    }

    /// The next order for the disk of large messages.
    pub fn poll_file_order(&mut self) -> Option<LargeOrder> {
        self.home.poll_file_order()
    }

    /// A connection that may have something to write, or to ask for.
    pub fn poll_dirty(&mut self) -> Option<Slot> {
        loop {
            let slot = self.dirty.pop()?;
            if let Some(entry) = self.entries.get_mut(slot) {
                entry.dirty = false;
                return Some(slot);
            }
        }
    }

    /// Fills a connection's output, and gives it to be written.
    pub fn poll_output(&mut self, slot: Slot) -> Option<&mut Out> {
        let now_ns = self.now_ns();
        Some(self.entries.get_mut(slot)?.protocol.poll_output(now_ns))
    }

    /// A connection's output was written as far as its socket took it; `below`: octets that wait in layers under it. Gives whether an
    /// owner was told of credit.
    pub fn handle_written(&mut self, slot: Slot, below: usize) -> bool {
        let Some(entry) = self.entries.get_mut(slot) else { return false };
        let Written { sent, told } = entry.protocol.handle_written(&mut self.home, below);
        if sent {
            touch(&mut self.dirty, entry, slot);
        }
        told
    }

    /// Looks at every connection's deadline.
    pub fn handle_deadlines(&mut self) {
        let now_ns = self.now_ns();
        let due = |entry: &Entry<H>| entry.protocol.deadline().is_some_and(|deadline| deadline <= now_ns);
        let slots: Vec<Slot> = self.entries.iter().filter(|(_, entry)| due(entry)).map(|(slot, _)| slot).collect();
        for slot in slots {
            self.step(slot, |protocol, home| protocol.handle_deadline(home));
        }
    }

    /// Gives back the memory of links that carry little or nothing, and has each connection looked at for the same.
    pub fn sweep(&mut self, mut each: impl FnMut(&mut Entry<H>)) {
        self.home.sweep();
        self.routed = Told::default();
        self.kept.sweep();
        self.entries.iter_mut().for_each(&mut each);
    }

    /// When the engine's next turn is due even if nothing happens, nanoseconds. Connections have deadlines of their own.
    pub fn deadline(&self) -> Option<u64> {
        self.home.engine().deadline()
    }

    /// Ends a turn: other shards are woken. Gives whether the engine had work.
    pub fn flush(&mut self) -> bool {
        let links = self.home.link_count();
        self.home.engine_mut().note_links(links);
        self.home.engine_mut().flush()
    }
}

#[inline]
fn touch<H>(dirty: &mut Vec<Slot>, entry: &mut Entry<H>, slot: Slot) {
    if !std::mem::replace(&mut entry.dirty, true) {
        dirty.push(slot);
    }
}

/// Sends a message, if that is due; gives what else is.
#[inline]
fn send(protocol: &mut Protocol, gift: &Gift<'_>, prefix: &mut Prefix, wall_ms: u64) -> Option<Given> {
    protocol.send(gift, prefix, wall_ms);
    (gift.due != Due::Send).then(|| Given::of(gift))
}
