//! Where a node's connections are let in, one after the other: the policy, and how many there are.

use std::sync::Arc;

use crate::admission::{Admission, Peer};
use crate::counts::{Counts, Full, Most};
use crate::denial::Denial;
use crate::policy::Policy;
use crate::vhost::{House, Membership};

/// A policy, and the connections that it let in.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    counts: Counts,
    /// By place of the vhost.
    told: Vec<Told>,
    /// Connections that are of no vhost.
    strangers: u64,
}

/// What a vhost's connections were told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    admitted: u64,
    denied: u64,
}

/// Figures of a vhost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Its hostname.
    pub vhost: Arc<str>,
    /// Connections that were let in.
    pub admitted: u64,
    /// Connections that were not.
    pub denied: u64,
    /// Connections now.
    pub connections: u64,
}

impl Gate {
    /// A gate that nobody came to.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let told = vec![Told::default(); policy.houses().count()];
        Self { policy, counts: Counts::default(), told, strangers: 0 }
    }

    /// Lets a connection in.
    ///
    /// # Errors
    /// When the policy has no place for it.
    pub fn admit(&mut self, peer: &Peer) -> Result<Admission, Denial> {
        let Some((place, house)) = self.policy.house(&peer.hostname) else {
            self.strangers += 1;
            let text = format!("no vhost is for the hostname {:?}, and there is no default one", peer.hostname);
            return Err(Denial::connection(whose(peer, &text)));
        };
        let admitted = join(house, peer).and_then(|group| {
            let most =
                Most { vhost: house.connections, user: group.connections_per_user, host: group.connections_per_host };
            let seats = self.counts.seat(place, &peer.user, peer.host, most).map_err(|full| {
                let why = match full {
                    Full::Vhost => format!("there are {} connections, which is its limit", most.vhost),
                    Full::User => format!("the user has {} connections, which is its limit", most.user),
                    Full::Host => format!("the host has {} connections, which is its limit", most.host),
                };
                Denial::connection(whose(peer, &format!("vhost {:?}: {why}", house.name)))
            })?;
            Ok(Admission::new(Arc::clone(&group.terms), &peer.user, seats))
        });
        if let Some(told) = self.told.get_mut(place) {
            let counted = if admitted.is_ok() { &mut told.admitted } else { &mut told.denied };
            *counted += 1;
        }
        admitted
    }

    /// What each vhost's connections were told, in the order of the rules.
    pub fn figures(&self) -> impl Iterator<Item = Figures> {
        self.policy.houses().zip(&self.told).enumerate().map(|(place, (house, told))| Figures {
            vhost: Arc::clone(&house.name),
            admitted: told.admitted,
            denied: told.denied,
            connections: self.counts.of_vhost(place),
        })
    }

    /// Connections that were of no vhost.
    #[must_use]
    pub fn strangers(&self) -> u64 {
        self.strangers
    }
}

/// The group of a connection, if it may come from where it does.
fn join<'a>(house: &'a House, peer: &Peer) -> Result<&'a Membership, Denial> {
    let deny = |why: &str| Denial::connection(whose(peer, &format!("vhost {:?}: {why}", house.name)));
    let group = house.group(&peer.user).ok_or_else(|| deny("the user is in no group, and unknown users are denied"))?;
    match group.hosts.allow(peer.host) {
        true => Ok(group),
        false => Err(deny(&format!("the host is none of remoteHosts of group {:?}", group.terms.group))),
    }
}

fn whose(peer: &Peer, why: &str) -> String {
    format!("user {:?} from {}: {why}", peer.user, peer.host)
}
