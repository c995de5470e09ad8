//! One AMQP connection: its machine, its output, and where its links are at home.
//!
//! Whoever drives it gives octets as they come (`handle_bytes`), hands it what owners and disks have for its links (`handle_owner`,
//! `send`, `handle_file`), does what it asks for (`poll_request`), and writes its output (`poll_output`, then `handle_written`).
//!
//! Guarantees: octets are taken in their order, those behind something that has to be answered first are kept until it is; credit is
//! passed on to owners only while there is room for what it brings.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Open};
use amqp_proto::{Authenticated, Config, Connection, Credentials, Input, LinkId, Out};
use engine_core::command::DetachMode;
use engine_home::limits::OUT_STOP_GIVING;
use engine_home::{Client, Home, LocalId, Moves, Peer, Request, Slot};
use engine_message::Condition;

use crate::asked::AskedLinks;
use crate::coordinating::Belongs;
use crate::halves::Through;
use crate::joints;
use crate::judgement::Entry;
use crate::leaving::Output;
use crate::outcome::Outcomes;

/// One AMQP connection.
pub struct Bind {
    pub(crate) machine: Connection,
    pub(crate) out: Out,
    /// What its home keeps of it.
    pub(crate) client: Client,
    /// Links by session and handle.
    pub(crate) links: Vec<Vec<Option<Slot>>>,
    /// The attaches of links whose owners have not answered.
    pub(crate) attaching: HashMap<Slot, Box<Attach>>,
    /// What outcomes deliveries of links have whose sources list less than all.
    pub(crate) outcomes: HashMap<Slot, Outcomes>,
    /// Octets that came and were not taken: the start of a frame, or what waits for an answer.
    kept: Vec<u8>,
    /// What has to be done before it takes anything more.
    pub(crate) stop: Option<Stop>,
    pub(crate) requests: VecDeque<Request>,
    pub(crate) moves: Moves,
    /// Whether both ends have opened it.
    pub(crate) opened: bool,
    /// Links that we attached, once there was one.
    pub(crate) asked: Option<Box<AskedLinks>>,
    /// Links that pass through the node whole, once there was one.
    pub(crate) through: Option<Box<Through>>,
    /// How it is let in.
    pub(crate) entry: Entry,
    /// What is on its way out beside that.
    pub(crate) output: Output,
}

/// Who connects to a peer, and who that peer is here.
pub struct Caller<'a> {
    /// The host that is connected to, as the peer's clients call it.
    pub hostname: &'a str,
    /// What we show, in SASL; `None`: there is no SASL.
    pub credentials: Option<Credentials>,
    /// The user that the peer's links belong to.
    pub user: String,
    /// Who that is.
    pub peer: Peer,
}

/// What has to be done before a connection takes anything more.
pub(crate) enum Stop {
    /// TLS is put in.
    Tls,
    /// It moves to another shard, where its attach is answered.
    Moving(LinkId, Box<Attach>),
    /// What came on links that pass through has to leave at their other ends.
    Flooded,
}

impl Bind {
    /// A connection that was just accepted.
    #[must_use]
    pub fn server(config: Arc<Config>, moves: Moves, now_ns: u64) -> Self {
        Self::new(Connection::server(config, now_ns), Out::default(), Client::default(), moves)
    }

    /// A connection that was just made to a peer, which is served as if it had connected: `caller` says who we are to
    /// it, and who it is to us. `Request::Opened` tells that it answered. It stays where it is.
    #[must_use]
    pub fn connect(config: Arc<Config>, caller: Caller<'_>, now_ns: u64) -> Self {
        let mut out = Out::default();
        let mut open = Open { hostname: Some(caller.hostname.to_owned()), ..config.server_open() };
        joints::mark(&mut open, caller.peer, config.stream_above);
        let machine = Connection::client(config, open, caller.credentials, now_ns, &mut out);
        let mut client = Client::default();
        (client.user, client.peer) = (caller.user, caller.peer);
        Self::new(machine, out, client, Moves::Never)
    }

    fn new(machine: Connection, out: Out, client: Client, moves: Moves) -> Self {
        Self {
            machine,
            out,
            client,
            links: Vec::new(),
            attaching: HashMap::new(),
            outcomes: HashMap::new(),
            kept: Vec::new(),
            stop: None,
            requests: VecDeque::new(),
            moves,
            opened: false,
            asked: None,
            through: None,
            entry: Entry::default(),
            output: Output::default(),
        }
    }

    /// So many deliveries of each of its links through a router may be unsettled.
    #[must_use]
    pub fn with_link_capacity(mut self, capacity: Option<u32>) -> Self {
        self.client.link_capacity = capacity;
        self
    }

    /// What its home keeps of it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its machine, to be asked.
    #[must_use]
    pub fn machine(&self) -> &Connection {
        &self.machine
    }

    /// Whether both ends have opened it.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.opened
    }

    /// Octets that came and were not taken; they come first in what `handle_bytes` gets next.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Whether more input would only be kept.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.machine.is_waiting() || self.client.paused || self.stop.is_some()
    }

    /// What it needs done.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// Takes octets: those that it kept, then what came.
    pub fn handle_bytes(&mut self, home: &mut Home, bytes: &[u8]) {
        let now_ns = home.engine().now_ns();
        let mut input = Input::new(bytes);
        while !self.client.paused && self.stop.is_none() {
            if let Some(delivery) = self.take_plain(home, now_ns, &mut input) {
                // A plain transfer has no state.
                self.handle_delivery(home, &delivery, None, Belongs::Nowhere);
                continue;
            }
            let Some(event) = self.machine.handle_input(now_ns, &mut input, &mut self.out) else { break };
            self.handle_amqp(home, event);
        }
        self.keep(bytes.get(input.consumed()..).unwrap_or_default(), now_ns);
    }

    fn keep(&mut self, rest: &[u8], now_ns: u64) {
        if !rest.is_empty() {
            self.keep_rest(rest, now_ns);
        } else if self.kept.capacity() > 0 {
            self.kept = Vec::new();
        }
    }

    #[cold]
    fn keep_rest(&mut self, rest: &[u8], now_ns: u64) {
        self.kept = rest.to_vec();
        self.bound_answer(now_ns);
    }

    /// Goes on with what it kept.
    pub(crate) fn resume(&mut self, home: &mut Home) {
        let bytes = std::mem::take(&mut self.kept);
        self.handle_bytes(home, &bytes);
    }

    /// Goes on with what it kept while the disk was busy.
    pub(crate) fn read_on(&mut self, home: &mut Home) {
        if std::mem::take(&mut self.client.paused) {
            self.resume(home);
        }
    }

    /// TLS is in; gives the octets behind the header that asked for it, which are its handshake's.
    pub fn handle_secured(&mut self) -> Vec<u8> {
        if let Some(Stop::Tls) = self.stop {
            self.stop = None;
        }
        std::mem::take(&mut self.kept)
    }

    /// The credentials were verified; `false` if nobody waits for that any more.
    pub fn handle_authenticated(&mut self, home: &mut Home, authenticated: Authenticated) -> bool {
        let waits = self.machine.is_waiting();
        if waits {
            self.machine.authenticated(authenticated, &mut self.out);
            self.resume(home);
        }
        waits
    }

    /// It lives at `conn` of its shard, before it is driven there.
    pub fn set_place(&mut self, conn: Slot) {
        self.client.set_place(conn);
    }

    /// It was moved to this home's shard: answers the attach that it moved for.
    pub fn handle_moved(&mut self, home: &mut Home) {
        self.moves = Moves::ToQueue;
        home.move_claim(&self.client);
        if let Some(Stop::Moving(id, attach)) = self.stop.take() {
            self.handle_attach(home, id, attach, Moves::Never);
        }
        self.resume(home);
    }

    /// Its time has come.
    pub fn handle_deadline(&mut self, home: &mut Home) {
        self.handle_unanswered(home);
        if let Some(event) = self.machine.handle_deadline(home.engine().now_ns(), &mut self.out) {
            self.handle_amqp(home, event);
        }
    }

    /// When it is to be looked at even if nothing happens, nanoseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let answer_by_ns = self.through.as_ref().and_then(|through| through.deadline());
        self.machine.deadline().into_iter().chain(answer_by_ns).min()
    }

    /// Closes it because the node stops, or has no room for it.
    pub fn close(&mut self, home: &mut Home, condition: Condition, why: &str) {
        self.close_with(home, AmqpError::new(condition, why));
    }

    pub(crate) fn close_with(&mut self, home: &mut Home, error: AmqpError) {
        self.drop_links(home, DetachMode::Ended);
        let now_ns = home.engine().now_ns();
        self.machine.close(Some(error), now_ns, &mut self.out);
    }

    /// Whether nothing more will come of it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.machine.is_closed()
    }

    /// Fills its output, and gives it to be written.
    pub fn poll_output(&mut self, now_ns: u64) -> &mut Out {
        self.machine.poll_output(now_ns, &mut self.out);
        &mut self.out
    }

    /// Its output as it is.
    pub fn out(&mut self) -> &mut Out {
        &mut self.out
    }

    /// Whether it has more output than `poll_output` gave.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.machine.wants_room()
    }

    /// Octets of its output that wait here.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Its output was written as far as the socket took it; `below`: octets that wait in layers under it. Sends on what waited for
    /// room, and passes credit on.
    pub fn handle_written(&mut self, home: &mut Home, below: usize) -> Written {
        self.output.below = below;
        let sent = self.advance_all(home);
        let passed = self.pass_on(home);
        Written { sent, told: self.feed(home) || passed }
    }

    /// Whether what is given to consumers now would only wait here.
    pub(crate) fn is_full(&self) -> bool {
        self.out.len() + self.output.below > OUT_STOP_GIVING
    }

    /// Where a link is.
    #[inline]
    pub(crate) fn link(&self, id: LinkId) -> Option<Slot> {
        *self.links.get(usize::from(id.session))?.get(id.handle as usize)?
    }

    /// The outcomes that deliveries of a link may have.
    pub(crate) fn outcomes_of(&self, place: Slot) -> Outcomes {
        self.outcomes.get(&place).copied().unwrap_or(Outcomes::ALL)
    }

    /// Notes which outcomes a link's source lists.
    pub(crate) fn note_outcomes(&mut self, place: Slot, attach: &Attach) {
        let outcomes = Outcomes::of(attach.source.as_ref());
        if outcomes != Outcomes::ALL {
            self.outcomes.insert(place, outcomes);
        }
    }

    /// Notes where a link is.
    pub(crate) fn set_link(&mut self, id: LinkId, slot: Option<Slot>) {
        let session = usize::from(id.session);
        if self.links.len() <= session {
            self.links.resize_with(session + 1, Vec::new);
        }
        let Some(handles) = self.links.get_mut(session) else { return };
        if handles.len() <= id.handle as usize {
            handles.resize(id.handle as usize + 1, None);
        }
        if let Some(place) = handles.get_mut(id.handle as usize) {
            *place = slot;
        }
    }

    /// All its links ended with it, so, and its claim to its container.
    pub fn drop_links(&mut self, home: &mut Home, mode: DetachMode) {
        self.lose_halves(home, mode);
        home.end_transactions(&self.client);
        home.drop_claim(&mut self.client);
        for place in std::mem::take(&mut self.links).into_iter().flatten().flatten() {
            home.release(&mut self.client, place, mode);
        }
        self.attaching.clear();
        self.outcomes.clear();
        self.output.leaving.clear();
        self.asked = None;
    }
}

/// What came of room in a connection's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Whether something is to be written again.
    pub sent: bool,
    /// Whether an owner was told of credit.
    pub told: bool,
}

/// What a link is called at home.
#[inline]
pub(crate) fn local(id: LinkId) -> LocalId {
    LocalId(u64::from(id.handle) << 32 | u64::from(id.generation) << 16 | u64::from(id.session))
}

/// The link that is called so at home.
#[inline]
pub(crate) fn link_id(LocalId(id): LocalId) -> LinkId {
    LinkId { session: id as u16, generation: (id >> 16) as u16, handle: (id >> 32) as u32 }
}

#[cfg(test)]
mod short_ways;
