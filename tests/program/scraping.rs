//! The HTTP listener as strangers meet it: whom it answers, how long it waits, and that what it tells can be read strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use amqp_codec::sasl::OutcomeCode;
use tempfile::TempDir;

use crate::broker::{Broker, PATIENCE, add_user, run, text, wait_for};
use crate::peer::{Peer, connect, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";

/// Sends octets and reads to the end; what comes is empty where the connection was broken.
fn ask(to: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).expect("the HTTP listener");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // It may be closed before all is sent.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap_or_default()
}

fn get(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\n{fields}\r\n").into_bytes()
}

#[test]
fn what_tells_of_peers_asks_for_a_token() {
    let folder = TempDir::new().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "# two\nthe-first-token-0\nthe-second-token-0\n").expect("a file");
    let broker = Broker::start_in(folder, &format!("token_file = {tokens:?}\n{LISTENER}"));
    for path in ["/state", "/metrics"] {
        for (fields, wanted) in [
            ("", "401"),
            ("Authorization: Bearer wrong\r\n", "401"),
            ("Authorization: Bearer \r\n", "401"),
            ("Authorization: Basic the-first-token-0\r\n", "401"),
            ("authorization: bearer the-first-token-0\r\n", "200"),
            ("Host: metrics.example\r\nAuthorization: Bearer the-second-token-0\r\n", "200"),
        ] {
            let answer = ask(broker.http, &get(path, fields));
            assert_eq!(status(&answer), wanted, "{path} {fields}: {answer}");
            assert!(wanted == "200" || answer.contains("WWW-Authenticate: Bearer"), "{answer}");
        }
    }
    for path in ["/livez", "/readyz", "/readyz?durable"] {
        assert_eq!(status(&ask(broker.http, &get(path, ""))), "200", "{path} is for probes");
    }
    let http = broker.http.to_string();
    let refused = run(&["status", "--http", &http]);
    assert!(!refused.status.success() && text(&refused).contains("--token-file"), "{}", text(&refused));
    let shown = run(&["status", "--http", &http, "--token-file", tokens.to_str().expect("a path")]);
    assert!(shown.status.success(), "{}", text(&shown));
}

#[test]
fn a_page_of_another_name_reads_nothing() {
    let broker = Broker::start(LISTENER);
    for (host, wanted) in [("evil.example:8161", "421"), ("localhost:8161", "200"), ("127.0.0.1", "200")] {
        assert_eq!(status(&ask(broker.http, &get("/state", &format!("Host: {host}\r\n")))), wanted, "{host}");
    }
    assert_eq!(status(&ask(broker.http, &get("/livez", "Host: evil.example\r\n"))), "200");
}

fn certificate(folder: &Path, name: &str) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let made = made.expect("a certificate");
    let files = [folder.join(format!("{name}.pem")), folder.join(format!("{name}-key.pem"))];
    std::fs::write(&files[0], made.cert.pem()).expect("a file");
    std::fs::write(&files[1], made.signing_key.serialize_pem()).expect("a file");
    files.map(|file| file.to_str().expect("a path").to_owned())
}

#[test]
fn tls_and_certificates_of_clients() {
    let folder = TempDir::new().expect("a folder");
    let [certificate_file, key] = certificate(folder.path(), "server");
    let [client, client_key] = certificate(folder.path(), "client");
    let [stranger, stranger_key] = certificate(folder.path(), "stranger");
    let tls = format!("certificate = {certificate_file:?}\nkey = {key:?}\nclient_ca = {client:?}\n{LISTENER}");
    let broker = Broker::start_in(folder, &tls);
    let http = format!("https://{}", broker.http);
    let status = |more: &[&str]| run(&[&["status", "--http", &http], more].concat());
    for (more, said) in [
        (&[][..], "--ca"),
        (&["--ca", &certificate_file][..], "--certificate"),
        (&["--ca", &stranger], "certificate"),
        (&["--ca", &certificate_file, "--certificate", &stranger, "--key", &stranger_key], ""),
    ] {
        let output = status(more);
        assert!(!output.status.success() && text(&output).contains(said), "{more:?}: {}", text(&output));
    }
    let right = status(&["--ca", &certificate_file, "--certificate", &client, "--key", &client_key]);
    assert!(right.status.success(), "{}", text(&right));
    assert!(!ask(broker.http, &get("/livez", "")).contains("alive"), "not without TLS");
}

#[test]
fn requests_that_are_none_are_answered_within_bounds() {
    let broker = Broker::start(LISTENER);
    for (request, wanted) in [
        (b"AMQP\x00\x01\x00\x00 and more of it\r\n\r\n".to_vec(), "400"),
        (b"GET /livez HTTP/1.1\r\nno field\r\n\r\n".to_vec(), "400"),
        (get("/livez", &format!("x: {}\r\n", "y".repeat(20_000))), "431"),
        (get("/livez", &"x: y\r\n".repeat(100)), "431"),
        ([b"POST /state HTTP/1.1\r\nContent-Length: 30000\r\n\r\n".to_vec(), vec![b'x'; 30_000]].concat(), "405"),
        (get("/nothing", ""), "404"),
        (get("/livez?verbose=1", ""), "200"),
    ] {
        let answer = ask(broker.http, &request);
        assert_eq!(status(&answer), wanted, "{}: {answer}", String::from_utf8_lossy(&request[..30.min(request.len())]));
    }
    let head = ask(broker.http, b"HEAD /metrics HTTP/1.1\r\n\r\n");
    let (_, body) = head.split_once("\r\n\r\n").expect("a head");
    assert!(status(&head) == "200" && body.is_empty() && head.contains("Content-Length: "), "{head}");
}

#[test]
fn peers_that_say_nothing_keep_nobody_out() {
    let broker = Broker::start(LISTENER);
    let mut silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(broker.http).expect("it accepts")).collect();
    for stream in &mut silent {
        stream.write_all(b"GET /sta").expect("it is taken");
    }
    // They ask at once, too.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for path in ["/livez", "/readyz", "/metrics"] {
                    let answered = wait_for("an answer", || {
                        let answer = ask(broker.http, &get(path, "Host: localhost\r\n"));
                        (status(&answer) == "200").then_some(answer)
                    });
                    assert!(answered.contains("Connection: close"), "{answered}");
                }
            });
        }
    });
    let tasks = std::fs::read_dir(format!("/proc/{}/task", broker.process.id())).expect("its threads").count();
    assert!(tasks < 100, "{tasks} threads are bounded");
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut answer = Vec::new();
        // Closed by an answer, or to make room.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || status(&answer) == "408", "{answer}");
    }
}

/// Labels of a sample.
type Labels = BTreeMap<String, String>;

/// A sample's name, labels and value, as the text format says.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = match line.split_once('{') {
        Some((_, rest)) => {
            let end = rest.rfind("} ").unwrap_or_else(|| panic!("labels end: {line}"));
            (&line[..line.len() - rest.len() + end + 1], &rest[end + 2..])
        }
        None => line.split_once(' ').unwrap_or_else(|| panic!("a value: {line}")),
    };
    let (name, inside) = series.split_once('{').map_or((series, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
    let mut labels = Labels::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("a label: {line}"));
        assert!(is_name(label) && !label.contains(':') && !label.starts_with("__"), "{line}");
        let (mut value, mut letters) = (String::new(), after.char_indices());
        let end = loop {
            match letters.next() {
                Some((at, '"')) => break at,
                Some((_, '\\')) => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, letter @ ('\\' | '"'))) => value.push(letter),
                    other => panic!("{other:?} cannot be escaped: {line}"),
                },
                Some((_, letter)) => value.push(letter),
                None => panic!("a label's value ends: {line}"),
            }
        };
        assert!(labels.insert(label.to_owned(), value).is_none(), "a label twice: {line}");
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("a number: {line}")))
}

fn is_name(name: &str) -> bool {
    let first = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_' || letter == ':');
    first && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':')
}

/// Reads metrics as strictly as the format allows: each family once and together, HELP before TYPE before samples, no sample twice.
fn strictly(text: &str) -> BTreeMap<String, Vec<(Labels, f64)>> {
    assert!(text.ends_with('\n') && !text.contains('\r'));
    let mut families: BTreeMap<String, Vec<(Labels, f64)>> = BTreeMap::new();
    let (mut helped, mut family, mut seen) = (String::new(), (String::new(), String::new()), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help");
            assert!(is_name(name) && help.len() > 1 && !families.contains_key(name), "{line}");
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(name == helped && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "a counter ends in _total: {line}");
            let units = ["_ms", "_us", "_ns", "_mib", "_kib", "_percent", "_minutes"];
            assert!(!units.iter().any(|unit| name.trim_end_matches("_total").ends_with(unit)), "a base unit: {line}");
            families.insert(name.to_owned(), Vec::new());
            family = (name.to_owned(), kind.to_owned());
        } else {
            let (name, labels, value) = sample(line);
            let of = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| name.strip_suffix(part));
            let of = if family.1 == "histogram" { of.unwrap_or_else(|| panic!("a part of it: {line}")) } else { &name };
            assert_eq!(of, family.0, "families are together: {line}");
            assert_eq!(labels.contains_key("le"), name.ends_with("_bucket") && family.1 == "histogram", "{line}");
            assert!(value.is_finite() && (family.1 == "gauge" || value >= 0.0), "{line}");
            assert!(seen.insert((name.clone(), labels.clone())), "a sample twice: {line}");
            families.get_mut(of).expect("it has a type").push((labels, value));
        }
    }
    families
}

#[test]
fn metrics_can_be_read_strictly() {
    let folder = TempDir::new().expect("a folder");
    let users = folder.path().join("users");
    add_user(&users, "guest", "secret\n");
    let config = format!("[users]\nfile = {users:?}\n{LISTENER}\nmechanisms = [\"ANONYMOUS\", \"PLAIN\"]");
    let broker = Broker::start_in(folder, &config);
    assert_eq!(Peer::new(connect(broker.addresses[0])).plain("guest", "wrong"), OutcomeCode::Auth);
    assert_eq!(Peer::new(connect(broker.addresses[0])).plain("", "no name"), OutcomeCode::Auth);
    let mut peer = opened(&broker);
    peer.round_trip("a \"quoted\\ name\nof two lines{}");
    let refused = |families: &BTreeMap<String, Vec<(Labels, f64)>>, mechanism: &str, reason: &str| {
        let wanted = |labels: &Labels| labels["mechanism"] == mechanism && labels["reason"] == reason;
        families["heddle_logins_refused_total"].iter().find(|(labels, _)| wanted(labels)).map(|(_, value)| *value)
    };
    let families = wait_for("both refused logins", || {
        let answer = ask(broker.http, &get("/metrics", ""));
        assert!(answer.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
        let families = strictly(answer.split_once("\r\n\r\n").expect("a body").1);
        let both = [refused(&families, "PLAIN", "credentials"), refused(&families, "PLAIN", "exchange")];
        (both == [Some(1.0); 2]).then_some(families)
    });
    assert_eq!(refused(&families, "ANONYMOUS", "credentials"), Some(0.0));
    let queue = &families["heddle_queue_enqueued_total"][0].0;
    assert_eq!(queue["queue"], "a \"quoted\\ name\nof two lines{}");
    let one = |name: &str| match families[name].as_slice() {
        [(labels, value)] => (labels.clone(), *value),
        others => panic!("{name} is one: {others:?}"),
    };
    assert_eq!(one("heddle_build_info"), (Labels::from([("version".into(), env!("CARGO_PKG_VERSION").into())]), 1.0));
    assert!(one("process_resident_memory_bytes").1 > 1e6);
    assert!(one("process_open_fds").1 > 5.0 && one("process_max_fds").1 >= one("process_open_fds").1);
    assert!(one("process_threads").1 >= 3.0 && one("process_cpu_seconds_total").1 > 0.0);
    assert!(one("heddle_uptime_seconds").1 < 3600.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later").as_secs_f64();
    assert!((now - one("process_start_time_seconds").1).abs() < 3600.0);
    assert_eq!(one("heddle_queue_messages").1, 1.0);
    let left_out = |families: &BTreeMap<String, Vec<(Labels, f64)>>, of: &str| {
        let wanted = families["heddle_series_left_out"].iter().find(|(labels, _)| labels["of"] == of);
        wanted.map(|(_, count)| *count)
    };
    assert_eq!((left_out(&families, "queue"), left_out(&families, "connection")), (Some(0.0), Some(0.0)));
    for (query, series, left) in [("?most=0", 0, 1.0), ("?queues=a%20%22", 1, 0.0), ("?queues=b", 0, 0.0)] {
        let answer = ask(broker.http, &get(&format!("/metrics{query}"), ""));
        let families = strictly(answer.split_once("\r\n\r\n").expect("a body").1);
        assert_eq!(families["heddle_queue_messages"].len(), series, "{query}");
        assert_eq!(left_out(&families, "queue"), Some(left), "{query}");
        let queues: f64 = families["heddle_shard_queues"].iter().map(|(_, queues)| queues).sum();
        assert_eq!(queues, 1.0, "shards count all");
    }
    let documented = include_str!("../../docs/monitoring.md");
    assert!(families.keys().all(|family| documented.contains(&format!("`{family}`"))), "{:?}", families.keys());
    let state = broker.state();
    assert!(state["process"]["resident_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{state}");
    assert_eq!(state["logins_refused"].as_array().map(Vec::len), Some(9));
}
