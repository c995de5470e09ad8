//! What an owner and its journal tell each other.

use super::*;
use crate::{JournalReport, JournalRequest};

fn kept(memory_bytes: u64) -> Owner {
    let config = CoreConfig { storage: Storage::Journal, memory_bytes, ..CoreConfig::default() };
    Owner { core: Core::new(config), next_link: 0 }
}

fn send(owner: &mut Owner, end: EndKey, delivery: u32) {
    let header = Header { durable: true, ..Header::default() };
    let message = Message { header, ..Message::new(Bytes::from_static(b"body")) };
    owner.command(Command::Deliver { end, delivery, settled: Settled::No, message });
}

fn requests(owner: &mut Owner) -> Vec<JournalRequest> {
    std::iter::from_fn(|| owner.core.poll_journal()).collect()
}

#[test]
fn what_left_is_told_after_the_fact_that_says_so_and_counted_before() {
    let mut owner = kept(1 << 20);
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    owner.grant(consumer, 10);
    for delivery in 0..3 {
        send(&mut owner, producer, delivery);
    }
    assert_eq!(owner.core.untold_facts().count(), 4, "a declaration and three messages");
    assert!(requests(&mut owner).iter().all(|request| matches!(request, JournalRequest::Fact(_))));
    assert_eq!((owner.core.untold_facts().count(), owner.core.untold_acknowledgements()), (0, 0));
    owner.core.handle_journal(JournalReport::Durable(4));
    let keys: Vec<u64> = owner
        .events()
        .into_iter()
        .filter_map(|event| if let Event::Deliver { key, .. } = event { Some(key) } else { None })
        .collect();
    assert_eq!(keys.len(), 3, "they are durable, and given");
    owner.core.handle_accepted(consumer, keys[0]);
    owner.core.handle_accepted(consumer, keys[2]);
    assert_eq!(owner.core.untold_acknowledgements(), 2, "two ranges, with one between them that is held");
    let told = requests(&mut owner);
    let is_fact = |request: &JournalRequest| matches!(request, JournalRequest::Fact(Fact::Acknowledged { .. }));
    assert!(told[..2].iter().all(is_fact), "{told:?}");
    assert!(told[2..].iter().all(|request| matches!(request, JournalRequest::Released(_))), "{told:?}");
    assert_eq!((told.len(), owner.core.untold_acknowledgements()), (4, 0));
}

#[test]
fn a_cursor_asks_only_while_the_journal_reads_for_cursors() {
    let mut owner = kept(2000);
    let producer = owner.producer("q", None);
    for delivery in 0..60 {
        send(&mut owner, producer, delivery);
    }
    requests(&mut owner);
    owner.core.handle_journal(JournalReport::Durable(100));
    owner.events();
    assert!(
        owner.core.queue_views().next().is_some_and(|view| view.paged > 0),
        "what has no room in memory is on disk only"
    );
    let browser = owner.consumer("q", None, Mode::Browse);
    owner.core.handle_command(1, 1, Command::Grant { end: browser, credit: 100 });
    owner.events();
    let browses = |requests: Vec<JournalRequest>| {
        requests
            .into_iter()
            .filter_map(|request| if let JournalRequest::Browse(browse) = request { Some(browse) } else { None })
    };
    assert_eq!(browses(requests(&mut owner)).count(), 0, "nobody reads for it");
    owner.core.handle_journal(JournalReport::Cursors(2));
    let found: Vec<_> = browses(requests(&mut owner)).collect();
    assert_eq!(found.len(), 1, "one cursor asks once");
    owner.core.handle_journal(JournalReport::Postponed(found[0]));
    assert_eq!(browses(requests(&mut owner)).count(), 0, "not again at once");
    owner.core.handle_journal(JournalReport::Cursors(2));
    assert_eq!(browses(requests(&mut owner)).collect::<Vec<_>>(), found, "but as soon as the journal reads again");
    let messages = vec![(1, Message::new(Bytes::from_static(b"body")))];
    owner.core.handle_journal(JournalReport::Browsed { browse: found[0], messages, bytes: 100 });
    let shown = owner.events().into_iter().filter(|event| matches!(event, Event::Deliver { .. })).count();
    assert_eq!(shown, 1, "what was read is shown");
}

#[test]
fn what_is_adopted_and_does_not_outlive_the_node_is_not_told() {
    use crate::fact::{Declared, Purpose};
    let mut owner = kept(1 << 20);
    let queue = owner.core.adopt_queue(&Declared {
        queue: 0,
        routing: RoutingType::Anycast,
        purpose: Purpose::OnDemand,
        address: "q".into(),
        name: "q".into(),
        selector: None,
        no_local: None,
    });
    assert_eq!(requests(&mut owner).len(), 1, "its declaration");
    owner.core.adopt_message(queue, Message::new(Bytes::from_static(b"passing")));
    assert_eq!(requests(&mut owner), []);
    let header = Header { durable: true, ..Header::default() };
    owner.core.adopt_message(queue, Message { header, ..Message::new(Bytes::from_static(b"lasting")) });
    let told = requests(&mut owner);
    assert!(matches!(told[..], [JournalRequest::Fact(Fact::Stored { .. })]), "{told:?}");
    assert_eq!(owner.core.queue_views().map(|view| view.messages).sum::<u64>(), 2);
}
