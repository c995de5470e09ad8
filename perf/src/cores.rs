//! The two cores of a measurement: the broker's, and that of its load.

use std::io;

use clap::Args;

/// Where broker and load run.
#[derive(Args, Clone, Copy, Debug)]
pub struct Cores {
    /// The broker's core.
    #[arg(long, default_value_t = 0)]
    pub core: usize,
    /// The load's core.
    #[arg(long, default_value_t = 1)]
    pub load_core: usize,
}

impl Cores {
    /// Lines for a node of one shard on the broker's core.
    pub fn node(self) -> String {
        format!("cores = \"{}\"\nshards = 1", self.core)
    }

    /// Runs a load on its core.
    ///
    /// # Errors
    /// When `run` fails, or there is no such core.
    pub fn load<T: Send>(self, run: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_core(self.load_core, run)
    }
}

/// Runs something on a thread of its own that stays on one core: children of a pinned thread would be pinned, too.
///
/// # Errors
/// When `run` fails, or there is no such core.
pub fn on_core<T: Send>(core: usize, run: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let pinned = || engine_rt::pin_thread(core).and_then(|()| run());
    std::thread::scope(|scope| scope.spawn(pinned).join()).unwrap_or_else(|_| Err(io::Error::other("the load failed")))
}
