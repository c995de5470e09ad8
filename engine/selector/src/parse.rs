//! Compiles the text of a selector, by precedence of operators.
//!
//! Guarantees: no recursion. Operators wait on a stack of bounded depth until what stands behind them is known not to belong to an
//! operator that binds closer; then they become steps. Beside them the kinds of what the steps will have on their stack are kept, so that
//! whatever cannot be meant (the sum of conditions, a value as a whole selector) is refused here, with its place.

mod behind;
mod reduce;
mod waiting;

use std::mem;

use behind::{Next, UPPER_END};
use waiting::{Precedence, Waiting};

use crate::convert::Conversion;
use crate::error::{ErrorKind, SelectorError, shown};
use crate::limits::{DEPTH_MAX, TEXT_OCTETS_MAX};
use crate::name::Name;
use crate::program::{Literal, Named, Program, Step};
use crate::token::{Hyphen, Keyword, Token, Tokens};

const CONVERT: &str = "convert_string_expressions:";
const HYPHENATED: &str = "hyphenated_props:";

/// What a step leaves on the stack, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// TRUE, FALSE, and what is made of conditions.
    Condition,
    /// A name: anything.
    Name,
    Number,
    Text,
}

/// An error at an octet.
type Fault = (usize, ErrorKind);

struct Parser<'t> {
    tokens: Tokens<'t>,
    /// The next token, and where it is.
    at: usize,
    token: Token,
    /// With the octets where they are.
    waiting: Vec<(usize, Waiting)>,
    kinds: Vec<Kind>,
    steps: Vec<Step>,
    names: Vec<Named>,
    depth: usize,
    /// Elements of lists.
    elements: usize,
    conversion: Conversion,
}

/// Compiles `text`: `Selector::parse`.
pub(crate) fn parse(text: &str) -> Result<Program, SelectorError> {
    if text.len() > TEXT_OCTETS_MAX {
        return Err(SelectorError { kind: ErrorKind::TooLong, position: 1 });
    }
    let (mut rest, mut conversion, mut hyphen) = (text, Conversion::None, Hyphen::Operator);
    loop {
        if let Some(behind) = rest.strip_prefix(CONVERT) {
            (rest, conversion) = (behind, Conversion::Strings);
        } else if let Some(behind) = rest.strip_prefix(HYPHENATED) {
            (rest, hyphen) = (behind, Hyphen::InNames);
        } else {
            break;
        }
    }
    let tokens = Tokens::new(text, text.len() - rest.len(), hyphen);
    let mut parser = Parser {
        tokens,
        at: 0,
        token: Token::End,
        waiting: Vec::new(),
        kinds: Vec::new(),
        steps: Vec::new(),
        names: Vec::new(),
        depth: 0,
        elements: 0,
        conversion,
    };
    let parsed = parser.selector();
    parsed.map_err(|(at, kind)| SelectorError { kind, position: parser.tokens.position(at) })?;
    Ok(Program {
        steps: parser.steps.into(),
        names: parser.names.into(),
        depth: parser.depth,
        conversion: parser.conversion,
    })
}

impl Parser<'_> {
    fn selector(&mut self) -> Result<(), Fault> {
        self.advance()?;
        loop {
            self.operand()?;
            loop {
                match self.behind()? {
                    Next::Operator => {}
                    Next::Operand => break,
                    Next::Nothing => return self.finish(),
                }
            }
        }
    }

    /// Whatever still waits has all that it waited for.
    fn finish(&mut self) -> Result<(), Fault> {
        self.reduce(Precedence::Or)?;
        match self.waiting.last() {
            Some((_, Waiting::Parenthesis)) => Err(self.unexpected("a closing parenthesis")),
            Some(_) => Err(self.unexpected(UPPER_END)),
            None => self.condition((0, "a selector")),
        }
    }

    fn advance(&mut self) -> Result<Token, Fault> {
        let (at, token) = self.tokens.next()?;
        self.at = at;
        Ok(mem::replace(&mut self.token, token))
    }

    fn unexpected(&self, expected: &'static str) -> Fault {
        (self.at, ErrorKind::Unexpected { expected, found: shown(self.tokens.rest(self.at)) })
    }

    /// Reads on if the next token is `keyword`.
    fn is_next(&mut self, keyword: Keyword) -> Result<bool, Fault> {
        let is_next = self.token == Token::Keyword(keyword);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn expect(&mut self, token: &Token, expected: &'static str) -> Result<(), Fault> {
        if self.token != *token {
            return Err(self.unexpected(expected));
        }
        self.advance().map(drop)
    }

    fn wait(&mut self, at: usize, waiting: Waiting) -> Result<(), Fault> {
        if self.waiting.len() == DEPTH_MAX {
            return Err((at, ErrorKind::TooDeep));
        }
        self.waiting.push((at, waiting));
        Ok(())
    }

    /// A value, with what stands before it.
    fn operand(&mut self) -> Result<(), Fault> {
        loop {
            match &self.token {
                Token::Symbol("(") => self.wait(self.at, Waiting::Parenthesis)?,
                Token::Keyword(Keyword::Not) => self.wait(self.at, Waiting::Not)?,
                // It changes nothing; what it stands before is a number all the same.
                Token::Symbol("+") => {}
                Token::Symbol("-") => {
                    let at = self.at;
                    self.advance()?;
                    if let Token::Exact(value) = self.token {
                        let negative = 0_i64.checked_sub_unsigned(value).ok_or((at, ErrorKind::Number))?;
                        self.put(Step::Literal(Literal::Exact(negative)), Kind::Number)?;
                        return self.advance().map(drop);
                    }
                    self.wait(at, Waiting::Negate)?;
                    continue;
                }
                _ => return self.value(),
            }
            self.advance()?;
        }
    }

    fn value(&mut self) -> Result<(), Fault> {
        const EXPECTED: &str = "a name or a value";
        let at = self.at;
        let (literal, kind) = match &self.token {
            Token::Keyword(Keyword::XPath) => return Err((at, ErrorKind::XPath)),
            Token::Keyword(Keyword::True) => (Literal::Boolean(true), Kind::Condition),
            Token::Keyword(Keyword::False) => (Literal::Boolean(false), Kind::Condition),
            Token::Exact(value) => {
                let value = i64::try_from(*value).map_err(|_| (at, ErrorKind::Number))?;
                (Literal::Exact(value), Kind::Number)
            }
            Token::Approximate(value) => (Literal::Approximate(*value), Kind::Number),
            Token::Text(text) => (Literal::Text(text.clone()), Kind::Text),
            Token::Name(_) => {
                let Token::Name(written) = self.advance()? else { return Err(self.unexpected(EXPECTED)) };
                let known = self.names.iter().position(|named| named.written == written);
                let index = known.unwrap_or(self.names.len());
                if known.is_none() {
                    self.names.push(Named { name: Name::of(&written), written });
                }
                return self.put(Step::Load(index), Kind::Name);
            }
            _ => return Err(self.unexpected(EXPECTED)),
        };
        self.put(Step::Literal(literal), kind)?;
        self.advance().map(drop)
    }
}
