//! `heddle status`: what a person wants to see of a running broker, in the columns that the terminal has.
//!
//! It reads `/state` and goes by the tables of figures: which of them have a column, under which title, in which unit.

mod render;
mod show;
mod state;

pub use render::microseconds;
pub use show::{columns, list_queues, show};

/// What is printed of a broker that answers with this.
#[cfg(test)]
pub fn of_text(answer: &str, columns: usize) -> String {
    let mut node: state::Object = serde_json::from_str(answer).expect("a state");
    let queues = state::take_list(&mut node, "queues");
    render::render(&state::State::of(node, queues), None, columns)
}
