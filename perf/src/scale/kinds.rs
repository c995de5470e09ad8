//! Messages that a queue has to look at, beside plain ones: of groups, for a later time, or the last values of their keys; and a topic whose
//! subscriptions choose by selectors.
//!
//! What a message costs is the broker's processor time from its arrival to its acceptance, put first, all of them, and then taken; what it keeps is memory of
//! the whole program by the number of messages when all are there.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use amqp_codec::performative::{Source, Terminus};
use amqp_proto::{DeliveryOutcome, Event, LinkId, Part, Send, Settled};
use bytes::Bytes;
use engine_message::encode::{self, Compound};
use engine_message::value::{Described, Map, Value};

use super::{LINKS_EACH, Options, SECONDS_MAX};
use crate::backlog::resident_mib;
use crate::client::{Clients, receiver, sender};
use crate::figure::Figure;
use crate::message::{Kept, message};
use crate::server::{Server, cpu_ns};

const SIZE: usize = 100;
const WINDOW: u64 = 1000;
const CREDIT: u32 = 10_000;
/// Messages to a topic with selectors.
const PUBLISHED: u64 = 20_000;
/// What makes a queue of last values of the one that is filled.
const KEYED: &str = "[[address]]\nmatch = \"scale.kinds\"\nlast_value_key = \"n\"";
const SELECTOR: u64 = 0x0000_468c_0000_0004;

/// What is said of a message beside its body.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    /// It is of one of so many groups.
    OfGroups(u64),
    /// It is not to be given before that time, milliseconds since the epoch.
    NotBefore(i64),
    /// It has a property of one of so many values.
    OfValues(u64),
}

impl Kind {
    fn message(self, number: u64) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Plain => {}
            Self::OfGroups(groups) => {
                let mut list = Compound::described(&mut out, 0x73);
                (0..10).for_each(|_| {
                    list.put(encode::null);
                });
                list.put(|out| encode::string(out, &format!("g{}", number % groups)));
                list.finish();
            }
            Self::NotBefore(time) => section(&mut out, 0x72, "x-opt-delivery-time", Value::Long(time)),
            Self::OfValues(values) => section(&mut out, 0x74, "n", Value::Ulong(number % values)),
        }
        out.extend(message(SIZE, Kept::Volatile));
        out.into()
    }
}

/// A section that is a map of one entry.
fn section(out: &mut Vec<u8>, code: u8, key: &'static str, value: Value) {
    let key = if code == 0x72 { Value::Symbol(key.into()) } else { Value::String(key.to_owned()) };
    encode::descriptor(out, code);
    Map(vec![(key, value)]).encode(out);
}

pub(super) fn measure(options: &Options) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let groups = (options.messages / 10).max(1);
    for (case, kind) in [
        (format!("{} plain messages", options.messages), Kind::Plain),
        (format!("{} messages of {groups} groups", options.messages), Kind::OfGroups(groups)),
        (format!("{} messages for later", options.messages), Kind::NotBefore(0)),
        (format!("{} last values, each of a key", options.messages), Kind::OfValues(options.messages)),
    ] {
        let key = if let Kind::OfValues(_) = kind { KEYED } else { "" };
        // Not from the load's core, which the broker would inherit.
        let limits = format!("memory_mib = {}\n{key}", options.kinds_memory_mib);
        let server = options.start(&case.replace(' ', "-"), &limits)?;
        figures.extend(options.cores.load(|| queue(options, &server, &case, kind))?);
    }
    for subscriptions in [1, options.selectors] {
        let case = format!("a topic with {subscriptions} selectors");
        let server = options.start(&case.replace(' ', "-"), "")?;
        figures.push(options.cores.load(|| topic(&server, &case, subscriptions))?);
    }
    Ok(figures)
}

/// Puts all of a kind into a queue, and takes them.
fn queue(options: &Options, server: &Server, case: &str, kind: Kind) -> io::Result<Vec<Figure>> {
    let pid = server.child.id();
    let empty = resident_mib(pid, "VmRSS:");
    let due = Instant::now() + Duration::from_secs_f64(options.later_seconds);
    let kind = match kind {
        Kind::NotBefore(_) => Kind::NotBefore(wall_ms(options.later_seconds)?),
        other => other,
    };
    let each = |ns: u64| ns as f64 / options.messages as f64 / 1000.0;
    let put = || {
        let before = cpu_ns(pid);
        publish(server, "scale.kinds", &[], options.messages, kind)?;
        io::Result::Ok(each(cpu_ns(pid) - before))
    };
    let put_first = put()?;
    let there = resident_mib(pid, "VmRSS:") - empty;
    let mut figures = Vec::new();
    if let Kind::OfValues(_) = kind {
        // Each of these takes the place of the one before of its key.
        figures.push(Figure::new(case, "processor to replace one", put()?, "µs"));
    }
    let mut remark = String::new();
    if let Kind::NotBefore(_) = kind {
        match due.checked_duration_since(Instant::now()) {
            Some(left) => std::thread::sleep(left + Duration::from_millis(100)),
            None => remark = "their time came before all were there".to_owned(),
        }
    }
    let before = cpu_ns(pid);
    let start = Instant::now();
    take(server, options.messages)?;
    let (taken, seconds) = (cpu_ns(pid) - before, start.elapsed().as_secs_f64());
    figures.extend([
        Figure::new(case, "processor to put one", put_first, "µs").remarked(remark),
        Figure::new(case, "processor to take one", each(taken), "µs"),
        Figure::new(case, "taken", options.messages as f64 / seconds, "messages/s"),
        Figure::new(case, "resident, each", (there << 20) as f64 / options.messages as f64, "octets"),
    ]);
    Ok(figures)
}

fn wall_ms(later_seconds: f64) -> io::Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    i64::try_from((now + Duration::from_secs_f64(later_seconds)).as_millis()).map_err(io::Error::other)
}

/// Sends messages, and waits until all are accepted.
fn publish(server: &Server, address: &str, capabilities: &[&'static str], count: u64, kind: Kind) -> io::Result<()> {
    let mut clients = Clients::connect(server.address, 1, "publisher")?;
    let capabilities = capabilities.iter().map(|&name| name.into()).collect();
    let link = clients.attach(0, sender("publisher".to_owned(), Terminus { capabilities, ..Terminus::at(address) }))?;
    let (mut sent, mut settled) = (0, 0);
    while settled < count {
        while sent < count && sent - settled < WINDOW {
            let body = kind.message(sent);
            let (key, part) = (sent, Part::Whole);
            let client = &mut clients.each[0];
            let send = Send { key, settled: Settled::No, format: 0, prefix: &[], body: &body, part };
            client.machine.send(link, send, &mut client.out);
            sent += 1;
        }
        clients.turn(Duration::from_millis(100), &mut |_, client, event| {
            if let Event::Settled(outcome) = event {
                if outcome != Some(DeliveryOutcome::Accepted) {
                    return Err(io::Error::other(format!("a message was not accepted: {outcome:?}")));
                }
                while client.machine.next_settled().is_some() {
                    settled += 1;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Takes so many messages, by two consumers of one connection.
fn take(server: &Server, count: u64) -> io::Result<()> {
    let mut clients = Clients::connect(server.address, 1, "reader")?;
    let mut owed: Vec<(LinkId, u32)> = Vec::new();
    for number in 0..2 {
        let link = clients.attach(0, receiver(format!("reader-{number}"), Terminus::at("scale.kinds").into()))?;
        owed.push((link, CREDIT));
    }
    let (mut taken, start) = (0, Instant::now());
    while taken < count {
        for (link, owed) in owed.iter_mut().filter(|(_, owed)| *owed >= CREDIT / 2) {
            clients.each[0].machine.grant(*link, std::mem::take(owed));
        }
        clients.turn(Duration::from_millis(100), &mut |_, client, event| {
            let Event::Delivery { link, delivery, .. } = event else { return Ok(()) };
            client.machine.settle(link, delivery, delivery, DeliveryOutcome::Accepted);
            taken += 1;
            owed.iter_mut().filter(|(reader, _)| *reader == link).for_each(|(_, owed)| *owed += 1);
            Ok(())
        })?;
        if start.elapsed() > SECONDS_MAX {
            return Err(io::Error::other(format!("{taken} of {count} messages came in time")));
        }
    }
    Ok(())
}

/// Publishes to a topic each of whose subscriptions chooses one value.
fn topic(server: &Server, case: &str, subscriptions: u64) -> io::Result<Figure> {
    let connections = usize::try_from(subscriptions).map_err(io::Error::other)?.div_ceil(LINKS_EACH);
    let mut clients = Clients::connect(server.address, connections, "choosers")?;
    for number in 0..subscriptions {
        let (descriptor, value) = (Value::Ulong(SELECTOR), Value::String(format!("n = {number}")));
        let mut filter = Map::default();
        filter.insert("mine", Value::Described(Box::new(Described { descriptor, value })));
        let terminus = Terminus { capabilities: vec!["topic".into()], ..Terminus::at("scale.chosen") };
        let place = usize::try_from(number).map_err(io::Error::other)? / LINKS_EACH;
        clients.attach(place, receiver(format!("s-{number}"), Source { filter, ..terminus.into() }))?;
    }
    let before = cpu_ns(server.child.id());
    publish(server, "scale.chosen", &["topic"], PUBLISHED, Kind::OfValues(subscriptions))?;
    let each = (cpu_ns(server.child.id()) - before) as f64 / PUBLISHED as f64 / 1000.0;
    Ok(Figure::new(case, "processor of a message", each, "µs").remarked(format!("{PUBLISHED} messages, each for one")))
}
