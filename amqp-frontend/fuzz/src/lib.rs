//! What must hold for any bytes that a peer sends, or that a disk gives. Each function here is the body of a fuzz target (`libfuzzer/`) and is
//! run by `tests/corpus.rs` over everything that fuzzing kept in `corpus/`.
#![forbid(unsafe_code)]

mod catalogue;
mod control;
mod journal;
mod router_conf;
mod selector;
mod sequence;

use amqp_codec::frame::{self, FrameKind, Split};
use amqp_codec::performative::{
    self, Bundle, BundleHead, Performative, bundle_overhead, bundled, decode_plain, encode_bundle,
};
use amqp_codec::sasl::SaslFrame;
use engine_message::reader::Reader;
use engine_message::section;
use engine_message::value::Value;

pub use catalogue::catalogue;
pub use control::control;
pub use journal::{beside, records, segment};
pub use router_conf::router_conf;
pub use selector::selector;
pub use sequence::sequence;

/// Largest frame that is taken here, octets.
const FRAME_MAX: u32 = 64 * 1024;

/// What must hold for some bytes; panics when it does not.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("frame", frame),
    ("performative", performative),
    ("bundle", bundle),
    ("value", value),
    ("section", section),
    ("sequence", sequence),
    ("catalogue", catalogue),
    ("control", control),
    ("records", records),
    ("segment", segment),
    ("beside", beside),
    ("selector", selector),
    ("router_conf", router_conf),
];

/// Cutting frames off goes on or stops, and never looks beyond the bytes.
pub fn frame(data: &[u8]) {
    let mut rest = data;
    while let Ok(split) = frame::split(rest, FRAME_MAX) {
        match split {
            Split::Frame { frame, bytes } => {
                assert!(bytes >= frame::HEADER_BYTES && bytes <= rest.len(), "a frame lies within the bytes");
                match frame.kind {
                    FrameKind::Amqp => performative(frame.body),
                    FrameKind::Sasl => sasl(frame.body),
                }
                rest = &rest[bytes..];
            }
            Split::Partial { bytes } => {
                assert!(bytes > rest.len(), "a partial frame is longer than what there is");
                return;
            }
        }
    }
}

fn sasl(body: &[u8]) {
    if let Ok(frame) = SaslFrame::decode(body) {
        let mut out = Vec::new();
        frame.encode(&mut out);
        let Ok(Split::Frame { frame: again, .. }) = frame::split(&out, u32::MAX) else { panic!("no frame: {out:?}") };
        assert_eq!(SaslFrame::decode(again.body), Ok(frame), "what is written is what was read");
    }
}

/// What is decoded is encoded so that it decodes to the same; the short way of transfers agrees with the general one.
pub fn performative(data: &[u8]) {
    let decoded = performative::decode(data);
    if let Some(plain) = decode_plain(data) {
        let Ok((Performative::Transfer(transfer), payload)) = &decoded else {
            panic!("the short way took {decoded:?}")
        };
        assert_eq!((plain.handle, Some(plain.delivery_id)), (transfer.handle, transfer.delivery_id));
        assert_eq!((plain.settled, plain.payload), (transfer.settled.unwrap_or(false), *payload));
        assert!(!transfer.more && !transfer.aborted && transfer.state.is_none());
    }
    let Ok((performative, _)) = decoded else { return };
    let mut first = Vec::new();
    performative::encode_frame(&mut first, 3, &performative);
    let Ok(Split::Frame { frame, bytes }) = frame::split(&first, u32::MAX) else { panic!("no frame: {first:?}") };
    assert_eq!((frame.channel, bytes), (3, first.len()));
    let (again, _) = performative::decode(frame.body).expect("what is written can be read");
    let mut second = Vec::new();
    performative::encode_frame(&mut second, 3, &again);
    assert_eq!(first, second, "encoding is stable: {performative:?}");
}

/// Messages that came together, in front of which stands how many there are, cover the bytes; what is written of them is what was read.
pub fn bundle(data: &[u8]) {
    let Some(([high, low], payload)) = data.split_first_chunk() else { return };
    let messages = u16::from_be_bytes([*high, *low]);
    let Some(bundle) = Bundle::read(payload, messages) else { return };
    let bodies: Vec<&[u8]> = bundle.bodies().collect();
    assert_eq!(bodies.len(), usize::from(messages), "as many as it says");
    let octets: usize = bodies.iter().map(|body| body.len()).sum();
    assert_eq!(bundle_overhead(bodies.len()) + bundle.front.len() + octets, payload.len(), "they cover the bytes");
    let lengths = bodies.iter().map(|body| body.len() as u16);
    let head = BundleHead { delivery_id: 1, tag: 2, mark: 3, settled: true, front: bundle.front, lengths };
    let mut out = Vec::new();
    encode_bundle(&mut out, (4, 5), &head, octets);
    out.extend(bodies.concat());
    let Ok(Split::Frame { frame, bytes }) = frame::split(&out, u32::MAX) else { panic!("no frame: {out:?}") };
    let plain = decode_plain(frame.body).expect("it is a plain transfer");
    assert_eq!((bytes, bundled(plain.tag), plain.payload), (out.len(), Some(messages), payload));
}

/// A value is read within the bytes, and what is written reads the same.
pub fn value(data: &[u8]) {
    let mut reader = Reader::new(data);
    let skipped = Reader::new(data).skip();
    let Ok(value) = Value::read(&mut reader) else { return };
    assert!(skipped.is_ok() && reader.position() <= data.len(), "what can be read can be skipped");
    let mut first = Vec::new();
    value.encode(&mut first);
    let again = Value::read(&mut Reader::new(&first)).expect("what is written can be read");
    let mut second = Vec::new();
    again.encode(&mut second);
    assert_eq!(first, second, "encoding is stable: {value:?}");
}

/// Sections lie one after the other and cover the message.
pub fn section(data: &[u8]) {
    let (found, front) = (section::scan(data), section::front(data));
    assert_eq!(found.as_ref().map(|_| ()), front.as_ref().map(|_| ()), "both ways take the same messages");
    let (Ok(sections), Ok(front)) = (found, front) else { return };
    let short = (front.header_end, front.kept, &front.properties);
    assert_eq!(short, (sections.header.end, sections.kept(), &sections.properties), "both ways find the same");
    let described = !sections.message_annotations.is_empty() || !sections.application_properties.is_empty();
    assert_eq!(front.described, described, "both ways find what is said of a message");
    let ranges = [
        &sections.header,
        &sections.delivery_annotations,
        &sections.message_annotations,
        &sections.properties,
        &sections.application_properties,
        &sections.body,
        &sections.footer,
    ];
    let mut at = 0;
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        assert_eq!(range.start, at, "sections follow each other");
        at = range.end;
    }
    assert_eq!(at, data.len(), "sections cover the message");
    assert!(sections.kept() <= data.len());
    if let Ok(header) = section::Header::decode(&data[sections.header]) {
        let mut out = Vec::new();
        header.encode(&mut out);
        assert_eq!(section::Header::decode(&out), Ok(header));
    }
    // Only that they end, and do not panic.
    let _ = section::property_to(&data[sections.properties]);
    let _ = section::map_entry(&data[sections.application_properties], "key");
}
