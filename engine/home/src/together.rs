//! Small messages of the router's that go out together, in one frame: whom they are for, and what is due when they have gone.
//!
//! Guarantee: what goes together is what would go one by one: there is credit for all of it, and nothing waits before it.

use engine_core::event::KEY_NONE;
use engine_core::key::LinkKey;

use crate::giving::Due;
use crate::home::Home;
use crate::limits::GIVEN_OVERHEAD;
use crate::link::{Kind, Link, LocalId};
use crate::slots::{Slot, peer_place};
use crate::taking::Standing;

/// Whom messages of a link are for.
#[derive(Clone, Copy, Debug)]
pub struct Whom {
    /// The connection.
    pub conn: Slot,
    /// The link.
    pub place: Slot,
    /// What its binding calls it.
    pub id: LocalId,
    /// Messages that its peer takes now.
    pub room: u32,
}

impl Home {
    /// Whom small messages for a link are for, if they may go together: nothing waits there to be sent in parts.
    #[must_use]
    pub fn together(&self, link: LinkKey) -> Option<Whom> {
        let place = peer_place(link);
        match self.links.get(place)? {
            &Link { conn: Some(conn), id, kind: Kind::Consumer(ref taking), stream: None, .. } => {
                Some(Whom { conn, place, id, room: taking.wanted })
            }
            _ => None,
        }
    }

    /// Messages of the router's went together to whom they are for, who had room for them: the key of each, and its octets. Gives what is due.
    pub fn note_together(&mut self, place: Slot, messages: &[(u64, u16)]) -> Due {
        let Some(link) = self.links.get_mut(place) else { return Due::Send };
        let Kind::Consumer(taking) = &mut link.kind else { return Due::Send };
        let (mut all, mut presettled) = (Due::Send, 0);
        for &(key, octets) in messages {
            match taking.handle_given(usize::from(octets) + GIVEN_OVERHEAD) {
                Standing::Within => {}
                Standing::Last => all = Due::SendAndCredit,
                Standing::Beyond => unreachable!("there was room for it"),
            }
            presettled += u64::from(key == KEY_NONE);
        }
        for passed in [&mut link.seen.passed, &mut self.passage.to_peers] {
            passed.note_some(messages.len() as u64, presettled);
        }
        all
    }
}
