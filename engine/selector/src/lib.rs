//! Selectors: conditions on a message's headers and properties, in the SQL-92 subset of JMS 2.0 (section 3.8.1).
//!
//! Guarantees:
//! 1. A text is compiled once, to a flat program. Neither parsing nor evaluation nor dropping recurses, and all of it is bounded
//!    (`limits`).
//! 2. Evaluation allocates nothing, cannot fail and ends: what cannot be read is NULL. Its time is at most the number of steps times the
//!    octets of the message before its body.
//! 3. Sections are located once an evaluation, and only if a name asks for one; bodies are never looked at.
//!
//! What JMS leaves open is as in Artemis where that says anything:
//! - NULL (a property that is not there, or cannot be read) makes comparisons, arithmetic, LIKE, IN and BETWEEN unknown.
//! - Values of unlike types are different: `=` is false, `<>` true. Strings and booleans have no order: `<` and its like are false, and
//!   texts that ask for it are refused. LIKE of what is no string is false, IN unknown. Arithmetic with what is no number is NULL.
//! - Exact numbers have 64 bits; what does not fit becomes approximate. `/` and `%` are approximate: `5 / 2` is 2.5, `1 / 0` infinite.
//! - NOT stands between comparisons and AND: `NOT a = 1` is `NOT (a = 1)`.
//! - A property that stands alone is a condition: true only if it is a boolean that is.
//!
//! Of AMQP's types all integers and timestamps are exact numbers (a ulong of 2^63 and above is approximate), floats and doubles
//! approximate; strings, symbols, chars and UUIDs (in lower case) are strings. Binaries, decimals and compounds are there, and equal
//! nothing.
//!
//! Not here: filters of links, what is done with messages that match, and XPATH, which would have to read bodies.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod convert;
mod error;
mod evaluate;
mod index;
mod like;
pub mod limits;
mod name;
mod operand;
mod parse;
mod program;
mod selector;
mod text;
mod token;
mod view;

pub use error::{ErrorKind, SelectorError};
pub use index::Index;
pub use program::Literal;
pub use selector::Selector;
pub use view::View;
