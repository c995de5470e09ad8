//! What records mean, octet by octet, as it must be read for ever; and that nothing else is taken for it.

use engine_core::command::RoutingType;
use engine_core::fact::{Declared, PASSING, Purpose};
use engine_ledger::{
    Attribute, Attributes, InQueue, Ledger, Meaning, Nested, Numbers, Properties, Whose, carry, declaration,
    encode_declaration, encode_line, in_queues, read_checkpoint,
};
use proptest::prelude::*;
use storage_journal::{LOCAL, Part, Position, Reach, Record, RecordHeader, Segments, Unknown};

const ONE: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];
const PLACE: [u8; 24] = [2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
const PROPERTIES: Properties = Properties {
    durable: true,
    large: false,
    scheduled: false,
    grouped: false,
    priority: 9,
    format: 7,
    expires_ms: 0x0102_0304,
    delivery_count: 2,
};

/// The record as it lies in a batch.
fn encode(part: Part, meaning: &Meaning<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    meaning.encode(part, |header, payload| header.append(payload, &mut out));
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn declared() -> Declared {
    let (routing, purpose) = (RoutingType::Multicast, Purpose::Subscription);
    let (address, name) = ("prices".into(), "Köln".into());
    Declared { queue: 2, routing, purpose, address, name, selector: None, no_local: None }
}

/// An attribute of later times, and that the message is in line 7 of queue 1, and something of later times there.
fn said() -> Vec<u8> {
    let (mut there, mut out) = (Vec::new(), Vec::new());
    encode_line(7, &mut there);
    Attribute { kind: 901, unknown: Unknown::Skip, value: b"later" }.encode(&mut there);
    Attribute { kind: 900, unknown: Unknown::Skip, value: b"new" }.encode(&mut out);
    InQueue { queue: 1, attributes: Attributes(&there) }.encode(&mut out);
    out
}

fn rows(attributes: &[u8], nested: &[u8]) -> Vec<(Part, String, String)> {
    let (attributes, none, body) = (Attributes(attributes), Attributes::default(), &b"hi"[..]);
    let (queues, places) = (Numbers(&ONE), Numbers(&PLACE));
    let records = Nested { count: 2, number: 77, bytes: nested };
    let said = said();
    let said = Attributes(&said);
    let meanings = [
        (Part::Shared, Meaning::Message { properties: PROPERTIES, queues, attributes: none, body }),
        (
            Part::Local,
            Meaning::Message { properties: Properties { large: true, ..PROPERTIES }, queues, attributes: none, body },
        ),
        (Part::Local, Meaning::Moved { properties: PROPERTIES, places, attributes: none, body }),
        (Part::Shared, Meaning::Message { properties: PROPERTIES, queues, attributes: said, body }),
        (Part::Local, Meaning::Moved { properties: PROPERTIES, places, attributes: said, body }),
        (Part::Shared, Meaning::Acknowledged { queue: 1, first: 3, last: 4 }),
        (Part::Shared, Meaning::Failed { queue: 1, message: 3, count: 2 }),
        (Part::Shared, Meaning::Declared { queue: 2, attributes }),
        (Part::Local, Meaning::DeclaredAgain { queue: 2, attributes }),
        (Part::Shared, Meaning::Deleted { queue: 2 }),
        (Part::Shared, Meaning::TransactionPart { coordinator: 3, transaction: 9, records }),
        (Part::Shared, Meaning::TransactionCommitted { coordinator: 3, transaction: 9 }),
        (Part::Shared, Meaning::TransactionAborted { coordinator: 3, transaction: 9 }),
    ];
    let mut rows = Vec::new();
    for (part, meaning) in meanings {
        let bytes = encode(part, &meaning);
        let number = if part == Part::Local { LOCAL | 77 } else { 77 };
        let (record, length) = Record::decode(part, number, &bytes).expect("a record");
        assert_eq!(length, bytes.len());
        assert_eq!(Meaning::decode(&record), Ok(Some(meaning)));
        // In the other part it is none, but for messages.
        let other = if part == Part::Local { Part::Shared } else { Part::Local };
        let (elsewhere, _) = Record::decode(other, number, &bytes).expect("a record");
        let found = Meaning::decode(&elsewhere);
        assert!(found.is_err() || matches!(meaning, Meaning::Message { .. }), "{found:?}");
        rows.push((part, format!("{meaning:?}").split([' ', '{']).next().unwrap_or_default().to_owned(), hex(&bytes)));
    }
    rows
}

#[test]
fn records_are_written_and_read_as_they_always_were() {
    let attributes = encode_declaration(&declared());
    let nested = [
        encode(Part::Shared, &Meaning::Acknowledged { queue: 1, first: 3, last: 4 }),
        encode(
            Part::Shared,
            &Meaning::Message {
                properties: PROPERTIES,
                queues: Numbers(&ONE),
                attributes: Attributes::default(),
                body: b"in it",
            },
        ),
    ]
    .concat();
    let found: Vec<String> = rows(&attributes, &nested)
        .into_iter()
        .map(|(part, name, octets)| format!("{part:?} {name} {octets}"))
        .collect();
    let found = found.join("\n") + "\n";
    const FILE: &str = "tests/records.golden";
    if std::env::var_os("HEDDLE_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::write(FILE, &found).expect("writable");
    }
    let golden = std::fs::read_to_string(FILE).expect("the golden file");
    assert!(found == golden, "the format changed: that needs a new version\n{found}");
    assert_eq!(declaration(2, Attributes(&attributes)), Ok(declared()));
}

#[test]
fn what_is_not_known_is_skipped_or_refused_as_it_says() {
    let record = |kind, unknown| Record {
        header: RecordHeader { part: Part::Shared, kind, unknown, numbers: 1 },
        number: 5,
        payload: b"of later times",
    };
    assert_eq!(Meaning::decode(&record(99, Unknown::Skip)), Ok(None));
    let refused = Meaning::decode(&record(99, Unknown::Refuse)).expect_err("it has to be understood");
    assert!(refused.contains("a newer one wrote it"), "{refused}");

    let with = |unknown| {
        let mut attributes = encode_declaration(&declared());
        Attribute { kind: 900, unknown, value: b"new" }.encode(&mut attributes);
        declaration(2, Attributes(&attributes))
    };
    assert_eq!(with(Unknown::Skip), Ok(declared()));
    assert!(with(Unknown::Refuse).is_err_and(|what| what.contains("a newer one wrote it")));

    // The same of a message: nothing is made of it.
    let (mut ledger, mut segments) = (Ledger::new(), Segments::new(1 << 20, 0));
    segments.handle_begun(1, Reach::START);
    for (unknown, messages) in [(Unknown::Skip, 1), (Unknown::Refuse, 1)] {
        let mut attributes = Vec::new();
        Attribute { kind: 900, unknown, value: b"new" }.encode(&mut attributes);
        let (queues, attributes) = (Numbers(&ONE), Attributes(&attributes));
        let meaning = Meaning::Message { properties: PROPERTIES, queues, attributes, body: b"hi" };
        let applied = ledger.apply(&mut segments, 1, &meaning, 100);
        assert_eq!(applied.is_err(), unknown == Unknown::Refuse);
        ledger.settle(&mut segments);
        assert_eq!(ledger.messages(), messages);
    }
    // No node writes transactions, and none goes on beyond one.
    let part = Meaning::TransactionCommitted { coordinator: 1, transaction: 1 };
    assert!(ledger.apply(&mut segments, 2, &part, 28).is_err());
}

/// What is said of a message in queues, as octets: for each its number and attributes.
fn in_each(queues: &[(u64, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    queues.iter().for_each(|&(queue, found)| InQueue { queue, attributes: Attributes(found) }.encode(&mut out));
    out
}

#[test]
fn what_is_said_of_a_message_in_a_queue_goes_along_with_it_and_only_with_it() {
    let mut line = Vec::new();
    encode_line(9, &mut line);
    let of_later_times = |unknown| {
        let mut out = Vec::new();
        Attribute { kind: 900, unknown, value: b"new" }.encode(&mut out);
        out
    };
    let skipped = of_later_times(Unknown::Skip);
    let all = [skipped.clone(), in_each(&[(2, &line), (5, &skipped), (6, &[])])].concat();
    let mut found = Vec::new();
    in_queues(Attributes(&all), |said| found.push((said.queue, said.line())))
        .expect("all of it is known or may be skipped");
    assert_eq!(found, [(2, Ok(Some(9))), (5, Ok(None)), (6, Ok(None))]);

    // It left queue 2; the others have other numbers now.
    let left = carry(Attributes(&all), |queue| (queue != 2).then_some(queue + 10));
    assert_eq!(left, [skipped.clone(), in_each(&[(15, &skipped), (16, &[])])].concat());
    assert_eq!(carry(Attributes(&[]), |_| None), []);

    for (wrong, what) in [
        (in_each(&[(2, &of_later_times(Unknown::Refuse))]), "a newer one wrote it"),
        (in_each(&[(5, &line), (2, &line)]), "not in the order"),
        (in_each(&[(5, &line), (5, &line)]), "not in the order"),
        (in_each(&[(5, &line[..8])]), "longer than what encloses it"),
    ] {
        let refused = in_queues(Attributes(&wrong), |_| {}).expect_err("it is not what it should be");
        assert!(refused.contains(what), "{refused}");
        // No version drops what it does not understand.
        assert_eq!(carry(Attributes(&wrong), Some), wrong);
        let (queues, attributes) = (Numbers(&ONE), Attributes(&wrong));
        let meaning = Meaning::Message { properties: PROPERTIES, queues, attributes, body: b"hi" };
        let (mut ledger, mut segments) = (Ledger::new(), Segments::new(1 << 20, 0));
        segments.handle_begun(1, Reach::START);
        assert!(ledger.apply(&mut segments, 1, &meaning, 100).is_err_and(|refused| refused.contains(what)));
    }
}

#[test]
fn octets_that_are_kept_for_later_are_not_passed_over() {
    let (queues, attributes) = (Numbers(&ONE), Attributes::default());
    let mut bytes = encode(Part::Shared, &Meaning::Message { properties: PROPERTIES, queues, attributes, body: b"hi" });
    for octet in [14, 15] {
        bytes[octet] = 1;
        let (record, _) = Record::decode(Part::Shared, 5, &bytes).expect("a record");
        assert!(Meaning::decode(&record).is_err(), "octet {octet}");
        bytes[octet] = 0;
    }
}

/// Some life of a log: what a ledger of it says is what its checkpoint says.
#[test]
fn a_checkpoint_says_what_the_ledger_does() {
    let (mut ledger, mut segments) = (Ledger::new(), Segments::new(1 << 20, 0));
    segments.handle_begun(1, Reach::START);
    let attributes = encode_declaration(&Declared { queue: 1, ..declared() });
    let declared = Meaning::Declared { queue: 1, attributes: Attributes(&attributes) };
    ledger.apply(&mut segments, 1, &declared, 60).expect("it is whole");
    for number in 2..700 {
        let (queues, attributes) = (Numbers(&ONE), Attributes::default());
        let message = Meaning::Message { properties: PROPERTIES, queues, attributes, body: b"hello" };
        ledger.apply(&mut segments, number, &message, 80).expect("it is whole");
    }
    ledger.apply(&mut segments, 700, &Meaning::Failed { queue: 1, message: 9, count: 4 }, 32).expect("it is whole");
    for name in [3, 5, 500] {
        let gone = Meaning::Acknowledged { queue: 1, first: name, last: name };
        ledger.apply(&mut segments, 700 + name, &gone, 36).expect("it is whole");
    }
    let moved: Vec<u8> = [1_u64, 9, 4].into_iter().flat_map(u64::to_le_bytes).collect();
    let (places, attributes) = (Numbers(&moved), Attributes::default());
    let again = Meaning::Moved { properties: PROPERTIES, places, attributes, body: b"hello" };
    ledger.apply(&mut segments, LOCAL | 1, &again, 90).expect("it is whole");
    ledger.settle(&mut segments);
    segments.handle_sealed(Reach::START, 1, 20);
    assert_eq!((ledger.messages(), ledger.number_of(1, 9), ledger.number_of(1, 3)), (695, Some(LOCAL | 1), None));
    assert_eq!((ledger.failures_of(9), ledger.failures_of(10), segments.live_messages()), (Some(4), None, 696));
    assert!(!segments.is_live(9) && segments.is_live(LOCAL | 1));

    segments.handle_begun(2, Reach { shared: 1201, local: LOCAL | 2 });
    let whose = Whose { shard: 3, directory: [7; 16], segment_bytes: 1 << 20, allowance: 0 };
    let position =
        Position { segment: 2, batch: 2, reach: Reach { shared: 1201, local: LOCAL | 2 }, ..Position::START };
    let bytes = ledger.checkpoint(&whose, &position, &segments);
    let found = read_checkpoint(&whose, &bytes).expect("it is whole");
    let says = |ledger: &Ledger| -> Vec<(u64, u64)> {
        ledger.queues().flat_map(|(_, kept)| kept.runs().flat_map(|run| run.iter()).collect::<Vec<_>>()).collect()
    };
    assert_eq!(says(&found.ledger), says(&ledger));
    assert_eq!((found.position, found.ledger.last_queue(), found.ledger.failures_of(9)), (position, 1, Some(4)));
    assert_eq!(found.segments.live_messages(), 696);
    for other in [Whose { shard: 4, ..whose }, Whose { directory: [8; 16], ..whose }] {
        assert!(read_checkpoint(&other, &bytes).is_err(), "another's");
    }
    // A queue that is deleted takes everything with it, and one that ends with the node was never in it.
    ledger.apply(&mut segments, 1201, &Meaning::Deleted { queue: 1 }, 20).expect("it is whole");
    assert_eq!((ledger.messages(), segments.live_messages(), ledger.last_queue() & PASSING), (0, 0, 0));
}

proptest! {
    #[test]
    fn any_octets_are_a_record_an_error_or_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0_u8..12, local in any::<bool>(),
        skip in any::<bool>(),
    ) {
        let part = if local { Part::Local } else { Part::Shared };
        let number = if local { LOCAL | 5 } else { 5 };
        let _ = Record::decode(part, number, &bytes);
        let _ = declaration(1, Attributes(&bytes));
        let _ = in_queues(Attributes(&bytes), |_| {});
        prop_assert_eq!(carry(Attributes(&bytes), Some), bytes.clone(), "nothing of it is lost");
        for numbers in 0..4 {
            // That it may be skipped is nothing to who knows it.
            let unknown = if skip { Unknown::Skip } else { Unknown::Refuse };
            let header = RecordHeader { part, kind, unknown, numbers };
            let record = Record { header, number, payload: &bytes };
            if let Ok(Some(meaning)) = Meaning::decode(&record) {
                let again = encode(part, &meaning);
                // Octets that are kept for later are written as zeros.
                let (found, _) = Record::decode(part, number, &again).expect("a record");
                prop_assert_eq!(Meaning::decode(&found), Ok(Some(meaning)));
                let (mut ledger, mut segments) = (Ledger::new(), Segments::new(1 << 20, 0));
                segments.handle_begun(1, Reach::START);
                let _ = ledger.apply_record(&mut segments, &record);
                ledger.settle(&mut segments);
                ledger.check();
                segments.check();
            }
        }
    }
}

#[test]
fn a_queue_keeps_its_selector_and_none_that_is_not_understood() {
    let chosen = |text: &str| Declared { selector: Some(text.into()), ..declared() };
    for declared in [declared(), chosen("color = 'red' AND NOT sold")] {
        let attributes = encode_declaration(&declared);
        assert_eq!(declaration(2, Attributes(&attributes)), Ok(declared));
    }
    let attributes = encode_declaration(&chosen("color SOUNDS LIKE 'red'"));
    let error = declaration(2, Attributes(&attributes)).expect_err("it is no selector");
    assert!(error.contains("does not understand"), "{error}");
}
