//! Where messages go, on networks of a few routers.

use engine_router::Treatment;
use engine_router::address::{Class, Phase};
use engine_router::annotations::Annotations;
use engine_router::control::{Announced, Changes};
use engine_router::forward::{Passage, Spread, Taken, Target, Undelivered, choose, choose_at, choose_link};
use engine_router::matching::Pattern;
use engine_router::network::LinkId;
use engine_router::set::RouterIndex;
use engine_router::table::{Addresses, Change, Consumer, ConsumerId, Place, Rule, Rules, Table};

use crate::traces::{read_trace, trace_of};
use crate::world::{World, key};

/// Targets of a message from here.
fn targets(table: &Table, address: &str, spread: &mut Spread) -> Vec<Target> {
    targets_of(table, address, &Passage::HERE, spread).unwrap_or_default()
}

fn targets_of(
    table: &Table,
    address: &str,
    passage: &Passage,
    spread: &mut Spread,
) -> Result<Vec<Target>, Undelivered> {
    let mut targets = Vec::new();
    choose(table, &key(address), passage, spread, &mut targets).map(|_| targets)
}

/// The routers that messages go to next, by their ids; consumers of this node are `here`.
fn hops(table: &Table, targets: &[Target]) -> Vec<String> {
    let name = |target: &Target| match target {
        Target::Consumer(_) => "here".to_owned(),
        Target::Router { hop, .. } => table.routes().id(*hop).expect("it is known").as_str().to_owned(),
    };
    targets.iter().map(name).collect()
}

/// A network `A - B - C` and `A - D`, with consumers of an address at some; what `A` has of it.
fn network(at: &[&str], address: &str) -> (World, Table) {
    let mut world = World::of(&["A", "B", "C", "D"]);
    for (one, other, cost) in [("A", "B", 1), ("B", "C", 1), ("A", "D", 2)] {
        world.link(one, other, cost);
    }
    for router in at {
        world.announce(router, address);
    }
    world.pass(6);
    let table = world.view("A");
    (world, table)
}

fn table_of(treatment: Treatment) -> Addresses {
    Addresses::new(Rules::new([], treatment).into(), 1)
}

fn client(id: u64) -> Consumer {
    Consumer { id: ConsumerId(id), place: Place::Client, capacity: 2 }
}

#[test]
fn who_has_nothing_to_do_is_found_without_a_look_at_all() {
    let mut addresses = table_of(Treatment::Balanced);
    for id in 0..100 {
        addresses.add(&key("M0a"), client(id));
    }
    let (table, mut spread) = (addresses.view(), Spread::default());
    let address = (&key("M0a"), table.find(&key("M0a")));
    let asked = std::cell::Cell::new(0);
    for (number, looks) in [(0, 1), (1, 99), (2, 98)] {
        asked.set(0);
        // All are busy but the one that comes first, so that others look for it.
        let own = |target: Target| {
            let Target::Consumer(consumer) = target else { return None };
            asked.set(asked.get() + 1);
            Some(u32::from(consumer.0 != 0 && consumer.0 < 99))
        };
        let mut targets = Vec::new();
        choose_at(&table, address, &Passage::HERE, &mut spread, own, &mut targets).expect("somebody is there");
        let expected = if number == 0 { 0 } else { 99 };
        assert_eq!((targets, asked.get()), (vec![Target::Consumer(ConsumerId(expected))], looks));
    }
}

#[test]
fn closest_stays_here_then_goes_where_it_costs_least_in_turn() {
    let rules = |table: Table, local: &[u64]| {
        // The same network under another rule: consumers and routers are told anew.
        let mut other = table_of(Treatment::Closest);
        other.set_routes(table.routes().clone());
        for id in ["C", "D"] {
            let router = table.routes().index(id).expect("it is known");
            let announced = Announced { key: key("M0a"), treatment: None };
            other.learn(router, Changes::All(vec![announced]));
        }
        for id in local {
            other.add(&key("M0a"), client(*id));
        }
        other.view()
    };
    let (_, table) = network(&["C", "D"], "M0a");
    let here = rules(table.clone(), &[1, 2]);
    let mut spread = Spread::default();
    let given: Vec<_> = (0..4).flat_map(|_| targets(&here, "M0a", &mut spread)).collect();
    assert_eq!(given, [1, 2, 1, 2].map(|id| Target::Consumer(ConsumerId(id))), "whatever they have to do");
    let there = rules(table, &[]);
    let given: Vec<_> = (0..4).flat_map(|_| targets(&there, "M0a", &mut spread)).collect();
    assert_eq!(hops(&there, &given), ["D", "B", "D", "B"], "D, and C behind B, cost 2 each");
}

#[test]
fn what_is_in_the_program_is_nearest() {
    let mut addresses = table_of(Treatment::Closest);
    addresses.add(&key("L$management"), client(1));
    addresses.add(&key("L$management"), Consumer { place: Place::Inside, ..client(2) });
    let mut spread = Spread::default();
    let table = addresses.view();
    let given: Vec<_> = (0..3).flat_map(|_| targets(&table, "L$management", &mut spread)).collect();
    assert_eq!(given, [Target::Consumer(ConsumerId(2)); 3]);
}

#[test]
fn balanced_goes_to_who_has_least_to_do() {
    let (mut world, _) = network(&["C"], "M0a");
    let consumers = [world.announce("A", "M0a"), world.announce("A", "M0a")];
    let table = world.view("A");
    let mut spread = Spread::default();
    let mut given = Vec::new();
    for _ in 0..12 {
        let chosen = targets(&table, "M0a", &mut spread);
        match chosen[..] {
            [Target::Consumer(consumer)] => spread.give(consumer),
            [Target::Router { hop, .. }] => {
                spread.give_hop(table.find(&key("M0a")).expect("it is known").number, hop);
            }
            _ => panic!("{chosen:?}"),
        }
        given.extend(chosen);
    }
    // One each; the second, as C costs 2; then all that is busy with two each goes to C.
    let count = |of: &[Target]| given.iter().filter(|target| of.contains(target)).count();
    assert_eq!(given[..2].iter().filter(|target| matches!(target, Target::Router { .. })).count(), 0);
    assert_eq!(count(&consumers.map(Target::Consumer)), 4);
    assert_eq!(hops(&table, &given[4..]), vec!["B"; 8]);
    // Whoever is done is next.
    spread.take_back(consumers[1]);
    spread.take_back(consumers[1]);
    assert_eq!(targets(&table, "M0a", &mut spread), [Target::Consumer(consumers[1])]);
}

#[test]
fn of_those_that_are_busy_the_least_busy_one_is_taken() {
    let mut addresses = table_of(Treatment::Balanced);
    for id in [1, 2] {
        addresses.add(&key("M0a"), client(id));
    }
    let mut spread = Spread::default();
    [1, 1, 1, 2, 2].iter().for_each(|id| spread.give(ConsumerId(*id)));
    assert_eq!(targets(&addresses.view(), "M0a", &mut spread), [Target::Consumer(ConsumerId(2))]);
}

#[test]
fn copies_go_once_over_each_link_and_never_back() {
    let multicast = Rules::new([], Treatment::Multicast);
    let (mut world, table) = network(&["B", "C", "D"], "M0a");
    let mut addresses = Addresses::new(multicast.into(), 1);
    addresses.set_routes(table.routes().clone());
    for id in ["B", "C", "D"] {
        let router = table.routes().index(id).expect("it is known");
        addresses.learn(router, Changes::All(vec![Announced { key: key("M0a"), treatment: None }]));
    }
    addresses.add(&key("M0a"), client(1));
    addresses.add(&key("M0a"), Consumer { place: Place::Edge(LinkId(50)), ..client(2) });
    let view = addresses.view();
    let mut spread = Spread::default();
    let sorted = |mut names: Vec<String>| {
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(hops(&view, &targets(&view, "M0a", &mut spread))), ["B", "D", "here", "here"]);
    // An edge router does not get what it sent.
    let from_edge = Passage { edge: Some(LinkId(50)), ..Passage::HERE };
    let given = targets_of(&view, "M0a", &from_edge, &mut spread).expect("there are some");
    assert_eq!(sorted(hops(&view, &given)), ["B", "D", "here"]);
    // What C sent through B is for D and those here.
    let trace = trace_of(&["C", "B"]);
    let annotations = Annotations { ingress: Some("C"), trace: read_trace(&trace), ..Annotations::default() };
    let passage = Passage::of(&annotations, view.routes());
    let given = targets_of(&view, "M0a", &passage, &mut spread).expect("there are some");
    assert_eq!(sorted(hops(&view, &given)), ["D", "here", "here"]);
    // What was here goes nowhere, and neither does what nobody is known to have sent beyond this node.
    let trace = trace_of(&["C", "A"]);
    let round = Annotations { ingress: Some("C"), trace: read_trace(&trace), ..Annotations::default() };
    let passage = Passage::of(&round, view.routes());
    assert_eq!(targets_of(&view, "M0a", &passage, &mut spread), Err(Undelivered::Round));
    let trace = trace_of(&["X"]);
    let unknown = Annotations { ingress: Some("X"), trace: read_trace(&trace), ..Annotations::default() };
    let given = targets_of(&view, "M0a", &Passage::of(&unknown, view.routes()), &mut spread).expect("there are some");
    assert_eq!(hops(&view, &given), ["here", "here"]);
    world.pass(1);
}

#[test]
fn what_cannot_be_reached_is_told() {
    let (mut world, table) = network(&["C"], "M0a");
    let mut spread = Spread::default();
    assert_eq!(targets_of(&table, "M0b", &Passage::HERE, &mut spread), Err(Undelivered::Unwanted));
    assert!(table.is_reached(&key("M0a")) && !table.is_reached(&key("M0b")));
    let to_c = targets(&table, "RC", &mut spread);
    assert_eq!(hops(&table, &to_c), ["B"]);
    assert!(table.is_reached(&key("RC")) && !table.is_reached(&key("RX")));
    world.cut("A", "B");
    world.pass(1);
    let table = world.view("A");
    assert_eq!(targets_of(&table, "M0a", &Passage::HERE, &mut spread), Err(Undelivered::Unreachable));
    assert_eq!(targets_of(&table, "RC", &Passage::HERE, &mut spread), Err(Undelivered::Unreachable));
    assert!(!table.is_reached(&key("M0a")) && !table.is_reached(&key("RC")));
    // What goes to the only one that wants it never goes back where it came from.
    let trace = trace_of(&["D"]);
    let from_b = Annotations { ingress: Some("D"), trace: read_trace(&trace), ..Annotations::default() };
    assert_eq!(
        targets_of(&table, "M0a", &Passage::of(&from_b, table.routes()), &mut spread),
        Err(Undelivered::Unreachable)
    );
}

#[test]
fn rules_say_how_addresses_are_spread_and_what_falls_back() {
    let rule = Rule { has_fallback: true, ..Rule::of(Treatment::Multicast) };
    let rules = [(Pattern::of_prefix("many").expect("a pattern"), rule)];
    let mut addresses = Addresses::new(Rules::new(rules, Treatment::Unavailable).into(), 1);
    let treatment = |addresses: &mut Addresses, text: &str, hint| {
        let router = RouterIndex::new(5).expect("an index");
        let announced = Announced { key: key(text), treatment: hint };
        addresses.learn(router, Changes::Since { added: vec![announced], deleted: Vec::new() });
        addresses.view().find(&key(text)).expect("it was learned").treatment
    };
    assert_eq!(treatment(&mut addresses, "M0many.a", Some(Treatment::Closest)), Treatment::Multicast);
    assert_eq!(treatment(&mut addresses, "M0few", Some(Treatment::Closest)), Treatment::Closest);
    assert_eq!(treatment(&mut addresses, "M0none", None), Treatment::Unavailable);
    assert_eq!(treatment(&mut addresses, "Corders", None), Treatment::LinkBalanced);
    let table = addresses.view();
    assert_eq!(table.fallback(&key("M0many.b")), Some(key("MFmany.b")));
    assert_eq!((table.fallback(&key("MFmany.b")), table.fallback(&key("M0few"))), (None, None));
    assert_eq!(table.rules().rule("many").map(|rule| rule.egress), Some(Phase::FIRST));
    // A sender to what only a fallback consumer wants has somebody to send to.
    assert_eq!(addresses.add(&key("MFmany.b"), client(1)), Change::First(Treatment::Multicast));
    let table = addresses.view();
    assert!(table.is_reached(&key("M0many.b")));
    let (mut spread, mut targets) = (Spread::default(), Vec::new());
    let taken = choose(&table, &key("M0many.b"), &Passage::HERE, &mut spread, &mut targets);
    assert_eq!((taken, &targets[..]), (Ok(Taken::Fallback(key("MFmany.b"))), &[Target::Consumer(ConsumerId(1))][..]));
    // As long as somebody else takes it, it is not for them.
    addresses.add(&key("M0many.b"), client(2));
    targets.clear();
    let taken = choose(&addresses.view(), &key("M0many.b"), &Passage::HERE, &mut spread, &mut targets);
    assert_eq!((taken, &targets[..]), (Ok(Taken::Wanted), &[Target::Consumer(ConsumerId(2))][..]));
    addresses.check();
}

#[test]
fn links_take_the_route_of_the_pattern_that_says_most_in_turn() {
    let mut addresses = table_of(Treatment::Balanced);
    for (text, id) in [("Corders", 1), ("Eorders/*/new", 2), ("Dorders", 3), ("Corders", 4)] {
        addresses.add(&key(text), client(id));
    }
    let table = addresses.view();
    let route = |address, direction| table.link_route(address, direction).map(|key| key.as_str().to_owned());
    assert_eq!(route("orders.eu.new", Class::PatternIn).as_deref(), Some("Eorders/*/new"));
    assert_eq!(route("orders", Class::PatternIn).as_deref(), Some("Corders"));
    assert_eq!(route("orders.eu.new", Class::PatternOut).as_deref(), Some("Dorders"));
    assert_eq!(route("other", Class::PatternIn), None);
    let mut spread = Spread::default();
    let chosen: Vec<_> = (0..3).map(|_| choose_link(&table, &key("Corders"), &Passage::HERE, &mut spread)).collect();
    assert_eq!(chosen, [1, 4, 1].map(|id| Some(Target::Consumer(ConsumerId(id)))));
    assert_eq!(choose_link(&table, &key("M0orders"), &Passage::HERE, &mut spread), None);
    // A route that goes is taken no more; views that were given out stay as they are.
    assert_eq!(addresses.remove(&key("Eorders/*/new"), ConsumerId(2)), Change::Last);
    let later = addresses.view();
    assert_eq!(later.link_route("orders.eu.new", Class::PatternIn).map(|key| key.as_str()), Some("Corders"));
    assert_eq!(route("orders.eu.new", Class::PatternIn).as_deref(), Some("Eorders/*/new"));
}
