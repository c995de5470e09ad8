//! A selector as it is evaluated: steps that work on a stack, operands before their operators.
//!
//! Guarantees: steps refer to names within the program only; jumps lead forward, so that an evaluation takes each step at most once;
//! whatever is on the stack of an evaluation, there are at most `depth` of it. `parse` makes only such programs.

use crate::convert::Conversion;
use crate::like::Pattern;
use crate::name::Name;
use crate::operand::{Arithmetic, Comparison, Operand};
use crate::text::Text;

/// What a selector is compiled to.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) steps: Box<[Step]>,
    pub(crate) names: Box<[Named]>,
    /// Operands on the stack at most.
    pub(crate) depth: usize,
    pub(crate) conversion: Conversion,
}

/// A name as it is written, and what it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) written: Box<str>,
    pub(crate) name: Name,
}

/// A value that is written in a selector.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// TRUE or FALSE.
    Boolean(bool),
    /// An exact number.
    Exact(i64),
    /// An approximate number; finite.
    Approximate(f64),
    /// A string.
    Text(Box<str>),
}

/// Which values BETWEEN is true for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// Not less than the lower and not greater than the upper end.
    Within,
    /// NOT BETWEEN: less than the lower or greater than the upper end.
    Outside,
}

/// What is done to the stack.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Puts the value of a name, by its place among the names.
    Load(usize),
    Literal(Literal),
    /// Makes a condition of a value.
    Condition,
    Not,
    Negate,
    IsNull,
    Like(Box<Pattern>),
    /// Whether a string is one of these, which are sorted.
    In(Box<[Box<str>]>),
    Compare(Comparison),
    Compute(Arithmetic),
    Between(Range),
    /// Goes on behind step so and so if what is on top decides an AND (false) alone; it stays.
    UnlessFalse(usize),
    /// The same for an OR (true).
    UnlessTrue(usize),
    /// Its right side starts behind step `skip`, an `UnlessFalse`.
    And {
        skip: usize,
    },
    Or,
}

impl Literal {
    pub(crate) fn operand(&self) -> Operand<'_> {
        match self {
            Self::Boolean(value) => Operand::Boolean(*value),
            Self::Exact(value) => Operand::Exact(*value),
            Self::Approximate(value) => Operand::Approximate(*value),
            Self::Text(text) => Operand::Text(Text::plain(text)),
        }
    }
}
