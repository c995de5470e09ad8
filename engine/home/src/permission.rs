//! Who may do what with an address: the one question that every attach and every message of a relay passes.
//!
//! Guarantees: it is asked of an address that is known. A link that is found by the name of its subscription is asked about when its owner
//! has said which address that is of, and before its peer hears of it.
//!
//! What a router's policy says of links is asked where it is known what they are (`amqp-bind`); of a message that names its address, here.
//!
//! It does not know users' permissions for messages yet: every authenticated user may send and receive everywhere. The answer is the
//! catalogue's business, and this is the place that asks for it. Who may manage an address it says already (`may_manage`).

use engine_catalogue::Catalogue;
use engine_core::event::Refusal;
use engine_message::Condition;
use engine_policy::Denial;

use crate::client::Client;

/// What somebody wants to do with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put messages into it.
    Send,
    /// Take messages out of it.
    Consume,
    /// Look at its messages.
    Browse,
}

/// Whether `user` may do `action` with `address`.
///
/// # Errors
/// When not, with what the peer is told.
pub(crate) fn may(user: &str, action: Action, address: &str) -> Result<(), Box<Refusal>> {
    let _ = (user, action, address);
    #[cfg(test)]
    FORBIDDEN.with(|forbidden| match forbidden.get() == Some((action, address)) {
        true => Err(Refusal::new(Condition::UnauthorizedAccess, "a test forbids it")),
        false => Ok(()),
    })?;
    Ok(())
}

/// Whether the policy that let a connection in lets it send a message that names its address.
///
/// # Errors
/// When not, with what the peer is told.
pub(crate) fn may_pass(client: &Client, address: &str) -> Result<(), Box<Refusal>> {
    let Some(admission) = client.admission() else { return Ok(()) };
    admission.pass(address).map_err(|Denial { condition, text, .. }| Refusal::new(condition, text))
}

/// Whether `user` may change and delete messages and queues of an address.
///
/// # Errors
/// When not, with what the peer is told.
pub(crate) fn may_manage(catalogue: &Catalogue, user: &str, address: &str) -> Result<(), Box<Refusal>> {
    if catalogue.may(Some(user).filter(|user| !user.is_empty()), engine_catalogue::Action::Manage, address) {
        return Ok(());
    }
    let text = format!("the user {user:?} may not manage the address {address}: no permission says so");
    Err(Refusal::new(Condition::UnauthorizedAccess, text))
}

#[cfg(test)]
thread_local! {
    /// What nobody may do while a test runs.
    pub(crate) static FORBIDDEN: std::cell::Cell<Option<(Action, &'static str)>> = const { std::cell::Cell::new(None) };
}

#[cfg(test)]
mod tests {
    use engine_catalogue::{Attributes, Change, Definition, Origin, Permission, Placement};

    use super::*;

    #[test]
    fn who_may_manage_is_said_by_address() {
        let nobody_said = Catalogue::new(Placement::new(1));
        assert!(may_manage(&nobody_said, "", "orders").is_ok(), "while nothing is said everybody may");
        let manage = Some(vec!["user:admin".to_owned()]);
        let attributes = Attributes::Permission(Permission { manage, ..Permission::default() });
        let (origin, definition) = (Origin::Management, Definition::new("orders.#", attributes));
        let said = nobody_said.apply(&[Change::Define { origin, definition }]).expect("it can be said");
        assert!(may_manage(&said, "admin", "orders.1").is_ok());
        for (user, address) in [("guest", "orders.1"), ("", "orders.1"), ("anonymous", "orders.1"), ("admin", "other")]
        {
            let refusal = may_manage(&said, user, address).expect_err("nothing allows it");
            assert_eq!(refusal.condition, Condition::UnauthorizedAccess, "{user} {address}");
        }
    }
}
