//! What users of a group may do.

use crate::addresses::Addresses;
use crate::hosts::Hosts;

/// A group of a vhost's users.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name; `$default` is for users of no group, where the vhost takes them.
    pub name: String,
    /// Its users; `*` is all that no other group has.
    pub users: Vec<String>,
    /// Where they may connect from.
    pub hosts: Hosts,
    /// Connections of one user; `None`: as the vhost has.
    pub connections_per_user: Option<u32>,
    /// Connections from one host; `None`: as the vhost has.
    pub connections_per_host: Option<u32>,
    /// How much a connection may ask for.
    pub bounds: Bounds,
    /// What it may ask for.
    pub rights: Rights,
    /// Addresses to receive from.
    pub sources: Addresses,
    /// Addresses to send to.
    pub targets: Addresses,
}

/// How much a connection may ask for. What is `None` the listener says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Octets of a frame.
    pub frame_octets: Option<u32>,
    /// Octets under way to a session.
    pub window_octets: Option<u32>,
    /// Sessions.
    pub sessions: Option<u32>,
    /// Links that send to the router.
    pub senders: u32,
    /// Links that receive from it.
    pub receivers: u32,
    /// Octets of a message; `None`: the vhost says, then the policy; 0: no bound.
    pub message_octets: Option<u32>,
}

impl Default for Bounds {
    fn default() -> Self {
        // As many links as a number of theirs can say: no bound.
        let links = i32::MAX.unsigned_abs();
        Self {
            frame_octets: None,
            window_octets: None,
            sessions: None,
            senders: links,
            receivers: links,
            message_octets: None,
        }
    }
}

/// What a connection may ask for beside links of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Links from addresses that are made for them.
    pub dynamic_source: bool,
    /// Links whose messages each name their address.
    pub anonymous_sender: bool,
    /// Messages with another user's name.
    pub user_id_proxy: bool,
    /// Links of a waypoint.
    pub waypoint_links: bool,
    /// Links of a fallback.
    pub fallback_links: bool,
    /// Link routes to its own container.
    pub dynamic_link_routes: bool,
    /// Closing connections by management.
    pub admin_status_update: bool,
}

impl Default for Rights {
    fn default() -> Self {
        Self {
            dynamic_source: false,
            anonymous_sender: false,
            user_id_proxy: false,
            waypoint_links: true,
            fallback_links: true,
            dynamic_link_routes: true,
            admin_status_update: true,
        }
    }
}
