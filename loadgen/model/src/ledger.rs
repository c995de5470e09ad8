//! What was sent and what was received, message by message, so that nothing is lost unseen.

use serde::{Deserialize, Serialize};

/// What one worker sent and received.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {}
