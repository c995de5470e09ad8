//! Connections that a router's policy judges: whether they may be opened, and what of their links and messages it lets pass.
//!
//! Guarantees:
//! 1. An open that is to be judged is answered when that is done; nothing behind it is taken before.
//! 2. Each attach of such a connection is looked at, by the address that its messages would go to. So is each of its messages, if it may not
//!    name another user, which takes the long way then; messages of connections that no policy judges cost nothing here.
//! 3. What the policy bounds is announced, and holds from the open on. A message that is larger ends the connection, as it does at other
//!    routers; the specification would have it end its link only.
//!
//! Messages that name their address are the home's (`engine_home`). There are no messages in parts: a router takes them when they are whole.

use std::sync::Arc;

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, FRAME_BYTES_MIN_MAX, Open, Role, Target};
use amqp_proto::{Config, LinkId};
use engine_core::event::Refusal;
use engine_home::{Home, MANAGEMENT, Plan, Request};
use engine_message::section::property_user_id;
use engine_message::{Condition, Symbol};
use engine_policy::{Admission, Denial, Link, Purpose};

use crate::bind::Bind;
use crate::judgement::Judgement;
use crate::terminus;

/// Octets of a frame, whatever a policy says: as many as a listener may be set to. A frame is in memory as a whole.
const FRAME_OCTETS_MAX: u32 = 16 << 20;

impl Bind {
    /// The same connection, which a policy judges.
    #[must_use]
    pub fn judged(mut self) -> Self {
        self.entry.judgement = Judgement::Due;
        self
    }

    /// Has an open judged, if that is due; gives it back if not.
    pub(crate) fn judge(&mut self, open: Open) -> Option<Open> {
        if !matches!(self.entry.judgement, Judgement::Due) {
            return Some(open);
        }
        self.requests.push_back(Request::Admit { hostname: open.hostname.clone().unwrap_or_default() });
        self.entry.judgement = Judgement::Asked(Box::new(open));
        None
    }

    /// The policy says whether the connection may be opened.
    pub fn handle_judged(&mut self, home: &mut Home, judged: Result<Admission, Denial>) {
        // It may have been closed meanwhile: it took too long.
        let Judgement::Asked(open) = std::mem::take(&mut self.entry.judgement) else { return };
        if !self.machine.is_waiting() {
            return;
        }
        match judged {
            Ok(admission) => {
                self.machine.restrain(Arc::new(restrained(self.machine.config(), &admission)));
                self.client.admit(admission);
                self.claim(home, *open);
            }
            Err(denial) => {
                let told = denial.to_string();
                self.refuse_open_telling(home, error(&denial), told);
                self.resume(home);
            }
        }
    }

    /// Looks at what an attach asks for, as far as a policy says something.
    pub(crate) fn check_attach(&mut self, attach: &Attach, plan: &Plan) -> Result<(), AmqpError> {
        self.check_link(attach, asked(attach, plan))
    }

    /// The same for a link to an address that passes through whole.
    pub(crate) fn check_through(&mut self, attach: &Attach, address: &str) -> Result<(), AmqpError> {
        let link = match (attach.role, &attach.target) {
            (Role::Sender, Some(Target::Coordinator(_))) => Link::Anonymous,
            (Role::Sender, _) => Link::To(address, purpose(target(attach))),
            (Role::Receiver, _) => Link::From(address, purpose(source(attach))),
        };
        self.check_link(attach, link)
    }

    fn check_link(&mut self, attach: &Attach, link: Link<'_>) -> Result<(), AmqpError> {
        let Some(admission) = self.client.admission() else { return Ok(()) };
        let receivers = self.client.receivers();
        let standing = match attach.role {
            Role::Sender => self.client.links() - receivers,
            Role::Receiver => receivers,
        };
        admission.attach(link, standing).map_err(|denial| {
            self.requests.push_back(Request::Denied { why: denial.to_string() });
            error(&denial)
        })
    }

    /// Whether its messages have to be looked at one by one.
    pub(crate) fn is_watched(&self) -> bool {
        self.client.admission().is_some_and(Admission::checks_users)
    }

    /// Looks at the user that a message names, by its properties section.
    pub(crate) fn check_user(&self, properties: &[u8]) -> Result<(), Box<Refusal>> {
        let Some(admission) = self.client.admission().filter(|admission| admission.checks_users()) else {
            return Ok(());
        };
        let named =
            property_user_id(properties).map_err(|error| Refusal::new(Condition::DecodeError, error.to_string()))?;
        admission.speak_for(named.unwrap_or_default()).map_err(|denial| Refusal::new(denial.condition, denial.text))
    }

    /// A link ended with an error: with the connection, if that is for a message that is larger than its policy allows.
    pub(crate) fn end_oversized(&mut self, home: &mut Home, link: LinkId, error: &AmqpError) {
        let is_bounded = self.client.admission().is_some_and(|one| one.terms().bounds.message_octets.is_some());
        let sends = self.link(link).is_some_and(|place| !home.receives(place));
        if is_bounded && sends && error.condition == Condition::MessageSizeExceeded {
            let error = AmqpError::new(Condition::ConnectionForced, "Message size exceeded");
            self.requests.push_back(Request::Closed(engine_home::Closed::Error(error.to_string())));
            self.close_with(home, error);
        }
    }
}

/// What holds for a connection that was let in: frames and sessions are its group's where that says how many, in place of the listener's;
/// windows and messages are no larger than either has them.
fn restrained(config: &Config, admission: &Admission) -> Config {
    let bounds = admission.terms().bounds;
    let mut restrained = config.clone();
    if let Some(octets) = bounds.frame_octets {
        restrained.max_frame_size = octets.clamp(FRAME_BYTES_MIN_MAX, FRAME_OCTETS_MAX);
    }
    if let Some(sessions) = bounds.sessions {
        // Channels are counted from 0.
        restrained.channel_max = u16::try_from(sessions - 1).unwrap_or(u16::MAX);
    }
    if let Some(octets) = bounds.window_octets {
        // A window has frames: as many as there is room for, and one in any case, without which nothing would ever come.
        restrained.incoming_window = config.incoming_window.min((octets / restrained.max_frame_size).max(1));
        restrained.small_frames_window = 0;
    }
    if let Some(octets) = bounds.message_octets {
        restrained.max_message_size = config.max_message_size.min(octets.into());
    }
    restrained
}

/// What a link is that is asked for, as policies see it.
fn asked<'a>(attach: &'a Attach, plan: &'a Plan) -> Link<'a> {
    let is_dynamic = terminus::is_dynamic(attach);
    match plan {
        Plan::Producer(spec) if !is_dynamic => Link::To(&spec.address, purpose(target(attach))),
        Plan::Management => Link::To(MANAGEMENT, Purpose::Plain),
        // Where nothing is named, what is sent goes anywhere.
        Plan::Producer(_) | Plan::Relay(_) | Plan::Coordinator => Link::Anonymous,
        Plan::Consumer(_) if is_dynamic => Link::Dynamic,
        // One that is found by its name has no address yet, which is none that anybody has.
        Plan::Consumer(spec) => Link::From(&spec.address, purpose(source(attach))),
    }
}

fn target(attach: &Attach) -> &[Symbol] {
    match &attach.target {
        Some(Target::Node(node)) => &node.capabilities,
        _ => &[],
    }
}

fn source(attach: &Attach) -> &[Symbol] {
    attach.source.as_ref().map_or(&[], |source| &source.terminus.capabilities)
}

fn purpose(capabilities: &[Symbol]) -> Purpose {
    Purpose::of(capabilities.iter().map(Symbol::as_str))
}

/// What a peer is told: the reason is for the log.
fn error(denial: &Denial) -> AmqpError {
    AmqpError::new(denial.condition, denial.text)
}

#[cfg(test)]
mod tests {
    use engine_policy::{
        Addresses, Bounds, Gate, Group, Host, Hosts, Naming, Peer, Policy, Rights, Rules, Unknown, Vhost,
    };

    use super::*;

    /// A connection of a group with such bounds.
    fn admitted(bounds: Bounds) -> Admission {
        let mut hosts = Hosts::default();
        hosts.add(Host::Any, |_| Vec::new()).expect("all of them");
        let group = Group {
            name: "all".to_owned(),
            users: vec!["*".to_owned()],
            hosts,
            connections_per_user: None,
            connections_per_host: None,
            bounds,
            rights: Rights::default(),
            sources: Addresses::default(),
            targets: Addresses::default(),
        };
        let vhost = Vhost {
            name: "h".to_owned(),
            aliases: Vec::new(),
            connections: 1,
            connections_per_user: 1,
            connections_per_host: 1,
            message_octets: None,
            unknown: Unknown::Denied,
            groups: vec![group],
        };
        let rules =
            Rules { vhosts: vec![vhost], naming: Naming::Exact, default_vhost: String::new(), message_octets: 0 };
        let peer = Peer { user: "u".to_owned(), host: [127, 0, 0, 1].into(), hostname: "h".to_owned() };
        Gate::new(Policy::new(rules).expect("rules")).admit(&peer).expect("it is let in")
    }

    #[test]
    fn frames_and_sessions_are_the_groups_and_the_rest_is_the_smaller_one() {
        let config = Config { max_frame_size: 10_000, channel_max: 9, incoming_window: 100, ..Config::default() };
        let wide = Bounds {
            frame_octets: Some(u32::MAX),
            window_octets: Some(u32::MAX),
            sessions: Some(100_000),
            message_octets: Some(u32::MAX),
            ..Bounds::default()
        };
        let narrow = Bounds {
            frame_octets: Some(1000),
            window_octets: Some(5999),
            sessions: Some(1),
            message_octets: Some(7),
            ..Bounds::default()
        };
        let least = Bounds { frame_octets: Some(1), window_octets: Some(1), ..Bounds::default() };
        for (bounds, wanted) in [
            (Bounds::default(), (10_000, 9, 100, config.max_message_size)),
            (wide, (FRAME_OCTETS_MAX, u16::MAX, 100, config.max_message_size)),
            (narrow, (1000, 0, 5, 7)),
            (least, (512, 9, 1, config.max_message_size)),
        ] {
            let got = restrained(&config, &admitted(bounds));
            let got = (got.max_frame_size, got.channel_max, got.incoming_window, got.max_message_size);
            assert_eq!(got, wanted);
        }
    }
}
