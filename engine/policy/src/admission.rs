//! What one connection may do that was let in: its links, and messages that name their address or their user.

use core::net::IpAddr;
use std::sync::Arc;

use crate::addresses::Addresses;
use crate::counts::Seats;
use crate::denial::Denial;
use crate::group::{Bounds, Group, Rights};

/// Who a connection is of that opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who authenticated; empty: nobody did.
    pub user: String,
    /// The host that it comes from.
    pub host: IpAddr,
    /// The hostname of its open; empty: it has none.
    pub hostname: String,
}

/// What connections of a group may do: made with the policy, and shared by all of them.
#[derive(Debug)]
pub struct Terms {
    /// The vhost.
    pub vhost: Arc<str>,
    /// The group.
    pub group: Box<str>,
    /// How much they may ask for. `message_octets` is `None` where there is no bound.
    pub bounds: Bounds,
    /// What they may ask for.
    pub rights: Rights,
    sources: Addresses,
    targets: Addresses,
}

impl Terms {
    /// Those of a group; messages have so many octets where it says nothing, and any number if that is 0.
    pub(crate) fn new(vhost: Arc<str>, group: Group, message_octets: u32) -> Self {
        let most = group.bounds.message_octets.unwrap_or(message_octets);
        // As other routers have it, 0 is what the listener says.
        let told = |bound: Option<u32>| bound.filter(|bound| *bound > 0);
        let bounds = Bounds {
            frame_octets: told(group.bounds.frame_octets),
            window_octets: told(group.bounds.window_octets),
            sessions: told(group.bounds.sessions),
            message_octets: told(Some(most)),
            ..group.bounds
        };
        let Group { name, rights, sources, targets, .. } = group;
        Self { vhost, group: name.into(), bounds, rights, sources, targets }
    }
}

/// A link that a peer attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link<'a> {
    /// It sends to an address.
    To(&'a str, Purpose),
    /// It sends to whatever its messages name, or to what is made for it.
    Anonymous,
    /// It receives from an address; an empty one is none.
    From(&'a str, Purpose),
    /// It receives from an address that is made for it.
    Dynamic,
}

/// What a link says that it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing.
    #[default]
    Plain,
    /// A waypoint of its address.
    Waypoint,
    /// A fallback of its address.
    Fallback,
}

impl Purpose {
    /// What the capabilities of a terminus say.
    #[must_use]
    pub fn of<'a>(capabilities: impl IntoIterator<Item = &'a str>) -> Self {
        let purpose = |capability: &str| match capability {
            "qd.fallback" => Some(Self::Fallback),
            // `qd.waypoint.2` names a phase.
            waypoint if waypoint.starts_with("qd.waypoint") => Some(Self::Waypoint),
            _ => None,
        };
        capabilities.into_iter().find_map(purpose).unwrap_or_default()
    }
}

/// A connection that was let in. It counts until this is dropped.
#[derive(Debug)]
pub struct Admission {
    terms: Arc<Terms>,
    user: Box<str>,
    _seats: Seats,
}

impl Admission {
    pub(crate) fn new(terms: Arc<Terms>, user: &str, seats: Seats) -> Self {
        Self { terms, user: user.into(), _seats: seats }
    }

    /// What it may do.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether it may attach a link, having so many of the same direction.
    ///
    /// # Errors
    /// When not.
    pub fn attach(&self, link: Link<'_>, standing: u32) -> Result<(), Denial> {
        let Terms { bounds, rights, .. } = &*self.terms;
        let (most, what) = match link {
            Link::To(..) | Link::Anonymous => (bounds.senders, "senders"),
            Link::From(..) | Link::Dynamic => (bounds.receivers, "receivers"),
        };
        // 0 is no bound, as other routers have it.
        if most > 0 && standing >= most {
            return Err(Denial::further_link(self.whose(&format!("it has {standing} {what}, which is its limit"))));
        }
        let allowed = match link {
            Link::Anonymous => rights.anonymous_sender,
            Link::Dynamic => rights.dynamic_source,
            Link::To(address, purpose) => self.allows_purpose(purpose) && self.may_send(address),
            Link::From(address, purpose) => self.allows_purpose(purpose) && self.may_receive(address),
        };
        if allowed { Ok(()) } else { Err(Denial::link(self.whose(&refused(link)))) }
    }

    fn allows_purpose(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Plain => true,
            Purpose::Waypoint => self.terms.rights.waypoint_links,
            Purpose::Fallback => self.terms.rights.fallback_links,
        }
    }

    /// Whether it may send to an address.
    #[must_use]
    pub fn may_send(&self, address: &str) -> bool {
        self.terms.targets.allow(&self.user, address)
    }

    /// Whether it may receive from an address.
    #[must_use]
    pub fn may_receive(&self, address: &str) -> bool {
        self.terms.sources.allow(&self.user, address)
    }

    /// Whether it may send a message that names its address itself.
    ///
    /// # Errors
    /// When not.
    pub fn pass(&self, to: &str) -> Result<(), Denial> {
        match self.may_send(to) {
            true => Ok(()),
            false => {
                Err(Denial::message(self.whose(&format!("a message is for {to:?}, which is none of its targets"))))
            }
        }
    }

    /// Whether its messages have to be looked at for the user that they name.
    #[must_use]
    pub fn checks_users(&self) -> bool {
        !self.terms.rights.user_id_proxy
    }

    /// Whether it may send a message that names a user.
    ///
    /// # Errors
    /// When not.
    pub fn speak_for(&self, user_id: &[u8]) -> Result<(), Denial> {
        match self.terms.rights.user_id_proxy || user_id.is_empty() || user_id == self.user.as_bytes() {
            true => Ok(()),
            false => Err(Denial::user_id(self.whose("a message names another user"))),
        }
    }

    fn whose(&self, why: &str) -> String {
        let Terms { vhost, group, .. } = &*self.terms;
        format!("user {:?} of group {group:?} of vhost {vhost:?}: {why}", self.user)
    }
}

/// Why a link is refused.
fn refused(link: Link<'_>) -> String {
    match link {
        Link::Anonymous => "allowAnonymousSender is no".to_owned(),
        Link::Dynamic => "allowDynamicSource is no".to_owned(),
        Link::To(_, Purpose::Waypoint) | Link::From(_, Purpose::Waypoint) => {
            "allowWaypointLinks is no, or the address is none of its own".to_owned()
        }
        Link::To(_, Purpose::Fallback) | Link::From(_, Purpose::Fallback) => {
            "allowFallbackLinks is no, or the address is none of its own".to_owned()
        }
        Link::To(address, Purpose::Plain) => format!("{address:?} is none of its targets"),
        Link::From(address, Purpose::Plain) => format!("{address:?} is none of its sources"),
    }
}
