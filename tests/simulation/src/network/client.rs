//! A client of a router, or a container behind one: one connection at a time, over the product's own client machine, with several links.
//!
//! It asserts what it is told (`fates`), and that it is never detached, ended or closed while it behaves, but for what a route of links
//! allows. Not here: what it does of its own accord (`acting`), and its octets' way to the node (`seats`).

use std::sync::Arc;

use amqp_codec::performative::{Attach, Role as LinkRole, SenderSettleMode};
use amqp_proto::{
    Closing, Config, Connection, DeliveryOutcome, Drain, Event, Input, LinkId, Out, Payload, SessionId, Stage,
};
use engine_router::address::Mode;
use test_support::Chance;

use super::fates::{Care, Fates, LinkNumber, Unsent, Word};
use super::letter::{Number, find, read};
use super::role::{Coming, Receiver, Role, Sender, Settles, Stand, Work};
use super::shape::{AddressShape, Spreading};

/// What a client is given to act on.
pub struct Scene<'a> {
    /// What has to become of messages.
    pub fates: &'a mut Fates,
    /// What the seed decides.
    pub chance: &'a mut Chance,
    /// The time, nanoseconds.
    pub now_ns: u64,
    /// Addresses.
    pub addresses: &'a [AddressShape],
    /// Links so far, of all clients.
    pub links: &'a mut LinkNumber,
    /// Whether anything may be lost.
    pub care: Care,
    /// What clients do of their own accord.
    pub mood: Mood,
    /// What kind of router the client is connected to.
    pub mode: Mode,
}

/// What clients do of their own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Everything.
    Wild,
    /// Everything that ends no link.
    Steady,
    /// They attach, end what they began, take and accept.
    Tame,
}

/// How a client lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It attaches links to addresses.
    Client,
    /// It is attached to.
    Container,
}

/// One client.
pub struct Client {
    /// Which one it is.
    pub number: usize,
    /// Which kind.
    pub kind: Kind,
    /// Its links.
    pub roles: Vec<Role>,
    /// Its connection, if it has one.
    pub live: Option<Live>,
    /// Whether each link has a session of its own.
    has_sessions: bool,
    config: Arc<Config>,
}

/// A connection, at the client's side.
pub struct Live {
    pub(super) machine: Connection,
    pub(super) out: Out,
    kept: Vec<u8>,
    session: Option<SessionId>,
    /// Whether both ends have opened it.
    pub is_open: bool,
    /// Whether the client has closed it.
    pub closing: bool,
}

impl Client {
    /// A client that is not connected.
    pub fn new(number: usize, kind: Kind, roles: Vec<Role>, chance: &mut Chance) -> Self {
        let config = Config {
            container_id: format!("client-{number}"),
            max_frame_size: chance.of(&[600, 4_000, 64 << 10]),
            incoming_window: chance.of(&[4, 64, 2_048]),
            idle_timeout_ms: 0,
            stream_above: chance.of(&[1_000, 100_000, u64::MAX]),
            ..Config::default()
        };
        Self { number, kind, roles, live: None, has_sessions: chance.one_in(2), config: Arc::new(config) }
    }

    /// Begins a connection.
    pub fn connect(&mut self, now_ns: u64) {
        let mut out = Out::default();
        let machine = Connection::client(Arc::clone(&self.config), self.config.client_open(), None, now_ns, &mut out);
        self.live = Some(Live { machine, out, kept: Vec::new(), session: None, is_open: false, closing: false });
    }

    /// Takes octets from the node.
    pub fn receive(&mut self, bytes: &[u8], scene: &mut Scene<'_>) {
        let Some(mut live) = self.live.take() else { return };
        let mut all = std::mem::take(&mut live.kept);
        all.extend_from_slice(bytes);
        let mut input = Input::new(&all);
        // A plain delivery can be taken in a short way, or like everything else.
        let short = scene.chance.one_in(2);
        loop {
            while short && let Some(delivery) = live.machine.next_delivery(scene.now_ns, &mut input) {
                let (at, settled) = (delivery.delivery, delivery.settled.is_yes());
                self.delivered(delivery.link, (at, settled), delivery.payload, scene);
            }
            let Some(event) = live.machine.handle_input(scene.now_ns, &mut input, &mut live.out) else { break };
            self.handle(&mut live, event, scene);
        }
        live.kept = all[input.consumed()..].to_vec();
        live.machine.check();
        self.live = Some(live);
    }

    /// What it has to send.
    pub fn transmit(&mut self, now_ns: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(live) = &mut self.live {
            live.machine.poll_output(now_ns, &mut live.out);
            live.out.drain_into(&mut bytes);
        }
        bytes
    }

    fn handle(&mut self, live: &mut Live, event: Event<'_>, scene: &mut Scene<'_>) {
        match event {
            Event::Opened(_) => {
                live.is_open = true;
                live.session = live.machine.begin(&mut live.out);
            }
            Event::AttachAsked(link, attach) => self.asked(live, link, &attach, scene),
            Event::Attached(link, attach) => self.attached(link, &attach),
            Event::Delivery { link, delivery, settled, payload, .. } => {
                self.delivered(link, (delivery, settled.is_yes()), octets(&payload), scene);
            }
            Event::Part { link, delivery, settled, stage, payload, .. } => {
                self.part(link, (delivery, settled.is_yes()), stage, octets(&payload), scene);
            }
            Event::Ignored { link, .. } => {
                if let Some(Work::Receive(receiver)) = self.work(link) {
                    spend(receiver);
                }
            }
            Event::Settled(outcome) => {
                while let Some(settling) = live.machine.next_settled() {
                    self.told(settling.link, settling.key, outcome.as_ref(), scene);
                }
            }
            Event::Updated(mut update) => while live.machine.next_updated(&mut update).is_some() {},
            Event::Credit { link, drain: Drain::Yes, .. } => live.machine.drained(link),
            Event::Drained(link) => {
                if let Some(Work::Receive(receiver)) = self.work(link) {
                    assert!(receiver.draining, "what was not asked for is not answered");
                    (receiver.draining, receiver.credit) = (false, 0);
                }
            }
            Event::Credit { .. } | Event::Confirmed(_) | Event::Begun(_) => {}
            Event::Detached { link, error, .. } => self.detached(link, error.as_deref(), scene),
            Event::Closed(error) => {
                let stops = error.as_ref().is_none_or(|error| error.to_string().contains("shutting down"));
                assert!(live.closing || stops, "client {}: its connection is closed: {error:?}", self.number);
                live.closing = true;
            }
            Event::Ended(session, error) => self.ended(session, error.as_deref(), scene),
            other => panic!("client {}: nobody asked for {other:?}", self.number),
        }
    }

    /// A router ends a session that it had with a container, and the links on it.
    fn ended(&mut self, session: SessionId, error: Option<&amqp_codec::AmqpError>, scene: &mut Scene<'_>) {
        assert!(self.kind == Kind::Container && error.is_none(), "client {}: {session:?} ends: {error:?}", self.number);
        let is_on = |role: &Role| role.link().is_some_and(|link| link.session == session.0);
        self.roles.iter_mut().filter(|role| is_on(role)).for_each(|role| leave(role, scene.fates));
        self.roles.retain(|role| role.stand != Stand::None);
    }

    fn role(&mut self, link: LinkId) -> Option<&mut Role> {
        self.roles.iter_mut().find(|role| role.link() == Some(link))
    }

    fn work(&mut self, link: LinkId) -> Option<&mut Work> {
        self.role(link).map(|role| &mut role.work)
    }

    /// A router attaches a link to a container.
    fn asked(&mut self, live: &mut Live, link: LinkId, attach: &Attach, scene: &mut Scene<'_>) {
        assert_eq!(self.kind, Kind::Container, "nobody attaches links to clients");
        let address = scene.addresses.iter().position(|address| address.spreading == Spreading::Linked);
        let address = address.expect("there are containers");
        if scene.mood == Mood::Wild && scene.chance.one_in(8) {
            let error = amqp_codec::AmqpError::new("amqp:not-found", "not here");
            return live.machine.refuse_attach(link, error, &mut live.out);
        }
        live.machine.accept_attach(link, attach.answer(), &mut live.out);
        *scene.links += 1;
        let work = match attach.role {
            LinkRole::Sender => Work::Receive(Receiver::new(address, Settles::First)),
            LinkRole::Receiver => {
                let is_unsettled = attach.snd_settle_mode == SenderSettleMode::Unsettled;
                Work::Send(Sender { address: Some(address), is_unsettled, ..Sender::default() })
            }
        };
        self.roles.push(Role { work, stand: Stand::Attached(link), number: *scene.links });
    }

    fn attached(&mut self, link: LinkId, attach: &Attach) {
        let Some(role) = self.role(link) else { return };
        let is_refused = match role.work {
            Work::Send(_) => attach.target.is_none(),
            Work::Receive(_) => attach.source.is_none(),
        };
        role.stand = if is_refused { Stand::Refused(link) } else { Stand::Attached(link) };
    }

    /// The peer ends a link: only one that goes through whole, while something may be lost.
    fn detached(&mut self, link: LinkId, error: Option<&amqp_codec::AmqpError>, scene: &mut Scene<'_>) {
        let (kind, number) = (self.kind, self.number);
        let Some(role) = self.role(link) else { return };
        let address = match &role.work {
            Work::Send(sender) => sender.address,
            Work::Receive(receiver) => Some(receiver.address),
        };
        let is_linked = address.is_some_and(|address| scene.addresses[address].spreading == Spreading::Linked);
        let may = is_linked && (scene.care == Care::Loose || kind == Kind::Container);
        assert!(may, "client {number}: its link to {address:?} is detached: {error:?}");
        leave(role, scene.fates);
        if kind == Kind::Container {
            self.roles.retain(|role| role.stand != Stand::None);
        }
    }

    fn delivered(&mut self, link: LinkId, came: (u32, bool), payload: &[u8], scene: &mut Scene<'_>) {
        let Some(role) = self.role(link) else { return };
        let number = read(payload, |number| scene.fates.size(number));
        let Work::Receive(receiver) = &mut role.work else { panic!("a sender gets no messages") };
        spend(receiver);
        assert_eq!(came.1, receiver.settles == Settles::Never || came.1, "as the link was attached");
        scene.fates.begun(number, receiver.address, role.number);
        finish(receiver, role.number, came, number, scene.fates);
    }

    fn part(&mut self, link: LinkId, came: (u32, bool), stage: Stage, octets: &[u8], scene: &mut Scene<'_>) {
        let Some(role) = self.role(link) else { return };
        let Work::Receive(receiver) = &mut role.work else { panic!("a sender gets no messages") };
        if stage == Stage::First {
            spend(receiver);
            assert!(receiver.coming.is_none(), "nothing comes between the parts of a message");
            let (delivery, settled) = came;
            receiver.coming = Some(Coming { delivery, settled, octets: Vec::new(), number: None, is_decided: false });
        }
        let coming = receiver.coming.as_mut().expect("a message begins with its first part");
        assert_eq!(coming.delivery, came.0, "nothing comes between the parts of a message");
        coming.octets.extend_from_slice(octets);
        if coming.number.is_none()
            && let Some((number, _)) = find(&coming.octets)
        {
            coming.number = Some(number);
            scene.fates.begun(number, receiver.address, role.number);
        }
        if !matches!(stage, Stage::Last | Stage::Aborted) {
            return;
        }
        let coming = receiver.coming.take().expect("it is there");
        match (stage, coming.number) {
            (Stage::Aborted, Some(number)) => scene.fates.broken(number),
            (Stage::Aborted, None) => {}
            (_, None) => panic!("a message says which one it is"),
            (_, Some(number)) => {
                read(&coming.octets, |number| scene.fates.size(number));
                if coming.is_decided {
                    scene.fates.came(number, role.number);
                } else {
                    finish(receiver, role.number, (coming.delivery, came.1), number, scene.fates);
                }
            }
        }
    }

    fn told(&mut self, link: LinkId, key: u64, outcome: Option<&DeliveryOutcome>, scene: &mut Scene<'_>) {
        let client = self.number;
        let Some(Work::Send(sender)) = self.work(link) else { return };
        let number = key as Number;
        assert!(
            sender.open.remove(&number),
            "client {client}: message {number} is decided once, and now {outcome:?}: {}",
            scene.fates.describe(number)
        );
        let word = match outcome {
            Some(DeliveryOutcome::Accepted) => Word::Accepted,
            Some(DeliveryOutcome::Released) => Word::Released,
            Some(DeliveryOutcome::Modified(modified)) => {
                Word::Modified { failed: modified.delivery_failed, elsewhere: modified.undeliverable_here }
            }
            Some(DeliveryOutcome::Rejected(error)) => {
                let text = error.as_ref().map(|error| error.to_string()).unwrap_or_default();
                assert!(text.contains(&wrong(number)), "message {number} is rejected: {text}");
                Word::Rejected
            }
            other => panic!("client {client}: message {number} is decided with {other:?}"),
        };
        scene.fates.told(number, word);
    }

    /// Asks for the link of a role.
    pub fn attach(&mut self, index: usize, scene: &mut Scene<'_>) {
        let Some(live) = self.live.as_mut().filter(|live| live.is_open && !live.closing) else { return };
        let Some(role) = self.roles.get_mut(index).filter(|role| role.stand == Stand::None) else { return };
        let own = if self.has_sessions { live.machine.begin(&mut live.out) } else { None };
        let Some(session) = own.or(live.session) else { return };
        *scene.links += 1;
        role.number = *scene.links;
        let link = live.machine.attach(session, role.attach(scene.addresses), &mut live.out);
        role.stand = Stand::Asked(link.expect("the session stands"));
    }

    /// Detaches the link of a role.
    pub fn detach(&mut self, index: usize, scene: &mut Scene<'_>) {
        let Some(live) = self.live.as_mut() else { return };
        let Some(role) = self.roles.get_mut(index) else { return };
        let Some(link) = role.attached() else { return };
        let closing = if scene.chance.one_in(3) { Closing::Suspended } else { Closing::Closed };
        live.machine.detach(link, closing, None, &mut live.out);
        leave(role, scene.fates);
        if self.kind == Kind::Container {
            self.roles.remove(index);
        }
    }

    /// Closes the connection in the proper way.
    pub fn close(&mut self, now_ns: u64, fates: &mut Fates) {
        let Some(live) = &mut self.live else { return };
        live.closing = true;
        live.machine.poll_output(now_ns, &mut live.out);
        live.machine.close(None, now_ns, &mut live.out);
        self.forget(fates);
    }

    /// The connection is gone.
    pub fn lose(&mut self, fates: &mut Fates) {
        self.live = None;
        self.forget(fates);
    }

    fn forget(&mut self, fates: &mut Fates) {
        self.roles.iter_mut().for_each(|role| leave(role, fates));
        if self.kind == Kind::Container {
            self.roles.clear();
        }
    }

    /// Why it is not as it has to be before nothing may be lost any more, if it is not.
    pub fn complaint(&mut self, reachable: &[bool]) -> Option<String> {
        let Some(live) = self.live.as_mut().filter(|live| live.is_open && !live.closing) else {
            return Some("is not connected".to_owned());
        };
        for role in &self.roles {
            let Stand::Attached(link) = role.stand else { return Some(format!("has no link {}", role.number)) };
            let is_idle = match &role.work {
                Work::Send(sender) => {
                    let is_reached = sender.address.is_none_or(|address| reachable[address]);
                    let has_credit = !is_reached || live.machine.credit_free(link) > 0;
                    has_credit && sender.stream.is_none() && live.machine.waiting(link) == 0
                }
                Work::Receive(receiver) => {
                    receiver.held.is_empty() && receiver.coming.is_none() && receiver.credit > 0 && !receiver.draining
                }
            };
            if !is_idle {
                let (credit, waiting) = (live.machine.credit_free(link), live.machine.waiting(link));
                let what = match &role.work {
                    Work::Send(sender) => {
                        format!("to {:?}, {} open, part of {:?}", sender.address, sender.open.len(), sender.stream)
                    }
                    Work::Receive(receiver) => format!("from {:?}, {} held", receiver.address, receiver.held.len()),
                };
                return Some(format!(
                    "waits on link {} {what}, with {credit} credit, {waiting} to be sent",
                    role.number
                ));
            }
        }
        None
    }
}

/// A message uses credit: its first frame did, perhaps before a drain that is over. That there was some the machine asserts.
fn spend(receiver: &mut Receiver) {
    receiver.credit = receiver.credit.saturating_sub(1);
}

/// What a receiver says of what it rejects.
pub fn wrong(number: Number) -> String {
    format!("message {number} is wrong")
}

fn octets<'a>(payload: &'a Payload<'_>) -> &'a [u8] {
    match payload {
        Payload::Borrowed(bytes) => bytes,
        Payload::Owned(bytes) => bytes,
    }
}

/// A receiver has got all of a message.
fn finish(
    receiver: &mut Receiver,
    link: LinkNumber,
    (delivery, settled): (u32, bool),
    number: Number,
    fates: &mut Fates,
) {
    fates.came(number, link);
    if settled {
        fates.said(number, link, Word::Accepted);
    } else {
        receiver.held.push_back((delivery, number));
    }
}

/// A role has no link any more, whatever the node makes of it.
fn leave(role: &mut Role, fates: &mut Fates) {
    let had = std::mem::replace(&mut role.stand, Stand::None);
    match &mut role.work {
        Work::Send(sender) => {
            let stream = sender.stream.take().map(|stream| stream.number);
            for number in std::mem::take(&mut sender.open).into_iter().chain(std::mem::take(&mut sender.settled)) {
                let unsent = if stream == Some(number) { Unsent::Some } else { Unsent::Nothing };
                fates.left(number, unsent);
            }
        }
        Work::Receive(receiver) => {
            let (address, settles) = (receiver.address, receiver.settles);
            *receiver = Receiver::new(address, settles);
            if had != Stand::None {
                fates.receiver_lost(address);
            }
        }
    }
}
