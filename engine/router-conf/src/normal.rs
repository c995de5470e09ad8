//! Values that stand for others: those that qdrouterd silently takes for something else, put in the place of it.

use crate::attributes::Attributes;
use crate::fault::{Doubt, Findings};
use crate::value::Value;

/// Octets of a frame at least, by AMQP 1.0.
const FRAME_OCTETS_MIN: i64 = 512;
/// Sessions of a connection at most.
const SESSIONS_MAX: i64 = 32_768;
/// Deliveries of a link where 0 is written.
const LINK_CAPACITY: i64 = 250;

/// Bounds of a group that are the listener's if they are 0.
const ABSENT_IF_ZERO: [&str; 3] = ["maxFrameSize", "maxSessionWindow", "maxSessions"];

/// Puts what is meant in the place of what is written.
pub(crate) fn normalise(attributes: &mut Attributes, findings: &mut Findings) {
    if attributes.text("name") == Some("") {
        attributes.remove("name");
    }
    match attributes.of.section {
        "listener" | "connector" => normalise_bounds(attributes, findings),
        "vhostUserGroupSettings" => {
            for name in ABSENT_IF_ZERO {
                if attributes.integer(name) == Some(0) {
                    attributes.remove(name);
                }
            }
        }
        "address" if attributes.integer("priority") == Some(-1) => attributes.remove("priority"),
        "authServicePlugin" => split_service(attributes),
        _ => {}
    }
}

fn normalise_bounds(attributes: &mut Attributes, findings: &mut Findings) {
    for name in ["maxFrameSize", "maxSessions", "linkCapacity"] {
        let Some(number) = attributes.integer(name) else { continue };
        let meant = match name {
            "maxFrameSize" => number.max(FRAME_OCTETS_MIN),
            "maxSessions" if number == 0 => SESSIONS_MAX,
            "maxSessions" => number.min(SESSIONS_MAX),
            _ if number == 0 => LINK_CAPACITY,
            _ => number,
        };
        if meant == number {
            continue;
        }
        let line = attributes.line_of(name);
        // 0 is how the preset is asked for, which needs no warning.
        if number != 0 {
            findings.warn(line, Doubt::Questionable, || format!("'{name}' is {number}, which is taken for {meant}"));
        }
        attributes.set(name, Value::Integer(meant), line);
    }
    if attributes.integer("maxSessionFrames") == Some(0) {
        attributes.remove("maxSessionFrames");
    }
}

/// `HOST:PORT` of earlier versions as host and port, unless those are written.
fn split_service(attributes: &mut Attributes) {
    let Some((service, line)) =
        attributes.text("authService").map(str::to_owned).zip(attributes.given("authService").map(|given| given.line))
    else {
        return;
    };
    attributes.remove("authService");
    let (host, port) = service.rsplit_once(':').unwrap_or((&service, "amqp"));
    for (name, text) in [("host", host), ("port", port)] {
        if attributes.given(name).is_none() {
            attributes.set(name, Value::Text(text.to_owned()), line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{AUTH_SERVICE_PLUGIN, GROUP, LISTENER};

    #[test]
    fn zero_and_too_much_are_what_is_meant() {
        let mut findings = Findings::new("a.conf");
        for (name, written, meant) in [
            ("maxFrameSize", 100, Some(512)),
            ("maxFrameSize", 1000, Some(1000)),
            ("maxSessions", 0, Some(32_768)),
            ("maxSessions", 40_000, Some(32_768)),
            ("linkCapacity", 0, Some(250)),
            ("maxSessionFrames", 0, None),
        ] {
            let mut attributes = Attributes::new(&LISTENER, 1);
            attributes.set(name, Value::Integer(written), 2);
            normalise(&mut attributes, &mut findings);
            assert_eq!(attributes.integer(name), meant, "{name}: {written}");
        }
        let mut group = Attributes::new(GROUP, 1);
        group.set("maxSessions", Value::Integer(0), 2);
        normalise(&mut group, &mut findings);
        assert_eq!(group.integer("maxSessions"), None);
        assert_eq!(findings.conclude(()).1.count(), 2);
    }

    #[test]
    fn a_service_is_host_and_port() {
        let mut attributes = Attributes::new(&AUTH_SERVICE_PLUGIN, 1);
        attributes.set("authService", Value::Text("a.example:5671".to_owned()), 2);
        normalise(&mut attributes, &mut Findings::new("a.conf"));
        assert_eq!((attributes.text("host"), attributes.text("port")), (Some("a.example"), Some("5671")));
        assert!(attributes.given("authService").is_none());
    }
}
