//! What a router is told while it runs: sections that come and go by management, from what they say to what the router goes by.
//!
//! Guarantees:
//! 1. What is made is checked by the code that checks a file, and refused with its words; what was refused has changed nothing.
//! 2. When it is answered that something was made or removed, all shards go by it.
//! 3. Of each type `MADE_MAX` are there at most beside those of the file, of connectors and listeners `MADE_ENDS_MAX`. Numbers are given once.
//!
//! What was made is gone when the router ends: the file is not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine_management::{Answer, Status};
use engine_router::RouterId;
use engine_router::auto_links::{AutoLink, AutoLinkId};
use engine_router::matching::Pattern;
use engine_router::table::{Rule, Rules};
use engine_router_conf::{Changing, Configuration, NotAdded};
use engine_router_management::Made;
use engine_router_management::limits::{MADE_ENDS_MAX, MADE_MAX};
use engine_routing::LinkRoute;
use node_shell::ConnectorConfig;

use super::ends::Ends;
use crate::config;
use crate::node::{Node, Silent, Sockets};
use crate::routing::{Routing, Ruling};

/// What a router goes by, and what it was told in the words of its file.
pub struct Changes {
    configuration: Arc<Configuration>,
    id: RouterId,
    ends: Ends,
    rules: BTreeMap<u32, (Pattern, Rule)>,
    otherwise: Rule,
    links: BTreeMap<u32, AutoLink>,
    link_routes: BTreeMap<u32, LinkRoute>,
    numbers: BTreeMap<Changing, Numbers>,
    ruling: Ruling,
}

/// Numbers of the sections of a type.
#[derive(Clone, Copy)]
struct Numbers {
    /// The first that is not of the file.
    first: u32,
    /// The first that was never given.
    next: u32,
}

/// What was made or removed, and is to be told to the shards.
enum Told {
    Nothing,
    Rules,
    Link(AutoLinkId),
    LinkRoutes,
    Connector(u32, Arc<ConnectorConfig>),
    NoConnector(u32),
    Listener(Sockets),
    NoListener(u32),
}

impl Changes {
    /// A router that goes by its file.
    pub fn new(configuration: Arc<Configuration>, routing: &Routing, ruling: Ruling, ends: Ends) -> Self {
        let numbers = |changing| {
            let given = configuration.origins(changing).map(|origin| origin.number + 1);
            let next = given.max().unwrap_or_default();
            (changing, Numbers { first: next, next })
        };
        Self {
            numbers: Changing::ALL.map(numbers).into(),
            configuration,
            id: routing.id.clone(),
            ends,
            rules: (0..).zip(routing.rules.iter().cloned()).collect(),
            otherwise: routing.otherwise,
            links: (0..).zip(routing.auto_links.iter().cloned()).collect(),
            link_routes: (0..).zip(routing.link_routes.iter().cloned()).collect(),
            ruling,
        }
    }

    /// What the router was told, in the words of its file.
    pub fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.configuration)
    }

    /// The number of a section by its name.
    pub fn number(&self, changing: Changing, name: &str) -> Option<u32> {
        self.configuration.origins(changing).find(|origin| origin.name == name).map(|origin| origin.number)
    }

    /// Makes a section; gives its name when all shards go by it.
    ///
    /// # Errors
    /// When it is not made, or a shard does not say that it goes by it: with the answer that says which.
    pub fn make(&mut self, made: Made, node: &Node) -> Result<String, Answer> {
        let changing = made.changing;
        let number = self.next(changing)?;
        let warnings = Arc::make_mut(&mut self.configuration).add(changing, number, made.given).map_err(refused)?;
        let looked = config::look(&self.configuration, changing);
        let resolved = looked.and_then(|looked| Ok((looked, self.resolve(changing, number, node)?)));
        let (warned, told) = match resolved {
            Ok((mut looked, (told, doubts))) => {
                looked.extend(doubts);
                (looked, told)
            }
            Err(wrong) => {
                Arc::make_mut(&mut self.configuration).remove(changing, number);
                return Err(Answer::refused(Status::BadRequest, wrong));
            }
        };
        let name = self.configuration.said_last(changing).map(|said| said.origin.name.clone()).unwrap_or_default();
        if let Some(numbers) = self.numbers.get_mut(&changing) {
            numbers.next = number + 1;
        }
        let warnings = warnings.iter().map(ToString::to_string).chain(warned);
        warnings.for_each(|warning| tracing::warn!(target: "heddle::program", "{warning}"));
        let section = changing.of().section;
        if let Told::Listener(sockets) = told {
            if let Err(why) = node.listen(number, sockets) {
                Arc::make_mut(&mut self.configuration).remove(changing, number);
                self.ends.remove(changing, number);
                return Err(Answer::refused(Status::Unavailable, why));
            }
        } else {
            self.tell(told, node).map_err(|Silent| late("made"))?;
        }
        tracing::info!(target: "heddle::program", section, name, number = number + 1, "management made a section");
        Ok(name)
    }

    /// Removes the section of a number; all shards go by that.
    ///
    /// # Errors
    /// When a shard does not say so, or something goes by it that has to go before.
    pub fn remove(&mut self, changing: Changing, number: u32, node: &Node) -> Result<(), Answer> {
        if let Some(why) = self.used(changing, number) {
            return Err(Answer::refused(Status::Conflict, why));
        }
        Arc::make_mut(&mut self.configuration).remove(changing, number);
        let told = match changing {
            Changing::Address => {
                self.rules.remove(&number);
                Told::Rules
            }
            Changing::AutoLink => {
                self.links.remove(&number);
                Told::Link(AutoLinkId(number))
            }
            Changing::LinkRoute => {
                self.link_routes.remove(&number);
                Told::LinkRoutes
            }
            Changing::Connector => {
                self.ends.remove(changing, number);
                Told::NoConnector(number)
            }
            Changing::Listener => {
                self.ends.remove(changing, number);
                Told::NoListener(number)
            }
            Changing::SslProfile => Told::Nothing,
        };
        let section = changing.of().section;
        tracing::info!(target: "heddle::program", section, number = number + 1, "management removed a section");
        self.tell(told, node).map_err(|Silent| late("removed"))
    }

    /// What keeps a section from being removed.
    fn used(&self, changing: Changing, number: u32) -> Option<String> {
        if changing != Changing::SslProfile {
            return None;
        }
        let name = &self.configuration.origins(changing).find(|origin| origin.number == number)?.name;
        let user = self.configuration.users_of_profile(name).next()?;
        Some(format!("{user} goes by the sslProfile {name}: remove that first"))
    }

    /// The number of a further section of a type, if there may be one.
    fn next(&self, changing: Changing) -> Result<u32, Answer> {
        let Some(Numbers { first, next }) = self.numbers.get(&changing).copied() else {
            unreachable!("each type has numbers")
        };
        let made = self.configuration.origins(changing).filter(|origin| origin.number >= first).count();
        let most = match changing {
            Changing::Address | Changing::AutoLink | Changing::LinkRoute | Changing::SslProfile => MADE_MAX,
            Changing::Connector | Changing::Listener => MADE_ENDS_MAX,
        };
        if made >= most || next == u32::MAX {
            let short = changing.of().short;
            let why = format!(
                "there are {made} entities of {short} that management made: remove some, or write them into the configuration"
            );
            return Err(Answer::refused(Status::Conflict, why));
        }
        Ok(next)
    }

    /// Goes by a section that was added; gives what is doubtful about it, too.
    fn resolve(&mut self, changing: Changing, number: u32, node: &Node) -> Result<(Told, Vec<String>), String> {
        let told = match changing {
            Changing::Address => {
                let Some(section) = self.configuration.addresses.last() else { unreachable!("it was added") };
                let rule = config::rule(section, self.rules.values())?;
                self.rules.insert(number, rule);
                Told::Rules
            }
            Changing::AutoLink => {
                let Some(section) = self.configuration.auto_links.last() else { unreachable!("it was added") };
                let link = config::auto_link(section, (&self.id, self.ends.list()), self.links.values())?;
                self.links.insert(number, link);
                Told::Link(AutoLinkId(number))
            }
            Changing::LinkRoute => {
                let Some(section) = self.configuration.link_routes.last() else { unreachable!("it was added") };
                let route = config::link_route(section, self.ends.list(), self.link_routes.values())?;
                self.link_routes.insert(number, route);
                Told::LinkRoutes
            }
            Changing::Connector => {
                let (connector, doubts) = self.ends.connector(&self.configuration, number)?;
                return Ok((Told::Connector(number, connector), doubts));
            }
            Changing::Listener => {
                let (sockets, doubts) = self.ends.listener(&self.configuration, (number, node.shards.len()))?;
                return Ok((Told::Listener(sockets), doubts));
            }
            // It is read when something is made that goes by it.
            Changing::SslProfile => Told::Nothing,
        };
        Ok((told, Vec::new()))
    }

    fn tell(&mut self, told: Told, node: &Node) -> Result<(), Silent> {
        match told {
            Told::Nothing => Ok(()),
            Told::Rules => self.ruling.rule(Rules::new(self.rules.values().cloned(), self.otherwise)),
            Told::Link(id) => match self.links.get(&id.0) {
                Some(link) => node.declare(id, link),
                None => node.undeclare(id),
            },
            Told::Connector(number, connector) => node.connect(number, &connector),
            Told::NoConnector(number) => node.disconnect(number),
            Told::Listener(_) => unreachable!("its sockets are given to the shards where it is made"),
            Told::NoListener(number) => node.listen_no_more(number),
            Told::LinkRoutes => self.ruling.route_links(self.link_routes.values().cloned().collect()),
        }
    }
}

fn refused(not_added: NotAdded) -> Answer {
    let wrong = match not_added {
        NotAdded::NameTaken => "Name conflicts with an existing entity".to_owned(),
        NotAdded::Faults(faults) => {
            let faults: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.wrong, fault.advice)).collect();
            faults.join("; ")
        }
    };
    Answer::refused(Status::BadRequest, wrong)
}

fn late(what: &str) -> Answer {
    let why = format!("it is {what}, and a shard does not answer in time: that shard goes by it when it goes on");
    Answer::refused(Status::Unavailable, why)
}
