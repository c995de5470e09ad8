//! Operators that wait for what stands behind them, and how close each binds.

use crate::operand::{Arithmetic, Comparison};
use crate::program::Range;

/// How close operators bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precedence {
    /// Nothing ends these but what closes them: a parenthesis, the AND of a BETWEEN.
    Open,
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Sign,
}

/// What waits for its right side.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiting {
    Parenthesis,
    /// BETWEEN, whose lower end is being read.
    Lower(Range),
    /// BETWEEN, whose upper end is being read.
    Upper(Range),
    /// Where its jump is among the steps.
    Or(usize),
    And(usize),
    Not,
    Negate,
    Compare(Comparison),
    Compute(Arithmetic),
}

impl Waiting {
    pub(super) fn precedence(self) -> Precedence {
        match self {
            Self::Parenthesis | Self::Lower(_) => Precedence::Open,
            Self::Or(_) => Precedence::Or,
            Self::And(_) => Precedence::And,
            Self::Not => Precedence::Not,
            Self::Upper(_) | Self::Compare(_) => Precedence::Comparison,
            Self::Compute(Arithmetic::Add | Arithmetic::Subtract) => Precedence::Sum,
            Self::Compute(_) => Precedence::Product,
            Self::Negate => Precedence::Sign,
        }
    }

    /// An operator between two values.
    pub(super) fn infix(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "=" => Self::Compare(Comparison::Equal),
            "<>" => Self::Compare(Comparison::Different),
            "<" => Self::Compare(Comparison::Less),
            "<=" => Self::Compare(Comparison::LessOrEqual),
            ">" => Self::Compare(Comparison::Greater),
            ">=" => Self::Compare(Comparison::GreaterOrEqual),
            "+" => Self::Compute(Arithmetic::Add),
            "-" => Self::Compute(Arithmetic::Subtract),
            "*" => Self::Compute(Arithmetic::Multiply),
            "/" => Self::Compute(Arithmetic::Divide),
            "%" => Self::Compute(Arithmetic::Remainder),
            _ => return None,
        })
    }
}
