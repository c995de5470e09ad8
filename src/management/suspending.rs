//! What management has stand still: queues and addresses that are paused, addresses that are blocked.
//!
//! Guarantees: what stands still is on stable storage, and done by the queues that are there, when the answer says so; asked again for what
//! is so already it changes nothing.
//!
//! Not here: what stands still means (`engine/catalogue`, `engine/core`).

use engine_catalogue::{Action, Attributes, Change, Definition, Kind, Origin, QUALIFIER, Suspension, base};
use engine_core::QueueView;
use engine_management::{Answer, Request, Status};
use engine_message::value::{Map, Value};

use super::agent::Agent;
use super::declaring::{failed, refused};
use super::queues::{self, bad, silent, text};
use crate::catalogue::Kept;
use crate::holding::{hold, lock};
use crate::node::Row;

/// What stands still of something so far.
fn suspended(kept: &Kept, key: &str) -> Suspension {
    let mut from = kept.catalogue().suspensions_from(key);
    from.next().filter(|(found, _)| *found == key).map(|(_, suspension)| suspension).unwrap_or_default()
}

impl Agent {
    /// Pauses a queue or an address, blocks an address, or ends that.
    pub fn suspend(&self, user: &str, kind: Kind, request: &Request) -> Result<Answer, Answer> {
        let name = request.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| bad(format!("name the {}", kind.noun())))?;
        let key = if kind == Kind::Queue {
            let found = queues::find(&self.node, name)?;
            format!("{}{QUALIFIER}{}", found.view.address, found.view.name)
        } else {
            name.to_owned()
        };
        if !lock(&self.kept).catalogue().may(Some(user).filter(|user| !user.is_empty()), Action::Manage, base(&key)) {
            let why = format!("the user {user:?} may not manage the address {}: no permission says so", base(&key));
            return Err(Answer::refused(Status::Forbidden, why));
        }
        let operation = request.operation.as_str();
        self.hold_still(&key, operation, matches!(request.body.get("keep"), Some(Value::Boolean(true))))?;
        let wanted = operation == "PAUSE";
        if matches!(operation, "PAUSE" | "RESUME") && !self.comes(|| self.is_done(&key, wanted))? {
            let why =
                format!("it is kept that {key} is to {}, and a shard has not done it yet", operation.to_lowercase());
            return Err(Answer::refused(Status::Unavailable, why));
        }
        Ok(Answer::of(Value::Map(Map(vec![(text("name"), Value::String(key))]))))
    }

    fn hold_still(&self, key: &str, operation: &str, keep: bool) -> Result<(), Answer> {
        let mut kept = lock(&self.kept);
        let before = suspended(&kept, key);
        let mut suspension = before.clone();
        match operation {
            "PAUSE" => suspension.paused = true,
            "RESUME" => suspension.paused = false,
            "BLOCK" => suspension.blocked = true,
            _ => suspension.blocked = false,
        }
        if matches!(operation, "PAUSE" | "BLOCK") {
            suspension.until_restart = !keep;
        }
        if suspension == before || (suspension.is_idle() && before.is_idle()) {
            return Ok(());
        }
        let origin = Origin::Management;
        let change = if suspension.is_idle() {
            Change::Remove { origin, kind: Kind::Suspension, key: key.to_owned() }
        } else {
            Change::Define { origin, definition: Definition::new(key, Attributes::Suspension(suspension)) }
        };
        let next = kept.next_of(vec![change]).map_err(refused)?;
        hold(&self.node, &mut kept, next).map_err(|error| failed(&error))
    }

    /// Whether the queues that are meant are paused, or go on. What else has them paused is not ended.
    fn is_done(&self, key: &str, wanted: bool) -> Result<bool, Answer> {
        let settings = lock(&self.kept).catalogue().settings(base(key));
        let only = key.split_once(QUALIFIER).map(|(_, queue)| queue);
        let mut done = true;
        let look = |Row { view, .. }: Row<QueueView>| {
            let is_meant = view.address == base(key) && only.is_none_or(|only| view.name == only);
            let stays = settings.paused || settings.paused_queues.contains(&view.name);
            done &= !is_meant || view.paused == (wanted || stays);
        };
        self.node.each::<QueueView>(only.unwrap_or_default(), look).map_err(silent)?;
        Ok(done)
    }
}
