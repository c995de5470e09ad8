//! Who may do what, where.
//!
//! Guarantees: while no permission is defined, everybody may everything; as soon as one is, what nothing allows is refused. For each
//! action the most specific match that lists it decides alone: a less specific one neither adds to it nor takes from it.
//!
//! Not here: who somebody is, which connections know.

use crate::catalogue::Catalogue;
use crate::definition::Permission;

/// What somebody wants to do at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Attach to send, and send.
    Send,
    /// Attach to receive.
    Receive,
    /// Attach to look at what is there.
    Browse,
    /// Have what is missing made.
    Create,
    /// Change and delete.
    Manage,
}

/// The role that everybody has.
pub const EVERYBODY: &str = "*";
/// What stands before a user's name in the role that it has by it.
pub const USER: &str = "user:";

impl Action {
    fn listed(self, permission: &Permission) -> Option<&[String]> {
        let listed = match self {
            Self::Send => &permission.send,
            Self::Receive => &permission.receive,
            Self::Browse => &permission.browse,
            Self::Create => &permission.create,
            Self::Manage => &permission.manage,
        };
        listed.as_deref()
    }
}

impl Catalogue {
    /// Whether a user, or somebody without a name, may do something at an address.
    #[must_use]
    pub fn may(&self, user: Option<&str>, action: Action, address: &str) -> bool {
        let Some(mut permissions) = self.permissions(address) else { return true };
        let Some(listed) = permissions.find_map(|permission| action.listed(permission)) else { return false };
        listed.iter().any(|role| {
            let by_name = user.is_some_and(|user| role.strip_prefix(USER) == Some(user));
            role == EVERYBODY || by_name || user.is_some_and(|user| self.roles(user).any(|given| given == role))
        })
    }
}
