//! What a router's configuration is read as: files that users have, everything that is refused, and what holds for any text.

mod faults;
mod files;
mod properties;
mod warnings;

use engine_router_conf::{Configuration, Reading, Secrets};

/// Reads a file in an environment of three variables.
fn read(name: &str, text: &str) -> Reading {
    engine_router_conf::read(name, text, |name| match name {
        "SITE" => Some("north".to_owned()),
        "HOST" => Some("a.example".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    })
}

/// Reads what is right.
fn configuration(name: &str, text: &str) -> Configuration {
    match read(name, text).configuration {
        Ok(configuration) => configuration,
        Err(faults) => panic!("{faults}\n\n{text}"),
    }
}

/// Reads what is right, and looks at whether it is the same when it is printed and read again.
fn configuration_both_ways(name: &str, text: &str) -> Configuration {
    let read = configuration(name, text);
    let printed = read.to_text(Secrets::Shown);
    let again = configuration("printed.conf", &printed);
    assert_eq!(again, read, "{printed}");
    assert_eq!(again.to_text(Secrets::Shown), printed);
    read
}
