//! The codec against one that others wrote, fe2o3-amqp-types: what we write they read, what they write of it we read, and it
//! is what it was.
//!
//! Known difference: the other codec writes trailing nulls and defaults in places where ours leaves them out, so that
//! values are compared, not octets. An idle-time-out of 0 is none (part 2.4.5), which ours says at once.

use amqp_codec::AmqpError;
use amqp_codec::frame::HEADER_BYTES;
use amqp_codec::performative::{
    self, Attach, Begin, Close, DeliveryState, Detach, Disposition, End, Flow, Open, Performative, ReceiverSettleMode,
    Role, SenderSettleMode, Source, Target, Terminus, Transfer,
};
use engine_message::value::{Map, Value};
use engine_message::{Symbol, section};
use fe2o3_amqp_types::messaging::Header as TheirHeader;
use fe2o3_amqp_types::performatives as theirs;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::ser::Serialize;

/// Sends a performative through the other codec.
fn through<T: Serialize + DeserializeOwned>(performative: &Performative<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    performative::encode_frame(&mut frame, 0, performative);
    let value: T =
        serde_amqp::from_slice(&frame[HEADER_BYTES..]).unwrap_or_else(|error| panic!("{error}: {performative:?}"));
    serde_amqp::to_vec(&value).expect("what it read it can write")
}

fn check<T: Serialize + DeserializeOwned>(performative: &Performative<'_>) -> Result<(), TestCaseError> {
    let body = through::<T>(performative);
    let (back, rest) = performative::decode(&body).expect("what they write we read");
    prop_assert!(rest.is_empty());
    prop_assert_eq!(&back, performative);
    Ok(())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,12}", Just("ü".repeat(200)), Just("x".repeat(300))]
}

fn symbols() -> impl Strategy<Value = Vec<Symbol>> {
    prop_oneof![Just(vec![]), Just(vec!["queue".into()]), Just(vec!["topic".into(), "shared".into(), "global".into()])]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1..256_u32, any::<u32>()]
}

fn map() -> impl Strategy<Value = Map> {
    proptest::collection::vec((0..3_usize, any::<u64>(), text()), 0..3).prop_map(|entries| {
        let mut map = Map::default();
        for (index, number, text) in entries {
            let key = ["product", "version", "platform"][index];
            if map.get(key).is_none() {
                map.insert(key, if number % 2 == 0 { Value::Ulong(number) } else { Value::String(text) });
            }
        }
        map
    })
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Sender), Just(Role::Receiver)]
}

fn modes() -> impl Strategy<Value = (SenderSettleMode, ReceiverSettleMode)> {
    let sender =
        prop_oneof![Just(SenderSettleMode::Unsettled), Just(SenderSettleMode::Settled), Just(SenderSettleMode::Mixed)];
    (sender, prop_oneof![Just(ReceiverSettleMode::First), Just(ReceiverSettleMode::Second)])
}

fn error() -> impl Strategy<Value = Option<AmqpError>> {
    proptest::option::of(text().prop_map(|text| AmqpError::new("amqp:not-found", text)))
}

proptest! {
    #[test]
    fn open(
        container_id in text(), hostname in proptest::option::of(text()), max_frame_size in 512..u32::MAX,
        channel_max in any::<u16>(), idle_timeout_ms in proptest::option::of(1..u32::MAX),
        offered_capabilities in symbols(), desired_capabilities in symbols(), properties in map(),
    ) {
        let open = Open {
            container_id, hostname, max_frame_size, channel_max, idle_timeout_ms, offered_capabilities,
            desired_capabilities, properties, ..Open::default()
        };
        check::<theirs::Open>(&Performative::Open(Box::new(open)))?;
    }

    #[test]
    fn begin_and_end(
        remote_channel in any::<Option<u16>>(), next_outgoing_id in number(), incoming_window in number(),
        outgoing_window in number(), handle_max in number(), properties in map(), error in error(),
    ) {
        let begin = Begin {
            remote_channel, next_outgoing_id, incoming_window, outgoing_window, handle_max, properties, ..Begin::default()
        };
        check::<theirs::Begin>(&Performative::Begin(Box::new(begin)))?;
        check::<theirs::End>(&Performative::End(End { error }))?;
    }

    #[test]
    fn attach_and_detach(
        name in text(), handle in number(), role in role(), modes in modes(), address in proptest::option::of(text()),
        dynamic in any::<bool>(), capabilities in symbols(), max_message_size in any::<Option<u64>>(),
        count in number(), properties in map(), error in error(), closed in any::<bool>(),
    ) {
        let (from, offered) = (address.clone(), capabilities.clone());
        let source = Source::from(Terminus { address: from, dynamic, capabilities: offered, ..Terminus::default() });
        let target = Terminus { address, capabilities, timeout_s: count, ..Terminus::default() };
        let attach = Attach {
            snd_settle_mode: modes.0,
            rcv_settle_mode: modes.1,
            source: Some(source),
            target: Some(Target::Node(target)),
            initial_delivery_count: (role == Role::Sender).then_some(count),
            max_message_size,
            properties,
            ..Attach::new(name, handle, role)
        };
        check::<theirs::Attach>(&Performative::Attach(Box::new(attach)))?;
        check::<theirs::Detach>(&Performative::Detach(Detach { handle, closed, error }))?;
    }

    #[test]
    fn flow(fields in any::<[Option<u32>; 5]>(), windows in any::<[u32; 3]>(), drain in any::<bool>(), echo in any::<bool>()) {
        let [next_incoming_id, handle, delivery_count, link_credit, available] = fields;
        let [incoming_window, next_outgoing_id, outgoing_window] = windows;
        let flow = Flow {
            next_incoming_id, incoming_window, next_outgoing_id, outgoing_window, handle, delivery_count, link_credit,
            available, drain, echo, properties: None,
        };
        check::<theirs::Flow>(&Performative::Flow(flow))?;
    }

    #[test]
    fn transfer(
        handle in number(), delivery_id in proptest::option::of(number()),
        tag in proptest::collection::vec(any::<u8>(), 0..33),
        message_format in proptest::option::of(number()), settled in any::<Option<bool>>(), flags in any::<[bool; 4]>(),
        state in any::<bool>(),
    ) {
        let [more, resume, aborted, batchable] = flags;
        let state = state.then_some(DeliveryState::Received { section_number: 3, section_offset: 70_000 });
        let transfer = Transfer {
            handle, delivery_id, delivery_tag: Some(&tag), message_format, settled, more, state, resume, aborted, batchable,
            rcv_settle_mode: None,
        };
        check::<theirs::Transfer>(&Performative::Transfer(transfer))?;
    }

    #[test]
    fn disposition(
        role in role(), first in number(), last in any::<Option<u32>>(), settled in any::<bool>(), kind in 0..5,
    ) {
        let state = match kind {
            0 => None,
            1 => Some(DeliveryState::Accepted),
            2 => Some(DeliveryState::Released),
            3 => Some(DeliveryState::Rejected { error: None }),
            _ => Some(DeliveryState::Modified {
                delivery_failed: settled, undeliverable_here: !settled, annotations: None,
            }),
        };
        let disposition = Disposition { role, first, last, settled, state, batchable: false };
        check::<theirs::Disposition>(&Performative::Disposition(disposition))?;
    }

    #[test]
    fn close(error in error()) {
        check::<theirs::Close>(&Performative::Close(Close { error }))?;
    }

    #[test]
    fn header(
        durable in any::<bool>(), priority in any::<u8>(), ttl_ms in any::<Option<u32>>(), first in any::<bool>(),
        count in number(),
    ) {
        let header = section::Header { durable, priority, ttl_ms, first_acquirer: first, delivery_count: count };
        let mut ours = Vec::new();
        header.encode(&mut ours);
        if !ours.is_empty() {
            let value: TheirHeader = serde_amqp::from_slice(&ours).expect("what we write they read");
            prop_assert_eq!((value.durable, value.ttl, value.first_acquirer), (durable, ttl_ms, first));
            let back = serde_amqp::to_vec(&value).expect("what it read it can write");
            prop_assert_eq!(section::Header::decode(&back), Ok(header));
        }
    }
}
