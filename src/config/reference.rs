//! The table of `docs/configuration.md` is made of the settings: a test compares the two, and says what the table should be.

use engine_catalogue::Area;
use engine_catalogue::setting::{Setting, Value};

use super::document::AREAS;
use super::print::written;
use super::settings::{Address, Http, Limits, Listener, Log, Node, Storage, Users};

const BEGIN: &str = "<!-- settings: made from src/config/settings.rs -->\n";
const END: &str = "<!-- end of settings -->";

fn row(area: &str, setting: &Setting, default: &Value) -> String {
    let prefix = if area == Listener::NAME { "listeners[]" } else { area };
    let default = match (setting.default_told, written(default)) {
        (None, Some(value)) => format!("`{value}`"),
        (told, _) => told.unwrap_or("none").to_owned(),
    };
    format!("| `{prefix}.{}` | {default} | {} | {} |\n", setting.name, setting.allowed(), setting.help.trim())
}

fn rows<A: Area>() -> String {
    A::SETTINGS.iter().zip(A::default().values()).map(|(setting, default)| row(A::NAME, setting, &default)).collect()
}

#[test]
fn the_table_of_settings_is_documented() {
    let head = "| key | default | values | meaning |\n|---|---|---|---|\n".to_owned();
    let made = [rows::<Node>(), rows::<Listener>(), rows::<Address>(), rows::<Storage>()].concat()
        + &[rows::<Users>(), rows::<Http>(), rows::<Limits>(), rows::<Log>()].concat();
    let made = head + &made;
    assert_eq!(made.lines().count(), 2 + AREAS.iter().map(|(_, settings)| settings.len()).sum::<usize>());
    let document = include_str!("../../docs/configuration.md");
    let table = document.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(table, _)| table);
    assert_eq!(table, Some(made.as_str()), "the table of docs/configuration.md should be:\n{made}");
}
