//! Values of attributes: of what a file says, made into what the table asks for, and back into text.
//!
//! Guarantee: `of_node` of what `text` makes of a value is that value, for every kind but maps, which are printed as JSON.

use serde_json::{Map, Value as Json};

use crate::fault::shown;
use crate::lex::{Entry, Node};
use crate::limits::VALUE_OCTETS_MAX;
use crate::schema::{Attribute, Constant, Kind};
use crate::similar::most_similar;

/// A value of an attribute's kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Switch(bool),
    Integer(i64),
    /// Also paths, words and secrets.
    Text(String),
    /// Tokens, and texts between commas; none is empty.
    List(Vec<String>),
    Map(Map<String, Json>),
    /// Groups as they stand there.
    Groups(Vec<Entry>),
}

/// Why a value is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What was written, as it may be shown; of secrets nothing.
    pub shown: String,
    /// The word that was probably meant.
    pub meant: Option<&'static str>,
}

impl Value {
    pub fn of_constant(constant: Constant, kind: Kind) -> Self {
        match constant {
            Constant::Switch(on) => Self::Switch(on),
            Constant::Integer(number) => Self::Integer(number),
            Constant::Text(text) => match kind {
                Kind::Commas => Self::List(between_commas(text).collect()),
                Kind::Tokens => Self::List(text.split_whitespace().map(str::to_owned).collect()),
                _ => Self::Text(text.to_owned()),
            },
        }
    }

    /// The value of an attribute that a file gives it.
    pub fn of_node(attribute: &Attribute, node: Node) -> Result<Self, Refusal> {
        let refusal = |shown: String, meant| Err(Refusal { shown, meant });
        match (attribute.kind, node) {
            (Kind::Map, Node::Map(entries)) => Ok(Self::Map(object(entries))),
            (Kind::Groups, Node::Map(entries)) => Ok(Self::Groups(entries)),
            (Kind::Map | Kind::Groups, Node::Text(text)) => refusal(shown(&text), None),
            (_, Node::Map(_)) => refusal("a map".to_owned(), None),
            (kind, Node::Text(text)) => Self::of_text(attribute, &text).ok_or_else(|| Refusal {
                shown: if kind == Kind::Secret { "no such text".to_owned() } else { shown(&text) },
                meant: meant(attribute, &text),
            }),
            (kind, Node::Json(json)) => Self::of_json(attribute, &json).ok_or_else(|| Refusal {
                shown: if kind == Kind::Secret { "no text".to_owned() } else { shown(&json.to_string()) },
                meant: None,
            }),
        }
    }

    fn of_text(attribute: &Attribute, text: &str) -> Option<Self> {
        match attribute.kind {
            Kind::Switch => match text.to_ascii_lowercase().as_str() {
                "yes" | "true" | "on" => Some(Self::Switch(true)),
                "no" | "false" | "off" => Some(Self::Switch(false)),
                _ => None,
            },
            Kind::Integer { least, most } => {
                let number = text.parse().ok().filter(|number| (least..=most).contains(number));
                number.map(Self::Integer)
            }
            Kind::Word(words) => word(attribute, words, text).map(|word| Self::Text(word.to_owned())),
            Kind::Tokens => Some(Self::List(text.split_whitespace().map(str::to_owned).collect())),
            Kind::Commas => Some(Self::List(between_commas(text).collect())),
            Kind::Text | Kind::Secret | Kind::Path => Some(Self::Text(text.to_owned())),
            Kind::Map | Kind::Groups | Kind::List => None,
        }
    }

    fn of_json(attribute: &Attribute, json: &Json) -> Option<Self> {
        match (attribute.kind, json) {
            (Kind::Switch, Json::Bool(on)) => Some(Self::Switch(*on)),
            (Kind::Tokens | Kind::Commas, Json::Array(items)) => {
                let texts: Option<Vec<&str>> = items.iter().map(Json::as_str).collect();
                // An item with a comma within is two: the other form could not say it otherwise, and its bound holds.
                let text = texts?.join(if attribute.kind == Kind::Commas { "," } else { " " });
                if text.len() > VALUE_OCTETS_MAX { None } else { Self::of_text(attribute, &text) }
            }
            // Numbers are taken for text, and for words by their place.
            (Kind::Switch, _) => None,
            (_, Json::Number(number)) => Self::of_text(attribute, &number.to_string()),
            _ => None,
        }
    }

    /// How a file has it, without quotation marks; JSON for maps.
    pub fn text(&self, kind: Kind) -> String {
        match self {
            Self::Switch(true) => "yes".to_owned(),
            Self::Switch(false) => "no".to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(if kind == Kind::Tokens { " " } else { "," }),
            Self::Map(map) => Json::Object(map.clone()).to_string(),
            Self::Groups(_) => String::new(),
        }
    }
}

/// The texts between commas, without blanks around them and without empty ones.
fn between_commas(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned)
}

/// The word of today: as it is written, as it was called before, or by its place from 0.
fn word(attribute: &Attribute, words: &[&'static str], text: &str) -> Option<&'static str> {
    let as_written = words.iter().find(|word| **word == text);
    let by_place = || text.parse::<usize>().ok().and_then(|place| words.get(place));
    let former = || attribute.former_words.iter().find(|(former, _)| *former == text).map(|(_, today)| today);
    as_written.or_else(by_place).or_else(former).copied()
}

fn meant(attribute: &Attribute, text: &str) -> Option<&'static str> {
    match attribute.kind {
        Kind::Word(words) => most_similar(text, words.iter().copied()),
        _ => None,
    }
}

/// Entries as an object of JSON; of a name that stands there twice the last.
fn object(entries: Vec<Entry>) -> Map<String, Json> {
    let member = |entry: Entry| {
        let value = match entry.node {
            Node::Text(text) => Json::String(text),
            Node::Json(json) => json,
            Node::Map(entries) => Json::Object(object(entries)),
        };
        (entry.key, value)
    };
    entries.into_iter().map(member).collect()
}
