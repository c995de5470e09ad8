//! Consumers and browsers of a queue that choose their messages by selectors.

use super::held::{Kept, MEMORY};
use super::*;

/// A message whose application property `n` is a number.
fn with_property(number: u8) -> Message {
    let body =
        [&[0x00, 0x53, 0x74, 0xc1, 6, 2, 0xa1, 1, b'n', 0x54, number][..], &numbered(number.into()).body].concat();
    Message::new(body.into())
}

fn send(owner: &mut Owner, end: EndKey, number: u8) -> Vec<u32> {
    let message = with_property(number);
    let sent = Command::Deliver { end, delivery: number.into(), settled: Settled::Yes, message };
    numbers(&deliveries(owner.command(sent)))
}

fn numbers(got: &[(u64, u32, u32)]) -> Vec<u32> {
    got.iter().map(|got| got.1).collect()
}

fn choosing(owner: &mut Owner, mode: Mode, selector: &str) -> EndKey {
    let spec = ConsumerSpec { mode, selector: Some(selector.into()), ..ConsumerSpec::of("q") };
    owner.attached(|link| Command::AttachConsumer { link, spec: Box::new(spec) })
}

#[test]
fn consumers_divide_a_queue_and_nobody_holds_up_others() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let (low, high) = (choosing(&mut owner, Mode::Consume, "n < 3"), choosing(&mut owner, Mode::Consume, "n > 5"));
    (0..8).for_each(|number| drop(send(&mut owner, producer, number)));
    assert_eq!(numbers(&owner.grant(high, 9)), [6, 7], "past what is for others");
    assert_eq!(numbers(&owner.grant(low, 2)), [0, 1]);
    let anybody = owner.consumer("q", None, Mode::Consume);
    assert_eq!(numbers(&owner.grant(anybody, 2)), [2, 3]);
    assert_eq!(send(&mut owner, producer, 9), [9], "what comes goes to whoever wants it");
    assert_eq!(owner.command(Command::Drain { end: low }), [Event::Drained { unused: 0 }]);
}

#[test]
fn what_comes_back_is_looked_at_again() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let (first, second) = (choosing(&mut owner, Mode::Consume, "n >= 0"), choosing(&mut owner, Mode::Consume, "n = 1"));
    (0..3).for_each(|number| drop(send(&mut owner, producer, number)));
    let got = owner.grant(first, 3);
    assert!(owner.grant(second, 5).is_empty());
    let back = owner.settle(first, got[1].0, Outcome::Released);
    assert_eq!(numbers(&back), [1]);
    assert!(owner.core.holds(second, back[0].0));
}

#[test]
fn a_browser_sees_what_it_chooses() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    (0..6).for_each(|number| drop(send(&mut owner, producer, number)));
    let browser = choosing(&mut owner, Mode::Browse, "n IN ('1') OR n BETWEEN 2 AND 4");
    assert_eq!(numbers(&owner.grant(browser, 9)), [2, 3, 4]);
    assert_eq!(owner.command(Command::Drain { end: browser }), [Event::Drained { unused: 6 }]);
    let consumer = owner.consumer("q", None, Mode::Consume);
    assert_eq!(owner.grant(consumer, 9).len(), 6, "they are there still");
}

#[test]
fn the_answer_names_the_selector_and_a_wrong_one_is_refused() {
    let mut owner = Owner::new();
    let attach = |owner: &mut Owner, selector: &str| {
        let spec = ConsumerSpec { selector: Some(selector.into()), ..ConsumerSpec::of("q") };
        owner.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
        owner.command(Command::AttachConsumer { link, spec: Box::new(spec) })
    };
    let attached = attach(&mut owner, "n = 1");
    let [Event::Attached { info, .. }] = &attached[..] else { panic!("{attached:?}") };
    assert_eq!(info.selector.as_deref(), Some("n = 1"));
    let refused = attach(&mut owner, "n = = 1");
    let [Event::Refused { refusal }] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!(refusal.condition, Condition::InvalidField);
}

#[test]
fn nothing_is_looked_at_any_more_when_everybody_has_gone() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let consumer = choosing(&mut owner, Mode::Consume, "n = 1");
    let picks = |owner: &Owner| owner.core.nodes.queues.iter().any(|(_, queue)| queue.consumers.has_rules());
    assert!(picks(&owner));
    owner.command(Command::Detach { end: consumer, mode: DetachMode::Close });
    assert!(!picks(&owner));
    owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
}

/// Sends one that expires at that time, and another one that lives.
fn expiring(number: u8, wall_ms: u64) -> Message {
    Message { expires_wall_ms: std::num::NonZeroU64::new(wall_ms), ..with_property(number) }
}

#[test]
fn what_a_consumer_chose_and_holds_does_not_expire() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let consumer = choosing(&mut owner, Mode::Consume, "n > 0");
    send(&mut owner, producer, 0);
    for number in 1..4 {
        let message = expiring(number, 20);
        let delivery = number.into();
        owner.command(Command::Deliver { end: producer, delivery, settled: Settled::Yes, message });
    }
    let got = owner.grant(consumer, 2);
    assert_eq!(numbers(&got), [1, 2], "behind one that it does not want");
    owner.settle(consumer, got[1].0, Outcome::Released);
    owner.core.begin_turn(30_000_000, 30);
    owner.core.handle_deadline(30_000_000, 30);
    owner.core.check();
    let view = owner.core.queue_views().next().expect("a queue");
    assert_eq!((view.messages, view.acquired), (2, 1), "the others have expired");
    owner.settle(consumer, got[0].0, Outcome::Accepted);
    owner.core.check();
    assert_eq!(owner.core.queue_views().next().expect("a queue").messages, 1);
}

#[test]
fn whoever_chooses_reads_on_however_short_memory_is() {
    let mut kept = Kept::new();
    let producer = kept.owner.producer("q", None);
    for queue in 0.. {
        let size = usize::try_from(MEMORY / 4).expect("it is small");
        let other = kept.owner.producer(&format!("other-{queue}"), None);
        let message = Message::new(vec![0; size].into());
        let sent = Command::Deliver { end: other, delivery: 0, settled: Settled::Yes, message };
        kept.owner.core.handle_command(1, 1, sent);
        if kept.owner.core.memory_bytes() > MEMORY * 3 / 4 {
            break;
        }
        assert!(queue < 10, "others keep much in memory");
    }
    (1..4).for_each(|delivery| kept.send(producer, delivery));
    assert!(deliveries(kept.settle_down()).is_empty());
    let consumer = choosing(&mut kept.owner, Mode::Consume, "JMSPriority >= 0");
    for number in 1..4 {
        kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 1 });
        let got = deliveries(kept.settle_down());
        assert_eq!(numbers(&got), [number]);
        kept.owner.core.handle_command(
            1,
            1,
            Command::Settle { end: consumer, key: got[0].0, outcome: Outcome::Accepted, confirm: None },
        );
    }
}
