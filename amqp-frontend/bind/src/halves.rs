//! What a connection keeps of links that pass through the node whole, of which it has one half each (`through`).
//!
//! Guarantees: of what a half's peer sends no more is on its way to the other half than `THROUGH_OCTETS` and what its window lets come still; a
//! session of ours has a window of about `WINDOW_OCTETS`, however large its frames are.

use std::collections::{BTreeSet, HashMap, VecDeque};

use amqp_codec::AmqpError;
use amqp_proto::{Closing, Drain, LinkId, SessionId, Settled};
use bytes::Bytes;
use engine_core::key::LinkKey;
use engine_core::through::{self, Disposed, Half, Part, Word};
use engine_home::limits::THROUGH_OCTETS;
use engine_home::{Ahead, Slot};

/// Octets that came on all halves of a connection and have not left at the others: from there on it is not read. A peer gets there that has a large window, or keeps to none.
pub(crate) const FLOOD_ABOVE: u64 = 64 << 20;
/// Octets that have left and are told of at once: a word for some messages, and a small part of what holds a session.
pub(crate) const TOLD_FROM: u64 = THROUGH_OCTETS / 16;
/// Octets that the window of a session of ours is to let come.
const WINDOW_OCTETS: u64 = 4 << 20;
/// Frames of such a window: at first, and at most.
pub(crate) const WINDOW_FIRST: u32 = 64;
const WINDOW_MAX: u32 = 4096;
/// How long a peer that waits for the answer to an attach, and for nothing else, or to a detach, waits for the other end, nanoseconds.
pub(crate) const ANSWER_NS_MAX: u64 = 10_000_000_000;

/// The halves of a connection.
#[derive(Debug, Default)]
pub(crate) struct Through {
    pub halves: HashMap<Slot, HalfLink>,
    /// Sessions that were begun for halves.
    pub sessions: HashMap<u16, OwnSession>,
    /// Octets that came on all of them and have not left at the others.
    pub ahead: u64,
    /// Until when peers wait for answers that they wait for, nanoseconds.
    pub answer_by_ns: Option<u64>,
    /// Halves that their peers have detached, by when those are answered, nanoseconds.
    pub leaving: BTreeSet<(u64, Slot)>,
}

/// A session that was begun for halves: one each, as long as the peer takes so many.
#[derive(Debug)]
pub(crate) struct OwnSession {
    pub links: u32,
    /// Frames that its window has.
    pub window: u32,
    /// Frames that came since that was looked at, and their octets.
    frames: u32,
    octets: u64,
}

/// One half.
#[derive(Debug)]
pub(crate) struct HalfLink {
    pub id: LinkId,
    /// Which it is.
    pub half: Half,
    pub stage: Stage,
    /// The other one, once it is known.
    pub other: Option<LinkKey>,
    /// Who asked for it, if it was attached by us.
    pub asked: Option<AskedFor>,
    /// Deliveries that came, or that the machine was given: a serial number.
    pub count: u32,
    /// How many the peer that receives takes.
    pub limit: u32,
    /// Whether that one wants them used up.
    pub drain: Drain,
    /// Deliveries that came and are not settled, in their order.
    pub unsettled: VecDeque<u32>,
    /// What was decided on and waits for the sender to settle it: what the other half calls it, and its number here.
    pub confirming: Vec<(u32, u32)>,
    /// Of a sender's half: what came and has not left at the other one.
    pub ahead: Ahead,
    /// Of a receiver's: what came from there and was not told to have left, octets.
    pub untold: u64,
    /// Whether it is to be looked at when there is room.
    pub is_waiting: bool,
}

/// How far a half is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The peer has attached it, and waits for the answer.
    Asked,
    /// We have attached it, and wait for the answer.
    Asking,
    Attached,
    /// It ends so when what is before that has left.
    Ending(Closing, Option<Box<AmqpError>>),
    /// We have detached it, and the other half waits to hear what its peer still says of deliveries until it has, too.
    Detached,
    /// Its peer has detached it, and is answered when that of the other half has, too, or then, nanoseconds.
    Leaving(u64),
}

/// Who asked for a half that was attached by us.
#[derive(Debug)]
pub(crate) struct AskedFor {
    /// What the link is called there, at that container.
    pub name: String,
    pub container: Box<str>,
    /// The address that was asked for, and what became of it, if that is another one.
    pub rewritten: Option<(String, String)>,
    /// How it ends when whoever asked for it is lost.
    pub lost: Closing,
}

/// A transfer that came on a half.
pub(crate) struct Came<'a> {
    pub delivery: u32,
    pub settled: Settled,
    pub format: u32,
    pub part: Part,
    /// Its performative; empty behind the first part.
    pub head: &'a [u8],
    pub payload: &'a [u8],
    /// The payload again, if it is owned.
    pub owned: Option<&'a Bytes>,
}

impl HalfLink {
    pub fn new(id: LinkId, half: Half, stage: Stage) -> Self {
        Self {
            id,
            half,
            stage,
            other: None,
            asked: None,
            count: 0,
            limit: 0,
            drain: Drain::No,
            unsettled: VecDeque::new(),
            confirming: Vec::new(),
            ahead: Ahead::default(),
            untold: 0,
            is_waiting: false,
        }
    }

    /// Whether it hears a word of the other half: one that has been detached, what is said of its deliveries and how that one ended.
    pub fn hears(&self, word: &Word) -> bool {
        match self.stage {
            Stage::Detached => matches!(word, Word::Ended { .. } | Word::Gone | Word::Lost),
            Stage::Leaving(_) => matches!(word, Word::Received(_) | Word::Ended { .. } | Word::Gone | Word::Lost),
            Stage::Asked | Stage::Asking | Stage::Attached | Stage::Ending(..) => true,
        }
    }

    /// Credit of the peer that sends.
    pub fn credit(&self) -> u32 {
        let credit = self.limit.wrapping_sub(self.count);
        // What came before a limit was lowered is beyond it.
        if credit.cast_signed() < 0 { 0 } else { credit }
    }

    /// Deliveries are settled.
    pub fn settle(&mut self, disposed: &Disposed) {
        // They came in the order of their numbers.
        let is_before = |number: u32, than: u32| number.wrapping_sub(than).cast_signed() < 0;
        let start = self.unsettled.partition_point(|delivery| is_before(*delivery, disposed.first));
        let end = self.unsettled.partition_point(|delivery| !is_before(disposed.last, *delivery));
        self.unsettled.drain(start..end.max(start));
    }
}

impl OwnSession {
    pub fn new() -> Self {
        Self { links: 0, window: WINDOW_FIRST, frames: 0, octets: 0 }
    }

    /// A frame came; gives how many the window is to have from now on, if those are others than before.
    pub fn note(&mut self, octets: usize) -> Option<u32> {
        self.frames += 1;
        self.octets += octets as u64;
        if self.frames < self.window / 2 {
            return None;
        }
        let each = (self.octets / u64::from(self.frames)).max(1);
        let fit = u32::try_from(WINDOW_OCTETS / each).unwrap_or(u32::MAX);
        // It grows step by step: what came last need not be what comes next.
        let window = fit.clamp(WINDOW_FIRST / 2, self.window.saturating_mul(2).min(WINDOW_MAX));
        (self.frames, self.octets) = (0, 0);
        (std::mem::replace(&mut self.window, window) != window).then_some(window)
    }
}

impl Through {
    /// Whether a peer waits for the answer to an attach.
    pub fn has_asked(&self) -> bool {
        self.halves.values().any(|half| matches!(half.stage, Stage::Asked))
    }

    /// When a peer is to be answered at the latest, nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.answer_by_ns.into_iter().chain(self.leaving.first().map(|(by_ns, _)| *by_ns)).min()
    }

    /// The next half whose peer is to be answered by now.
    pub fn pop_late(&mut self, now_ns: u64) -> Option<Slot> {
        let is_late = self.leaving.first().is_some_and(|(by_ns, _)| *by_ns <= now_ns);
        if is_late { self.leaving.pop_first().map(|(_, place)| place) } else { None }
    }

    /// Halves of a session.
    pub fn of_session(&self, SessionId(session): SessionId) -> Vec<Slot> {
        let mut places: Vec<Slot> =
            self.halves.iter().filter(|(_, half)| half.id.session == session).map(|(place, _)| *place).collect();
        places.sort_unstable();
        places
    }
}

/// An error as the other half is told it.
pub(crate) fn encoded(error: &AmqpError) -> Bytes {
    let mut bytes = Vec::new();
    error.encode(&mut bytes);
    bytes.into()
}

/// As a half says it.
pub(crate) fn drain_of(drain: Drain) -> through::Drain {
    match drain {
        Drain::Yes => through::Drain::Yes,
        Drain::No => through::Drain::No,
    }
}

#[cfg(test)]
mod tests {
    use engine_core::command;

    use super::*;

    #[test]
    fn a_window_has_as_many_frames_as_fit_and_grows_step_by_step() {
        let mut session = OwnSession::new();
        let mut windows =
            |octets: usize, frames: u32| -> Vec<u32> { (0..frames).filter_map(|_| session.note(octets)).collect() };
        assert_eq!(windows(128 << 10, 192), [32], "no more than fit");
        assert_eq!(windows(100, 10_000), [64, 128, 256, 512, 1024, 2048, 4096]);
        assert_eq!(windows(128 << 10, 10_000).last(), Some(&32));
    }

    #[test]
    fn deliveries_are_settled_in_any_order_and_round_the_end_of_their_numbers() {
        let id = LinkId { session: 0, generation: 0, handle: 0 };
        let mut half = HalfLink::new(id, Half::Sender, Stage::Attached);
        half.unsettled.extend([u32::MAX - 1, u32::MAX, 0, 1, 5]);
        let mut settle = |first, last| {
            half.settle(&Disposed { first, last, state: None, settled: command::Settled::Yes });
            half.unsettled.iter().copied().collect::<Vec<u32>>()
        };
        assert_eq!(settle(0, 0), [u32::MAX - 1, u32::MAX, 1, 5]);
        assert_eq!(settle(u32::MAX - 1, 1), [5]);
        assert_eq!(settle(6, 9), [5]);
        assert_eq!(settle(5, 5), [] as [u32; 0]);
    }
}
