//! What becomes of what consumers settle: the outcomes that their sources list, and the one that holds where they say none.

use amqp_codec::performative::{DeliveryState, Disposition, Performative, Role, Source};
use engine_message::Condition;
use engine_message::value::Raw;

use crate::broker::Broker;
use crate::links::{detach, flow, receiver, source};
use crate::peer::{Durable, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";

#[test]
fn an_outcome_that_a_source_does_not_list_ends_the_link() {
    let broker = Broker::start(LISTENER);
    let (accepted, released) = ("amqp:accepted:list", "amqp:released:list");
    let failed = DeliveryState::Modified { delivery_failed: true, undeliverable_here: false, annotations: None };
    let cases: [(&[&'static str], &[&str], DeliveryState<'_>, bool); 6] = [
        (&[accepted], &[accepted], DeliveryState::Accepted, true),
        (&[accepted], &[accepted], failed.clone(), false),
        (&[released, "com.example:own", accepted], &[accepted, released], DeliveryState::Released, true),
        (
            &[released, "com.example:own", accepted],
            &[accepted, released],
            DeliveryState::Rejected { error: None },
            false,
        ),
        (&["amqp:modified:list"], &["amqp:modified:list"], failed.clone(), true),
        (&["amqp:modified:list"], &["amqp:modified:list"], DeliveryState::Accepted, false),
    ];
    for (number, (listed, used, state, taken)) in (0_u32..).zip(cases) {
        let queue = format!("q{number}");
        let mut peer = opened(&broker);
        peer.attach_sender(&queue);
        peer.send_message(0, Durable::No, b"x");
        assert_eq!(peer.outcome().2, None);
        let outcomes = listed.iter().copied().map(Into::into).collect();
        peer.put(&receiver("r", 1, Source { outcomes, ..source(&queue) }));
        let answered = peer.answer("r").0.source.expect("it is attached").outcomes;
        assert_eq!(answered.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>(), used);
        peer.put(&flow(1));
        let (first, _) = peer.receive();
        let state = Some(state);
        let disposition =
            Disposition { role: Role::Receiver, first, last: None, settled: true, state, batchable: false };
        peer.put(&Performative::Disposition(disposition));
        if !taken {
            assert!(peer.detached().contains(Condition::NotAllowed.as_str()), "{queue}");
            let mut next = opened(&broker);
            next.put(&receiver("next", 1, source(&queue)));
            assert_eq!(next.answer("next").1, None);
            assert_eq!(next.drain_counts(10), [0], "{queue}: it came back as the default outcome says");
        }
        peer.close();
    }
}

#[test]
fn what_is_settled_without_a_state_becomes_what_the_answer_says() {
    let broker = Broker::start(LISTENER);
    // The default outcome that is asked for, and the delivery count of what comes back.
    let accepted = [0x00, 0x53, 0x24, 0x45];
    let failed_8 = [0x00, 0x53, 0x27, 0xc0, 2, 1, 0x41];
    let failed_32 = [0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x27, 0xd0, 0, 0, 0, 6, 0, 0, 0, 1, 0x56, 1];
    let named = [&[0x00, 0xa3, 18][..], b"amqp:modified:list", &[0xc0, 2, 1, 0x41]].concat();
    let cases: [(&str, &[u8], Option<u32>); 8] = [
        ("none", &[], Some(0)),
        ("accepted", &accepted, None),
        ("rejected", &[0x00, 0x53, 0x25, 0x45], None),
        ("released", &[0x00, 0x53, 0x26, 0xd0, 0, 0, 0, 4, 0, 0, 0, 0], Some(0)),
        ("modified", &[0x00, 0x53, 0x27, 0x45], Some(0)),
        ("failed", &failed_8, Some(1)),
        ("failed, wide", &failed_32, Some(1)),
        ("failed, by name", &named, Some(1)),
    ];
    for (name, outcome, count) in cases {
        for settles in [true, false] {
            let queue = format!("{name}-{settles}");
            let mut peer = opened(&broker);
            peer.attach_sender(&queue);
            peer.send_message(0, Durable::No, b"x");
            assert_eq!(peer.outcome().2, None);
            let default_outcome = (!outcome.is_empty()).then(|| Raw::new(outcome).expect("well-formed"));
            peer.put(&receiver("r", 1, Source { default_outcome, ..source(&queue) }));
            let source_of = peer.answer("r").0.source.expect("it is attached");
            let told = source_of.default_outcome.expect("the answer says what is done");
            let told = DeliveryState::read(told.as_bytes()).expect("an outcome");
            let released = [0x00, 0x53, 0x26, 0x45];
            let asked = DeliveryState::read(if outcome.is_empty() { &released } else { outcome }).expect("an outcome");
            assert_eq!(told, asked, "{name}");
            peer.put(&flow(1));
            let (delivery, _) = peer.receive();
            if settles {
                let (first, settled) = (delivery, true);
                let disposition =
                    Disposition { role: Role::Receiver, first, last: None, settled, state: None, batchable: false };
                peer.put(&Performative::Disposition(disposition));
            }
            peer.put(&detach(1));
            peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
            let mut next = opened(&broker);
            next.put(&receiver("next", 1, source(&queue)));
            assert_eq!(next.answer("next").1, None);
            // What a link that is closed leaves is not counted as failed.
            let counts = count.map(|count| if settles { count } else { 0 });
            assert_eq!(next.drain_counts(10), Vec::from_iter(counts), "{queue}");
        }
    }
}
