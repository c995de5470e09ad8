//! Tables of addresses and queues: names and matches in front of the settings that the catalogue declares.
//!
//! Not here: what the settings are (`engine_catalogue`), and what the tables come to (`resolve/defining`).

use engine_catalogue::setting::{Setting, Typed as _, Value};
use engine_catalogue::{Area, Divert, Layer, Pattern, Queue};

use super::bounds::SHARDS_MAX;

/// Settings of the addresses of a match, or of one that is there from the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddressEntry {
    /// The address that is there from the start.
    pub name: Option<String>,
    /// The addresses that the settings hold for.
    pub matches: Option<Pattern>,
    /// The shard that owns the address of the name.
    pub shard: Option<u16>,
    /// What is set.
    pub settings: Layer,
}

/// A queue that is there from the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueEntry {
    pub name: String,
    /// Its address, if that has another name.
    pub address: Option<String>,
    /// What is set.
    pub settings: Queue,
}

/// A divert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DivertEntry {
    pub name: String,
    /// What is set.
    pub settings: Divert,
}

const OF_ADDRESS: [Setting; 3] = [
    Setting::of::<Option<String>>("name", " an address that is there from the start, and stays; what is set holds for it alone"),
    Setting::of::<Option<Pattern>>(
        "match",
        " instead of a name: what is set holds for all addresses that match. `*` stands for one word and `#` for any words, words are \
         divided by dots; where several match, the most specific one that sets a value decides on it",
    )
    .artemis("match"),
    Setting::of::<Option<u16>>(
        "shard",
        " the shard that owns the address of the name, counted from 0; else a hash of the name says which",
    )
    .range(0, SHARDS_MAX - 1, ""),
];

const OF_QUEUE: [Setting; 2] = [
    Setting::of::<String>("name", " a queue that is there from the start, and stays"),
    Setting::of::<Option<String>>("address", " the address that it gets messages of")
        .told("its own name")
        .artemis("address"),
];

const OF_DIVERT: [Setting; 1] =
    [Setting::of::<String>("name", " a divert: messages of an address go to others as well, or instead")
        .artemis("name")];

/// Two lists of settings, one after the other.
const fn joined<const ALL: usize>(first: &[Setting], rest: &[Setting]) -> [Setting; ALL] {
    let mut all = [first[0]; ALL];
    let mut index = 0;
    while index < ALL {
        all[index] = if index < first.len() { first[index] } else { rest[index - first.len()] };
        index += 1;
    }
    all
}

impl Area for AddressEntry {
    const NAME: &'static str = "address";
    const SETTINGS: &'static [Setting] =
        &joined::<{ OF_ADDRESS.len() + <Layer as Area>::SETTINGS.len() }>(&OF_ADDRESS, Layer::SETTINGS);

    fn put(&mut self, name: &str, value: Value) -> Result<(), String> {
        match name {
            "name" => self.name = Option::from_value(value)?,
            "match" => self.matches = Option::from_value(value)?,
            "shard" => self.shard = Option::from_value(value)?,
            name => return self.settings.put(name, value),
        }
        Ok(())
    }

    fn values(&self) -> Vec<Value> {
        let own = [self.name.to_value(), self.matches.to_value(), self.shard.to_value()];
        own.into_iter().chain(self.settings.values()).collect()
    }
}

impl Area for QueueEntry {
    const NAME: &'static str = "queue";
    const SETTINGS: &'static [Setting] =
        &joined::<{ OF_QUEUE.len() + <Queue as Area>::SETTINGS.len() }>(&OF_QUEUE, Queue::SETTINGS);

    fn put(&mut self, name: &str, value: Value) -> Result<(), String> {
        match name {
            "name" => self.name = String::from_value(value)?,
            "address" => self.address = Option::from_value(value)?,
            name => return self.settings.put(name, value),
        }
        Ok(())
    }

    fn values(&self) -> Vec<Value> {
        [self.name.to_value(), self.address.to_value()].into_iter().chain(self.settings.values()).collect()
    }
}

impl Area for DivertEntry {
    const NAME: &'static str = "divert";
    const SETTINGS: &'static [Setting] =
        &joined::<{ OF_DIVERT.len() + <Divert as Area>::SETTINGS.len() }>(&OF_DIVERT, Divert::SETTINGS);

    fn put(&mut self, name: &str, value: Value) -> Result<(), String> {
        match name {
            "name" => self.name = String::from_value(value)?,
            name => return self.settings.put(name, value),
        }
        Ok(())
    }

    fn values(&self) -> Vec<Value> {
        [self.name.to_value()].into_iter().chain(self.settings.values()).collect()
    }
}

/// What is said of a setting that earlier versions had in another place or by another name.
pub fn respelled(area: &str, name: &str) -> Option<String> {
    let instead = match (area, name) {
        ("address", "auto_create_except") => "write [[address]] with match and auto_create = false for each of them",
        ("address", "default_routing") => "write [[address]] with match = \"#\" and routing",
        ("address", "anycast_prefix" | "multicast_prefix") => {
            return Some(format!("{area}.{name} is no setting any more: write node.{name}"));
        }
        _ => return None,
    };
    Some(format!("{area}.{name} is no setting any more: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_table_is_what_is_printed_of_it() {
        let mut entry = AddressEntry::default();
        let values = AddressEntry::SETTINGS.iter().map(|setting| match setting.name {
            "name" => Value::Text("a".to_owned()),
            "match" => Value::Text("a.#".to_owned()),
            "routing" => Value::Text("multicast".to_owned()),
            "when_full" => Value::Text("refuse".to_owned()),
            "slow_consumer_policy" => Value::Text("kill".to_owned()),
            "slow_consumer_check_ms" => Value::Whole(700),
            "auto_create"
            | "purge_on_no_consumers"
            | "non_destructive"
            | "exclusive"
            | "group_rebalance"
            | "priorities_on_disk"
            | "auto_delete"
            | "enabled"
            | "no_expiry"
            | "dead_letter_no_route"
            | "ingress_timestamp"
            | "paused"
            | "blocked" => Value::Switch(true),
            "paused_queues" => Value::List(vec!["b".to_owned()]),
            "dead_letter_address" | "expiry_address" | "last_value_key" | "group_first_key" => {
                Value::Text("b".to_owned())
            }
            "redelivery_growth" => Value::Whole(200),
            _ => Value::Whole(7),
        });
        let values: Vec<_> = values.collect();
        for (setting, value) in AddressEntry::SETTINGS.iter().zip(&values) {
            assert!(setting.help.starts_with(' ') && !setting.help.contains('|'), "{} fits into a table", setting.name);
            assert_eq!(setting.admit(value).and_then(|()| entry.put(setting.name, value.clone())), Ok(()));
        }
        assert_eq!(entry.values(), values);
        assert!(AddressEntry::default().values().iter().all(|value| *value == Value::Absent));
    }
}
