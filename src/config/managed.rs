//! A router's configuration as its management tells it: the file as it was given, or the program's own in its terms.
//!
//! Not here: what a node does by it (`routed`, `resolve`).

use engine_catalogue::setting::Word as _;
use engine_router_conf::sections::{self, Address, Listener as Section};
use engine_router_conf::words;
use engine_router_conf::{Configuration, Origin, read};

use super::endpoint::Endpoint;
use super::settings::{
    AutoLink, Config, Connector, Direction, Distribution, LinkRoute, Listener, Role, Route, RouterMode, Sasl, Transport,
};

/// A file with one section of each type that is made here, from which they are made.
const FORM: &str = "listener {\n}\nconnector {\n}\naddress {\n  prefix: form\n}\nautoLink {\n  address: form\n  direction: in\n  containerId: form\n}\nlinkRoute {\n  prefix: \
                    form\n  direction: in\n}\n";

fn form() -> Configuration {
    read("form", FORM, |_| None).configuration.expect("it is right")
}

/// What management tells: the router's file, or what stands for it.
pub fn configuration(config: &Config, file: Option<&Configuration>) -> Configuration {
    let mut told = file.cloned().unwrap_or_else(|| {
        let mut made = form();
        made.router.default_distribution = distribution(config.router.distribution);
        made.listeners = listeners(config);
        made.connectors = connectors(config);
        made.addresses = addresses(config);
        made.auto_links = auto_links(config);
        made.link_routes = link_routes(config);
        made.router.mode = match config.router.mode {
            RouterMode::Edge => words::Mode::Edge,
            RouterMode::Interior if config.has_neighbours() => words::Mode::Interior,
            RouterMode::Interior => words::Mode::Standalone,
        };
        made
    });
    told.router.id = Some(config.node.container_id.clone());
    told.router.origin.name.clone_from(&config.node.container_id);
    told
}

/// Listeners of the program's own configuration.
pub fn listeners(config: &Config) -> Vec<Section> {
    let Some(form) = form().listeners.pop() else { return Vec::new() };
    let capacity = config.router.link_capacity;
    let of = |(number, listener): (u32, &Listener)| {
        let name = listener.name.clone();
        let section = section(&form, listener, listener.link_capacity.unwrap_or(capacity));
        let unnamed = || format!("listener/{}:{}", section.host, section.endpoint.port);
        let name = if name.is_empty() { unnamed() } else { name };
        Section { origin: Origin::named(name, number), ..section }
    };
    (0..).zip(&config.listeners).map(of).collect()
}

fn section(form: &Section, listener: &Listener, capacity: u32) -> Section {
    let mut section = form.clone();
    (section.host, section.endpoint.port) = host_and_port(&listener.address);
    (section.endpoint.role, section.endpoint.cost) = (role(listener.role), listener.cost);
    section.bounds.max_frame_size = listener.max_frame_size;
    section.bounds.max_sessions = u32::from(listener.channel_max) + 1;
    section.bounds.idle_timeout_seconds = listener.idle_timeout_ms / 1000;
    section.bounds.link_capacity = capacity;
    section.initial_handshake_timeout_seconds = listener.handshake_timeout_ms / 1000;
    section.protection.sasl_mechanisms = Some(listener.mechanisms.iter().map(|mechanism| mechanism.word()).collect());
    section.protection.authenticates_peer = listener.sasl == Sasl::Required;
    section.protection.requires_ssl = matches!(listener.transport, Transport::Tls | Transport::Wss);
    section.http.is_set = matches!(listener.transport, Transport::Ws | Transport::Wss);
    section
}

fn addresses(config: &Config) -> Vec<Address> {
    let Some(form) = form().addresses.pop() else { return Vec::new() };
    let address = |(number, route): (u32, &Route)| {
        let mut address = form.clone();
        address.origin = Origin::named(format!("address/{number}"), number);
        address.matched.prefix.clone_from(&route.prefix);
        address.matched.pattern.clone_from(&route.pattern);
        address.distribution = distribution(route.distribution);
        (address.is_waypoint, address.enables_fallback) = (route.waypoint, route.fallback);
        (address.ingress_phase, address.egress_phase) = (route.ingress_phase, route.egress_phase);
        address
    };
    (0..).zip(&config.routes).map(address).collect()
}

fn connectors(config: &Config) -> Vec<sections::Connector> {
    let Some(form) = form().connectors.pop() else { return Vec::new() };
    let connector = |(number, from): (u32, &Connector)| {
        let mut section = form.clone();
        if let Some(first) = from.endpoints.first() {
            (section.host, section.endpoint.port) = host_and_port(first);
        }
        (section.endpoint.role, section.endpoint.cost) = (role(from.role), from.cost);
        section.origin = Origin::named(from.name.clone(), number);
        section.is_hostname_verified = from.verify_hostname;
        section.sasl_username.clone_from(&from.sasl_username);
        section.bounds.max_frame_size = from.max_frame_size;
        section.bounds.max_sessions = u32::from(from.channel_max) + 1;
        section.bounds.idle_timeout_seconds = from.idle_timeout_ms / 1000;
        section.bounds.link_capacity = from.link_capacity.unwrap_or(config.router.link_capacity);
        section
    };
    (0..).zip(&config.connectors).map(connector).collect()
}

fn auto_links(config: &Config) -> Vec<sections::AutoLink> {
    let Some(form) = form().auto_links.pop() else { return Vec::new() };
    let link = |(number, from): (u32, &AutoLink)| {
        let mut section = form.clone();
        section.origin = Origin::named(format!("autoLink/{number}"), number);
        section.address.clone_from(&from.address);
        section.direction = match from.direction {
            Some(Direction::Out) => words::Direction::Out,
            Some(Direction::In) | None => words::Direction::In,
        };
        section.phase = from.phase;
        section.via.connection.clone_from(&from.connection);
        section.via.container_id.clone_from(&from.container);
        section.external_address.clone_from(&from.node);
        section.is_fallback = from.fallback;
        section
    };
    (0..).zip(&config.auto_links).map(link).collect()
}

/// One for each direction.
fn link_routes(config: &Config) -> Vec<sections::LinkRoute> {
    let Some(form) = form().link_routes.pop() else { return Vec::new() };
    let routes = |from: &LinkRoute| {
        let route = |direction: Direction| {
            let mut section = form.clone();
            section.matched.prefix.clone_from(&from.prefix);
            section.matched.pattern.clone_from(&from.pattern);
            section.direction = match direction {
                Direction::In => words::Direction::In,
                Direction::Out => words::Direction::Out,
            };
            section.via.connection.clone_from(&from.connection);
            section.via.container_id.clone_from(&from.container);
            section.del_external_prefix.clone_from(&from.remove_prefix);
            section.add_external_prefix.clone_from(&from.add_prefix);
            section
        };
        let both = [Direction::In, Direction::Out].into_iter();
        both.filter(|direction| from.direction.is_none_or(|one| one == *direction)).map(route).collect::<Vec<_>>()
    };
    let sections = (0..).zip(config.link_routes.iter().flat_map(routes));
    let numbered = |(number, mut section): (u32, sections::LinkRoute)| {
        section.origin = Origin::named(format!("linkRoute/{number}"), number);
        section
    };
    sections.map(numbered).collect()
}

/// A host without brackets, and its port.
fn host_and_port(endpoint: &Endpoint) -> (String, String) {
    let text = endpoint.to_string();
    let (host, port) = text.rsplit_once(':').unwrap_or((&text, "0"));
    (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port.to_owned())
}

fn role(role: Role) -> words::Role {
    match role {
        Role::Normal => words::Role::Normal,
        Role::RouteContainer => words::Role::RouteContainer,
        Role::InterRouter => words::Role::InterRouter,
        Role::Edge => words::Role::Edge,
    }
}

fn distribution(distribution: Distribution) -> words::Distribution {
    match distribution {
        Distribution::Multicast => words::Distribution::Multicast,
        Distribution::Closest => words::Distribution::Closest,
        Distribution::Balanced => words::Distribution::Balanced,
        Distribution::Unavailable => words::Distribution::Unavailable,
        // It is so for messages of other routers.
        Distribution::Stored => words::Distribution::Balanced,
    }
}

#[cfg(test)]
mod tests {
    use engine_router_conf::{Told, schema};

    use super::*;

    #[test]
    fn the_programs_own_configuration_is_told_in_the_terms_of_a_routers() {
        let mut config = Config::default();
        config.node.container_id = "A".to_owned();
        config.listeners[0].address = "[::1]:5672".parse().unwrap();
        config.router.link_capacity = 7;
        let route = Route { pattern: Some("a.*".to_owned()), distribution: Distribution::Closest, ..Route::default() };
        config.routes = vec![route];
        let told = configuration(&config, None);
        let of = |section: &str| told.entities(schema::section(section).unwrap()).pop().unwrap();
        let listener = of("listener");
        assert_eq!((listener.name.as_str(), listener.identity.as_str()), ("listener/::1:5672", "listener/::1:5672"));
        assert!(listener.attributes.contains(&("linkCapacity", Told::Integer(7))));
        let text = |text: &str| Told::Text(text.to_owned());
        let address = of("address");
        assert!(address.attributes.contains(&("pattern", text("a.*"))));
        assert!(address.attributes.contains(&("distribution", text("closest"))) && address.name == "address/0");
        assert_eq!(of("router").name, "A");
    }
}
