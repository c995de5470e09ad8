//! Connections between a router of the interior and one at the edge: the links that the edge attaches, at either end.
//!
//! Guarantees: the interior takes each of them as what it is, and whatever else an edge attaches as a client's, of which the router is told
//! where it comes from. An edge has its messages for the name that it connects by, and for no other. A link that an edge needs in any case
//! and that the interior refuses or ends is the end of the connection; one for an address is told, and no more than that.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, ExpiryPolicy, Role, Source, Target, Terminus};
use engine_core::command::{Between, Carries, ConsumerSpec, Passage, ProducerSpec, Stage};
use engine_home::{Home, Peer, Plan, Request};
use engine_message::Symbol;

use crate::asked::{PeerEnd, Purpose};
use crate::bind::Bind;
use crate::terminus;

/// The capability of a source whose messages are for the edge itself.
const DOWNLINK: &str = "qd.router-edge-downlink";
/// Where an edge hears of which addresses somebody receives.
const TRACKING: &str = "_$qd.edge_addr_tracking";
/// Whom it asks about addresses.
const LOOKUP: &str = "_$qd.addr_lookup";
/// Where it says that it is alive.
const HEARTBEAT: &str = "_$qd.edge_heartbeat";

/// A link for an address that is to be attached to the interior.
#[derive(Debug)]
pub struct ProxyAsking {
    /// Its number, of no other one of the connection.
    pub number: u32,
    /// The address.
    pub address: String,
    /// What the link asks for at the other end, if that is not what a client's has.
    pub capability: Option<String>,
    /// Which way messages go over it.
    pub way: ProxyWay,
    /// The stage of the address that it is of here.
    pub stage: Stage,
}

/// Which way messages go over a link for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyWay {
    /// The interior sends to us.
    Down,
    /// It receives from us.
    Up,
}

impl Bind {
    /// The plan for an attach of an edge that is not like a client's; nothing if it is.
    pub(crate) fn plan_edge(&mut self, attach: &Attach) -> Option<Result<Plan, AmqpError>> {
        match attach.role {
            Role::Sender => {
                let Some(Target::Node(target)) = &attach.target else { return None };
                let carries = match target.address.as_deref().unwrap_or_default() {
                    "" if !terminus::is_dynamic(attach) => Carries::Anonymous,
                    LOOKUP => Carries::Lookup,
                    HEARTBEAT => Carries::Heartbeat,
                    _ => return None,
                };
                Some(Ok(Plan::Producer(self.other_that_sends(carries))))
            }
            Role::Receiver => {
                let source = &attach.source.as_ref()?.terminus;
                let address = source.address.as_deref().unwrap_or_default();
                if source.capabilities.iter().any(|capability| capability.as_str() == DOWNLINK) {
                    if address != self.client.container {
                        let why = format!("it asks for what is for the router {address:?}, whose name it has not");
                        let error = AmqpError::new("amqp:not-allowed", why.as_str());
                        self.requests.push_back(Request::RouterLost { why });
                        return Some(Err(error));
                    }
                    return Some(Ok(Plan::Consumer(self.other_that_receives(Carries::Anonymous))));
                }
                (address == TRACKING).then(|| Ok(Plan::Consumer(self.other_that_receives(Carries::Tracking))))
            }
        }
    }

    /// Has a link of an edge's that is like a client's be known as one of an edge's.
    pub(crate) fn mark_edge(&self, mut plan: Plan) -> Plan {
        if self.client.peer == Peer::Edge {
            match &mut plan {
                Plan::Producer(spec) => self.mark(&mut spec.passage),
                Plan::Consumer(spec) => self.mark(&mut spec.passage),
                _ => {}
            }
        }
        plan
    }

    fn mark(&self, passage: &mut Passage) {
        passage.between.get_or_insert(self.edge_between(Carries::Address));
    }

    fn edge_between(&self, carries: Carries) -> Between {
        Between { connection: self.client.place().to_bits(), cost: 0, apart: 0, carries }
    }

    /// What the other end is that sends.
    fn other_that_sends(&self, carries: Carries) -> Box<ProducerSpec> {
        let passage = Passage { between: Some(self.edge_between(carries)), ..Passage::default() };
        Box::new(ProducerSpec { passage, ..ProducerSpec::of(self.client.container.as_str()) })
    }

    /// What the other end is that receives.
    fn other_that_receives(&self, carries: Carries) -> Box<ConsumerSpec> {
        let passage = Passage { between: Some(self.edge_between(carries)), ..Passage::default() };
        Box::new(ConsumerSpec { passage, ..ConsumerSpec::of(self.client.container.as_str()) })
    }

    /// Attaches the links that an edge has in any case: what is for elsewhere, what is for the edge itself, of which addresses somebody
    /// receives, and signs of life.
    pub fn ask_interior(&mut self, own: &str) {
        let downlink = || Terminus { capabilities: vec![DOWNLINK.into()], ..Terminus::default() };
        let links = [
            ("up", Carries::Anonymous, Role::Sender, Terminus::default()),
            ("down", Carries::Anonymous, Role::Receiver, Terminus { address: Some(own.to_owned()), ..downlink() }),
            ("tracking", Carries::Tracking, Role::Receiver, Terminus::at(TRACKING)),
            ("heartbeat", Carries::Heartbeat, Role::Sender, Terminus::at(HEARTBEAT)),
        ];
        for (what, carries, role, theirs) in links {
            let ours = if what == "down" { downlink() } else { Terminus::default() };
            let end = match role {
                Role::Receiver => PeerEnd::Sends(self.other_that_sends(carries)),
                Role::Sender => PeerEnd::Receives(self.other_that_receives(carries)),
            };
            let name = format!("edge-{what}/{own}.{:x}", self.client.place().to_bits());
            self.ask_anywhere(attach(name, role, theirs, ours), (Purpose::Between, end));
        }
    }

    /// Attaches a link for an address to the interior.
    pub fn ask_proxy(&mut self, asking: ProxyAsking) {
        let ProxyAsking { number, address, capability, way, stage } = asking;
        let passage =
            Passage { stage: Some(stage), between: Some(self.edge_between(Carries::Address)), capacity: None };
        let (role, end) = match way {
            ProxyWay::Down => {
                let spec = ProducerSpec { passage, ..ProducerSpec::of(address.as_str()) };
                (Role::Receiver, PeerEnd::Sends(Box::new(spec)))
            }
            ProxyWay::Up => {
                let spec = ConsumerSpec { passage, ..ConsumerSpec::of(address.as_str()) };
                (Role::Sender, PeerEnd::Receives(Box::new(spec)))
            }
        };
        let name = format!("edge-address/{number}.{:x}", self.client.place().to_bits());
        let capabilities = capability.iter().map(|capability| Symbol::new(capability)).collect();
        let theirs = Terminus { address: Some(address), capabilities, ..Terminus::default() };
        self.ask_anywhere(attach(name, role, theirs, Terminus::default()), (Purpose::Proxy(number), end));
    }

    /// Detaches a link for an address: nothing more is told of it.
    pub fn withdraw_proxy(&mut self, home: &mut Home, number: u32) {
        self.withdraw_for(home, Purpose::Proxy(number));
    }
}

/// Our attach of a link: the terminus at the other end, and ours.
fn attach(name: String, role: Role, theirs: Terminus, ours: Terminus) -> Attach {
    let theirs = Terminus { expiry_policy: ExpiryPolicy::LinkDetach, ..theirs };
    let (source, target) = match role {
        Role::Receiver => (theirs, ours),
        Role::Sender => (ours, theirs),
    };
    Attach {
        source: Some(Source::from(source)),
        target: Some(Target::Node(target)),
        initial_delivery_count: (role == Role::Sender).then_some(0),
        ..Attach::new(name, 0, role)
    }
}
