//! The parts of a message that requests and answers are made of.

use bytes::Bytes;
use engine_message::encode::{self, Compound};
use engine_message::reader::Reader;
use engine_message::section;
use engine_message::value::{Map, Value};
use engine_message::{DecodeError, Fields};

const PROPERTIES: u8 = 0x73;
const APPLICATION_PROPERTIES: u8 = 0x74;
const AMQP_VALUE: u8 = 0x77;

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    pub message_id: Option<Value>,
    pub reply_to: Option<String>,
    pub correlation_id: Option<Value>,
    pub properties: Map,
    /// `None` if the body is no amqp-value.
    pub body: Option<Value>,
}

impl Parts {
    /// Reads a message; gives what could be read of it before the first fault, and that.
    pub fn read(message: &[u8]) -> (Self, Result<(), DecodeError>) {
        let mut parts = Self::default();
        let read = parts.read_into(message);
        (parts, read)
    }

    fn read_into(&mut self, message: &[u8]) -> Result<(), DecodeError> {
        let sections = section::scan(message)?;
        let of = |range| message.get(range).unwrap_or_default();
        let properties = of(sections.properties);
        if !properties.is_empty() {
            let mut reader = Reader::new(properties);
            reader.descriptor()?;
            let mut fields = Fields::new(reader.list()?);
            self.message_id = fields.next(Value::read)?;
            // user-id, to, subject
            for _ in 0..3 {
                fields.next(Reader::raw)?;
            }
            self.reply_to = fields.next(Value::read)?.and_then(|value| value.as_text().map(str::to_owned));
            self.correlation_id = fields.next(Value::read)?;
        }
        let application = of(sections.application_properties);
        if !application.is_empty() {
            let mut reader = Reader::new(application);
            reader.descriptor()?;
            self.properties = Map::read(&mut reader)?;
        }
        let body = of(sections.body);
        if body.starts_with(&[0x00, 0x53, AMQP_VALUE]) {
            let mut reader = Reader::new(body);
            reader.descriptor()?;
            self.body = Some(Value::read(&mut reader)?);
        }
        Ok(())
    }

    /// The message, for an address.
    pub fn encode(&self, to: Option<&str>) -> Bytes {
        let mut out = Vec::new();
        let mut list = Compound::described(&mut out, PROPERTIES);
        list.put_some(self.message_id.as_ref(), |out, id| id.encode(out)).put_null();
        list.put_some(to, encode::string).put_null();
        list.put_some(self.reply_to.as_deref(), encode::string);
        list.put_some(self.correlation_id.as_ref(), |out, id| id.encode(out));
        list.finish();
        encode::descriptor(&mut out, APPLICATION_PROPERTIES);
        self.properties.encode(&mut out);
        encode::descriptor(&mut out, AMQP_VALUE);
        self.body.as_ref().unwrap_or(&Value::Null).encode(&mut out);
        out.into()
    }
}
