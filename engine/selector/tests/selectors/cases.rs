//! Every rule of selectors by examples: `cases.txt` has what is true, false or unknown for which message, `errors.txt` what is refused.

use crate::support::{BODY, Message, described, map_section, properties, string, value, with};
use bytes::Bytes;
use engine_message::value::Value;
use engine_selector::{Selector, limits};

const UUID: [u8; 16] = *b"\x6b\xa7\xb8\x10\x9d\xad\x11\xd1\x80\xb4\x00\xc0\x4f\xd4\x30\xc8";

/// Application properties of every type.
fn order() -> Message {
    with(&[
        ("color", string("red")),
        ("empty", string("")),
        ("quote", string("it's")),
        ("pattern", string("a%b_c")),
        ("city", string("Łódź")),
        ("quantity", Value::Int(5)),
        ("half", Value::Double(2.5)),
        ("price", Value::Float(1.1)),
        ("big", Value::Long((1 << 53) + 1)),
        ("most", Value::Long(i64::MAX)),
        ("least", Value::Long(i64::MIN)),
        ("byte", Value::Byte(-1)),
        ("short", Value::Short(-300)),
        ("ubyte", Value::Ubyte(200)),
        ("ushort", Value::Ushort(60_000)),
        ("uint", Value::Uint(4_000_000_000)),
        ("ulong", Value::Ulong(7)),
        ("huge", Value::Ulong(1 << 63)),
        ("time", Value::Timestamp(1_000)),
        ("nan", Value::Double(f64::NAN)),
        ("infinite", Value::Double(f64::INFINITY)),
        ("yes", Value::Boolean(true)),
        ("no", Value::Boolean(false)),
        ("nothing", Value::Null),
        ("symbol", Value::Symbol("sym".into())),
        ("letter", Value::Char('ß')),
        ("uuid", Value::Uuid(UUID)),
        ("binary", Value::Binary(Bytes::from_static(b"red"))),
        ("decimal", Value::Decimal32([0x22, 0x50, 0, 5])),
        ("described", described()),
        ("digits", string("42")),
        ("fraction", string("2.5")),
        ("truth", string("True")),
        ("my-prop", Value::Int(7)),
        ("m.color", string("not an annotation")),
        ("$_x1", Value::Int(1)),
        ("größe", Value::Int(2)),
        ("AND", Value::Int(3)),
        ("say \"hi\"", Value::Int(4)),
        ("not", Value::Int(8)),
        ("color", string("blue")),
    ])
}

fn with_properties(fields: &[(usize, Value)]) -> Message {
    Message { kept: [properties(fields), BODY.to_vec()].concat(), ..Message::default() }
}

fn headers() -> Message {
    let fields = properties(&[
        (0, string("ID:one")),
        (1, Value::Binary(Bytes::from_static(b"guest"))),
        (2, string("orders")),
        (3, string("invoice")),
        (4, string("answers")),
        (5, string("corr")),
        (9, Value::Timestamp(1_700_000_000_000)),
        (10, string("group")),
        (11, Value::Uint(u32::MAX)),
    ]);
    let annotations = map_section(0x72, &[("x-opt-kind", string("blue")), ("x-opt-number", Value::Int(3))]);
    Message {
        durable: true,
        priority: 7,
        delivery_count: 2,
        expiry_ms: 1_800_000_000_000,
        kept: [annotations, fields, BODY.to_vec()].concat(),
    }
}

fn message(name: &str) -> Message {
    let broken = |kept: &[u8]| Message { kept: kept.to_vec(), ..Message::default() };
    match name {
        "order" => order(),
        "headers" => headers(),
        "bare" => Message::default(),
        "id-plain" => with_properties(&[(0, string("one")), (5, string("ID:AMQP_UUID:x"))]),
        "id-typed" => with_properties(&[(0, string("ID:AMQP_ULONG:1")), (5, Value::Uuid(UUID))]),
        "id-uuid" => with_properties(&[(0, Value::Uuid(UUID)), (5, Value::Ulong(12))]),
        "id-ulong" => with_properties(&[(0, Value::Ulong(u64::MAX)), (5, Value::Binary(Bytes::from_static(b"a")))]),
        "id-binary" => with_properties(&[(0, Value::Binary(Bytes::from_static(b"\x00\xab\xff")))]),
        "id-long" => with_properties(&[(0, Value::Binary(Bytes::from(vec![7; 65]))), (3, Value::Uint(3))]),
        // A body of which the end is not there.
        "cut" => {
            let mut cut = order();
            cut.kept.truncate(cut.kept.len() - 3);
            cut
        }
        // The last value's octets are not there; the first entry is well-formed.
        "short-map" => broken(&[0, 0x53, 0x74, 0xc1, 10, 4, 0xa1, 1, b'a', 0x54, 1, 0xa1, 1, b'b', 0x71]),
        "not-utf8" => broken(&[0, 0x53, 0x74, 0xc1, 7, 2, 0xa1, 1, b'a', 0xa1, 1, 0xff]),
        "not-a-map" => broken(&[0, 0x53, 0x74, 0xc0, 1, 0]),
        "garbage" => broken(&[0xff, 0x00, 0x17]),
        // Wide encodings of a map, its keys and its values; and keys that are no strings.
        "wide" => broken(&[
            0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x74, 0xd1, 0, 0, 0, 19, 0, 0, 0, 4, 0x54, 9, 0x41, 0xb1, 0, 0, 0, 1, b'a',
            0xb1, 0, 0, 0, 1, b'x',
        ]),
        other => panic!("no message {other}"),
    }
}

/// Lines with fields that spaces divide, the last of which is the rest.
fn rows<const N: usize>(text: &str) -> impl Iterator<Item = [&str; N]> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut rest = line;
        std::array::from_fn(|index| {
            let (field, behind) = if index + 1 == N { (rest, "") } else { rest.split_once(' ').expect("a field") };
            rest = behind.trim_start();
            field
        })
    })
}

#[test]
fn conditions_have_the_values_of_the_table() {
    let (mut count, mut wrong) = (0, Vec::new());
    for [expected, name, text] in rows(include_str!("cases.txt")) {
        let found = match value(text, &message(name)) {
            Some(true) => "true",
            Some(false) => "false",
            None => "unknown",
        };
        count += 1;
        if found != expected {
            wrong.push(format!("{found}, not {expected}, for {name}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 300, "the table has {count} rows");
}

#[test]
fn what_is_no_selector_is_refused_with_its_place() {
    let mut wrong = Vec::new();
    for [row] in rows(include_str!("errors.txt")) {
        let (text, expected) = row.split_once(" => ").expect("an error");
        match Selector::parse(text) {
            Ok(_) => wrong.push(format!("{text} is taken")),
            Err(error) if error.to_string() != expected => wrong.push(format!("{text} => {error}")),
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bounds_have_errors_of_their_own() {
    let error = |text: &str| Selector::parse(text).map(|_| ()).expect_err("too much").to_string();
    assert!(error(&" ".repeat(limits::TEXT_OCTETS_MAX + 1)).contains("longer than"));
    assert!(error(&"(".repeat(60_000)).contains("nested deeper"));
    assert!(error(&"NOT ".repeat(16_000)).contains("nested deeper"));
    assert!(error(&"- ".repeat(30_000)).contains("nested deeper"));
    assert!(error(&format!("{}a", "a = (".repeat(10_000))).contains("nested deeper"));
    assert!(error(&vec!["a"; 8_000].join(" AND ")).contains("values and operators"));
    assert!(error(&format!("a IN ({})", vec!["''"; 8_000].join(","))).contains("values and operators"));
    assert!(error(&format!("a LIKE '%{}%'", "x".repeat(200))).contains("between two %"));
    let longest = error(&format!("a = = \u{1}{}", "ü".repeat(10_000)));
    assert!(longest.chars().count() < 200 && !longest.contains(char::is_control), "{longest}");
}

#[test]
fn what_is_just_within_the_bounds_is_taken() {
    let depth = limits::DEPTH_MAX;
    let nested = format!("{}yes{}", "(".repeat(depth), ")".repeat(depth));
    let chain = vec!["yes"; limits::NODES_MAX / 4].join(" AND ");
    let sum = format!("{}quantity{}> 0", "1+(".repeat(depth / 2 - 1), ")".repeat(depth / 2 - 1));
    for text in [nested, chain, sum] {
        let selector = Selector::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(selector.matches(&order().view()), "{text}");
    }
}
