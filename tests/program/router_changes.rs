//! What management makes and removes on a router that runs: addresses, autoLinks and linkRoutes, effective at once.

use amqp_codec::performative::{Attach, Performative, Role, Source, Target, Terminus};
use engine_management::Answer;
use engine_message::value::Value;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, opened};
use crate::router_management::{Tool, text};

const ADDRESS: &str = "router.config.address";
const AUTO_LINK: &str = "router.config.autoLink";
const LINK_ROUTE: &str = "router.config.linkRoute";

pub fn router(shards: u16) -> (Broker, std::path::PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("r.conf");
    let text = format!(
        "router {{\n  id: A\n  mode: standalone\n  workerThreads: {shards}\n}}\nlistener {{\n  host: 127.0.0.1\n  port: 0\n  \
         saslMechanisms: ANONYMOUS\n}}\naddress {{\n  prefix: near\n  distribution: closest\n}}\n"
    );
    std::fs::write(&file, text).expect("a file");
    (Broker::start_router(folder, &file), file)
}

/// A row of what was made.
pub fn made(answer: Answer) -> Vec<(String, Value)> {
    assert_eq!((answer.code, answer.description.as_str()), (201, "Created"));
    let Value::Map(map) = answer.body else { panic!("a map") };
    map.0.into_iter().map(|(name, value)| (name.as_text().expect("a name").to_owned(), value)).collect()
}

pub fn of<'a>(row: &'a [(String, Value)], name: &str) -> &'a Value {
    row.iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap_or_else(|| panic!("no {name}: {row:?}"))
}

pub fn create(tool: &mut Tool, kind: &str, name: &str, body: &[(&str, &str)]) -> Answer {
    let body: Vec<(&str, Value)> = body.iter().map(|(name, value)| (*name, text(value))).collect();
    tool.entity("CREATE", kind, ("name", name), &body)
}

/// Whether a sender to an address is let in.
fn is_available(router: &Broker, address: &str) -> bool {
    let mut peer = opened(router);
    let target = Some(Target::Node(Terminus::at(address)));
    let attach = Attach { source: Some(Source::default()), target, ..Attach::new("a", 0, Role::Sender) };
    peer.put(&Performative::Attach(Box::new(attach)));
    peer.answer("a").1.is_none()
}

/// To how many of two receivers that come now a message goes.
fn copies(router: &Broker, address: &str) -> usize {
    let mut receivers = [opened(router), opened(router)];
    receivers.iter_mut().for_each(|receiver| receiver.attach_receiver(address, 10));
    let mut sender = opened(router);
    sender.attach_sender(address);
    sender.send_message(0, Durable::No, b"x");
    // Each is asked for what it has until the message is everywhere where it is to be.
    let bodies = wait_for("a message", || {
        let got: Vec<usize> = receivers.iter_mut().map(|receiver| receiver.drain_bodies(10).len()).collect();
        (got.iter().sum::<usize>() > 0).then_some(got)
    });
    // What one has another one has at the same moment, or the next time that it is asked.
    let later: usize = receivers.iter_mut().map(|receiver| receiver.drain_bodies(10).len()).sum();
    bodies.iter().sum::<usize>() + later
}

#[test]
fn an_address_that_is_made_holds_for_whoever_attaches_then() {
    for shards in [1, 3] {
        let (router, _) = router(shards);
        let mut tool = Tool::new(&router, "$management");
        assert!(is_available(&router, "news.a"));
        let row = made(create(&mut tool, ADDRESS, "closed", &[("prefix", "news"), ("distribution", "unavailable")]));
        assert_eq!((of(&row, "name"), of(&row, "identity")), (&text("closed"), &text("2")));
        assert_eq!((of(&row, "distribution"), of(&row, "waypoint")), (&text("unavailable"), &Value::Boolean(false)));
        for _ in 0..6 {
            assert!(!is_available(&router, "news.a"), "on each shard, from the answer on");
        }
        assert!(is_available(&router, "other"));
        let removed = tool.entity("DELETE", ADDRESS, ("name", "closed"), &[]);
        assert_eq!((removed.code, removed.description.as_str()), (204, "No Content"));
        for _ in 0..6 {
            assert!(is_available(&router, "news.a"), "as if it had never been");
        }
        assert_eq!(tool.entity("READ", ADDRESS, ("name", "closed"), &[]).code, 404);
        assert_eq!(tool.entity("DELETE", ADDRESS, ("name", "closed"), &[]).code, 404);
        // One without a name has one made, and its number is nobody's before.
        let row = made(tool.entity("CREATE", ADDRESS, ("identity", "ignored"), &[("pattern", text("a.*"))]));
        assert_eq!((of(&row, "name"), of(&row, "identity")), (&text("address/2"), &text("3")));
        // What the file says goes as well.
        assert_eq!(tool.entity("DELETE", ADDRESS, ("identity", "1"), &[]).code, 204);
        assert_eq!(tool.all(ADDRESS, &["name", "pattern"]), [[text("address/2"), text("a.*")]]);
    }
}

#[test]
fn an_address_that_is_in_use_stays_as_it_is_until_nobody_uses_it() {
    for shards in [1, 3] {
        let (router, _) = router(shards);
        let mut tool = Tool::new(&router, "$management");
        let mut early = opened(&router);
        early.attach_receiver("news.a", 10);
        made(create(&mut tool, ADDRESS, "news", &[("prefix", "news"), ("distribution", "multicast")]));
        let distribution = |tool: &mut Tool, key: &str| {
            let rows = tool.all("router.address", &["key", "distribution"]);
            rows.into_iter().find(|row| row[0] == text(key)).map(|row| row[1].clone())
        };
        assert_eq!(distribution(&mut tool, "M0news.a"), Some(text("balanced")));
        assert_eq!(copies(&router, "news.b"), 2, "an address that was not there goes by the new rule");
        drop(early);
        wait_for("the address to go", || distribution(&mut tool, "M0news.a").is_none().then_some(()));
        assert_eq!(copies(&router, "news.a"), 2);
    }
}

#[test]
fn what_a_file_could_not_have_is_refused_and_changes_nothing() {
    let (router, _) = router(1);
    let mut tool = Tool::new(&router, "$management");
    let long = "x".repeat(5000);
    for (kind, name, body, words) in [
        (ADDRESS, "address/0", &[("prefix", "b")][..], "Name conflicts with an existing entity"),
        (ADDRESS, "b", &[("prefix", "near")], "is for the same addresses"),
        (ADDRESS, "b", &[("pattern", "near/#")], "is for the same addresses"),
        (ADDRESS, "b", &[], "neither 'prefix' nor 'pattern'"),
        (ADDRESS, "b", &[("prefix", "b"), ("distribution", "farthest")], "it takes multicast, closest, balanced"),
        (ADDRESS, "b", &[("prefix", "b"), ("foo", "1")], "Unknown attribute 'foo' for 'org.apache.qpid.dispatch"),
        (ADDRESS, "b", &[("prefix", &long)], "octets"),
        (ADDRESS, "b", &[("prefix", "b"), ("enableFallback", "yes"), ("waypoint", "yes")], "enableFallback"),
        (AUTO_LINK, "l", &[("address", "b")], "has no 'direction'"),
        (AUTO_LINK, "l", &[("address", "b"), ("direction", "in")], "for a connection or for a container"),
        (AUTO_LINK, "l", &[("address", "b"), ("direction", "in"), ("connection", "c")], "is called \"c\""),
        (
            AUTO_LINK,
            "l",
            &[("address", "b"), ("direction", "in"), ("connection", "listener/127.0.0.1:0")],
            "role = \"route-container\"",
        ),
        (LINK_ROUTE, "r", &[("direction", "in")], "neither 'prefix' nor 'pattern'"),
        (LINK_ROUTE, "r", &[("prefix", "b")], "has no 'direction'"),
        (LINK_ROUTE, "r", &[("prefix", "b"), ("direction", "both")], "'direction' of linkRoute is 'both'"),
        (LINK_ROUTE, "r", &[("prefix", "b"), ("direction", "in"), ("connection", "c")], "is called \"c\""),
        (LINK_ROUTE, "r", &[("prefix", "b"), ("direction", "in"), ("connection", "c"), ("containerId", "d")], "both"),
        (LINK_ROUTE, "r", &[("prefix", "b"), ("direction", "in"), ("distribution", "closest")], "linkBalanced"),
    ] {
        let answer = create(&mut tool, kind, name, body);
        assert!(answer.code == 400 && answer.description.contains(words), "{body:?}: {answer:?}");
    }
    let list = tool.entity("CREATE", ADDRESS, ("name", "b"), &[("prefix", Value::List(Vec::new()))]);
    assert_eq!(list.code, 400, "{}", list.description);
    assert_eq!(tool.all(ADDRESS, &["name"]), [[text("address/0")]]);
    assert_eq!(tool.all(AUTO_LINK, &["name"]).len() + tool.all(LINK_ROUTE, &["name"]).len(), 0);
    assert!(is_available(&router, "b"));
}

/// A broker with a queue, and a router with a connector to it.
fn broker_and_router(shards: u16, queue: &str) -> (Broker, Broker) {
    let broker = Broker::start(&format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[queue]]\nname = \"{queue}\"\n[[address]]\nmatch = \"#\"\nauto_create = false\n"
    ));
    let config = format!(
        "[storage]\nenabled = false\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\n[[connectors]]\nname = \"broker\"\n\
         role = \"route-container\"\nendpoints = [\"{}\"]\n",
        broker.addresses[0]
    );
    let router = Broker::start_telling(TempDir::new().expect("a folder"), shards, "info", &config);
    (broker, router)
}

#[test]
fn links_take_a_route_that_is_made_and_stay_when_it_is_removed() {
    for shards in [1, 3] {
        let (broker, router) = broker_and_router(shards, "queue.a");
        let mut tool = Tool::new(&router, "$management");
        let stands = |tool: &mut Tool, name: &str| {
            let rows = tool.all(LINK_ROUTE, &["name", "operStatus"]);
            rows.into_iter().find(|row| row[0] == text(name)).map(|row| row[1].clone())
        };
        // Before there is a route for it, the address is the router's own, where nobody receives.
        assert!(is_available(&router, "queue.a"));
        assert_eq!(broker.queue("queue.a").expect("the queue")["producers"], 0);
        let nobody = [("prefix", "void"), ("direction", "in"), ("containerId", "nobody")];
        made(create(&mut tool, LINK_ROUTE, "nobody", &nobody));
        let route = |direction| [("prefix", "queue"), ("direction", direction), ("connection", "broker")];
        let row = made(create(&mut tool, LINK_ROUTE, "in", &route("in")));
        assert_eq!((of(&row, "name"), of(&row, "identity")), (&text("in"), &text("2")));
        assert_eq!((of(&row, "distribution"), of(&row, "direction")), (&text("linkBalanced"), &text("in")));
        wait_for("the container", || (stands(&mut tool, "in") == Some(text("active"))).then_some(()));
        let row = made(create(&mut tool, LINK_ROUTE, "out", &route("out")));
        assert_eq!(of(&row, "operStatus"), &text("active"), "its container was there before it");
        assert_eq!(stands(&mut tool, "nobody"), Some(text("inactive")));
        let again = create(&mut tool, LINK_ROUTE, "again", &route("in"));
        assert!(again.code == 400 && again.description.contains("another route is the same"), "{again:?}");
        // On each shard, from the answer on.
        for _ in 0..6 {
            let mut sender = opened(&router);
            sender.attach_sender("queue.a");
            sender.send_message(0, Durable::Yes, b"x");
            assert_eq!(sender.outcome(), (0, 0, None), "the broker has it");
            let refused = opened(&router).try_attach_sender("void.a").expect("nobody is there");
            assert_eq!(refused.condition.as_str(), "qd:no-route-to-dest");
        }
        assert_eq!(broker.queue("queue.a").expect("the queue")["messages"], 6);
        let (mut sender, mut receiver) = (opened(&router), opened(&router));
        sender.attach_sender("queue.a");
        receiver.attach_receiver("queue.a", 10);
        for name in ["in", "out", "nobody"] {
            assert_eq!(tool.entity("DELETE", LINK_ROUTE, ("name", name), &[]).code, 204);
            assert_eq!(tool.entity("DELETE", LINK_ROUTE, ("name", name), &[]).code, 404);
        }
        assert_eq!(tool.all(LINK_ROUTE, &["name"]).len(), 0);
        // Links that went through are the broker's still, and others are not.
        sender.send_message(0, Durable::Yes, b"y");
        assert_eq!(sender.outcome(), (0, 0, None));
        let bodies: Vec<Vec<u8>> = (0..7).map(|_| receiver.receive().1).collect();
        assert_eq!(bodies.last().map(Vec::as_slice), Some(&b"y"[..]));
        for _ in 0..6 {
            let mut late = opened(&router);
            late.attach_waiting_sender("queue.a");
            assert_eq!(late.ask_for_credit(), 0, "it is the router's own address again");
            assert!(is_available(&router, "void.a"));
        }
    }
}

#[test]
fn a_route_goes_by_its_container_as_that_comes_and_goes() {
    let (broker, router) = broker_and_router(3, "queue.a");
    let mut tool = Tool::new(&router, "$management");
    made(create(&mut tool, LINK_ROUTE, "in", &[("pattern", "queue.*"), ("direction", "in"), ("connection", "broker")]));
    let mut stands = || tool.all(LINK_ROUTE, &["operStatus"])[0][0].clone();
    wait_for("the container", || (stands() == text("active")).then_some(()));
    assert!(opened(&router).try_attach_sender("queue.a").is_none());
    let (at, folder) = (broker.addresses[0], broker.kill());
    wait_for("the container's end", || (stands() == text("inactive")).then_some(()));
    let refused = opened(&router).try_attach_sender("queue.a").expect("nobody is there");
    assert_eq!(refused.condition.as_str(), "qd:no-route-to-dest");
    let _broker =
        Broker::start_in(folder, &format!("[[listeners]]\naddress = \"{at}\"\n[[queue]]\nname = \"queue.a\"\n"));
    wait_for("the container again", || (stands() == text("active")).then_some(()));
    wait_for("the way to it", || opened(&router).try_attach_sender("queue.a").is_none().then_some(()));
}

#[test]
fn two_that_make_or_remove_the_same_at_once_are_told_apart() {
    for shards in [1, 3] {
        let (router, _) = router(shards);
        for round in 0..5 {
            let at_once = |operation: &'static str, wanted: i32, refused: i32| {
                let body = vec![("prefix", text("b")), ("direction", text("in")), ("containerId", text("c"))];
                let body = if operation == "CREATE" { body } else { Vec::new() };
                let mut codes: Vec<i32> = std::thread::scope(|scope| {
                    let ask = || {
                        let mut tool = Tool::new(&router, "$management");
                        tool.entity(operation, LINK_ROUTE, ("name", "r"), &body).code
                    };
                    let asking = [scope.spawn(ask), scope.spawn(ask)];
                    asking.map(|one| one.join().expect("an answer")).into()
                });
                codes.sort_unstable();
                assert_eq!(codes, [wanted, refused], "{operation} {round}");
            };
            at_once("CREATE", 201, 400);
            at_once("DELETE", 204, 404);
        }
    }
}

#[test]
fn links_are_attached_when_they_are_made_and_detached_when_they_are_removed() {
    for shards in [1, 3] {
        let (broker, router) = broker_and_router(shards, "orders");
        let mut tool = Tool::new(&router, "$management");
        made(create(&mut tool, ADDRESS, "queue", &[("prefix", "orders"), ("waypoint", "yes")]));
        let link = |direction| [("address", "orders"), ("direction", direction), ("connection", "broker")];
        for (direction, phase) in [("in", 1), ("out", 0)] {
            let row = made(create(&mut tool, AUTO_LINK, direction, &link(direction)));
            assert_eq!(of(&row, "phase"), &Value::Int(phase));
        }
        let same = create(&mut tool, AUTO_LINK, "again", &link("in"));
        assert!(same.code == 400 && same.description.contains("another link is the same"), "{same:?}");
        let stands = |tool: &mut Tool, name: &str| {
            let rows = tool.all(AUTO_LINK, &["name", "operStatus", "linkRef", "lastError"]);
            rows.into_iter().find(|row| row[0] == text(name)).expect("the link")
        };
        let row = wait_for("the link", || Some(stands(&mut tool, "in")).filter(|row| row[1] == text("active")));
        let Value::String(identity) = &row[2] else { panic!("a link: {row:?}") };
        let links = tool.all("router.link", &["identity", "owningAddr", "linkDir"]);
        let link = links.iter().find(|link| link[0] == text(identity));
        let link = link.unwrap_or_else(|| panic!("{identity} among {links:?}"));
        assert_eq!(link[1..], [text("M1orders"), text("in")]);
        assert_eq!(row[3], Value::Null);
        let mut sender = opened(&router);
        sender.attach_sender("orders");
        sender.send_message(0, Durable::Yes, b"x");
        assert_eq!(sender.outcome(), (0, 0, None));
        let mut receiver = opened(&router);
        receiver.attach_receiver("orders", 10);
        let (delivery, body) = receiver.receive();
        receiver.accept(delivery, delivery);
        assert_eq!(body, b"x", "it went through the queue");
        // The broker's side of each link goes with it.
        let links = || broker.state()["links"].as_array().map_or(0, Vec::len);
        assert_eq!(links(), 2);
        assert_eq!(tool.entity("DELETE", AUTO_LINK, ("name", "in"), &[]).code, 204);
        wait_for("its end", || (links() == 1).then_some(()));
        assert_eq!(tool.entity("DELETE", AUTO_LINK, ("name", "out"), &[]).code, 204);
        wait_for("the other's end", || (links() == 0).then_some(()));
        wait_for("senders without credit", || {
            let mut late = opened(&router);
            late.attach_waiting_sender("orders");
            (late.ask_for_credit() == 0).then_some(())
        });
        assert_eq!(tool.all(AUTO_LINK, &["name"]).len(), 0);
        // One that the broker refuses says why, and one for nobody waits.
        let wrong = [("address", "none"), ("direction", "in"), ("connection", "broker")];
        made(create(&mut tool, AUTO_LINK, "wrong", &wrong));
        let row = wait_for("its refusal", || Some(stands(&mut tool, "wrong")).filter(|row| row[1] == text("failed")));
        assert!(row[2] == Value::Null && row[3].as_text().is_some_and(|why| why.contains("none")), "{row:?}");
        let nobody = [("address", "x"), ("direction", "in"), ("containerId", "nobody")];
        made(create(&mut tool, AUTO_LINK, "nobody", &nobody));
        assert_eq!(stands(&mut tool, "nobody")[1..], [text("inactive"), Value::Null, Value::Null]);
    }
}

#[test]
fn what_was_made_is_gone_with_the_router() {
    let (router, file) = router(1);
    let text_before = std::fs::read_to_string(&file).expect("the file");
    let mut tool = Tool::new(&router, "$management");
    made(create(&mut tool, ADDRESS, "news", &[("prefix", "news")]));
    let folder = router.stop();
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), text_before);
    let router = Broker::start_router(folder, &file);
    assert_eq!(Tool::new(&router, "$management").all(ADDRESS, &["name"]), [[text("address/0")]]);
}
