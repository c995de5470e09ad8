//! Values while a selector is evaluated, and what operators make of them.
//!
//! The rules are those of the crate's head: NULL makes unknown, unlike types are different, arithmetic never fails.

use std::cmp::Ordering;

use crate::convert::{Conversion, to_boolean, to_number};
use crate::text::Text;

/// A value. Conditions are booleans, unknown is NULL.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand<'a> {
    Null,
    Boolean(bool),
    Exact(i64),
    Approximate(f64),
    Text(Text<'a>),
    /// It is there, and equals nothing: binaries, decimals, compounds.
    Opaque,
}

/// What compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Different,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl<'a> Operand<'a> {
    /// What has three values: unknown is `None`.
    pub(crate) fn of_condition(condition: Option<bool>) -> Self {
        condition.map_or(Self::Null, Self::Boolean)
    }

    /// The value as a condition: NULL is unknown, what is no boolean is false.
    pub(crate) fn condition(self) -> Option<bool> {
        match self {
            Self::Null => None,
            Self::Boolean(value) => Some(value),
            _ => Some(false),
        }
    }

    /// A number of 64 bits without sign: approximate if it is too large for a signed one.
    pub(crate) fn unsigned(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Approximate(value as f64), Self::Exact)
    }

    pub(crate) fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn negate(self, conversion: Conversion) -> Self {
        match to_number(self, conversion) {
            Self::Exact(value) => value.checked_neg().map_or(Self::Approximate(-(value as f64)), Self::Exact),
            Self::Approximate(value) => Self::Approximate(-value),
            _ => Self::Null,
        }
    }

    fn double(self) -> Option<f64> {
        match self {
            Self::Exact(value) => Some(value as f64),
            Self::Approximate(value) => Some(value),
            _ => None,
        }
    }
}

impl Comparison {
    pub(crate) fn of(self, left: Operand<'_>, right: Operand<'_>, conversion: Conversion) -> Option<bool> {
        if left.is_null() || right.is_null() {
            return None;
        }
        let order = || order(left, right, conversion);
        Some(match self {
            Self::Equal => are_equal(left, right, conversion),
            Self::Different => !are_equal(left, right, conversion),
            Self::Less => order().is_some_and(Ordering::is_lt),
            Self::LessOrEqual => order().is_some_and(Ordering::is_le),
            Self::Greater => order().is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        })
    }
}

fn are_equal(left: Operand<'_>, right: Operand<'_>, conversion: Conversion) -> bool {
    match (left, right) {
        (Operand::Text(left), Operand::Text(right)) => left.equals(&right),
        (Operand::Boolean(left), Operand::Boolean(right)) => left == right,
        (Operand::Boolean(value), Operand::Text(text)) | (Operand::Text(text), Operand::Boolean(value)) => {
            to_boolean(&text, conversion) == Some(value)
        }
        _ => order(left, right, conversion).is_some_and(Ordering::is_eq),
    }
}

/// The order of two numbers, of which one may be converted: `None` for NaN and for what is no number.
fn order(left: Operand<'_>, right: Operand<'_>, conversion: Conversion) -> Option<Ordering> {
    if let (Operand::Text(_), Operand::Text(_)) = (left, right) {
        return None;
    }
    match (to_number(left, conversion), to_number(right, conversion)) {
        (Operand::Exact(left), Operand::Exact(right)) => Some(left.cmp(&right)),
        (left, right) => left.double()?.partial_cmp(&right.double()?),
    }
}

impl Arithmetic {
    pub(crate) fn of<'a>(self, left: Operand<'a>, right: Operand<'a>, conversion: Conversion) -> Operand<'a> {
        let (left, right) = (to_number(left, conversion), to_number(right, conversion));
        if let (Operand::Exact(left), Operand::Exact(right)) = (left, right) {
            let exact = match self {
                Self::Add => left.checked_add(right),
                Self::Subtract => left.checked_sub(right),
                Self::Multiply => left.checked_mul(right),
                Self::Divide | Self::Remainder => None,
            };
            if let Some(exact) = exact {
                return Operand::Exact(exact);
            }
        }
        let (Some(left), Some(right)) = (left.double(), right.double()) else { return Operand::Null };
        Operand::Approximate(match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left % right,
        })
    }
}
