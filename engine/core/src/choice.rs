//! What a subscription, a consumer or a browser chooses of messages: a selector, as it was written and as it is evaluated; for a
//! subscription also whose messages are left out (no-local).
//!
//! Not here: what is done by it (`choosing`, `queue::picking`, `browser`).

use std::num::NonZeroU64;

use engine_message::Condition;
use engine_selector::{Selector, View};

use crate::message::Message;
use crate::origin::Origin;
use crate::refusal::Refusal;

/// Which messages a queue or a link gets: of all those of its address if nothing is said.
#[derive(Debug, PartialEq)]
pub(crate) struct Choice {
    condition: Option<Compiled>,
    no_local: Option<Origin>,
}

/// A selector.
#[derive(Debug)]
struct Compiled {
    text: Box<str>,
    selector: Selector,
}

/// Selectors are the same if they are written the same.
impl PartialEq for Compiled {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Choice {
    /// Those for which the selector `text` is true.
    ///
    /// # Errors
    /// `amqp:invalid-field` with what is wrong with it.
    pub fn new(text: &str) -> Result<Self, Box<Refusal>> {
        match Selector::parse(text) {
            Ok(selector) => Ok(Self { condition: Some(Compiled { text: text.into(), selector }), no_local: None }),
            Err(error) => Err(Refusal::new(Condition::InvalidField, format!("invalid filter: {error}"))),
        }
    }

    /// What is asked for by a selector, by no-local, by both; none if it is all messages.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn of(selector: Option<&str>, no_local: Option<Origin>) -> Result<Option<Self>, Box<Refusal>> {
        let chosen = selector.map(Self::new).transpose()?;
        match (chosen, no_local) {
            (Some(chosen), no_local) => Ok(Some(Self { no_local, ..chosen })),
            (None, Some(_)) => Ok(Some(Self { condition: None, no_local })),
            (None, None) => Ok(None),
        }
    }

    /// What is left of it where nobody's messages are left out.
    pub fn without_no_local(self) -> Option<Self> {
        self.condition.map(|condition| Self { condition: Some(condition), no_local: None })
    }

    /// The selector as it was written.
    pub fn text(&self) -> Option<&str> {
        self.condition.as_ref().map(|condition| &*condition.text)
    }

    pub fn selector(&self) -> Option<&Selector> {
        self.condition.as_ref().map(|condition| &condition.selector)
    }

    /// Whose messages are left out.
    pub fn no_local(&self) -> Option<Origin> {
        self.no_local
    }

    /// Whether messages from there are left out.
    pub fn leaves_out(&self, origin: Option<Origin>) -> bool {
        self.no_local.is_some() && self.no_local == origin
    }

    /// Whether its selector is true for what is seen of a message.
    pub fn sees(&self, view: &View<'_>) -> bool {
        self.selector().is_none_or(|selector| selector.matches(view))
    }

    /// Whether its selector is true for a message of an address. Of a large one with more of them than are kept beside its file no
    /// more than its header is known.
    pub fn matches(&self, address: &str, message: &Message) -> bool {
        self.sees(&view(address, message))
    }
}

/// Whether a text is a selector (JMS 3.8.1).
///
/// # Errors
/// What is wrong with it.
pub fn check_selector(text: &str) -> Result<(), String> {
    Selector::parse(text).map(drop).map_err(|error| error.to_string())
}

/// What selectors see of a message.
pub(crate) fn view<'a>(address: &'a str, message: &'a Message) -> View<'a> {
    View {
        durable: message.header.durable,
        priority: message.header.priority,
        delivery_count: message.header.delivery_count,
        expiry_ms: message.expires_wall_ms.map_or(0, NonZeroU64::get),
        address,
        kept: message.front(),
    }
}
