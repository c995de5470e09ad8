//! Policies of a router, by files of qdrouterd: who may connect, what his links may be, and what his messages.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use amqp_codec::AmqpError;
use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{Attach, Begin, Detach, Open, Performative, Role, Source, Target, Terminus};
use amqp_codec::sasl::OutcomeCode;
use tempfile::TempDir;

use crate::broker::{Broker, add_user, heddle, text, wait_for};
use crate::peer::{Durable, End, Peer, connect};

const HEAD: &str = "router {\n    mode: standalone\n    id: R1\n}\nlistener {\n    host: 127.0.0.1\n    port: 0\n    authenticatePeer: no\n}\n";

/// Starts a router by a file that ends so. Nobody has a name there.
fn router(rest: &str) -> Broker {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("qdrouterd.conf");
    std::fs::write(&file, format!("{HEAD}{rest}")).expect("a file");
    Broker::start_router(folder, &file)
}

/// The same with the users ann and bob.
fn router_of_users(rest: &str) -> Broker {
    let folder = TempDir::new().expect("a folder");
    let (file, users) = (folder.path().join("qdrouterd.conf"), folder.path().join("users"));
    add_user(&users, "ann", "secret\n");
    add_user(&users, "bob", "secret\n");
    std::fs::write(&file, format!("{HEAD}{rest}")).expect("a file");
    Broker::start_router_with(folder, &file, |command| {
        command.arg("--users").arg(users);
    })
}

/// A vhost with one group for all, of such settings.
fn vhost(hostname: &str, settings: &str) -> String {
    let settings = settings.replace(" | ", "\n            ");
    format!(
        "policy {{\n    enableVhostPolicy: yes\n}}\nvhost {{\n    hostname: {hostname}\n    groups: {{\n        all: {{\n            users: *\n            \
         remoteHosts: *\n            {settings}\n        }}\n    }}\n}}\n"
    )
}

/// Opens a connection to a hostname; an empty user has no SASL. Gives it with the router's open, or why it is closed.
fn come(router: &Broker, user: &str, hostname: &str) -> Result<(Peer<TcpStream>, Open), AmqpError> {
    let mut peer = Peer::new(connect(router.addresses[0]));
    if !user.is_empty() {
        assert_eq!(peer.plain(user, "secret"), OutcomeCode::Ok);
    }
    assert_eq!(peer.header(ProtocolHeader::Amqp), Some(ProtocolHeader::Amqp));
    let hostname = Some(hostname.to_owned()).filter(|name| !name.is_empty());
    peer.put(&Performative::Open(Box::new(Open { container_id: format!("of-{user}"), hostname, ..Open::default() })));
    peer.put(&Performative::Begin(Box::new(Begin { incoming_window: 100, outgoing_window: 100, ..Begin::default() })));
    let mut theirs = None;
    let closed = peer.until(|performative| match performative {
        Performative::Open(open) => {
            theirs = Some((**open).clone());
            None
        }
        Performative::Begin(_) => Some(None),
        Performative::Close(close) => Some(Some(close.error.clone().expect("it says why"))),
        other => panic!("no answer to an open: {other:?}"),
    });
    match closed {
        None => Ok((peer, theirs.expect("an open comes first"))),
        Some(error) => Err(error),
    }
}

fn come_in(router: &Broker, user: &str, hostname: &str) -> Peer<TcpStream> {
    come(router, user, hostname).expect("it is let in").0
}

fn told(error: &AmqpError) -> (&str, &str) {
    (error.condition.as_str(), error.description.as_deref().unwrap_or_default())
}

const NOT_LET_IN: (&str, &str) = ("amqp:resource-limit-exceeded", "connection disallowed by local policy");
const NO_LINK: (&str, &str) = ("amqp:unauthorized-access", "link disallowed by local policy");
const NO_FURTHER_LINK: (&str, &str) = ("amqp:resource-limit-exceeded", "link disallowed by local policy");

/// A link of a peer.
#[derive(Clone, Debug)]
enum Link {
    Sends(Terminus),
    Receives(Terminus),
}

/// Attaches a link; gives what the router answers.
fn attach(peer: &mut Peer<TcpStream>, handle: u32, link: Link) -> (Attach, Option<AmqpError>) {
    let name = format!("link-{handle}");
    let (role, source, target) = match link {
        Link::Sends(target) => (Role::Sender, Terminus::default(), target),
        Link::Receives(source) => (Role::Receiver, source, Terminus::default()),
    };
    let attach = Attach {
        source: Some(Source::from(source)),
        target: Some(Target::Node(target)),
        ..Attach::new(name.as_str(), handle, role)
    };
    peer.put(&Performative::Attach(Box::new(attach)));
    let (answer, why) = peer.answer(&name);
    if why.is_some() {
        peer.put(&Performative::Detach(Detach { handle, closed: true, error: None }));
    }
    (answer, why)
}

/// What a link is told that is refused.
fn refused(peer: &mut Peer<TcpStream>, handle: u32, link: Link) -> Option<(String, String)> {
    let (_, why) = attach(peer, handle, link);
    why.map(|why| (why.condition.as_str().to_owned(), why.description.unwrap_or_default()))
}

fn owned((condition, description): (&str, &str)) -> Option<(String, String)> {
    Some((condition.to_owned(), description.to_owned()))
}

/// A message whose properties name a user and an address; empty: they do not.
fn message(user: &str, to: &str) -> Vec<u8> {
    let field = |code: u8, text: &str| match text.len() as u8 {
        0 => vec![0x40],
        size => [&[code, size][..], text.as_bytes()].concat(),
    };
    let fields = [vec![0x40], field(0xa0, user), field(0xa1, to)].concat();
    let properties = [&[0x00, 0x53, 0x73, 0xc0, fields.len() as u8 + 1, 3][..], &fields].concat();
    [&properties[..], &[0x00, 0x53, 0x75, 0xb0, 0, 0, 0, 2], b"hi"].concat()
}

#[test]
fn hostname_user_and_host_say_who_may_connect() {
    let group = |name: &str, settings: &str| format!("        {name}: {{\n            {settings}\n        }}\n");
    let router = router_of_users(&format!(
        "policy {{\n    enableVhostPolicy: yes\n}}\nvhost {{\n    hostname: shop\n    aliases: www.shop\n    groups: {{\n{}{}    }}\n}}\n\
         vhost {{\n    hostname: $default\n    allowUnknownUser: yes\n    groups: {{\n{}    }}\n}}\n",
        group("staff", "users: ann\n            remoteHosts: 127.0.0.0-127.0.0.255"),
        group("away", "users: bob\n            remoteHosts: 10.0.0.1"),
        group("$default", "remoteHosts: 127.0.0.1\n            sources: *"),
    ));
    for (user, hostname, is_let_in) in [
        ("ann", "shop", true),
        ("ann", "www.shop", true),
        ("bob", "shop", false),
        ("", "shop", false),
        ("bob", "elsewhere", true),
        ("", "", true),
    ] {
        match come(&router, user, hostname) {
            Ok(_) => assert!(is_let_in, "{user} {hostname}"),
            Err(error) => assert!(!is_let_in && told(&error) == NOT_LET_IN, "{user} {hostname}: {error}"),
        }
    }
    // Whoever runs it learns why.
    router.logged(&["connection closed with an error", "none of remoteHosts"]);
}

#[test]
fn a_listener_may_say_which_vhost() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("qdrouterd.conf");
    let head = HEAD.replace("    authenticatePeer", "    policyVhost: shop\n    authenticatePeer");
    let vhosts = vhost("shop", "sources: *") + "vhost {\n    hostname: closed\n}\n";
    std::fs::write(&file, head + &vhosts).expect("a file");
    let router = Broker::start_router(folder, &file);
    let mut peer = come_in(&router, "", "closed");
    assert_eq!(refused(&mut peer, 0, Link::Receives(Terminus::at("a"))), None);
    assert_eq!(refused(&mut peer, 1, Link::Sends(Terminus::at("a"))), owned(NO_LINK));
}

#[test]
fn connections_are_counted_over_all_shards() {
    let text = vhost("shop", "maxConnectionsPerUser: 3").replace("    groups", "    maxConnections: 5\n    groups");
    let router = router_of_users(&text);
    let mut anns: Vec<_> = (0..3).map(|_| come_in(&router, "ann", "shop")).collect();
    let error = come(&router, "ann", "shop").err().expect("a fourth of hers");
    assert_eq!(told(&error), NOT_LET_IN);
    let _bobs: Vec<_> = (0..2).map(|_| come_in(&router, "", "shop")).collect();
    let error = come(&router, "", "shop").err().expect("a sixth");
    assert_eq!(told(&error), NOT_LET_IN);
    drop(anns.pop());
    let bob = wait_for("a place to be there again", || come(&router, "", "shop").ok());
    anns.clear();
    drop(bob);
    // As many come as went.
    while anns.len() < 3 {
        anns.push(wait_for("the others' places", || come(&router, "ann", "shop").ok()).0);
    }
    assert!(come(&router, "ann", "shop").is_err() && come(&router, "", "shop").is_err());
}

#[test]
fn the_policy_bounds_all_connections() {
    let router = router("policy {\n    maxConnections: 2\n}\n");
    let both = [come_in(&router, "", ""), come_in(&router, "", "")];
    let mut third = Peer::new(connect(router.addresses[0]));
    assert_eq!(third.frame(), None, "it is closed at once");
    drop(both);
    wait_for("a place", || {
        let mut stream = connect(router.addresses[0]);
        // It may be closed before anything is written.
        let mut octets = [0; 8];
        stream.write_all(&ProtocolHeader::Amqp.bytes()).and_then(|()| stream.read_exact(&mut octets)).ok()
    });
}

#[test]
fn links_are_of_addresses_that_the_group_has() {
    let router = router_of_users(&vhost("shop", "sources: orders.*, tmp-${user} | targets: orders"));
    let mut ann = come_in(&router, "ann", "shop");
    let at = Terminus::at;
    let waypoint = Terminus { capabilities: vec!["qd.waypoint".into()], ..at("orders") };
    for (handle, (link, wanted)) in (0..).zip([
        (Link::Sends(at("orders")), None),
        (Link::Sends(at("orders.new")), Some(NO_LINK)),
        (Link::Receives(at("orders.new")), None),
        (Link::Receives(at("orders")), Some(NO_LINK)),
        (Link::Receives(at("tmp-ann")), None),
        (Link::Receives(at("tmp-bob")), Some(NO_LINK)),
        (Link::Receives(Terminus::dynamic()), Some(NO_LINK)),
        (Link::Sends(Terminus::default()), Some(NO_LINK)),
        (Link::Sends(Terminus::dynamic()), Some(NO_LINK)),
        (Link::Sends(at("$management")), Some(NO_LINK)),
        (Link::Sends(waypoint), None),
    ]) {
        let shown = format!("{link:?}");
        assert_eq!(refused(&mut ann, handle, link), wanted.and_then(owned), "{shown}");
    }
    router.logged(&["a policy denied a link", "none of its targets"]);
    router.logged(&["a policy denied more links"]);
}

#[test]
fn rights_and_patterns_are_those_of_the_group() {
    let settings = "sourcePattern: \"news.#, ${user}.*\" | targetPattern: *.in | allowDynamicSource: yes | allowAnonymousSender: yes | allowWaypointLinks: no";
    let router = router_of_users(&vhost("shop", settings));
    let mut bob = come_in(&router, "bob", "shop");
    let at = Terminus::at;
    let waypoint = Terminus { capabilities: vec!["qd.waypoint.1".into()], ..at("a.in") };
    for (handle, (link, wanted)) in (0..).zip([
        (Link::Receives(at("news")), None),
        (Link::Receives(at("news/today")), None),
        (Link::Receives(at("bob.box")), None),
        (Link::Receives(at("ann.box")), Some(NO_LINK)),
        (Link::Sends(at("a.in")), None),
        (Link::Sends(at("in")), Some(NO_LINK)),
        (Link::Sends(waypoint), Some(NO_LINK)),
        (Link::Receives(Terminus::dynamic()), None),
        (Link::Sends(Terminus::default()), None),
    ]) {
        let shown = format!("{link:?}");
        assert_eq!(refused(&mut bob, handle, link), wanted.and_then(owned), "{shown}");
    }
}

#[test]
fn links_of_a_connection_are_counted_by_direction() {
    let router = router(&vhost("shop", "sources: * | targets: * | maxSenders: 2 | maxReceivers: 1"));
    let mut ann = come_in(&router, "", "shop");
    let (sends, receives) = (Link::Sends(Terminus::at("a")), Link::Receives(Terminus::at("a")));
    assert_eq!(refused(&mut ann, 0, sends.clone()), None);
    assert_eq!(refused(&mut ann, 1, receives.clone()), None);
    assert_eq!(refused(&mut ann, 2, receives.clone()), owned(NO_FURTHER_LINK));
    assert_eq!(refused(&mut ann, 3, sends.clone()), None);
    assert_eq!(refused(&mut ann, 4, sends.clone()), owned(NO_FURTHER_LINK));
    ann.put(&Performative::Detach(Detach { handle: 1, closed: true, error: None }));
    ann.detached();
    assert_eq!(refused(&mut ann, 5, receives), None, "the place of the one that went");
    assert_eq!(refused(&mut ann, 6, sends), owned(NO_FURTHER_LINK));
}

#[test]
fn an_anonymous_senders_messages_are_for_targets() {
    let router = router(&vhost("shop", "sources: * | targets: good* | allowAnonymousSender: yes"));
    let mut receiver = come_in(&router, "", "shop");
    receiver.attach_receiver("good.box", 10);
    let mut sender = come_in(&router, "", "shop");
    assert_eq!(refused(&mut sender, 0, Link::Sends(Terminus::default())), None);
    sender.send_encoded(0, &message("", "bad.box"));
    let (first, last, why) = sender.outcome();
    let why = why.expect("it is rejected");
    assert_eq!((first, last), (0, 0));
    assert!(why.contains("amqp:unauthorized-access") && why.contains("policy violation on target"), "{why}");
    sender.send_encoded(1, &message("", "good.box"));
    let (delivery, body) = receiver.receive();
    assert_eq!(body, b"hi", "the first that comes is the second that was sent");
    receiver.accept(delivery, delivery);
    assert_eq!(sender.outcome(), (1, 1, None));
}

#[test]
fn messages_name_nobody_but_their_own_user() {
    for (right, is_allowed) in [("no", false), ("yes", true)] {
        let router = router_of_users(&vhost("shop", &format!("sources: * | targets: * | allowUserIdProxy: {right}")));
        let mut receiver = come_in(&router, "", "shop");
        receiver.attach_receiver("box", 10);
        let mut sender = come_in(&router, "ann", "shop");
        sender.attach_sender("box");
        for (number, (user, is_hers)) in (0..).zip([("ann", true), ("", true), ("bob", false), ("ann", true)]) {
            sender.send_encoded(number, &message(user, ""));
            if is_hers || is_allowed {
                let (delivery, _) = receiver.receive();
                receiver.accept(delivery, delivery);
                assert_eq!(sender.outcome(), (number, number, None), "{user}");
            } else {
                let why = sender.outcome().2.expect("it is rejected");
                assert!(why.contains("amqp:unauthorized-access") && why.contains("user_id proxy violation"), "{why}");
            }
        }
    }
}

#[test]
fn bounds_are_announced_and_hold() {
    let settings = "sources: * | targets: * | maxFrameSize: 110000 | maxSessions: 3 | maxSessionWindow: 300000 | maxMessageSize: 50000";
    let router = router(&vhost("shop", settings));
    let (mut ann, open) = come(&router, "", "shop").expect("she is let in");
    assert_eq!((open.max_frame_size, open.channel_max), (110_000, 2));
    let mut receiver = come_in(&router, "", "shop");
    receiver.attach_receiver("box", 10);
    let (answer, why) = attach(&mut ann, 0, Link::Sends(Terminus::at("box")));
    assert_eq!((answer.max_message_size, why), (Some(50_000), None));
    ann.wait_for_credit();
    ann.send_message(0, Durable::No, b"small");
    let (delivery, _) = receiver.receive();
    receiver.accept(delivery, delivery);
    assert_eq!(ann.outcome(), (0, 0, None));
    ann.send_large(1, Durable::No, 60_000, End::Whole);
    let mut link = None;
    let close = ann.until(|performative| match performative {
        Performative::Detach(detach) => {
            link.clone_from(&detach.error);
            None
        }
        Performative::Close(close) => close.error.clone(),
        _ => None,
    });
    assert_eq!(
        link.map(|error| error.condition.as_str().to_owned()).as_deref(),
        Some("amqp:link:message-size-exceeded")
    );
    assert_eq!(told(&close), ("amqp:connection:forced", "Message size exceeded"));
}

#[test]
fn a_policy_is_checked_and_printed_with_what_it_needs() {
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let run = |arguments: &[&str], path: &Path| {
        let output = heddle().args(arguments).arg(path).output().expect("the program runs");
        (output.status.success(), text(&output))
    };
    let wrong =
        write("wrong.conf", &format!("{HEAD}{}", vhost("h", "sources: ${user}${user} | targetPattern: a.${user}.b")));
    let (is_right, said) = run(&["config", "check", "--router"], &wrong);
    for told in ["wrong.conf:16:", "sources of group all", "targetPattern of group all", "2 errors"] {
        assert!(!is_right && said.contains(told), "{told}: {said}");
    }
    let right = write("right.conf", &format!("{HEAD}{}", vhost("h", "sources: *")));
    let (is_right, printed) = run(&["config", "print", "--router"], &right);
    assert!(is_right && printed.contains(&format!("policy = {right:?}")), "{printed}");
    let printed = write("heddle.toml", &printed);
    assert!(run(&["config", "check", "--config"], &printed).0);
    let alone = write("alone.toml", &format!("[router]\npolicy = {right:?}\n"));
    let (is_right, said) = run(&["config", "check", "--config"], &alone);
    assert!(!is_right && said.contains("only a router has a policy"), "{said}");
}
