//! Operators that have all their operands become steps; what those must be is looked at.

use super::waiting::{Precedence, Waiting};
use super::{Fault, Kind, Parser};
use crate::convert::Conversion;
use crate::error::ErrorKind;
use crate::limits::{DEPTH_MAX, NODES_MAX};
use crate::operand::{Arithmetic, Comparison};
use crate::program::{Range, Step};

/// An operator: the octet where it is, and its name.
type Operator = (usize, &'static str);

impl Parser<'_> {
    /// Makes steps of the operators that wait and bind at least as close as `precedence`.
    pub(super) fn reduce(&mut self, precedence: Precedence) -> Result<(), Fault> {
        while let Some((at, waiting)) = self.waiting.pop_if(|(_, waiting)| waiting.precedence() >= precedence) {
            self.make(at, waiting)?;
        }
        Ok(())
    }

    fn make(&mut self, at: usize, waiting: Waiting) -> Result<(), Fault> {
        match waiting {
            Waiting::And(skip) => {
                self.condition((at, "AND"))?;
                self.replace(2, Step::And { skip }, Kind::Condition)?;
                self.land(skip, Step::UnlessFalse(self.steps.len()));
                Ok(())
            }
            Waiting::Or(skip) => {
                self.condition((at, "OR"))?;
                self.replace(2, Step::Or, Kind::Condition)?;
                self.land(skip, Step::UnlessTrue(self.steps.len()));
                Ok(())
            }
            Waiting::Not => {
                self.condition((at, "NOT"))?;
                self.replace(1, Step::Not, Kind::Condition)
            }
            Waiting::Negate => {
                self.numbers(1, (at, "-"))?;
                self.replace(1, Step::Negate, Kind::Number)
            }
            Waiting::Compare(comparison) => {
                if !matches!(comparison, Comparison::Equal | Comparison::Different) {
                    self.numbers(2, (at, "a comparison of order"))?;
                }
                self.replace(2, Step::Compare(comparison), Kind::Condition)
            }
            Waiting::Compute(arithmetic) => {
                self.numbers(2, (at, symbol(arithmetic)))?;
                self.replace(2, Step::Compute(arithmetic), Kind::Number)
            }
            Waiting::Upper(range) => {
                self.numbers(3, (at, if range == Range::Within { "BETWEEN" } else { "NOT BETWEEN" }))?;
                self.replace(3, Step::Between(range), Kind::Condition)
            }
            // These bind least: only what closes them takes them away.
            Waiting::Parenthesis | Waiting::Lower(_) => Ok(()),
        }
    }

    /// Says where the jump that was made as step `skip` leads.
    fn land(&mut self, skip: usize, jump: Step) {
        if let Some(place) = self.steps.get_mut(skip) {
            *place = jump;
        }
    }

    pub(super) fn step(&mut self, step: Step) -> Result<(), Fault> {
        if self.steps.len() + self.elements >= NODES_MAX {
            return Err((self.at, ErrorKind::TooManyNodes));
        }
        self.steps.push(step);
        Ok(())
    }

    /// A step that puts something.
    pub(super) fn put(&mut self, step: Step, kind: Kind) -> Result<(), Fault> {
        self.step(step)?;
        self.kinds.push(kind);
        self.depth = self.depth.max(self.kinds.len());
        if self.depth > DEPTH_MAX {
            return Err((self.at, ErrorKind::TooDeep));
        }
        Ok(())
    }

    /// A step that takes `count` operands and puts one.
    pub(super) fn replace(&mut self, count: usize, step: Step, kind: Kind) -> Result<(), Fault> {
        self.kinds.truncate(self.kinds.len().saturating_sub(count));
        self.step(step)?;
        self.kinds.push(kind);
        Ok(())
    }

    /// Makes a condition of the last operand.
    pub(super) fn condition(&mut self, operator: Operator) -> Result<(), Fault> {
        self.expect_kinds(1, &[Kind::Condition, Kind::Name], operator, "a condition")?;
        if self.kinds.last() == Some(&Kind::Name) {
            self.replace(1, Step::Condition, Kind::Condition)?;
        }
        Ok(())
    }

    fn numbers(&mut self, count: usize, operator: Operator) -> Result<(), Fault> {
        let kinds: &[Kind] = match self.conversion {
            Conversion::None => &[Kind::Name, Kind::Number],
            Conversion::Strings => &[Kind::Name, Kind::Number, Kind::Text],
        };
        self.expect_kinds(count, kinds, operator, "numbers")
    }

    /// Whether the last `count` operands are all of one of `kinds`.
    pub(super) fn expect_kinds(
        &self,
        count: usize,
        kinds: &[Kind],
        (at, operator): Operator,
        expected: &'static str,
    ) -> Result<(), Fault> {
        let do_fit = self.kinds.iter().rev().take(count).all(|kind| kinds.contains(kind));
        if do_fit { Ok(()) } else { Err((at, ErrorKind::Operand { expected, operator })) }
    }
}

fn symbol(arithmetic: Arithmetic) -> &'static str {
    match arithmetic {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Remainder => "%",
    }
}
