//! A policy as a whole: its vhosts by the hostnames that connections open with.

use std::collections::HashMap;

use engine_router::matching::{Pattern, Tree};

use crate::limits::{ENTRIES_MAX, TEXT_OCTETS_MAX, VHOSTS_MAX};
use crate::vhost::{DEFAULT_GROUP, House, Naming, Unknown, Vhost};

/// What a policy is made of.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The vhosts.
    pub vhosts: Vec<Vhost>,
    /// What their names are.
    pub naming: Naming,
    /// The vhost of connections whose hostname has none; empty, or no vhost's name: they are denied.
    pub default_vhost: String,
    /// Octets of a message where nothing else is said; 0: no bound.
    pub message_octets: u32,
}

/// What is wrong with a vhost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its place in the rules.
    pub vhost: usize,
    /// What is wrong, and what to do.
    pub text: String,
}

/// A policy.
#[derive(Debug)]
pub struct Policy {
    houses: Vec<House>,
    names: Names,
    default: Option<usize>,
}

/// Places of vhosts.
#[derive(Debug)]
enum Names {
    Exact(HashMap<Box<str>, usize>),
    Patterns(Tree<usize>),
}

impl Policy {
    /// Makes a policy.
    ///
    /// # Errors
    /// Everything that is wrong with its vhosts.
    pub fn new(rules: Rules) -> Result<Self, Vec<Wrong>> {
        let Rules { vhosts, naming, default_vhost, message_octets } = rules;
        let mut wrong = Vec::new();
        if vhosts.len() > VHOSTS_MAX {
            wrong.push(Wrong { vhost: VHOSTS_MAX, text: format!("there are more than {VHOSTS_MAX} vhosts") });
        }
        for (place, vhost) in vhosts.iter().enumerate() {
            let mut tell = |text| wrong.push(Wrong { vhost: place, text });
            check(vhost, &mut tell);
        }
        let names = names(&vhosts, naming, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let default = vhosts.iter().position(|vhost| vhost.name == default_vhost);
        let houses = vhosts.into_iter().map(|vhost| House::new(vhost, message_octets)).collect();
        Ok(Self { houses, names, default })
    }

    /// The vhost of a hostname, with its place: that of the name, or the one for all that have none.
    pub(crate) fn house(&self, hostname: &str) -> Option<(usize, &House)> {
        let named = match &self.names {
            Names::Exact(names) => names.get(hostname).copied(),
            Names::Patterns(_) if hostname.is_empty() => None,
            Names::Patterns(tree) => tree.best(hostname).map(|(_, place)| *place),
        };
        let place = named.or(self.default)?;
        Some((place, self.houses.get(place)?))
    }

    /// All vhosts, in the order of the rules.
    pub(crate) fn houses(&self) -> impl Iterator<Item = &House> {
        self.houses.iter()
    }
}

/// All names of a vhost.
fn names_of(vhost: &Vhost) -> impl Iterator<Item = &String> {
    std::iter::once(&vhost.name).chain(&vhost.aliases)
}

/// Tells what is wrong with a vhost by itself.
fn check(vhost: &Vhost, tell: &mut impl FnMut(String)) {
    for name in names_of(vhost).filter(|name| name.is_empty() || name.len() > TEXT_OCTETS_MAX) {
        tell(format!("a hostname has {} octets: it takes 1 to {TEXT_OCTETS_MAX}", name.len()));
    }
    if vhost.aliases.len() > ENTRIES_MAX || vhost.groups.len() > ENTRIES_MAX {
        tell(format!("it has more than {ENTRIES_MAX} groups or aliases: divide it"));
    }
    if vhost.unknown == Unknown::Default && !vhost.groups.iter().any(|group| group.name == DEFAULT_GROUP) {
        tell(format!("allowUnknownUser is yes, and there is no group {DEFAULT_GROUP}: add it, or write no"));
    }
    let mut owners: HashMap<&str, &str> = HashMap::new();
    let mut groups: HashMap<&str, ()> = HashMap::new();
    for group in &vhost.groups {
        if groups.insert(&group.name, ()).is_some() {
            tell(format!("there is a second group {:?}: write all settings in one", group.name));
        }
        if group.users.len() > ENTRIES_MAX {
            tell(format!("the group {:?} has more than {ENTRIES_MAX} users: write `*`", group.name));
        }
        for user in &group.users {
            if user.is_empty() || user.len() > TEXT_OCTETS_MAX {
                let octets = user.len();
                tell(format!("a user of group {:?} has {octets} octets: it takes 1 to {TEXT_OCTETS_MAX}", group.name));
            }
            if let Some(other) = owners.insert(user, &group.name).filter(|other| *other != group.name) {
                let text =
                    format!("the user {user:?} is in the groups {other:?} and {:?}: leave it in one", group.name);
                tell(text);
            }
        }
    }
}

/// The names of all vhosts; one that two have is wrong.
fn names(vhosts: &[Vhost], naming: Naming, wrong: &mut Vec<Wrong>) -> Names {
    let named = vhosts.iter().enumerate().flat_map(|(place, vhost)| names_of(vhost).map(move |name| (name, place)));
    match naming {
        Naming::Exact => {
            let mut names: HashMap<Box<str>, usize> = HashMap::new();
            for (name, place) in named {
                if names.insert(name.as_str().into(), place).is_some() {
                    let text = format!("the hostname {name:?} is there twice: leave it out once");
                    wrong.push(Wrong { vhost: place, text });
                }
            }
            Names::Exact(names)
        }
        Naming::Patterns => {
            let mut patterns: HashMap<Pattern, usize> = HashMap::new();
            for (name, place) in named {
                let text = match Pattern::new(name) {
                    None => format!("the hostname {name:?} is no pattern: words with dots between them are"),
                    Some(pattern) => match patterns.insert(pattern, place) {
                        None => continue,
                        Some(_) => format!("the pattern {name:?} is there twice: leave it out once"),
                    },
                };
                wrong.push(Wrong { vhost: place, text });
            }
            Names::Patterns(patterns.into_iter().collect())
        }
    }
}
