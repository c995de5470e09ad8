//! A request: what is to be done with which thing, and where the answer goes.

use bytes::Bytes;
use engine_message::value::{Map, Value};

use crate::sections::Parts;
use crate::types::MANAGEMENT_TYPE;

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Return {
    /// The address.
    pub to: String,
    /// What tells whoever asked which request it is about; it goes back as it came.
    pub correlation: Option<Value>,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is to be done.
    pub operation: String,
    /// The type of the thing.
    pub kind: String,
    /// Its name; a queue's is `address::queue`, or the queue's alone.
    pub name: Option<String>,
    /// All application properties.
    pub properties: Map,
    /// What the operation needs besides.
    pub body: Map,
}

/// Why a message is no request.
#[derive(Clone, Debug, PartialEq)]
pub enum Unread {
    /// It does not say where its answer goes: there is none.
    NoReturn,
    /// What is wrong with it, for people, and where that goes.
    Wrong(Return, String),
}

impl Request {
    /// A request about a thing of a type.
    #[must_use]
    pub fn new(operation: &str, kind: &str, name: Option<&str>) -> Self {
        let (operation, kind) = (operation.to_owned(), kind.to_owned());
        Self { operation, kind, name: name.map(str::to_owned), properties: Map::default(), body: Map::default() }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(message: &[u8]) -> Result<(Self, Return), Unread> {
        let (parts, read) = Parts::read(message);
        let Some(to) = parts.reply_to else { return Err(Unread::NoReturn) };
        let back = Return { to, correlation: parts.correlation_id.or(parts.message_id) };
        if let Err(error) = read {
            return Err(Unread::Wrong(back, format!("the request cannot be read: {error}")));
        }
        let text = |key: &str| parts.properties.get(key).and_then(Value::as_text).map(str::to_owned);
        let Some(operation) = text("operation") else {
            let wrong = "a request names what is to be done in the application property operation";
            return Err(Unread::Wrong(back, wrong.to_owned()));
        };
        let body = match parts.body {
            Some(Value::Map(map)) => map,
            None | Some(Value::Null) => Map::default(),
            Some(_) => return Err(Unread::Wrong(back, "the body of a request is a map, or null".to_owned())),
        };
        let kind = text("type").unwrap_or_else(|| MANAGEMENT_TYPE.to_owned());
        let name = text("identity").or_else(|| text("name"));
        Ok((Self { operation, kind, name, properties: parts.properties, body }, back))
    }

    /// The message, for an address, and with where its answer goes.
    #[must_use]
    pub fn encode(&self, to: &str, back: &Return) -> Bytes {
        let mut properties = self.properties.clone();
        properties.set("operation", Value::String(self.operation.clone()));
        properties.set("type", Value::String(self.kind.clone()));
        if let Some(name) = &self.name {
            properties.set("name", Value::String(name.clone()));
        }
        // Keys of application properties are strings (part 3.2.5).
        let entries = properties.0.into_iter().map(|(key, value)| match key {
            Value::Symbol(key) => (Value::String(key.as_str().to_owned()), value),
            key => (key, value),
        });
        let parts = Parts {
            message_id: None,
            reply_to: Some(back.to.clone()),
            correlation_id: back.correlation.clone(),
            properties: Map(entries.collect()),
            body: Some(Value::Map(self.body.clone())),
        };
        parts.encode(Some(to))
    }

    /// A text of the body.
    ///
    /// # Errors
    /// When it is there and is something else, with what is wrong.
    pub fn text(&self, key: &str) -> Result<Option<&str>, String> {
        match self.body.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_text().map(Some).ok_or_else(|| format!("{key} is a text")),
        }
    }

    /// A number of the body, or of the application properties, of any integral type.
    ///
    /// # Errors
    /// When it is there and is something else, with what is wrong.
    pub fn number(&self, key: &str) -> Result<Option<u64>, String> {
        let wrong = || format!("{key} is a number that is not negative");
        let of = |number: i64| u64::try_from(number).map_err(|_| wrong());
        let number = match self.body.get(key).or_else(|| self.properties.get(key)) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Ubyte(number)) => u64::from(*number),
            Some(Value::Ushort(number)) => u64::from(*number),
            Some(Value::Uint(number)) => u64::from(*number),
            Some(Value::Ulong(number)) => *number,
            Some(Value::Byte(number)) => of(i64::from(*number))?,
            Some(Value::Short(number)) => of(i64::from(*number))?,
            Some(Value::Int(number)) => of(i64::from(*number))?,
            Some(Value::Long(number)) => of(*number)?,
            Some(_) => return Err(wrong()),
        };
        Ok(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn back() -> Return {
        Return { to: "$dynamic-1".to_owned(), correlation: Some(Value::Ulong(7)) }
    }

    #[test]
    fn what_is_asked_is_read_as_it_was_written() {
        let mut request = Request::new("MOVE", "queue", Some("a::q"));
        request.body.0.push((Value::String("to".to_owned()), Value::String("b".to_owned())));
        request.body.0.push((Value::String("most".to_owned()), Value::Int(5)));
        request.body.0.push((Value::String("less".to_owned()), Value::Int(-5)));
        let (read, back_to) = Request::read(&request.encode("$management", &back())).expect("a request");
        assert_eq!((&read.operation, &read.kind, &read.name), (&request.operation, &request.kind, &request.name));
        assert_eq!((read.body.clone(), back_to), (request.body, back()));
        assert_eq!((read.text("to"), read.number("most"), read.number("none")), (Ok(Some("b")), Ok(Some(5)), Ok(None)));
        assert!(read.text("most").is_err() && read.number("to").is_err() && read.number("less").is_err());
    }

    #[test]
    fn what_is_none_is_told_to_whoever_says_where() {
        assert_eq!(Request::read(&[]), Err(Unread::NoReturn));
        let parts =
            Parts { reply_to: Some("r".to_owned()), message_id: Some(Value::Uuid([1; 16])), ..Parts::default() };
        let Err(Unread::Wrong(to, wrong)) = Request::read(&parts.encode(None)) else { panic!("it has no operation") };
        assert_eq!(to, Return { to: "r".to_owned(), correlation: Some(Value::Uuid([1; 16])) });
        assert!(wrong.contains("operation"));
        let properties = Map(vec![(Value::String("operation".to_owned()), Value::String("QUERY".to_owned()))]);
        let listed = Parts { body: Some(Value::List(Vec::new())), properties, ..parts };
        assert!(matches!(Request::read(&listed.encode(None)), Err(Unread::Wrong(_, wrong)) if wrong.contains("map")));
    }

    proptest! {
        #[test]
        fn any_octets_are_a_request_or_none(octets in proptest::collection::vec(any::<u8>(), 0..80), cut in 0..200_usize) {
            let _ = Request::read(&octets);
            let whole = Request::new("QUERY", "queue", None).encode("$management", &back());
            let cut = &whole[..cut.min(whole.len())];
            let _ = Request::read(&[cut, &octets].concat());
        }
    }
}
