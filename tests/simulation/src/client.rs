//! A client: one connection at a time, over the product's own client machine, with several links that each have a role.
//!
//! It does what real clients do, in an order that a seed chooses: sends, takes, settles late or in ranges or not at all, drains, detaches
//! and comes back, ends sessions, leaves without a word. Everything that it is told is asserted (`model`). Not here: its octets' way to
//! the node (`wire`), and when it acts (`world`).

use std::sync::Arc;

use amqp_proto::{
    Closing, Config, Confirmation, Connection, Deliveries, DeliveryOutcome, Event, Input, LinkId, Out, Payload,
    SessionId, Settled, State, Update,
};
use engine_home::limits::RELAY_WINDOW;
use test_support::Chance;

use crate::body::{annotation, read};
use crate::enlisting::Enlisting;
use crate::kind::{Choice, Variety};
use crate::model::{Came, Durable, Holder, Message, Model, Order, Place, Reason};
use crate::node::wall_ms;
use crate::role::{Role, Settles, Stand, To, Work, place_of};

/// What a client is given to act on.
pub struct Scene<'a> {
    /// What was promised.
    pub model: &'a mut Model,
    /// What the seed decides.
    pub chance: &'a mut Chance,
    /// The time, nanoseconds.
    pub now_ns: u64,
    /// Subscriptions, by number.
    pub subscriptions: &'a mut Vec<Subscription>,
    /// How messages differ.
    pub variety: Variety,
    /// Whether what one producer relays to one address keeps its order.
    pub order: Order,
    /// Credit that the node gives a producer at most.
    pub window: u32,
    /// Whether the node may have to refuse messages.
    pub refuses: bool,
}

/// A durable subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Whether the node has confirmed that it exists.
    pub known: Known,
    /// What it chooses.
    pub choice: Choice,
}

/// Whether a subscription exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nobody asked for it.
    No,
    /// It was asked for.
    Asked,
    /// It does.
    Yes,
}

/// One client.
pub struct Client {
    /// Which one it is.
    pub number: usize,
    /// Its links.
    pub roles: Vec<Role>,
    /// Its connection, if it has one.
    pub live: Option<Live>,
    connections: u64,
    config: Arc<Config>,
}

/// A connection, at the client's side.
pub struct Live {
    pub(crate) machine: Connection,
    pub(crate) out: Out,
    kept: Vec<u8>,
    pub(crate) session: Option<SessionId>,
    /// Of all connections of this client.
    pub number: u64,
    links: u64,
    /// Whether the client has closed it.
    pub closing: bool,
    /// What consumers on it are done with, and said so: the node learns of it unless the connection is lost.
    pub(crate) told: Vec<(Message, Place)>,
    /// What was sent settled on it, likewise.
    pub(crate) settled: Vec<Message>,
    pub(crate) enlisting: Enlisting,
}

impl Client {
    /// A client that is not connected.
    pub fn new(number: usize, roles: Vec<Role>, frame: u32) -> Self {
        let config = Config {
            container_id: format!("client-{number}"),
            max_frame_size: frame,
            incoming_window: 32,
            idle_timeout_ms: 0,
            ..Config::default()
        };
        Self { number, roles, live: None, connections: 0, config: Arc::new(config) }
    }

    /// Begins a connection.
    pub fn connect(&mut self, now_ns: u64) {
        self.connections += 1;
        let mut out = Out::default();
        let machine = Connection::client(Arc::clone(&self.config), self.config.client_open(), None, now_ns, &mut out);
        let (kept, number) = (Vec::new(), self.connections);
        self.live = Some(Live {
            machine,
            out,
            kept,
            session: None,
            number,
            links: 0,
            closing: false,
            told: Vec::new(),
            settled: Vec::new(),
            enlisting: Enlisting::default(),
        });
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
                let delivered = Delivered {
                    delivery: delivery.delivery,
                    settled: delivery.settled.is_yes(),
                    payload: delivery.payload,
                };
                self.delivered(&mut live, delivery.link, delivered, scene);
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
            Event::Opened(_) => live.session = live.machine.begin(&mut live.out),
            Event::Attached(link, attach) => {
                let is_refused = attach.source.is_none() || attach.target.is_none();
                assert!(!is_refused, "client {}: {} is refused", self.number, attach.name);
                self.attached(link, scene);
            }
            Event::Delivery { link, delivery, settled, payload, .. } => {
                let payload = match &payload {
                    Payload::Borrowed(bytes) => bytes,
                    Payload::Owned(bytes) => bytes.as_ref(),
                };
                self.delivered(live, link, Delivered { delivery, settled: settled.is_yes(), payload }, scene);
            }
            Event::Settled(outcome) => {
                while let Some(settling) = live.machine.next_settled() {
                    if let Some(Work::Coordinator) = self.work(settling.link) {
                        live.enlisting.answered(settling.key, outcome.as_ref(), scene);
                    } else {
                        self.answered(settling.link, settling.key, outcome.as_ref(), scene);
                    }
                }
            }
            Event::Updated(update) => self.updated(live, *update, scene),
            Event::Confirmed(Confirmation { deliveries, settled: Settled::Yes, .. }) => {
                self.confirmed(deliveries.first, deliveries.last, scene);
            }
            Event::Drained(link) => match self.work(link) {
                Some(Work::Consumer(consumer)) => {
                    assert!(consumer.draining, "what was not asked for is not answered");
                    (consumer.draining, consumer.credit) = (false, 0);
                }
                Some(Work::Sweeper { draining, .. } | Work::Undertaker { draining }) => *draining = false,
                _ => {}
            },
            Event::Credit { link, credit, .. } => {
                let number = self.number;
                if let Some(Work::Producer(producer)) = self.work(link) {
                    let most = if matches!(producer.to, To::Anywhere(_)) { RELAY_WINDOW } else { scene.window };
                    assert!(credit <= most, "client {number}: {credit} credit for a window of {most}");
                }
            }
            Event::Begun(_) => {}
            Event::Detached { link, error, .. } => {
                let is_ours = self.roles.iter().any(|role| role.link() == Some(link));
                assert!(!is_ours, "client {}: a link is detached: {error:?}", self.number);
            }
            Event::Ended(_, error) => panic!("client {}: its session is ended: {error:?}", self.number),
            Event::Closed(error) => {
                // The node may stop.
                let stops = error.as_ref().is_none_or(|error| error.to_string().contains("shutting down"));
                assert!(live.closing || stops, "client {}: its connection is closed: {error:?}", self.number);
                if live.closing {
                    // All that was sent before was read.
                    live.told.clear();
                    live.settled.clear();
                }
                live.closing = true;
            }
            other => panic!("client {}: nobody asked for {other:?}", self.number),
        }
    }

    /// What becomes of messages if their transaction is committed.
    fn updated(&mut self, live: &mut Live, mut update: Update, scene: &mut Scene<'_>) {
        while let Some(updated) = live.machine.next_updated(&mut update) {
            let State::Transactional { outcome, .. } = &update.state else { panic!("nobody asked for {update:?}") };
            if !update.settled.is_yes() {
                let (deliveries, state) = (Deliveries::one(updated.delivery), Some(&update.state));
                live.machine.dispose(updated.link, deliveries, state, Settled::Yes, &mut live.out);
            }
            self.answered(updated.link, updated.key, outcome.as_ref(), scene);
        }
    }

    fn role(&mut self, link: LinkId) -> Option<&mut Role> {
        self.roles.iter_mut().find(|role| role.link() == Some(link))
    }

    fn work(&mut self, link: LinkId) -> Option<&mut Work> {
        self.role(link).map(|role| &mut role.work)
    }

    fn attached(&mut self, link: LinkId, scene: &mut Scene<'_>) {
        let Some(role) = self.role(link) else { return };
        role.stand = Stand::Attached(link);
        if let Work::Consumer(consumer) = &role.work
            && let Place::Subscription(number) = consumer.place
        {
            scene.subscriptions[number].known = Known::Yes;
        }
    }

    fn delivered(&mut self, live: &mut Live, link: LinkId, delivered: Delivered<'_>, scene: &mut Scene<'_>) {
        let Some(role) = self.role(link) else { return };
        if let Work::Sweeper { .. } = role.work {
            return live.machine.settle(link, delivered.delivery, delivered.delivery, DeliveryOutcome::Accepted);
        }
        if let Work::Undertaker { .. } = role.work {
            bury(delivered.payload, scene);
            return live.machine.settle(link, delivered.delivery, delivered.delivery, DeliveryOutcome::Accepted);
        }
        let read = read(delivered.payload);
        let durable = if read.header.durable { Durable::Yes } else { Durable::No };
        let wall_ms = wall_ms(scene.now_ns);
        let came = |place, choice| Came {
            message: read.message,
            place,
            holder: role.holder,
            choice,
            first: read.header.first_acquirer,
            priority: read.header.priority,
            failures: read.header.delivery_count,
            durable,
        };
        match &mut role.work {
            Work::Producer(_) | Work::Coordinator | Work::Sweeper { .. } | Work::Undertaker { .. } => {
                panic!("a producer gets no messages")
            }
            Work::Browser { queue, choice, credit } => {
                *credit = credit.checked_sub(1).expect("a browser has credit for what it is shown");
                scene.model.seen(&came(Place::Queue(*queue), *choice), wall_ms);
            }
            Work::Consumer(consumer) => {
                consumer.credit = consumer.credit.checked_sub(1).expect("a consumer has credit for what it gets");
                let came = came(consumer.place, consumer.choice);
                assert_eq!(delivered.settled, consumer.settles == Settles::Never, "as the link was attached");
                if delivered.settled {
                    scene.model.came_settled(&came, wall_ms);
                    live.told.push((came.message, consumer.place));
                } else {
                    scene.model.came(&came, wall_ms);
                    consumer.held.push_back((delivered.delivery, came.message));
                }
            }
        }
    }

    fn answered(&mut self, link: LinkId, message: Message, outcome: Option<&DeliveryOutcome>, scene: &mut Scene<'_>) {
        let number = self.number;
        let Some(Work::Producer(producer)) = self.work(link) else { return };
        assert!(producer.open.remove(&message), "client {number}: message {message} is answered once");
        match outcome {
            Some(DeliveryOutcome::Accepted) => scene.model.accepted(message),
            Some(DeliveryOutcome::Rejected(_)) => scene.model.refused(message),
            other => panic!("client {number}: message {message} is answered with {other:?}"),
        }
    }

    fn confirmed(&mut self, first: u32, last: u32, scene: &mut Scene<'_>) {
        for role in &mut self.roles {
            let Work::Consumer(consumer) = &mut role.work else { continue };
            for delivery in first..=last {
                if let Some(message) = consumer.unconfirmed.remove(&delivery) {
                    scene.model.confirmed(message, consumer.place);
                }
            }
        }
    }

    /// Asks for the link of a role.
    pub fn attach(&mut self, index: usize, scene: &mut Scene<'_>) {
        let Some(live) = &mut self.live else { return };
        let (Some(session), false) = (live.session, live.closing) else { return };
        let Some(role) = self.roles.get_mut(index).filter(|role| role.stand == Stand::None) else { return };
        live.links += 1;
        role.holder = Holder { client: self.number, connection: live.number, link: live.links };
        if let Work::Consumer(consumer) = &role.work
            && let Place::Subscription(number) = consumer.place
            && scene.subscriptions[number].known == Known::No
        {
            scene.subscriptions[number].known = Known::Asked;
        }
        let link = live.machine.attach(session, role.attach(), &mut live.out).expect("the session stands");
        role.stand = Stand::Asked(link);
    }

    /// Detaches the link of a role.
    pub fn detach(&mut self, index: usize, closing: Closing, scene: &mut Scene<'_>) {
        let Some(live) = &mut self.live else { return };
        let Some(role) = self.roles.get_mut(index) else { return };
        // What waits for the window would never be sent.
        let Some(link) = role.attached().filter(|&link| live.machine.waiting(link) == 0) else { return };
        live.machine.detach(link, closing, None, &mut live.out);
        leave(role, scene.model);
    }

    /// Closes the connection in the proper way.
    pub fn close(&mut self, now_ns: u64, scene: &mut Scene<'_>) {
        let Some(live) = &mut self.live else { return };
        live.closing = true;
        // What was settled and sent last leaves first.
        live.machine.poll_output(now_ns, &mut live.out);
        let mut links = self.roles.iter().filter_map(Role::attached);
        if links.any(|link| live.machine.waiting(link) > 0) {
            scene.model.unheard(&std::mem::take(&mut live.settled));
        }
        live.machine.close(None, now_ns, &mut live.out);
        live.enlisting.close(scene.model);
        self.roles.iter_mut().for_each(|role| leave(role, scene.model));
    }

    /// The connection is gone.
    pub fn lose(&mut self, model: &mut Model) {
        let Some(mut live) = self.live.take() else { return };
        self.roles.iter_mut().for_each(|role| leave(role, model));
        live.enlisting.lose(model);
        model.uncertain(&live.told);
        model.unheard(&live.settled);
    }
}

/// A delivery as it came.
struct Delivered<'a> {
    delivery: u32,
    settled: bool,
    payload: &'a [u8],
}

/// A role has no link any more, whatever the node makes of it.
fn leave(role: &mut Role, model: &mut Model) {
    role.stand = Stand::None;
    model.ended(role.holder);
    match &mut role.work {
        Work::Producer(producer) => {
            let open: Vec<Message> = std::mem::take(&mut producer.open).into_iter().collect();
            model.unanswered(&open);
            producer.bond = None;
        }
        Work::Coordinator => {}
        Work::Consumer(consumer) => {
            let held: Vec<Message> = consumer.held.drain(..).map(|(_, message)| message).collect();
            held.into_iter().for_each(|message| model.returned(message, consumer.place));
            if consumer.settles == Settles::Never {
                model.leaked(consumer.place);
            }
            consumer.unconfirmed.clear();
            (consumer.credit, consumer.draining) = (0, false);
        }
        Work::Browser { credit, .. } => *credit = 0,
        Work::Sweeper { draining, .. } | Work::Undertaker { draining } => *draining = false,
    }
}

/// A message came to where dead letters go: it says where from, and why.
fn bury(payload: &[u8], scene: &mut Scene<'_>) {
    let message = read(payload).message;
    let said = |key| annotation(payload, key).unwrap_or_else(|| panic!("message {message} does not say {key}"));
    let queue = said("x-opt-ORIG-QUEUE");
    let place = place_of(&queue).unwrap_or_else(|| panic!("message {message} comes from {queue}"));
    let reason = match said("x-opt-MOVE-REASON").as_str() {
        "rejected" => Reason::Rejected,
        "expired" => Reason::Expired,
        "max-delivery-attempts" => Reason::Exhausted,
        other => panic!("message {message} came for the reason {other}"),
    };
    scene.model.buried(message, place, reason, wall_ms(scene.now_ns));
}
