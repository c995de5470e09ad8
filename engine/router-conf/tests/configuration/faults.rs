//! Everything that is refused: each with its line, what is wrong and what to do.

use engine_router_conf::limits::{DEPTH_MAX, FAULTS_MAX, FILE_OCTETS_MAX, VALUE_OCTETS_MAX};

use super::read;

/// All faults of a text, a line each.
fn faults(name: &str, text: &str) -> Vec<String> {
    match read(name, text).configuration {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// Texts with all their faults.
type Cases<'a> = &'a [(&'a str, &'a [&'a str])];

/// Each text has these faults and no others.
fn check(cases: Cases<'_>) {
    for (text, wanted) in cases {
        assert_eq!(&faults("a.conf", text), wanted, "{text}");
    }
}

/// Lines that are neither the first nor the last of a section, nor an attribute.
const LINES: Cases<'_> = &[
    (
        "",
        &[
            "a.conf: the file is empty: write at least a router section: `router {`, its attributes, and `}`, each on a line",
        ],
    ),
    (
        "router {\n mode = edge\n}\n",
        &["a.conf:2: this line is not understood: 'mode = edge': an attribute has a colon: write `mode: VALUE`"],
    ),
    (
        "connector {\n saslPassword = secret\n}\n",
        &[
            "a.conf:2: this line is not understood: 'saslPassword'…: an attribute has a colon: write `saslPassword: VALUE`",
        ],
    ),
    (
        "router\n{\n}\n",
        &[
            "a.conf:1: this line is not understood: 'router': write `name {` to begin a section, `name: value` for an attribute, `}` to \
             end a section",
            "a.conf:2: this line is not understood: '{': an opening brace ends the line of its section's name: write `router {`",
            "a.conf:3: this brace closes nothing: leave it out, or look above for a section that lost its first line",
        ],
    ),
    (
        "mode: edge\n",
        &[
            "a.conf:1: the attribute 'mode' stands in no section: write it between the braces of a section, or look above for a brace too \
             many",
        ],
    ),
    (
        "router: {\n mode: edge\n}\n",
        &["a.conf:1: the attribute 'router' stands in no section: a section has no colon: write `router {`"],
    ),
    (
        "router {\n mode: edge\n",
        &[
            "a.conf:2: the file ends before 'router' of line 1 is closed: write `}` on a line of its own behind its last attribute",
        ],
    ),
    (
        "router {\n mode: edge\nlistener {\n}\n",
        &[
            "a.conf:3: 'listener' begins before 'router' of line 1 is closed: write `}` on a line of its own behind its last attribute",
        ],
    ),
    (
        "router {\n mode: edge } x\n} }\n}\n",
        &[
            "a.conf:2: 'mode' of router is 'edge } x': it takes standalone, interior, edge",
            "a.conf:3: this line is not understood: '} }': a closing brace stands alone on its line",
        ],
    ),
    (
        "router { mode: edge } x\n",
        &[
            "a.conf:1: this line is not understood: 'router { mode: edge } x': the opening brace ends its line, and the closing one stands \
             alone on its own",
        ],
    ),
    (
        "router { edge }\n",
        &["a.conf:1: 'router' has something else than attributes: write `name: value`, with commas between attributes"],
    ),
    (
        "vhost {\n hostname: a\n groups {\n }\n}\n",
        &["a.conf:3: 'groups' is no section, and stands within one: a map has a colon: write `groups: {`"],
    ),
    (
        "router {\n id: \"a\n}\n",
        &[
            "a.conf:2: the value of 'id' begins with a quotation mark and is no quoted text: end it with a quotation mark, with \\\" and \\\\ \
             for those within, and nothing behind it",
        ],
    ),
    (
        "router {\n id: ${NOTHING}\n}\n",
        &[
            "a.conf:2: the environment has no variable NOTHING: set it, or write $${NOTHING} if the text itself is meant",
        ],
    ),
];

#[test]
fn lines_that_are_not_understood() {
    check(LINES);
}

#[test]
fn json_that_is_none() {
    let open = "listener {\n openProperties: {\n";
    check(&[
        (
            &format!("{open} \"a\": 1,\n }}\n}}\n"),
            &[
                "a.conf:4: this is no JSON (trailing comma): mend it: names and texts in quotation marks, commas between members and behind none",
            ],
        ),
        (
            &format!("{open} \"a\": 1\n"),
            &[
                "a.conf:2: the braces of 'openProperties' are not closed: write a `}` for each `{` of its map",
                "a.conf:3: the file ends before 'listener' of line 1 is closed: write `}` on a line of its own behind its last attribute",
            ],
        ),
        (
            &format!("{open} \"a\": 1\n }} x\n}}\n"),
            &["a.conf:4: 'openProperties' goes on behind its closing brace: write what follows on a line of its own"],
        ),
        (
            &format!("{open} \"a\": {}1{}\n }}\n}}\n", "{\"x\":".repeat(10), "}".repeat(10)),
            &["a.conf:3: maps are more than 8 deep: no attribute has so many: leave some out"],
        ),
    ]);
    for (text, wanted) in [
        ("{}", "a.json:1: this is no JSON (invalid type: map, expected a sequence): "),
        ("[\n[\"router\", {\"id\": }]]", "a.json:2: this is no JSON (expected value): "),
        (
            "[\n\n[\"router\"]]",
            "a.json:3: this is no pair of a section's name and its attributes: write a list of two: ",
        ),
        ("[\n[\"router\", 3]]", "a.json:2: the attributes of a section are an object: write an object: [\"router\", {"),
        ("[[\"router\",\n{\"id\":\n\"${NOTHING}\"}]]", "a.json:3: the environment has no variable NOTHING: "),
        (
            "[[\"router\",\n{\"workerThreads\": 1.5}]]",
            "a.json:2: 'workerThreads' of router is '1.5': it takes a whole number from 1 on",
        ),
        (
            "[[\"router\",\n{\"workerThreads\": {}}]]",
            "a.json:2: 'workerThreads' of router is a map: it takes a whole number from 1 on",
        ),
        ("[[\"listener\",\n{\"http\": 1}]]", "a.json:2: 'http' of listener is '1': it takes yes or no"),
        (
            "[[\"connector\",\n{\"saslPassword\": [1]}]]",
            "a.json:2: 'saslPassword' of connector is no text: it takes text",
        ),
    ] {
        let told = faults("a.json", text);
        assert!(told.len() == 1 && told[0].starts_with(wanted), "{text}: {told:?}");
    }
}

/// Names that the table does not have, or not any more.
const NAMES: Cases<'_> = &[
    ("listner {\n}\n", &["a.conf:1: No such entity type 'listner': did you mean `listener`?"]),
    (
        "include {\n}\n",
        &[
            "a.conf:1: No such entity type 'include': there are router, listener, connector, log, address, linkRoute, autoLink, sslProfile, \
             authServicePlugin, policy, vhost",
        ],
    ),
    (
        "listener {\n linkCapasity: 1\n}\n",
        &["a.conf:2: Unknown attribute 'linkCapasity' for 'listener': did you mean `linkCapacity`?"],
    ),
    (
        "policy {\n x: 1\n}\n",
        &[
            "a.conf:2: Unknown attribute 'x' for 'policy': there are maxConnections, maxMessageSize, enableVhostPolicy, \
             enableVhostNamePatterns, policyDir, defaultVhost, name",
        ],
    ),
    (
        "autoLink {\n address: a\n}\n",
        &["a.conf:1: autoLink has no 'direction', which is required: add `direction: …`; it takes in, out"],
    ),
    (
        "autoLink {\n address: a\n dir: in\n direction: out\n}\n",
        &["a.conf:4: 'direction' is 'direction', and 'dir' of line 3 is the same: write 'direction' only"],
    ),
    (
        "listener {\n certDb: a\n}\n",
        &[
            "a.conf:2: 'certDb' of listener is not taken any more: write an sslProfile section with certFile, privateKeyFile and \
             caCertFile, and its name here as sslProfile",
        ],
    ),
    (
        "tcpListener {\n port: 1\n x: y\n}\n",
        &[
            "a.conf:1: 'tcpListener' is not supported: Heddle's router speaks AMQP only: leave the section out, and keep the other router \
             for these connections",
        ],
    ),
    (
        "router {\n}\nrouter {\n}\n",
        &["a.conf:3: there is a second router; the first stands in line 1: write all attributes in one"],
    ),
];

#[test]
fn sections_and_attributes_that_are_none() {
    check(NAMES);
    for section in ["tcpConnector", "httpListener", "httpConnector", "exchange", "binding"] {
        let told = faults("a.conf", &format!("{section} {{\n}}\n"));
        assert!(told.len() == 1 && told[0].contains("is not supported: "), "{told:?}");
    }
}

/// Values of which the table has another kind.
const VALUES: Cases<'_> = &[
    (
        "router {\n mode: interier\n}\n",
        &["a.conf:2: 'mode' of router is 'interier': did you mean `interior`? it takes standalone, interior, edge"],
    ),
    ("router {\n mode: 3\n}\n", &["a.conf:2: 'mode' of router is '3': it takes standalone, interior, edge"]),
    ("listener {\n http: maybe\n}\n", &["a.conf:2: 'http' of listener is 'maybe': it takes yes or no"]),
    (
        "router {\n workerThreads: many\n}\n",
        &["a.conf:2: 'workerThreads' of router is 'many': it takes a whole number from 1 on"],
    ),
    (
        "router {\n workerThreads: 0\n}\n",
        &["a.conf:2: 'workerThreads' of router is '0': it takes a whole number from 1 on"],
    ),
    (
        "listener {\n cost: 4294967296\n}\n",
        &["a.conf:2: 'cost' of listener is '4294967296': it takes a whole number from 1 on"],
    ),
    (
        "address {\n prefix: a\n priority: 10\n}\n",
        &["a.conf:3: 'priority' of address is '10': it takes a whole number from -1 to 9"],
    ),
    (
        "address {\n prefix: a\n egressPhase: -1\n}\n",
        &["a.conf:3: 'egressPhase' of address is '-1': it takes a whole number from 0 to 9"],
    ),
    ("listener {\n openProperties: a\n}\n", &["a.conf:2: 'openProperties' of listener is 'a': it takes a map in JSON"]),
    ("listener {\n host: {\n }\n}\n", &["a.conf:2: 'host' of listener is a map: it takes text"]),
    (
        "listener {\n port: 65536\n}\n",
        &[
            "a.conf:2: 'port' of listener is '65536': it takes a number up to 65535, or a service name such as amqp or amqps",
        ],
    ),
    (
        "connector {\n port: 0\n}\n",
        &["a.conf:2: 'port' of connector is '0', where nothing listens: write the port of the other end's listener"],
    ),
    (
        "connector {\n host: a b\n}\n",
        &[
            "a.conf:2: 'host' of connector is 'a b', which has a blank: write one name or address; for several write several sections",
        ],
    ),
    (
        "connector {\n saslPassword: env:\n}\n",
        &["a.conf:2: 'saslPassword' of connector is not taken: write a name behind env: and a path behind file:"],
    ),
    (
        "log {\n module: DEFAULT\n enable: inf+\n}\n",
        &[
            "a.conf:3: 'enable' of log is 'inf+': it takes trace, debug, info, notice, warning, error, critical with commas between, each \
             with + for those above it; or none; or default",
        ],
    ),
    (
        "log {\n module: SERVR\n}\n",
        &[
            "a.conf:2: 'module' of log is 'SERVR': did you mean `SERVER`? it takes ROUTER, ROUTER_CORE, ROUTER_HELLO, ROUTER_LS, ROUTER_MA, \
             MESSAGE, SERVER, AGENT, AUTHSERVICE, CONTAINER, ERROR, POLICY, HTTP, CONN_MGR, PYTHON, PROTOCOL, DEFAULT",
        ],
    ),
    (
        "sslProfile {\n name: a\n protocols: SSLv3\n uidFormat: c;x\n}\n",
        &[
            "a.conf:3: 'protocols' of sslProfile is 'SSLv3': it takes TLSv1, TLSv1.1, TLSv1.2, TLSv1.3 with blanks between",
            "a.conf:4: 'uidFormat' of sslProfile is 'c;x': it takes letters of c s l o u n 1 2 5 with semicolons between",
        ],
    ),
    (
        "router {\n id: a b\n}\n",
        &[
            "a.conf:2: 'id' of router is 'a b', which has a blank or control character: write a name of letters, digits, dots and hyphens, \
             another one for each router; host names are",
        ],
    ),
];

#[test]
fn values_that_are_none() {
    check(VALUES);
}

/// Listeners and connectors against the mode, and against what they name.
const CONNECTIONS: Cases<'_> = &[
    (
        "listener {\n role: inter-router\n}\n",
        &[
            "a.conf:2: 'role' of listener is inter-router, and the router's mode is standalone: such a listener needs `mode: interior` in the \
             router section",
        ],
    ),
    (
        "router {\n mode: edge\n}\nlistener {\n role: edge\n}\nconnector {\n role: edge\n}\n",
        &[
            "a.conf:5: 'role' of listener is edge, and the router's mode is edge: such a listener needs `mode: interior` in the router section",
        ],
    ),
    (
        "router {\n mode: interior\n}\nlistener {\n role: edge\n}\nconnector {\n role: edge\n}\n",
        &[
            "a.conf:8: 'role' of connector is edge, and the router's mode is interior: such a connector needs `mode: edge` in the router section",
        ],
    ),
    (
        "sslProfile {\n name: clients\n}\nlistener {\n sslProfile: client\n}\n",
        &["a.conf:5: 'sslProfile' of listener is 'client', and there is no such sslProfile: did you mean `clients`?"],
    ),
    (
        "listener {\n saslPlugin: p\n requireSsl: yes\n}\n",
        &[
            "a.conf:2: 'saslPlugin' of listener is 'p', and there is no such authServicePlugin: write the section: `authServicePlugin {`, \
             `name: p`, its attributes, `}`",
            "a.conf:3: 'requireSsl' of listener is yes, and it has no 'sslProfile': name an sslProfile, or no connection could be made",
        ],
    ),
    (
        "listener {\n openProperties: {\"product\": 1, \"qd.x\": 2, \"mine\": 3}\n}\n",
        &[
            "a.conf:2: 'openProperties' of listener has 'product', which is the router's own: call it something else",
            "a.conf:2: 'openProperties' of listener has 'qd.x', which is the router's own: call it something else",
        ],
    ),
    (
        "router { mode: edge }\nconnector {\n role: edge\n openProperties: {}\n}\n",
        &["a.conf:4: 'openProperties' of connector cannot be with role edge: leave them out: routers have their own"],
    ),
    (
        "listener {\n port: 1\n}\nlistener {\n port: 1\n}\n",
        &["a.conf:4: the listener of line 1 has ':1' too: give this one another port or host, or leave one out"],
    ),
    (
        "connector {\n name: a\n}\nconnector {\n port: 1\n name: a\n}\n",
        &["a.conf:6: the connector of line 1 is called 'a' too: give each a name of its own"],
    ),
    (
        "log {\n module: AGENT\n}\nlog {\n module: AGENT\n}\n",
        &["a.conf:4: the log of line 1 is called 'log/AGENT' too: write all attributes of a module in one section"],
    ),
    (
        "authServicePlugin {\n name: a\n}\nsslProfile {\n name: a\n password: b\n passwordFile: c\n}\n",
        &[
            "a.conf:1: authServicePlugin has no 'host': add `host: …`, the address or name of the service",
            "a.conf:7: sslProfile has 'password' and 'passwordFile': write one of both: `password: file:PATH` is the first line of a file",
        ],
    ),
];

#[test]
fn connections_that_cannot_be() {
    check(CONNECTIONS);
}

/// Addresses, and links to brokers.
const ADDRESSES: Cases<'_> = &[
    (
        "address {\n prefix: a\n pattern: b\n}\nlinkRoute {\n direction: in\n}\n",
        &[
            "a.conf:3: address has 'prefix' and 'pattern': write one of both: a prefix is the pattern with `/#` behind it",
            "a.conf:5: linkRoute has neither 'prefix' nor 'pattern': add `prefix: …` for addresses that begin so, or `pattern: …` with * and #",
        ],
    ),
    (
        "address {\n prefix: /\n}\n",
        &[
            "a.conf:2: 'prefix' of address is '/', which no address has: write the addresses' first tokens; for all addresses write \
             `pattern: #`",
        ],
    ),
    (
        "address {\n prefix: a.b\n}\naddress {\n pattern: /a/b/#\n}\n",
        &["a.conf:4: the address of line 1 is for the same addresses: leave one out"],
    ),
    (
        "address {\n prefix: a\n waypoint: yes\n enableFallback: yes\n}\n",
        &[
            "a.conf:4: 'enableFallback' of address cannot be with 'waypoint' or phases: write one of them; a fallback has a phase of its own",
        ],
    ),
    (
        "autoLink {\n address: a\n direction: in\n connection: c\n containerId: d\n}\n",
        &[
            "a.conf:5: autoLink has 'connection' and 'containerId': write one of both: the name of a connector or listener here, or the id of \
             the other end",
        ],
    ),
    (
        "fixedAddress {\n prefix: a\n fanout: single\n}\nfixedAddress {\n prefix: /a/\n phase: 1\n}\n",
        &[
            "a.conf:5: this fixedAddress is multicast, and that of line 1 with the same prefix is closest: give all phases of a prefix the same \
             fanout and bias",
        ],
    ),
    (
        "waypoint {\n address: a\n}\n",
        &["a.conf:1: waypoint has no 'connector', which is required: add `connector: …`; it takes text"],
    ),
];

#[test]
fn addresses_that_cannot_be() {
    check(ADDRESSES);
}

#[test]
fn policies_that_cannot_be() {
    let vhost = "vhost {\n hostname: a\n groups: {\n  one: {\n   users: ann\n";
    check(&[
        (
            &format!("{vhost}   sources: a\n   sourcePattern: b\n  }}\n  two: {{\n   users: bob, ann\n  }}\n }}\n}}\n"),
            &[
                "a.conf:7: the group 'one' has 'sources' and 'sourcePattern': write one of both; 'sourcePattern' can say all that 'sources' can",
                "a.conf:10: the user 'ann' is in the groups 'one' and 'two': leave the user in one",
            ],
        ),
        (
            &format!("{vhost}   maxSender: 1\n  }}\n  one: {{\n  }}\n  two: 3\n }}\n}}\n"),
            &[
                "a.conf:6: Unknown attribute 'maxSender' for 'vhostUserGroupSettings': did you mean `maxSenders`?",
                "a.conf:8: there is a second group 'one'; the first stands in line 4: write all settings in one",
                "a.conf:10: the group 'two' is no map: write a map of its settings: `name: {`, each on a line, and `}`",
            ],
        ),
        (
            "vhost {\n hostname: a\n}\nvhost {\n hostname: b\n aliases: c, a\n}\n",
            &["a.conf:4: the vhost of line 1 has the host name 'a' too: leave it out in one of them"],
        ),
        (
            "connector {\n policyVhost: a\n}\nvhost {\n hostname: a\n}\n",
            &[
                "a.conf:2: 'policyVhost' of connector is 'a', which has no group $connector: add the group $connector to the vhost, with what the \
             other end may do",
            ],
        ),
        (
            "connector {\n policyVhost: bee\n}\n",
            &[
                "a.conf:2: 'policyVhost' of connector is 'bee', and there is no such vhost: write a vhost section with that hostname and a group \
             $connector",
            ],
        ),
        // Vhosts of the directory are not known here.
        ("connector {\n policyVhost: bee\n}\npolicy {\n policyDir: /etc/policies\n}\n", &[]),
    ]);
}

#[test]
fn all_faults_are_told_and_bounded() {
    let text = "router {\n mode: x\n x: y\n}\nlistener {\n port: 70000\n}\nz {\n}\n";
    assert_eq!(faults("a.conf", text).len(), 4);
    let many = "x {\n}\n".repeat(1000);
    let read = read("a.conf", &many).configuration.unwrap_err();
    assert_eq!((read.count(), read.iter().count()), (1000, FAULTS_MAX));
    assert!(read.to_string().ends_with("… and 950 more"));
}

#[test]
fn files_are_bounded() {
    let told = faults("a.conf", &"#\n".repeat(FILE_OCTETS_MAX / 2 + 1));
    assert!(told.len() == 1 && told[0].contains("octets, and 16777216 are read at most"), "{told:?}");
    let told = faults("a.conf", &format!("router {{\n metadata: {}\n}}\n", "x".repeat(VALUE_OCTETS_MAX + 1)));
    assert!(told.len() == 1 && told[0].starts_with("a.conf:2: the value has 65537 octets"), "{told:?}");
    let deep = format!("router {{\n{}{}}}\n", "a: {\n".repeat(1000), "}\n".repeat(1000));
    let told = faults("a.conf", &deep);
    assert!(told.iter().any(|fault| fault.contains(&format!("maps are more than {DEPTH_MAX} deep"))), "{told:?}");
    let lists =
        format!("[[\"listener\", {{\"openProperties\": {{\"a\": {}{}}}}}]]", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(faults("a.json", &lists).len(), 1);
    let maps = format!("[[\"listener\", {}1{}]]", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    assert!(!faults("a.json", &maps).is_empty());
}

#[test]
fn what_is_named_may_have_faults_of_its_own() {
    let vhost = "vhost {\n hostname: a\n groups: {\n  $connector: {\n   x: y\n  }\n }\n}\n";
    let profile = "sslProfile {\n name: p\n x: y\n}\n";
    for (text, faults_count) in [
        (format!("{vhost}connector {{\n policyVhost: a\n}}\n"), 1),
        ("vhost {\n hostname: a\n x: y\n}\nconnector {\n policyVhost: a\n}\n".to_owned(), 1),
        (format!("{profile}listener {{\n sslProfile: p\n}}\n"), 1),
        ("router {\n mode: interior\n x: y\n}\nlistener {\n role: inter-router\n}\n".to_owned(), 1),
    ] {
        assert_eq!(faults("a.conf", &text).len(), faults_count, "{text}");
    }
}
