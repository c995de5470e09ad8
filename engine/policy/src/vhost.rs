//! A virtual host: names that connections open with, and groups of its users.

use std::collections::HashMap;
use std::sync::Arc;

use crate::admission::Terms;
use crate::group::Group;
use crate::hosts::Hosts;

/// A virtual host.
#[derive(Clone, Debug)]
pub struct Vhost {
    /// The hostname of opens, or a pattern of them.
    pub name: String,
    /// Further ones.
    pub aliases: Vec<String>,
    /// Connections at once.
    pub connections: u32,
    /// Connections of one user.
    pub connections_per_user: u32,
    /// Connections from one host.
    pub connections_per_host: u32,
    /// Octets of a message; `None`: the policy says; 0: no bound.
    pub message_octets: Option<u32>,
    /// What becomes of users of no group.
    pub unknown: Unknown,
    /// Groups, no user of which is in another one.
    pub groups: Vec<Group>,
}

/// What becomes of users of no group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// They are not let in.
    #[default]
    Denied,
    /// They are of the group `$default`.
    Default,
}

/// What names of vhosts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// Hostnames.
    #[default]
    Exact,
    /// Patterns of them, divided by dots.
    Patterns,
}

/// The group of users without one.
pub(crate) const DEFAULT_GROUP: &str = "$default";
/// All users that no other group has.
const ALL_USERS: &str = "*";

/// A group, as connections ask for it.
#[derive(Debug)]
pub(crate) struct Membership {
    pub hosts: Hosts,
    pub connections_per_user: u32,
    pub connections_per_host: u32,
    pub terms: Arc<Terms>,
}

/// A vhost, as connections ask for it.
#[derive(Debug)]
pub(crate) struct House {
    pub name: Arc<str>,
    pub connections: u32,
    groups: Vec<Membership>,
    /// Places of groups by user.
    users: HashMap<Box<str>, usize>,
    /// The place of the group that unknown users are in.
    unknown: Option<usize>,
}

impl House {
    /// A vhost whose messages have so many octets where it says nothing.
    pub fn new(vhost: Vhost, message_octets: u32) -> Self {
        let name: Arc<str> = vhost.name.into();
        let most = vhost.message_octets.unwrap_or(message_octets);
        let (mut users, mut default) = (HashMap::new(), None);
        let mut groups = Vec::with_capacity(vhost.groups.len());
        for (place, group) in vhost.groups.into_iter().enumerate() {
            if group.name == DEFAULT_GROUP && vhost.unknown == Unknown::Default {
                default = Some(place);
            }
            users.extend(group.users.iter().map(|user| (user.as_str().into(), place)));
            groups.push(Membership {
                hosts: group.hosts.clone(),
                connections_per_user: group.connections_per_user.unwrap_or(vhost.connections_per_user),
                connections_per_host: group.connections_per_host.unwrap_or(vhost.connections_per_host),
                terms: Arc::new(Terms::new(Arc::clone(&name), group, most)),
            });
        }
        Self { name, connections: vhost.connections, groups, users, unknown: default }
    }

    /// The group of a user, if there is one for it.
    pub fn group(&self, user: &str) -> Option<&Membership> {
        // A star is nobody's name.
        let own = self.users.get(user).filter(|_| user != ALL_USERS);
        let place = own.or_else(|| self.users.get(ALL_USERS)).copied().or(self.unknown)?;
        self.groups.get(place)
    }
}
