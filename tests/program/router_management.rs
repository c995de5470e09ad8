//! Management of a router as tools of qdrouterd ask for it: the same requests, and the columns that they read.

use std::net::TcpStream;

use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{self, Attach, DeliveryState, Flow, Open, Performative, Role, Source, Target, Terminus};
use engine_management::{Answer, Request, Return};
use engine_message::value::{Map, Value};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, connect, opened};

const FILE: &str = "router {\n  id: A\n  mode: standalone\n}\nlistener {\n  host: 127.0.0.1\n  port: 0\n  role: normal\n  \
                    saslMechanisms: ANONYMOUS\n}\naddress {\n  prefix: near\n  distribution: closest\n}\n";
const PREFIX: &str = "org.apache.qpid.dispatch.";

/// Columns that `qdstat -l` asks for, and that it cannot do without.
const OF_LINKS: [&str; 19] = [
    "linkType",
    "linkDir",
    "connectionId",
    "identity",
    "peer",
    "owningAddr",
    "capacity",
    "undeliveredCount",
    "unsettledCount",
    "deliveryCount",
    "presettledCount",
    "acceptedCount",
    "rejectedCount",
    "releasedCount",
    "modifiedCount",
    "creditAvailable",
    "zeroCreditSeconds",
    "linkName",
    "priority",
];
/// The same of `qdstat -c`.
const OF_CONNECTIONS: [&str; 12] = [
    "identity",
    "host",
    "container",
    "role",
    "protocol",
    "dir",
    "isAuthenticated",
    "isEncrypted",
    "opened",
    "active",
    "uptimeSeconds",
    "properties",
];
/// The same of `qdstat -a`.
const OF_ADDRESSES: [&str; 13] = [
    "distribution",
    "inProcess",
    "subscriberCount",
    "remoteCount",
    "containerCount",
    "deliveriesIngress",
    "deliveriesEgress",
    "deliveriesRedirectedToFallback",
    "deliveriesTransit",
    "deliveriesToContainer",
    "deliveriesFromContainer",
    "name",
    "priority",
];
/// The same of `qdstat -g`.
const OF_ROUTER: [&str; 24] = [
    "version",
    "mode",
    "id",
    "workerThreads",
    "uptimeSeconds",
    "memoryUsage",
    "area",
    "linkRouteCount",
    "autoLinkCount",
    "linkCount",
    "nodeCount",
    "addrCount",
    "connectionCount",
    "presettledDeliveries",
    "droppedPresettledDeliveries",
    "acceptedDeliveries",
    "rejectedDeliveries",
    "releasedDeliveries",
    "modifiedDeliveries",
    "deliveriesIngress",
    "deliveriesEgress",
    "deliveriesTransit",
    "deliveriesRedirectedToFallback",
    "identity",
];

fn router(shards: u16) -> Broker {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("r.conf");
    std::fs::write(
        &file,
        FILE.replace("  mode: standalone\n", &format!("  mode: standalone\n  workerThreads: {shards}\n")),
    )
    .expect("a file");
    Broker::start_router(folder, &file)
}

pub fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn texts(names: &[&str]) -> Value {
    Value::List(names.iter().map(|name| text(name)).collect())
}

/// A client of management.
pub struct Tool {
    peer: Peer<TcpStream>,
    reply_to: String,
    asked: u32,
    /// The address that requests name, if their link does not.
    to: &'static str,
}

impl Tool {
    /// One whose requests go on a link to `address`; an empty one is the anonymous relay's.
    pub fn new(router: &Broker, address: &str) -> Self {
        let mut peer = opened(router);
        let source = Source::from(Terminus { dynamic: true, ..Terminus::default() });
        let attach = Attach {
            source: Some(source),
            target: Some(Target::Node(Terminus::default())),
            ..Attach::new("answers", 1, Role::Receiver)
        };
        peer.put(&Performative::Attach(Box::new(attach)));
        let (answer, refused) = peer.answer("answers");
        assert_eq!(refused, None);
        let reply_to = answer.source.and_then(|source| source.terminus.address).expect("an address");
        peer.put(&Performative::Flow(Flow {
            next_incoming_id: Some(0),
            incoming_window: 1000,
            handle: Some(1),
            link_credit: Some(1000),
            ..Flow::default()
        }));
        peer.attach_sender(address);
        Self { peer, reply_to, asked: 0, to: "_topo/0/A/$management" }
    }

    fn ask(&mut self, request: &Request) -> Answer {
        let correlation = Some(Value::Ulong(self.asked.into()));
        let back = Return { to: self.reply_to.clone(), correlation: correlation.clone() };
        self.peer.send_encoded(self.asked, &request.encode(self.to, &back));
        self.asked += 1;
        let (answer, about) = Answer::read(&self.message()).expect("an answer");
        assert_eq!(about, correlation);
        answer
    }

    /// The next message, of as many frames as it has.
    fn message(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let (_, body) = self.peer.frame().expect("the router goes on");
            let Ok((Performative::Transfer(transfer), payload)) = performative::decode(&body) else { continue };
            message.extend(payload);
            if !transfer.more {
                return message;
            }
        }
    }

    pub fn of_node(&mut self, operation: &str, properties: &[(&'static str, Value)], body: Map) -> Answer {
        let mut request = Request::new(operation, "org.amqp.management", Some("self"));
        properties.iter().for_each(|(name, value)| request.properties.set(name, value.clone()));
        request.body = body;
        self.ask(&request)
    }

    /// Rows of a type with these columns.
    fn query(&mut self, kind: &str, columns: &[&str], from: [i32; 2]) -> Vec<Vec<Value>> {
        let properties = [
            ("entityType", Value::String(format!("{PREFIX}{kind}"))),
            ("offset", Value::Int(from[0])),
            ("count", Value::Int(from[1])),
        ];
        let answer = self.of_node("QUERY", &properties, Map(vec![(text("attributeNames"), texts(columns))]));
        assert_eq!(answer.code, 200, "{}", answer.description);
        let Value::Map(body) = answer.body else { panic!("a map") };
        assert_eq!(body.get("attributeNames"), Some(&texts(columns)), "{kind} has each column");
        let Some(Value::List(rows)) = body.get("results") else { panic!("rows") };
        let row = |row: &Value| match row {
            Value::List(cells) => cells.clone(),
            other => panic!("no row: {other:?}"),
        };
        rows.iter().map(row).collect()
    }

    pub fn all(&mut self, kind: &str, columns: &[&str]) -> Vec<Vec<Value>> {
        self.query(kind, columns, [0, 500])
    }

    pub fn entity(
        &mut self,
        operation: &str,
        kind: &str,
        (by, named): (&'static str, &str),
        body: &[(&str, Value)],
    ) -> Answer {
        let mut request = Request::new(operation, &format!("{PREFIX}{kind}"), None);
        request.properties.set(by, text(named));
        request.body = Map(body.iter().map(|(name, value)| (text(name), value.clone())).collect());
        self.ask(&request)
    }
}

fn has(row: &[Value], columns: &[&str], column: &str, wanted: &Value) -> bool {
    let at = columns.iter().position(|name| *name == column).expect(column);
    row.get(at) == Some(wanted)
}

#[test]
fn what_qdstat_shows_is_told_with_one_shard_and_several() {
    for shards in [1, 2] {
        let router = router(shards);
        let mut receiver = opened(&router);
        receiver.attach_receiver("near.q", 10);
        let mut sender = opened(&router);
        sender.attach_sender("near.q");
        for (number, state) in [DeliveryState::Accepted, DeliveryState::Released].into_iter().enumerate() {
            sender.send_message(number as u32, Durable::No, b"x");
            let (delivery, _) = receiver.receive();
            receiver.decide(delivery, state);
            sender.state();
        }
        let mut tool = Tool::new(&router, "$management");
        assert!(tool.reply_to.starts_with("amqp:/_topo/0/A/"), "consoles take the id from it: {}", tool.reply_to);
        let about = tool.all("router", &OF_ROUTER);
        let [about] = &about[..] else { panic!("one router") };
        assert!(about.iter().all(|cell| *cell != Value::Null), "{about:?}");
        assert!(has(about, &OF_ROUTER, "id", &text("A")) && has(about, &OF_ROUTER, "mode", &text("standalone")));
        assert!(has(about, &OF_ROUTER, "releasedDeliveries", &Value::Ulong(1)));
        let connections = tool.all("connection", &OF_CONNECTIONS);
        assert_eq!(connections.len(), 3);
        assert!(connections.iter().flatten().all(|cell| *cell != Value::Null), "{connections:?}");
        let mut named = Peer::new(connect(router.addresses[0]));
        named.header(ProtocolHeader::Amqp);
        let mut open = Open { container_id: "named".to_owned(), ..Open::default() };
        open.properties.insert("product", text("console"));
        named.put(&Performative::Open(Box::new(open)));
        let said = wait_for("its connection", || {
            let rows = tool.all("connection", &["container", "properties"]);
            rows.into_iter().find(|row| row[0] == text("named")).map(|row| row[1].clone())
        });
        assert_eq!(said, Value::Map(Map(vec![(text("product"), text("console"))])), "consoles tell clients by it");
        let links = tool.all("router.link", &OF_LINKS);
        let of_near = |row: &&Vec<Value>| has(row, &OF_LINKS, "owningAddr", &text("M0near.q"));
        let near: Vec<_> = links.iter().filter(of_near).collect();
        assert_eq!(near.len(), 2, "{links:?}");
        for link in near {
            for (column, wanted) in
                [("deliveryCount", 2), ("acceptedCount", 1), ("releasedCount", 1), ("unsettledCount", 0)]
            {
                assert!(has(link, &OF_LINKS, column, &Value::Ulong(wanted)), "{column}: {link:?}");
            }
        }
        let addresses = wait_for("the address's figures", || {
            let rows = tool.all("router.address", &OF_ADDRESSES);
            let row = rows.iter().find(|row| has(row, &OF_ADDRESSES, "name", &text("M0near.q")))?.clone();
            // Each shard adds up what its own links carried, at a time of its own.
            let is_whole = |column| has(&row, &OF_ADDRESSES, column, &Value::Ulong(2));
            (is_whole("deliveriesEgress") && is_whole("deliveriesIngress")).then_some(row)
        });
        assert!(has(&addresses, &OF_ADDRESSES, "distribution", &text("closest")));
        assert!(has(&addresses, &OF_ADDRESSES, "subscriberCount", &Value::Uint(1)));
        for none in
            ["router.node", "allocator", "vhost", "vhostStats", "router.config.autoLink", "router.config.linkRoute"]
        {
            assert_eq!(tool.all(none, &["name"]).len(), 0, "{none}");
        }
        let listeners = tool.all("listener", &["name", "host", "role", "saslMechanisms"]);
        assert_eq!(listeners, [[text("listener/127.0.0.1:0"), text("127.0.0.1"), text("normal"), text("ANONYMOUS")]]);
        assert_eq!(tool.all("router.config.address", &["prefix", "distribution"]), [[text("near"), text("closest")]]);
        assert_eq!(tool.all("log", &["module"]).len(), tool.all("logStats", &["infoCount"]).len());
    }
}

#[test]
fn rows_come_in_parts_each_once_and_by_name() {
    let router = router(2);
    let mut peer = opened(&router);
    for handle in 2..40 {
        let target = Some(Target::Node(Terminus::at(format!("many.{handle}"))));
        let attach = Attach {
            source: Some(Source::default()),
            target,
            ..Attach::new(format!("l{handle}"), handle, Role::Sender)
        };
        let name = attach.name.clone();
        peer.put(&Performative::Attach(Box::new(attach)));
        assert_eq!(peer.answer(&name).1, None);
    }
    let mut tool = Tool::new(&router, "$management");
    for count in [1, 7, 40, 41] {
        let mut names = Vec::new();
        loop {
            let rows = tool.query("router.link", &["linkName"], [names.len() as i32, count]);
            let is_last = rows.len() < count as usize;
            names.extend(rows.into_iter().flatten());
            if is_last {
                break;
            }
        }
        let mut sorted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((names.len(), sorted.len()), (40, 40), "{count} at a time");
    }
    // Parts that nobody asked for in their order are counted out.
    assert_eq!(tool.query("router.link", &["linkName"], [39, 5]).len(), 1);
    let rows = tool.query("router.link", &["linkName", "identity"], [3, 1]);
    let [name, Value::String(identity)] = &rows[0][..] else { panic!("a link") };
    let Value::Map(read) = tool.entity("READ", "router.link", ("identity", identity), &[]).body else {
        panic!("a map")
    };
    assert_eq!(read.get("linkName"), Some(name));
    let Value::Map(read) = tool.entity("READ", "listener", ("name", "listener/127.0.0.1:0"), &[]).body else {
        panic!("a map")
    };
    assert_eq!(read.get("type"), Some(&Value::String(format!("{PREFIX}listener"))));
}

#[test]
fn management_is_there_by_each_of_its_addresses_and_for_relays() {
    let router = router(1);
    for address in ["$management", "_local/$management", "amqp:/_topo/0/A/$management", "/$management", ""] {
        let mut tool = Tool::new(&router, address);
        let answer = tool.of_node("GET-MGMT-NODES", &[], Map::default());
        assert_eq!((answer.code, answer.body), (200, Value::List(Vec::new())), "{address}");
    }
    let mut peer = opened(&router);
    peer.attach_waiting_sender("_topo/0/B/$management");
    assert_eq!(peer.ask_for_credit(), 0, "nobody is there");
}

#[test]
fn a_router_is_managed_though_no_address_is_available() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("r.conf");
    let text = FILE.replace("  id: A\n", "  id: A\n  defaultDistribution: unavailable\n");
    std::fs::write(&file, text).expect("a file");
    let router = Broker::start_router(folder, &file);
    let mut tool = Tool::new(&router, "$management");
    assert_eq!(tool.all("router", &["defaultDistribution"]), [[self::text("unavailable")]]);
    let mut peer = opened(&router);
    let target = Some(Target::Node(Terminus::at("other")));
    let attach = Attach { source: Some(Source::default()), target, ..Attach::new("other", 0, Role::Sender) };
    peer.put(&Performative::Attach(Box::new(attach)));
    assert!(peer.answer("other").1.is_some(), "it is refused");
}

#[test]
fn types_attributes_operations_and_lines_of_the_log_are_told() {
    let router = router(1);
    let mut tool = Tool::new(&router, "$management");
    let about = [("entityType", Value::String(format!("{PREFIX}listener")))];
    let told = |answer: Answer| match answer.body {
        Value::Map(map) => map,
        other => panic!("no map: {other:?}"),
    };
    let listener = format!("{PREFIX}listener");
    let parents = [format!("{PREFIX}configurationEntity"), format!("{PREFIX}entity")];
    let types = told(tool.of_node("GET-TYPES", &about, Map::default()));
    assert_eq!(types.get(&listener), Some(&texts(&[&parents[0], &parents[1]])));
    let operations = told(tool.of_node("GET-OPERATIONS", &about, Map::default()));
    assert_eq!(operations.get(&listener), Some(&texts(&["CREATE", "READ", "DELETE"])));
    let attributes = told(tool.of_node("GET-ATTRIBUTES", &about, Map::default()));
    assert!(matches!(attributes.get(&listener), Some(Value::List(names)) if names.contains(&text("port"))));
    assert_eq!(told(tool.of_node("GET-ANNOTATIONS", &[], Map::default())), Map::default());
    assert!(told(tool.of_node("GET-SCHEMA", &[], Map::default())).get("entityTypes").is_some());
    assert!(
        matches!(tool.of_node("GET-JSON-SCHEMA", &[], Map::default()).body, Value::String(json) if json.contains("entityTypes"))
    );
    let lines = tool.of_node("GET-LOG", &[("limit", Value::Int(1))], Map::default()).body;
    let Value::List(lines) = lines else { panic!("lines") };
    let [Value::List(line)] = &lines[..] else { panic!("one line: {lines:?}") };
    assert!(
        matches!(&line[..], [Value::String(_), Value::String(_), Value::String(_), _, _, Value::Ulong(at)] if *at > 0)
    );
    let everything = tool.of_node("QUERY", &[], Map::default());
    assert_eq!(everything.code, 200);
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason() {
    let router = router(1);
    let mut tool = Tool::new(&router, "$management");
    let own = ("name", "listener/127.0.0.1:0");
    for (operation, kind, named, body, code, words) in [
        ("READ", "listener", ("name", "xx"), vec![], 404, "No entity with name=xx"),
        ("READ", "nosuch", ("name", "xx"), vec![], 400, "No such entity type"),
        ("FOO", "listener", own, vec![], 501, "Operation 'FOO' not implemented"),
        ("UPDATE", "listener", own, vec![("cost", Value::Int(2))], 501, "Operation 'UPDATE' not implemented"),
        ("CREATE", "listener", ("name", "x"), vec![("foo", Value::Int(1))], 400, "Unknown attribute 'foo'"),
        ("CREATE", "vhost", ("name", "x"), vec![("hostname", text("h"))], 501, "change the configuration"),
        ("DELETE", "vhost", ("name", "x"), vec![], 501, "change the configuration"),
        ("DELETE", "sslProfile", ("name", "x"), vec![], 404, "No entity with name=x"),
        ("DELETE", "router.link", ("identity", "1"), vec![], 403, "Forbidden"),
        ("UPDATE", "connection", ("identity", "999"), vec![("adminStatus", text("deleted"))], 404, "No entity"),
    ] {
        let answer = tool.entity(operation, kind, named, &body);
        assert!(answer.code == code && answer.description.contains(words), "{operation} {kind}: {answer:?}");
    }
}

#[test]
fn a_part_of_the_log_says_more_as_soon_as_it_is_told_to() {
    let router = router(1);
    let mut tool = Tool::new(&router, "$management");
    assert!(!router.log().contains("DEBUG"), "{}", router.log());
    let enable = |tool: &mut Tool, levels: &str| {
        tool.entity("UPDATE", "log", ("name", "log/SERVER"), &[("enable", text(levels))])
    };
    let answer = enable(&mut tool, "debug+");
    let Value::Map(row) = answer.body else { panic!("a map") };
    assert_eq!((answer.code, row.get("enable")), (200, Some(&text("debug+"))));
    drop(opened(&router));
    router.logged(&["DEBUG", "connection opened"]);
    let lines = tool.of_node("GET-LOG", &[], Map::default()).body;
    assert!(format!("{lines:?}").contains("connection opened"));
    assert_eq!(enable(&mut tool, "info").code, 501, "single levels are not logged");
    assert_eq!(enable(&mut tool, "default").code, 200);
    let row = tool.entity("READ", "log", ("identity", "log/SERVER"), &[]).body;
    assert!(matches!(row, Value::Map(row) if row.get("enable") == Some(&text("default"))));
}

#[test]
fn a_connection_is_closed_by_its_identity() {
    let router = router(2);
    let mut peer = opened(&router);
    peer.attach_waiting_sender("near.q");
    let mut tool = Tool::new(&router, "$management");
    let links = tool.all("router.link", &["owningAddr", "connectionId"]);
    let link = links.iter().find(|link| link[0] == text("M0near.q")).expect("the link");
    let Value::String(identity) = &link[1] else { panic!("an identity") };
    let answer = tool.entity("UPDATE", "connection", ("identity", identity), &[("adminStatus", text("deleted"))]);
    assert_eq!(answer.code, 200, "{}", answer.description);
    let error = peer.closed().expect("a reason");
    assert!(error.to_string().contains("management closed the connection"), "{error}");
    wait_for("its end", || (tool.all("connection", &["identity"]).len() == 1).then_some(()));
}
