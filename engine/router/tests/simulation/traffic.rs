//! Messages and their outcomes: clients that send with credit, routers that settle from end to end, consumers that take what they get.

use std::collections::{BTreeMap, BTreeSet};

use engine_router::address::Key;
use engine_router::annotations::Annotations;
use engine_router::forward::{Passage, Target, choose};
use engine_router::network::LinkId;
use engine_router::set::RouterIndex;
use engine_router::settlement::{
    Action, CopyKey, DeliveryKey, InKind, InLink, OutKind, OutLink, Settlement, Settling, State,
};
use engine_router::table::ConsumerId;

use crate::traces::{read_trace, trace_of};
use crate::wire::{Message, Packet};
use crate::world::{Fault, World};

/// The link of a router's client.
const CLIENT: InLink = InLink(0);
/// What a client may have unsettled.
const CLIENT_CAPACITY: u32 = 50;
/// What a router gives another one.
const ROUTER_CAPACITY: u32 = 250;

/// What goes out over a connection.
#[derive(Default)]
struct Sending {
    granted: u32,
    sent: u32,
    copies: BTreeMap<u32, CopyKey>,
}

/// A router's part in it.
pub struct Traffic {
    pub settlement: Settlement,
    credit: u32,
    /// Messages of the client whose outcome it has not heard, by number.
    pub waiting: BTreeSet<u64>,
    outs: BTreeMap<LinkId, Sending>,
    ins: BTreeMap<(LinkId, u32), DeliveryKey>,
    messages: BTreeMap<DeliveryKey, Message>,
}

fn in_link(link: LinkId) -> InLink {
    InLink(1 + link.0)
}

fn out_link(link: LinkId) -> OutLink {
    OutLink(2 * link.0 + 1)
}

fn consumer_link(consumer: ConsumerId) -> OutLink {
    OutLink(2 * consumer.0)
}

/// The connection of a link; `None` for one of a consumer, or of the client.
fn of_out(link: OutLink) -> Option<LinkId> {
    (link.0 % 2 == 1).then_some(LinkId(link.0 / 2))
}

fn of_in(link: InLink) -> Option<LinkId> {
    link.0.checked_sub(1).map(LinkId)
}

impl Traffic {
    pub fn new() -> Self {
        let mut settlement = Settlement::default();
        settlement.handle_in(CLIENT, InKind::Endpoint, CLIENT_CAPACITY);
        settlement.handle_reached(CLIENT);
        let (outs, ins, messages) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { settlement, credit: 0, waiting: BTreeSet::new(), outs, ins, messages }
    }

    pub fn connect(&mut self, link: LinkId) {
        self.settlement.handle_in(in_link(link), InKind::Router, ROUTER_CAPACITY);
        self.settlement.handle_out(out_link(link), OutKind::Deciding, ROUTER_CAPACITY);
        self.settlement.handle_reached(in_link(link));
        self.outs.insert(link, Sending::default());
    }

    pub fn disconnect(&mut self, link: LinkId) {
        self.settlement.handle_out_lost(out_link(link));
        self.settlement.handle_in_lost(in_link(link));
        self.outs.remove(&link);
        self.ins.retain(|(of, _), _| *of != link);
    }

    pub fn add_consumer(&mut self, consumer: ConsumerId) {
        self.settlement.handle_out(consumer_link(consumer), OutKind::Deciding, ROUTER_CAPACITY);
        self.settlement.handle_credit(consumer_link(consumer), u32::MAX);
    }

    pub fn remove_consumer(&mut self, consumer: ConsumerId) {
        self.settlement.handle_out_lost(consumer_link(consumer));
    }
}

impl World {
    /// Has a client of a router send a message, if it has credit; gives its number.
    pub fn produce(&mut self, node: usize, key: &Key) -> Option<u64> {
        self.act_traffic(node);
        let traffic = &mut self.nodes[node].traffic;
        traffic.credit = traffic.credit.checked_sub(1)?;
        let number = self.next_message;
        self.next_message += 1;
        traffic.waiting.insert(number);
        let ingress = self.nodes[node].id.as_str().to_owned();
        let message = Message { number, key: key.clone(), ingress, trace: Vec::new() };
        self.take(node, CLIENT, number as u32, Settling::Unsettled, message);
        self.act_traffic(node);
        Some(number)
    }

    /// Something comes over a connection that is no control message.
    pub fn handle_traffic(&mut self, node: usize, link: LinkId, packet: Packet) {
        let traffic = &mut self.nodes[node].traffic;
        match packet {
            Packet::Control(_) => {}
            Packet::Transfer { number, settling, message } => self.take(node, in_link(link), number, settling, message),
            Packet::Outcome { number, state, settling } => {
                let Some(sending) = traffic.outs.get_mut(&link) else { return };
                let copy = sending.copies.get(&number).copied();
                if settling == Settling::Settled {
                    sending.copies.remove(&number);
                }
                copy.into_iter().for_each(|copy| traffic.settlement.handle_outcome(copy, state.clone(), settling));
            }
            Packet::Sender { number, state, settling } => {
                let Some(key) = traffic.ins.remove(&(link, number)) else { return };
                traffic.settlement.handle_sender(key, state, settling);
            }
            Packet::Credit(more) => {
                let Some(sending) = traffic.outs.get_mut(&link) else { return };
                sending.granted += more;
                traffic.settlement.handle_credit(out_link(link), sending.granted - sending.sent);
            }
        }
        self.act_traffic(node);
    }

    /// A delivery comes over a link: it is forwarded, or released.
    fn take(&mut self, number: usize, link: InLink, delivery: u32, settling: Settling, mut message: Message) {
        let node = &mut self.nodes[number];
        let name = node.id.as_str().to_owned();
        if message.trace.contains(&name) {
            self.wrong = Some(format!("message {} was at {name} before: {:?}", message.number, message.trace));
            return;
        }
        let list = trace_of(&message.trace);
        let trace = read_trace(&list);
        let annotations = Annotations { ingress: Some(&message.ingress), trace, ..Annotations::default() };
        let mut passage =
            if message.trace.is_empty() { Passage::HERE } else { Passage::of(&annotations, node.view.routes()) };
        if self.fault == Fault::OriginsIgnored {
            passage.origin = Some(RouterIndex::SELF);
        }
        let mut targets = Vec::new();
        if choose(&node.view, &message.key, &passage, &mut node.spread, &mut targets).is_err() {
            self.undelivered.entry(message.number).or_default().push(number);
        }
        message.trace.push(name);
        let traffic = &mut node.traffic;
        let links = targets.iter().filter_map(|target| match target {
            Target::Consumer(consumer) => Some(consumer_link(*consumer)),
            // A connection that is gone, and the routes are those before.
            Target::Router { link, .. } => traffic.outs.contains_key(link).then(|| out_link(*link)),
        });
        let links: Vec<OutLink> = links.collect();
        match traffic.settlement.handle_delivery(link, delivery, settling, &links, ()) {
            Ok(Some(key)) => {
                traffic.messages.insert(key, message);
                traffic.ins.extend(of_in(link).map(|link| ((link, delivery), key)));
            }
            Ok(None) => {}
            Err(_) => self.wrong = Some(format!("{} was sent more than it gave credit for", self.nodes[number].id)),
        }
    }

    /// Carries out what a router's settlement asks for.
    pub fn act_traffic(&mut self, node: usize) {
        self.nodes[node].traffic.settlement.check();
        while let Some(action) = self.nodes[node].traffic.settlement.poll_action() {
            match action {
                Action::Send { link, copy, settling, .. } => self.send_copy(node, link, copy, settling),
                Action::TellSender { link, delivery, number, state, settling } => {
                    self.tell_sender(node, link, Some(delivery), (number, state, settling));
                }
                Action::Release { link, number } => {
                    self.tell_sender(node, link, None, (number, Some(State::Released), Settling::Settled));
                }
                Action::TellReceiver { link, copy, state, settling } => {
                    let Some(link) = of_out(link) else { continue };
                    let copies = self.nodes[node].traffic.outs.get(&link).map(|sending| &sending.copies);
                    let number =
                        copies.into_iter().flatten().find(|(_, known)| **known == copy).map(|(number, _)| *number);
                    let Some(number) = number else { continue };
                    self.send(link, Packet::Sender { number, state, settling });
                }
                Action::Credit { link, more } => match of_in(link) {
                    Some(link) => self.send(link, Packet::Credit(more)),
                    None => self.nodes[node].traffic.credit += more,
                },
                Action::SendPart { .. } | Action::Taken { .. } => unreachable!("messages are whole here"),
                Action::Drain { .. } | Action::Drained { .. } | Action::Abort { .. } | Action::Left { .. } => {}
            }
        }
    }

    fn send_copy(&mut self, node: usize, link: OutLink, copy: CopyKey, settling: Settling) {
        let traffic = &mut self.nodes[node].traffic;
        let message = traffic.messages.get(&copy.delivery).expect("it is under way").clone();
        let Some(wire) = of_out(link) else {
            self.given.entry(message.number).or_default().push(node);
            // Some consumers let the sender have the last word.
            let said = if self.chance.one_in(3) { Settling::Unsettled } else { Settling::Settled };
            self.nodes[node].traffic.settlement.handle_outcome(copy, Some(State::Accepted), said);
            return;
        };
        let Some(sending) = traffic.outs.get_mut(&wire) else { return };
        let number = sending.sent;
        sending.sent += 1;
        sending.copies.insert(number, copy);
        self.send(wire, Packet::Transfer { number, settling, message });
    }

    /// A sender hears of its delivery: a router, or the client, which says the last word if it is asked to.
    fn tell_sender(
        &mut self,
        node: usize,
        link: InLink,
        delivery: Option<DeliveryKey>,
        (number, state, settling): (u32, Option<State>, Settling),
    ) {
        if let Some(link) = of_in(link) {
            if self.fault != Fault::OutcomesLost || !self.chance.one_in(20) {
                self.send(link, Packet::Outcome { number, state, settling });
            }
            return;
        }
        let message = u64::from(number);
        if !self.nodes[node].traffic.waiting.contains(&message) {
            self.wrong = Some(format!("message {message} has two outcomes, the last {state:?}"));
            return;
        }
        let Some(state) = state else {
            self.wrong = Some(format!("message {message} has no outcome"));
            return;
        };
        if state == State::Accepted && !self.given.contains_key(&message) {
            self.wrong = Some(format!("message {message} is accepted, and nobody has it"));
        }
        self.nodes[node].traffic.waiting.remove(&message);
        self.outcomes.insert(message, state);
        if let Some(key) = delivery.filter(|_| settling == Settling::Unsettled) {
            self.nodes[node].traffic.settlement.handle_sender(key, None, Settling::Settled);
        }
    }
}
