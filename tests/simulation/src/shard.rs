//! One shard in a simulation: the product's own turn over its home, owner, mesh and store, driven as the shell drives it.
//!
//! Guarantees: it has a turn when something is ready for it, when it was woken or when its own deadline has come, as a shard that sleeps
//! in its epoll; it looks once more for work between saying that it sleeps and sleeping. Octets are read in pieces of any size.
//! Not here: what the shell does beside that (listeners, layers, log lines).

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use amqp_bind::Bind;
use engine_core::{Answer, Version};
use engine_home::{Home, HomeConfig, Moves, Request, Slot};
use engine_message::Condition;
use engine_routing::{Answer as RouterAnswer, Note, Order as RouterOrder, Update};
use engine_rt::Waker;
use engine_shard::Engine;
use engine_shard::store::StoreError;
use node_shell::{Entry, Protocol, Turn};
use storage_journal::Done;
use test_support::{Chance, Disk};

use crate::linking::{Door, Host};
use crate::wire::Socket;

/// How often connections are looked at for deadlines, nanoseconds, as in the shell.
const SCAN_NS: u64 = 250_000_000;
/// Input of a connection is not read while more output than this waits for it, octets, as in the shell.
const OUT_STOP_READING: usize = 1024 * 1024;
/// Slices of one write.
const SLICES: usize = 16;

/// When a shard is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// At once.
    Due,
    /// When something is ready, or at this time, nanoseconds.
    Until(Option<u64>),
    /// Never: the node stopped.
    Stopped,
}

/// A connection on its way to another shard.
pub struct Moving {
    /// Where to.
    pub owner: u16,
    /// The connection.
    pub entry: Entry<Host>,
}

impl Moving {
    /// It comes to the shard that it goes to, of these of its node.
    pub fn arrive(self, shards: &mut [Shard]) {
        if let Some(shard) = shards.get_mut(usize::from(self.owner)) {
            shard.post(Post::Arrive(Box::new(self.entry)));
        }
    }
}

/// What others put into a shard's inbox.
pub enum Post {
    /// A connection of another shard.
    Arrive(Box<Entry<Host>>),
    /// A table of the router's registry.
    Table(Box<Update>),
    /// What became of a receiver's attach.
    Registered(RouterAnswer),
    /// Something to do with a connection to another router.
    Order(Box<RouterOrder>),
}

/// How connections are taken.
#[derive(Clone)]
pub struct Accepts {
    /// AMQP itself.
    pub amqp: Arc<amqp_proto::Config>,
    /// Whether they move to the shard of their first link.
    pub moves: Moves,
}

/// One shard.
pub struct Shard {
    pub(crate) turn: Turn<Host>,
    waker: Waker,
    accepts: Accepts,
    /// What its disk did.
    done: VecDeque<Done>,
    /// What others put in.
    posts: VecDeque<Post>,
    /// What the router's registry is to hear.
    notes: Vec<Note>,
    /// Connections that go there.
    leaving: Vec<Moving>,
    rest: Rest,
    next_scan_ns: u64,
    stop_by_ns: Option<u64>,
}

impl Shard {
    /// A shard that has accepted nothing yet.
    pub fn new(engine: Engine, config: HomeConfig, accepts: Accepts, waker: Waker) -> Self {
        Self {
            turn: Turn::new(Home::new(config, engine), 64),
            waker,
            accepts,
            done: VecDeque::new(),
            posts: VecDeque::new(),
            notes: Vec::new(),
            leaving: Vec::new(),
            rest: Rest::Due,
            next_scan_ns: 0,
            stop_by_ns: None,
        }
    }

    /// The turn, to be asked.
    pub fn turn(&self) -> &Turn<Host> {
        &self.turn
    }

    /// When it is due.
    pub fn rest(&self) -> Rest {
        self.rest
    }

    /// Whether it was woken, or has not slept.
    pub fn is_awake(&self) -> bool {
        self.rest == Rest::Due || self.waker.is_awake()
    }

    /// Takes a new connection.
    pub fn accept(&mut self, socket: Socket, now_ns: u64) {
        self.admit(Host { socket, door: Door::Clients }, now_ns);
    }

    /// Takes a connection that came in at a door, or that was made to go out of one.
    pub fn admit(&mut self, host: Host, now_ns: u64) {
        let Accepts { amqp, moves } = self.accepts.clone();
        let bind = match host.door.caller() {
            Some(caller) => Bind::connect(amqp, caller, now_ns),
            None => Bind::server(amqp, moves, now_ns).with_peer(host.door.peer()),
        };
        // One too many is closed at once.
        if let Ok(slot) = self.turn.insert(Protocol::Amqp(bind), host) {
            self.turn.touch(slot);
        }
        self.waker.wake();
    }

    /// Its disk did something.
    pub fn answer(&mut self, done: Done) {
        self.done.push_back(done);
        self.waker.wake();
    }

    /// Puts something into its inbox.
    pub fn post(&mut self, post: Post) {
        self.posts.push_back(post);
        self.waker.wake();
    }

    /// What the router's registry is to hear.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// It is told of a version of the catalogue, and looks at once what follows from that.
    pub fn tell(&mut self, version: Version) -> Answer {
        let answer = self.turn.handle_version(version);
        self.waker.wake();
        answer
    }

    /// Connections that go to other shards.
    pub fn take_leaving(&mut self) -> Vec<Moving> {
        std::mem::take(&mut self.leaving)
    }

    /// It is to stop.
    pub fn stop(&mut self, now_ns: u64) {
        self.stop_by_ns = Some(now_ns + 3_000_000_000);
        let slots: Vec<Slot> = self.turn.entries().map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.dismiss(slot));
        self.rest = Rest::Due;
    }

    fn dismiss(&mut self, slot: Slot) {
        self.turn.dismiss(slot, Condition::ConnectionForced, "the node is shutting down");
    }

    /// Connections that can be read or written, and wait for that.
    fn ready(&self) -> Vec<Slot> {
        let is_ready = |entry: &Entry<Host>| {
            let waiting = entry.protocol.waiting();
            let reads = !entry.protocol.is_waiting() && waiting < OUT_STOP_READING;
            let writes = waiting > 0 || entry.protocol.wants_room();
            (reads && entry.host.socket.is_readable())
                || (writes && entry.host.socket.is_writable())
                || entry.host.socket.is_over()
        };
        self.turn.entries().filter(|(_, entry)| is_ready(entry)).map(|(slot, _)| slot).collect()
    }

    /// Has a turn if there is anything for it; gives whether it had one.
    ///
    /// # Errors
    /// When its journal failed.
    pub fn run(&mut self, mut disk: Option<&mut Disk>, chance: &mut Chance, at: Moment) -> Result<bool, StoreError> {
        let is_due = match self.rest {
            Rest::Due => true,
            Rest::Until(until) => until.is_some_and(|until| until <= at.now_ns),
            Rest::Stopped => return Ok(false),
        };
        let ready = self.ready();
        if !is_due && ready.is_empty() && !self.waker.is_awake() {
            return Ok(false);
        }
        self.waker.awake();
        self.begin(at)?;
        for slot in ready {
            self.read(slot, chance);
        }
        self.take_posts();
        self.turn.hand_out();
        self.commit(disk.as_deref_mut());
        if at.now_ns >= self.next_scan_ns {
            self.next_scan_ns = at.now_ns + SCAN_NS;
            self.turn.handle_deadlines();
            self.turn.sweep(|_| {});
        }
        let busy = self.write_dirty() | self.turn.flush();
        self.park(disk, at, busy)?;
        Ok(true)
    }

    /// Looks once more, and sleeps.
    fn park(&mut self, disk: Option<&mut Disk>, at: Moment, busy: bool) -> Result<(), StoreError> {
        let is_over = self.turn.is_empty() && !self.turn.home().engine().is_writing();
        if self.stop_by_ns.is_some_and(|by| is_over || at.now_ns >= by) {
            self.rest = Rest::Stopped;
            return Ok(());
        }
        if busy {
            self.rest = Rest::Due;
            return Ok(());
        }
        self.waker.prepare_sleep();
        self.begin(at)?;
        let found = self.turn.hand_out() | self.take_posts();
        self.commit(disk);
        if found | self.write_dirty() | self.turn.flush() {
            self.rest = Rest::Due;
            return Ok(());
        }
        let scan = (!self.turn.is_empty()).then_some(self.next_scan_ns);
        let until = [scan, self.turn.deadline(), self.stop_by_ns].into_iter().flatten().min();
        // A deadline that has passed would make it spin until something else happens.
        assert!(until.is_none_or(|until| until > at.now_ns), "a shard sleeps until {until:?} at {}", at.now_ns);
        self.rest = Rest::Until(until);
        Ok(())
    }

    fn begin(&mut self, at: Moment) -> Result<(), StoreError> {
        self.turn.begin(at.now_ns, at.wall_ms);
        while let Some(done) = self.done.pop_front() {
            self.turn.handle_done(done)?;
        }
        Ok(())
    }

    fn commit(&mut self, disk: Option<&mut Disk>) {
        self.turn.commit();
        self.notes.extend(std::iter::from_fn(|| self.turn.poll_note()));
        let Some(disk) = disk else { return };
        while let Some(order) = self.turn.poll_order() {
            disk.submit(order);
        }
    }

    fn read(&mut self, slot: Slot, chance: &mut Chance) {
        self.turn.touch(slot);
        let Some(entry) = self.turn.get_mut(slot) else { return };
        if entry.host.socket.is_over() {
            self.lose(slot);
            return;
        }
        if entry.protocol.is_waiting() || !entry.host.socket.is_readable() {
            return;
        }
        let mut bytes = entry.protocol.kept().to_vec();
        let most = if chance.one_in(4) { 1 + chance.below(300) } else { 64 << 10 };
        if entry.host.socket.read(most, &mut bytes) {
            self.turn.receive(slot, &bytes);
            self.handle_requests(slot);
        } else {
            self.lose(slot);
        }
    }

    fn handle_requests(&mut self, slot: Slot) {
        while let Some(request) = self.turn.poll_request(slot) {
            match request {
                Request::Move { owner } => {
                    let entry = self.turn.depart(slot).expect("whoever asks is there");
                    return self.leaving.push(Moving { owner, entry });
                }
                Request::Closed(_)
                | Request::LinkRefused { .. }
                | Request::ConsumerSlow { .. }
                | Request::Manage(_) => {}
                other => self.handle_linking(slot, other),
            }
        }
    }

    fn take_posts(&mut self) -> bool {
        let mut found = false;
        while let Some(post) = self.posts.pop_front() {
            found = true;
            match post {
                Post::Arrive(entry) => self.arrive(*entry),
                Post::Table(update) => self.turn.handle_table(*update),
                Post::Registered(answer) => self.turn.handle_registered(answer),
                Post::Order(order) => self.turn.handle_router_order(*order),
            }
        }
        found
    }

    /// A connection comes from another shard.
    fn arrive(&mut self, entry: Entry<Host>) {
        let Ok(slot) = self.turn.insert(entry.protocol, entry.host) else { return };
        if self.stop_by_ns.is_some() {
            return self.dismiss(slot);
        }
        self.turn.handle_moved(slot);
        self.handle_requests(slot);
    }

    /// A connection is gone.
    fn lose(&mut self, slot: Slot) {
        if self.turn.remove(slot).is_some() {
            self.turn.handle_connection_gone(slot);
        }
    }

    /// Writes what connections have; gives whether an owner was told of room.
    fn write_dirty(&mut self) -> bool {
        let mut told = false;
        while let Some(slot) = self.turn.poll_dirty() {
            self.handle_requests(slot);
            told |= self.write(slot);
        }
        told
    }

    fn write(&mut self, slot: Slot) -> bool {
        let now_ns = self.turn.now_ns();
        let Some(entry) = self.turn.get_mut(slot) else { return false };
        let (socket, protocol) = (&entry.host.socket, &mut entry.protocol);
        loop {
            let out = protocol.poll_output(now_ns);
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = out.segments(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            let Some(written) = socket.write(&bytes) else {
                self.lose(slot);
                return false;
            };
            out.advance(written);
            if written < bytes.len() || (out.is_empty() && !protocol.wants_room()) {
                break;
            }
            // Whoever wants room that there is would keep its shard awake for nothing.
            assert!(written > 0, "a connection wants room, and has it");
        }
        if protocol.is_closed() && protocol.waiting() == 0 {
            self.lose(slot);
            return false;
        }
        self.turn.handle_written(slot, 0)
    }
}

/// A time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// That of the shards, nanoseconds.
    pub now_ns: u64,
    /// The wall's, milliseconds since 1970.
    pub wall_ms: u64,
}
