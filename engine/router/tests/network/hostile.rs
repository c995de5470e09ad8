//! A neighbour that says anything, beside one that is honest: whatever it says costs nobody but itself its connection.

use engine_message::section;
use engine_router::address::Key;
use engine_router::annotations::Annotations;
use engine_router::control::{Announced, Body, Control, Destination};
use engine_router::network::{Action, LinkId, Network};
use engine_router::{RouterId, Treatment};
use proptest::prelude::*;

use crate::said::{self, Parts};
use crate::traces::{read_trace, trace_of};
use crate::world::{SECOND, id, network};

const HONEST: LinkId = LinkId(1);
const HOSTILE: LinkId = LinkId(2);

/// What the hostile neighbour does.
#[derive(Clone, Debug)]
enum Deed {
    /// It says something: what, to whom, as if it came over these routers.
    Say(Control, Destination, Vec<RouterId>),
    /// The same, with some octets replaced.
    Spoil(Control, prop::sample::Index, Vec<u8>),
    /// It says nothing for so many milliseconds.
    Wait(u64),
    /// It connects again.
    Connect,
}

fn ids() -> impl Strategy<Value = RouterId> {
    // This router, both neighbours, others.
    proptest::sample::select(["A", "H", "N", "X", "Y", "Z"].map(id).to_vec())
}

fn announced() -> impl Strategy<Value = Vec<Announced>> {
    let key = proptest::sample::select(vec!["M0a", "M1b", "Cc", "Hx"]);
    let one = key.prop_map(|key| Announced { key: Key::read(key).expect(key), treatment: Some(Treatment::Multicast) });
    proptest::collection::vec(one, 0..4)
}

fn bodies() -> impl Strategy<Value = Body> {
    said::bodies(Parts {
        instance: proptest::option::of(0..4_u64).boxed(),
        number: prop_oneof![0..6_u64, Just(i64::MAX as u64)].boxed(),
        seen: proptest::collection::vec(ids(), 0..4).boxed(),
        peers: proptest::collection::btree_map(ids(), 1..3_u32, 0..6).prop_map(Vec::from_iter).boxed(),
        addresses: announced().boxed(),
    })
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let control = || (ids(), bodies()).prop_map(|(id, body)| Control { id, body });
    let to = prop_oneof![Just(Destination::Neighbours), Just(Destination::All), ids().prop_map(Destination::Router)];
    let trace = proptest::collection::vec(ids(), 0..3);
    let octets = proptest::collection::vec(any::<u8>(), 0..4);
    let deed = prop_oneof![
        8 => (control(), to, trace).prop_map(|(control, to, trace)| Deed::Say(control, to, trace)),
        1 => (control(), any::<prop::sample::Index>(), octets).prop_map(|(control, at, octets)| Deed::Spoil(control, at, octets)),
        2 => (0..3000_u64).prop_map(Deed::Wait),
        2 => Just(Deed::Connect),
    ];
    proptest::collection::vec(deed, 0..80)
}

/// A message as if the neighbour `N` handed it on: it came over these routers, the first of which says it.
fn handed_on(control: &Control, to: &Destination, trace: &[RouterId]) -> Vec<u8> {
    let message = control.encode(to);
    let sections = section::scan(&message).expect("a message");
    let trace: Vec<&str> = trace.iter().map(RouterId::as_str).chain(["N"]).collect();
    let list = trace_of(&trace);
    let annotations =
        Annotations { ingress: trace.first().copied(), trace: read_trace(&list), ..Annotations::default() };
    let mut out = message[..sections.message_annotations.start].to_vec();
    annotations.encode(&mut out);
    out.extend_from_slice(&message[sections.message_annotations.end..]);
    out
}

struct Scene {
    router: Network,
    now: u64,
    is_connected: bool,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self { router: network("A", 2), now: 0, is_connected: false };
        scene.router.handle_link(HONEST, id("H"), 1, 0);
        scene
    }

    fn act(&mut self) {
        self.router.check();
        while let Some(action) = self.router.poll_action() {
            match action {
                Action::Close { link, condition, reason } => {
                    assert_eq!(link, HOSTILE, "{condition}: {reason}");
                    self.is_connected = false;
                }
                Action::Learned { router, .. } => assert!(self.router.known().contains(router), "of a known router"),
                Action::Send { link, .. } => assert!(link == HONEST || self.is_connected, "to who is there"),
                Action::Routes | Action::Forgotten { .. } | Action::Notice(_) => {}
            }
        }
    }

    /// The honest neighbour greets each second, and time passes.
    fn pass(&mut self, until: u64) {
        while self.now < until {
            self.now = until.min(self.now + SECOND);
            let hello = Control { id: id("H"), body: Body::Hello { instance: Some(1), seen: vec![id("A")] } };
            self.router.handle_message(HONEST, &hello.encode(&Destination::Neighbours), self.now);
            self.router.handle_time(self.now);
            self.act();
        }
    }

    fn hear(&mut self, message: &[u8]) {
        self.router.handle_message(HOSTILE, message, self.now);
        self.act();
    }

    fn apply(&mut self, deed: Deed) {
        match deed {
            Deed::Say(control, to, trace) => self.hear(&handed_on(&control, &to, &trace)),
            Deed::Spoil(control, at, octets) => {
                let mut message = handed_on(&control, &Destination::All, &[]);
                let at = at.index(message.len());
                message.splice(at..(at + octets.len()).min(message.len()), octets);
                self.hear(&message);
            }
            Deed::Wait(ms) => self.pass(self.now + ms * (SECOND / 1000)),
            Deed::Connect if !self.is_connected => {
                self.is_connected = true;
                self.router.handle_link(HOSTILE, id("N"), 1, self.now);
                self.act();
            }
            Deed::Connect => {}
        }
    }
}

proptest! {
    // Each case lasts more than a minute of the protocol's time.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_it_says_the_honest_one_is_a_neighbour(deeds in deeds()) {
        let mut scene = Scene::new();
        scene.pass(2 * SECOND);
        for deed in deeds {
            scene.apply(deed);
        }
        scene.pass(scene.now + 2 * SECOND);
        let routes = scene.router.routes();
        let path = routes.index("H").and_then(|honest| routes.path(honest));
        prop_assert_eq!(path.map(|path| path.cost), Some(1));
        // And what it made up is forgotten once it is gone, with what aged.
        scene.router.handle_link_lost(HOSTILE, scene.now);
        scene.is_connected = false;
        scene.act();
        scene.pass(scene.now + 70 * SECOND);
        prop_assert!(scene.router.known().count() <= 2, "{:?}", scene.router.known());
    }
}
