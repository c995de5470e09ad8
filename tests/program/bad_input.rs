//! Bad input, and what who sent it is told: each row is something that a client asks for or sends, the condition that it gets, and words of
//! the description; the settings of the catalogue, and what `config check` says of each that is wrong.
//!
//! Every row is tried on a connection whose other link must go on. Not here: what is no frame of AMQP (`tests/hostile`), and which values a
//! field takes (`open_values`).

use std::net::TcpStream;
use std::path::Path;

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Detach, Performative, Role, SenderSettleMode, Source, Target, Terminus};
use engine_catalogue::setting::{Setting, Shape, Value as Written};
use engine_catalogue::{Area as _, Divert, Layer, Queue};
use engine_message::value::{Described, Map, Raw, Value};
use tempfile::TempDir;

use crate::broker::{Broker, heddle, text};
use crate::peer::{Durable, Peer, opened};

/// Frames that a selector fits into which is longer than one may be.
const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\nmax_frame_size = 262144\n";
/// What is put before the names of addresses.
const PREFIXES: &str = "[node]\nanycast_prefix = \"queue://\"\nmulticast_prefix = \"topic://\"\n";
const SELECTOR: Value = Value::Ulong(0x0000_468c_0000_0004);

const INVALID: &str = "amqp:invalid-field";
const MISSING: &str = "amqp:not-implemented";
const FORBIDDEN: &str = "amqp:not-allowed";
const DECODE: &str = "amqp:decode-error";

/// What an attach asks for, the condition that it is refused with, and words of the description.
type Asked = (&'static str, Attach, &'static str, &'static [&'static str]);

fn symbol(name: &'static str) -> Value {
    Value::Symbol(name.into())
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn described(descriptor: Value, value: Value) -> Value {
    Value::Described(Box::new(Described { descriptor, value }))
}

fn receiver(source: Source) -> Attach {
    let target = Some(Target::Node(Terminus::at("here")));
    Attach { source: Some(source), target, ..Attach::new("", 0, Role::Receiver) }
}

fn from(address: &str) -> Attach {
    receiver(Terminus::at(address).into())
}

fn to(address: &str) -> Attach {
    let (source, target) = (Some(Terminus::at("here").into()), Some(Target::Node(Terminus::at(address))));
    let initial_delivery_count = Some(0);
    Attach { source, target, initial_delivery_count, ..Attach::new("", 0, Role::Sender) }
}

/// A receiver with these filters, by the names that it gives them.
fn filtered(filters: &[(&'static str, Value)]) -> Attach {
    let mut filter = Map::default();
    filters.iter().for_each(|(name, value)| filter.insert(name, value.clone()));
    receiver(Source { filter, ..Terminus::at("q").into() })
}

fn selecting(selector: &str) -> Attach {
    filtered(&[("mine", described(SELECTOR, string(selector)))])
}

fn filters() -> Vec<Asked> {
    let text = || string("a = 1");
    let other = |descriptor| filtered(&[("mine", described(descriptor, text()))]);
    vec![
        ("a filter of AMQP 0-10", other(Value::Ulong(0x0000_468c_0000_0001)), MISSING, &["\"mine\"", "topic-binding"]),
        (
            "one by its symbol",
            other(symbol("apache.org:legacy-amqp-direct-binding:string")),
            MISSING,
            &["direct-binding"],
        ),
        (
            "one of apache.org that nobody knows",
            other(symbol("apache.org:new-filter:string")),
            MISSING,
            &["new-filter"],
        ),
        ("a filter expression", other(symbol("amqp:sql-filter")), MISSING, &["amqp:sql-filter", "on your side"]),
        ("one by its number", other(Value::Ulong(0x173)), MISSING, &["amqp:properties-filter"]),
        (
            "a filter that is not described",
            filtered(&[("mine", text())]),
            INVALID,
            &["\"mine\"", "not a described value"],
        ),
        (
            "a selector that is no text",
            filtered(&[("mine", described(SELECTOR, Value::Uint(1)))]),
            INVALID,
            &["\"mine\"", "a selector without a text"],
        ),
        (
            "two selectors",
            filtered(&[("one", described(SELECTOR, text())), ("two", described(SELECTOR, text()))]),
            INVALID,
            &["\"two\"", "a second selector"],
        ),
        (
            "no-local beside a selector that is none",
            filtered(&[
                ("local", described(symbol("apache.org:no-local-filter:list"), Value::List(Vec::new()))),
                ("mine", described(SELECTOR, string("a >"))),
            ]),
            INVALID,
            &["invalid filter", "is expected"],
        ),
    ]
}

fn selectors() -> Vec<Asked> {
    let nested = format!("{}TRUE", "NOT (".repeat(100)) + &")".repeat(100);
    let long = format!("a = '{}'", "x".repeat(70_000));
    let many = format!("a = 1{}", " OR a = 1".repeat(2000));
    let pattern = format!("a LIKE '%{}%'", "x".repeat(60_000));
    vec![
        ("a comparison without an end", selecting("a ="), INVALID, &["invalid filter", "is expected", "at character"]),
        ("words that are no condition", selecting("a b"), INVALID, &["invalid filter", "at character"]),
        ("a quote that is open", selecting("a = 'x"), INVALID, &["a quote is opened and not closed", "at character"]),
        ("a number that is none", selecting("a = 1e999999"), INVALID, &["invalid filter", "number"]),
        ("an operand of another type", selecting("NOT 1"), INVALID, &["invalid filter", "NOT needs"]),
        (
            "an escape of two characters",
            selecting("a LIKE 'x' ESCAPE 'yz'"),
            INVALID,
            &["ESCAPE takes a string of one character"],
        ),
        ("a look into the body", selecting("XPATH '//a'"), INVALID, &["XPATH and XQUERY are not supported"]),
        ("nested too deep", selecting(&nested), INVALID, &["nested deeper than 64 levels"]),
        ("too long", selecting(&long), INVALID, &["longer than 65536 octets"]),
        ("of too many parts", selecting(&many), INVALID, &["more than 4096 values and operators"]),
        ("a pattern that is too long", selecting(&pattern), INVALID, &["a pattern has more than", "between two %"]),
    ]
}

fn addresses() -> Vec<Asked> {
    let long = "x".repeat(2049);
    let mut no_source = from("q");
    no_source.source = None;
    let mut priority = from("q");
    priority.properties.insert("priority", string("high"));
    vec![
        ("no address", receiver(Source::default()), INVALID, &["no address and is not dynamic"]),
        ("an empty one", from(""), INVALID, &["no address and is not dynamic"]),
        ("too long to receive from", from(&long), INVALID, &["an address has 1 to 2048 bytes"]),
        ("too long to send to", to(&long), INVALID, &["an address has 1 to 2048 bytes"]),
        ("the broker's own", from("$heddle.x"), FORBIDDEN, &["begin with $heddle", "the broker's own"]),
        ("the broker's own, to send to", to("$heddle.x"), FORBIDDEN, &["the broker's own"]),
        ("management, to receive from", from("$management"), FORBIDDEN, &["attach to a dynamic source"]),
        ("a queue of no address", from("::q"), INVALID, &["an address has 1 to 2048 bytes"]),
        ("a queue of no address, to send to", to("::q"), INVALID, &["an address has 1 to 2048 bytes"]),
        ("a prefix and nothing else", from("queue://"), INVALID, &["an address has 1 to 2048 bytes"]),
        ("a prefix and nothing else, to send to", to("topic://"), INVALID, &["an address has 1 to 2048 bytes"]),
        (
            "a priority that is no number",
            from("q?consumer-priority=high"),
            INVALID,
            &["consumer-priority", "no integer of 32 bits"],
        ),
        (
            "one that is too large",
            from("q?consumer-priority=2147483648"),
            INVALID,
            &["consumer-priority", "no integer"],
        ),
        ("a link's priority of another type", priority, INVALID, &["priority", "no integer of 32 bits"]),
        ("a subscription that nobody made", no_source, "amqp:not-found", &["there is no"]),
    ]
}

/// A receiver of a dynamic node with a property.
fn dynamic(capability: &'static str, key: &'static str, value: Value) -> Attach {
    let mut dynamic_node_properties = Map::default();
    dynamic_node_properties.insert(key, value);
    receiver(Terminus { dynamic_node_properties, capabilities: vec![capability.into()], ..Terminus::dynamic() }.into())
}

fn nodes() -> Vec<Asked> {
    let own = described(Value::Ulong(0x99), Value::List(Vec::new()));
    let kept = described(Value::Ulong(0x2d), Value::List(Vec::new()));
    let mut outcome = Source::from(Terminus::at("q"));
    // Rejected, with a text where its error is to be.
    outcome.default_outcome = Raw::new(&[0x00, 0x53, 0x27, 0xc0, 4, 1, 0xa1, 1, b'x']).ok();
    vec![
        (
            "a policy that there is not",
            dynamic("temporary-queue", "lifetime-policy", own),
            INVALID,
            &["none of the four"],
        ),
        (
            "a policy by name",
            dynamic("temporary-queue", "lifetime-policy", string("delete-on-close")),
            INVALID,
            &["none of the four"],
        ),
        (
            "a topic that lives as long as its messages",
            dynamic("temporary-topic", "lifetime-policy", kept),
            MISSING,
            &["a dynamic topic keeps no messages", "delete-on-no-messages"],
        ),
        (
            "a distribution mode that there is not",
            dynamic("temporary-queue", "supported-dist-modes", symbol("share")),
            INVALID,
            &["supported-dist-modes", "move and copy"],
        ),
        (
            "distribution modes that are no symbols",
            dynamic("temporary-queue", "supported-dist-modes", Value::Uint(1)),
            INVALID,
            &["supported-dist-modes"],
        ),
        ("a default outcome that is none", receiver(outcome), INVALID, &["default-outcome cannot be understood"]),
    ]
}

fn broker(shards: u16) -> Broker {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("heddle.toml");
    Broker::start_command(folder, shards, LISTENER, |_| {
        let text = std::fs::read_to_string(&file).expect("the configuration");
        std::fs::write(&file, text.replace("[node]\n", PREFIXES)).expect("a configuration");
    })
}

/// Attaches; gives what it is refused with.
fn refusal(peer: &mut Peer<TcpStream>, handle: u32, attach: &Attach) -> Option<AmqpError> {
    let name = format!("bad-{handle}");
    let attach = Attach { name: name.clone(), handle, snd_settle_mode: SenderSettleMode::Mixed, ..attach.clone() };
    peer.put(&Performative::Attach(Box::new(attach)));
    let (_, refused) = peer.answer(&name);
    peer.put(&Performative::Detach(Detach { handle, closed: true, error: None }));
    refused
}

#[test]
fn what_an_attach_asks_for_in_vain_is_refused_with_a_reason() {
    for shards in [1, 3] {
        let broker = broker(shards);
        let mut peer = opened(&broker);
        peer.attach_sender("other");
        let rows = [filters(), selectors(), addresses(), nodes()].concat();
        let mut wrong = Vec::new();
        for (number, (what, attach, condition, words)) in (0..).zip(rows) {
            let said = refusal(&mut peer, 10 + number, &attach).map(|error| error.to_string()).unwrap_or_default();
            // What a client sent is told in short.
            let is_told =
                said.starts_with(condition) && words.iter().all(|word| said.contains(word)) && said.len() < 400;
            if !is_told {
                wrong.push(format!("{what}: {said:?} in place of {condition}, {words:?}"));
            }
            peer.send_message(number, Durable::No, b"the other link goes on");
            assert_eq!(peer.outcome().2, None, "{what}");
        }
        assert!(wrong.is_empty(), "{shards} shards:\n{}", wrong.join("\n"));
    }
}

/// A section of a map with one entry.
fn section(code: u8, key: Value, value: Value) -> Vec<u8> {
    let mut out = vec![0x00, 0x53, code];
    Map(vec![(key, value)]).encode(&mut out);
    out
}

/// What the broker does not look at, and its receiver may: it passes as it is.
fn carried() -> [Vec<u8>; 3] {
    let mut sequence = vec![0x40; 11];
    sequence.extend([0xa1, 1, b'x']);
    [
        // Annotations that are a list.
        vec![0x00, 0x53, 0x72, 0x45],
        section(0x72, symbol("x-opt-routing-type"), string("both")),
        // A group-sequence that is text.
        [&[0x00, 0x53, 0x73, 0xc0, 15, 12][..], &sequence].concat(),
    ]
}

#[test]
fn what_nobody_looks_at_is_carried() {
    let broker = broker(1);
    let mut peer = opened(&broker);
    peer.attach_sender("carried");
    for (delivery, front) in (0..).zip(carried()) {
        peer.send_encoded(delivery, &[&front[..], &[0x00, 0x53, 0x75, 0xa0, 1, b'x']].concat());
        assert_eq!(peer.outcome().2, None, "{front:x?}");
    }
    peer.attach_receiver("carried", 10);
    for front in carried() {
        let came = peer.receive_encoded().1;
        assert!(came.windows(front.len()).any(|octets| octets == front), "{front:x?} in {came:x?}");
    }
}

#[test]
fn what_a_message_says_in_vain_is_rejected_with_a_reason() {
    let annotation = |key, value| section(0x72, symbol(key), value);
    let property = |key, value| section(0x74, string(key), value);
    let rows: Vec<(&str, Vec<u8>, &str, &[&str])> = vec![
        (
            "a time that is text",
            annotation("x-opt-delivery-time", string("soon")),
            INVALID,
            &["x-opt-delivery-time", "not a number of milliseconds"],
        ),
        (
            "a delay that is a list",
            annotation("x-opt-delivery-delay", Value::List(Vec::new())),
            INVALID,
            &["x-opt-delivery-delay", "not a number of milliseconds"],
        ),
        (
            "an id that is too long",
            property("_AMQ_DUPL_ID", string(&"x".repeat(257))),
            INVALID,
            &["_AMQ_DUPL_ID has more than 256 octets"],
        ),
        ("annotations that end early", vec![0x00, 0x53, 0x72, 0xc1, 200, 2, 0xa3, 1, b'a'], DECODE, &[]),
        ("a header that is no list", vec![0x00, 0x53, 0x70, 0x40], DECODE, &[]),
        ("a priority of another type", vec![0x00, 0x53, 0x70, 0xc0, 6, 2, 0x42, 0xa1, 2, b'h', b'i'], DECODE, &[]),
        ("a section that there is not", vec![0x00, 0x53, 0x7f, 0x45], DECODE, &[]),
        ("properties twice", [[0x00, 0x53, 0x73, 0x45]; 2].concat(), DECODE, &[]),
    ];
    for shards in [1, 3] {
        let broker = broker(shards);
        for queue in ["q.a", "q.b", "q.c"] {
            let mut peer = opened(&broker);
            peer.attach_sender(queue);
            let (mut delivery, mut wrong) = (0, Vec::new());
            for (what, front, condition, words) in &rows {
                let message = [&front[..], &[0x00, 0x53, 0x75, 0xa0, 1, b'x']].concat();
                peer.send_encoded(delivery, &message);
                let said = peer.outcome().2.unwrap_or_default();
                if !said.contains(condition) || words.iter().any(|word| !said.contains(word)) || said.is_empty() {
                    wrong.push(format!("{what}: {said:?} in place of {condition}, {words:?}"));
                }
                delivery += 1;
            }
            assert!(wrong.is_empty(), "{queue}, {shards} shards:\n{}", wrong.join("\n"));
            // None of them is there, and the link goes on.
            peer.send_message(delivery, Durable::No, b"fine");
            assert_eq!(peer.outcome().2, None);
            peer.attach_receiver(queue, 5);
            assert_eq!(peer.receive().1, b"fine");
        }
    }
}

/// Values that a setting does not take, as they are written.
fn wrong_values(setting: &Setting) -> Vec<String> {
    let texts = ["", "no-such-word", "a\u{1}b", "::", "a::b::c", "ü ü"].map(str::to_owned);
    let long = "x".repeat(70_000);
    let allowed = setting.allowed();
    let refused = |text: &String| {
        let is_no_word = allowed.starts_with("one of ") && !allowed.contains(&format!("{text:?}"));
        is_no_word || setting.admit(&Written::Text(text.clone())).is_err()
    };
    match setting.shape {
        Shape::Whole => {
            let largest = i64::MAX.cast_unsigned();
            let numbers = ["-1", "1.5", "\"many\"", "true", "[1]"].map(str::to_owned);
            let beyond = setting.admit(&Written::Whole(largest)).is_err().then(|| largest.to_string());
            let below = setting.admit(&Written::Whole(0)).is_err().then(|| "0".to_owned());
            numbers.into_iter().chain(beyond).chain(below).collect()
        }
        Shape::Switch => ["\"yes\"", "1", "[]"].map(str::to_owned).to_vec(),
        Shape::Text => {
            let refused = texts.into_iter().filter(refused).map(|text| toml_text(&text));
            ["7", "true", "[\"a\"]"].map(str::to_owned).into_iter().chain(refused).chain([toml_text(&long)]).collect()
        }
        Shape::List => ["7", "true", "\"a\"", "[7]"].map(str::to_owned).to_vec(),
    }
}

fn toml_text(text: &str) -> String {
    serde_json::to_string(text).expect("a text of JSON is one of TOML")
}

/// Runs `config check` on a text; gives what it says of what is wrong.
fn checked(folder: &Path, config: &str) -> String {
    std::fs::write(folder.join("heddle.toml"), config).expect("a file");
    let mut command = heddle();
    command.args(["config", "check", "--config", "heddle.toml"]).current_dir(folder);
    let output = command.output().expect("it runs");
    assert!(!output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn every_setting_of_the_catalogue_that_is_wrong_is_told_with_its_line_and_what_it_takes() {
    let folder = TempDir::new().expect("a folder");
    // Each table with what it has to say besides.
    let tables = [
        ("address", &[("match", "m")][..], Layer::SETTINGS),
        ("queue", &[("name", "n")], Queue::SETTINGS),
        ("divert", &[("name", "n"), ("address", "a"), ("to", "b")], Divert::SETTINGS),
    ];
    for (table, besides, settings) in tables {
        for setting in settings {
            let values = wrong_values(setting);
            assert!(values.len() >= 3, "{table}.{}", setting.name);
            // What is wrong is told up to a number of lines: a file for each setting.
            let (mut config, mut lines) = (String::new(), Vec::new());
            for (number, value) in values.into_iter().enumerate() {
                config.push_str(&format!("[[{table}]]\n"));
                for (key, word) in besides.iter().filter(|(key, _)| *key != setting.name) {
                    config.push_str(&format!("{key} = \"{word}{number}\"\n"));
                }
                config.push_str(&format!("{} = {value}\n", setting.name));
                lines.push((config.lines().count(), value));
            }
            let said = checked(folder.path(), &config);
            for (line, value) in lines {
                let (place, key) = (format!("heddle.toml:{line}:"), format!("{table}.{}", setting.name));
                let told = said.lines().find(|told| told.contains(&place));
                let told =
                    told.unwrap_or_else(|| panic!("{key} = {value:.60}: nothing is said of line {line}: {said:.2000}"));
                let allowed = setting.allowed();
                assert!(told.contains(&key) && told.contains(&allowed), "{key} = {value:.60}: {told}\n{allowed}");
                assert!(told.len() < 2000, "{key}: what is wrong is told in short");
            }
        }
    }
}
