//! Routers that hear each other at once: what they know of each other, when they forget it, and what becomes of those that say what
//! cannot be so.

use engine_message::Condition;
use engine_router::Treatment;
use engine_router::address::Class;
use engine_router::control::{Announced, Body, Changes, Control, Destination, LinkState};
use engine_router::limits::{LINK_FLOODED_MAX, LINK_MESSAGES_MAX, ROUTERS_MAX};
use engine_router::network::{Action, LinkId, Network, Notice};

use crate::world::{SECOND, World, id, key, network};

#[test]
fn neighbours_know_each_other_at_once_and_a_network_within_seconds() {
    let mut world = World::of(&["A", "B", "C", "D"]);
    world.link("A", "B", 1);
    world.pass(2);
    assert_eq!((world.cost("A", "B"), world.cost("B", "A")), (Some(1), Some(1)));
    world.link("B", "C", 5);
    world.link("C", "D", 1);
    world.announce("D", "M0orders");
    world.announce("D", "Lmine");
    world.pass(5);
    assert_eq!((world.cost("A", "D"), world.cost("D", "A")), (Some(7), Some(7)));
    assert_eq!(world.known("A", "D"), ["M0orders"], "only what routers announce");
    world.withdraw("D", "M0orders");
    world.announce("D", "M1more");
    world.pass(2);
    assert_eq!(world.known("A", "D"), ["M1more"]);
    assert!(world.closed.is_empty());
}

#[test]
fn a_link_that_is_cut_is_known_at_once_and_another_way_is_taken() {
    let mut world = World::of(&["A", "B", "C"]);
    for (one, other, cost) in [("A", "B", 1), ("B", "C", 1), ("A", "C", 10)] {
        world.link(one, other, cost);
    }
    world.pass(5);
    assert_eq!(world.cost("A", "C"), Some(2));
    world.cut("B", "C");
    world.pass(1);
    assert_eq!((world.cost("A", "C"), world.cost("B", "C")), (Some(10), Some(11)));
    world.cut("A", "C");
    world.pass(1);
    assert_eq!(world.cost("A", "C"), None);
    // Nobody leads to it any more: it is forgotten when its own word has aged.
    world.pass(70);
    assert_eq!(world.routers["A"].known().count(), 2);
}

#[test]
fn who_hangs_is_no_neighbour_after_three_seconds() {
    let mut world = World::of(&["A", "B"]);
    world.link("A", "B", 1);
    world.pass(3);
    // What B says does not come any more, though the link stands.
    let (near, _) =
        world.ends.iter().find(|(end, _)| end.0 == "B").map(|(end, far)| (end.clone(), far.clone())).expect("a link");
    world.ends.remove(&near);
    world.pass(2);
    assert_eq!(world.cost("A", "B"), Some(1));
    world.pass(3);
    assert_eq!(world.cost("A", "B"), None);
    assert!(world.notices.contains(&("A".to_owned(), Notice::NeighbourLost(id("B")))));
}

#[test]
fn another_life_of_a_router_is_begun_with_nothing() {
    let mut world = World::of(&["A", "B", "C"]);
    world.link("A", "B", 1);
    world.link("B", "C", 1);
    world.announce("C", "M0old");
    world.pass(5);
    assert_eq!(world.known("A", "C"), ["M0old"]);
    world.cut("B", "C");
    world.restart("C", 2);
    world.link("B", "C", 1);
    world.announce("C", "M0new");
    world.pass(5);
    assert_eq!(world.known("A", "C"), ["M0new"]);
    // Within the same second: nothing but its numbers tells.
    world.cut("B", "C");
    world.restart("C", 2);
    world.link("B", "C", 1);
    world.pass(12);
    assert_eq!(world.known("A", "C"), [""; 0]);
}

#[test]
fn a_second_link_takes_over() {
    let mut world = World::of(&["A", "B"]);
    world.link("A", "B", 1);
    world.link("A", "B", 4);
    world.pass(5);
    assert_eq!(world.cost("A", "B"), Some(1));
    world.cut("A", "B");
    world.pass(1);
    assert_eq!((world.cost("A", "B"), world.cost("B", "A")), (Some(4), Some(4)));
}

/// A router with one neighbour, `N`, that says anything.
struct Alone {
    router: Network,
    now: u64,
}

const LINK: LinkId = LinkId(7);

impl Alone {
    fn new() -> Self {
        let mut router = network("A", 5);
        router.handle_link(LINK, id("N"), 1, 0);
        let mut alone = Self { router, now: 0 };
        alone.say("N", Body::Hello { instance: Some(1), seen: vec![id("A")] }, &Destination::Neighbours);
        alone.actions();
        alone
    }

    fn say(&mut self, as_whom: &str, body: Body, to: &Destination) {
        let message = Control { id: id(as_whom), body }.encode(to);
        self.router.handle_message(LINK, &message, self.now);
        self.router.check();
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.router.poll_action()).collect()
    }

    /// Why the connection ended.
    fn end(&mut self) -> Option<Condition> {
        self.actions().into_iter().find_map(|action| match action {
            Action::Close { link: LINK, condition, .. } => Some(condition),
            _ => None,
        })
    }
}

#[test]
fn whoever_has_spoken_while_something_long_was_read_is_not_silent() {
    const OTHER: LinkId = LinkId(8);
    let mut alone = Alone::new();
    alone.router.handle_link(OTHER, id("M"), 1, 0);
    let hello = |name: &str| {
        let body = Body::Hello { instance: Some(1), seen: vec![id("A")] };
        Control { id: id(name), body }.encode(&Destination::Neighbours)
    };
    alone.router.handle_message(OTHER, &hello("M"), 0);
    alone.actions();
    let is_lost = |alone: &mut Alone| {
        alone.actions().iter().any(|action| matches!(action, Action::Notice(Notice::NeighbourLost(_))))
    };
    // Both have spoken in time, which is heard only ten seconds later, one after the other.
    let late = 10 * SECOND;
    alone.router.handle_message(LINK, &hello("N"), late);
    assert!(!is_lost(&mut alone), "what M says is not heard yet");
    alone.router.handle_message(OTHER, &hello("M"), late);
    alone.router.handle_time(late);
    assert!(!is_lost(&mut alone), "both were heard");
    alone.router.handle_time(late + 4 * SECOND);
    assert!(is_lost(&mut alone), "they are silent");
    alone.router.check();
}

#[test]
fn a_neighbour_that_says_what_cannot_be_so_loses_its_connection() {
    let hello = |id: &str| Control { id: self::id(id), body: Body::Hello { instance: None, seen: Vec::new() } };
    let ends = |message: &[u8]| {
        let mut alone = Alone::new();
        let now = alone.now;
        alone.router.handle_message(LINK, message, now);
        alone.router.handle_time(alone.router.deadline());
        alone.router.check();
        let routes = alone.router.routes();
        let is_neighbour = routes.index("N").and_then(|n| routes.path(n)).is_some();
        let end = alone.end();
        assert_eq!(end.is_none(), is_neighbour, "who is closed is no neighbour");
        end
    };
    assert_eq!(ends(&hello("N").encode(&Destination::Neighbours)), None);
    // Another's id, this one's, octets that are no message, an id that is none, a later version, another area.
    assert_eq!(ends(&hello("X").encode(&Destination::Neighbours)), Some(Condition::NotAllowed));
    assert_eq!(ends(&hello("A").encode(&Destination::Neighbours)), Some(Condition::NotAllowed));
    assert_eq!(ends(b"\x00"), Some(Condition::DecodeError));
    let changed = |from: &[u8], to: &[u8]| {
        let message = hello("N").encode(&Destination::Neighbours).to_vec();
        let at = message.windows(from.len()).rposition(|octets| octets == from).expect("it is in there");
        [&message[..at], to, &message[at + from.len()..]].concat()
    };
    assert_eq!(ends(&changed(b"\xa1\x02id\xa1\x01N", b"\xa1\x02id\xa1\x01/")), Some(Condition::InvalidField));
    assert_eq!(ends(&changed(b"area\xa1\x010", b"area\xa1\x011")), Some(Condition::InvalidField));
    assert_eq!(ends(&changed(b"\x01\xa1\x04area", b"\x02\xa1\x04area")), None, "a later version is passed over");
}

#[test]
fn what_comes_from_afar_is_passed_over_and_endless_messages_are_not() {
    let mut alone = Alone::new();
    let control = Control { id: id("X"), body: Body::LinkStateRequest };
    // N hands a message on that X is said to have sent, and that says it is from Y.
    let message = control.encode(&Destination::Router(id("A"))).to_vec();
    let trace = b"\xc0\x06\x01\xa1\x030/X";
    let at = message.windows(trace.len()).position(|octets| octets == trace).expect("a trace");
    let mut handed = [&message[..at], b"\xc0\x0b\x02\xa1\x030/X\xa1\x030/N", &message[at + trace.len()..]].concat();
    handed[14] += 5;
    alone.router.handle_message(LINK, &handed, 0);
    assert_eq!(alone.end(), None);
    let forged: Vec<u8> = {
        let at = handed.windows(4).rposition(|octets| octets == b"id\xa1\x01").expect("an id") + 4;
        [&handed[..at], b"Y", &handed[at + 1..]].concat()
    };
    alone.router.handle_message(LINK, &forged, 0);
    assert!(alone.actions().iter().any(|action| matches!(action, Action::Notice(Notice::PassedOver { .. }))));
    // A message that does not say that it came from N.
    let mut stray = Alone::new();
    stray.router.handle_message(LINK, &message, 0);
    assert_eq!(stray.end(), Some(Condition::NotAllowed));
    let mut count = 0;
    let mut endless = Alone::new();
    while endless.end().is_none() {
        count += 1;
        endless.say("N", Body::LinkStateRequest, &Destination::Router(id("A")));
        assert!(count <= LINK_MESSAGES_MAX, "it goes on for ever");
    }
    assert_eq!(count, LINK_MESSAGES_MAX);
}

#[test]
fn who_asks_each_second_for_what_it_was_told_makes_few_lists_and_is_told_what_is_new() {
    let mut alone = Alone::new();
    for number in 0..1000 {
        assert!(alone.router.announce(key(&format!("M0{number}")), Treatment::Balanced, 0));
    }
    // Seconds in which a whole list is said, and how long it is.
    let asks = |alone: &mut Alone, seconds: std::ops::Range<u64>, instance| {
        let mut lists = Vec::new();
        for second in seconds {
            alone.now = second * SECOND;
            alone.say("N", Body::Hello { instance: Some(instance), seen: vec![id("A")] }, &Destination::Neighbours);
            alone.say("N", Body::AddressRequest { known: 0 }, &Destination::Router(id("A")));
            alone.router.handle_time(alone.now);
            for action in alone.actions() {
                let Action::Send { message, .. } = action else { continue };
                let control = engine_router::control::decode(&message).expect("it is one");
                if let Body::Addresses { changes: Changes::All(all), .. } = &control.body {
                    assert_eq!(control.encode(&Destination::Router(id("N"))), message, "as if it were written anew");
                    lists.push((second, all.len()));
                }
            }
        }
        lists
    };
    let lists = asks(&mut alone, 3..123, 1);
    assert_eq!(lists.iter().map(|list| list.0).collect::<Vec<_>>(), [3, 4, 6, 10, 18, 34, 64, 94], "of 120 questions");
    alone.router.withdraw(&key("M07"), 123 * SECOND);
    let lists = asks(&mut alone, 123..126, 1);
    assert_eq!(lists.first(), Some(&(124, 999)), "what is new is told as soon as all are told");
    let lists = asks(&mut alone, 140..143, 2);
    assert_eq!(lists.first(), Some(&(140, 999)), "and who begins anew");
}

#[test]
fn a_flood_goes_on_to_others_as_far_as_they_bear_it() {
    const OTHER: LinkId = LinkId(8);
    let mut alone = Alone::new();
    alone.router.handle_link(OTHER, id("M"), 1, 0);
    let hello = Control { id: id("M"), body: Body::Hello { instance: Some(1), seen: vec![id("A")] } };
    alone.router.handle_message(OTHER, &hello.encode(&Destination::Neighbours), 0);
    // What N says is for all reaches M once both lists of neighbours are known.
    for (link, name) in [(LINK, "N"), (OTHER, "M")] {
        let state = LinkState { sequence: 1, peers: vec![(id("A"), 1)] };
        let said = Control { id: id(name), body: Body::LinkState { instance: Some(1), state } };
        alone.router.handle_message(link, &said.encode(&Destination::Router(id("A"))), 0);
    }
    alone.router.handle_time(SECOND);
    alone.now = 3 * SECOND;
    alone.actions();
    let mut gone_on = 0;
    for _ in 0..LINK_FLOODED_MAX + 100 {
        alone.say("N", Body::AddressRequest { known: 0 }, &Destination::All);
        let actions = alone.actions();
        assert!(!actions.iter().any(|action| matches!(action, Action::Close { .. })), "it may speak so much");
        gone_on += actions.iter().filter(|action| matches!(action, Action::Send { link: OTHER, .. })).count();
    }
    // Few beside them are this router's own.
    let most = LINK_FLOODED_MAX as usize;
    assert!((most..most + 10).contains(&gone_on), "{gone_on}");
}

#[test]
fn a_table_of_forged_routers_stays_bounded_and_is_forgotten() {
    let mut alone = Alone::new();
    for round in 0..4 {
        let peers =
            (0..ROUTERS_MAX - 1).map(|number| (id(&format!("x{:04}", number + round * ROUTERS_MAX)), 1)).collect();
        let state = LinkState { sequence: round as u64 + 1, peers };
        alone.say("N", Body::LinkState { instance: Some(1), state }, &Destination::Router(id("A")));
    }
    assert!(alone.actions().iter().any(|action| matches!(action, Action::Notice(Notice::Full(_)))));
    assert_eq!(alone.router.known().count() as usize, ROUTERS_MAX);
    let state = LinkState { sequence: 9, peers: vec![(id("A"), 1)] };
    alone.say("N", Body::LinkState { instance: Some(1), state }, &Destination::Router(id("A")));
    for second in 1..=5 {
        alone.now = second * SECOND;
        alone.say("N", Body::Hello { instance: Some(1), seen: vec![id("A")] }, &Destination::Neighbours);
        alone.router.handle_time(alone.now);
    }
    assert_eq!(alone.router.known().count(), 2, "this one and its neighbour");
}

#[test]
fn addresses_follow_their_numbers() {
    let mut alone = Alone::new();
    let learned = |alone: &mut Alone| {
        alone.actions().into_iter().filter(|action| matches!(action, Action::Learned { .. })).count()
    };
    let one = |text: &str| Announced { key: key(text), treatment: None };
    let since = |sequence| Body::Addresses {
        sequence,
        changes: Changes::Since { added: vec![one("M0a")], deleted: Vec::new() },
    };
    let whole = |sequence| Body::Addresses { sequence, changes: Changes::All(vec![one("M0a")]) };
    let to = Destination::Router(id("A"));
    for (body, is_taken) in [
        (since(1), true),
        (since(1), false),
        (since(3), false),
        (since(2), true),
        (whole(2), false),
        (whole(9), true),
        (since(10), true),
    ] {
        alone.say("N", body.clone(), &to);
        assert_eq!(learned(&mut alone), usize::from(is_taken), "{body:?}");
    }
    // What it cannot follow it asks for.
    alone.now = 10 * SECOND;
    alone.say("N", Body::Hello { instance: Some(1), seen: vec![id("A")] }, &Destination::Neighbours);
    alone.actions();
    alone.say("N", since(20), &to);
    let asks = alone.actions().into_iter().any(|action| {
        let Action::Send { message, .. } = action else { return false };
        let control = engine_router::control::decode(&message).expect("it is one");
        control.body == Body::AddressRequest { known: 10 }
    });
    assert!(asks);
    assert!(!Class::Router.is_announced());
}
