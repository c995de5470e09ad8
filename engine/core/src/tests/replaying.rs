//! Links that begin where they ask to in a queue that they only look at.

use super::*;
use crate::{JournalReport, Start};
use engine_message::reader::Reader;

const NAME: &[u8] = b"x-stream-offset";

fn owner(storage: Storage) -> Owner {
    let catalogue = Arc::new(Catalogue::of_all(Layer { non_destructive: Some(true), ..Layer::default() }));
    Owner { core: Core::new(CoreConfig { storage, catalogue, ..CoreConfig::default() }), next_link: 0 }
}

impl Owner {
    fn send_durable(&mut self, end: EndKey, delivery: u32, durable: bool) {
        let message = Message { header: Header { durable, ..Header::default() }, ..numbered(delivery) };
        self.command(Command::Deliver { end, delivery, settled: Settled::No, message });
        while self.core.poll_fact().is_some() {}
        let last = self.core.journal.numbers.last();
        self.core.handle_journal(JournalReport::Durable(last));
        self.events();
    }

    fn begin(&mut self, start: Option<Start>) -> Result<(EndKey, bool), Box<Refusal>> {
        self.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: self.next_link };
        let spec = Box::new(ConsumerSpec { start, ..ConsumerSpec::of("q") });
        match self.command(Command::AttachConsumer { link, spec }).into_iter().next() {
            Some(Event::Attached { end, info }) => Ok((end, info.started)),
            Some(Event::Refused { refusal }) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// The numbers of the messages that a link is shown that begins there, and their positions.
    fn shown(&mut self, start: Option<Start>) -> Vec<(u32, Option<u64>)> {
        let (end, started) = self.begin(start).expect("attached");
        assert_eq!(started, start.is_some());
        let of = |event| match event {
            Event::Deliver { message, .. } => Some((number(&message), told(&message))),
            _ => None,
        };
        let shown = self.command(Command::Grant { end, credit: 100 }).into_iter().filter_map(of).collect();
        self.command(Command::Detach { end, mode: DetachMode::Close });
        shown
    }
}

/// The position that a message tells.
fn told(message: &Message) -> Option<u64> {
    let at = message.body.windows(NAME.len()).position(|octets| octets == NAME)?;
    let value = message.body.get(at + NAME.len()..)?;
    Some(Reader::new(value).ulong().expect("a ulong"))
}

#[test]
fn a_link_begins_where_it_asks_to_and_is_told_positions() {
    let mut owner = owner(Storage::Journal);
    let producer = owner.producer("q", None);
    (0..6).for_each(|delivery| owner.send_durable(producer, delivery, delivery != 3));
    let all = owner.shown(Some(Start::First));
    assert_eq!(all.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let positions: Vec<u64> = all.iter().filter_map(|(_, position)| *position).collect();
    assert!(positions.len() == 5 && positions.is_sorted(), "what does not outlive the node has none: {all:?}");
    assert_eq!(owner.shown(Some(Start::Last)), all[5..]);
    assert_eq!(owner.shown(Some(Start::Position(0))), all);
    for (from, position) in [(0, positions[0]), (2, positions[2]), (4, positions[2] + 1), (4, positions[3])] {
        assert_eq!(owner.shown(Some(Start::Position(position))), all[from..], "from {position}");
    }
    assert_eq!(owner.shown(None).iter().filter(|(_, position)| position.is_some()).count(), 0);
    let (next, _) = owner.begin(Some(Start::Next)).expect("attached");
    assert_eq!(owner.command(Command::Grant { end: next, credit: 9 }), []);
    let (far, _) = owner.begin(Some(Start::Position(u64::MAX))).expect("attached");
    assert_eq!(owner.command(Command::Grant { end: far, credit: 9 }), []);
    let message = Message { header: Header { durable: true, ..Header::default() }, ..numbered(6) };
    owner.command(Command::Deliver { end: producer, delivery: 6, settled: Settled::No, message });
    let last = owner.core.journal.numbers.last();
    owner.core.handle_journal(JournalReport::Durable(last));
    let came = owner.events();
    let came: Vec<_> = came.iter().filter(|event| matches!(event, Event::Deliver { .. })).collect();
    assert!(
        matches!(came[..], [Event::Deliver { message, .. }] if number(message) == 6 && told(message) > positions.last().copied())
    );
}

#[test]
fn where_nothing_outlives_the_node_there_are_no_positions_to_begin_at() {
    let mut owner = owner(Storage::Memory);
    let refusal = owner.begin(Some(Start::Position(5))).expect_err("refused");
    assert_eq!(refusal.condition, Condition::NotImplemented);
    let producer = owner.producer("q", None);
    (0..3).for_each(|delivery| drop(owner.send(producer, delivery)));
    assert_eq!(owner.shown(Some(Start::Last)), [(2, None)]);
    let mut plain = Owner::new();
    let (_, started) = plain.begin(Some(Start::Last)).expect("attached");
    assert!(!started, "where messages are taken a link begins with the first");
}

#[test]
fn a_link_begins_with_what_came_at_a_time_or_later() {
    let layer = Layer { non_destructive: Some(true), ingress_timestamp: Some(true), ..Layer::default() };
    let catalogue = Arc::new(Catalogue::of_all(layer));
    let mut owner = Owner { core: Core::new(CoreConfig { catalogue, ..CoreConfig::default() }), next_link: 0 };
    let producer = owner.producer("q", None);
    for (delivery, wall_ms) in [(0, 1000), (1, 2000), (2, 2000), (3, 5000)] {
        let message = numbered(delivery);
        let deliver = Command::Deliver { end: producer, delivery, settled: Settled::No, message };
        owner.core.handle_command(wall_ms, wall_ms, deliver);
        owner.events();
    }
    for (from, wanted) in [(0, &[0, 1, 2, 3][..]), (1000, &[0, 1, 2, 3]), (1001, &[1, 2, 3]), (2001, &[3]), (5001, &[])]
    {
        let shown = owner.shown(Some(Start::Time(from)));
        assert_eq!(shown.iter().map(|(number, _)| *number).collect::<Vec<_>>(), wanted, "from {from}");
    }
}

#[test]
fn without_times_of_arrival_a_time_is_refused_with_advice() {
    let mut owner = owner(Storage::Memory);
    owner.producer("q", None);
    let refusal = owner.begin(Some(Start::Time(1))).expect_err("refused");
    assert_eq!(refusal.condition, Condition::NotImplemented);
    assert!(refusal.description.contains("ingress_timestamp = true"), "{refusal:?}");
}
