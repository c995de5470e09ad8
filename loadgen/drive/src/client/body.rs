//! What is put before a body, and how a body is found in what came.

use engine_message::encode;
use engine_message::reader::Reader;
use engine_message::section::{self, Header};
use load_model::marks::Marks;
use load_model::stamp::STAMP_BYTES;

const DATA: [u8; 3] = [0x00, 0x53, 0x75];
const PROPERTIES: [u8; 3] = [0x00, 0x53, 0x73];
/// The property that says which consumer a message is for, in selectors.
const CONSUMER: &str = "consumer";
/// Digits of a message group's number in its name.
const GROUP_DIGITS: usize = 8;

/// Sections before a body and its stamp, encoded beforehand: what changes from message to message is put in place.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    bytes: Vec<u8>,
    /// Where the message-id is, 8 octets.
    number_at: Option<usize>,
    /// Where marks of JMS are, as far as messages have them.
    marks_at: MarksAt,
    /// Where the data section begins.
    data_at: usize,
    /// Octets of the body that the data section was written for.
    body_bytes: usize,
}

/// Where what a message of JMS carries is: its priority, 1 octet; its group's number, 8 digits; its consumer's, 8 octets.
#[derive(Clone, Copy, Debug, Default)]
struct MarksAt {
    priority: Option<usize>,
    group: Option<usize>,
    consumer: Option<usize>,
}

impl Front {
    /// Of messages that say whether they are durable, and no more.
    pub fn plain(is_durable: bool) -> Self {
        let mut bytes = Vec::new();
        if is_durable {
            Header { durable: true, ..Header::default() }.encode(&mut bytes);
        }
        let data_at = bytes.len();
        Self { bytes, number_at: None, marks_at: MarksAt::default(), data_at, body_bytes: usize::MAX }
    }

    /// Of messages that carry marks, which `mark` puts in place.
    pub fn marked(is_durable: bool, marks: &Marks) -> Self {
        let (mut front, mut at) = (Self::plain(is_durable), MarksAt::default());
        if marks.priority(0).is_some() {
            // A header of two fields: durable, priority.
            front.bytes = vec![0x00, 0x53, 0x70, 0xc0, 4, 2, if is_durable { 0x41 } else { 0x42 }, 0x50, 0];
            at.priority = Some(front.bytes.len() - 1);
        }
        if marks.group(0).is_some() {
            // Ten fields before group-id, none of which is said.
            let mut fields = vec![0x40; 10];
            encode::string(&mut fields, &format!("g{:0GROUP_DIGITS$}", 0));
            let start = front.put_properties(&fields, 11);
            at.group = Some(start + fields.len() - GROUP_DIGITS);
        }
        if marks.consumer(0).is_some() {
            front.bytes.extend_from_slice(&[0x00, 0x53, 0x74]);
            let mut map = encode::Compound::map(&mut front.bytes);
            map.put(|out| encode::string(out, CONSUMER))
                .put(|out| out.extend_from_slice(&[0x81, 0, 0, 0, 0, 0, 0, 0, 0]));
            encode::finish_map(map);
            at.consumer = Some(front.bytes.len() - 8);
        }
        front.data_at = front.bytes.len();
        front.marks_at = at;
        front
    }

    /// Puts in place what message `sequence` carries.
    #[inline]
    pub fn mark(&mut self, marks: &Marks, sequence: u64) {
        let at = self.marks_at;
        if let (Some(at), Some(priority)) = (at.priority, marks.priority(sequence)) {
            self.put_at(at, &[priority]);
        }
        if let (Some(at), Some(mut group)) = (at.group, marks.group(sequence)) {
            let mut digits = [b'0'; GROUP_DIGITS];
            for digit in digits.iter_mut().rev() {
                *digit += (group % 10) as u8;
                group /= 10;
            }
            self.put_at(at, &digits);
        }
        if let (Some(at), Some(consumer)) = (at.consumer, marks.consumer(sequence)) {
            self.put_at(at, &consumer.to_be_bytes());
        }
    }

    #[inline]
    fn put_at(&mut self, at: usize, octets: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    }

    /// Of requests: they have a number, and say where replies go.
    pub fn request(is_durable: bool, reply_to: &str) -> Self {
        let mut front = Self::plain(is_durable);
        let mut fields = vec![0x80, 0, 0, 0, 0, 0, 0, 0, 0];
        // user-id, to, subject
        fields.extend_from_slice(&[0x40, 0x40, 0x40]);
        encode::string(&mut fields, reply_to);
        let number_in_fields = 1;
        let start = front.put_properties(&fields, 5);
        front.number_at = Some(start + number_in_fields);
        front
    }

    /// Of the reply to one request: where it goes, and which request it answers, an encoded message-id.
    pub fn reply(to: &str, correlation: &[u8]) -> Self {
        let mut front = Self::plain(false);
        // message-id, user-id
        let mut fields = vec![0x40, 0x40];
        encode::string(&mut fields, to);
        // subject, reply-to
        fields.extend_from_slice(&[0x40, 0x40]);
        fields.extend_from_slice(correlation);
        front.put_properties(&fields, 6);
        front
    }

    /// Appends a properties section of these fields; gives where they begin.
    fn put_properties(&mut self, fields: &[u8], count: u32) -> usize {
        self.bytes.extend_from_slice(&PROPERTIES);
        self.bytes.push(0xd0);
        let size = u32::try_from(fields.len() + 4).expect("an address is shorter than 4 GiB");
        self.bytes.extend_from_slice(&size.to_be_bytes());
        self.bytes.extend_from_slice(&count.to_be_bytes());
        let start = self.bytes.len();
        self.bytes.extend_from_slice(fields);
        self.data_at = self.bytes.len();
        start
    }

    /// The sections of message `number`, up to and with its stamp, whose body has `body_bytes` octets.
    #[inline]
    pub fn of(&mut self, number: u64, body_bytes: usize, stamp: &[u8; STAMP_BYTES]) -> &[u8] {
        if self.body_bytes != body_bytes {
            self.put_data(body_bytes);
        }
        self.put_at(self.bytes.len() - STAMP_BYTES, stamp);
        if let Some(at) = self.number_at {
            self.put_at(at, &number.to_be_bytes());
        }
        &self.bytes
    }

    fn put_data(&mut self, body_bytes: usize) {
        self.body_bytes = body_bytes;
        self.bytes.truncate(self.data_at);
        self.bytes.extend_from_slice(&DATA);
        match u8::try_from(body_bytes) {
            Ok(short) => self.bytes.extend_from_slice(&[0xa0, short]),
            Err(_) => {
                self.bytes.push(0xb0);
                let long = u32::try_from(body_bytes).expect("a body is bounded by the scenario");
                self.bytes.extend_from_slice(&long.to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(&[0; STAMP_BYTES]);
    }
}

/// The body of a message that came: its data section, if it has exactly one.
#[inline]
pub(crate) fn body_of(message: &[u8]) -> Option<&[u8]> {
    // Nothing before the data, or a header alone: nearly all.
    match message {
        [0x00, 0x53, 0x75, 0xa0, size, body @ ..] if body.len() == usize::from(*size) => Some(body),
        [0x00, 0x53, 0x70, 0xc0, header, rest @ ..] => match rest.get(usize::from(*header)..) {
            Some([0x00, 0x53, 0x75, 0xa0, size, body @ ..]) if body.len() == usize::from(*size) => Some(body),
            _ => find_body(message),
        },
        _ => find_body(message),
    }
}

/// How often a message was given back as failed, as its header says.
pub(crate) fn failures_of(message: &[u8]) -> u32 {
    let sections = section::scan(message).ok();
    let header = sections.and_then(|sections| Header::decode(message.get(sections.header)?).ok());
    header.map_or(0, |header| header.delivery_count)
}

fn find_body(message: &[u8]) -> Option<&[u8]> {
    let sections = section::scan(message).ok()?;
    let body = message.get(sections.body)?;
    let mut reader = Reader::new(body.strip_prefix(&DATA)?);
    let data = reader.binary().ok()?;
    reader.is_empty().then_some(data)
}

/// Where the reply to a request goes, and its message-id as encoded.
pub(crate) fn reply_address(message: &[u8]) -> Option<(&str, &[u8])> {
    let sections = section::scan(message).ok()?;
    let mut reader = Reader::new(message.get(sections.properties)?);
    reader.descriptor().ok()?;
    let list = reader.list().ok()?;
    let mut fields = list.reader;
    if list.count < 5 {
        return None;
    }
    let number = fields.raw().ok()?;
    for _ in 0..3 {
        fields.raw().ok()?;
    }
    fields.string().ok().map(|address| (address, number))
}

#[cfg(test)]
mod tests {
    use engine_message::value::Value;
    use load_model::scenario::{Group, Jms};

    use super::*;

    fn message(front: &mut Front, number: u64, bytes: usize) -> Vec<u8> {
        let mut message = front.of(number, bytes, &[7; STAMP_BYTES]).to_vec();
        message.resize(message.len() + bytes - STAMP_BYTES, 9);
        message
    }

    #[test]
    fn what_is_put_before_a_body_is_found_again() {
        for mut front in
            [Front::plain(false), Front::plain(true), Front::request(true, "replies"), Front::reply("r", &[0x44])]
        {
            for bytes in [40, 100, 300, 40, 70_000] {
                let message = message(&mut front, 5, bytes);
                let body = body_of(&message).expect("one data section");
                assert_eq!(
                    (body.len(), body.first(), body.last()),
                    (bytes, Some(&7), Some(if bytes == 40 { &7 } else { &9 }))
                );
                assert!(section::scan(&message).is_ok());
            }
        }
        for wrong in [&[][..], &[0x00, 0x53, 0x77, 0xa1, 1, b'x'], &[0x00, 0x53, 0x75, 0xa0, 200, 1]] {
            assert_eq!(body_of(wrong), None);
        }
    }

    #[test]
    fn marks_are_where_a_selector_and_a_broker_look_for_them() {
        let jms = Jms { selector: "consumer = {}".to_owned(), ..Jms::default() };
        let dealt = Jms { priorities: "0,9".parse().expect("two"), ..jms };
        let grouped = Jms { message_groups: 300, ..Jms::default() };
        for (jms, is_durable) in [(dealt, true), (grouped, false)] {
            let group = Group { consumers: 300, jms, ..Group::default() };
            let marks = Marks::of(&group, 0).expect("marks");
            let mut front = Front::marked(is_durable, &marks);
            for (sequence, bytes) in [(0, 100), (299, 300), (301, 300), (1234, 70_000)] {
                front.mark(&marks, sequence);
                let message = message(&mut front, sequence, bytes);
                let sections = section::scan(&message).expect("sections");
                let header = Header::decode(&message[sections.header.clone()]).expect("a header");
                assert_eq!((header.priority, header.durable), (marks.priority(sequence).unwrap_or(4), is_durable));
                let property = section::map_entry(&message[sections.application_properties.clone()], CONSUMER);
                let consumer =
                    property.expect("a map").map(|value| Value::read(&mut Reader::new(value)).expect("a value"));
                assert_eq!(consumer, marks.consumer(sequence).map(|number| Value::Long(number.cast_signed())));
                let name = marks.group(sequence).map(|number| format!("g{number:08}"));
                let has_name = name.is_none_or(|name| {
                    message[sections.properties.clone()].windows(name.len()).any(|octets| octets == name.as_bytes())
                });
                assert!(has_name, "{sequence}");
                assert_eq!((body_of(&message).map(<[u8]>::len), failures_of(&message)), (Some(bytes), 0));
            }
        }
    }

    #[test]
    fn a_request_says_where_its_reply_goes() {
        let request = message(&mut Front::request(false, "node-1"), 77, 100);
        let (to, number) = reply_address(&request).expect("it says");
        assert_eq!((to, number), ("node-1", &[0x80, 0, 0, 0, 0, 0, 0, 0, 77][..]));
        let reply = message(&mut Front::reply(to, number), 0, 100);
        assert_eq!(
            section::property_to(&reply[section::scan(&reply).expect("sections").properties]),
            Ok(Some("node-1"))
        );
        assert_eq!(reply_address(&message(&mut Front::plain(false), 0, 40)), None);
    }
}
