//! Figures in the sentences of a verdict: one name for each kind.

pub(crate) use crate::number::{counted, latency as time, per_second as rate, percent, seconds};
