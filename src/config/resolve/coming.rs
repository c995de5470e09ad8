//! A connector or a listener that comes while a router runs, resolved by itself.
//!
//! Not here: whether others have its addresses, which the system says when they are bound.

use super::super::fault::Faults;
use super::super::origins::Origins;
use super::super::settings::Config;
use super::{ConnectTo, ListenAt, Resolving};

/// What the only connector of a configuration shows, and whom it trusts; with what is worth a thought.
///
/// # Errors
/// What is wrong with it.
pub fn connector(config: &Config, origins: &Origins) -> Result<(ConnectTo, Vec<String>), Faults> {
    let mut resolving = alone(config, origins);
    let to = resolving.connectors().pop().unwrap_or_default();
    let Resolving { faults, warnings, .. } = resolving;
    faults.or((to, warnings))
}

/// Where the only listener of a configuration listens, and what it shows; with what is worth a thought.
///
/// # Errors
/// What is wrong with it.
pub fn listener(config: &Config, origins: &Origins) -> Result<(ListenAt, Vec<String>), Faults> {
    let mut resolving = alone(config, origins);
    let at = resolving.listener(0);
    let Resolving { faults, warnings, .. } = resolving;
    faults.or((at, warnings))
}

fn alone<'a>(config: &'a Config, origins: &'a Origins) -> Resolving<'a> {
    Resolving { config, origins, faults: Faults::default(), warnings: Vec::new(), taken: Vec::new() }
}
