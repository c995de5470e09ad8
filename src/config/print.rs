//! Effective values, and where each comes from: as a file that means the same, or as JSON.

use engine_catalogue::Area;
use engine_catalogue::setting::{Setting, Value};
use serde_json::{Map, json};

use super::document::{LISTS, brackets};
use super::given::Given;
use super::origins::Origins;
use super::settings::Config;

/// Where comments begin, characters.
const COMMENT_COLUMN: usize = 48;

/// A table of settings with its values; of a list of tables the one at `index`.
struct Table {
    name: &'static str,
    index: usize,
    settings: Vec<(&'static Setting, Value)>,
}

impl Table {
    fn of<A: Area>(index: usize, area: &A) -> Self {
        Self { name: A::NAME, index, settings: A::SETTINGS.iter().zip(area.values()).collect() }
    }
}

/// All tables, in the order of the documentation (`AREAS`).
fn tables(config: &Config) -> Vec<Table> {
    fn list<A: Area>(areas: &[A]) -> impl Iterator<Item = Table> {
        areas.iter().enumerate().map(|(index, area)| Table::of(index, area))
    }
    let mut tables = vec![Table::of(0, &config.node)];
    tables.extend(list(&config.listeners));
    tables.extend(list(&config.connectors));
    tables.extend(list(&config.addresses));
    tables.extend(list(&config.queues));
    tables.extend(list(&config.diverts));
    tables.push(Table::of(0, &config.router));
    tables.extend(list(&config.routes));
    tables.extend(list(&config.auto_links));
    tables.extend(list(&config.link_routes));
    tables.extend([
        Table::of(0, &config.storage),
        Table::of(0, &config.users),
        Table::of(0, &config.http),
        Table::of(0, &config.limits),
        Table::of(0, &config.log),
    ]);
    tables
}

impl Given {
    /// All values as a file that, read again, means the same; comments say where each comes from.
    pub fn to_toml(&self) -> String {
        let texts: Vec<String> = tables(&self.config).iter().map(|table| table.to_toml(&self.origins)).collect();
        texts.join("\n")
    }

    /// All values as JSON: of each setting what it is, where it comes from, which values it takes, and what it is for.
    pub fn to_json(&self) -> String {
        let empty = LISTS.iter().map(|&name| (name.to_owned(), json!([])));
        let mut document: Map<String, serde_json::Value> = empty.collect();
        for table in tables(&self.config) {
            let object = table.to_json(&self.origins);
            match document.get_mut(table.name).and_then(serde_json::Value::as_array_mut) {
                Some(list) => list.push(object),
                None => drop(document.insert(table.name.to_owned(), object)),
            }
        }
        format!("{:#}\n", serde_json::Value::Object(document))
    }
}

impl Table {
    fn to_toml(&self, origins: &Origins) -> String {
        let mut text = format!("{}\n", brackets(self.name));
        for (setting, value) in &self.settings {
            if *value == Value::Absent && setting.default_told.is_none() {
                // What one of many matches leaves to others.
                continue;
            }
            let origin = one_line(&origins.of(self.name, self.index, setting.name).to_string());
            let line = match written(value) {
                Some(value) => format!("{} = {value}", setting.name),
                None => format!("# {} is not set: {}", setting.name, meaning(setting)),
            };
            text.push_str(&format!("{line:<COMMENT_COLUMN$} # {origin}\n"));
        }
        text
    }

    fn to_json(&self, origins: &Origins) -> serde_json::Value {
        let settings = self.settings.iter().map(|(setting, value)| {
            let value: serde_json::Value = match value {
                Value::Absent => serde_json::Value::Null,
                Value::Switch(on) => (*on).into(),
                Value::Whole(number) => (*number).into(),
                Value::Text(text) => text.as_str().into(),
                Value::List(items) => items.as_slice().into(),
            };
            let from = origins.of(self.name, self.index, setting.name).to_string();
            (
                setting.name.to_owned(),
                json!({ "value": value, "from": from, "takes": setting.allowed(), "meaning": setting.help.trim() }),
            )
        });
        serde_json::Value::Object(settings.collect())
    }
}

/// What it means that a setting is not set.
fn meaning(setting: &Setting) -> &'static str {
    setting.default_told.unwrap_or("none")
}

/// A value as it stands in a file.
pub fn written(value: &Value) -> Option<String> {
    match value {
        Value::Absent => None,
        Value::Switch(on) => Some(on.to_string()),
        Value::Whole(number) => Some(number.to_string()),
        Value::Text(text) => Some(quoted(text)),
        Value::List(items) => {
            Some(format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Text in quotation marks, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use engine_catalogue::{Divert, Layer, Pattern};

    use super::super::addresses::{AddressEntry, DivertEntry, QueueEntry};
    use super::super::document::AREAS;
    use super::super::given::Options;
    use super::super::settings::{AutoLink, Config, Connector, LinkRoute, Listener, Route};
    use super::*;

    #[test]
    fn every_table_is_printed_in_its_place_and_with_its_brackets() {
        let config = Config {
            listeners: vec![Listener::default(); 2],
            connectors: vec![Connector::default()],
            addresses: vec![AddressEntry::default()],
            queues: vec![QueueEntry::default()],
            diverts: vec![DivertEntry::default()],
            routes: vec![Route::default()],
            auto_links: vec![AutoLink::default()],
            link_routes: vec![LinkRoute::default()],
            ..Config::default()
        };
        let mut names: Vec<&str> = tables(&config).iter().map(|table| table.name).collect();
        names.dedup();
        assert_eq!(names, AREAS.map(|(name, _)| name));
        let given = Given::from(config);
        let heads: Vec<String> =
            given.to_toml().lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect();
        let mut expected = AREAS.map(|(name, _)| brackets(name)).to_vec();
        expected.insert(1, expected[1].clone());
        assert_eq!(heads, expected);
        let json: serde_json::Value = serde_json::from_str(&given.to_json()).unwrap();
        for (name, _) in AREAS {
            assert_eq!(json[name].is_array(), LISTS.contains(&name), "{name}");
        }
        assert_eq!(json["listeners"].as_array().map(Vec::len), Some(2));
        let none: serde_json::Value = serde_json::from_str(&Given::default().to_json()).unwrap();
        assert_eq!(none["queue"], json!([]), "a list that is empty is there");
    }

    #[test]
    fn what_is_printed_means_the_same() {
        let mut config = Config::default();
        config.node.container_id = "quote \" back \\ ünï \u{200b}".to_owned();
        config.node.data_dir = PathBuf::from("/tmp/with\nline\u{7f}");
        config.node.shards = Some(3);
        config.addresses = vec![
            AddressEntry { matches: Pattern::new("a\".#").ok(), ..AddressEntry::default() },
            AddressEntry {
                name: Some("b".to_owned()),
                settings: Layer { max_mib: Some(0), ..Layer::default() },
                ..AddressEntry::default()
            },
        ];
        config.queues = vec![QueueEntry { name: "c".to_owned(), ..QueueEntry::default() }];
        let settings = Divert { address: "a".to_owned(), to: "b, c".to_owned(), ..Divert::default() };
        config.diverts = vec![DivertEntry { name: "d".to_owned(), settings }];
        config.connectors = vec![Connector {
            name: "up".to_owned(),
            endpoints: vec!["broker:5672".parse().unwrap(), "[::1]:5672".parse().unwrap()],
            ..Connector::default()
        }];
        config.users.file = Some("users".into());
        config.listeners = vec![Listener::default(), Listener { handle_max: 7, ..Listener::default() }];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, Given::from(config.clone()).to_toml()).unwrap();
        let again = Given::read(&Options { config: Some(path), ..Options::default() }).unwrap();
        assert_eq!(again.config, config);
        assert!(again.to_toml().contains("a.toml:2"), "{}", again.to_toml());
        serde_json::from_str::<serde_json::Value>(&again.to_json()).unwrap();
    }
}
