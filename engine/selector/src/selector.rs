//! A compiled selector: what others do with one.

use crate::convert::Conversion;
use crate::error::SelectorError;
use crate::evaluate;
use crate::name::Name;
use crate::operand::Comparison;
use crate::parse;
use crate::program::{Literal, Program, Step};
use crate::view::View;

/// A condition on messages.
#[derive(Clone, Debug)]
pub struct Selector {
    program: Program,
}

impl Selector {
    /// Compiles a selector.
    ///
    /// # Errors
    /// When `text` is no condition of the grammar (JMS 3.8.1.1), or exceeds a bound (`limits`).
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::parse(text).map(|program| Self { program })
    }

    /// Whether the condition is true for a message: unknown is not.
    #[inline]
    pub fn matches(&self, view: &View<'_>) -> bool {
        evaluate::evaluate(&self.program, view) == Some(true)
    }

    /// A property and the only value of it with which a message can match: the selector is `name = literal`, or has that as one of the
    /// conditions that AND combines. `None` for others, for names of headers, and where strings are converted.
    pub fn equality(&self) -> Option<(&str, &Literal)> {
        if self.program.conversion != Conversion::None {
            return None;
        }
        let mut left = self.program.steps.as_ref();
        loop {
            let Some((Step::And { skip }, factors)) = left.split_last() else { return self.equality_of(left) };
            if let Some(found) = factors.get(skip + 1..).and_then(|right| self.equality_of(right)) {
                return Some(found);
            }
            left = left.get(..*skip).unwrap_or_default();
        }
    }

    fn equality_of<'s>(&'s self, steps: &'s [Step]) -> Option<(&'s str, &'s Literal)> {
        let (name, literal) = match steps {
            [Step::Load(name), Step::Literal(literal), Step::Compare(Comparison::Equal)]
            | [Step::Literal(literal), Step::Load(name), Step::Compare(Comparison::Equal)] => (name, literal),
            _ => return None,
        };
        match &self.program.names.get(*name)?.name {
            Name::Property(property) => Some((property, literal)),
            _ => None,
        }
    }
}
