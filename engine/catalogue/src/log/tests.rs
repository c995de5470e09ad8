use proptest::prelude::*;

use super::format::{FILE_HEADER, FileHeader, KIND_END, MUST, RecordHeader, flag};
use super::*;
use crate::catalogue::Catalogue;
use crate::change::{Change, Origin};
use crate::definition::{Attributes, Definition, Divert, Kind, Member, Permission, Placed, Queue};
use crate::placement::Placement;
use crate::setting::{Setting, Shape, Value};
use crate::settings::{Layer, RoutingType, WhenFull};

const SEED: u64 = 0x0123_4567_89ab_cdef;

fn define(origin: Origin, key: &str, attributes: Attributes) -> Change {
    Change::Define { origin, definition: Definition::new(key, attributes) }
}

/// Every kind and attribute, two origins, and what is removed.
fn sets() -> Vec<Vec<Change>> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let layer = Layer {
        routing: Some(RoutingType::Multicast),
        auto_create: Some(false),
        max_messages: Some(1),
        max_mib: Some(2),
        soft_messages: Some(3),
        soft_kib: Some(4),
        producer_window: Some(5),
        when_full: Some(WhenFull::Refuse),
        // What the golden file has was written before there was more.
        ..Layer::default()
    };
    let permission = Permission {
        send: Some(texts(&["clerks", "user:anna"])),
        receive: Some(texts(&["*"])),
        browse: Some(Vec::new()),
        create: None,
        manage: Some(texts(&["boss"])),
    };
    let divert = Divert { address: "a".to_owned(), to: "b".to_owned(), exclusive: true, ..Divert::default() };
    let (ours, theirs) = (Origin::Management, Origin::Configuration);
    vec![
        vec![
            define(theirs, "orders.#", Attributes::Match(layer)),
            define(theirs, "orders.eu", Attributes::Address(Layer { max_mib: Some(7), ..Layer::default() })),
            define(ours, "orders.eu::ü", Attributes::Queue(Queue { routing: Some(RoutingType::Anycast) })),
        ],
        vec![
            define(ours, "copy", Attributes::Divert(divert)),
            define(ours, "#", Attributes::Permission(permission)),
            define(ours, "anna", Attributes::Member(Member { roles: texts(&["clerks", "boss"]) })),
            define(ours, "q", Attributes::Placed(Placed { shard: 1, epoch: 9 })),
        ],
        vec![
            Change::Remove { origin: theirs, kind: Kind::Address, key: "orders.eu".to_owned() },
            define(ours, "orders.eu::ü", Attributes::Queue(Queue::default())),
        ],
    ]
}

fn placement() -> Placement {
    Placement::new(2)
}

/// The log of sets, where each of them ends, and what they come to.
fn written(sets: &[Vec<Change>]) -> (Vec<u8>, Vec<usize>, Vec<Catalogue>) {
    let mut catalogues = vec![Catalogue::new(placement())];
    let mut log = Log::new(SEED, 0);
    let mut bytes = FileHeader::new(SEED).encode().to_vec();
    let mut ends = vec![bytes.len()];
    for set in sets {
        let next = catalogues.last().unwrap().apply(set).unwrap();
        bytes.extend(log.append(next.version(), set).unwrap());
        ends.push(bytes.len());
        catalogues.push(next);
    }
    (bytes, ends, catalogues)
}

fn same(one: &Catalogue, other: &Catalogue) -> bool {
    one.version() == other.version() && one.definitions().eq(other.definitions())
}

#[test]
fn the_octets_are_those_of_format_1() {
    let golden = include_bytes!("../../tests/golden/version-1.catalogue");
    let (bytes, ..) = written(&sets());
    assert!(bytes == golden, "format 1 is written as it always was; these are: {}", hex(&bytes));
    let header = [hex(b"HDLCATLG"), "0100".to_owned(), "0000".to_owned(), "efcdab8967452301".to_owned()].concat();
    assert!(hex(golden).starts_with(&header));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn what_is_written_is_read() {
    let (bytes, ends, catalogues) = written(&sets());
    let read = recover(placement(), &bytes).unwrap();
    assert!(same(&read.catalogue, catalogues.last().unwrap()));
    assert_eq!((read.seed, read.whole_bytes, read.torn_bytes), (SEED, ends[3] as u64, 0));
    assert_eq!(read.catalogue.settings("orders.x").max_messages, 1, "matches are indexed");
    assert!(!read.catalogue.may(Some("bert"), crate::Action::Send, "a"), "permissions are");
}

#[test]
fn a_set_that_was_cut_off_is_left_out() {
    let (bytes, ends, catalogues) = written(&sets());
    for cut in ends[0]..bytes.len() {
        let read = recover(placement(), &bytes[..cut]).unwrap();
        let whole = ends.partition_point(|&end| end <= cut) - 1;
        assert!(same(&read.catalogue, &catalogues[whole]), "{cut}");
        assert_eq!((read.whole_bytes, read.torn_bytes), (ends[whole] as u64, (cut - ends[whole]) as u64));
    }
    for cut in 0..ends[0] {
        let error = recover(placement(), &bytes[..cut]).unwrap_err();
        assert_eq!(error, LogError::Damaged { offset: 0, damage: Damage::Header });
    }
}

/// Parts of the last set may have reached the disk in any order.
#[test]
fn a_set_of_which_the_beginning_is_missing_is_torn_and_not_damaged() {
    let (bytes, ends, catalogues) = written(&sets());
    for at in ends[2]..ends[3] {
        for length in [1, 24, 512] {
            let mut torn = bytes.clone();
            let end = torn.len().min(at + length);
            torn[at..end].fill(0);
            if torn == bytes {
                continue;
            }
            let read = recover(placement(), &torn).unwrap();
            assert!(same(&read.catalogue, &catalogues[2]) && read.whole_bytes == ends[2] as u64, "{at} {length}");
        }
    }
}

#[test]
fn a_flip_before_the_last_set_is_damage() {
    let (bytes, ends, _) = written(&sets());
    for at in 0..ends[2] {
        for bit in [0, 3, 7] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let error = recover(placement(), &flipped).expect_err("a flip is found");
            assert!(matches!(error, LogError::Damaged { .. }), "{at}.{bit}: {error}");
        }
    }
    // A set that is missing as a whole.
    let missing = [&bytes[..ends[1]], &bytes[ends[2]..]].concat();
    let error = recover(placement(), &missing).unwrap_err();
    assert_eq!(error, LogError::Damaged { offset: ends[1] as u64, damage: Damage::Order });
}

#[test]
fn a_file_that_is_written_anew_comes_to_the_same() {
    let (_, _, catalogues) = written(&sets());
    for catalogue in &catalogues {
        let mut log = Log::new(SEED, 0);
        let mut bytes = log.compact(catalogue).unwrap();
        assert_eq!(log.bytes(), bytes.len() as u64);
        let read = recover(placement(), &bytes).unwrap();
        assert!(same(&read.catalogue, catalogue) && read.torn_bytes == 0);
        // And goes on.
        let set = [define(Origin::Management, "more", Attributes::Address(Layer::default()))];
        let next = read.catalogue.apply(&set).unwrap();
        bytes.extend(log.append(next.version(), &set).unwrap());
        assert!(same(&recover(placement(), &bytes).unwrap().catalogue, &next));
    }
}

#[test]
fn a_log_gets_long_by_what_it_no_longer_says() {
    let mut catalogue = Catalogue::new(placement());
    let mut log = Log::new(SEED, 0);
    let mut appended = 0;
    drop(log.compact(&catalogue).unwrap());
    while !log.is_long() {
        let name = format!("{}{}", "a".repeat(1000), appended % 3);
        let set = [define(Origin::Management, &name, Attributes::Address(Layer::default()))];
        catalogue = catalogue.apply(&set).unwrap();
        drop(log.append(catalogue.version(), &set).unwrap());
        appended += 1;
    }
    assert!((900..1100).contains(&appended), "{appended} changes of a kilobyte take a megabyte");
    assert!(log.compact(&catalogue).unwrap().len() < 4000 && !log.is_long());
}

/// A record as somebody else might write it.
fn foreign(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = FileHeader::new(SEED).encode().to_vec();
    RecordHeader { body_bytes: body.len(), kind, flags, version: 1, checksum: 0 }.append(SEED, body, &mut bytes);
    bytes
}

fn body(key: &str, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    super::attributes::encode_key(key, &mut body);
    for (number, value) in attributes {
        body.extend(number.to_le_bytes());
        body.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        body.extend(*value);
    }
    body
}

#[test]
fn what_is_not_known_is_left_out_or_refused_as_it_says() {
    let address = Kind::Address as u16 | MUST;
    let read = recover(placement(), &foreign(address, flag::LAST, &body("a", &[(500, b"x")]))).unwrap();
    assert!(read.catalogue.is_declared("a"));
    assert!(recover(placement(), &foreign(77, flag::LAST, b"")).unwrap().catalogue.version() == 1);
    assert!(recover(placement(), &foreign(KIND_END, flag::LAST, b"")).unwrap().catalogue.version() == 1);
    let error = recover(placement(), &foreign(address, flag::LAST | 64, &body("a", &[]))).unwrap_err();
    assert!(error.to_string().contains("flags 0x41, of which this version"), "{error}");
    for (kind, body, said) in [
        (77 | MUST, body("a", &[]), "the kind 77, which this version"),
        (address, body("a", &[(500 | MUST, b"x")]), "attribute 500, which this version"),
        (address, body("a", &[(2 | MUST, b"\x02")]), "auto_create"),
        (address, body("a", &[(3 | MUST, b"\x02")]), "max_messages"),
        (address, body("a", &[(3 | MUST, &[255; 8])]), "max_messages"),
        (address, body("a", &[(8 | MUST, b"HOLD")]), "when_full"),
        (address, body("a", &[(8 | MUST, b"\xff")]), "when_full"),
        (address, body("a", &[(2 | MUST, b"\x01"), (2 | MUST, b"\x01")]), "follows 2"),
        (address, [&body("a", &[])[..], b"\x01"].concat(), "cut off"),
        (address, b"\xff\xff\xff\xff".to_vec(), "no key"),
        (address, body("", &[]), "1 to 2048"),
        (address, body("a::b", &[]), "stands between"),
    ] {
        let error = recover(placement(), &foreign(kind, flag::LAST, &body)).expect_err(said);
        assert!(error.to_string().contains(said), "{said}: {error}");
    }
    let mut other = FileHeader::new(SEED);
    other.format = 2;
    assert_eq!(recover(placement(), &other.encode()).unwrap_err(), LogError::Format { found: 2 });
}

#[test]
fn a_definition_larger_than_a_record_is_refused() {
    let roles = vec!["r".repeat(4000); 1000];
    let set = [define(Origin::Management, "anna", Attributes::Member(Member { roles }))];
    assert!(Log::new(SEED, FILE_HEADER as u64).append(1, &set).is_none());
}

/// Any value that a setting takes.
fn value_of(setting: &'static Setting) -> BoxedStrategy<Value> {
    let word = |setting: &'static Setting| {
        let words: Vec<String> = setting.allowed().split('"').skip(1).step_by(2).map(str::to_owned).collect();
        if setting.allowed().starts_with("one of") {
            proptest::sample::select(words).boxed()
        } else if setting.allowed().starts_with("an address") {
            "[a-zü.]{0,40}".boxed()
        } else {
            "[a-zü.\n\u{0}]{0,40}".boxed()
        }
    };
    match setting.shape {
        Shape::Switch => any::<bool>().prop_map(Value::Switch).boxed(),
        Shape::Whole => prop_oneof![1_u64..=100, 100_u64..=10_000]
            .prop_map(Value::Whole)
            .prop_filter("what it takes", |value| setting.admit(value).is_ok())
            .boxed(),
        Shape::Text => word(setting).prop_map(Value::Text).boxed(),
        Shape::List => proptest::collection::vec(word(setting), 0..5).prop_map(Value::List).boxed(),
    }
}

fn attributes() -> impl Strategy<Value = Attributes> {
    proptest::sample::select(Kind::ALL).prop_flat_map(|kind| {
        let values: Vec<_> =
            kind.settings().iter().map(|setting| proptest::option::of(value_of(setting)).boxed()).collect();
        values.prop_map(move |values| {
            let mut attributes = kind.attributes();
            for (setting, value) in kind.settings().iter().zip(values) {
                value.into_iter().for_each(|value| attributes.put(setting.name, value).expect(setting.name));
            }
            attributes
        })
    })
}

proptest! {
    #[test]
    fn any_definition_survives(key in "[a-zü.#\n]{0,30}", attributes in attributes()) {
        let definition = Definition::new(key, attributes);
        let mut octets = Vec::new();
        super::attributes::encode(&definition, &mut octets);
        let (key, rest) = super::attributes::decode_key(&octets).unwrap();
        prop_assert_eq!(super::attributes::decode(definition.kind(), rest), Ok(definition.attributes));
        prop_assert_eq!(key, definition.key);
    }

    #[test]
    fn no_octets_are_too_strange(mut octets in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
        let (bytes, ..) = written(&sets());
        let at = at.min(octets.len());
        octets.splice(at..at, bytes);
        // Only that it ends.
        let _ = recover(placement(), &octets);
    }
}
