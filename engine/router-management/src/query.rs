//! A query: rows of some types, some of their columns, and a part of them.

use engine_management::{Answer, Request, Status};
use engine_message::value::{Map, Value};
use engine_router_conf::schema::EntityType;

use crate::limits::{COLUMNS_MAX, ROWS_MAX};
use crate::refusal;
use crate::row::Row;
use crate::types;

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    /// Of which types, in the order in which they are told.
    pub of: Vec<&'static EntityType>,
    columns: Vec<&'static str>,
    /// Rows to pass over.
    pub offset: u64,
    /// Rows that are wanted; `None`: all.
    pub count: Option<u64>,
}

impl Query {
    /// What a request asks for. Columns that its types do not have are left out of the answer: tools look which ones there are.
    pub(crate) fn read(request: &Request) -> Result<Self, Answer> {
        let named = request.properties.get("entityType").or_else(|| request.body.get("entityType"));
        let of: Vec<&'static EntityType> = match named.and_then(Value::as_text) {
            Some(name) => {
                let named = types::find(name).ok_or_else(|| refusal::no_type(name))?;
                types::all().filter(|of| types::is_of(of, named)).collect()
            }
            None => types::all().collect(),
        };
        let mut known: Vec<&'static str> = Vec::new();
        for attribute in of.iter().flat_map(|of| of.attributes()) {
            // A type alone has each name once.
            if of.len() == 1 || !known.contains(&attribute.name) {
                known.push(attribute.name);
            }
        }
        let bad = |why: String| Answer::refused(Status::BadRequest, why);
        let columns = match request.body.get("attributeNames") {
            Some(Value::List(names)) if names.len() > COLUMNS_MAX => {
                return Err(bad(format!("attributeNames has more than {COLUMNS_MAX} names")));
            }
            Some(Value::List(names)) if !names.is_empty() => {
                let wanted = names.iter().filter_map(Value::as_text);
                wanted.filter_map(|wanted| known.iter().copied().find(|name| *name == wanted)).collect()
            }
            None | Some(Value::Null | Value::List(_)) => known,
            Some(_) => return Err(bad("attributeNames is a list of names".to_owned())),
        };
        let offset = request.number("offset").map_err(bad)?.unwrap_or_default();
        // Tools say 0 for all.
        let count = request.number("count").map_err(bad)?.filter(|count| *count > 0);
        Ok(Self { of, columns, offset, count })
    }

    /// How many rows are to be found behind `offset`: one more than an answer may have says that there are too many.
    #[must_use]
    pub fn wanted(&self) -> usize {
        let count = self.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
        count.min(ROWS_MAX + 1)
    }

    /// The answer that rows make: those behind `offset`, at most `wanted`.
    #[must_use]
    pub fn answer(&self, rows: &[Row]) -> Answer {
        if rows.len() > ROWS_MAX {
            let why = format!("there are more than {ROWS_MAX} entities: ask for parts, with offset and count");
            return Answer::refused(Status::BadRequest, why);
        }
        let text = |text: &str| Value::String(text.to_owned());
        let names = self.columns.iter().map(|name| text(name)).collect();
        let cell = |row: &Row, name: &str| row.get(name).cloned().unwrap_or(Value::Null);
        let results = rows.iter().map(|row| Value::List(self.columns.iter().map(|name| cell(row, name)).collect()));
        let entries =
            vec![(text("attributeNames"), Value::List(names)), (text("results"), Value::List(results.collect()))];
        Answer::of(Value::Map(Map(entries)))
    }
}
