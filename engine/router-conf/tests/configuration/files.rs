//! Files as users have them: what each attribute became.

use engine_router_conf::Secrets;
use engine_router_conf::sections::{Output, Secret, UidPart};
use engine_router_conf::words::{AddressFamily, Direction, Distribution, Level, Mode, Module, Role, StripAnnotations};

use super::{configuration_both_ways, read};

#[test]
fn a_router_alone() {
    let read = configuration_both_ways("standalone.conf", include_str!("../../testdata/standalone.conf"));
    assert_eq!(
        (read.router.mode, read.router.id.as_deref(), read.router.worker_threads),
        (Mode::Standalone, Some("Router.Alone"), 2)
    );
    let [clients, http] = read.listeners.as_slice() else { panic!("two listeners") };
    assert_eq!(
        (clients.origin.name.as_str(), clients.origin.place.to_string().as_str()),
        ("clients", "standalone.conf:9")
    );
    assert_eq!(clients.identity(), "listener/0.0.0.0:amqp:clients");
    assert_eq!(clients.protection.sasl_mechanisms.as_deref(), Some(["ANONYMOUS".to_owned()].as_slice()));
    assert_eq!((clients.bounds.link_capacity, clients.bounds.idle_timeout_seconds), (250, 16));
    assert_eq!(
        (http.origin.name.as_str(), http.identity().as_str()),
        ("listener/localhost:8672", "listener/localhost:8672")
    );
    assert!(http.http.is_served() && !http.http.metrics && http.http.websockets);
    let names: Vec<&str> = read.addresses.iter().map(|address| address.origin.name.as_str()).collect();
    assert_eq!(names, ["address/0", "address/1", "address/2"]);
    assert_eq!(read.addresses[2].matched.pattern.as_deref(), Some("orders.*.eu/#"));
    assert_eq!((read.addresses[2].priority, read.addresses[0].priority), (Some(7), None));
    let protocol = read.log_of(Module::Protocol);
    assert!(protocol.levels.has(Level::Trace) && protocol.include_timestamp && !protocol.include_source);
    assert_eq!(protocol.output, Output::File("/var/log/frames.log".into()));
    let other = read.log_of(Module::Server);
    assert!(other.levels.has(Level::Info) && !other.levels.has(Level::Debug));
    assert_eq!(other.output, Output::Stderr);
}

#[test]
fn an_interior_router() {
    let read = configuration_both_ways("interior.conf", include_str!("../../testdata/interior.conf"));
    assert_eq!((read.router.intervals.hello_max_age, read.router.intervals.ra), (4, 30));
    assert_eq!(read.router.metadata.as_deref(), Some("rack 4, \"first row\""));
    let roles: Vec<Role> = read.listeners.iter().map(|listener| listener.endpoint.role).collect();
    assert_eq!(roles, [Role::InterRouter, Role::Edge, Role::Normal]);
    let secured = &read.listeners[0];
    assert!(secured.protection.requires_ssl && secured.protection.authenticates_peer);
    assert_eq!((secured.ssl_profile.as_deref(), secured.bounds.max_frame_size), (Some("between-routers"), 65_536));
    assert_eq!((read.connectors[0].endpoint.cost, read.connectors[0].is_hostname_verified), (5, true));
    let open = &read.listeners[2];
    assert_eq!((open.host.as_str(), open.family, open.bounds.link_capacity), ("::", Some(AddressFamily::V6), 1000));
    assert_eq!(open.passage.strip_annotations, StripAnnotations::Out);
    let profile = &read.ssl_profiles[0];
    assert_eq!(
        profile.password.as_ref().map(|password| &password.0),
        Some(&Secret::File("/etc/pki/router-a.pass".into()))
    );
    let parts = [UidPart::Organization, UidPart::OrganizationalUnit, UidPart::CommonName];
    assert_eq!(profile.uid_format.as_ref().map(|uid| uid.0.as_slice()), Some(parts.as_slice()));
}

#[test]
fn an_edge_router_of_one_line_sections() {
    let read = configuration_both_ways("edge.conf", include_str!("../../testdata/edge.conf"));
    assert_eq!((read.router.mode, read.router.default_distribution), (Mode::Edge, Distribution::Unavailable));
    let connectors: Vec<(&str, Role)> =
        read.connectors.iter().map(|connector| (connector.host.as_str(), connector.endpoint.role)).collect();
    assert_eq!(connectors, [("a.example.org", Role::Edge), ("b.example.org", Role::Edge)]);
    assert_eq!((read.addresses[0].matched.prefix.as_deref(), read.addresses[0].priority), (Some("telemetry"), Some(2)));
}

#[test]
fn queues_of_a_broker_behind_the_router() {
    let read = configuration_both_ways("waypoint.conf", include_str!("../../testdata/waypoint.conf"));
    assert_eq!((read.listeners[0].host.as_str(), read.connectors[0].host.as_str()), ("0.0.0.0", "broker.example.org"));
    assert_eq!(read.connectors[0].sasl_password, Some(Secret::Env("BROKER_PASSWORD".to_owned())));
    assert_eq!((read.addresses[0].ingress(), read.addresses[0].egress()), (0, 1));
    let links: Vec<(Direction, u8, &str)> =
        read.auto_links.iter().map(|link| (link.direction, link.phase_of_link(), link.node())).collect();
    assert_eq!(
        links,
        [
            (Direction::In, 1, "queue.orders"),
            (Direction::Out, 0, "queue.orders"),
            (Direction::In, 1, "accounting::invoices")
        ]
    );
    assert_eq!(read.auto_links[2].via.container_id.as_deref(), Some("broker-2"));
    assert_eq!((read.logs[0].include_timestamp, read.logs[0].output.clone()), (Some(true), Some(Output::Stdout)));
}

#[test]
fn links_that_go_on_to_a_broker() {
    let read = configuration_both_ways("link-routes.conf", include_str!("../../testdata/link-routes.conf"));
    assert_eq!(
        (read.connectors[0].endpoint.role, read.connectors[0].endpoint.port.as_str()),
        (Role::RouteContainer, "amqp")
    );
    let routes: Vec<String> = read.link_routes.iter().map(|route| route.matched.tokens().join("/")).collect();
    assert_eq!(routes, ["topics/#", "topics/#", "$coordinator/#", "jobs/#"]);
    assert_eq!(read.link_routes[3].add_external_prefix.as_deref(), Some("live."));
    assert_eq!((read.link_routes[3].direction, read.link_routes[3].via.connection.as_deref()), (Direction::Out, None));
}

#[test]
fn a_configuration_of_0_x() {
    let read = configuration_both_ways("former.conf", include_str!("../../testdata/former.conf"));
    assert_eq!(read.router.id.as_deref(), Some("Qpid.Dispatch.Router.A"));
    assert_eq!((read.router.worker_threads, read.router.intervals.hello), (4, 2));
    assert_eq!(read.router.sasl_config_dir.as_deref(), Some("/etc/sasl2".as_ref()));
    let clients = &read.listeners[0];
    assert!(clients.protection.requires_encryption && !clients.protection.authenticates_peer);
    assert_eq!(clients.protection.sasl_mechanisms.as_ref().map(Vec::len), Some(2));
    assert!(read.listeners[1].protection.authenticates_peer);
    assert_eq!(read.ssl_profiles[0].private_key_file.as_deref(), Some("/etc/pki/router.key".as_ref()));
    let addresses: Vec<(&str, Distribution, u8, u8)> = read
        .addresses
        .iter()
        .map(|address| {
            (address.matched.prefix.as_deref().unwrap(), address.distribution, address.ingress(), address.egress())
        })
        .collect();
    assert_eq!(
        addresses,
        [
            ("/closest", Distribution::Closest, 0, 0),
            ("jobs", Distribution::Balanced, 0, 1),
            ("/news", Distribution::Multicast, 0, 0),
            ("/queue", Distribution::Balanced, 0, 1),
        ]
    );
    let links: Vec<(Direction, u8)> =
        read.auto_links.iter().map(|link| (link.direction, link.phase_of_link())).collect();
    assert_eq!(links, [(Direction::Out, 0), (Direction::In, 1)]);
    let routes: Vec<Direction> = read.link_routes.iter().map(|route| route.direction).collect();
    assert_eq!(routes, [Direction::In, Direction::Out, Direction::Out]);
}

#[test]
fn who_may_do_what() {
    let read = configuration_both_ways("policy.conf", include_str!("../../testdata/policy.conf"));
    assert!(read.policy.enables_vhost_policy && read.policy.max_connections == 1000);
    let [shop, broker] = read.vhosts.as_slice() else { panic!("two vhosts") };
    assert_eq!(shop.bounds.aliases.as_deref().map(<[String]>::len), Some(2));
    let staff = shop.group("staff-members").expect("it is there");
    assert_eq!((staff.users.as_ref().map(Vec::len), staff.max_senders), (Some(2), 10));
    assert_eq!(staff.rights.sources.as_deref().unwrap_or_default(), ["orders.*", "${user}.inbox"]);
    let rest = shop.group("$default").expect("it is there");
    assert_eq!((rest.max_sessions, rest.rights.source_pattern.as_deref().unwrap()[0].as_str()), (None, "news/#"));
    assert!(rest.rights.waypoint_links && rest.rights.dynamic_source && !rest.rights.anonymous_sender);
    assert_eq!(broker.bounds.hostname, "broker.example.org");
    let connector = broker.group("$connector").expect("it is there");
    assert_eq!((connector.rights.targets.as_ref().map(Vec::len), connector.max_receivers), (Some(2), 5));
    let properties = read.connectors[0].passage.open_properties.as_ref().expect("they are there");
    assert_eq!(
        serde_json::Value::Object(properties.clone()).to_string(),
        r#"{"nested":{"is":true},"numbers":[1,2.5],"site":"north"}"#
    );
}

#[test]
fn the_variant_of_json() {
    let read = configuration_both_ways("variant.json", include_str!("../../testdata/variant.json"));
    assert_eq!(
        (read.router.id.as_deref(), read.router.worker_threads, read.router.timestamps.is_utc),
        (Some("Json.A"), 3, true)
    );
    assert_eq!((read.listeners[0].endpoint.port.as_str(), read.listeners[0].origin.place.line), ("5672", 4));
    assert_eq!(read.connectors[0].endpoint.role, Role::RouteContainer);
    assert_eq!(read.addresses[0].distribution, Distribution::Closest);
    assert_eq!(read.vhosts[0].groups[0].users.as_ref().map(Vec::len), Some(2));
}

#[test]
fn both_forms_say_the_same() {
    let own = "router {\n id: A\n}\nlistener {\n port: 1\n openProperties: {\n a: b\n }\n}\n";
    let json = r#"[["router", {"id": "A"}], ["listener", {"port": 1, "openProperties": {"a": "b"}}]]"#;
    assert_eq!(read("a.conf", own).configuration, read("a.json", json).configuration);
}

#[test]
fn null_is_absent() {
    let text = r#"[["router", {"id": null, "mode": null}], ["autoLink", {"address": "a", "direction": null}]]"#;
    let faults = read("a.json", text).configuration.expect_err("a direction is needed");
    assert_eq!(faults.count(), 1);
    assert!(faults.to_string().contains("autoLink has no 'direction'"), "{faults}");
}

#[test]
fn what_is_absent_is_there_with_its_presets() {
    let read = configuration_both_ways("a.conf", "# nothing\n");
    assert_eq!((read.router.id, read.router.mode, read.policy.max_connections), (None, Mode::Standalone, 65_535));
    assert_eq!((read.router.origin.place.line, read.router.origin.name.as_str()), (0, "router"));
}

#[test]
fn text_that_would_be_something_else_is_printed_in_quotation_marks() {
    let text = "connector {\n name: \" a \\\" \"\n saslPassword: \"a#b,\"\n host: ${HOST}\n}\nrouter {\n metadata: $${HOST}\n}\n";
    let read = configuration_both_ways("a.conf", text);
    assert_eq!((read.connectors[0].origin.name.as_str(), read.connectors[0].host.as_str()), (" a \" ", "a.example"));
    assert_eq!(read.connectors[0].sasl_password, Some(Secret::Plain("a#b,".to_owned())));
    assert_eq!(read.router.metadata.as_deref(), Some("${HOST}"));
    let hidden = read.to_text(Secrets::Hidden);
    assert!(hidden.contains("saslPassword: pass:****") && !hidden.contains("a#b"), "{hidden}");
    assert!(!format!("{read:?}").contains("a#b"));
}
