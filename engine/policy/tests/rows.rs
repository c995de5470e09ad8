//! Each rule of a policy by itself: who is let in, what it is told, and what it may do.

use core::net::IpAddr;

use engine_message::Condition;
use engine_policy::{
    Addresses, Admission, Bounds, Denial, Gate, Group, Host, Hosts, Link, Naming, Peer, Policy, Purpose, Rights, Rules,
    Unknown, Vhost,
};

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn peer(user: &str, host: &str, hostname: &str) -> Peer {
    Peer { user: user.to_owned(), host: ip(host), hostname: hostname.to_owned() }
}

fn hosts(texts: &[&str]) -> Hosts {
    let mut hosts = Hosts::default();
    for text in texts {
        hosts.add(Host::new(text).expect(text), |_| Vec::new()).expect(text);
    }
    hosts
}

fn names(names: &[&str]) -> Addresses {
    Addresses::of_names(names.iter().copied()).expect("names")
}

fn group(name: &str, users: &[&str]) -> Group {
    Group {
        name: name.to_owned(),
        users: users.iter().map(|&user| user.to_owned()).collect(),
        hosts: hosts(&["*"]),
        connections_per_user: None,
        connections_per_host: None,
        bounds: Bounds::default(),
        rights: Rights::default(),
        sources: names(&["*"]),
        targets: names(&["*"]),
    }
}

fn vhost(name: &str, groups: Vec<Group>) -> Vhost {
    Vhost {
        name: name.to_owned(),
        aliases: Vec::new(),
        connections: 65_535,
        connections_per_user: 65_535,
        connections_per_host: 65_535,
        message_octets: None,
        unknown: Unknown::Denied,
        groups,
    }
}

fn gate(vhosts: Vec<Vhost>) -> Gate {
    Gate::new(Policy::new(Rules { vhosts, ..Rules::default() }).expect("rules"))
}

fn told(denial: &Denial) -> (&'static str, &'static str) {
    (denial.condition.as_str(), denial.text)
}

const NOT_LET_IN: (&str, &str) = ("amqp:resource-limit-exceeded", "connection disallowed by local policy");
const NO_LINK: (&str, &str) = ("amqp:unauthorized-access", "link disallowed by local policy");
const NO_FURTHER_LINK: (&str, &str) = ("amqp:resource-limit-exceeded", "link disallowed by local policy");

/// The group that a peer is let into; empty: it is not let in.
fn joined(gate: &mut Gate, peer: &Peer) -> String {
    match gate.admit(peer) {
        Ok(admission) => format!("{}/{}", admission.terms().vhost, admission.terms().group),
        Err(denial) => {
            assert_eq!(told(&denial), NOT_LET_IN, "{denial}");
            String::new()
        }
    }
}

#[test]
fn s11_the_hostname_says_which_vhost() {
    let both = || vec![vhost("a.org", vec![group("g", &["*"])]), vhost("$default", vec![group("g", &["*"])])];
    for (default, hostname, wanted) in [
        ("$default", "a.org", "a.org/g"),
        ("$default", "b.org", "$default/g"),
        ("$default", "", "$default/g"),
        ("a.org", "b.org", "a.org/g"),
        ("", "b.org", ""),
        ("missing", "b.org", ""),
        ("", "A.ORG", ""),
        ("", "", ""),
    ] {
        let rules = Rules { vhosts: both(), default_vhost: default.to_owned(), ..Rules::default() };
        let mut gate = Gate::new(Policy::new(rules).expect("rules"));
        assert_eq!(joined(&mut gate, &peer("u", "::1", hostname)), wanted, "{default} {hostname}");
        assert_eq!(gate.strangers(), u64::from(wanted.is_empty()));
    }
}

#[test]
fn s12_the_user_says_which_group() {
    let groups = || vec![group("admins", &["root", "ann"]), group("$default", &[])];
    let open = || [groups(), vec![group("all", &["*"])]].concat();
    for (groups, unknown, user, wanted) in [
        (groups(), Unknown::Denied, "ann", "h/admins"),
        (groups(), Unknown::Denied, "bob", ""),
        (groups(), Unknown::Denied, "", ""),
        (groups(), Unknown::Denied, "*", ""),
        (groups(), Unknown::Default, "bob", "h/$default"),
        (groups(), Unknown::Default, "", "h/$default"),
        (open(), Unknown::Default, "bob", "h/all"),
        (open(), Unknown::Denied, "ann", "h/admins"),
        (open(), Unknown::Denied, "", "h/all"),
    ] {
        let mut gate = gate(vec![Vhost { unknown, ..vhost("h", groups) }]);
        assert_eq!(joined(&mut gate, &peer(user, "::1", "h")), wanted, "{user}");
    }
}

#[test]
fn s13_a_group_says_from_where() {
    for (texts, host, is_let_in) in [
        (&["127.0.0.1", "10.0.0.0-10.0.0.255"][..], "127.0.0.1", true),
        (&["127.0.0.1", "10.0.0.0-10.0.0.255"], "10.0.0.77", true),
        (&["127.0.0.1", "10.0.0.0-10.0.0.255"], "10.0.1.0", false),
        (&["*"], "2001:db8::1", true),
        (&[], "127.0.0.1", false),
    ] {
        let mut gate = gate(vec![vhost("h", vec![Group { hosts: hosts(texts), ..group("g", &["*"]) }])]);
        assert_eq!(!joined(&mut gate, &peer("u", host, "h")).is_empty(), is_let_in, "{texts:?} {host}");
    }
}

#[test]
fn s14_connections_are_counted_by_vhost_user_and_host() {
    let limited = Vhost { connections: 3, connections_per_user: 2, connections_per_host: 2, ..vhost("h", vec![]) };
    let own = Group { connections_per_user: Some(1), connections_per_host: Some(0), ..group("own", &["one"]) };
    let mut gate = gate(vec![Vhost { groups: vec![group("g", &["*"]), own], ..limited }, vhost("other", vec![])]);
    let mut come = |user: &str, host: &str| gate.admit(&peer(user, host, "h"));
    let first = come("u", "::1").expect("the first");
    let second = come("u", "::2").expect("the second");
    let denied = come("u", "::3").expect_err("a third of the user");
    assert!(told(&denied) == NOT_LET_IN && denied.why.contains("the user has 2 connections"), "{denied}");
    let third = come("v", "::1").expect("another user");
    let denied = come("w", "::4").expect_err("a fourth of the vhost");
    assert!(denied.why.contains("there are 3 connections"), "{denied}");
    drop(second);
    let denied = come("w", "::1").expect_err("a third of the host");
    assert!(denied.why.contains("the host has 2 connections"), "{denied}");
    let denied = come("one", "::9").expect_err("its group lets no host have any");
    assert!(denied.why.contains("the host has 0 connections"), "{denied}");
    drop((first, third));
    assert!(come("w", "::1").is_ok(), "their places are there again");
    let figures: Vec<_> = gate.figures().map(|one| (one.admitted, one.denied, one.connections)).collect();
    assert_eq!(figures, [(4, 4, 0), (0, 0, 0)]);
}

#[test]
fn s14_whoever_drops_a_connection_elsewhere_gives_its_place_back() {
    let mut gate = gate(vec![Vhost { connections: 4, ..vhost("h", vec![group("g", &["*"])]) }]);
    let (sender, receiver) = std::sync::mpsc::channel::<Admission>();
    let dropper = std::thread::spawn(move || receiver.into_iter().for_each(drop));
    let mut admitted = 0;
    while admitted < 10_000 {
        // Whoever is denied asks again, as clients do.
        if let Ok(admission) = gate.admit(&peer("u", "::1", "h")) {
            assert!(gate.figures().all(|one| one.connections <= 4));
            sender.send(admission).expect("somebody takes them");
            admitted += 1;
        }
    }
    drop(sender);
    dropper.join().expect("it ends");
    assert!(gate.figures().all(|one| one.connections == 0));
}

/// A connection of a group, alone.
fn admitted(group: Group, message_octets: (Option<u32>, u32)) -> Admission {
    let vhost = Vhost { message_octets: message_octets.0, ..vhost("h", vec![group]) };
    let rules = Rules { vhosts: vec![vhost], message_octets: message_octets.1, ..Rules::default() };
    Gate::new(Policy::new(rules).expect("rules")).admit(&peer("u", "::1", "h")).expect("it is let in")
}

#[test]
fn s14_bounds_of_a_connection_are_its_groups_and_links_are_counted() {
    let bounds = Bounds {
        frame_octets: Some(4096),
        window_octets: Some(0),
        sessions: Some(2),
        senders: 2,
        receivers: 1,
        message_octets: None,
    };
    let rights = Rights { dynamic_source: true, anonymous_sender: true, ..Rights::default() };
    let admission = admitted(Group { bounds, rights, ..group("g", &["*"]) }, (None, 0));
    let got = admission.terms().bounds;
    assert_eq!((got.frame_octets, got.window_octets, got.sessions), (Some(4096), None, Some(2)));
    for (link, most) in [
        (Link::To("a", Purpose::Plain), 2),
        (Link::Anonymous, 2),
        (Link::From("a", Purpose::Plain), 1),
        (Link::Dynamic, 1),
    ] {
        assert_eq!(admission.attach(link, most - 1), Ok(()), "{link:?}");
        assert_eq!(told(&admission.attach(link, most).expect_err("one too many")), NO_FURTHER_LINK, "{link:?}");
    }
    let unbounded = Bounds { senders: 0, ..Bounds::default() };
    let admission = admitted(Group { bounds: unbounded, ..group("g", &["*"]) }, (None, 0));
    assert_eq!(admission.attach(Link::To("a", Purpose::Plain), 1 << 20), Ok(()), "0 is no bound");
}

#[test]
fn s14_message_sizes_are_the_groups_then_the_vhosts_then_the_policys() {
    for (group_says, vhost_says, policy_says, wanted) in [
        (None, None, 0, None),
        (None, None, 7, Some(7)),
        (None, Some(6), 7, Some(6)),
        (Some(5), Some(6), 7, Some(5)),
        (Some(0), Some(6), 7, None),
        (None, Some(0), 7, None),
    ] {
        let bounds = Bounds { message_octets: group_says, ..Bounds::default() };
        let admission = admitted(Group { bounds, ..group("g", &["*"]) }, (vhost_says, policy_says));
        assert_eq!(admission.terms().bounds.message_octets, wanted);
    }
}

#[test]
fn s15_links_are_of_addresses_that_the_group_has() {
    let own = Group { sources: names(&["q", "tmp-${user}"]), targets: names(&["news*"]), ..group("g", &["*"]) };
    let admission = admitted(own, (None, 0));
    for (link, is_allowed) in [
        (Link::From("q", Purpose::Plain), true),
        (Link::From("tmp-u", Purpose::Plain), true),
        (Link::From("tmp-v", Purpose::Plain), false),
        (Link::From("news", Purpose::Plain), false),
        (Link::From("", Purpose::Plain), false),
        (Link::To("news.today", Purpose::Plain), true),
        (Link::To("q", Purpose::Plain), false),
    ] {
        match admission.attach(link, 0) {
            Ok(()) => assert!(is_allowed, "{link:?}"),
            Err(denial) => assert!(!is_allowed && told(&denial) == NO_LINK, "{link:?}: {denial}"),
        }
    }
    let nothing = Group { sources: Addresses::default(), targets: Addresses::default(), ..group("g", &["*"]) };
    let admission = admitted(nothing, (None, 0));
    assert!(!admission.may_send("a") && !admission.may_receive("a"), "nothing said is nothing allowed");
    let patterns = Addresses::of_patterns(["*.${user}", "news.#"]).expect("patterns");
    let admission = admitted(Group { targets: patterns, ..group("g", &["*"]) }, (None, 0));
    assert!(admission.may_send("a.u") && admission.may_send("news") && !admission.may_send("a.v"));
}

#[test]
fn s16_rights_are_asked_and_have_defaults() {
    let all = Rights {
        dynamic_source: true,
        anonymous_sender: true,
        user_id_proxy: true,
        waypoint_links: false,
        fallback_links: false,
        dynamic_link_routes: false,
        admin_status_update: false,
    };
    for (link, by_default, by_all) in [
        (Link::Dynamic, false, true),
        (Link::Anonymous, false, true),
        (Link::To("a", Purpose::Waypoint), true, false),
        (Link::From("a", Purpose::Waypoint), true, false),
        (Link::To("a", Purpose::Fallback), true, false),
        (Link::From("a", Purpose::Fallback), true, false),
    ] {
        for (rights, is_allowed) in [(Rights::default(), by_default), (all, by_all)] {
            let admission = admitted(Group { rights, ..group("g", &["*"]) }, (None, 0));
            let refused = admission.attach(link, 0).err();
            assert_eq!(refused.as_ref().map(told), (!is_allowed).then_some(NO_LINK), "{link:?}");
        }
    }
    let default = Rights::default();
    assert!(default.dynamic_link_routes && default.admin_status_update);
    for (user_id, by_default) in [(&b"u"[..], true), (b"", true), (b"v", false), (b"\xff", false)] {
        let spoken = |rights| admitted(Group { rights, ..group("g", &["*"]) }, (None, 0)).speak_for(user_id);
        assert_eq!(spoken(all), Ok(()));
        let refused = spoken(default).err();
        let wanted = ("amqp:unauthorized-access", "user_id proxy violation");
        assert_eq!(refused.as_ref().map(told), (!by_default).then_some(wanted), "{user_id:?}");
    }
    for (capabilities, purpose) in [
        (&["queue"][..], Purpose::Plain),
        (&["qd.waypoint"], Purpose::Waypoint),
        (&["queue", "qd.waypoint.2"], Purpose::Waypoint),
        (&["qd.fallback"], Purpose::Fallback),
    ] {
        assert_eq!(Purpose::of(capabilities.iter().copied()), purpose);
    }
}

#[test]
fn s17_messages_of_anonymous_senders_are_for_targets() {
    let admission = admitted(Group { targets: names(&["q"]), ..group("g", &["*"]) }, (None, 0));
    assert_eq!(admission.pass("q"), Ok(()));
    let denial = admission.pass("r").expect_err("it is no target");
    assert_eq!(denial.condition, Condition::UnauthorizedAccess);
    assert_eq!(denial.text, "policy violation on target");
}

#[test]
fn s18_hostnames_have_aliases_and_may_be_patterns() {
    let vhosts = || {
        let alias = Vhost { aliases: vec!["b.org".to_owned()], ..vhost("a.org", vec![group("g", &["*"])]) };
        let wide = Vhost { aliases: vec!["*.net".to_owned()], ..vhost("#.org", vec![group("wide", &["*"])]) };
        vec![alias, wide, vhost("$default", vec![group("g", &["*"])])]
    };
    for (naming, hostname, wanted) in [
        (Naming::Exact, "b.org", "a.org/g"),
        (Naming::Exact, "c.org", "$default/g"),
        (Naming::Exact, "#.org", "#.org/wide"),
        (Naming::Patterns, "a.org", "a.org/g"),
        (Naming::Patterns, "c.org", "#.org/wide"),
        (Naming::Patterns, "x.c.org", "#.org/wide"),
        (Naming::Patterns, "x.net", "#.org/wide"),
        (Naming::Patterns, "x.y.net", "$default/g"),
        (Naming::Patterns, "", "$default/g"),
    ] {
        let rules = Rules { vhosts: vhosts(), naming, default_vhost: "$default".to_owned(), message_octets: 0 };
        let mut gate = Gate::new(Policy::new(rules).expect("rules"));
        assert_eq!(joined(&mut gate, &peer("u", "::1", hostname)), wanted, "{naming:?} {hostname}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let twice = |name: &str| Vhost { aliases: vec![name.to_owned()], ..vhost(name, vec![]) };
    let shared = vhost("c", vec![group("g", &["u", ""]), group("h", &["u"]), group("h", &[])]);
    let open = Vhost { unknown: Unknown::Default, ..vhost("d", vec![group("g", &["*"])]) };
    let rules = |vhosts, naming| Rules { vhosts, naming, ..Rules::default() };
    let wrong = Policy::new(rules(vec![twice("a"), shared, open, vhost("", vec![])], Naming::Exact)).expect_err("all");
    let all: Vec<String> = wrong.iter().map(|wrong| format!("{}: {}", wrong.vhost, wrong.text)).collect();
    for text in [
        "0: the hostname \"a\" is there twice",
        "1: the user \"u\"",
        "1: a user of group",
        "1: there is a second",
        "2: allowUnknownUser",
        "3: a hostname",
    ] {
        assert!(all.iter().any(|one| one.starts_with(text)), "{text}: {all:?}");
    }
    let wrong = Policy::new(rules(vec![twice("a"), vhost(".", vec![])], Naming::Patterns)).expect_err("both");
    let all: Vec<&str> = wrong.iter().map(|wrong| wrong.text.as_str()).collect();
    assert!(all[0].contains("the pattern \"a\" is there twice") && all[1].contains("is no pattern"), "{all:?}");
}
