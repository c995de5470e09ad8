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
        /// By number, from 0.
        worker: u32,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A worker went away without a word.
    #[error("a worker ended before the run did: its thread or its machine failed")]
    Gone,
    /// Workers had long enough to end.
    #[error("a worker did not end after its time to drain: its thread or its machine hangs")]
    Silent,
    /// It was to end before it began.
    #[error("interrupted before all links were attached")]
    Interrupted,
    /// Links were not all attached in time.
    #[error(
        "after {seconds} s not all links of {workers} workers are attached: the server does not answer all of them"
    )]
    NotReady {
        /// How many there are.
        workers: usize,
        /// How long they had.
        seconds: u64,
    },
    /// What workers told does not fit together.
    #[error("{0}")]
    Told(String),
}
