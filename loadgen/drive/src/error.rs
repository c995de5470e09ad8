//! Why a run could not be done.

/// What stopped a run, for an operator.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A scenario asks for what this client cannot do.
    #[error("{0}")]
    Scenario(String),
    /// A thread or its readiness source could not be made.
    #[error("worker {worker} cannot be started: {reason}")]
    Start {
        /// Which one.
        worker: u32,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A worker could not go on.
    #[error("worker {worker}: {why}")]
    Worker {
        /// Which one.
        worker: u32,
        /// What it says.
        why: String,
    },
    /// A worker went away without a word.
    #[error("a worker ended before the run did: its thread or its machine failed")]
    Gone,
    /// Links were not all attached in time.
    #[error("only {ready} of {workers} workers were ready after {seconds} s: the server does not answer")]
    NotReady {
        /// How many were.
        ready: u32,
        /// Of how many.
        workers: u32,
        /// How long they had.
        seconds: u64,
    },
    /// What workers told does not fit together.
    #[error("{0}")]
    Told(String),
}
