//! Connections to other routers: the links that both ends attach, as routers do (`qd.router`, `qd.router-data`), and no others.
//!
//! Guarantees: on a connection of a router's peer no link is taken but those between routers and those that pass through whole, and on others
//! none of the former. One that the peer refuses or ends is the end of the connection.
//!
//! Who connects attaches: on a session each, a pair of links for what routers tell each other, then ten pairs for messages, one for each
//! priority in its order. Either end attaches further ones for messages that it sends in parts, if the other offers to take them.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Open, Role};
use engine_core::command::{Between, Carries, ConsumerSpec, Passage, ProducerSpec};
use engine_core::message::PRIORITIES;
use engine_home::{Home, Peer, Plan};

use crate::asked::{PeerEnd, Purpose};
use crate::bind::Bind;
use crate::joints::{APART, CONTROL, MESSAGES, PARTS, TOGETHER, attach, carries, cost};
use crate::onward::{half_of, named};
use crate::prefaces::NUMBERED;

/// Links for messages in parts of one connection: as many receivers as may be slow at once before their messages hold up others. Each may have
/// 512 KiB on its way out, behind which signs of life wait: 16 MiB together, which a connection is to carry within the three seconds that its
/// peer waits for those.
const APART_MAX: u16 = 32;
/// Octets of a frame of a peer that gets them: twice what may stand before the body of a message on one.
const APART_FRAME_MIN: u32 = 16 << 10;

impl Bind {
    /// The connection is one to another router.
    #[must_use]
    pub fn with_peer(mut self, peer: Peer) -> Self {
        self.client.peer = peer;
        self
    }

    /// Notes what the peer's open says of a connection between routers: the larger of both costs counts, and what it offers we do, too.
    pub(crate) fn note_open(&mut self, open: &Open) {
        if let Peer::Router { cost: own } = &mut self.client.peer {
            *own = cost(open).max(*own);
            let offers = |wanted: &str| open.offered_capabilities.iter().any(|offered| offered.as_str() == wanted);
            self.output.prefaces = offers(NUMBERED).then(Box::default);
            self.output.is_together = self.output.prefaces.is_some() && offers(TOGETHER);
            self.output.apart.most = if offers(APART) { apart_max(open) } else { 0 };
        }
    }

    /// The plan for an attach that has to do with routers; nothing if it has not.
    pub(crate) fn plan_between(&mut self, home: &Home, attach: &Attach) -> Option<Result<Plan, AmqpError>> {
        match (self.client.peer, carries(attach)) {
            (Peer::Client, None) => None,
            (Peer::Edge, None) => self.plan_edge(attach),
            (Peer::Interior, _) => {
                let text = "the interior attaches no links to a router at its edge";
                Some(Err(AmqpError::new("qd:connection-role", text)))
            }
            (Peer::Client | Peer::Edge, Some(_)) => {
                let text = "links between routers are for listeners and connectors of role inter-router";
                Some(Err(AmqpError::new("qd:forbidden", text)))
            }
            (Peer::Router { .. }, None) if ends_here(home, attach) => None,
            (Peer::Router { .. }, None) => {
                let text = "a connection between routers has no links of clients: use another listener";
                Some(Err(AmqpError::new("qd:connection-role", text)))
            }
            (Peer::Router { cost }, Some(carries)) => Some(Ok(match self.end(attach.role, (cost, carries)) {
                PeerEnd::Sends(spec) => Plan::Producer(spec),
                PeerEnd::Receives(spec) => Plan::Consumer(spec),
            })),
        }
    }

    /// Attaches all links of a connection to another router, which has opened it.
    pub fn ask_router(&mut self, home: &Home) {
        let Peer::Router { cost } = self.client.peer else { return };
        let name = format!("{}.{:x}", home.engine().shard(), self.client.place().to_bits());
        for lane in 0..=PRIORITIES {
            let (carries, capability) =
                if lane == 0 { (Carries::Control, CONTROL) } else { (Carries::Messages, MESSAGES) };
            let Some(session) = self.machine.begin(&mut self.out) else {
                let text =
                    "the router at the other end takes fewer sessions than there are priorities (its channel-max)";
                return self.tell_down(Purpose::Between, text.to_owned());
            };
            for (peer, way) in [(Role::Sender, "in"), (Role::Receiver, "out")] {
                let end = self.end(peer, (cost, carries));
                let attach = attach(format!("router-{way}/{lane}.{name}"), peer.other(), &[capability]);
                self.ask_on(session, attach, (Purpose::Between, end));
            }
        }
    }

    /// Attaches one more link for messages in parts. Without a session for it the router waits for it, and asks for no further one in its place.
    pub(crate) fn ask_apart(&mut self, home: &Home) {
        let Peer::Router { cost } = self.client.peer else { return };
        let Some(session) = self.machine.begin(&mut self.out) else { return };
        let own = home.engine().router().map_or("", |router| router.id().as_str());
        self.output.apart.asked += 1;
        let name = format!("router-parts/{own}.{:x}.{}", self.client.place().to_bits(), self.output.apart.asked);
        let peer = self.end(Role::Receiver, (cost, Carries::Parts));
        self.ask_on(session, attach(name, Role::Sender, &[MESSAGES, PARTS]), (Purpose::Between, peer));
    }

    /// What the peer's end of a link is to the home.
    fn end(&self, peer: Role, (cost, carries): (u32, Carries)) -> PeerEnd {
        let between =
            Some(Between { connection: self.client.place().to_bits(), cost, apart: self.output.apart.most, carries });
        let passage = Passage { between, ..Passage::default() };
        let name = self.client.container.as_str();
        match peer {
            Role::Sender => PeerEnd::Sends(Box::new(ProducerSpec { passage, ..ProducerSpec::of(name) })),
            Role::Receiver => PeerEnd::Receives(Box::new(ConsumerSpec { passage, ..ConsumerSpec::of(name) })),
        }
    }
}

/// Links for messages in parts that a peer gets whose open says this, each on a session of its own. Links that pass through whole have those
/// sessions that are left. What stands before a message's body has to be in its first frame.
fn apart_max(open: &Open) -> u16 {
    let left = open.channel_max.saturating_sub(PRIORITIES as u16) / 2;
    if open.max_frame_size < APART_FRAME_MIN { 0 } else { left.min(APART_MAX) }
}

/// Whether a link of another router's clients leads to queues of this node.
fn ends_here(home: &Home, attach: &Attach) -> bool {
    named(attach).is_some_and(|address| home.engine().ends_here(&address, half_of(attach)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::joints::mark;
    use engine_home::Moves;
    use engine_message::Symbol;

    #[test]
    fn a_peer_gets_as_many_links_for_messages_in_parts_as_leave_sessions_for_others() {
        let most = |offered: &[&'static str], channel_max, max_frame_size| {
            let offered_capabilities = offered.iter().copied().map(Symbol::from).collect();
            let mut bind = Bind::server(Arc::default(), Moves::Never, 0).with_peer(Peer::Router { cost: 1 });
            bind.note_open(&Open { channel_max, max_frame_size, offered_capabilities, ..Open::default() });
            bind.output.apart.most
        };
        assert_eq!(most(&[APART], u16::MAX, u32::MAX), APART_MAX);
        assert_eq!(most(&[APART], 30, u32::MAX), 10, "eleven are for the others between routers");
        assert_eq!((most(&[APART], 10, u32::MAX), most(&[APART], 0, u32::MAX)), (0, 0));
        assert_eq!(most(&[APART], u16::MAX, APART_FRAME_MIN - 1), 0, "what it begins with does not fit");
        assert_eq!(most(&[NUMBERED], u16::MAX, u32::MAX), 0, "it offers none");
    }

    #[test]
    fn what_stands_before_messages_is_numbered_between_routers_that_both_offer_it_and_small_ones_go_together() {
        let bind = |peer| Bind::server(Arc::default(), Moves::Never, 0).with_peer(peer);
        let known = |bind: &Bind| (bind.output.prefaces.is_some(), bind.takes_together());
        let open = |peer| {
            let mut open = Open::default();
            mark(&mut open, peer, 1000);
            open
        };
        let router = Peer::Router { cost: 1 };
        for peer in [Peer::Client, Peer::Edge, Peer::Interior] {
            assert!(open(peer).offered_capabilities.is_empty(), "{peer:?} is not offered it");
            let mut bind = bind(peer);
            bind.note_open(&open(router));
            assert_eq!(known(&bind), (false, false), "nor does {peer:?} use it");
        }
        for (offered, expected) in [
            (vec![], (false, false)),
            (vec![NUMBERED], (true, false)),
            // They go with a number.
            (vec![TOGETHER], (false, false)),
            (vec![NUMBERED, TOGETHER], (true, true)),
        ] {
            let mut other = bind(router);
            let offered_capabilities = offered.into_iter().map(Symbol::from).collect();
            other.note_open(&Open { offered_capabilities, ..open(router) });
            assert_eq!(known(&other), expected);
        }
        let mut ours = bind(router);
        ours.note_open(&open(router));
        assert_eq!(known(&ours), (true, true));
    }
}
