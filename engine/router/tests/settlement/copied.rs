//! Copied messages in parts that come through several parts of a router, in another order at each of their receivers: all of them arrive,
//! whatever happens first, although their senders stop when they are ahead.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use engine_router::limits::STREAM_OCTETS;
use engine_router::settlement::{
    Action, Audience, Beginning, Bound, CopyKey, Following, InKind, InLink, Kept, OutKind, OutLink, Settlement,
    Settling, part_octets,
};
use proptest::prelude::*;

const PARTS_OF_ROUTER: usize = 3;
const RECEIVERS: u64 = 2;
const MESSAGES: u64 = 2;
const PART: usize = 250_000;
/// Parts of a message: far more than is kept of one.
const PARTS: usize = 20;
static OCTETS: [u8; PART] = [7; PART];

/// The link to or from another part of the router.
const fn lane(other: usize) -> u64 {
    100 + other as u64
}

/// What one part tells another.
#[derive(Debug)]
enum Told {
    Begins(CopyKey, u64),
    Part(u64, Following),
    Taken(CopyKey, u64),
}

/// Someone who sends its messages one behind the other, to receivers of all parts.
#[derive(Debug, Default)]
struct Sender {
    sent: u64,
    parts: usize,
    ahead: u64,
}

struct World {
    routers: Vec<Settlement<u64>>,
    senders: Vec<Sender>,
    lanes: BTreeMap<(usize, usize), VecDeque<Told>>,
    /// The messages of copies that each part sent to others, and what those of others are called there.
    away: Vec<BTreeMap<CopyKey, u64>>,
    origins: Vec<BTreeMap<u64, CopyKey>>,
    /// Copies that receivers have begun with, and what they have not taken of them yet.
    sent: Vec<BTreeMap<CopyKey, u64>>,
    /// Copies that receivers have all of.
    whole: BTreeSet<(usize, CopyKey)>,
}

impl World {
    fn new() -> Self {
        let parts = 0..PARTS_OF_ROUTER;
        let router = |own: usize| {
            let mut router = Settlement::new(Bound { octets_max: u64::MAX, octets: |_| 0 });
            router.handle_in(InLink(0), InKind::Endpoint, 10);
            router.handle_reached(InLink(0));
            for link in 0..RECEIVERS {
                router.handle_out(OutLink(link), OutKind::Deciding, 100);
                router.handle_credit(OutLink(link), 100);
            }
            for other in (0..PARTS_OF_ROUTER).filter(|other| *other != own) {
                router.handle_in(InLink(lane(other)), InKind::Router, 100);
                router.handle_reached(InLink(lane(other)));
                router.handle_out(OutLink(lane(other)), OutKind::Lane, 100);
                router.handle_credit(OutLink(lane(other)), 100);
            }
            router
        };
        let mut world = Self {
            routers: parts.clone().map(router).collect(),
            senders: parts.clone().map(|_| Sender::default()).collect(),
            lanes: BTreeMap::new(),
            away: vec![BTreeMap::new(); PARTS_OF_ROUTER],
            origins: vec![BTreeMap::new(); PARTS_OF_ROUTER],
            sent: vec![BTreeMap::new(); PARTS_OF_ROUTER],
            whole: BTreeSet::new(),
        };
        parts.for_each(|own| world.drain(own));
        world
    }

    /// A sender sends the next part, if it is not ahead; gives whether it did.
    fn send(&mut self, own: usize) -> bool {
        let sender = &mut self.senders[own];
        if sender.sent == MESSAGES || sender.ahead > STREAM_OCTETS {
            return false;
        }
        let message = own as u64 * MESSAGES + sender.sent;
        if sender.parts == 0 {
            let links: Vec<OutLink> = (0..RECEIVERS)
                .chain((0..PARTS_OF_ROUTER).filter(|other| *other != own).map(lane))
                .map(OutLink)
                .collect();
            let octets = part_octets(PART);
            let beginning = Beginning { stream: message, octets, audience: Audience::Several };
            let taken =
                self.routers[own].handle_beginning(InLink(0), 0, Settling::Settled, &links, (beginning, message));
            assert!(taken.expect("there is credit").is_some());
            (sender.parts, sender.ahead) = (1, sender.ahead + octets);
        } else {
            sender.parts += 1;
            let is_last = sender.parts == PARTS;
            let following = if is_last { Following::End } else { Following::More };
            if let Kept::Octets(octets) =
                self.routers[own].handle_part(InLink(0), message, Bytes::from_static(&OCTETS), following)
            {
                sender.ahead += octets;
            }
            if is_last {
                (sender.sent, sender.parts) = (sender.sent + 1, 0);
            }
        }
        self.drain(own);
        true
    }

    /// What one part told another arrives; gives whether there was something.
    fn arrive(&mut self, from: usize, to: usize) -> bool {
        let Some(told) = self.lanes.entry((from, to)).or_default().pop_front() else { return false };
        let router = &mut self.routers[to];
        match told {
            Told::Begins(copy, message) => {
                self.origins[to].insert(message, copy);
                let links: Vec<OutLink> = (0..RECEIVERS).map(OutLink).collect();
                let beginning = Beginning { stream: message, octets: part_octets(PART), audience: Audience::Several };
                let from = InLink(lane(from));
                let taken = router.handle_beginning(from, 0, Settling::Settled, &links, (beginning, message));
                assert!(taken.expect("there is credit").is_some());
            }
            Told::Part(message, following) => {
                let part = Bytes::from_static(&OCTETS);
                assert_ne!(router.handle_part(InLink(lane(from)), message, part, following), Kept::Nothing);
            }
            Told::Taken(copy, octets) => router.handle_taken(copy, octets),
        }
        self.drain(to);
        true
    }

    /// A receiver takes all that it was sent; gives whether there was something.
    fn take(&mut self, own: usize, at: prop::sample::Index) -> bool {
        let open: Vec<CopyKey> =
            self.sent[own].iter().filter(|(_, octets)| **octets > 0).map(|(copy, _)| *copy).collect();
        let Some(&copy) = (!open.is_empty()).then(|| at.get(&open)) else { return false };
        let octets = std::mem::take(self.sent[own].get_mut(&copy).expect("it is there"));
        self.routers[own].handle_taken(copy, octets);
        self.drain(own);
        true
    }

    fn drain(&mut self, own: usize) {
        while let Some(action) = self.routers[own].poll_action() {
            let to_lane = |link: u64| link.checked_sub(lane(0)).map(|other| other as usize);
            match action {
                Action::Send { link, copy, content, .. } => match to_lane(link.0) {
                    Some(other) => {
                        self.away[own].insert(copy, content);
                        self.tell(own, other, Told::Begins(copy, content));
                    }
                    None => assert!(self.sent[own].insert(copy, part_octets(PART)).is_none(), "it begins once"),
                },
                Action::SendPart { link, copy, bytes, following } => match to_lane(link.0) {
                    Some(other) => {
                        let message = self.away[own][&copy];
                        self.tell(own, other, Told::Part(message, following));
                    }
                    None => {
                        *self.sent[own].get_mut(&copy).expect("it has begun") += part_octets(bytes.len());
                        if following == Following::End {
                            self.sent[own].remove(&copy);
                            self.whole.insert((own, copy));
                        }
                    }
                },
                Action::Taken { link, stream, octets } => match to_lane(link.0) {
                    Some(other) => {
                        let copy = self.origins[own][&stream];
                        self.tell(own, other, Told::Taken(copy, octets));
                    }
                    None => self.senders[own].ahead -= octets,
                },
                Action::Credit { link, .. } => self.routers[own].handle_reached(link),
                other => panic!("nobody decides, and nothing is given up: {other:?}"),
            }
        }
        self.routers[own].check();
    }

    fn tell(&mut self, own: usize, other: usize, told: Told) {
        self.lanes.entry((own, other)).or_default().push_back(told);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Arrive(usize, usize),
    Take(usize, prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let part = || 0..PARTS_OF_ROUTER;
    let step = prop_oneof![
        4 => part().prop_map(Step::Send),
        4 => (part(), part()).prop_map(|(from, to)| Step::Arrive(from, to)),
        3 => (part(), any::<prop::sample::Index>()).prop_map(|(own, at)| Step::Take(own, at)),
    ];
    proptest::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn all_receivers_get_all_copied_messages_whatever_their_order(
        steps in steps(),
        any_copy in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Send(own) => world.send(own),
                Step::Arrive(from, to) => world.arrive(from, to),
                Step::Take(own, at) => world.take(own, at),
            };
        }
        // From now on whatever can happen does.
        let mut goes_on = true;
        while std::mem::take(&mut goes_on) {
            for own in 0..PARTS_OF_ROUTER {
                goes_on |= world.send(own);
                (0..PARTS_OF_ROUTER).for_each(|from| goes_on |= world.arrive(from, own));
                goes_on |= world.take(own, any_copy);
            }
        }
        let copies = PARTS_OF_ROUTER * PARTS_OF_ROUTER * MESSAGES as usize * RECEIVERS as usize;
        prop_assert_eq!(world.whole.len(), copies);
        prop_assert!(world.senders.iter().all(|sender| sender.ahead == 0), "each octet was said to be gone once");
        prop_assert!(world.routers.iter().all(|router| (router.under_way(), router.octets()) == (0, 0)));
    }
}
