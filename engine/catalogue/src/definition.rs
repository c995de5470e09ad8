//! What can be defined: each kind has a key, which names it among its kind, and attributes, which are settings as all others are.
//!
//! Guarantees: `Definition::check` says whether a definition means something by itself. What it means beside others is the catalogue's.
//!
//! Not here: queues made on demand and subscriptions, which are facts of their owner's log (decision 0010).

use crate::area;
use crate::declare::Area;
use crate::limits::{DIVERT_NAMES_MAX, TARGETS_MAX};
pub use crate::name::QUALIFIER;
use crate::name::check_name;
use crate::pattern::Pattern;
use crate::setting::{Setting, Value};
use crate::settings::{Layer, RoutingType};

area! {
    /// A queue that is there from the start.
    Queue = "queue" {
        /// how it gets messages of its address; else as the address hands them out
        routing: Option<RoutingType> = None => kept(1) => told("that of its address") => artemis("routing-type");
    }
}

area! {
    /// Messages of one address that also, or instead, go to others.
    Divert = "divert" {
        /// the address whose messages it leads elsewhere
        address: String = String::new() => kept(1) => artemis("address");
        /// the address that they go to, or several, divided by commas: each gets them
        to: String = String::new() => kept(2) => artemis("forwarding-address");
        /// whoever else would get them does not, but for other exclusive diverts
        exclusive: bool = false => kept(3) => artemis("exclusive");
        /// a selector: what it is not true for is not diverted
        filter: Option<String> = None => kept(4) => told("all messages are") => artemis("filter");
        /// to which queues of the target they go
        routing: Option<RoutingType> = None => kept(5) => told("as the target hands them out") => artemis("routing-type");
    }
}

area! {
    /// Who may do what at the addresses of a match: lists of roles. `user:NAME` is the role that a user has by its name, `*` the one that
    /// everybody has. What is not listed is decided by the next match that is less specific.
    Permission = "permission" {
        /// attach to send, and send
        send: Option<Vec<String>> = None => kept(1) => artemis("send");
        /// attach to receive
        receive: Option<Vec<String>> = None => kept(2) => artemis("consume");
        /// attach to look at what is there
        browse: Option<Vec<String>> = None => kept(3) => artemis("browse");
        /// have a missing address or queue made
        create: Option<Vec<String>> = None => kept(4) => artemis("createAddress, createDurableQueue, createNonDurableQueue");
        /// change and delete
        manage: Option<Vec<String>> = None => kept(5) => artemis("manage");
    }
}

area! {
    /// The roles of a user.
    Member = "user" {
        /// names of roles
        roles: Vec<String> = Vec::new() => kept(1) => artemis("roles");
    }
}

area! {
    /// An address that is not where the hash of its name says.
    Placed = "placed" {
        /// the shard that owns it
        shard: u16 = 0 => kept(1);
        /// the version of the catalogue that placed it there
        epoch: u64 = 0 => kept(2);
    }
}

area! {
    /// What stands still for a while: an address, or a queue of one.
    Suspension = "suspension" {
        /// its queues, or the queue, give nothing
        paused: bool = false => kept(1) => artemis("paused");
        /// its producers get no credit
        blocked: bool = false => kept(2);
        /// it ends with the node
        until_restart: bool = false => kept(3);
    }
}

/// Calls a macro-like block for each kind, so that a new kind is added to the list below and nowhere else in this crate's reading and
/// writing.
macro_rules! kinds {
    ($( $(#[doc = $help:literal])+ $kind:ident($table:ty) = $number:literal, $noun:literal; )+) => {
        /// What something is that is defined. The numbers stand in the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Kind { $( $(#[doc = $help])+ $kind = $number, )+ }

        /// What is said of something.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Attributes { $( $(#[doc = $help])+ $kind($table), )+ }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$kind ),+ ];

            /// The kind of a number in the log.
            #[must_use]
            pub fn of_number(number: u16) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| *kind as u16 == number)
            }

            /// What it is called, for people.
            #[must_use]
            pub fn noun(self) -> &'static str {
                match self { $( Self::$kind => $noun, )+ }
            }

            /// The attributes that it has.
            #[must_use]
            pub fn settings(self) -> &'static [Setting] {
                match self { $( Self::$kind => <$table>::SETTINGS, )+ }
            }

            /// Attributes none of which is set.
            #[must_use]
            pub fn attributes(self) -> Attributes {
                match self { $( Self::$kind => Attributes::$kind(<$table>::default()), )+ }
            }
        }

        impl Attributes {
            /// What they are of.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $( Self::$kind(_) => Kind::$kind, )+ }
            }

            /// All values, in the order of `Kind::settings`.
            #[must_use]
            pub fn values(&self) -> Vec<Value> {
                match self { $( Self::$kind(table) => table.values(), )+ }
            }

            /// Sets the one of a name.
            ///
            /// # Errors
            /// What is wrong with the value.
            pub fn put(&mut self, name: &str, value: Value) -> Result<(), String> {
                match self { $( Self::$kind(table) => table.put(name, value), )+ }
            }
        }
    };
}

kinds! {
    /// Settings of all addresses that match.
    Match(Layer) = 1, "match";
    /// An address, and its settings.
    Address(Layer) = 2, "address";
    /// A queue.
    Queue(Queue) = 3, "queue";
    /// A divert.
    Divert(Divert) = 4, "divert";
    /// Permissions at all addresses that match.
    Permission(Permission) = 5, "permission";
    /// A user's roles.
    Member(Member) = 6, "user";
    /// A placed address.
    Placed(Placed) = 7, "placed address";
    /// What stands still.
    Suspension(Suspension) = 8, "suspension";
}

impl Divert {
    /// Where it leads.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.to.split(',').map(str::trim)
    }

    fn check(&self, name: &str) -> Result<(), String> {
        let mut seen = Vec::new();
        for target in self.targets() {
            check_name(target).map_err(|wrong| format!("where it leads: {wrong}"))?;
            if target == self.address {
                return Err(format!("it leads from {target} to itself"));
            }
            if seen.contains(&target) {
                return Err(format!("it leads to {target} twice"));
            }
            if seen.len() == TARGETS_MAX {
                return Err(format!("it leads to more than {TARGETS_MAX} addresses"));
            }
            if name.len() + target.len() > DIVERT_NAMES_MAX {
                return Err(format!("its name and {target} have more than {DIVERT_NAMES_MAX} bytes together"));
            }
            seen.push(target);
        }
        Ok(())
    }
}

/// Something that is defined.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its name among its kind: a pattern, an address, `address::queue`, a divert's name, a user.
    pub key: String,
    /// What is said of it.
    pub attributes: Attributes,
}

impl Definition {
    /// A definition.
    pub fn new(key: impl Into<String>, attributes: Attributes) -> Self {
        Self { key: key.into(), attributes }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.attributes.kind()
    }

    /// Whether it means something by itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        match &self.attributes {
            Attributes::Match(layer) => {
                Pattern::new(&self.key)?;
                layer.check_for(&self.key)?;
            }
            Attributes::Permission(_) => Pattern::new(&self.key).map(drop)?,
            Attributes::Address(layer) => {
                check_name(&self.key)?;
                layer.check_for(&self.key)?;
            }
            Attributes::Placed(_) => check_name(&self.key)?,
            Attributes::Queue(_) => {
                let Some((address, queue)) = self.key.split_once(QUALIFIER) else {
                    return Err("it has no address".to_owned());
                };
                check_name(address)?;
                check_name(queue)?;
            }
            Attributes::Divert(divert) => {
                check_name(&self.key)?;
                check_name(&divert.address).map_err(|wrong| format!("its address: {wrong}"))?;
                divert.check(&self.key)?;
            }
            Attributes::Member(_) => check_name(&self.key)?,
            Attributes::Suspension(suspension) => suspension.check(&self.key)?,
        }
        for (setting, value) in self.kind().settings().iter().zip(self.attributes.values()) {
            let told = |wrong| format!("{}: {wrong}; it takes {}", setting.name, setting.allowed());
            setting.admit(&value).map_err(told)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::NAME_MAX;

    #[test]
    fn what_means_nothing_by_itself_is_refused() {
        let divert = |address: &str, to: &str| {
            Attributes::Divert(Divert { address: address.to_owned(), to: to.to_owned(), ..Divert::default() })
        };
        let long = "a".repeat(NAME_MAX + 1);
        let dead = |to: &str| Layer { dead_letter_address: Some(to.to_owned()), ..Layer::default() };
        let loose = Layer { max_mib: Some(u64::MAX), ..Layer::default() };
        for (key, attributes, said) in [
            ("a*", Kind::Match.attributes(), "whole word"),
            ("", Kind::Address.attributes(), "1 to 2048"),
            (&long, Kind::Address.attributes(), "1 to 2048"),
            ("a::b", Kind::Address.attributes(), "stands between"),
            ("a\nb", Kind::Address.attributes(), "control"),
            ("$dynamic-1", Kind::Address.attributes(), "own"),
            ("a", Kind::Queue.attributes(), "no address"),
            ("a::", Kind::Queue.attributes(), "1 to 2048"),
            ("d", divert("a", "a"), "itself"),
            ("d", divert("a", ""), "where it leads"),
            ("d", divert("a", "b,a"), "itself"),
            ("d", divert("a", "b, c,b"), "twice"),
            ("d", divert("a", "b,,c"), "where it leads"),
            ("d", divert("a", "b::c"), "stands between"),
            (&long[..NAME_MAX - 11], divert("a", "bb"), "together"),
            ("d", divert("a", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"), "more than 16"),
            ("a", Attributes::Address(loose), "max_mib"),
            ("a", Attributes::Address(dead("a")), "dead_letter_address: it leads from a to itself"),
            ("a.b", Attributes::Match(dead("a.b::c")), "dead_letter_address: it leads from a.b to itself"),
            ("#", Attributes::Match(dead("$dead")), "dead_letter_address: names that begin with `$`"),
            ("#", Attributes::Match(dead("a::b::c")), "dead_letter_address: `::`"),
        ] {
            let error = Definition::new(key, attributes).check().expect_err(key);
            assert!(error.contains(said), "{key}: {error}");
        }
        for (key, attributes) in [
            ("a.#", Kind::Match.attributes()),
            ("a.#", Kind::Address.attributes()),
            ("a::b", Kind::Queue.attributes()),
            ("d", divert("a", "b")),
            ("d", divert("a", "b, c")),
            ("#", Attributes::Match(dead("a"))),
            ("a.*", Attributes::Match(dead("a.b::c"))),
            ("a", Attributes::Address(dead(""))),
        ] {
            assert_eq!(Definition::new(key, attributes).check(), Ok(()), "{key}");
        }
    }

    #[test]
    fn numbers_are_used_once_in_each_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_number(*kind as u16), Some(*kind));
            let mut numbers: Vec<u16> = kind.settings().iter().map(|setting| setting.number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            assert!(numbers.len() == kind.settings().len() && !numbers.contains(&0), "{kind:?}");
        }
        assert_eq!(Kind::of_number(0), None);
    }
}
