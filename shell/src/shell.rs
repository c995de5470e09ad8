//! A shard's shell: what is ready is read, the turn is driven, output is written.
//!
//! Guarantees: connections are machines in a table, not tasks; a turn ends when it has read an eighth of a megabyte, and sockets that
//! were ready and not read come first in the next one; each connection with output gets one write a turn, unless it has more than
//! a machine encodes at once.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use engine_core::Room;
use engine_home::{Home, HomeConfig, Slot};
use engine_router::auto_links::{AutoLinkId, AutoLinks};
use engine_rt::{
    Clock, DiskRoom, Inbox, InboxSender, Interest, Listener, Pulse, Readiness, Ready, Service, WAKER_TOKEN, Waker,
    wall_ms,
};
use engine_shard::store::StoreError;
use engine_shard::{Engine, Spin};
use storage_disk::Disk;
use storage_disk::large::LargeDisk;

use crate::accepting::Door;
use crate::config::ShellConfig;
use crate::connection::{Conn, Reading};
use crate::connectors::{Connectors, Share, is_connectors};
use crate::limits::{LITTLE_BYTES, OUT_STOP_READING, READ_BYTES, SCAN_PERIOD_NS, STOP_TIMEOUT_NS, TURN_BYTES};
use crate::lines::Lines;
use crate::parting::{Parting, Patience};
use crate::post::Post;
use crate::protocol::Protocol;
use crate::requests::Why;
use crate::turn::Turn;
use crate::view::{Shown, Totals, answer};

/// Tokens of listeners have this bit.
pub(crate) const LISTENER_TOKEN: u64 = 1 << 63;

/// Why a shard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// Its readiness source failed.
    #[error("cannot wait for sockets: {0}")]
    Readiness(#[from] io::Error),
    /// Its journal failed.
    #[error(transparent)]
    Journal(#[from] StoreError),
}

/// One shard's connections, sockets and disks.
pub struct Shell {
    pub(crate) config: ShellConfig,
    pub(crate) turn: Turn<Conn>,
    pub(crate) readiness: Readiness,
    pub(crate) peers: Vec<InboxSender<Post>>,
    pub(crate) lines: Lines,
    pub(crate) totals: Totals,
    pub(crate) door: Door,
    pub(crate) connectors: Connectors,
    pub(crate) auto_links: AutoLinks,
    beat: Beat,
    waker: Waker,
    inbox: Inbox<Post>,
    disks: Disks,
    buffers: Buffers,
    stop_by_ns: Option<u64>,
}

/// The disks of a shard, as far as it has some.
pub struct Disks {
    /// Of its journal.
    pub journal: Option<Disk>,
    /// Of its large messages.
    pub large: Option<LargeDisk>,
}

/// The time that turns go by, what of it others see, and how long the shard looks for work before it sleeps.
struct Beat {
    clock: Clock,
    pulse: Pulse,
    spin: Spin,
    /// When connections are looked at next.
    next_scan_ns: u64,
}

/// What sockets are read into.
struct Buffers {
    scratch: Vec<u8>,
    plain: Vec<u8>,
    /// Octets that were read in this turn.
    turn_bytes: usize,
}

/// What a shard's shell is made of.
pub struct Parts {
    /// The shard's engine.
    pub engine: Engine,
    /// The shard's disks.
    pub disks: Disks,
    /// Wakes the shard.
    pub waker: Waker,
    /// What it lets others see.
    pub pulse: Pulse,
    /// The shard's inbox.
    pub inbox: Inbox<Post>,
    /// The senders of all shards' inboxes, its own too.
    pub peers: Vec<InboxSender<Post>>,
    /// The clock of all shards: what connections remember of time moves with them.
    pub clock: Clock,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<Listener>,
    /// Makes names of dynamic nodes unlike those of other runs.
    pub node_id: String,
    /// The first id that no file of a large message of this shard ever had.
    pub first_file: u64,
}

impl Shell {
    /// A shell that has accepted nothing yet, and serves from here on.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn new(config: ShellConfig, parts: Parts) -> io::Result<Self> {
        let Parts { engine, disks, waker, pulse, inbox, peers, clock, listeners, node_id, first_file } = parts;
        let readiness = Readiness::new(&waker)?;
        let now_ns = clock.now_ns();
        pulse.turn(now_ns);
        pulse.tell(Service::Serving);
        let share = Share { shard: engine.shard(), shards: peers.len(), seed: config.seed, now_ns };
        let connectors = Connectors::new(&config.connectors, &share);
        let mut auto_links = AutoLinks::default();
        for (number, link) in (0..).zip(config.auto_links.iter()) {
            auto_links.handle_declared(AutoLinkId(number), link.clone());
        }
        let largest = connectors.max_frame_size();
        let configured = config.listeners.clone();
        let (addresses, links_max) = (config.addresses.clone(), config.links_max);
        let lines = Lines::new(engine.shard());
        let home = Home::new(HomeConfig { addresses, links_max, node_id, first_file }, engine);
        let mut shell = Self {
            turn: Turn::new(home, config.connections_max),
            beat: Beat { clock, pulse, spin: Spin::new(config.spin_ns), next_scan_ns: 0 },
            config,
            readiness,
            peers,
            lines,
            totals: Totals::default(),
            door: Door::new(),
            connectors,
            auto_links,
            waker,
            inbox,
            disks,
            buffers: Buffers { scratch: Vec::new(), plain: Vec::new(), turn_bytes: 0 },
            stop_by_ns: None,
        };
        shell.make_room(largest);
        for listening in listeners.into_iter().zip(configured) {
            shell.listen(listening)?;
        }
        Ok(shell)
    }

    /// Has room to read what connections with frames of so many octets send.
    pub(crate) fn make_room(&mut self, max_frame_size: u32) {
        let wanted = READ_BYTES + max_frame_size as usize;
        if self.buffers.scratch.len() < wanted {
            self.buffers.scratch.resize(wanted, 0);
        }
    }

    /// Runs turns until the node stops.
    ///
    /// # Errors
    /// When the readiness source or the journal fails.
    pub fn run(&mut self) -> Result<(), ShellError> {
        let mut ready = Vec::new();
        let mut left = VecDeque::new();
        let mut timeout = Some(Duration::ZERO);
        loop {
            if left.is_empty() {
                self.readiness.poll(timeout, &mut ready)?;
                self.put_small_first(&mut ready, &mut left);
            }
            self.waker.awake();
            let busy = self.turn(&mut left)?;
            if self.is_stopped() {
                self.beat.pulse.sleep(None);
                return Ok(());
            }
            if left.is_empty() {
                timeout = self.park(busy)?;
            }
        }
    }

    /// Takes what is ready, that first which brought little the last time: mostly it says what was settled, which others wait for.
    fn put_small_first(&self, ready: &mut Vec<Ready>, left: &mut VecDeque<Ready>) {
        let brings_little = |event: &Ready| {
            let entry = self.turn.get(slot(event.token));
            entry.is_none_or(|entry| entry.host.octets.last_read < LITTLE_BYTES)
        };
        left.extend(ready.extract_if(.., |event| brings_little(event)));
        left.extend(ready.drain(..));
    }

    /// One turn, which takes as much of `ready` as it may read; gives whether there was anything to do.
    fn turn(&mut self, ready: &mut VecDeque<Ready>) -> Result<bool, StoreError> {
        self.totals.turns += 1;
        let mut busy = false;
        let now_ns = self.begin(wall_ms())?;
        self.buffers.turn_bytes = 0;
        if !self.door.is_watched && self.door.accepting.is_open(now_ns) {
            self.watch_listeners(Interest::Read);
        }
        if self.connectors.deadline().is_some_and(|deadline| deadline <= now_ns) {
            self.handle_connectors();
        }
        if self.auto_links.deadline().is_some_and(|deadline| deadline <= now_ns) {
            self.handle_links_due();
        }
        while self.buffers.turn_bytes < TURN_BYTES
            && let Some(event) = ready.pop_front()
        {
            busy |= self.handle_ready(event);
        }
        busy |= self.handle_posts();
        busy |= self.handle_files();
        self.turn.hand_out();
        self.commit();
        if now_ns >= self.beat.next_scan_ns {
            self.beat.next_scan_ns = now_ns + SCAN_PERIOD_NS;
            self.scan();
        }
        busy |= self.write_dirty();
        Ok(busy | self.turn.flush())
    }

    /// Decides how long to wait before the next turn.
    fn park(&mut self, busy: bool) -> Result<Option<Duration>, StoreError> {
        let now_ns = self.turn.now_ns();
        if busy {
            self.beat.spin.handle_work(now_ns);
        }
        if self.beat.spin.looks_on(now_ns) {
            return Ok(Some(Duration::ZERO));
        }
        // After work, too: a poll that may sleep returns at once where more is ready. One that only looks would be a system call
        // and a turn for nothing whenever a message comes alone.
        self.waker.prepare_sleep();
        // What was handed over before the flag was set is seen by one more turn; what comes after it wakes.
        let now_ns = self.begin(self.turn.home().engine().wall_ms())?;
        let mut found = self.handle_files() | self.turn.hand_out();
        found |= self.handle_posts();
        self.commit();
        found |= self.write_dirty();
        if found | self.turn.flush() {
            self.beat.spin.handle_work(now_ns);
            return Ok(Some(Duration::ZERO));
        }
        let scan = (!self.turn.is_empty() || self.lines.are_held()).then_some(self.beat.next_scan_ns);
        let of_sockets = [self.door.accepting.deadline(), self.connectors.deadline(), self.auto_links.deadline()];
        let until = [scan, self.turn.deadline(), self.stop_by_ns].into_iter().chain(of_sockets);
        let until = until.flatten().min();
        self.beat.pulse.sleep(until);
        Ok(until.map(|until| Duration::from_nanos(until.saturating_sub(now_ns))))
    }

    /// Starts a turn with what the journal's disk did; gives its time.
    fn begin(&mut self, wall_ms: u64) -> Result<u64, StoreError> {
        let now_ns = self.beat.clock.now_ns();
        self.beat.pulse.turn(now_ns);
        self.turn.begin(now_ns, wall_ms);
        if let Some(disk) = &self.disks.journal {
            while let Some(done) = disk.poll_done() {
                self.turn.handle_done(done)?;
            }
        }
        Ok(now_ns)
    }

    /// Gives the journal and the router's registry what happened in this turn, and lets others see whether its disk has room; it writes while the turn goes on.
    fn commit(&mut self) {
        self.turn.commit();
        if let Some(registry) = &self.config.registry {
            while let Some(note) = self.turn.poll_note() {
                // It ends with the node.
                let _ = registry.send(note);
            }
        }
        let is_full = matches!(self.turn.home().engine().core().room(), Room::Little | Room::None);
        self.beat.pulse.tell_disk(if is_full { DiskRoom::None } else { DiskRoom::Some });
        if let Some(disk) = &self.disks.journal {
            while let Some(order) = self.turn.poll_order() {
                disk.submit(order);
            }
        }
    }

    /// Takes what others put in, up to the first question, whose answer is work enough for a turn: what lies behind it has the next one.
    /// Gives whether there was anything.
    pub(crate) fn handle_posts(&mut self) -> bool {
        let mut found = false;
        while let Some(post) = self.inbox.receive() {
            found = true;
            let is_question = matches!(post, Post::View(_) | Post::Manage(..));
            self.handle_post(post);
            if is_question {
                break;
            }
        }
        found
    }

    /// Takes what the disk of large messages did; gives whether there was anything.
    fn handle_files(&mut self) -> bool {
        let Some(large) = &self.disks.large else { return false };
        let mut found = false;
        while let Some(done) = large.poll_done() {
            found = true;
            self.turn.handle_file(done);
        }
        found
    }

    fn handle_ready(&mut self, event: Ready) -> bool {
        if event.token == WAKER_TOKEN {
            self.waker.reset();
            return false;
        }
        if event.token & LISTENER_TOKEN != 0 {
            self.accept(event.token & !LISTENER_TOKEN);
            return true;
        }
        if is_connectors(event.token) {
            self.handle_dialled(event.token);
            return true;
        }
        let slot = slot(event.token);
        let Some(entry) = self.turn.get(slot) else { return false };
        let reads = matches!(entry.host.interest, Interest::Read | Interest::ReadWrite);
        if event.writable() {
            self.turn.touch(slot);
        }
        if event.readable() && (reads || event.dead()) {
            self.receive(slot);
        }
        true
    }

    /// Reads a connection and handles what came.
    fn receive(&mut self, slot: Slot) {
        let Some(entry) = self.turn.get_mut(slot) else { return };
        let Buffers { scratch, plain, turn_bytes } = &mut self.buffers;
        if entry.host.parting != Parting::No {
            match entry.host.forget(scratch) {
                Some(count) => *turn_bytes += count,
                None => self.lose(slot),
            }
            return;
        }
        let end = entry.host.origin.end();
        let reading = entry.host.read(entry.protocol.kept(), end, scratch, plain);
        let layered = entry.host.transport.is_some();
        match reading {
            Reading::Some(count) => {
                *turn_bytes += count;
                let bytes = if layered { plain.as_slice() } else { scratch.get(..count).unwrap_or_default() };
                self.turn.receive(slot, bytes);
                self.handle_requests(slot);
            }
            // The layers may have an answer.
            Reading::Nothing => self.turn.touch(slot),
            Reading::End if entry.host.end() => self.lose(slot),
            Reading::End => self.turn.touch(slot),
        }
        self.tell_failed(slot);
    }

    /// Writes what connections have; gives whether one of them has room again for messages that its consumers wait for.
    fn write_dirty(&mut self) -> bool {
        let mut fed = false;
        while let Some(slot) = self.turn.poll_dirty() {
            self.handle_requests(slot);
            fed |= self.write(slot);
        }
        if let Some(large) = &self.disks.large {
            while let Some(order) = self.turn.poll_file_order() {
                large.submit(order);
            }
        }
        fed
    }

    fn write(&mut self, slot: Slot) -> bool {
        let now_ns = self.turn.now_ns();
        let patience = if self.is_stopping() { Patience::None } else { Patience::Some };
        let Some(entry) = self.turn.get_mut(slot) else { return false };
        let (conn, protocol) = (&mut entry.host, &mut entry.protocol);
        let broken = conn.write(protocol, now_ns).is_err();
        if broken || (conn.is_over(protocol) && conn.part(protocol, now_ns, patience).unwrap_or(true)) {
            self.lose(slot);
            return false;
        }
        if conn.parting != Parting::No {
            // Room for its last octets, or the peer's end.
            let interest = if conn.waiting(protocol) > 0 { Interest::Write } else { Interest::Read };
            self.watch(slot, interest);
            return false;
        }
        let below = conn.raw_out.len();
        let fed = self.turn.handle_written(slot, below);
        let Some(entry) = self.turn.get_mut(slot) else { return fed };
        // A machine that has more than one turn writes goes on when the socket says so.
        let unwritten = entry.host.waiting(&entry.protocol).max(usize::from(entry.protocol.wants_room()));
        let interest = match (unwritten, entry.protocol.is_waiting()) {
            (0, false) => Interest::Read,
            (0, true) => Interest::None,
            (waiting, false) if waiting < OUT_STOP_READING => Interest::ReadWrite,
            _ => Interest::Write,
        };
        self.watch(slot, interest);
        fed
    }

    /// Waits for what a connection waits for.
    fn watch(&mut self, slot: Slot, interest: Interest) {
        let Some(entry) = self.turn.get_mut(slot) else { return };
        if std::mem::replace(&mut entry.host.interest, interest) != interest {
            let fd = entry.host.socket.as_raw_fd();
            if self.readiness.modify(fd, token(slot), interest).is_err() {
                self.lose(slot);
            }
        }
    }

    /// A connection is gone.
    fn lose(&mut self, slot: Slot) {
        let Some(entry) = self.turn.remove(slot) else { return };
        self.door.accepting.handle_ended();
        self.handle_container_gone(slot);
        self.handle_gone(slot, &entry);
        let Protocol::Amqp(bind) = &entry.protocol;
        self.totals.logins.note(bind.machine());
        let (peer, container) = (&entry.host.peer, &bind.client().container);
        tracing::debug!(target: "heddle::net", %peer, %container, "connection ended");
    }

    fn handle_post(&mut self, post: Post) {
        match post {
            Post::Verified { connection, authenticated } => self.handle_verified(connection, authenticated),
            Post::Judged { connection, judged } => self.turn.judged(connection, *judged),
            Post::Resolved { connector, attempt, found } => self.handle_resolved(connector, attempt, found),
            // Whoever asked may have given up.
            Post::Version(version, reply) => drop(reply.try_send(self.turn.handle_version(version))),
            Post::Manage(manage, reply) => drop(reply.try_send(self.turn.manage(&manage.user, &manage.task))),
            Post::Answer(publish) => self.turn.answer(*publish),
            Post::Table(update) => self.turn.handle_table(*update),
            Post::Registered(answer) => self.turn.handle_registered(answer),
            Post::RouterOrder(order) => self.turn.handle_router_order(*order),
            Post::View(ask) => {
                let shown = Shown { turn: &self.turn, connectors: &self.connectors, auto_links: &self.auto_links };
                answer(&shown, &self.totals, ask);
            }
            Post::Declare(id, link, reply) => {
                self.handle_declared(id, *link);
                let _ = reply.try_send(());
            }
            Post::Undeclare(id, reply) => {
                self.handle_undeclared(id);
                let _ = reply.try_send(());
            }
            Post::Listen(listening, reply) => {
                let listened = match self.is_stopping() {
                    true => Ok(()),
                    false => listening.into_iter().try_for_each(|one| self.listen(one)),
                };
                let _ = reply.try_send(listened);
            }
            Post::ListenNoMore(listener, reply) => {
                self.listen_no_more(listener);
                let _ = reply.try_send(());
            }
            Post::Connect(number, config, reply) => {
                self.connect(number, config);
                let _ = reply.try_send(());
            }
            Post::Disconnect(number, reply) => {
                self.disconnect(number);
                let _ = reply.try_send(());
            }
            Post::Dismiss(slot, reply) => {
                let is_there = self.turn.get(slot).is_some();
                if is_there {
                    self.dismiss(slot, Why::Management);
                }
                // Whoever asked may have given up.
                let _ = reply.try_send(is_there);
            }
            Post::Arrive(arriving) => self.arrive(*arriving),
            Post::Stop => self.stop(),
        }
    }

    fn stop(&mut self) {
        self.stop_by_ns = Some(self.turn.now_ns() + STOP_TIMEOUT_NS);
        self.beat.pulse.tell(Service::Stopping);
        self.door.accepting.handle_ended();
        self.connectors.stop();
        for (socket, _) in std::mem::take(&mut self.door.listeners).into_values() {
            // The listener goes with its descriptor.
            let _ = self.readiness.remove(socket.as_raw_fd());
        }
        let slots: Vec<Slot> = self.turn.entries().map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.dismiss(slot, Why::Stopping));
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_by_ns.is_some()
    }

    fn is_stopped(&self) -> bool {
        self.stop_by_ns.is_some_and(|by| {
            (self.turn.is_empty() && !self.turn.home().engine().is_writing()) || self.beat.clock.now_ns() >= by
        })
    }

    /// Looks at every connection's deadlines, and takes back buffers of links and connections that need none.
    fn scan(&mut self) {
        let now_ns = self.turn.now_ns();
        self.turn.handle_deadlines();
        let late = |conn: &Conn| conn.parting.deadline().is_some_and(|deadline| deadline <= now_ns);
        let slots: Vec<Slot> =
            self.turn.entries().filter(|(_, entry)| late(&entry.host)).map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.lose(slot));
        self.lines.tell_others(now_ns);
        self.turn.sweep(|entry| {
            let client = entry.protocol.client();
            entry.host.look(now_ns, client.messages_in + client.messages_out);
            entry.host.sweep(entry.protocol.out());
        });
    }
}

pub(crate) fn token(slot: Slot) -> u64 {
    slot.to_bits()
}

fn slot(token: u64) -> Slot {
    Slot::from_bits(token)
}
