//! Rows of links that the router attaches itself, and of routes that links of clients take: what they are to be, and how they stand on the
//! shards' connections.

use engine_home::Slot;
use engine_management::Answer;
use engine_message::value::Value;
use engine_router::auto_links::{AutoLinkId, Standing, Status, Via};
use engine_router_conf::schema::EntityType;
use engine_router_management::Row;

use super::window::Window;
use super::{RouterAgent, number, silent, text};

impl RouterAgent {
    /// Offers them. Shards are asked for those that are told, and not for all.
    pub(super) fn auto_links(&self, of: &'static EntityType, window: &mut Window<'_>) -> Result<(), Answer> {
        let begin = window.found();
        self.sections(of, window);
        let rows = window.rows_from(begin);
        let ids: Vec<AutoLinkId> = rows.iter().filter_map(number).map(AutoLinkId).collect();
        let standings = self.node.auto_links(&ids).map_err(silent)?;
        rows.iter_mut().zip(standings).for_each(|(row, standings)| self.stand(row, standings));
        Ok(())
    }

    /// Offers routes of links. Shards are asked for those that are told, and not for all.
    pub(super) fn link_routes(&self, of: &'static EntityType, window: &mut Window<'_>) -> Result<(), Answer> {
        let begin = window.found();
        self.sections(of, window);
        let rows = window.rows_from(begin);
        let served = self.node.served(&rows.iter().map(via).collect::<Vec<_>>()).map_err(silent)?;
        for (row, is_served) in rows.iter_mut().zip(served) {
            row.set("operStatus", text(if is_served { "active" } else { "inactive" }));
        }
        Ok(())
    }

    /// How a link stands: as on the connection where it has come furthest; one that is for several has a link on each.
    fn stand(&self, row: &mut Row, standings: Vec<(u16, Standing)>) {
        let best = standings.iter().max_by_key(|(shard, standing)| (standing.status.rank(), u16::MAX - shard));
        let word = match best.map(|(_, standing)| standing.status) {
            None => "inactive",
            Some(Status::Attaching) => "attaching",
            Some(Status::Active { .. }) => "active",
            Some(Status::Failed) => "failed",
        };
        row.set("operStatus", text(word));
        // qdrouterd tells the phase that holds where none is said.
        if row.get("phase").is_none() && row.get("fallback") != Some(&Value::Boolean(true)) {
            row.set("phase", Value::Int(i32::from(row.get("direction") == Some(&text("in")))));
        }
        if let Some((shard, Standing { status: Status::Active { place }, .. })) = best {
            row.set("linkRef", Value::String(self.identity(*shard, Slot::from_bits(*place))));
        }
        if let Some(failure) = standings.into_iter().find_map(|(_, standing)| standing.failure) {
            row.set("lastError", Value::String(failure));
        }
    }
}

/// Which connections a route is for; `None`: those of other routers.
fn via(row: &Row) -> Option<Via> {
    let said = |name: &str| row.get(name).and_then(Value::as_text).map(str::to_owned);
    said("connection").map(Via::Name).or_else(|| said("containerId").map(Via::Container))
}
