//! The edge's side of its connections to the interior, against what must be there after any order of events.

use std::collections::{BTreeMap, BTreeSet};

use engine_router::address::{Key, Phase};
use engine_router::network::LinkId;
use engine_router::uplink::{Action, Notice, Proxy, Uplink, Way};
use proptest::prelude::*;

const SECOND_NS: u64 = 1_000_000_000;

fn proxy(way: Way, number: u8) -> Proxy {
    Proxy { way, key: Key::mobile(Phase::FIRST, &format!("a{number}")).expect("a key") }
}

/// What the connections have, as the actions say.
#[derive(Default)]
struct Interior {
    active: Option<LinkId>,
    links: BTreeMap<u32, (LinkId, Proxy)>,
    numbers: BTreeSet<u32>,
    notices: Vec<Notice>,
}

impl Interior {
    fn follow(&mut self, uplink: &mut Uplink) {
        while let Some(action) = uplink.poll_action() {
            match action {
                Action::Activate { link } => {
                    self.active = Some(link);
                    assert!(self.links.values().all(|(of, _)| *of != link), "it gets all of its links now");
                }
                Action::Attach { link, number, proxy } => {
                    assert_eq!(Some(link), self.active, "links are on the active connection");
                    assert!(self.numbers.insert(number), "a number is of one attempt");
                    assert!(self.links.values().all(|(_, known)| *known != proxy), "an address has one link each way");
                    self.links.insert(number, (link, proxy));
                }
                Action::Detach { link, number } => {
                    assert_eq!(self.links.remove(&number).map(|(of, _)| of), Some(link), "it was there");
                }
                Action::Notice(notice) => self.notices.push(notice),
            }
        }
        uplink.check();
    }

    fn lose(&mut self, link: LinkId) {
        self.links.retain(|_, (of, _)| *of != link);
        self.active = self.active.filter(|active| *active != link);
    }

    fn proxies(&self) -> BTreeSet<Proxy> {
        self.links.values().map(|(_, proxy)| proxy.clone()).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Open(u64),
    Lose(u64),
    Need(Way, u8),
    Unneed(Way, u8),
    Refuse(usize),
    RefuseStale(u32),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let way = || prop_oneof![Just(Way::Down), Just(Way::Up)];
    let step = prop_oneof![
        (0..4_u64).prop_map(Step::Open),
        (0..4_u64).prop_map(Step::Lose),
        (way(), 0..5_u8).prop_map(|(way, number)| Step::Need(way, number)),
        (way(), 0..5_u8).prop_map(|(way, number)| Step::Unneed(way, number)),
        (0..8_usize).prop_map(Step::Refuse),
        (0..40_u32).prop_map(Step::RefuseStale),
        (0..6_u64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn the_active_connection_has_what_is_needed(steps in steps()) {
        let (mut uplink, mut interior) = (Uplink::default(), Interior::default());
        let (mut open, mut needed, mut now_ns) = (Vec::new(), BTreeMap::<Proxy, u32>::new(), 0);
        let mut left = BTreeMap::new();
        for step in steps {
            match step {
                Step::Open(link) if open.contains(&link) => {}
                Step::Open(link) => {
                    open.push(link);
                    uplink.handle_opened(LinkId(link));
                }
                Step::Lose(link) => {
                    open.retain(|known| *known != link);
                    interior.lose(LinkId(link));
                    uplink.handle_lost(LinkId(link));
                }
                Step::Need(way, number) => {
                    *needed.entry(proxy(way, number)).or_default() += 1;
                    uplink.handle_needed(&proxy(way, number));
                }
                Step::Unneed(way, number) => {
                    let proxy = proxy(way, number);
                    if let Some(by) = needed.get_mut(&proxy) {
                        *by -= 1;
                        uplink.handle_unneeded(&proxy, now_ns);
                        left.insert(proxy, now_ns);
                    }
                    needed.retain(|_, by| *by > 0);
                }
                Step::Refuse(which) => {
                    let some = interior.links.iter().nth(which).map(|(number, (link, _))| (*number, *link));
                    if let Some((number, link)) = some {
                        interior.links.remove(&number);
                        uplink.handle_down(link, number, "no", now_ns);
                    }
                }
                Step::RefuseStale(number) => {
                    if !interior.links.contains_key(&number) {
                        let link = LinkId(u64::from(number % 4));
                        uplink.handle_down(link, number, "gone before", now_ns);
                    }
                }
                Step::Pass(seconds) => {
                    now_ns += seconds * SECOND_NS;
                    uplink.handle_time(now_ns);
                }
            }
            interior.follow(&mut uplink);
            prop_assert_eq!(uplink.active(), open.first().copied().map(LinkId));
            prop_assert_eq!(interior.active, uplink.active());
            let lingers = |proxy: &Proxy| {
                proxy.way == Way::Up && left.get(proxy).is_some_and(|left_ns| now_ns < left_ns + 5 * SECOND_NS)
            };
            let is_due = |proxy: &Proxy| needed.contains_key(proxy) || lingers(proxy);
            prop_assert!(interior.proxies().iter().all(is_due), "nothing else");
        }
        // In the end all is there.
        now_ns += 10 * SECOND_NS;
        uplink.handle_time(now_ns);
        interior.follow(&mut uplink);
        let expected = if open.is_empty() { BTreeSet::new() } else { needed.into_keys().collect() };
        prop_assert_eq!(interior.proxies(), expected);
        prop_assert_eq!(uplink.deadline(), None);
        prop_assert!(interior.notices.iter().all(|notice| !matches!(notice, Notice::Full)));
    }
}

#[test]
fn a_link_that_is_refused_is_made_again_and_why_is_told_once() {
    let (mut uplink, mut interior) = (Uplink::default(), Interior::default());
    uplink.handle_opened(LinkId(1));
    uplink.handle_needed(&proxy(Way::Down, 1));
    interior.follow(&mut uplink);
    let mut now_ns = 0;
    for (round, wait_s) in [2, 5, 5].into_iter().enumerate() {
        let (number, _) = interior.links.pop_first().expect("it was asked for");
        uplink.handle_down(LinkId(1), number, "no such node", now_ns);
        interior.follow(&mut uplink);
        assert_eq!(uplink.deadline(), Some(now_ns + wait_s * SECOND_NS), "{round}");
        now_ns += wait_s * SECOND_NS;
        uplink.handle_time(now_ns - 1);
        interior.follow(&mut uplink);
        assert!(interior.links.is_empty());
        uplink.handle_time(now_ns);
        interior.follow(&mut uplink);
        assert_eq!(interior.links.len(), 1);
    }
    let missing = interior.notices.iter().filter(|notice| matches!(notice, Notice::Missing { .. })).count();
    assert_eq!(missing, 1);
    assert!(interior.notices.iter().any(|notice| notice.to_string().contains("a1 is not received from")));
}

#[test]
fn beyond_the_limit_an_address_waits_for_another_to_go() {
    let (mut uplink, mut interior) = (Uplink::default(), Interior::default());
    uplink.handle_opened(LinkId(1));
    let most = engine_router::limits::PROXIES_MAX;
    let of =
        |number: usize| Proxy { way: Way::Up, key: Key::mobile(Phase::FIRST, &format!("n{number}")).expect("a key") };
    (0..most + 2).for_each(|number| uplink.handle_needed(&of(number)));
    let mut attached = 0;
    while let Some(action) = uplink.poll_action() {
        attached += usize::from(matches!(action, Action::Attach { .. }));
        interior.notices.extend(if let Action::Notice(notice) = action { Some(notice) } else { None });
    }
    assert_eq!(attached, most);
    assert_eq!(interior.notices.iter().filter(|notice| **notice == Notice::Full).count(), 1);
    uplink.handle_unneeded(&of(7), 0);
    let detached = uplink.poll_action();
    assert!(matches!(detached, Some(Action::Detach { .. })), "{detached:?}");
    let Some(Action::Attach { proxy, .. }) = uplink.poll_action() else { panic!("one of those that waited") };
    assert!(proxy == of(most) || proxy == of(most + 1));
}

#[test]
fn a_link_that_nobody_sends_to_any_more_stays_until_what_was_sent_has_its_time() {
    let (mut uplink, mut interior) = (Uplink::default(), Interior::default());
    uplink.handle_opened(LinkId(1));
    let both = [proxy(Way::Up, 1), proxy(Way::Down, 1)];
    both.iter().for_each(|proxy| uplink.handle_needed(proxy));
    interior.follow(&mut uplink);
    both.iter().for_each(|proxy| uplink.handle_unneeded(proxy, 0));
    interior.follow(&mut uplink);
    assert_eq!(interior.proxies(), BTreeSet::from([proxy(Way::Up, 1)]), "who receives has left for good");
    // Whoever sends meanwhile has that link, and its own time.
    uplink.handle_time(4 * SECOND_NS);
    uplink.handle_needed(&both[0]);
    assert_eq!(uplink.deadline(), None);
    uplink.handle_unneeded(&both[0], 4 * SECOND_NS);
    uplink.handle_time(9 * SECOND_NS - 1);
    interior.follow(&mut uplink);
    assert_eq!((interior.links.len(), interior.numbers.len()), (1, 2), "the same one");
    assert_eq!(uplink.deadline(), Some(9 * SECOND_NS));
    uplink.handle_time(9 * SECOND_NS);
    interior.follow(&mut uplink);
    assert!(interior.links.is_empty());
}

#[test]
fn a_link_that_only_lingers_makes_room_and_is_not_made_again() {
    let (mut uplink, mut interior) = (Uplink::default(), Interior::default());
    uplink.handle_opened(LinkId(1));
    let of =
        |number: usize| Proxy { way: Way::Up, key: Key::mobile(Phase::FIRST, &format!("n{number}")).expect("a key") };
    let most = engine_router::limits::PROXIES_MAX;
    (0..most).for_each(|number| uplink.handle_needed(&of(number)));
    while uplink.poll_action().is_some() {}
    uplink.handle_unneeded(&of(7), 0);
    assert_eq!(uplink.poll_action(), None);
    uplink.handle_needed(&of(most));
    assert!(matches!(uplink.poll_action(), Some(Action::Detach { number: 7, .. })));
    assert!(matches!(uplink.poll_action(), Some(Action::Attach { proxy, .. }) if proxy == of(most)));
    uplink.check();
    // Neither an end of the link nor one of its connection brings it back.
    for is_connection in [false, true] {
        let (mut uplink, last) = (Uplink::default(), proxy(Way::Up, 1));
        uplink.handle_opened(LinkId(1));
        uplink.handle_needed(&last);
        interior.follow(&mut uplink);
        uplink.handle_unneeded(&last, 0);
        match is_connection {
            true => {
                uplink.handle_opened(LinkId(2));
                uplink.handle_lost(LinkId(1));
            }
            false => uplink.handle_down(LinkId(1), 0, "no", 0),
        }
        let is_attach = |action: &Action| matches!(action, Action::Attach { .. });
        assert!(!std::iter::from_fn(|| uplink.poll_action()).any(|action| is_attach(&action)));
        uplink.check();
        assert_eq!(uplink.deadline(), None);
        interior = Interior::default();
    }
}
