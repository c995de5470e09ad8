//! Tables of addresses and queues, resolved: the definitions that they come to, which mean something by themselves and together.

use std::collections::HashSet;

use engine_catalogue::setting::Word as _;
use engine_catalogue::{Area as _, Attributes, Catalogue, Definition, Layer, Placed, Placement, QUALIFIER};

use engine_core::check_selector;
use load_model::number;

use super::super::addresses::{AddressEntry, DivertEntry, QueueEntry};
use super::super::fault::Origin;
use super::Resolving;

/// The match of all addresses.
const EVERY: &str = "#";

/// A definition, or why there is none, and where its key stands.
struct Defined {
    area: &'static str,
    index: usize,
    setting: &'static str,
    definition: Result<Definition, String>,
}

impl Defined {
    fn address(index: usize, entry: &AddressEntry) -> Self {
        let settings = entry.settings.clone();
        let wrong = |text: &str| Err(text.to_owned());
        let (setting, definition) = match (&entry.name, &entry.matches) {
            (Some(name), None) => ("name", Ok(Definition::new(name, Attributes::Address(settings)))),
            (None, Some(pattern)) => ("match", Ok(Definition::new(pattern.word(), Attributes::Match(settings)))),
            (Some(_), Some(_)) => ("match", wrong("it has a name and a match: leave one of them out")),
            (None, None) => ("name", wrong("it has neither a name nor a match: write one of them")),
        };
        Self { area: AddressEntry::NAME, index, setting, definition }
    }

    /// Where an address is, if it stands there.
    fn placed(index: usize, entry: &AddressEntry, shards: u16) -> Option<Self> {
        let shard = entry.shard?;
        let definition = match (&entry.name, &entry.matches) {
            (None, None) => return None,
            (None, Some(_)) => {
                Err("a match has no shard, as each of its addresses has its own: write shard beside a name".to_owned())
            }
            (Some(_), _) if shard >= shards => Err(format!(
                "address.shard is {shard}: the node has {}, counted from 0; choose one of them, or set node.shards",
                number::counted(shards.into(), "shard")
            )),
            (Some(name), _) => {
                // A name that nothing can have is told of where it stands.
                Definition::new(name, Attributes::Address(Layer::default())).check().ok()?;
                Ok(Definition::new(name, Attributes::Placed(Placed { shard, epoch: 0 })))
            }
        };
        Some(Self { area: AddressEntry::NAME, index, setting: "shard", definition })
    }

    fn queue(index: usize, entry: &QueueEntry) -> Self {
        let address = entry.address.as_ref().unwrap_or(&entry.name);
        let key = format!("{address}{QUALIFIER}{}", entry.name);
        let definition = Ok(Definition::new(key, Attributes::Queue(entry.settings.clone())));
        Self { area: QueueEntry::NAME, index, setting: "name", definition }
    }

    fn divert(index: usize, entry: &DivertEntry) -> Self {
        let (setting, definition) = match entry.settings.filter.as_deref().map_or(Ok(()), check_selector) {
            Ok(()) => ("name", Ok(Definition::new(&entry.name, Attributes::Divert(entry.settings.clone())))),
            Err(wrong) => ("filter", Err(format!("filter: {wrong}"))),
        };
        Self { area: DivertEntry::NAME, index, setting, definition }
    }
}

impl Resolving<'_> {
    /// What the configuration defines, for a node of so many shards; 0 if that is not known.
    pub(super) fn definitions(&mut self, shards: usize) -> Vec<Definition> {
        let shards = u16::try_from(shards).ok().filter(|&shards| shards > 0).unwrap_or(u16::MAX);
        let config = self.config;
        let queues = config.queues.iter().enumerate().map(|(index, entry)| Defined::queue(index, entry));
        let diverts = config.diverts.iter().enumerate().map(|(index, entry)| Defined::divert(index, entry));
        let (mut seen, mut definitions) = (HashSet::new(), Vec::new());
        // What was set and is wrong by itself was told already.
        let told = |entry: &AddressEntry, index| {
            let set = |setting| self.origins.of(AddressEntry::NAME, index, setting) != Origin::Default;
            entry.name.is_none() && entry.matches.is_none() && (set("name") || set("match"))
        };
        let addresses = config.addresses.iter().enumerate().filter(|(index, entry)| !told(entry, *index));
        let addresses: Vec<_> = addresses.map(|(index, entry)| Defined::address(index, entry)).collect();
        let placed = config.addresses.iter().enumerate();
        let placed = placed.filter_map(|(index, entry)| Defined::placed(index, entry, shards));
        for Defined { area, index, setting, definition } in
            addresses.into_iter().chain(queues).chain(diverts).chain(placed)
        {
            let checked = definition.and_then(|definition| {
                definition.check()?;
                if seen.insert((definition.kind(), definition.key.clone())) {
                    return Ok(definition);
                }
                Err(format!("{:?} stands there twice: write all of its settings in one place", definition.key))
            });
            match checked {
                Ok(definition) => definitions.push(definition),
                Err(wrong) => self.fault(area, index, setting, format!("[[{area}]]: {wrong}")),
            }
        }
        self.say_of_all(&mut definitions);
        // Each was checked by itself: what can be wrong now is that there are too many.
        let catalogue = Catalogue::new(Placement::new(shards));
        if let Err(error) = catalogue.apply(&catalogue.reconcile(&definitions)) {
            self.fault(AddressEntry::NAME, 0, "name", error.to_string());
        }
        definitions
    }

    /// Adds what the storage's table says of all addresses, where their own tables do not.
    fn say_of_all(&self, definitions: &mut Vec<Definition>) {
        let Some(when_full) = self.config.storage.when_full else { return };
        let of_all = definitions.iter_mut().find_map(|definition| match &mut definition.attributes {
            Attributes::Match(layer) if definition.key == EVERY => Some(layer),
            _ => None,
        });
        match of_all {
            Some(layer) => layer.when_full = layer.when_full.or(Some(when_full)),
            None => {
                let layer = Layer { when_full: Some(when_full), ..Layer::default() };
                definitions.push(Definition::new(EVERY, Attributes::Match(layer)));
            }
        }
    }
}
