//! What waits has a bound: of senders that are gone, and of memory.

use engine_router::limits::DELIVERY_OCTETS;
use engine_router::settlement::Settling::{Settled, Unsettled};
use engine_router::settlement::{
    Action, Bound, CopyKey, DeliveryKey, InKind, InLink, OutKind, OutLink, Settlement, Settling, State,
};

/// Copies that a receiver keeps and nobody waits for.
const CAPACITY: u32 = 4;
const OUT: OutLink = OutLink(0);

/// A router of messages that are as long as they say, with a receiver that has no credit.
fn router(octets_max: u64) -> Settlement<u64> {
    let mut router = Settlement::new(Bound { octets_max, octets: |octets| *octets });
    router.handle_out(OUT, OutKind::Deciding, CAPACITY);
    router
}

fn attach(router: &mut Settlement<u64>, link: u64) -> InLink {
    router.handle_in(InLink(link), InKind::Router, u32::MAX);
    router.handle_reached(InLink(link));
    InLink(link)
}

fn deliver(
    router: &mut Settlement<u64>,
    link: InLink,
    number: u32,
    settling: Settling,
    octets: u64,
) -> Option<DeliveryKey> {
    let key = router.handle_delivery(link, number, settling, &[OUT], octets).expect("there is credit");
    router.check();
    key
}

/// Sends several of one kind.
fn send(router: &mut Settlement<u64>, link: InLink, numbers: std::ops::Range<u32>, settling: Settling, octets: u64) {
    for number in numbers {
        deliver(router, link, number, settling, octets);
    }
}

/// Numbers of the deliveries of which their senders are told.
fn released(router: &mut Settlement<u64>) -> Vec<u32> {
    let released = std::iter::from_fn(|| router.poll_deed()).filter_map(|action| match action {
        Action::TellSender { number, state: Some(State::Released), settling: Settled, .. } => Some(number),
        Action::Release { number, .. } => Some(number),
        _ => None,
    });
    released.collect()
}

/// Octets of what a receiver is sent when it takes everything.
fn taken(router: &mut Settlement<u64>) -> Vec<u64> {
    router.handle_credit(OUT, 1000);
    let sent = std::iter::from_fn(|| router.poll_deed()).filter_map(|action| match action {
        Action::Send { content, .. } => Some(content),
        _ => None,
    });
    sent.collect()
}

#[test]
fn of_senders_that_are_gone_a_receiver_keeps_its_capacity() {
    let mut router = router(u64::MAX);
    for sender in 0..50 {
        let link = attach(&mut router, sender);
        (0..3)
            .for_each(|number| send(&mut router, link, number..number + 1, Unsettled, sender * 10 + u64::from(number)));
        router.handle_in_lost(link);
        router.check();
        assert!(router.under_way() <= CAPACITY as usize, "{}", router.under_way());
    }
    assert_eq!(router.totals().dropped_late, 150 - u64::from(CAPACITY));
    assert_eq!(taken(&mut router), [482, 490, 491, 492], "the last ones, in their order");
    assert_eq!((router.under_way(), router.octets()), (0, 0));
}

#[test]
fn what_a_sender_left_goes_for_newer_ones_and_whoever_brought_it_hears_so() {
    let mut router = router(u64::MAX);
    let (lane, own) = (attach(&mut router, 0), attach(&mut router, 1));
    let left: Vec<DeliveryKey> = (0..3).filter_map(|number| deliver(&mut router, lane, number, Unsettled, 0)).collect();
    send(&mut router, own, 10..13, Unsettled, 1);
    assert_eq!(released(&mut router), [0; 0], "somebody waits for each");
    left.iter().for_each(|key| router.handle_left(*key));
    router.check();
    assert_eq!(released(&mut router), [0, 1], "so many are too many");
    // Twice says no more, and what is gone is gone.
    left.iter().for_each(|key| router.handle_left(*key));
    deliver(&mut router, own, 13, Unsettled, 1);
    assert_eq!(released(&mut router), [2]);
    assert_eq!((router.totals().dropped_late, router.under_way()), (3, 4), "who is there loses nothing");
}

#[test]
fn who_has_a_copy_hears_by_its_name_that_its_sender_is_gone() {
    let mut router = router(u64::MAX);
    router.handle_credit(OUT, 2);
    let link = attach(&mut router, 0);
    let keys: Vec<DeliveryKey> = (0..2).filter_map(|number| deliver(&mut router, link, number, Unsettled, 0)).collect();
    let copy = |delivery: DeliveryKey| CopyKey { delivery, index: 0 };
    router.name(copy(keys[0]), 77);
    taken(&mut router);
    router.handle_in_lost(link);
    let said: Vec<Action<u64>> = std::iter::from_fn(|| router.poll_deed()).collect();
    assert_eq!(said, [Action::Left { link: OUT, name: 77 }], "the other one has no name");
    keys.into_iter().for_each(|key| router.handle_outcome(copy(key), Some(State::Accepted), Settled));
    assert_eq!(router.under_way(), 0);
}

#[test]
fn what_would_have_to_wait_is_released_when_memory_is_used_up_and_what_has_credit_passes() {
    let each = 1000 + DELIVERY_OCTETS;
    let mut router = router(4 * each);
    router.handle_out(OutLink(1), OutKind::Deciding, CAPACITY);
    router.handle_credit(OutLink(1), 100);
    let link = attach(&mut router, 0);
    send(&mut router, link, 0..6, Unsettled, 1000);
    assert_eq!((router.octets(), released(&mut router)), (4 * each, vec![4, 5]));
    assert_eq!((router.totals().refused, router.totals().dropped_late), (2, 0));
    // Of a copied one whoever has credit gets it.
    let key = router.handle_delivery(link, 6, Unsettled, &[OUT, OutLink(1)], 1000).expect("there is credit");
    let copy = CopyKey { delivery: key.expect("it is taken"), index: 1 };
    router.handle_outcome(copy, Some(State::Accepted), Settled);
    router.check();
    let said: Vec<Action<u64>> = std::iter::from_fn(|| router.poll_deed()).collect();
    let is_accepted = |action: &Action<u64>| matches!(action, Action::TellSender { state: Some(State::Accepted), .. });
    assert!(matches!(said[..], [Action::Send { link: OutLink(1), .. }, _]) && said.iter().any(is_accepted), "{said:?}");
    // When there is room again what comes waits.
    router.handle_credit(OUT, 1);
    deliver(&mut router, link, 7, Unsettled, 0);
    assert_eq!(released(&mut router), [0; 0]);
}

#[test]
fn what_nobody_waits_for_takes_no_more_than_half_of_the_memory() {
    let each = 1000 + DELIVERY_OCTETS;
    let mut router = router(4 * each);
    let link = attach(&mut router, 0);
    send(&mut router, link, 0..4, Settled, 1000);
    assert_eq!((router.octets(), router.totals().dropped_late), (2 * each, 2), "the oldest went");
    // What somebody waits for has the rest, and drives it out.
    send(&mut router, link, 0..2, Unsettled, 1000);
    assert_eq!((router.octets(), router.totals().dropped_late), (2 * each, 4));
    send(&mut router, link, 2..4, Unsettled, 1000);
    assert_eq!((router.octets(), released(&mut router)), (4 * each, vec![]));
    router.handle_in_lost(link);
    router.check();
    assert_eq!(router.octets(), 2 * each, "what its sender left is as what was sent settled");
}

#[test]
fn of_a_link_that_is_gone_nobody_is_told_whatever_its_loss_drops() {
    let each = 1000 + DELIVERY_OCTETS;
    let mut router = router(4 * each);
    router.handle_out(OutLink(1), OutKind::Deciding, CAPACITY);
    let (lane, own) = (attach(&mut router, 0), attach(&mut router, 1));
    // The first one waits elsewhere, too, so that it frees nothing when its first copy goes.
    router.handle_delivery(lane, 0, Unsettled, &[OUT, OutLink(1)], 1000).expect("there is credit");
    let left = deliver(&mut router, lane, 1, Unsettled, 1000).expect("there is room");
    router.handle_left(left);
    // Above half of the memory by what waits elsewhere: with the next look at the first receiver the second one goes.
    router.handle_delivery(own, 2, Unsettled, &[OutLink(1)], 1000).expect("there is credit");
    router.handle_in_lost(lane);
    router.check();
    let said: Vec<Action<u64>> = std::iter::from_fn(|| router.poll_deed()).collect();
    assert_eq!(said, [], "the link is gone");
    assert_eq!((router.totals().dropped_late, router.under_way()), (2, 2));
}

#[test]
fn a_copy_of_which_no_other_one_waits_any_more_keeps_nothing() {
    let mut router = router(u64::MAX);
    router.handle_out(OutLink(1), OutKind::Deciding, CAPACITY);
    router.handle_credit(OutLink(1), 100);
    let link = attach(&mut router, 0);
    router.handle_delivery(link, 0, Unsettled, &[OUT, OutLink(1)], 1000).expect("there is credit");
    assert_eq!(router.octets(), 1000 + DELIVERY_OCTETS);
    router.handle_out_lost(OUT);
    router.check();
    assert_eq!(router.octets(), DELIVERY_OCTETS, "the other one was sent");
}
