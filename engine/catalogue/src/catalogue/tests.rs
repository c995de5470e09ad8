use super::*;
use crate::permission::Action;

fn define(key: &str, attributes: Attributes) -> Change {
    Change::Define { origin: Origin::Management, definition: Definition::new(key, attributes) }
}

fn layer(max_messages: u64) -> Layer {
    Layer { max_messages: Some(max_messages), ..Layer::default() }
}

fn made(changes: &[Change]) -> Catalogue {
    Catalogue::new(Placement::new(4)).apply(changes).expect("changes that mean something")
}

#[test]
fn settings_are_inherited_one_by_one() {
    let catalogue = made(&[
        define("#", Attributes::Match(Layer { soft_messages: Some(1), ..layer(1) })),
        define("orders.#", Attributes::Match(Layer { routing: Some(RoutingType::Multicast), ..layer(2) })),
        define("orders.*", Attributes::Match(Layer { max_mib: Some(3), ..Layer::default() })),
        define("orders.eu", Attributes::Address(Layer { producer_window: Some(4), ..Layer::default() })),
    ]);
    let defaults = AddressSettings { max_messages: 1, soft_messages: 1, ..AddressSettings::default() };
    assert_eq!(*catalogue.settings("others"), defaults);
    let orders = AddressSettings { max_messages: 2, routing: RoutingType::Multicast, ..defaults };
    assert_eq!(*catalogue.settings("orders"), orders);
    let one = AddressSettings { max_mib: 3, ..orders };
    assert_eq!(*catalogue.settings("orders.us"), one);
    let eu = AddressSettings { producer_window: 4, ..one };
    assert_eq!(*catalogue.settings("orders.eu"), eu);
    assert_eq!(*catalogue.settings("orders.eu::a.queue"), eu, "a queue has the settings of its address");
    assert_eq!(catalogue.sources("orders.eu"), {
        let mut sources = vec![None; Layer::SETTINGS.len()];
        let mut set = |name: &str, kind, key: &str| {
            sources[crate::settings::setting_named(name).unwrap().0] = Some((kind, key.to_owned()));
        };
        set("soft_messages", Kind::Match, "#");
        set("max_messages", Kind::Match, "orders.#");
        set("routing", Kind::Match, "orders.#");
        set("max_mib", Kind::Match, "orders.*");
        set("producer_window", Kind::Address, "orders.eu");
        sources
    });
}

#[test]
fn addresses_of_the_same_settings_share_them() {
    let catalogue = made(&[define("a.#", Attributes::Match(layer(1)))]);
    assert!(Arc::ptr_eq(&catalogue.settings("a.b"), &catalogue.settings("a.c")));
    assert!(Arc::ptr_eq(&catalogue.settings("b"), &catalogue.settings("c")));
    let next = catalogue.apply(&[define("d", Attributes::Address(layer(2)))]).unwrap();
    assert!(
        Arc::ptr_eq(&catalogue.settings("a.b"), &next.settings("a.b")),
        "a change elsewhere leaves them as they are"
    );
}

#[test]
fn all_changes_are_made_or_none() {
    let catalogue = made(&[define("a", Attributes::Address(layer(1)))]);
    let missing = Change::Remove { origin: Origin::Management, kind: Kind::Queue, key: "a::b".to_owned() };
    let error = catalogue.apply(&[define("b", Attributes::Address(layer(1))), missing]).unwrap_err();
    assert_eq!(error, ChangeError::Missing { kind: Kind::Queue, key: "a::b".to_owned() });
    assert!(catalogue.version() == 1 && catalogue.is_declared("a") && !catalogue.is_declared("b"));
    let removed = Change::Remove { origin: Origin::Management, kind: Kind::Address, key: "a".to_owned() };
    let next = catalogue.apply(&[removed]).unwrap();
    assert!(next.version() == 2 && !next.is_declared("a") && catalogue.is_declared("a"), "versions do not change");
}

#[test]
fn what_the_configuration_says_is_changed_there() {
    let wanted =
        [Definition::new("a", Attributes::Address(layer(1))), Definition::new("b", Attributes::Address(layer(1)))];
    let catalogue = made(&[define("b", Attributes::Address(layer(9))), define("c", Attributes::Address(layer(9)))]);
    let changes = catalogue.reconcile(&wanted);
    let catalogue = catalogue.apply(&changes).unwrap();
    assert_eq!((changes.len(), catalogue.settings("b").max_messages), (2, 1), "the configuration wins");
    assert!(catalogue.reconcile(&wanted).is_empty());
    let error = catalogue.apply(&[define("a", Attributes::Address(layer(2)))]).unwrap_err();
    assert!(matches!(error, ChangeError::Configured { kind: Kind::Address, .. }), "{error}");
    let changed = [Definition::new("a", Attributes::Address(layer(2)))];
    let catalogue = catalogue.apply(&catalogue.reconcile(&changed)).unwrap();
    assert_eq!(catalogue.settings("a").max_messages, 2);
    assert!(!catalogue.is_declared("b") && catalogue.is_declared("c"), "what management said stays");
}

#[test]
fn queues_are_found_by_their_address() {
    let queue = |routing| Attributes::Queue(Queue { routing });
    let catalogue = made(&[
        define("a::one", queue(None)),
        define("a::two", queue(Some(RoutingType::Multicast))),
        define("a.b::three", queue(None)),
        define("aa::four", queue(None)),
    ]);
    let queues: Vec<_> = catalogue.queues_of("a").collect();
    assert_eq!(queues, [("one", None), ("two", Some(RoutingType::Multicast))]);
    assert!(catalogue.is_declared("a.b") && !catalogue.is_declared("b"));
    let behind = catalogue.queues_after(Some("a::one")).map(|(key, _)| key);
    assert!(behind.eq(["a::two", "aa::four"]));
    assert!(catalogue.queues_after(None).count() == 4 && catalogue.addresses_after(None).count() == 0);
}

#[test]
fn an_address_is_where_it_was_placed_last() {
    let placed = |shard, epoch| define("q", Attributes::Placed(Placed { shard, epoch }));
    let catalogue = Catalogue::new(Placement::new(2));
    let Resolved::Stored { owner: by_hash } = catalogue.resolve("q");
    assert_eq!((by_hash.shard, by_hash.epoch, by_hash.node), (Placement::new(2).owner("q"), 0, NodeNumber::HERE));
    let other = 1 - by_hash.shard;
    let catalogue = catalogue.apply(&[placed(other, 1)]).unwrap();
    let Resolved::Stored { owner } = catalogue.resolve("q::any");
    assert_eq!((owner.shard, owner.epoch), (other, 1));
    assert!(catalogue.apply(&[placed(by_hash.shard, 1)]).is_err(), "an epoch is used once");
    assert!(catalogue.apply(&[placed(2, 2)]).is_err(), "there are two shards");
    assert!(catalogue.apply(&[placed(by_hash.shard, 2)]).is_ok());
}

#[test]
fn the_configuration_says_a_shard_and_the_epoch_is_the_version_that_placed_it() {
    let says = |shard| [Definition::new("q", Attributes::Placed(Placed { shard, epoch: 0 }))];
    let owner = |catalogue: &Catalogue| {
        let Resolved::Stored { owner } = catalogue.resolve("q");
        (owner.shard, owner.epoch)
    };
    let mut catalogue = Catalogue::new(Placement::new(3));
    let by_hash = owner(&catalogue);
    for (wanted, placed) in [
        (&says(2)[..], Some((2, 1))),
        (&says(2), None),
        (&says(0), Some((0, 2))),
        (&[], Some(by_hash)),
        (&says(1), Some((1, 4))),
    ] {
        let changes = catalogue.reconcile(wanted);
        assert_eq!(changes.is_empty(), placed.is_none(), "said again it is no change");
        if let Some(placed) = placed {
            catalogue = catalogue.apply(&changes).unwrap();
            assert_eq!(owner(&catalogue), placed);
        }
    }
    let beyond = catalogue.reconcile(&says(3));
    assert!(catalogue.apply(&beyond).unwrap_err().to_string().contains("there is no shard 3: the node has 3"));
}

#[test]
fn an_address_on_a_shard_that_is_gone_is_where_its_hash_says() {
    let mut catalogue = Catalogue::new(Placement::new(2));
    let change = define("q", Attributes::Placed(Placed { shard: 7, epoch: 5 }));
    // As a log has it that more shards wrote.
    catalogue.replay(9, &[change]).unwrap();
    let Resolved::Stored { owner } = catalogue.resolve("q");
    assert_eq!((owner.shard, owner.epoch), (Placement::new(2).owner("q"), 0));
}

#[test]
fn a_name_is_found_for_every_shard() {
    let catalogue = Catalogue::new(Placement::new(16));
    for shard in 0..16 {
        let name = catalogue.name_owned_by(shard, |attempt| format!("temporary-{attempt}")).expect("a name");
        let Resolved::Stored { owner } = catalogue.resolve(&name);
        assert_eq!(owner.shard, shard);
    }
}

#[test]
fn the_most_specific_match_that_lists_an_action_decides() {
    let catalogue = Catalogue::new(Placement::new(1));
    assert!(catalogue.may(None, Action::Send, "a"), "while nothing is said everybody may everything");
    let roles = |roles: &[&str]| Some(roles.iter().map(|&role| role.to_owned()).collect());
    let member =
        |user, given: &[&str]| define(user, Attributes::Member(Member { roles: roles(given).unwrap_or_default() }));
    let catalogue = made(&[
        define(
            "#",
            Attributes::Permission(Permission {
                send: roles(&["clerks"]),
                receive: roles(&["*"]),
                ..Permission::default()
            }),
        ),
        define(
            "vault.#",
            Attributes::Permission(Permission { send: roles(&["user:eve", "boss"]), ..Permission::default() }),
        ),
        define("vault.deep", Attributes::Permission(Permission { receive: roles(&[]), ..Permission::default() })),
        member("anna", &["clerks", "boss"]),
        member("bert", &["clerks"]),
        member("user:eve", &[]),
    ]);
    for (user, action, address, wanted) in [
        (Some("anna"), Action::Send, "a", true),
        (Some("eve"), Action::Send, "a", false),
        (None, Action::Send, "a", false),
        (None, Action::Receive, "a", true),
        (Some("anna"), Action::Send, "vault.x", true),
        (Some("bert"), Action::Send, "vault.x", false),
        (Some("eve"), Action::Send, "vault.x::queue", true),
        (Some("user:eve"), Action::Send, "vault.x", false),
        (Some("bert"), Action::Receive, "vault.x", true),
        (Some("anna"), Action::Receive, "vault.deep", false),
        (Some("anna"), Action::Send, "vault.deep", true),
        (Some("anna"), Action::Manage, "a", false),
    ] {
        assert_eq!(catalogue.may(user, action, address), wanted, "{user:?} {action:?} {address}");
    }
}

#[test]
fn tables_are_bounded() {
    let matches: Vec<_> =
        (0..=MATCHES_MAX).map(|index| define(&format!("a{index}.#"), Attributes::Match(layer(1)))).collect();
    let catalogue = made(&matches[1..]);
    let error = catalogue.apply(&matches[..1]).unwrap_err();
    assert_eq!(error, ChangeError::Full { kind: Kind::Match, most: MATCHES_MAX });
    assert!(catalogue.apply(&matches[1..2]).is_ok(), "what is there may be defined anew");
}
