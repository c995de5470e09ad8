//! The table of `docs/configuration.md` is made of the settings: a test compares the two, and says what the table should be.

use engine_catalogue::setting::{Setting, Value};
use engine_catalogue::{AddressSettings, Area};

use super::addresses::{AddressEntry, DivertEntry, QueueEntry};
use super::document::{AREAS, LISTS};
use super::print::written;
use super::settings::{
    AutoLink, Connector, Http, Limits, LinkRoute, Listener, Log, Node, Route, Router, Storage, Users,
};

const BEGIN: &str = "<!-- settings: made from src/config/settings.rs, and those of addresses from engine/catalogue/src/settings.rs -->\n";
const END: &str = "<!-- end of settings -->";

fn row<A: Area>(setting: &Setting, default: &Value) -> String {
    let prefix = if LISTS.contains(&A::NAME) { format!("{}[]", A::NAME) } else { A::NAME.to_owned() };
    let default = match (setting.default_told, written(default)) {
        (None, Some(value)) => format!("`{value}`"),
        (told, _) => told.unwrap_or("none").to_owned(),
    };
    let artemis = setting.artemis.split(", ").filter(|name| !name.is_empty()).map(|name| format!("`{name}`"));
    let artemis = artemis.collect::<Vec<_>>().join(", ");
    let artemis = if artemis.is_empty() { String::new() } else { format!(" (Artemis: {artemis})") };
    let help = setting.help.trim();
    format!("| `{prefix}.{}` | {default} | {} | {help}{artemis} |\n", setting.name, setting.allowed())
}

fn rows<A: Area>(defaults: Vec<Value>) -> String {
    A::SETTINGS.iter().zip(defaults).map(|(setting, default)| row::<A>(setting, &default)).collect()
}

fn rows_of<A: Area>() -> String {
    rows::<A>(A::default().values())
}

/// Of the settings of addresses what holds where nobody sets them.
fn rows_of_addresses() -> String {
    let mut values = AddressEntry::default().values();
    let settings = AddressSettings::default().values();
    values.truncate(values.len() - settings.len());
    rows::<AddressEntry>(values.into_iter().chain(settings).collect())
}

#[test]
fn the_table_of_settings_is_documented() {
    let head = "| key | default | values | meaning |\n|---|---|---|---|\n".to_owned();
    let listed = [
        rows_of::<Listener>(),
        rows_of::<Connector>(),
        rows_of_addresses(),
        rows_of::<QueueEntry>(),
        rows_of::<DivertEntry>(),
        rows_of::<Router>(),
        rows_of::<Route>(),
        rows_of::<AutoLink>(),
        rows_of::<LinkRoute>(),
    ];
    let made = rows_of::<Node>()
        + &listed.concat()
        + &[rows_of::<Storage>(), rows_of::<Users>(), rows_of::<Http>(), rows_of::<Limits>(), rows_of::<Log>()]
            .concat();
    let made = head + &made;
    assert_eq!(made.lines().count(), 2 + AREAS.iter().map(|(_, settings)| settings.len()).sum::<usize>());
    let document = include_str!("../../docs/configuration.md");
    let table = document.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(table, _)| table);
    assert_eq!(table, Some(made.as_str()), "the table of docs/configuration.md should be:\n{made}");
}
