//! A running node, as ordinary threads see it: its shards are asked, each answers between two turns; or only looked at.
//!
//! 1. Probes look at pulses (`engine_rt::Pulse`): no shard is asked, woken or waited for.
//! 2. What there are many of is asked for page by page. A shard's answer is bounded work, whatever there is; who asks has a time until which
//!    all has to be there.
//! 3. A cursor names a place of a shard's table: what is there from the first page to the last is told once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine_core::command::Publish;
use engine_core::{Answer, InUse, QUEUE_FIGURES, QueueView, Version};
use engine_figures::{Figures, PAGE_ROWS_MAX, Page, Range};
use engine_home::{Carried, Slot};
use engine_router::auto_links::{AutoLink, AutoLinkId, Standing, Via};
use engine_rt::{Clock, DiskRoom, InboxSender, Listener, Permits, Pulse, Service};
use node_shell::{
    ADDRESSES_MAX, AUTO_LINKS_MAX, Ask, CONNECTION_FIGURES, ConnectionDetails, ConnectionView, ConnectorConfig,
    LINK_FIGURES, LINK_ROUTES_MAX, LinkDetails, LinkView, ListenerConfig, Manage, Managing, Post, RefusedLogins,
    SHARD_FIGURES, ShardView,
};

use crate::http::Process;
use crate::space::{Disk, Space};

/// How long shards have for everything that one question needs: a page is a turn, so this is thousands of them, and less than those wait who
/// ask.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long to wait before a shard is told again: a full inbox empties within a turn, unless its shard hangs, and a disk writes.
const AGAIN: Duration = Duration::from_millis(1);

/// Why not all shards agree to a version.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// One does not answer.
    #[error("not all shards answered within {} s: try again", ANSWER_TIME.as_secs())]
    Silent,
    /// One has an address that another is to own.
    #[error(
        "{in_use} on shard {shard}, and is to be another shard's: an address changes its shard while nobody uses it, or at a start. Start \
         the node again, and its messages move; or put back its shard"
    )]
    InUse {
        /// The shard.
        shard: usize,
        /// What there is of which address.
        in_use: InUse,
    },
}

/// Sockets of a listener, and what their connections go by: those of each shard.
pub type Sockets = Vec<Vec<(Listener, Arc<ListenerConfig>)>>;

/// A running node.
pub struct Node {
    /// Its name.
    pub container_id: String,
    /// The core of each shard.
    pub cores: Vec<usize>,
    /// How to reach the shards.
    pub shards: Vec<InboxSender<Post>>,
    /// What the shards let others see.
    pub pulses: Vec<Pulse>,
    /// The clock of the shards.
    pub clock: Clock,
    /// When it started.
    pub started: Instant,
    /// Whether it was told to stop.
    pub stopping: Arc<AtomicBool>,
    /// Connections that all shards may have together.
    pub connections_max: u64,
    /// What is left of them; connections to the HTTP listener take some as well.
    pub connections: Permits,
    /// The file system of its data; `None` without storage.
    pub space: Option<Space>,
}

/// Whether the node is alive and serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It serves.
    Ready,
    /// It serves, but takes no durable messages for want of room on its disk.
    DiskFull,
    /// Not all shards serve yet.
    Starting,
    /// It is about to end.
    Stopping,
    /// A shard does nothing any more.
    Hung {
        /// By number.
        shard: usize,
        /// How long it has been silent beyond its time, nanoseconds.
        silent_ns: u64,
    },
}

/// The node without what there are many of.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Its name.
    pub container_id: String,
    /// Since its start.
    pub uptime_ms: u64,
    /// Whether it serves.
    pub health: Health,
    /// Connections that all shards may have together: `limits.connections` of each, as far as the limit on open files goes.
    pub connections_max: u64,
    /// The file system of its data; absent when messages are kept in memory only.
    pub disk: Option<Disk>,
    pub process: Process,
    /// Logins that were refused so far.
    pub logins: RefusedLogins,
    /// By number.
    pub shards: Vec<ShardOn>,
}

/// A shard, and the core that it runs on.
#[derive(Clone, Debug)]
pub struct ShardOn {
    /// By the system's number.
    pub core: usize,
    /// The shard.
    pub view: ShardView,
}

/// Where to go on in the tables of all shards, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    shard: u16,
    place: u32,
}

/// One of many things, and the shard that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    pub shard: u16,
    /// The thing.
    pub view: T,
}

/// A part of many things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    /// Those that were asked for.
    pub rows: Vec<Row<T>>,
    /// Where to go on; `None` behind the last.
    pub next: Option<Cursor>,
}

/// Which part of many things is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How their names begin.
    pub prefix: String,
    /// Where to go on.
    pub after: Cursor,
    /// How many at most.
    pub most: usize,
}

/// A shard does not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent;

/// What there are many of in a shard.
pub trait Paged: Sized + 'static {
    /// The question for a part of them.
    fn ask(range: Range, reply: flume::Sender<Page<Self>>) -> Ask;
}

/// The same, with figures.
pub trait Listed: Paged {
    /// What is told of it.
    const FIGURES: &'static Figures<Self>;
}

impl Paged for ConnectionDetails {
    fn ask(range: Range, reply: flume::Sender<Page<Self>>) -> Ask {
        Ask::ConnectionDetails(range, reply)
    }
}

impl Paged for LinkDetails {
    fn ask(range: Range, reply: flume::Sender<Page<Self>>) -> Ask {
        Ask::LinkDetails(range, reply)
    }
}

impl Listed for QueueView {
    const FIGURES: &'static Figures<Self> = &QUEUE_FIGURES;
}

impl Paged for QueueView {
    fn ask(range: Range, reply: flume::Sender<Page<Self>>) -> Ask {
        Ask::Queues(range, reply)
    }
}

impl Listed for ConnectionView {
    const FIGURES: &'static Figures<Self> = &CONNECTION_FIGURES;
}

impl Paged for ConnectionView {
    fn ask(range: Range, reply: flume::Sender<Page<Self>>) -> Ask {
        Ask::Connections(range, reply)
    }
}

impl Listed for LinkView {
    const FIGURES: &'static Figures<Self> = &LINK_FIGURES;
}

impl Paged for LinkView {
    fn ask(range: Range, reply: flume::Sender<Page<Self>>) -> Ask {
        Ask::Links(range, reply)
    }
}

/// What is told of a shard.
pub const SHARD: &Figures<ShardView> = &SHARD_FIGURES;

impl Cursor {
    /// A place of a shard's table.
    pub fn at(shard: u16, place: u32) -> Self {
        Self { shard, place }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.shard, self.place)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (shard, place) = text.split_once('.')?;
            Some(Self { shard: shard.parse().ok()?, place: place.parse().ok()? })
        };
        read().ok_or_else(|| format!("{text:?} is no place to go on from: take it from `next` of an answer"))
    }
}

impl Node {
    /// Whether it is alive and serves, as its shards let see; nobody is asked.
    pub fn health(&self) -> Health {
        let service = if self.stopping.load(Ordering::Relaxed) { Service::Stopping } else { Service::Serving };
        health(&self.pulses, self.clock.now_ns(), service)
    }

    /// The file system of its data.
    pub fn disk(&self) -> Option<Disk> {
        let mut disk = self.space.as_ref().and_then(Space::look)?;
        disk.full = self.pulses.iter().any(|pulse| pulse.disk_room() == DiskRoom::None);
        Some(disk)
    }

    /// Asks all shards what there is of each.
    ///
    /// # Errors
    /// When one does not answer in time.
    pub fn view(&self) -> Result<NodeView, Silent> {
        let until = Instant::now() + ANSWER_TIME;
        let mut answers = Vec::new();
        for shard in &self.shards {
            let (sender, receiver) = flume::bounded(1);
            shard.send(Post::View(Ask::Shard(sender))).map_err(|_| Silent)?;
            answers.push(receiver);
        }
        let views = answers.into_iter().map(|answer| answer.recv_deadline(until).map_err(|_| Silent));
        let views: Vec<ShardView> = views.collect::<Result<_, _>>()?;
        let mut logins = RefusedLogins::default();
        views.iter().for_each(|view| logins.add(&view.logins));
        Ok(NodeView {
            container_id: self.container_id.clone(),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            health: self.health(),
            connections_max: self.connections_max,
            disk: self.disk(),
            process: Process::look(),
            logins,
            shards: self.cores.iter().zip(views).map(|(&core, view)| ShardOn { core, view }).collect(),
        })
    }

    /// Announces a version of the catalogue to all shards, and waits until all have agreed.
    ///
    /// # Errors
    /// When one does not agree, or does not answer in time.
    pub fn announce(&self, version: &Version) -> Result<(), Disagreement> {
        let until = Instant::now() + ANSWER_TIME;
        let mut asked: Vec<usize> = (0..self.shards.len()).collect();
        while !asked.is_empty() {
            let mut answers = Vec::new();
            for &shard in &asked {
                let (sender, receiver) = flume::bounded(1);
                let inbox = self.shards.get(shard).ok_or(Disagreement::Silent)?;
                inbox.send(Post::Version(version.clone(), sender)).map_err(|_| Disagreement::Silent)?;
                answers.push((shard, receiver));
            }
            asked.clear();
            for (shard, answer) in answers {
                match answer.recv_deadline(until).map_err(|_| Disagreement::Silent)? {
                    Answer::Done => {}
                    Answer::NotYet => asked.push(shard),
                    Answer::InUse(in_use) => return Err(Disagreement::InUse { shard, in_use }),
                }
            }
            if Instant::now() >= until {
                return Err(Disagreement::Silent);
            }
            if !asked.is_empty() {
                std::thread::sleep(AGAIN);
            }
        }
        Ok(())
    }

    /// Tells all shards what was decided of a version. A shard whose inbox is full, or that hangs, is told when it goes on; the others
    /// have gone on then.
    pub fn tell_at_last(&self, version: &Version) {
        let mut answers = Vec::new();
        for shard in &self.shards {
            let (sender, receiver) = flume::bounded(1);
            answers.push(receiver);
            let mut post = Post::Version(version.clone(), sender);
            while let Err(back) = shard.send(post) {
                if self.stopping.load(Ordering::Relaxed) {
                    return;
                }
                post = back;
                std::thread::sleep(AGAIN);
            }
        }
        let until = Instant::now() + ANSWER_TIME;
        for (shard, answer) in answers.into_iter().enumerate() {
            if answer.recv_deadline(until).is_err() {
                tracing::warn!(target: "heddle::program", shard,
                    "a shard did not answer when it was told what holds for addresses and queues: it takes it when it goes on");
            }
        }
    }

    /// Asks for a part of many things, those of the first shard first.
    ///
    /// # Errors
    /// When a shard does not answer in time.
    pub fn list<T: Paged>(&self, part: &Part) -> Result<List<T>, Silent> {
        let until = Instant::now() + ANSWER_TIME;
        list(self.shards.len(), part, |shard, range| self.page(shard, range, until))
    }

    /// Goes through all of many things whose names begin so.
    ///
    /// # Errors
    /// When a shard does not answer in time.
    pub fn each<T: Paged>(&self, prefix: &str, mut on_row: impl FnMut(Row<T>)) -> Result<(), Silent> {
        let until = Instant::now() + ANSWER_TIME;
        let mut part = Part { prefix: prefix.to_owned(), after: Cursor::default(), most: PAGE_ROWS_MAX };
        loop {
            let List { rows, next } = list(self.shards.len(), &part, |shard, range| self.page(shard, range, until))?;
            rows.into_iter().for_each(&mut on_row);
            let Some(next) = next else { return Ok(()) };
            part.after = next;
        }
    }

    /// Does a step of work on the messages of a queue of a shard.
    ///
    /// # Errors
    /// When the shard does not answer in time.
    pub fn manage(&self, shard: u16, manage: Manage) -> Result<Managing, Silent> {
        let (sender, receiver) = flume::bounded(1);
        let inbox = self.shards.get(usize::from(shard)).ok_or(Silent)?;
        inbox.send(Post::Manage(Box::new(manage), sender)).map_err(|_| Silent)?;
        receiver.recv_timeout(ANSWER_TIME).map_err(|_| Silent)
    }

    /// What links carried of some addresses of a router, on all shards together, in their order.
    ///
    /// # Errors
    /// When a shard does not answer in time.
    pub fn carried(&self, keys: &[String]) -> Result<Vec<Carried>, Silent> {
        let until = Instant::now() + ANSWER_TIME;
        let mut all = Vec::new();
        for part in keys.chunks(ADDRESSES_MAX) {
            let mut sums = vec![Carried::default(); part.len()];
            for shard in &self.shards {
                let (sender, receiver) = flume::bounded(1);
                shard.send(Post::View(Ask::Addresses(part.to_vec(), sender))).map_err(|_| Silent)?;
                let carried = receiver.recv_deadline(until).map_err(|_| Silent)?;
                for (sum, more) in sums.iter_mut().zip(carried) {
                    sum.from_peers += more.from_peers;
                    sum.to_peers += more.to_peers;
                }
            }
            all.append(&mut sums);
        }
        Ok(all)
    }

    /// Has all shards attach another link by themselves, wherever it is for.
    ///
    /// # Errors
    /// When one does not answer in time: it does so when it goes on, if it could be told.
    pub fn declare(&self, id: AutoLinkId, link: &AutoLink) -> Result<(), Silent> {
        self.tell_all(|reply| Post::Declare(id, Box::new(link.clone()), reply))
    }

    /// Has all shards detach such a link, and attach it no more.
    ///
    /// # Errors
    /// As `declare`.
    pub fn undeclare(&self, id: AutoLinkId) -> Result<(), Silent> {
        self.tell_all(|reply| Post::Undeclare(id, reply))
    }

    /// Has a connector of this number connect, on the shard that it is of.
    ///
    /// # Errors
    /// As `declare`.
    pub fn connect(&self, number: u32, connector: &Arc<ConnectorConfig>) -> Result<(), Silent> {
        self.tell(self.of_connector(number), |reply| Post::Connect(number, Arc::clone(connector), reply))
    }

    /// Has it end, and its connection with it.
    ///
    /// # Errors
    /// As `declare`.
    pub fn disconnect(&self, number: u32) -> Result<(), Silent> {
        self.tell(self.of_connector(number), |reply| Post::Disconnect(number, reply))
    }

    /// Has each shard listen on sockets of its own, which are those of the listener of a number.
    ///
    /// # Errors
    /// When one does not answer in time, or cannot, with the reason: then no shard listens on them, if it could be told.
    pub fn listen(&self, number: u32, sockets: Sockets) -> Result<(), String> {
        let until = Instant::now() + ANSWER_TIME;
        let mut answers = Vec::new();
        for (shard, sockets) in self.shards.iter().zip(sockets) {
            let (sender, receiver) = flume::bounded(1);
            answers.push(receiver);
            put(shard, Post::Listen(sockets, sender), until);
        }
        let listens = answers.into_iter().map(|answer| match answer.recv_deadline(until) {
            Ok(listens) => listens.map_err(|error| format!("a shard cannot listen: {error}")),
            Err(_) => Err("a shard does not answer in time: try again".to_owned()),
        });
        let listens: Result<(), String> = listens.collect();
        if listens.is_err() {
            // A shard that does not answer this either takes both when it goes on, in their order.
            let _ = self.listen_no_more(number);
        }
        listens
    }

    /// Has no shard listen on the sockets of a listener any more.
    ///
    /// # Errors
    /// As `declare`.
    pub fn listen_no_more(&self, number: u32) -> Result<(), Silent> {
        self.tell_all(|reply| Post::ListenNoMore(number, reply))
    }

    /// The shard that a connector is of.
    fn of_connector(&self, number: u32) -> &[InboxSender<Post>] {
        let shard = number as usize % self.shards.len().max(1);
        self.shards.get(shard..=shard).unwrap_or_default()
    }

    /// Tells all shards something, and waits until all have heard of it.
    fn tell_all(&self, post: impl Fn(flume::Sender<()>) -> Post) -> Result<(), Silent> {
        self.tell(&self.shards, post)
    }

    /// Tells some of them.
    fn tell(&self, shards: &[InboxSender<Post>], post: impl Fn(flume::Sender<()>) -> Post) -> Result<(), Silent> {
        let until = Instant::now() + ANSWER_TIME;
        let mut answers = Vec::new();
        for shard in shards {
            let (sender, receiver) = flume::bounded(1);
            put(shard, post(sender), until);
            answers.push(receiver);
        }
        // What could not be told is not answered: its sender is gone.
        answers.into_iter().try_for_each(|answer| answer.recv_deadline(until).map_err(|_| Silent))
    }

    /// How links stand that the router attaches itself, on each shard, in the order in which they are named.
    ///
    /// # Errors
    /// When a shard does not answer in time.
    pub fn auto_links(&self, ids: &[AutoLinkId]) -> Result<Vec<Vec<(u16, Standing)>>, Silent> {
        let until = Instant::now() + ANSWER_TIME;
        let mut all = Vec::new();
        for part in ids.chunks(AUTO_LINKS_MAX) {
            let mut standings = vec![Vec::new(); part.len()];
            for (number, shard) in (0..).zip(&self.shards) {
                let (sender, receiver) = flume::bounded(1);
                shard.send(Post::View(Ask::AutoLinks(part.to_vec(), sender))).map_err(|_| Silent)?;
                let told = receiver.recv_deadline(until).map_err(|_| Silent)?;
                for (known, standing) in standings.iter_mut().zip(told) {
                    known.extend(standing.map(|standing| (number, standing)));
                }
            }
            all.append(&mut standings);
        }
        Ok(all)
    }

    /// Whether connections are there that routes of links are for, on any shard, in the order in which they are named; `None` is never there.
    ///
    /// # Errors
    /// When a shard does not answer in time.
    pub fn served(&self, vias: &[Option<Via>]) -> Result<Vec<bool>, Silent> {
        let until = Instant::now() + ANSWER_TIME;
        let mut all = Vec::new();
        for part in vias.chunks(LINK_ROUTES_MAX) {
            let mut served = vec![false; part.len()];
            for shard in &self.shards {
                let (sender, receiver) = flume::bounded(1);
                shard.send(Post::View(Ask::LinkRoutes(part.to_vec(), sender))).map_err(|_| Silent)?;
                let told = receiver.recv_deadline(until).map_err(|_| Silent)?;
                served.iter_mut().zip(told).for_each(|(known, is_served)| *known |= is_served);
            }
            all.append(&mut served);
        }
        Ok(all)
    }

    /// Closes a connection of a shard; gives whether there is such a one.
    ///
    /// # Errors
    /// When the shard does not answer in time.
    pub fn dismiss(&self, shard: u16, place: Slot) -> Result<bool, Silent> {
        let (sender, receiver) = flume::bounded(1);
        let inbox = self.shards.get(usize::from(shard)).ok_or(Silent)?;
        inbox.send(Post::Dismiss(place, sender)).map_err(|_| Silent)?;
        receiver.recv_timeout(ANSWER_TIME).map_err(|_| Silent)
    }

    /// Sends an answer of management; gives whether a shard takes it.
    pub fn answer(&self, publish: Publish) -> bool {
        self.shards.first().is_some_and(|inbox| inbox.send(Post::Answer(Box::new(publish))).is_ok())
    }

    fn page<T: Paged>(&self, shard: u16, range: Range, until: Instant) -> Result<Page<T>, Silent> {
        let (sender, receiver) = flume::bounded(1);
        let inbox = self.shards.get(usize::from(shard)).ok_or(Silent)?;
        inbox.send(Post::View(T::ask(range, sender))).map_err(|_| Silent)?;
        receiver.recv_deadline(until).map_err(|_| Silent)
    }
}

/// Tells a shard something: a full inbox empties within a turn, unless its shard hangs, which is told nothing then.
fn put(shard: &InboxSender<Post>, mut post: Post, until: Instant) {
    while let Err(back) = shard.send(post) {
        if Instant::now() >= until {
            return;
        }
        post = back;
        std::thread::sleep(AGAIN);
    }
}

/// What pulses say of a node that is to be in this state.
fn health(pulses: &[Pulse], now_ns: u64, wanted: Service) -> Health {
    let hung = pulses.iter().enumerate().find_map(|(shard, pulse)| Some((shard, pulse.hangs(now_ns)?)));
    if let Some((shard, silent_ns)) = hung {
        return Health::Hung { shard, silent_ns };
    }
    if wanted == Service::Stopping || pulses.iter().any(|pulse| pulse.service() == Service::Stopping) {
        return Health::Stopping;
    }
    if pulses.iter().any(|pulse| pulse.service() != Service::Serving) {
        return Health::Starting;
    }
    let is_full = pulses.iter().any(|pulse| pulse.disk_room() == DiskRoom::None);
    if is_full { Health::DiskFull } else { Health::Ready }
}

/// Puts a part together from pages of shards.
fn list<T>(
    shards: usize,
    part: &Part,
    mut page: impl FnMut(u16, Range) -> Result<Page<T>, Silent>,
) -> Result<List<T>, Silent> {
    let mut rows = Vec::new();
    let Cursor { mut shard, mut place } = part.after;
    while usize::from(shard) < shards {
        let left = part.most.saturating_sub(rows.len());
        if left == 0 {
            return Ok(List { rows, next: Some(Cursor { shard, place }) });
        }
        let answer = page(shard, Range { from: place, rows: left, prefix: part.prefix.clone() })?;
        rows.extend(answer.rows.into_iter().map(|view| Row { shard, view }));
        match answer.next {
            Some(next) => place = next,
            None => (shard, place) = (shard + 1, 0),
        }
    }
    Ok(List { rows, next: None })
}

#[cfg(test)]
mod tests {
    use engine_rt::HUNG_NS;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn serving(count: usize) -> Vec<Pulse> {
        let pulses: Vec<Pulse> = (0..count).map(|_| Pulse::default()).collect();
        pulses.iter().for_each(|pulse| pulse.tell(Service::Serving));
        pulses
    }

    #[test]
    fn a_shard_that_stops_turning_is_found_within_the_bound() {
        let pulses = serving(3);
        let at = |now_ns| health(&pulses, now_ns, Service::Serving);
        pulses.iter().for_each(|pulse| pulse.turn(SECOND));
        assert_eq!(at(SECOND), Health::Ready);
        // The others go on, or sleep.
        pulses[0].turn(SECOND + HUNG_NS);
        pulses[2].sleep(None);
        assert_eq!(at(SECOND + HUNG_NS), Health::Ready);
        assert_eq!(at(2 * SECOND + HUNG_NS), Health::Hung { shard: 1, silent_ns: HUNG_NS + SECOND });
        pulses[1].turn(2 * SECOND + HUNG_NS);
        assert_eq!(at(2 * SECOND + HUNG_NS), Health::Ready);
    }

    #[test]
    fn a_node_is_ready_when_all_its_shards_serve() {
        let pulses = serving(2);
        pulses[1].tell(Service::Starting);
        assert_eq!(health(&pulses, 0, Service::Serving), Health::Starting);
        pulses[1].tell(Service::Serving);
        assert_eq!(health(&pulses, 0, Service::Serving), Health::Ready);
        pulses[0].tell_disk(DiskRoom::None);
        assert_eq!(health(&pulses, 0, Service::Serving), Health::DiskFull);
        assert_eq!(health(&pulses, 0, Service::Stopping), Health::Stopping);
        pulses[0].tell(Service::Stopping);
        assert_eq!(health(&pulses, 0, Service::Serving), Health::Stopping);
    }

    #[test]
    fn parts_go_on_over_shards_and_short_pages() {
        let tables: [Vec<u32>; 3] = [(0..25).collect(), Vec::new(), (100..107).collect()];
        // Pages of ten places, of which every second is empty.
        let page = |shard: u16, range: Range| {
            let table = &tables[usize::from(shard)];
            let end = (range.from as usize + 10.min(range.rows * 2)).min(table.len());
            let rows = table[range.from as usize..end].iter().copied().filter(|n| n % 2 == 0).take(range.rows);
            let next = (end < table.len()).then_some(end as u32);
            Ok(Page { rows: rows.collect(), next })
        };
        let all: Vec<u32> = tables.iter().flatten().copied().filter(|n| n % 2 == 0).collect();
        for most in 1..30 {
            let mut part = Part { prefix: String::new(), after: Cursor::default(), most };
            let mut told = Vec::new();
            loop {
                let List { rows, next } = list(3, &part, page).unwrap();
                assert!(rows.len() <= most);
                told.extend(rows.iter().map(|row| row.view));
                let Some(next) = next else { break };
                part.after = next.to_string().parse().unwrap();
            }
            assert_eq!(told, all, "{most}");
        }
        let behind = Part { prefix: String::new(), after: Cursor { shard: 9, place: 9 }, most: 1 };
        assert_eq!(list(3, &behind, page), Ok(List { rows: Vec::new(), next: None }));
        assert_eq!(
            list(3, &Part { after: Cursor::default(), ..behind }, |_, _| Err::<Page<u32>, _>(Silent)),
            Err(Silent)
        );
    }

    #[test]
    fn cursors_are_read_strictly() {
        assert_eq!("1.4096".parse(), Ok(Cursor { shard: 1, place: 4096 }));
        for wrong in ["", "1", "1.", ".1", "1.2.3", "-1.2", "a.b", "70000.1", "1.4294967296"] {
            assert!(wrong.parse::<Cursor>().unwrap_err().contains("next"), "{wrong}");
        }
    }
}
