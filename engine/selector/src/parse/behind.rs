//! What stands behind a value: operators, and what only tests it.

use super::waiting::{Precedence, Waiting};
use super::{Fault, Kind, Parser};
use crate::error::ErrorKind;
use crate::like::Pattern;
use crate::limits::NODES_MAX;
use crate::program::{Range, Step};
use crate::token::{Keyword, Token};

/// What may come behind what was read.
pub(super) enum Next {
    Operator,
    Operand,
    Nothing,
}

/// What a BETWEEN lacks.
pub(super) const UPPER_END: &str = "AND with the upper end of BETWEEN";
const OPERATOR: &str = "an operator or the end";

/// Whether NOT stands before LIKE or IN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Plain,
    Negated,
}

impl Parser<'_> {
    /// Reads what stands behind a value.
    pub(super) fn behind(&mut self) -> Result<Next, Fault> {
        match self.token {
            Token::End => return Ok(Next::Nothing),
            Token::Symbol(")") => return self.close(),
            Token::Symbol(symbol) => {
                let Some(infix) = Waiting::infix(symbol) else { return Err(self.unexpected(OPERATOR)) };
                self.open(infix.precedence(), infix)?;
            }
            Token::Keyword(Keyword::And) => self.and()?,
            Token::Keyword(Keyword::Or) => {
                let at = self.at;
                self.reduce_to(Precedence::Or)?;
                self.condition((at, "OR"))?;
                self.wait(at, Waiting::Or(self.steps.len()))?;
                self.step(Step::UnlessTrue(0))?;
            }
            Token::Keyword(Keyword::Between) => self.open(Precedence::Comparison, Waiting::Lower(Range::Within))?,
            Token::Keyword(Keyword::Not) => {
                self.advance()?;
                if self.token != Token::Keyword(Keyword::Between) {
                    return self.test(Sense::Negated, "LIKE, IN or BETWEEN");
                }
                self.open(Precedence::Comparison, Waiting::Lower(Range::Outside))?;
            }
            _ => return self.test(Sense::Plain, OPERATOR),
        }
        self.advance()?;
        Ok(Next::Operand)
    }

    /// As `reduce`, for an operator that may not stand in the lower end of a BETWEEN.
    fn reduce_to(&mut self, precedence: Precedence) -> Result<(), Fault> {
        self.reduce(precedence)?;
        match self.waiting.last() {
            Some((_, Waiting::Lower(_))) if precedence <= Precedence::Comparison => Err(self.unexpected(UPPER_END)),
            _ => Ok(()),
        }
    }

    fn open(&mut self, precedence: Precedence, waiting: Waiting) -> Result<(), Fault> {
        self.reduce_to(precedence)?;
        self.wait(self.at, waiting)
    }

    /// AND, of conditions or of the ends of a BETWEEN.
    fn and(&mut self) -> Result<(), Fault> {
        let at = self.at;
        self.reduce(Precedence::Sum)?;
        if let Some((_, waiting)) = self.waiting.last_mut()
            && let Waiting::Lower(range) = *waiting
        {
            *waiting = Waiting::Upper(range);
            return Ok(());
        }
        self.reduce_to(Precedence::And)?;
        self.condition((at, "AND"))?;
        self.wait(at, Waiting::And(self.steps.len()))?;
        self.step(Step::UnlessFalse(0))
    }

    fn close(&mut self) -> Result<Next, Fault> {
        self.reduce(Precedence::Or)?;
        match self.waiting.pop() {
            Some((_, Waiting::Parenthesis)) => {}
            Some(_) => return Err(self.unexpected(UPPER_END)),
            None => return Err(self.unexpected(OPERATOR)),
        }
        self.advance()?;
        Ok(Next::Operator)
    }

    /// What needs no value behind it: IS NULL, LIKE, IN.
    fn test(&mut self, sense: Sense, expected: &'static str) -> Result<Next, Fault> {
        let at = self.at;
        let Token::Keyword(keyword @ (Keyword::Is | Keyword::Like | Keyword::In)) = self.token else {
            return Err(self.unexpected(expected));
        };
        if keyword == Keyword::Is && sense == Sense::Negated {
            return Err(self.unexpected(expected));
        }
        self.reduce_to(Precedence::Comparison)?;
        self.advance()?;
        let (step, sense) = match keyword {
            Keyword::Is => {
                let is_not = self.is_next(Keyword::Not)?;
                self.expect(&Token::Keyword(Keyword::Null), "NULL or NOT NULL")?;
                (Step::IsNull, if is_not { Sense::Negated } else { Sense::Plain })
            }
            Keyword::Like => {
                self.expect_kinds(1, &[Kind::Name, Kind::Text], (at, "LIKE"), "a name")?;
                (self.pattern()?, sense)
            }
            _ => {
                self.expect_kinds(1, &[Kind::Name], (at, "IN"), "a name")?;
                (self.list()?, sense)
            }
        };
        self.replace(1, step, Kind::Condition)?;
        if sense == Sense::Negated {
            self.replace(1, Step::Not, Kind::Condition)?;
        }
        Ok(Next::Operator)
    }

    fn text(&mut self) -> Result<Box<str>, Fault> {
        match &mut self.token {
            Token::Text(text) => {
                let text = std::mem::take(text);
                self.advance()?;
                Ok(text)
            }
            _ => Err(self.unexpected("a string")),
        }
    }

    fn pattern(&mut self) -> Result<Step, Fault> {
        let at = self.at;
        let text = self.text()?;
        let mut escape = None;
        if self.is_next(Keyword::Escape)? {
            let at = self.at;
            let written = self.text()?;
            let mut chars = written.chars();
            escape = chars.next();
            if escape.is_none() || chars.next().is_some() {
                return Err((at, ErrorKind::Escape));
            }
        }
        let pattern = Pattern::new(&text, escape).map_err(|kind| (at, kind))?;
        Ok(Step::Like(Box::new(pattern)))
    }

    fn list(&mut self) -> Result<Step, Fault> {
        self.expect(&Token::Symbol("("), "a list of strings in parentheses")?;
        let mut elements = vec![self.text()?];
        while self.token == Token::Comma {
            self.advance()?;
            elements.push(self.text()?);
            if self.steps.len() + self.elements + elements.len() > NODES_MAX {
                return Err((self.at, ErrorKind::TooManyNodes));
            }
        }
        self.expect(&Token::Symbol(")"), "a comma or a closing parenthesis")?;
        self.elements += elements.len();
        elements.sort_unstable();
        elements.dedup();
        Ok(Step::In(elements.into()))
    }
}
