//! What a broker tells of itself at `/state`, as far as `status` shows it; lists are read part by part.
//!
//! Guarantees: what is read is bounded; what a broker of another version does not tell is absent, and no error.

use std::io;

use serde_json::{Map, Value};

use crate::http::{Source, encode};

/// Queues that are looked at for those with most in them: several megabytes of answers.
const LOOKED_AT_MAX: usize = 10_000;
/// Queues that are listed at most: some hundred megabytes of memory.
const LISTED_MAX: usize = 1_000_000;
/// Queues of one answer.
const PART: usize = 10_000;

/// A thing as the broker tells of it.
pub type Object = Map<String, Value>;

/// A node, as it told of itself.
pub struct State {
    pub node: Object,
    pub shards: Vec<Object>,
    pub journals: Vec<Object>,
    /// The shards' parts of the router, with their shards.
    pub routers: Vec<Object>,
    pub queues: Vec<Object>,
    pub connections: Vec<Object>,
    pub links: Vec<Object>,
    pub connectors: Vec<Object>,
}

/// Queues, in the order of their names.
pub struct Queues {
    pub queues: Vec<Object>,
    /// Whether there are more than are listed.
    pub more: bool,
}

/// Reads the queues whose names begin so.
///
/// # Errors
/// When the broker does not answer.
pub fn list(http: &Source, prefix: &str) -> io::Result<Queues> {
    let (mut queues, next) = fetch_queues(http, prefix, None, LISTED_MAX)?;
    queues.sort_by(|one, other| text(one, "name").cmp(text(other, "name")));
    Ok(Queues { queues, more: next.is_some() })
}

impl State {
    /// Reads it, those queues first that had most messages.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn fetch(http: &Source) -> io::Result<Self> {
        let mut node = fetch(http, "/state")?;
        let mut queues = take_list(&mut node, "queues");
        if let Some(next) = next(&node) {
            queues.extend(fetch_queues(http, "", Some(next), LOOKED_AT_MAX.saturating_sub(queues.len()))?.0);
        }
        let state = Self::of(node, queues);
        if state.shards.is_empty() { Err(no_broker(http, "it tells of no shards")) } else { Ok(state) }
    }

    /// What a node told, and its queues.
    pub fn of(mut node: Object, mut queues: Vec<Object>) -> Self {
        let [mut shards, connections, links, connectors] =
            ["shards", "connections", "links", "connectors"].map(|list| take_list(&mut node, list));
        let mut take = |part: &str| -> Vec<Object> {
            let parts = shards.iter_mut().filter_map(|shard| {
                let Some(Value::Object(mut part)) = shard.remove(part) else { return None };
                part.insert("shard".to_owned(), shard.get("shard").cloned().unwrap_or_default());
                Some(part)
            });
            parts.collect()
        };
        let (journals, routers) = (take("journal"), take("router"));
        queues.sort_by_key(|queue| std::cmp::Reverse((number(queue, "enqueued"), number(queue, "messages"))));
        Self { node, shards, journals, routers, queues, connections, links, connectors }
    }

    /// How many there are in all shards.
    pub fn count(&self, of: &str) -> u64 {
        self.shards.iter().filter_map(|shard| number(shard, of)).sum()
    }
}

/// Asks for queues, part by part; gives where to go on if there are more.
fn fetch_queues(
    http: &Source,
    prefix: &str,
    mut after: Option<String>,
    most: usize,
) -> io::Result<(Vec<Object>, Option<String>)> {
    let mut queues = Vec::new();
    while queues.len() < most {
        let from = after.as_ref().map(|after| format!("&after={}", encode(after))).unwrap_or_default();
        let part = PART.min(most - queues.len());
        let mut answer = fetch(http, &format!("/state?queues={}&most={part}{from}", encode(prefix)))?;
        queues.extend(take_list(&mut answer, "queues"));
        after = next(&answer);
        if after.is_none() {
            break;
        }
    }
    Ok((queues, after))
}

fn fetch(http: &Source, path: &str) -> io::Result<Object> {
    let body = http.get(path)?;
    serde_json::from_str(&body).map_err(|error| no_broker(http, &error.to_string()))
}

fn no_broker(http: &Source, why: &str) -> io::Error {
    io::Error::other(format!("{http} is no Heddle broker: {why}"))
}

/// Where the list of queues goes on.
fn next(answer: &Object) -> Option<String> {
    answer.get("next")?.get("queues")?.as_str().map(str::to_owned)
}

/// Takes a list out; what is none has nothing in it.
pub fn take_list(from: &mut Object, name: &str) -> Vec<Object> {
    let Some(Value::Array(list)) = from.remove(name) else { return Vec::new() };
    let objects = list.into_iter().filter_map(|thing| match thing {
        Value::Object(object) => Some(object),
        _ => None,
    });
    objects.collect()
}

/// A text of a thing; empty when it has none.
pub fn text<'a>(thing: &'a Object, name: &str) -> &'a str {
    thing.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number of a thing.
pub fn number(thing: &Object, name: &str) -> Option<u64> {
    thing.get(name)?.as_u64()
}
