//! The words of a selector, one after the other.
//!
//! Guarantees: each token is a slice of the text, so that an error can show it; a token is read once.

use crate::error::ErrorKind;

/// Whether `-` may be part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hyphen {
    /// As in JMS: it is an operator.
    Operator,
    /// Behind the first character of a name it is part of it (`hyphenated_props:`).
    InNames,
}

/// What is reserved, in any case of its letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    And,
    Or,
    Not,
    Between,
    Like,
    Escape,
    In,
    Is,
    Null,
    True,
    False,
    XPath,
}

const KEYWORDS: [(&str, Keyword); 13] = [
    ("AND", Keyword::And),
    ("OR", Keyword::Or),
    ("NOT", Keyword::Not),
    ("BETWEEN", Keyword::Between),
    ("LIKE", Keyword::Like),
    ("ESCAPE", Keyword::Escape),
    ("IN", Keyword::In),
    ("IS", Keyword::Is),
    ("NULL", Keyword::Null),
    ("TRUE", Keyword::True),
    ("FALSE", Keyword::False),
    ("XPATH", Keyword::XPath),
    ("XQUERY", Keyword::XPath),
];

/// What is made of other characters than letters. The longer ones come first.
const SYMBOLS: [&str; 13] = ["<>", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")"];

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Keyword(Keyword),
    Symbol(&'static str),
    Comma,
    /// A name; quotes are gone.
    Name(Box<str>),
    /// A string; quotes are gone.
    Text(Box<str>),
    /// An exact number without its sign: up to 2^63, which only fits behind a minus.
    Exact(u64),
    Approximate(f64),
    End,
}

/// Reads tokens.
#[derive(Debug)]
pub(crate) struct Tokens<'t> {
    text: &'t str,
    /// Octets that were read.
    at: usize,
    hyphen: Hyphen,
}

impl<'t> Tokens<'t> {
    /// From octet `at` of `text`, which has to be where a character starts.
    pub(crate) fn new(text: &'t str, at: usize, hyphen: Hyphen) -> Self {
        Self { text, at, hyphen }
    }

    /// Which character stands at octet `at`, from 1.
    pub(crate) fn position(&self, at: usize) -> usize {
        self.text.get(..at).map_or(0, |before| before.chars().count()) + 1
    }

    /// The text from octet `at` on.
    pub(crate) fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    /// Where the next token starts, and what it is. At the end there is one more of these each time.
    pub(crate) fn next(&mut self) -> Result<(usize, Token), (usize, ErrorKind)> {
        let rest = self.rest(self.at).trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
        let start = self.text.len() - rest.len();
        let (token, octets) = self.read(rest).map_err(|kind| (start, kind))?;
        self.at = start + octets;
        Ok((start, token))
    }

    /// The token at the start of `rest`, and its octets.
    fn read(&self, rest: &str) -> Result<(Token, usize), ErrorKind> {
        let Some(first) = rest.chars().next() else { return Ok((Token::End, 0)) };
        match first {
            '\'' => quoted(rest, '\'').map(|(text, octets)| (Token::Text(text), octets)),
            '"' => quoted(rest, '"').map(|(name, octets)| (Token::Name(name), octets)),
            ',' => Ok((Token::Comma, 1)),
            '0'..='9' => number(rest),
            '.' if rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => number(rest),
            _ if is_name_start(first) => Ok(self.word(rest)),
            _ => match SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
                Some(symbol) => Ok((Token::Symbol(symbol), symbol.len())),
                None => {
                    let expected = "a name, a value or an operator";
                    Err(ErrorKind::Unexpected { expected, found: crate::error::shown(rest) })
                }
            },
        }
    }

    fn word(&self, rest: &str) -> (Token, usize) {
        let is_part = |c: char| is_name_part(c) || (c == '-' && self.hyphen == Hyphen::InNames);
        let octets = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let word = rest.get(..octets).unwrap_or_default();
        match KEYWORDS.into_iter().find(|(keyword, _)| word.eq_ignore_ascii_case(keyword)) {
            Some((_, keyword)) => (Token::Keyword(keyword), octets),
            None => (Token::Name(word.into()), octets),
        }
    }
}

/// Java's identifier start characters, as far as they are letters.
fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// What stands between the quote at the start of `rest` and the next; two of them are one that is meant.
fn quoted(rest: &str, quote: char) -> Result<(Box<str>, usize), ErrorKind> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote && chars.next_if(|&(_, next)| next == quote).is_none() {
            return Ok((text.into(), at + quote.len_utf8()));
        }
        text.push(c);
    }
    Err(ErrorKind::Unclosed)
}

/// A number without sign, as Java writes them (JMS 3.8.1.1): decimal, 0x and 0 for the other bases, L, D, F behind it.
fn number(rest: &str) -> Result<(Token, usize), ErrorKind> {
    let octets = number_octets(rest);
    let (image, behind) = rest.split_at(octets);
    if behind.starts_with(is_name_part) {
        return Err(ErrorKind::Number);
    }
    let is_hex = image.starts_with("0x") || image.starts_with("0X");
    let bare = if is_hex {
        image.trim_end_matches(['l', 'L'])
    } else {
        image.trim_end_matches(['l', 'L', 'd', 'D', 'f', 'F'])
    };
    let suffix = image.get(bare.len()..).unwrap_or_default().to_ascii_lowercase();
    let is_float = suffix == "f" || suffix == "d" || (!is_hex && bare.contains(['.', 'e', 'E']));
    let token = match (is_float, suffix.as_str()) {
        // A float literal is the float next to it: so it equals a float property of the same digits.
        (true, "f") => {
            bare.parse::<f32>().ok().map(f64::from).filter(|value| value.is_finite()).map(Token::Approximate)
        }
        (true, "" | "d") => bare.parse::<f64>().ok().filter(|value| value.is_finite()).map(Token::Approximate),
        (false, "" | "l") => exact(bare).filter(|&value| value <= 1 << 63).map(Token::Exact),
        _ => None,
    };
    token.map(|token| (token, octets)).ok_or(ErrorKind::Number)
}

/// Octets of the number at the start of `rest`.
fn number_octets(rest: &str) -> usize {
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut last = '0';
    let end = rest.find(|c: char| {
        let is_sign = !is_hex && matches!(c, '+' | '-') && matches!(last, 'e' | 'E');
        let is_part = c.is_ascii_alphanumeric() || (c == '.' && !is_hex) || is_sign;
        last = c;
        !is_part
    });
    end.unwrap_or(rest.len())
}

fn exact(bare: &str) -> Option<u64> {
    match bare.strip_prefix("0x").or_else(|| bare.strip_prefix("0X")) {
        Some(digits) if digits.starts_with('+') => None,
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if bare.len() > 1 && bare.starts_with('0') => u64::from_str_radix(bare, 8).ok(),
        None => bare.parse().ok(),
    }
}
