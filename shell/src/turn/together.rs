//! Small messages of the router's for one link, one behind the other, that go to its connection together.
//!
//! Guarantee: they go as one by one, or not at all; what waits, expires or is alone goes by itself.

use std::ops::Range;

use amqp_bind::{Given, Run};
use engine_core::event::Event;
use engine_core::key::LinkKey;
use engine_core::preface::Preface;
use engine_core::small::{Lying, Octets};
use engine_home::Due;

use super::{Turn, touch};

/// Octets of bodies that go in one frame: with all that is said of them it is a small one to whoever counts a session's frames (`src/amqp.rs`), of
/// 16 KiB, and what a frame costs beside them is next to nothing. A peer with smaller frames gets such messages one by one.
const OCTETS_MAX: usize = 15 << 10;
/// Messages of one frame, if they are smaller than these would be: what is said of each counts, too.
const MESSAGES_MAX: usize = 256;

/// A small message for another router, and what stands before it, with its place among what came with the event.
pub(super) struct First<'a> {
    pub link: LinkKey,
    pub key: u64,
    pub message: &'a Lying,
    pub preface: (u32, &'a Preface),
}

/// What becomes of a message and those behind it.
pub(super) enum Going {
    /// It went, and so many of those with it.
    Together(usize),
    /// So many go one by one, with it.
    OneByOne(usize),
}

/// Small messages that go together.
#[derive(Debug, Default)]
pub(super) struct RunOf {
    /// Each one's key and octets.
    messages: Vec<(u64, u16)>,
    /// Where they are, those that adjoin as one.
    pieces: Vec<Range<usize>>,
}

impl<H> Turn<H> {
    /// Gives a message together with those of the events behind it that can go with it, if some can and nothing is in their way.
    #[inline(never)]
    pub(super) fn give_together(
        &mut self,
        first: &First<'_>,
        behind: &[(LinkKey, Event)],
        octets: &Octets<'_>,
    ) -> Going {
        const ALONE: Going = Going::OneByOne(1);
        let all_alone = |link| {
            let is_of_link = |&&(of, ref event): &&(LinkKey, Event)| {
                of == link && matches!(event, Event::Passed { preface: Some(_), .. })
            };
            Going::OneByOne(1 + behind.iter().take_while(is_of_link).count())
        };
        let &First { link, key, message: first, preface: (place, preface) } = first;
        if behind.first().is_none_or(|(next, _)| *next != link) || !first.is_usual() {
            return ALONE;
        }
        // Where the link or its peer takes none together now, it takes none of those behind, either.
        let Some(whom) = self.home.together(link).filter(|whom| whom.room > 1) else { return all_alone(link) };
        let Some(entry) = self.entries.get_mut(whom.conn).filter(|entry| entry.protocol.takes_together()) else {
            return all_alone(link);
        };
        let RunOf { messages: run, pieces } = &mut self.run;
        let (mut left, among) = (OCTETS_MAX.saturating_sub(first.range().len()), first.among());
        run.clear();
        run.push((key, first.range().len() as u16));
        pieces.clear();
        pieces.push(first.range());
        for (of, event) in behind.iter().take((whom.room as usize).min(MESSAGES_MAX) - 1) {
            let Event::Passed { key, message, preface: Some(before) } = event else { break };
            let range = message.range();
            let is_alike = *before == place && message.header() == first.header() && message.is_usual();
            if *of != link || !is_alike || message.among() != among || range.len() > left {
                break;
            }
            run.push((*key, range.len() as u16));
            left -= range.len();
            match pieces.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => pieces.push(range),
            }
        }
        if run.len() < 2 {
            return ALONE;
        }
        let going = Run { messages: run, header: first.header(), preface, octets: octets.all(among), pieces };
        if !entry.protocol.send_together(whom.id, &going, &mut self.prefix) {
            return Going::OneByOne(run.len());
        }
        touch(&mut self.dirty, entry, whom.conn);
        if self.home.note_together(whom.place, run) == Due::SendAndCredit {
            entry.protocol.handle_given(&mut self.home, Given::credit(whom.place, whom.id));
        }
        Going::Together(run.len() - 1)
    }
}
