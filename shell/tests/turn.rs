//! A shard's turn without sockets and disks: octets in, octets and orders out.

use std::sync::Arc;

use amqp_bind::Bind;
use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{
    Attach, Begin, Close, Detach, Flow, Open, Performative, Role, Source, Target, Terminus, Transfer, encode_flow,
    encode_frame, encode_transfer,
};
use amqp_proto::Config;
use engine_catalogue::{Attributes, Catalogue, Definition, Placed, Placement, Resolved};
use engine_core::limits::CoreConfig;
use engine_core::{Answer, Core, Version};
use engine_home::{AddressRules, Home, HomeConfig, Moves, Request, Slot};
use engine_policy::{Addresses, Bounds, Gate, Group, Host, Hosts, Peer, Policy, Rights, Rules, Unknown, Vhost};
use engine_router::address::Mode;
use engine_router::{RouterId, table};
use engine_routing::{Registry, Router, RouterConfig};
use engine_rt::Waker;
use engine_shard::{Engine, Mesh};
use node_shell::{Protocol, Turn};
use storage_disk::large::{LargeDone, LargeOrder};

/// A message of a body of so many octets.
fn message(octets: usize) -> Vec<u8> {
    let mut payload = vec![0x00, 0x53, 0x75];
    engine_message::encode::binary(&mut payload, &vec![b'x'; octets]);
    payload
}

fn shard(mesh: Mesh, shards: u16) -> Turn<()> {
    let catalogue = Arc::new(Catalogue::new(Placement::new(shards)));
    let core = Core::new(CoreConfig { shard: mesh.shard(), catalogue, ..CoreConfig::default() });
    let engine = Engine::new(core, mesh, None);
    let addresses = AddressRules::default();
    let config = HomeConfig { addresses, links_max: 10, node_id: "test".to_owned(), first_file: 7 };
    Turn::new(Home::new(config, engine), 10)
}

fn shards(count: u16) -> Vec<Turn<()>> {
    let wakers: Vec<Waker> = (0..count).map(|_| Waker::new().expect("a descriptor")).collect();
    engine_shard::mesh(&wakers).into_iter().map(|mesh| shard(mesh, count)).collect()
}

fn accept(turn: &mut Turn<()>, moves: Moves) -> Slot {
    let config = Config { stream_above: 1000, max_message_size: 1 << 20, ..Config::default() };
    let protocol = Protocol::Amqp(Bind::server(Arc::new(config), moves, 0));
    let Ok(slot) = turn.insert(protocol, ()) else { panic!("there is room for it") };
    slot
}

/// A connection that a policy judges.
fn accept_judged(turn: &mut Turn<()>) -> Slot {
    let protocol = Protocol::Amqp(Bind::server(Arc::new(Config::default()), Moves::Never, 0).judged());
    let Ok(slot) = turn.insert(protocol, ()) else { panic!("there is room for it") };
    slot
}

/// A policy that lets one connection in, which may do nothing then.
fn gate() -> Gate {
    let mut hosts = Hosts::default();
    hosts.add(Host::Any, |_| Vec::new()).expect("all of them");
    let group = Group {
        name: "all".to_owned(),
        users: vec!["*".to_owned()],
        hosts,
        connections_per_user: None,
        connections_per_host: None,
        bounds: Bounds::default(),
        rights: Rights::default(),
        sources: Addresses::default(),
        targets: Addresses::default(),
    };
    let vhost = Vhost {
        name: "h".to_owned(),
        aliases: Vec::new(),
        connections: 1,
        connections_per_user: 1,
        connections_per_host: 1,
        message_octets: None,
        unknown: Unknown::Denied,
        groups: vec![group],
    };
    let rules = Rules { vhosts: vec![vhost], default_vhost: "h".to_owned(), ..Rules::default() };
    Gate::new(Policy::new(rules).expect("rules"))
}

/// A container that the first shard answers for, of however many there are here.
fn container() -> String {
    let owner = |shards, name: &str| {
        let Resolved::Stored { owner } = Catalogue::new(Placement::new(shards)).resolve(name);
        owner.shard
    };
    let is_first = |name: &String| (1..=3).all(|shards| owner(shards, name) == 0);
    (0..).map(|number| format!("c{number}")).find(is_first).expect("one of four")
}

/// What a peer says that opens a connection with one link to `address`.
fn hello(role: Role, address: Option<&str>) -> Vec<u8> {
    let mut bytes = ProtocolHeader::Amqp.bytes().to_vec();
    let open = Open { container_id: container(), max_frame_size: 1 << 20, ..Open::default() };
    encode_frame(&mut bytes, 0, &Performative::Open(Box::new(open)));
    let begin = Begin { incoming_window: 1000, outgoing_window: 1000, ..Begin::default() };
    encode_frame(&mut bytes, 0, &Performative::Begin(Box::new(begin)));
    let terminus = Terminus { address: address.map(str::to_owned), ..Terminus::default() };
    let attach = Attach {
        source: Some(Source::from(terminus.clone())),
        target: Some(Target::Node(terminus)),
        ..Attach::new("link", 0, role)
    };
    encode_frame(&mut bytes, 0, &Performative::Attach(Box::new(attach)));
    bytes
}

fn transfer(bytes: &mut Vec<u8>, payload: &[u8], more: bool) {
    let transfer = Transfer {
        delivery_id: Some(0),
        delivery_tag: Some(b"t"),
        message_format: Some(0),
        more,
        ..Transfer::default()
    };
    encode_transfer(bytes, 0, &transfer, payload.len());
    bytes.extend_from_slice(payload);
}

/// One turn of a shard in which a connection says something; gives what that connection is answered.
fn run(turn: &mut Turn<()>, slot: Slot, said: &[u8]) -> Vec<u8> {
    turn.begin(0, 0);
    let bytes = [turn.get(slot).map(|entry| entry.protocol.kept()).unwrap_or_default(), said].concat();
    turn.receive(slot, &bytes);
    turn.hand_out();
    turn.commit();
    let answer = write(turn, slot);
    turn.flush();
    answer
}

fn write(turn: &mut Turn<()>, of: Slot) -> Vec<u8> {
    let mut answer = Vec::new();
    while let Some(slot) = turn.poll_dirty() {
        if let Some(out) = turn.poll_output(slot) {
            let mut bytes = Vec::new();
            out.drain_into(&mut bytes);
            if slot == of {
                answer.append(&mut bytes);
            }
        }
        turn.handle_written(slot, 0);
    }
    answer
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_message_goes_from_octets_to_octets() {
    let mut turn = shards(1).remove(0);
    let (producer, consumer) = (accept(&mut turn, Moves::Never), accept(&mut turn, Moves::Never));
    run(&mut turn, producer, &hello(Role::Sender, Some("q")));
    run(&mut turn, consumer, &hello(Role::Receiver, Some("q")));
    run(&mut turn, consumer, &credit(1));
    let mut said = Vec::new();
    transfer(&mut said, &message(100), false);
    turn.begin(0, 0);
    turn.receive(producer, &said);
    turn.hand_out();
    assert!(contains(&write(&mut turn, consumer), &message(100)));
    assert_eq!(turn.home().links().filter_map(|(_, link)| link.credit()).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_connection_that_goes_before_its_owner_answers_leaves_no_link() {
    let mut turns = shards(2);
    let address = Catalogue::new(Placement::new(2)).name_owned_by(1, |n| format!("q{n}")).expect("a name");
    let slot = accept(&mut turns[0], Moves::Never);
    run(&mut turns[0], slot, &hello(Role::Receiver, Some(&address)));
    assert!(turns[0].remove(slot).is_some());
    assert_eq!(turns[0].home().links().count(), 1, "its answer is on its way");
    for shard in [1, 0, 1] {
        run(&mut turns[shard], Slot::default(), &[]);
    }
    assert_eq!(turns[0].home().links().count(), 0);
    let consumers: u64 = turns[1].home().engine().core().queue_views().map(|queue| queue.consumers).sum();
    assert_eq!(consumers, 0, "its owner was told");
}

#[test]
fn a_connection_waits_for_its_policy_and_one_that_goes_meanwhile_gives_its_place_back() {
    let (mut turn, mut gate) = (shards(1).remove(0), gate());
    let peer = Peer { user: String::new(), host: [127, 0, 0, 1].into(), hostname: String::new() };
    let slots = [(); 3].map(|()| accept_judged(&mut turn));
    for slot in slots {
        let answer = run(&mut turn, slot, &hello(Role::Receiver, Some("q")));
        assert_eq!(answer, ProtocolHeader::Amqp.bytes(), "its open is not answered");
        assert!(matches!(turn.poll_request(slot), Some(Request::Admit { hostname }) if hostname.is_empty()));
    }
    let [goes, comes, denied] = slots;
    let admitted = gate.admit(&peer);
    assert!(admitted.is_ok() && turn.remove(goes).is_some());
    turn.judged(goes, admitted);
    turn.judged(comes, gate.admit(&peer));
    let answer = run(&mut turn, comes, &[]);
    assert!(contains(&answer, b"heddle") && contains(&answer, b"link disallowed by local policy"));
    turn.judged(denied, gate.admit(&peer));
    let answer = run(&mut turn, denied, &[]);
    assert!(
        contains(&answer, b"amqp:resource-limit-exceeded")
            && contains(&answer, b"connection disallowed by local policy")
    );
    assert!(turn.remove(comes).is_some());
    assert_eq!(gate.figures().map(|one| one.connections).sum::<u64>(), 0);
}

/// Where a performative is that has this descriptor.
fn position(bytes: &[u8], descriptor: u8) -> Option<usize> {
    bytes.windows(3).position(|octets| *octets == [0x00, 0x53, descriptor])
}

#[test]
fn a_detach_is_answered_behind_what_another_shard_says_of_the_deliveries() {
    const ATTACH: u8 = 0x12;
    const DISPOSITION: u8 = 0x15;
    const DETACH: u8 = 0x16;
    for goes in [false, true] {
        let mut turns = shards(2);
        let address = Catalogue::new(Placement::new(2)).name_owned_by(1, |n| format!("q{n}")).expect("a name");
        let slot = accept(&mut turns[0], Moves::Never);
        run(&mut turns[0], slot, &hello(Role::Sender, Some(&address)));
        run(&mut turns[1], Slot::default(), &[]);
        run(&mut turns[0], slot, &[]);
        let mut said = Vec::new();
        transfer(&mut said, &message(100), false);
        run(&mut turns[0], slot, &said);
        run(&mut turns[1], Slot::default(), &[]);
        // The owner has accepted it, and this shard has not heard of that.
        let mut said = Vec::new();
        encode_frame(&mut said, 0, &Performative::Detach(Detach { handle: 0, closed: false, error: None }));
        let terminus = Terminus { address: Some(address.clone()), ..Terminus::default() };
        let source = Some(Source::from(terminus.clone()));
        let again = Attach { source, target: Some(Target::Node(terminus)), ..Attach::new("link", 0, Role::Sender) };
        encode_frame(&mut said, 0, &Performative::Attach(Box::new(again)));
        let mut answers = run(&mut turns[0], slot, &said);
        assert_eq!(position(&answers, DETACH), None);
        if goes {
            assert!(turns[0].remove(slot).is_some());
        }
        for shard in [1, 0, 1, 0] {
            let answer = run(&mut turns[shard], slot, &[]);
            answers.extend(if shard == 0 { answer } else { Vec::new() });
        }
        let links = turns[0].home().links().count();
        if goes {
            assert_eq!(links, 0, "nothing is left of a link whose connection went meanwhile");
            continue;
        }
        let places =
            [DISPOSITION, DETACH, ATTACH].map(|descriptor| position(&answers, descriptor).expect("it is said"));
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(links, 1);
    }
}

/// Three shards of which the first goes by a version that the others do not: an address of the second is the third's now.
fn shards_of_two_versions() -> (Vec<Turn<()>>, String) {
    let mut turns = shards(3);
    let before = Catalogue::new(Placement::new(3));
    let address = before.name_owned_by(1, |n| format!("q{n}")).expect("a name");
    let placed = Definition::new(&address, Attributes::Placed(Placed { shard: 2, epoch: 0 }));
    let after = Arc::new(before.apply(&before.reconcile(&[placed])).expect("it means something"));
    for turn in &mut turns[1..] {
        assert_eq!(turn.handle_version(Version::Holds(Arc::clone(&after))), Answer::Done);
    }
    (turns, address)
}

/// Messages and consumers of a shard's queues.
fn counts(turn: &Turn<()>) -> (u64, u64) {
    let queues = turn.home().engine().core().queue_views();
    queues.fold((0, 0), |(messages, consumers), queue| (messages + queue.messages, consumers + queue.consumers))
}

#[test]
fn an_attach_that_a_wrong_owner_answers_is_asked_of_the_right_one() {
    let (mut turns, address) = shards_of_two_versions();
    let (stays, goes) = (accept(&mut turns[0], Moves::Never), accept(&mut turns[0], Moves::Never));
    run(&mut turns[0], stays, &hello(Role::Receiver, Some(&address)));
    run(&mut turns[0], goes, &hello(Role::Receiver, Some(&address)));
    run(&mut turns[1], Slot::default(), &[]);
    assert_eq!(turns[1].home().engine().core().counts(), (0, 0), "the wrong one makes nothing");
    assert!(turns[0].remove(goes).is_some(), "one of them goes before it is asked again");
    run(&mut turns[0], stays, &[]);
    run(&mut turns[2], Slot::default(), &[]);
    assert!(contains(&run(&mut turns[0], stays, &[]), b"link"), "the other stands, and knows of nothing");
    assert_eq!((counts(&turns[1]), counts(&turns[2])), ((0, 0), (0, 1)));
    let links: Vec<_> = turns[0].home().links().map(|(_, link)| link.owner()).collect();
    assert_eq!(links, [2]);
    assert!(turns[0].remove(stays).is_some());
    turns[0].flush();
    run(&mut turns[2], Slot::default(), &[]);
    assert_eq!(counts(&turns[2]), (0, 0), "the right one hears of its end");
}

#[test]
fn a_relayed_message_that_a_wrong_owner_gets_reaches_the_right_one_and_is_accepted_once() {
    let (mut turns, address) = shards_of_two_versions();
    let slot = accept(&mut turns[0], Moves::Never);
    run(&mut turns[0], slot, &hello(Role::Sender, None));
    let length = u8::try_from(address.len()).expect("a short name");
    let properties = [&[0x00, 0x53, 0x73, 0xc0, length + 5, 3, 0x40, 0x40, 0xa1, length][..], address.as_bytes()];
    let mut said = Vec::new();
    transfer(&mut said, &[properties.concat(), message(100)].concat(), false);
    let mut answers = run(&mut turns[0], slot, &said);
    for shard in [1, 0, 2, 0, 1, 2, 0] {
        let answer = run(&mut turns[shard], slot, &[]);
        answers.extend(if shard == 0 { answer } else { Vec::new() });
    }
    assert_eq!((counts(&turns[1]), counts(&turns[2])), ((0, 0), (1, 0)));
    // A disposition with the outcome accepted.
    assert_eq!(answers.windows(3).filter(|octets| *octets == [0x00, 0x53, 0x15]).count(), 1);
    assert_eq!(answers.windows(3).filter(|octets| *octets == [0x00, 0x53, 0x24]).count(), 1);
}

#[test]
fn a_connection_moves_to_the_owner_of_its_first_link_with_what_it_said_behind() {
    let mut turns = shards(2);
    let address = Catalogue::new(Placement::new(2)).name_owned_by(1, |n| format!("q{n}")).expect("a name");
    let slot = accept(&mut turns[0], Moves::ToOwner);
    let mut said = hello(Role::Sender, Some(&address));
    encode_frame(&mut said, 0, &Performative::Close(Close { error: None }));
    run(&mut turns[0], slot, &said);
    assert!(matches!(turns[0].poll_request(slot), Some(Request::Move { owner: 1 })));
    let entry = turns[0].depart(slot).expect("it is there");
    turns[1].begin(0, 0);
    let Ok(slot) = turns[1].insert(entry.protocol, ()) else { panic!("there is room for it") };
    turns[1].handle_moved(slot);
    turns[1].hand_out();
    write(&mut turns[1], slot);
    assert!(
        turns[1].get(slot).is_some_and(|entry| entry.protocol.is_closed()),
        "the close behind the attach was taken"
    );
    assert_eq!(turns[1].home().links().count(), 0);
}

#[test]
fn a_large_message_that_names_no_address_leaves_no_file() {
    let mut turn = shards(1).remove(0);
    let slot = accept(&mut turn, Moves::Never);
    run(&mut turn, slot, &hello(Role::Sender, None));
    let payload = message(5000);
    let mut said = Vec::new();
    for part in payload.chunks(2000) {
        transfer(&mut said, part, part.len() == 2000);
    }
    run(&mut turn, slot, &said);
    let orders: Vec<LargeOrder> = std::iter::from_fn(|| turn.poll_file_order()).collect();
    assert!(matches!(orders[..], [LargeOrder::Append { id: 7, .. }, LargeOrder::Finish { id: 7, .. }]), "{orders:?}");
    assert!(turn.get(slot).is_some_and(|entry| entry.protocol.is_waiting()), "it is not read meanwhile");
    turn.begin(0, 0);
    turn.handle_file(LargeDone::Appended { id: 7 });
    turn.handle_file(LargeDone::Finished { id: 7 });
    assert!(contains(&write(&mut turn, slot), b"amqp:not-found"));
    assert!(matches!(turn.poll_file_order(), Some(LargeOrder::Remove { id: 7 })), "nobody has it");
    assert!(turn.get(slot).is_some_and(|entry| !entry.protocol.is_waiting()));
}

/// Two shards of a router with its registry.
fn router_shards() -> (Vec<Turn<()>>, Registry) {
    let wakers: Vec<Waker> = (0..2).map(|_| Waker::new().expect("a descriptor")).collect();
    let mut addresses = table::Addresses::new(Arc::default(), 1);
    let first = addresses.view();
    let turns = engine_shard::mesh(&wakers).into_iter().map(|mesh| {
        let catalogue = Arc::new(Catalogue::new(Placement::new(2)));
        let shard = mesh.shard();
        let core = Core::new(CoreConfig { shard, catalogue, ..CoreConfig::default() });
        let router = Router::new(RouterConfig {
            shard,
            shards: 2,
            id: RouterId::new("A").expect("an id"),
            table: first.clone(),
            capacity: 250,
            memory_bytes: 1 << 20,
            mode: Mode::Interior,
        });
        let engine = Engine::new(core, mesh, None).with_router(router);
        let addresses = AddressRules::default();
        let config = HomeConfig { addresses, links_max: 100, node_id: "test".to_owned(), first_file: 7 };
        Turn::new(Home::new(config, engine), 100)
    });
    let turns = turns.collect();
    (turns, Registry::new(addresses, 2, None))
}

/// The registry hears of what there is, and both shards of that.
fn register(turns: &mut [Turn<()>], registry: &mut Registry) {
    for _ in 0..4 {
        for turn in &mut *turns {
            run(turn, Slot::default(), &[]);
            while let Some(note) = turn.poll_note() {
                registry.handle_note(note, 0);
            }
        }
        while let Some(update) = registry.poll_update() {
            turns.iter_mut().for_each(|turn| turn.handle_table(update.clone()));
        }
        while let Some(answer) = registry.poll_answer() {
            turns.iter_mut().for_each(|turn| turn.handle_registered(answer));
        }
    }
}

/// A message of which no other number has the like.
fn numbered(number: u8) -> Vec<u8> {
    let mut payload = vec![0x00, 0x53, 0x75];
    engine_message::encode::binary(&mut payload, &[number; 900]);
    payload
}

/// A consumer gives so much credit from the start.
fn credit(link_credit: u32) -> Vec<u8> {
    let mut said = Vec::new();
    let flow = Flow {
        next_incoming_id: Some(0),
        incoming_window: 1000,
        handle: Some(0),
        delivery_count: Some(0),
        link_credit: Some(link_credit),
        ..Flow::default()
    };
    encode_flow(&mut said, 0, &flow);
    said
}

#[test]
fn what_was_read_goes_on_whole_whatever_becomes_of_the_memory_that_it_was_read_to() {
    const MESSAGES: u8 = 40;
    // At once, which is much, and one by one.
    for at_once in [MESSAGES, 1] {
        let (mut turns, mut registry) = router_shards();
        let [address, _] = names();
        let [producer, consumer] = [Role::Sender, Role::Receiver].map(|role| {
            let slot = accept(&mut turns[0], Moves::Never);
            run(&mut turns[0], slot, &hello(role, Some(&address)));
            slot
        });
        register(&mut turns, &mut registry);
        run(&mut turns[0], consumer, &credit(7));
        let mut came = Vec::new();
        let numbers: Vec<u8> = (0..MESSAGES).collect();
        for numbers in numbers.chunks(at_once.into()) {
            let mut said = Vec::new();
            for &number in numbers {
                let (id, tag, payload) = (Some(number.into()), &[number][..], numbered(number));
                let first = Transfer {
                    delivery_id: id,
                    delivery_tag: Some(tag),
                    message_format: Some(0),
                    ..Transfer::default()
                };
                encode_transfer(&mut said, 0, &first, payload.len());
                said.extend(payload);
            }
            turns[0].begin(0, 0);
            turns[0].receive(producer, &said);
            said.fill(0xee);
            turns[0].hand_out();
            came.extend(write(&mut turns[0], consumer));
        }
        let is_there = |came: &[u8]| (0..MESSAGES).map(|number| contains(came, &numbered(number))).collect::<Vec<_>>();
        assert_eq!(
            is_there(&came),
            (0..MESSAGES).map(|number| number < 7).collect::<Vec<_>>(),
            "as many as there is credit for"
        );
        came.extend(run(&mut turns[0], consumer, &credit(MESSAGES.into())));
        assert_eq!(is_there(&came), [true; MESSAGES as usize]);
    }
}

/// An address whose name says the first of two shards, and one for the second.
fn names() -> [String; 2] {
    let catalogue = Catalogue::new(Placement::new(2));
    [0, 1].map(|shard| catalogue.name_owned_by(shard, |number| format!("q{number}")).expect("a name"))
}

/// Whether a link of this address, that comes to the first shard, asks for its connection to be moved to the second one.
fn moves(turns: &mut [Turn<()>], role: Role, address: &str) -> bool {
    let slot = accept(&mut turns[0], Moves::ToOwner);
    run(&mut turns[0], slot, &hello(role, Some(address)));
    let moves =
        std::iter::from_fn(|| turns[0].poll_request(slot)).any(|asked| matches!(asked, Request::Move { owner: 1 }));
    assert!(turns[0].remove(slot).is_some());
    moves
}

#[test]
fn a_connection_moves_once_to_where_links_of_routed_addresses_meet() {
    let (mut turns, mut registry) = router_shards();
    let [first, second] = names();
    let slot = accept(&mut turns[0], Moves::ToOwner);
    run(&mut turns[0], slot, &hello(Role::Sender, Some(&second)));
    register(&mut turns, &mut registry);
    let mut asked = std::iter::from_fn(|| turns[0].poll_request(slot));
    assert!(asked.any(|asked| matches!(asked, Request::Move { owner: 1 })));
    let entry = turns[0].depart(slot).expect("it is there");
    turns[1].begin(0, 0);
    let Ok(slot) = turns[1].insert(entry.protocol, ()) else { panic!("there is room for it") };
    turns[1].handle_moved(slot);
    run(&mut turns[1], slot, &[]);
    assert_eq!(turns[1].home().link_count(), 1);
    let mut said = Vec::new();
    encode_frame(&mut said, 0, &Performative::Detach(Detach { handle: 0, closed: true, error: None }));
    let terminus = Terminus::at(first);
    let (source, target) = (Some(Source::from(terminus.clone())), Some(Target::Node(terminus)));
    let attach = Attach { source, target, ..Attach::new("another", 0, Role::Sender) };
    encode_frame(&mut said, 0, &Performative::Attach(Box::new(attach)));
    run(&mut turns[1], slot, &said);
    register(&mut turns, &mut registry);
    let mut asked = std::iter::from_fn(|| turns[1].poll_request(slot));
    assert!(!asked.any(|asked| matches!(asked, Request::Move { .. })), "it stays");
    assert_eq!(turns[1].home().link_count(), 1, "and has its link");
}

#[test]
fn links_of_a_routed_address_meet_unless_there_are_many_where_they_would() {
    let (mut turns, mut registry) = router_shards();
    let [first, second] = names();
    for role in [Role::Sender, Role::Receiver] {
        for before in ["", "/", "amqp:/", "amqp://host/"] {
            assert!(moves(&mut turns, role, &format!("{before}{second}")), "nobody is there: where the name says");
            assert!(!moves(&mut turns, role, &format!("{before}{first}")), "{before}");
        }
    }
    let attach = |turn: &mut Turn<()>, role, address: &str| {
        let slot = accept(turn, Moves::Never);
        run(turn, slot, &hello(role, Some(address)));
        slot
    };
    attach(&mut turns[1], Role::Receiver, &first);
    attach(&mut turns[0], Role::Receiver, &second);
    register(&mut turns, &mut registry);
    assert!(moves(&mut turns, Role::Sender, &first), "to the only receiver");
    assert!(!moves(&mut turns, Role::Sender, &second), "it is where that is");
    assert!(!moves(&mut turns, Role::Receiver, &first), "receivers share the work");
    let another = attach(&mut turns[0], Role::Receiver, &first);
    register(&mut turns, &mut registry);
    assert!(!moves(&mut turns, Role::Sender, &first), "there are two on two shards");
    assert!(turns[0].remove(another).is_some());
    let others: Vec<Slot> =
        (0..20).map(|number| attach(&mut turns[1], Role::Receiver, &format!("other-{number}"))).collect();
    register(&mut turns, &mut registry);
    assert!(!moves(&mut turns, Role::Sender, &first), "the other shard has many links more");
    others.into_iter().for_each(|slot| drop(turns[1].remove(slot)));
    register(&mut turns, &mut registry);
    assert!(moves(&mut turns, Role::Sender, &first), "and no more");
}
