//! What a subscription, a consumer or a browser chooses of messages: a selector, as it was written and as it is evaluated.
//!
//! Not here: what is done by it (`choosing`, `queue::picking`, `browser`).

use std::num::NonZeroU64;

use engine_message::Condition;
use engine_selector::{Selector, View};

use crate::message::{Content, Message};
use crate::refusal::Refusal;

/// Which messages a queue or a link gets.
#[derive(Debug)]
pub(crate) struct Choice {
    text: Box<str>,
    selector: Selector,
}

/// Choices are the same if they are written the same.
impl PartialEq for Choice {
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
            Ok(selector) => Ok(Self { text: text.into(), selector }),
            Err(error) => Err(Refusal::new(Condition::InvalidField, format!("invalid filter: {error}"))),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Whether it is true for a message of an address. Of a large one, whose sections are in a file, no more than its header is known.
    pub fn matches(&self, address: &str, message: &Message) -> bool {
        self.selector.matches(&view(address, message))
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
        kept: if message.content == Content::File { &[] } else { &message.body },
    }
}
