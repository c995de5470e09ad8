//! One worker: a thread with a tokio runtime of its own, that does its share of a scenario and tells what happened.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine_rt::{pin_thread, thread_cpu_ns};
use load_drive::{Handle, RunError, TOLD_MAX, Workers};
use load_model::arrivals::{Schedule, quota};
use load_model::interval::INTERVAL_NS;
use load_model::ledger::{Ending, Place, PlaceKind, Sequences};
use load_model::scenario::{Group, Scenario};
use load_model::sizes::{Sizes, largest};
use load_model::stamp::{FillerSums, STAMP_BYTES, filler};
use load_model::worker::{Order, Share, Told};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};

use crate::board::{Board, ProducerNotes};
use crate::consumer::Consumer;
use crate::links::Connector;
use crate::producer::{Filler, Producer};
use crate::support;

/// Orders that a worker has not looked at yet; a coordinator gives a few in all, and a worker looks at one each tick.
const ORDERS_MAX: usize = 16;
/// How often orders are looked at, and intervals ended: tokio's timers know no finer.
const TICK: Duration = Duration::from_millis(1);
/// How long nothing may come, behind the last message that was sent, until the rest is not waited for, nanoseconds.
const QUIET_NS: u64 = 500_000_000;

/// Starts one thread for each of `shares`, on the cores in turn, which begin to connect. They end by an order, or when
/// nobody holds their `Workers` any more.
///
/// # Errors
/// When the scenario asks for what this client does not have, or a thread cannot be made.
pub fn start(scenario: &Scenario, shares: &[Share], cores: &[usize]) -> Result<Workers, RunError> {
    support::check(scenario)?;
    let (tell, told) = flume::bounded(TOLD_MAX);
    let scenario = Arc::new(scenario.clone());
    let mut handles = Vec::new();
    for (index, &share) in shares.iter().enumerate() {
        let (orders, given) = flume::bounded(ORDERS_MAX);
        let core = cores.get(index % cores.len().max(1)).copied();
        let (scenario, tell) = (Arc::clone(&scenario), tell.clone());
        let thread = std::thread::Builder::new().name(format!("fe2o3-{}", share.worker));
        let run = move || run_thread(&scenario, share, core, &given, &tell);
        thread.spawn(run).map_err(|reason| RunError::Start { worker: share.worker, reason })?;
        handles.push(Handle { orders, clock_offset_ns: 0 });
    }
    Ok(Workers { handles, told })
}

fn run_thread(
    scenario: &Scenario,
    share: Share,
    core: Option<usize>,
    orders: &flume::Receiver<Order>,
    tell: &flume::Sender<Told>,
) {
    let pinned = core.map_or(Ok(()), pin_thread);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match (pinned, runtime) {
        (Ok(()), Ok(runtime)) => {
            let worker = Worker { scenario, share, orders, tell, board: Board::new(scenario.groups.len()) };
            LocalSet::new().block_on(&runtime, worker.run())
        }
        (Err(error), _) | (_, Err(error)) => Err(End::Failed(error.to_string())),
    };
    let worker = share.worker;
    let told = match done {
        Ok(()) | Err(End::Aborted) => return,
        Err(End::Failed(why)) => Told::Failed { worker, why },
        Err(End::Unreached(why)) => Told::Lost { worker, at_ns: None, why },
    };
    // A coordinator that is gone does not ask why.
    let _ = tell.try_send(told);
}

/// Why a worker ends before it is done.
enum End {
    /// It was told to, or nobody is there to tell it anything.
    Aborted,
    /// It cannot go on.
    Failed(String),
    /// The server is not to be reached, or does not take its links.
    Unreached(String),
}

struct Worker<'a> {
    scenario: &'a Scenario,
    share: Share,
    orders: &'a flume::Receiver<Order>,
    tell: &'a flume::Sender<Told>,
    board: Board,
}

/// A task that waits for the start.
type Task = std::pin::Pin<Box<dyn Future<Output = ()>>>;

impl Worker<'_> {
    async fn run(self) -> Result<(), End> {
        let mut connector = Connector::new(self.scenario, self.share.worker);
        let tasks = self.attach_all(&mut connector).await.map_err(End::Unreached)?;
        let worker = self.share.worker;
        self.say(Told::Ready { worker, product: String::new(), container: String::new() })?;
        let origin_ns = loop {
            if let Some(Order::Start { origin_ns, run }) = self.order()? {
                self.board.with(|notes| (notes.origin_ns, notes.run) = (origin_ns, run));
                break origin_ns;
            }
            tokio::time::sleep(TICK).await;
        };
        // `now_ns` stays 0 until then: producers would begin before their time.
        while engine_rt::monotonic_ns() < origin_ns {
            tokio::time::sleep(TICK).await;
        }
        let made = u64::from(connector.made());
        self.board.with(|notes| notes.groups.iter_mut().take(1).for_each(|first| first.counts.connected += made));
        tasks.into_iter().for_each(|task| drop(spawn_local(task)));
        let ending = self.watch().await?;
        let ledger = self.board.with(|notes| notes.take_ledger(ending));
        self.say(Told::Done { worker, ledger })
    }

    /// Hears orders and tells intervals until all is done, or the server is gone; gives how the end came.
    async fn watch(&self) -> Result<Ending, End> {
        let (mut start_ns, mut cpu_ns) = (0, thread_cpu_ns());
        let mut tell = |end_ns: u64| -> Result<(), End> {
            let cpu_now_ns = thread_cpu_ns();
            let span = (start_ns, end_ns);
            let intervals = self.board.with(|notes| notes.take_interval(self.share.worker, span, cpu_now_ns - cpu_ns));
            (start_ns, cpu_ns) = (end_ns, cpu_now_ns);
            intervals.into_iter().try_for_each(|interval| self.say(Told::Interval(interval)))
        };
        let mut next_ns = INTERVAL_NS;
        loop {
            tokio::time::sleep(TICK).await;
            match self.order()? {
                Some(Order::Measure { from_ns }) => self.board.with(|notes| notes.measure_from_ns = from_ns),
                Some(Order::Stop { at_ns }) => self.board.with(|notes| notes.stop_ns = at_ns),
                _ => {}
            }
            let now_ns = self.board.now_ns();
            while now_ns >= next_ns {
                tell(next_ns)?;
                next_ns += INTERVAL_NS;
            }
            if let Some(why) = self.board.with(|notes| notes.failure.take()) {
                // A link or a connection ended, which this client does not make again.
                self.say(Told::Lost { worker: self.share.worker, at_ns: Some(now_ns), why })?;
                if now_ns > next_ns - INTERVAL_NS {
                    tell(now_ns)?;
                }
                return Ok(Ending::ServerGone);
            }
            let (stop_ns, last_ns) = self.board.with(|notes| (notes.stop_ns, notes.last_ns));
            if now_ns < stop_ns {
                continue;
            }
            let is_over = now_ns >= stop_ns.saturating_add(self.scenario.drain.0);
            let is_silent = now_ns >= last_ns.max(stop_ns).saturating_add(QUIET_NS);
            if is_over || (is_silent && self.board.with(|notes| notes.is_quiet())) {
                if now_ns > next_ns - INTERVAL_NS {
                    tell(now_ns)?;
                }
                return Ok(if is_silent { Ending::Quiet } else { Ending::DrainOver });
            }
        }
    }

    /// The next order, if there is one.
    fn order(&self) -> Result<Option<Order>, End> {
        match self.orders.try_recv() {
            Ok(Order::Abort) | Err(flume::TryRecvError::Disconnected) => Err(End::Aborted),
            Ok(order) => Ok(Some(order)),
            Err(flume::TryRecvError::Empty) => Ok(None),
        }
    }

    fn say(&self, told: Told) -> Result<(), End> {
        self.tell.try_send(told).map_err(|error| match error {
            flume::TrySendError::Full(_) => End::Failed("the coordinator does not listen".to_owned()),
            flume::TrySendError::Disconnected(_) => End::Aborted,
        })
    }

    /// Attaches this worker's links; consumers first, so that a topic's messages find them.
    async fn attach_all(&self, connector: &mut Connector<'_>) -> Result<Vec<Task>, String> {
        let mut tasks = Vec::new();
        for (index, group) in self.scenario.groups.iter().enumerate() {
            let index = index as u32;
            connector.begin();
            for consumer in (0..group.consumers).filter(|consumer| self.share.has(group.producers + consumer)) {
                let receiver = connector.receiver(group, consumer).await?;
                let place = self.place(index, group, consumer);
                let (board, settle) = (self.board.clone(), group.settle);
                tasks
                    .push(Box::pin(Consumer { board, group: index, number: consumer, place, settle }.run(receiver))
                        as Task);
            }
        }
        for (index, group) in self.scenario.groups.iter().enumerate() {
            let index = index as u32;
            let octets = filler(largest(&group.size).saturating_sub(STAMP_BYTES), self.scenario.seed);
            let filler = Rc::new(Filler { sums: FillerSums::new(&octets), octets });
            connector.begin();
            for producer in (0..group.producers).filter(|&producer| self.share.has(producer)) {
                let sender = connector.sender(group, producer).await?;
                tasks.push(Box::pin(self.producer(index, group, producer, &filler).run(sender)));
            }
        }
        Ok(tasks)
    }

    /// Where a consumer's messages are noted: one place for all of a queue.
    fn place(&self, index: u32, group: &Group, consumer: u32) -> usize {
        let kind = PlaceKind::Messages(group.place_of_consumer(consumer));
        self.board.with(|notes| {
            let found = notes.places.iter().position(|place| place.group == index && place.kind == kind);
            found.unwrap_or_else(|| {
                notes.places.push(Place::new(index, group, kind));
                notes.places.len() - 1
            })
        })
    }

    fn producer(&self, index: u32, group: &Group, number: u32, filler: &Rc<Filler>) -> Producer {
        let schedule = Schedule::new(self.scenario, index, number);
        let place = self.board.with(|notes| {
            notes.producers.push(ProducerNotes {
                group: index,
                number,
                sent: 0,
                settled: Sequences::default(),
                refused: Sequences::default(),
                is_done: false,
                counting: schedule.clone(),
            });
            notes.producers.len() - 1
        });
        Producer {
            board: self.board.clone(),
            index: place,
            group: index,
            number,
            schedule,
            sizes: Sizes::new(&group.size, self.scenario.seed, index, number),
            filler: Rc::clone(filler),
            quota: quota(self.scenario, index, number),
            durable: group.durable,
            settle: group.settle,
            window: Arc::new(Semaphore::new(group.window as usize)),
        }
    }
}
