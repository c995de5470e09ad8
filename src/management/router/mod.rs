//! What a router tells of itself to tools of qdrouterd, and what they may change: rows for the machine of `engine_router_management`.
//!
//! Guarantees: what there are many of is asked for page by page, and a query that goes on goes on where the last one ended; an answer has a
//! bound (`limits::ROWS_MAX`). No shard is held up for it.

mod changes;
mod connectors;
mod ends;
mod links;
mod logging;
mod places;
mod tables;
mod traffic;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_management::{Answer, Request, Status};
use engine_message::value::{Map, Value};
use engine_router_conf::schema::EntityType;
use engine_router_conf::{Changing, Configuration, schema};
use engine_router_management::{Asked, By, Change, Made, Named, Query, Row, ask, types};

pub use self::changes::Changes;
pub use self::ends::Ends;
use self::places::Places;
use self::window::Window;
use crate::log::Live;
use crate::node::Node;
use crate::routing::Newest;

/// What it knows.
pub struct RouterAgent {
    /// The node that it is of.
    pub node: Arc<Node>,
    /// What the router is told, which changes while it runs.
    pub changes: Mutex<Changes>,
    /// Who wants messages of which address.
    pub table: Newest,
    /// The log, where there is one.
    pub log: Option<Live>,
    /// Connections, or links, that a shard may have: each place of its tables is below.
    pub places_max: u64,
    /// Where queries go on.
    pub places: Mutex<Places>,
}

impl RouterAgent {
    /// Does what a request asks for.
    ///
    /// # Errors
    /// When it is not done, with the answer that says why.
    pub fn perform(&self, request: &Request) -> Result<Answer, Answer> {
        match ask(request)? {
            Asked::Described(answer) => Ok(answer),
            Asked::Query(query) => self.query(&query),
            Asked::Read(named) => self.find(&named).map(|row| Answer::of(Value::Map(row.map()))),
            Asked::Update(named, change) => self.update(&named, change),
            Asked::Create(made) => self.create(made),
            Asked::Delete(named, changing) => self.delete(&named, changing),
            Asked::Log(most) => Ok(Answer::of(logging::told(&self.lines(most)))),
            Asked::Nodes => Ok(Answer::of(Value::List(self.nodes()))),
        }
    }

    fn query(&self, query: &Query) -> Result<Answer, Answer> {
        let mut window = Window::part(query.offset, query.wanted());
        for of in &query.of {
            if window.is_full() {
                break;
            }
            self.rows(of, &mut window)?;
        }
        Ok(query.answer(&window.rows()))
    }

    fn find(&self, named: &Named) -> Result<Row, Answer> {
        let mut window = Window::named(named);
        for of in &named.of {
            if window.is_full() {
                break;
            }
            self.rows(of, &mut window)?;
        }
        window.rows().pop().ok_or_else(|| named.missing())
    }

    fn update(&self, named: &Named, change: Change) -> Result<Answer, Answer> {
        let row = self.find(named)?;
        match change {
            Change::None => {}
            Change::Log(enable) => {
                self.set_level(&row, enable)?;
                return self.find(named).map(|row| Answer::of(Value::Map(row.map())));
            }
            Change::Close => {
                self.close(&row)?;
                let closing = row.with("adminStatus", Value::String("deleted".to_owned()));
                return Ok(Answer::of(Value::Map(closing.map())));
            }
        }
        Ok(Answer::of(Value::Map(row.map())))
    }

    fn create(&self, made: Made) -> Result<Answer, Answer> {
        let of = made.changing.of();
        let name = self.changes().make(made, &self.node)?;
        let named = Named { of: vec![of], by: By::Name(name) };
        self.find(&named).map(|row| Answer::created(Value::Map(row.map())))
    }

    fn delete(&self, named: &Named, changing: Changing) -> Result<Answer, Answer> {
        let row = self.find(named)?;
        let name = row.get("name").and_then(Value::as_text).ok_or_else(|| named.missing())?;
        let mut changes = self.changes();
        // Somebody else may have removed it meanwhile.
        let number = changes.number(changing, name).ok_or_else(|| named.missing())?;
        changes.remove(changing, number, &self.node)?;
        Ok(Answer::removed())
    }

    /// Offers all entities of a type.
    fn rows(&self, of: &'static EntityType, window: &mut Window<'_>) -> Result<(), Answer> {
        let is = |other: &EntityType| of.short == other.short;
        if is(&types::CONNECTION) {
            self.connections(window)
        } else if is(&types::LINK) {
            self.links(window)
        } else if is(&types::ADDRESS) {
            self.addresses(window)
        } else if is(&types::NODE) {
            self.offer_nodes(window);
            Ok(())
        } else if is(&types::LOG_STATS) {
            self.log_stats(window);
            Ok(())
        } else if is(&types::MANAGEMENT) {
            window.offer(|| Row::new(of, "self", "self"));
            Ok(())
        } else if of.section == "autoLink" {
            self.auto_links(of, window)
        } else if of.section == "linkRoute" {
            self.link_routes(of, window)
        } else if of.section == "connector" {
            self.connectors(of, window)
        } else if of.section == "log" {
            self.logs(of, window);
            Ok(())
        } else if of.section == "router" {
            self.router(of, window)
        } else if of.section == "policy" {
            self.policy(of, window)
        } else {
            self.sections(of, window);
            Ok(())
        }
    }

    /// Sections of the configuration. What no file has sections of has no entities here.
    fn sections(&self, of: &'static EntityType, window: &mut Window<'_>) {
        if schema::TYPES.iter().any(|section| section.short == of.short) {
            self.configuration().entities(of).into_iter().for_each(|entity| window.offer(|| Row::of_entity(entity)));
        }
    }

    /// What the router was told so far.
    fn configuration(&self) -> Arc<Configuration> {
        self.changes().configuration()
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of a section among those of its type, which its identity says.
fn number(row: &Row) -> Option<u32> {
    row.get("identity")?.as_text()?.parse::<u32>().ok()?.checked_sub(1)
}

/// A shard does not answer in time.
fn silent(_: crate::node::Silent) -> Answer {
    Answer::refused(Status::Unavailable, "a shard does not answer in time: try again")
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Nothing, as a map.
fn empty() -> Value {
    Value::Map(Map::default())
}
