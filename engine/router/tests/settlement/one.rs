//! What one router does with deliveries, case by case.

use bytes::Bytes;
use engine_router::settlement::Settling::{Settled, Unsettled};
use engine_router::settlement::{
    Action, CopyKey, DeliveryKey, InKind, InLink, OutKind, OutLink, Overrun, Passed, Settlement, Settling, Standing,
    State,
};

const IN: InLink = InLink(0);

pub fn actions(router: &mut Settlement) -> Vec<Action> {
    router.check();
    std::iter::from_fn(|| router.poll_action()).collect()
}

/// A router with a sender that has credit and receivers that have.
fn router(receivers: u64) -> Settlement {
    let mut router = Settlement::default();
    router.handle_in(IN, InKind::Endpoint, 3);
    router.handle_reached(IN);
    for receiver in 0..receivers {
        router.handle_out(OutLink(receiver), OutKind::Deciding, 2);
        router.handle_credit(OutLink(receiver), 10);
    }
    assert_eq!(actions(&mut router), [Action::Credit { link: IN, more: 3 }]);
    router
}

fn links(receivers: u64) -> Vec<OutLink> {
    (0..receivers).map(OutLink).collect()
}

/// Has a delivery come for so many receivers; gives it and its copies.
fn deliver(router: &mut Settlement, settling: Settling, receivers: u64) -> (DeliveryKey, Vec<CopyKey>) {
    let key =
        router.handle_delivery(IN, 7, settling, &links(receivers), ()).expect("there is credit").expect("it is taken");
    let sent = actions(router).into_iter().filter_map(|action| match action {
        Action::Send { copy, .. } => Some(copy),
        _ => None,
    });
    (key, sent.collect())
}

/// What a sender is told.
fn told(delivery: DeliveryKey, state: Option<State>, settling: Settling) -> Action {
    Action::TellSender { link: IN, delivery, number: 7, state, settling }
}

fn credit(more: u32) -> Action {
    Action::Credit { link: IN, more }
}

fn rejected() -> State {
    State::Rejected(Bytes::from_static(b"with an error"))
}

#[test]
fn what_one_receiver_says_is_what_its_sender_hears() {
    let modified = || State::Modified(Bytes::from_static(b"undeliverable here"));
    for state in [Some(State::Accepted), Some(rejected()), Some(State::Released), Some(modified()), None] {
        let mut router = router(1);
        let (key, copies) = deliver(&mut router, Unsettled, 1);
        router.handle_outcome(copies[0], state.clone(), Settled);
        assert_eq!(actions(&mut router), [told(key, state, Settled), credit(1)]);
        assert_eq!(router.under_way(), 0);
        // A word that comes late is passed over.
        router.handle_outcome(copies[0], Some(State::Accepted), Settled);
        assert_eq!(actions(&mut router), []);
    }
}

#[test]
fn in_three_steps_the_sender_has_the_last_word_and_states_between_pass() {
    let mut router = router(1);
    let (key, copies) = deliver(&mut router, Unsettled, 1);
    let received = || Some(State::Received(Bytes::from_static(b"half")));
    let transactional = || Some(State::Transactional(Bytes::from_static(b"tx")));
    for state in [received(), transactional(), Some(State::Accepted)] {
        router.handle_outcome(copies[0], state.clone(), Unsettled);
        assert_eq!(actions(&mut router), [told(key, state, Unsettled)]);
    }
    router.handle_outcome(copies[0], Some(rejected()), Unsettled);
    assert_eq!(actions(&mut router), [], "the first terminal state counts");
    router.handle_sender(key, Some(State::Accepted), Settled);
    let last =
        Action::TellReceiver { link: OutLink(0), copy: copies[0], state: Some(State::Accepted), settling: Settled };
    assert_eq!(actions(&mut router), [last, credit(1)]);
    assert_eq!((router.under_way(), router.totals().accepted), (0, 1));
}

#[test]
fn a_receiver_that_decides_and_settles_later_is_heard_twice() {
    let mut router = router(1);
    let (key, copies) = deliver(&mut router, Unsettled, 1);
    router.handle_outcome(copies[0], Some(rejected()), Unsettled);
    router.handle_outcome(copies[0], Some(State::Accepted), Settled);
    assert_eq!(actions(&mut router), [told(key, Some(rejected()), Unsettled), told(key, None, Settled), credit(1)]);
}

#[test]
fn of_several_receivers_all_are_waited_for_and_what_counts_most_is_told() {
    let order = [State::Released, State::failed(), State::Accepted, rejected()];
    for heaviest in 0..order.len() {
        let mut router = router(3);
        let (key, copies) = deliver(&mut router, Unsettled, 3);
        router.handle_outcome(copies[0], Some(order[heaviest].clone()), Settled);
        router.handle_outcome(copies[1], Some(order[heaviest.saturating_sub(1)].clone()), Unsettled);
        assert_eq!(actions(&mut router), []);
        router.handle_outcome(copies[2], Some(State::Released), Settled);
        assert_eq!(actions(&mut router), [told(key, Some(order[heaviest].clone()), Unsettled)], "with its error");
        router.handle_outcome(copies[1], None, Settled);
        assert_eq!(actions(&mut router), [told(key, None, Settled), credit(1)]);
    }
}

#[test]
fn several_receivers_cannot_be_in_one_transaction() {
    let mut router = router(2);
    let (key, copies) = deliver(&mut router, Unsettled, 2);
    router.handle_outcome(copies[0], Some(State::Transactional(Bytes::from_static(b"tx"))), Settled);
    router.handle_outcome(copies[1], Some(State::Accepted), Settled);
    let state = Some(State::Rejected(Bytes::from_static(&[0x00, 0x53, 0x25, 0x45])));
    assert_eq!(actions(&mut router), [told(key, state, Settled), credit(1)]);
}

#[test]
fn who_is_lost_has_released_what_waited_and_failed_what_was_sent() {
    let mut router = router(1);
    router.handle_credit(OutLink(0), 1);
    let (first, _) = deliver(&mut router, Unsettled, 1);
    let (second, copies) = deliver(&mut router, Unsettled, 1);
    assert_eq!(copies, [], "there is no credit for it");
    router.handle_out_lost(OutLink(0));
    let expected =
        [told(second, Some(State::Released), Settled), told(first, Some(State::failed()), Settled), credit(2)];
    assert_eq!(actions(&mut router), expected);
    assert_eq!((router.under_way(), router.totals().modified, router.totals().released), (0, 1, 1));
}

#[test]
fn what_a_lost_sender_sent_goes_on_unheard() {
    let mut router = router(1);
    let (_, copies) = deliver(&mut router, Unsettled, 1);
    let (_, decided) = deliver(&mut router, Unsettled, 1);
    router.handle_outcome(decided[0], Some(State::Accepted), Unsettled);
    actions(&mut router);
    router.handle_in_lost(IN);
    let last = |copy| Action::TellReceiver { link: OutLink(0), copy, state: None, settling: Settled };
    assert_eq!(actions(&mut router), [last(decided[0])], "nobody else says the last word");
    router.handle_outcome(copies[0], Some(State::Accepted), Unsettled);
    assert_eq!(actions(&mut router), [last(copies[0])]);
    assert_eq!(router.under_way(), 0);
}

#[test]
fn a_sender_that_settles_first_or_aborts_is_followed() {
    let mut router = router(1);
    router.handle_credit(OutLink(0), 1);
    let (sent, copies) = deliver(&mut router, Unsettled, 1);
    let (waiting, _) = deliver(&mut router, Unsettled, 1);
    router.handle_sender(sent, None, Settled);
    router.handle_sender(waiting, None, Settled);
    let last = Action::TellReceiver { link: OutLink(0), copy: copies[0], state: None, settling: Settled };
    assert_eq!(actions(&mut router), [last, credit(2)]);
    router.handle_credit(OutLink(0), 1);
    assert!(matches!(actions(&mut router)[..], [Action::Send { settling: Settled, .. }]));
    let (waiting, _) = deliver(&mut router, Unsettled, 1);
    router.handle_abort(waiting);
    assert_eq!(actions(&mut router), [credit(1)], "nobody was sent anything");
    router.handle_credit(OutLink(0), 1);
    let (sent, copies) = deliver(&mut router, Unsettled, 1);
    router.handle_abort(sent);
    assert_eq!(actions(&mut router), [Action::Abort { link: OutLink(0), copy: copies[0] }, credit(1)]);
    assert_eq!(router.under_way(), 0);
}

#[test]
fn a_sender_has_credit_when_somebody_can_be_reached_and_no_more_than_it_may() {
    let mut router = Settlement::default();
    router.handle_in(IN, InKind::Endpoint, 2);
    assert_eq!(router.handle_delivery(IN, 0, Unsettled, &[], ()), Err(Overrun));
    router.handle_reached(IN);
    assert_eq!(actions(&mut router), [credit(2)]);
    // Nobody is there any more: what comes is released, and the rest of the credit is asked back.
    router.handle_unreached(IN);
    assert_eq!(router.handle_delivery(IN, 4, Unsettled, &[], ()), Ok(None));
    assert_eq!(actions(&mut router), [Action::Release { link: IN, number: 4 }, Action::Drain { link: IN }]);
    assert_eq!(router.handle_delivery(IN, 5, Settled, &[], ()), Ok(None));
    router.handle_drained(IN);
    assert_eq!(actions(&mut router), [Action::Drain { link: IN }]);
    assert_eq!((router.totals().released, router.totals().dropped), (1, 1));
    router.handle_reached(IN);
    assert_eq!(actions(&mut router), [credit(2)], "all that is owed");
}

#[test]
fn settled_deliveries_and_routers_give_credit_back_at_once() {
    let mut router = router(1);
    deliver(&mut router, Unsettled, 1);
    router.handle_delivery(IN, 8, Settled, &links(1), ()).expect("there is credit");
    assert!(matches!(
        actions(&mut router)[..],
        [Action::Send { settling: Settled, .. }, Action::Credit { more: 1, .. }]
    ));
    router.handle_in(InLink(1), InKind::Router, 2);
    router.handle_reached(InLink(1));
    actions(&mut router);
    router.handle_delivery(InLink(1), 0, Unsettled, &links(1), ()).expect("there is credit");
    assert!(matches!(actions(&mut router)[..], [Action::Send { .. }, Action::Credit { link: InLink(1), more: 1 }]));
}

#[test]
fn who_wants_all_settled_has_accepted_it() {
    let mut router = router(0);
    router.handle_out(OutLink(0), OutKind::Settled, 2);
    router.handle_credit(OutLink(0), 1);
    let key = router.handle_delivery(IN, 7, Unsettled, &links(1), ()).expect("there is credit").expect("it is taken");
    let copy = CopyKey { delivery: key, index: 0 };
    let send = Action::Send { link: OutLink(0), copy, settling: Settled, content: () };
    assert_eq!(actions(&mut router), [send, told(key, Some(State::Accepted), Settled), credit(1)]);
}

#[test]
fn who_does_not_keep_up_loses_what_was_sent_settled_and_nothing_else() {
    let mut router = router(1);
    router.handle_credit(OutLink(0), 0);
    router.handle_delivery(IN, 0, Unsettled, &links(1), ()).expect("there is credit");
    for number in 1..5 {
        router.handle_delivery(IN, number, Settled, &links(1), ()).expect("there is credit");
    }
    assert_eq!((router.totals().dropped_late, router.under_way()), (3, 2));
    router.handle_drain(OutLink(0), 9);
    let sent = actions(&mut router);
    let is_sent = |action: &&Action| matches!(action, Action::Send { .. });
    assert_eq!(sent.iter().filter(is_sent).count(), 2);
    assert!(sent.contains(&Action::Drained { link: OutLink(0), unused: 7 }));
}

#[test]
fn a_link_that_takes_whatever_comes_takes_the_first_before_its_credit_is_said() {
    let mut router: Settlement = Settlement::default();
    router.handle_in(IN, InKind::Router, u32::MAX);
    router.handle_reached(IN);
    router.handle_out(OutLink(0), OutKind::Deciding, u32::MAX);
    router.handle_credit(OutLink(0), u32::MAX);
    for number in 0..3 {
        assert!(router.handle_delivery(IN, number, Settled, &links(1), ()).is_ok());
    }
    assert_eq!(router.poll_credit(), Some((IN, u32::MAX)));
    router.check();
}

#[test]
fn credit_that_was_not_worth_a_word_is_told_once_half_of_it_is_used_whoever_holds_the_rest() {
    let mut router = Settlement::<()>::default();
    let (from, to) = (InLink(0), OutLink(0));
    router.handle_in(from, InKind::Endpoint, 10);
    router.handle_out(to, OutKind::Deciding, 10);
    router.handle_reached(from);
    router.handle_credit(to, 100);
    assert_eq!((router.poll_credit(), router.poll_credit()), (Some((from, 10)), None));
    let send = |router: &mut Settlement, numbers: std::ops::Range<u32>| {
        for number in numbers {
            router.handle_delivery(from, number, Settling::Unsettled, &[to], ()).expect("there is credit");
        }
        let sent = |action| if let Action::Send { copy, .. } = action { Some(copy) } else { None };
        std::iter::from_fn(|| router.poll_deed()).filter_map(sent).collect::<Vec<_>>()
    };
    for copy in send(&mut router, 0..4) {
        router.handle_outcome(copy, Some(State::Accepted), Settling::Settled);
    }
    assert_eq!(router.poll_credit(), None, "it has more than half");
    // Its receiver decides on nothing until it has more than that.
    send(&mut router, 4..9);
    assert_eq!(router.poll_credit(), Some((from, 4)), "or nobody would go on");
}

#[test]
fn what_passes_at_once_leaves_the_router_as_actions_would() {
    let modified = || State::Modified(Bytes::from_static(b"undeliverable here"));
    for state in [State::Accepted, rejected(), State::Released, modified(), State::Transactional(Bytes::new())] {
        let (mut at_once, mut by_actions) = (router(1), router(1));
        let Some(Passed::Unsettled(copy)) = at_once.pass(IN, 7, Unsettled, OutLink(0)) else { panic!("it has credit") };
        let (delivery, copies) = deliver(&mut by_actions, Unsettled, 1);
        assert_eq!(actions(&mut at_once), []);
        assert_eq!(standing(&at_once), standing(&by_actions));
        assert_eq!(at_once.pass_back(copy, &state), Some((IN, 7)));
        by_actions.handle_outcome(copies[0], Some(state.clone()), Settled);
        let said = actions(&mut by_actions);
        assert_eq!(said.split_first(), Some((&told(delivery, Some(state.clone()), Settled), &*actions(&mut at_once))));
        assert_eq!(standing(&at_once), standing(&by_actions));
        assert_eq!(at_once.totals(), by_actions.totals());
        assert_eq!(at_once.pass_back(copy, &state), None, "once");
    }
}

#[test]
fn what_is_not_simple_does_not_pass_at_once_and_changes_nothing() {
    let mut router = router(2);
    router.handle_out(OutLink(2), OutKind::Settled, 2);
    router.handle_credit(OutLink(2), 10);
    router.handle_credit(OutLink(1), 0);
    let before = standing(&router);
    for (link, to) in [(IN, OutLink(1)), (IN, OutLink(2)), (IN, OutLink(9)), (InLink(9), OutLink(0))] {
        assert_eq!(router.pass(link, 1, Unsettled, to), None, "{link:?} {to:?}");
    }
    assert_eq!((standing(&router), actions(&mut router)), (before, vec![]));
    // Nobody waits for what was sent settled: it is not kept, and its credit is given anew.
    assert_eq!(router.pass(IN, 1, Settled, OutLink(2)), Some(Passed::Settled));
    assert_eq!((router.under_way(), actions(&mut router)), (0, vec![credit(1)]));
    // Two receivers are waited for, and one that has not settled.
    let (_, copies) = deliver(&mut router, Unsettled, 1);
    router.handle_outcome(copies[0], Some(State::Accepted), Unsettled);
    actions(&mut router);
    assert_eq!(router.pass_back(copies[0], &State::Accepted), None);
    router.handle_credit(OutLink(1), 10);
    let (_, copies) = deliver(&mut router, Unsettled, 2);
    assert_eq!(router.pass_back(copies[0], &State::Accepted), None);
    // A sender that has used its credit up.
    let (_, _) = deliver(&mut router, Unsettled, 1);
    assert_eq!(router.pass(IN, 1, Unsettled, OutLink(0)), None);
}

/// How the links of a router stand.
fn standing(router: &Settlement) -> (Option<Standing>, Vec<Option<Standing>>) {
    (router.standing_in(IN), (0..3).map(|link| router.standing_out(OutLink(link))).collect())
}
