//! Where one message goes.

mod choice;
mod passage;
mod spread;

pub use choice::{Taken, Target, Undelivered, choose, choose_at, choose_link, only};
pub use passage::Passage;
pub use spread::Spread;
