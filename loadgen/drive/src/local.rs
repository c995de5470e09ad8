//! Workers as threads of this process.

use std::sync::Arc;

use engine_rt::{allowed_cores, pin_thread, raise_open_files, wake_in_time};
use load_model::scenario::Scenario;
use load_model::worker::{Order, Share, Told};

use crate::client::{Server, load_tls};
use crate::coordinate::{Handle, Workers};
use crate::error::RunError;
use crate::worker::{Ended, Waiting, Worker};

/// Orders that a worker has not looked at yet; a coordinator gives a few in all, and a worker looks every 10 ms.
const ORDERS_MAX: usize = 16;
/// What workers told and the coordinator has not heard yet: a minute of 64 groups of 16 workers. A worker that finds it full fails,
/// rather than wait.
pub const TOLD_MAX: usize = 64 * 16 * 60;

/// Whether what a scenario names for its connections is there: addresses of its servers, authorities for TLS. Told before any thread is
/// started, so that a mistake in a scenario is one of the scenario.
///
/// # Errors
/// What is not there.
pub fn check(scenario: &Scenario) -> Result<(), RunError> {
    let of_servers = scenario.every_server().into_iter().map(|url| Server::resolve(url, &scenario.connection));
    let named = |error: String| RunError::Scenario(format!("--server: {error}"));
    let servers = of_servers.collect::<Result<Vec<_>, _>>().map_err(named)?;
    if servers.iter().any(|server| server.is_tls) {
        load_tls(&scenario.connection).map_err(RunError::Scenario)?;
    }
    Ok(())
}

/// Starts one thread for each of `shares`, on the cores in turn, which begin to connect; without cores they are where the system puts
/// them. They end by an order, when they are done, or when nobody holds their `Workers` any more.
///
/// # Errors
/// When a thread cannot be made.
pub fn start_local(scenario: &Scenario, shares: &[Share], cores: &[usize]) -> Result<Workers, RunError> {
    // A connection is a file; where the limit does not suffice, the connection that is too many says so.
    raise_open_files();
    let (tell, told) = flume::bounded(TOLD_MAX);
    let scenario = Arc::new(scenario.clone());
    // With a core for each worker and one for others, a worker may use all of its own.
    let waiting = if allowed_cores().len() > shares.len() { Waiting::Spins } else { Waiting::Sleeps };
    let mut handles = Vec::new();
    for (number, &share) in shares.iter().enumerate() {
        let (orders, given) = flume::bounded(ORDERS_MAX);
        let core = cores.get(number % cores.len().max(1)).copied();
        let (scenario, tell) = (Arc::clone(&scenario), tell.clone());
        let work = move || {
            let why = match work(&scenario, share, waiting, core, given, &tell) {
                Ok(Ended::Done | Ended::Aborted) => return,
                Err(why) => why,
            };
            if tell.send(Told::Failed { worker: share.worker, why }).is_err() {
                // The coordinator ended before; there is nobody to tell.
            }
        };
        let thread = std::thread::Builder::new().name(format!("load-{}", share.worker)).spawn(work);
        thread.map_err(|reason| RunError::Start { worker: share.worker, reason })?;
        handles.push(Handle { orders, clock_offset_ns: 0 });
    }
    Ok(Workers { handles, told })
}

fn work(
    scenario: &Arc<Scenario>,
    share: Share,
    waiting: Waiting,
    core: Option<usize>,
    orders: flume::Receiver<Order>,
    tell: &flume::Sender<Told>,
) -> Result<Ended, String> {
    if let Some(core) = core {
        pin_thread(core).map_err(|error| format!("it cannot run on core {core}: {error}"))?;
    }
    wake_in_time();
    Worker::new(scenario, share, waiting, orders, tell.clone())?.run()
}
