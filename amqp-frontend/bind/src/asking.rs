//! Links that we attach to nodes of the peer. Once the peer has answered, its end is to the home what it would be if the peer had
//! attached the link itself: somebody who sends to an address, or receives from it.
//!
//! Guarantees: whoever asks for a link hears once that it is there (`Request::LinkUp`), if it comes to that, and once that it is not, or
//! no more (`Request::LinkDown`), unless it gives the link up itself or its connection ends. The home knows nothing of a link that its
//! peer has not answered.

use amqp_codec::performative::{Attach, Role, Source, Target, Terminus};
use amqp_proto::{LinkId, SessionId};
use engine_core::command::DetachMode;
use engine_home::{Asked, Home, Moves, Plan, Request};

use crate::asked::{AskedLink, Asking, PeerEnd, Purpose};
use crate::attaching::error;
use crate::bind::{Bind, local};

impl Bind {
    /// Attaches a link to a node of the peer, which has opened the connection.
    pub fn ask(&mut self, asking: Asking) {
        let Asking { number, name, node, peer } = asking;
        let attach = attach(name, node, &peer);
        self.ask_anywhere(attach, (Purpose::Asked(number), peer));
    }

    /// Attaches a link on the first session that takes it, and begins another one if none does.
    pub(crate) fn ask_anywhere(&mut self, attach: Attach, (purpose, peer): (Purpose, PeerEnd)) {
        let asked = self.asked.get_or_insert_default();
        let (machine, out) = (&mut self.machine, &mut self.out);
        if let Some(link) = asked.sessions.iter().find_map(|session| machine.attach(*session, attach.clone(), out)) {
            asked.links.insert(link, AskedLink { purpose, peer: Some(peer) });
            return;
        }
        let Some(session) = machine.begin(out) else {
            return self.tell_down(purpose, "the peer takes no further session (its channel-max)".to_owned());
        };
        asked.sessions.push(session);
        self.ask_on(session, attach, (purpose, peer));
    }

    /// Attaches a link on a session.
    pub(crate) fn ask_on(&mut self, session: SessionId, attach: Attach, (purpose, peer): (Purpose, PeerEnd)) {
        let Some(link) = self.machine.attach(session, attach, &mut self.out) else {
            return self.tell_down(purpose, "the peer takes no further link (its handle-max)".to_owned());
        };
        self.asked.get_or_insert_default().links.insert(link, AskedLink { purpose, peer: Some(peer) });
    }

    /// Detaches a link that was asked for: nothing more is told of it.
    pub fn withdraw(&mut self, home: &mut Home, number: u32) {
        self.withdraw_for(home, Purpose::Asked(number));
    }

    /// The same by what it is for.
    pub(crate) fn withdraw_for(&mut self, home: &mut Home, purpose: Purpose) {
        let Some(asked) = &mut self.asked else { return };
        let mut links = asked.links.iter();
        let Some(id) = links.find(|(_, link)| link.purpose == purpose).map(|(id, _)| *id) else { return };
        asked.links.remove(&id);
        self.drop_link(home, id, DetachMode::Close);
        self.machine.detach(id, amqp_proto::Closing::Closed, None, &mut self.out);
    }

    /// The peer answered an attach of ours.
    pub(crate) fn handle_answer(&mut self, home: &mut Home, id: LinkId, answer: &Attach) {
        if self.handle_half_answer(home, id, answer) {
            return;
        }
        let refused = match answer.role {
            Role::Sender => answer.source.is_none(),
            Role::Receiver => answer.target.is_none(),
        };
        if refused {
            // Its detach follows, and says why.
            return;
        }
        let asked = self.asked.as_mut().and_then(|asked| asked.links.get_mut(&id));
        let Some((purpose, peer)) = asked.and_then(|link| Some((link.purpose, link.peer.take()?))) else { return };
        let plan = match peer {
            PeerEnd::Sends(spec) => Plan::Producer(spec),
            PeerEnd::Receives(spec) => Plan::Consumer(spec),
        };
        match home.attach(&mut self.client, local(id), plan, Moves::Never) {
            Ok(Asked::Owner(place)) => {
                self.set_link(id, Some(place));
                home.name_link(place, &answer.name);
            }
            Ok(Asked::Stands { .. } | Asked::Elsewhere { .. }) => unreachable!("an owner is asked, where it is"),
            Err(refusal) => {
                self.forget(id);
                self.tell_down(purpose, refusal.description.clone());
                self.machine.refuse_attach(id, error(*refusal), &mut self.out);
            }
        }
    }

    /// The owner answered for a link, if it was asked for.
    pub(crate) fn handle_asked_attached(&mut self, id: LinkId) {
        let asked = self.asked.as_ref().and_then(|asked| asked.links.get(&id));
        let asked = asked.zip(self.link(id));
        if let Some((&AskedLink { purpose: Purpose::Asked(number), .. }, place)) = asked {
            self.requests.push_back(Request::LinkUp { number, place });
        }
    }

    /// A link ended, whoever ended it: if it was asked for, that is told, and why.
    pub(crate) fn handle_asked_ended(&mut self, id: LinkId, why: impl FnOnce() -> String) {
        if let Some(purpose) = self.forget(id) {
            self.tell_down(purpose, why());
        }
    }

    /// A session ended with all its links.
    pub(crate) fn handle_asked_session_ended(&mut self, session: SessionId, why: &str) {
        let Some(asked) = self.asked.as_mut() else { return };
        asked.sessions.retain(|known| *known != session);
        let ended = asked.links.extract_if(|id, _| id.session == session.0);
        let mut purposes: Vec<Purpose> = ended.map(|(_, link)| link.purpose).collect();
        purposes.sort_unstable();
        purposes.into_iter().for_each(|purpose| self.tell_down(purpose, why.to_owned()));
    }

    fn forget(&mut self, id: LinkId) -> Option<Purpose> {
        Some(self.asked.as_mut()?.links.remove(&id)?.purpose)
    }

    pub(crate) fn tell_down(&mut self, purpose: Purpose, why: String) {
        self.requests.push_back(match purpose {
            Purpose::Asked(number) => Request::LinkDown { number, why },
            Purpose::Between => Request::RouterLost { why },
            Purpose::Proxy(number) => Request::ProxyDown { number, why },
        });
    }
}

/// Our attach of a link to a node.
fn attach(name: String, node: String, peer: &PeerEnd) -> Attach {
    let (at, nowhere) = (Terminus::at(node), Terminus::default());
    let (role, source, target) = match peer {
        PeerEnd::Sends(_) => (Role::Receiver, at, nowhere),
        PeerEnd::Receives(_) => (Role::Sender, nowhere, at),
    };
    Attach {
        source: Some(Source::from(source)),
        target: Some(Target::Node(target)),
        initial_delivery_count: (role == Role::Sender).then_some(0),
        ..Attach::new(name, 0, role)
    }
}
