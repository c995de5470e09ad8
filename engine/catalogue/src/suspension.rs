//! What stands still for a while: addresses and queues that are paused, and addresses that are blocked, whatever else is said of them.
//!
//! Guarantees: a suspension is laid over all settings of its address, those of the configuration as well, and over queues that are not
//! there yet; what ends with the node is found at its next start.
//!
//! Not here: what an owner does with what stands still.

use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::change::{Change, Origin};
use crate::definition::{Kind, QUALIFIER, Suspension};
use crate::name::check_name;
use crate::settings::{AddressSettings, Layer};

impl Suspension {
    /// Whether it means something for what has this name.
    pub(crate) fn check(&self, key: &str) -> Result<(), String> {
        match key.split_once(QUALIFIER) {
            Some(_) if self.blocked => Err("a queue is not blocked, but its address is".to_owned()),
            Some((address, queue)) => check_name(address).and_then(|()| check_name(queue)),
            None => check_name(key),
        }
    }

    /// Whether nothing stands still by it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.paused && !self.blocked
    }
}

impl Catalogue {
    /// What a suspension of an address, and those of its queues, say as settings; nothing if there is none.
    pub(crate) fn suspension_layer(&self, address: &str) -> Option<Layer> {
        let (mut layer, mut queues) = (Layer::default(), Vec::new());
        let of_address = |key: &str| {
            let rest = key.strip_prefix(address)?;
            if rest.is_empty() { Some(None) } else { rest.strip_prefix(QUALIFIER).map(|queue| Some(queue.to_owned())) }
        };
        // Names that begin with it and go on otherwise stand between the two.
        let own = self.suspensions_from(address).take_while(|(key, _)| *key == address);
        let qualified = format!("{address}{QUALIFIER}");
        let of_queues = self.suspensions_from(&qualified).take_while(|(key, _)| key.starts_with(&qualified));
        for (key, suspension) in own.chain(of_queues) {
            match of_address(key) {
                Some(Some(queue)) if suspension.paused => queues.push(queue),
                Some(None) => {
                    layer.paused = suspension.paused.then_some(true);
                    layer.blocked = suspension.blocked.then_some(true);
                }
                _ => {}
            }
        }
        layer.paused_queues = (!queues.is_empty()).then_some(queues);
        (layer != Layer::default()).then_some(layer)
    }

    /// Settings of an address, with what of it stands still.
    pub(crate) fn suspend(&self, address: &str, settings: Arc<AddressSettings>) -> Arc<AddressSettings> {
        let Some(layer) = self.suspends().then(|| self.suspension_layer(address)).flatten() else { return settings };
        let mut suspended = AddressSettings::clone(&settings);
        layer.lay_over(&mut suspended);
        Arc::new(suspended)
    }

    /// The changes of a start: what was to stand still until then does no longer.
    #[must_use]
    pub fn wake(&self) -> Vec<Change> {
        let over = self.suspensions_from("").filter(|(_, suspension)| suspension.until_restart);
        let (origin, kind) = (Origin::Management, Kind::Suspension);
        over.map(|(key, _)| Change::Remove { origin, kind, key: key.to_owned() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Attributes, Definition};

    fn suspended(definitions: &[(&str, Suspension)]) -> Catalogue {
        let define = |(key, suspension): &(&str, Suspension)| Change::Define {
            origin: Origin::Management,
            definition: Definition::new(*key, Attributes::Suspension(suspension.clone())),
        };
        let changes: Vec<Change> = definitions.iter().map(define).collect();
        Catalogue::default().apply(&changes).expect("they mean something")
    }

    fn paused() -> Suspension {
        Suspension { paused: true, ..Suspension::default() }
    }

    #[test]
    fn what_stands_still_is_laid_over_what_is_said_else() {
        let blocked = Suspension { blocked: true, ..Suspension::default() };
        let catalogue = suspended(&[("a", blocked), ("a::q", paused()), ("a::r", paused()), ("a.b", paused())]);
        let of = |address: &str| {
            let settings = catalogue.settings(address);
            (settings.paused, settings.blocked, settings.paused_queues.clone())
        };
        assert_eq!(of("a"), (false, true, vec!["q".to_owned(), "r".to_owned()]));
        assert_eq!(of("a::q"), of("a"));
        assert_eq!(of("a.b"), (true, false, Vec::new()));
        assert_eq!(of("b"), (false, false, Vec::new()));
        let place = crate::setting_named("paused").expect("a setting").0;
        assert_eq!(catalogue.sources("a.b").get(place), Some(&Some((Kind::Suspension, "a.b".to_owned()))));
    }

    #[test]
    fn what_ends_with_the_node_is_gone_at_the_next_start() {
        let passing = Suspension { until_restart: true, ..paused() };
        let catalogue = suspended(&[("a", passing), ("b", paused())]);
        let next = catalogue.apply(&catalogue.wake()).expect("they are there");
        assert_eq!((next.settings("a").paused, next.settings("b").paused), (false, true));
        assert_eq!(next.wake(), []);
    }

    #[test]
    fn a_queue_is_not_blocked() {
        let definition = |key: &str, suspension| Definition::new(key, Attributes::Suspension(suspension));
        let blocked = Suspension { blocked: true, ..Suspension::default() };
        assert!(definition("a::q", blocked.clone()).check().is_err_and(|wrong| wrong.contains("not blocked")));
        assert_eq!(definition("a", blocked).check(), Ok(()));
        assert!(definition("a::", paused()).check().is_err() && definition("", paused()).check().is_err());
        assert!(paused().check("a::q").is_ok() && !paused().is_idle() && Suspension::default().is_idle());
    }
}
