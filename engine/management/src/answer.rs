//! An answer: what came of a request, and what there is to be told.

use bytes::Bytes;
use engine_message::value::{Map, Value};

use crate::request::Return;
use crate::sections::Parts;
use crate::status::Status;

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// As a number ([`Status::code`]).
    pub code: i32,
    /// For people.
    pub description: String,
    /// What is told.
    pub body: Value,
}

impl Answer {
    /// It was done.
    #[must_use]
    pub fn of(body: Value) -> Self {
        Self { code: Status::Ok.code(), description: "OK".to_owned(), body }
    }

    /// A thing was made, which is told.
    #[must_use]
    pub fn created(body: Value) -> Self {
        Self { code: Status::Created.code(), description: "Created".to_owned(), body }
    }

    /// A thing was removed.
    #[must_use]
    pub fn removed() -> Self {
        Self { code: Status::NoContent.code(), description: "No Content".to_owned(), body: Value::Map(Map::default()) }
    }

    /// It was not done.
    #[must_use]
    pub fn refused(status: Status, why: impl Into<String>) -> Self {
        Self { code: status.code(), description: why.into(), body: Value::Map(Map::default()) }
    }

    /// Whether it was done.
    #[must_use]
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The message.
    #[must_use]
    pub fn encode(&self, back: &Return) -> Bytes {
        let text = |text: &str| Value::String(text.to_owned());
        let properties = Map(vec![
            (text("statusCode"), Value::Int(self.code)),
            (text("statusDescription"), text(&self.description)),
        ]);
        let correlation_id = back.correlation.clone();
        let body = Some(self.body.clone());
        Parts { correlation_id, properties, body, ..Parts::default() }.encode(Some(&back.to))
    }

    /// Reads an answer, and what it is about.
    ///
    /// # Errors
    /// When it is none, with what is wrong.
    pub fn read(message: &[u8]) -> Result<(Self, Option<Value>), String> {
        let (parts, read) = Parts::read(message);
        read.map_err(|error| format!("an answer cannot be read: {error}"))?;
        let Some(&Value::Int(code)) = parts.properties.get("statusCode") else {
            return Err("an answer has no statusCode".to_owned());
        };
        let description = parts.properties.get("statusDescription").and_then(Value::as_text).unwrap_or_default();
        let answer = Self { code, description: description.to_owned(), body: parts.body.unwrap_or(Value::Null) };
        Ok((answer, parts.correlation_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let back = Return { to: "r".to_owned(), correlation: Some(Value::String("1".to_owned())) };
        for answer in [Answer::of(Value::Boolean(true)), Answer::refused(Status::Forbidden, "no")] {
            let read = Answer::read(&answer.encode(&back));
            assert_eq!(read, Ok((answer, back.correlation.clone())));
        }
        assert!(Answer::refused(Status::NotFound, "").code == 404 && !Answer::refused(Status::NotFound, "").is_good());
        assert!(Answer::read(&[]).is_err() && Answer::read(&[0]).is_err());
    }
}
