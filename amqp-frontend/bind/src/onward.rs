//! What an attach says of a link that goes on to a container: which half it makes here, which address it is for, what it is called there.

use amqp_codec::performative::{self, Attach, ExpiryPolicy, Performative, Role, Target, Terminus};
use engine_core::through::{Half, Rewrite};

/// The address by which link routes name coordinators of transactions.
const COORDINATOR: &str = "$coordinator";

/// Which half of a link its peer's attach makes.
pub(crate) fn half_of(attach: &Attach) -> Half {
    if attach.role == Role::Sender { Half::Sender } else { Half::Receiver }
}

/// The address that a link is for, as whoever attaches it says; nothing if it names none.
pub(crate) fn named(attach: &Attach) -> Option<String> {
    if let (Role::Sender, Some(Target::Coordinator(_))) = (attach.role, &attach.target) {
        return Some(COORDINATOR.to_owned());
    }
    if attach.role == Role::Receiver && attach.source.is_none() {
        // A subscription is found by the link's name (part 2.6.3).
        return Some(String::new());
    }
    let mut attach = attach.clone();
    let role = attach.role;
    node(&mut attach, role).filter(|node| !node.dynamic).and_then(|node| node.address.take())
}

/// The terminus that a link is for which one of this role attached.
fn node(attach: &mut Attach, asked_by: Role) -> Option<&mut Terminus> {
    match (asked_by, &mut attach.source, &mut attach.target) {
        (Role::Sender, _, Some(Target::Node(target))) => Some(target),
        (Role::Receiver, Some(source), _) => Some(&mut source.terminus),
        _ => None,
    }
}

/// Has an attach name what its container calls it; gives both names, if they are unlike.
pub(crate) fn rename(attach: &mut Attach, rewrite: &Rewrite) -> Option<(String, String)> {
    let role = attach.role;
    let address = node(attach, role)?.address.as_mut()?;
    let renamed = rewrite.apply(address);
    (*address != renamed).then(|| (std::mem::replace(address, renamed.clone()), renamed))
}

/// Has an answer name what its link was asked for by.
pub(crate) fn rename_back(answer: &mut Attach, (original, renamed): &(String, String)) {
    let asked_by = answer.role.other();
    let address = node(answer, asked_by).and_then(|node| node.address.as_mut());
    address.into_iter().filter(|address| *address == renamed).for_each(|address| address.clone_from(original));
}

/// Whether the terminus at the end of whoever attaches outlives the link.
pub(crate) fn outlives(attach: &Attach) -> bool {
    let outlives = |terminus: &Terminus| terminus.timeout_s > 0 || terminus.expiry_policy == ExpiryPolicy::Never;
    attach.source.as_ref().is_some_and(|source| outlives(&source.terminus))
        || matches!(&attach.target, Some(Target::Node(target)) if outlives(target))
}

/// What a link is called at the container that it goes to. That takes all links of the router for one container's: what it would keep for a
/// container by the link's name has the name of its own container in it, whoever else is there at the time.
pub(crate) fn lasting_name(name: &str, attach: &Attach, container: &str) -> String {
    let at_source = attach.source.iter().flat_map(|source| &source.terminus.capabilities);
    let has = |name: &str| at_source.clone().chain(&attach.desired_capabilities).any(|capability| *capability == name);
    let is_kept = attach.role == Role::Receiver && (attach.source.is_none() || outlives(attach) || has("shared"));
    if !is_kept || has("global") {
        return name.to_owned();
    }
    // Consumers of a shared subscription have a bar and a suffix each behind its name.
    match name.split_once('|').filter(|_| has("shared")) {
        Some((name, suffix)) => format!("{name}@{container}|{suffix}"),
        None => format!("{name}@{container}"),
    }
}

/// The attach that was encoded so.
pub(crate) fn attach_of(encoded: &[u8]) -> Option<Box<Attach>> {
    match performative::decode(encoded) {
        Ok((Performative::Attach(attach), _)) => Some(attach),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amqp_codec::performative::{Coordinator, Source};
    use engine_message::Symbol;

    use super::*;

    fn receiver(name: &str, terminus: Terminus) -> Attach {
        Attach { source: Some(Source::from(terminus)), ..Attach::new(name, 0, Role::Receiver) }
    }

    fn sender(target: Target) -> Attach {
        Attach { target: Some(target), ..Attach::new("l", 0, Role::Sender) }
    }

    #[test]
    fn a_link_is_for_the_address_at_its_other_end() {
        let at = |attach: &Attach| named(attach);
        assert_eq!(at(&receiver("l", Terminus::at("a"))), Some("a".to_owned()));
        assert_eq!(at(&receiver("l", Terminus::dynamic())), None, "it is made here");
        assert_eq!(at(&Attach::new("l", 0, Role::Receiver)), Some(String::new()), "it is found by its name");
        assert_eq!(at(&sender(Target::Node(Terminus::at("b")))), Some("b".to_owned()));
        assert_eq!(at(&sender(Target::Node(Terminus::default()))), None, "each message says it");
        assert_eq!(at(&sender(Target::Coordinator(Coordinator::default()))), Some("$coordinator".to_owned()));
        assert_eq!(at(&Attach::new("l", 0, Role::Sender)), None);
    }

    #[test]
    fn what_is_kept_by_a_name_has_the_container_in_it() {
        let durable = || Terminus { expiry_policy: ExpiryPolicy::Never, ..Terminus::at("a") };
        let shared = |names: &[&'static str], terminus: Terminus| {
            let capabilities = names.iter().copied().map(Symbol::from).collect();
            Terminus { capabilities, ..terminus }
        };
        for (name, terminus, wanted) in [
            ("sub", Terminus::at("a"), "sub"),
            ("sub", durable(), "sub@c"),
            ("sub", Terminus { timeout_s: 1, ..Terminus::at("a") }, "sub@c"),
            ("sub|1", durable(), "sub|1@c"),
            ("sub|1", shared(&["shared"], durable()), "sub@c|1"),
            ("sub", shared(&["shared"], Terminus::at("a")), "sub@c"),
            ("sub|g1", shared(&["shared", "global"], durable()), "sub|g1"),
        ] {
            let attach = receiver(name, terminus);
            assert_eq!(lasting_name(name, &attach, "c"), wanted, "{attach:?}");
        }
        assert_eq!(lasting_name("sub", &Attach::new("sub", 0, Role::Receiver), "c"), "sub@c");
        assert_eq!(lasting_name("l", &sender(Target::Node(durable())), "c"), "l", "a sender keeps nothing there");
    }

    #[test]
    fn an_address_is_renamed_on_its_way_and_back_in_the_answer() {
        let rewrite = Rewrite { remove: Some(Arc::from("far.")), add: None };
        for (mut attach, role) in [
            (receiver("l", Terminus::at("far.a")), Role::Sender),
            (sender(Target::Node(Terminus::at("far.a"))), Role::Receiver),
        ] {
            let both = rename(&mut attach, &rewrite).expect("it is another one");
            assert_eq!(named(&attach), Some("a".to_owned()));
            let mut answer = Attach { role, ..attach.clone() };
            rename_back(&mut answer, &both);
            assert_eq!(named(&Attach { role: role.other(), ..answer }), Some("far.a".to_owned()));
            assert_eq!(rename(&mut attach, &rewrite), None, "it is called so there");
        }
    }

    #[test]
    fn an_attach_is_read_as_it_was_written() {
        let attach = receiver("l", Terminus::at("a"));
        let mut encoded = Vec::new();
        attach.encode(&mut encoded);
        assert_eq!(attach_of(&encoded).map(|attach| attach.name), Some("l".to_owned()));
        assert!(attach_of(&encoded[..5]).is_none() && attach_of(b"").is_none());
    }
}
