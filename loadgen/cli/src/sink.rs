//! `heddle-load sink`: a server whose speed, delays and faults are known, to measure the generator by.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use load_drive::double::{Behaviour, Double, DoubleSpec, Tally};
use load_model::number;

use crate::exit::{CommandError, Exit};
use crate::run::stop_at_signal;
use crate::terminal::say;

/// How often it is looked whether to stop.
const STOP_WITHIN: Duration = Duration::from_millis(50);

/// Options of `sink`.
#[derive(Args, Debug)]
pub struct SinkCommand {
    /// Address to listen on; with port 0 the system chooses.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5672")]
    listen: SocketAddr,
    /// What it does with messages: sink, relay, stall:2s,1s, delay:lognormal:5ms,50ms or lossy:lose=1000,duplicate=500.
    #[arg(long, value_name = "KIND", default_value = "sink")]
    behaviour: Behaviour,
    /// The core that it keeps to [default: as the system likes].
    #[arg(long, value_name = "N")]
    core: Option<usize>,
}

impl SinkCommand {
    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn execute(self) -> Result<Exit, CommandError> {
        let stop = stop_at_signal().map_err(CommandError::failed)?;
        let spec = DoubleSpec { listen: self.listen, core: self.core, behaviour: self.behaviour };
        let cannot = |error| CommandError::Failed(format!("cannot listen on {}: {error}", self.listen));
        let double = Double::start(spec).map_err(cannot)?;
        say(&format!("sink: listens on {} as {}", double.address(), self.behaviour));
        wait(&stop);
        let tally = double.stop().map_err(CommandError::failed)?;
        let Tally { taken, given, lost, duplicated, reordered, corrupted } = tally;
        let [given, lost, duplicated, reordered, corrupted] =
            [given, lost, duplicated, reordered, corrupted].map(number::count);
        say(&format!(
            "sink: took {} and gave {given}; on purpose {lost} lost, {duplicated} doubled, {reordered} out of order, \
             {corrupted} changed",
            number::counted(taken, "message")
        ));
        Ok(Exit::Fine)
    }
}

fn wait(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(STOP_WITHIN);
    }
}
