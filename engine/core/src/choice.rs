//! What a queue chooses of the messages of its address: a selector, as it was written and as it is evaluated.
//!
//! Not here: what is done by it (`choosing`).

use engine_message::Condition;
use engine_selector::Selector;

use crate::refusal::Refusal;

/// Which messages a queue gets.
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
}
