//! One run: clients and a node under one seed, first with everything that can go wrong, then in peace until all that is owed has come.
//!
//! Shown beside what `model` asserts: when faults stop, every producer is answered, every drain too, and all that is owed comes within
//! simulated time; when all is consumed and settled, queues, memory, lanes and the journal are empty; nobody sleeps on work.

mod seats;

use std::collections::VecDeque;

use engine_core::limits::Storage;
use engine_home::Moves;
use engine_shard::store::StoreError;
use test_support::{Chance, Crash};

use crate::client::{Client, Known, Subscription};
use crate::collecting;
use crate::hostile::Hostile;
use crate::kind::{Choice, Variety};
use crate::model::{Counts, DeadLetters, Model, Place, Redelivery};
use crate::node::{Node, NodeOptions, Turned, wall_ms};
use crate::role::{QUEUES_MAX, Role, Settles, To};
use crate::schedule::Schedule;
use crate::shard::Rest;
use crate::versions::Versions;
use crate::wire::{Received, Wire};

/// Microseconds in nanoseconds.
pub const US: u64 = 1_000;
/// Milliseconds in nanoseconds.
pub const MS: u64 = 1_000_000;
/// How long everything that is owed may take once faults have stopped, nanoseconds.
pub const PEACE_NS: u64 = 60_000 * MS;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A shard looks whether there is something for it.
    Look(usize),
    /// A shard's deadline has come, if it is still this one.
    Deadline(usize, u64),
    /// Octets of a client reach the node.
    Up(usize),
    /// Octets of the node reach a client.
    Down(usize),
    /// A client does something.
    Act(usize),
    /// A disk does something.
    Disk(usize),
    /// The node ends, when a disk writes or it was waited for that so many times.
    Crash {
        /// How many times more.
        tries: u32,
    },
    /// The node is asked to stop.
    Stop,
    /// A disk fails with its next write.
    Fail(usize),
    /// One that means harm does something.
    Prowl(usize),
    /// A version of the catalogue comes, or the next shard hears of it.
    Version,
}

/// What clients do of their own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Everything.
    Wild,
    /// They take and settle, and send nothing.
    Tame,
    /// What they are told.
    Still,
}

/// A client with its way to the node.
pub struct Seat {
    /// The client.
    pub client: Client,
    wire: Option<Wire>,
    up: VecDeque<u8>,
    up_due: bool,
    down_due: bool,
    /// Until when it reads nothing.
    stalled_ns: u64,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What happened.
    pub counts: Counts,
    /// Simulated time that it took, nanoseconds.
    pub took_ns: u64,
    /// A number that two runs of one seed have in common, and of different seeds hardly ever.
    pub trace: u64,
}

/// Everything.
pub struct World {
    pub(crate) chance: Chance,
    pub(crate) node: Node,
    pub(crate) model: Model,
    pub(crate) seats: Vec<Seat>,
    pub(crate) schedule: Schedule<What>,
    pub(crate) subscriptions: Vec<Subscription>,
    variety: Variety,
    pub(crate) queues: usize,
    hostiles: Vec<Hostile>,
    versions: Versions,
    pub(crate) mood: Mood,
    options: NodeOptions,
    look_due: Vec<bool>,
    disk_due: Vec<bool>,
    deadlines: Vec<Option<u64>>,
    /// How long most orders take a disk, nanoseconds at most.
    disk_ns: u64,
    stopped: usize,
    is_stopping: bool,
    steps: u64,
    buffer: Vec<u8>,
    trace: u64,
}

/// Runs one seed to its end.
///
/// # Panics
/// When a promise is broken.
pub fn simulate(seed: u64) -> Outcome {
    let mut world = World::new(seed);
    world.storm();
    collecting::collect(&mut world);
    let counts =
        Counts { versions: world.versions.counts().0, handed_over: world.versions.counts().1, ..world.model.counts() };
    Outcome { counts, took_ns: world.schedule.now_ns(), trace: world.trace }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        // Every other run; what else it does is the same.
        let dead_letters = if seed.is_multiple_of(2) { DeadLetters::Dropped } else { DeadLetters::Kept };
        let options = NodeOptions { dead_letters, ..options(&mut chance) };
        let shards = usize::from(options.shards);
        let queues = 1 + chance.below(QUEUES_MAX);
        let variety = if chance.one_in(3) { Variety::Plain } else { Variety::Rich };
        let disk_ns = chance.of(&[100 * US, 800 * US, 800 * US, 8 * MS]);
        let versions = Versions::new(&mut chance, &options, queues);
        let mut node = Node::new(options, versions.holds());
        node.start(&mut chance);
        let mut world = Self {
            subscriptions: Vec::new(),
            variety,
            chance,
            node,
            model: Model::new(dead_letters, options.redelivery),
            seats: Vec::new(),
            schedule: Schedule::new(MS),
            queues,
            hostiles: Vec::new(),
            versions,
            mood: Mood::Wild,
            options,
            look_due: vec![false; shards],
            disk_due: vec![false; shards],
            deadlines: vec![None; shards],
            disk_ns,
            stopped: 0,
            is_stopping: false,
            steps: 0,
            buffer: vec![0; 64 << 10],
            trace: seed,
        };
        world.seat_clients();
        for number in 0..world.chance.below(3) {
            let hostile = Hostile::new(&mut world.chance);
            world.hostiles.push(hostile);
            world.schedule.after(MS, What::Prowl(number));
        }
        world.change_versions(0);
        world.look_all();
        world
    }

    /// Clients with links of all kinds: somebody sends to each queue, and somebody takes from it.
    fn seat_clients(&mut self) {
        let (chance, queues, variety) = (&mut self.chance, self.queues, self.variety);
        let clients = 2 + chance.below(4);
        let subscriptions = chance.below(3).min(clients);
        for _ in 0..subscriptions {
            self.subscriptions.push(Subscription { known: Known::No, choice: Choice::draw(variety, chance) });
        }
        // What is given settled is lost with its link, so that only one queue is read so.
        let leaky = chance.one_in(2).then_some(0);
        let mut seated = Vec::new();
        for number in 0..clients {
            let mut roles = Vec::new();
            if number < subscriptions {
                let settles = chance.of(&[Settles::First, Settles::Second]);
                let choice = self.subscriptions[number].choice;
                roles.push(Role::consumer(Place::Subscription(number), settles, choice));
            }
            if variety == Variety::Rich && chance.one_in(2) {
                roles.push(Role::coordinator());
            }
            for _ in 0..=chance.below(3) {
                let queue = chance.below(queues);
                let choice = if chance.one_in(3) { Choice::draw(variety, chance) } else { Choice::All };
                roles.push(match chance.below(12) {
                    0 => Role::browser(queue, choice),
                    1 => Role::producer(To::Anywhere(queues)),
                    2 => Role::producer(To::Topic),
                    3 => Role::consumer(Place::Queue(queue), Settles::Hoards, choice),
                    4 if leaky == Some(queue) => Role::consumer(Place::Queue(queue), Settles::Never, choice),
                    5 | 6 => Role::consumer(Place::Queue(queue), Settles::Second, choice),
                    7 | 8 => Role::consumer(Place::Queue(queue), Settles::First, choice),
                    _ => Role::producer(To::Queue(queue)),
                });
            }
            seated.push(Client::new(number, roles, self.options.frame));
        }
        for client in seated {
            self.seat(client);
        }
    }

    /// A client joins, and acts from now on.
    pub fn seat(&mut self, client: Client) -> usize {
        let number = self.seats.len();
        let seat = Seat { client, wire: None, up: VecDeque::new(), up_due: false, down_due: false, stalled_ns: 0 };
        self.seats.push(seat);
        self.schedule.after(0, What::Act(number));
        number
    }

    /// Everything that can go wrong, for a while.
    fn storm(&mut self) {
        let long = self.chance.between(50, 400) * MS;
        for _ in 0..self.chance.below(3) {
            let at = self.chance.between(MS, long);
            let shard = self.chance.below(self.node.shards());
            let crash = What::Crash { tries: self.chance.of(&[0, 50, 50]) };
            let what = self.chance.of(&[crash, crash, crash, What::Stop, What::Fail(shard)]);
            self.schedule.after(at, what);
        }
        let end = self.schedule.now_ns() + long;
        self.run_until(end, |_| false);
        self.hostiles.clear();
        for disk in self.node.disks() {
            (disk.is_failing, disk.options.segments_max) = (false, usize::MAX);
        }
        let end = self.schedule.now_ns() + PEACE_NS;
        let stopped = self.run_until(end, |world| !world.is_stopping);
        assert!(stopped, "a node that is asked to stop does");
    }

    /// Lets things happen until `done` says so, or until a time; gives whether it was `done`.
    pub fn run_until(&mut self, end_ns: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        while self.schedule.now_ns() < end_ns {
            if done(self) {
                return true;
            }
            let Some(what) = self.schedule.pop() else { return done(self) };
            self.steps += 1;
            self.trace = (self.trace ^ self.schedule.now_ns()).wrapping_mul(0x0000_0100_0000_01b3);
            self.happen(what);
            if self.steps.is_multiple_of(64) {
                self.node.check();
            }
        }
        done(self)
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Look(shard) => {
                self.look_due[shard] = false;
                self.turn(shard);
            }
            What::Deadline(shard, at) => {
                if self.deadlines[shard] == Some(at) {
                    self.deadlines[shard] = None;
                    self.turn(shard);
                }
            }
            What::Up(seat) => self.up(seat),
            What::Down(seat) => self.down(seat),
            What::Act(seat) => self.act(seat),
            What::Disk(shard) => self.step_disk(shard),
            What::Crash { tries } => {
                // Power fails where it does harm: while a batch is written, if that is not long to wait for.
                let is_writing = self.node.disks().iter().any(test_support::Disk::is_writing);
                if tries > 0 && !is_writing {
                    return self.schedule.after(100 * US, What::Crash { tries: tries - 1 });
                }
                let how = self.chance.of(&[Crash::Power, Crash::Power, Crash::Process]);
                self.crash(how);
            }
            What::Stop if !self.is_stopping => {
                self.is_stopping = true;
                self.node.stop(self.schedule.now_ns());
                self.look_all();
            }
            What::Stop => {}
            What::Fail(shard) => self.node.disks()[shard].is_failing = true,
            What::Prowl(number) => self.prowl(number),
            What::Version if self.is_stopping => self.change_versions(MS),
            What::Version => {
                let wait = self.versions.step(&mut self.node, &mut self.chance);
                self.change_versions(wait);
                self.look_all();
            }
        }
    }

    fn prowl(&mut self, number: usize) {
        let now_ns = self.schedule.now_ns();
        let Some(hostile) = self.hostiles.get_mut(number) else { return };
        if self.is_stopping {
            hostile.vanish();
        } else {
            hostile.act(&mut self.node, &mut self.chance, now_ns);
        }
        let wait = self.chance.between(100, 4_000) * US;
        self.schedule.after(wait, What::Prowl(number));
        self.look_all();
    }

    /// Versions go on after a while, as long as anything goes on by itself.
    fn change_versions(&mut self, wait_ns: u64) {
        if self.versions.are_changing() && (self.mood == Mood::Wild || self.versions.is_under_way()) {
            self.schedule.after(wait_ns, What::Version);
        }
    }

    /// Nothing is declared any more.
    pub fn declare_nothing(&mut self) {
        self.versions.declare_nothing(&mut self.node);
        self.look_all();
    }

    /// A shard looks for work soon.
    fn look(&mut self, shard: usize) {
        if !std::mem::replace(&mut self.look_due[shard], true) {
            let wait = self.chance.between(1, 60) * US;
            self.schedule.after(wait, What::Look(shard));
        }
    }

    /// All shards look for work soon.
    pub fn look_all(&mut self) {
        (0..self.node.shards()).for_each(|shard| self.look(shard));
    }

    fn turn(&mut self, shard: usize) {
        let now_ns = self.schedule.now_ns();
        let turned = match self.node.turn(shard, &mut self.chance, now_ns) {
            Ok(turned) => turned,
            Err(StoreError::Disk { .. }) => return self.crash(Crash::Power),
            Err(error) => panic!("shard {shard} cannot read what it wrote: {error}"),
        };
        match turned {
            Turned::Not => return,
            Turned::Until(Rest::Due) => self.look(shard),
            Turned::Until(Rest::Until(None)) => self.deadlines[shard] = None,
            Turned::Until(Rest::Until(Some(until))) => {
                if self.deadlines[shard] != Some(until) {
                    self.deadlines[shard] = Some(until);
                    self.schedule.after(until - now_ns, What::Deadline(shard, until));
                }
            }
            Turned::Until(Rest::Stopped) => {
                self.stopped += 1;
                if self.stopped == self.node.shards() {
                    return self.crash(Crash::Process);
                }
            }
        }
        for other in 0..self.node.shards() {
            if self.node.is_awake(other) {
                self.look(other);
            }
        }
        self.order_disk(shard);
        (0..self.seats.len()).for_each(|seat| self.listen(seat));
    }

    fn order_disk(&mut self, shard: usize) {
        let is_idle = self.node.disks()[shard].is_idle();
        if !is_idle && !std::mem::replace(&mut self.disk_due[shard], true) {
            let wait = match self.chance.below(2_000) {
                0 => 500 * MS,
                1..40 => 40 * MS,
                _ => self.disk_ns,
            };
            let wait = self.chance.between(10 * US, wait);
            self.schedule.after(wait, What::Disk(shard));
        }
    }

    fn step_disk(&mut self, shard: usize) {
        self.disk_due[shard] = false;
        self.node.step_disk(shard, &mut self.chance);
        self.look(shard);
        self.order_disk(shard);
    }

    /// The node ends, and starts again on what its disks have.
    fn crash(&mut self, how: Crash) {
        for seat in 0..self.seats.len() {
            // Some hear what was on its way to them.
            while self.chance.one_in(2)
                && let Some(wire) = &self.seats[seat].wire
                && let Received::Some(count) = wire.receive(&mut self.buffer)
            {
                self.hear(seat, count);
            }
        }
        self.node.crash(how, &mut self.chance);
        (0..self.seats.len()).for_each(|seat| self.lose(seat));
        self.hostiles.iter_mut().for_each(Hostile::vanish);
        self.versions.handle_crash();
        self.model.crashed(self.options.storage);
        if self.options.storage == Storage::Memory {
            self.subscriptions.iter_mut().for_each(|it| it.known = Known::No);
        }
        (self.is_stopping, self.stopped) = (false, 0);
        self.deadlines.fill(None);
        self.node.start(&mut self.chance);
        self.look_all();
    }

    /// Whether all messages of the node are in memory, in the order of their priorities: what comes from disk comes in that of its arrival.
    pub fn is_in_memory(&self) -> bool {
        self.model.counts().crashes == 0 && self.options.memory_bytes >= 64 << 20
    }

    /// The wall's time, milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        wall_ms(self.schedule.now_ns())
    }
}

/// What the seed makes of a node.
fn options(chance: &mut Chance) -> NodeOptions {
    let storage = if chance.one_in(5) { Storage::Memory } else { Storage::Journal };
    let memory_bytes = match storage {
        Storage::Memory => 64 << 20,
        Storage::Journal => chance.of(&[32 << 10, 256 << 10, 64 << 20]),
    };
    NodeOptions {
        shards: chance.of(&[1, 2, 2, 3, 4]),
        lane: chance.of(&[2, 4, 16, 1024]),
        storage,
        memory_bytes,
        window: chance.of(&[4, 20, 60]),
        max_messages: chance.of(&[200, 0, 0]),
        moves: chance.of(&[Moves::ToOwner, Moves::Never]),
        frame: chance.of(&[512, 2_000, 64 << 10]),
        segments_max: chance.of(&[400, 400, 10]),
        ahead: chance.of(&[3_000, 16 << 10, 256 << 10]),
        dead_letters: DeadLetters::Dropped,
        redelivery: Redelivery { attempts: chance.of(&[0, 3, 10]), delay_ms: chance.of(&[0, 0, 15]) },
    }
}
