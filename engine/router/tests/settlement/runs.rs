//! Deliveries that came one behind the other: alike as long as they can be, and asked for one by one as any.

use engine_router::settlement::Settling::{Settled, Unsettled};
use engine_router::settlement::{
    Action, CopyKey, InKind, InLink, OutKind, OutLink, Passed, Settlement, Settling, State,
};

use crate::one::actions;

const IN: InLink = InLink(0);
const CREDIT: Action = Action::Credit { link: IN, more: 1 };

fn told(copy: CopyKey, number: u32, state: Option<State>, settling: Settling) -> Action {
    Action::TellSender { link: IN, delivery: copy.delivery, number, state, settling }
}

#[test]
fn of_one_that_came_among_others_anything_can_be_asked_by_the_key_that_it_had() {
    let mut router = wide(0..10);
    let copies: Vec<_> = (0..8).map(|number| pass(&mut router, number)).collect();
    router.check();
    // Said without a last word, and then with it.
    router.handle_outcome(copies[2], Some(State::Released), Unsettled);
    assert_eq!(actions(&mut router), [told(copies[2], 2, Some(State::Released), Unsettled)]);
    router.check();
    assert_eq!(router.pass_back_run(copies[0].delivery, 4, &State::Accepted), None, "one of them is not like others");
    router.handle_outcome(copies[2], None, Settled);
    assert_eq!(actions(&mut router), [told(copies[2], 2, None, Settled), CREDIT]);
    assert!(!router.is_under_way(copies[2]) && router.is_under_way(copies[3]));
    // Its sender settles one.
    router.handle_sender(copies[5].delivery, None, Settled);
    let (link, copy, state, settling) = (OutLink(0), copies[5], None, Settled);
    assert_eq!(actions(&mut router), [Action::TellReceiver { link, copy, state, settling }, CREDIT]);
    // And aborts one.
    assert_eq!(router.handle_abort(copies[6].delivery), Some((IN, 6)));
    assert_eq!(actions(&mut router), [Action::Abort { link, copy: copies[6] }, CREDIT]);
    // The rest ends as it came.
    assert_eq!(router.pass_back_run(copies[0].delivery, 2, &State::Accepted), Some((IN, 0)));
    assert_eq!(router.pass_back_run(copies[3].delivery, 2, &State::Released), Some((IN, 3)));
    assert_eq!(router.pass_back_run(copies[7].delivery, 1, &State::Accepted), Some((IN, 7)));
    router.check();
    assert_eq!((router.under_way(), router.totals().accepted, router.totals().released), (0, 3, 3));
    copies.iter().for_each(|copy| router.handle_outcome(*copy, Some(State::Accepted), Settled));
    assert_eq!(router.totals().accepted, 3, "all of them are over");
}

#[test]
fn what_came_one_behind_the_other_fails_with_its_receiver_and_goes_on_without_its_sender() {
    let mut router = wide(0..200);
    let copies: Vec<_> = (0..150).map(|number| pass(&mut router, number)).collect();
    assert_eq!(router.pass_back_run(copies[70].delivery, 10, &State::Accepted), Some((IN, 70)));
    actions(&mut router);
    router.handle_out_lost(OutLink(0));
    let told = actions(&mut router);
    let failed = told.iter().filter(|action| {
        matches!(action, Action::TellSender { state: Some(state), settling: Settled, .. } if *state == State::failed())
    });
    assert_eq!((failed.count(), router.under_way()), (140, 0));
    router.check();

    let mut router = wide(0..200);
    let copies: Vec<_> = (0..150).map(|number| pass(&mut router, number)).collect();
    router.handle_in_lost(IN);
    router.check();
    assert_eq!((actions(&mut router), router.under_way()), (vec![], 150));
    for copy in copies {
        assert_eq!(router.pass_back(copy, &State::Accepted), None, "nobody is to be told");
        router.handle_outcome(copy, Some(State::Accepted), Settled);
    }
    router.check();
    assert_eq!((actions(&mut router), router.under_way()), (vec![], 0));
}

/// A router with one receiver, whose sender has had the credit for all of these said.
fn wide(numbers: std::ops::Range<u32>) -> Settlement {
    let mut router = Settlement::default();
    router.handle_in(IN, InKind::Endpoint, numbers.end);
    router.handle_out(OutLink(0), OutKind::Deciding, numbers.end);
    router.handle_reached(IN);
    router.handle_credit(OutLink(0), numbers.end);
    actions(&mut router);
    router
}

fn pass(router: &mut Settlement, number: u32) -> CopyKey {
    let passed = router.pass(IN, number, Unsettled, OutLink(0));
    passed.and_then(Passed::copy).expect("there is credit on both sides")
}
