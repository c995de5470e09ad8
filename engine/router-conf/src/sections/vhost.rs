//! Who may do what: host names, and groups of their users.

use crate::origin::Origin;
use crate::typed::{Part, Taking, part};
use crate::value::Value;

/// What connections to a host name may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vhost {
    /// Where it stands; its name is `vhost/HOSTNAME` if it has no other.
    pub origin: Origin,
    /// The host name, and how much all of its connections may ask for.
    pub bounds: VhostBounds,
    /// Groups of its users, in the order of the file. `$default` is for those of no group, `$connector` for connectors.
    pub groups: Vec<Group>,
}

impl Vhost {
    /// The group of a name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.origin.name == name)
    }
}

impl Part for Vhost {
    /// Without its groups, which are sections within it.
    fn take(from: &mut Taking<'_>) -> Option<Self> {
        Some(Self { origin: from.origin.clone(), bounds: VhostBounds::take(from)?, groups: Vec::new() })
    }

    fn put(&self, out: &mut Vec<(&'static str, Option<Value>)>) {
        self.bounds.put(out);
    }
}

part! {
    /// A host name, and how much all of its connections may ask for.
    VhostBounds {
        /// The host name of Open, or a pattern of them.
        hostname: String = "hostname",
        /// Further ones.
        aliases: Option<Vec<String>> = "aliases",
        /// Connections at once.
        max_connections: u32 = "maxConnections",
        /// Octets of a message; `None`: as the policy has; 0: no bound.
        max_message_size: Option<u32> = "maxMessageSize",
        /// Connections of one user.
        max_connections_per_user: u32 = "maxConnectionsPerUser",
        /// Connections from one host.
        max_connections_per_host: u32 = "maxConnectionsPerHost",
        /// Whether users of no group are those of `$default`.
        allows_unknown_user: bool = "allowUnknownUser",
    }
}

part! {
    /// What users of a group may do.
    Group {
        /// Where it stands, and its name.
        origin: Origin = origin,
        /// Names of users; `*` is all. `None`: nobody by name.
        users: Option<Vec<String>> = "users",
        /// Addresses, ranges with a hyphen, and names of hosts; `*` is all. `None`: none.
        remote_hosts: Option<Vec<String>> = "remoteHosts",
        /// Connections of one user; `None`: as the vhost has.
        max_connections_per_user: Option<u32> = "maxConnectionsPerUser",
        /// Connections from one host; `None`: as the vhost has.
        max_connections_per_host: Option<u32> = "maxConnectionsPerHost",
        /// Octets of a message; `None`: as the vhost has; 0: no bound.
        max_message_size: Option<u32> = "maxMessageSize",
        /// Octets of a frame; `None`: as the listener has.
        max_frame_size: Option<u32> = "maxFrameSize",
        /// Incoming window of a session, octets; `None`: as the listener has.
        max_session_window: Option<u32> = "maxSessionWindow",
        /// Sessions of a connection; `None`: as the listener has.
        max_sessions: Option<u32> = "maxSessions",
        /// Links of a connection that send to the router.
        max_senders: u32 = "maxSenders",
        /// Links of a connection that receive from it.
        max_receivers: u32 = "maxReceivers",
        /// What its users may ask for.
        rights: Rights = part,
    }
}

part! {
    /// What users of a group may ask for.
    Rights {
        /// Reply addresses.
        dynamic_source: bool = "allowDynamicSource",
        /// Links without an address.
        anonymous_sender: bool = "allowAnonymousSender",
        /// Messages with another user's name.
        user_id_proxy: bool = "allowUserIdProxy",
        /// Links of a waypoint.
        waypoint_links: bool = "allowWaypointLinks",
        /// Links of a fallback.
        fallback_links: bool = "allowFallbackLinks",
        /// Link routes to their own connection.
        dynamic_link_routes: bool = "allowDynamicLinkRoutes",
        /// Closing connections by management.
        admin_status_update: bool = "allowAdminStatusUpdate",
        /// Addresses to receive from; `*` at the end is any rest, `${user}` the user. `None`: see `source_pattern`.
        sources: Option<Vec<String>> = "sources",
        /// Patterns of addresses to receive from. Without both there is none.
        source_pattern: Option<Vec<String>> = "sourcePattern",
        /// Addresses to send to; as `sources`.
        targets: Option<Vec<String>> = "targets",
        /// Patterns of addresses to send to; as `source_pattern`.
        target_pattern: Option<Vec<String>> = "targetPattern",
    }
}
