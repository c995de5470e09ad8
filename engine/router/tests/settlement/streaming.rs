//! Messages in parts, in any order of what senders and receivers do: what receivers get, what is kept, and that nothing is left.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine_router::limits::{COPY_OCTETS, STREAM_OCTETS};
use engine_router::settlement::{
    Action, Audience, Beginning, Bound, CopyKey, Following, InKind, InLink, Kept, OutKind, OutLink, Settlement,
    Settling, State, part_octets,
};
use proptest::prelude::*;

const SENDERS: u64 = 2;
/// Two that decide, one that wants all settled, and a lane.
const RECEIVERS: u64 = 4;
const LANE: u64 = 3;
const FIRST: usize = 150_000;
const PART_MAX: usize = 200_000;
static OCTETS: [u8; PART_MAX] = [7; PART_MAX];

#[derive(Clone, Debug)]
enum Step {
    Begin(u64, (Settling, Audience), Vec<u64>),
    Part(u64, usize, Following),
    Abort(u64),
    SettledBySender(u64),
    Credit(u64, u32),
    Drain(u64, u32),
    Taken(prop::sample::Index),
    Outcome(prop::sample::Index, Option<State>, Settling),
    OutLost(u64),
    InLost(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let settling = || prop_oneof![1 => Just(Settling::Settled), 3 => Just(Settling::Unsettled)];
    let audience = prop_oneof![Just(Audience::One), Just(Audience::Several)];
    let following = prop_oneof![4 => Just(Following::More), 1 => Just(Following::End)];
    let state = prop_oneof![
        3 => Just(Some(State::Accepted)),
        1 => Just(Some(State::Released)),
        1 => Just(Some(State::Received(Bytes::new()))),
        1 => Just(None),
    ];
    let receivers = proptest::sample::subsequence((0..RECEIVERS).collect::<Vec<_>>(), 0..=4);
    let index = any::<prop::sample::Index>;
    let (sender, receiver) = (|| 0..SENDERS, || 0..RECEIVERS);
    let step = prop_oneof![
        6 => (sender(), (settling(), audience), receivers).prop_map(|(link, settling, to)| Step::Begin(link, settling, to)),
        20 => (sender(), 0..PART_MAX, following).prop_map(|(link, bytes, following)| Step::Part(link, bytes, following)),
        1 => sender().prop_map(Step::Abort),
        1 => sender().prop_map(Step::SettledBySender),
        4 => (receiver(), 0..4_u32).prop_map(|(link, credit)| Step::Credit(link, credit)),
        1 => (receiver(), 0..4_u32).prop_map(|(link, credit)| Step::Drain(link, credit)),
        10 => index().prop_map(Step::Taken),
        2 => (index(), state, settling()).prop_map(|(copy, state, settling)| Step::Outcome(copy, state, settling)),
        1 => receiver().prop_map(Step::OutLost),
        1 => sender().prop_map(Step::InLost),
    ];
    proptest::collection::vec(step, 0..150)
}

/// A message as its sender has it.
#[derive(Debug, Default)]
struct Message {
    parts: Vec<usize>,
    is_whole: bool,
    /// What the router keeps of it, as it says.
    kept: u64,
    is_settled: bool,
}

/// A copy as its receiver has it.
#[derive(Debug)]
struct Copy {
    message: u64,
    link: u64,
    parts: usize,
    under_way: u64,
    is_open: bool,
    is_unsettled: bool,
}

struct World {
    router: Settlement<u64>,
    credit: [u32; SENDERS as usize],
    /// What each sender sends now.
    sending: [Option<u64>; SENDERS as usize],
    messages: Vec<Message>,
    copies: BTreeMap<CopyKey, Copy>,
    drains: [u32; RECEIVERS as usize],
    /// Whether messages are copied: what is kept of them may be said to be gone before it is.
    is_copied: bool,
}

impl World {
    fn new(octets_max: u64) -> Self {
        let router = Settlement::new(Bound { octets_max, octets: |_| FIRST as u64 });
        let (credit, sending, drains) = ([0; 2], [None; 2], [0; 4]);
        let mut world =
            Self { router, credit, sending, messages: Vec::new(), copies: BTreeMap::new(), drains, is_copied: false };
        (0..SENDERS).for_each(|link| world.attach_in(link));
        (0..RECEIVERS).for_each(|link| world.attach_out(link));
        world.drain();
        world
    }

    fn attach_in(&mut self, link: u64) {
        let kind = if link == 0 { InKind::Endpoint } else { InKind::Router };
        self.router.handle_in(InLink(link), kind, 5);
        self.router.handle_reached(InLink(link));
        self.credit[link as usize] = 0;
    }

    fn attach_out(&mut self, link: u64) {
        let kind = match link {
            2 => OutKind::Settled,
            LANE => OutKind::Lane,
            _ => OutKind::Deciding,
        };
        self.router.handle_out(OutLink(link), kind, 3);
        if link == LANE {
            self.router.handle_credit(OutLink(link), u32::MAX);
        }
    }

    fn chosen(&self, index: &prop::sample::Index) -> Option<CopyKey> {
        let copies: Vec<CopyKey> = self.copies.keys().copied().collect();
        (!copies.is_empty()).then(|| *index.get(&copies))
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Begin(link, settling, to) => self.begin(*link, *settling, to),
            Step::Part(link, bytes, following) => self.part(*link, *bytes, *following),
            Step::Abort(link) => {
                if let Some(message) = self.sending[*link as usize].take() {
                    self.router.handle_stream_aborted(InLink(*link), message);
                }
            }
            Step::SettledBySender(link) => {
                let Some(message) = self.sending[*link as usize] else { return };
                self.messages[message as usize].is_settled = true;
                if let Some(key) = self.router.of_stream(InLink(*link), message) {
                    self.router.handle_sender(key, None, Settling::Settled);
                }
            }
            Step::Credit(LANE, _) | Step::Drain(LANE, _) | Step::OutLost(LANE) => {}
            Step::Credit(link, credit) => self.router.handle_credit(OutLink(*link), *credit),
            Step::Drain(link, credit) => {
                self.drains[*link as usize] = 1;
                self.router.handle_drain(OutLink(*link), *credit);
            }
            Step::Taken(index) => {
                let Some(key) = self.chosen(index) else { return };
                self.take(key);
            }
            Step::Outcome(index, state, settling) => {
                let Some(key) = self.chosen(index).filter(|key| self.copies[key].is_unsettled) else { return };
                if *settling == Settling::Settled {
                    self.copies.get_mut(&key).expect("it is there").is_unsettled = false;
                }
                self.router.handle_outcome(key, state.clone(), *settling);
            }
            Step::OutLost(link) => {
                self.router.handle_out_lost(OutLink(*link));
                self.drain();
                self.copies.retain(|_, copy| copy.link != *link);
                self.drains[*link as usize] = 0;
                self.attach_out(*link);
            }
            Step::InLost(link) => {
                self.router.handle_in_lost(InLink(*link));
                self.sending[*link as usize] = None;
                self.drain();
                self.attach_in(*link);
            }
        }
    }

    fn begin(&mut self, link: u64, (settling, audience): (Settling, Audience), to: &[u64]) {
        if self.sending[link as usize].is_some() || self.credit[link as usize] == 0 {
            return;
        }
        self.credit[link as usize] -= 1;
        let (message, octets) = (self.messages.len() as u64, part_octets(FIRST));
        let links: Vec<OutLink> = to.iter().map(|link| OutLink(*link)).collect();
        let is_settled = settling == Settling::Settled;
        let beginning = Beginning { stream: message, octets, audience };
        let number = message as u32;
        let taken = self.router.handle_beginning(InLink(link), number, settling, &links, (beginning, message));
        let kept = if taken.expect("there is credit").is_some() { octets } else { 0 };
        self.is_copied |= audience == Audience::Several;
        self.messages.push(Message { kept, is_settled, ..Message::default() });
        self.sending[link as usize] = Some(message);
    }

    fn part(&mut self, link: u64, bytes: usize, following: Following) {
        let Some(message) = self.sending[link as usize] else { return };
        let part = Bytes::from_static(&OCTETS[..bytes]);
        let kept = match self.router.handle_part(InLink(link), message, part, following) {
            Kept::Octets(octets) => octets,
            Kept::Nothing => 0,
        };
        let known = &mut self.messages[message as usize];
        known.kept += kept;
        if bytes > 0 || following == Following::End {
            known.parts.push(bytes);
        }
        if following == Following::End {
            known.is_whole = true;
            self.sending[link as usize] = None;
        }
    }

    fn take(&mut self, key: CopyKey) {
        if let Some(copy) = self.copies.get_mut(&key)
            && copy.is_open
        {
            let octets = std::mem::take(&mut copy.under_way);
            self.router.handle_taken(key, octets);
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.router.poll_action() {
            match action {
                Action::Send { link, copy, settling, content } => {
                    let is_free = self.copies.values().all(|copy| copy.link != link.0 || !copy.is_open);
                    assert!(link.0 == LANE || is_free, "nothing comes between parts");
                    let (is_open, is_unsettled) = (true, settling == Settling::Unsettled);
                    let under_way = part_octets(FIRST);
                    let copy_of = Copy { message: content, link: link.0, parts: 0, under_way, is_open, is_unsettled };
                    assert!(self.copies.insert(copy, copy_of).is_none(), "begun once");
                }
                Action::SendPart { copy, bytes, following, .. } => self.heard(copy, bytes.len(), following),
                Action::Abort { copy, .. } => {
                    assert!(self.copies.remove(&copy).is_some_and(|copy| copy.is_open), "it is aborted once");
                }
                Action::TellReceiver { copy, settling, .. } => {
                    let copy = self.copies.get_mut(&copy).expect("it is the receiver's");
                    copy.is_unsettled &= settling == Settling::Unsettled;
                }
                Action::Taken { stream, octets, .. } => {
                    let kept = &mut self.messages[stream as usize].kept;
                    // What comes is counted behind what is said of it.
                    *kept = kept.wrapping_sub(octets);
                }
                Action::Credit { link, more } => self.credit[link.0 as usize] += more,
                Action::Drained { link, .. } => {
                    self.drains[link.0 as usize] =
                        self.drains[link.0 as usize].checked_sub(1).expect("it was asked for, and is told once");
                }
                Action::TellSender { .. } | Action::Release { .. } | Action::Drain { .. } | Action::Left { .. } => {}
            }
        }
        self.router.check();
    }

    fn heard(&mut self, key: CopyKey, bytes: usize, following: Following) {
        let copy = self.copies.get_mut(&key).expect("it has begun");
        assert!(copy.is_open && copy.under_way < COPY_OCTETS, "there is room for it");
        let message = &self.messages[copy.message as usize];
        // The part that comes now may be noted behind.
        assert!(message.parts.get(copy.parts).is_none_or(|part| *part == bytes), "in their order");
        copy.parts += 1;
        copy.under_way += part_octets(bytes);
        if following == Following::End {
            copy.is_open = false;
        }
    }
}

proptest! {
    #[test]
    fn receivers_get_all_parts_or_are_told_so_and_nothing_is_left(
        steps in steps(),
        octets_max in prop_oneof![Just(1 << 20), Just(u64::MAX)],
    ) {
        let mut world = World::new(octets_max);
        for step in &steps {
            world.apply(step);
            world.drain();
            let kept: u64 = world.messages.iter().map(|message| message.kept).sum();
            let most = if world.is_copied { u64::MAX } else { kept + 256 * world.router.under_way() as u64 };
            prop_assert!(world.router.octets() <= most, "what is kept is known");
            if octets_max < u64::MAX {
                // Each of them has what it may have in any case, and a part.
                let most = octets_max.max(world.router.under_way() as u64 * (STREAM_OCTETS + 2 * PART_MAX as u64));
                prop_assert!(world.router.octets() <= most + PART_MAX as u64, "{}", world.router.octets());
            }
        }
        for link in 0..SENDERS {
            world.apply(&Step::Part(link, 5, Following::End));
            world.drain();
        }
        // All receivers take all there is.
        for _ in 0..200 {
            (0..RECEIVERS).for_each(|link| world.apply(&Step::Credit(link, 1000)));
            world.copies.keys().copied().collect::<Vec<_>>().into_iter().for_each(|key| world.take(key));
            world.drain();
        }
        for (key, copy) in &world.copies {
            prop_assert!(!copy.is_open, "{key:?} {copy:?}");
            let message = &world.messages[copy.message as usize];
            prop_assert!(message.is_whole && copy.parts == message.parts.len(), "{copy:?} of {message:?}");
        }
        for key in std::mem::take(&mut world.copies).into_keys() {
            world.router.handle_outcome(key, Some(State::Accepted), Settling::Settled);
        }
        world.drain();
        prop_assert!(world.messages.iter().all(|message| message.kept == 0), "each octet was said to be gone once");
        prop_assert_eq!((world.router.under_way(), world.router.octets()), (0, 0));
        prop_assert_eq!(world.drains, [0; 4]);
    }
}
