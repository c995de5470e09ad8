//! Effective values, and where each comes from: as a file that means the same, or as JSON.

use std::fmt::Write as _;

use engine_catalogue::Area;
use engine_catalogue::setting::{Setting, Value};
use serde_json::{Map, json};

use super::given::{Given, Origins};

/// Where comments begin, characters.
const COMMENT_COLUMN: usize = 48;

impl Given {
    /// All values as a file that, read again, means the same; comments say where each comes from.
    pub fn to_toml(&self) -> String {
        let config = &self.config;
        let mut text = String::new();
        let out = &mut text;
        table(out, "[node]", &config.node, 0, &self.origins);
        for (index, listener) in config.listeners.iter().enumerate() {
            table(out, "[[listeners]]", listener, index, &self.origins);
        }
        for (index, connector) in config.connectors.iter().enumerate() {
            table(out, "[[connectors]]", connector, index, &self.origins);
        }
        for (index, entry) in config.addresses.iter().enumerate() {
            table(out, "[[address]]", entry, index, &self.origins);
        }
        for (index, entry) in config.queues.iter().enumerate() {
            table(out, "[[queue]]", entry, index, &self.origins);
        }
        table(out, "[storage]", &config.storage, 0, &self.origins);
        table(out, "[users]", &config.users, 0, &self.origins);
        table(out, "[http]", &config.http, 0, &self.origins);
        table(out, "[limits]", &config.limits, 0, &self.origins);
        table(out, "[log]", &config.log, 0, &self.origins);
        text
    }

    /// All values as JSON: of each setting what it is, where it comes from, which values it takes, and what it is for.
    pub fn to_json(&self) -> String {
        let (config, origins) = (&self.config, &self.origins);
        fn objects<A: Area>(areas: &[A], origins: &Origins) -> Vec<Map<String, serde_json::Value>> {
            areas.iter().enumerate().map(|(index, area)| object(area, index, origins)).collect()
        }
        let document = json!({
            "node": object(&config.node, 0, origins),
            "listeners": objects(&config.listeners, origins),
            "connectors": objects(&config.connectors, origins),
            "address": objects(&config.addresses, origins),
            "queue": objects(&config.queues, origins),
            "storage": object(&config.storage, 0, origins),
            "users": object(&config.users, 0, origins),
            "http": object(&config.http, 0, origins),
            "limits": object(&config.limits, 0, origins),
            "log": object(&config.log, 0, origins),
        });
        format!("{document:#}\n")
    }
}

fn table<A: Area>(out: &mut String, head: &str, area: &A, index: usize, origins: &Origins) {
    let space = if out.is_empty() { "" } else { "\n" };
    // Writing to a string does not fail.
    let _ = writeln!(out, "{space}{head}");
    for (setting, value) in A::SETTINGS.iter().zip(area.values()) {
        if value == Value::Absent && setting.default_told.is_none() {
            // What one of many matches leaves to others.
            continue;
        }
        let origin = one_line(&origins.of(A::NAME, index, setting.name).to_string());
        let line = match written(&value) {
            Some(value) => format!("{} = {value}", setting.name),
            None => format!("# {} is not set: {}", setting.name, meaning(setting)),
        };
        let _ = writeln!(out, "{line:<COMMENT_COLUMN$} # {origin}");
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

fn object<A: Area>(area: &A, index: usize, origins: &Origins) -> Map<String, serde_json::Value> {
    let settings = A::SETTINGS.iter().zip(area.values());
    let object = settings.map(|(setting, value)| {
        let value = match value {
            Value::Absent => serde_json::Value::Null,
            Value::Switch(on) => on.into(),
            Value::Whole(number) => number.into(),
            Value::Text(text) => text.into(),
            Value::List(items) => items.into(),
        };
        let from = origins.of(A::NAME, index, setting.name).to_string();
        (
            setting.name.to_owned(),
            json!({ "value": value, "from": from, "takes": setting.allowed(), "meaning": setting.help.trim() }),
        )
    });
    object.collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use engine_catalogue::{Layer, Pattern};

    use super::super::addresses::{AddressEntry, QueueEntry};
    use super::super::given::Options;
    use super::super::settings::{Config, Connector, Listener};
    use super::*;

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
